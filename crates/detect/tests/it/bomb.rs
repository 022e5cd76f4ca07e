//! A flood of names: bounded, and no live series pays for it.

use forecall_detect::DetectSettings;
use forecall_stage::{Effects, Stage};
use forecall_types::{Reading, RejectReason};

use super::{anomalies, key, noise, record, stage};

const LIVE: i64 = 40;
const MAX: u32 = 64;

#[test]
fn a_flood_of_names_takes_no_live_series_place() {
    let mut stage = stage(DetectSettings {
        series_max: MAX,
        series_idle_seconds: 3_600,
        ..DetectSettings::default()
    });
    let mut effects = Effects::default();
    let (mut offset, mut refused) = (0, 0);
    let mut step = |stage: &mut forecall_detect::DetectStage, rows: &[_], at, effects: &mut Effects<_>| {
        stage.step(&record(offset, at, rows), effects);
        offset += 1;
    };
    for round in 0..400_i64 {
        let at = 1_000 + 10 * round;
        let live: Vec<_> = (0..LIVE)
            .map(|i| {
                // One of them goes wrong in the middle of the flood.
                let level = if i == 7 && round > 300 { 90.0 } else { 10.0 };
                let value = level + noise((i * 1_000 + round).unsigned_abs());
                (key("m", "", &format!("live-{i}")), at, Reading::Gauge(value))
            })
            .collect();
        step(&mut stage, &live, at, &mut effects);
        assert!(
            effects.rejects().is_empty(),
            "a live series was refused: {:?}",
            effects.rejects()
        );
        if round >= 100 {
            let flood: Vec<_> = (0..200)
                .map(|i| {
                    (
                        key("m", "", &format!("bomb-{round}-{i}")),
                        at,
                        Reading::Gauge(1.0),
                    )
                })
                .collect();
            let before = effects.rejects().len();
            step(&mut stage, &flood, at, &mut effects);
            assert!(
                effects.rejects()[before..]
                    .iter()
                    .all(|r| r.reason == RejectReason::SeriesLimit)
            );
            refused += effects.rejects().len() - before;
            let told: Vec<_> = effects.drain().0.collect();
            let told = anomalies(&told).len();
            assert!(told == 0 || round > 300);
        }
        assert!(stage.series() <= usize::try_from(MAX).unwrap());
    }
    // Ten minutes after they were last seen the first of the flood give way to later ones, again and again.
    assert!(
        stage.evicted() > 24 && stage.evicted() < 24 * 6,
        "{}",
        stage.evicted()
    );
    assert_eq!(
        u64::try_from(refused).unwrap(),
        300 * 200 - 24 - stage.evicted(),
        "every name of the flood is either held or counted"
    );
    // What was saved goes on the same.
    let saved = stage.save().unwrap();
    let settings = std::sync::Arc::new(DetectSettings {
        series_max: MAX,
        series_idle_seconds: 3_600,
        ..DetectSettings::default()
    });
    let mut again = forecall_detect::DetectStage::load(settings, &saved).unwrap();
    let rows = [
        (key("m", "", "live-3"), 6_000, Reading::Gauge(10.0)),
        (key("m", "", "new"), 6_000, Reading::Gauge(1.0)),
    ];
    let mut other = Effects::default();
    step(&mut stage, &rows, 6_000, &mut effects);
    again.step(&record(offset - 1, 6_000, &rows), &mut other);
    assert_eq!(again.save().unwrap(), stage.save().unwrap());
}

#[test]
fn a_series_idle_for_long_makes_room() {
    let mut stage = stage(DetectSettings {
        series_max: 2,
        series_idle_seconds: 600,
        ..DetectSettings::default()
    });
    let mut effects = Effects::default();
    for i in 0..200_i64 {
        let at = 10 * i;
        let name = match i {
            0..60 => "a",
            60..120 => "b",
            _ => "c",
        };
        stage.step(
            &record(i, at, &[(key("m", "", name), at, Reading::Gauge(1.0))]),
            &mut effects,
        );
    }
    // `c` came when `a` had been silent for ten minutes; until then it was refused.
    assert_eq!(stage.evicted(), 1);
    assert!(
        !effects.rejects().is_empty() && effects.rejects().len() < 5,
        "{:?}",
        effects.rejects()
    );
}

#[test]
fn a_name_seen_once_costs_no_detector() {
    let size = |samples: i64| {
        let mut stage = stage(DetectSettings::default());
        let mut effects = Effects::default();
        for name in 0..200 {
            for n in 0..samples {
                let row = (key("m", "", &format!("bomb-{name}")), 10 * n, Reading::Gauge(1.0));
                stage.step(&record(name * samples + n, 10 * n, &[row]), &mut effects);
            }
        }
        stage.flush(&mut effects);
        stage.save().unwrap().len()
    };
    let (once, twice) = (size(1), size(2));
    assert!(twice - once > 200 * 100, "{once} bytes, {twice} bytes");
}
