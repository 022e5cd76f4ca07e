//! From news to notices and intents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_types::{
    EventTime, HoldReason, Intent, IntentState, Notice, NoticeStage, NoticeState, check_invariant,
    invariant::InvariantId,
};

use super::audience::Question;
use super::directory::PersonNo;
use super::domain::Desk;
use super::draft::{facts_of, write};
use super::policy::{is_closing, is_opening};
use super::record::{RECORDS_MAX, Record, Sent, Thread, Told};
use super::select::{CLOSING_EXPIRY, Selection, intent_id, select};
use super::thread::{LastTold, News, overtakes, stage_for};
use crate::stage::OutreachOutput;

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
        untrue: 0,
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

/// It goes: what people held it back for is over. Where it tells anew what was taken back, the correction is over, too.
fn let_out(desk: &mut Desk<'_>, thread: &mut Thread, index: usize, at: EventTime) {
    let Some(stage) = thread.records.get(index).map(|record| record.notice.stage) else {
        return;
    };
    thread.lift(stage, at);
    if is_opening(stage) && thread.taken_back.take().is_some() {
        for index in 0..thread.records.len() {
            let corrects = |r: &Record| r.notice.stage == NoticeStage::Retraction && !r.closed;
            if thread.records.get(index).is_some_and(corrects) {
                close(desk, thread, index, HoldReason::Stale, (at, "it is told anew"));
            }
        }
    }
}

/// Closes a notice: what of it hasn't left is taken back. Returns how many messages.
pub(crate) fn close(
    desk: &mut Desk<'_>,
    thread: &mut Thread,
    index: usize,
    reason: HoldReason,
    (at, why): (EventTime, &str),
) -> u64 {
    let stopped = thread.untell_planned(index);
    let Some(record) = thread.records.get_mut(index) else {
        return 0;
    };
    record.drop_holds(reason);
    if stopped > 0 && reason.is_hold() {
        *record.notice.withheld.entry(reason).or_default() += stopped;
    }
    record.publish(at, why.to_owned(), desk.effects);
    if stopped > 0 {
        desk.effects.emit(OutreachOutput::CancelIntents {
            notice: record.notice.id.clone(),
            customer: None,
            reason,
        });
    }
    stopped
}

/// When it isn't true any more.
fn expiry(record: &Record, at: EventTime) -> Option<EventTime> {
    match record.notice.stage {
        NoticeStage::Predicted => record.facts.onset.or(record.facts.next),
        NoticeStage::Confirmed | NoticeStage::Progress | NoticeStage::EtaChanged => record.facts.next,
        NoticeStage::Resolved | NoticeStage::AllClear | NoticeStage::Averted | NoticeStage::Retraction => {
            Some(at.plus(CLOSING_EXPIRY))
        }
    }
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
    if !selection.send.is_empty() {
        let_out(desk, thread, index, at);
    }
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
    let expires_at = expiry(record, at);
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
            corrects: stage == NoticeStage::Retraction,
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
