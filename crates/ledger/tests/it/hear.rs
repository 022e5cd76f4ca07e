use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forecall_ledger::{
    Answer, DirectoryRow, Fate, Heard, Incoming, LaterWord, LeaseRequest, Leased, Ledger, Outcome,
    OutcomeKind, RecordOutcome, Secret, StaleRules, Words, short_reference,
};
use forecall_types::{ContactChannel, Customer, Intent, IntentState, Language, RegionCode, ReplyKind};

use crate::{Desk, at, intent, planned};

const SMS: ContactChannel = ContactChannel::Sms;

fn person(id: &str, number: &str) -> DirectoryRow {
    DirectoryRow {
        customer: Customer {
            id: id.parse().unwrap(),
            domain: "acme".parse().unwrap(),
            region: RegionCode::new("IR-23").unwrap(),
            place: None,
            served_by: BTreeSet::new(),
            services: BTreeSet::new(),
            language: Language::Fa,
            channels: vec![SMS],
            consents: BTreeSet::new(),
            priority: false,
            at: at(1),
        },
        name: None,
        addresses: BTreeMap::from([(SMS, Secret::new(number))]),
    }
}

fn message(id: &str, customer: &str) -> Intent {
    Intent {
        customer: customer.parse().unwrap(),
        ..intent(id, SMS)
    }
}

fn lease(ledger: &mut Ledger) -> Vec<Leased> {
    let request = LeaseRequest {
        worker: "w",
        now: at(20),
        lease_for: Duration::from_secs(100),
        channels: &[(SMS, 10)],
    };
    ledger.lease(&request).unwrap()
}

/// A receipt that knows no name, only reference and number.
fn echo(id: &str, number: &str, fate: Fate) -> Incoming {
    Incoming::Receipt(LaterWord {
        channel: SMS,
        provider_ref: Some("new-name".into()),
        reference: Some(short_reference(&id.parse().unwrap())),
        address: Some(Secret::new(number)),
        fate,
    })
}

fn words(number: &str, kind: ReplyKind) -> Incoming {
    Incoming::Words(Words {
        channel: SMS,
        address: Secret::new(number),
        kind,
        mark: 7,
        same_within: Duration::from_secs(60),
    })
}

fn hear(ledger: &mut Ledger, incoming: Incoming) -> Heard {
    ledger.hear(&[incoming], at(30)).unwrap()
}

fn states(ledger: &Ledger) -> Vec<IntentState> {
    ledger
        .receipts_after(0, 100)
        .unwrap()
        .into_iter()
        .map(|(_, r)| r.state)
        .collect()
}

/// Two ids with the same short reference.
fn twins() -> [String; 2] {
    let mut seen = BTreeMap::new();
    for n in 0.. {
        let id = format!("int_{n}");
        if let Some(other) = seen.insert(short_reference(&id.parse().unwrap()), id.clone()) {
            return [other, id];
        }
    }
    unreachable!("there are 65,536 references")
}

#[test]
fn two_in_doubt_with_one_reference_are_told_apart_by_number_or_left_in_doubt() {
    let [one, two] = twins();
    for (other_number, cleared) in [("+989120000002", 1), ("+989120000001", 0)] {
        let desk = Desk::new();
        let mut ledger = planned(&desk, &[message(&one, "cus_a"), message(&two, "cus_b")]);
        let people = [person("cus_a", "+989120000001"), person("cus_b", other_number)];
        ledger.import_customers(people).unwrap();
        assert_eq!(lease(&mut ledger).len(), 2);
        let heard = hear(&mut ledger, echo(&one, "+989120000001", Fate::Delivered));
        assert_eq!((heard.cleared, heard.unmatched), (cleared, 1 - cleared));
    }
}

