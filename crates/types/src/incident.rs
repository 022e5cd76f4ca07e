use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Adjustment, AnomalyId, Band, Cell, Channel, DomainName, ElementId, EventTime, IncidentId, Lineage, Page,
    PlannedWork, Probability, ProblemId, ProductName, RegionCode, Remedy, Score, SeriesKey, ServiceName,
    Silenced,
};

/// Evidence kept in one event: the strongest first. 32 with windows stay far below 256 KiB.
pub const EVIDENCE_MAX: usize = 32;
/// Steps of repair kept in one event.
pub const STEPS_MAX: usize = 32;

/// Where an incident stands (ITIL 4 words). Which step may follow which is `incident`'s business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Trouble for customers is expected.
    Predicted,
    /// Customers are hit.
    Confirmed,
    /// It was predicted, something was done, and it did not come.
    Averted,
    /// A person said that it was predicted or confirmed in error.
    Retracted,
    /// It was predicted and did not come: its signs have gone, or the horizon has passed.
    Expired,
    /// Customers are no longer hit.
    Resolved,
    /// Looked at afterwards.
    Reviewed,
    /// One with another incident, which goes on for both.
    Merged,
}

impl IncidentState {
    /// The name used in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Predicted => "predicted",
            Self::Confirmed => "confirmed",
            Self::Averted => "averted",
            Self::Retracted => "retracted",
            Self::Expired => "expired",
            Self::Resolved => "resolved",
            Self::Reviewed => "reviewed",
            Self::Merged => "merged",
        }
    }

    /// Whether trouble is still expected or there.
    pub const fn is_open(self) -> bool {
        match self {
            Self::Predicted | Self::Confirmed => true,
            Self::Averted
            | Self::Retracted
            | Self::Expired
            | Self::Resolved
            | Self::Reviewed
            | Self::Merged => false,
        }
    }
}

/// How far people have come with an open incident; nothing where nobody has taken it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentPhase {
    /// A person has taken it on.
    Acknowledged,
    /// Something was done about it.
    Mitigating,
}

impl IncidentPhase {
    /// The name used in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Mitigating => "mitigating",
        }
    }
}

/// How bad it is for customers; the order is by weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Hardly felt.
    Minor,
    /// Felt: slow or flaky.
    Moderate,
    /// The service can't be used.
    Severe,
    /// Emergency calls, health or many regions.
    Extreme,
}

impl Severity {
    /// The name used in events and metrics (CAP 1.2 vocabulary).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Moderate => "moderate",
            Self::Severe => "severe",
            Self::Extreme => "extreme",
        }
    }
}

/// What kind of trouble, by its effect on customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// Works, but badly.
    Degradation,
    /// Doesn't work.
    Outage,
    /// Announced work.
    Planned,
}

impl IncidentKind {
    /// The name used in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Degradation => "degradation",
            Self::Outage => "outage",
            Self::Planned => "planned",
        }
    }
}

/// Who answers for the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Responsibility {
    /// Not known; the only honest value before a person says otherwise.
    #[default]
    Unknown,
    /// Ours.
    Own,
    /// A supplier's.
    Supplier,
    /// The power grid's.
    Power,
    /// Planned work.
    Planned,
    /// An order from outside; always held for people.
    ExternalOrder,
}

impl Responsibility {
    /// The name used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Own => "own",
            Self::Supplier => "supplier",
            Self::Power => "power",
            Self::Planned => "planned",
            Self::ExternalOrder => "external_order",
        }
    }
}

/// Whom and what it touches. Empty regions or services: nobody is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scope {
    /// Services customers use that are touched.
    pub services: BTreeSet<ServiceName>,
    /// Regions touched, as narrow as known.
    pub regions: BTreeSet<RegionCode>,
    /// Products touched; empty: all that need the services.
    pub products: BTreeSet<ProductName>,
    /// What failed (cells, lines, hosts); empty: not known, the region holds.
    pub elements: BTreeSet<ElementId>,
    /// Where within the regions, at most [`SCOPE_CELLS_MAX`](crate::SCOPE_CELLS_MAX); empty: all of them. Others of the region
    /// aren't touched, nor is anybody whose place isn't known.
    pub cells: BTreeSet<Cell>,
    /// Customers expected to be hit, where a directory is known.
    pub customers_estimated: Option<u64>,
}

