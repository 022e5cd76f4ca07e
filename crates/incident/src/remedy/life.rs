//! The life of one remedy of one incident.

use std::sync::Arc;

use forecall_types::{Acknowledgement, EventTime, Remedy, RemedyMode, RemedyOutcome, RemedyStage};
use serde::{Deserialize, Serialize};

use super::limit::Slot;
use super::rule::{BY_RULE, Consent, RemedyRule};

/// Whether somebody was called, or would have been.
pub(super) fn was_called(outcome: RemedyOutcome) -> bool {
    outcome.stage() != RemedyStage::Lapsed
}

/// A remedy. It begins withheld or proposed, and goes on as the table allows; its fields can't be set, and what an event says of it
/// comes from here. To be approved takes a [`Consent`], which only its rule gives, and a [`Slot`], which only its limit gives.
///
/// | from \\ | offer | approve | take back | reject | lapse | settle |
/// |---|---|---|---|---|---|---|
/// | withheld | proposed | | | | lapsed | |
/// | proposed | | approved | | rejected | lapsed | |
/// | approved | | | withheld | rejected | lapsed | done, failed, rehearsed; lapsed where nobody was called |
/// | withheld since it was taken back | | | | | lapsed | done, failed, rehearsed; withheld as if it had never been approved where nobody was called |
/// | lapsed or rejected after it was approved | | | | | | done, failed, rehearsed, once: a call that was under way is told |
/// | all others | | | | | | |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemedyLife {
    fact: Remedy,
    /// What it has come to isn't told yet.
    is_news: bool,
    /// Withheld by its limit: when there is room again.
    again_at: Option<EventTime>,
    /// Once approved: nobody is called from here on, whatever became of it since.
    call_by: Option<EventTime>,
}

impl RemedyLife {
    fn begin(rule: &RemedyRule, stage: RemedyStage, why: String) -> Self {
        let parts = rule.parts();
        Self {
            fact: Remedy {
                rule: parts.name.clone(),
                label: parts.label.clone(),
                mode: parts.mode,
                dry_run: parts.dry_run,
                digest: Arc::clone(&parts.digest),
                stage,
                revision: 0,
                at: EventTime::MIN,
                by: Arc::from(BY_RULE),
                until: None,
                approved: None,
                outcome: None,
                status: None,
                why,
            },
            is_news: true,
            again_at: None,
            call_by: None,
        }
    }

    /// It is for the incident, and something holds it back.
    pub(super) fn withheld(rule: &RemedyRule, why: String, again_at: Option<EventTime>) -> Self {
        Self {
            again_at,
            ..Self::begin(rule, RemedyStage::Withheld, why)
        }
    }

    /// It is for the incident.
    pub(super) fn proposed(rule: &RemedyRule, now: EventTime) -> Self {
        let mut life = Self::begin(rule, RemedyStage::Withheld, String::new());
        life.offer(rule, now);
        life
    }

    /// What an event says of it.
    pub(crate) const fn fact(&self) -> &Remedy {
        &self.fact
    }

    pub(super) const fn stage(&self) -> RemedyStage {
        self.fact.stage
    }

    /// Whether it was ever to be called.
    pub(super) const fn was_approved(&self) -> bool {
        self.fact.approved.is_some()
    }

    /// Whether the receiver was called, or would have been by what is no dry run.
    pub(super) fn was_called(&self) -> bool {
        self.fact.outcome.is_some_and(was_called)
    }

    /// Up to when it may have been called where nobody has told yet whether it was; `None`: that is known, or it was never to be.
    pub(super) const fn untold_until(&self) -> Option<EventTime> {
        match (&self.fact.approved, self.fact.outcome) {
            (Some(_), None) => self.call_by,
            (Some(_), Some(_)) | (None, _) => None,
        }
    }

    /// Whether what becomes of the incident may still bring it on.
    pub(super) const fn waits(&self) -> bool {
        matches!(
            self.fact.stage,
            RemedyStage::Withheld | RemedyStage::Proposed | RemedyStage::Approved
        )
    }

    /// When time alone brings it on.
    pub(super) const fn next_due(&self) -> Option<EventTime> {
        match self.fact.stage {
            RemedyStage::Proposed | RemedyStage::Approved => self.fact.until,
            RemedyStage::Withheld => self.again_at,
            RemedyStage::Rejected
            | RemedyStage::Lapsed
            | RemedyStage::Done
            | RemedyStage::Failed
            | RemedyStage::Rehearsed => None,
        }
    }

    fn enter(&mut self, stage: RemedyStage, by: &str, why: String) {
        self.fact.stage = stage;
        self.fact.by = Arc::from(by);
        self.fact.why = why;
        self.fact.until = None;
        self.again_at = None;
        self.is_news = true;
    }

    /// The time at which its limit had room has passed.
    pub(super) fn looked_at(&mut self, now: EventTime) {
        self.again_at = self.again_at.filter(|at| *at > now);
    }

