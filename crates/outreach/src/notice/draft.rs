//! What a notice says: its facts, and its texts.

use std::sync::Arc;

use forecall_types::{EventTime, NoticeStage, check_invariant, invariant::InvariantId};

use super::domain::Desk;
use super::no_call::{NoCallFacts, no_call_needed};
use super::policy::is_closing;
use super::promise::next_update;
use super::record::{Record, Thread};
use super::thread::News;
use crate::words::{Facts, FactsSource, fingerprint};

pub(super) fn facts_of(
    desk: &Desk<'_>,
    thread: &Thread,
    news: News,
    stage: NoticeStage,
    at: EventTime,
    before: Option<&Facts>,
) -> Facts {
    let incident = &thread.incident;
    let no_call = stage == NoticeStage::Confirmed
        && no_call_needed(NoCallFacts::of(
            incident,
            at,
            thread.promises.overdue(at),
            desk.settings,
        ));
    let source = FactsSource {
        at,
        no_call_needed: no_call,
        // Asked again for people who were held, these must not turn into what the others have been told since.
        eta_old: match stage {
            NoticeStage::EtaChanged => before.map_or(thread.promises.eta, |b| b.eta_old),
            NoticeStage::Predicted
            | NoticeStage::Confirmed
            | NoticeStage::Progress
            | NoticeStage::Resolved
            | NoticeStage::AllClear
            | NoticeStage::Averted
            | NoticeStage::Retraction => None,
        },
        told_at: if is_closing(stage) {
            before.map_or(thread.opening_at, |b| b.told_at)
        } else {
            None
        },
        next: next_update(stage, incident, at, &desk.settings.promise),
        with_steps: stage == NoticeStage::Progress,
        step_is_news: news == News::Step && stage == NoticeStage::Progress,
    };
    let mut facts = Facts::of(incident, source, desk.settings);
    facts.eta = thread.promises.end_to_tell(facts.eta, at, &desk.settings.promise);
    // A time that we don't stand by spares nobody a call.
    facts.no_call_needed &= facts.eta.is_some();
    facts.is_drill = thread.drill_until.is_some();
    if let Some(step) = thread.said.as_ref().filter(|_| stage == NoticeStage::Progress) {
        // Not approved, it stands only where it is the news: a promise that falls due doesn't wait for it.
        let is_news = step.is_newest && news == News::Step;
        if is_news || step.is_approved {
            facts.said = Some(step.said.clone());
            facts.said_is_last = step.is_newest;
        }
    }
    if stage == NoticeStage::Resolved {
        facts.given = thread.given_now(desk.settings).map(|given| given.what);
    }
    facts
}

/// Writes the texts. Words that can't be filled are our own bug; then there is no text, and nothing is sent.
pub(super) fn write(desk: &Desk<'_>, record: &mut Record, facts: Facts, news: News) {
    let texts = desk.wording.texts(record.notice.stage, &facts, desk.settings);
    check_invariant!(InvariantId::N2, texts.is_ok(), "{:?}", texts.as_ref().err());
    let notice = &mut record.notice;
    notice.texts = texts.unwrap_or_default();
    notice.text_fingerprint = Arc::from(fingerprint(&notice.texts));
    notice.no_call_needed = facts.no_call_needed;
    notice.next_update = facts.next;
    notice.eta = facts.eta;
    record.facts = facts;
    record.news = news;
}
