//! Signed calls to customers' systems, against fakes of them; and where such a call may not lead.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use forecall_delivery::{DeliverSettings, Deliverer, Gateway, WebhookGateway, WebhookGatewaySettings};
use forecall_http::{Guard, Names};
use forecall_ledger::Secret;
use forecall_types::{ContactChannel, IntentState};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

use crate::fake_receiver::{Asked, FakeReceiver, Say, after, status};
use crate::{Desk, at};

const WEBHOOK: ContactChannel = ContactChannel::Webhook;
const OURS: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const THEIRS: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Those of a test: the loopback is allowed, and the fake's certificate trusted.
fn settings(receiver: &FakeReceiver, desk: &Desk) -> WebhookGatewaySettings {
    WebhookGatewaySettings {
        secret: Some(Secret::new(OURS)),
        allow_addresses: vec!["127.0.0.1".into()],
        ca_file: Some(receiver.ca_file(desk.folder.path())),
        ..WebhookGatewaySettings::default()
    }
}

fn worker(desk: &Desk, gateway: WebhookGateway) -> Deliverer {
    let gateways: Vec<Box<dyn Gateway>> = vec![Box::new(gateway)];
    Deliverer::new(desk.open(), gateways, DeliverSettings::default()).unwrap()
}

fn usual(receiver: &FakeReceiver, desk: &Desk) -> Deliverer {
    worker(desk, WebhookGateway::new(&settings(receiver, desk)).unwrap())
}

fn url(receiver: &FakeReceiver, path: &str) -> String {
    format!("https://127.0.0.1:{}/{path}", receiver.port)
}

/// Whether a receiver that knows `secret` believes the call: as Standard Webhooks describes, by another library than the sender's.
fn believes(asked: &Asked, secret: &str) -> bool {
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = PKey::hmac(&key).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    let head = format!(
        "{}.{}.",
        asked.headers["webhook-id"], asked.headers["webhook-timestamp"]
    );
    signer.update(head.as_bytes()).unwrap();
    signer.update(&asked.body).unwrap();
    let expected = format!("v1,{}", BASE64.encode(signer.sign_to_vec().unwrap()));
    asked.headers["webhook-signature"]
        .split(' ')
        .any(|one| one == expected)
}

