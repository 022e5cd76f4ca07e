use std::time::Duration;

use forecall_bridge::{BridgeSettings, Client, Failure, FailureClass, Memory, SigningKey, Verdict, plan};
use forecall_ledger::Secret;
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};
use serde_json::{Value, json};

use crate::fakes::{Fake, ROUTING_KEY, Reply, TOKEN, fake_grafana, fake_pager_duty, one};
use crate::incidents::{SIGNING, alertmanager, grafana, life, pager_duty, webhook};

/// Brings the events of a life to the target; each answer.
fn bring(settings: &BridgeSettings, which: &[usize]) -> Vec<Result<(), Failure>> {
    let client = Client::new(settings).unwrap();
    let mut memory = Memory::default();
    let mut answers = Vec::new();
    for (number, event) in life("inc_7k2").into_iter().enumerate() {
        let offset = i64::try_from(number).unwrap();
        let Verdict::Tell(alert) = memory.step(offset, &event, settings) else {
            panic!("not told")
        };
        if which.contains(&number) {
            let now = event.incident.at;
            answers.push(client.perform(&plan("duty", settings, &alert, now), now));
        }
    }
    answers
}

fn class(settings: &BridgeSettings) -> (FailureClass, Option<u16>) {
    let failure = bring(settings, &[0])[0].unwrap_err();
    (failure.class, failure.status)
}

fn quick(settings: BridgeSettings) -> BridgeSettings {
    let mut settings = settings;
    settings.retry.timeout = Duration::from_secs(1);
    settings
}

