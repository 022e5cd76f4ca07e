//! One domain: its customers, its threads, its kill switch.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use forecall_stage::Effects;
use forecall_types::{
    Command, CustomerChange, CustomerId, EventTime, Fingerprint, HoldOutEnd, HoldReason, Incident,
    IncidentEvent, IncidentId, IncidentState, NoticeId, NoticeStage, RejectReason,
};
use serde::{Deserialize, Serialize};

use super::audience::audience;
use super::directory::{Directory, PersonNo};
use super::drill;
use super::hold_out::HeldOut;
use super::hold_out_end::Shown;
use super::plan::{on_news, tell};
use super::policy::quiet_until;
use super::ramp::Ramp;
use super::record::{Record, Thread, Told};
use super::reply::{Answered, pass_cries};
use super::thread::{Change, EtaMove, LastTold, News, news_of};
use crate::settings::{HoldOutSettings, OutreachSettings};
use crate::stage::OutreachOutput;
use crate::words::Wording;

/// Incidents kept in one domain, the ended ones for [`THREAD_KEPT`] included: a storm has tens, not thousands.
pub(crate) const THREADS_MAX: usize = 4_096;
/// Commands known again by their ids, of 16 bytes: each is a person's word, and a day of a bad storm has some hundred.
const COMMANDS_MAX: usize = 1_024;
/// How long an ended incident is kept: its last messages wait a night at most, their receipts come within a day.
const THREAD_KEPT: Duration = Duration::from_secs(48 * 3600);

/// The state of one domain.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Domain {
    pub(super) directory: Directory,
    pub(super) threads: BTreeMap<IncidentId, Thread>,
    /// Which incident a notice belongs to.
    pub(super) notices: BTreeMap<NoticeId, IncidentId>,
    pub(super) killed: bool,
    /// Hashes of the ids of commands heard, the oldest first, at most [`COMMANDS_MAX`].
    heard: VecDeque<Fingerprint>,
    /// Who was answered within the last hour.
    pub(super) answered: Answered,
    /// Who was held out within the last three months.
    held_out: HeldOut,
    /// What its hold-outs have shown.
    shown: Shown,
}

/// What a domain borrows from the stage for one record.
pub(crate) struct Office<'a> {
    pub(crate) settings: &'a OutreachSettings,
    pub(crate) wording: &'a Wording,
    pub(crate) opted_out: &'a BTreeSet<CustomerId>,
    pub(crate) effects: &'a mut Effects<OutreachOutput>,
}

/// What planning needs beside the thread itself.
pub(crate) struct Desk<'a> {
    pub(crate) settings: &'a OutreachSettings,
    pub(crate) wording: &'a Wording,
    pub(crate) directory: &'a mut Directory,
    pub(crate) notices: &'a mut BTreeMap<NoticeId, IncidentId>,
    pub(crate) opted_out: &'a BTreeSet<CustomerId>,
    pub(crate) killed: bool,
    pub(crate) held_out: &'a mut HeldOut,
    pub(crate) shown: &'a mut Shown,
    pub(crate) effects: &'a mut Effects<OutreachOutput>,
}

impl Desk<'_> {
    /// Day number in a region, and the end of its quiet hours if it is in them.
    pub(crate) fn clock(&self, region: u32, at: EventTime) -> (i32, Option<EventTime>) {
        let region = self.directory.region(region);
        let zone = region
            .as_ref()
            .map_or(&self.settings.zone, |r| self.settings.zone_of(r));
        (zone.day(at), quiet_until(at, zone, &self.settings.quiet))
    }

    /// One more message for a person on `day`.
    pub(crate) fn count_message(&mut self, no: PersonNo, day: i32) {
        if let Some(person) = self.directory.get_mut(no) {
            let before = if person.day == day { person.sent_today } else { 0 };
            person.sent_today = before.saturating_add(1);
            person.day = day;
        }
    }
}