#[test]
fn a_call_is_signed_and_says_all_that_is_known() {
    let receiver = FakeReceiver::private(&[], status(204));
    let desk = Desk::at_addresses(WEBHOOK, &[url(&receiver, "hook?x=1")]);
    let report = usual(&receiver, &desk).run_once(at(20)).unwrap();
    assert_eq!(report.total(IntentState::Accepted), 1, "{report:?}");
    let asked = &receiver.asked()[0];
    assert_eq!(asked.line, "POST /hook?x=1 HTTP/1.1");
    assert_eq!(asked.headers["content-type"], "application/json");
    assert_eq!(
        (
            asked.headers["webhook-id"].as_str(),
            asked.headers["webhook-timestamp"].as_str()
        ),
        ("int_0", "20")
    );
    assert!(believes(asked, OURS) && !believes(asked, THEIRS));
    expect_test::expect![[r#"
        {
          "data": {
            "domain": "acme",
            "incident": "inc_1",
            "language": "fa",
            "notice": "ntc_1",
            "text": "مشتری گرامی\n<b>*خبر*</b> _&_\nپایان",
            "title": "اختلال اینترنت",
            "valid_until": "1970-01-02T03:46:40Z"
          },
          "timestamp": "1970-01-01T00:00:10Z",
          "type": "service.notice"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&asked.json()).unwrap());
}

#[test]
fn a_receiver_has_its_own_secret_and_two_while_it_is_changed() {
    let receiver = FakeReceiver::private(&[], status(200));
    let desk = Desk::at_addresses(
        WEBHOOK,
        &[
            format!("{} {THEIRS}", url(&receiver, "own")),
            format!("{} {THEIRS} {OURS}", url(&receiver, "changing")),
            format!("{} whsec_short", url(&receiver, "bad")),
        ],
    );
    let report = usual(&receiver, &desk).run_once(at(20)).unwrap();
    assert_eq!(
        (
            report.total(IntentState::Accepted),
            report.reasons.get("secret_unreadable")
        ),
        (2, Some(&1))
    );
    for asked in receiver.asked() {
        let is_changing = asked.path() == "/changing";
        assert!(believes(&asked, THEIRS));
        assert_eq!(believes(&asked, OURS), is_changing, "{}", asked.line);
    }
}

#[test]
fn without_any_secret_nothing_leaves() {
    let receiver = FakeReceiver::private(&[], status(200));
    let desk = Desk::at_addresses(WEBHOOK, &[url(&receiver, "hook")]);
    let settings = WebhookGatewaySettings {
        secret: None,
        ..settings(&receiver, &desk)
    };
    let report = worker(&desk, WebhookGateway::new(&settings).unwrap())
        .run_once(at(20))
        .unwrap();
    assert_eq!(report.reasons.get("no_secret"), Some(&1));
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn a_lost_answer_is_asked_again_under_the_same_id_and_in_the_same_words() {
    let receiver = FakeReceiver::private(&[Say::HangUp, status(500)], status(200));
    let desk = Desk::at_addresses(WEBHOOK, &[url(&receiver, "hook")]);
    let mut worker = usual(&receiver, &desk);
    for (now, accepted) in [(20, 0), (2_000, 0), (4_000, 1)] {
        let report = worker.run_once(at(now)).unwrap();
        assert_eq!(
            (report.total(IntentState::Accepted), report.perhaps_doubled),
            (accepted, 0),
            "{report:?}"
        );
    }
    let asked = receiver.asked();
    assert_eq!(asked.len(), 3);
    assert!(
        asked.iter().all(|one| believes(one, OURS)
            && one.headers["webhook-id"] == "int_0"
            && one.body == asked[0].body)
    );
    // The signature is of this attempt's second: a receiver refuses old ones.
    assert_eq!(asked[2].headers["webhook-timestamp"], "4000");
}

#[test]
fn a_receiver_that_is_busy_or_down_holds_up_no_other_and_loses_nothing() {
    let busy = FakeReceiver::private(&[after(429, 50), after(503, 90)], status(200));
    let other = FakeReceiver::private(&[], status(200));
    let addresses = [
        url(&busy, "a"),
        url(&busy, "b"),
        url(&other, "c"),
        // Nobody listens: a connection is refused at once.
        "https://127.0.0.1:1/d".to_owned(),
        "https://127.0.0.1:1/e".to_owned(),
    ];
    let desk = Desk::at_addresses(WEBHOOK, &addresses);
    let mut both = busy.ca_file(desk.folder.path());
    let mut pem = std::fs::read(&both).unwrap();
    pem.extend(std::fs::read(other.ca_file(desk.folder.path())).unwrap());
    both.set_file_name("both.pem");
    std::fs::write(&both, pem).unwrap();
    let settings = WebhookGatewaySettings {
        window: 1,
        ca_file: Some(both),
        ..settings(&busy, &desk)
    };
    let mut worker = worker(&desk, WebhookGateway::new(&settings).unwrap());
    let report = worker.run_once(at(20)).unwrap();
    // One of each was tried; the second of its place was not, and costs no attempt.
    assert_eq!(
        (
            report.total(IntentState::Accepted),
            report.postponed,
            report.returned
        ),
        (1, 4, 0),
        "{report:?}"
    );
    assert_eq!(
        (report.reasons.get("place_rests"), report.reasons.get("connect")),
        (Some(&2), Some(&1))
    );
    assert!(report.down.is_empty(), "a customer's server is not the channel");
    assert_eq!(busy.asked().len(), 1);
    // Whose own wait is over is still not let through to a place that rests.
    worker.run_once(at(69)).unwrap();
    assert_eq!(busy.asked().len(), 1);
    // 50 s are over: it says 503 once more, and 90 s later takes both.
    worker.run_once(at(71)).unwrap();
    assert_eq!(busy.asked().len(), 2);
    let report = worker.run_once(at(162)).unwrap();
    assert_eq!(report.total(IntentState::Accepted), 2, "{report:?}");
}

#[test]
fn receivers_that_break_off_close_the_channel_to_nobody() {
    let breaking = FakeReceiver::private(&vec![Say::HangUp; 5], status(200));
    let addresses: Vec<_> = (0..6).map(|n| url(&breaking, &n.to_string())).collect();
    let desk = Desk::at_addresses(WEBHOOK, &addresses);
    let settings = WebhookGatewaySettings {
        window: 1,
        ..settings(&breaking, &desk)
    };
    let gateway = WebhookGateway::new(&settings).unwrap();
    let report = worker(&desk, gateway).run_once(at(20)).unwrap();
    // More in a row than open a breaker, and the last is told all the same.
    assert_eq!(
        (
            report.postponed,
            report.returned,
            report.total(IntentState::Accepted)
        ),
        (5, 0, 1),
        "{report:?}"
    );
}

#[test]
fn being_busy_never_fails_a_message() {
    let receiver = FakeReceiver::private(&vec![after(429, 1); 40], status(200));
    let desk = Desk::at_addresses(WEBHOOK, &[url(&receiver, "a")]);
    let mut worker = usual(&receiver, &desk);
    for n in 0..40 {
        let report = worker.run_once(at(20 + 2 * n)).unwrap();
        assert_eq!(report.postponed, 1, "{n}: {report:?}");
    }
    assert_eq!(worker.run_once(at(200)).unwrap().total(IntentState::Accepted), 1);
}

#[test]
fn what_is_gone_is_left_alone_for_a_month_and_then_tried_again() {
    let receiver = FakeReceiver::private(&[status(410)], status(200));
    let desk = Desk::at_addresses(WEBHOOK, &[url(&receiver, "a"), url(&receiver, "b")]);
    let mut worker = usual(&receiver, &desk);
    let report = worker.run_once(at(20)).unwrap();
    assert_eq!(
        (
            report.total(IntentState::Failed),
            report.total(IntentState::Accepted)
        ),
        (1, 1)
    );
    // The row comes with a later import; the address is known all the same, the other one is not.
    let gone = receiver.asked()[0].path().to_owned();
    let of = |n: u32| {
        let mut row = crate::desk::person(n);
        row.customer.at = at(30);
        row.addresses.insert(
            WEBHOOK,
            Secret::new(format!("https://127.0.0.1:{}{gone}", receiver.port)),
        );
        row
    };
    desk.open().import_customers([of(7), of(8)]).unwrap();
    desk.plan(WEBHOOK, 7);
    let report = worker.run_once(at(40)).unwrap();
    assert_eq!(report.reasons.get("address_gone"), Some(&1), "{report:?}");
    assert_eq!(receiver.asked().len(), 2);
    desk.plan_until(WEBHOOK, 8, 40 * 86_400);
    let report = worker.run_once(at(31 * 86_400)).unwrap();
    assert_eq!(report.total(IntentState::Accepted), 1, "{report:?}");
}

/// Names that mean something else each time.
struct Turning(Mutex<VecDeque<Vec<&'static str>>>);

impl Names for Turning {
    fn look_up(&self, _host: &str) -> io::Result<Vec<SocketAddr>> {
        let next = self.0.lock().unwrap().pop_front().unwrap_or_default();
        Ok(next
            .iter()
            .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0))
            .collect())
    }
}

fn turning(plan: &[&[&'static str]]) -> Arc<Turning> {
    Arc::new(Turning(Mutex::new(plan.iter().map(|ips| ips.to_vec()).collect())))
}

#[test]
fn no_call_leads_inside_however_the_address_is_written() {
    let inside = FakeReceiver::private(&[], status(200));
    let port = inside.port;
    let written = [
        format!("https://127.0.0.1:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://LOCALHOST:{port}/"),
        format!("https://127.1:{port}/"),
        format!("https://2130706433:{port}/"),
        format!("https://0x7f.0.0.1:{port}/"),
        format!("https://0:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://[64:ff9b::7f00:1]:{port}/"),
        format!("https://[2002:7f00:1::]:{port}/"),
        format!("https://example.ir@127.0.0.1:{port}/"),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://[fd00:ec2::254]/".to_owned(),
        "https://10.0.0.1/".to_owned(),
        "https://not a host/".to_owned(),
    ];
    let desk = Desk::at_addresses(WEBHOOK, &written);
    let settings = WebhookGatewaySettings {
        allow_addresses: Vec::new(),
        ..settings(&inside, &desk)
    };
    let report = worker(&desk, WebhookGateway::new(&settings).unwrap())
        .run_once(at(20))
        .unwrap();
    assert_eq!(
        report.reasons.get("forbidden_address").copied(),
        // The last one is no address with a secret behind it either.
        Some(written.len() as u64 - 1),
        "{report:?}"
    );
    assert_eq!(report.total(IntentState::Failed), written.len() as u64);
    assert_eq!(inside.connections(), 0);
}

#[test]
fn plain_http_is_refused_whatever_is_allowed() {
    let plain = FakeReceiver::plain(&[], status(200));
    let desk = Desk::at_addresses(WEBHOOK, &[format!("http://127.0.0.1:{}/", plain.port)]);
    let report = usual(&plain_with_certificate(), &desk).run_once(at(20)).unwrap();
    assert_eq!(report.reasons.get("not_https"), Some(&1));
    assert_eq!(plain.connections(), 0);
}

fn plain_with_certificate() -> FakeReceiver {
    FakeReceiver::private(&[], status(200))
}

#[test]
fn a_name_that_turns_is_judged_by_the_address_that_is_connected_to() {
    let inside = FakeReceiver::private(&[], status(200));
    let address = format!("https://turning.receivers.test:{}/", inside.port);
    let desk = Desk::at_addresses(WEBHOOK, &[&address]);
    let settings = WebhookGatewaySettings {
        // Nobody listens at 127.0.0.2: it stands for a public address.
        allow_addresses: vec!["127.0.0.2".into()],
        pause: Duration::from_secs(1),
        ..settings(&inside, &desk)
    };
    let names = turning(&[
        // Admitted when it is looked up, and something else right after.
        &["127.0.0.2"],
        // Both at once: the other must not be fallen back on.
        &["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"],
        &["127.0.0.1"],
    ]);
    let guard = Guard::with_names(&settings.allow_addresses, Arc::clone(&names) as Arc<dyn Names>).unwrap();
    let mut worker = worker(&desk, WebhookGateway::with_guard(&settings, guard).unwrap());
    for (now, reason) in [(20, "connect"), (2_000, "connect"), (4_000, "forbidden_address")] {
        let report = worker.run_once(at(now)).unwrap();
        assert_eq!(report.reasons.get(reason), Some(&1), "{now}: {report:?}");
        assert_eq!(inside.connections(), 0);
    }
    assert!(names.0.lock().unwrap().is_empty(), "looked up once a connection");
    // The control: where the operator allows it, the same name reaches it.
    let names = turning(&[&["127.0.0.1"]]);
    let desk = Desk::at_addresses(WEBHOOK, &[&address]);
    let guard = Guard::with_names(&["127.0.0.0/8".to_owned()], names).unwrap();
    let gateway = WebhookGateway::with_guard(&settings, guard).unwrap();
    let report = self::worker(&desk, gateway).run_once(at(20)).unwrap();
    assert_eq!(report.total(IntentState::Accepted), 1, "{report:?}");
}

#[test]
fn no_redirect_is_followed() {
    let inside = FakeReceiver::private(&[], status(200));
    let location = |to: String| Say::Answer(307, vec![("location", to)], String::new());
    let receiver = FakeReceiver::private(&[location(url(&inside, "x"))], status(200));
    let desk = Desk::at_addresses(WEBHOOK, &[url(&receiver, "a")]);
    let report = usual(&receiver, &desk).run_once(at(20)).unwrap();
    assert_eq!(report.reasons.get("redirected"), Some(&1));
    assert_eq!((receiver.connections(), inside.connections()), (1, 0));
}

#[test]
fn who_can_not_show_who_it_is_is_told_nothing() {
    let impostor = FakeReceiver::private(&[], status(200));
    let known = FakeReceiver::private(&[], status(200));
    let desk = Desk::at_addresses(WEBHOOK, &[url(&impostor, "a")]);
    let report = usual(&known, &desk).run_once(at(20)).unwrap();
    assert_eq!(
        (report.reasons.get("tls"), report.postponed),
        (Some(&1), 1),
        "{report:?}"
    );
    assert!(impostor.asked().is_empty());
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let long = Say::Answer(200, Vec::new(), "x".repeat(1 << 20));
    let receiver = FakeReceiver::private(&[], long);
    let desk = Desk::at_addresses(WEBHOOK, &[url(&receiver, "a")]);
    let report = usual(&receiver, &desk).run_once(at(20)).unwrap();
    assert_eq!(report.total(IntentState::Accepted), 1);
}

#[test]
fn many_are_called_at_the_same_time() {
    let slow = Say::Silent(Duration::from_millis(400));
    let receiver = FakeReceiver::private(&vec![slow; 16], status(200));
    let addresses: Vec<_> = (0..16).map(|n| url(&receiver, &n.to_string())).collect();
    let desk = Desk::at_addresses(WEBHOOK, &addresses);
    let begun = std::time::Instant::now();
    let report = usual(&receiver, &desk).run_once(at(20)).unwrap();
    // One after the other it would be 6.4 s.
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(
        (report.postponed, report.reasons.get("connection_lost")),
        (16, Some(&16))
    );
}

#[test]
fn settings_nobody_can_be_called_with_are_refused() {
    let check = |json: serde_json::Value, want: &[&str]| {
        let settings: WebhookGatewaySettings = serde_json::from_value(json).unwrap();
        assert_eq!(settings.mistakes(), want);
        assert_eq!(WebhookGateway::new(&settings).is_err(), !want.is_empty());
    };
    check(serde_json::json!({}), &[]);
    check(
        serde_json::json!({"secret": "x", "allow_addresses": ["10.0.0.0/99"], "window": 0, "timeout": 0, "pause": 0}),
        &[
            "secret is not `whsec_` and base64 of 24 to 64 bytes",
            "allow_addresses: `10.0.0.0/99` is neither an address nor a network (`10.1.0.0/16`)",
            "window is not between 1 and 64",
            "timeout is at least a second",
            "pause is at least a second",
        ],
    );
    check(
        serde_json::json!({"previous_secret": OURS}),
        &["previous_secret needs a `secret` after it"],
    );
}
