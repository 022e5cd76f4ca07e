use std::time::Duration;

use forecall_types::EventTime;

use super::*;

fn start() -> EventTime {
    EventTime::from_secs(1_700_000_100)
}

fn minutes(n: u64) -> EventTime {
    start().plus(Duration::from_secs(60 * n))
}

fn drive(told: f64) -> Drive {
    Drive {
        affected: vec![Cohort {
            at: start(),
            customers: 10_000.0,
        }],
        told: if told > 0.0 {
            vec![Cohort {
                at: start(),
                customers: told,
            }]
        } else {
            Vec::new()
        },
        ended: None,
        eta: None,
        probability: 1.0,
    }
}

fn model(lasting: Option<Lasting>) -> SurgeModel {
    SurgeModel {
        repeats: 0.15,
        remaining_seconds: 10_800.0,
        lasting,
        notice: NoticeEffect::default(),
    }
}

/// Calls of an incident in which `propensity` call, in five-minute bins, as the model has them, up to `to` minutes.
fn bins(propensity: f64, median: f64, to: u64) -> Vec<(EventTime, Seen)> {
    (0..to / 5)
        .map(|bin| {
            let from = minutes(5 * bin);
            let unit = drive(0.0).bin(median, from, from.plus(BIN), model(None));
            let seen = Seen {
                base: 30.0,
                ratio: 1.3,
                count: 30.0 + propensity * unit.untold,
            };
            (from, seen)
        })
        .collect()
}

fn learned(priors: SurgePriors, seen: &[(EventTime, Seen)]) -> Learning {
    let mut learning = Learning::new(0.05, priors, start(), 0);
    for (from, seen) in seen {
        learning.learn(&drive(0.0), model(priors.lasting), *from, *seen);
    }
    learning
}

#[test]
fn the_total_comes_near_the_truth_within_half_an_hour() {
    // 8 % of 10,000, and 15 % of these again and again: 941.
    let seen = bins(0.08, 1_080.0, 240);
    let truth: f64 = seen.iter().map(|(_, s)| s.count - s.base).sum();
    let mut last = f64::INFINITY;
    for (after, allowed) in [(10, 0.35), (30, 0.1), (60, 0.06)] {
        let known = &seen[..after / 5];
        let learning = learned(SurgePriors::default(), known);
        let now = minutes(u64::try_from(after).unwrap());
        let long = Lasting {
            median_seconds: 1e6,
            spread: 0.3,
        };
        let total = learning.total(&drive(0.0), model(Some(long)), now, known);
        let off = (total.quantiles[1] - truth).abs() / truth;
        assert!(off < allowed, "{after}: {total:?} {truth}");
        assert!(
            total.quantiles.is_sorted() && total.quantiles[0] < truth && truth < total.quantiles[2],
            "{total:?} {truth}"
        );
        let width = total.quantiles[2] - total.quantiles[0];
        assert!(width < last);
        last = width;
    }
}

#[test]
fn of_what_is_counted_beyond_the_expected_a_part_is_ordinary_scatter() {
    let seen = bins(0.08, 1_080.0, 30);
    let learning = learned(SurgePriors::default(), &seen);
    let so_far =
        |seen: &[(EventTime, Seen)]| learning.total(&drive(0.0), model(None), minutes(30), seen).so_far;
    let mut more = seen.clone();
    more[3].1.count += 100.0;
    let gained = so_far(&more) - so_far(&seen);
    // That bin has some 120 calls of the incident beside 30 ordinary ones.
    assert!((70.0..95.0).contains(&gained), "{gained}");
}

#[test]
fn with_and_without_the_notice_come_from_the_same_draws() {
    let learning = learned(SurgePriors::default(), &bins(0.08, 1_080.0, 15));
    let none = learning.total(&drive(0.0), model(None), minutes(15), &[]);
    assert!((none.mean - none.without_notice).abs() < 1e-9 && none.avoided.iter().all(|a| a.abs() < 1e-9));
    let told = learning.total(&drive(9_000.0), model(None), minutes(15), &[]);
    assert!(
        (told.without_notice - none.without_notice).abs() < 1e-6,
        "what is without a notice doesn't depend on it"
    );
    assert!(told.avoided.is_sorted() && told.avoided[1] > 0.0 && told.avoided[0] < told.avoided[2]);
    assert!(told.mean < told.without_notice);
}

#[test]
fn earlier_incidents_say_how_many_call_and_how_soon() {
    let mut history = SurgeHistory::default();
    assert_eq!(history.priors(), SurgePriors::default());
    for _ in 0..15 {
        // The settings say 5 %; it is 15 %, and sooner.
        let learning = learned(history.priors(), &bins(0.15, 600.0, 180));
        let calls = learning.propensity() * 10_000.0;
        history.take(&learning, 0.05, calls, 5_400.0);
    }
    let priors = history.priors();
    assert!((2.4..3.2).contains(&priors.scale), "{priors:?}");
    assert!((550.0..750.0).contains(&priors.median_seconds), "{priors:?}");
    assert!(priors.spread.is_some_and(|s| s < 0.6), "{priors:?}");
    let lasting = priors.lasting.unwrap();
    assert!((lasting.median_seconds - 5_400.0).abs() < 60.0, "{lasting:?}");
    let seen = bins(0.15, 600.0, 240);
    let truth: f64 = seen.iter().map(|(_, s)| s.count - s.base).sum();
    let off = |priors: SurgePriors| {
        // Before its first call.
        let total = learned(priors, &[]).total(&drive(0.0), model(None), start(), &[]);
        (total.mean - truth).abs() / truth
    };
    assert!(
        off(priors) < 0.5 * off(SurgePriors::default()),
        "{} {}",
        off(priors),
        off(SurgePriors::default())
    );
}

#[test]
fn small_incidents_and_nonsense_teach_nothing() {
    let mut history = SurgeHistory::default();
    let learning = learned(SurgePriors::default(), &bins(0.08, 1_080.0, 60));
    for (prior, calls) in [(0.05, 29.0), (0.05, f64::NAN), (f64::NAN, 500.0), (0.0, 500.0)] {
        history.take(&learning, prior, calls, 5_400.0);
    }
    assert_eq!(history, SurgeHistory::default());
}

#[test]
fn who_has_lasted_long_lasts_on() {
    let lasting = Lasting {
        median_seconds: 3_600.0,
        spread: 0.5,
    };
    let half = lasting.still(0.0, 3_600.0);
    assert!((half - 0.5).abs() < 1e-9);
    assert!(lasting.still(1_800.0, 3_600.0) > half);
    for so_far in [0.0, 60.0, 1e5, 1e9] {
        let mut last = 1.0;
        for ahead in 0..50 {
            let still = lasting.still(so_far, so_far + 600.0 * f64::from(ahead));
            assert!((0.0..=last).contains(&still), "{so_far} {ahead} {still}");
            last = still;
        }
    }
}
