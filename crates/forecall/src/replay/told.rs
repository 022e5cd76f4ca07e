//! What a folder of results tells: incidents and anomalies, each from its first word to its last.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use forecall_backtest::{Finding, Sign, Told};
use forecall_types::{EventTime, SeriesKey};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::labels::{NOWHERE, REGION_LABELS, SERVICE_LABEL};
use super::time_text;

/// A line of a file of events.
#[derive(Debug, Deserialize)]
struct Line<T> {
    data: T,
}

#[derive(Debug, Deserialize)]
struct ScopeOf {
    #[serde(default)]
    services: BTreeSet<Arc<str>>,
    #[serde(default)]
    regions: BTreeSet<Arc<str>>,
}

#[derive(Debug, Deserialize)]
struct PageOf {
    team: String,
    decision: String,
    at: String,
}

#[derive(Debug, Deserialize)]
struct IncidentLine {
    id: Arc<str>,
    change: Arc<str>,
    state: Arc<str>,
    severity: Arc<str>,
    kind: Arc<str>,
    scope: ScopeOf,
    probability: f64,
    at: String,
    onset_observed: Option<String>,
    #[serde(default)]
    paging: Vec<PageOf>,
    silenced: Option<serde::de::IgnoredAny>,
    parent: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    reason: Arc<str>,
}

#[derive(Debug, Deserialize)]
struct SeriesOf {
    metric: String,
    #[serde(default)]
    resource: BTreeMap<String, String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct AnomalyLine {
    id: Arc<str>,
    state: Arc<str>,
    series: SeriesOf,
    channel: Arc<str>,
    at: String,
    score: f64,
}

#[derive(Debug, Deserialize)]
struct NoticeLine {
    id: Arc<str>,
    incident: Arc<str>,
    at: String,
    state: Arc<str>,
}

/// An incident's life.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) told: Told,
    /// Planned work: nothing was found.
    pub(super) planned: bool,
    /// Still going on when the input ended.
    pub(super) open: bool,
    /// What it was first, and why.
    pub(super) first: (Arc<str>, Arc<str>),
    rise: Vec<(EventTime, f64)>,
    forecast: Option<f64>,
    /// Decisions to page a team.
    pages: BTreeSet<(String, String)>,
    /// Whether it ever asked for a person: neither silenced nor part of another.
    speaks: bool,
}

/// An anomaly's life.
#[derive(Debug, Clone)]
pub(super) struct Abnormal {
    pub(super) id: Arc<str>,
    /// As `scores.csv` names it where the input was files.
    pub(super) series: Arc<str>,
    /// As `scores.csv` names it where it was records.
    pub(super) full: Arc<str>,
    pub(super) channel: Arc<str>,
    pub(super) service: Arc<str>,
    pub(super) region: Arc<str>,
    pub(super) from: EventTime,
    pub(super) to: EventTime,
    closed: bool,
    pub(super) rise: Vec<(EventTime, f64)>,
}

impl Abnormal {
    pub(super) fn peak(&self) -> f64 {
        self.rise.last().map_or(0.0, |(_, score)| *score)
    }
}

/// A notice as it was last told.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) at: EventTime,
    pub(super) id: Arc<str>,
    pub(super) incident: Arc<str>,
    pub(super) state: Arc<str>,
}

/// All of a folder.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) incidents: Vec<Life>,
    pub(super) anomalies: Vec<Abnormal>,
    pub(super) signs: Vec<Sign>,
    pub(super) notices: Vec<Note>,
}

fn time(text: &str) -> anyhow::Result<EventTime> {
    time_text::parse(text, &TimeZone::UTC).with_context(|| format!("`{text}` is no time"))
}

