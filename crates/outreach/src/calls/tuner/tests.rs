#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts and times of our own making"
)]

use forecall_types::EventTime;

use super::super::calendar::Zone;
use super::*;

const DAY: i64 = 86_400;

fn calendar(minutes: u64) -> Calendar {
    Calendar::new(Zone::utc(), Duration::from_secs(60 * minutes))
}

/// Calls of five minutes; some noise that comes again in every run.
fn calls(day: i64, five: i64) -> f64 {
    let mut mixed = (day * 288 + five) as u64;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^= mixed >> 27;
    let hour = five as f64 / 12.0;
    let rate = if (8.0..20.0).contains(&hour) { 20.0 } else { 3.0 };
    (rate * (0.6 + 0.8 * (mixed % 1024) as f64 / 1024.0)).round()
}

fn fed(minutes: i64, days: i64, count: impl Fn(i64, i64) -> Option<f64>) -> Tuner {
    let calendar = calendar(minutes as u64);
    let mut tuner = Tuner::default();
    for day in 0..=days {
        for slot in 0..1440 / minutes {
            let per = minutes / 5;
            let parts: Option<Vec<f64>> = (slot * per..(slot + 1) * per)
                .map(|five| count(day, five))
                .collect();
            let at = EventTime::from_secs(day * DAY + slot * minutes * 60);
            let sum = parts.map(|parts| parts.iter().sum());
            tuner.learn(&calendar, calendar.place(at), sum);
        }
    }
    tuner
}

/// Works to the end in pieces, through a snapshot after each.
fn found(mut tuner: Tuner, minutes: u64, piece: usize) -> (Parameters, Tuner) {
    for _ in 0..1000 {
        let found = tuner.work(&calendar(minutes), Parameters::default(), piece);
        let bytes = forecall_stage::encode_state(&tuner).unwrap();
        tuner = forecall_stage::decode_state(&bytes).unwrap();
        if let Some(found) = found {
            return (found, tuner);
        }
    }
    panic!("the search has no end");
}

#[test]
fn pieces_and_snapshots_change_nothing_of_what_is_found() {
    let tuner = fed(30, 25, |day, five| Some(calls(day, five)));
    let whole = found(tuner.clone(), 30, 10_000);
    let pieces = found(tuner, 30, 7);
    assert_eq!(whole, pieces);
    assert_ne!(whole.0, Parameters::default());
    assert_eq!(whole.1.fits(), 1);
    assert!(!whole.1.is_due(), "the next one comes in a week");
}

#[test]
fn short_intervals_are_added_up_and_one_that_is_missing_leaves_a_hole() {
    let fine = fed(5, 25, |day, five| Some(calls(day, five)));
    let coarse = fed(30, 25, |day, five| Some(calls(day, five)));
    assert_eq!(fine.days, coarse.days);
    assert_eq!(found(fine, 5, 50).0, found(coarse, 30, 50).0);
    // Five minutes of a surge are masked: the half hour isn't known, and the others are.
    let masked = fed(5, 2, |day, five| {
        ((day, five) != (1, 100)).then(|| calls(day, five))
    });
    let day = &masked.days[1].counts;
    assert_eq!(day[16], 0);
    assert!(
        day.iter()
            .enumerate()
            .all(|(slot, count)| slot == 16 || *count > 0)
    );
}

#[test]
fn it_waits_for_three_weeks_and_forgets_after_a_quarter() {
    assert!(!fed(30, 20, |day, five| Some(calls(day, five))).is_due());
    assert!(fed(30, 21, |day, five| Some(calls(day, five))).is_due());
    // Closed days without a count are no days.
    let weekends = |day: i64, five: i64| (day % 7 < 5).then(|| calls(day, five));
    assert!(!fed(30, 25, weekends).is_due());
    let long = fed(30, 200, |day, five| Some(calls(day, five)));
    assert_eq!((long.days.len(), long.days[0].day), (DAYS_MAX, 200 - 91));
    let bytes =
        forecall_stage::encode_state(&fed(5, 200, |day, five| Some(20.0 * calls(day, five)))).unwrap();
    assert!(bytes.len() <= 11 << 10, "{}", bytes.len());
}

#[test]
fn what_is_searched_on_does_not_move_under_the_search() {
    let mut tuner = fed(30, 25, |day, five| Some(calls(day, five)));
    let expected = found(tuner.clone(), 30, 10_000).0;
    assert_eq!(tuner.work(&calendar(30), Parameters::default(), 40), None);
    for day in 26..29 {
        for slot in 0..48 {
            let at = EventTime::from_secs(day * DAY + slot * 1800);
            tuner.learn(&calendar(30), calendar(30).place(at), Some(500.0));
        }
    }
    assert_eq!(found(tuner, 30, 40).0, expected);
}

#[test]
fn time_that_goes_back_and_nonsense_are_left_out() {
    let mut tuner = fed(30, 3, |day, five| Some(calls(day, five)));
    let before = tuner.clone();
    let early = calendar(30).place(EventTime::from_secs(DAY));
    tuner.learn(&calendar(30), early, Some(7.0));
    assert_eq!(tuner, before);
    let next = calendar(30).place(EventTime::from_secs(4 * DAY));
    tuner.learn(&calendar(30), next, Some(f64::NAN));
    tuner.learn(
        &calendar(30),
        calendar(30).place(EventTime::from_secs(5 * DAY)),
        Some(1.0),
    );
    assert_eq!(tuner.days.len(), 4, "a day without any count is none");
}
