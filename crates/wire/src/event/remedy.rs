//! Remedies: what rules propose to do about an incident, and how far that has come.

use super::incident::{Acknowledgement, is_false};
use super::scalar::{Name, Sentence, Time};
use super::shape::{published, published_enum};

published_enum! {
    /// How far a remedy may go by its rule.
    RemedyMode {
        /// It is told what could be done; nobody is called.
        Propose,
        /// The webhook is called once a person has approved it.
        Run,
        /// The webhook is called without anybody being asked.
        Unattended,
    }
}

published_enum! {
    /// Where a remedy of an incident stands.
    RemedyStage {
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
}

published_enum! {
    /// What became of an approved remedy.
    RemedyOutcome {
        /// The receiver said yes.
        Done,
        /// Nobody was called: a dry run.
        Rehearsed,
        /// The receiver won't take it, ever.
        Refused,
        /// The receiver won't take anything of forecall's.
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
}

published! {
    /// What one rule proposes for an incident, and how far that has come.
    #[derive(Eq)]
    Remedy of Remedy {
        /// The rule, as the settings name it.
        rule: Name = rule,
        /// What it does.
        label: Sentence = label,
        /// How far it may go.
        mode: RemedyMode = mode,
        /// Nobody is called, even where it is approved.
        #[serde(default, skip_serializing_if = "is_false")]
        dry_run: bool = dry_run,
        /// Digest of the rule that proposed it: only this very rule is called.
        #[serde(default)]
        digest: String = digest,
        /// Where it stands.
        stage: RemedyStage = stage,
        /// The incident's revision that first told so.
        revision: u32 = revision,
        /// Event time of that revision.
        at: Time = at,
        /// Role or team that brought it there, never a person's name; `rule` where nobody did.
        by: String = by,
        /// Nobody is called from here on; absent where it is over, or withheld.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time> = until,
        /// Whose word it has; absent: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approved: Option<Acknowledgement> = approved,
        /// What became of it once it was approved.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<RemedyOutcome> = outcome,
        /// Status of the receiver's answer, where there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u32> = status,
        /// Why it stands there, in words for an engineer.
        #[serde(default)]
        why: String = why,
    }
}
