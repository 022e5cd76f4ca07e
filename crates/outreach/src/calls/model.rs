//! The call model: calls, incidents and ticks in, forecasts out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    CallForecast, CallOutcome, CallRecord, DomainName, EventTime, IncidentChange, IncidentEvent, IncidentId,
    IncidentState, QueueName,
};
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::effect::Arms;
use super::queue::{MEMORY, Now, Queue, Touching};
use super::settings::CallSettings;
use super::surge::{NoticeEffect, NoticeHistory, SurgeHistory, SurgeModel, SurgePriors};
use super::trouble::Trouble;

/// Name and version of the model, as forecasts carry it; behind a dot the fits that the queue's own parameters have had.
pub(super) fn model_name(fits: u32) -> Arc<str> {
    format!("state-space/3.{fits}").into()
}

/// Evaluations of a fit at a time, all queues together: a millisecond each at most, every second at most. So 256 queues are fitted
/// within a day for half a hundredth of a core.
const TUNED_AT_A_TIME: usize = 3;
const TUNED_EVERY: Duration = Duration::from_secs(1);
/// Queues with a memory; 256 of at most 64 KiB each are 16 MiB, and no contact centre we know has more.
pub const QUEUES_MAX: usize = 256;
/// Calls remembered by id, about 100 bytes each: half a day of 11 calls a second.
pub const CALLS_MAX: usize = 500_000;
/// Incidents that may add calls at one time.
pub const INCIDENTS_MAX: usize = 256;
/// An incident that is over is remembered this long: calls about it have ceased, and its notice's replies too.
const AFTERMATH: Duration = Duration::from_secs(6 * 3600);
/// A call that arrived later than this after it was known has a wrong clock.
const AHEAD_MAX: Duration = Duration::from_secs(3600);

/// What was not taken in as usual, since the start. Nothing is left out in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallCounts {
    /// Calls counted.
    pub calls: u64,
    /// Records of a call already counted.
    pub repeated: u64,
    /// Calls that came after their interval was closed: not in the baseline.
    pub late: u64,
    /// Calls with an arrival over an hour after they were known: left out.
    pub ahead: u64,
    /// Calls of a queue beyond [`QUEUES_MAX`]: left out.
    pub queue_refused: u64,
    /// Calls forgotten before their time, because [`CALLS_MAX`] was reached: a later record would count them again.
    pub forgotten: u64,
    /// Incident events left out: older than what is known, of an incident never seen open, or beyond [`INCIDENTS_MAX`].
    pub incident_refused: u64,
    /// Customers told of an incident not known here.
    pub told_unknown: u64,
}

/// A call that may come again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    domain: DomainName,
    queue: QueueName,
    arrived: EventTime,
    at: EventTime,
    handled: bool,
    waited: bool,
}

/// All the model remembers; the settings are not part of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CallState {
    queues: BTreeMap<DomainName, BTreeMap<QueueName, Queue>>,
    incidents: BTreeMap<IncidentId, Trouble>,
    /// What incidents that are over taught, by domain.
    histories: BTreeMap<DomainName, SurgeHistory>,
    /// What its hold-outs say of notices, by domain.
    notices: BTreeMap<DomainName, NoticeHistory>,
    known: BTreeMap<Arc<str>, Known>,
    order: BTreeSet<(EventTime, Arc<str>)>,
    counts: CallCounts,
    last_tick: Option<EventTime>,
    /// The queue whose parameters were last searched for, and when.
    tuned: Option<(DomainName, QueueName)>,
    tuned_at: Option<EventTime>,
}

/// Forecasts the calls of every queue, with and without the notices.
#[derive(Debug, Clone)]
pub struct CallModel {
    settings: Arc<CallSettings>,
    calendar: Calendar,
    state: CallState,
}

impl CallModel {
    /// Knows nothing yet. Queues come to be with their first call.
    pub fn new(settings: Arc<CallSettings>) -> Self {
        Self::restore(settings, CallState::default())
    }

