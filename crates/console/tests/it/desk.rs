//! What an agent sees of one customer, from the stage that decided it to the answer over HTTP.

use std::collections::{BTreeMap, BTreeSet};

use forecall_config::{ApiRole, ApiScope, ApiSettings, ApiToken};
use forecall_console::{Api, DeskError, Look, NewToken, serve};
use forecall_log::{InProcess, Log as _, TopicSpec};
use forecall_types::*;
use forecall_wire::event::TopicNames;
use forecall_wire::screen::{CustomerNotices, Entry, Kept, Promised};
use serde_json::Value;

use crate::town::{Clock, Town, customer_id, incident, minute};
use crate::{COMMANDS, FEEDBACK, ask};

fn look(at: EventTime) -> Look<'static> {
    Look {
        by: "care",
        why: "call",
        from: None,
        max: None,
        at,
    }
}

fn story(town: &Town, raw: &str, at: EventTime) -> CustomerNotices {
    town.desk().story(&customer_id(raw), &look(at)).unwrap()
}

/// One line an entry, as a person would read it.
fn read(story: &CustomerNotices) -> String {
    let word = |value: Value| value.as_str().unwrap_or("?").to_owned();
    let mut text = String::new();
    for trouble in &story.now {
        let why = trouble
            .not_told
            .as_ref()
            .map(|w| word(serde_json::to_value(w.reason).unwrap()));
        text += &format!(
            "now {} told={} {}\n",
            trouble.thread,
            trouble.told,
            why.unwrap_or_default()
        );
    }
    for entry in &story.entries {
        text += &match entry {
            Entry::Message(m) => {
                let promises: Vec<String> = m
                    .promises
                    .iter()
                    .map(|p| {
                        let what = serde_json::to_value(p.what).unwrap();
                        let kept = serde_json::to_value(p.kept).unwrap();
                        format!(" {}={}", word(what), word(kept))
                    })
                    .collect();
                let stage = m
                    .stage
                    .map_or_else(|| "answer".into(), |s| word(serde_json::to_value(s).unwrap()));
                let state = word(serde_json::to_value(m.state).unwrap());
                format!("{} {stage} {state}{}\n", m.at.as_str(), promises.concat())
            }
            Entry::NotTold { at, stage, why, .. } => format!(
                "{} not told {}: {}\n",
                at.as_str(),
                stage.map_or_else(String::new, |s| word(serde_json::to_value(s).unwrap())),
                word(serde_json::to_value(why.reason).unwrap())
            ),
            Entry::Answered { at, answer } => {
                format!(
                    "{} wrote {}\n",
                    at.as_str(),
                    word(serde_json::to_value(answer).unwrap())
                )
            }
        };
    }
    text
}

/// Confirmed at minute 5 with an end at minute 60, told, answered, resolved at minute 50.
fn told() -> Town {
    let mut town = Town::new(|_| {});
    let eta = Some(minute(60));
    let confirmed = Incident {
        eta,
        ..incident(IncidentState::Confirmed, 1, minute(5))
    };
    town.happens(confirmed, IncidentChange::Confirmed);
    assert_eq!(town.deliver(minute(6)), 1, "Ali alone");
    town
}

fn resolve(town: &mut Town, at: i64) {
    let resolved = Incident {
        eta: Some(minute(60)),
        ..incident(IncidentState::Resolved, 9, minute(at))
    };
    town.happens(resolved, IncidentChange::Resolved);
    town.deliver(minute(at + 1));
}