#[test]
fn a_receipt_that_is_faster_than_the_answer_is_not_taken_back_by_it() {
    let state = |to| OutcomeKind::State {
        to,
        provider_ref: Some("ref-1".into()),
        reason: None,
    };
    let postponed = OutcomeKind::Postponed {
        not_before: at(50),
        reason: "x",
        in_doubt: true,
    };
    for kind in [
        state(IntentState::Accepted),
        state(IntentState::Unknown),
        postponed,
        OutcomeKind::Returned,
    ] {
        let desk = Desk::new();
        let mut ledger = planned(&desk, &[message("int_1", "cus_a")]);
        ledger
            .import_customers([person("cus_a", "+989120000001")])
            .unwrap();
        let leased = lease(&mut ledger).remove(0);
        hear(&mut ledger, echo("int_1", "+989120000001", Fate::Delivered));
        let outcome = Outcome {
            intent: leased.intent.id,
            fence: leased.fence,
            kind,
            at: at(40),
        };
        assert_eq!(ledger.record(&outcome).unwrap(), RecordOutcome::Recorded);
        assert_eq!(states(&ledger), [IntentState::Delivered]);
        assert!(lease(&mut ledger).is_empty());
    }
}

#[test]
fn who_shares_a_number_answers_together_and_who_is_erased_not_at_all() {
    let desk = Desk::new();
    let mut ledger = desk.open();
    let people = ["cus_a", "cus_b"].map(|id| person(id, "+989120000001"));
    ledger.import_customers(people).unwrap();
    let heard = hear(&mut ledger, words("+989120000001", ReplyKind::Stop));
    assert_eq!(heard.replies, BTreeMap::from([((SMS, ReplyKind::Stop), 2)]));
    let answers = ledger.answers_after(0, 10).unwrap();
    let who: Vec<_> = answers
        .iter()
        .map(|(_, answer)| match answer {
            Answer::Reply(domain, reply) => (domain.as_str(), reply.customer.as_str(), reply.at),
            Answer::Receipt(receipt) => panic!("{receipt:?}"),
        })
        .collect();
    assert_eq!(who, [("acme", "cus_a", at(30)), ("acme", "cus_b", at(30))]);
    // A new number takes the old one's place.
    let mut moved = person("cus_a", "+989120000003");
    moved.customer.at = at(2);
    ledger.import_customers([moved]).unwrap();
    ledger.erase(&"cus_b".parse().unwrap(), at(31)).unwrap();
    assert_eq!(
        hear(&mut ledger, words("+989120000001", ReplyKind::Stop)).strangers,
        1
    );
    assert_eq!(
        hear(&mut ledger, words("+989120000003", ReplyKind::Stop)).strangers,
        0
    );
}

#[test]
fn words_brought_again_are_one_reply_and_words_said_again_are_two() {
    let desk = Desk::new();
    let mut ledger = desk.open();
    ledger
        .import_customers([person("cus_a", "+989120000001")])
        .unwrap();
    let mut found = Vec::new();
    for second in [30, 60, 89, 91, 100, 152] {
        let heard = ledger.hear(&[words("+989120000001", ReplyKind::Status)], at(second));
        let heard = heard.unwrap();
        found.push((second, heard.replies.values().sum::<u64>(), heard.brought_again));
    }
    // A minute from the first that counted, wherever minutes begin by the clock.
    assert_eq!(
        found,
        [
            (30, 1, 0),
            (60, 0, 1),
            (89, 0, 1),
            (91, 1, 0),
            (100, 0, 1),
            (152, 1, 0)
        ]
    );
    let ids: BTreeSet<_> = ledger
        .answers_after(0, 10)
        .unwrap()
        .into_iter()
        .map(|(_, answer)| match answer {
            Answer::Reply(_, reply) => reply.id.to_string(),
            Answer::Receipt(receipt) => panic!("{receipt:?}"),
        })
        .collect();
    assert_eq!(ids.len(), 3);
}

/// Takes a ledger back to its second version, which knew no marks.
fn before_marks() -> String {
    "DROP TABLE message_parts; DROP TABLE address_marks; DROP TABLE words_heard; \
     ALTER TABLE intents DROP COLUMN heard_at; ALTER TABLE receipts_outbox DROP COLUMN reply; \
     DROP INDEX intents_waiting; DROP INDEX intents_unreceipted; ALTER TABLE intents DROP COLUMN urgent; \
     CREATE INDEX intents_waiting ON intents (channel, planned_at) WHERE state = 'planned'; \
     DELETE FROM flags WHERE name = 'marks_made'; DROP TABLE addresses_gone; \
     DROP TABLE notices; DROP TABLE incidents; DROP TABLE withheld; DROP TABLE replies; PRAGMA user_version = 2;"
        .to_owned()
}

