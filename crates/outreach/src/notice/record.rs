//! What is kept of a thread and of each of its notices.

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_types::{
    EventTime, Fingerprint, HoldReason, Incident, IntentId, IntentState, Notice, NoticeId, NoticeStage,
    NoticeState, RampStop, Withheld,
};
use serde::{Deserialize, Serialize};

use super::cries::{Cries, Place};
use super::directory::{Directory, PersonNo};
use super::hold_out::Trial;
use super::promise::Promises;
use super::ramp::Ramp;
use super::thread::{LastTold, News};
use crate::stage::OutreachOutput;
use crate::words::Facts;
use forecall_stage::Effects;

/// Notices of one incident: an hourly one for two days, and closings. Beyond it only closings are written.
pub(crate) const RECORDS_MAX: usize = 64;

/// One person in one thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The last they were told, as far as is known.
    pub(crate) last: LastTold,
    /// What it was before: that holds again if the last message can't be delivered.
    pub(crate) before: LastTold,
    /// Which of the thread's notices told it.
    pub(crate) notice: u32,
    pub(crate) at: EventTime,
    /// When they were first told anything.
    pub(crate) first_at: EventTime,
    /// Messages planned.
    pub(crate) messages: u8,
}

/// One intent of a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) person: PersonNo,
    pub(crate) state: IntentState,
}

/// A notice and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// As it stands.
    pub(crate) notice: Notice,
    /// As it was last published, without its revision, time and reason.
    published: Option<Fingerprint>,
    pub(crate) news: News,
    pub(crate) facts: Facts,
    /// Fingerprint of the texts a person approved.
    pub(crate) approved: Option<Arc<str>>,
    /// Nothing more is planned for it: overtaken, or stopped by the kill switch.
    pub(crate) closed: bool,
    /// The incident was retracted.
    pub(crate) retracted: bool,
    /// When held people are looked at again.
    pub(crate) retry_at: Option<EventTime>,
    pub(crate) intents: BTreeMap<IntentId, Sent>,
    /// Receipts came since it was last published.
    pub(crate) dirty: bool,
    /// What came of its hold-out was published.
    pub(crate) told_trial: bool,
    /// Of each reason of people's own, whom it was last published for.
    withheld_from: BTreeMap<HoldReason, Fingerprint>,
}

impl Record {
    pub(crate) const fn new(notice: Notice, news: News, facts: Facts) -> Self {
        Self {
            notice,
            published: None,
            news,
            facts,
            approved: None,
            closed: false,
            retracted: false,
            retry_at: None,
            intents: BTreeMap::new(),
            dirty: false,
            told_trial: false,
            withheld_from: BTreeMap::new(),
        }
    }

    /// How many intents stand at `state`.
    pub(crate) fn count(&self, state: IntentState) -> u64 {
        self.notice.progress.get(&state).copied().unwrap_or(0)
    }

    /// One more or one less intent at `state`; an entry of zero is left out.
    pub(crate) fn shift(&mut self, state: IntentState, up: bool) {
        let now = self.count(state);
        let next = if up { now + 1 } else { now.saturating_sub(1) };
        if next == 0 {
            self.notice.progress.remove(&state);
        } else {
            self.notice.progress.insert(state, next);
        }
    }

    /// Where it stands, from its counts.
    fn state(&self) -> NoticeState {
        let withheld = &self.notice.withheld;
        if self.intents.is_empty() {
            return if withheld.contains_key(&HoldReason::Approval) {
                NoticeState::Drafted
            } else if withheld.keys().any(|reason| reason.is_hold()) {
                NoticeState::Held
            } else {
                NoticeState::Suppressed
            };
        }
        if self.retracted {
            NoticeState::Retracted
        } else if self.count(IntentState::Planned) + self.count(IntentState::Sending) > 0 {
            NoticeState::Sending
        } else if self.count(IntentState::Accepted) > 0 {
            NoticeState::Sent
        } else {
            NoticeState::Delivered
        }
    }

    /// Publishes a revision if anything but time and reason has changed.
    pub(crate) fn publish(&mut self, at: EventTime, reason: String, effects: &mut Effects<OutreachOutput>) {
        self.dirty = false;
        self.notice.state = self.state();
        let fingerprint = self.content();
        if self.published == Some(fingerprint) {
            return;
        }
        self.published = Some(fingerprint);
        self.notice.revision = self.notice.revision.saturating_add(1);
        self.notice.at = at;
        self.notice.reason = reason;
        effects.emit(OutreachOutput::Notice(Box::new(self.notice.clone())));
    }

