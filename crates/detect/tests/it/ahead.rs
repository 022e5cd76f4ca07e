//! Where a series goes from here, as its detector tells it.

use forecall_detect::policy::Origin;
use forecall_detect::rate::Part;
use forecall_detect::{DetectOutput, DetectSettings, Detector};
use forecall_types::{Ahead, AnomalyState, EventTime, Reading};
use proptest::prelude::*;

use super::{anomalies, key, noise, record, run, source, stage};

const START: i64 = 1_704_067_200;

fn second(i: u32, pace: i64) -> EventTime {
    EventTime::from_secs(START + i64::from(i) * pace)
}

/// A detector that has seen these values, and when the last came.
fn taught(metric: &str, unit: &str, values: impl Iterator<Item = (EventTime, f64)>) -> (Detector, EventTime) {
    let (settings, source) = (DetectSettings::default(), source(0));
    let mut detector = Detector::new(metric, unit, Part::Same);
    let mut before = None;
    for (offset, (at, value)) in (0..).zip(values) {
        detector.step((at, before), value, Origin::Record(&source, offset), &settings);
        before = Some(at);
    }
    (detector, before.unwrap_or_default())
}

fn forecast(
    metric: &str,
    unit: &str,
    values: impl Iterator<Item = (EventTime, f64)>,
    minutes: &[i64],
) -> Vec<Ahead> {
    let settings = DetectSettings::default();
    let (detector, last) = taught(metric, unit, values);
    let forecast = detector.forecast(last, unit, &settings).unwrap();
    let at = |minutes: &i64| EventTime::from_secs(last.secs() + 60 * minutes);
    minutes.iter().map(|m| forecast.at(at(m))).collect()
}

#[test]
fn what_never_moved_stays_within_its_least_scale() {
    for level in [0.0, 45.0, 1e6] {
        for ahead in forecast("m", "", (0..300).map(|i| (second(i, 60), level)), &[0, 5, 60]) {
            assert!((ahead.expected - level).abs() <= 1e-5 * level + 1e-9, "{ahead:?}");
            let floor = 1e-6 * level + 1e-9;
            // Nothing lies below 0 here.
            let width = if level > 0.0 { 2.0 * floor } else { floor };
            assert!(ahead.upper - ahead.lower >= 0.9 * width, "{ahead:?}");
        }
    }
}

#[test]
fn a_leak_is_seen_hours_long_though_the_last_values_span_minutes() {
    let values = |i: u32| {
        let usual = 0.5 + 0.01 * noise(u64::from(i));
        usual
            + if i >= 9_000 {
                f64::from(i - 9_000) * 0.4 / 1_080.0
            } else {
                0.0
            }
    };
    // Ten seconds apart: the leak takes three hours to 0.9, and two are over.
    let ahead = forecast(
        "memory.utilization",
        "1",
        (0..9_720).map(|i| (second(i, 10), values(i))),
        &[0, 30, 60],
    );
    assert!((ahead[0].expected - 0.767).abs() < 0.01, "{ahead:?}");
    assert!((ahead[1].expected - 0.833).abs() < 0.03, "{ahead:?}");
    assert!(ahead[2].lower < 0.9 && ahead[2].upper > 0.9, "{ahead:?}");
}

#[test]
fn the_day_goes_on_as_on_other_days() {
    let wave = |i: u32| {
        100.0 + 40.0 * libm::sin(f64::from(i % 288) / 288.0 * std::f64::consts::TAU) + noise(u64::from(i))
    };
    let (mut own, mut last) = (0.0, 0.0);
    for cut in (0..24).map(|hour| 288 * 8 + hour * 12) {
        let then = wave(cut - 1 + 12);
        let ahead = forecast("m", "", (0..cut).map(|i| (second(i, 300), wave(i))), &[60]);
        own += (ahead[0].expected - then).abs();
        last += (wave(cut - 1) - then).abs();
    }
    assert!(own < 0.35 * last, "{own} {last}");
}

