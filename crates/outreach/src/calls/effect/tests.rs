use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::EventTime;
use proptest::prelude::*;

use super::trial::{Arm, Assignment, Contact, Deed, NotAssigned, Trial};
use super::*;

fn arms(told: u64, held_out: u64, told_contacts: u64, held_out_contacts: u64) -> Arms {
    Arms {
        told,
        held_out,
        told_contacts,
        held_out_contacts,
    }
}

fn analysis(all: &[Arms]) -> EffectAnalysis {
    let mut analysis = EffectAnalysis::new();
    for arms in all {
        analysis.add(*arms).unwrap();
    }
    analysis
}

#[test]
fn many_incidents_alike_say_what_they_say() {
    // 4 % of those told and 6 % of those held out: a third fewer.
    let reading = analysis(&[arms(9_000, 1_000, 360, 60); 30]).read();
    assert!((reading.reduction.mean - 1.0 / 3.0).abs() < 0.01, "{reading:?}");
    let [low, middle, high] = reading.reduction.quantiles;
    assert!(low > 0.27 && middle < 0.35 && high < 0.40, "{reading:?}");
    let always = reading.always_valid;
    assert!(
        always.low.unwrap() < low && always.high.unwrap() > high,
        "{reading:?}"
    );
    assert_eq!(reading.verdict, Verdict::Works);
    assert!(reading.spread < 0.1);
}

#[test]
fn more_contacts_of_those_told_are_harm() {
    let reading = analysis(&[arms(9_000, 1_000, 810, 60); 20]).read();
    assert_eq!(reading.verdict, Verdict::Harms);
    assert!((reading.reduction.mean + 0.5).abs() < 0.05, "{reading:?}");
}

#[test]
fn little_is_not_enough_and_nothing_is_nothing() {
    let none = EffectAnalysis::new().read();
    assert_eq!(none.verdict, Verdict::NotEnoughData);
    assert_eq!((none.always_valid.low, none.always_valid.high), (None, None));
    let few = analysis(&[arms(9_000, 1_000, 40, 49)]).read();
    assert_eq!(few.verdict, Verdict::NotEnoughData, "{few:?}");
    let same = analysis(&[arms(9_000, 1_000, 540, 60); 30]).read();
    assert_eq!(same.verdict, Verdict::NothingShown, "{same:?}");
    // Nobody held out: nothing is learned, whatever the told do.
    let blind = analysis(&[arms(9_000, 0, 10, 0); 5]).read();
    assert!((blind.reduction.mean - none.reduction.mean).abs() < 1e-12);
}

#[test]
fn incidents_that_differ_make_the_interval_wide() {
    let same = analysis(&[arms(9_000, 1_000, 630, 100); 16]).read();
    let mut halves = vec![arms(9_000, 1_000, 450, 100); 8];
    halves.extend([arms(9_000, 1_000, 900, 100); 8]);
    let differ = analysis(&halves).read();
    let width = |r: &EffectReading| r.reduction.quantiles[2] - r.reduction.quantiles[0];
    assert!(width(&differ) > 1.5 * width(&same), "{same:?} {differ:?}");
    assert!(differ.spread > 0.2 && same.spread < 0.1, "{same:?} {differ:?}");
    let next = differ.next_incident.quantiles;
    assert!(next[0] < differ.reduction.quantiles[0] - 0.1 && next[2] > differ.reduction.quantiles[2]);
}

#[test]
fn one_good_incident_among_others_is_no_proof() {
    // Added up, 4.7 % of those told and 6 % of those held out: z is 10.
    let mut all = vec![arms(90_000, 10_000, 1_800, 600)];
    all.extend([arms(90_000, 10_000, 5_400, 600); 2]);
    let reading = analysis(&all).read();
    assert_eq!(reading.verdict, Verdict::NothingShown, "{reading:?}");
    assert!(reading.spread > 0.3, "{reading:?}");
}