impl Domain {
    /// The desk and the threads apart, so that a thread can be worked on.
    pub(super) fn open<'a>(
        &'a mut self,
        office: &'a mut Office<'_>,
    ) -> (Desk<'a>, &'a mut BTreeMap<IncidentId, Thread>) {
        let desk = Desk {
            settings: office.settings,
            wording: office.wording,
            directory: &mut self.directory,
            notices: &mut self.notices,
            opted_out: office.opted_out,
            killed: self.killed,
            held_out: &mut self.held_out,
            shown: &mut self.shown,
            effects: office.effects,
        };
        (desk, &mut self.threads)
    }

    /// An incident has changed. Returns how many customers are in its scope; `None` if the event wasn't taken.
    pub(crate) fn on_incident(&mut self, event: &IncidentEvent, office: &mut Office<'_>) -> Option<u64> {
        let incident = &event.incident;
        let (mut desk, threads) = self.open(office);
        let known = threads.get(&incident.id);
        if known.is_some_and(|t| t.incident.revision >= incident.revision) {
            desk.effects
                .reject(RejectReason::Duplicate, "this revision of the incident is known");
            return None;
        }
        let is_new = known.is_none();
        if is_new && threads.len() >= THREADS_MAX && !forget_oldest(threads, desk.notices) {
            desk.effects.reject(
                RejectReason::TooLarge,
                "too many incidents are open in the domain",
            );
            return None;
        }
        let knowing = match &incident.split_from {
            Some(from) if is_new => part(threads, from, incident, &desk),
            Some(_) | None => Vec::new(),
        };
        let thread = threads
            .entry(incident.id.clone())
            .or_insert_with(|| Thread::new(incident.clone()));
        thread.told.extend(knowing);
        let change = Change {
            change: event.change,
            state: incident.state,
            work: incident.work.as_ref().map(|work| work.stage),
            step: told_steps(incident, desk.settings) > told_steps(&thread.incident, desk.settings),
            eta: eta_move(thread, incident, desk.settings),
        };
        thread.incident = incident.clone();
        if change.step
            && let Some(step) = &mut thread.said
        {
            step.is_newest = false;
        }
        if incident.state.is_open() {
            if thread.closed_at.take().is_some() {
                thread.ramp_again();
            }
        } else if thread.closed_at.is_none() {
            thread.closed_at = Some(incident.at);
        }
        let in_scope = audience(desk.directory, &incident.scope, desk.settings).len();
        on_news(&mut desk, thread, news_of(change), incident.at);
        if let Some(into) = &incident.merged_into {
            hand_over(threads, &incident.id, into);
        }
        Some(u64::try_from(in_scope).unwrap_or(u64::MAX))
    }

    /// Whether time does nothing here but let ended incidents be forgotten.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.threads.values().all(|thread| {
            let waits = |r: &Record| r.dirty || !r.closed && r.retry_at.is_some();
            thread.closed_at.is_some()
                && !thread.look_again
                && thread.cries.is_empty()
                && thread.trial.as_ref().is_none_or(|trial| trial.is_over)
                && thread.ramp.as_ref().is_none_or(Ramp::is_over)
                && !thread.records.iter().any(waits)
        })
    }

    /// Whether the hold-out of this declaration has ended itself.
    pub(crate) fn hold_out_has_ended(&self, declared: &HoldOutSettings) -> bool {
        self.shown.has_ended(declared)
    }

    /// The directory has changed.
    pub(crate) fn on_customer(&mut self, change: &CustomerChange, effects: &mut Effects<OutreachOutput>) {
        match change {
            CustomerChange::Upsert(customer) => {
                if let Err((reason, why)) = self.directory.upsert(customer) {
                    effects.reject(reason, why);
                }
            }
            CustomerChange::Erased { id, .. } => {
                if let Some(no) = self.directory.erase(id) {
                    self.held_out.remove(&no);
                    for thread in self.threads.values_mut() {
                        thread.told.remove(&no);
                        if let Some(ramp) = &mut thread.ramp {
                            ramp.forget(no);
                        }
                        for record in &mut thread.records {
                            record.untrue.remove(&no);
                        }
                        if let Some(trial) = &mut thread.trial {
                            trial.held_out.remove(&no);
                            trial.contacted.remove(&no);
                        }
                        thread.cries.values_mut().for_each(|cries| cries.forget(no));
                    }
                }
            }
        }
    }

    /// A customer called.
    pub(crate) fn saw(&mut self, customer: &CustomerId, at: EventTime) {
        self.directory.saw(customer, at);
        if let Some(no) = self.directory.number(customer) {
            self.in_touch(no, at);
        }
    }

    /// A customer called or wrote.
    pub(super) fn in_touch(&mut self, no: PersonNo, at: EventTime) {
        for thread in self.threads.values_mut() {
            thread.contacted(no, at);
        }
    }

    /// An operator's command. One said again by its id does nothing: who says "go on" twice doesn't undo a stop in between.
    pub(crate) fn on_command(&mut self, command: &Command, office: &mut Office<'_>) {
        let id = Fingerprint::of(command.id.as_bytes());
        if self.heard.contains(&id) {
            return office
                .effects
                .reject(RejectReason::Duplicate, "command seen before");
        }
        if self.heard.len() >= COMMANDS_MAX {
            self.heard.pop_front();
        }
        self.heard.push_back(id);
        self.steer(command, office);
    }

    /// Turns the kill switch. On: what hasn't left is taken back. Off: whoever missed something hears how it stands now.
    pub(super) fn kill(&mut self, on: bool, at: EventTime, office: &mut Office<'_>) {
        if self.killed == on {
            return;
        }
        self.killed = on;
        office.effects.emit(OutreachOutput::Kill { on });
        let (mut desk, threads) = self.open(office);
        for thread in threads.values_mut() {
            if !on {
                for news in thread.standing() {
                    tell(&mut desk, thread, news, at);
                }
                continue;
            }
            for index in 0..thread.records.len() {
                let stopped = thread.untell_planned(index);
                let Some(record) = thread.records.get_mut(index) else {
                    continue;
                };
                if stopped == 0 {
                    continue;
                }
                // Its intents are used up, so a new notice goes on after the switch.
                record.drop_holds(HoldReason::Killed);
                *record.notice.withheld.entry(HoldReason::Killed).or_default() += stopped;
                record.publish(at, "the kill switch is on".into(), desk.effects);
                desk.effects.emit(OutreachOutput::CancelIntents {
                    notice: record.notice.id.clone(),
                    customer: None,
                    reason: HoldReason::Killed,
                });
            }
        }
    }

    /// Time has come to `at`: promises fall due, holds end, receipts are published, ended incidents are forgotten.
    pub(crate) fn on_tick(&mut self, at: EventTime, office: &mut Office<'_>) {
        let (mut desk, threads) = self.open(office);
        let mut hold_outs_end = false;
        for thread in threads.values_mut() {
            // Promises are of trouble that is there; planned work is only known to be under way.
            if thread.incident.state == IncidentState::Confirmed
                && thread.incident.work.is_none()
                && let Some(news) = thread.promises.due(at, &desk.settings.promise)
                && on_news(&mut desk, thread, news, at) == 0
            {
                thread.promises.break_for(news);
            }
            hold_outs_end |= end_trial(&mut desk, thread, at).is_some();
            if thread.closed_at.is_none() && thread.drill_until.is_some_and(|until| until <= at) {
                drill::end(&mut desk, thread, at);
            }
            thread.ramp_on(at, desk.killed, (desk.settings, &mut *desk.effects));
            let mut again: BTreeSet<News> = thread
                .records
                .iter_mut()
                .filter(|r| !r.closed && r.retry_at.is_some_and(|t| t <= at))
                .map(|r| {
                    r.retry_at = None;
                    r.news
                })
                .collect();
            if std::mem::take(&mut thread.look_again) {
                again.extend(thread.standing());
            }
            for news in again {
                tell(&mut desk, thread, news, at);
            }
            for record in thread.records.iter_mut().filter(|r| r.dirty) {
                let what = match (&record.notice.hold_out, record.told_trial) {
                    (Some(trial), false) => came_of(trial.ended),
                    _ => "receipts came in",
                };
                record.told_trial = record.notice.hold_out.is_some();
                record.publish(at, what.into(), desk.effects);
            }
            pass_cries(thread, at, &desk.settings.replies, desk.effects);
        }
        if hold_outs_end {
            threads.values_mut().for_each(|thread| thread.release(at));
        }
        let gone: Vec<IncidentId> = threads
            .iter()
            .filter(|(_, t)| t.cries.is_empty())
            .filter(|(_, t)| t.closed_at.is_some_and(|closed| at.since(closed) > THREAD_KEPT))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            forget(threads, desk.notices, &id);
        }
    }
}