#[test]
fn what_was_told_promised_and_answered_stands_newest_first() {
    let mut town = told();
    let first = story(&town, "ali", minute(7));
    expect_test::expect![[r"
        now inc_2d6f8h1j3k5m7p9r told=true 
        2026-11-22T10:35:00Z confirmed accepted next_news=open repair=open
    "]]
    .assert_eq(&read(&first));
    assert!(first.known && first.next.is_none());
    assert_eq!(first.addresses.len(), 1);
    assert_eq!(first.addresses[0].address, "+98912•••4567");
    town.writes(ReplyKind::StillDown, minute(20));
    resolve(&mut town, 50);
    expect_test::expect![[r"
        2026-11-22T11:20:00Z resolved accepted
        2026-11-22T10:50:00Z wrote still_down
        2026-11-22T10:35:00Z confirmed accepted next_news=kept repair=kept
    "]]
    .assert_eq(&read(&story(&town, "ali", minute(52))));
}

#[test]
fn a_promise_that_was_broken_is_shown_as_broken() {
    let mut town = told();
    resolve(&mut town, 150);
    let entries = story(&town, "ali", minute(200)).entries;
    let Some(Entry::Message(first)) = entries.last() else {
        panic!("no message in {entries:?}");
    };
    let kept: Vec<(Promised, Kept)> = first.promises.iter().map(|p| (p.what, p.kept)).collect();
    assert_eq!(
        kept,
        [(Promised::NextNews, Kept::Late), (Promised::Repair, Kept::Late)]
    );
    assert!(
        first.promises.iter().all(|p| p.done_at.is_some()),
        "when it was done all the same"
    );
}

#[test]
fn who_was_not_told_is_told_why() {
    let town = told();
    expect_test::expect![[r"
        now inc_2d6f8h1j3k5m7p9r told=false no_consent
        2026-11-22T10:35:00Z not told confirmed: no_consent
    "]]
    .assert_eq(&read(&story(&town, "bita", minute(7))));
    expect_test::expect![[r"
        now inc_2d6f8h1j3k5m7p9r told=false unreachable
        2026-11-22T10:35:00Z not told confirmed: unreachable
    "]]
    .assert_eq(&read(&story(&town, "dara", minute(7))));
    expect_test::expect![""].assert_eq(&read(&story(&town, "cyrus", minute(7))));
}

#[test]
fn a_hold_that_later_news_has_overtaken_is_no_hold_any_more() {
    let mut town = told();
    resolve(&mut town, 50);
    let dara = story(&town, "dara", minute(52));
    let Some(Entry::NotTold { why, .. }) = dara.entries.last() else {
        panic!("{dara:?}");
    };
    assert!(!why.may_still_go, "{why:?}");
    assert!(why.words_fa.chars().any(|c| u32::from(c) > 0x600));
}

#[test]
fn a_text_that_waits_for_approval_is_said_to_wait_to_those_it_is_for() {
    let mut town = Town::new(|s| s.approval.reach_above = 0);
    town.happens(
        incident(IncidentState::Confirmed, 1, minute(5)),
        IncidentChange::Confirmed,
    );
    for raw in ["ali", "bita"] {
        expect_test::expect![[r"
            now inc_2d6f8h1j3k5m7p9r told=false approval
            2026-11-22T10:35:00Z not told confirmed: approval
        "]]
        .assert_eq(&read(&story(&town, raw, minute(7))));
    }
    expect_test::expect![""].assert_eq(&read(&story(&town, "cyrus", minute(7))));
    let notice = town.notices.values().next().unwrap().clone();
    town.feed(OutreachEntry::Command(Command {
        id: "c1".into(),
        domain: notice.domain.clone(),
        at: minute(8),
        by: "duty".into(),
        action: Action::Approve {
            notice: notice.id.clone(),
            text: notice.text_fingerprint.clone(),
        },
    }));
    town.deliver(minute(8));
    expect_test::expect![[r"
        now inc_2d6f8h1j3k5m7p9r told=true 
        2026-11-22T10:38:00Z confirmed accepted next_news=open
    "]]
    .assert_eq(&read(&story(&town, "ali", minute(9))));
}

#[test]
fn pages_give_every_entry_once_in_order() {
    let mut town = told();
    for (number, at) in (2_u32..).zip([40_i64, 95, 150, 205]) {
        town.tick(minute(at));
        town.deliver(minute(at + 1));
        town.writes(ReplyKind::Status, minute(at + i64::from(number)));
    }
    let desk = town.desk();
    let whole = story(&town, "ali", minute(300)).entries;
    assert!(whole.len() >= 6, "{}", whole.len());
    for max in [1, 2, 3, 100] {
        let (mut paged, mut from) = (Vec::new(), None);
        loop {
            let asked = Look {
                from: from.as_deref(),
                max: Some(max),
                ..look(minute(300))
            };
            let page = desk.story(&customer_id("ali"), &asked).unwrap();
            assert!(page.entries.len() <= max);
            paged.extend(page.entries);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(paged, whole, "{max} a page");
    }
    for bad in [
        "x",
        "1",
        "1.",
        "1.'; DROP TABLE intents",
        "99999999999999999999.i1",
    ] {
        let asked = Look {
            from: Some(bad),
            ..look(minute(300))
        };
        let refused = desk.story(&customer_id("ali"), &asked);
        assert!(matches!(refused, Err(DeskError::From)), "{bad}");
    }
}

#[test]
fn an_erased_customer_leaves_no_story() {
    let mut town = told();
    town.writes(ReplyKind::Status, minute(9));
    town.erase("ali", minute(10));
    town.erase("bita", minute(10));
    for raw in ["ali", "bita"] {
        let story = story(&town, raw, minute(11));
        assert!(
            !story.known && story.entries.is_empty() && story.now.is_empty() && story.addresses.is_empty()
        );
    }
    let held: i64 = rusqlite_count(&town);
    assert_eq!(held, 1, "Dara's alone");
}

fn rusqlite_count(town: &Town) -> i64 {
    let dara = town
        .ledger()
        .desk(&customer_id("dara"), None, 10, minute(11))
        .unwrap();
    i64::try_from(dara.entries.len()).unwrap()
}

/// Words, causes and settings that are for nobody outside.
#[test]
fn nothing_but_what_customers_may_hear_is_kept_of_an_incident() {
    let town = told();
    let kept = town.ledger().open_incidents().unwrap();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].causes.is_empty() && kept[0].evidence.is_empty());
    let shown = serde_json::to_string(&story(&town, "ali", minute(7))).unwrap();
    for hidden in ["core-router-secret", "+989121234567", "09121234567", "9121234567"] {
        assert!(!shown.contains(hidden), "{hidden}");
    }
}

#[test]
fn every_look_is_in_the_audit_before_it_is_shown_and_names_nobody() {
    let town = told();
    story(&town, "ali", minute(7));
    story(&town, "nobody-of-ours", minute(8));
    let refused = town.desk().story(
        &customer_id("ali"),
        &Look {
            why: "curious",
            ..look(minute(9))
        },
    );
    assert!(matches!(refused, Err(DeskError::Why)));
    let ledger = town.ledger();
    let mut views = Vec::new();
    ledger
        .read_audit(&mut |entry| {
            if entry["kind"] == "view" {
                views.push(entry.clone());
            }
        })
        .unwrap();
    assert_eq!(views.len(), 2);
    assert_eq!(
        views[0]["customer"],
        ledger.view_mark(&customer_id("ali")).as_str()
    );
    assert_eq!(
        (&views[0]["by"], &views[0]["why"]),
        (&Value::from("care"), &Value::from("call"))
    );
    let text = serde_json::to_string(&views).unwrap();
    assert!(!text.contains(customer_id("ali").as_str()) && !text.contains("nobody-of-ours"));
    assert!(matches!(
        ledger.verify_audit().unwrap(),
        forecall_ledger::AuditVerdict::Whole { .. }
    ));
    // Where the audit can't be written, nothing is shown.
    let desk = town.desk();
    let other = town.ledger();
    other.block_writers().unwrap();
    assert!(matches!(
        desk.story(&customer_id("ali"), &look(minute(9))),
        Err(DeskError::Ledger(_))
    ));
}

struct Counter {
    server: forecall_console::Interface,
    tokens: BTreeMap<&'static str, String>,
}

/// An interface with a token without scope, one with each, and an admin's without.
fn counter(town: &Town, clock: &Clock) -> Counter {
    let log = InProcess::default();
    log.create_topics(&[TopicSpec::new(COMMANDS, 1), TopicSpec::new(FEEDBACK, 1)])
        .unwrap();
    let (mut tokens, mut known) = (BTreeMap::new(), BTreeMap::new());
    for (number, (name, role, scopes)) in (1_u8..).zip([
        ("plain", ApiRole::Viewer, BTreeSet::new()),
        ("care", ApiRole::Viewer, BTreeSet::from([ApiScope::Customers])),
        ("phone", ApiRole::Viewer, BTreeSet::from([ApiScope::Ivr])),
        ("admin", ApiRole::Admin, BTreeSet::new()),
    ]) {
        let new = NewToken::from_random([number; 32]);
        tokens.insert(name, new.token);
        let token = ApiToken {
            role,
            sha256: new.sha256,
            scopes,
        };
        known.insert(name.to_owned(), token);
    }
    let settings = ApiSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        tokens: known,
    };
    let clock = clock.clone();
    let api = Api {
        log: std::sync::Arc::new(log),
        topics: TopicNames::default(),
        domain: DomainName::new("isp").unwrap(),
        now: std::sync::Arc::new(move || clock.now()),
        identity: "forecall.api.0".into(),
        desk: Some(town.desk()),
        running: None,
    };
    Counter {
        server: serve(&settings, api).unwrap(),
        tokens,
    }
}

impl Counter {
    fn get(&self, token: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let bearer = format!(
            "Bearer {}",
            self.tokens.get(token).map_or("fc_none", String::as_str)
        );
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        ask(self.server.local_addr(), "GET", path, &all, "")
    }
}

#[test]
fn over_http_the_scope_opens_the_door_and_no_role_does() {
    let town = told();
    let counter = counter(&town, &Clock::at(minute(7)));
    let path = "/v1/customers/ali/notices?why=call";
    for (token, status) in [
        ("nobody", 401),
        ("plain", 403),
        ("phone", 403),
        ("admin", 403),
        ("care", 200),
    ] {
        assert_eq!(counter.get(token, path, &[]).0, status, "{token}");
    }
    let (_, body) = counter.get("care", path, &[]);
    let story: CustomerNotices = serde_json::from_str(&body).unwrap();
    assert_eq!(story.customer, customer_id("ali").as_str());
    assert_eq!(story.entries.len(), 1);
    // By pseudonym, and by an id that stands in no path.
    let by_pseudonym = format!("/v1/customers/{}/notices?why=ticket", customer_id("ali"));
    assert_eq!(counter.get("care", &by_pseudonym, &[]), (200, body.clone()));
    let hidden = "/v1/customers/-/notices?why=call";
    assert_eq!(
        counter.get("care", hidden, &[("customer-id", "ali")]),
        (200, body)
    );
    for (path, status) in [
        ("/v1/customers/-/notices?why=call", 400),
        ("/v1/customers/ali/notices", 400),
        ("/v1/customers/ali/notices?why=curious", 400),
        ("/v1/customers/ali/notices?why=call&from=x", 400),
        ("/v1/customers/ali/notices?why=call&max=x", 400),
        ("/v1/customers/stranger/notices?why=call", 404),
        ("/v1/customers/ali", 404),
    ] {
        assert_eq!(counter.get("care", path, &[]).0, status, "{path}");
    }
    let long = format!("/v1/customers/{}/notices?why=call", "x".repeat(200));
    assert_eq!(counter.get("care", &long, &[]).0, 400);
}

#[test]
fn the_telephone_asks_with_a_scope_of_its_own() {
    let town = told();
    let counter = counter(&town, &Clock::at(minute(7)));
    let path = "/v1/ivr/IR-23?lang=en";
    for (token, status) in [
        ("nobody", 401),
        ("plain", 403),
        ("care", 403),
        ("admin", 403),
        ("phone", 200),
    ] {
        assert_eq!(counter.get(token, path, &[]).0, status, "{token}");
    }
    let (_, body) = counter.get("phone", path, &[]);
    let said: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(said["thread"], "inc_2d6f8h1j3k5m7p9r");
    let (status, words) = counter.get("phone", path, &[("accept", "text/plain")]);
    assert_eq!((status, words.as_str()), (200, said["text"].as_str().unwrap()));
    for (path, status) in [
        ("/v1/ivr/IR-10", 204),
        ("/v1/ivr/IR-23?service=tv", 204),
        ("/v1/ivr/IR-23?lang=de", 400),
        ("/v1/ivr/+989121234567", 400),
        ("/v1/ivr/IR-23?service=%00", 400),
    ] {
        assert_eq!(counter.get("phone", path, &[]).0, status, "{path}");
    }
}
