//! Brings an incident up to date with its evidence, and says whether that is worth an event.

use std::time::Duration;

use forecall_types::{
    AnomalyId, EVIDENCE_MAX, EventTime, Incident, IncidentChange, IncidentEvent, IncidentKind, IncidentPhase,
    IncidentState, Probability, Scope, Severity,
};

use crate::estimate_customers;
use crate::group::Open;
use crate::predict::{Assessment, Weighed};
use crate::reason::{clock, evidence, limit_passed, muted, number, place, sentence, shared, suspected};
use crate::remedy::Stand;
use crate::scope::severity as judged;
use crate::settings::CorrelateSettings;

/// A change of this much in probability is news.
const PROBABILITY_NEWS: f64 = 0.1;
/// Strongest evidence whose change is news.
const TOP: usize = 3;
/// News of the machine's own making are at least this far apart; what people do is told at once.
const UPDATE_GAP: Duration = Duration::from_secs(60);

/// What one step is judged with.
pub(crate) struct Step<'a> {
    pub(crate) at: EventTime,
    pub(crate) settings: &'a CorrelateSettings,
}

impl Step<'_> {
    /// Brings the incident up to date and makes the next event of it.
    pub(crate) fn publish(
        &self,
        open: &mut Open,
        change: IncidentChange,
        a: &Assessment,
        reason: &str,
    ) -> IncidentEvent {
        let incident = &mut open.incident;
        incident.state = open.life.state();
        incident.reopened = open.life.reopened();
        if let (Some(work), Some(stage)) = (&mut incident.work, open.life.work()) {
            work.stage = stage;
        }
        incident.phase = phase(incident);
        let (scope, kind, severity) = self.effect(incident, open.severity_floor, a);
        incident.scope = scope;
        incident.kind = kind;
        incident.severity = severity;
        incident.at = self.at;
        incident.revision += 1;
        incident.evidence = a
            .evidence
            .iter()
            .take(EVIDENCE_MAX)
            .map(|w| w.evidence.clone())
            .collect();
        incident.contributions = match incident.state {
            // Announced: no estimate.
            IncidentState::Predicted | IncidentState::Averted | IncidentState::Expired
                if incident.work.is_some() =>
            {
                Vec::new()
            }
            IncidentState::Predicted | IncidentState::Averted | IncidentState::Expired => {
                a.contributions.clone()
            }
            // Known, or a person's word: no estimate.
            IncidentState::Confirmed
            | IncidentState::Retracted
            | IncidentState::Resolved
            | IncidentState::Reviewed
            | IncidentState::Merged => Vec::new(),
        };
        self.expect_onset(incident, open.since, a);
        let notes = std::mem::take(&mut open.notes).join("; ");
        let begin = format!("{}: ", place(&incident.scope));
        incident.reason = begin
            + &sentence(&[
                &notes,
                reason,
                &evidence(&a.evidence),
                &muted(&a.evidence),
                &suspected(incident),
                &shared(incident),
            ]);
        if incident.state == IncidentState::Predicted
            && incident.work.is_none()
            && let Some(onset) = incident.onset_predicted
        {
            let when = a.onset.as_ref().and_then(limit_passed);
            let when = when.unwrap_or_else(|| format!("onset expected {}", clock(onset)));
            incident.reason = sentence(&[&incident.reason, &when]);
        }
        open.top = top(a);
        IncidentEvent {
            change,
            incident: incident.clone(),
        }
    }

    fn expect_onset(&self, incident: &mut Incident, since: EventTime, a: &Assessment) {
        if incident.state != IncidentState::Predicted || incident.work.is_some() {
            return;
        }
        let horizon = self.settings.horizon();
        if let Some(onset) = &a.onset {
            incident.onset_predicted = Some(onset.at);
            incident.onset_interval = Some((onset.earliest, onset.latest));
        } else if incident.onset_predicted.is_none() {
            // Nothing to extrapolate: the middle of the horizon, and the whole of it as the interval.
            incident.onset_predicted = Some(since.plus(horizon / 2));
            incident.onset_interval = Some((since, since.plus(horizon)));
        }
    }

    /// Scope, kind and severity; while an incident is open none of them shrinks, so that nobody is told of ups and downs.
    fn effect(
        &self,
        incident: &Incident,
        floor: Severity,
        a: &Assessment,
    ) -> (Scope, IncidentKind, Severity) {
        let mut scope = incident.scope.clone();
        scope.elements.extend(a.elements.iter().cloned());
        if scope.elements.len() > crate::ELEMENTS_MAX {
            scope.elements.clear();
        }
        let known = estimate_customers(
            &self.settings.topology,
            &self.settings.customers,
            &scope.services,
            &scope.regions,
        );
        scope.customers_estimated = known.or(scope.customers_estimated);
        let kind = incident.kind.max(a.kind);
        let severity = judged(
            self.settings,
            &scope,
            kind,
            a.felt || incident.state == IncidentState::Confirmed,
        );
        let severity = severity.max(incident.severity).max(floor);
        (scope, kind, severity)
    }

    /// An incident as rules of remedies see it: as it is now, whatever was published last.
    pub(crate) fn stand(&self, open: &Open, a: &Assessment) -> Stand {
        let incident = &open.incident;
        let state = open.life.state();
        let (scope, kind, severity) = self.effect(incident, open.severity_floor, a);
        let severity_measured = judged(self.settings, &scope, kind, a.felt || a.hit.is_some());
        Stand {
            state,
            kind,
            severity,
            probability: self.probability(state, a),
            scope,
            is_planned: incident.work.is_some(),
            is_declared: open.declared,
            is_hit: a.hit.is_some(),
            severity_measured,
        }
    }

    /// What is worth an event, in words; `None`: nothing.
    pub(crate) fn news(&self, open: &Open, a: &Assessment) -> Option<String> {
        let incident = &open.incident;
        if !open.notes.is_empty() || !open.remedies.news().is_empty() {
            return Some(String::new());
        }
        let since = self.at.since(incident.at);
        if since < UPDATE_GAP {
            return None;
        }
        let (scope, kind, severity) = self.effect(incident, open.severity_floor, a);
        let (old, new) = (
            incident.probability.get(),
            self.probability(incident.state, a).get(),
        );
        if (new - old).abs() >= PROBABILITY_NEWS {
            return Some(format!("probability {} -> {}", number(old), number(new)));
        }
        if severity != incident.severity {
            return Some(format!(
                "severity {} -> {}",
                incident.severity.as_str(),
                severity.as_str()
            ));
        }
        if kind != incident.kind {
            return Some(format!("kind {} -> {}", incident.kind.as_str(), kind.as_str()));
        }
        if scope != incident.scope {
            return Some("scope has grown".into());
        }
        if top(a).iter().any(|id| !open.top.contains(id)) {
            return Some("new evidence".into());
        }
        let every = Duration::from_secs(self.settings.tunables.update_every_seconds);
        (since >= every && !a.active.is_empty()).then(String::new)
    }

    pub(crate) fn probability(&self, state: IncidentState, a: &Assessment) -> Probability {
        match state {
            IncidentState::Confirmed | IncidentState::Resolved | IncidentState::Reviewed => Probability::ONE,
            IncidentState::Predicted
            | IncidentState::Averted
            | IncidentState::Retracted
            | IncidentState::Expired
            | IncidentState::Merged => a.probability,
        }
    }
}

/// What people have done about an open incident.
fn phase(incident: &Incident) -> Option<IncidentPhase> {
    if !incident.state.is_open() {
        None
    } else if !incident.steps.is_empty() {
        Some(IncidentPhase::Mitigating)
    } else {
        incident
            .acknowledged
            .as_ref()
            .map(|_| IncidentPhase::Acknowledged)
    }
}

fn top(a: &Assessment) -> Vec<AnomalyId> {
    let counts = |w: &&Weighed| w.evidence.active && w.evidence.muted_by.is_none();
    let strongest = a.evidence.iter().filter(counts).take(TOP);
    strongest.map(|w| w.evidence.anomaly.clone()).collect()
}
