//! A bot that speaks by `sendMessage`, against a fake of that interface only: no real Telegram or Bale was asked.

use forecall_delivery::{ChatGateway, ChatSettings, DeliverReport, DeliverSettings, Deliverer};
use forecall_types::{ContactChannel, IntentState};
use serde_json::json;

use crate::fake_receiver::{FakeReceiver, Say, json as says, status};
use crate::{Desk, at};

const CHAT: ContactChannel = ContactChannel::Chat;
const TOKEN: &str = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11";

fn settings(port: u16) -> ChatSettings {
    serde_json::from_value(
        json!({"base_url": format!("http://127.0.0.1:{port}/"), "token": TOKEN, "window": 1}),
    )
    .unwrap()
}

fn yes() -> Say {
    says(
        200,
        &json!({"ok": true, "result": {"message_id": 77, "chat": {"id": 1}}}),
    )
}

fn no(code: u16, description: &str, parameters: serde_json::Value) -> Say {
    says(
        code,
        &json!({"ok": false, "error_code": code, "description": description, "parameters": parameters}),
    )
}

fn worker(desk: &Desk, settings: ChatSettings) -> Deliverer {
    let gateway = ChatGateway::new(settings).unwrap();
    Deliverer::new(desk.open(), vec![Box::new(gateway)], DeliverSettings::default()).unwrap()
}

fn run(plan: &[Say], addresses: &[&str]) -> (FakeReceiver, DeliverReport, Deliverer, Desk) {
    let bot = FakeReceiver::plain(plan, yes());
    let desk = Desk::at_addresses(CHAT, addresses);
    let mut worker = worker(&desk, settings(bot.port));
    let report = worker.run_once(at(20)).unwrap();
    (bot, report, worker, desk)
}

#[test]
fn a_message_is_plain_text_whatever_stands_in_it() {
    let (bot, report, ..) = run(&[], &["4711", "-1001234567890", "@acme_news"]);
    assert_eq!(report.total(IntentState::Accepted), 3);
    let asked = bot.asked();
    assert_eq!(asked[0].line, format!("POST /bot{TOKEN}/sendMessage HTTP/1.1"));
    let text = "اختلال اینترنت\n\nمشتری گرامی\n<b>*خبر*</b> _&_\nپایان";
    for (asked, chat) in asked
        .iter()
        .zip([json!(4711), json!(-1_001_234_567_890_i64), json!("@acme_news")])
    {
        assert_eq!(asked.json(), json!({"chat_id": chat, "text": text}));
    }
}

#[test]
fn who_has_blocked_the_bot_is_left_alone() {
    let plan = [
        no(403, "Forbidden: bot was blocked by the user", json!({})),
        no(400, "Bad Request: chat not found", json!({})),
        no(
            400,
            "Bad Request: group chat was upgraded",
            json!({"migrate_to_chat_id": -100}),
        ),
        no(400, "Bad Request: message text is empty", json!({})),
    ];
    let (bot, report, mut worker, desk) = run(&plan, &["1001", "1002", "1003", "1004", "1005"]);
    assert_eq!(
        (
            report.total(IntentState::Failed),
            report.total(IntentState::Accepted)
        ),
        (4, 1)
    );
    for reason in ["blocked_by_person", "no_such_chat", "chat_moved", "refused"] {
        assert_eq!(report.reasons.get(reason), Some(&1), "{reason}");
    }
    // The next notice: only who isn't known to be gone is tried.
    for n in 10..14 {
        let mut row = crate::desk::person(n);
        row.addresses
            .insert(CHAT, forecall_ledger::Secret::new(format!("{}", 991 + n)));
        desk.open().import_customers([row]).unwrap();
        desk.plan(CHAT, n);
    }
    let report = worker.run_once(at(40)).unwrap();
    assert_eq!(
        (
            report.reasons.get("address_gone"),
            report.total(IntentState::Accepted)
        ),
        (Some(&3), 1),
        "{report:?}"
    );
    assert_eq!(bot.asked().len(), 6);
}

#[test]
fn too_fast_waits_as_long_as_the_bot_is_told_and_loses_nothing() {
    let plan = [no(
        429,
        "Too Many Requests: retry after 35",
        json!({"retry_after": 35}),
    )];
    let (bot, report, mut worker, _desk) = run(&plan, &["1", "2", "3"]);
    assert_eq!(
        (
            report.returned,
            report.reasons.get("throttled"),
            report.states.len()
        ),
        (3, Some(&1), 0),
        "{report:?}"
    );
    assert_eq!(worker.run_once(at(54)).unwrap().leased, 0);
    assert_eq!(bot.asked().len(), 1);
    let report = worker.run_once(at(56)).unwrap();
    assert_eq!(report.total(IntentState::Accepted), 3, "{report:?}");
}

#[test]
fn a_lost_answer_is_not_asked_again_for_nobody_would_know_the_second() {
    let plan = [Say::HangUp, status(502), says(200, &json!({"hello": "a proxy"}))];
    let (bot, report, mut worker, _desk) = run(&plan[..2], &["1", "2"]);
    assert_eq!(report.total(IntentState::Unknown), 2, "{report:?}");
    assert_eq!(worker.run_once(at(2_000)).unwrap().leased, 0);
    assert_eq!(bot.asked().len(), 2);
    // A good status without a yes is none.
    let (_bot, report, ..) = run(&plan[2..], &["1"]);
    assert_eq!(report.reasons.get("strange_answer"), Some(&1));
}

#[test]
fn a_wrong_token_is_the_channels_fault_and_fails_nobody() {
    let (_bot, report, ..) = run(&[no(401, "Unauthorized", json!({}))], &["1"]);
    assert_eq!((report.returned, report.states.len()), (1, 0));
    assert_eq!(report.reasons.get("gateway_refuses"), Some(&1));
    let (_bot, report, ..) = run(&[], &["not a chat", "+989121234567"]);
    assert_eq!(report.reasons.get("no_chat_id"), Some(&2), "{report:?}");
}

#[test]
fn settings_no_bot_speaks_with_are_refused() {
    let check = |base_url: &str, token: &str, want: &[&str]| {
        let settings: ChatSettings =
            serde_json::from_value(json!({"base_url": base_url, "token": token})).unwrap();
        assert_eq!(settings.mistakes(), want, "{base_url}");
        assert_eq!(ChatGateway::new(settings).is_err(), !want.is_empty());
    };
    check("https://api.telegram.org", TOKEN, &[]);
    check("https://tapi.bale.ai/", TOKEN, &[]);
    check(
        "http://api.telegram.org",
        "a/../b",
        &[
            "base_url is plain HTTP to another machine: write `https://`, or `insecure: true` for a network of your own",
            "token is no token of a bot (`123456:ABC-…`)",
        ],
    );
    check(
        "https://me@x.ir",
        TOKEN,
        &["base_url has a login or parameters, which no place is for"],
    );
    check("x", TOKEN, &["base_url is no `https://…`"]);
    assert!(!format!("{:?}", settings(1)).contains("ABC"));
}
