//! How a revision came to stand as it does: by the sum, by a limit that was passed, or by a person's word.

use forecall_types::{AnomalyId, Channel, Evidence, Incident, IncidentState};

use crate::metric::MetricKind;
use crate::settings::{CorrelateSettings, Objective};

/// How it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ground {
    /// The sum of the evidence stood at the threshold for long enough.
    Foreseen,
    /// Customers were hit by what was measured. Without these, each of which may confirm alone, it would not have been
    /// confirmed; empty: the settings given don't tell which they were.
    Measured(Vec<AnomalyId>),
    /// By a person's word: this role or team declared it.
    Declared(String),
    /// By a person's word: this role or team announced it as planned work.
    Planned(String),
    /// It had ended.
    Over,
}

pub(super) fn ground(incident: &Incident, settings: &CorrelateSettings) -> Ground {
    if let Some(work) = incident.work.as_ref().filter(|_| incident.state.is_open()) {
        return Ground::Planned(work.by.to_string());
    }
    match incident.state {
        IncidentState::Predicted => Ground::Foreseen,
        IncidentState::Confirmed => declared_by(&incident.reason).map_or_else(
            || Ground::Measured(confirming(incident, settings)),
            |by| Ground::Declared(by.to_owned()),
        ),
        IncidentState::Averted
        | IncidentState::Retracted
        | IncidentState::Expired
        | IncidentState::Resolved
        | IncidentState::Reviewed
        | IncidentState::Merged => Ground::Over,
    }
}

/// Who declared it, by the sentence that says so.
fn declared_by(reason: &str) -> Option<&str> {
    let (_, rest) = reason.split_once("declared by ")?;
    rest.split([';', ')']).next()
}

/// Evidence that may confirm alone, where it lasts: how long it lasted isn't told in an event.
fn confirming(incident: &Incident, settings: &CorrelateSettings) -> Vec<AnomalyId> {
    let confirms = |e: &&Evidence| {
        if !e.active || e.muted_by.is_some() || e.channel == Channel::Silence {
            return false;
        }
        let objective = settings.objective_of(e.channel, &e.series.metric);
        let beyond = objective.is_some_and(|o| o.is_beyond(e.observed));
        let high = e.channel != Channel::Limit && e.score.get() >= settings.tunables.confirm_score;
        beyond || (high && (!settings.tunables.confirm_on_symptoms_only || is_felt(e, objective)))
    };
    let found = incident.evidence.iter().filter(confirms);
    found.map(|e| e.anomaly.clone()).collect()
}

/// Whether customers feel it, the way it goes.
fn is_felt(evidence: &Evidence, objective: Option<&Objective>) -> bool {
    let up = evidence.observed > evidence.expected;
    objective.map_or_else(
        || MetricKind::of(&evidence.series.metric).hurts(up),
        |o| (o.sign > 0.0) == up,
    )
}

#[cfg(test)]
mod tests {
    use super::declared_by;

    #[test]
    fn the_sentence_names_who_declared() {
        for (reason, by) in [
            (
                "tv in IR-10: declared by noc; again, after inc_1 (expired)",
                Some("noc"),
            ),
            ("tv in IR-10: declared by noc", Some("noc")),
            (
                "tv in IR-10: customers hit since 14:07 UTC (declared by net ops); cpu at 1",
                Some("net ops"),
            ),
            ("tv in IR-10: customers hit since 14:07 UTC (loss above 5)", None),
        ] {
            assert_eq!(declared_by(reason), by, "{reason}");
        }
    }
}