/// Each line of a file, with its place in errors.
fn lines<T: DeserializeOwned>(
    folder: &Path,
    name: &str,
    take: &mut dyn FnMut(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let path = folder.join(name);
    let file = File::open(&path).with_context(|| format!("failed to open {}", path.display()))?;
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let place = || format!("{}:{number}", path.display());
        let line = line.with_context(place)?;
        let read: Line<T> = serde_json::from_str(&line).with_context(place)?;
        take(read.data).with_context(place)?;
    }
    Ok(())
}

/// Adds a weight above all before.
fn raise(rise: &mut Vec<(EventTime, f64)>, at: EventTime, weight: f64) {
    if rise.last().is_none_or(|(_, last)| weight > *last) {
        rise.push((at, weight));
    }
}

impl Results {
    /// Reads a folder; what never ended lasts until `end`.
    pub(super) fn read(folder: &Path, end: EventTime) -> anyhow::Result<Self> {
        let mut results = Self::default();
        let mut lives: BTreeMap<Arc<str>, Life> = BTreeMap::new();
        lines(folder, "incidents.jsonl", &mut |line: IncidentLine| {
            let at = time(&line.at)?;
            let life = lives
                .entry(Arc::clone(&line.id))
                .or_insert_with(|| Life::new(&line, at));
            life.hear(line, at)
        })?;
        let mut abnormal: BTreeMap<Arc<str>, Abnormal> = BTreeMap::new();
        lines(folder, "anomalies.jsonl", &mut |line: AnomalyLine| {
            let at = time(&line.at)?;
            let one = abnormal
                .entry(Arc::clone(&line.id))
                .or_insert_with(|| Abnormal::new(&line, at));
            one.to = one.to.max(at);
            one.closed = &*line.state == "closed";
            raise(&mut one.rise, at, line.score);
            results.signs.push(Sign {
                at,
                series: Arc::clone(&one.series),
                channel: Arc::clone(&one.channel),
                state: line.state,
                score: line.score,
                service: Arc::clone(&one.service),
                region: Arc::clone(&one.region),
            });
            Ok(())
        })?;
        let mut notices: BTreeMap<Arc<str>, Note> = BTreeMap::new();
        lines(folder, "notices.jsonl", &mut |line: NoticeLine| {
            let at = time(&line.at)?;
            let note = notices.entry(Arc::clone(&line.id)).or_insert_with(|| Note {
                at,
                id: line.id,
                incident: line.incident,
                state: Arc::clone(&line.state),
            });
            note.state = line.state;
            Ok(())
        })?;
        results.incidents = lives.into_values().map(|life| life.lasting(end)).collect();
        results
            .incidents
            .sort_by(|a, b| (a.told.from, &a.told.id).cmp(&(b.told.from, &b.told.id)));
        results.anomalies = abnormal.into_values().collect();
        for one in &mut results.anomalies {
            if !one.closed {
                one.to = one.to.max(end);
            }
        }
        results
            .anomalies
            .sort_by(|a, b| (a.from, &a.id).cmp(&(b.from, &b.id)));
        results.notices = notices.into_values().collect();
        results.notices.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        Ok(results)
    }

    /// Incidents as findings, planned work left out. Where teams have budgets a page is what was decided for one; else each
    /// incident that ever spoke for itself is one page.
    pub(super) fn findings(&self, teams: bool) -> Vec<Finding> {
        let found = self.incidents.iter().filter(|life| !life.planned);
        found
            .map(|life| Finding {
                id: Arc::clone(&life.told.id),
                rise: life.rise.clone(),
                to: life.told.to,
                services: life.told.services.clone(),
                regions: life.told.regions.clone(),
                pages: if teams {
                    u32::try_from(life.pages.len()).unwrap_or(u32::MAX)
                } else {
                    u32::from(life.speaks)
                },
                forecast: life.forecast,
                impact: life.told.impact,
            })
            .collect()
    }

