//! Who is told later, at random, and what came of it: the one honest way to know whether telling spares calls (R6).
//!
//! The two arms are those who may be told at the opening and are, and those who may be and wait. Whoever may not be told for another
//! reason is in neither. Compared is who gets in touch before the others are told; later contacts are no part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forecall_types::{EventTime, HoldOutTrial, Incident, NoticeStage, Purpose};
use serde::{Deserialize, Serialize};

use super::directory::{Person, PersonNo};
use super::domain::Desk;
use super::hold_out_end::Shown;
use super::policy::{in_share, purpose_of};
use super::record::Thread;
use crate::settings::OutreachSettings;

/// Nobody is held out twice within so long.
const REST: Duration = Duration::from_secs(90 * 86_400);
/// People whose last hold-out is remembered: a tenth of the most customers of a domain. Beyond it nobody more is held out.
pub(crate) const HELD_OUT_MAX: usize = 200_000;

/// Who was held out, and since when.
pub(crate) type HeldOut = BTreeMap<PersonNo, EventTime>;

/// The hold-out of one incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// When the opening could go first.
    pub(crate) from: EventTime,
    /// When the others are told.
    pub(crate) until: EventTime,
    pub(crate) held_out: BTreeSet<PersonNo>,
    /// Of both arms, who got in touch before `until`.
    pub(crate) contacted: BTreeSet<PersonNo>,
    /// What came of it was told.
    pub(crate) is_over: bool,
}

/// Whether anybody may be held out of this message at all.
fn applies(
    incident: &Incident,
    stage: NoticeStage,
    at: EventTime,
    (settings, shown): (&OutreachSettings, &Shown),
) -> bool {
    let Some(hold_out) = &settings.hold_out else {
        return false;
    };
    let is_ordinary = |name| {
        let known = settings.services.get(name);
        known.is_some_and(|service| !service.class.is_critical()) && !hold_out.never.contains(name)
    };
    stage == NoticeStage::Confirmed
        && hold_out.holds(at, &settings.zone)
        && !shown.is_over(hold_out)
        && incident.work.is_none()
        && !incident.storm
        && !incident.simulated
        && incident.parent.is_none()
        && purpose_of(incident, settings) == Purpose::ServiceNotice
        && incident.scope.services.iter().all(is_ordinary)
}

/// The times of the hold-out of this message: those that stand, else those of one that begins now.
pub(crate) fn times(
    thread: &Thread,
    stage: NoticeStage,
    at: EventTime,
    (settings, shown): (&OutreachSettings, &Shown),
) -> Option<(EventTime, EventTime)> {
    let may_wait = applies(&thread.incident, stage, at, (settings, shown));
    let hold_out = settings.hold_out.as_ref().filter(|_| may_wait)?;
    if let Some(trial) = &thread.trial {
        return (!trial.is_over).then_some((trial.from, trial.until));
    }
    let delay = Duration::from_secs(u64::from(hold_out.delay_minutes.minutes()) * 60);
    Some((at, at.plus(delay)))
}

/// Whether a person may be of either arm.
fn may_be(person: &Person, no: PersonNo, from: EventTime, held_out: &HeldOut) -> bool {
    // Those of this very hold-out wait since `from`.
    let rests = held_out
        .get(&no)
        .is_some_and(|last| *last < from && from.since(*last) < REST);
    !person.is_priority() && !rests
}

/// Whether this person is held out, and still waits.
pub(crate) fn is_waiting(
    desk: &Desk<'_>,
    thread: &Thread,
    trial: Option<(EventTime, EventTime)>,
    (no, person): (PersonNo, &Person),
    at: EventTime,
) -> bool {
    let Some((from, until)) = trial else {
        return false;
    };
    // What somebody was told of it already, a prediction, makes them no subject of this.
    at < until
        && !thread.told.contains_key(&no)
        && waits(person, no, &thread.incident, from, desk.held_out, desk.settings)
}

/// Whether a person who may be told now waits instead: the same in every run, and others for each incident.
fn waits(
    person: &Person,
    no: PersonNo,
    incident: &Incident,
    from: EventTime,
    held_out: &HeldOut,
    settings: &OutreachSettings,
) -> bool {
    let Some(hold_out) = &settings.hold_out else {
        return false;
    };
    let has_room = held_out.len() < HELD_OUT_MAX || held_out.contains_key(&no);
    if !has_room || !may_be(person, no, from, held_out) {
        return false;
    }
    // The word in front makes it another draw than that of the pilot.
    let parts: [&[u8]; 3] = [
        b"hold-out",
        incident.id.as_str().as_bytes(),
        person.id.as_str().as_bytes(),
    ];
    in_share(&parts, hold_out.share.get())
}

impl Thread {
    /// Notes that these people wait; the first time, that the hold-out has begun.
    pub(crate) fn hold_out(
        &mut self,
        people: &[PersonNo],
        (from, until): (EventTime, EventTime),
        held_out: &mut HeldOut,
    ) {
        let trial = self.trial.get_or_insert_with(|| Trial {
            from,
            until,
            held_out: BTreeSet::new(),
            contacted: BTreeSet::new(),
            is_over: false,
        });
        trial.held_out.extend(people);
        if !people.is_empty() {
            held_out.retain(|_, last| from.since(*last) < REST);
        }
        held_out.extend(people.iter().map(|no| (*no, from)));
    }

    /// All hold-outs have ended: who waits in this one is told at the next look.
    pub(crate) fn release(&mut self, at: EventTime) {
        if let Some(trial) = self.trial.as_mut().filter(|trial| !trial.is_over) {
            trial.until = trial.until.min(at);
            self.look_again = true;
        }
    }

    /// Somebody got in touch.
    pub(crate) fn contacted(&mut self, no: PersonNo, at: EventTime) {
        let Some(trial) = self.trial.as_mut().filter(|trial| !trial.is_over) else {
            return;
        };
        let is_known = trial.held_out.contains(&no) || self.told.contains_key(&no);
        if is_known && trial.from <= at && at < trial.until {
            trial.contacted.insert(no);
        }
    }

    /// What came of the hold-out, once: when the others are told, or the incident is over before.
    pub(crate) fn trial_over(
        &mut self,
        at: EventTime,
        held_out: &HeldOut,
        person: impl Fn(PersonNo) -> Option<Person>,
    ) -> Option<HoldOutTrial> {
        let ended = self.closed_at;
        let trial = self.trial.as_mut().filter(|trial| !trial.is_over)?;
        let until = ended.map_or(trial.until, |ended| ended.min(trial.until));
        if at < until {
            return None;
        }
        trial.is_over = true;
        trial.until = until.max(trial.from);
        let (from, held) = (trial.from, &trial.held_out);
        let is_told = |(no, told): &(&PersonNo, &super::record::Told)| {
            told.first_at >= from
                && told.first_at < trial.until
                && !held.contains(no)
                && person(**no).is_some_and(|p| may_be(&p, **no, from, held_out))
        };
        let told: Vec<PersonNo> = self.told.iter().filter(is_told).map(|(no, _)| *no).collect();
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let in_touch = |no: &&PersonNo| trial.contacted.contains(*no);
        let held_alive: Vec<PersonNo> = held.iter().copied().filter(|no| person(*no).is_some()).collect();
        Some(HoldOutTrial {
            from,
            until: trial.until,
            told: count(told.len()),
            told_contacts: count(told.iter().filter(in_touch).count()),
            held_out: count(held_alive.len()),
            held_out_contacts: count(held_alive.iter().filter(in_touch).count()),
            ended: None,
        })
    }
}
