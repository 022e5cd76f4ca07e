//! What people say of notices: this text may go, it waits, it goes now, it was wrong; what was done, and what is given for it.
//!
//! | word | releases or does | never goes past |
//! |---|---|---|
//! | approve | the wait for an approval, a person's hold, a ramp that stopped | kill switch, policy, consent, STOP, caps, night |
//! | send | hold, hold-out, the steps of a ramp; the night too, where two teams stand behind it (R7) | kill switch, policy, approval, consent, STOP, caps, a ramp that stopped |
//! | hold | keeps a stage back until its very text is approved or sent | – |
//! | take back | a correction to those who were reached, at once; openings then wait for a person | kill switch |
//!
//! Each names a text where one goes out by it: what nobody has read doesn't.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_types::{
    Action, Command, Compensation, CompensationUnit, EventTime, HoldReason, IncidentId, IncidentState,
    IntentState, NoticeId, NoticeStage, RejectReason, Remark,
};

use super::domain::{Desk, Domain, Office};
use super::plan::{close, on_news, tell};
use super::policy::{is_closing, is_opening};
use super::record::{Given, Hold, SaidStep, Thread, Voices};
use super::thread::{LastTold, News};
use crate::settings::{OutreachSettings, Words};
use crate::words::{Said, step_mistake};

/// Why a word isn't taken.
pub(super) type Refused = (RejectReason, String);

pub(super) fn no<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err((RejectReason::NotAllowed, why.into()))
}

impl Domain {
    /// Does what a person says of notices.
    pub(super) fn steer(&mut self, command: &Command, office: &mut Office<'_>) {
        let (at, by) = (command.at, &command.by);
        let done = match &command.action {
            Action::Approve { notice, text } => self.approve((notice, text), by, at, office),
            Action::Hold { notice, reason } => self.hold(notice, reason, by, at, office),
            Action::Send { notice, text } => self.send((notice, text), by, at, office),
            Action::TakeBack { notice } => self.take_notice_back(notice, by, at, office),
            Action::Say { incident, fa, en } => {
                let words = Words::new(fa.as_str(), en.as_str());
                let by = Arc::clone(by);
                self.say(incident, Said { words, by }, at, office)
            }
            Action::Compensate {
                incident,
                compensation,
            } => self.compensate(incident, *compensation, by, office.settings),
            Action::Drill {
                scope,
                severity,
                minutes,
            } => self.drill(command, (scope, *severity), *minutes, office),
            Action::EndDrill { incident } => self.end_drill(incident, at, office),
            Action::Kill { on } => {
                self.kill(*on, at, office);
                Ok(())
            }
            Action::Declare { .. }
            | Action::Acknowledge { .. }
            | Action::Eta { .. }
            | Action::Step { .. }
            | Action::Attribute { .. }
            | Action::Retract { .. }
            | Action::Close { .. }
            | Action::Review { .. }
            | Action::Merge { .. }
            | Action::Split { .. }
            | Action::Plan { .. }
            | Action::Silence { .. }
            | Action::Unsilence { .. }
            | Action::Remedy { .. }
            | Action::RemedyResult { .. }
            | Action::Remedies { .. } => no("a command on an incident belongs to the log of correlate"),
        };
        if let Err((reason, why)) = done {
            office.effects.reject(reason, why);
        }
    }

