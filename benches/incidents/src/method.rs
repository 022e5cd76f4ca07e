//! Methods side by side: forecall's ranking as shipped, the same told less, and the rivals.

use forecall_incident::cause::{
    CallRecord, Case, CauseTunables, Measure, NodeRecord, Statistic, Track, Trouble, rank,
};
use forecall_types::EventTime;

use crate::asked::Answer;
use crate::rivals;
use forecall_bench_input::below;

/// A method and its name in the tables.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    pub(crate) answer: fn(&Case) -> Answer,
}

/// As shipped.
pub(crate) const FORECALL: Method = Method {
    name: "forecall",
    answer: forecall,
};

/// For call graphs whose nodes have latency and failures.
pub(crate) const OF_SERVICES: [Method; 12] = [
    FORECALL,
    Method {
        name: "– reference: normal only",
        answer: |case| forecall(&without(case, false)),
    },
    Method {
        name: "– reference: rows before the alarm only",
        answer: |case| forecall(&without(case, true)),
    },
    Method {
        name: "– alarm by p50",
        answer: |case| forecall(&alarmed_by(case, Statistic::P50)),
    },
    Method {
        name: "– alarm by p95",
        answer: |case| forecall(&alarmed_by(case, Statistic::P95)),
    },
    Method {
        name: "– alarm by p99",
        answer: |case| forecall(&alarmed_by(case, Statistic::P99)),
    },
    Method {
        name: "– no request counted",
        answer: |case| forecall(&uncounted(case)),
    },
    Method {
        name: "– a fifth of the values missing",
        answer: |case| forecall(&holed(case)),
    },
    Method {
        name: "– alarm one row later",
        answer: |case| forecall(&later(case)),
    },
    Method {
        name: "robust z, largest first",
        answer: rivals::by_size,
    },
    Method {
        name: "deepest abnormal first",
        answer: rivals::by_depth,
    },
    Method {
        name: "onset order",
        answer: rivals::by_onset,
    },
];

/// For pods.
pub(crate) const OF_PODS: [Method; 2] = [
    FORECALL,
    Method {
        name: "CPU robust z",
        answer: rivals::by_cpu,
    },
];

pub(crate) fn forecall(case: &Case) -> Answer {
    match rank(case, &CauseTunables::default()) {
        Ok(ranking) => ranking
            .suspects
            .into_iter()
            .map(|suspect| suspect.node.to_string())
            .collect(),
        // Larger than any recording: nothing is said.
        Err(_) => Vec::new(),
    }
}

/// A case without its reference period, or without the rows before the alarm.
fn without(case: &Case, normal: bool) -> Case {
    let alarm = case.alarm.at;
    let mut case = case.clone();
    for track in tracks(&mut case).flatten() {
        if normal {
            track.normal.clear();
        } else {
            track.recent.retain(|point| point.at >= alarm);
        }
    }
    case
}

/// The tracks of all nodes and calls.
fn tracks(case: &mut Case) -> impl Iterator<Item = &mut Vec<Track>> {
    let nodes = case.nodes.iter_mut().map(|NodeRecord { tracks, .. }| tracks);
    nodes.chain(case.calls.iter_mut().map(|CallRecord { tracks, .. }| tracks))
}

/// As if another statistic had raised the alarm.
fn alarmed_by(case: &Case, statistic: Statistic) -> Case {
    let mut case = case.clone();
    if matches!(case.alarm.trouble, Trouble::Latency(_)) {
        case.alarm.trouble = Trouble::Latency(statistic);
    }
    case
}

fn uncounted(case: &Case) -> Case {
    let mut case = case.clone();
    for own in tracks(&mut case) {
        own.retain(|track| track.measure != Measure::Requests);
    }
    case
}

/// Without one value in five, the alarmed node's too; which ones hangs on the case alone.
fn holed(case: &Case) -> Case {
    let mut case = case.clone();
    let mut state = case.alarm.at.secs().unsigned_abs();
    for track in tracks(&mut case).flatten() {
        for rows in [&mut track.normal, &mut track.recent] {
            rows.retain(|_| below(&mut state, 5) > 0);
        }
    }
    case
}

/// As if the alarm had come a row later.
fn later(case: &Case) -> Case {
    let mut case = case.clone();
    let alarm = case.alarm.at;
    let times = case
        .nodes
        .iter()
        .flat_map(|node| &node.tracks)
        .flat_map(|track| &track.recent);
    let mut since: Vec<EventTime> = times.map(|point| point.at).filter(|at| *at >= alarm).collect();
    since.sort_unstable();
    since.dedup();
    if let Some(next) = since.get(1) {
        case.alarm.at = *next;
    }
    case
}
