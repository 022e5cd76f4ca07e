//! Receipts and replies that a gateway behind HTTP brings by requests of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use forecall_delivery::{DeliverSettings, Deliverer, HttpSmsGateway, HttpSmsSettings};
use forecall_ledger::Answer;
use forecall_types::{ContactChannel, IntentState, ReplyKind};

use crate::fake_gateway::{FakeGateway, Say};
use crate::{Desk, at};

const SMS: ContactChannel = ContactChannel::Sms;
const TOKEN: &str = "0123456789abcdef";

/// Kavenegar's shape, with its callbacks.
fn kavenegar(port: u16) -> HttpSmsSettings {
    serde_json::from_value(serde_json::json!({
        "url": format!("http://127.0.0.1:{port}/v1/{{secret}}/sms/send.json"),
        "secret": "KEY",
        "from": "10004346",
        "form": {"receptor": "{to_national}", "message": "{text}"},
        "id": "/entries/0/messageid",
        "code": "/return/status",
        "codes": {"200": "accepted"},
        "callbacks": {
            "listen": "127.0.0.1:0",
            "token": TOKEN,
            "receipt": {
                "id": "messageid", "status": "status",
                "statuses": {"10": "delivered", "11": "undeliverable", "14": "blocked"},
            },
            "reply": {"from": "from", "text": "message", "id": "messageid"},
        },
    }))
    .unwrap()
}

