//! forecall's own stages over a world: detection once, correlation once for each choice of its settings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result};
use forecall_detect::{DetectOutput, DetectSettings, DetectStage, LimitEntry};
use forecall_incident::{
    CorrelateInput, CorrelateParts, CorrelateSettings, CorrelateStage, IncidentTunables, ObjectiveEntry,
    RegionEntry, ServiceEntry, ServiceKind, TeamEntry, Topology, TopologyFile,
};
use forecall_stage::{Effects, Stage};
use forecall_types::{
    Anomaly, AnomalyState, CorrelateEntry, DomainName, EventTime, Incident, IncidentChange, IncidentId,
    Labels, PageDecision, Position, Reading, SampleBatch, SamplesRecord, SeriesKey, SourcePartition, Tick,
};

use super::rivals::Rival;
use super::score::Alert;
use super::world::{HORIZON, MEASURED, MINUTES, Metric, REGIONS, SCOPES, SERVICES, World};

/// A Monday, midnight, UTC.
const EPOCH: i64 = 1_704_067_200;
/// Between two worlds nothing happens for a day.
const APART: i64 = (MINUTES as i64 + 1_440) * 60;
/// From when a record is appended to when it is read.
const ON_THE_WAY: i64 = 5;

/// What a prediction said when it was first told.
#[derive(Debug, Clone)]
pub(crate) struct Saying {
    pub(crate) alert: Alert,
    pub(crate) probability: f64,
}

/// forecall with one choice of settings, over all worlds one after the other.
pub(crate) struct Arm {
    pub(crate) learns: bool,
    pub(crate) threshold: f64,
    /// What its one team may be paged a day, and the share that may be false; `None`: there is no team, and each incident alerts.
    pub(crate) pages: Option<(u32, f64)>,
    stage: CorrelateStage,
    offset: i64,
    seen: BTreeSet<IncidentId>,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) sayings: Vec<Saying>,
    /// The reason of each of `alerts`.
    pub(crate) reasons: Vec<String>,
}

fn second(world: usize, minute: usize) -> i64 {
    EPOCH + world as i64 * APART + minute as i64 * 60
}

fn domain() -> Result<DomainName> {
    DomainName::new("bench").context("a domain")
}

fn keys() -> Vec<Vec<SeriesKey>> {
    (0..SCOPES)
        .map(|scope| {
            let (region, service) = (REGIONS[scope / SERVICES.len()], SERVICES[scope % SERVICES.len()]);
            let resource = Labels::from_pairs([("service.name", service), ("region", region)]);
            MEASURED
                .iter()
                .map(|metric| SeriesKey {
                    metric: Arc::from(metric.name),
                    unit: Arc::from(metric.unit),
                    resource: resource.clone(),
                    labels: Labels::default(),
                })
                .collect()
        })
        .collect()
}

/// What detection told in each minute.
pub(crate) fn detect(
    number: usize,
    world: &World,
    settings: &DetectSettings,
) -> Result<Vec<(usize, Anomaly)>> {
    let topic: Arc<str> = Arc::from("bench");
    let source = SourcePartition {
        topic: Arc::clone(&topic),
        partition: 0,
    };
    let mut stage = DetectStage::new(Arc::new(settings.clone()), source);
    let (keys, domain) = (keys(), domain()?);
    let mut told = Vec::new();
    let mut effects = Effects::default();
    for (minute, readings) in world.sent.iter().enumerate() {
        let mut batch = SampleBatch::default();
        for (scope, metric, of) in readings {
            let at = EventTime::from_secs(second(number, *of));
            batch.push_key(
                &keys[*scope][*metric],
                at,
                Reading::Gauge(world.values[*scope][*metric][*of]),
            );
        }
        let record = SamplesRecord {
            domain: domain.clone(),
            origin: Position {
                topic: Arc::clone(&topic),
                partition: 0,
                offset: minute as i64,
            },
            appended_at: EventTime::from_secs(second(number, minute) + ON_THE_WAY),
            batch,
            marks: Vec::new(),
            contexts: Vec::new(),
            links: Vec::new(),
        };
        stage.step(&record, &mut effects);
        let (outputs, _) = effects.drain();
        for output in outputs {
            if let DetectOutput::Anomaly(anomaly) = output {
                told.push((minute, *anomaly));
            }
        }
    }
    Ok(told)
}

/// What detection is told of limits.
pub(crate) fn limits() -> Vec<LimitEntry> {
    let limited = MEASURED.iter().filter(|m| m.limit.is_finite());
    let of = |m: &Metric| {
        if m.sign > 0.0 {
            LimitEntry::above(m.name, m.limit)
        } else {
            LimitEntry::below(m.name, m.limit)
        }
    };
    limited.map(of).collect()
}

fn team((pages_a_day, false_pages_max): (u32, f64)) -> TeamEntry {
    TeamEntry {
        name: "all".into(),
        services: Vec::new(),
        regions: Vec::new(),
        pages_a_day,
        false_pages_max,
    }
}

