//! What a runner has read and not passed yet.

use std::collections::VecDeque;

use forecall_log::TopicPartition;
use forecall_types::{
    EventTime, Incident, IncidentEvent, IncidentId, Reject, Remedy, RemedyName, RemedyStage,
};

use crate::bridge::Kept;

/// What is to be done with a record.
#[derive(Debug)]
pub(super) enum Task {
    /// Nothing.
    Pass,
    /// To be left on the dead-letter topic: it can't be read.
    Refuse(Kept, Reject),
    /// It is the very event that approved the remedy.
    Call(Kept, Box<Due>),
}

/// A call that is due.
#[derive(Debug, Clone)]
pub(super) struct Due {
    pub(super) incident: Incident,
    pub(super) remedy: Remedy,
    pub(super) tries: u32,
    /// When it was tried first.
    pub(super) since: Option<EventTime>,
    /// No try before.
    pub(super) not_before: EventTime,
}

/// A record that was read.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) place: TopicPartition,
    pub(super) offset: i64,
    /// The incident, and whether it still wants its remedy as of this record.
    pub(super) tells: Option<(IncidentId, bool)>,
    pub(super) task: Task,
}

/// The remedy of the rule, where it may be called as of this event.
fn wanted<'i>(incident: &'i Incident, rule: &RemedyName) -> Option<&'i Remedy> {
    let is_quiet = incident.simulated
        || incident.domain.is_canary()
        || incident.silenced.is_some()
        || incident.parent.is_some()
        || !incident.state.is_open();
    let mut remedies = incident.remedies.iter();
    let of_rule = remedies.find(|remedy| remedy.rule == *rule);
    of_rule.filter(|remedy| !is_quiet && remedy.stage == RemedyStage::Approved && remedy.approved.is_some())
}

impl Waiting {
    pub(super) fn of(kept: Kept, rule: &RemedyName) -> Self {
        let (place, offset) = (kept.place.clone(), kept.offset);
        let event = match kept.event() {
            Ok(event) => event,
            Err(reject) => {
                return Self {
                    place,
                    offset,
                    tells: None,
                    task: Task::Refuse(kept, reject),
                };
            }
        };
        let IncidentEvent { incident, .. } = event;
        let found = wanted(&incident, rule).cloned();
        let tells = Some((incident.id.clone(), found.is_some()));
        // The one revision that approved it: whatever is told of it later is no second word.
        let task = match found.or_else(|| approved_by(&incident, rule)) {
            Some(remedy) if remedy.revision == incident.revision => {
                let due = Due {
                    incident,
                    remedy,
                    tries: 0,
                    since: None,
                    not_before: EventTime::MIN,
                };
                Task::Call(kept, Box::new(due))
            }
            Some(_) | None => Task::Pass,
        };
        Self {
            place,
            offset,
            tells,
            task,
        }
    }
}

/// The remedy that this event approves although the incident wants none: that nobody is called is told as well. Of a
/// simulation or the canary nothing is told.
fn approved_by(incident: &Incident, rule: &RemedyName) -> Option<Remedy> {
    let mut remedies = incident.remedies.iter();
    let of_rule = remedies.find(|remedy| remedy.rule == *rule && remedy.stage == RemedyStage::Approved);
    let is_real = !incident.simulated && !incident.domain.is_canary();
    of_rule.filter(|_| is_real).cloned()
}

/// Whether the first in the queue is still wanted, by the newest that was read of its incident.
pub(super) fn is_still_wanted(queue: &VecDeque<Waiting>) -> bool {
    let Some(first) = queue.front() else { return false };
    let Some((id, _)) = &first.tells else { return false };
    let of_it = queue.iter().filter(|w| w.place == first.place);
    let mut told = of_it
        .filter_map(|w| w.tells.as_ref())
        .filter(|(other, _)| other == id);
    told.next_back().is_some_and(|(_, is_wanted)| *is_wanted)
}
