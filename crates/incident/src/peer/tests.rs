#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use forecall_stats::FadingMoments;
use forecall_types::{AnomalyState, Channel, Direction, Position, SourcePartition};
use proptest::prelude::*;

use super::*;

const STEP: i64 = 60;
const DAY: i64 = 1_440;

/// Uniform noise from −1 to 1 that is the same in every run (splitmix64).
fn noise(seed: i64) -> f64 {
    let mut z = u64::from_ne_bytes(seed.to_ne_bytes()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap()) / f64::from(u32::MAX) * 2.0 - 1.0
}

/// About normal: the sum of twelve.
fn normal(seed: i64) -> f64 {
    (0..12).map(|i| noise(seed * 12 + i)).sum::<f64>() / 2.0
}

fn domain() -> DomainName {
    DomainName::new("isp").unwrap()
}

fn cell(number: i64) -> Labels {
    Labels::from_pairs([("cell", format!("c{number:02}"))])
}

fn summary(entity: i64, step: i64, metric: &str, mean: f64) -> Summary {
    let at = |steps: i64| EventTime::from_secs(steps * STEP);
    Summary {
        domain: domain(),
        group: "cells".into(),
        within: Labels::default(),
        entity: cell(entity),
        source: SourcePartition {
            topic: "t".into(),
            partition: 0,
        },
        from: at(step),
        at: at(step + 1),
        score: 0.0,
        parts: Vec::new(),
        values: vec![SummaryValue {
            metric: metric.into(),
            unit: "1".into(),
            labels: Labels::default(),
            mean,
            count: 6,
        }],
        lineage: Lineage::of(&Position {
            topic: "t".into(),
            partition: 0,
            offset: step * 100 + entity,
        }),
    }
}

/// Steps the group by a function of (member, step); `None`: the member says nothing. What is told of it.
fn run_on(
    peers: &mut Peers,
    members: i64,
    steps: std::ops::Range<i64>,
    metric: &str,
    value: impl Fn(i64, i64) -> Option<f64>,
) -> Vec<Anomaly> {
    let mut told = Vec::new();
    for step in steps {
        for member in 0..members {
            if let Some(mean) = value(member, step) {
                assert_eq!(
                    peers.take(&summary(member, step, metric, mean), None),
                    Taken::Waits
                );
            }
        }
        let (more, refused) = peers.compare_before(EventTime::from_secs((step + 2) * STEP + 10), &domain());
        assert_eq!(refused, 0);
        told.extend(more);
    }
    told
}

fn run(
    members: i64,
    steps: std::ops::Range<i64>,
    metric: &str,
    value: impl Fn(i64, i64) -> Option<f64>,
) -> Vec<Anomaly> {
    run_on(&mut Peers::default(), members, steps, metric, value)
}

fn opened(told: &[Anomaly]) -> Vec<(String, i64)> {
    told.iter()
        .filter(|a| a.state == AnomalyState::Opened)
        .map(|a| {
            let cell = a.series.resource.get("cell").unwrap_or_default().to_owned();
            (cell, a.at.secs() / STEP)
        })
        .collect()
}

/// A day's swing between 0.2 and 1.
fn swing(step: i64) -> f64 {
    let share = f64::from(i32::try_from(step % DAY).unwrap()) / 1_440.0;
    0.6 - 0.4 * libm::cos(std::f64::consts::TAU * share)
}

/// Load of forty cells, from one to nine times the least, by the hour, with 5 % of noise.
fn load(member: i64, step: i64) -> f64 {
    let usual = 100.0 * (1.0 + f64::from(i32::try_from(member % 9).unwrap()));
    usual * swing(step) * (1.0 + 0.05 * normal(member * 1_000_003 + step))
}

#[test]
fn what_is_kept_to_be_shown_changes_nothing_and_has_every_step_of_every_member() {
    let steps = i64::from(PEER_WARM_UP_STEPS) + 40;
    let value = |member: i64, step: i64| {
        let wrong = member == 3 && step >= steps - 10;
        Some(load(member, step) * if wrong { 3.0 } else { 1.0 })
    };
    let mut peers = Peers::default();
    peers.keep_scores(true);
    let told = run_on(&mut peers, 20, 0..steps, "latency", value);
    assert!(!told.is_empty());
    assert_eq!(told, run(20, 0..steps, "latency", value));
    let scores = peers.take_scores();
    assert_eq!(scores.len(), usize::try_from(20 * steps).unwrap());
    assert!(peers.take_scores().is_empty(), "they are taken once");
    // As its anomaly tells it.
    let last = told.last().unwrap();
    let shown = scores
        .iter()
        .find(|score| score.at == last.at && *score.series == *last.series)
        .unwrap();
    assert_eq!((shown.value, shown.expected), (last.observed, last.expected));
    let (shown, told) = (shown.band.unwrap(), last.band);
    assert!(
        (shown.high - told.high).abs() < 0.2 * (told.high - told.low),
        "{shown:?} {told:?}"
    );
    assert!(
        scores.first().unwrap().band.is_none(),
        "its place isn't known yet"
    );
}

