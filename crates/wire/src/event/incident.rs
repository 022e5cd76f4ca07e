//! Incidents: predicted trouble for customers, and how it went.

use std::collections::BTreeSet;

use forecall_types as types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adjustment::Adjustment;
use super::anomaly::Channel;
use super::paging::{Page, Silenced};
use super::remedy::Remedy;
use super::scalar::{
    Hexagon, InputLineage, Interval, Name, Number, Range, Region, Sentence, Series, Share, Surprise, Time,
};
use super::shape::{Shape, published, published_enum};

published_enum! {
    /// Where an incident stands.
    IncidentState {
        /// Trouble for customers is expected.
        Predicted,
        /// Customers are hit.
        Confirmed,
        /// It was predicted, something was done, and it did not come.
        Averted,
        /// It was predicted or confirmed in error.
        Retracted,
        /// It was predicted and did not come within the horizon.
        Expired,
        /// Customers are no longer hit.
        Resolved,
        /// Looked at afterwards.
        Reviewed,
        /// One with another incident, which goes on for both.
        Merged,
    }
}

published_enum! {
    /// How far people have come with an open incident.
    IncidentPhase {
        /// A person has taken it on.
        Acknowledged,
        /// Something was done about it.
        Mitigating,
    }
}

published_enum! {
    /// How bad it is for customers.
    Severity {
        /// Hardly felt.
        Minor,
        /// Felt: slow or flaky.
        Moderate,
        /// The service can't be used.
        Severe,
        /// Emergency calls, health or many regions.
        Extreme,
    }
}

published_enum! {
    /// What kind of trouble, by its effect on customers.
    IncidentKind {
        /// Works, but badly.
        Degradation,
        /// Doesn't work.
        Outage,
        /// Announced work.
        Planned,
    }
}

published_enum! {
    /// Who answers for the cause.
    Responsibility {
        /// Not known.
        Unknown,
        /// The operator.
        Own,
        /// A supplier.
        Supplier,
        /// The power grid.
        Power,
        /// Planned work.
        Planned,
        /// An order from outside.
        ExternalOrder,
    }
}

