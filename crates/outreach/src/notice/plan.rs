//! From news to notices and intents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    ContactChannel, EventTime, Fingerprint, HoldReason, Intent, IntentId, IntentState, Notice, NoticeStage,
    NoticeState, check_invariant, invariant::InvariantId,
};

use super::audience::Question;
use super::directory::PersonNo;
use super::domain::Desk;
use super::draft::{facts_of, write};
use super::hold_out;
use super::policy::{
    NoticeQuestion, PersonQuestion, Verdict, for_notice, for_person, in_pilot, is_closing, is_opening,
    purpose_of, usable_channels,
};
use super::ramp;
use super::record::{RECORDS_MAX, Record, Sent, Thread, Told};
use super::thread::{LastTold, News, overtakes, stage_for};
use crate::settings::OutreachSettings;
use crate::stage::OutreachOutput;

/// A closing message goes within this time or not at all: later it only puzzles.
const CLOSING_EXPIRY: Duration = Duration::from_secs(12 * 3600);

/// Who gets a message, and why others don't.
#[derive(Default)]
struct Selection {
    send: Vec<(PersonNo, ContactChannel)>,
    withheld: BTreeMap<HoldReason, u64>,
    /// Who they are, where the reason is their own.
    people: BTreeMap<HoldReason, Vec<PersonNo>>,
    retry_at: Option<EventTime>,
    /// Why nothing goes, if nothing may.
    blocked: Option<String>,
    /// Who waits, at random, from when until when.
    held_out: Vec<PersonNo>,
    trial: Option<(EventTime, EventTime)>,
    /// How far its ramp stands; `None` where nothing may go anyway.
    ramp: Option<ramp::Stand>,
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

/// Tells news: first takes back what it makes untrue, then plans what it asks for. Returns how many people it reaches.
pub(crate) fn on_news(desk: &mut Desk<'_>, thread: &mut Thread, news: News, at: EventTime) -> u64 {
    overtake(desk, thread, news, at);
    tell(desk, thread, news, at)
}

fn overtake(desk: &mut Desk<'_>, thread: &mut Thread, news: News, at: EventTime) {
    for index in 0..thread.records.len() {
        let Some(record) = thread.records.get_mut(index) else {
            continue;
        };
        let retracts = news == News::Retracted && !record.retracted && !is_closing(record.notice.stage);
        if record.closed && !retracts || !overtakes(news, record.notice.stage) {
            continue;
        }
        record.retracted |= retracts;
        if !record.closed {
            record.drop_holds(HoldReason::Stale);
        }
        record.publish(at, "later news has overtaken it".into(), desk.effects);
        let notice = record.notice.id.clone();
        if thread.untell_planned(index) > 0 {
            desk.effects.emit(OutreachOutput::CancelIntents {
                notice,
                customer: None,
                reason: HoldReason::Stale,
            });
        }
    }
}

/// Plans what `news` asks for, person by person. Asking again plans only what wasn't planned yet.
pub(crate) fn tell(desk: &mut Desk<'_>, thread: &mut Thread, news: News, at: EventTime) -> u64 {
    let audience = super::audience::audience(desk.directory, &thread.incident.scope, desk.settings);
    let mut stages: BTreeMap<NoticeStage, Vec<PersonNo>> = BTreeMap::new();
    let told = thread
        .told
        .iter()
        .filter(|(_, told)| told.last != LastTold::Nothing)
        .map(|(no, _)| *no);
    let people: BTreeSet<PersonNo> = audience.iter().copied().chain(told).collect();
    for no in people {
        if let Some(stage) = stage_for(news, thread.last_told(no)) {
            stages.entry(stage).or_default().push(no);
        }
    }
    // An incident that touches nobody leaves a trace too: it may be the directory that is wrong.
    if audience.is_empty()
        && let Some(stage) = stage_for(news, LastTold::Nothing)
    {
        stages.entry(stage).or_default();
    }
    // Those who know most first: what they were promised must not be overwritten by what the newly told are.
    stages
        .into_iter()
        .rev()
        .map(|(stage, people)| plan(desk, thread, (news, stage), at, &audience, &people))
        .sum()
}

fn plan(
    desk: &mut Desk<'_>,
    thread: &mut Thread,
    (news, stage): (News, NoticeStage),
    at: EventTime,
    audience: &BTreeSet<PersonNo>,
    people: &[PersonNo],
) -> u64 {
    let before = thread.records.len();
    let Some(index) = record_for(desk, thread, news, stage, at) else {
        return 0;
    };
    let selection = select(desk, thread, index, at, audience, people);
    let says_nothing_new = selection.send.is_empty() && !selection.withheld.keys().any(|r| r.is_hold());
    let told_before = thread.records.iter().take(index).any(|r| r.notice.stage == stage);
    if index == before && says_nothing_new && told_before {
        // A second notice of a stage, and still only people who may not be told: the first one says so.
        if let Some(record) = thread.records.pop() {
            desk.notices.remove(&record.notice.id);
        }
        return 0;
    }
    let reached = u64::try_from(selection.send.len()).unwrap_or(u64::MAX);
    commit(desk, thread, index, at, audience, selection);
    reached
}

/// The notice that tells `stage` now: the open one if its text still holds (or nobody got it yet), else a new one.
fn record_for(
    desk: &mut Desk<'_>,
    thread: &mut Thread,
    news: News,
    stage: NoticeStage,
    at: EventTime,
) -> Option<usize> {
    let open = thread
        .records
        .iter()
        .rposition(|r| r.notice.stage == stage && !r.closed);
    let before = open.and_then(|i| thread.records.get(i)).map(|r| &r.facts);
    let facts = facts_of(desk, thread, news, stage, at, before);
    if let Some(record) = open.and_then(|i| thread.records.get_mut(i)) {
        let same_day =
            desk.settings.zone.local(record.facts.at).date() == desk.settings.zone.local(at).date();
        if same_day && record.facts.still_true(&facts) {
            return open;
        }
        if record.intents.is_empty() {
            write(desk, record, facts, news);
            return open;
        }
        record.drop_holds(HoldReason::Stale);
        record.publish(
            at,
            "its text no longer holds; a new one follows".into(),
            desk.effects,
        );
    }
    if thread.records.len() >= RECORDS_MAX && !is_closing(stage) {
        return None;
    }
    let incident = &thread.incident;
    let notice = Notice {
        id: thread.notice_id(stage),
        revision: 0,
        domain: incident.domain.clone(),
        incident: incident.id.clone(),
        incident_revision: incident.revision,
        stage,
        state: NoticeState::Drafted,
        at,
        audience: 0,
        intents: 0,
        progress: BTreeMap::new(),
        withheld: BTreeMap::new(),
        channels: BTreeMap::new(),
        texts: Vec::new(),
        text_fingerprint: Arc::from(""),
        no_call_needed: false,
        next_update: None,
        eta: None,
        hold_out: None,
        ramp: None,
        first_accepted_at: None,
        reason: String::new(),
        simulated: incident.simulated,
    };
    desk.notices.insert(notice.id.clone(), incident.id.clone());
    let mut record = Record::new(notice, news, facts.clone());
    write(desk, &mut record, facts, news);
    thread.records.push(record);
    Some(thread.records.len() - 1)
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

fn select(
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
    let share = if stage == NoticeStage::Predicted {
        desk.settings.predicted.pilot_share.get()
    } else {
        1.0
    };
    let piloted = |no: &PersonNo| {
        desk.directory
            .get(*no)
            .is_some_and(|person| share >= 1.0 || in_pilot(person, incident, share))
    };
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let reach = if is_opening(stage) {
        count(audience.iter().filter(|no| piloted(no)).count())
    } else {
        count(people.len())
    };
    let question = NoticeQuestion {
        incident,
        stage,
        at,
        audience: count(audience.len()),
        reach,
        killed: desk.killed,
        approved: record.approved.as_ref() == Some(&record.notice.text_fingerprint),
    };
    let stand = ramp::stand(thread, stage, reach, desk.settings);
    let has_text = !record.notice.texts.is_empty();
    let block = blocked(&question, stand, has_text, desk.settings);
    if let Some((reason, why)) = block {
        selection.withhold(reason, count(people.len()));
        selection.blocked = Some(why);
        return selection;
    }
    let usable = usable_channels(incident, stage, desk.settings);
    let purpose = purpose_of(incident, desk.settings);
    selection.trial = hold_out::times(thread, stage, at, desk.settings);
    selection.ramp = Some(stand);
    let mut clocks: BTreeMap<u32, (i32, Option<EventTime>)> = BTreeMap::new();
    for no in people {
        let Some(person) = desk.directory.get(*no) else {
            continue;
        };
        let (day, quiet) = *clocks
            .entry(person.region)
            .or_insert_with(|| desk.clock(person.region, at));
        let told = thread.told.get(no);
        let sent = |channel| {
            let id = (!record.intents.is_empty()).then(|| intent_id(record, person.id.as_str(), channel))?;
            record.intents.get(&id).map(|sent| sent.state)
        };
        if person
            .channels()
            .filter_map(&sent)
            .any(|state| state != IntentState::Failed)
        {
            // On its way, there, or perhaps there: whatever the directory has forgotten of them since, this notice is theirs.
            continue;
        }
        let tried = |channel| sent(channel).is_some();
        let works = |channel: ContactChannel| usable.contains(&channel) && !tried(channel);
        if person.channels().any(&tried) && !person.channels().any(works) {
            // Every way was tried; the failures stand in the notice's progress.
            continue;
        }
        let verdict = for_person(
            &PersonQuestion {
                person,
                stage,
                purpose,
                at,
                opted_out: desk.opted_out.contains(&person.id),
                in_pilot: piloted(no),
                messages: told.map_or(0, |t| t.messages),
                today: if person.day == day { person.sent_today } else { 0 },
                quiet_until: quiet,
                corrects_tonight: stage == NoticeStage::Retraction
                    && told.is_some_and(|t| quiet.is_some() && at.since(t.at) <= CLOSING_EXPIRY),
                usable: &works,
            },
            desk.settings,
        );
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

fn intent_id(record: &Record, customer: &str, channel: ContactChannel) -> IntentId {
    IntentId::derived(Fingerprint::of_parts(&[
        b"intent",
        record.notice.id.as_str().as_bytes(),
        customer.as_bytes(),
        channel.as_str().as_bytes(),
    ]))
}

/// Writes the selection into the notice and asks for the intents, the notice first.
fn commit(
    desk: &mut Desk<'_>,
    thread: &mut Thread,
    index: usize,
    at: EventTime,
    audience: &BTreeSet<PersonNo>,
    selection: Selection,
) {
    // It begins where anybody may be told, also where chance holds nobody out.
    if let Some(times) = selection.trial
        && !(selection.send.is_empty() && selection.held_out.is_empty())
    {
        thread.hold_out(&selection.held_out, times, desk.held_out);
    }
    let goes = !selection.send.is_empty() || selection.withheld.contains_key(&HoldReason::Ramp);
    if let Some(stand) = selection.ramp.filter(|_| goes) {
        thread.ramp_up(stand, index, at);
    }
    let ramp = thread.ramp_told(desk.settings);
    let Thread {
        incident,
        told: told_by_person,
        promises,
        opening_at,
        records,
        ..
    } = thread;
    let Some(record) = records.get_mut(index) else {
        return;
    };
    let stage = record.notice.stage;
    let question = Question::of(desk.directory, &incident.scope, desk.settings);
    let after = LastTold::after(stage, record.facts.eta.is_some());
    let expires_at = match stage {
        NoticeStage::Predicted => record.facts.onset.or(record.facts.next),
        NoticeStage::Confirmed | NoticeStage::Progress | NoticeStage::EtaChanged => record.facts.next,
        NoticeStage::Resolved | NoticeStage::AllClear | NoticeStage::Averted | NoticeStage::Retraction => {
            Some(at.plus(CLOSING_EXPIRY))
        }
    };
    let mut intents = Vec::with_capacity(selection.send.len());
    for (no, channel) in selection.send {
        let clock_of = desk.directory.get(no).map(|p| p.region);
        let day = clock_of.map_or(0, |region| desk.clock(region, at).0);
        let Some(person) = desk.directory.get(no) else {
            continue;
        };
        check_invariant!(
            InvariantId::N1,
            told_by_person.contains_key(&no) || question.reaches(desk.directory, person),
            "{} is outside the scope of {}",
            person.id,
            incident.id
        );
        let intent = Intent {
            id: intent_id(record, person.id.as_str(), channel),
            notice: record.notice.id.clone(),
            incident: incident.id.clone(),
            domain: incident.domain.clone(),
            customer: person.id.clone(),
            channel,
            language: person.language,
            at,
            expires_at,
        };
        let sent = Sent {
            person: no,
            state: IntentState::Planned,
        };
        record.intents.insert(intent.id.clone(), sent);
        record.shift(IntentState::Planned, true);
        *record.notice.channels.entry(channel).or_default() += 1;
        record.notice.intents += 1;
        let before = told_by_person.get(&no);
        let told = Told {
            last: after,
            before: before.map_or(LastTold::Nothing, |t| t.last),
            notice: u32::try_from(index).unwrap_or(u32::MAX),
            at,
            first_at: before.map_or(at, |t| t.first_at),
            messages: before.map_or(0, |t| t.messages).saturating_add(1),
        };
        told_by_person.insert(no, told);
        desk.count_message(no, day);
        intents.push(intent);
    }
    if !intents.is_empty() {
        if is_opening(stage) {
            *opening_at = Some(at);
        }
        promises.renew(record.facts.next, record.facts.eta);
    }
    let notice = &mut record.notice;
    notice.incident_revision = incident.revision;
    notice.audience = u64::try_from(audience.len()).unwrap_or(u64::MAX);
    notice.withheld = selection.withheld;
    notice.ramp = ramp.filter(|_| is_opening(stage));
    record.retry_at = selection.retry_at;
    let reason = selection.blocked.unwrap_or_else(|| match intents.len() {
        0 => "nobody can be told now".to_owned(),
        1 => "1 message planned".to_owned(),
        n => format!("{n} messages planned"),
    });
    record.publish(at, reason, desk.effects);
    for intent in intents {
        desk.effects.emit(OutreachOutput::Intent(intent));
    }
    record.publish_withheld(&selection.people, at, desk.directory, desk.effects);
}
