//! Labelled faults put to the whole way, detection and correlation as shipped: how many incidents one fault makes, how many come where
//! nothing is wrong, and how long after the alarm. Beside it rules that everybody has.
//!
//! Each fault follows on the recording without trouble, as if it came right after it at the hour it came: detection has learnt the one
//! before it sees the other. No setting is chosen on these recordings: the front's objectives are three times its worst usual
//! latency and one failed request in a hundred, the same ones for the rivals.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context, Result};
use forecall_detect::{DetectOutput, DetectSettings, DetectStage};
use forecall_incident::cause::{Measure, Point, Statistic};
use forecall_incident::{
    CorrelateInput, CorrelateParts, CorrelateSettings, CorrelateStage, IncidentTunables, ObjectiveEntry,
    RegionEntry, ServiceEntry, ServiceKind, ServiceResponsibility, Topology, TopologyFile,
};
use forecall_stage::{Effects, Stage};
use forecall_types::{
    CorrelateEntry, DomainName, EventTime, Labels, Position, Reading, SampleBatch, SamplesRecord, SeriesKey,
    SourcePartition, Tick,
};
use serde_json::{Value, json};

use crate::asked::Asked;
use crate::score::Hits;

/// Seconds of a row of these recordings.
const ROW: i64 = 300;
const DAY: i64 = 86_400;
/// Time goes on so long after the last row: what came in it is judged.
const AFTER: i64 = 2 * ROW;
/// A recording without trouble is judged in its last third: before that detection learns.
const LEARNT: f64 = 2.0 / 3.0;
const REGION: &str = "IR-07";
/// One failed request in a hundred.
const FAILED_MAX: f64 = 0.01;
/// So many times the worst usual latency.
const SLOW: f64 = 3.0;
/// Of the SRE workbook: over an hour and over the last row, of a budget of one in a thousand.
const BURN: f64 = 14.4 * 0.001;

const METHODS: [&str; 4] = [
    "forecall, incidents",
    "each series alone",
    "thresholds at the objectives",
    "burn rate of failures",
];

/// The whole of one recording.
struct Shop {
    keys: Vec<SeriesKey>,
    /// What each series measures, of the node that customers see.
    front: Vec<Option<Measure>>,
    /// Values by row and series.
    normal: BTreeMap<i64, Vec<(usize, f64)>>,
    recent: BTreeMap<i64, Vec<(usize, f64)>>,
    settings: Arc<CorrelateSettings>,
    /// Limits of the front's series.
    limits: Vec<Option<f64>>,
}

fn metric(measure: Measure, is_front: bool) -> Option<(&'static str, &'static str)> {
    Some(match (measure, is_front) {
        (Measure::Latency(Statistic::Mean), true) => ("http.server.request.duration.mean", "s"),
        (Measure::Latency(Statistic::P90), true) => ("http.server.request.duration.p90", "s"),
        (Measure::Requests, true) => ("http.server.requests", "{request}"),
        (Measure::FailedShare, true) => ("http.server.error.ratio", "1"),
        (Measure::Latency(Statistic::Mean), false) => ("rpc.server.duration.mean", "s"),
        (Measure::Latency(Statistic::P90), false) => ("rpc.server.duration.p90", "s"),
        (Measure::Requests, false) => ("rpc.server.requests", "{request}"),
        (Measure::FailedShare, false) => ("rpc.server.error.ratio", "1"),
        // Further figures of the same requests add alerts and no knowledge.
        (
            Measure::Latency(Statistic::P50 | Statistic::P95 | Statistic::P99)
            | Measure::Cpu
            | Measure::Memory,
            _,
        ) => {
            return None;
        }
    })
}

/// A node's name as a service's.
fn service(node: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    node.chars().map(plain).collect()
}

fn worst(points: &[Point]) -> f64 {
    points.iter().map(|p| p.value).fold(0.0, f64::max)
}

