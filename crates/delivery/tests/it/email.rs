use std::net::TcpListener;

use base64::Engine;
use forecall_delivery::{
    DeliverReport, DeliverSettings, Deliverer, EmailError, EmailGateway, SmtpSettings, SmtpTls,
};
use forecall_ledger::{Prefer, Secret, StaleRules};
use forecall_types::{ContactChannel, IntentState};

use crate::fake_smtp::{FakeSmtp, Fault};
use crate::{Desk, at};

const FROM: &str = "Acme <care@acme.example>";

fn worker(desk: &Desk, smtp: SmtpSettings, settings: DeliverSettings) -> Deliverer {
    let gateway = EmailGateway::new(smtp).unwrap();
    Deliverer::new(desk.open(), vec![Box::new(gateway)], settings).unwrap()
}

/// One run over `mails` intents against a server with these faults.
fn run(
    mails: u32,
    faults: &[Fault],
    settings: DeliverSettings,
) -> (FakeSmtp, DeliverReport, Deliverer, Desk) {
    let server = FakeSmtp::start(faults);
    let desk = Desk::new(ContactChannel::Email, mails);
    let mut worker = worker(&desk, SmtpSettings::loopback(server.port, FROM), settings);
    let report = worker.run_once(at(20)).unwrap();
    (server, report, worker, desk)
}

/// The lines of a mail that begin so.
fn header<'a>(mail: &'a str, name: &str) -> Vec<&'a str> {
    mail.lines().filter(|l| l.starts_with(name)).collect()
}

/// A part that begins with the name of its encoding, as a mail program shows it.
fn decoded(part: &str) -> String {
    let (encoding, rest) = part.split_once("\n\n").unwrap();
    let lines: Vec<_> = rest.lines().take_while(|l| !l.starts_with("--")).collect();
    let bytes = match encoding {
        "base64" => base64::engine::general_purpose::STANDARD
            .decode(lines.concat())
            .unwrap(),
        "quoted-printable" => {
            let text = lines.join("\r\n").replace("=\r\n", "");
            let mut pieces = text.split('=');
            let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
            for piece in pieces {
                bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
                bytes.extend(&piece.as_bytes()[2..]);
            }
            bytes
        }
        other => panic!("{other}"),
    };
    String::from_utf8(bytes).unwrap()
}

#[test]
fn mails_go_over_one_connection_and_arrive_whole() {
    let (server, report, _worker, _desk) = run(3, &[], DeliverSettings::default());
    assert_eq!((report.leased, report.total(IntentState::Accepted)), (3, 3));
    let mailbox = server.mailbox.lock().unwrap();
    assert_eq!(
        (mailbox.mails.len(), mailbox.connections, mailbox.bare),
        (3, 1, 0)
    );
    let mail = &mailbox.mails[0];
    assert_eq!(header(mail, "Message-ID"), ["Message-ID: <int_0@acme.example>"]);
    let parts: Vec<_> = mail.split("Content-Transfer-Encoding: ").skip(1).collect();
    assert_eq!(decoded(parts[0]), "مشتری گرامی\r\n.\r\n..\r\nپایان");
    let html = decoded(parts[1]);
    assert!(html.contains("<html lang=\"fa\" dir=\"rtl\">"), "{html}");
}

#[test]
fn a_refusal_for_now_is_tried_again_later() {
    let (server, report, mut worker, _desk) = run(
        1,
        &[Fault::Recipient("451 4.2.1 a0@example.ir is greylisted")],
        DeliverSettings::default(),
    );
    assert_eq!((report.postponed, report.leased), (1, 1));
    assert_eq!(worker.run_once(at(20)).unwrap().leased, 0);
    assert_eq!(worker.run_once(at(700)).unwrap().total(IntentState::Accepted), 1);
    assert_eq!(server.mailbox.lock().unwrap().mails.len(), 1);
}

#[test]
fn a_refusal_for_good_fails_that_one_alone() {
    let (server, report, _worker, _desk) = run(
        3,
        &[
            Fault::Recipient("550 no such user"),
            Fault::Content("554 spam"),
            Fault::None,
        ],
        DeliverSettings::default(),
    );
    assert_eq!(report.total(IntentState::Failed), 2);
    assert_eq!(report.total(IntentState::Accepted), 1);
    assert_eq!(report.reasons.get("refused"), Some(&2));
    assert_eq!(server.mailbox.lock().unwrap().mails.len(), 1);
}

#[test]
fn a_lost_answer_is_repeated_with_the_same_message_id_where_double_is_preferred() {
    let (server, report, mut worker, _desk) = run(1, &[Fault::DropAfterData], DeliverSettings::default());
    assert_eq!((report.postponed, report.perhaps_doubled), (1, 1));
    worker.run_once(at(700)).unwrap();
    let mailbox = server.mailbox.lock().unwrap();
    // Both arrived, and both are the very same mail.
    assert_eq!(mailbox.mails.len(), 2);
    assert_eq!(mailbox.mails[0], mailbox.mails[1]);
}