/// Forty cells of which no two are alike: four days of them open nothing, and neither do the other kinds of noise that are usual.
#[test]
fn what_is_usual_opens_nothing() {
    let days = 2 * DAY;
    for members in [5, 10, 40] {
        let quiet = |name: &str, value: &dyn Fn(i64, i64) -> Option<f64>| {
            let told = run(members, 0..days, "x", value);
            assert_eq!(opened(&told), [], "{members} {name}");
        };
        quiet("loads by the hour", &|m, s| Some(load(m, s)));
        quiet("all alike", &|m, s| Some(50.0 + normal(m * 7_919_993 + s)));
        quiet("mostly nothing", &|m, s| {
            let wild = noise(m * 99_991 + s) > 0.98;
            Some(if wild { noise(m * 31 + s).abs() } else { 0.0 })
        });
        quiet("heavy tails", &|m, s| {
            let scale = normal(m * 104_729 + s * 3 + 1).abs().max(0.1);
            Some(20.0 + normal(m * 7_919_993 + s) / scale)
        });
        quiet("noise that lasts", &|m, s| {
            let last = |i: i32| normal(m * 7_919_993 + s - i64::from(i)) * libm::pow(0.9, f64::from(i));
            Some(100.0 + (0..30).map(last).sum::<f64>())
        });
        quiet("each at its own hour", &|m, s| {
            Some(100.0 * swing(s + m * 60) * (1.0 + 0.05 * normal(m * 7_919_993 + s)))
        });
        quiet("nothing at all", &|_, _| Some(0.0));
        quiet("one always at nine times the others", &|m, s| {
            let factor = if m == 3 { 9.0 } else { 1.0 };
            Some(factor * swing(s) * (1.0 + 0.05 * normal(m * 7_919_993 + s)))
        });
    }
}

/// From noon of the third day on a cell has 1.5 times its load, which is less than it has had at other hours: only its peers tell.
#[test]
fn one_of_forty_is_told_and_closed() {
    // At six the swing is at 0.6 of its height.
    let (begin, end) = (2 * DAY + 360, 2 * DAY + 480);
    let value = |m, s| {
        let factor = if m == 3 && (begin..end).contains(&s) {
            1.5
        } else {
            1.0
        };
        Some(load(m, s) * factor)
    };
    let told = run(40, 0..end + 60, "load", value);
    let highest = (DAY..2 * DAY).map(|s| load(3, s)).fold(0.0, f64::max);
    assert!((begin..begin + 10).all(|s| load(3, s) * 1.5 < highest));
    assert_eq!(opened(&told), [("c03".to_owned(), begin + 3)]);
    let first = told.first().unwrap();
    assert_eq!((first.channel, first.direction), (Channel::Peer, Direction::Up));
    assert_eq!((first.revision, first.samples), (1, 3));
    assert_eq!(first.from, EventTime::from_secs(begin * STEP));
    assert!((first.observed / first.expected - 1.5).abs() < 0.2, "{first:?}");
    assert!(first.band.high < first.observed && first.band.low < first.expected);
    assert_eq!(
        first.lineage.ranges().len(),
        3,
        "the records of the abnormal steps"
    );
    assert!(
        told.windows(2)
            .all(|pair| pair[1].revision == pair[0].revision + 1)
    );
    let last = told.last().unwrap();
    assert_eq!(last.state, AnomalyState::Closed);
    assert_eq!(last.at.secs() / STEP, end + 5);
}

#[test]
fn a_group_that_moves_as_one_says_nothing_however_it_moves() {
    let begin = DAY + 600;
    for (factor, more) in [(3.0, 0.0), (0.3, 0.0), (1.0, 900.0), (1.0, -900.0)] {
        let told = run(10, 0..begin + 60, "load", |m, s| {
            let (factor, more) = if s >= begin { (factor, more) } else { (1.0, 0.0) };
            Some(load(m, s) * factor + more)
        });
        assert_eq!(opened(&told), [], "{factor} {more}");
    }
}

