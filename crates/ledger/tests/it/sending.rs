use std::time::Duration;

use forecall_ledger::{
    LeaseRequest, Leased, Ledger, LedgerError, Outcome, OutcomeKind, RecordOutcome, Settled, StaleRules,
};
use forecall_types::{ContactChannel, Intent, IntentState};

use crate::{Desk, at, intent, planned};

/// Leases up to ten text messages and ten mails for 100 seconds.
fn lease(ledger: &mut Ledger, now: i64) -> Vec<Leased> {
    ledger
        .lease(&LeaseRequest {
            worker: "w",
            now: at(now),
            lease_for: Duration::from_secs(100),
            channels: &[(ContactChannel::Sms, 10), (ContactChannel::Email, 10)],
        })
        .unwrap()
}

fn answer(lease: &Leased, to: IntentState, now: i64) -> Outcome {
    Outcome {
        intent: lease.intent.id.clone(),
        fence: lease.fence,
        kind: OutcomeKind::State {
            to,
            provider_ref: Some("ref-1".into()),
            reason: None,
        },
        at: at(now),
    }
}

fn states(ledger: &Ledger) -> Vec<IntentState> {
    let receipts = ledger.receipts_after(0, 100).unwrap();
    receipts.into_iter().map(|(_, r)| r.state).collect()
}

#[test]
fn an_intent_is_leased_once_and_its_answers_make_receipts() {
    let desk = Desk::new();
    let mut ledger = planned(&desk, &[intent("int_1", ContactChannel::Sms)]);
    let leased = lease(&mut ledger, 20);
    assert_eq!(
        (leased.len(), leased[0].attempt, leased[0].text.body.as_str()),
        (1, 1, "مشتری گرامی")
    );
    assert!(lease(&mut ledger, 20).is_empty());
    let accepted = answer(&leased[0], IntentState::Accepted, 21);
    for _ in 0..2 {
        assert_eq!(ledger.record(&accepted).unwrap(), RecordOutcome::Recorded);
    }
    ledger
        .record(&answer(&leased[0], IntentState::Delivered, 22))
        .unwrap();
    assert_eq!(states(&ledger), [IntentState::Accepted, IntentState::Delivered]);
    let back = ledger.record(&accepted);
    assert!(matches!(back, Err(LedgerError::IllegalMove { .. })), "{back:?}");
    let last = ledger.receipts_after(0, 100).unwrap()[1].0;
    assert_eq!(ledger.receipts_trim(last).unwrap(), 2);
}

#[test]
fn a_worker_that_dies_while_sending_is_settled_by_the_channels_rule() {
    let desk = Desk::new();
    let mut ledger = planned(
        &desk,
        &[
            intent("int_1", ContactChannel::Sms),
            intent("int_2", ContactChannel::Email),
        ],
    );
    let dead = lease(&mut ledger, 20);
    assert_eq!(dead.len(), 2);
    drop(ledger);

    let mut ledger = desk.open();
    let rules = StaleRules::default();
    assert_eq!(ledger.settle(at(119), &rules).unwrap(), Settled::default());
    let settled = ledger.settle(at(120), &rules).unwrap();
    assert_eq!((settled.unknown, settled.replanned, settled.expired), (1, 1, 0));
    assert_eq!(states(&ledger), [IntentState::Unknown]);
    let again = lease(&mut ledger, 121);
    assert_eq!(again.len(), 1);
    assert_eq!(
        (again[0].intent.channel, again[0].attempt),
        (ContactChannel::Email, 2)
    );
    assert!(again[0].fence > dead[1].fence);

    // The dead worker wasn't dead: its word on the mail comes too late, its word on the text message settles the doubt.
    let late = |n: usize| answer(&dead[n], IntentState::Accepted, 130);
    assert_eq!(ledger.record(&late(1)).unwrap(), RecordOutcome::Fenced);
    assert_eq!(ledger.record(&late(0)).unwrap(), RecordOutcome::Recorded);
    assert_eq!(states(&ledger), [IntentState::Unknown, IntentState::Accepted]);
}

#[test]
fn a_late_word_that_it_was_not_taken_ends_what_was_given_up() {
    let desk = Desk::new();
    let mut ledger = planned(
        &desk,
        &[
            intent("int_1", ContactChannel::Sms),
            intent("int_2", ContactChannel::Sms),
        ],
    );
    let dead = lease(&mut ledger, 20);
    ledger.settle(at(1_000), &StaleRules::default()).unwrap();
    assert_eq!(states(&ledger), [IntentState::Unknown; 2]);
    let late = |n: usize, in_doubt| Outcome {
        kind: OutcomeKind::Postponed {
            not_before: at(2_000),
            reason: "busy",
            in_doubt,
        },
        ..answer(&dead[n], IntentState::Planned, 1_100)
    };
    ledger.record(&late(0, false)).unwrap();
    ledger.record(&late(1, true)).unwrap();
    assert_eq!(
        states(&ledger),
        [IntentState::Unknown, IntentState::Unknown, IntentState::Failed]
    );
    assert!(lease(&mut ledger, 3_000).is_empty(), "neither goes again");
}

