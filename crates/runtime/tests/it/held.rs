//! Outreach's database is locked by somebody else: outreach waits, the others go on, and nothing is lost or told twice.

use std::collections::BTreeSet;
use std::time::Duration;

use forecall_ledger::{Ledger, MasterKey};
use forecall_runtime::{Roles, Storage};
use forecall_wire::event::decode_notice;

use crate::chain::{Bed, CUSTOMERS};

const ALL_BUT_DELIVER: Roles = Roles {
    deliver: false,
    ..Roles::ALL
};

fn is_paused(bed: &Bed, stage: &str) -> bool {
    bed.metrics
        .text()
        .contains(&format!("forecall_paused{{stage=\"{stage}\"}} 1"))
}

#[test]
fn a_locked_ledger_holds_outreach_alone() {
    let mut bed = Bed::of(ALL_BUT_DELIVER, &Storage::Settings);
    for _ in 0..120 {
        bed.step(40.0);
    }
    for i in 0..40 {
        bed.step(40.0 + 10.0 * f64::from(i));
    }
    let ours = bed.pipeline.ledger().unwrap().clone();
    ours.lock()
        .unwrap()
        .wait_at_most(Duration::from_millis(1))
        .unwrap();
    let position = || {
        let place = forecall_log::TopicPartition::new("forecall.outreach.log.v1", 0);
        ours.lock()
            .unwrap()
            .position(&place)
            .unwrap()
            .unwrap()
            .next_offset
    };
    let blocker = Ledger::open(
        &bed.folder.path().join("ledger.sqlite"),
        MasterKey::from_hex(&"1".repeat(64)).unwrap(),
    )
    .unwrap();
    blocker.block_writers().unwrap();
    let (before, incidents) = (position(), bed.incidents().len());
    for _ in 0..30 {
        bed.step(430.0);
    }
    assert!(is_paused(&bed, "outreach"));
    for other in [
        "rekey",
        "detect",
        "correlate",
        "correlate-intake",
        "outreach-intake",
    ] {
        assert!(!is_paused(&bed, other), "{other}");
    }
    assert_eq!(position(), before, "nothing of it stands");
    let told = bed.incidents().len();
    assert!(told > incidents, "correlate goes on: {incidents}, then {told}");

    drop(blocker);
    for _ in 0..80 {
        bed.step(40.0);
    }
    assert!(!is_paused(&bed, "outreach"));
    assert!(position() > before);
    let notices = bed.read("forecall.notices.v1", |h, v| decode_notice(h, v).unwrap());
    let revisions: Vec<_> = notices.iter().map(|n| (n.id.clone(), n.revision)).collect();
    let distinct: BTreeSet<_> = revisions.iter().cloned().collect();
    assert_eq!(distinct.len(), revisions.len(), "each stands once");
    let confirmed = notices.iter().rfind(|n| n.stage.as_str() == "confirmed");
    assert_eq!(confirmed.map(|n| n.intents), Some(CUSTOMERS));
    bed.pipeline.stop().unwrap();
}