    /// Where a notice stands that may still go.
    fn open_notice<'a>(
        &'a mut self,
        notice: &NoticeId,
        word: &str,
        office: &'a mut Office<'_>,
    ) -> Result<(Desk<'a>, &'a mut Thread, usize), Refused> {
        let incident = self.notices.get(notice).cloned();
        let (desk, threads) = self.open(office);
        let found = incident.and_then(|i| threads.get_mut(&i)).and_then(|thread| {
            let index = thread.index_of(notice)?;
            Some((thread, index))
        });
        let Some((thread, index)) = found else {
            return no(format!("{word} of a notice that isn't known"));
        };
        Ok((desk, thread, index))
    }

    /// Alike, and its text is the one that was read.
    fn read_notice<'a>(
        &'a mut self,
        (notice, text): (&NoticeId, &Arc<str>),
        word: &str,
        office: &'a mut Office<'_>,
    ) -> Result<(Desk<'a>, &'a mut Thread, usize), Refused> {
        let (desk, thread, index) = self.open_notice(notice, word, office)?;
        match thread.records.get(index) {
            Some(record) if record.closed => no(format!("{word} of a notice that later news has overtaken")),
            Some(record) if record.notice.text_fingerprint != *text => {
                no(format!("{word} of another text than the notice has now"))
            }
            Some(_) | None => Ok((desk, thread, index)),
        }
    }

    fn approve(
        &mut self,
        (notice, text): (&NoticeId, &Arc<str>),
        by: &Arc<str>,
        at: EventTime,
        office: &mut Office<'_>,
    ) -> Result<(), Refused> {
        let (mut desk, thread, index) = self.read_notice((notice, text), "approval", office)?;
        let Some(record) = thread.records.get_mut(index) else {
            return Ok(());
        };
        if record.facts.said.as_ref().is_some_and(|said| said.by == *by) {
            return no("the team that wrote the step doesn't approve it: another one does");
        }
        record.approved.add(text, by);
        let (news, opens) = (record.news, is_opening(record.notice.stage));
        if let Some(step) = &mut thread.said
            && record.facts.said.as_ref() == Some(&step.said)
        {
            step.is_approved = true;
        }
        if opens {
            thread.ramp_released(index, at);
        }
        tell(&mut desk, thread, news, at);
        lift_released(thread, index, at);
        Ok(())
    }

    fn hold(
        &mut self,
        notice: &NoticeId,
        reason: &Remark,
        by: &Arc<str>,
        at: EventTime,
        office: &mut Office<'_>,
    ) -> Result<(), Refused> {
        let (mut desk, thread, index) = self.open_notice(notice, "hold", office)?;
        let Some(record) = thread.records.get(index) else {
            return Ok(());
        };
        let (stage, news) = (record.notice.stage, record.news);
        if record.closed {
            return no("hold of a notice that later news has overtaken");
        }
        if stage == NoticeStage::Retraction {
            return no("a correction isn't held back by itself: the kill switch stops all");
        }
        if thread.holds.contains_key(&stage) {
            return Err((RejectReason::Duplicate, "it is held back already".into()));
        }
        let hold = Hold {
            by: Arc::clone(by),
            reason: Arc::from(reason.as_str()),
        };
        let why = format!("held back by {by}: {reason}");
        thread.holds.insert(stage, hold);
        // What was said of its text before is void: to hold it is the later word.
        if let Some(record) = thread.records.get_mut(index) {
            record.approved = Voices::default();
            record.sent = Voices::default();
        }
        if has_planned(thread, index) {
            // Its intents are used up, so a new notice goes on from here.
            close(&mut desk, thread, index, HoldReason::Person, (at, &why));
        }
        tell(&mut desk, thread, news, at);
        Ok(())
    }

    fn send(
        &mut self,
        (notice, text): (&NoticeId, &Arc<str>),
        by: &Arc<str>,
        at: EventTime,
        office: &mut Office<'_>,
    ) -> Result<(), Refused> {
        let killed = self.killed;
        let (mut desk, thread, index) = self.read_notice((notice, text), "release", office)?;
        let has_stopped = thread.ramp_has_stopped();
        let Some(record) = thread.records.get_mut(index) else {
            return Ok(());
        };
        let waits_for = |reason| record.notice.withheld.get(&reason).is_some_and(|n| *n > 0);
        let opens = is_opening(record.notice.stage);
        if killed {
            return no("the kill switch is on: turn it off first");
        }
        if waits_for(HoldReason::Approval) {
            return no("its text waits for an approval: approve it first");
        }
        if opens && has_stopped {
            return no("its ramp has stopped itself: approve the text to go on");
        }
        let delayed = [
            HoldReason::Person,
            HoldReason::QuietHours,
            HoldReason::HoldOut,
            HoldReason::Ramp,
        ];
        if !delayed.into_iter().any(waits_for) {
            return no("nothing of it waits for what a person can let go");
        }
        record.sent.add(text, by);
        let news = record.news;
        if opens {
            thread.ramp_skip(at, desk.settings);
            if let Some(trial) = thread.trial.as_mut().filter(|trial| !trial.is_over) {
                trial.until = trial.until.min(at);
            }
        }
        tell(&mut desk, thread, news, at);
        lift_released(thread, index, at);
        Ok(())
    }

    fn take_notice_back(
        &mut self,
        notice: &NoticeId,
        by: &Arc<str>,
        at: EventTime,
        office: &mut Office<'_>,
    ) -> Result<(), Refused> {
        let (mut desk, thread, index) = self.open_notice(notice, "taking back", office)?;
        let stage = thread.records.get(index).map(|record| record.notice.stage);
        if stage.is_none_or(is_closing) {
            return no("an end or a correction isn't taken back: where it still fails, declare the incident");
        }
        if thread.taken_back.is_some() || thread.incident.state == IncidentState::Retracted {
            return Err((RejectReason::Duplicate, "it is taken back already".into()));
        }
        thread.taken_back = Some(Arc::clone(by));
        for stage in [NoticeStage::Predicted, NoticeStage::Confirmed] {
            let hold = Hold {
                by: Arc::clone(by),
                reason: Arc::from("what was told was taken back"),
            };
            thread.holds.insert(stage, hold);
        }
        on_news(&mut desk, thread, News::Retracted, at);
        // What would be told instead stands there to be read, and waits.
        let news: Vec<News> = thread.standing().collect();
        for news in news {
            tell(&mut desk, thread, news, at);
        }
        Ok(())
    }

    fn say(
        &mut self,
        incident: &IncidentId,
        said: Said,
        at: EventTime,
        office: &mut Office<'_>,
    ) -> Result<(), Refused> {
        if let Some(mistake) = step_mistake(&said.words.fa, &said.words.en) {
            return Err((RejectReason::BadValue, mistake));
        }
        let (mut desk, threads) = self.open(office);
        let Some(thread) = threads.get_mut(incident) else {
            return no("a step of an incident that isn't known");
        };
        if thread.incident.state != IncidentState::Confirmed || thread.incident.work.is_some() {
            return no("a step is told while the trouble is there");
        }
        let knows = |last| matches!(last, LastTold::Trouble | LastTold::TroubleWithEta);
        if !thread.told.values().any(|told| knows(told.last)) {
            return no("nobody was told of the trouble: there is nobody to tell a step");
        }
        thread.said = Some(SaidStep {
            said,
            is_newest: true,
            is_approved: false,
        });
        on_news(&mut desk, thread, News::Step, at);
        Ok(())
    }

    fn compensate(
        &mut self,
        incident: &IncidentId,
        what: Compensation,
        by: &Arc<str>,
        settings: &OutreachSettings,
    ) -> Result<(), Refused> {
        let Some(thread) = self.threads.get_mut(incident) else {
            return no("a compensation for an incident that isn't known");
        };
        if !thread.incident.state.is_open() {
            return no("it is over, and its end was told without: grant it outside of forecall");
        }
        if what.amount == 0 {
            return Err((RejectReason::BadValue, "an amount of nothing".into()));
        }
        if let Some(why) = over_budget(thread, what, &settings.compensation_budget) {
            return no(why);
        }
        match thread.given.as_mut().filter(|given| given.what == what) {
            Some(given) if given.by.contains(by) => {
                let why = "the same team has said so already: another one must";
                return Err((RejectReason::Duplicate, why.into()));
            }
            Some(given) => {
                given.by.insert(Arc::clone(by));
            }
            None => {
                let by = BTreeSet::from([Arc::clone(by)]);
                thread.given = Some(Given { what, by });
            }
        }
        Ok(())
    }
}

