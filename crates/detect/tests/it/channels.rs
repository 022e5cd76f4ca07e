use std::sync::Arc;

use forecall_detect::channel::Season;
use forecall_detect::policy::{Change, Origin};
use forecall_detect::rate::Part;
use forecall_detect::{DetectSettings, Detector, Judgement};
use forecall_types::{Anomaly, Channel, ChannelScore, DomainName, EventTime, SourcePartition};
use proptest::prelude::*;

use super::{key, noise};

const PACE: i64 = 300;

/// What is said of each value, one every five minutes from a Monday on, and where an anomaly was opened.
fn run(values: impl Iterator<Item = f64>) -> Vec<(Judgement, bool)> {
    run_at(PACE, "m", values)
}

/// As that, of a metric with a value every so many seconds.
fn run_at(pace: i64, metric: &str, values: impl Iterator<Item = f64>) -> Vec<(Judgement, bool)> {
    let settings = DetectSettings {
        emit_scores: true,
        ..DetectSettings::default()
    };
    let source = SourcePartition {
        topic: Arc::from("t"),
        partition: 0,
    };
    let mut detector = Detector::new(metric, "", Part::Same);
    let mut before = None;
    (0_i64..)
        .zip(values)
        .map(|(i, value)| {
            let at = EventTime::from_secs(1_704_067_200 + i * pace);
            let origin = Origin::Record(&source, i);
            let (judgement, change) = detector.step((at, before), value, origin, &settings);
            before = Some(at);
            (judgement, change == Some(Change::Opened))
        })
        .collect()
}

proptest! {
    #[test]
    fn what_comes_later_changes_nothing_said_before(values in proptest::collection::vec((0_u16..100, 0_u8..30), 50..900), cut in any::<prop::sample::Index>()) {
        let values: Vec<f64> = values.iter().map(|(v, wild)| if *wild == 0 { f64::from(*v) * 50.0 } else { f64::from(*v) }).collect();
        let cut = cut.index(values.len());
        let whole = run(values.iter().copied());
        prop_assert_eq!(&whole[..cut], &run(values.iter().take(cut).copied())[..]);
    }
}

#[test]
fn a_night_like_a_day_is_the_seasons() {
    // Four working days as usual, then a night in which the load stays up: no value and no level that was not there before.
    let load = |i: u32| {
        if i >= 4 * 288 + 144 || i % 288 < 144 {
            80.0
        } else {
            20.0
        }
    };
    let said = run((0..5 * 288 - 60).map(|i| load(i) + 3.0 * noise(u64::from(i))));
    let night = &said[4 * 288 + 144..];
    let first = night.iter().position(|(_, opened)| *opened);
    assert!(first.is_some_and(|sample| sample < 36), "{first:?}");
    let (judgement, _) = night[first.unwrap()];
    assert_eq!(judgement.channel, Channel::Season);
    assert!(
        judgement.voices.season > judgement.voices.shift + 1.0,
        "{judgement:?}"
    );
}

#[test]
fn what_lies_beyond_all_that_was_seen_is_new() {
    let said = run((0..1_000).map(|i| if i == 999 { 400.0 } else { 50.0 + 50.0 * noise(i) }));
    let (judgement, _) = said[999];
    assert!(judgement.voices.novelty > 2.5, "{judgement:?}");
    assert!(said[500..999].iter().all(|(j, _)| j.voices.novelty < 2.5));
}

/// Traffic falls to a third each night and comes back each day; whenever a series begins, its first night is none of ours.
#[test]
fn a_first_day_is_no_anomaly() {
    for (metric, start) in [0_u32, 6, 12, 18]
        .into_iter()
        .flat_map(|h| [("access.throughput", h), ("m", h)])
    {
        let values = (0..2_880_u32).map(|i| {
            let hour = f64::from(start) + f64::from(i) / 120.0;
            let wave = 6_000.0 + 3_000.0 * libm::cos(std::f64::consts::TAU * (hour - 20.0) / 24.0);
            wave * (1.0 + 0.02 * (noise(u64::from(i + 7_000 * start)) + noise(u64::from(i) + 90_000)))
        });
        let said = run_at(30, metric, values);
        let opened: Vec<usize> = (0..said.len()).filter(|i| said[*i].1).collect();
        assert!(
            opened.is_empty(),
            "{metric} from {start}: {opened:?} {:?}",
            said[opened[0]].0
        );
    }
}

