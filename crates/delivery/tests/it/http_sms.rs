//! Gateways behind HTTP, described as in docs/notices.md, against a fake that answers in their shapes.

use std::net::TcpListener;

use forecall_delivery::{DeliverReport, DeliverSettings, Deliverer, HttpSmsGateway, HttpSmsSettings};
use forecall_ledger::{Prefer, StaleRules};
use forecall_types::{ContactChannel, IntentState};

use crate::fake_gateway::{FakeGateway, Say};
use crate::{Desk, at};

const SMS: ContactChannel = ContactChannel::Sms;

/// Kavenegar's shape: the key in the path, a form, a status of its own in the answer, a number of ours that it knows again.
fn kavenegar(port: u16) -> HttpSmsSettings {
    serde_json::from_value(serde_json::json!({
        "url": format!("http://127.0.0.1:{port}/v1/{{secret}}/sms/send.json"),
        "secret": "KEY",
        "from": "10004346",
        "form": {"receptor": "{to_national}", "message": "{text}", "sender": "{from}", "localid": "{reference_number}"},
        "id": "/entries/0/messageid",
        "code": "/return/status",
        "codes": {
            "200": "accepted", "411": "permanent", "412": "down", "414": "permanent", "418": "down", "402": "temporary",
            "409": "temporary", "403": "down", "501": "blocked",
        },
        "knows_repeats": true,
    }))
    .unwrap()
}

/// Twilio's shape: a login, a form, 201 and a name.
fn twilio(port: u16) -> HttpSmsSettings {
    serde_json::from_value(serde_json::json!({
        "url": format!("http://127.0.0.1:{port}/2010-04-01/Accounts/AC1/Messages.json"),
        "username": "AC1",
        "password": "token",
        "from": "+15005550006",
        "form": {"To": "{to}", "From": "{from}", "Body": "{text}"},
        "id": "/sid",
        "code": "/code",
        "codes": {"21211": "permanent", "21610": "blocked", "20429": "throttled"},
    }))
    .unwrap()
}

/// A body in JSON.
fn in_json(port: u16) -> HttpSmsSettings {
    serde_json::from_value(serde_json::json!({
        "url": format!("http://127.0.0.1:{port}/send"),
        "secret": "KEY",
        "headers": {"authorization": "Bearer {secret}"},
        "json": "{\"messages\": [{\"to\": \"{to_digits}\", \"text\": \"{text}\", \"ref\": \"{reference}\"}]}",
        "id": "/messages/0/id",
    }))
    .unwrap()
}

fn worker(desk: &Desk, http: HttpSmsSettings, settings: DeliverSettings) -> Deliverer {
    Deliverer::new(
        desk.open(),
        vec![Box::new(HttpSmsGateway::new(http).unwrap())],
        settings,
    )
    .unwrap()
}