/// Why the notice that opened is told of again once its hold-out is over.
const fn came_of(ended: Option<HoldOutEnd>) -> &'static str {
    match ended {
        None => "the others are told now: what came of the hold-out",
        Some(HoldOutEnd::WaitingHarms) => {
            "the hold-out has ended itself: more of those who waited got in touch; nobody waits until it is declared anew"
        }
        Some(HoldOutEnd::TellingHarms) => {
            "the hold-out has ended itself: more of those who were told got in touch; nobody waits until it is declared anew"
        }
    }
}

/// Tells what came of a hold-out, with the notice that opened. `Some`: with it all hold-outs have shown harm.
fn end_trial(desk: &mut Desk<'_>, thread: &mut Thread, at: EventTime) -> Option<HoldOutEnd> {
    let person = |no| desk.directory.get(no).cloned();
    let mut trial = thread.trial_over(at, desk.held_out, person)?;
    let declared = desk.settings.hold_out.as_ref();
    trial.ended = declared.and_then(|declared| desk.shown.add(declared, &trial));
    let ended = trial.ended;
    let opened = |r: &&mut Record| r.notice.stage == NoticeStage::Confirmed;
    if let Some(record) = thread.records.iter_mut().find(opened) {
        record.notice.hold_out = Some(trial);
        record.dirty = true;
    }
    ended
}

