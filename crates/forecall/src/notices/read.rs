//! Reads notices from their topics, outside any group.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use forecall_config::Settings;
use forecall_log::{Log, TopicPartition};
use forecall_types::{DomainName, HoldReason, Notice, NoticeId, NoticeState};
use forecall_wire::event::{TopicId, decode_notice};

use super::args::ListArgs;

/// Notices named in one list: each holds its texts, some kilobytes.
const ROWS_MAX: usize = 20_000;

/// Whether it may still go to somebody it hasn't gone to.
pub(super) fn is_waiting(notice: &Notice) -> bool {
    match notice.state {
        NoticeState::Drafted | NoticeState::Approved | NoticeState::Held | NoticeState::Sending => true,
        NoticeState::Suppressed | NoticeState::Sent | NoticeState::Delivered | NoticeState::Retracted => {
            notice
                .withheld
                .iter()
                .any(|(why, count)| why.is_hold() && *count > 0)
        }
    }
}

/// Whether so much as one person waits for `reason`.
pub(super) fn waits_for(notice: &Notice, reason: HoldReason) -> bool {
    notice.withheld.get(&reason).is_some_and(|count| *count > 0)
}

/// Whether its ramp has stopped itself and waits for a person.
pub(super) fn ramp_has_stopped(notice: &Notice) -> bool {
    let stopped = notice.ramp.as_ref().is_some_and(|ramp| ramp.stopped.is_some());
    stopped && waits_for(notice, HoldReason::Ramp)
}

/// Whether it waits for a person's word on its text.
pub(super) fn waits_for_a_person(notice: &Notice) -> bool {
    let reasons = [HoldReason::Approval, HoldReason::Person];
    reasons.into_iter().any(|reason| waits_for(notice, reason)) || ramp_has_stopped(notice)
}

pub(super) fn listed(log: &dyn Log, settings: &Settings, args: &ListArgs) -> anyhow::Result<Vec<Notice>> {
    let passes = |notice: &Notice| {
        let is_canary = notice.domain.as_str() == DomainName::CANARY;
        (args.canary || !is_canary)
            && (!args.waiting || waits_for_a_person(notice))
            && args.incident.as_ref().is_none_or(|id| *id == notice.incident)
            && args.domain.as_ref().is_none_or(|domain| *domain == notice.domain)
    };
    let topic = if args.all {
        TopicId::Notices
    } else {
        TopicId::NoticesState
    };
    newest_of_all(log, settings, topic, &passes)
}

/// The newest revision of each that passes, the oldest first. A tombstone of the state topic is an end.
pub(super) fn newest_of_all(
    log: &dyn Log,
    settings: &Settings,
    topic: TopicId,
    passes: &dyn Fn(&Notice) -> bool,
) -> anyhow::Result<Vec<Notice>> {
    let mut newest: BTreeMap<NoticeId, Notice> = BTreeMap::new();
    let mut too_many = false;
    each(log, settings, topic, &mut |key, notice| {
        let Some(notice) = notice else {
            newest.retain(|id, _| id.as_str().as_bytes() != key);
            return;
        };
        let is_news = newest
            .get(&notice.id)
            .is_none_or(|known| known.revision < notice.revision);
        if !is_news {
            return;
        }
        if newest.len() >= ROWS_MAX && !newest.contains_key(&notice.id) {
            too_many = true;
            return;
        }
        newest.insert(notice.id.clone(), notice);
    })?;
    ensure!(
        !too_many,
        "there are more than {ROWS_MAX} notices: leave out --all, or ask for one incident"
    );
    let mut notices: Vec<Notice> = newest.into_values().filter(|notice| passes(notice)).collect();
    notices.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    Ok(notices)
}

/// The newest revision of one, from the topic of events.
pub(super) fn newest(log: &dyn Log, settings: &Settings, id: &NoticeId) -> anyhow::Result<Notice> {
    let mut found: Option<Notice> = None;
    each(log, settings, TopicId::Notices, &mut |_, notice| {
        let newer = |known: &Notice, notice: &Notice| known.revision < notice.revision;
        if let Some(notice) = notice.filter(|notice| notice.id == *id)
            && found.as_ref().is_none_or(|known| newer(known, &notice))
        {
            found = Some(notice);
        }
    })?;
    match found {
        Some(notice) => Ok(notice),
        None => bail!(
            "{} holds nothing of {id}: `forecall notices list --all` names those it holds",
            settings.topic_names().name(TopicId::Notices)
        ),
    }
}

/// Every record of the topic; `None`: a tombstone.
pub(super) fn each(
    log: &dyn Log,
    settings: &Settings,
    topic: TopicId,
    visit: &mut dyn FnMut(&[u8], Option<Notice>),
) -> anyhow::Result<()> {
    let topic = settings.topic_names().name(topic);
    let count = i32::try_from(log.bounds(&topic)?.len()).context("too many partitions")?;
    for partition in 0..count {
        log.read(&TopicPartition::new(&topic, partition), 0, &mut |record| {
            let Some(key) = record.key else { return };
            match record.value {
                None => visit(key, None),
                // What is of a later version isn't shown, as it isn't known what it says.
                Some(value) => {
                    if let Ok(notice) = decode_notice(record.headers.get(), value) {
                        visit(key, Some(notice));
                    }
                }
            }
        })?;
    }
    Ok(())
}
