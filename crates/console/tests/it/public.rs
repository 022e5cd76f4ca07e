//! What everybody may read, and what the telephone says.

use std::sync::Arc;

use forecall_config::FeedSettings;
use forecall_console::{Feeds, Place, serve_feeds};
use forecall_observe::Server;
use forecall_types::*;

use crate::ask;
use crate::town::{Clock, Town, customer_id, incident, minute};

fn served(town: &Town, clock: &Clock) -> Server {
    let settings = FeedSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        url: "https://status.example.ir".into(),
        sender: "status.example.ir".into(),
        exercise: false,
    };
    let clock = clock.clone();
    let feeds = Feeds {
        ledger: town.ledger(),
        settings: Arc::clone(&town.settings),
        now: Arc::new(move || clock.now()),
    };
    serve_feeds(&settings, feeds).unwrap()
}

fn get(server: &Server, path: &str) -> (u16, String) {
    ask(server.local_addr(), "GET", path, &[], "")
}

fn approve(town: &mut Town, at: EventTime) {
    let waits = |n: &&Notice| n.withheld.contains_key(&HoldReason::Approval);
    let notice = town.notices.values().find(waits).unwrap().clone();
    town.feed(OutreachEntry::Command(Command {
        id: "c1".into(),
        domain: notice.domain.clone(),
        at,
        by: "duty".into(),
        action: Action::Approve {
            notice: notice.id.clone(),
            text: notice.text_fingerprint.clone(),
        },
    }));
}

#[test]
fn what_goes_out_stands_in_the_feeds_and_what_waits_does_not() {
    let mut town = Town::new(|s| s.approval.reach_above = 0);
    let clock = Clock::at(minute(6));
    town.happens(
        incident(IncidentState::Confirmed, 1, minute(5)),
        IncidentChange::Confirmed,
    );
    let notice = town.notices.keys().next().unwrap().clone();
    let server = served(&town, &clock);
    let cap = format!("/cap/{notice}.xml");
    let (status, empty) = get(&server, "/feed.atom");
    assert_eq!((status, empty.contains("<entry>")), (200, false));
    assert_eq!(get(&server, &cap).0, 404, "a text that waits for approval");
    approve(&mut town, minute(7));
    // For five seconds the same is served to all.
    clock.set(minute(6).plus(std::time::Duration::from_secs(4)));
    assert_eq!(get(&server, &cap).0, 404);
    clock.set(minute(8));
    let (status, alert) = get(&server, &cap);
    assert_eq!(status, 200);
    for part in [
        "<status>Actual</status>",
        "<msgType>Alert</msgType>",
        "<sent>2026-11-22T14:07:00+03:30</sent>",
    ] {
        assert!(alert.contains(part), "{part} in\n{alert}");
    }
    let (_, feed) = get(&server, "/feed.atom?lang=en");
    assert!(
        feed.contains(&format!("https://status.example.ir{cap}")),
        "{feed}"
    );
    let said = &town.notices[&notice].texts;
    let body = said
        .iter()
        .find(|t| (t.language, t.channel) == (Language::En, ContactChannel::Push));
    assert!(feed.contains(body.unwrap().body.trim_end()), "the very words");
    assert!(!alert.contains("core-router-secret"));
    let resolved = incident(IncidentState::Resolved, 2, minute(30));
    town.happens(resolved, IncidentChange::Resolved);
    clock.set(minute(31));
    let (_, feed) = get(&server, "/feed.atom");
    assert_eq!(
        feed.matches("<entry>").count(),
        1,
        "nobody was told yet, so nobody hears of an end"
    );
    for (path, status) in [
        ("/", 404),
        ("/feed.atom?lang=de", 404),
        ("/cap/ntc_2d6f8h1j3k5m7p9r.xml", 404),
        ("/cap/x", 404),
        ("/v1/whoami", 404),
    ] {
        assert_eq!(get(&server, path).0, status, "{path}");
    }
}

#[test]
fn an_end_is_an_update_that_names_the_opening() {
    let mut town = Town::new(|_| {});
    town.happens(
        incident(IncidentState::Confirmed, 1, minute(5)),
        IncidentChange::Confirmed,
    );
    town.deliver(minute(6));
    town.happens(
        incident(IncidentState::Resolved, 2, minute(30)),
        IncidentChange::Resolved,
    );
    let server = served(&town, &Clock::at(minute(31)));
    let stage = |stage| {
        town.notices
            .values()
            .find(|n| n.stage == stage)
            .unwrap()
            .id
            .clone()
    };
    let (_, alert) = get(&server, &format!("/cap/{}.xml", stage(NoticeStage::Resolved)));
    let reference = format!(
        "<references>status.example.ir,{},2026-11-22T14:05:00+03:30</references>",
        stage(NoticeStage::Confirmed)
    );
    assert!(
        alert.contains("<msgType>Update</msgType>") && alert.contains(&reference),
        "{alert}"
    );
    // A week later it is no news any more.
    let later = served(&town, &Clock::at(minute(31 + 8 * 24 * 60)));
    assert!(!get(&later, "/feed.atom").1.contains("<entry>"));
}

