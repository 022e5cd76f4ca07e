//! What causes are ranked by elsewhere, as simple as it comes: size of the deviation, depth in the call graph, onset.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_incident::cause::{Case, Measure, NodeRecord, Point, Trouble};
use forecall_stats::location_scale;

use crate::asked::{Answer, Asked};

/// No spread is smaller than this share of the median, as in forecall's own ranking.
const FLOOR: f64 = 0.02;
/// From here on a node counts as abnormal.
const ABNORMAL: f64 = 4.0;

/// Robust z of each node's rows since the alarm, in order of time.
fn deviations(case: &Case, measure: Measure) -> BTreeMap<Arc<str>, Vec<f64>> {
    let of = |node: &NodeRecord| {
        let Some(track) = node.tracks.iter().find(|track| track.measure == measure) else {
            return Vec::new();
        };
        let (before, mut since): (Vec<Point>, Vec<Point>) =
            track.recent.iter().partition(|point| point.at < case.alarm.at);
        let reference = if track.normal.is_empty() {
            &before
        } else {
            &track.normal
        };
        let mut values: Vec<f64> = reference.iter().map(|point| point.value).collect();
        let Some(usual) = location_scale(&mut values) else {
            return Vec::new();
        };
        let floor = (usual.location.abs() * FLOOR).max(1e-6);
        since.sort_by_key(|point| point.at);
        since
            .iter()
            .map(|point| (point.value - usual.location) / usual.scale.max(floor))
            .collect()
    };
    case.nodes
        .iter()
        .map(|node| (Arc::clone(&node.name), of(node)))
        .collect()
}

fn alarmed(case: &Case) -> Measure {
    match case.alarm.trouble {
        Trouble::Latency(statistic) => Measure::Latency(statistic),
        Trouble::Failures => Measure::FailedShare,
    }
}

/// Nodes by the greatest of several figures, then by name.
fn by<const N: usize>(figures: BTreeMap<Arc<str>, [f64; N]>) -> Answer {
    let mut all: Vec<(Arc<str>, [f64; N])> = figures.into_iter().collect();
    all.sort_by(|a, b| {
        let figures = a.1.iter().zip(&b.1).map(|(a, b)| b.total_cmp(a));
        figures
            .fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
            .then(a.0.cmp(&b.0))
    });
    all.into_iter().map(|(node, _)| node.to_string()).collect()
}

fn largest(deviations: &[f64]) -> f64 {
    deviations.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Robust z, the largest first.
pub(crate) fn by_size(case: &Case) -> Answer {
    by(deviations(case, alarmed(case))
        .into_iter()
        .map(|(node, all)| (node, [largest(&all)]))
        .collect())
}

/// Abnormal nodes, the deepest below the alarmed one first.
pub(crate) fn by_depth(case: &Case) -> Answer {
    let mut depths: BTreeMap<&str, f64> = BTreeMap::from([(&*case.alarm.node, 0.0)]);
    let mut ring = BTreeSet::from([&*case.alarm.node]);
    let mut depth = 0.0;
    while !ring.is_empty() {
        depth += 1.0;
        let called = case.calls.iter().filter(|call| ring.contains(&*call.caller));
        let next: BTreeSet<&str> = called
            .map(|call| &*call.callee)
            .filter(|callee| !depths.contains_key(callee))
            .collect();
        depths.extend(next.iter().map(|node| (*node, depth)));
        ring = next;
    }
    let deviations = deviations(case, alarmed(case)).into_iter();
    by(deviations
        .map(|(node, all)| {
            let z = largest(&all);
            let depth = depths.get(&*node).copied().unwrap_or(-1.0);
            (node, [if z > ABNORMAL { depth } else { -2.0 }, z])
        })
        .collect())
}

/// Who became abnormal first.
pub(crate) fn by_onset(case: &Case) -> Answer {
    let deviations = deviations(case, alarmed(case)).into_iter();
    by(deviations
        .map(|(node, all)| {
            let first = all.iter().position(|z| *z > ABNORMAL).unwrap_or(usize::MAX);
            (node, [-(first as f64), largest(&all)])
        })
        .collect())
}

/// Robust z of the processor, the largest first.
pub(crate) fn by_cpu(case: &Case) -> Answer {
    by(deviations(case, Measure::Cpu)
        .into_iter()
        .map(|(node, all)| (node, [largest(&all)]))
        .collect())
}

/// The cause that most of these faults had, said of everything.
pub(crate) fn constant<'a>(learnt_from: impl Iterator<Item = &'a Asked>) -> Option<Answer> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for cause in learnt_from.flat_map(|asked| &asked.truth) {
        *counts.entry(cause).or_default() += 1;
    }
    let (cause, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    Some(vec![cause.to_owned()])
}