#[test]
fn a_lost_answer_is_unknown_where_a_miss_is_preferred() {
    let settings = DeliverSettings {
        in_doubt: StaleRules {
            email: Prefer::Miss,
            ..StaleRules::default()
        },
        ..DeliverSettings::default()
    };
    let (server, report, mut worker, _desk) = run(1, &[Fault::DropAfterData], settings);
    assert_eq!(report.total(IntentState::Unknown), 1);
    assert_eq!(worker.run_once(at(9_000)).unwrap().leased, 0);
    assert_eq!(server.mailbox.lock().unwrap().mails.len(), 1);
}

#[test]
fn a_connection_closed_between_two_mails_loses_and_doubles_nothing() {
    let (server, report, _worker, _desk) = run(
        2,
        &[Fault::DropAfterAnswer, Fault::None],
        DeliverSettings::default(),
    );
    assert_eq!(report.total(IntentState::Accepted), 2);
    let mailbox = server.mailbox.lock().unwrap();
    assert_eq!((mailbox.mails.len(), mailbox.connections), (2, 2));
}

#[test]
fn a_server_that_refuses_us_keeps_the_intents_and_opens_the_breaker() {
    let refusals = [Fault::Sender("550 not you"); 3];
    let (server, report, mut worker, _desk) = run(5, &refusals, DeliverSettings::default());
    assert_eq!((report.leased, report.returned), (5, 5));
    assert!(report.down.contains(&ContactChannel::Email));
    assert_eq!(report.reasons.get("sender_refused"), Some(&3));
    // After the pause one goes first; when it is taken, so are the others.
    assert_eq!(worker.run_once(at(30)).unwrap().leased, 0);
    assert_eq!(worker.run_once(at(80)).unwrap().total(IntentState::Accepted), 1);
    assert_eq!(worker.run_once(at(81)).unwrap().total(IntentState::Accepted), 4);
    assert_eq!(server.mailbox.lock().unwrap().mails.len(), 5);
}

#[test]
fn a_server_that_is_not_there_is_down() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let desk = Desk::new(ContactChannel::Email, 1);
    let mut worker = worker(
        &desk,
        SmtpSettings::loopback(port, FROM),
        DeliverSettings::default(),
    );
    let report = worker.run_once(at(20)).unwrap();
    assert_eq!((report.returned, report.reasons.get("connect")), (1, Some(&1)));
}

#[test]
fn mail_never_falls_back_to_the_clear() {
    // The server offers no STARTTLS: nothing but the greeting is said, no user name, no mail.
    let server = FakeSmtp::start(&[]);
    let desk = Desk::new(ContactChannel::Email, 1);
    let smtp = SmtpSettings {
        tls: SmtpTls::Starttls,
        username: Some("user".into()),
        password: Some(Secret::new("password")),
        ..SmtpSettings::loopback(server.port, FROM)
    };
    let report = worker(&desk, smtp, DeliverSettings::default())
        .run_once(at(20))
        .unwrap();
    assert_eq!((report.returned, report.reasons.get("starttls")), (1, Some(&1)));
    let mailbox = server.mailbox.lock().unwrap();
    assert!(
        mailbox.commands.iter().all(|c| c.starts_with("EHLO")),
        "{:?}",
        mailbox.commands
    );
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let base = || SmtpSettings::loopback(25, FROM);
    let check = |settings: SmtpSettings, want: &str| {
        let error = EmailGateway::new(settings).err().unwrap();
        assert_eq!(error.to_string(), want);
    };
    check(
        SmtpSettings {
            host: "mail.example.ir".into(),
            ..base()
        },
        &EmailError::PlainToOthers("mail.example.ir".into()).to_string(),
    );
    check(
        SmtpSettings {
            from: "a@b.example\r\nBcc: c@d.example".into(),
            ..base()
        },
        "smtp: `from` is no mail address",
    );
    check(
        SmtpSettings {
            list_unsubscribe: Some("<mailto:a@b>\r\nX: y>".into()),
            ..base()
        },
        "smtp: `list_unsubscribe` is no `<mailto:…>` or `<https://…>`",
    );
    check(
        SmtpSettings {
            username: Some("user".into()),
            ..base()
        },
        "smtp: `username` and `password` go together",
    );
    let read: SmtpSettings =
        serde_json::from_str(r#"{"host":"mail.example.ir","from":"a@b.example","password":"p","timeout":5}"#)
            .unwrap();
    assert_eq!(
        (read.tls, read.port(), read.timeout.as_secs()),
        (SmtpTls::Starttls, 587, 5)
    );
    assert!(!format!("{read:?}").contains("\"p\""));
}
