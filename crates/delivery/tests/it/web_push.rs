//! Pushes to a receiver of ours: a push service on the loopback (a fake: it only answers), and behind it a browser that decrypts what came
//! (RFC 8291 from the other side, its keys derived by plain HMAC) and checks who says to have sent it (RFC 8292).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use forecall_delivery::{DeliverReport, DeliverSettings, Deliverer, WebPushGateway, WebPushSettings};
use forecall_ledger::Secret;
use forecall_types::{ContactChannel, IntentState};
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha256;
use openssl::sign::Signer;
use openssl::symm::{Cipher, decrypt_aead};
use serde_json::{Value, json};

use crate::fake_receiver::{Asked, FakeReceiver, Say, after, status};
use crate::{Desk, at};

const PUSH: ContactChannel = ContactChannel::Push;
/// A key made for these tests.
const VAPID: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
const VAPID_PUBLIC: &str =
    "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";

fn group() -> EcGroup {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()
}

/// A browser of ours.
struct Browser {
    key: EcKey<Private>,
    auth: [u8; 16],
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let key = PKey::hmac(key).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    for part in parts {
        signer.update(part).unwrap();
    }
    signer.sign_to_vec().unwrap()
}

impl Browser {
    fn new(n: u8) -> Self {
        Self {
            key: EcKey::generate(&group()).unwrap(),
            auth: [n; 16],
        }
    }

    fn point(&self) -> Vec<u8> {
        let mut context = BigNumContext::new().unwrap();
        self.key
            .public_key()
            .to_bytes(&group(), PointConversionForm::UNCOMPRESSED, &mut context)
            .unwrap()
    }

    /// What it gives when somebody lets it be told.
    fn subscription(&self, endpoint: &str) -> String {
        json!({
            "endpoint": endpoint,
            "expirationTime": null,
            "keys": {"p256dh": BASE64URL.encode(self.point()), "auth": BASE64URL.encode(self.auth)},
        })
        .to_string()
    }

    /// Reads what only it can read.
    fn decrypts(&self, body: &[u8]) -> Option<Vec<u8>> {
        let (salt, rest) = body.split_at(16);
        let (size, rest) = rest.split_at(4);
        assert_eq!(size, 4_096_u32.to_be_bytes());
        let (length, rest) = rest.split_first().unwrap();
        let (theirs, sealed) = rest.split_at(usize::from(*length));
        let mut context = BigNumContext::new().unwrap();
        let point = EcPoint::from_bytes(&group(), theirs, &mut context).unwrap();
        let peer = PKey::from_ec_key(EcKey::from_public_key(&group(), &point).unwrap()).unwrap();
        let own = PKey::from_ec_key(self.key.clone()).unwrap();
        let mut deriver = Deriver::new(&own).unwrap();
        deriver.set_peer(&peer).unwrap();
        let shared = deriver.derive_to_vec().unwrap();
        let material = hmac(
            &hmac(&self.auth, &[&shared]),
            &[b"WebPush: info\0", &self.point(), theirs, &[1]],
        );
        let secret = hmac(salt, &[&material]);
        let key = hmac(&secret, &[b"Content-Encoding: aes128gcm\0", &[1]]);
        let nonce = hmac(&secret, &[b"Content-Encoding: nonce\0", &[1]]);
        let (sealed, tag) = sealed.split_at(sealed.len() - 16);
        let plain = decrypt_aead(
            Cipher::aes_128_gcm(),
            &key[..16],
            Some(&nonce[..12]),
            &[],
            sealed,
            tag,
        )
        .ok()?;
        // Zeros behind the delimiter of the last record.
        let end = plain.iter().rposition(|byte| *byte != 0)?;
        assert_eq!(plain[end], 2);
        Some(plain[..end].to_vec())
    }
}

/// What is said of who has sent it, if the signature is that of the key shown.
fn vapid(asked: &Asked) -> (Value, String) {
    let shown = asked.headers["authorization"].strip_prefix("vapid ").unwrap();
    let fields: BTreeMap<_, _> = shown
        .split(", ")
        .map(|one| one.split_once('=').unwrap())
        .collect();
    let (signed, signature) = fields["t"].rsplit_once('.').unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    let json = |part: &str| -> Value { serde_json::from_slice(&BASE64URL.decode(part).unwrap()).unwrap() };
    assert_eq!(json(head), json!({"typ": "JWT", "alg": "ES256"}));
    let signature = BASE64URL.decode(signature).unwrap();
    assert_eq!(signature.len(), 64);
    let half = |bytes: &[u8]| BigNum::from_slice(bytes).unwrap();
    let signature =
        EcdsaSig::from_private_components(half(&signature[..32]), half(&signature[32..])).unwrap();
    let point = EcPoint::from_bytes(
        &group(),
        &BASE64URL.decode(fields["k"]).unwrap(),
        &mut BigNumContext::new().unwrap(),
    )
    .unwrap();
    let key = EcKey::from_public_key(&group(), &point).unwrap();
    assert!(signature.verify(&sha256(signed.as_bytes()), &key).unwrap());
    (json(claims), fields["k"].to_owned())
}

