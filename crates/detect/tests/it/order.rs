//! What disorder must not change: permutations within the lateness, doubles, one record from the future, and how two
//! sources interleave.

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_detect::disorder::Sources;
use forecall_detect::{DetectOutput, DetectSettings, DetectStage, RekeyOutput, RekeySettings, RekeyStage};
use forecall_stage::{Effects, Pulse, Stage};
use forecall_types::{
    Anomaly, EventTime, Lineage, Reading, RejectReason, SamplesRecord, SourceMark, SourcePartition,
    SourcePulse, SourceTopic,
};
use proptest::prelude::*;

use super::{domain, key, noise, record, run, source, stage};

const SERIES: [&str; 3] = ["a", "b", "c"];

fn settings() -> DetectSettings {
    DetectSettings {
        lateness_seconds: 60,
        warm_up_samples: 12,
        ..DetectSettings::default()
    }
}

/// One sample a record, every ten seconds, of three series in turn; spikes where `wild` says so.
fn samples(wild: &[bool]) -> Vec<(i64, usize, f64)> {
    let mut samples = Vec::new();
    for (i, wild) in wild.iter().enumerate() {
        let at = 1_000 + 10 * i64::try_from(i).unwrap();
        let level = if *wild { 60.0 } else { 10.0 };
        samples.push((at, i % SERIES.len(), level + noise(i as u64)));
    }
    samples
}

/// Records in this order, with the offsets and append times that the order gives them.
fn records(samples: &[(i64, usize, f64)]) -> Vec<SamplesRecord> {
    let mut newest = 0;
    (0_i64..)
        .zip(samples)
        .map(|(offset, (at, series, value))| {
            newest = newest.max(*at);
            let row = (key("m", "", SERIES[*series]), *at, Reading::Gauge(*value));
            record(offset, newest, &[row])
        })
        .collect()
}

/// The anomalies without where their records stood, in order of time as they are judged.
fn anomalies_of(stage: &mut DetectStage, records: &[SamplesRecord]) -> (Vec<Anomaly>, Vec<RejectReason>) {
    let (mut outputs, mut rejects) = run(stage, records);
    let mut effects = Effects::default();
    stage.flush(&mut effects);
    // A double of a sample that still waits at the end is refused there.
    let (more, refused) = effects.drain();
    outputs.extend(more);
    rejects.extend(refused);
    let anomalies = outputs.into_iter().filter_map(|o| match o {
        DetectOutput::Anomaly(mut a) => {
            a.lineage = Lineage::default();
            Some(*a)
        }
        DetectOutput::Scored(_) | DetectOutput::Summary(_) | DetectOutput::Heartbeat(_) => None,
    });
    (anomalies.collect(), rejects.iter().map(|r| r.reason).collect())
}

fn wild() -> impl Strategy<Value = Vec<bool>> {
    proptest::collection::vec((proptest::bool::weighted(0.2), 1_usize..25), 12..30)
        .prop_map(|runs| runs.into_iter().flat_map(|(w, n)| vec![w; n]).collect())
}

/// Each up to `late` seconds behind its place.
fn shuffled(samples: &[(i64, usize, f64)], late: f64, seed: u64) -> Vec<(i64, usize, f64)> {
    let mut keyed: Vec<_> = samples
        .iter()
        .enumerate()
        .map(|(i, s)| {
            #[allow(clippy::cast_precision_loss, reason = "seconds of a test")]
            let at = s.0 as f64;
            (at + (noise(seed.wrapping_add(i as u64)) + 1.0) / 2.0 * late, *s)
        })
        .collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    keyed.into_iter().map(|(_, s)| s).collect()
}

