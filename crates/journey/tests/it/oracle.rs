//! The stage against the plainest reading of its rules, over random events in random order of arrival.

use std::num::NonZeroU64;
use std::sync::Arc;

use forecall_journey::{JourneySettings, JourneyStage, JourneyTunables};
use forecall_stage::{Effects, Stage};
use forecall_types::{
    CustomerEvent, CustomerEventKind, CustomerId, DomainName, EventTime, JourneyEntry, JourneyOutput,
    RejectReason, Tick,
};
use proptest::prelude::*;

use crate::fixture::{quiet, settings};

const RULES: [&str; 4] = [
    "r0: a > b/100 unless c",
    "r1: a > b/50 > d/80 fails_on e by_key",
    "r2: f fails_on b unless d watch 200",
    "r3: c > e/30 by_key",
];

/// Customer, kind, key (0: none), time in milliseconds; its place in the list is its id.
type Picked = (u128, usize, u64, i64);

/// Rule, customer, key, begin, step, deadline.
type Open = (usize, u128, u64, i64, usize, i64);

/// Time, customer, rule, key, begin, step, struck.
type Failed = (i64, u128, usize, u64, i64, usize, bool);

/// What a rule is: start, steps with milliseconds, unless, fails_on, by key, passes in silence.
struct Plain {
    start: char,
    steps: Vec<(Option<char>, i64)>,
    unless: Option<char>,
    fails_on: Option<char>,
    by_key: bool,
}

fn plain() -> [Plain; 4] {
    let rule = |start, steps: &[(Option<char>, i64)], unless, fails_on, by_key| Plain {
        start,
        steps: steps.to_vec(),
        unless,
        fails_on,
        by_key,
    };
    [
        rule('a', &[(Some('b'), 100_000)], Some('c'), None, false),
        rule(
            'a',
            &[(Some('b'), 50_000), (Some('d'), 80_000)],
            None,
            Some('e'),
            true,
        ),
        rule('f', &[(None, 200_000)], Some('d'), Some('b'), false),
        rule('c', &[(Some('e'), 30_000)], None, None, true),
    ]
}

fn oracle(picks: &[Picked], end: i64) -> Vec<Failed> {
    let rules = plain();
    let mut events: Vec<(i64, usize)> = picks.iter().enumerate().map(|(id, pick)| (pick.3, id)).collect();
    events.sort_unstable();
    let mut open: Vec<Open> = Vec::new();
    let mut failed = Vec::new();
    let expire = |open: &mut Vec<Open>, before: i64, failed: &mut Vec<Failed>| {
        let mut due: Vec<Open> = open.iter().copied().filter(|j| j.5 < before).collect();
        due.sort_by_key(|j| (j.5, j.1, j.0, j.2));
        open.retain(|j| j.5 >= before);
        for (rule, customer, key, begin, step, deadline) in due {
            if plain()[rule].steps[step].0.is_some() {
                failed.push((deadline, customer, rule, key, begin, step, false));
            }
        }
    };
    for (at, id) in events {
        expire(&mut open, at, &mut failed);
        let (customer, kind, key, _) = picks[id];
        let kind = char::from(b'a' + u8::try_from(kind).unwrap());
        for (number, rule) in rules.iter().enumerate() {
            if rule.by_key && key == 0 {
                continue;
            }
            let key = if rule.by_key { key } else { 0 };
            let found = open
                .iter()
                .position(|j| (j.0, j.1, j.2) == (number, customer, key));
            let Some(found) = found else {
                if rule.start == kind {
                    open.push((number, customer, key, at, 0, at + rule.steps[0].1));
                }
                continue;
            };
            let journey = open[found];
            if rule.unless == Some(kind) {
                open.remove(found);
            } else if rule.fails_on == Some(kind) {
                open.remove(found);
                failed.push((at, customer, number, key, journey.3, journey.4, true));
            } else if let Some(step) = rule.steps.iter().position(|s| s.0 == Some(kind))
                && step >= journey.4
            {
                match rule.steps.get(step + 1) {
                    Some(next) => (open[found].4, open[found].5) = (step + 1, at + next.1),
                    None => {
                        open.remove(found);
                    }
                }
            }
        }
    }
    expire(&mut open, end, &mut failed);
    failed
}

fn event(picks: &[Picked], id: usize) -> JourneyEntry {
    let (customer, kind, key, at) = picks[id];
    JourneyEntry::Event(CustomerEvent {
        id: u128::try_from(id).unwrap(),
        domain: DomainName::new("isp").unwrap(),
        kind: CustomerEventKind::new(&char::from(b'a' + u8::try_from(kind).unwrap()).to_string()).unwrap(),
        customer: CustomerId::of_number(customer),
        at: EventTime::from_millis(at),
        key: NonZeroU64::new(key),
        service: None,
        region: None,
    })
}

fn failed_of(effects: &mut Effects<JourneyOutput>, rejects: &mut Vec<RejectReason>) -> Vec<Failed> {
    let (outputs, refused) = effects.drain();
    let failed = outputs
        .filter_map(|output| match output {
            JourneyOutput::Failed(f) => Some((
                f.failed_at.millis(),
                f.customer.number().unwrap(),
                f.rule.as_str().trim_start_matches('r').parse().unwrap(),
                f.key.map_or(0, NonZeroU64::get),
                f.started_at.millis(),
                usize::from(f.step),
                f.failure.as_str() == "struck",
            )),
            JourneyOutput::Wave(_) => panic!("a wave"),
            JourneyOutput::Map(_) => None,
        })
        .collect();
    rejects.extend(refused.map(|r| r.reason));
    failed
}

