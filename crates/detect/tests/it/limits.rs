//! Series on their way to a declared limit, told while their values are usual.

use forecall_detect::{DetectSettings, LIMITS_MAX, LimitEntry};
use forecall_types::{AnomalyState, Channel, Direction, Reading, SamplesRecord};

use super::{anomalies, key, noise, record, run, stage};

const PACE: i64 = 60;
/// Two days that go up and down between 0.3 and 0.7, at no hour of their own.
const BEFORE: i64 = 2_880;

fn with(limit: Option<LimitEntry>) -> DetectSettings {
    DetectSettings {
        limits: limit.map(|limit| vec![limit]),
        ..DetectSettings::default()
    }
}

fn above(limit: f64) -> LimitEntry {
    LimitEntry::above("memory.*", limit)
}

/// Up and down, then a way of so much a minute.
fn memory(pace: f64, minutes: i64) -> Vec<SamplesRecord> {
    let key = key("memory.utilization", "1", "internet");
    (0..BEFORE + minutes)
        .map(|i| {
            let gone = (i - BEFORE).max(0);
            let minute = |i: i64| f64::from(i32::try_from(i).unwrap());
            let swing = 0.2 * libm::sin(minute(i) / 107.0 * std::f64::consts::TAU);
            let usual = if gone > 0 { 0.0 } else { swing };
            let value = 0.5 + usual + pace * minute(gone) + 0.005 * noise(i.unsigned_abs());
            let at = i * PACE;
            record(i, at, &[(key.clone(), at, Reading::Gauge(value))])
        })
        .collect()
}

/// Minutes on the way, and the channel, of what opened on it.
fn opened(limit: Option<LimitEntry>, records: &[SamplesRecord]) -> Vec<(i64, Channel, Direction)> {
    let (outputs, _) = run(&mut stage(with(limit)), records);
    anomalies(&outputs)
        .into_iter()
        .filter(|a| a.state == AnomalyState::Opened && a.at.secs() >= BEFORE * PACE)
        .map(|a| (a.at.secs() / PACE - BEFORE, a.channel, a.direction))
        .collect()
}

#[test]
fn a_leak_is_told_by_its_limit_while_its_values_are_usual() {
    // From 0.5 to 0.95 in an hour and a half: at 0.7 after forty minutes, where it often was.
    let leak = memory(0.005, 85);
    let without = opened(None, &leak);
    let with = opened(Some(above(0.95)), &leak);
    let (minute, channel, direction) = with[0];
    assert_eq!((channel, direction), (Channel::Limit, Direction::Up), "{with:?}");
    assert!(
        (30..=50).contains(&minute),
        "within the hour before, not later: {with:?}"
    );
    assert!(
        without.first().is_none_or(|(late, ..)| *late > minute + 5),
        "{without:?} {with:?}"
    );
    assert_eq!(with.len(), 1, "one series, one anomaly: {with:?}");
}

#[test]
fn nothing_is_told_of_a_limit_that_is_far_off_or_never_reached() {
    assert_eq!(
        opened(Some(above(30.0)), &memory(0.005, 60)),
        opened(None, &memory(0.005, 60))
    );
    let still = memory(0.0, 240);
    assert_eq!(opened(Some(above(0.95)), &still), []);
    // It has lain beyond all the time.
    assert_eq!(opened(Some(above(0.2)), &still), []);
}

#[test]
fn limits_below_are_reached_from_above() {
    let with = opened(Some(LimitEntry::below("memory.*", 0.05)), &memory(-0.005, 85));
    assert!(
        matches!(with.first(), Some((30..=50, Channel::Limit, Direction::Down))),
        "{with:?}"
    );
}

#[test]
fn a_limit_that_can_not_be_is_refused_by_name() {
    let none = LimitEntry {
        above: None,
        ..above(1.0)
    };
    let both = LimitEntry {
        below: Some(1.0),
        ..above(2.0)
    };
    let soon = LimitEntry {
        within_seconds: 5,
        ..above(1.0)
    };
    let sure = LimitEntry {
        chance: 0.99,
        ..above(1.0)
    };
    let nameless = LimitEntry {
        metric: String::new(),
        ..above(1.0)
    };
    for (limit, field) in [
        (none, "above"),
        (both, "above"),
        (above(f64::NAN), "above"),
        (soon, "within_seconds"),
        (sure, "chance"),
        (nameless, "metric"),
    ] {
        let error = with(Some(limit)).check().unwrap_err();
        assert_eq!(error.path, format!("limits.0.{field}"), "{error:?}");
    }
    let many = DetectSettings {
        limits: Some(vec![above(1.0); LIMITS_MAX + 1]),
        ..DetectSettings::default()
    };
    assert_eq!(many.check().unwrap_err().path, "limits");
}

#[test]
fn a_line_without_noise_is_told_when_it_arrives_within_the_span() {
    // A certificate of a day: nothing about it is unusual, and its end is known to the second.
    let key = key("memory.certificate", "s", "internet");
    let records: Vec<SamplesRecord> = (0..1_440)
        .map(|i| {
            let at = i * PACE;
            let left = f64::from(i32::try_from(86_400 - at).unwrap());
            record(i, at, &[(key.clone(), at, Reading::Gauge(left))])
        })
        .collect();
    let (outputs, _) = run(
        &mut stage(with(Some(LimitEntry::below("memory.*", 0.0)))),
        &records,
    );
    let opened = anomalies(&outputs);
    let opened = opened.iter().find(|a| a.channel == Channel::Limit).unwrap();
    let left = 1_440 - opened.at.secs() / PACE;
    assert!((55..=62).contains(&left), "{left} minutes before");
    let end = opened.ahead.last().unwrap();
    assert!(
        (end.expected - (60.0 * f64::from(i32::try_from(left).unwrap()) - 3_600.0)).abs() < 300.0,
        "{end:?}"
    );
}
