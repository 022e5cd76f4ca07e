//! Whatever a case holds, its ranking is whole, the same in any order, and on trees what plain sums say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_incident::cause::{
    Alarm, CallRecord, Case, CauseTunables, Measure, NodeRecord, Point, Statistic, Tier, Track, Trouble, rank,
};
use forecall_types::EventTime;
use proptest::prelude::*;

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => 0.0..2.0,
        1 => Just(0.0),
        2 => 0.0..1e4,
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => -1.0..0.0,
    ]
}

fn measure() -> impl Strategy<Value = Measure> {
    prop_oneof![
        Just(Measure::Latency(Statistic::Mean)),
        Just(Measure::Latency(Statistic::P50)),
        Just(Measure::Latency(Statistic::P99)),
        Just(Measure::Requests),
        Just(Measure::FailedShare),
        Just(Measure::Cpu),
        Just(Measure::Memory),
    ]
}

fn points(rows: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Point>> {
    let point = (rows, value()).prop_map(|(row, value)| Point {
        at: EventTime::from_secs(row * 60),
        value,
    });
    prop::collection::vec(point, 0..14)
}

fn track() -> impl Strategy<Value = Track> {
    (measure(), points(-40..-20), points(-4..5)).prop_map(|(measure, normal, recent)| Track {
        measure,
        normal,
        recent,
    })
}

fn name() -> impl Strategy<Value = Arc<str>> {
    (0_u8..9).prop_map(|i| Arc::from(format!("n{i}")))
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        Just(Trouble::Latency(Statistic::Mean)),
        Just(Trouble::Latency(Statistic::P99)),
        Just(Trouble::Failures),
    ]
}

prop_compose! {
    fn any_case()(
        nodes in prop::collection::vec((name(), prop::collection::vec(track(), 0..5)), 0..10),
        calls in prop::collection::vec((name(), name(), prop::collection::vec(track(), 0..3)), 0..16),
        node in name(),
        trouble in trouble(),
    ) -> Case {
        Case {
            nodes: nodes.into_iter().map(|(name, tracks)| NodeRecord { name, tracks }).collect(),
            calls: calls.into_iter().map(|(caller, callee, tracks)| CallRecord { caller, callee, tracks }).collect(),
            alarm: Alarm { node, trouble, at: EventTime::from_secs(0) },
        }
    }
}

/// Another order of everything, by a number.
fn reordered(case: &Case, key: u64) -> Case {
    fn by<T>(items: &mut [T], key: u64) {
        let n = items.len().max(1);
        items.rotate_left(usize::try_from(key).unwrap() % n);
        if key.is_multiple_of(2) {
            items.reverse();
        }
    }
    let mut case = case.clone();
    by(&mut case.nodes, key);
    by(&mut case.calls, key / 3);
    let nodes = case.nodes.iter_mut().map(|node| &mut node.tracks);
    for tracks in nodes.chain(case.calls.iter_mut().map(|call| &mut call.tracks)) {
        by(tracks, key / 5);
        for track in tracks {
            by(&mut track.normal, key / 7);
            by(&mut track.recent, key / 11);
        }
    }
    case
}

/// A tree whose nodes hang below an earlier one, with the excess each makes itself.
fn tree() -> impl Strategy<Value = Vec<(usize, f64)>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0.05..3.0_f64), 2..12).prop_map(|nodes| {
        nodes
            .into_iter()
            .enumerate()
            .map(|(i, (above, own))| (if i == 0 { 0 } else { above.index(i) }, own))
            .collect()
    })
}