/// Whoever knows of trouble from a thread that was merged knows of it in the other one: nobody hears of it as new again.
fn hand_over(threads: &mut BTreeMap<IncidentId, Thread>, from: &IncidentId, into: &IncidentId) {
    let Some(thread) = threads.get(from) else { return };
    let told: Vec<(PersonNo, Told)> = thread
        .told
        .iter()
        .filter(|(_, told)| told.knows())
        .map(|(no, told)| (*no, told.of_another()))
        .collect();
    let Some(host) = threads.get_mut(into) else { return };
    for (no, told) in told {
        if host.last_told(no) == LastTold::Nothing {
            host.told.insert(no, told);
        }
    }
}

/// Whoever knows of the trouble that an incident was split from knows of this part of it, and nobody hears of it as new. Who is touched by
/// this part alone has done with the rest: its end is none of theirs.
fn part(
    threads: &mut BTreeMap<IncidentId, Thread>,
    from: &IncidentId,
    incident: &Incident,
    desk: &Desk<'_>,
) -> Vec<(PersonNo, Told)> {
    let Some(thread) = threads.get_mut(from) else {
        return Vec::new();
    };
    let (leaves, mut stays) = (&incident.scope, thread.incident.scope.clone());
    if stays.regions.is_subset(&leaves.regions) {
        stays
            .services
            .retain(|service| !leaves.services.contains(service));
    } else {
        stays.regions.retain(|region| !leaves.regions.contains(region));
    }
    let here = audience(desk.directory, leaves, desk.settings);
    let there = audience(desk.directory, &stays, desk.settings);
    let known = thread
        .told
        .iter()
        .filter(|(no, told)| here.contains(no) && told.knows());
    let knowing = known.map(|(no, told)| (*no, told.of_another())).collect();
    thread
        .told
        .retain(|no, _| there.contains(no) || !here.contains(no));
    knowing
}

fn told_steps(incident: &Incident, settings: &OutreachSettings) -> usize {
    incident
        .steps
        .iter()
        .filter(|step| settings.steps.0.contains_key(&step.code))
        .count()
}

/// How the expected end moved, against what was told. One that isn't told any more is news only where it is later than an end that
/// people still wait for.
fn eta_move(thread: &Thread, incident: &Incident, settings: &OutreachSettings) -> Option<EtaMove> {
    let eta = incident
        .eta
        .filter(|eta| *eta > incident.at && thread.incident.eta != Some(*eta))?;
    let promises = &thread.promises;
    let is_told = promises.end_to_tell(Some(eta), incident.at, &settings.promise) == Some(eta);
    match promises.eta {
        Some(told) if told == eta => None,
        Some(told) if told < eta => Some(EtaMove::Later),
        Some(_) | None => is_told.then_some(EtaMove::Sooner),
    }
}

fn forget(
    threads: &mut BTreeMap<IncidentId, Thread>,
    notices: &mut BTreeMap<NoticeId, IncidentId>,
    id: &IncidentId,
) {
    if let Some(thread) = threads.remove(id) {
        for record in &thread.records {
            notices.remove(&record.notice.id);
        }
    }
}

/// Makes room: forgets the incident that ended first. Whether there was one.
pub(super) fn forget_oldest(
    threads: &mut BTreeMap<IncidentId, Thread>,
    notices: &mut BTreeMap<NoticeId, IncidentId>,
) -> bool {
    let oldest = threads
        .iter()
        .filter(|(_, t)| t.cries.is_empty())
        .filter_map(|(id, t)| t.closed_at.map(|closed| (closed, id.clone())))
        .min();
    match oldest {
        Some((_, id)) => {
            forget(threads, notices, &id);
            true
        }
        None => false,
    }
}