/// The records of two source partitions as `detect` gets them, read in turns; both are heard of before the first one.
fn rekeyed(by_source: &[Vec<SamplesRecord>; 2], turns: &mut dyn Iterator<Item = bool>) -> Vec<SamplesRecord> {
    let settings = Arc::new(RekeySettings {
        partitions: 1,
        ..RekeySettings::default()
    });
    let mut rekeys = [0, 1].map(|p| RekeyStage::new(Arc::clone(&settings), source(p), domain()));
    let mut waiting = by_source.each_ref().map(|records| records.iter());
    let mut input = Vec::new();
    let mut effects = Effects::default();
    let topics = [SourceTopic {
        topic: Arc::from("telemetry"),
        partitions: 2,
    }];
    let unknown = Pulse {
        at: EventTime::from_secs(0),
        next_offset: 0,
        caught_up: false,
        idle: false,
        looked_at: None,
        topics: &topics,
    };
    rekeys[0].pulse(unknown, &mut effects);
    let mut order: Vec<usize> = turns.map(usize::from).collect();
    order.extend(std::iter::repeat_n(0, 800));
    order.extend(std::iter::repeat_n(1, 800));
    for place in order {
        if let Some(next) = waiting[place].next() {
            rekeys[place].step(next, &mut effects);
        }
        input.extend(
            effects
                .drain()
                .0
                .filter_map(RekeyOutput::samples)
                .map(|r| r.record),
        );
    }
    input
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_permutation_within_the_lateness_gives_the_same_anomalies(wild in wild(), seed in any::<u64>()) {
        let samples = samples(&wild);
        let (want, none) = anomalies_of(&mut stage(settings()), &records(&samples));
        let (got, refused) = anomalies_of(&mut stage(settings()), &records(&shuffled(&samples, 59.0, seed)));
        prop_assert!(none.is_empty() && refused.is_empty());
        prop_assert_eq!(got, want);
    }

    /// A series' first value waits for the second, unless every sample is told: it is learnt from all the same.
    #[test]
    fn what_is_told_of_each_sample_changes_no_anomaly(wild in wild(), seed in any::<u64>()) {
        let records = records(&shuffled(&samples(&wild), 59.0, seed));
        let (want, _) = anomalies_of(&mut stage(settings()), &records);
        let told = DetectSettings { emit_scores: true, ..settings() };
        prop_assert_eq!(anomalies_of(&mut stage(told), &records).0, want);
    }

    #[test]
    fn doubles_change_nothing_and_each_is_refused(wild in wild(), doubled in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..8), 0..40)) {
        let samples = samples(&wild);
        let (want, _) = anomalies_of(&mut stage(settings()), &records(&samples));
        let mut more: Vec<(usize, _)> = samples.iter().copied().enumerate().collect();
        for (which, behind) in &doubled {
            let i = which.index(samples.len());
            more.push((i + behind, samples[i]));
        }
        more.sort_by_key(|(place, _)| *place);
        let more: Vec<_> = more.into_iter().map(|(_, s)| s).collect();
        let (got, refused) = anomalies_of(&mut stage(settings()), &records(&more));
        prop_assert_eq!(got, want);
        prop_assert_eq!(refused.len(), doubled.len());
        prop_assert!(refused.iter().all(|r| matches!(r, RejectReason::Duplicate | RejectReason::Late)));
    }

    #[test]
    fn one_record_dated_ten_years_ahead_moves_nothing(wild in wild(), at in any::<prop::sample::Index>(), series in 0_usize..3) {
        let samples = samples(&wild);
        let whole = records(&samples);
        let (want, _) = anomalies_of(&mut stage(settings()), &whole);
        let place = at.index(samples.len());
        let now = samples[place].0;
        let ahead = now + 10 * 365 * 86_400;
        let mut with = whole.clone();
        let row = (key("m", "", SERIES[series]), ahead, Reading::Gauge(1e9));
        with.insert(place, record(9_999, now, &[row]));
        let (got, refused) = anomalies_of(&mut stage(settings()), &with);
        prop_assert_eq!(got, want);
        prop_assert_eq!(refused, [RejectReason::Future]);
    }

    #[test]
    fn how_two_sources_interleave_changes_nothing(wild in wild(), turns in proptest::collection::vec(any::<bool>(), 700)) {
        // Each source partition is in order by itself; which of the two is read further is chance.
        let samples = samples(&wild);
        let mut by_source: [Vec<SamplesRecord>; 2] = Default::default();
        for (i, (at, series, value)) in samples.iter().enumerate() {
            let place = (i / 2) % 2;
            let offset = i64::try_from(by_source[place].len()).unwrap();
            let mut one = record(offset, *at, &[(key("m", "", SERIES[*series]), *at, Reading::Gauge(*value))]);
            one.origin.partition = i32::try_from(place).unwrap();
            by_source[place].push(one);
        }
        let run = |turns: &mut dyn Iterator<Item = bool>| {
            anomalies_of(&mut stage(settings()), &rekeyed(&by_source, turns))
        };
        let want = run(&mut (0..700).map(|i| i % 2 == 1));
        let got = run(&mut turns.iter().copied());
        prop_assert!(got.1.is_empty(), "{:?}", got.1);
        prop_assert_eq!(got, want);
    }

    #[test]
    fn a_source_whose_clock_is_wrong_changes_nothing_for_the_others(wild in wild(), skew in -7_200_i64..280, turns in proptest::collection::vec(any::<bool>(), 700)) {
        let samples = samples(&wild);
        let (want, _) = anomalies_of(&mut stage(settings()), &records(&samples));
        // What it measures is wild; it holds the others up, or is held up, and that is all.
        let mut skewed = Vec::new();
        for (offset, (at, _, value)) in (0_i64..).zip(&samples) {
            let row = (key("skewed", "", "z"), at + skew, Reading::Gauge(*value * f64::from(1 + u8::from(offset % 40 > 30) * 9)));
            let mut one = record(offset, *at, &[row]);
            one.origin.partition = 1;
            skewed.push(one);
        }
        let input = rekeyed(&[records(&samples), skewed], &mut turns.iter().copied());
        let (mut got, refused) = anomalies_of(&mut stage(settings()), &input);
        got.retain(|anomaly| &*anomaly.series.metric == "m");
        prop_assert!(refused.is_empty(), "{refused:?}");
        prop_assert_eq!(got, want);
    }

    #[test]
    fn the_watermark_is_that_of_a_naive_count(marks in proptest::collection::vec((0_i32..4, 0_i64..1_000, proptest::bool::weighted(0.2)), 1..80), lateness in 0_u64..60) {
        let mut sources = Sources::default();
        let mut known: BTreeMap<i32, (i64, bool)> = BTreeMap::new();
        let mut highest = i64::MIN;
        for (partition, newest, idle) in marks {
            let source = SourcePartition { topic: Arc::from("t"), partition };
            let pulse = idle.then(|| SourcePulse {
                caught_up: true,
                silent_until: Some(EventTime::MAX),
                topics: Vec::new(),
            });
            let newest_read = Some(EventTime::from_secs(newest));
            sources.mark(&SourceMark { source, newest: newest_read, pulse }, EventTime::from_secs(0));
            sources.advance(std::time::Duration::from_secs(lateness));
            let mark = known.entry(partition).or_insert((newest, idle));
            *mark = (mark.0.max(newest), idle);
            let live = known.values().filter(|m| !m.1).map(|m| m.0).min();
            let at = live.or(known.values().map(|m| m.0).max()).unwrap();
            highest = highest.max(at - i64::try_from(lateness).unwrap());
            prop_assert_eq!(sources.watermark().time(), EventTime::from_secs(highest));
        }
    }

    #[test]
    fn the_windows_slope_and_interval_are_those_of_a_naive_count(steps in proptest::collection::vec((1_u32..60, -50.0_f64..50.0), 2..120), since in any::<prop::sample::Index>()) {
        use forecall_detect::recent::{RECENT_LEN, Recent, kept as as_kept};
        let (mut recent, mut all, mut at) = (Recent::default(), Vec::new(), 0_i64);
        for (step, value) in &steps {
            let before = all.last().map(|(t, _)| EventTime::from_secs(*t));
            at += i64::from(*step);
            recent.push(as_kept(*value), EventTime::from_secs(at), before);
            all.push((at, f64::from(as_kept(*value))));
        }
        let kept = &all[all.len().saturating_sub(RECENT_LEN)..];
        let from = kept[since.index(kept.len())].0;
        let part: Vec<(f64, f64)> = kept.iter().filter(|(t, _)| *t >= from)
            .map(|(t, v)| (f64::from(i32::try_from(t - kept[0].0).unwrap()), *v)).collect();
        let n = f64::from(u32::try_from(part.len()).unwrap());
        let (mean_t, mean_v) = (part.iter().map(|p| p.0).sum::<f64>() / n, part.iter().map(|p| p.1).sum::<f64>() / n);
        let over: f64 = part.iter().map(|p| (p.0 - mean_t) * (p.1 - mean_v)).sum();
        let under: f64 = part.iter().map(|p| (p.0 - mean_t) * (p.0 - mean_t)).sum();
        let naive = if under > 0.0 { over / under } else { 0.0 };
        let values: Vec<f64> = recent.values().rev().map(f64::from).collect();
        let origin = EventTime::from_secs(kept[0].0);
        let points: Vec<(f64, f64)> = recent.times(EventTime::from_secs(at)).zip(values)
            .filter(|(t, _)| *t >= EventTime::from_secs(from)).map(|(t, v)| (t.seconds_from(origin), v)).collect();
        let slope = forecall_stats::slope(points.into_iter());
        prop_assert!((slope - naive).abs() <= 1e-9 * (1.0 + naive.abs()) * 1e3, "{slope} {naive}");
        let last = kept.len() - 1;
        let mean = f64::from(i32::try_from(kept[last].0 - kept[0].0).unwrap()) / f64::from(u32::try_from(last).unwrap());
        prop_assert!((recent.interval_seconds() - mean).abs() < 1e-9);
    }
}

/// The properties above try something only where anomalies are found at all.
#[test]
fn a_wild_run_has_anomalies() {
    let wild: Vec<bool> = [vec![false; 120], vec![true; 24], vec![false; 90]].concat();
    let (found, _) = anomalies_of(&mut stage(settings()), &records(&samples(&wild)));
    assert!(found.len() >= 3, "{}", found.len());
}
