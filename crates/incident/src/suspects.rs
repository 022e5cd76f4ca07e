//! What an incident's anomalies say of its cause, as [`cause::rank`](crate::cause::rank) sees it.
//!
//! Each service is a node, `depends_on` gives the calls. What an anomaly tells (its window, what was expected, its band) are the
//! rows of a measure of its service; nothing is known of series without an anomaly, which speaks for their being normal. Requests aren't told
//! by anomalies, so all services count as called alike: shares are rougher than those of the benchmark, which has the requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{Anomaly, Cause, Channel, ContextKind, EventTime, Incident, Scope, ServiceName};

use crate::cause::{
    Alarm, CallRecord, Case, CauseTunables, Measure, NodeRecord, Point, Statistic, Tier, Track, Trouble, rank,
};
use crate::metric::MetricKind;
use crate::topology::Topology;

/// Causes told: who looks beyond the fifth looks at everything.
pub(crate) const CAUSES_MAX: usize = 5;
/// Where rows of a normal distribution lie, in standard deviations: what a band says, as rows.
const NORMAL_ROWS: [f64; 12] = [-1.7, -1.1, -0.8, -0.5, -0.3, -0.1, 0.1, 0.3, 0.5, 0.8, 1.1, 1.7];
/// Standard deviations at the edge of a band: one in a thousand either way.
const BAND_SDS: f64 = 3.29;
/// The distance of rows where a window has too few to tell.
const ROW_SPAN: Duration = Duration::from_secs(60);
/// Words of what fills up.
const RESOURCES: [&str; 9] = [
    "cpu",
    "queue",
    "pool",
    "disk",
    "filesystem",
    "connection",
    "saturation",
    "utilization",
    "thread",
];

/// What an anomaly measures of its service, and how its values become that.
#[derive(Debug, Clone, Copy)]
struct Reading {
    measure: Measure,
    factor: f64,
    /// Added after the factor.
    offset: f64,
    /// Failures each second, not a share of the requests.
    is_rate: bool,
}

fn statistic(metric: &str) -> Statistic {
    let ends = |ending: &str| metric.ends_with(ending);
    if ends("p50") || ends("median") {
        Statistic::P50
    } else if ends("p90") {
        Statistic::P90
    } else if ends("p95") {
        Statistic::P95
    } else if ends("p99") {
        Statistic::P99
    } else {
        Statistic::Mean
    }
}

fn reading(anomaly: &Anomaly) -> Option<Reading> {
    if anomaly.channel == Channel::Silence {
        return None;
    }
    let (metric, unit) = (anomaly.series.metric.to_ascii_lowercase(), &*anomaly.series.unit);
    let of = |measure, factor| Reading {
        measure,
        factor,
        offset: 0.0,
        is_rate: false,
    };
    let share = if unit == "%" { 0.01 } else { 1.0 };
    Some(match MetricKind::of(&metric) {
        MetricKind::Latency => of(Measure::Latency(statistic(&metric)), 1.0),
        MetricKind::Availability => Reading {
            offset: 1.0,
            ..of(Measure::FailedShare, -share)
        },
        MetricKind::Error | MetricKind::Loss => Reading {
            is_rate: unit != "%" && unit != "1",
            ..of(Measure::FailedShare, share)
        },
        MetricKind::Other if metric.contains("memory") => of(Measure::Memory, 1.0),
        MetricKind::Other if RESOURCES.iter().any(|word| metric.contains(word)) => of(Measure::Cpu, 1.0),
        MetricKind::Other => return None,
    })
}

/// Rows of an anomaly: what was normal, as its band has it, and its window.
fn track(anomaly: &Anomaly, reading: Reading, rate: f64) -> Track {
    let factor = if reading.is_rate {
        reading.factor / rate
    } else {
        reading.factor
    };
    let point = |at: EventTime, value: f64| Point {
        at,
        value: value * factor + reading.offset,
    };
    let sd = (anomaly.band.high - anomaly.band.low) / 2.0 / BAND_SDS;
    let sd = if sd.is_finite() { sd } else { 0.0 };
    let mut recent: Vec<Point> = anomaly.window.iter().map(|(at, v)| point(*at, *v)).collect();
    if !anomaly.window.iter().any(|(at, _)| *at >= anomaly.at) {
        recent.push(point(anomaly.at, anomaly.observed));
    }
    let first = recent.iter().map(|row| row.at).min().unwrap_or(anomaly.at);
    let normal = (1_u32..)
        .zip(NORMAL_ROWS)
        .map(|(i, sds)| point(first.minus(ROW_SPAN * i), anomaly.expected + sds * sd))
        .collect();
    Track {
        measure: reading.measure,
        normal,
        recent,
    }
}

/// An anomaly that speaks, and the service it is of.
struct Witness<'a> {
    service: ServiceName,
    anomaly: &'a Anomaly,
    reading: Reading,
}

/// What was announced of a service while it was abnormal, apart from work that was expected to be felt.
fn changes<'a>(witnesses: &'a [Witness<'a>], node: &str) -> BTreeSet<String> {
    let of = witnesses.iter().filter(|one| one.service.as_str() == node);
    let notes = of.flat_map(|one| &one.anomaly.context);
    let told = notes.filter(|note| match note.kind {
        ContextKind::Deployment | ContextKind::ConfigChange | ContextKind::LoadTest => true,
        ContextKind::Maintenance => false,
    });
    told.map(|note| format!("{} {}", note.kind.as_str().replace('_', " "), note.id))
        .collect()
}

