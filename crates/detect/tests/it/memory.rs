//! What a stage keeps and what it says of itself: the same from a snapshot as from the run, and asking changes nothing.

use std::sync::Arc;

use forecall_detect::{DetectSettings, DetectStage, RekeySettings, RekeyStage};
use forecall_stage::{Effects, Pulse, Stage};
use forecall_types::{EventTime, Reading, SamplesRecord};
use proptest::prelude::*;

use super::{domain, key, record, source};

fn records(rows: &[(u8, i64)]) -> Vec<SamplesRecord> {
    (0_i64..)
        .zip(rows)
        .map(|(offset, (entity, at))| {
            let row = (key("m", "", &format!("e{entity}")), *at, Reading::Gauge(1.0));
            record(offset, 500, &[row])
        })
        .collect()
}

fn pulses(next_offset: i64) -> impl Iterator<Item = Pulse<'static>> {
    let four = [(false, false), (false, true), (true, false), (true, true)];
    four.into_iter().map(move |(caught_up, idle)| Pulse {
        at: EventTime::from_secs(2_000),
        next_offset,
        caught_up,
        idle,
        looked_at: idle.then(|| EventTime::from_secs(1_900)),
        topics: &[],
    })
}

/// Everything a stage says of itself.
fn said<S: Stage<Output: std::fmt::Debug>>(stage: &S, next_offset: i64) -> String {
    let mut effects = Effects::default();
    pulses(next_offset).for_each(|pulse| stage.pulse(pulse, &mut effects));
    format!("{:?}", effects.outputs())
}

/// A run that is cut in two at `cut`, beside one that isn't and that is asked all the while: outputs and memory are the same.
fn check<S: Stage<Input = SamplesRecord, Output: std::fmt::Debug>>(
    new: impl Fn() -> S,
    load: impl Fn(&[u8]) -> S,
    records: &[SamplesRecord],
    cut: usize,
) -> Result<(), TestCaseError> {
    let (mut asked, mut cut_in_two) = (new(), new());
    let (mut want, mut got) = (Effects::default(), Effects::default());
    for (n, record) in records.iter().enumerate() {
        if n == cut {
            let saved = cut_in_two.save().unwrap();
            cut_in_two = load(&saved);
            prop_assert_eq!(cut_in_two.save().unwrap(), saved);
        }
        let next = record.origin.offset;
        let before = asked.save().unwrap();
        let first = said(&asked, next);
        prop_assert_eq!(&first, &said(&asked, next), "said twice");
        prop_assert_eq!(asked.save().unwrap(), before, "asking changes nothing");
        prop_assert_eq!(said(&cut_in_two, next), first, "said from a snapshot");
        asked.step(record, &mut want);
        cut_in_two.step(record, &mut got);
    }
    prop_assert_eq!(asked.save().unwrap(), cut_in_two.save().unwrap());
    prop_assert_eq!(format!("{:?}", got.outputs()), format!("{:?}", want.outputs()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rekey_is_the_same_from_a_snapshot_and_whether_asked_or_not(
        rows in proptest::collection::vec((0_u8..5, 0_i64..1_200), 1..40), cut in any::<prop::sample::Index>(), partitions in 1_u32..4
    ) {
        let settings = Arc::new(RekeySettings { partitions, ..RekeySettings::default() });
        let new = || RekeyStage::new(Arc::clone(&settings), source(0), domain());
        let load = |bytes: &[u8]| RekeyStage::load(Arc::clone(&settings), bytes).unwrap();
        check(new, load, &records(&rows), cut.index(rows.len()))?;
    }

    #[test]
    fn detect_is_the_same_from_a_snapshot_and_whether_asked_or_not(
        rows in proptest::collection::vec((0_u8..5, 0_i64..1_200), 1..40), cut in any::<prop::sample::Index>()
    ) {
        let settings = Arc::new(DetectSettings { emit_scores: true, ..DetectSettings::default() });
        let new = || DetectStage::new(Arc::clone(&settings), source(0));
        let load = |bytes: &[u8]| DetectStage::load(Arc::clone(&settings), bytes).unwrap();
        check(new, load, &records(&rows), cut.index(rows.len()))?;
    }
}