fn said(town: &Town, place: &str, service: Option<&str>, language: Language, at: i64) -> Option<String> {
    let place = match place.parse::<CustomerId>() {
        Ok(id) if id.number().is_some() => Place::Caller(id),
        Ok(_) | Err(_) => Place::Region(
            RegionCode::new(place).unwrap(),
            service.map(|s| ServiceName::new(s).unwrap()),
        ),
    };
    let said = town.desk().announcement(&place, language, minute(at)).unwrap();
    said.map(|said| {
        assert_eq!(said.thread, "inc_2d6f8h1j3k5m7p9r");
        let hang_up = if said.may_hang_up { " [may hang up]" } else { "" };
        format!("{}{hang_up}", said.text)
    })
}

#[test]
fn the_telephone_says_what_was_told_and_nothing_else() {
    let mut town = Town::new(|s| s.approval.reach_above = 0);
    let confirmed = |revision, eta| Incident {
        eta,
        ..incident(IncidentState::Confirmed, revision, minute(5))
    };
    town.happens(confirmed(1, Some(minute(390))), IncidentChange::Confirmed);
    let fa = |town: &Town, place: &str, at| said(town, place, None, Language::Fa, at);
    assert_eq!(fa(&town, "IR-23", 6), None, "a text that waits for approval");
    approve(&mut town, minute(7));
    expect_test::expect![[r"
        فراتل. اینترنت در تهران مختل است. برآورد ما برای رفع آن ساعت بیست و سی دقیقه است. خبر بعدی را تا ساعت پانزده و پنج دقیقه می‌گوییم. اگر کار فوری دارید روی خط بمانید.
    "]]
    .assert_eq(&format!("{}\n", fa(&town, "IR-23", 8).unwrap()));
    expect_test::expect![[r"
        Faratel. Internet in Tehran is disrupted. We expect it back by eight thirty in the evening. Next news by three oh five in the afternoon. If it is urgent, please stay on the line.
    "]]
    .assert_eq(&format!("{}\n", said(&town, "IR-23", None, Language::En, 8).unwrap()));
    // A region within, another service, another place, callers.
    assert!(fa(&town, "IR-23-T5", 8).is_some());
    assert_eq!(fa(&town, "IR-10", 8), None);
    assert_eq!(said(&town, "IR-23", Some("tv"), Language::Fa, 8), None);
    assert!(said(&town, "IR-23", Some("internet"), Language::Fa, 8).is_some());
    assert!(fa(&town, customer_id("ali").as_str(), 8).is_some());
    assert!(
        fa(&town, customer_id("bita").as_str(), 8).is_some(),
        "who may not be told and calls hears it"
    );
    assert_eq!(fa(&town, customer_id("cyrus").as_str(), 8), None);
    assert_eq!(fa(&town, customer_id("stranger").as_str(), 8), None);
    // An end that has passed, or has moved since it was told, is not said.
    assert!(!fa(&town, "IR-23", 391).unwrap().contains("بیست و سی"));
    town.happens(confirmed(2, Some(minute(500))), IncidentChange::Updated);
    let moved = fa(&town, "IR-23", 9).unwrap();
    assert!(!moved.contains("بیست و سی دقیقه است"), "{moved}");
    // Nothing of what has ended, and nothing while the kill switch is on.
    let ledger_killed = |town: &mut Town, on| town.ledger().set_killed(on, minute(9)).unwrap();
    ledger_killed(&mut town, true);
    assert_eq!(fa(&town, "IR-23", 9), None);
    ledger_killed(&mut town, false);
    assert!(fa(&town, "IR-23", 9).is_some());
    town.happens(
        incident(IncidentState::Resolved, 3, minute(30)),
        IncidentChange::Resolved,
    );
    assert_eq!(fa(&town, "IR-23", 31), None);
}

#[test]
fn a_caller_may_hang_up_only_where_no_call_is_needed() {
    let mut town = Town::new(|_| {});
    let confirmed = Incident {
        eta: Some(minute(90)),
        acknowledged: Some(Acknowledgement {
            at: minute(4),
            by: "noc".into(),
        }),
        ..incident(IncidentState::Confirmed, 1, minute(5))
    };
    town.happens(confirmed, IncidentChange::Confirmed);
    let fa = |at| said(&town, "IR-23", None, Language::Fa, at).unwrap();
    assert!(
        fa(6).ends_with("نیازی به ماندن روی خط نیست. [may hang up]"),
        "{}",
        fa(6)
    );
    // The promised news is overdue.
    assert!(
        !fa(80).contains("may hang up") && fa(80).contains("روی خط بمانید"),
        "{}",
        fa(80)
    );
}
