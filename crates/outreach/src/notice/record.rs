//! What is kept of a thread and of each of its notices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_types::{
    Compensation, EventTime, Fingerprint, HoldReason, Incident, IntentId, IntentState, Notice, NoticeId,
    NoticeStage, NoticeState, RampStop, Withheld,
};
use serde::{Deserialize, Serialize};

use super::cries::{Cries, Place};
use super::directory::{Directory, PersonNo};
use super::hold_out::Trial;
use super::policy::is_opening;
use super::promise::Promises;
use super::ramp::Ramp;
use super::thread::{LastTold, News, standing_news};
use crate::stage::OutreachOutput;
use crate::words::{Facts, Said};
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

impl Told {
    /// Whether they know of trouble that isn't over.
    pub(crate) const fn knows(&self) -> bool {
        match self.last {
            LastTold::Predicted | LastTold::Trouble | LastTold::TroubleWithEta => true,
            LastTold::Nothing | LastTold::Closed => false,
        }
    }

    /// As another thread knows it: it was told by none of its notices.
    pub(crate) fn of_another(&self) -> Self {
        Self {
            before: self.last,
            notice: u32::MAX,
            ..self.clone()
        }
    }
}

/// One intent of a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) person: PersonNo,
    pub(crate) state: IntentState,
}

/// Teams that said yes to a text. Another text needs other words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Voices {
    text: Option<Arc<str>>,
    teams: BTreeSet<Arc<str>>,
}

impl Voices {
    /// One more says yes to `text`; what was said of another one is void.
    pub(crate) fn add(&mut self, text: &Arc<str>, team: &Arc<str>) {
        if self.text.as_ref() != Some(text) {
            self.teams.clear();
            self.text = Some(Arc::clone(text));
        }
        self.teams.insert(Arc::clone(team));
    }

    /// Who said yes to `text`.
    pub(crate) fn on(&self, text: &str) -> impl Iterator<Item = &Arc<str>> {
        let same = self.text.as_deref() == Some(text);
        self.teams.iter().filter(move |_| same)
    }
}

/// A person's word that keeps a stage back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) by: Arc<str>,
    pub(crate) reason: Arc<str>,
}

/// A step in a person's words, and how far they have come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SaidStep {
    pub(crate) said: Said,
    /// It is the newest step.
    pub(crate) is_newest: bool,
    /// Another person has approved a text that says it.
    pub(crate) is_approved: bool,
}

/// What is given for the trouble, and the teams that say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) what: Compensation,
    pub(crate) by: BTreeSet<Arc<str>>,
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
    /// Who approved its texts.
    pub(crate) approved: Voices,
    /// Who said that it goes now.
    pub(crate) sent: Voices,
    /// Who wrote, after it, that it isn't true.
    pub(crate) untrue: BTreeSet<PersonNo>,
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
    pub(crate) fn new(notice: Notice, news: News, facts: Facts) -> Self {
        Self {
            notice,
            published: None,
            news,
            facts,
            approved: Voices::default(),
            sent: Voices::default(),
            untrue: BTreeSet::new(),
            closed: false,
            retracted: false,
            retry_at: None,
            intents: BTreeMap::new(),
            dirty: false,
            told_trial: false,
            withheld_from: BTreeMap::new(),
        }
    }

    /// Whether enough people have approved the text it has now: one, but where it says words of a person's own another one than that.
    pub(crate) fn is_approved(&self) -> bool {
        let writer = self.facts.said.as_ref().map(|said| &said.by);
        let mut teams = self.approved.on(&self.notice.text_fingerprint);
        teams.any(|team| Some(team) != writer)
    }

    /// Whether a person lets the text it has now go past what only delays it.
    pub(crate) fn is_sent(&self) -> bool {
        self.sent.on(&self.notice.text_fingerprint).next().is_some()
    }

    /// Whether a person has said yes to the text it has now, in either way.
    pub(crate) fn is_released(&self) -> bool {
        self.is_sent() || self.approved.on(&self.notice.text_fingerprint).next().is_some()
    }

    /// Teams that stand behind the text it has now.
    pub(crate) fn teams_behind(&self) -> usize {
        let text = &self.notice.text_fingerprint;
        let teams: BTreeSet<&Arc<str>> = self.approved.on(text).chain(self.sent.on(text)).collect();
        teams.len()
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
            .chain(&n.untrue.to_le_bytes())
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
                .chain(stopped.as_bytes())
                .chain(&[u8::from(ramp.over)]);
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
    /// What people hold back.
    pub(crate) holds: BTreeMap<NoticeStage, Hold>,
    /// Who said that what was told is wrong; nothing was told anew since.
    pub(crate) taken_back: Option<Arc<str>>,
    /// The last step in a person's words.
    pub(crate) said: Option<SaidStep>,
    /// What is given for it.
    pub(crate) given: Option<Given>,
    /// It is a rehearsal, and ends then.
    pub(crate) drill_until: Option<EventTime>,
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
            holds: BTreeMap::new(),
            taken_back: None,
            said: None,
            given: None,
            drill_until: None,
        }
    }

    /// News that holds for as long as it stands as it does: that what was told is wrong, and how the incident stands.
    pub(crate) fn standing(&self) -> impl Iterator<Item = News> + use<> {
        let taken_back = self.taken_back.as_ref().map(|_| News::Retracted);
        taken_back.into_iter().chain([standing_news(&self.incident)])
    }

    /// Nobody holds a stage back any more.
    pub(crate) fn lift(&mut self, stage: NoticeStage, at: EventTime) {
        if self.holds.remove(&stage).is_some() && is_opening(stage) {
            self.ramp_resumed(at);
        }
    }

    /// The record of a notice, by its place.
    pub(crate) fn index_of(&self, notice: &NoticeId) -> Option<usize> {
        self.records.iter().position(|r| r.notice.id == *notice)
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
