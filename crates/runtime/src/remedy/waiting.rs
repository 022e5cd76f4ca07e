//! What a runner has read and not passed yet.

use std::collections::VecDeque;

use forecall_log::{Log, LogError, TopicPartition};
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
    pub(super) tells: Option<Tells>,
    pub(super) task: Task,
}

/// What a record says of an incident.
#[derive(Debug)]
pub(super) struct Tells {
    pub(super) incident: IncidentId,
    /// The revision that approved the remedy that the incident still wants; `None`: it wants none.
    wanted: Option<u32>,
}

impl Tells {
    fn of(incident: &Incident, rule: &RemedyName) -> Self {
        Self {
            incident: incident.id.clone(),
            wanted: wanted(incident, rule).map(|remedy| remedy.revision),
        }
    }
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
        let tells = Some(Tells::of(&incident, rule));
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

/// Whether what the first in the queue approves is still wanted, by the newest that was read of its incident. `beyond` is what stands
/// on the topic behind the queue.
pub(super) fn is_still_wanted(queue: &VecDeque<Waiting>, due: &Due, beyond: Option<&Tells>) -> bool {
    let Some(first) = queue.front() else { return false };
    let of_place = queue.iter().filter(|waiting| waiting.place == first.place);
    let read = of_place.filter_map(|waiting| waiting.tells.as_ref());
    let mut told = read.filter(|tells| tells.incident == due.incident.id);
    let newest = beyond.or_else(|| told.next_back());
    newest.is_some_and(|tells| tells.wanted == Some(due.remedy.revision))
}

/// What the newest record at or after `from` says of an incident; `None`: there is none. Nothing of what is read is kept, so that
/// it may be much.
pub(super) fn beyond(
    log: &dyn Log,
    (place, from): (&TopicPartition, i64),
    (id, rule): (&IncidentId, &RemedyName),
) -> Result<Option<Tells>, LogError> {
    let mut newest = None;
    log.read(place, from, &mut |record| {
        // The key is the incident: others need not be taken apart.
        if record.key != Some(id.as_str().as_bytes()) {
            return;
        }
        // What can't be read says nothing; it goes to the dead-letter topic when its turn comes.
        if let Ok(IncidentEvent { incident, .. }) = Kept::of(record).event() {
            newest = Some(Tells::of(&incident, rule));
        }
    })?;
    Ok(newest)
}
