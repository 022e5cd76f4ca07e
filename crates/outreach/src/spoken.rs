//! What the telephone says to whoever still calls: only of trouble of which customers were already told, in stock words.

use forecall_types::{
    EventTime, Incident, IncidentKind, IncidentState, Language, Notice, check_invariant,
    invariant::InvariantId,
};

use crate::notice::no_call::{NoCallFacts, no_call_needed};
use crate::settings::OutreachSettings;
use crate::words::{Facts, FactsSource, SpokenKind, Wording, is_speakable};

/// A text for a voice, with what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// Letters, spaces and pauses only.
    pub text: String,
    /// Whether the caller may hang up: computed, as "no need to call" is.
    pub may_hang_up: bool,
    /// When it is expected to be over, as customers were told.
    pub eta: Option<EventTime>,
    /// By when the next news is promised.
    pub next_update: Option<EventTime>,
}

/// What is said of an incident at `at`; `told` is the last notice of it that was let out. `None`: nothing that may be said.
pub fn spoken(
    incident: &Incident,
    told: &Notice,
    at: EventTime,
    language: Language,
    settings: &OutreachSettings,
) -> Option<Spoken> {
    let stopped = told.ramp.as_ref().is_some_and(|ramp| ramp.stopped.is_some());
    if incident.simulated || told.simulated || incident.domain.is_canary() || stopped || told.intents == 0 {
        return None;
    }
    let kind = match (incident.state, incident.kind) {
        (IncidentState::Confirmed | IncidentState::Predicted, IncidentKind::Planned) => SpokenKind::Work,
        (IncidentState::Confirmed, IncidentKind::Degradation | IncidentKind::Outage) => SpokenKind::Trouble,
        (IncidentState::Predicted, IncidentKind::Degradation | IncidentKind::Outage) => SpokenKind::Expected,
        (
            IncidentState::Averted
            | IncidentState::Retracted
            | IncidentState::Expired
            | IncidentState::Resolved
            | IncidentState::Reviewed
            | IncidentState::Merged,
            _,
        ) => return None,
    };
    // An end that was told and has moved since is no end that may be said.
    let eta = told.eta.filter(|eta| *eta > at && incident.eta == Some(*eta));
    let next = told.next_update.filter(|next| *next > at);
    let overdue = told.next_update.is_some_and(|next| next <= at) || told.eta.is_some() && eta.is_none();
    let may_hang_up = kind == SpokenKind::Trouble
        && told.no_call_needed
        && eta.is_some()
        && no_call_needed(NoCallFacts::of(incident, at, overdue, settings));
    let facts = Facts {
        eta,
        ..Facts::of(
            incident,
            FactsSource {
                at,
                no_call_needed: may_hang_up,
                next,
                ..FactsSource::default()
            },
            settings,
        )
    };
    let text = Wording::default().spoken(kind, &facts, settings, language).ok()?;
    let speakable = is_speakable(&text);
    check_invariant!(
        InvariantId::N2,
        speakable,
        "what the telephone says of {} can't be spoken",
        incident.id
    );
    speakable.then_some(Spoken {
        text,
        may_hang_up,
        eta,
        next_update: next,
    })
}
