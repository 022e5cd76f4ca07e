#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts and times of our own making"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use forecall_stage::encode_state;
use forecall_stats::poisson::NegativeBinomial;
use forecall_types::EventTime;

use super::backtest::{Backtest, History, Horizon, LEVELS, ahead, backtest, score};
use super::baseline::{Baseline, Parameters};
use super::calendar::{Calendar, Zone};
use super::fit::{crps_normal, fit};
use super::table::{TableSettings, Wrong, read_table};

/// 2024-01-01, a Monday.
const START: i64 = 1_704_067_200;
const DAY: i64 = 86_400;

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

/// A made-up queue.
#[derive(Clone, Copy)]
struct World {
    minutes: i64,
    days: i64,
    /// Calls of half an hour at the height of a Monday.
    height: f64,
    /// Days of the week that are shut, Monday 0, and whether the file has zeros for them.
    shut: [bool; 7],
    zeros: bool,
    /// From this day on the level is this many times itself.
    shift: Option<(i64, f64)>,
}

const PLAIN: World = World {
    minutes: 30,
    days: 120,
    height: 80.0,
    shut: [false, false, false, false, false, true, true],
    zeros: false,
    shift: None,
};

impl World {
    fn rate(self, day: i64, slot: i64) -> f64 {
        let hour = (slot as f64 + 0.5) * self.minutes as f64 / 60.0;
        if !(8.0..20.0).contains(&hour) || self.shut[day.rem_euclid(7) as usize] {
            return 0.0;
        }
        let hump = |at: f64, wide: f64| libm::exp(-(hour - at) * (hour - at) / (2.0 * wide * wide));
        let week = [1.2, 1.0, 1.0, 0.95, 0.9, 0.5, 0.4][day.rem_euclid(7) as usize];
        let shift = self
            .shift
            .map_or(1.0, |(from, times)| if day >= from { times } else { 1.0 });
        shift
            * week
            * self.height
            * (self.minutes as f64 / 30.0)
            * (0.3 + 0.7 * hump(10.5, 1.8) + 0.5 * hump(15.5, 2.0))
    }

    fn history(self, seed: u64) -> History {
        let mut dice = Dice(seed);
        let mut counts = Vec::new();
        for day in 0..self.days {
            let factor = 1.0 + 0.06 * (2.0 * dice.next() - 1.0);
            for slot in 0..1440 / self.minutes {
                let rate = self.rate(day, slot) * factor;
                let level = dice.next();
                if rate > 0.0 || self.zeros {
                    let calls = NegativeBinomial::from_moments(rate, 1.2 * rate).quantile(level) as f64;
                    let start = START + day * DAY + slot * 60 * self.minutes;
                    counts.push((EventTime::from_secs(start), calls));
                }
            }
        }
        History::new(self.calendar(), counts)
    }

    fn calendar(self) -> Calendar {
        Calendar::new(Zone::utc(), Duration::from_secs(60 * self.minutes as u64))
    }
}

fn walked(history: &History, horizon: Horizon, test: usize) -> Backtest {
    backtest(history, horizon, test, |_, _| ()).unwrap()
}

#[test]
fn it_beats_what_everybody_can_do_whatever_the_week_looks_like() {
    let fri_sat = [false, false, false, false, true, true, false];
    for (name, world) in [
        ("half hours", PLAIN),
        (
            "hours, Friday and Saturday shut, as zeros",
            World {
                minutes: 60,
                shut: fri_sat,
                zeros: true,
                ..PLAIN
            },
        ),
        (
            "quarters of an hour, always open",
            World {
                minutes: 15,
                shut: [false; 7],
                days: 80,
                ..PLAIN
            },
        ),
        (
            "few calls",
            World {
                height: 5.0,
                shut: [false; 7],
                ..PLAIN
            },
        ),
    ] {
        let history = World {
            days: world.days.min(84),
            ..world
        }
        .history(3);
        for horizon in [Horizon::Next, Horizon::Day, Horizon::Week] {
            let s = score(&walked(&history, horizon, 30));
            let (own, naive, mean) = (
                s.model.wmape.unwrap(),
                s.naive.wmape.unwrap(),
                s.seasonal.wmape.unwrap(),
            );
            assert!(
                own < 0.9 * naive && own < 1.01 * mean,
                "{name} {horizon:?}: {own} {naive} {mean}"
            );
            if !world.zeros {
                assert!(
                    (0.74..0.90).contains(&s.band_80.coverage),
                    "{name} {horizon:?}: {:?}",
                    s.band_80
                );
                assert!(
                    (0.90..0.99).contains(&s.band_95.coverage),
                    "{name} {horizon:?}: {:?}",
                    s.band_95
                );
            }
        }
    }
}