#[test]
fn the_order_of_incidents_changes_next_to_nothing() {
    // Two: nothing. More: the later ones know how many called in the earlier.
    let two = [arms(900, 100, 80, 12), arms(5_000, 400, 200, 30)];
    let one = analysis(&two).read();
    let other = analysis(&[two[1], two[0]]).read();
    assert!((one.reduction.mean - other.reduction.mean).abs() < 1e-12);
    let mut all: Vec<Arms> = (1..=20)
        .map(|i| arms(9_000, 1_000, 300 + 7 * i, 40 + i))
        .collect();
    let one = analysis(&all).read();
    all.reverse();
    let other = analysis(&all).read();
    assert!((one.reduction.quantiles[1] - other.reduction.quantiles[1]).abs() < 0.01);
}

/// The posterior against a plain sum over a fine grid of its own, without a spread.
#[test]
fn one_incident_agrees_with_a_plain_sum() {
    let arms = arms(4_000, 500, 300, 60);
    let law = grid::Hierarchy::new();
    let mut law = law;
    law.add(&grid::Curve::of(arms, 1.0, grid::Rates::default()));
    let found = law.reduction();
    let (mut sum, mut mean) = (0.0, 0.0);
    // Middle m, spread s, incident's own t.
    for s in [0.0_f64, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8]
        .iter()
        .zip([0.025, 0.05, 0.05, 0.05, 0.075, 0.1, 0.15, 0.2, 0.2])
    {
        let (s, width) = s;
        for i in -90..50 {
            let m = f64::from(i) * 0.025;
            let mut inner = 0.0;
            let steps = if *s > 0.0 { 80 } else { 0 };
            let mut weights = 0.0;
            for j in -steps..=steps {
                let z = f64::from(j) * 0.05;
                let t = m + s * z;
                let log = 300.0 * t - 360.0 * libm::log(500.0 + 4_000.0 * libm::exp(t));
                let weight = libm::exp(-0.5 * z * z);
                weights += weight;
                inner += weight * libm::exp(log + 360.0 * libm::log(4_500.0));
            }
            let prior =
                libm::exp(-0.5 * (m / 0.8) * (m / 0.8) - 0.5 * (s / 0.3) * (s / 0.3)) * width * (0.03 + s);
            sum += prior * inner / weights;
            mean += prior * inner / weights * -libm::expm1(m);
        }
    }
    assert!(
        (found.mean - mean / sum).abs() < 0.003,
        "{} {}",
        found.mean,
        mean / sum
    );
}

#[test]
fn contacts_kept_away_add_up_and_may_be_negative() {
    let analysis = analysis(&[
        arms(9_000, 1_000, 360, 60),
        arms(9_000, 1_000, 400, 62),
        arms(4_000, 500, 200, 40),
    ]);
    let avoided = analysis.avoided(&[(400.0, "may"), (440.0, "june"), (220.0, "june")]);
    let all = avoided.all.unwrap();
    let sum: f64 = avoided.incidents.iter().map(|a| a.mean).sum();
    assert!((sum - all.mean).abs() < 1e-6 && all.low < all.mean && all.mean < all.high);
    let groups: f64 = avoided.groups.iter().map(|(_, a)| a.mean).sum();
    assert!((groups - all.mean).abs() < 1e-6);
    // A third of what would have come is half of what came.
    assert!(all.mean > 300.0 && all.mean < 650.0, "{all:?}");
    let harm = super::tests::analysis(&[arms(9_000, 1_000, 810, 60); 10]);
    let caused = harm.avoided(&[(900.0, ()); 10]).all.unwrap();
    assert!(caused.high < 0.0, "{caused:?}");
}

