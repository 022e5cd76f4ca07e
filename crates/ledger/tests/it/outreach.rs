use std::fs::OpenOptions;

use forecall_ledger::{Cancel, CommitOutcome, Ledger, LedgerCommit, LedgerError, MasterKey};
use forecall_log::OutRecord;
use forecall_types::{ContactChannel, HoldReason, IntentState};

use crate::{Desk, at, intent, log, notice, plan, planned, position};

#[test]
fn a_commit_is_whole_and_the_same_intent_twice_is_one() {
    let desk = Desk::new();
    let mut ledger = desk.open();
    assert_eq!(ledger.position(&log()).unwrap(), None);
    let epoch = ledger.acquire(&log(), "slot-0").unwrap();
    let intents = [
        intent("int_1", ContactChannel::Sms),
        intent("int_2", ContactChannel::Sms),
    ];
    assert_eq!(plan(&mut ledger, &epoch, 5, &intents).planned, 2);
    drop(ledger);

    let mut ledger = desk.open();
    assert_eq!(ledger.position(&log()).unwrap(), Some(position(5)));
    let epoch = ledger.acquire(&log(), "slot-0").unwrap();
    assert_eq!(epoch.number(), 2);
    let done = plan(&mut ledger, &epoch, 6, &intents);
    assert_eq!((done.planned, done.repeated), (0, 2));
}

#[test]
fn a_commit_that_fails_leaves_nothing() {
    let desk = Desk::new();
    let mut ledger = desk.open();
    let epoch = ledger.acquire(&log(), "slot-0").unwrap();
    let record = OutRecord::new("t", vec![1], vec![2]);
    // The intent's text is missing: neither position nor outbox may move.
    let error = ledger
        .commit(
            &epoch,
            &LedgerCommit {
                position: &position(9),
                intents: &[intent("int_1", ContactChannel::Sms)],
                outbox: &[record],
                ..LedgerCommit::nothing()
            },
        )
        .unwrap_err();
    assert!(matches!(error, LedgerError::IntentWithoutText { .. }), "{error}");
    assert_eq!(ledger.position(&log()).unwrap(), None);
    assert!(ledger.outbox_after(0, 10).unwrap().is_empty());

    plan(&mut ledger, &epoch, 9, &[]);
    let back = ledger.commit(
        &epoch,
        &LedgerCommit {
            position: &position(8),
            ..LedgerCommit::nothing()
        },
    );
    assert!(matches!(back, Err(LedgerError::PositionBack { .. })));
}

#[test]
fn an_owner_that_was_replaced_commits_nothing() {
    let desk = Desk::new();
    let (mut first, mut second) = (desk.open(), desk.open());
    let old = first.acquire(&log(), "slot-0").unwrap();
    let new = second.acquire(&log(), "slot-1").unwrap();
    plan(&mut second, &new, 3, &[]);
    let late = first
        .commit(
            &old,
            &LedgerCommit {
                position: &position(99),
                ..LedgerCommit::nothing()
            },
        )
        .unwrap();
    assert_eq!(late, CommitOutcome::Fenced);
    assert_eq!(second.position(&log()).unwrap(), Some(position(3)));
}

#[test]
fn a_second_outreach_process_is_refused() {
    let desk = Desk::new();
    let mut ledger = desk.open();
    // What another process does: it holds the lock on a file handle of its own.
    let lock = desk.path.with_file_name("ledger.db.outreach.lock");
    let other = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(lock)
        .unwrap();
    other.try_lock().unwrap();
    let refused = ledger.acquire(&log(), "slot-1");
    assert!(
        matches!(refused, Err(LedgerError::HeldByAnother { .. })),
        "{refused:?}"
    );
    // Reading and delivering beside it is free.
    assert!(!ledger.killed());
    drop(other);
    assert!(ledger.acquire(&log(), "slot-1").is_ok());
}

#[test]
fn a_wrong_key_and_a_newer_schema_are_refused() {
    let desk = Desk::new();
    drop(desk.open());
    let wrong = Ledger::open(&desk.path, MasterKey::from_bytes([8; 32]));
    assert!(matches!(wrong, Err(LedgerError::WrongKey)));
    desk.raw().pragma_update(None, "user_version", 99).unwrap();
    let newer = Ledger::open(&desk.path, MasterKey::from_bytes([7; 32]));
    assert!(matches!(newer, Err(LedgerError::SchemaTooNew { found: 99, .. })));
}

