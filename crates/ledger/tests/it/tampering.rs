use forecall_ledger::AuditVerdict;
use forecall_types::ContactChannel;

use crate::{Desk, at, intent, planned};

/// Four entries: a commit, and the kill switch three times.
fn chain() -> Desk {
    let desk = Desk::new();
    let mut ledger = planned(&desk, &[intent("int_1", ContactChannel::Sms)]);
    for n in 0..3 {
        ledger.set_killed(n % 2 == 0, at(n)).unwrap();
    }
    desk
}

fn check(damage: &str, want: AuditVerdict) {
    let desk = chain();
    desk.raw().execute_batch(damage).unwrap();
    assert_eq!(desk.open().verify_audit().unwrap(), want, "{damage}");
}

#[test]
fn tampering_is_found_at_the_entry() {
    check("", AuditVerdict::Whole { entries: 4 });
    check(
        "UPDATE audit SET entry = replace(entry, 'true', 'false') WHERE seq = 2",
        AuditVerdict::BrokenAt { seq: 2 },
    );
    check(
        "DELETE FROM audit WHERE seq = 3",
        AuditVerdict::BrokenAt { seq: 3 },
    );
    check(
        "DELETE FROM audit WHERE seq = 4",
        AuditVerdict::BrokenAt { seq: 4 },
    );
    check("DELETE FROM audit", AuditVerdict::BrokenAt { seq: 1 });
    check(
        "UPDATE audit SET hash = zeroblob(32) WHERE seq = 1",
        AuditVerdict::BrokenAt { seq: 1 },
    );
    check(
        "INSERT INTO audit VALUES (5, '{}', zeroblob(32))",
        AuditVerdict::BrokenAt { seq: 5 },
    );
    // All rows and the head gone together: the head was signed, a missing one is an empty chain, and rows are left over.
    check(
        "DELETE FROM flags WHERE name = 'audit_head'",
        AuditVerdict::HeadForged,
    );
}

#[test]
fn a_chain_cut_short_stays_broken_when_it_grows_on() {
    let desk = chain();
    desk.raw()
        .execute_batch("DELETE FROM audit WHERE seq = 4")
        .unwrap();
    let mut ledger = desk.open();
    ledger.set_killed(false, at(9)).unwrap();
    assert_eq!(ledger.verify_audit().unwrap(), AuditVerdict::BrokenAt { seq: 4 });
}
