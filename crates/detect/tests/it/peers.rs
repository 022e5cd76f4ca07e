//! Summaries of entities in peer groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_detect::{
    DetectOutput, DetectSettings, DetectStage, GateRule, PEER_ENTITIES_MAX, PeerGroup, RekeyOutput,
    RekeySettings, RekeyStage, Rekeyed,
};
use forecall_stage::{Effects, Stage};
use forecall_types::{
    Fingerprint, Labels, Reading, RejectReason, SamplesRecord, SeriesKey, Summary, Temporality,
};
use proptest::prelude::*;

use super::{domain, noise, record, run, source, stage};

fn group(name: &str, label: &str, metrics: &[&str], step_seconds: u32) -> PeerGroup {
    PeerGroup {
        name: name.to_owned(),
        r#match: BTreeMap::from([(label.to_owned(), "*".to_owned())]),
        by: vec!["region".to_owned()],
        metrics: metrics.iter().map(|m| (*m).to_owned()).collect(),
        step_seconds,
    }
}

/// Cells by the minute, pods by two.
fn settings() -> DetectSettings {
    DetectSettings {
        warm_up_samples: 30,
        peers: vec![
            group("cells", "cell", &["latency", "*.rate"], 60),
            group("pods", "pod", &["cpu"], 120),
        ],
        ..DetectSettings::default()
    }
}

fn key(metric: &str, label: &str, entity: u64) -> SeriesKey {
    let region = if entity.is_multiple_of(2) {
        "IR-10"
    } else {
        "IR-23"
    };
    SeriesKey {
        metric: Arc::from(metric),
        unit: Arc::from("ms"),
        resource: Labels::from_pairs([("region", region), (label, &format!("e{entity}"))]),
        labels: Labels::default(),
    }
}

fn summaries(outputs: &[DetectOutput]) -> Vec<&Summary> {
    outputs
        .iter()
        .filter_map(|o| match o {
            DetectOutput::Summary(s) => Some(&**s),
            DetectOutput::Anomaly(_) | DetectOutput::Scored(_) | DetectOutput::Heartbeat(_) => None,
        })
        .collect()
}

/// One second of six cells, a pod and a host of no group.
fn second(at: i64) -> SamplesRecord {
    let mut rows = Vec::new();
    for entity in 0..6_u64 {
        let seed = u64::try_from(at).unwrap() * 10 + entity;
        let high = if entity == 3 && at > 400 { 400.0 } else { 0.0 };
        let latency = 100.0 + 5.0 * noise(seed) + high;
        rows.push((key("latency", "cell", entity), at, Reading::Gauge(latency)));
        rows.push((key("other", "cell", entity), at, Reading::Gauge(latency / 2.0)));
        if seed % 7 != 0 {
            let count = 5 + seed % 3;
            rows.push((key("sales", "cell", entity), at, Reading::Events { count }));
        }
        let sum = Reading::Sum {
            value: f64::from(u32::try_from(at).unwrap()) * 3.0,
            temporality: Temporality::Cumulative,
            monotonic: true,
            start: None,
        };
        rows.push((key("bytes", "cell", entity), at, sum));
    }
    rows.push((key("cpu", "pod", 7), at, Reading::Gauge(0.5)));
    rows.push((key("latency", "host", 8), at, Reading::Gauge(1.0)));
    record(at, at, &rows)
}

