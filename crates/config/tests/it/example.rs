use forecall_config::{GatewaySettings, Settings, files};
use forecall_types::{ContactChannel, ServiceName};
use openssl::rsa::Rsa;

const EXAMPLE: &str = include_str!("../../../../deploy/forecall.example.yaml");

/// The example with a value for each variable it needs; none is set in this process.
pub(crate) fn example() -> String {
    let key = "0123456789abcdef".repeat(4);
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka-1:9093,kafka-2:9093"),
        ("KAFKA_USERNAME", "forecall"),
        ("KAFKA_PASSWORD", "k4fka-S3cret: #1"),
        ("SMTP_USERNAME", "notice"),
        ("SMTP_PASSWORD", "sm\"tp"),
        ("FORECALL_MASTER_KEY", &key),
        ("FORECALL_PSEUDONYM_KEY", &key),
    ]
    .into_iter()
    .fold(EXAMPLE.to_owned(), |text, (name, value)| {
        let reference = format!("${{env:{name}}}");
        assert!(text.contains(&reference), "the example doesn't use {name}");
        text.replace(&reference, &format!("${{env:FORECALL_TEST_{name}:-{value}}}"))
    })
}

#[test]
fn the_example_loads() {
    let settings = Settings::from_yaml("example.yaml", &example()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(settings.warnings, []);
    assert_eq!(settings.sources.len(), 6, "five, and the canary's");
    let personal: Vec<&str> = settings
        .sources
        .iter()
        .filter(|s| s.personal)
        .map(|s| &*s.topic)
        .collect();
    assert_eq!(personal, ["callcentre.queue_log", "crm.tickets"]);
    assert!(
        settings
            .kafka
            .is_some_and(|k| k.bootstrap_servers.ends_with("kafka-2:9093"))
    );
    let Some(GatewaySettings::Smtp(smtp)) = settings.gateways.get(&ContactChannel::Email) else {
        panic!("e-mail goes by SMTP")
    };
    assert_eq!(smtp.password.as_ref().unwrap().expose(), "sm\"tp");
    let topology = settings.correlate.topology();
    assert_eq!(
        (topology.regions().count(), topology.customer_facing().count()),
        (4, 62),
        "three and the canary's; two and the canary's sixty"
    );
    assert!(topology.knows_service(&ServiceName::new("core-network").unwrap()));
}

#[test]
fn the_example_is_what_the_schema_says() {
    let schema = serde_json::from_str(&files()[0].1).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let value: serde_json::Value = serde_saphyr::from_str(EXAMPLE).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|e| format!("{e} at {}", e.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn the_digest_changes_with_what_decides_only() {
    let digest = |text: &str| Settings::from_yaml("x", text).unwrap().digest;
    let text = example();
    assert_eq!(digest(&text), digest(&format!("# a comment\n{text}\n")));
    assert_ne!(
        digest(&text),
        digest(&text.replace("open_score: 4.0", "open_score: 4.5"))
    );
}

/// What stands in a secret's file of the documentation's name.
#[allow(
    clippy::unwrap_used,
    reason = "a test's own functions may fail as its tests do"
)]
fn secret_of(file: &str) -> String {
    match file {
        "/run/secrets/webhook" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(),
        "/run/secrets/bot" => "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11".to_owned(),
        "/run/secrets/vapid" => "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw".to_owned(),
        "/run/secrets/fcm.json" => {
            let key = Rsa::generate(2_048).unwrap().private_key_to_pem().unwrap();
            let account = serde_json::json!({
                "type": "service_account", "project_id": "acme", "client_email": "a@acme.example",
                "private_key": String::from_utf8(key).unwrap(), "token_uri": "https://oauth2.googleapis.com/token",
            });
            serde_json::to_string_pretty(&account).unwrap()
        }
        _ => "s3cret".to_owned(),
    }
}

/// The gateways that docs/notices.md shows, each as a file of its own.
#[test]
fn the_gateways_of_the_documentation_load() {
    let docs = include_str!("../../../../docs/notices.md");
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for block in docs.split("```yaml\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        let mut yaml = String::new();
        if block.starts_with("    http:") {
            yaml.push_str("gateways:\n  sms:\n");
        }
        let mut rest = block;
        while let Some((before, after)) = rest.split_once("${file:") {
            let (file, behind) = after.split_once('}').unwrap();
            let own = folder.path().join(file.replace('/', "_"));
            std::fs::write(&own, secret_of(file)).unwrap();
            yaml.push_str(&format!("{before}${{file:{}}}", own.display()));
            rest = behind;
        }
        yaml.push_str(rest);
        let settings = Settings::from_yaml("docs.yaml", &yaml).unwrap_or_else(|e| panic!("{e}"));
        seen.extend(settings.gateways.into_values().map(|gateway| match gateway {
            GatewaySettings::Smpp(_) => "smpp",
            GatewaySettings::Http(_) => "http",
            GatewaySettings::Webhook(_) => "webhook",
            GatewaySettings::Bot(_) => "bot",
            GatewaySettings::WebPush(_) => "web_push",
            GatewaySettings::Fcm(_) => "fcm",
            GatewaySettings::Smtp(_) | GatewaySettings::File(_) | GatewaySettings::Console => "other",
        }));
    }
    assert_eq!(
        seen,
        ["smpp", "http", "http", "webhook", "bot", "web_push", "fcm"]
    );
}