/// Anomalies told of values five minutes apart, each with what the channels said of its sample.
fn told(values: impl Iterator<Item = f64>) -> Vec<(Anomaly, Box<[ChannelScore]>)> {
    let settings = DetectSettings::default();
    let source = SourcePartition {
        topic: Arc::from("t"),
        partition: 0,
    };
    let (domain, series) = (DomainName::new("d").unwrap(), Arc::new(key("m", "", "internet")));
    let (mut detector, mut before, mut told) = (Detector::new("m", "", Part::Same), None, Vec::new());
    for (i, value) in (0_i64..).zip(values) {
        let at = EventTime::from_secs(1_704_067_200 + i * PACE);
        let said = detector.explain(at, value, &settings);
        let origin = Origin::Record(&source, i);
        let (judgement, change) = detector.step((at, before), value, origin, &settings);
        before = Some(at);
        let of = (&domain, Arc::clone(&series));
        let anomaly = change.and_then(|c| detector.anomaly(&c, (at, at), value, &judgement, of, &settings));
        told.extend(anomaly.map(|anomaly| (anomaly, said)));
    }
    told
}

#[test]
fn an_anomaly_tells_what_is_normal_to_its_channel() {
    let night = |i: u32| {
        let load = if i >= 4 * 288 + 144 || i % 288 < 144 {
            80.0
        } else {
            20.0
        };
        load + 3.0 * noise(u64::from(i))
    };
    let drift = |i: u32| {
        let share = (f64::from(i.saturating_sub(1_000)) / 300.0).min(1.0);
        100.0 * (1.0 + 0.6 * share) * (1.0 + 0.05 * noise(u64::from(i)))
    };
    let single = |i: u32| 50.0 + 5.0 * noise(u64::from(i)) + if i == 900 { 60.0 } else { 0.0 };
    // Busy now and then, and once more than ever.
    let bursts = |i: u32| {
        let is_busy = i % 20 < 3 && noise(u64::from(i / 20) + 5_000) > 0.0;
        let busy = if is_busy {
            30.0 + 20.0 * noise(u64::from(i) + 9_000)
        } else {
            0.0
        };
        let most = (2_000..2_003).contains(&i);
        2.0 + noise(u64::from(i)) + if most { 100.0 } else { busy }
    };
    let mut opened = Vec::new();
    let series: [(u32, &dyn Fn(u32) -> f64); 4] = [
        (1_380, &night),
        (1_800, &drift),
        (1_100, &single),
        (2_100, &bursts),
    ];
    for (samples, values) in series {
        let told = told((0..samples).map(values));
        for (anomaly, said) in &told {
            let of = |channel| said.iter().find(|s: &&ChannelScore| s.channel == channel);
            // A season that has ceased to tell anything leaves the word to the one that speaks.
            let Some(said) = of(anomaly.channel) else { continue };
            assert_eq!(
                (anomaly.expected, anomaly.band),
                (said.expected, said.band),
                "{anomaly:?}"
            );
            opened.push(anomaly.channel);
        }
        assert!(!told.is_empty());
    }
    for channel in [Channel::Spike, Channel::Shift, Channel::Season, Channel::Novelty] {
        assert!(opened.contains(&channel), "{channel:?} opened none: {opened:?}");
    }
}

#[test]
fn a_profile_of_the_day_is_small() {
    assert!(size_of::<Season>() <= 384, "{}", size_of::<Season>());
}