#[test]
fn a_stop_of_people_known_before_there_were_marks_is_heard() {
    let desk = Desk::new();
    // More than are marked at once, and one whose data nobody can open any more.
    let many = (0..5_003).map(|n| person(&format!("cus_{n:04}"), &format!("+98912000{n:04}")));
    desk.open().import_customers(many).unwrap();
    desk.raw().execute_batch(&before_marks()).unwrap();
    let spoilt = "UPDATE personal SET ciphertext = x'00' WHERE customer = 'cus_0001'";
    desk.raw().execute_batch(spoilt).unwrap();
    let mut ledger = desk.open();
    for (number, strangers) in [("+989120000000", 0), ("+989120005002", 0), ("+989120000001", 1)] {
        let heard = hear(&mut ledger, words(number, ReplyKind::Stop));
        assert_eq!(heard.strangers, strangers, "{number}");
    }
    // Once in its life: who is without a mark later has no number.
    desk.raw().execute_batch("DELETE FROM address_marks").unwrap();
    let heard = hear(&mut desk.open(), words("+989120000000", ReplyKind::Stop));
    assert_eq!(heard.strangers, 1);
}

#[test]
fn a_part_of_a_message_in_doubt_is_found_by_our_reference_until_all_are_there() {
    let desk = Desk::new();
    let mut ledger = planned(&desk, &[message("int_1", "cus_a")]);
    ledger
        .import_customers([person("cus_a", "+989120000001")])
        .unwrap();
    desk.raw().execute_batch("UPDATE texts SET parts = 3").unwrap();
    let leased = lease(&mut ledger).remove(0);
    let lost = Outcome {
        intent: leased.intent.id,
        fence: leased.fence,
        kind: OutcomeKind::State {
            to: IntentState::Unknown,
            provider_ref: None,
            reason: Some("not_answered"),
        },
        at: at(21),
    };
    ledger.record(&lost).unwrap();
    for name in ["p1", "p2", "p2", "p3"] {
        let Incoming::Receipt(word) = echo("int_1", "+989120000001", Fate::Delivered) else {
            panic!("no receipt");
        };
        let word = LaterWord {
            provider_ref: Some(name.into()),
            ..word
        };
        assert_eq!(hear(&mut ledger, Incoming::Receipt(word)).unmatched, 0, "{name}");
    }
    assert_eq!(
        states(&ledger),
        [
            IntentState::Unknown,
            IntentState::Accepted,
            IntentState::Delivered
        ]
    );
    // Nobody's fourth part.
    assert_eq!(
        hear(&mut ledger, echo("int_1", "+989120000001", Fate::Failed("x"))).unmatched,
        1
    );
}

#[test]
fn a_name_that_a_centre_uses_again_settles_nobody_elses_message() {
    let desk = Desk::new();
    let mut ledger = planned(&desk, &[message("int_1", "cus_a"), message("int_2", "cus_b")]);
    let people = [person("cus_a", "+989120000001"), person("cus_b", "+989120000002")];
    ledger.import_customers(people).unwrap();
    for (leased, (to, name)) in lease(&mut ledger).into_iter().zip([
        (IntentState::Accepted, Some("7".to_owned())),
        (IntentState::Unknown, None),
    ]) {
        let outcome = Outcome {
            intent: leased.intent.id,
            fence: leased.fence,
            kind: OutcomeKind::State {
                to,
                provider_ref: name,
                reason: None,
            },
            at: at(21),
        };
        ledger.record(&outcome).unwrap();
    }
    let failed = |reference, number: Option<&str>| {
        Incoming::Receipt(LaterWord {
            channel: SMS,
            provider_ref: Some("7".into()),
            reference,
            address: number.map(Secret::new),
            fate: Fate::Failed("undeliverable"),
        })
    };
    let two = short_reference(&"int_2".parse().unwrap());
    // B's number, and no reference: it is not A's message.
    let heard = hear(&mut ledger, failed(None, Some("+989120000002")));
    assert_eq!((heard.unmatched, heard.states.len()), (1, 0));
    // Nobody's number any more, but B's reference.
    assert_eq!(
        hear(&mut ledger, failed(Some(two), Some("+989120000009"))).unmatched,
        1
    );
    // The name alone counts where nothing speaks against it: a number that was A's once, or is given by nobody.
    let heard = hear(&mut ledger, failed(None, Some("+989120000009")));
    assert_eq!(heard.states.len(), 1);
    // B's number and reference: B's message, which was in doubt.
    let heard = hear(&mut ledger, failed(Some(two), Some("+989120000002")));
    assert_eq!((heard.cleared, heard.states.len()), (1, 1));
    assert_eq!(
        states(&ledger),
        [
            IntentState::Accepted,
            IntentState::Unknown,
            IntentState::Failed,
            IntentState::Failed
        ]
    );
}