    /// Says who isn't told for a reason of their own, where that has changed.
    pub(crate) fn publish_withheld(
        &mut self,
        people: &BTreeMap<HoldReason, Vec<PersonNo>>,
        at: EventTime,
        directory: &Directory,
        effects: &mut Effects<OutreachOutput>,
    ) {
        self.withheld_from.retain(|reason, _| people.contains_key(reason));
        for (reason, people) in people {
            let customers: Vec<_> = people
                .iter()
                .filter_map(|no| Some(directory.get(*no)?.id.clone()))
                .collect();
            let print = customers.iter().fold(Fingerprint::default(), |print, id| {
                print.chain(id.as_str().as_bytes())
            });
            if self.withheld_from.insert(*reason, print) != Some(print) {
                effects.emit(OutreachOutput::Withheld(Withheld {
                    notice: self.notice.id.clone(),
                    reason: *reason,
                    customers,
                    at,
                }));
            }
        }
    }

    /// What a reader would see change. The texts stand in by their fingerprint.
    fn content(&self) -> Fingerprint {
        let n = &self.notice;
        let mut all = Fingerprint::of(n.state.as_str().as_bytes())
            .chain(n.text_fingerprint.as_bytes())
            .chain(&n.audience.to_le_bytes())
            .chain(&n.intents.to_le_bytes())
            .chain(
                &n.first_accepted_at
                    .map_or(i64::MIN, EventTime::nanos)
                    .to_le_bytes(),
            );
        if let Some(trial) = &n.hold_out {
            all = all.chain(&trial.until.nanos().to_le_bytes());
        }
        if let Some(ramp) = &n.ramp {
            let stopped = ramp.stopped.map_or("", RampStop::as_str);
            all = all
                .chain(&ramp.share.get().to_le_bytes())
                .chain(stopped.as_bytes());
        }
        for (state, count) in &n.progress {
            all = all.chain(state.as_str().as_bytes()).chain(&count.to_le_bytes());
        }
        for (reason, count) in &n.withheld {
            all = all.chain(reason.as_str().as_bytes()).chain(&count.to_le_bytes());
        }
        all
    }

    /// What was held is dropped: it is counted under `reason` from now on.
    pub(crate) fn drop_holds(&mut self, reason: HoldReason) {
        let held: Vec<HoldReason> = self
            .notice
            .withheld
            .keys()
            .copied()
            .filter(|reason| reason.is_hold())
            .collect();
        let count: u64 = held.iter().filter_map(|r| self.notice.withheld.remove(r)).sum();
        if count > 0 {
            *self.notice.withheld.entry(reason).or_default() += count;
        }
        self.closed = true;
        self.retry_at = None;
    }
}

/// One incident and what was told of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Thread {
    pub(crate) incident: Incident,
    pub(crate) told: BTreeMap<PersonNo, Told>,
    pub(crate) promises: Promises,
    /// When the message that a correction or an all-clear refers to was sent.
    pub(crate) opening_at: Option<EventTime>,
    pub(crate) records: Vec<Record>,
    /// When the incident ended.
    pub(crate) closed_at: Option<EventTime>,
    /// Look again at the next tick: somebody can be told another way, or was told after all.
    pub(crate) look_again: bool,
    /// Who writes that it still fails.
    pub(crate) cries: BTreeMap<Place, Cries>,
    /// Who hears later, at random.
    pub(crate) trial: Option<Trial>,
    /// How far its opening has come, where it goes step by step.
    pub(crate) ramp: Option<Ramp>,
}

impl Thread {
    pub(crate) fn new(incident: Incident) -> Self {
        Self {
            incident,
            told: BTreeMap::new(),
            promises: Promises::default(),
            opening_at: None,
            records: Vec::new(),
            closed_at: None,
            look_again: false,
            cries: BTreeMap::new(),
            trial: None,
            ramp: None,
        }
    }

    /// What a person was last told.
    pub(crate) fn last_told(&self, person: PersonNo) -> LastTold {
        self.told.get(&person).map_or(LastTold::Nothing, |told| told.last)
    }

    /// Id of the next notice of `stage`.
    pub(crate) fn notice_id(&self, stage: NoticeStage) -> NoticeId {
        let occurrence = self.records.iter().filter(|r| r.notice.stage == stage).count();
        NoticeId::derived(Fingerprint::of_parts(&[
            b"notice",
            self.incident.id.as_str().as_bytes(),
            stage.as_str().as_bytes(),
            &u64::try_from(occurrence).unwrap_or(u64::MAX).to_le_bytes(),
        ]))
    }

    /// Intents of a notice that haven't left are taken back: whoever waited for one was told nothing by it.
    /// Returns how many.
    pub(crate) fn untell_planned(&mut self, index: usize) -> u64 {
        let Some(record) = self.records.get(index) else {
            return 0;
        };
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let mut count = 0;
        for sent in record
            .intents
            .values()
            .filter(|s| s.state == IntentState::Planned)
        {
            count += 1;
            if let Some(told) = self.told.get_mut(&sent.person)
                && told.notice == number
            {
                told.last = told.before;
            }
        }
        count
    }
}
