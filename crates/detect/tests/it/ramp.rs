use forecall_detect::DetectSettings;
use forecall_types::{AnomalyState, Channel, Direction, Reading, SamplesRecord};

use super::{anomalies, key, noise, record, run, stage};

const CADENCE: i64 = 30;

fn series(metric: &str, unit: &str, samples: u32, value: impl Fn(u32) -> f64) -> Vec<SamplesRecord> {
    let key = key(metric, unit, "internet");
    (0..samples)
        .map(|i| {
            let at = i64::from(i) * CADENCE;
            record(i64::from(i), at, &[(key.clone(), at, Reading::Gauge(value(i)))])
        })
        .collect()
}

/// A ramp of 20 minutes after `before` samples, then 10 minutes on top, then normal again.
fn ramp(from: f64, to: f64, before: u32, seed: u64) -> impl Fn(u32) -> f64 {
    move |i| {
        let share = if i >= before + 60 {
            0.0
        } else {
            f64::from(i.saturating_sub(before)) / 40.0
        };
        (from + (to - from) * share.min(1.0)) * (1.0 + 0.15 * noise(seed * 100_000 + u64::from(i)))
    }
}

#[test]
fn a_creeping_fault_is_told_in_its_first_third() {
    for (metric, unit, from, to) in [
        ("network.latency", "ms", 40.0, 400.0),
        ("network.packet.loss", "%", 0.1, 6.0),
        ("network.packet.loss", "1", 0.001, 0.06),
    ] {
        for (hours, seed) in [(1, 1), (3, 2), (10, 3), (30, 4)] {
            let before = hours * 120;
            let records = series(metric, unit, before + 120, ramp(from, to, before, seed));
            let (outputs, _) = run(&mut stage(DetectSettings::default()), &records);
            let told = anomalies(&outputs);
            let opened: Vec<_> = told.iter().filter(|a| a.state == AnomalyState::Opened).collect();
            assert_eq!(opened.len(), 1, "{metric} {unit} after {hours} h: {opened:#?}");
            let sample = opened[0].at.secs() / CADENCE - i64::from(before);
            assert!(
                (1..=13).contains(&sample),
                "{metric} {unit} after {hours} h: at sample {sample} of 40"
            );
            assert_eq!(opened[0].direction, Direction::Up);
            assert!(opened[0].slope > 0.0 && opened[0].observed > opened[0].band.high);
            assert_eq!(opened[0].lineage.records(), u64::from(opened[0].samples));
            let last = told.last().unwrap();
            assert_eq!(
                last.state,
                AnomalyState::Closed,
                "{metric} {unit} after {hours} h"
            );
            assert!(
                told.windows(2)
                    .all(|w| w[0].id == w[1].id && w[0].revision + 1 == w[1].revision)
            );
        }
    }
}

#[test]
fn noise_a_day_and_a_constant_open_nothing() {
    let day = |amplitude: f64| {
        move |i: u32| {
            let phase = f64::from(i) * 30.0 / 86_400.0 * std::f64::consts::TAU;
            100.0 * (1.0 + amplitude * libm_sin(phase)) * (1.0 + 0.05 * noise(u64::from(i)))
        }
    };
    let samples = 3 * 2_880;
    for records in [
        series("m", "", samples, |_| 5.0),
        series("m", "", samples, |i| 5.0 + 0.01 * noise(u64::from(i))),
        series("m", "", samples, day(0.0)),
        series("m", "", samples, day(0.5)),
        // A constant that wobbles by less than a tenth.
        series("m", "", samples, |i| if i % 1_000 < 10 { 5.3 } else { 5.0 }),
    ] {
        let (outputs, _) = run(&mut stage(DetectSettings::default()), &records);
        assert!(anomalies(&outputs).is_empty(), "{:#?}", anomalies(&outputs));
    }
}

#[test]
fn what_stays_becomes_the_new_normal() {
    const DAYS: u32 = 2 * 2_880;
    // A step that stays, after two days: told, closed after eight hours, and the old level is then the unusual one. On its first
    // day a series may go back untold: how far it moves by itself isn't known yet.
    let records = series("m", "", DAYS + 2_300, |i| {
        let level = if (DAYS + 600..DAYS + 1_800).contains(&i) {
            200.0
        } else {
            100.0
        };
        level * (1.0 + 0.03 * noise(u64::from(i)))
    });
    let (outputs, _) = run(&mut stage(DetectSettings::default()), &records);
    let told: Vec<_> = anomalies(&outputs)
        .into_iter()
        .filter(|a| a.state != AnomalyState::Updated)
        .map(|a| (a.state, a.direction, a.at.secs() / CADENCE - i64::from(DAYS)))
        .collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(
        told[0].2 <= 602 && (1_558..=1_565).contains(&told[1].2),
        "{told:?}"
    );
    assert_eq!((told[2].0, told[2].1), (AnomalyState::Opened, Direction::Down));
    assert!((1_800..=1_802).contains(&told[2].2), "{told:?}");
}

#[test]
fn only_the_bad_way_is_told() {
    let fall = |i: u32| if i < 300 { 40.0 + noise(u64::from(i)) } else { 4.0 };
    let (outputs, _) = run(
        &mut stage(DetectSettings::default()),
        &series("network.latency", "ms", 400, fall),
    );
    assert!(anomalies(&outputs).is_empty());
    let (outputs, _) = run(
        &mut stage(DetectSettings::default()),
        &series("net.throughput", "By/s", 400, fall),
    );
    assert_eq!(anomalies(&outputs)[0].direction, Direction::Down);
}

#[test]
fn a_slow_drift_is_the_shift_channels() {
    // Two days as usual, then a drift of 60 % over twelve hours: each sample is near the last ones, the level isn't.
    let records = series("m", "", 3 * 2_880, |i| {
        let drift = 0.6 * (f64::from(i.saturating_sub(5_760)) / 1_440.0).min(1.0);
        100.0 * (1.0 + drift) * (1.0 + 0.05 * noise(u64::from(i)))
    });
    let (outputs, _) = run(&mut stage(DetectSettings::default()), &records);
    let first = anomalies(&outputs)[0];
    assert_eq!((first.channel, first.direction), (Channel::Shift, Direction::Up));
    assert!((5_760..7_200).contains(&(first.at.secs() / CADENCE)));
}

/// A sine of an angle, good to 1e-6: the tests need no library for it.
fn libm_sin(angle: f64) -> f64 {
    let x = angle.rem_euclid(std::f64::consts::TAU) - std::f64::consts::PI;
    let (mut term, mut sum) = (x, x);
    for n in 1..12 {
        let n = f64::from(2 * n);
        term *= -x * x / (n * (n + 1.0));
        sum += term;
    }
    -sum
}