#[test]
fn shut_days_are_learned_from_zeros_and_their_opening_is_not_forecast() {
    let world = World { zeros: true, ..PLAIN };
    let found = walked(&world.history(5), Horizon::Week, 14);
    for forecast in &found.forecasts {
        let place = world.calendar().place(forecast.target);
        if world.shut[usize::from(place.weekday)] {
            assert!(
                forecast.mean < 0.01 && forecast.quantiles[12] < 0.5,
                "{forecast:?}"
            );
        }
    }
    assert!(found.forecasts.iter().any(|f| f.mean > 50.0));
}

#[test]
fn a_new_level_is_found_within_a_week() {
    let history = World {
        shift: Some((100, 1.6)),
        ..PLAIN
    }
    .history(7);
    let found = walked(&history, Horizon::Day, 20);
    let last: Vec<_> = found.forecasts.iter().rev().take(24 * 5).collect();
    let (off, all) = last.iter().fold((0.0, 0.0), |(off, all), f| {
        (off + (f.actual.unwrap() - f.mean).abs(), all + f.actual.unwrap())
    });
    assert!(off / all < 0.18, "{}", off / all);
}

#[test]
fn another_future_changes_no_forecast_made_before_it() {
    let history = PLAIN.history(11);
    let from = EventTime::from_secs(START + 110 * DAY);
    for horizon in [Horizon::Next, Horizon::Day, Horizon::Week] {
        let one = walked(&history, horizon, 30);
        let rows = one.forecasts.iter().map(|f| (f.target, f.actual.unwrap()));
        let changed: BTreeSet<EventTime> = rows.clone().map(|row| row.0).filter(|at| *at >= from).collect();
        let all = PLAIN.history(11);
        let mut dice = Dice(1);
        let other = History::new(
            PLAIN.calendar(),
            all.counts().map(|(at, y)| {
                (
                    at,
                    if changed.contains(&at) {
                        (y + 1.0) * 3.0 * dice.next()
                    } else {
                        y
                    },
                )
            }),
        );
        let other = walked(&other, horizon, 30);
        let mut same = 0;
        for (a, b) in one.forecasts.iter().zip(&other.forecasts) {
            assert_eq!(a.target, b.target);
            if a.origin < from || a.target == from {
                assert_eq!(
                    (a.mean.to_bits(), a.quantiles.map(f64::to_bits)),
                    (b.mean.to_bits(), b.quantiles.map(f64::to_bits))
                );
                same += 1;
            }
        }
        assert!(
            same > 100
                && one.forecasts.last().unwrap().mean.to_bits()
                    != other.forecasts.last().unwrap().mean.to_bits()
                || horizon == Horizon::Week,
            "{same}"
        );
    }
}

#[test]
fn a_fit_learns_what_moves() {
    let history = World {
        shut: [false; 7],
        ..PLAIN
    }
    .history(13);
    let rows: Vec<_> = history
        .counts()
        .map(|(at, y)| (history.calendar().place(at), Some(y)))
        .collect();
    let found = fit(history.calendar(), &rows);
    assert_ne!(found, Parameters::default());
    // Days are alike but for 6 %; nothing moves within them.
    assert!(found.fast_spread < 0.05, "{found:?}");
    assert_eq!(
        fit(history.calendar(), &rows[..200]),
        Parameters::default(),
        "a few days teach nothing"
    );
    assert_eq!(fit(history.calendar(), &rows), found);
}

#[test]
fn crps_of_a_normal_law_is_known() {
    // At its mean: (√2 − 1)/√π.
    assert!((crps_normal(0.0, 0.0, 1.0) - 0.233_695).abs() < 1e-6);
    // Far off: the distance less 1/√π.
    assert!((crps_normal(50.0, 0.0, 1.0) - (50.0 - 0.564_190)).abs() < 1e-6);
}

#[test]
fn a_baseline_fits_its_bound_in_a_snapshot() {
    let world = World {
        minutes: 5,
        shut: [false; 7],
        days: 30,
        ..PLAIN
    };
    let calendar = world.calendar();
    let mut model = Baseline::new(&calendar);
    for (at, y) in world.history(17).counts() {
        model.update(&calendar, at, Some(y));
    }
    let bytes = encode_state(&model).unwrap();
    assert!(bytes.len() <= 64 << 10, "{}", bytes.len());
    let again: Baseline = forecall_stage::decode_state(&bytes).unwrap();
    assert_eq!(again, model);
}

