//! Who of the people whom a notice is for gets it now, and why others don't.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forecall_types::{
    ContactChannel, EventTime, Fingerprint, HoldReason, IntentId, IntentState, NoticeStage, Purpose,
};

use super::directory::{Person, PersonNo};
use super::domain::Desk;
use super::hold_out;
use super::policy::{
    NoticeQuestion, PersonQuestion, Verdict, for_notice, for_person, in_pilot, is_opening, may_be_woken,
    purpose_of, usable_channels,
};
use super::ramp;
use super::record::{Record, Thread};
use crate::settings::OutreachSettings;

/// A closing message goes within this time or not at all: later it only puzzles.
pub(super) const CLOSING_EXPIRY: Duration = Duration::from_secs(12 * 3600);

/// Who gets a message, and why others don't.
#[derive(Default)]
pub(super) struct Selection {
    pub(super) send: Vec<(PersonNo, ContactChannel)>,
    pub(super) withheld: BTreeMap<HoldReason, u64>,
    /// Who they are, where the reason is their own.
    pub(super) people: BTreeMap<HoldReason, Vec<PersonNo>>,
    pub(super) retry_at: Option<EventTime>,
    /// Why nothing goes, if nothing may.
    pub(super) blocked: Option<String>,
    /// Who waits, at random, from when until when.
    pub(super) held_out: Vec<PersonNo>,
    pub(super) trial: Option<(EventTime, EventTime)>,
    /// How far its ramp stands; `None` where nothing may go anyway.
    pub(super) ramp: Option<ramp::Stand>,
}

impl Selection {
    fn withhold(&mut self, reason: HoldReason, count: u64) {
        *self.withheld.entry(reason).or_default() += count;
    }

    /// This one isn't told, for a reason of their own.
    fn withhold_from(&mut self, reason: HoldReason, no: PersonNo) {
        self.withhold(reason, 1);
        self.people.entry(reason).or_default().push(no);
    }

    /// This one waits, at random.
    fn hold_out(&mut self, no: PersonNo) {
        let until = self.trial.map(|(_, until)| until);
        self.withhold_from(HoldReason::HoldOut, no);
        self.held_out.push(no);
        self.retry_at = [self.retry_at, until].into_iter().flatten().min();
    }
}

/// What is the same for all people of a notice.
struct Case<'a> {
    record: &'a Record,
    told: &'a Thread,
    at: EventTime,
    purpose: Purpose,
    usable: BTreeSet<ContactChannel>,
    /// Share of the people who belong to the pilot.
    share: f64,
    /// People's word may wake.
    wakes: bool,
}

impl Case<'_> {
    fn is_piloted(&self, person: &Person) -> bool {
        self.share >= 1.0 || in_pilot(person, &self.told.incident, self.share)
    }

    /// What becomes of the message to one person; `None`: it is on its way, there, or every way was tried.
    fn verdict(
        &self,
        desk: &Desk<'_>,
        (no, person): (PersonNo, &Person),
        (day, quiet): (i32, Option<EventTime>),
    ) -> Option<Verdict> {
        let record = self.record;
        let sent = |channel| {
            let id = (!record.intents.is_empty()).then(|| intent_id(record, person.id.as_str(), channel))?;
            record.intents.get(&id).map(|sent| sent.state)
        };
        let mut states = person.channels().filter_map(&sent);
        if states.any(|state| state != IntentState::Failed) {
            // Perhaps there: whatever the directory has forgotten of them since, this notice is theirs.
            return None;
        }
        let tried = |channel| sent(channel).is_some();
        let works = |channel: ContactChannel| self.usable.contains(&channel) && !tried(channel);
        if person.channels().any(&tried) && !person.channels().any(works) {
            // The failures stand in the notice's progress.
            return None;
        }
        let (stage, told) = (record.notice.stage, self.told.told.get(&no));
        let question = PersonQuestion {
            person,
            stage,
            purpose: self.purpose,
            at: self.at,
            opted_out: desk.opted_out.contains(&person.id),
            in_pilot: self.is_piloted(person),
            messages: told.map_or(0, |t| t.messages),
            today: if person.day == day { person.sent_today } else { 0 },
            quiet_until: quiet,
            corrects_tonight: stage == NoticeStage::Retraction
                && told.is_some_and(|t| quiet.is_some() && self.at.since(t.at) <= CLOSING_EXPIRY),
            wakes: self.wakes,
            usable: &works,
        };
        Some(for_person(&question, desk.settings))
    }
}