fn correlate_settings(learn: bool, threshold: f64, pages: Option<(u32, f64)>) -> Result<CorrelateSettings> {
    let services = SERVICES.map(|name| ServiceEntry {
        name: name.into(),
        customer_facing: true,
        depends_on: Vec::new(),
        kind: ServiceKind::General,
        responsibility: forecall_incident::ServiceResponsibility::Unknown,
    });
    let regions = REGIONS.map(|code| RegionEntry {
        code: code.into(),
        parent: None,
        names: BTreeMap::from([("en".into(), code.into())]),
        short: BTreeMap::new(),
        time_zone: "Asia/Tehran".into(),
    });
    let topology = Topology::check(&TopologyFile {
        services: services.into(),
        regions: regions.into(),
        rules: Vec::new(),
    })?;
    let objectives = MEASURED.iter().filter(|m| m.limit.is_finite());
    let objectives = objectives.map(|m| ObjectiveEntry {
        metric: m.name.into(),
        above: (m.sign > 0.0).then_some(m.limit),
        below: (m.sign < 0.0).then_some(m.limit),
        for_seconds: 120,
        outage: None,
    });
    Ok(CorrelateSettings::new(CorrelateParts {
        topology,
        objectives: objectives.collect(),
        teams: pages.map(team).into_iter().collect(),
        tunables: IncidentTunables {
            // Samples come once a minute.
            evaluate_every_seconds: 60,
            horizon_seconds: 60 * HORIZON as u64,
            predict_threshold: threshold,
            retract_threshold: 0.5 * threshold,
            learn,
            ..IncidentTunables::default()
        },
        ..CorrelateParts::default()
    })?)
}

impl Arm {
    pub(crate) fn new(learns: bool, threshold: f64, pages: Option<(u32, f64)>) -> Result<Self> {
        let settings = correlate_settings(learns, threshold, pages)?;
        Ok(Self {
            learns,
            threshold,
            pages,
            stage: CorrelateStage::new(Arc::new(settings)),
            offset: 0,
            seen: BTreeSet::new(),
            alerts: Vec::new(),
            sayings: Vec::new(),
            reasons: Vec::new(),
        })
    }

    pub(crate) const fn name(&self) -> &'static str {
        if self.learns {
            "forecall, learnt"
        } else {
            "forecall, priors"
        }
    }

    pub(crate) fn run(&mut self, number: usize, anomalies: &[(usize, Anomaly)]) {
        let mut next = anomalies.iter().peekable();
        // On for a while, so that all that is open ends before the next world.
        for minute in 0..MINUTES + 1_000 {
            while let Some((_, anomaly)) = next.next_if(|(m, _)| *m <= minute) {
                let anomaly = Box::new(anomaly.clone());
                self.step(number, minute, CorrelateEntry::Anomaly(anomaly));
            }
            let at = EventTime::from_secs(second(number, minute) + ON_THE_WAY);
            self.step(number, minute, CorrelateEntry::Tick(Tick { at }));
        }
    }

    fn step(&mut self, number: usize, minute: usize, entry: CorrelateEntry) {
        let position = Position {
            topic: Arc::from("bench"),
            partition: 0,
            offset: self.offset,
        };
        self.offset += 1;
        let mut effects = Effects::default();
        self.stage.step(&CorrelateInput { position, entry }, &mut effects);
        let (outputs, _) = effects.drain();
        for event in outputs {
            let mut pages = event.incident.paging.iter();
            let is_told = self.pages.is_none() || pages.any(|page| page.decision == PageDecision::Paged);
            if !is_told || !self.seen.insert(event.incident.id.clone()) {
                continue;
            }
            let alert = Alert {
                world: number,
                minute,
                scopes: scopes(&event.incident),
            };
            if event.change == IncidentChange::Predicted {
                self.sayings.push(Saying {
                    alert: alert.clone(),
                    probability: event.incident.probability.get(),
                });
            }
            self.alerts.push(alert);
            self.reasons.push(event.incident.reason);
        }
    }
}

fn place(service: &str, region: &str) -> Option<usize> {
    let service = SERVICES.iter().position(|s| *s == service)?;
    let region = REGIONS.iter().position(|r| *r == region)?;
    Some(region * SERVICES.len() + service)
}

fn scopes(incident: &Incident) -> Vec<usize> {
    let services = &incident.scope.services;
    let regions = incident.scope.regions.iter();
    regions
        .flat_map(|r| services.iter().filter_map(|s| place(s.as_str(), r.as_str())))
        .collect()
}

/// The same anomalies, each an alert of its own from a score on.
pub(crate) fn alone(number: usize, anomalies: &[(usize, Anomaly)], rivals: &mut Vec<Rival>) {
    for least in [0.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 14.0] {
        let mut told = BTreeSet::new();
        let mut alerts = Vec::new();
        for (minute, anomaly) in anomalies {
            if anomaly.state == AnomalyState::Closed || anomaly.score.get() < least {
                continue;
            }
            if !told.insert(&anomaly.id) {
                continue;
            }
            let labels = &anomaly.series.resource;
            let (service, region) = (labels.get("service.name"), labels.get("region"));
            let of = service.zip(region).and_then(|(s, r)| place(s, r));
            alerts.push(Alert {
                world: number,
                minute: *minute,
                scopes: of.into_iter().collect(),
            });
        }
        let (method, settings) = ("each series alone", format!("score {least}"));
        match rivals
            .iter_mut()
            .find(|r| r.method == method && r.settings == settings)
        {
            Some(rival) => rival.alerts.extend(alerts),
            None => rivals.push(Rival {
                method,
                settings,
                alerts,
            }),
        }
    }
}