/// Everybody has 100 requests a row, each calls each of its callees once and waits.
fn case_of(tree: &[(usize, f64)]) -> Case {
    let mut excess: Vec<f64> = tree.iter().map(|(_, own)| *own).collect();
    for i in (1..tree.len()).rev() {
        excess[tree[i].0] += excess[i];
    }
    let rows = |range: std::ops::Range<i64>, value: &dyn Fn(i64) -> f64| -> Vec<Point> {
        range
            .map(|row| Point {
                at: EventTime::from_secs(row * 60),
                value: value(row),
            })
            .collect()
    };
    let name = |i: usize| Arc::from(format!("n{i:02}"));
    Case {
        nodes: excess
            .iter()
            .enumerate()
            .map(|(i, excess)| NodeRecord {
                name: name(i),
                tracks: vec![
                    Track {
                        measure: Measure::Latency(Statistic::Mean),
                        normal: rows(-30..-10, &|_| 0.1),
                        recent: rows(-2..3, &|row| if row < 0 { 0.1 } else { 0.1 + excess }),
                    },
                    Track {
                        measure: Measure::Requests,
                        normal: Vec::new(),
                        recent: rows(-2..3, &|_| 100.0),
                    },
                ],
            })
            .collect(),
        calls: (1..tree.len())
            .map(|i| CallRecord {
                caller: name(tree[i].0),
                callee: name(i),
                tracks: Vec::new(),
            })
            .collect(),
        alarm: Alarm {
            node: name(0),
            trouble: Trouble::Latency(Statistic::Mean),
            at: EventTime::from_secs(0),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_order_of_the_input_changes_no_bit(case in any_case(), key in 0_u64..100_000) {
        let ranking = rank(&case, &CauseTunables::default()).unwrap();
        prop_assert_eq!(&ranking, &rank(&case, &CauseTunables::default()).unwrap());
        prop_assert_eq!(ranking, rank(&reordered(&case, key), &CauseTunables::default()).unwrap());
    }

    #[test]
    fn every_node_stands_once_with_a_share_and_a_way_along_calls(case in any_case()) {
        let ranking = rank(&case, &CauseTunables::default()).unwrap();
        let mut names: BTreeSet<&str> = BTreeSet::from([&*case.alarm.node]);
        names.extend(case.nodes.iter().map(|node| &*node.name));
        names.extend(case.calls.iter().flat_map(|call| [&*call.caller, &*call.callee]));
        let told: Vec<&str> = ranking.suspects.iter().map(|one| &*one.node).collect();
        prop_assert_eq!(told.len(), names.len());
        prop_assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), names);
        let shares: f64 = ranking.suspects.iter().map(|one| one.share).sum();
        prop_assert!(shares <= 1.0 + 1e-9, "{}", shares);
        let calls: BTreeSet<(&str, &str)> = case.calls.iter().map(|call| (&*call.caller, &*call.callee)).collect();
        for one in &ranking.suspects {
            prop_assert!((0.0..=1.0).contains(&one.share) && one.own.is_finite() && one.z.is_finite(), "{:?}", one);
            prop_assert_eq!(&one.path[0], &one.node);
            for pair in one.path.windows(2) {
                prop_assert!(calls.contains(&(&*pair[1], &*pair[0])), "{:?}", one.path);
            }
            if one.path.len() > 1 {
                prop_assert_eq!(one.path.last(), Some(&case.alarm.node));
            }
        }
    }

    #[test]
    fn on_a_tree_each_nodes_own_excess_is_what_it_makes_itself(tree in tree()) {
        let case = case_of(&tree);
        let ranking = rank(&case, &CauseTunables::default()).unwrap();
        let own: BTreeMap<String, f64> =
            tree.iter().enumerate().map(|(i, (_, own))| (format!("n{i:02}"), own * 100.0 * 3.0)).collect();
        for one in &ranking.suspects {
            let expected = own[&*one.node];
            prop_assert!((one.own - expected).abs() < 1e-6 * expected.max(1.0), "{:?} {}", one, expected);
        }
        let causes: Vec<f64> =
            ranking.suspects.iter().filter(|one| one.tier == Tier::OwnExcess).map(|one| one.own).collect();
        prop_assert!(causes.windows(2).all(|pair| pair[0] >= pair[1]), "{:?}", causes);
        // All below the front are reached, and who makes most of it is first.
        prop_assert!(causes.len() >= tree.len() - 1);
    }
}