/// Of two camps nobody can say which is the normal one; in the end both are.
#[test]
fn where_more_than_a_third_are_off_nothing_is_said() {
    let begin = DAY + 600;
    for (off, expected) in [(3, 3), (4, 0), (5, 0), (6, 0), (7, 3)] {
        let told = run(10, 0..begin + 400, "x", |m, s| {
            let far = if m < off && s >= begin { 100.0 } else { 0.0 };
            Some(far + normal(m * 7_919_993 + s))
        });
        assert_eq!(opened(&told).len(), expected, "{off}");
    }
}

#[test]
fn what_was_told_closes_in_a_group_that_has_become_two_camps() {
    // Two of six move for good and are told; then one of the others goes away, and two of five are more than a third.
    let told = run(6, 0..DAY + 900, "x", |m, s| {
        if m == 5 && s >= DAY + 60 {
            return None;
        }
        let moved = if m < 2 && s >= DAY { 900.0 } else { 0.0 };
        Some(100.0 + moved + normal(m * 7_919_993 + s))
    });
    let moved: Vec<&Anomaly> = told.iter().filter(|a| a.state != AnomalyState::Updated).collect();
    let ends: Vec<(AnomalyState, i64)> = moved.iter().map(|a| (a.state, a.at.secs() / STEP)).collect();
    assert_eq!(opened(&told).len(), 2, "{ends:?}");
    let closed: Vec<i64> = ends
        .iter()
        .filter(|(state, _)| *state == AnomalyState::Closed)
        .map(|(_, at)| *at)
        .collect();
    assert!(
        closed.len() == 2 && closed.iter().all(|at| *at <= DAY + 500),
        "eight hours are enough: {ends:?}"
    );
}

#[test]
fn five_are_a_group_and_four_are_not() {
    let begin = DAY + 600;
    for (members, expected) in [(4, 0), (5, 1)] {
        let told = run(members, 0..begin + 30, "x", |m, s| {
            let far = if m == 2 && s >= begin { 100.0 } else { 0.0 };
            Some(far + normal(m * 7_919_993 + s))
        });
        assert_eq!(opened(&told).len(), expected, "{members}");
    }
}

/// Half of the group is away for an hour, the busier half: who stays hasn't moved. Who is away is no zero.
#[test]
fn who_says_nothing_has_no_part_in_it() {
    let away = DAY + 600..DAY + 660;
    let told = run(10, 0..DAY + 720, "load", |m, s| {
        (m < 4 || m == 9 || !away.contains(&s)).then(|| load(m, s))
    });
    assert_eq!(opened(&told), []);
    // One that was off and falls silent is closed.
    let begin = DAY + 600;
    let told = run(10, 0..begin + 60, "load", |m, s| match (m, s - begin) {
        (3, 5..) => None,
        (3, 0..) => Some(load(m, s) * 3.0),
        _ => Some(load(m, s)),
    });
    assert_eq!(opened(&told).len(), 1);
    let last = told.last().unwrap();
    assert_eq!(
        (last.state, last.at.secs() / STEP),
        (AnomalyState::Closed, begin + 5 + 30)
    );
}

#[test]
fn a_place_that_is_kept_is_the_usual_one() {
    let begin = DAY + 600;
    let told = run(10, 0..begin + DAY, "load", |m, s| {
        let factor = if m == 3 && s >= begin { 3.0 } else { 1.0 };
        Some(load(m, s) * factor)
    });
    assert_eq!(opened(&told).len(), 1);
    let last = told.last().unwrap();
    assert_eq!(
        (last.state, last.at.seconds_from(last.from)),
        (AnomalyState::Closed, 28_800.0)
    );
}

#[test]
fn what_goes_the_way_that_hurts_nobody_is_not_told() {
    let begin = DAY + 600;
    let off = |metric, far: f64| {
        let told = run(10, 0..begin + 30, metric, |m, s| {
            let far = if m == 2 && s >= begin { far } else { 0.0 };
            Some(50.0 + far + normal(m * 7_919_993 + s))
        });
        opened(&told).len()
    };
    assert_eq!((off("latency.p95", 40.0), off("latency.p95", -40.0)), (1, 0));
    assert_eq!((off("availability", 40.0), off("availability", -40.0)), (0, 1));
    assert_eq!((off("load", 40.0), off("load", -40.0)), (1, 1));
}

