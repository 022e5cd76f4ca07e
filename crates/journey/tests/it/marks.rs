//! Where readers tell how far they have come, time waits for the slowest, and for all that are known to be there.

use std::sync::Arc;

use forecall_journey::{JourneyStage, JourneyTunables};
use forecall_stage::Stage;
use forecall_types::{EventTime, JourneyEntry, JourneyMark, SourcePartition, SourceTopic};

use crate::fixture::{Run, quiet, settings};

const PAID: &str = "paid: pay > active/600";

fn mark(partition: i32, read_until: i64, partitions: u32) -> JourneyEntry {
    let topic: Arc<str> = Arc::from("shop");
    JourneyEntry::Mark(JourneyMark {
        source: SourcePartition {
            topic: Arc::clone(&topic),
            partition,
        },
        read_until: EventTime::from_secs(read_until),
        topics: vec![SourceTopic { topic, partitions }],
    })
}

fn run() -> Run {
    let tunables = JourneyTunables {
        lateness_seconds: 60,
        ..quiet()
    };
    Run::new(settings(&[PAID], tunables))
}

#[test]
fn a_source_that_is_behind_holds_up_all() {
    let mut run = run();
    run.step(&mark(0, 0, 2));
    run.line("00:00 anna pay");
    run.step(&mark(0, 5_000, 2));
    assert_eq!(
        run.told,
        Vec::<String>::new(),
        "the other partition was never heard of"
    );
    assert_eq!(run.stage.health().unheard, 1);
    // Written long ago, read only now: it is in time.
    run.line("05:00 anna active");
    run.step(&mark(1, 500, 2));
    run.step(&mark(1, 5_000, 2));
    assert_eq!(run.told, Vec::<String>::new(), "nobody has failed");
    assert_eq!(run.stage.health().open, 0);
    assert_eq!(run.stage.health().passed, EventTime::from_secs(4_940));
}

#[test]
fn events_alone_move_no_time_where_there_are_marks() {
    let mut run = run();
    run.step(&mark(0, 0, 1));
    run.line("00:00 anna pay");
    run.line("59:00 berta pay");
    assert_eq!(
        run.told,
        Vec::<String>::new(),
        "what others did may still be on its way"
    );
    run.step(&mark(0, 660, 1));
    assert_eq!(run.told, Vec::<String>::new());
    run.step(&mark(0, 661, 1));
    assert_eq!(run.told.len(), 1, "{:?}", run.told);
}

#[test]
fn a_topic_that_is_no_longer_read_holds_up_nobody_and_marks_survive_a_snapshot() {
    let mut run = run();
    run.step(&mark(0, 1_000, 3));
    run.step(&mark(1, 900, 3));
    let bytes = run.stage.save().unwrap();
    let mut restored = JourneyStage::load(settings(&[PAID], quiet()), &bytes).unwrap();
    assert_eq!(restored.health().unheard, 1);
    let mut effects = forecall_stage::Effects::default();
    restored.step(&mark(0, 1_001, 2), &mut effects);
    assert_eq!(restored.health().unheard, 0);
    assert_eq!(restored.health().passed, EventTime::from_secs(840));
    restored.step(&mark(0, 400, 2), &mut effects);
    assert_eq!(
        restored.health().passed,
        EventTime::from_secs(840),
        "time never goes back"
    );
}
