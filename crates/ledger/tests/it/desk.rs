//! What is kept for whoever answers a customer.

use forecall_ledger::{CommitOutcome, Kept, LedgerCommit};
use forecall_types::{ContactChannel, CustomerId, HoldReason, Withheld};

use super::*;

fn withheld(reason: HoldReason, customers: &[&str], secs: i64) -> Kept {
    Kept::Withheld(Withheld {
        notice: notice(2),
        reason,
        customers: customers.iter().map(|c| c.parse().unwrap()).collect(),
        at: at(secs),
    })
}

fn keep(ledger: &mut Ledger, epoch: &Epoch, offset: i64, kept: &[Kept]) {
    let commit = LedgerCommit {
        position: &position(offset),
        kept,
        ..LedgerCommit::nothing()
    };
    let done = ledger.commit(epoch, &commit).unwrap();
    assert!(matches!(done, CommitOutcome::Committed(_)));
}

fn rows(ledger: &Ledger, customer: &str) -> Vec<String> {
    let customer: CustomerId = customer.parse().unwrap();
    let page = ledger.desk(&customer, None, 100, at(2_000)).unwrap();
    page.entries.iter().map(|entry| format!("{entry:?}")).collect()
}

#[test]
fn the_last_reason_holds_and_the_first_time_stays() {
    let desk = Desk::new();
    let mut ledger = desk.open();
    let epoch = ledger.acquire(&log(), "slot-0").unwrap();
    keep(
        &mut ledger,
        &epoch,
        1,
        &[withheld(HoldReason::QuietHours, &["cus_a", "cus_b"], 10)],
    );
    keep(
        &mut ledger,
        &epoch,
        2,
        &[withheld(HoldReason::Cap, &["cus_a"], 20)],
    );
    let only = |customer| {
        let mut rows = rows(&ledger, customer);
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    };
    let (a, b) = (only("cus_a"), only("cus_b"));
    assert!(a.contains("Cap") && b.contains("QuietHours"), "{a} {b}");
    assert_eq!(a.split("at:").nth(1), b.split("at:").nth(1), "since when");
    assert!(rows(&ledger, "cus_c").is_empty());
}

#[test]
fn who_is_told_after_all_is_not_among_those_who_are_not() {
    let desk = Desk::new();
    let mut ledger = desk.open();
    let epoch = ledger.acquire(&log(), "slot-0").unwrap();
    keep(
        &mut ledger,
        &epoch,
        1,
        &[withheld(HoldReason::HoldOut, &["cus_int_1"], 5)],
    );
    let late = Intent {
        notice: notice(2),
        ..intent("int_1", ContactChannel::Sms)
    };
    plan(&mut ledger, &epoch, 2, &[late]);
    let rows = rows(&ledger, "cus_int_1");
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(rows[0].starts_with("Reached"), "{rows:?}");
}

#[test]
fn a_look_up_goes_by_the_index_of_person_and_time() {
    let desk = Desk::new();
    drop(desk.open());
    let plan: String = desk
        .raw()
        .prepare(
            "EXPLAIN QUERY PLAN SELECT id FROM intents i WHERE i.customer = 'c' AND i.planned_at <= 9 \
             AND (i.planned_at < 9 OR 'i' || i.id < 'x') ORDER BY i.planned_at DESC, i.id DESC LIMIT 25",
        )
        .unwrap()
        .query_map([], |row| row.get::<_, String>(3))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(
        plan.contains("intents_by_customer (customer=? AND planned_at<?)"),
        "{plan}"
    );
    assert!(!plan.contains("SCAN"), "{plan}");
}
