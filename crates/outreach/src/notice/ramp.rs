//! An opening goes to few first, then to more, then to all, and stops itself where something is wrong (ADR 59).
//!
//! Whether it goes on is told by what came of those messages that were sent: their receipts, and those of the people reached who
//! answer STOP or that it isn't true. Once its last step was looked at like the others, or the incident has ended, it is over.

use std::collections::BTreeSet;
use std::time::Duration;

use forecall_stage::Effects;
use forecall_stats::binomial_tail;
use forecall_types::{
    EventTime, HoldReason, IntentState, NoticeRamp, NoticeStage, Probability, Purpose, RampStop,
};
use serde::{Deserialize, Serialize};

use super::directory::{Person, PersonNo};
use super::policy::{in_share, is_opening, purpose_of};
use super::record::{Record, Thread};
use crate::settings::{OutreachSettings, RampSettings};
use crate::stage::OutreachOutput;

/// It stops where so many failures had a smaller chance than this if their share were what is borne: the lower bound of 95 % of
/// Clopper and Pearson (Biometrika 26, 1934) has passed it. Exact, however few the answers are.
const DOUBT: f64 = 0.05;

/// How far the opening of one incident has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ramp {
    /// Steps behind it: as many as there are shares, and everybody is told.
    steps: usize,
    /// When this step began.
    since: EventTime,
    /// The first of the thread's notices that counts: what stopped before a person let it go on doesn't.
    from: usize,
    /// Failures since the last success.
    row: u32,
    /// Of those it reached, who wanted no more.
    stops: BTreeSet<PersonNo>,
    /// Of those it reached, who wrote that it isn't true.
    untrue: BTreeSet<PersonNo>,
    stopped: Option<RampStop>,
    /// Nothing is judged any more.
    over: bool,
}

/// What came of an opening's messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    reached: u64,
    failed: u64,
    /// Not answered yet, or never.
    open: u64,
}

/// What holds of the ramp while a message is planned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Stand {
    /// There is none, or it is over.
    Everybody,
    /// This share of the people.
    Share(f64),
    /// Nobody more.
    Stopped(RampStop),
}

/// How far the ramp of this message stands; `reach`: people it could go to.
pub(crate) fn stand(thread: &Thread, stage: NoticeStage, reach: u64, settings: &OutreachSettings) -> Stand {
    let Some(rule) = &settings.ramp else {
        return Stand::Everybody;
    };
    if !is_opening(stage)
        || thread.drill_until.is_some()
        || purpose_of(&thread.incident, settings) == Purpose::Safety
    {
        return Stand::Everybody;
    }
    let steps = match &thread.ramp {
        Some(Ramp {
            stopped: Some(why), ..
        }) => return Stand::Stopped(*why),
        Some(ramp) => ramp.steps,
        None if reach < rule.people_min => return Stand::Everybody,
        None => 0,
    };
    let share = rule.shares.get(steps);
    share.map_or(Stand::Everybody, |share| Stand::Share(share.get()))
}

/// Whether a person waits for a later step. Whoever has heard of the trouble already doesn't.
pub(crate) fn waits(thread: &Thread, stand: Stand, (no, person): (PersonNo, &Person)) -> bool {
    let share = match stand {
        Stand::Everybody => return false,
        Stand::Share(share) => share,
        Stand::Stopped(_) => 0.0,
    };
    // The word in front makes it another draw than those of pilot and hold-out.
    let parts: [&[u8]; 3] = [
        b"ramp",
        thread.incident.id.as_str().as_bytes(),
        person.id.as_str().as_bytes(),
    ];
    !thread.told.contains_key(&no) && !in_share(&parts, share)
}

/// Why it stopped, for an operator.
pub(crate) const fn why(stop: RampStop) -> &'static str {
    match stop {
        RampStop::Failures => {
            "the ramp has stopped: too many of its messages failed; approve the text to go on"
        }
        RampStop::FailuresInARow => {
            "the ramp has stopped: several messages in a row failed; approve the text to go on"
        }
        RampStop::Stops => {
            "the ramp has stopped: too many of those it reached want no more; approve the text to go on"
        }
        RampStop::Untrue => {
            "the ramp has stopped: too many of those it reached write that it isn't true; approve the text to go on"
        }
    }
}

impl Ramp {
    fn begin(at: EventTime, from: usize) -> Self {
        Self {
            steps: 0,
            since: at,
            from,
            row: 0,
            stops: BTreeSet::new(),
            untrue: BTreeSet::new(),
            stopped: None,
            over: false,
        }
    }