/// The service that shows the trouble customers feel, and what it shows.
fn alarm(witnesses: &[Witness<'_>], scope: &Scope) -> Option<Alarm> {
    let at = witnesses.iter().map(|one| one.anomaly.from).min()?;
    let trouble = |one: &Witness<'_>| match one.reading.measure {
        Measure::Latency(statistic) => Some(Trouble::Latency(statistic)),
        Measure::FailedShare => Some(Trouble::Failures),
        Measure::Requests | Measure::Cpu | Measure::Memory => None,
    };
    let felt = witnesses
        .iter()
        .filter_map(|one| Some((one, trouble(one)?)))
        .max_by(|(a, _), (b, _)| {
            let in_scope = |one: &Witness<'_>| scope.services.contains(&one.service);
            (in_scope(a).cmp(&in_scope(b)))
                .then(a.anomaly.score.get().total_cmp(&b.anomaly.score.get()))
                .then_with(|| b.anomaly.id.cmp(&a.anomaly.id))
        });
    let node = match &felt {
        Some((one, _)) if scope.services.contains(&one.service) => &one.service,
        Some(_) | None => scope.services.first()?,
    };
    Some(Alarm {
        node: Arc::from(node.as_str()),
        trouble: felt.map_or(Trouble::Latency(Statistic::Mean), |(_, trouble)| trouble),
        at,
    })
}

/// Whoever needs these services, step by step, and the calls between.
fn calls(topology: &Topology, services: &BTreeSet<ServiceName>) -> Vec<CallRecord> {
    let mut seen = services.clone();
    let mut ring: Vec<ServiceName> = services.iter().cloned().collect();
    let mut calls = Vec::new();
    while let Some(callee) = ring.pop() {
        for caller in topology.needed_by(&callee) {
            calls.push(CallRecord {
                caller: Arc::from(caller.as_str()),
                callee: Arc::from(callee.as_str()),
                tracks: Vec::new(),
            });
            if seen.insert(caller.clone()) {
                ring.push(caller.clone());
            }
        }
    }
    calls
}

/// Suspects of an incident, the most likely first; empty where nothing that it measures tells of any.
pub(crate) fn suspects<'a>(
    anomalies: impl Iterator<Item = &'a Anomaly>,
    scope: &Scope,
    topology: &Topology,
) -> Vec<Cause> {
    let witnesses: Vec<Witness<'a>> = anomalies
        .filter_map(|anomaly| {
            Some(Witness {
                service: topology.place(&anomaly.series).ok()?.service,
                reading: reading(anomaly)?,
                anomaly,
            })
        })
        .collect();
    let Some(alarm) = alarm(&witnesses, scope) else {
        return Vec::new();
    };
    // Failures a second add up along calls as they are; the rule wants shares of something that all have alike.
    let rates = witnesses.iter().filter(|one| one.reading.is_rate);
    let rate = 2.0 * rates.map(|one| one.anomaly.observed.abs()).fold(0.5, f64::max);
    let mut nodes: BTreeMap<ServiceName, Vec<Track>> = BTreeMap::new();
    for one in &witnesses {
        let tracks = nodes.entry(one.service.clone()).or_default();
        tracks.push(track(one.anomaly, one.reading, rate));
    }
    let services: BTreeSet<ServiceName> = nodes.keys().cloned().collect();
    let case = Case {
        calls: calls(topology, &services),
        nodes: nodes
            .into_iter()
            .map(|(name, tracks)| NodeRecord {
                name: Arc::from(name.as_str()),
                tracks,
            })
            .collect(),
        alarm,
    };
    // Refused only where services depend on more than `CALLS_MAX` others in all: then no cause is told, as when nothing tells of any.
    let Ok(ranking) = rank(&case, &CauseTunables::default()) else {
        return Vec::new();
    };
    let mut causes = Vec::new();
    for suspect in ranking.suspects {
        match suspect.tier {
            Tier::Resource | Tier::Delayed | Tier::OwnExcess => {}
            Tier::Shown | Tier::Hint | Tier::Apart | Tier::Nothing => continue,
        }
        let cause = Cause {
            node: Arc::clone(&suspect.node),
            path: suspect.path,
            share: suspect.share,
        };
        let changes = changes(&witnesses, &suspect.node);
        causes.push(cause.clone());
        causes.extend(changes.into_iter().map(|change| {
            let node: Arc<str> = Arc::from(change);
            let path = std::iter::once(Arc::clone(&node))
                .chain(cause.path.iter().cloned())
                .collect();
            Cause {
                node,
                path,
                share: 0.0,
            }
        }));
    }
    causes.truncate(CAUSES_MAX);
    causes
}

/// Share from which the first suspect counts as the cause: as much as all others together.
const SUSPECT_SHARE_MIN: f64 = 0.5;

/// The suspect that explains half of an incident or more.
pub(crate) fn first_suspect(incident: &Incident) -> Option<&Cause> {
    let first = incident.causes.first();
    first.filter(|cause| cause.share >= SUSPECT_SHARE_MIN)
}

#[cfg(test)]
mod tests;