#[test]
fn future_steps_and_the_order_of_arrival_change_nothing() {
    let begin = DAY / 2;
    let value = |m: i64, s: i64| load(m, s) * if m == 3 && s >= begin { 4.0 } else { 1.0 };
    let steps = 0..begin + 20;
    let plain = run(10, steps.clone(), "load", |m, s| Some(value(m, s)));
    let longer = run(10, 0..begin + 80, "load", |m, s| Some(value(m, s)));
    assert_eq!(opened(&plain).len(), 1);
    assert_eq!(longer.get(..plain.len()), Some(plain.as_slice()));
    // Many steps wait at once, in no order, and the memory is saved and loaded between.
    let mut peers = Peers::default();
    let mut told = Vec::new();
    let all: Vec<i64> = steps.collect();
    for many in all.chunks(7) {
        let mut waiting: Vec<(i64, i64)> = many.iter().flat_map(|s| (0..10).map(move |m| (m, *s))).collect();
        waiting.sort_by_key(|(m, s)| noise(m * 1_009 + s * 31).to_bits());
        for (m, s) in waiting {
            assert_eq!(
                peers.take(&summary(m, s, "load", value(m, s)), None),
                Taken::Waits
            );
            // One that is told twice is heard once.
            peers.take(&summary(m, s, "load", value(m, s)), None);
        }
        let bytes = forecall_stage::encode_state(&peers).unwrap();
        peers = forecall_stage::decode_state(&bytes).unwrap();
        let last = many.last().unwrap() + 2;
        let (more, _) = peers.compare_before(EventTime::from_secs(last * STEP + 10), &domain());
        told.extend(more);
    }
    assert_eq!(told, plain);
    assert_eq!(peers.first_waiting(), None);
}

#[test]
fn late_ones_and_those_without_room_are_refused() {
    let mut peers = Peers::default();
    let judged = Some(EventTime::from_secs(4 * STEP));
    assert_eq!(peers.take(&summary(0, 1, "x", 1.0), judged), Taken::Late);
    assert_eq!(peers.take(&summary(0, 2, "x", 1.0), judged), Taken::Waits);
    let room = i64::try_from(PEER_VALUES_WAITING_MAX).unwrap();
    for member in 1..room {
        assert_eq!(peers.take(&summary(member, 5, "x", 1.0), judged), Taken::Waits);
    }
    let end = EventTime::from_secs(4 * STEP);
    assert_eq!(
        peers.take(&summary(room, 5, "x", 1.0), judged),
        Taken::GaveUp(end)
    );
    assert_eq!(
        peers.take(&summary(1, 2, "x", 1.0), judged),
        Taken::Late,
        "given up for all"
    );
    // Only so many are remembered.
    let (_, refused) = peers.compare_before(EventTime::from_secs(600), &domain());
    assert_eq!(refused, PEER_VALUES_WAITING_MAX - PEER_MEMBERS_MAX);
    assert_eq!(peers.members, PEER_MEMBERS_MAX);
    // A day later they are forgotten.
    peers.compare_before(EventTime::from_secs(600 + 2 * 86_400), &domain());
    assert_eq!((peers.members, peers.groups.len()), (0, 0));
}

/// What stands in the documentation, by sorting and adding up, nothing shared with the code but the constants' values.
mod oracle {
    fn middle(values: &[f64]) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let half = sorted.len() / 2;
        if sorted.len() % 2 == 1 {
            sorted[half]
        } else {
            (sorted[half - 1] + sorted[half]) / 2.0
        }
    }

    fn mad(values: &[f64]) -> f64 {
        let at = middle(values);
        1.482_602_218_505_602 * middle(&values.iter().map(|v| (v - at).abs()).collect::<Vec<_>>())
    }

    /// (expected, scale) of members (value, place, sd, young), the long-run noise known before and steps of it.
    pub(super) fn compare(members: &[(f64, f64, f64, f64)], noise: (f64, u32)) -> (Vec<(f64, f64)>, f64) {
        let n = f64::from(u32::try_from(members.len()).unwrap());
        let values: Vec<f64> = members.iter().map(|m| m.0).collect();
        let places: Vec<f64> = members.iter().map(|m| m.1).collect();
        let at = middle(&values);
        let mut spread = mad(&values);
        if spread <= 0.0 {
            spread =
                (std::f64::consts::PI / 2.0).sqrt() * values.iter().map(|v| (v - at).abs()).sum::<f64>() / n;
        }
        spread = spread.max(0.02 * at.abs());
        let mut unit = spread / mad(&places).max(0.5);
        let level_of = |unit: f64| middle(&members.iter().map(|m| m.0 - unit * m.1).collect::<Vec<_>>());
        for _ in 0..2 {
            let level = level_of(unit);
            let rests: Vec<f64> = members.iter().map(|m| (m.0 - level - unit * m.1).abs()).collect();
            let scale = (1.482_602_218_505_602 * middle(&rests)).max(0.02 * at.abs());
            let weights: Vec<f64> = rests
                .iter()
                .map(|rest| {
                    if *rest <= 0.0 {
                        return 1.0;
                    }
                    let off = rest / (4.685 * scale);
                    if off < 1.0 {
                        (1.0 - off * off) * (1.0 - off * off)
                    } else {
                        0.0
                    }
                })
                .collect();
            // Normal equations of a weighted line, by sums.
            let sum = |of: &dyn Fn(usize) -> f64| (0..members.len()).map(|i| weights[i] * of(i)).sum::<f64>();
            let (w, x, y) = (sum(&|_| 1.0), sum(&|i| places[i]), sum(&|i| values[i]));
            let (xx, xy) = (sum(&|i| places[i] * places[i]), sum(&|i| places[i] * values[i]));
            if w > 0.0 {
                unit = (xy - x * y / w + spread) / (xx - x * x / w + 1.0);
            } else {
                unit = spread;
            }
            unit = unit.max(spread / 4.0).min(spread * 4.0);
        }
        let level = level_of(unit);
        let off: Vec<f64> = members.iter().map(|m| (m.0 - level - unit * m.1).abs()).collect();
        let (mean, steps) = noise;
        let steps = f64::from(steps) + 1.0;
        let noise = mean + (off.iter().sum::<f64>() / n - mean) / steps;
        let least = (1.482_602_218_505_602 * middle(&off))
            .max(0.25 * (std::f64::consts::PI / 2.0).sqrt() * noise)
            .max(0.02 * level.abs());
        let all = members
            .iter()
            .map(|(_, place, sd, young)| (level + unit * place, (sd * unit).max(least) * young))
            .collect();
        (all, noise)
    }
}