fn settings(service: &FakeReceiver, desk: &Desk) -> WebPushSettings {
    serde_json::from_value(json!({
        "private_key": VAPID,
        "subject": "mailto:noc@acme.example",
        "allow_addresses": ["127.0.0.1"],
        "ca_file": service.ca_file(desk.folder.path()),
        "window": 1,
    }))
    .unwrap()
}

fn worker(desk: &Desk, settings: WebPushSettings) -> Deliverer {
    let gateway = WebPushGateway::new(settings).unwrap();
    Deliverer::new(desk.open(), vec![Box::new(gateway)], DeliverSettings::default()).unwrap()
}

fn run(plan: &[Say], browsers: &[Browser]) -> (FakeReceiver, DeliverReport, Deliverer, Desk) {
    let service = FakeReceiver::private(plan, status(201));
    let subscriptions: Vec<_> = browsers
        .iter()
        .enumerate()
        .map(|(n, browser)| browser.subscription(&format!("https://127.0.0.1:{}/send/{n}", service.port)))
        .collect();
    let desk = Desk::at_addresses(PUSH, &subscriptions);
    let mut worker = worker(&desk, settings(&service, &desk));
    let report = worker.run_once(at(20)).unwrap();
    (service, report, worker, desk)
}

#[test]
fn a_push_is_read_by_its_browser_alone_and_shows_who_sends() {
    let browsers = [Browser::new(1), Browser::new(2)];
    let (service, report, ..) = run(&[], &browsers);
    assert_eq!(report.total(IntentState::Accepted), 2, "{report:?}");
    let asked = service.asked();
    for (n, one) in asked.iter().enumerate() {
        let plain = browsers[n].decrypts(&one.body).unwrap();
        let said: Value = serde_json::from_slice(&plain).unwrap();
        assert_eq!(said["id"], format!("int_{n}"));
        assert_eq!(browsers[1 - n].decrypts(&one.body), None);
        let (claims, key) = vapid(one);
        assert_eq!(key, VAPID_PUBLIC);
        assert_eq!(
            claims,
            json!({
                "aud": format!("https://127.0.0.1:{}", service.port),
                "exp": 20 + 12 * 3_600,
                "sub": "mailto:noc@acme.example",
            })
        );
    }
    let one = &asked[0];
    assert_eq!(one.line, "POST /send/0 HTTP/1.1");
    let header = |name: &str| one.headers[name].as_str();
    assert_eq!(
        [header("ttl"), header("urgency"), header("content-encoding")],
        // True until second 100,000, and it is second 20.
        ["99980", "high", "aes128gcm"]
    );
    // Of one incident the newest replaces the others, whoever they go to; which one it is isn't told to the service.
    assert_eq!(header("topic"), asked[1].headers["topic"]);
    assert!(header("topic").len() <= 32 && !header("topic").contains("inc_1"));
    assert!(one.body.len() <= 4_096 && asked[1].body.len() == one.body.len());
    expect_test::expect![[r#"
        {
          "at": "1970-01-01T00:00:10Z",
          "body": "مشتری گرامی\n<b>*خبر*</b> _&_\nپایان",
          "dir": "rtl",
          "id": "int_0",
          "lang": "fa",
          "tag": "TOPIC",
          "title": "اختلال اینترنت",
          "valid_until": "1970-01-02T03:46:40Z"
        }"#]]
    .assert_eq(
        &serde_json::to_string_pretty::<Value>(
            &serde_json::from_slice(&browsers[0].decrypts(&one.body).unwrap()).unwrap(),
        )
        .unwrap()
        .replace(header("topic"), "TOPIC"),
    );
}

#[test]
fn the_same_push_again_has_other_keys_and_the_same_topic() {
    let browsers = [Browser::new(1)];
    let (service, report, mut worker, _desk) = run(&[Say::HangUp], &browsers);
    assert_eq!(
        (report.postponed, report.perhaps_doubled),
        (1, 1),
        "a service knows no repeat: it is counted"
    );
    let report = worker.run_once(at(2_000)).unwrap();
    assert_eq!(report.total(IntentState::Accepted), 1);
    let asked = service.asked();
    assert_eq!(asked[0].headers["topic"], asked[1].headers["topic"]);
    assert_eq!(
        browsers[0].decrypts(&asked[0].body),
        browsers[0].decrypts(&asked[1].body)
    );
    // Salt and key: used once.
    assert_ne!(asked[0].body[..86], asked[1].body[..86]);
    assert_eq!(asked[1].headers["ttl"], "98000");
}

#[test]
fn subscriptions_that_are_over_are_left_alone() {
    let browsers: Vec<_> = (0..3).map(Browser::new).collect();
    let (service, report, mut worker, desk) = run(&[status(410), status(404)], &browsers);
    assert_eq!(
        (
            report.total(IntentState::Failed),
            report.total(IntentState::Accepted),
            report.reasons.get("subscription_gone")
        ),
        (2, 1, Some(&2))
    );
    for n in [0, 2] {
        let mut row = crate::desk::person(10 + n);
        let endpoint = format!("https://127.0.0.1:{}/send/{n}", service.port);
        let browser = &browsers[usize::try_from(n).unwrap()];
        row.addresses
            .insert(PUSH, Secret::new(browser.subscription(&endpoint)));
        desk.open().import_customers([row]).unwrap();
        desk.plan(PUSH, 10 + n);
    }
    let report = worker.run_once(at(40)).unwrap();
    assert_eq!(
        (
            report.reasons.get("address_gone"),
            report.total(IntentState::Accepted)
        ),
        (Some(&1), 1)
    );
}

#[test]
fn a_service_that_asks_for_time_gets_it_and_nothing_fails() {
    let browsers = [Browser::new(1), Browser::new(2)];
    let (service, report, mut worker, _desk) = run(&[after(429, 100)], &browsers);
    assert_eq!((report.postponed, report.states.len()), (2, 0), "{report:?}");
    assert_eq!(worker.run_once(at(119)).unwrap().leased, 0);
    assert_eq!(service.asked().len(), 1);
    let report = worker.run_once(at(121)).unwrap();
    assert_eq!(report.total(IntentState::Accepted), 2, "{report:?}");
}

#[test]
fn refusals_are_told_apart() {
    let browsers: Vec<_> = (0..4).map(Browser::new).collect();
    let (_service, report, ..) = run(&[status(403), status(413), status(500)], &browsers);
    for (reason, n) in [("key_refused", 1), ("refused", 1), ("receiver_fault", 1)] {
        assert_eq!(report.reasons.get(reason), Some(&n), "{reason}");
    }
    assert_eq!(
        (
            report.postponed,
            report.total(IntentState::Failed),
            report.total(IntentState::Accepted)
        ),
        (2, 1, 1)
    );
}

#[test]
fn what_is_no_subscription_or_leads_inside_goes_nowhere() {
    let browser = Browser::new(1);
    let service = FakeReceiver::private(&[], status(201));
    let keys = |p256dh: &str, auth: &str| {
        let endpoint = format!("https://127.0.0.1:{}/", service.port);
        json!({"endpoint": endpoint, "keys": {"p256dh": p256dh, "auth": auth}}).to_string()
    };
    // A point that is not on the curve: to answer it would tell of the key.
    let off = BASE64URL.encode([[4_u8].as_slice(), &[7; 64]].concat());
    let point = BASE64URL.encode(browser.point());
    let subscriptions = [
        "a token".to_owned(),
        keys(&off, "AQEBAQEBAQEBAQEBAQEBAQ"),
        keys(&point, "short"),
        browser.subscription("not an address"),
        browser.subscription(&format!("http://127.0.0.1:{}/", service.port)),
        browser.subscription(&format!("https://localhost:{}/", service.port)),
        browser.subscription("https://169.254.169.254/latest/meta-data/"),
        browser.subscription("https://[::ffff:10.0.0.1]/"),
    ];
    let desk = Desk::at_addresses(PUSH, &subscriptions);
    let settings = WebPushSettings {
        allow_addresses: Vec::new(),
        ..settings(&service, &desk)
    };
    let report = worker(&desk, settings).run_once(at(20)).unwrap();
    assert_eq!(report.total(IntentState::Failed), 8);
    for (reason, n) in [("no_subscription", 4), ("not_https", 1), ("forbidden_address", 3)] {
        assert_eq!(report.reasons.get(reason), Some(&n), "{reason}: {report:?}");
    }
    assert_eq!(service.connections(), 0);
}

#[test]
fn settings_no_browser_is_reached_with_are_refused() {
    let check = |settings: Value, want: &[&str]| {
        let settings: WebPushSettings = serde_json::from_value(settings).unwrap();
        assert_eq!(settings.mistakes(), want);
        assert_eq!(WebPushGateway::new(settings).is_err(), !want.is_empty());
    };
    check(
        json!({"private_key": VAPID, "subject": "https://acme.example"}),
        &[],
    );
    check(
        json!({"private_key": "AAAA", "subject": "noc@acme.example", "window": 65}),
        &[
            "private_key is not base64url of a private key of P-256 (32 bytes)",
            "subject is neither `mailto:…` nor `https://…`",
            "window is not between 1 and 64",
        ],
    );
}