#[test]
fn what_may_have_gone_is_never_said_to_have_failed() {
    let desk = Desk::new();
    let mut ledger = planned(&desk, &[intent("int_1", ContactChannel::Email)]);
    lease(&mut ledger, 20);
    assert_eq!(
        ledger.settle(at(121), &StaleRules::default()).unwrap().replanned,
        1
    );
    let again = lease(&mut ledger, 122).remove(0);
    assert!(again.in_doubt);
    let postponed = Outcome {
        kind: OutcomeKind::Postponed {
            not_before: at(125),
            reason: "busy",
            in_doubt: false,
        },
        ..answer(&again, IntentState::Planned, 123)
    };
    ledger.record(&postponed).unwrap();
    ledger.erase(&again.intent.customer, at(124)).unwrap();
    assert_eq!(states(&ledger), [IntentState::Unknown]);
}

#[test]
fn what_is_postponed_comes_again_and_what_is_returned_costs_no_attempt() {
    let desk = Desk::new();
    let mut ledger = planned(&desk, &[intent("int_1", ContactChannel::Sms)]);
    let first = lease(&mut ledger, 20).remove(0);
    let postponed = Outcome {
        kind: OutcomeKind::Postponed {
            not_before: at(50),
            reason: "refused_for_now",
            in_doubt: false,
        },
        ..answer(&first, IntentState::Planned, 20)
    };
    ledger.record(&postponed).unwrap();
    assert!(lease(&mut ledger, 49).is_empty());
    let second = lease(&mut ledger, 50).remove(0);
    let returned = Outcome {
        kind: OutcomeKind::Returned,
        ..answer(&second, IntentState::Planned, 50)
    };
    ledger.record(&returned).unwrap();
    assert_eq!(lease(&mut ledger, 51)[0].attempt, 2);
    assert!(states(&ledger).is_empty());
}

#[test]
fn what_is_no_longer_true_does_not_go() {
    let desk = Desk::new();
    let mut ledger = planned(&desk, &[intent("int_1", ContactChannel::Sms)]);
    assert!(lease(&mut ledger, 1000).is_empty());
    assert_eq!(
        ledger.settle(at(1000), &StaleRules::default()).unwrap().expired,
        1
    );
    assert_eq!(states(&ledger), [IntentState::Failed]);
}

#[test]
fn the_kill_switch_stops_leasing_and_is_on_when_it_cannot_be_read() {
    let desk = Desk::new();
    let mut ledger = planned(&desk, &[intent("int_1", ContactChannel::Sms)]);
    ledger.set_killed(true, at(15)).unwrap();
    assert!(desk.open().killed() && lease(&mut ledger, 20).is_empty());
    ledger.set_killed(false, at(16)).unwrap();
    assert!(!ledger.killed());
    for damage in [
        "UPDATE flags SET value = x'07' WHERE name = 'killed'",
        "DELETE FROM flags WHERE name = 'killed'",
        "DROP TABLE flags",
    ] {
        desk.raw().execute_batch(damage).unwrap();
        assert!(ledger.killed(), "{damage}");
    }
}

#[test]
fn a_worker_never_gets_what_it_did_not_ask_for() {
    let desk = Desk::new();
    let intents: Vec<_> = (0..5)
        .map(|n| intent(&format!("int_{n}"), ContactChannel::Sms))
        .collect();
    let mut ledger = planned(&desk, &intents);
    let mut ask = |channels: &[(ContactChannel, usize)]| {
        let request = LeaseRequest {
            worker: "w",
            now: at(20),
            lease_for: Duration::from_secs(9),
            channels,
        };
        ledger.lease(&request).unwrap().len()
    };
    assert_eq!(ask(&[]), 0);
    assert_eq!(ask(&[(ContactChannel::Email, 9), (ContactChannel::Sms, 2)]), 2);
    assert_eq!(ask(&[(ContactChannel::Sms, 9)]), 3);
}

#[test]
fn corrections_go_first_then_answers_then_what_was_planned_before() {
    let desk = Desk::new();
    let sms = ContactChannel::Sms;
    let planned_at = |id: &str, second| Intent {
        at: at(second),
        ..intent(id, sms)
    };
    let answer = Intent {
        notice: "ans_1".parse().unwrap(),
        ..planned_at("int_3", 13)
    };
    let correction = Intent {
        corrects: true,
        notice: "ntc_9".parse().unwrap(),
        ..planned_at("int_4", 14)
    };
    let waiting = [
        planned_at("int_1", 11),
        planned_at("int_2", 12),
        answer,
        correction,
    ];
    let mut ledger = planned(&desk, &waiting);
    let leased = lease(&mut ledger, 20);
    let order: Vec<(&str, bool)> = leased
        .iter()
        .map(|l| (l.intent.id.as_str(), l.intent.corrects))
        .collect();
    assert_eq!(
        order,
        [
            ("int_4", true),
            ("int_3", false),
            ("int_1", false),
            ("int_2", false)
        ]
    );
}