#[test]
fn each_entity_of_a_group_is_summed_up_at_the_end_of_each_step() {
    let mut stage = stage(settings());
    let records: Vec<SamplesRecord> = (0..600).map(second).collect();
    let (outputs, rejects) = run(&mut stage, &records);
    assert_eq!(rejects, []);
    let all = summaries(&outputs);
    // 589 is passed when 599 is read: nine steps of six cells, four of a pod.
    assert_eq!(all.len(), 9 * 6 + 4);
    assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let of = |entity: u64, at: i64| {
        let resource = key("", "cell", entity).resource;
        let is = |s: &&&Summary| s.entity == resource && s.at.secs() == at;
        *all.iter().find(is).unwrap()
    };
    let quiet = of(2, 540);
    assert_eq!((&*quiet.group, quiet.domain.as_str()), ("cells", "isp"));
    assert_eq!(quiet.within, Labels::from_pairs([("region", "IR-10")]));
    assert_eq!((quiet.source.clone(), quiet.from.secs()), (source(0), 480));
    let named: Vec<(&str, &str, u32)> = quiet
        .values
        .iter()
        .map(|v| (&*v.metric, &*v.unit, v.count))
        .collect();
    assert_eq!(
        named,
        [
            ("bytes.rate", "ms/s", 60),
            ("latency", "ms", 60),
            ("sales.rate", "ms/s", 6)
        ]
    );
    assert!((quiet.values[0].mean - 3.0).abs() < 1e-9);
    assert!((quiet.values[1].mean - 100.0).abs() < 3.0);
    let [range] = quiet.lineage.ranges() else {
        panic!("one partition, one range: {:?}", quiet.lineage)
    };
    assert_eq!(
        (range.from, range.to, quiet.lineage.is_coarse()),
        (480, 539, true)
    );
    assert!(quiet.score < 4.0, "{quiet:?}");
    // The entity that is in trouble, and which of its series make it so.
    let loud = of(3, 420);
    assert!(loud.score > 6.0, "{loud:?}");
    let parts: Vec<(&str, f64)> = loud.parts.iter().map(|p| (&*p.metric, p.share)).collect();
    let [("latency", a), ("other", b)] = parts.as_slice() else {
        panic!("{parts:?}")
    };
    assert!((a + b - 1.0).abs() < 1e-9);
}

#[test]
fn where_no_group_is_declared_the_same_is_said_without_them() {
    let records: Vec<SamplesRecord> = (0..600).map(second).collect();
    let none = DetectSettings {
        peers: Vec::new(),
        ..settings()
    };
    let told = |settings: DetectSettings| {
        let mut stage = stage(settings);
        let (mut outputs, _) = run(&mut stage, &records);
        let mut effects = Effects::default();
        stage.flush(&mut effects);
        outputs.extend(effects.drain().0);
        outputs
    };
    let (mut with, without) = (told(settings()), told(none));
    assert!(summaries(&without).is_empty() && !without.is_empty());
    assert_eq!(
        summaries(&with).len(),
        10 * 6 + 5,
        "the end of the input ends every step"
    );
    with.retain(|output| !matches!(output, DetectOutput::Summary(_)));
    assert_eq!(with, without);
}

#[test]
fn a_series_that_is_left_out_is_left_out_here() {
    let mut settings = settings();
    settings.rules = vec![GateRule {
        metric: Some("latency".to_owned()),
        detect: Some(false),
        ..GateRule::default()
    }];
    let (outputs, _) = run(&mut stage(settings), &(0..200).map(second).collect::<Vec<_>>());
    let all = summaries(&outputs);
    assert!(!all.is_empty());
    assert!(
        all.iter()
            .flat_map(|s| &s.values)
            .all(|v| &*v.metric != "latency")
    );
}

#[test]
fn more_entities_than_fit_are_refused_once_a_step() {
    let mut stage = stage(settings());
    let count = u64::try_from(PEER_ENTITIES_MAX).unwrap() + 3;
    let rows: Vec<_> = (0..count)
        .map(|entity| (key("latency", "cell", entity), 10, Reading::Gauge(1.0)))
        .collect();
    let (_, rejects) = run(&mut stage, &[record(0, 10, &rows), second(100)]);
    let reasons: Vec<RejectReason> = rejects.iter().map(|r| r.reason).collect();
    assert_eq!(reasons, [RejectReason::SeriesLimit]);
}

/// Entity, metric and end of the step to mean and count.
type Told = BTreeMap<(Labels, String, i64), (f64, u32)>;