fn rules() -> Arc<JourneySettings> {
    let tunables = JourneyTunables {
        open_customer_max: 1_024,
        ..quiet()
    };
    settings(&RULES, tunables)
}

/// Events in the order of arrival: each at most 59 s after one that is later, some twice; the stage is saved and loaded before
/// those of `cuts`.
fn run(
    picks: &[Picked],
    arrivals: &[(i64, usize)],
    cuts: &[usize],
    end: i64,
) -> (Vec<Failed>, Vec<RejectReason>, Vec<u8>) {
    let mut stage = JourneyStage::new(rules());
    let (mut failed, mut rejects) = (Vec::new(), Vec::new());
    let mut effects = Effects::default();
    for (i, (_, id)) in arrivals.iter().enumerate() {
        if cuts.contains(&i) {
            let bytes = stage.save().unwrap();
            let image = stage.image().unwrap();
            assert_eq!(image.write().unwrap(), bytes);
            stage = JourneyStage::load(rules(), &bytes).unwrap();
            assert_eq!(stage.save().unwrap(), bytes);
        }
        stage.step(&event(picks, *id), &mut effects);
        failed.extend(failed_of(&mut effects, &mut rejects));
    }
    let tick = Tick {
        at: EventTime::from_millis(end + 300_000),
    };
    stage.step(&JourneyEntry::Tick(tick), &mut effects);
    failed.extend(failed_of(&mut effects, &mut rejects));
    (failed, rejects, stage.save().unwrap())
}

fn picks() -> impl Strategy<Value = Vec<(Picked, i64, bool)>> {
    let pick = (0_u128..5, 0_usize..6, 0_u64..3, 0_i64..900_000);
    proptest::collection::vec((pick, 0_i64..59_000, proptest::bool::weighted(0.2)), 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn as_the_oracle_has_it_whatever_the_order_of_arrival(all in picks(), cuts in proptest::collection::vec(0_usize..150, 0..4)) {
        let picks: Vec<Picked> = all.iter().map(|(pick, ..)| *pick).collect();
        let mut arrivals: Vec<(i64, usize)> = Vec::new();
        for (id, (pick, jitter, twice)) in all.iter().enumerate() {
            arrivals.push((pick.3 + jitter, id));
            if *twice {
                arrivals.push((pick.3 + 59_000 - jitter, id));
            }
        }
        arrivals.sort_unstable();
        let end = 1_300_000;
        let (got, rejects, bytes) = run(&picks, &arrivals, &[], end);
        prop_assert_eq!(&got, &oracle(&picks, end));
        // What comes twice is refused while it waits, or as late.
        let twice = all.iter().filter(|(.., twice)| *twice).count();
        let refused = rejects.iter().filter(|r| **r == RejectReason::Duplicate).count();
        prop_assert!(refused == twice, "{} of {}", refused, twice);
        prop_assert!(rejects.iter().all(|r| matches!(r, RejectReason::Duplicate | RejectReason::MissingField)));
        let again = run(&picks, &arrivals, &cuts, end);
        prop_assert_eq!((got, rejects, bytes), again);
    }
}

/// Times at which sums overflow, and some between.
fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(i64::MIN),
        Just(i64::MAX),
        Just(-1),
        Just(0),
        any::<i64>(),
        0_i64..2_000_000_000_000
    ]
}

proptest! {
    #[test]
    fn whatever_comes_is_taken_or_refused(
        all in proptest::collection::vec((0_u128..3, 0_usize..7, 0_u64..3, any_time(), 0_u128..9), 0..80),
    ) {
        let mut stage = JourneyStage::new(settings(&RULES, JourneyTunables { waiting_max: 8, ..JourneyTunables::default() }));
        let mut effects = Effects::default();
        for (customer, kind, key, at, id) in all {
            let at = EventTime::from_nanos(at);
            let entry = match event(&[(customer, kind.min(5), key, 0)], 0) {
                JourneyEntry::Event(event) if kind < 6 => JourneyEntry::Event(CustomerEvent { at, id, ..event }),
                JourneyEntry::Event(_) | JourneyEntry::Mark(_) | JourneyEntry::Tick(_) => JourneyEntry::Tick(Tick { at }),
            };
            stage.step(&entry, &mut effects);
            prop_assert!(stage.health().waiting <= 8);
        }
    }

    #[test]
    fn any_bytes_are_a_memory_or_none(
        all in picks(), at in any::<proptest::sample::Index>(), byte in any::<u8>(), cut in any::<proptest::sample::Index>(),
    ) {
        let picks: Vec<Picked> = all.iter().map(|(pick, ..)| *pick).collect();
        let mut stage = JourneyStage::new(rules());
        for id in 0..picks.len() {
            stage.step(&event(&picks, id), &mut Effects::default());
        }
        let mut bytes = stage.save().unwrap();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        bytes.truncate(bytes.len() - if byte % 4 == 0 { cut.index(bytes.len()) } else { 0 });
        if let Ok(loaded) = JourneyStage::load(rules(), &bytes) {
            let saved = loaded.save().unwrap();
            prop_assert_eq!(JourneyStage::load(rules(), &saved).unwrap().save().unwrap(), saved);
        }
    }
}
