use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forecall_ledger::{
    Answer, DirectoryRow, Fate, Heard, Incoming, LaterWord, LeaseRequest, Leased, Ledger, Outcome,
    OutcomeKind, RecordOutcome, Secret, Words, short_reference,
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
fn a_ledger_of_the_version_before_goes_on() {
    let desk = Desk::new();
    drop(planned(&desk, &[message("int_1", "cus_a")]));
    desk.raw()
        .execute_batch(
            "DROP TABLE message_parts; DROP TABLE address_marks; ALTER TABLE intents DROP COLUMN heard_at; \
             ALTER TABLE receipts_outbox DROP COLUMN reply; PRAGMA user_version = 2;",
        )
        .unwrap();
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
