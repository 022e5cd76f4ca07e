//! What is known and may be said: facts of an incident, and how they read in a language.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    Compensation, CompensationUnit, ContactChannel, EventTime, Fingerprint, Incident, IncidentId,
    IncidentKind, Language, RegionCode, ServiceName,
};
use minijinja::Value;
use serde::{Deserialize, Serialize};

use super::calendar::{Room, moment, persian_digits};
use super::catalogue::{any_area, any_service};
use crate::settings::{OutreachSettings, ServiceClass, Words, Zone};

/// A predicted onset that moves less than this doesn't make a text untrue, and an approval of it void.
const ONSET_SLACK: Duration = Duration::from_secs(15 * 60);
/// Times of a prediction are told in steps of five minutes: more would feign a precision that isn't there.
const ONSET_STEP: Duration = Duration::from_secs(5 * 60);

/// All that a text may say, in no language yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// When it was written.
    pub(crate) at: EventTime,
    pub(crate) incident: IncidentId,
    pub(crate) kind: IncidentKind,
    pub(crate) regions: BTreeSet<RegionCode>,
    pub(crate) services: BTreeSet<ServiceName>,
    pub(crate) acknowledged: bool,
    /// Computed by [`no_call_needed`](crate::notice::no_call), never set by hand.
    pub(crate) no_call_needed: bool,
    pub(crate) onset: Option<EventTime>,
    pub(crate) since: Option<EventTime>,
    pub(crate) resolved_at: Option<EventTime>,
    pub(crate) eta: Option<EventTime>,
    /// The end that was told before.
    pub(crate) eta_old: Option<EventTime>,
    /// By when the next news is promised.
    pub(crate) next: Option<EventTime>,
    /// When the message this one follows was sent.
    pub(crate) told_at: Option<EventTime>,
    /// Codes of the steps with approved words.
    pub(crate) steps: Vec<Arc<str>>,
    /// Whether the last step is the news.
    pub(crate) step_is_news: bool,
    /// A step in a person's words.
    pub(crate) said: Option<Said>,
    /// It came after those of `steps`.
    pub(crate) said_is_last: bool,
    /// What they get for it.
    pub(crate) given: Option<Compensation>,
    /// A rehearsal: every text says so.
    pub(crate) is_drill: bool,
}

/// A step in words, and the team that wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) words: Words,
    pub(crate) by: Arc<str>,
}

/// What the thread of an incident adds to the incident itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct FactsSource {
    pub(crate) at: EventTime,
    pub(crate) no_call_needed: bool,
    pub(crate) eta_old: Option<EventTime>,
    pub(crate) next: Option<EventTime>,
    pub(crate) told_at: Option<EventTime>,
    /// Whether the text says what has been done.
    pub(crate) with_steps: bool,
    pub(crate) step_is_news: bool,
}

impl Facts {
    /// What is known of `incident` at `source.at`.
    pub(crate) fn of(incident: &Incident, source: FactsSource, settings: &OutreachSettings) -> Self {
        Self {
            at: source.at,
            incident: incident.id.clone(),
            kind: incident.kind,
            regions: incident.scope.regions.clone(),
            services: incident.scope.services.clone(),
            acknowledged: incident.acknowledged.is_some(),
            no_call_needed: source.no_call_needed,
            onset: incident.onset_predicted.map(|t| t.floor(ONSET_STEP)),
            since: incident.onset_observed,
            resolved_at: incident.resolved_at,
            // A time that has passed is no promise any more.
            eta: incident.eta.filter(|eta| *eta > source.at),
            eta_old: source.eta_old,
            next: source.next,
            told_at: source.told_at,
            steps: incident
                .steps
                .iter()
                .filter(|step| source.with_steps && settings.steps.0.contains_key(&step.code))
                .map(|step| Arc::clone(&step.code))
                .collect(),
            step_is_news: source.step_is_news,
            said: None,
            said_is_last: false,
            given: None,
            is_drill: false,
        }
    }

    /// What is known where no incident is spoken of: the time, and who speaks.
    pub(crate) fn of_nothing(at: EventTime) -> Self {
        Self {
            at,
            incident: no_incident(),
            kind: IncidentKind::Degradation,
            regions: BTreeSet::new(),
            services: BTreeSet::new(),
            acknowledged: false,
            no_call_needed: false,
            onset: None,
            since: None,
            resolved_at: None,
            eta: None,
            eta_old: None,
            next: None,
            told_at: None,
            steps: Vec::new(),
            step_is_news: false,
            said: None,
            said_is_last: false,
            given: None,
            is_drill: false,
        }
    }

    /// Whether a text written from `self` may still be sent when `now` is what is known.
    pub(crate) fn still_true(&self, now: &Self) -> bool {
        let onset_near = match (self.onset, now.onset) {
            (Some(a), Some(b)) => a.since(b).max(b.since(a)) <= ONSET_SLACK,
            (a, b) => a == b,
        };
        let promise_ahead = self.next.is_none_or(|next| next > now.at);
        let aligned = Self {
            at: now.at,
            next: now.next,
            onset: now.onset,
            ..self.clone()
        };
        onset_near && promise_ahead && aligned == *now
    }