    fn counts(&self, records: &[Record]) -> Counts {
        let mut counts = Counts::default();
        for record in openings(records, self.from) {
            counts.reached += record.count(IntentState::Accepted) + record.count(IntentState::Delivered);
            counts.failed += record.count(IntentState::Failed);
            counts.open += record.count(IntentState::Planned)
                + record.count(IntentState::Sending)
                + record.count(IntentState::Unknown);
        }
        counts
    }

    /// What stops it now.
    fn judge(&self, counts: Counts, rule: &RampSettings) -> Option<RampStop> {
        let Counts { reached, failed, .. } = counts;
        let (stops, untrue) = (count(&self.stops), count(&self.untrue));
        // Rounding must not stop anything.
        let is_beyond = |part: u64, whole, borne: Probability| {
            part <= whole && binomial_tail(part, whole, borne.get()) < DOUBT * (1.0 - 1e-9)
        };
        if self.row >= rule.failed_in_a_row {
            Some(RampStop::FailuresInARow)
        } else if is_beyond(failed, failed + reached, rule.failed_max) {
            Some(RampStop::Failures)
        } else if is_beyond(stops, reached, rule.stops_max) {
            Some(RampStop::Stops)
        } else if is_beyond(untrue, reached, rule.untrue_max) {
            Some(RampStop::Untrue)
        } else {
            None
        }
    }

    fn told(&self, records: &[Record], rule: &RampSettings) -> NoticeRamp {
        let counts = self.counts(records);
        NoticeRamp {
            share: rule.shares.get(self.steps).copied().unwrap_or(Probability::ONE),
            reached: counts.reached,
            failed: counts.failed,
            stops: count(&self.stops),
            untrue: count(&self.untrue),
            stopped: self.stopped,
            over: self.over,
        }
    }

    /// The directory forgets a person.
    pub(crate) fn forget(&mut self, no: PersonNo) {
        self.stops.remove(&no);
        self.untrue.remove(&no);
    }

    /// Whether anything of it is still judged.
    pub(crate) const fn is_over(&self) -> bool {
        self.over
    }
}

fn count(people: &BTreeSet<PersonNo>) -> u64 {
    u64::try_from(people.len()).unwrap_or(u64::MAX)
}

/// The openings among a thread's notices, from one on.
fn openings(records: &[Record], from: usize) -> impl Iterator<Item = &Record> {
    let after = records.iter().skip(from);
    after.filter(|record| is_opening(record.notice.stage))
}

impl Thread {
    /// It begins where anybody is told, or waits for a later step.
    pub(crate) fn ramp_up(&mut self, stand: Stand, index: usize, at: EventTime) {
        if matches!(stand, Stand::Share(_)) && self.ramp.is_none() {
            self.ramp = Some(Ramp::begin(at, index));
        }
    }

    /// How far the ramp has come, for the notice.
    pub(crate) fn ramp_told(&self, settings: &OutreachSettings) -> Option<NoticeRamp> {
        let (ramp, rule) = self.ramp.as_ref().zip(settings.ramp.as_ref())?;
        Some(ramp.told(&self.records, rule))
    }

    /// The next step, where this one was looked at for long enough and half of its messages have an answer; after the last, or with
    /// the incident, it is over.
    pub(crate) fn ramp_on(
        &mut self,
        at: EventTime,
        killed: bool,
        (settings, effects): (&OutreachSettings, &mut Effects<OutreachOutput>),
    ) {
        let Some(rule) = &settings.ramp else {
            self.ramp = None;
            return;
        };
        let Some(ramp) = self.ramp.as_mut().filter(|ramp| !ramp.over) else {
            return;
        };
        if self.closed_at.is_some() {
            return self.ramp_over(at, rule, effects);
        }
        // What is held back shows nothing, however long one looks.
        let is_held = self.holds.keys().any(|stage| is_opening(*stage));
        let wait = Duration::from_secs(u64::from(rule.wait_minutes) * 60);
        if killed || is_held || ramp.stopped.is_some() || at.since(ramp.since) < wait {
            return;
        }
        let counts = ramp.counts(&self.records);
        if counts.open > counts.reached + counts.failed {
            return;
        }
        if ramp.steps >= rule.shares.len() {
            return self.ramp_over(at, rule, effects);
        }
        ramp.steps += 1;
        ramp.since = at;
        self.look_again = true;
    }

    /// Says once that it is over, with the last notice that it let out.
    fn ramp_over(&mut self, at: EventTime, rule: &RampSettings, effects: &mut Effects<OutreachOutput>) {
        let Some(ramp) = &mut self.ramp else { return };
        ramp.over = true;
        let (from, told) = (ramp.from, ramp.told(&self.records, rule));
        let let_out = |r: &&mut Record| is_opening(r.notice.stage) && !r.intents.is_empty();
        if let Some(record) = self.records.iter_mut().skip(from).rev().find(let_out) {
            record.notice.ramp = Some(told);
            record.publish(at, "the ramp is over".into(), effects);
        }
    }