/// One series behind an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The anomaly.
    pub anomaly: AnomalyId,
    /// Its series.
    pub series: Arc<SeriesKey>,
    /// Kind of surprise.
    pub channel: Channel,
    /// First abnormal sample.
    pub from: EventTime,
    /// Latest news.
    pub at: EventTime,
    /// Value at the latest news.
    pub observed: f64,
    /// What would have been normal.
    pub expected: f64,
    /// Normal range.
    pub band: Band,
    /// Surprise.
    pub score: Score,
    /// Share in the incident's probability, 0 to 1.
    pub weight: f64,
    /// Whether it is still abnormal.
    pub active: bool,
    /// Log-odds it adds to the probability, damped by the evidence before it; `None` where it doesn't count, and in revisions older
    /// than the field.
    #[serde(default)]
    pub log_odds: Option<f64>,
    /// The incident by whose verdict it doesn't count; `None`: none.
    #[serde(default)]
    pub muted_by: Option<IncidentId>,
}

/// What a contribution to the probability stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// What is so without any evidence.
    Bias,
    /// How rare the values are.
    Score,
    /// How long they have been abnormal.
    Duration,
    /// On the way to a limit within the horizon.
    Limit,
    /// Beyond a limit already.
    Beyond,
    /// Metrics that customers feel.
    Symptom,
    /// Further distinct metrics.
    Breadth,
    /// Series and entities that fell silent.
    Silence,
    /// Anomalies of services that the scope only depends on.
    Upstream,
    /// Anomalies beside which something was announced.
    Announced,
    /// The line that was learnt between log-odds said and what came of them: what it adds whatever they are.
    Calibration,
    /// What the steepness of that line adds: the sum of all the others but [`Calibration`](Self::Calibration) and
    /// [`Verdicts`](Self::Verdicts), times its slope less one.
    Slope,
    /// What people's verdicts on earlier incidents of the scope add, whatever all the others are.
    Verdicts,
}

impl Term {
    /// The name used in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bias => "bias",
            Self::Score => "score",
            Self::Duration => "duration",
            Self::Limit => "limit",
            Self::Beyond => "beyond",
            Self::Symptom => "symptom",
            Self::Breadth => "breadth",
            Self::Silence => "silence",
            Self::Upstream => "upstream",
            Self::Announced => "announced",
            Self::Calibration => "calibration",
            Self::Slope => "slope",
            Self::Verdicts => "verdicts",
        }
    }
}

/// One term of the sum behind a probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// What it stands for.
    pub term: Term,
    /// Log-odds it adds; all of an incident add up to the log-odds of its probability.
    pub value: f64,
}

/// Dimensions that an incident names: a fourth explains nothing that three don't.
pub const DIMENSIONS_MAX: usize = 3;
/// Values of a label that a dimension names: where more are hit, the label doesn't tell who is.
pub const DIMENSION_VALUES_MAX: usize = 8;

/// A suspect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The service or element suspected, or a change announced of it (`deployment CHG-4711`).
    pub node: Arc<str>,
    /// From the cause to the symptom.
    pub path: Vec<Arc<str>>,
    /// Share of the trouble it explains, 0 to 1.
    pub share: f64,
}

/// A label that most of the abnormal series share and few others have: what tells who is hit from who is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    /// The label: `version`, `carrier`, `cell`.
    pub label: Arc<str>,
    /// Its values that are hit, in order; at most [`DIMENSION_VALUES_MAX`].
    pub values: Vec<Arc<str>>,
    /// The metric by which it shows best.
    pub metric: Arc<str>,
    /// Abnormal series of the metric that have one of the values …
    pub abnormal_with: u32,
    /// … of so many abnormal ones, where any of the values is known.
    pub abnormal: u32,
    /// Series of the metric that have one of the values, abnormal or not …
    pub series_with: u32,
    /// … of so many in all, where any of the values is known.
    pub series: u32,
}

/// What has been done, in words that may be shown to customers: approved text or a translated code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairStep {
    /// When it was done.
    pub at: EventTime,
    /// Code of the step in the wording catalogue (`team_on_site`).
    pub code: Arc<str>,
}

/// A person has taken it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// When.
    pub at: EventTime,
    /// Role or team; never a person's name.
    pub by: Arc<str>,
}