impl Shop {
    fn of(asked: &Asked) -> Result<Self> {
        let case = &asked.case;
        // Whoever is alarmed has said what customers see.
        let is_front = |node: &str| *node == *case.alarm.node;
        let (mut keys, mut front, mut limits) = (Vec::new(), Vec::new(), Vec::new());
        let (mut normal, mut recent) = (BTreeMap::new(), BTreeMap::new());
        let mut latencies: BTreeMap<&'static str, f64> = BTreeMap::new();
        for node in &case.nodes {
            let at_front = is_front(&node.name);
            let name = service(&node.name);
            let resource = Labels::from_pairs([("service.name", name.as_str()), ("region", REGION)]);
            for track in &node.tracks {
                let Some((metric, unit)) = metric(track.measure, at_front) else {
                    continue;
                };
                let number = keys.len();
                let limit = match track.measure {
                    Measure::FailedShare => Some(FAILED_MAX),
                    Measure::Latency(_) => Some(SLOW * worst(&track.normal)).filter(|limit| *limit > 0.0),
                    Measure::Requests | Measure::Cpu | Measure::Memory => None,
                };
                let limit = limit.filter(|_| at_front);
                if let (Some(limit), Measure::Latency(_)) = (limit, track.measure) {
                    let of = latencies.entry(metric).or_insert(limit);
                    *of = of.max(limit);
                }
                keys.push(SeriesKey {
                    metric: Arc::from(metric),
                    unit: Arc::from(unit),
                    resource: resource.clone(),
                    labels: Labels::default(),
                });
                front.push(at_front.then_some(track.measure));
                limits.push(limit);
                for (points, rows) in [(&track.normal, &mut normal), (&track.recent, &mut recent)] {
                    for point in points {
                        let row: &mut Vec<(usize, f64)> =
                            rows.entry(point.at.secs().div_euclid(ROW)).or_default();
                        row.push((number, point.value));
                    }
                }
            }
        }
        Ok(Self {
            keys,
            front,
            normal,
            recent,
            settings: Arc::new(settings(asked, &is_front, &latencies)?),
            limits,
        })
    }
}

fn settings(
    asked: &Asked,
    is_front: &dyn Fn(&str) -> bool,
    latencies: &BTreeMap<&'static str, f64>,
) -> Result<CorrelateSettings> {
    let case = &asked.case;
    let mut needs: BTreeMap<String, (bool, BTreeSet<String>)> = BTreeMap::new();
    for node in &case.nodes {
        needs.entry(service(&node.name)).or_default().0 = is_front(&node.name);
    }
    for call in &case.calls {
        needs.entry(service(&call.callee)).or_default();
        let caller = needs.entry(service(&call.caller)).or_default();
        caller.0 = is_front(&call.caller);
        caller.1.insert(service(&call.callee));
    }
    let services = needs
        .into_iter()
        .map(|(name, (customer_facing, depends_on))| ServiceEntry {
            name,
            customer_facing,
            depends_on: depends_on.into_iter().collect(),
            kind: ServiceKind::General,
            responsibility: ServiceResponsibility::Unknown,
        });
    let topology = Topology::check(&TopologyFile {
        services: services.collect(),
        regions: vec![RegionEntry {
            code: REGION.into(),
            parent: None,
            names: BTreeMap::from([("en".into(), REGION.into())]),
            short: BTreeMap::new(),
            time_zone: "Asia/Tehran".into(),
        }],
        rules: Vec::new(),
    })?;
    let limits = latencies.iter().map(|(metric, limit)| (*metric, *limit));
    let objectives = limits
        .chain([("http.server.error.ratio", FAILED_MAX)])
        .map(|(metric, limit)| ObjectiveEntry {
            metric: metric.into(),
            above: Some(limit),
            below: None,
            for_seconds: 0,
            outage: None,
        });
    Ok(CorrelateSettings::new(CorrelateParts {
        topology,
        objectives: objectives.collect(),
        tunables: IncidentTunables {
            evaluate_every_seconds: 60,
            ..IncidentTunables::default()
        },
        ..CorrelateParts::default()
    })?)
}