#[test]
fn ahead_goes_on_from_the_end() {
    let history = PLAIN.history(19);
    let (forecasts, _) = ahead(&history, Duration::from_secs(56 * 86_400)).unwrap();
    let end = history.counts().last().unwrap().0;
    assert!(
        forecasts
            .iter()
            .all(|f| f.target > end && f.actual.is_none() && f.quantiles.is_sorted())
    );
    // Eight weeks of five days with 24 half hours: closed hours and days are left out.
    assert!(
        (39 * 24..=40 * 24).contains(&forecasts.len()),
        "{}",
        forecasts.len()
    );
    assert!(ahead(&History::new(PLAIN.calendar(), []), Duration::from_secs(3600)).is_err());
}

fn read(text: &str, minutes: u64, zone: Option<&str>) -> Result<super::table::Table, Wrong> {
    let settings = TableSettings {
        interval: Duration::from_secs(60 * minutes),
        zone: zone.map(|zone| Zone::new(zone).unwrap()),
        holidays: BTreeSet::new(),
    };
    read_table(text, &settings).map_err(|error| error.wrong)
}

#[test]
fn a_missing_row_is_not_nothing() {
    // 09:15 is missing on the second day: what is left of its half hour would count too few.
    let text = "start,calls\n2026-01-05 09:00:00,4\n2026-01-05 09:15:00,6\n2026-01-05 09:30:00,1\n2026-01-05 09:45:00,2\n\
                2026-01-06 09:00:00,5\n2026-01-06 09:30:00,3\n2026-01-06 09:45:00,\n2026-01-07 09:00:00,5\n2026-01-07 09:15:00,0\n";
    let table = read(text, 30, None).unwrap();
    let counts: Vec<_> = table
        .history
        .counts()
        .map(|(at, y)| (table.text(at), y))
        .collect();
    assert_eq!(
        counts,
        [
            ("2026-01-05 09:00:00".to_owned(), 10.0),
            ("2026-01-05 09:30:00".to_owned(), 3.0),
            ("2026-01-07 09:00:00".to_owned(), 5.0),
        ]
    );
    assert_eq!((table.rows, table.incomplete), (9, 2));
    // Hours begin where they begin on the wall, half an hour off from elsewhere.
    let table = read(
        "start,calls\n2026-01-05T08:30:00+03:30,1\n2026-01-05T09:00:00+03:30,2\n2026-01-05T09:30:00+03:30,4\n2026-01-05T10:00:00+03:30,8\n",
        60,
        Some("Asia/Tehran"),
    )
    .unwrap();
    let counts: Vec<_> = table
        .history
        .counts()
        .map(|(at, y)| (table.text(at), y))
        .collect();
    assert_eq!(counts[1], ("2026-01-05T09:00:00+03:30".to_owned(), 6.0));
}

#[test]
fn the_hour_that_clocks_repeat_comes_twice_in_a_zone_and_never_without() {
    let text = "start,calls\n2025-10-26 01:30:00,1\n2025-10-26 02:00:00,2\n2025-10-26 02:30:00,3\n2025-10-26 02:00:00,4\n\
                2025-10-26 02:30:00,5\n2025-10-26 03:00:00,6\n";
    assert!(read(text, 30, Some("Europe/Berlin")).is_ok());
    assert!(matches!(read(text, 30, None), Err(Wrong::Twice { first: 3, .. })));
}

#[test]
fn what_is_wrong_is_named() {
    let with = |row: &str| {
        format!("start,calls\n2026-01-05 09:00:00,1\n2026-01-05 09:30:00,1\n2026-01-05 10:00:00,1\n{row}\n")
    };
    for (row, minutes, expected) in [
        ("2026-01-05 10:30:00,-1", 30, "`-1` is no number of calls"),
        ("2026-01-05 10:30:00,1.5", 30, "`1.5` is no number of calls"),
        ("2026-01-05 10:30:00,nan", 30, "`nan` is no number of calls"),
        ("2026-13-05 10:30:00,1", 30, "`2026-13-05 10:30:00` is no time"),
        ("2026-01-05 10:30:00,1,2", 30, "there are 3"),
        (
            "2026-01-05T10:30:00+01:00,1",
            30,
            "another offset than the rows before",
        ),
        ("2026-01-05 10:33:00,1", 30, "off the file's own step of 30 min"),
        ("2026-01-05 10:30:00,1", 15, "coarser than the interval of 15 min"),
        (
            "2026-01-05 10:30:00,1",
            40,
            "doesn't divide the interval of 40 min",
        ),
    ] {
        let wrong = read(&with(row), minutes, None).unwrap_err().to_string();
        assert!(wrong.contains(expected), "{wrong}");
    }
    assert_eq!(LEVELS.len(), 15);
}
