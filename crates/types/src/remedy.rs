use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Acknowledgement, EventTime, Remark, RemedyName};

/// How far a remedy may go by its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedyMode {
    /// It is told what could be done. Nobody is called, and there is nothing to approve.
    #[default]
    Propose,
    /// The webhook is called once a person has approved it.
    Run,
    /// The webhook is called without anybody being asked.
    Unattended,
}

impl RemedyMode {
    /// The name used in events and settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Propose => "propose",
            Self::Run => "run",
            Self::Unattended => "unattended",
        }
    }
}

/// Where a remedy of an incident stands. Which step may follow which is `incident`'s business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedyStage {
    /// It would be for this incident, and something holds it back: a silence, a storm, the switch, its limit.
    Withheld,
    /// It is told; where its rule may run, it waits for a person's word.
    Proposed,
    /// It may be called, once.
    Approved,
    /// A person has said no.
    Rejected,
    /// Its time is over: it is not called any more.
    Lapsed,
    /// It was called, and the receiver said yes.
    Done,
    /// It was called, and the receiver didn't say yes.
    Failed,
    /// It would have been called: its rule is a dry run.
    Rehearsed,
}

impl RemedyStage {
    /// The name used in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Withheld => "withheld",
            Self::Proposed => "proposed",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Lapsed => "lapsed",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Rehearsed => "rehearsed",
        }
    }
}

/// What became of an approved remedy, from a closed list: no answer of a receiver comes into an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedyOutcome {
    /// The receiver said yes.
    Done,
    /// Nobody was called: a dry run.
    Rehearsed,
    /// The receiver won't take it, ever.
    Refused,
    /// The receiver won't take anything of ours.
    Denied,
    /// Too fast.
    Throttled,
    /// The receiver has a fault.
    Server,
    /// No answer in time.
    Timeout,
    /// No connection.
    Unreachable,
    /// The other side couldn't show that it is the receiver.
    Tls,
    /// The connection broke, or the answer isn't one.
    Broken,
    /// Nobody was called: its time was over.
    Late,
    /// Nobody was called: its rule isn't the one that was approved.
    Changed,
    /// Nobody was called: by then the incident was over, silenced, part of a storm, or the word taken back.
    Unwanted,
}

impl RemedyOutcome {
    /// The name used in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Rehearsed => "rehearsed",
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::Server => "server",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Broken => "broken",
            Self::Late => "late",
            Self::Changed => "changed",
            Self::Unwanted => "unwanted",
        }
    }

    /// The stage it leads to.
    pub const fn stage(self) -> RemedyStage {
        match self {
            Self::Done => RemedyStage::Done,
            Self::Rehearsed => RemedyStage::Rehearsed,
            Self::Refused
            | Self::Denied
            | Self::Throttled
            | Self::Server
            | Self::Timeout
            | Self::Unreachable
            | Self::Tls
            | Self::Broken => RemedyStage::Failed,
            Self::Late | Self::Changed | Self::Unwanted => RemedyStage::Lapsed,
        }
    }
}

/// What one rule proposes for an incident, and how far that has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// The rule, as the settings name it.
    pub rule: RemedyName,
    /// What it does.
    pub label: Remark,
    /// How far it may go.
    pub mode: RemedyMode,
    /// Nobody is called, even where it is approved.
    pub dry_run: bool,
    /// Digest of the rule that proposed it: only this very rule is called.
    pub digest: Arc<str>,
    /// Where it stands.
    pub stage: RemedyStage,
    /// The incident's revision that first told so.
    pub revision: u32,
    /// Event time of that revision.
    pub at: EventTime,
    /// Role or team that brought it there, never a person's name; `rule` where nobody did.
    pub by: Arc<str>,
    /// Nobody is called from here on; `None` where it is over, or withheld.
    pub until: Option<EventTime>,
    /// Whose word it has; `None`: none.
    pub approved: Option<Acknowledgement>,
    /// What became of it once it was approved.
    pub outcome: Option<RemedyOutcome>,
    /// Status of the receiver's answer, where there was one.
    pub status: Option<u32>,
    /// Why it stands there, in words for an SRE.
    pub why: String,
}

impl Remedy {
    /// What the receiver and the log know its call by: the same at each try, once for each incident and rule.
    pub fn key(incident: &crate::IncidentId, rule: &RemedyName) -> String {
        format!("{incident}/{rule}")
    }
}