/// Why nothing of a notice goes now.
fn blocked(
    question: &NoticeQuestion<'_>,
    stand: ramp::Stand,
    has_text: bool,
    settings: &OutreachSettings,
) -> Option<(HoldReason, String)> {
    match (for_notice(question, settings), stand) {
        // What it waits for is a person's word on why it stopped.
        (None | Some((HoldReason::Approval, _)), ramp::Stand::Stopped(stop)) => {
            Some((HoldReason::Ramp, ramp::why(stop).to_owned()))
        }
        (None, _) if !has_text => Some((HoldReason::Policy, "it has no text".into())),
        (block, _) => block,
    }
}

pub(super) fn select(
    desk: &Desk<'_>,
    thread: &Thread,
    index: usize,
    at: EventTime,
    audience: &BTreeSet<PersonNo>,
    people: &[PersonNo],
) -> Selection {
    let mut selection = Selection::default();
    let Some(record) = thread.records.get(index) else {
        return selection;
    };
    let (incident, stage) = (&thread.incident, record.notice.stage);
    let is_sent = record.is_sent();
    let teams = if is_sent { record.teams_behind() } else { 0 };
    let case = Case {
        record,
        told: thread,
        at,
        purpose: purpose_of(incident, desk.settings),
        usable: usable_channels(incident, stage, desk.settings),
        share: if stage == NoticeStage::Predicted {
            desk.settings.predicted.pilot_share.get()
        } else {
            1.0
        },
        wakes: may_be_woken(incident, stage, teams, &desk.settings.quiet),
    };
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let reach = if is_opening(stage) {
        let person = |no: &PersonNo| desk.directory.get(*no);
        let piloted = audience.iter().filter_map(person).filter(|p| case.is_piloted(p));
        count(piloted.count())
    } else {
        count(people.len())
    };
    let question = question(desk, thread, record, (count(audience.len()), reach), at);
    let stand = match ramp::stand(thread, stage, reach, desk.settings) {
        ramp::Stand::Share(_) if is_sent => ramp::Stand::Everybody,
        stand => stand,
    };
    let has_text = !record.notice.texts.is_empty();
    let block = blocked(&question, stand, has_text, desk.settings);
    if let Some((reason, why)) = block {
        selection.withhold(reason, count(people.len()));
        selection.blocked = Some(why);
        return selection;
    }
    selection.trial = hold_out::times(thread, stage, at, (desk.settings, &*desk.shown)).filter(|_| !is_sent);
    selection.ramp = Some(stand);
    let mut clocks: BTreeMap<u32, (i32, Option<EventTime>)> = BTreeMap::new();
    for no in people {
        let Some(person) = desk.directory.get(*no) else {
            continue;
        };
        if question.is_drill && !desk.settings.drill_people.contains(&person.id) {
            selection.withhold(HoldReason::Simulated, 1);
            continue;
        }
        let clock = *clocks
            .entry(person.region)
            .or_insert_with(|| desk.clock(person.region, at));
        let Some(verdict) = case.verdict(desk, (*no, person), clock) else {
            continue;
        };
        match verdict {
            Verdict::Send(_) if ramp::waits(thread, stand, (*no, person)) => {
                selection.withhold_from(HoldReason::Ramp, *no);
            }
            Verdict::Send(_) if hold_out::is_waiting(desk, thread, selection.trial, (*no, person), at) => {
                selection.hold_out(*no);
            }
            Verdict::Send(channel) => selection.send.push((*no, channel)),
            Verdict::Suppress(reason) => selection.withhold_from(reason, *no),
            Verdict::Hold(reason, until) => {
                selection.withhold_from(reason, *no);
                selection.retry_at = [selection.retry_at, until].into_iter().flatten().min();
            }
        }
    }
    selection
}

/// The notice before any of its people.
fn question<'a>(
    desk: &Desk<'_>,
    thread: &'a Thread,
    record: &Record,
    (audience, reach): (u64, u64),
    at: EventTime,
) -> NoticeQuestion<'a> {
    let stage = record.notice.stage;
    let words_are_read = thread.said.as_ref().is_some_and(|step| step.is_approved);
    NoticeQuestion {
        incident: &thread.incident,
        stage,
        at,
        audience,
        reach,
        killed: desk.killed,
        // Who takes a message back has said so: a correction needs no second one.
        approved: record.is_approved() || stage == NoticeStage::Retraction && thread.taken_back.is_some(),
        hold: thread.holds.get(&stage).filter(|_| !record.is_released()),
        has_words: record.facts.said.is_some() && !words_are_read,
        is_drill: thread.drill_until.is_some(),
    }
}

pub(super) fn intent_id(record: &Record, customer: &str, channel: ContactChannel) -> IntentId {
    IntentId::derived(Fingerprint::of_parts(&[
        b"intent",
        record.notice.id.as_str().as_bytes(),
        customer.as_bytes(),
        channel.as_str().as_bytes(),
    ]))
}
