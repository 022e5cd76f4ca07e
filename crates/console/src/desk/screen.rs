//! From what the ledger holds to what an agent sees. Nothing here reads a clock or the database.

use forecall_ledger::{DeskEntry, DeskPage, KeptNotice, Reached};
use forecall_types::{CustomerId, EventTime, HoldReason, Incident, IncidentState, NoticeStage};
use forecall_wire::screen::{
    self, CustomerNotices, Entry, Kept, MaskedAddress, Message, NotTold, Promise, Promised, Time, Trouble,
};

use super::words;

/// One customer's story; `touches` says whether an incident touches them now, `now_told` what they were told of an open one.
pub(super) fn screen(
    customer: &CustomerId,
    page: &DeskPage,
    touches: &dyn Fn(&Incident) -> bool,
    now: EventTime,
) -> CustomerNotices {
    let known = page.customer.as_ref();
    let mut entries: Vec<(EventTime, Entry)> = page
        .entries
        .iter()
        .map(|entry| (entry.at(), line(entry, page, now)))
        .collect();
    entries.extend(blocked(page, touches));
    entries.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    CustomerNotices {
        customer: customer.as_str().to_owned(),
        known: known.is_some(),
        language: known.map(|c| screen::language(c.language)),
        region: known.map(|c| c.region.as_str().to_owned()),
        services: known
            .iter()
            .flat_map(|c| &c.services)
            .map(|s| s.as_str().to_owned())
            .collect(),
        priority: known.is_some_and(|c| c.priority),
        addresses: page
            .addresses
            .iter()
            .map(|(channel, address)| MaskedAddress {
                channel: screen::channel(*channel),
                address: address.clone(),
            })
            .collect(),
        now: Vec::new(),
        entries: entries.into_iter().map(|(_, entry)| entry).collect(),
        next: page.next.as_ref().map(ToString::to_string),
    }
}

/// An open incident that touches them, and whether they were told of it.
pub(super) fn trouble(incident: &Incident, told: bool, why: Option<HoldReason>) -> Trouble {
    let names = |all: &mut dyn Iterator<Item = &str>| all.map(str::to_owned).collect();
    Trouble {
        thread: incident.id.as_str().to_owned(),
        state: screen::incident_state(incident.state),
        severity: screen::severity(incident.severity),
        kind: screen::incident_kind(incident.kind),
        services: names(&mut incident.scope.services.iter().map(|s| s.as_str())),
        regions: names(&mut incident.scope.regions.iter().map(|r| r.as_str())),
        since: incident.onset_observed.map(Time::of),
        expected_from: (incident.state == IncidentState::Predicted)
            .then_some(incident.onset_predicted)
            .flatten()
            .map(Time::of),
        eta: incident.eta.map(Time::of),
        acknowledged: incident.acknowledged.is_some(),
        told,
        not_told: why.filter(|_| !told).map(not_told),
    }
}

/// Why a notice that reached nobody didn't; `None`: it isn't one reason for all.
pub(super) fn block_of(kept: &KeptNotice) -> Option<HoldReason> {
    let reason = *kept.notice.withheld.keys().next()?;
    let is_one = kept.notice.withheld.len() == 1 && reason != HoldReason::EmptyScope;
    (kept.out_at.is_none() && is_one).then_some(reason)
}

/// A hold that the notice doesn't count any more was dropped: later news has overtaken it.
pub(super) fn reason_now(reason: HoldReason, kept: Option<&KeptNotice>) -> HoldReason {
    match kept {
        Some(kept) if reason.is_hold() && !kept.notice.withheld.contains_key(&reason) => HoldReason::Stale,
        Some(_) | None => reason,
    }
}

fn not_told(reason: HoldReason) -> NotTold {
    let (fa, en) = words::reason(reason);
    NotTold {
        reason: screen::hold_reason(reason),
        may_still_go: reason.is_hold(),
        words_fa: fa.to_owned(),
        words_en: en.to_owned(),
    }
}

/// Openings that were let out to nobody, and would have been theirs.
fn blocked<'a>(
    page: &'a DeskPage,
    touches: &'a dyn Fn(&Incident) -> bool,
) -> impl Iterator<Item = (EventTime, Entry)> + 'a {
    let named = |kept: &KeptNotice| {
        page.entries.iter().any(|entry| match entry {
            DeskEntry::Withheld { notice, .. } => *notice == kept.notice.id,
            DeskEntry::Reached(reached) => reached.intent.notice == kept.notice.id,
            DeskEntry::Answered { .. } => false,
        })
    };
    page.blocked.iter().filter_map(move |kept| {
        let notice = &kept.notice;
        // Of what follows an opening only those told of it would hear.
        let opens = matches!(notice.stage, NoticeStage::Predicted | NoticeStage::Confirmed);
        let reason = block_of(kept).filter(|_| opens && !named(kept))?;
        let incident = page.incidents.get(&notice.incident)?;
        touches(incident).then(|| {
            let entry = Entry::NotTold {
                at: Time::of(notice.at),
                thread: Some(notice.incident.as_str().to_owned()),
                notice: notice.id.as_str().to_owned(),
                stage: Some(screen::stage(notice.stage)),
                why: not_told(reason),
            };
            (notice.at, entry)
        })
    })
}