/// *Predicted* trouble for customers: whole state at one revision. One that is re-opened goes on under its id; its onset, end,
/// acknowledgement, steps and ETA are those since then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Derived from scope and opening time.
    pub id: IncidentId,
    /// 1 at first, then one more each time.
    pub revision: u32,
    /// Domain.
    pub domain: DomainName,
    /// Where it stands.
    pub state: IncidentState,
    /// How often it has come back after its end.
    pub reopened: u32,
    /// How far people have come with it; `None` where nobody has taken it on, or it is over.
    pub phase: Option<IncidentPhase>,
    /// How bad.
    pub severity: Severity,
    /// By effect.
    pub kind: IncidentKind,
    /// What was announced, where its kind is planned work. Its state is predicted until it starts, then confirmed, then resolved;
    /// retracted where it was cancelled. That customers are hit isn't said by it.
    pub work: Option<PlannedWork>,
    /// Whom and what it touches.
    pub scope: Scope,
    /// Chance that customers are hit within the horizon (1 when confirmed).
    pub probability: Probability,
    /// What the probability is the sum of, in log-odds, without terms that add nothing; empty where it isn't an estimate: of
    /// what is confirmed or was withdrawn by a person.
    pub contributions: Vec<Contribution>,
    /// When it was first published.
    pub opened_at: EventTime,
    /// Event time of this revision.
    pub at: EventTime,
    /// When customers are expected to be hit first.
    pub onset_predicted: Option<EventTime>,
    /// Interval of the predicted onset, 80 %.
    pub onset_interval: Option<(EventTime, EventTime)>,
    /// When customers were hit first.
    pub onset_observed: Option<EventTime>,
    /// When customers were no longer hit.
    pub resolved_at: Option<EventTime>,
    /// Strongest first, at most [`EVIDENCE_MAX`].
    pub evidence: Vec<Evidence>,
    /// Suspects, most likely first.
    pub causes: Vec<Cause>,
    /// What those that are hit have in common and others don't, the clearest first, at most [`DIMENSIONS_MAX`]. Empty where nothing of
    /// the kind is beyond chance.
    pub dimensions: Vec<Dimension>,
    /// Whether teams with an alert budget are to be paged of it; empty where none has one.
    pub paging: Vec<Page>,
    /// The silence by which it pages nobody; `None` where none covers it. It says nothing of customers: they are told all the same.
    pub silenced: Option<Silenced>,
    /// It speaks for a storm: several incidents that came at once.
    pub storm: bool,
    /// The incident that speaks for the storm it is part of; `None`: it speaks for itself.
    pub parent: Option<IncidentId>,
    /// The incident that goes on for it, where it was merged into one.
    pub merged_into: Option<IncidentId>,
    /// The incident it was a part of, where it was split from one.
    #[serde(default)]
    pub split_from: Option<IncidentId>,
    /// Who answers for it.
    pub responsibility: Responsibility,
    /// Whether a person has taken it on.
    pub acknowledged: Option<Acknowledgement>,
    /// When it is expected to be over: a promise once told.
    pub eta: Option<EventTime>,
    /// What has been done, at most [`STEPS_MAX`].
    pub steps: Vec<RepairStep>,
    /// What rules propose for it, in all its lives, by name of the rule.
    pub remedies: Vec<Remedy>,
    /// What the verdict given on it changed, for this scope and for a while; `None`: none was given, or it changed nothing.
    #[serde(default)]
    pub adjustment: Option<Adjustment>,
    /// The problem record it was reviewed with.
    pub problem: Option<ProblemId>,
    /// Why this revision, in one sentence for an SRE.
    pub reason: String,
    /// Version of the code that decided.
    pub version: Arc<str>,
    /// Digest of the settings that decided.
    pub settings: Arc<str>,
    /// The input records it came from.
    pub lineage: Lineage,
    /// From a replay or a simulation; never told to customers.
    pub simulated: bool,
}

/// Why an incident event was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentChange {
    /// Opened as a prediction.
    Predicted,
    /// Same state, with news.
    Updated,
    /// Customers are hit.
    Confirmed,
    /// Did not come, after something was done.
    Averted,
    /// Was an error, by a person's word.
    Retracted,
    /// Did not come.
    Expired,
    /// Over.
    Resolved,
    /// Looked at afterwards.
    Reviewed,
    /// Come back after its end: predicted or confirmed again.
    Reopened,
    /// Planned work is to come.
    Announced,
    /// Planned work has begun.
    Started,
    /// Planned work takes longer than was announced.
    Overrun,
    /// Planned work is over.
    Ended,
    /// Planned work will not come.
    Cancelled,
    /// It goes on as another incident.
    Merged,
    /// It was a part of another incident, and is one of its own from now on; it stands as that one did.
    Split,
}

impl IncidentChange {
    /// The name used in the event type and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Predicted => "predicted",
            Self::Updated => "updated",
            Self::Confirmed => "confirmed",
            Self::Averted => "averted",
            Self::Retracted => "retracted",
            Self::Expired => "expired",
            Self::Resolved => "resolved",
            Self::Reviewed => "reviewed",
            Self::Reopened => "reopened",
            Self::Announced => "announced",
            Self::Started => "started",
            Self::Overrun => "overrun",
            Self::Ended => "ended",
            Self::Cancelled => "cancelled",
            Self::Merged => "merged",
            Self::Split => "split",
        }
    }
}

/// One event on the incident topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentEvent {
    /// Why it was published.
    pub change: IncidentChange,
    /// Whole state.
    pub incident: Incident,
}
