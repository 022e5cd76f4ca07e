//! What the ranking is told, and the same put in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_types::EventTime;

use super::load::loads;
use super::{CALLS_MAX, CauseError, NODES_MAX};

/// Which figure of a latency's distribution a series holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statistic {
    /// The arithmetic mean: the only one that adds up along calls.
    Mean,
    /// The median.
    P50,
    /// The 90th percentile.
    P90,
    /// The 95th percentile.
    P95,
    /// The 99th percentile.
    P99,
}

/// What a series measures of a node, or of the calls from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Seconds a request took. Of a call: as the caller sees it, the network included.
    Latency(Statistic),
    /// Requests in the row's span of time.
    Requests,
    /// Share of the requests that failed, 0 to 1.
    FailedShare,
    /// Processor time, in any unit.
    Cpu,
    /// Memory, in any unit.
    Memory,
}

/// One row of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Where the row's span begins.
    pub at: EventTime,
    /// The value; one that isn't finite is as if it hadn't been measured.
    pub value: f64,
}

/// One series. Rows may be missing, doubled, and in any order.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// What it measures.
    pub measure: Measure,
    /// Rows of the reference period, when nothing was wrong; may be empty.
    pub normal: Vec<Point>,
    /// Rows about the alarm: some before it and those since.
    pub recent: Vec<Point>,
}

/// A node of the call graph and what is measured of it.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeRecord {
    /// Its name.
    pub name: Arc<str>,
    /// Its series.
    pub tracks: Vec<Track>,
}

/// Calls from one node to another and what the caller measures of them.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// Who calls.
    pub caller: Arc<str>,
    /// Who is called.
    pub callee: Arc<str>,
    /// Its series, as the caller sees them; may be empty.
    pub tracks: Vec<Track>,
}

/// What went wrong, as the alarm has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// Requests took too long, by this statistic.
    Latency(Statistic),
    /// Too many requests failed.
    Failures,
}

/// The alarm whose cause is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// The node that shows it.
    pub node: Arc<str>,
    /// What it shows.
    pub trouble: Trouble,
    /// When it was raised: rows from here on are the trouble, those before are not.
    pub at: EventTime,
}

/// All that is known of one alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Nodes, in any order; one that only calls or the alarm name is known by its name alone.
    pub nodes: Vec<NodeRecord>,
    /// Calls, in any order.
    pub calls: Vec<CallRecord>,
    /// The alarm.
    pub alarm: Alarm,
}

/// A series in order of time, split at the alarm.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    pub(super) normal: Vec<Point>,
    pub(super) before: Vec<Point>,
    pub(super) since: Vec<Point>,
}

static NOBODY: Rows = Rows {
    normal: Vec::new(),
    before: Vec::new(),
    since: Vec::new(),
};

/// Series by what they measure.
pub(super) type Tracks = BTreeMap<Measure, Rows>;

/// The value of a row, where there is one.
pub(super) fn value_at(rows: &[Point], at: EventTime) -> Option<f64> {
    let found = rows.binary_search_by(|point| point.at.cmp(&at)).ok()?;
    rows.get(found).map(|point| point.value)
}

/// Values of rows.
pub(super) fn values(rows: &[Point]) -> Vec<f64> {
    rows.iter().map(|point| point.value).collect()
}

/// Drops the row that began before the alarm and ends after it: it is neither normal nor all trouble, and shows the trouble
/// only where nothing else does. The span of a row is the usual distance of two.
fn drop_spanning(rows: &mut Rows, alarm: EventTime) {
    let times: Vec<EventTime> = rows
        .before
        .iter()
        .chain(&rows.since)
        .map(|point| point.at)
        .collect();
    let mut gaps: Vec<i64> = times
        .windows(2)
        .filter_map(|pair| Some(pair.get(1)?.nanos().saturating_sub(pair.first()?.nanos())))
        .collect();
    gaps.sort_unstable();
    let Some(span) = gaps.get(gaps.len() / 2).copied() else {
        return;
    };
    let clear = rows
        .before
        .partition_point(|point| point.at.nanos().saturating_add(span) <= alarm.nanos());
    let spanning = rows.before.split_off(clear);
    if rows.since.is_empty() {
        rows.since = spanning;
    }
}