    /// The incident goes on after its end: what is told of it now begins another ramp.
    pub(crate) fn ramp_again(&mut self) {
        if self.ramp.as_ref().is_some_and(Ramp::is_over) {
            self.ramp = None;
        }
    }

    /// What was held back goes on with the step it was at: that is looked at from now on.
    pub(crate) fn ramp_resumed(&mut self, at: EventTime) {
        if let Some(ramp) = &mut self.ramp {
            ramp.since = at;
        }
    }

    /// A person lets all of it go now.
    pub(crate) fn ramp_skip(&mut self, at: EventTime, settings: &OutreachSettings) {
        if let (Some(ramp), Some(rule)) = (&mut self.ramp, &settings.ramp)
            && ramp.stopped.is_none()
            && ramp.steps < rule.shares.len()
        {
            ramp.steps = rule.shares.len();
            ramp.since = at;
        }
    }

    /// Whether it has stopped itself and waits for a person.
    pub(crate) fn ramp_has_stopped(&self) -> bool {
        self.ramp.as_ref().is_some_and(|ramp| ramp.stopped.is_some())
    }

    /// A message of the notice at `index` has come to an answer.
    pub(crate) fn ramp_answer(
        &mut self,
        index: usize,
        state: IntentState,
        at: EventTime,
        (settings, effects): (&OutreachSettings, &mut Effects<OutreachOutput>),
    ) {
        let opens = self
            .records
            .get(index)
            .is_some_and(|r| is_opening(r.notice.stage));
        let Some(ramp) = self.ramp.as_mut().filter(|ramp| opens && index >= ramp.from) else {
            return;
        };
        match state {
            IntentState::Failed => ramp.row = ramp.row.saturating_add(1),
            IntentState::Accepted | IntentState::Delivered => ramp.row = 0,
            IntentState::Planned | IntentState::Sending | IntentState::Unknown => return,
        }
        self.ramp_check(at, settings, effects);
    }

    /// Somebody wants no more (`Stops`), or writes that it isn't true (`Untrue`).
    pub(crate) fn ramp_refused(
        &mut self,
        no: PersonNo,
        why: RampStop,
        at: EventTime,
        (settings, effects): (&OutreachSettings, &mut Effects<OutreachOutput>),
    ) {
        let was_told = self.told.contains_key(&no);
        let Some(ramp) = self.ramp.as_mut().filter(|ramp| was_told && !ramp.over) else {
            return;
        };
        match why {
            RampStop::Stops => ramp.stops.insert(no),
            RampStop::Untrue => ramp.untrue.insert(no),
            RampStop::Failures | RampStop::FailuresInARow => return,
        };
        self.ramp_check(at, settings, effects);
    }

    /// Stops the ramp where something is wrong: what hasn't left is taken back, and a notice that says why waits for a person.
    fn ramp_check(
        &mut self,
        at: EventTime,
        settings: &OutreachSettings,
        effects: &mut Effects<OutreachOutput>,
    ) {
        let (Some(ramp), Some(rule)) = (&mut self.ramp, &settings.ramp) else {
            return;
        };
        if ramp.stopped.is_some() || ramp.over {
            return;
        }
        let Some(stop) = ramp.judge(ramp.counts(&self.records), rule) else {
            return;
        };
        ramp.stopped = Some(stop);
        let from = ramp.from;
        let told = ramp.told(&self.records, rule);
        for index in from..self.records.len() {
            let stopped = self.untell_planned(index);
            let opens = |r: &&mut Record| is_opening(r.notice.stage) && !r.closed;
            let Some(record) = self.records.get_mut(index).filter(opens) else {
                continue;
            };
            // Its intents are used up, so a new notice goes on from here.
            record.drop_holds(HoldReason::Ramp);
            *record.notice.withheld.entry(HoldReason::Ramp).or_default() += stopped;
            record.notice.ramp = Some(told.clone());
            record.publish(at, why(stop).into(), effects);
            if stopped > 0 {
                effects.emit(OutreachOutput::CancelIntents {
                    notice: record.notice.id.clone(),
                    customer: None,
                    reason: HoldReason::Ramp,
                });
            }
        }
        self.look_again = self.closed_at.is_none();
    }

    /// A person has approved the text that the ramp stopped with: it goes on with the step it was at, and counts anew.
    pub(crate) fn ramp_released(&mut self, index: usize, at: EventTime) {
        if let Some(ramp) = self.ramp.as_mut().filter(|ramp| ramp.stopped.is_some()) {
            *ramp = Ramp {
                steps: ramp.steps,
                ..Ramp::begin(at, index)
            };
        }
    }
}