#[test]
fn a_receipt_that_never_comes_makes_a_message_unknown_and_a_late_one_settles_it() {
    let desk = Desk::new();
    let mut ledger = planned(&desk, &[message("int_1", "cus_a"), message("int_2", "cus_b")]);
    let numbers = [person("cus_a", "+989120000001"), person("cus_b", "+989120000002")];
    ledger.import_customers(numbers).unwrap();
    for leased in lease(&mut ledger) {
        let name = format!("p-{}", leased.intent.id);
        let outcome = Outcome {
            intent: leased.intent.id,
            fence: leased.fence,
            kind: OutcomeKind::State {
                to: IntentState::Accepted,
                provider_ref: Some(name),
                reason: None,
            },
            at: at(21),
        };
        ledger.record(&outcome).unwrap();
    }
    let delivered = |name: &str| {
        Incoming::Receipt(LaterWord {
            channel: SMS,
            provider_ref: Some(name.into()),
            reference: None,
            address: None,
            fate: Fate::Delivered,
        })
    };
    hear(&mut ledger, delivered("p-int_1"));
    let rules = |seconds| StaleRules {
        receipts_within: Duration::from_secs(seconds),
        ..StaleRules::default()
    };
    let mut given_up = |now, rules: &StaleRules| ledger.settle(at(now), rules).unwrap().unreceipted;
    assert_eq!(given_up(100_000, &rules(0)), 0);
    assert_eq!(given_up(120, &rules(100)), 0);
    assert_eq!(given_up(121, &rules(100)), 1);
    assert_eq!(given_up(122, &rules(100)), 0);
    assert_eq!(hear(&mut ledger, delivered("p-int_2")).cleared, 1);
    assert_eq!(
        states(&ledger).split_off(2),
        [
            IntentState::Delivered,
            IntentState::Unknown,
            IntentState::Delivered
        ]
    );
}

#[test]
fn an_answer_goes_before_what_waits_longer() {
    let desk = Desk::new();
    let mut answer = message("int_9", "cus_a");
    answer.notice = "ans_1".parse().unwrap();
    answer.at = at(15);
    let mut ledger = planned(
        &desk,
        &[message("int_1", "cus_b"), message("int_2", "cus_b"), answer],
    );
    let order: Vec<_> = lease(&mut ledger)
        .into_iter()
        .map(|leased| leased.intent.id.to_string())
        .collect();
    assert_eq!(order, ["int_9", "int_1", "int_2"]);
}

#[test]
fn a_ledger_of_the_version_before_goes_on() {
    let desk = Desk::new();
    drop(planned(&desk, &[message("int_1", "cus_a")]));
    desk.raw().execute_batch(&before_marks()).unwrap();
    let mut ledger = desk.open();
    let leased = lease(&mut ledger).remove(0);
    let outcome = Outcome {
        intent: leased.intent.id,
        fence: leased.fence,
        kind: OutcomeKind::State {
            to: IntentState::Accepted,
            provider_ref: Some("p1 p2".into()),
            reason: None,
        },
        at: at(21),
    };
    ledger.record(&outcome).unwrap();
    for (name, state) in [("p1", None), ("p2", Some(IntentState::Delivered))] {
        let heard = hear(
            &mut ledger,
            Incoming::Receipt(LaterWord {
                channel: SMS,
                provider_ref: Some(name.into()),
                reference: None,
                address: None,
                fate: Fate::Delivered,
            }),
        );
        assert_eq!(
            heard.states.keys().map(|(_, state)| *state).next(),
            state,
            "{name}"
        );
    }
}