/// A worker whose messages were taken under the names 1, 2 …, and where it listens.
fn told(names: &[&'static str]) -> (Deliverer, SocketAddr, Desk) {
    let plan: Vec<Say> = names.iter().map(|body| Say::Answer(200, body)).collect();
    let gateway = FakeGateway::start(&plan);
    let desk = Desk::new(SMS, u32::try_from(names.len()).unwrap());
    let http = HttpSmsGateway::new(kavenegar(gateway.port)).unwrap();
    let address = http.listens_at().unwrap();
    let mut worker = Deliverer::new(desk.open(), vec![Box::new(http)], DeliverSettings::default()).unwrap();
    let report = worker.run_once(at(20)).unwrap();
    assert_eq!(report.total(IntentState::Accepted), names.len() as u64);
    (worker, address, desk)
}

const ONE: &str = r#"{"return":{"status":200},"entries":[{"messageid":1}]}"#;
const TWO: &str = r#"{"return":{"status":200},"entries":[{"messageid":2}]}"#;

/// Asks, in a thread of its own; the status of the answer.
fn ask(address: SocketAddr, head: &str, body: &str) -> JoinHandle<u16> {
    let text = format!(
        "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    })
}

/// Rounds of the worker until the answer is there.
fn answered(worker: &mut Deliverer, now: i64, asked: JoinHandle<u16>) -> u16 {
    let until = Instant::now() + Duration::from_secs(10);
    while !asked.is_finished() && Instant::now() < until {
        worker.run_once(at(now)).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    asked.join().unwrap()
}

fn replies(worker: &mut Deliverer) -> Vec<(String, ReplyKind)> {
    let answers = worker.ledger().answers_after(0, 100).unwrap();
    let replies = answers.into_iter().filter_map(|(_, answer)| match answer {
        Answer::Reply(_, reply) => Some((reply.customer.to_string(), reply.kind)),
        Answer::Receipt(_) => None,
    });
    replies.collect()
}

#[test]
fn receipts_settle_messages_and_are_answered_when_that_is_written_down() {
    let (mut worker, address, _desk) = told(&[ONE, TWO]);
    let first = ask(
        address,
        &format!("GET /receipts?token={TOKEN}&messageid=1&status=10"),
        "",
    );
    assert_eq!(answered(&mut worker, 30, first), 200);
    let second = ask(
        address,
        &format!("POST /receipts?token={TOKEN}"),
        "messageid=2&status=14",
    );
    assert_eq!(answered(&mut worker, 31, second), 200);
    // On its way, and a message that nobody knows: neither changes anything, and neither comes for ever.
    for query in ["messageid=1&status=5", "messageid=77&status=10"] {
        let asked = ask(address, &format!("GET /receipts?token={TOKEN}&{query}"), "");
        assert_eq!(answered(&mut worker, 32, asked), 200, "{query}");
    }
    let counts = worker.ledger().intent_counts().unwrap();
    assert_eq!(
        (
            counts.get(&(SMS, IntentState::Delivered)),
            counts.get(&(SMS, IntentState::Failed))
        ),
        (Some(&1), Some(&1))
    );
}

#[test]
fn a_request_that_nobody_writes_down_is_answered_with_no() {
    let (worker, address, _desk) = told(&[ONE]);
    let asked = ask(
        address,
        &format!("GET /receipts?token={TOKEN}&messageid=1&status=10"),
        "",
    );
    std::thread::sleep(Duration::from_millis(200));
    assert!(!asked.is_finished(), "a yes before it is written down");
    // The process ends: what it has in its hands is told again.
    drop(worker);
    assert_eq!(asked.join().unwrap(), 503);
}

#[test]
fn replies_are_known_again_by_their_name() {
    let (mut worker, address, _desk) = told(&[ONE, TWO]);
    // "لغو" from 0912 345 0000, twice, and hours apart.
    let stop = "from=09123450000&to=10004346&message=%D9%84%D8%BA%D9%88&messageid=9";
    for now in [30, 7_300] {
        let asked = ask(address, &format!("POST /replies?token={TOKEN}"), stop);
        assert_eq!(answered(&mut worker, now, asked), 200);
    }
    let status = "from=%2B989123450001&message=status&messageid=10";
    let asked = ask(address, &format!("POST /replies?token={TOKEN}"), status);
    assert_eq!(answered(&mut worker, 7_301, asked), 200);
    let wanted = [("cus_0", ReplyKind::Stop), ("cus_1", ReplyKind::Status)];
    assert_eq!(
        replies(&mut worker),
        wanted.map(|(who, kind)| (who.to_owned(), kind))
    );
}

#[test]
fn json_is_read_by_pointers() {
    let gateway = FakeGateway::start(&[]);
    let mut http = kavenegar(gateway.port);
    if let Some(callbacks) = &mut http.callbacks {
        let fields = serde_json::json!({"from": "/m/0/from", "text": "/m/0/text", "id": "/m/0/id"});
        callbacks.reply = Some(serde_json::from_value(fields).unwrap());
    }
    let http = HttpSmsGateway::new(http).unwrap();
    let address = http.listens_at().unwrap();
    let desk = Desk::new(SMS, 1);
    let mut worker = Deliverer::new(desk.open(), vec![Box::new(http)], DeliverSettings::default()).unwrap();
    let body = r#"{"m":[{"from":989123450000,"text":"هنوز قطعه","id":"x"}]}"#;
    let asked = ask(address, &format!("POST /replies?token={TOKEN}"), body);
    assert_eq!(answered(&mut worker, 30, asked), 200);
    assert_eq!(replies(&mut worker), [("cus_0".to_owned(), ReplyKind::StillDown)]);
}

#[test]
fn who_does_not_know_the_token_or_says_nothing_is_not_heard() {
    let (mut worker, address, _desk) = told(&[ONE]);
    for (head, body, status) in [
        ("GET /receipts?messageid=1&status=10", "", 401),
        (
            "GET /receipts?token=0123456789abcdeF&messageid=1&status=10",
            "",
            401,
        ),
        ("GET /receipts?token=&messageid=1&status=10", "", 401),
        ("POST /replies?token=0123456789abcdef", "from=09123450000", 400),
        ("POST /receipts?token=0123456789abcdef", "messageid=1", 400),
        ("POST /other?token=0123456789abcdef", "", 404),
        // A service's own number is nobody to answer.
        (
            "POST /replies?token=0123456789abcdef",
            "from=1000&message=stop",
            200,
        ),
    ] {
        let asked = ask(address, head, body);
        assert_eq!(answered(&mut worker, 30, asked), status, "{head}");
    }
    let big = "x".repeat(40_000);
    let asked = ask(
        address,
        &format!("POST /replies?token={TOKEN}"),
        &format!("from=1&message={big}"),
    );
    assert_eq!(answered(&mut worker, 30, asked), 413);
    let counts = worker.ledger().intent_counts().unwrap();
    assert_eq!(counts.get(&(SMS, IntentState::Accepted)), Some(&1));
    assert!(replies(&mut worker).is_empty());
}

#[test]
fn settings_that_would_let_others_in_are_refused() {
    let check = |change: &dyn Fn(&mut serde_json::Value), want: &str| {
        let mut json = serde_json::to_value(kavenegar(1)).unwrap();
        json["secret"] = "KEY".into();
        json["callbacks"]["token"] = TOKEN.into();
        change(&mut json["callbacks"]);
        let settings: HttpSmsSettings = serde_json::from_value(json).unwrap();
        let found = settings.mistakes().join("; ");
        assert!(
            found.contains(want) && found.is_empty() == want.is_empty(),
            "{want}: {found}"
        );
    };
    check(&|_| {}, "");
    check(&|c| c["listen"] = "0.0.0.0:8094".into(), "callbacks.listen");
    check(&|c| c["token"] = "short".into(), "callbacks.token");
    check(&|c| c["reply"]["from"] = "".into(), "callbacks.reply.from");
    check(
        &|c| {
            c["reply"] = serde_json::Value::Null;
            c["receipt"] = serde_json::Value::Null;
        },
        "callbacks takes neither",
    );
}
