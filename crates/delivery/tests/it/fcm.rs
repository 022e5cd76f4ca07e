//! Pushes to apps, against a fake that has the shape of FCM's HTTP v1 and of its login: no real one was asked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use forecall_delivery::{DeliverReport, DeliverSettings, Deliverer, FcmGateway, FcmSettings};
use forecall_types::{ContactChannel, IntentState};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Verifier;
use serde_json::{Value, json};

use crate::fake_receiver::{FakeReceiver, Say, after, json as says, status};
use crate::{Desk, at};

const PUSH: ContactChannel = ContactChannel::Push;

struct World {
    key: PKey<Private>,
    login: FakeReceiver,
    fcm: FakeReceiver,
    desk: Desk,
    worker: Deliverer,
    report: DeliverReport,
}

fn token(expires_in: u32) -> Say {
    says(
        200,
        &json!({"access_token": "ya29.t0ken", "expires_in": expires_in, "token_type": "Bearer"}),
    )
}

fn error(status: u16, code: &str) -> Say {
    says(
        status,
        &json!({"error": {"code": status, "message": "words", "status": "WORDS", "details": [
            {"@type": "type.googleapis.com/google.rpc.BadRequest"},
            {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code},
        ]}}),
    )
}

fn settings(key: &PKey<Private>, login: u16, fcm: u16) -> FcmSettings {
    let pem = String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let account = json!({
        "type": "service_account", "project_id": "acme-app", "private_key_id": "1", "private_key": pem,
        "client_email": "forecall@acme-app.iam.gserviceaccount.com",
        "token_uri": format!("http://127.0.0.1:{login}/token"),
    });
    serde_json::from_value(json!({
        "credentials": account.to_string(), "base_url": format!("http://127.0.0.1:{fcm}"), "window": 1,
    }))
    .unwrap()
}

fn run(logins: &[Say], plan: &[Say], apps: usize) -> World {
    let key = PKey::from_rsa(Rsa::generate(2_048).unwrap()).unwrap();
    let login = FakeReceiver::plain(logins, token(3_599));
    let fcm = FakeReceiver::plain(plan, says(200, &json!({"name": "projects/acme-app/messages/1"})));
    let apps: Vec<_> = (0..apps).map(|n| format!("app{n}:APA91b-Zx_{n}")).collect();
    let desk = Desk::at_addresses(PUSH, &apps);
    let gateway = FcmGateway::new(settings(&key, login.port, fcm.port)).unwrap();
    let mut worker =
        Deliverer::new(desk.open(), vec![Box::new(gateway)], DeliverSettings::default()).unwrap();
    let report = worker.run_once(at(20)).unwrap();
    World {
        key,
        login,
        fcm,
        desk,
        worker,
        report,
    }
}

#[test]
fn it_logs_in_once_by_a_signed_statement_and_pushes() {
    let mut world = run(&[], &[], 2);
    assert_eq!(world.report.total(IntentState::Accepted), 2, "{:?}", world.report);
    let logins = world.login.asked();
    assert_eq!(logins.len(), 1);
    let body = String::from_utf8(logins[0].body.clone()).unwrap();
    let statement = body
        .strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=")
        .unwrap();
    let (signed, signature) = statement.rsplit_once('.').unwrap();
    let mut verifier = Verifier::new(MessageDigest::sha256(), &world.key).unwrap();
    verifier.update(signed.as_bytes()).unwrap();
    assert!(verifier.verify(&BASE64URL.decode(signature).unwrap()).unwrap());
    let claims: Value =
        serde_json::from_slice(&BASE64URL.decode(signed.split_once('.').unwrap().1).unwrap()).unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": "forecall@acme-app.iam.gserviceaccount.com",
            "scope": "https://www.googleapis.com/auth/firebase.messaging",
            "aud": format!("http://127.0.0.1:{}/token", world.login.port),
            "iat": 20, "exp": 3_620,
        })
    );
    let asked = &world.fcm.asked()[0];
    assert_eq!(asked.line, "POST /v1/projects/acme-app/messages:send HTTP/1.1");
    assert_eq!(asked.headers["authorization"], "Bearer ya29.t0ken");
    let mut said = asked.json();
    let topic = said["message"]["data"]["tag"].as_str().unwrap().to_owned();
    said["message"]["data"]["tag"] = json!("TOPIC");
    assert_eq!(
        [
            &said["message"]["android"]["collapse_key"],
            &said["message"]["android"]["notification"]["tag"],
            &said["message"]["apns"]["headers"]["apns-collapse-id"]
        ],
        [&json!(topic); 3]
    );
    assert_eq!(said["validate_only"], json!(false));
    assert_eq!(said["message"]["token"], json!("app0:APA91b-Zx_0"));
    assert_eq!(said["message"]["android"]["ttl"], json!("99980s"));
    assert_eq!(
        said["message"]["apns"]["headers"]["apns-expiration"],
        json!("100000")
    );
    assert_eq!(
        said["message"]["notification"],
        json!({"title": "اختلال اینترنت", "body": "مشتری گرامی\n<b>*خبر*</b> _&_\nپایان"})
    );
    // Shortly before its end another login is made.
    world.desk.add(PUSH, 50);
    world.worker.run_once(at(20 + 3_200)).unwrap();
    world.desk.add(PUSH, 51);
    world.worker.run_once(at(20 + 3_400)).unwrap();
    assert_eq!(world.login.asked().len(), 1, "nobody to tell: no address");
}