#[test]
fn the_outbox_keeps_order_and_never_gives_a_number_twice() {
    let desk = Desk::new();
    let mut ledger = desk.open();
    let epoch = ledger.acquire(&log(), "slot-0").unwrap();
    let put = |ledger: &mut Ledger, offset: i64, values: &[&[u8]]| {
        let outbox: Vec<_> = values
            .iter()
            .map(|value| OutRecord {
                headers: vec![("ce_id".into(), b"x/1".to_vec())],
                value: (!value.is_empty()).then(|| value.to_vec()),
                ..OutRecord::new("forecall.notices.v1", b"ntc_1".to_vec(), Vec::new())
            })
            .collect();
        let commit = LedgerCommit {
            position: &position(offset),
            outbox: &outbox,
            ..LedgerCommit::nothing()
        };
        match ledger.commit(&epoch, &commit).unwrap() {
            CommitOutcome::Committed(done) => done.outbox_last.unwrap(),
            CommitOutcome::Fenced => panic!("fenced"),
        }
    };
    let last = put(&mut ledger, 1, &[b"a", b"b", b""]);
    let all = ledger.outbox_after(0, 10).unwrap();
    let values: Vec<_> = all.iter().map(|(_, r)| r.value.as_deref()).collect();
    assert_eq!(values, [Some(b"a".as_slice()), Some(b"b"), None]);
    assert_eq!(all[0].1.headers, [("ce_id".to_owned(), b"x/1".to_vec())]);
    assert_eq!(ledger.outbox_after(all[0].0, 1).unwrap()[0].0, all[1].0);
    assert_eq!(ledger.outbox_trim(last).unwrap(), 3);
    drop(ledger);
    let mut ledger = desk.open();
    assert!(put(&mut ledger, 2, &[b"c"]) > last);
}

fn cancel(n: u32, customer: Option<&str>) -> Cancel {
    Cancel {
        notice: notice(n),
        customer: customer.map(|id| id.parse().unwrap()),
        reason: HoldReason::Stale,
    }
}

#[test]
fn what_one_person_wants_no_more_goes_to_all_others() {
    let desk = Desk::new();
    let all = ["int_1", "int_2", "int_3"].map(|id| intent(id, ContactChannel::Sms));
    let mut ledger = planned(&desk, &all);
    let epoch = ledger.acquire(&log(), "slot-0").unwrap();
    let commit = LedgerCommit {
        position: &position(2),
        cancels: &[cancel(1, Some("cus_int_2")), cancel(1, Some("cus_nobody"))],
        ..LedgerCommit::nothing()
    };
    let CommitOutcome::Committed(done) = ledger.commit(&epoch, &commit).unwrap() else {
        panic!("fenced")
    };
    assert_eq!(done.cancelled, 1);
    let receipts = ledger.receipts_after(0, 10).unwrap();
    assert_eq!(receipts[0].1.intent.as_str(), "int_2");
    assert_eq!(ledger.waiting(ContactChannel::Sms).unwrap(), 2);
}

#[test]
fn what_is_cancelled_never_goes_and_says_so() {
    let desk = Desk::new();
    let mut ledger = planned(&desk, &[intent("int_1", ContactChannel::Sms)]);
    let epoch = ledger.acquire(&log(), "slot-0").unwrap();
    let commit = LedgerCommit {
        position: &position(2),
        cancels: &[cancel(1, None), cancel(7, None)],
        killed: Some(true),
        ..LedgerCommit::nothing()
    };
    let CommitOutcome::Committed(done) = ledger.commit(&epoch, &commit).unwrap() else {
        panic!("fenced")
    };
    assert_eq!(done.cancelled, 1);
    assert!(ledger.killed());
    ledger.set_killed(false, at(20)).unwrap();
    assert_eq!(ledger.waiting(ContactChannel::Sms).unwrap(), 0);
    let receipts = ledger.receipts_after(0, 10).unwrap();
    assert_eq!(receipts.len(), 1);
    assert_eq!(receipts[0].1.state, IntentState::Failed);
}