#[test]
fn small_segments_are_drawn_to_the_rest() {
    let mut by_region = BTreeMap::new();
    for region in ["a", "b", "c", "d"] {
        by_region.insert(region, vec![arms(3_000, 300, 120, 18); 10]);
    }
    // By its own: no contact of 40 held out would be, 6 of 300 told: infinite harm.
    by_region.insert("tiny", vec![arms(300, 40, 6, 0)]);
    by_region.insert("odd", vec![arms(3_000, 300, 240, 18); 10]);
    let all: Vec<Arms> = by_region.values().flatten().copied().collect();
    let found = segments(&analysis(&all), &by_region);
    assert!(
        found["tiny"].reduction.mean > 0.0 && !found["tiny"].is_enough,
        "{found:?}"
    );
    assert!(
        found["odd"].reduction.mean < -0.05 && found["a"].reduction.mean > 0.2,
        "{found:?}"
    );
}

#[test]
fn wrong_numbers_are_refused() {
    assert_eq!(
        analysis(&[]).add(arms(10, 10, 11, 0)),
        Err(NotArms::MoreContacts {
            contacts: 11,
            people: 10
        })
    );
    assert_eq!(
        analysis(&[]).add(arms(u64::MAX, 1, 0, 0)),
        Err(NotArms::TooMany(u64::MAX))
    );
}

proptest! {
    #[test]
    fn whatever_comes_it_is_a_number(rows in proptest::collection::vec((0_u64..2_000_000, 0_u64..200_000, 0.0_f64..1.0, 0.0_f64..1.0), 0..6), dispersion in 0.0_f64..200.0) {
        let mut analysis = EffectAnalysis::with_dispersion(dispersion);
        for (told, held, a, b) in rows {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "shares of people")]
            let part = |n: u64, share: f64| ((n as f64 * share) as u64).min(n);
            analysis.add(arms(told, held, part(told, a), part(held, b))).unwrap();
        }
        let reading = analysis.read();
        prop_assert!(reading.reduction.mean.is_finite() && reading.next_incident.mean.is_finite());
        prop_assert!(reading.reduction.quantiles.is_sorted() && reading.next_incident.quantiles.is_sorted(), "{reading:?}");
        if let (Some(low), Some(high)) = (reading.always_valid.low, reading.always_valid.high) {
            prop_assert!(low <= high);
        }
    }
}

fn at(seconds: i64) -> EventTime {
    EventTime::from_secs(seconds)
}

fn person(incident: &str, customer: &str, arm: Arm, from: i64) -> Assignment {
    Assignment {
        incident: incident.into(),
        customer: customer.into(),
        unit: customer.into(),
        arm,
        at: at(from),
        released_at: (arm == Arm::HeldOut).then(|| at(from + 1_800)),
        segments: vec![Arc::from("north")],
    }
}

fn trial() -> Trial {
    let mut trial = Trial::new(1);
    for (customer, arm) in [
        ("t1", Arm::Told),
        ("t2", Arm::Told),
        ("t3", Arm::Told),
        ("h1", Arm::HeldOut),
        ("h2", Arm::HeldOut),
    ] {
        trial.assign(person("inc_1", customer, arm, 1_000)).unwrap();
    }
    trial
}

fn deed(seconds: i64, customer: Option<&str>, deed: Deed) -> Contact<'_> {
    Contact {
        at: at(seconds),
        customer,
        channel: "call",
        deed,
    }
}

#[test]
fn contacts_count_for_their_arm_up_to_the_release() {
    let mut trial = trial();
    for (seconds, customer, what) in [
        (999, Some("t1"), Deed::Contact),   // before
        (1_000, Some("t1"), Deed::Contact), // within
        (1_500, Some("t1"), Deed::Contact), // within again: one person, two contacts
        (2_799, Some("h1"), Deed::Contact), // the last second
        (2_800, Some("h2"), Deed::Contact), // released
        (2_000, None, Deed::Contact),       // whose?
        (9_000, None, Deed::Contact),       // long after
        (3_000, Some("t2"), Deed::OptOut),
        (3_000, Some("h1"), Deed::Complaint),
        (2_800 + 86_400, Some("t3"), Deed::Contact), // a day after the release
        (1_100, Some("stranger"), Deed::Contact),
    ] {
        trial.contact(&deed(seconds, customer, what));
    }
    let all = trial.incidents();
    let [one] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(one.arms(), arms(3, 2, 1, 1));
    assert_eq!((one.told.contacts, one.told.later, one.told.opt_outs), (2, 0, 1));
    assert_eq!(
        (one.held_out.contacts, one.held_out.later, one.held_out.complaints),
        (1, 1, 1)
    );
    assert_eq!((one.unmatched, trial.elsewhere), (1, 4));
    assert_eq!(one.segments[0]["north"], one.arms());
}