    /// With the memory of an earlier model. Where the length of an interval differs, the baselines start anew.
    pub fn restore(settings: Arc<CallSettings>, mut state: CallState) -> Self {
        let calendar = settings.calendar();
        for queue in state.queues.values_mut().flat_map(BTreeMap::values_mut) {
            if !queue.baseline.fits(&calendar) {
                let (handle, patience) = (queue.handle, queue.patience);
                *queue = Queue::new(&calendar, queue.open_from);
                (queue.handle, queue.patience) = (handle, patience);
            }
        }
        Self {
            settings,
            calendar,
            state,
        }
    }

    /// The memory, to be kept in a snapshot.
    pub const fn state(&self) -> &CallState {
        &self.state
    }

    /// What was not taken in as usual.
    pub const fn counts(&self) -> CallCounts {
        self.state.counts
    }

    /// Takes in a call. A later record of the same call replaces the earlier; an earlier one is left out.
    pub fn on_call(&mut self, call: &CallRecord) {
        let counts = &mut self.state.counts;
        if call.arrived_at > call.at.plus(AHEAD_MAX) {
            counts.ahead += 1;
            return;
        }
        let (mut handled, mut waited) = (false, false);
        if let Some(known) = self.state.known.get(&call.id) {
            counts.repeated += 1;
            if call.at < known.at {
                return;
            }
            (handled, waited) = (known.handled, known.waited);
            let old = known.clone();
            self.state.order.remove(&(old.arrived, Arc::clone(&call.id)));
            if let Some(queue) = queue_mut(&mut self.state.queues, &old.domain, &old.queue) {
                queue.remove(old.arrived);
            }
        } else {
            counts.calls += 1;
        }
        let all: usize = self.state.queues.values().map(BTreeMap::len).sum();
        let queues = self.state.queues.entry(call.domain.clone()).or_default();
        if !queues.contains_key(&call.queue) && all >= QUEUES_MAX {
            counts.queue_refused += 1;
            self.state.known.remove(&call.id);
            return;
        }
        let queue = queues
            .entry(call.queue.clone())
            .or_insert_with(|| Queue::new(&self.calendar, call.arrived_at));
        if call.arrived_at < queue.open_from && !self.state.known.contains_key(&call.id) {
            counts.late += 1;
        }
        queue.add(call.arrived_at);
        if let Some(handle) = call.handle.filter(|_| !handled) {
            queue.handle.update(handle.as_secs_f64(), &self.settings);
            handled = true;
        }
        let gave_up = match call.outcome {
            CallOutcome::Abandoned => Some(true),
            CallOutcome::Answered | CallOutcome::Left => Some(false),
            CallOutcome::Offered => None,
        };
        if let (Some(wait), Some(gave_up), false) = (call.wait, gave_up, waited) {
            queue.patience.update(wait.as_secs_f64(), gave_up);
            waited = true;
        }
        self.state.order.insert((call.arrived_at, Arc::clone(&call.id)));
        let known = Known {
            domain: call.domain.clone(),
            queue: call.queue.clone(),
            arrived: call.arrived_at,
            at: call.at,
            handled,
            waited,
        };
        self.state.known.insert(Arc::clone(&call.id), known);
        while self.state.known.len() > CALLS_MAX && self.forget_first() {
            self.state.counts.forgotten += 1;
        }
    }

    fn forget_first(&mut self) -> bool {
        let first = self.state.order.pop_first();
        first.is_some_and(|(_, id)| self.state.known.remove(&id).is_some())
    }

    /// Takes in an incident event and the customers it affects; 0 where no directory tells: the incident's own estimate.
    pub fn on_incident(&mut self, event: &IncidentEvent, affected_customers: u64) {
        let incident = &event.incident;
        let affected = match affected_customers {
            0 => incident.scope.customers_estimated.unwrap_or(0),
            n => n,
        };
        let full = self.state.incidents.len() >= INCIDENTS_MAX;
        let taken = match self.state.incidents.get_mut(&incident.id) {
            Some(known) if incident.revision < known.revision => false,
            Some(known) if event.change == IncidentChange::Reopened => {
                // What was told and learned of the last time says nothing of this one.
                let edition = known.edition.wrapping_add(1);
                *known = Trouble::new(incident, affected);
                known.edition = edition;
                true
            }
            Some(known) => {
                known.update(incident, affected);
                true
            }
            None => {
                // A verdict or an end of something never seen open changes no forecast.
                let news = match incident.state {
                    IncidentState::Predicted | IncidentState::Confirmed => !full,
                    IncidentState::Averted
                    | IncidentState::Retracted
                    | IncidentState::Expired
                    | IncidentState::Resolved
                    | IncidentState::Reviewed
                    | IncidentState::Merged => false,
                };
                if news {
                    let trouble = Trouble::new(incident, affected);
                    self.state.incidents.insert(incident.id.clone(), trouble);
                }
                news
            }
        };
        if taken {
            self.mark_changed(&incident.id);
        } else {
            self.state.counts.incident_refused += 1;
        }
    }