type Raw = (f64, f64, f64, f64);

fn members() -> impl Strategy<Value = Vec<Raw>> {
    let one = (-1.0_f64..1.0, -6.0_f64..6.0, 0.0_f64..1.0, 1.0_f64..2.0, 0_u8..6);
    let all = proptest::collection::vec(one, 5..24);
    (all, -100.0_f64..100.0, 0.5_f64..20.0).prop_map(|(all, level, unit)| {
        let of = |(rest, place, sd, young, wild): (f64, f64, f64, f64, u8)| {
            let far = if wild == 0 { 60.0 } else { 0.3 };
            (level + unit * (place + far * rest), place, sd, young)
        };
        all.into_iter().map(of).collect()
    })
}

fn compared(all: &[Raw], noise: &mut FadingMoments) -> Vec<Off> {
    let usual = |(value, place, sd, young): &Raw| {
        let usual = Usual {
            place: *place,
            sd: *sd,
            young: *young,
        };
        (*value, Some(usual))
    };
    let values: Vec<(f64, Option<Usual>)> = all.iter().map(usual).collect();
    compare(&values, noise, 1_440).unwrap()
}

proptest! {
    #[test]
    fn it_is_what_sorting_and_adding_up_gives(steps in proptest::collection::vec(members(), 1..5)) {
        let (mut noise, mut plain) = (FadingMoments::default(), 0.0);
        for (number, all) in (0_u32..).zip(&steps) {
            let got = compared(all, &mut noise);
            let (want, after) = oracle::compare(all, (plain, number));
            plain = after;
            prop_assert!((noise.mean() - plain).abs() < 1e-6 * (1.0 + plain));
            for ((off, (expected, scale)), (value, ..)) in got.iter().zip(want).zip(all) {
                prop_assert!((off.expected - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{off:?} {expected}");
                prop_assert!((off.scale - scale).abs() < 1e-6 * (1.0 + scale), "{off:?} {scale}");
                prop_assert!((off.sds * off.scale - (value - off.expected)).abs() < 1e-6 * (1.0 + value.abs()));
            }
            // Never are more than half of them off.
            let far = got.iter().filter(|off| off.sds.abs() > 1.0).count();
            prop_assert!(far * 2 <= got.len(), "{far} of {}", got.len());
        }
    }

    #[test]
    fn one_that_goes_further_moves_no_other(mut all in members(), which in 0_usize..24, more in 1.0_f64..1e6) {
        // All in place but one, further off than the widest group of five could take for its own noise; how far is no matter.
        let unit = 7.0;
        for (value, place, ..) in &mut all {
            *value = 30.0 + unit * *place;
        }
        let which = which % all.len();
        all[which].0 += unit * 100_000.0;
        let before = compared(&all, &mut FadingMoments::default());
        all[which].0 += more;
        let after = compared(&all, &mut FadingMoments::default());
        for ((a, b), _) in before.iter().zip(&after).zip(&all).filter(|(_, member)| **member != all[which]) {
            prop_assert!((a.expected - b.expected).abs() < 1e-6 * (1.0 + a.expected.abs()));
        }
    }
}