fn told(all: &[&Summary]) -> Told {
    let mut told = Told::new();
    for summary in all {
        for value in &summary.values {
            let key = (
                summary.entity.clone(),
                value.metric.to_string(),
                summary.at.secs(),
            );
            assert_eq!(told.insert(key, (value.mean, value.count)), None, "told twice");
        }
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// In any order within the lateness, saved and loaded at any time: the means are those of all values, by their time.
    #[test]
    fn they_are_the_means_of_all_values_in_their_step(samples in proptest::collection::vec((0_i64..900, 0_u64..4, -50_i32..50), 1..200), cut in 0_usize..200) {
        let mut samples: Vec<(i64, u64, f64)> = samples.into_iter().map(|(at, e, v)| (at, e, f64::from(v))).collect();
        // Shuffled by less than the lateness.
        samples.sort_by_key(|(at, e, v)| at + (at * 7 + i64::from(v.to_bits().count_ones()) + e.cast_signed()) % 9);
        let mut seen = std::collections::BTreeSet::new();
        samples.retain(|(at, e, _)| seen.insert((*at, *e)));
        let mut first = stage(settings());
        let mut outputs = Vec::new();
        for (offset, (at, entity, value)) in (0_i64..).zip(&samples) {
            if usize::try_from(offset).unwrap() == cut {
                first = DetectStage::load(Arc::new(settings()), &first.save().unwrap()).unwrap();
            }
            let row = (key("latency", "cell", *entity), *at, Reading::Gauge(*value));
            let (more, rejects) = run(&mut first, &[record(offset, 1_000, &[row])]);
            prop_assert_eq!(rejects, vec![]);
            outputs.extend(more);
        }
        let mut effects = Effects::default();
        first.flush(&mut effects);
        outputs.extend(effects.drain().0);
        let mut plain: BTreeMap<(Labels, String, i64), Vec<f64>> = BTreeMap::new();
        for (at, entity, value) in &samples {
            let resource = key("", "cell", *entity).resource;
            plain.entry((resource, "latency".to_owned(), at / 60 * 60 + 60)).or_default().push(*value);
        }
        let got = told(&summaries(&outputs));
        prop_assert_eq!(got.len(), plain.len());
        for (key, values) in plain {
            let (mean, count) = got[&key];
            prop_assert_eq!(usize::try_from(count).unwrap(), values.len());
            prop_assert!((mean - values.iter().sum::<f64>() / f64::from(count)).abs() < 1e-9);
        }
    }
}

fn place(entity: Fingerprint, partitions: usize) -> usize {
    let partition = RekeyStage::partition_of(entity, u32::try_from(partitions).unwrap());
    usize::try_from(partition).unwrap()
}

fn stages(partitions: usize) -> Vec<DetectStage> {
    let source_of = |p| source(i32::try_from(p).unwrap());
    (0..partitions)
        .map(|p| DetectStage::new(Arc::new(settings()), source_of(p)))
        .collect()
}

/// Through `rekey` into the partitions' stages; each summary whole, but for where it was read.
fn feed(stages: &mut [DetectStage], seconds: std::ops::Range<i64>, into: &mut BTreeMap<String, Summary>) {
    let rekey = RekeySettings {
        partitions: u32::try_from(stages.len()).unwrap(),
        ..RekeySettings::default()
    };
    let mut rekey = RekeyStage::new(Arc::new(rekey), source(0), domain());
    for at in seconds {
        let mut effects = Effects::default();
        rekey.step(&second(at), &mut effects);
        for Rekeyed { partition, record } in effects.drain().0.filter_map(RekeyOutput::samples) {
            let stage = &mut stages[usize::try_from(partition).unwrap()];
            for summary in summaries(&run(stage, &[record]).0) {
                let told = Summary {
                    source: source(0),
                    ..summary.clone()
                };
                let name = format!("{:?} {}", told.entity, told.at.secs());
                assert_eq!(into.insert(name.clone(), told), None, "{name} told twice");
            }
        }
    }
}

#[test]
fn divided_and_gone_on_is_as_never_grown() {
    for (from, to, at) in [(2, 3, 100), (1, 4, 150), (3, 4, 179), (2, 5, 185)] {
        let (mut all, mut plain) = (BTreeMap::new(), BTreeMap::new());
        feed(&mut stages(to), 0..400, &mut plain);
        let mut before = stages(from);
        feed(&mut before, 0..at, &mut all);
        let into = (0..to).map(|p| source(i32::try_from(p).unwrap())).collect();
        let divided = DetectStage::divide(&Arc::new(settings()), &before, into, |entity| place(entity, to));
        let mut after: Vec<DetectStage> = divided
            .stages
            .iter()
            .map(|stage| DetectStage::load(Arc::new(settings()), &stage.save().unwrap()).unwrap())
            .collect();
        feed(&mut after, at..400, &mut all);
        assert!(plain.len() > 30);
        assert_eq!(all, plain, "{from} to {to} at {at}");
    }
}

/// The reader that saves gives no other memory than the one that shares.
#[test]
fn an_image_is_what_is_saved() {
    let mut stage = stage(settings());
    run(&mut stage, &(0..90).map(second).collect::<Vec<_>>());
    let saved = stage.save().unwrap();
    assert_eq!(stage.image().unwrap().write().unwrap(), saved);
}