    /// Takes in that so many more customers were told of the incident.
    pub fn on_told(&mut self, incident: &IncidentId, at: EventTime, newly_accepted: u64) {
        match self.state.incidents.get_mut(incident) {
            Some(trouble) if newly_accepted > 0 => {
                trouble.tell(at, newly_accepted);
                self.mark_changed(incident);
            }
            Some(_) => {}
            None => self.state.counts.told_unknown += newly_accepted,
        }
    }

    /// Takes in what came of an incident's hold-out: how many of those told and of those held out got in touch before its release.
    pub fn on_trial(&mut self, domain: &DomainName, incident: &IncidentId, arms: Arms) {
        let notices = self.state.notices.entry(domain.clone()).or_default();
        notices.take(incident, arms);
        for (name, queue) in self.state.queues.get_mut(domain).into_iter().flatten() {
            let is_touched =
                |trouble: &Trouble| trouble.domain == *domain && self.settings.touches(name, &trouble.scope);
            queue.changed |= self.state.incidents.values().any(is_touched);
        }
    }

    fn mark_changed(&mut self, incident: &IncidentId) {
        let Some(trouble) = self.state.incidents.get(incident) else {
            return;
        };
        if let Some(queues) = self.state.queues.get_mut(&trouble.domain) {
            for (name, queue) in queues {
                queue.changed |=
                    self.settings.touches(name, &trouble.scope) || queue.learning.contains_key(incident);
            }
        }
    }

    /// Whether ticks forecast nothing: there is no queue.
    pub fn is_at_rest(&self) -> bool {
        self.state.queues.values().all(BTreeMap::is_empty)
    }

    /// Time has come to `at`: closes the intervals that have ended, learns, and forecasts where something has changed.
    /// A tick earlier than the last one changes nothing.
    pub fn on_tick(&mut self, at: EventTime, out: &mut Vec<CallForecast>) {
        if self.state.last_tick.is_some_and(|last| at < last) {
            return;
        }
        self.state.last_tick = Some(at);
        let mut now = Now {
            at,
            priors: SurgePriors::default(),
            settings: &self.settings,
            calendar: &self.calendar,
            surge: SurgeModel {
                repeats: self.settings.repeats(),
                remaining_seconds: self.settings.remaining_seconds(),
                lasting: None,
                notice: NoticeEffect::default(),
            },
        };
        let CallState {
            queues,
            incidents,
            histories,
            notices,
            ..
        } = &mut self.state;
        for (domain, queues) in queues.iter_mut() {
            now.priors = histories
                .get(domain)
                .map(SurgeHistory::priors)
                .unwrap_or_default();
            now.surge.lasting = now.priors.lasting;
            now.surge.notice = notices.get(domain).map(NoticeHistory::effect).unwrap_or_default();
            let shares = touched(incidents, domain, queues, &self.settings);
            for (name, queue) in queues.iter_mut() {
                let touching: Touching<'_> = shares
                    .iter()
                    .filter(|(_, t, _)| self.settings.touches(name, &t.scope))
                    .map(|(id, trouble, count)| {
                        let share = self.settings.share(name).unwrap_or(1.0 / count.max(1.0));
                        (
                            *id,
                            *trouble,
                            self.settings.propensity.of(trouble.severity) * share,
                        )
                    })
                    .collect();
                if queue.step(&now, &touching) {
                    queue.forecast(&now, &touching, (domain, name), out);
                }
            }
        }
        self.tune(at);
        self.forget(at);
    }