#[test]
fn both_arms_are_looked_at_for_the_shortest_hold_out() {
    let mut trial = trial();
    let mut early = person("inc_1", "h3", Arm::HeldOut, 1_000);
    early.released_at = Some(at(1_600));
    trial.assign(early).unwrap();
    for customer in ["t1", "h1"] {
        trial.contact(&deed(1_700, Some(customer), Deed::Contact));
    }
    let one = trial.incidents().remove(0);
    assert_eq!(one.window, Some(Duration::from_secs(600)));
    assert_eq!(
        (one.arms(), one.told.later, one.held_out.later),
        (arms(3, 3, 0, 0), 1, 1)
    );
}

#[test]
fn assignments_that_cant_be_are_refused() {
    let mut trial = trial();
    let twice = trial.assign(person("inc_1", "t1", Arm::HeldOut, 1_000));
    assert!(matches!(twice, Err(NotAssigned::Twice { .. })), "{twice:?}");
    let mut open = person("inc_1", "x", Arm::HeldOut, 1_000);
    open.released_at = None;
    assert!(matches!(trial.assign(open), Err(NotAssigned::Release { .. })));
    let mut divided = person("inc_1", "x", Arm::HeldOut, 1_000);
    divided.unit = "t1".into();
    assert!(matches!(trial.assign(divided), Err(NotAssigned::Divided { .. })));
    let mut segments = person("inc_2", "x", Arm::Told, 1_000);
    segments.segments.clear();
    assert!(matches!(
        trial.assign(segments),
        Err(NotAssigned::Segments {
            given: 0,
            dimensions: 1
        })
    ));
    assert_eq!(trial.incidents().len(), 1, "what is refused leaves nothing");
}

#[test]
fn units_that_call_together_say_less() {
    let mut trial = Trial::new(0);
    for unit in 0..200 {
        for home in 0..5 {
            let arm = if unit % 5 == 0 { Arm::HeldOut } else { Arm::Told };
            let mut one = person("inc_1", &format!("{unit}_{home}"), arm, 0);
            one.unit = format!("u{unit}").into();
            one.segments.clear();
            trial.assign(one).unwrap();
        }
    }
    assert!((trial.dispersion() - 1.0).abs() < 1e-12);
    // One area in four calls as a whole: five times the variance of people by themselves.
    for unit in (0..200).step_by(4) {
        for home in 0..5 {
            let customer = format!("{unit}_{home}");
            trial.contact(&deed(10, Some(&customer), Deed::Contact));
        }
    }
    assert!((trial.dispersion() - 5.0).abs() < 0.1, "{}", trial.dispersion());
}

#[test]
fn a_loss_is_shown_as_a_loss() {
    let prices = cost::Prices {
        message: 0.05,
        agent_minute: 0.8,
        handle_seconds: 300.0,
    };
    let avoided = Avoided {
        mean: 100.0,
        low: -20.0,
        high: 220.0,
    };
    let spent = cost::Spent {
        messages: 9_000.0,
        compensation: 50.0,
    };
    let found = prices.of(avoided, spent);
    // 100 calls of 5 minutes at 0.80 are 400; 9,000 messages are 450.
    assert!((found.agent_minutes.mean - 500.0).abs() < 1e-9 && (found.messages - 450.0).abs() < 1e-9);
    assert!((found.notices.mean + 50.0).abs() < 1e-9 && (found.notices.low + 530.0).abs() < 1e-9);
    assert!((found.all.high - 380.0).abs() < 1e-9, "{found:?}");
}
