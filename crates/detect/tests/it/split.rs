use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_detect::{
    DetectOutput, DetectSettings, DetectStage, RekeyOutput, RekeySettings, RekeyStage, Rekeyed,
};
use forecall_stage::{Effects, Stage};
use forecall_types::{Anomaly, Fingerprint, Reading, SamplesRecord};
use proptest::prelude::*;

use super::{anomalies, domain, key, noise, record, run, source};

fn settings() -> Arc<DetectSettings> {
    Arc::new(DetectSettings {
        warm_up_samples: 30,
        ..DetectSettings::default()
    })
}

fn place(entity: Fingerprint, partitions: usize) -> usize {
    let partition = RekeyStage::partition_of(entity, u32::try_from(partitions).unwrap());
    usize::try_from(partition).unwrap()
}

fn stages(partitions: usize) -> Vec<DetectStage> {
    (0..partitions)
        .map(|p| DetectStage::new(settings(), source(i32::try_from(p).unwrap())))
        .collect()
}

/// One second of ten entities, as their source writes it.
fn second(at: i64, trouble: i64) -> SamplesRecord {
    let mut rows = Vec::new();
    for entity in 0..10_u64 {
        let name = format!("e{entity}");
        let seed = u64::try_from(at).unwrap() * 10 + entity;
        // Every third entity is in trouble from some time on; events go through bins and a rate.
        let high = if entity % 3 == 0 && at > trouble {
            400.0
        } else {
            0.0
        };
        let latency = 100.0 + 5.0 * noise(seed) + high;
        rows.push((key("latency", "ms", &name), at, Reading::Gauge(latency)));
        if seed % 7 != 0 {
            let count = 5 + seed % 3;
            rows.push((key("sales", "", &name), at, Reading::Events { count }));
        }
    }
    record(at, at, &rows)
}

/// All that is told, in an order that hangs on no partition; lineage and text too. Siblings are counted in a partition, whose they are.
fn told(outputs: Vec<DetectOutput>, into: &mut BTreeMap<String, Anomaly>) {
    for anomaly in anomalies(&outputs) {
        let mut anomaly = anomaly.clone();
        anomaly.siblings = None;
        let before = into.insert(format!("{}/{}", anomaly.id, anomaly.revision), anomaly.clone());
        assert!(
            before.is_none(),
            "told twice: {}/{}",
            anomaly.id,
            anomaly.revision
        );
    }
}

fn rekey(partitions: usize) -> RekeyStage {
    let settings = RekeySettings {
        partitions: u32::try_from(partitions).unwrap(),
        ..RekeySettings::default()
    };
    RekeyStage::new(Arc::new(settings), source(0), domain())
}

/// Through `rekey`, which marks every partition, into the partitions' stages.
fn feed(
    stages: &mut [DetectStage],
    seconds: std::ops::Range<i64>,
    trouble: i64,
    into: &mut BTreeMap<String, Anomaly>,
) {
    let mut rekey = rekey(stages.len());
    for at in seconds {
        let mut effects = Effects::default();
        rekey.step(&second(at, trouble), &mut effects);
        for Rekeyed { partition, record } in effects.drain().0.filter_map(RekeyOutput::samples) {
            let stage = &mut stages[usize::try_from(partition).unwrap()];
            told(run(stage, &[record]).0, into);
        }
    }
}

fn grown(from: usize, to: usize, at: i64, trouble: i64, end: i64) -> (BTreeMap<String, Anomaly>, usize) {
    let mut all = BTreeMap::new();
    let mut before = stages(from);
    feed(&mut before, 0..at, trouble, &mut all);
    // As a snapshot would bring them back.
    let before: Vec<DetectStage> = before
        .iter()
        .map(|stage| DetectStage::load(settings(), &stage.save().unwrap()).unwrap())
        .collect();
    let series: usize = before.iter().map(DetectStage::series).sum();
    let buffered: usize = before.iter().map(DetectStage::buffered).sum();
    let into = (0..to).map(|p| source(i32::try_from(p).unwrap())).collect();
    let divided = DetectStage::divide(&settings(), &before, into, |entity| place(entity, to));
    assert_eq!((divided.series, divided.lost), (series, 0));
    assert_eq!(
        divided.stages.iter().map(DetectStage::buffered).sum::<usize>(),
        buffered
    );
    let mut after: Vec<DetectStage> = divided
        .stages
        .iter()
        .map(|stage| DetectStage::load(settings(), &stage.save().unwrap()).unwrap())
        .collect();
    feed(&mut after, at..end, trouble, &mut all);
    (all, buffered)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn divided_and_gone_on_is_as_never_grown(from in 1_usize..4, more in 0_usize..4, at in 60_i64..260, trouble in 120_i64..200) {
        let mut never = BTreeMap::new();
        feed(&mut stages(from), 0..300, trouble, &mut never);
        let (all, buffered) = grown(from, from + more, at, trouble, 300);
        prop_assert!(never.len() > 3, "the run shows something");
        prop_assert!(buffered > 0, "samples wait when it is divided");
        prop_assert_eq!(all, never);
    }
}

#[test]
fn a_series_beyond_the_room_is_counted_as_lost() {
    let mut before = stages(2);
    feed(&mut before, 0..5, 100, &mut BTreeMap::new());
    let small = Arc::new(DetectSettings {
        series_max: 3,
        ..DetectSettings::default()
    });
    let series: usize = before.iter().map(DetectStage::series).sum();
    let divided = DetectStage::divide(&small, &before, vec![source(0)], |_| 0);
    assert_eq!((divided.series, divided.lost), (3, series - 3));
}