#[test]
fn a_share_stays_a_share_and_counts_stay_counts() {
    let full = |i: u32| (0.9 + f64::from(i.saturating_sub(900)) * 0.001).min(1.0);
    let ahead = forecast(
        "disk.utilization",
        "1",
        (0..990).map(|i| (second(i, 60), full(i))),
        &[5, 60],
    );
    assert!(
        ahead.iter().all(|a| a.upper <= 1.0 && a.expected <= 1.0),
        "{ahead:?}"
    );
    let falling =
        |i: u32| (200.0 - f64::from(i.saturating_sub(900)) * 2.0).max(0.0) + noise(u64::from(i)).abs();
    let ahead = forecast(
        "requests",
        "",
        (0..985).map(|i| (second(i, 60), falling(i))),
        &[5, 60],
    );
    assert!(ahead.iter().all(|a| a.lower >= 0.0), "{ahead:?}");
    let cold = forecast(
        "t",
        "Cel",
        (0..300).map(|i| (second(i, 60), 1.0 + noise(u64::from(i)))),
        &[60],
    );
    assert!(cold[0].lower < 0.5, "degrees may fall below zero: {cold:?}");
}

#[test]
fn a_series_of_few_samples_tells_nothing() {
    let settings = DetectSettings::default();
    let (detector, last) = taught("m", "", (0..7).map(|i| (second(i, 60), 1.0)));
    assert!(detector.forecast(last, "", &settings).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn gaps_and_wild_values_leave_an_ordered_band(
        values in proptest::collection::vec((prop::sample::select(vec![1_i64, 10, 11, 60, 3_600, 400_000]), prop::sample::select(vec![0.0, 1.0, -1.0, 1e-12, 1e12, f64::MAX, f64::MIN]), -1.0_f64..1.0), 8..120),
    ) {
        let mut at = START;
        let values: Vec<(EventTime, f64)> = values.iter().map(|(gap, value, more)| { at += gap; (EventTime::from_secs(at), value + more) }).collect();
        for ahead in forecast("m", "", values.into_iter(), &[0, 5, 15, 30, 60, 100_000]) {
            prop_assert!(ahead.lower.is_finite() && ahead.upper.is_finite(), "{ahead:?}");
            prop_assert!(ahead.lower <= ahead.expected && ahead.expected <= ahead.upper, "{ahead:?}");
        }
    }
}

#[test]
fn an_anomaly_tells_it_until_it_is_closed_and_a_replay_with_each_sample() {
    let settings = |spans: &[u32]| DetectSettings {
        emit_scores: true,
        emit_ahead_seconds: spans.to_vec(),
        ..DetectSettings::default()
    };
    let value = |i: i64| {
        20.0 + noise(u64::try_from(i).unwrap())
            + if (400..440).contains(&i) {
                5.0 * f64::from(u32::try_from(i - 399).unwrap())
            } else {
                0.0
            }
    };
    let records: Vec<_> = (0..600)
        .map(|i| {
            record(
                i,
                i * 60,
                &[(key("m", "", "a"), i * 60, Reading::Gauge(value(i)))],
            )
        })
        .collect();
    let (outputs, _) = run(&mut stage(settings(&[300, 3_600])), &records);
    let told = anomalies(&outputs);
    assert!(told.iter().any(|a| a.state == AnomalyState::Closed));
    for a in &told {
        if a.state == AnomalyState::Closed {
            assert!(a.ahead.is_empty());
            continue;
        }
        let minutes: Vec<f64> = a
            .ahead
            .iter()
            .map(|ahead| ahead.at.seconds_from(a.at) / 60.0)
            .collect();
        assert_eq!(minutes, [0.0, 5.0, 15.0, 30.0, 60.0]);
    }
    let scored = |outputs: &[DetectOutput]| -> Vec<Vec<Ahead>> {
        outputs
            .iter()
            .filter_map(|o| match o {
                DetectOutput::Scored(s) => Some(s.ahead.to_vec()),
                DetectOutput::Anomaly(_) | DetectOutput::Heartbeat(_) | DetectOutput::Summary(_) => None,
            })
            .collect()
    };
    let all = scored(&outputs);
    assert_eq!(all.len(), 599, "the last one still waits");
    assert!(all[..7].iter().all(Vec::is_empty) && all[10..].iter().all(|ahead| ahead.len() == 2));
    assert_eq!(all[100][1].at, EventTime::from_secs(100 * 60 + 3_600));
    let (part, _) = run(&mut stage(settings(&[300, 3_600])), &records[..420]);
    assert_eq!(all[..419], scored(&part), "what comes later changes nothing");
    let (plain, _) = run(&mut stage(settings(&[])), &records);
    assert!(scored(&plain).iter().all(Vec::is_empty));
}