published_enum! {
    /// Why an incident event was published.
    IncidentChange {
        /// Opened as a prediction.
        Predicted,
        /// Same state, with news.
        Updated,
        /// Customers are hit.
        Confirmed,
        /// Did not come, after something was done.
        Averted,
        /// Was an error.
        Retracted,
        /// Did not come in time.
        Expired,
        /// Over.
        Resolved,
        /// Looked at afterwards.
        Reviewed,
        /// Come back after its end, under the same id: predicted or confirmed again.
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
}

published! {
    /// Whom and what an incident touches. Empty regions or services: nobody is told.
    #[derive(Eq)]
    Scope of Scope {
        /// Services customers use that are touched.
        #[serde(default)]
        services: BTreeSet<Name> = services,
        /// Regions touched, as narrow as known.
        #[serde(default)]
        regions: BTreeSet<Region> = regions,
        /// Products touched; empty: all that need the services.
        #[serde(default)]
        products: BTreeSet<Name> = products,
        /// What failed (cells, lines, hosts); empty: not known, the region holds.
        #[serde(default)]
        elements: BTreeSet<Name> = elements,
        /// Where within the regions (H3), at most 2,048; empty: all of them. Nobody else is told, nor whoever's place isn't known.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        cells: BTreeSet<Hexagon> = cells,
        /// Customers expected to be hit, where a directory is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        customers_estimated: Option<u64> = customers_estimated,
    }
}

published! {
    /// One series behind an incident.
    Evidence of Evidence {
        /// The anomaly.
        anomaly: Name = anomaly,
        /// Its series.
        series: Series = series,
        /// Kind of surprise.
        channel: Channel = channel,
        /// First abnormal sample.
        from: Time = from,
        /// Latest news.
        at: Time = at,
        /// Value at the latest news.
        observed: Number = observed,
        /// What would have been normal.
        expected: Number = expected,
        /// Normal range.
        band: Range = band,
        /// Surprise, 0 to 20.
        score: Surprise = score,
        /// Share in the incident's probability, 0 to 1.
        weight: Number = weight,
        /// Whether it is still abnormal.
        active: bool = active,
        /// Log-odds (natural logarithm) it adds to the probability, damped by the evidence before it; absent where it doesn't count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log_odds: Option<Number> = log_odds,
        /// The incident by whose verdict it doesn't count; absent: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        muted_by: Option<Name> = muted_by,
    }
}

published_enum! {
    /// What a contribution to the probability stands for.
    Term {
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
        /// What the steepness of that line adds: the sum of all the others but `calibration` and `verdicts`, times its slope less
        /// one.
        Slope,
        /// What people's verdicts on earlier incidents of the scope add, whatever all the others are.
        Verdicts,
    }
}

published! {
    /// One term of the sum behind a probability.
    Contribution of Contribution {
        /// What it stands for.
        term: Term = term,
        /// Log-odds (natural logarithm) it adds.
        value: Number = value,
    }
}

published! {
    /// A suspect.
    Cause of Cause {
        /// The service or element suspected, or a change announced of it (`deployment CHG-4711`).
        node: String = node,
        /// From the cause to the symptom.
        #[serde(default)]
        path: Vec<String> = path,
        /// Share of the trouble it explains, 0 to 1.
        share: Number = share,
    }
}

published! {
    /// What has been done.
    #[derive(Eq)]
    RepairStep of RepairStep {
        /// When it was done.
        at: Time = at,
        /// Code of the step in the wording catalogue.
        code: String = code,
    }
}

published! {
    /// A person has taken the incident on.
    #[derive(Eq)]
    Acknowledgement of Acknowledgement {
        /// When.
        at: Time = at,
        /// Role or team; never a person's name.
        by: String = by,
    }
}

published_enum! {
    /// How far planned work has come.
    WorkStage {
        /// It is to come.
        Announced,
        /// Its time has come.
        Started,
        /// Its time is over, and its signs are still there.
        Overrun,
        /// Over.
        Ended,
        /// It will not come.
        Cancelled,
    }
}

published! {
    /// What was said of planned work, and how far it has come.
    #[derive(Eq)]
    PlannedWork of PlannedWork {
        /// How far it has come.
        stage: WorkStage = stage,
        /// When it begins.
        starts_at: Time = starts_at,
        /// When it was said to be over; a later word stands in `eta`.
        ends_at: Time = ends_at,
        /// What is done.
        label: Sentence = label,
        /// Role or team that announced it; never a person's name.
        by: String = by,
    }
}

published! {
    /// A label that most of the abnormal series share and few others have: what tells who is hit from who is not.
    #[derive(Eq)]
    Dimension of Dimension {
        /// The label.
        label: String = label,
        /// Its values that are hit, in order, at most 8.
        values: Vec<String> = values,
        /// The metric by which it shows best.
        metric: String = metric,
        /// Abnormal series of the metric that have one of the values …
        abnormal_with: u32 = abnormal_with,
        /// … of so many abnormal ones.
        abnormal: u32 = abnormal,
        /// Series of the metric that have one of the values, abnormal or not …
        series_with: u32 = series_with,
        /// … of so many in all.
        series: u32 = series,
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
pub(super) const fn is_false(flag: &bool) -> bool {
    !*flag
}

published! {
    /// Predicted trouble for customers: the whole state at one revision. One that is re-opened goes on under its id; its onset,
    /// end, acknowledgement, steps and ETA are those since then.
    Incident of Incident {
        /// Id: the same for all revisions, and in every run.
        id: Name = id,
        /// 1 at first, then one more each time.
        revision: u32 = revision,
        /// Domain: a tenant, or the part of the world that one topology and one policy describe.
        domain: Name = domain,
        /// Where it stands.
        state: IncidentState = state,
        /// How often it has come back after its end.
        #[serde(default)]
        reopened: u32 = reopened,
        /// How far people have come with it; absent: nobody has taken it on, or it is over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase: Option<IncidentPhase> = phase,
        /// How bad.
        severity: Severity = severity,
        /// By effect.
        kind: IncidentKind = kind,
        /// What was announced, where the kind is planned work. The state is predicted until it starts, then confirmed, then resolved;
        /// retracted where it was cancelled. That customers are hit isn't said by it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        work: Option<PlannedWork> = work,
        /// Whom and what it touches.
        scope: Scope = scope,
        /// Chance that customers are hit within the horizon (1 when confirmed).
        probability: Share = probability,
        /// What the probability is the sum of, in log-odds; empty where it isn't an estimate.
        #[serde(default)]
        contributions: Vec<Contribution> = contributions,
        /// When it was first published.
        opened_at: Time = opened_at,
        /// Event time of this revision.
        at: Time = at,
        /// When customers are expected to be hit first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        onset_predicted: Option<Time> = onset_predicted,
        /// Interval of the predicted onset, 80 %.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        onset_interval: Option<Interval> = onset_interval,
        /// When customers were hit first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        onset_observed: Option<Time> = onset_observed,
        /// When customers were no longer hit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resolved_at: Option<Time> = resolved_at,
        /// Strongest first, at most 32.
        #[serde(default)]
        evidence: Vec<Evidence> = evidence,
        /// Suspects, most likely first.
        #[serde(default)]
        causes: Vec<Cause> = causes,
        /// What those that are hit have in common and others don't, the clearest first, at most 3; absent where nothing of the kind is
        /// beyond chance.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        dimensions: Vec<Dimension> = dimensions,
        /// Whether teams with an alert budget are to be paged of it; absent where none has one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        paging: Vec<Page> = paging,
        /// The silence by which it pages nobody; absent: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        silenced: Option<Silenced> = silenced,
        /// It speaks for a storm: several incidents that came at once.
        #[serde(default, skip_serializing_if = "is_false")]
        storm: bool = storm,
        /// The incident that speaks for the storm it is part of; absent: it speaks for itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Name> = parent,
        /// The incident that goes on for it, where it was merged into one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        merged_into: Option<Name> = merged_into,
        /// The incident it was a part of, where it was split from one; absent: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        split_from: Option<Name> = split_from,
        /// What the verdict given on it changed, for its scope and for a while; absent: nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        adjustment: Option<Adjustment> = adjustment,
        /// Who answers for it.
        responsibility: Responsibility = responsibility,
        /// Who has taken it on; absent: nobody yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acknowledged: Option<Acknowledgement> = acknowledged,
        /// When it is expected to be over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        eta: Option<Time> = eta,
        /// What has been done, at most 32.
        #[serde(default)]
        steps: Vec<RepairStep> = steps,
        /// What rules propose for it, in all its lives; absent where no rule fits.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remedies: Vec<Remedy> = remedies,
        /// The problem record it was reviewed with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<Name> = problem,
        /// Why this revision, in one sentence for an engineer.
        #[serde(default)]
        reason: String = reason,
        /// Version of the code that decided.
        #[serde(default)]
        version: String = version,
        /// Digest of the settings that decided.
        #[serde(default)]
        settings: String = settings,
        /// The input records it came from.
        #[serde(default)]
        lineage: InputLineage = lineage,
        /// From a replay or a simulation; never told to customers.
        simulated: bool = simulated,
    }
}

/// One event of an incident's life: why it was published, and the whole state after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentEvent {
    /// Why it was published.
    pub change: IncidentChange,
    /// The whole state.
    #[serde(flatten)]
    pub incident: Incident,
}

impl Shape<types::IncidentEvent> for IncidentEvent {
    fn put(inner: &types::IncidentEvent) -> Self {
        let types::IncidentEvent { change, incident } = inner;
        Self {
            change: Shape::put(change),
            incident: Shape::put(incident),
        }
    }
    fn take(self) -> Result<types::IncidentEvent, types::Reject> {
        Ok(types::IncidentEvent {
            change: self.change.take()?,
            incident: self.incident.take()?,
        })
    }
}

impl Shape<Box<types::IncidentEvent>> for IncidentEvent {
    fn put(inner: &Box<types::IncidentEvent>) -> Self {
        Self::put(inner.as_ref())
    }
    fn take(self) -> Result<Box<types::IncidentEvent>, types::Reject> {
        Shape::<types::IncidentEvent>::take(self).map(Box::new)
    }
}