fn line(entry: &DeskEntry, page: &DeskPage, now: EventTime) -> Entry {
    match entry {
        DeskEntry::Reached(reached) => Entry::Message(message(reached, page, now)),
        DeskEntry::Withheld { notice, reason, at } => {
            let kept = page.notices.get(notice);
            Entry::NotTold {
                at: Time::of(*at),
                thread: kept.map(|k| k.notice.incident.as_str().to_owned()),
                notice: notice.as_str().to_owned(),
                stage: kept.map(|k| screen::stage(k.notice.stage)),
                why: not_told(reason_now(*reason, kept)),
            }
        }
        DeskEntry::Answered { kind, at } => Entry::Answered {
            at: Time::of(*at),
            answer: screen::reply_kind(*kind),
        },
    }
}

fn message(reached: &Reached, page: &DeskPage, now: EventTime) -> Message {
    let intent = &reached.intent;
    let kept = page.notices.get(&intent.notice);
    // What never left has promised nothing.
    let promises = match (kept, reached.accepted_at) {
        (Some(kept), Some(_)) => promises(reached, kept, page.incidents.get(&intent.incident), now),
        (None, _) | (_, None) => Vec::new(),
    };
    Message {
        at: Time::of(intent.at),
        thread: intent.incident.as_str().to_owned(),
        notice: intent.notice.as_str().to_owned(),
        stage: kept.map(|k| screen::stage(k.notice.stage)),
        channel: screen::channel(intent.channel),
        language: screen::language(intent.language),
        state: screen::intent_state(reached.state),
        reason: reached.reason.clone(),
        accepted_at: reached.accepted_at.map(Time::of),
        subject: reached.text.subject.clone(),
        text: reached.text.body.clone(),
        promises,
    }
}

fn promises(
    reached: &Reached,
    kept: &KeptNotice,
    incident: Option<&Incident>,
    now: EventTime,
) -> Vec<Promise> {
    let promise = |what, by: EventTime, (kept, done_at): (Kept, Option<EventTime>)| Promise {
        what,
        by: Time::of(by),
        kept,
        done_at: done_at.map(Time::of),
    };
    let merged = incident.is_some_and(|i| i.merged_into.is_some());
    let next = kept.notice.next_update.map(|by| {
        let judged = match reached.next_news_at {
            Some(at) if at <= by => (Kept::Kept, Some(at)),
            Some(at) => (Kept::Late, Some(at)),
            None if now <= by => (Kept::Open, None),
            // It goes on in another thread.
            None if merged => (Kept::Unknown, None),
            None => (Kept::Late, None),
        };
        promise(Promised::NextNews, by, judged)
    });
    // A prediction and a closing carry an end, but say none.
    let says_end = matches!(
        kept.notice.stage,
        NoticeStage::Confirmed | NoticeStage::Progress | NoticeStage::EtaChanged
    );
    let repair = kept
        .notice
        .eta
        .filter(|_| says_end)
        .map(|by| promise(Promised::Repair, by, repaired(by, incident, now)));
    next.into_iter().chain(repair).collect()
}

/// Whether it worked again by then.
fn repaired(by: EventTime, incident: Option<&Incident>, now: EventTime) -> (Kept, Option<EventTime>) {
    let Some(incident) = incident else {
        return (Kept::Unknown, None);
    };
    match (incident.state, incident.resolved_at) {
        (IncidentState::Resolved | IncidentState::Reviewed, Some(at)) if at <= by => (Kept::Kept, Some(at)),
        (IncidentState::Resolved | IncidentState::Reviewed, Some(at)) => (Kept::Late, Some(at)),
        (IncidentState::Predicted | IncidentState::Confirmed, _) if now <= by => (Kept::Open, None),
        (IncidentState::Predicted | IncidentState::Confirmed, _) => (Kept::Late, None),
        (IncidentState::Averted | IncidentState::Retracted | IncidentState::Expired, _) => (Kept::Void, None),
        (IncidentState::Resolved | IncidentState::Reviewed, None) | (IncidentState::Merged, _) => {
            (Kept::Unknown, None)
        }
    }
}