/// Seconds at which each method told something new.
type Told = [Vec<i64>; 4];

/// Whom an incident suspects, the most likely first.
#[derive(Debug, Clone, Default)]
struct Named {
    /// When it was first told.
    told: i64,
    at_first: Vec<String>,
    at_last: Vec<String>,
}

/// Rows in order, the fault's put after those without trouble at the hour at which they came; and where the fault's begin.
fn rows(shop: &Shop, with_fault: bool) -> (Vec<(i64, &[(usize, f64)])>, i64) {
    let mut rows: Vec<(i64, &[(usize, f64)])> = shop
        .normal
        .iter()
        .map(|(row, of)| (*row, of.as_slice()))
        .collect();
    let last = rows.last().map_or(0, |(row, _)| *row);
    let first = shop.recent.keys().next().copied().unwrap_or(0);
    let day = DAY / ROW;
    let shift = if rows.is_empty() {
        0
    } else {
        (last + 1 - first).div_euclid(day) * day + day
    };
    if with_fault {
        rows.extend(shop.recent.iter().map(|(row, of)| (row + shift, of.as_slice())));
    }
    (rows, shift * ROW)
}

/// `bare`: `correlate` hears neither of requests nor of what is usual.
fn run(shop: &Shop, rows: &[(i64, &[(usize, f64)])], bare: bool) -> Result<(Told, Vec<Named>)> {
    let (topic, domain): (Arc<str>, _) = (Arc::from("bench"), DomainName::new("bench").context("a domain")?);
    let source = SourcePartition {
        topic: Arc::clone(&topic),
        partition: 0,
    };
    let mut detect = DetectStage::new(Arc::new(DetectSettings::default()), source);
    let mut correlate = CorrelateStage::new(Arc::clone(&shop.settings));
    let mut told = Told::default();
    let (mut anomalies, mut incidents) = (BTreeSet::new(), BTreeMap::new());
    let mut offset = 0;
    let mut told_until = None;
    let mut rivals = Rivals::default();
    for (number, (row, values)) in rows.iter().enumerate() {
        // A row is known when its span is over.
        let known = (row + 1) * ROW;
        let mut batch = SampleBatch::default();
        for (series, value) in *values {
            let key = shop.keys.get(*series).context("a series")?;
            batch.push_key(key, EventTime::from_secs(row * ROW), Reading::Gauge(*value));
        }
        let record = SamplesRecord {
            domain: domain.clone(),
            origin: Position {
                topic: Arc::clone(&topic),
                partition: 0,
                offset: i64::try_from(number)?,
            },
            appended_at: EventTime::from_secs(known),
            batch,
            marks: Vec::new(),
            contexts: Vec::new(),
            links: Vec::new(),
        };
        let mut effects = Effects::default();
        detect.step(&record, &mut effects);
        let mut entries = Vec::new();
        for output in effects.drain().0 {
            if let DetectOutput::Anomaly(mut anomaly) = output {
                if bare {
                    (anomaly.traffic, anomaly.usual) = (None, None);
                }
                if anomalies.insert(anomaly.id.clone()) {
                    told[1].push(known);
                }
                entries.push(CorrelateEntry::Anomaly(anomaly));
            }
        }
        rivals.row(shop, known, values, &mut told);
        let end = rows
            .get(number + 1)
            .map_or(known + AFTER, |(next, _)| (next + 1) * ROW);
        // Minute by minute, but not through hours of which nothing is known.
        let minutes = (known..end.min(known + 12 * ROW)).step_by(60);
        entries.extend(minutes.map(|at| {
            CorrelateEntry::Tick(Tick {
                at: EventTime::from_secs(at),
            })
        }));
        for entry in entries {
            if let CorrelateEntry::Tick(tick) = &entry {
                told_until = Some(tick.at.secs());
            }
            let position = Position {
                topic: Arc::clone(&topic),
                partition: 0,
                offset,
            };
            offset += 1;
            let mut effects = Effects::default();
            correlate.step(&CorrelateInput { position, entry }, &mut effects);
            for event in effects.drain().0 {
                let suspects: Vec<String> = event.incident.causes.iter().map(|c| c.node.to_string()).collect();
                let named = incidents.entry(event.incident.id.clone()).or_insert_with(|| {
                    let at = told_until.unwrap_or(known);
                    told[0].push(at);
                    Named {
                        told: at,
                        at_first: suspects.clone(),
                        at_last: Vec::new(),
                    }
                });
                named.at_last = suspects;
            }
        }
    }
    Ok((told, incidents.into_values().collect()))
}