#[test]
fn pager_duty_sees_one_incident_by_its_key() {
    let fake = fake_pager_duty([]);
    let answers = bring(&pager_duty(&format!("{}/v2/enqueue", fake.url())), &[0, 1, 2, 3]);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let seen: Vec<(String, String)> = fake
        .seen()
        .iter()
        .map(|s| {
            let event = s.json();
            assert_eq!(s.path, "/v2/enqueue");
            assert_eq!(event["routing_key"], ROUTING_KEY);
            (
                event["event_action"].as_str().unwrap().to_owned(),
                event["dedup_key"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let actions = ["trigger", "trigger", "trigger", "acknowledge", "resolve"];
    assert_eq!(seen, actions.map(|a| (a.to_owned(), "inc_7k2".to_owned())));
}

#[test]
fn grafana_has_one_annotation_however_often_it_is_told() {
    // Each by a new client that knows nothing of the one before, as after a lost answer: it finds what was made.
    let (fake, annotations) = fake_grafana([]);
    let settings = grafana(&fake.url());
    for which in [0, 0, 1, 3, 3] {
        assert_eq!(bring(&settings, &[which]), [Ok(())]);
    }
    let all = annotations.lock().unwrap();
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!(all[0]["time"], json!(1_772_352_000_000_i64));
    assert_eq!(all[0]["timeEnd"], json!(1_772_355_600_000_i64));
    assert!(all[0]["text"].as_str().unwrap().contains("over"), "{all:#?}");
    let seen = fake.seen();
    assert_eq!(seen[0].headers["authorization"], format!("Bearer {TOKEN}"));
}

#[test]
fn a_webhook_is_signed_and_the_same_at_each_try() {
    let fake = Fake::start(|_| Reply::status(204));
    let settings = webhook(&format!("{}/in?team=a", fake.url()));
    bring(&settings, &[0]);
    bring(&settings, &[0]);
    let seen = fake.seen();
    let key = SigningKey::read(&Secret::new(SIGNING)).unwrap();
    for request in &seen {
        let header = |name: &str| request.headers[name].as_str();
        assert_eq!(request.path, "/in?team=a");
        assert_eq!(header("webhook-id"), "inc_7k2/1");
        assert_eq!(header("webhook-timestamp"), "1772352000");
        assert_eq!(
            header("webhook-signature"),
            key.sign("inc_7k2/1", 1_772_352_000, request.body.as_bytes())
        );
        assert_eq!(header("content-type"), "application/json");
        assert_eq!(request.json()["version"], "4");
    }
    assert_eq!(seen[0].body, seen[1].body);
}

#[test]
fn alertmanager_is_asked_with_its_login() {
    let fake = Fake::start(|_| Reply::status(200));
    let mut settings = alertmanager(&format!("{}/prefix/", fake.url()));
    bring(&settings, &[0]);
    if let forecall_bridge::BridgeTarget::Alertmanager(target) = &mut settings.to {
        target.username = Some("forecall".to_owned());
        target.password = Some(Secret::new("pw"));
    }
    bring(&settings, &[0]);
    let seen = fake.seen();
    assert_eq!(seen[0].path, "/prefix/api/v2/alerts");
    assert_eq!(seen[0].headers.get("authorization"), None);
    assert_eq!(seen[1].headers["authorization"], "Basic Zm9yZWNhbGw6cHc=");
    assert!(matches!(seen[0].json(), Value::Array(alerts) if alerts.len() == 1));
}

#[test]
fn each_failure_has_its_class() {
    for (reply, expected) in [
        (Reply::status(500), FailureClass::Server),
        (Reply::status(503), FailureClass::Server),
        (Reply::status(400), FailureClass::Refused),
        (Reply::status(413), FailureClass::Refused),
        (Reply::status(401), FailureClass::Denied),
        (Reply::status(302), FailureClass::Denied),
        (Reply::status(408), FailureClass::Server),
        (Reply::Hang, FailureClass::Timeout),
        (Reply::Close, FailureClass::Broken),
    ] {
        let fake = fake_pager_duty([reply.clone()]);
        let (class, _) = class(&quick(pager_duty(&fake.url())));
        assert_eq!(class, expected, "{reply:?}");
        assert_eq!(fake.seen().len(), 1, "one try and no redirect followed");
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let settings = pager_duty(&format!("http://127.0.0.1:{port}"));
    assert_eq!(class(&settings), (FailureClass::Unreachable, None));
    let (fake, _) = fake_grafana([Reply::json(200, &json!({"not": "a list"}))]);
    assert_eq!(class(&grafana(&fake.url())), (FailureClass::Broken, None));
}

#[test]
fn a_good_status_is_a_yes_whatever_becomes_of_the_body() {
    let cut = "HTTP/1.1 200 x\r\nContent-Length: 100\r\n\r\nok".to_owned();
    let strange = "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n".to_owned();
    let endless = format!("HTTP/1.1 202 x\r\n\r\n{}", "x".repeat(300 * 1024));
    for reply in [
        Reply::Raw(cut.clone()),
        Reply::Raw(strange),
        Reply::Raw(endless),
        Reply::Stall(cut.clone()),
    ] {
        let fake = Fake::with_faults([reply.clone()], |_| Reply::status(500));
        let answers = bring(&quick(webhook(&fake.url())), &[0]);
        assert_eq!(answers, [Ok(())], "{:.60}", format!("{reply:?}"));
        assert_eq!(fake.seen().len(), 1);
    }
    // A body that is needed must be whole.
    let (fake, _) = fake_grafana([Reply::Raw(cut)]);
    assert_eq!(class(&grafana(&fake.url())), (FailureClass::Broken, None));
    // Nor is a bad status any better for a body.
    let refused = "HTTP/1.1 503 x\r\nContent-Length: 100\r\n\r\nok".to_owned();
    let fake = Fake::with_faults([Reply::Raw(refused)], |_| Reply::status(200));
    assert_eq!(class(&webhook(&fake.url())), (FailureClass::Server, Some(503)));
}

#[test]
fn what_the_target_asks_for_is_heard() {
    let fake = fake_pager_duty([Reply::after(429, 17)]);
    let failure = bring(&pager_duty(&fake.url()), &[0])[0].unwrap_err();
    assert_eq!(
        (failure.class, failure.status, failure.retry_after),
        (FailureClass::Throttled, Some(429), Some(Duration::from_secs(17)))
    );
}

/// A key and a certificate of its own signing for this name.
fn certificate(name: &str) -> (PKey<Private>, X509) {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(&subject).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(2).unwrap())
        .unwrap();
    let context = builder.x509v3_context(None, None);
    let names = SubjectAlternativeName::new().dns(name).build(&context).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (key, builder.build())
}

#[test]
fn tls_is_never_fallen_back_from() {
    let (key, own) = certificate("localhost");
    let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_certificate(&own).unwrap();
    let acceptor = acceptor.build();
    let fake = Fake::serve(move |stream, seen| {
        if let Ok(stream) = acceptor.accept(stream) {
            let _ = one(stream, &mut |_| Reply::status(202), seen);
        }
    });
    let file = std::env::temp_dir().join(format!("forecall-bridge-{}.pem", std::process::id()));
    let trusting = |url: &str, certificate: Option<&X509>| {
        let mut settings = pager_duty(url);
        if let (Some(certificate), forecall_bridge::BridgeTarget::PagerDuty(target)) =
            (certificate, &mut settings.to)
        {
            std::fs::write(&file, certificate.to_pem().unwrap()).unwrap();
            target.ca_file = Some(file.clone());
        }
        settings
    };
    let url = format!("https://localhost:{}", fake.port);
    // Nobody we trust has signed it; the wrong one has; it is another's name.
    assert_eq!(class(&trusting(&url, None)).0, FailureClass::Tls);
    let (_, other) = certificate("localhost");
    assert_eq!(class(&trusting(&url, Some(&other))).0, FailureClass::Tls);
    let by_address = format!("https://127.0.0.1:{}", fake.port);
    assert_eq!(class(&trusting(&by_address, Some(&own))).0, FailureClass::Tls);
    assert_eq!(fake.seen().len(), 0, "nothing was said to it");
    // And the right one.
    assert_eq!(bring(&trusting(&url, Some(&own)), &[0]), [Ok(())]);
    std::fs::remove_file(&file).unwrap();
    // A server without TLS is not spoken to in plain.
    let plain = fake_pager_duty([]);
    let url = format!("https://127.0.0.1:{}", plain.port);
    let (class, _) = class(&quick(pager_duty(&url)));
    assert!(
        matches!(
            class,
            FailureClass::Tls | FailureClass::Timeout | FailureClass::Unreachable
        ),
        "{class:?}"
    );
    assert!(
        plain.seen().iter().all(|seen| !seen.body.contains(ROUTING_KEY)),
        "the key was said in plain"
    );
}

#[test]
fn no_secret_is_shown() {
    for settings in [
        webhook("https://a.example/s3cret-path"),
        pager_duty("https://a.example/s3cret-path"),
        grafana("https://a.example/s3cret-path"),
    ] {
        let client = Client::new(&settings).unwrap();
        let shown = format!("{:?} {client:?}", settings.to.secrets());
        for secret in [SIGNING, ROUTING_KEY, TOKEN] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(!format!("{client:?}").contains("s3cret-path"));
    }
}