fn run(
    count: u32,
    plan: &[Say],
    shape: impl Fn(u16) -> HttpSmsSettings,
) -> (FakeGateway, DeliverReport, Deliverer, Desk) {
    let gateway = FakeGateway::start(plan);
    let desk = Desk::new(SMS, count);
    let mut worker = worker(&desk, shape(gateway.port), DeliverSettings::default());
    let report = worker.run_once(at(20)).unwrap();
    (gateway, report, worker, desk)
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

const TEXT: &str = "مشتری گرامی\n.\n..\nپایان";

#[test]
fn a_gateway_in_kavenegars_shape_takes_it() {
    let taken = Say::Answer(
        200,
        r#"{"return":{"status":200,"message":"تایید شد"},"entries":[{"messageid":8792343,"status":1}]}"#,
    );
    let (gateway, report, _worker, _desk) = run(1, &[taken], kavenegar);
    assert_eq!(report.total(IntentState::Accepted), 1);
    let asked = &gateway.asked()[0];
    assert_eq!(asked.line, "POST /v1/KEY/sms/send.json HTTP/1.1");
    let fields: Vec<_> = asked.body.split('&').map(unescaped).collect();
    assert_eq!(
        (fields.len(), fields[1].as_str(), fields[2].as_str()),
        (4, format!("message={TEXT}").as_str(), "receptor=09123450000")
    );
    let number: u64 = fields[0].strip_prefix("localid=").unwrap().parse().unwrap();
    assert!(number > 0 && number < 1_000_000_000_000_000);
}

#[test]
fn a_gateway_in_twilios_shape_takes_it() {
    let (gateway, report, _worker, _desk) = run(
        1,
        &[Say::Answer(201, r#"{"sid":"SM1","status":"queued"}"#)],
        twilio,
    );
    assert_eq!(report.total(IntentState::Accepted), 1);
    let asked = &gateway.asked()[0];
    // Base64 of `AC1:token`.
    assert!(
        asked
            .headers
            .iter()
            .any(|h| h == "authorization: Basic QUMxOnRva2Vu"),
        "{:?}",
        asked.headers
    );
    assert!(unescaped(&asked.body).contains("To=+989123450000"));
}

#[test]
fn a_body_in_json_is_json_whatever_the_text_holds() {
    let gateway = FakeGateway::start(&[]);
    let text = "یک \"نقل\"\nو \\ {to} پایان";
    let desk = Desk::with_text(SMS, 1, text, 1);
    let mut worker = worker(&desk, in_json(gateway.port), DeliverSettings::default());
    assert_eq!(worker.run_once(at(20)).unwrap().total(IntentState::Accepted), 1);
    let asked = &gateway.asked()[0];
    let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
    let wanted = serde_json::json!({"messages": [{"to": "989123450000", "text": text, "ref": "int_0"}]});
    assert_eq!(body, wanted);
    assert!(asked.headers.iter().any(|h| h == "authorization: Bearer KEY"));
}

#[test]
fn codes_say_more_than_statuses() {
    let plan = [
        Say::Answer(200, r#"{"return":{"status":411}}"#),
        Say::Answer(200, r#"{"return":{"status":501}}"#),
        Say::Answer(409, r#"{"return":{"status":409}}"#),
        Say::Answer(400, "no JSON at all"),
    ];
    let (_gateway, report, ..) = run(5, &plan, kavenegar);
    assert_eq!(
        (
            report.total(IntentState::Failed),
            report.postponed,
            report.total(IntentState::Accepted)
        ),
        (3, 1, 1)
    );
    assert_eq!(report.reasons.get("refused"), Some(&2));
    assert_eq!(report.reasons.get("blocked_by_network"), Some(&1));
}

#[test]
fn a_good_status_alone_is_no_yes_where_the_gateway_has_words_of_its_own() {
    let plan = [
        Say::Answer(200, r#"{"return":{"status":999}}"#),
        Say::Answer(200, "<html>Please log in</html>"),
    ];
    let (_gateway, report, ..) = run(4, &plan, forgetful_kavenegar);
    assert_eq!(
        (
            report.total(IntentState::Unknown),
            report.total(IntentState::Accepted)
        ),
        (2, 2)
    );
    assert_eq!(report.reasons.get("strange_answer"), Some(&2));
}

#[test]
fn a_good_status_without_any_code_is_in_doubt_where_codes_are_told_and_no_name_is() {
    let nameless = |port| HttpSmsSettings {
        id: None,
        ..forgetful_kavenegar(port)
    };
    let plan = [
        Say::Answer(200, "<html>Please log in</html>"),
        Say::Answer(200, "{}"),
    ];
    let (_gateway, report, ..) = run(3, &plan, nameless);
    assert_eq!(
        (
            report.total(IntentState::Unknown),
            report.total(IntentState::Accepted)
        ),
        (2, 1)
    );
}

#[test]
fn one_message_that_the_gateway_always_refuses_is_not_tried_for_ever() {
    // The first of two is refused as if the gateway took none; the other is taken, as are all others.
    let gateway = FakeGateway::refusing("09123450000");
    let desk = Desk::new(SMS, 8);
    let settings = DeliverSettings {
        batch: 2,
        ..DeliverSettings::default()
    };
    let mut worker = worker(&desk, kavenegar(gateway.port), settings);
    for round in 0..100 {
        worker.run_once(at(20 + 700 * i64::from(round))).unwrap();
        // Somebody else is told in each round.
        desk.add(SMS, 8 + round);
    }
    let counts = worker.ledger().intent_counts().unwrap();
    assert_eq!(counts.get(&(SMS, IntentState::Failed)), Some(&1), "{counts:?}");
    let tries = gateway.asked();
    let tries = tries
        .iter()
        .filter(|asked| asked.body.contains("09123450000"))
        .count();
    assert_eq!(tries, 7, "one more than the attempts of a message");
}

#[test]
fn while_it_takes_nobody_no_message_is_given_up() {
    let plan = vec![Say::Answer(403, ""); 60];
    let gateway = FakeGateway::start(&plan);
    let desk = Desk::new(SMS, 3);
    let mut worker = worker(&desk, twilio(gateway.port), DeliverSettings::default());
    for round in 0..40 {
        worker.run_once(at(20 + 100 * round)).unwrap();
    }
    let waiting = worker.ledger().waiting(SMS).unwrap();
    let taken = gateway.asked().len();
    assert!(waiting == 3 && taken < 60, "{waiting} wait after {taken} tries");
}

#[test]
fn a_connection_that_never_stands_is_down_however_short_the_wait() {
    // It takes the connection and says nothing: TLS never stands, so nothing was sent.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let desk = Desk::new(SMS, 1);
    let http = HttpSmsSettings {
        url: format!("https://127.0.0.1:{port}/{{secret}}"),
        timeout: std::time::Duration::from_secs(1),
        ..kavenegar(port)
    };
    let report = worker(&desk, http, DeliverSettings::default())
        .run_once(at(20))
        .unwrap();
    assert_eq!(
        (report.returned, report.total(IntentState::Unknown)),
        (1, 0),
        "{report:?}"
    );
}

/// Kavenegar's shape of one that doesn't know repeats: what is in doubt stays so.
fn forgetful_kavenegar(port: u16) -> HttpSmsSettings {
    HttpSmsSettings {
        knows_repeats: false,
        ..kavenegar(port)
    }
}

#[test]
fn too_fast_waits_as_long_as_it_is_told() {
    let (gateway, report, mut worker, _desk) = run(3, &[Say::Later(429, 30)], twilio);
    assert_eq!((report.returned, report.reasons.get("throttled")), (3, Some(&1)));
    assert_eq!(worker.run_once(at(49)).unwrap().leased, 0);
    assert_eq!(worker.run_once(at(52)).unwrap().total(IntentState::Accepted), 3);
    assert_eq!(gateway.asked().len(), 4);
}

#[test]
fn a_gateway_that_refuses_us_keeps_the_messages() {
    let (gateway, report, ..) = run(
        5,
        &[
            Say::Answer(401, ""),
            Say::Answer(503, ""),
            Say::Answer(200, r#"{"return":{"status":418}}"#),
        ],
        kavenegar,
    );
    assert_eq!((report.returned, gateway.asked().len()), (5, 3));
    assert!(report.down.contains(&SMS));
}

#[test]
fn a_lost_answer_is_repeated_where_the_gateway_knows_it_again() {
    let plan = [
        Say::HangUp,
        Say::Answer(200, r#"{"return":{"status":200},"entries":[{"messageid":1}]}"#),
    ];
    let (gateway, report, mut worker, _desk) = run(1, &plan, kavenegar);
    // The rule for text messages is rather never than twice; here twice does no harm and isn't counted as such.
    assert_eq!((report.postponed, report.perhaps_doubled), (1, 0));
    assert_eq!(worker.run_once(at(900)).unwrap().total(IntentState::Accepted), 1);
    let asked = gateway.asked();
    assert_eq!((asked.len(), &asked[0].body), (2, &asked[1].body));
}

#[test]
fn a_lost_answer_is_unknown_where_it_does_not() {
    for say in [Say::HangUp, Say::Answer(500, ""), Say::Answer(302, "")] {
        let (gateway, report, mut worker, _desk) = run(1, &[say], twilio);
        assert_eq!(report.total(IntentState::Unknown), 1);
        assert_eq!(worker.run_once(at(9_000)).unwrap().leased, 0);
        assert_eq!(gateway.asked().len(), 1);
    }
}

#[test]
fn a_gateway_that_is_not_there_is_down() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let desk = Desk::new(SMS, 1);
    let settings = DeliverSettings {
        in_doubt: StaleRules {
            sms: Prefer::Miss,
            ..StaleRules::default()
        },
        ..DeliverSettings::default()
    };
    let report = worker(&desk, twilio(port), settings).run_once(at(20)).unwrap();
    assert_eq!((report.returned, report.reasons.get("connect")), (1, Some(&1)));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let check = |change: &dyn Fn(&mut HttpSmsSettings), want: &str| {
        let mut settings = kavenegar(1);
        change(&mut settings);
        let error = HttpSmsGateway::new(settings)
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(error.contains(want), "{want}: {error}");
    };
    check(
        &|s| s.url = "http://api.example.ir/{secret}".into(),
        "url is plain HTTP",
    );
    check(&|s| s.url = "ftp://api.example.ir/{secret}".into(), "url is no");
    check(
        &|s| s.url = "https://{secret}.example.ir/".into(),
        "where its host stands",
    );
    check(&|s| s.secret = None, "secret");
    check(&|s| s.form.remove("message").map_or((), drop), "{text}");
    check(&|s| s.form.remove("receptor").map_or((), drop), "{to}");
    check(&|s| s.form.remove("localid").map_or((), drop), "knows_repeats");
    check(
        &|s| s.form.insert("x".into(), "{who}".into()).map_or((), drop),
        "form.x",
    );
    check(&|s| s.json = Some("{".into()), "two bodies");
    check(&|s| s.code = None, "codes");
    check(&|s| s.id = Some("messageid".into()), "id is no JSON pointer");
    check(
        &|s| s.password = Some(forecall_ledger::Secret::new("p")),
        "username",
    );
    assert!(!format!("{:?}", kavenegar(1)).contains("KEY"));
}