/// What needs no detector: which series of the front are beyond, and the failed shares of the last hour.
#[derive(Default)]
struct Rivals {
    beyond: BTreeSet<usize>,
    failed: BTreeMap<usize, Vec<(i64, f64)>>,
    burning: BTreeSet<usize>,
}

impl Rivals {
    fn row(&mut self, shop: &Shop, known: i64, values: &[(usize, f64)], told: &mut Told) {
        for (series, value) in values {
            let limit = shop.limits.get(*series).copied().flatten();
            if limit.is_some_and(|limit| *value > limit) {
                if self.beyond.insert(*series) {
                    told[2].push(known);
                }
            } else {
                self.beyond.remove(series);
            }
            if shop.front.get(*series).copied().flatten() != Some(Measure::FailedShare) {
                continue;
            }
            let hour = self.failed.entry(*series).or_default();
            hour.push((known, *value));
            hour.retain(|(at, _)| known - at < 3_600);
            let mean = hour.iter().map(|(_, v)| v).sum::<f64>() / hour.len() as f64;
            if mean > BURN && *value > BURN {
                if self.burning.insert(*series) {
                    told[3].push(known);
                }
            } else {
                self.burning.remove(series);
            }
        }
    }
}

#[derive(Default)]
struct Figures {
    quiet_days: f64,
    quiet: usize,
    /// Of each fault: how many were told of it.
    per_fault: Vec<usize>,
    /// Seconds from the alarm to the first.
    delays: Vec<i64>,
}

/// Whether the causes were among the first, of the first incident of each fault: when it was first told, and in its last revision.
#[derive(Default)]
struct Caused {
    at_first: Vec<[bool; 2]>,
    at_last: Vec<[bool; 2]>,
}

/// Of so many suspects.
const AMONG: [usize; 2] = [1, 3];

impl Caused {
    fn take(&mut self, asked: &Asked, named: &[Named], from: i64) {
        if asked.truth.is_empty() {
            return;
        }
        let first = named.iter().filter(|one| one.told > from).min_by_key(|one| one.told);
        let first = first.cloned().unwrap_or_default();
        let truth: BTreeSet<String> = asked.truth.iter().map(|node| service(node)).collect();
        let hit = |answer: &[String]| AMONG.map(|k| truth.iter().all(|node| answer.iter().take(k).any(|n| n == node)));
        self.at_first.push(hit(&first.at_first));
        self.at_last.push(hit(&first.at_last));
    }

    fn show(&self, told_less: &str, text: &mut String, rows: &mut Vec<Value>) {
        for (revision, hits) in [("when first told", &self.at_first), ("the last", &self.at_last)] {
            let revision = format!("{revision}{told_less}");
            let [one, three] = [0, 1].map(|k| Hits::count(hits.iter().map(|hit| hit[k])));
            let _ = writeln!(text, "| {revision} | {} | {} |", one.shown(), three.shown());
            rows.push(json!({"revision": revision, "of": one.of, "first": one.hit, "among_three": three.hit}));
        }
    }
}