    /// Still held back, perhaps by something else.
    pub(super) fn hold(&mut self, why: String, again_at: Option<EventTime>) {
        if self.fact.stage == RemedyStage::Withheld {
            self.is_news |= self.fact.why != why;
            self.fact.why = why;
            self.again_at = again_at;
        }
    }

    /// Nothing holds it back any more.
    pub(super) fn offer(&mut self, rule: &RemedyRule, now: EventTime) {
        // One that was taken back may have been called all the same.
        if self.fact.stage != RemedyStage::Withheld || self.was_approved() {
            return;
        }
        let why = match rule.parts().mode {
            RemedyMode::Propose => "only proposed: its rule is never called",
            RemedyMode::Run => "waits for a word",
            RemedyMode::Unattended => "its rule asks nobody",
        };
        self.enter(RemedyStage::Proposed, BY_RULE, why.into());
        self.fact.until = Some(now.plus(rule.parts().expires_after));
    }

    /// It may be called.
    pub(super) fn approve(&mut self, consent: &Consent, _: Slot, rule: &RemedyRule, now: EventTime) {
        if self.fact.stage != RemedyStage::Proposed {
            return;
        }
        let by = consent.by();
        let why = if **by == *BY_RULE {
            "its rule asks nobody".into()
        } else {
            format!("by {by}")
        };
        self.enter(RemedyStage::Approved, by, why);
        self.fact.until = Some(now.plus(rule.parts().expires_after));
        self.call_by = self.fact.until;
        self.fact.approved = Some(Acknowledgement {
            at: now,
            by: Arc::clone(by),
        });
    }

    /// What was approved isn't called for now: another call for the same trouble may be under way.
    pub(super) fn take_back(&mut self, why: String) {
        if self.fact.stage == RemedyStage::Approved {
            self.enter(RemedyStage::Withheld, BY_RULE, why);
        }
    }

    /// A person says no; `false`: it is too late, or too early, for that.
    pub(super) fn reject(&mut self, by: &str) -> bool {
        if !matches!(self.fact.stage, RemedyStage::Proposed | RemedyStage::Approved) {
            return false;
        }
        self.enter(RemedyStage::Rejected, by, format!("by {by}"));
        true
    }

    /// Nobody is called from now on.
    pub(super) fn lapse(&mut self, by: &str, why: String) {
        if self.waits() {
            self.enter(RemedyStage::Lapsed, by, why);
        }
    }

    /// What became of the call; `false`: there was none to be made, or that was told before.
    pub(super) fn settle(&mut self, outcome: RemedyOutcome, status: Option<u32>, by: &str) -> bool {
        let is_over = match self.fact.stage {
            RemedyStage::Approved => false,
            RemedyStage::Withheld | RemedyStage::Lapsed | RemedyStage::Rejected => {
                !self.was_approved() || self.fact.outcome.is_some()
            }
            RemedyStage::Proposed | RemedyStage::Done | RemedyStage::Failed | RemedyStage::Rehearsed => true,
        };
        if is_over {
            return false;
        }
        let class = outcome.as_str();
        let answer = status.map_or_else(|| class.to_owned(), |s| format!("{class} (HTTP {s})"));
        match outcome.stage() {
            RemedyStage::Lapsed if self.fact.stage == RemedyStage::Withheld => {
                self.enter(RemedyStage::Withheld, by, format!("nobody was called: {class}"));
                self.fact.approved = None;
                self.call_by = None;
                return true;
            }
            // That nobody was called is no news of one whose time is over.
            RemedyStage::Lapsed if self.fact.stage != RemedyStage::Approved => self.is_news = true,
            stage @ (RemedyStage::Done | RemedyStage::Rehearsed) => {
                self.enter(
                    stage,
                    by,
                    if outcome == RemedyOutcome::Done {
                        format!("called: {answer}")
                    } else {
                        "dry run: nobody was called".into()
                    },
                );
            }
            RemedyStage::Lapsed => self.enter(RemedyStage::Lapsed, by, format!("nobody was called: {class}")),
            stage => self.enter(stage, by, format!("called and not taken: {answer}")),
        }
        self.fact.outcome = Some(outcome);
        self.fact.status = status;
        true
    }

    /// What is news of it is told by this revision.
    pub(super) fn tell(&mut self, revision: u32, at: EventTime) {
        if self.is_news {
            self.is_news = false;
            self.fact.revision = revision;
            self.fact.at = at;
        }
    }

    /// What is news of it.
    pub(super) fn news(&self) -> Option<String> {
        let Remedy {
            rule,
            label,
            stage,
            why,
            ..
        } = &self.fact;
        let label = match stage {
            RemedyStage::Proposed | RemedyStage::Approved => format!(" ({label})"),
            RemedyStage::Withheld
            | RemedyStage::Rejected
            | RemedyStage::Lapsed
            | RemedyStage::Done
            | RemedyStage::Failed
            | RemedyStage::Rehearsed => String::new(),
        };
        self.is_news
            .then(|| format!("remedy {rule} {}{label}: {why}", stage.as_str()))
    }
}