/// In order of time; of rows of one time the greatest value counts, whatever their order was.
fn settle(rows: &mut Vec<Point>) {
    rows.retain(|point| point.value.is_finite());
    rows.sort_by(|a, b| a.at.cmp(&b.at).then(b.value.total_cmp(&a.value)));
    rows.dedup_by_key(|point| point.at);
}

/// A case in order of names: what the order of its parts was is forgotten here.
#[derive(Debug)]
pub(super) struct Known {
    /// Rising.
    pub(super) names: Vec<Arc<str>>,
    pub(super) tracks: Vec<Tracks>,
    /// By caller and callee; nobody calls itself.
    pub(super) calls: BTreeMap<(usize, usize), Tracks>,
    /// Rising, by callee.
    callers: Vec<Vec<usize>>,
    pub(super) alarmed: usize,
    /// Requests of each node.
    loads: Vec<Arc<Rows>>,
    /// Rows since the alarm of the series that has most.
    pub(super) rows_since: usize,
}

impl Known {
    pub(super) fn of(case: &Case) -> Result<Self, CauseError> {
        let mut index: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        index.insert(Arc::clone(&case.alarm.node), 0);
        for node in &case.nodes {
            index.insert(Arc::clone(&node.name), 0);
        }
        for call in &case.calls {
            index.insert(Arc::clone(&call.caller), 0);
            index.insert(Arc::clone(&call.callee), 0);
        }
        bounded("nodes", index.len(), NODES_MAX)?;
        bounded("calls", case.calls.len(), CALLS_MAX)?;
        for (i, place) in index.values_mut().enumerate() {
            *place = i;
        }
        let place = |name: &Arc<str>| index.get(name).copied().unwrap_or_default();
        let mut tracks = vec![Tracks::new(); index.len()];
        for node in &case.nodes {
            if let Some(own) = tracks.get_mut(place(&node.name)) {
                gather(own, &node.tracks, case.alarm.at);
            }
        }
        let mut calls: BTreeMap<(usize, usize), Tracks> = BTreeMap::new();
        for call in case.calls.iter().filter(|call| call.caller != call.callee) {
            let own = calls
                .entry((place(&call.caller), place(&call.callee)))
                .or_default();
            gather(own, &call.tracks, case.alarm.at);
        }
        for rows in tracks
            .iter_mut()
            .chain(calls.values_mut())
            .flat_map(BTreeMap::values_mut)
        {
            settle(&mut rows.normal);
            settle(&mut rows.before);
            settle(&mut rows.since);
            drop_spanning(rows, case.alarm.at);
        }
        let mut callers = vec![Vec::new(); index.len()];
        for (caller, callee) in calls.keys() {
            if let Some(callers) = callers.get_mut(*callee) {
                callers.push(*caller);
            }
        }
        let rows = tracks.iter().chain(calls.values()).flat_map(BTreeMap::values);
        let mut known = Self {
            loads: Vec::new(),
            rows_since: rows.map(|rows| rows.since.len()).max().unwrap_or(0),
            callers,
            alarmed: place(&case.alarm.node),
            names: index.into_keys().collect(),
            tracks,
            calls,
        };
        known.loads = loads(&known);
        Ok(known)
    }

    pub(super) fn load(&self, node: usize) -> &Rows {
        self.loads.get(node).map_or(&NOBODY, |rows| rows)
    }

    pub(super) fn callees(&self, node: usize) -> impl Iterator<Item = usize> {
        self.calls
            .range((node, 0)..=(node, usize::MAX))
            .map(|((_, callee), _)| *callee)
    }

    pub(super) fn track(&self, node: usize, measure: Measure) -> Option<&Rows> {
        self.tracks.get(node)?.get(&measure)
    }

    pub(super) fn callers(&self, node: usize) -> impl Iterator<Item = usize> {
        self.callers.get(node).into_iter().flatten().copied()
    }
}

fn bounded(what: &'static str, count: usize, max: usize) -> Result<(), CauseError> {
    if count > max {
        return Err(CauseError::TooMany { what, count, max });
    }
    Ok(())
}

fn gather(into: &mut Tracks, tracks: &[Track], alarm: EventTime) {
    for track in tracks {
        let rows = into.entry(track.measure).or_default();
        rows.normal.extend(&track.normal);
        for point in &track.recent {
            if point.at < alarm {
                rows.before.push(*point);
            } else {
                rows.since.push(*point);
            }
        }
    }
}
