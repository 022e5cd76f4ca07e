use expect_test::{Expect, expect};
use forecall_bridge::BridgeTarget;
use forecall_config::Settings;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn check(bridge: &str, expected: Expect) {
    let text = format!("allow_literal_secrets: true\nbridges:\n  duty: {bridge}\n");
    let shown = match Settings::from_yaml("f.yaml", &text) {
        Ok(settings) => {
            let warnings: Vec<&str> = settings.warnings.iter().map(|w| w.what.as_str()).collect();
            format!("taken; {}", warnings.join("; "))
        }
        // The first line of each problem.
        Err(error) => error
            .to_string()
            .lines()
            .filter(|line| line.starts_with("f.yaml"))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    assert!(!shown.contains("hunter2") && !shown.contains(KEY), "{shown}");
    expected.assert_eq(&shown);
}

#[test]
fn each_target_is_read() {
    let text = format!(
        "allow_literal_secrets: true
bridges:
  am: {{to: {{alertmanager: {{url: 'https://am:9093', repeat_seconds: 30, bearer_token: t}}}}, severity_min: severe, services: [a], domains: [d]}}
  hook: {{to: {{webhook: {{url: 'https://h/x', secret: {KEY}}}}}, predictions: false}}
  pd: {{to: {{pager_duty: {{routing_key: r}}}}, retry: {{give_up_seconds: 60}}}}
  graphs: {{to: {{grafana: {{url: 'http://127.0.0.1:3000', token: t}}}}, dry_run: true}}
"
    );
    let settings = Settings::from_yaml("f.yaml", &text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(settings.warnings, []);
    let of = |name: &str| &settings.bridges[name];
    assert_eq!(of("pd").to.url(), "https://events.pagerduty.com/v2/enqueue");
    assert_eq!(of("pd").retry.give_up_after.as_secs(), 60);
    assert_eq!(of("pd").retry.tries_max, 30);
    assert!(of("pd").predictions && !of("hook").predictions && of("graphs").dry_run);
    let BridgeTarget::Alertmanager(target) = &of("am").to else {
        panic!("it is an Alertmanager")
    };
    assert_eq!(target.repeat_every.as_secs(), 30);
}

#[test]
fn secrets_go_over_tls_only_unless_it_is_said_or_stays_here() {
    check(
        "{to: {alertmanager: {url: 'http://am.example:9093'}}}",
        expect![
            "f.yaml:3:9: bridges.duty.to.alertmanager.url is plain HTTP: that is for this machine itself (127.0.0.1, ::1); `am.example:9093` needs `https://`, or `insecure: true`"
        ],
    );
    check(
        "{to: {alertmanager: {url: 'http://am.example:9093', insecure: true}}}",
        expect![
            "taken; bridges.duty.to.alertmanager.url is plain HTTP to `am.example:9093`: whoever is between may read and change what is sent, secrets too"
        ],
    );
    check(
        "{to: {alertmanager: {url: 'http://127.0.0.1:9093'}}}",
        expect!["taken; "],
    );
    check(
        "{to: {alertmanager: {url: 'http://127.0.0.1:80@elsewhere/'}}}",
        expect![
            "f.yaml:3:9: bridges.duty.to.alertmanager.url must be `https://host` or `https://host:port`, with a path where it has one, and no login in it"
        ],
    );
    check(
        "{to: {alertmanager: {url: 'https://user:hunter2@am.example'}}}",
        expect![
            "f.yaml:3:9: bridges.duty.to.alertmanager.url must be `https://host` or `https://host:port`, with a path where it has one, and no login in it"
        ],
    );
    check(
        "{to: {alertmanager: {url: 'am.example:9093'}}}",
        expect!["f.yaml:3:9: bridges.duty.to.alertmanager.url must begin with `https://`"],
    );
}

#[test]
fn what_cannot_work_is_told() {
    check(
        "{to: {webhook: {url: 'https://h.example', secret: hunter2}}}",
        expect![
            "f.yaml:3:9: bridges.duty.to.webhook.secret: the secret is not `whsec_` and base64 of 24 to 64 bytes"
        ],
    );
    check(
        "{to: {grafana: {url: 'https://g.example', token: ''}}, retry: {tries_max: 0, wait_min_seconds: 9, wait_max_seconds: 3}}",
        expect![[r#"
            f.yaml:3:9: bridges.duty.to.grafana.token is empty
            f.yaml:3:9: bridges.duty.retry.tries_max is 0: it must lie between 1 and 1000
            f.yaml:3:9: bridges.duty.retry: `wait_max_seconds` is less than `wait_min_seconds`"#]],
    );
    check(
        "{to: {alertmanager: {url: 'https://a', username: forecall, repeat_seconds: 1}}, link: 'javascript:x'}",
        expect![[r#"
            f.yaml:3:9: bridges.duty.link must begin with `https://` or `http://`
            f.yaml:3:9: bridges.duty.to.alertmanager: `username` and `password` go together
            f.yaml:3:9: bridges.duty.to.alertmanager.repeat_seconds is 1: it must lie between 5 and 3600"#]],
    );
}

#[test]
fn a_literal_secret_is_refused() {
    for bridge in [
        "{to: {pager_duty: {routing_key: hunter2}}}",
        "{to: {grafana: {url: 'https://g', token: hunter2}}}",
        "{to: {webhook: {url: 'https://g', secret: hunter2}}}",
        "{to: {alertmanager: {url: 'https://g', bearer_token: hunter2}}}",
    ] {
        let text = format!("bridges:\n  duty: {bridge}\n");
        let error = Settings::from_yaml("f.yaml", &text).unwrap_err().to_string();
        assert!(error.contains("is a secret"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