    /// Anomalies as findings.
    pub(super) fn abnormal(&self) -> Vec<Finding> {
        self.anomalies
            .iter()
            .map(|one| Finding {
                id: Arc::clone(&one.id),
                rise: one.rise.clone(),
                to: one.to,
                services: BTreeSet::from([Arc::clone(&one.service)]),
                regions: BTreeSet::from([Arc::clone(&one.region)]),
                pages: 0,
                forecast: None,
                impact: None,
            })
            .collect()
    }
}

impl Life {
    fn new(line: &IncidentLine, at: EventTime) -> Self {
        Self {
            told: Told {
                id: Arc::clone(&line.id),
                from: at,
                to: at,
                services: BTreeSet::new(),
                regions: BTreeSet::new(),
                impact: None,
                state: Arc::clone(&line.state),
                severity: Arc::clone(&line.severity),
                peak: 0.0,
            },
            planned: false,
            open: false,
            first: (Arc::clone(&line.change), Arc::clone(&line.reason)),
            rise: Vec::new(),
            forecast: (&*line.change == "predicted").then_some(line.probability),
            pages: BTreeSet::new(),
            speaks: false,
        }
    }

    fn hear(&mut self, line: IncidentLine, at: EventTime) -> anyhow::Result<()> {
        self.planned |= &*line.kind == "planned";
        self.open = matches!(&*line.state, "predicted" | "confirmed");
        self.speaks |= line.silenced.is_none() && line.parent.is_none();
        let paged = line.paging.into_iter().filter(|page| page.decision == "paged");
        self.pages.extend(paged.map(|page| (page.team, page.at)));
        raise(&mut self.rise, at, line.probability);
        let told = &mut self.told;
        told.to = told.to.max(at);
        told.services.extend(line.scope.services);
        told.regions.extend(line.scope.regions);
        if let (None, Some(onset)) = (told.impact, &line.onset_observed) {
            told.impact = Some(time(onset)?);
        }
        told.peak = told.peak.max(line.probability);
        (told.state, told.severity) = (line.state, line.severity);
        Ok(())
    }

    fn lasting(mut self, end: EventTime) -> Self {
        if self.open {
            self.told.to = self.told.to.max(end);
        }
        self
    }
}

impl Abnormal {
    fn new(line: &AnomalyLine, at: EventTime) -> Self {
        let SeriesOf {
            metric,
            resource,
            labels,
        } = &line.series;
        let label = |name: &str| resource.get(name).or_else(|| labels.get(name));
        let region = REGION_LABELS.iter().find_map(|name| label(name));
        let of = |text: Option<&String>| Arc::from(text.map_or("", String::as_str));
        let pairs = resource.iter().chain(labels);
        let (series, full) = names(metric, pairs.map(|(n, v)| (n.as_str(), v.as_str())).collect());
        Self {
            id: Arc::clone(&line.id),
            series,
            full,
            channel: Arc::clone(&line.channel),
            service: of(label(SERVICE_LABEL)),
            region: of(region),
            from: at,
            to: at,
            closed: false,
            rise: Vec::new(),
        }
    }
}

/// How `scores.csv` names a series: where the input was files, where it was records.
pub(super) fn names_of(series: &SeriesKey) -> (Arc<str>, Arc<str>) {
    names(
        &series.metric,
        series.resource.iter().chain(series.labels.iter()).collect(),
    )
}

fn names(metric: &str, all: BTreeMap<&str, &str>) -> (Arc<str>, Arc<str>) {
    let full = shown(metric, &all);
    // A series of a file that says no scope was given one.
    let mut plain = all;
    plain.retain(|name, value| {
        !(*name == SERVICE_LABEL && *value == metric || *name == "region" && *value == NOWHERE)
    });
    (shown(metric, &plain), full)
}

/// A series with its labels.
fn shown(metric: &str, labels: &BTreeMap<&str, &str>) -> Arc<str> {
    if labels.is_empty() {
        return Arc::from(metric);
    }
    let pairs: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
    Arc::from(format!("{metric}{{{}}}", pairs.join(",")))
}
