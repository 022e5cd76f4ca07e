//! What an incident's anomalies say of its cause, as [`cause::rank`](crate::cause::rank) sees it.
//!
//! Each service is a node, `depends_on` gives the calls. What an anomaly tells (its window, what was expected, its band) are the
//! rows of a measure of its service, or, where it names another service as the other side, of the calls between. Requests are those that
//! `detect` found counted beside it ([`Traffic`]); where none are, a service counts as called like those that call it. Nothing is
//! known of series without an anomaly, which speaks for their being normal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    Anomaly, Cause, Channel, ContextKind, EventTime, Incident, Labels, Scope, SeriesKey, ServiceName,
    Traffic, Usual,
};

use crate::cause::{
    Alarm, CallRecord, Case, CauseTunables, Measure, NodeRecord, Point, Statistic, Suspect, Tier, Track,
    Trouble, rank,
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
/// Labels that name the other side of a call (OpenTelemetry semantic conventions; service meshes).
const PEER_LABELS: [&str; 3] = ["service.peer.name", "peer.service", "destination_service_name"];
/// Labels that do so where the metric is a client's: a server names itself by them.
const ADDRESS_LABELS: [&str; 2] = ["server.address", "net.peer.name"];
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

/// Seconds in one of a latency's units, as its unit or its name says; else they count as seconds.
fn seconds(metric: &str, unit: &str) -> f64 {
    let by_name = [
        "ms",
        "milliseconds",
        "millis",
        "us",
        "microseconds",
        "ns",
        "nanoseconds",
    ];
    let mut words = metric.split(|c: char| !c.is_ascii_alphanumeric());
    let named = words.find(|word| by_name.contains(word));
    match if unit.is_empty() || unit == "1" {
        named
    } else {
        Some(unit)
    } {
        Some("ms" | "milliseconds" | "millis") => 1e-3,
        Some("us" | "microseconds") => 1e-6,
        Some("ns" | "nanoseconds") => 1e-9,
        Some("min") => 60.0,
        Some(_) | None => 1.0,
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
        MetricKind::Latency => of(Measure::Latency(statistic(&metric)), seconds(&metric, unit)),
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

/// Rows of an anomaly: what was normal, as its band has it, and its window. Failures a second become shares of the requests counted
/// beside them, else of `rate`.
fn track(anomaly: &Anomaly, reading: Reading, rate: f64) -> Track {
    let factor = if reading.is_rate {
        let counted = anomaly.traffic.map(|traffic| traffic.now);
        reading.factor / counted.filter(|now| *now > 0.0).unwrap_or(rate)
    } else {
        reading.factor
    };
    let point = |at: EventTime, value: f64| Point {
        at,
        value: value * factor + reading.offset,
    };
    // What was expected of a new shape is the value before, which may be of the trouble.
    let usual = anomaly.usual.unwrap_or_else(|| Usual {
        mean: anomaly.expected,
        sd: (anomaly.band.high - anomaly.band.low) / 2.0 / BAND_SDS,
    });
    let sd = if usual.sd.is_finite() { usual.sd } else { 0.0 };
    let mut recent: Vec<Point> = anomaly.window.iter().map(|(at, v)| point(*at, *v)).collect();
    if !anomaly.window.iter().any(|(at, _)| *at >= anomaly.at) {
        recent.push(point(anomaly.at, anomaly.observed));
    }
    let first = recent.iter().map(|row| row.at).min().unwrap_or(anomaly.at);
    let normal = (1_u32..)
        .zip(NORMAL_ROWS)
        .map(|(i, sds)| point(first.minus(ROW_SPAN * i), usual.mean + sds * sd))
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
    /// Of whose answers to this service it speaks.
    peer: Option<ServiceName>,
    anomaly: &'a Anomaly,
    reading: Reading,
}

impl Witness<'_> {
    fn ends(&self) -> Ends {
        (self.service.clone(), self.peer.clone())
    }
}

/// A service, or its calls of another.
type Ends = (ServiceName, Option<ServiceName>);

/// The other side of the calls that a series measures as `caller` sees them.
fn peer(series: &SeriesKey, caller: &ServiceName, topology: &Topology) -> Option<ServiceName> {
    let label = |name: &&str| series.labels.get(name).or_else(|| series.resource.get(name));
    let addresses: &[&str] = if series.metric.to_ascii_lowercase().contains("client") {
        &ADDRESS_LABELS
    } else {
        &[]
    };
    let mut values = PEER_LABELS.iter().chain(addresses).filter_map(label);
    let peer = values.find_map(|value| ServiceName::new(value).ok())?;
    (peer != *caller && topology.knows_service(&peer)).then_some(peer)
}

/// Requests by what they are of: the most that any anomaly of an entity tells, all entities together.
fn traffic(witnesses: &[Witness<'_>]) -> BTreeMap<Ends, Traffic> {
    let mut entities: BTreeMap<(Ends, &Labels), Traffic> = BTreeMap::new();
    for one in witnesses {
        let Some(told) = one.anomaly.traffic else {
            continue;
        };
        let of = entities.entry((one.ends(), &one.anomaly.series.resource));
        let of = of.or_insert(told);
        of.usual = of.usual.max(told.usual);
        of.now = of.now.max(told.now);
    }
    let mut sums: BTreeMap<Ends, Traffic> = BTreeMap::new();
    for ((ends, _), told) in entities {
        let sum = sums.entry(ends).or_insert(Traffic { usual: 0.0, now: 0.0 });
        sum.usual += told.usual;
        sum.now += told.now;
    }
    sums
}

/// Requests at the times at which something else was measured: as usual before the trouble, then as they are.
fn requests(tracks: &[Track], traffic: Traffic, from: EventTime) -> Track {
    let of = |row: &Point| {
        let rate = if row.at < from { traffic.usual } else { traffic.now };
        Point {
            at: row.at,
            value: rate * ROW_SPAN.as_secs_f64(),
        }
    };
    Track {
        measure: Measure::Requests,
        normal: tracks.iter().flat_map(|track| &track.normal).map(of).collect(),
        recent: tracks.iter().flat_map(|track| &track.recent).map(of).collect(),
    }
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

/// What went wrong, as some of the anomalies have it.
#[derive(Debug, PartialEq)]
struct Symptoms {
    node: Arc<str>,
    at: EventTime,
    /// Never none. More than one where the scope itself shows nothing: whichever of them customers will feel is what is asked about.
    troubles: Vec<Trouble>,
}

/// The service that shows the trouble customers feel, and what it shows.
fn symptoms(witnesses: &[Witness<'_>], scope: &Scope) -> Option<Symptoms> {
    let at = witnesses.iter().map(|one| one.anomaly.from).min()?;
    let trouble = |one: &Witness<'_>| match one.reading.measure {
        Measure::Latency(statistic) => Some(Trouble::Latency(statistic)),
        Measure::FailedShare => Some(Trouble::Failures),
        Measure::Requests | Measure::Cpu | Measure::Memory => None,
    };
    let is_felt = |one: &Witness<'_>| scope.services.contains(&one.service) && one.peer.is_none();
    let of = witnesses.iter().filter_map(|one| Some((one, trouble(one)?)));
    let mut told: Vec<(&Witness<'_>, Trouble)> = of.collect();
    told.sort_by(|(a, _), (b, _)| {
        let score = |one: &Witness<'_>| one.anomaly.score.get();
        (is_felt(b).cmp(&is_felt(a)))
            .then(score(b).total_cmp(&score(a)))
            .then_with(|| a.anomaly.id.cmp(&b.anomaly.id))
    });
    let first = told.first();
    let felt = first.filter(|(one, _)| is_felt(one));
    let mut troubles: Vec<Trouble> = match felt {
        Some((_, trouble)) => vec![*trouble],
        None => told.iter().map(|(_, trouble)| *trouble).collect(),
    };
    // One statistic of latencies is enough: the ranking takes the others where it is missing.
    let mut kinds = BTreeSet::new();
    troubles.retain(|trouble| kinds.insert(matches!(trouble, Trouble::Failures)));
    if troubles.is_empty() {
        troubles.push(Trouble::Latency(Statistic::Mean));
    }
    let node = felt.map_or_else(|| scope.services.first(), |(one, _)| Some(&one.service))?;
    Some(Symptoms {
        node: Arc::from(node.as_str()),
        at,
        troubles,
    })
}

/// A request that fails costs a customer about as much as one that takes a second longer: it is made again.
const FAILURE_SECONDS: f64 = 1.0;

/// Suspects for all that went wrong, the most likely first. Where that is both latency and failures, they are weighed in seconds that customers
/// wait longer.
fn ranked(mut case: Case, troubles: &[Trouble]) -> Vec<Suspect> {
    let mut all: BTreeMap<Arc<str>, (f64, Suspect)> = BTreeMap::new();
    for trouble in troubles {
        case.alarm.trouble = *trouble;
        // Refused only where services depend on more than `CALLS_MAX` others in all: then no cause is told, as when nothing tells of any.
        let Ok(ranking) = rank(&case, &CauseTunables::default()) else {
            return Vec::new();
        };
        let suspects = ranking.suspects.into_iter().filter(|one| match one.tier {
            Tier::Resource | Tier::Delayed | Tier::OwnExcess => true,
            Tier::Shown | Tier::Hint | Tier::Apart | Tier::Nothing => false,
        });
        if troubles.len() == 1 {
            return suspects.collect();
        }
        let seconds = match trouble {
            Trouble::Latency(_) => 1.0,
            Trouble::Failures => FAILURE_SECONDS,
        };
        for one in suspects {
            let cost = match one.tier {
                Tier::OwnExcess => seconds * one.own.max(0.0),
                Tier::Resource | Tier::Delayed | Tier::Shown | Tier::Hint | Tier::Apart | Tier::Nothing => {
                    0.0
                }
            };
            match all.get_mut(&one.node) {
                Some((sum, known)) => {
                    // Its way is that of what costs more, its tier the weightier.
                    let tier = known.tier.min(one.tier);
                    if cost > *sum {
                        *known = one;
                    }
                    known.tier = tier;
                    *sum += cost;
                }
                None => {
                    all.insert(Arc::clone(&one.node), (cost, one));
                }
            }
        }
    }
    let whole: f64 = all.values().map(|(cost, _)| cost).sum();
    let mut all: Vec<(f64, Suspect)> = all.into_values().collect();
    all.sort_by(|(a, one), (b, other)| (one.tier.cmp(&other.tier)).then(b.total_cmp(a)));
    let shared = |(cost, suspect): (f64, Suspect)| Suspect {
        share: if whole > 0.0 { cost / whole } else { 0.0 },
        ..suspect
    };
    all.into_iter().map(shared).collect()
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
            let service = topology.place(&anomaly.series).ok()?.service;
            Some(Witness {
                peer: peer(&anomaly.series, &service, topology),
                service,
                reading: reading(anomaly)?,
                anomaly,
            })
        })
        .collect();
    let Some(symptoms) = symptoms(&witnesses, scope) else {
        return Vec::new();
    };
    // Failures a second add up along calls as they are; the rule wants shares of something that all have alike.
    let rates = witnesses.iter().filter(|one| one.reading.is_rate);
    let rate = 2.0 * rates.map(|one| one.anomaly.observed.abs()).fold(0.5, f64::max);
    let mut measured: BTreeMap<Ends, Vec<Track>> = BTreeMap::new();
    for one in &witnesses {
        let tracks = measured.entry(one.ends()).or_default();
        tracks.push(track(one.anomaly, one.reading, rate));
    }
    for (ends, traffic) in traffic(&witnesses) {
        if let Some(tracks) = measured.get_mut(&ends) {
            tracks.push(requests(tracks, traffic, symptoms.at));
        }
    }
    let ends = measured
        .keys()
        .flat_map(|(service, peer)| std::iter::once(service).chain(peer));
    let services: BTreeSet<ServiceName> = ends.cloned().collect();
    let mut case = Case {
        calls: calls(topology, &services),
        nodes: Vec::new(),
        alarm: Alarm {
            node: symptoms.node,
            trouble: Trouble::Latency(Statistic::Mean),
            at: symptoms.at,
        },
    };
    for ((service, peer), tracks) in measured {
        let name: Arc<str> = Arc::from(service.as_str());
        match peer {
            Some(peer) => case.calls.push(CallRecord {
                caller: name,
                callee: Arc::from(peer.as_str()),
                tracks,
            }),
            None => case.nodes.push(NodeRecord { name, tracks }),
        }
    }
    let mut causes = Vec::new();
    for suspect in ranked(case, &symptoms.troubles) {
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