#[test]
fn a_login_is_made_anew_before_its_end_and_after_a_refusal() {
    let mut world = run(&[token(3_599)], &[error(429, "QUOTA_EXCEEDED"), status(401)], 1);
    assert_eq!(world.login.asked().len(), 1);
    // After the pause it is refused: the login is dropped, and nobody fails by it.
    let report = world.worker.run_once(at(90)).unwrap();
    assert_eq!((report.returned, report.states.len()), (1, 0), "{report:?}");
    let report = world.worker.run_once(at(95)).unwrap();
    assert_eq!(report.total(IntentState::Accepted), 1, "{report:?}");
    assert_eq!(world.login.asked().len(), 2);
    let mut short = run(&[token(310)], &[after(503, 11)], 1);
    assert_eq!(
        short
            .worker
            .run_once(at(40))
            .unwrap()
            .total(IntentState::Accepted),
        1
    );
    assert_eq!(short.login.asked().len(), 2);
}

#[test]
fn an_app_that_is_gone_is_left_alone_and_the_rest_told_apart() {
    let plan = [
        error(404, "UNREGISTERED"),
        error(403, "SENDER_ID_MISMATCH"),
        error(400, "INVALID_ARGUMENT"),
        error(500, "INTERNAL"),
        says(200, &json!({})),
    ];
    let mut world = run(&[], &plan, 6);
    for reason in ["unregistered", "not_our_app", "refused"] {
        assert_eq!(
            world.report.reasons.get(reason),
            Some(&1),
            "{reason}: {:?}",
            world.report
        );
    }
    assert_eq!(
        (
            world.report.total(IntentState::Failed),
            world.report.postponed,
            world.report.perhaps_doubled,
            world.report.total(IntentState::Accepted)
        ),
        (3, 2, 2, 1)
    );
    let mut row = crate::desk::person(20);
    row.addresses
        .insert(PUSH, forecall_ledger::Secret::new("app0:APA91b-Zx_0"));
    world.desk.open().import_customers([row]).unwrap();
    world.desk.plan(PUSH, 20);
    let report = world.worker.run_once(at(21)).unwrap();
    assert_eq!(report.reasons.get("address_gone"), Some(&1), "{report:?}");
}

#[test]
fn without_a_login_nothing_is_said_and_nobody_fails() {
    let world = run(&[status(400), status(400)], &[], 2);
    assert_eq!(
        (world.report.returned, world.report.states.len()),
        (2, 0),
        "{:?}",
        world.report
    );
    assert!(world.report.reasons.contains_key("login"));
    let world = run(&[Say::HangUp], &[], 1);
    assert!(world.report.reasons.contains_key("login_not_answered"));
    assert!(world.fcm.asked().is_empty());
}

#[test]
fn too_fast_waits_as_long_as_it_says() {
    let mut world = run(&[], &[after(429, 77)], 2);
    assert_eq!((world.report.returned, world.report.states.len()), (2, 0));
    assert_eq!(world.worker.run_once(at(96)).unwrap().leased, 0);
    let report = world.worker.run_once(at(98)).unwrap();
    assert_eq!(report.total(IntentState::Accepted), 2, "{report:?}");
}

#[test]
fn settings_no_app_is_reached_with_are_refused() {
    let key = PKey::from_rsa(Rsa::generate(2_048).unwrap()).unwrap();
    let good = settings(&key, 1, 1);
    assert!(good.mistakes().is_empty());
    let wrong = FcmSettings {
        credentials: forecall_ledger::Secret::new("{}"),
        base_url: "http://fcm.example.ir".into(),
        window: 0,
        ..good.clone()
    };
    assert_eq!(
        wrong.mistakes(),
        [
            "base_url is plain HTTP to another machine: write `https://`, or `insecure: true` for a network of your own",
            "credentials is not the JSON of a service account (`project_id`, `client_email`, `token_uri`, `private_key`)",
            "window is not between 1 and 64",
        ]
    );
    assert!(FcmGateway::new(wrong).is_err());
    assert!(!format!("{good:?}").contains("PRIVATE"));
}