    /// In `language`, for a channel.
    pub(crate) fn filled(
        &self,
        settings: &OutreachSettings,
        language: Language,
        room: Room,
        channel: ContactChannel,
    ) -> Value {
        let brand = &settings.brand;
        let region = only(&self.regions);
        let zone: &Zone = region
            .or_else(|| self.regions.first())
            .map_or(&settings.zone, |r| settings.zone_of(r));
        let time = |at: Option<EventTime>| at.map(|at| moment(at, self.at, zone, language, room));
        let area = region
            .and_then(|r| settings.regions.get(r))
            .and_then(|r| r.name.as_ref());
        let service = only(&self.services).and_then(|s| settings.services.get(s));
        let service_name = service.and_then(|s| s.name.as_ref());
        let step = |code: &Arc<str>| settings.steps.0.get(code).map(|w| w.get(language).to_owned());
        let mut steps: Vec<String> = self.steps.iter().filter_map(step).collect();
        if let Some(said) = &self.said {
            let place = if self.said_is_last { steps.len() } else { 0 };
            steps.insert(place, said.words.get(language).to_owned());
        }
        let separator = match language {
            Language::Fa => "؛ ",
            Language::En => "; ",
        };
        // All that templates may name.
        Value::from_pairs([
            ("brand", Value::from(brand.name.get(language))),
            ("address", Value::from(brand.address.get(language))),
            (
                "area",
                Value::from(area.map_or_else(|| any_area(language), |w| w.get(language))),
            ),
            (
                "service",
                Value::from(service_name.map_or_else(|| any_service(language), |w| w.get(language))),
            ),
            ("service_named", Value::from(service_name.is_some())),
            (
                "advice",
                Value::from(
                    service
                        .and_then(|s| s.advice.as_ref())
                        .map(|w: &Words| w.get(language)),
                ),
            ),
            ("kind", Value::from(self.kind.as_str())),
            (
                "voice",
                Value::from(
                    self.services
                        .iter()
                        .filter_map(|s| settings.services.get(s))
                        .any(|s| matches!(s.class, ServiceClass::Voice | ServiceClass::Emergency)),
                ),
            ),
            ("acknowledged", Value::from(self.acknowledged)),
            ("no_call_needed", Value::from(self.no_call_needed)),
            ("onset", Value::from(time(self.onset))),
            ("since", Value::from(time(self.since))),
            ("resolved_at", Value::from(time(self.resolved_at))),
            ("eta", Value::from(time(self.eta))),
            ("eta_old", Value::from(time(self.eta_old))),
            (
                "eta_old_ahead",
                Value::from(self.eta_old.is_some_and(|eta| eta > self.at)),
            ),
            (
                "given",
                Value::from(self.given.map(|given| amount(given, language))),
            ),
            ("next", Value::from(time(self.next))),
            ("told_at", Value::from(time(self.told_at))),
            (
                "step",
                Value::from(steps.last().filter(|_| self.step_is_news).cloned()),
            ),
            (
                "steps",
                Value::from((!steps.is_empty()).then(|| steps.join(separator))),
            ),
            (
                "replies",
                Value::from(brand.replies && channel == ContactChannel::Sms),
            ),
            (
                "phone",
                Value::from(brand.phone.as_deref().map(|phone| match language {
                    // A left-to-right mark keeps the number whole inside a right-to-left line (UAX #9).
                    Language::Fa => format!("\u{200E}{phone}"),
                    Language::En => phone.to_owned(),
                })),
            ),
            ("page", Value::from(brand.page.as_deref())),
            ("unsubscribe", Value::from(brand.unsubscribe.as_deref())),
            ("thread", Value::from(self.incident.as_str().to_owned())),
        ])
    }
}

/// An amount with its unit, in groups of three digits.
fn amount(given: Compensation, language: Language) -> String {
    let digits = given.amount.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(match language {
                Language::Fa => '٬',
                Language::En => ',',
            });
        }
        grouped.push(digit);
    }
    let is_one = given.amount == 1;
    match (language, given.unit) {
        (Language::Fa, CompensationUnit::Rial) => format!("{} ریال", persian_digits(&grouped)),
        (Language::Fa, CompensationUnit::Toman) => format!("{} تومان", persian_digits(&grouped)),
        (Language::Fa, CompensationUnit::Megabytes) => format!("{} مگابایت", persian_digits(&grouped)),
        (Language::Fa, CompensationUnit::Days) => format!("{} روز سرویس", persian_digits(&grouped)),
        (Language::En, CompensationUnit::Rial) => format!("{grouped} rial"),
        (Language::En, CompensationUnit::Toman) => format!("{grouped} toman"),
        (Language::En, CompensationUnit::Megabytes) => format!("{grouped} MB of data"),
        (Language::En, CompensationUnit::Days) if is_one => format!("{grouped} day of service"),
        (Language::En, CompensationUnit::Days) => format!("{grouped} days of service"),
    }
}

/// The thread of an answer that speaks of no incident.
pub(crate) fn no_incident() -> IncidentId {
    IncidentId::derived(Fingerprint::of(b"no incident"))
}

/// The only one of a set.
pub(crate) fn only<T: Ord>(set: &BTreeSet<T>) -> Option<&T> {
    set.first().filter(|_| set.len() == 1)
}