    /// Goes on with the search for one queue's own parameters: the one that was searched for last, else the next one that is due.
    fn tune(&mut self, at: EventTime) {
        let CallState {
            queues,
            tuned,
            tuned_at,
            ..
        } = &mut self.state;
        if tuned_at.is_some_and(|last| at.since(last) < TUNED_EVERY) {
            return;
        }
        let due = |after: bool| {
            let all = queues
                .iter()
                .flat_map(|(domain, queues)| queues.iter().map(move |(name, queue)| (domain, name, queue)));
            all.filter(|(_, _, queue)| queue.tuner.is_due())
                .map(|(domain, name, _)| (domain, name))
                .find(|own| {
                    let last = tuned.as_ref().filter(|_| after);
                    last.is_none_or(|(domain, name)| *own >= (domain, name))
                })
                .map(|(domain, name)| (domain.clone(), name.clone()))
        };
        let Some((domain, name)) = due(true).or_else(|| due(false)) else {
            return;
        };
        if let Some(queue) = queue_mut(queues, &domain, &name) {
            queue.tune(&self.calendar, TUNED_AT_A_TIME);
        }
        *tuned = Some((domain, name));
        *tuned_at = Some(at);
    }

    /// Takes into the domain's history what was learned of incidents that are past and were real, from the queue they hit most.
    fn remember(&mut self, at: EventTime) {
        let CallState {
            queues,
            incidents,
            histories,
            ..
        } = &mut self.state;
        let past = incidents
            .iter()
            .filter(|(_, t)| is_past(t, at) && t.confirmed && t.drive.probability > 0.99);
        for (id, trouble) in past {
            let Some(queues) = queues.get(&trouble.domain) else {
                continue;
            };
            let touched: Vec<_> = queues
                .iter()
                .filter(|(name, _)| self.settings.touches(name, &trouble.scope))
                .collect();
            #[allow(clippy::cast_precision_loss, reason = "hundreds of queues")]
            let even = 1.0 / touched.len().max(1) as f64;
            let most = touched
                .into_iter()
                .filter_map(|(name, queue)| {
                    let learning = queue.learning.get(id)?;
                    let calls = learning.propensity() * trouble.customers();
                    Some((calls, self.settings.share(name).unwrap_or(even), learning))
                })
                .max_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((calls, share, learning)) = most {
                let prior = self.settings.propensity.of(trouble.severity) * share;
                histories.entry(trouble.domain.clone()).or_default().take(
                    learning,
                    prior,
                    calls,
                    trouble.lasted_seconds(),
                );
            }
        }
    }

    fn forget(&mut self, at: EventTime) {
        let horizon = at.minus(MEMORY);
        while self
            .state
            .order
            .first()
            .is_some_and(|(arrived, _)| *arrived < horizon)
        {
            self.forget_first();
        }
        self.remember(at);
        self.state.incidents.retain(|_, t| !is_past(t, at));
        let incidents = &self.state.incidents;
        for queue in self.state.queues.values_mut().flat_map(BTreeMap::values_mut) {
            queue.learning.retain(|id, _| incidents.contains_key(id));
        }
    }
}

/// Whether an incident and its aftermath are over.
fn is_past(trouble: &Trouble, at: EventTime) -> bool {
    trouble
        .drive
        .ended
        .is_some_and(|ended| at.since(ended) >= AFTERMATH)
}

fn queue_mut<'a>(
    queues: &'a mut BTreeMap<DomainName, BTreeMap<QueueName, Queue>>,
    domain: &DomainName,
    queue: &QueueName,
) -> Option<&'a mut Queue> {
    queues.get_mut(domain)?.get_mut(queue)
}

/// The domain's incidents, each with the number of queues it touches.
fn touched<'a>(
    incidents: &'a BTreeMap<IncidentId, Trouble>,
    domain: &DomainName,
    queues: &BTreeMap<QueueName, Queue>,
    settings: &CallSettings,
) -> Touching<'a> {
    incidents
        .iter()
        .filter(|(_, t)| t.domain == *domain)
        .map(|(id, trouble)| {
            let count = queues
                .keys()
                .filter(|name| settings.touches(name, &trouble.scope))
                .fold(0.0, |n, _| n + 1.0);
            (id, trouble, count)
        })
        .collect()
}