/// Whoever had it held has what they asked for: a word on the very text. One that was written anew meanwhile has none.
fn lift_released(thread: &mut Thread, index: usize, at: EventTime) {
    let record = thread.records.get(index);
    if let Some(record) = record.filter(|record| !record.closed && record.is_released()) {
        let stage = record.notice.stage;
        thread.lift(stage, at);
    }
}

/// Whether anything of it hasn't left yet.
fn has_planned(thread: &Thread, index: usize) -> bool {
    let record = thread.records.get(index);
    record.is_some_and(|record| record.count(IntentState::Planned) > 0)
}

/// Why so much can't be promised to all who were told.
fn over_budget(
    thread: &Thread,
    what: Compensation,
    budgets: &BTreeMap<CompensationUnit, u64>,
) -> Option<String> {
    let unit = what.unit.as_str();
    let Some(budget) = budgets.get(&what.unit) else {
        return Some(format!("`outreach.compensation_budget` has nothing in {unit}"));
    };
    let told = thread.told.values().filter(|one| one.last != LastTold::Nothing);
    let people = told.count();
    let people = u64::try_from(people).unwrap_or(u64::MAX);
    let all = people.saturating_mul(what.amount);
    (all > *budget).then(|| {
        format!("{people} people get {all} {unit} together, above `outreach.compensation_budget` of {budget}")
    })
}

impl Thread {
    /// What is given: two teams have said the same, and it suffices for all.
    pub(super) fn given_now(&self, settings: &OutreachSettings) -> Option<&Given> {
        let given = self.given.as_ref().filter(|given| given.by.len() >= 2)?;
        over_budget(self, given.what, &settings.compensation_budget)
            .is_none()
            .then_some(given)
    }
}