/// Runs every fault and every recording without one.
pub(crate) fn table(all: &[Asked]) -> Result<(String, Value)> {
    let mut figures: [Figures; 4] = Default::default();
    let mut traffics = BTreeSet::new();
    let (mut caused, mut bare) = (Caused::default(), Caused::default());
    for asked in all {
        let shop = Shop::of(asked)?;
        // One that stands in for another is run once.
        if traffics.insert(shop.normal.keys().next_back().copied()) {
            quiet(&shop, &mut figures)?;
        }
        let (rows, shift) = rows(&shop, true);
        let first = shop.recent.keys().next().map_or(0, |row| row * ROW) + shift;
        let alarm = asked.case.alarm.at.secs() + shift;
        let (told, named) = run(&shop, &rows, false)?;
        caused.take(asked, &named, first);
        bare.take(asked, &run(&shop, &rows, true)?.1, first);
        for (figures, told) in figures.iter_mut().zip(told) {
            let of: Vec<i64> = told.into_iter().filter(|at| *at > first).collect();
            figures.per_fault.push(of.len());
            figures.delays.extend(of.first().map(|at| at - alarm));
        }
    }
    let (mut text, methods) = shown(figures);
    text.push_str(
        "\nCauses as such an incident has them, of all faults, those that weren't told among them:\n\n\
         | revision | cause first [95 %] | among the first three [95 %] |\n|---|---|---|\n",
    );
    let mut causes = Vec::new();
    caused.show("", &mut text, &mut causes);
    bare.show(", without requests and what is usual", &mut text, &mut causes);
    Ok((text, json!({"methods": methods, "causes": causes})))
}

fn quiet(shop: &Shop, figures: &mut [Figures; 4]) -> Result<()> {
    let (rows, _) = rows(shop, false);
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Ok(());
    };
    let span = (last.0 - first.0) * ROW;
    let from = first.0 * ROW + (span as f64 * LEARNT) as i64;
    for (figures, told) in figures.iter_mut().zip(run(shop, &rows, false)?.0) {
        figures.quiet_days += (1.0 - LEARNT) * span as f64 / DAY as f64;
        figures.quiet += told.into_iter().filter(|at| *at > from).count();
    }
    Ok(())
}

fn shown(mut figures: [Figures; 4]) -> (String, Value) {
    let mut text = String::from(
        "\nFaults through detection and correlation as shipped, each after the recording without trouble:\n\n\
         | method | faults told [95 %] | by one alone [95 %] | told per fault, mean | told a day without trouble | minutes after the alarm, median |\n\
         |---|---|---|---|---|---|\n",
    );
    let mut rows = Vec::new();
    for (method, figures) in METHODS.iter().zip(&mut figures) {
        figures.delays.sort_unstable();
        let told = Hits::count(figures.per_fault.iter().map(|n| *n > 0));
        let one = Hits::count(figures.per_fault.iter().map(|n| *n == 1));
        let mean = figures.per_fault.iter().sum::<usize>() as f64 / figures.per_fault.len().max(1) as f64;
        let a_day = figures.quiet as f64 / figures.quiet_days.max(1e-9);
        let delay = figures
            .delays
            .get(figures.delays.len() / 2)
            .map(|s| *s as f64 / 60.0);
        let _ = writeln!(
            text,
            "| {method} | {} | {} | {mean:.1} | {a_day:.2} | {} |",
            told.shown(),
            one.shown(),
            delay.map_or_else(|| "–".to_owned(), |d| format!("{d:.0}")),
        );
        rows.push(json!({
            "method": method,
            "faults": told.of,
            "told": told.hit,
            "by_one_alone": one.hit,
            "told_per_fault": mean,
            "told_a_quiet_day": a_day,
            "quiet_days": figures.quiet_days,
            "minutes_after_the_alarm_median": delay,
        }));
    }
    (text, Value::from(rows))
}
