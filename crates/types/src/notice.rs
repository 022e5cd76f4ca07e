use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    ContactChannel, CustomerId, DomainName, EventTime, IncidentId, IntentId, Language, NoticeId, Probability,
};

/// The stage of the story a notice tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeStage {
    /// Trouble may come; it works now.
    Predicted,
    /// It is there.
    Confirmed,
    /// Something has been done.
    Progress,
    /// The end is expected at another time.
    EtaChanged,
    /// It works again.
    Resolved,
    /// What we warned of did not come.
    AllClear,
    /// What we warned of was prevented.
    Averted,
    /// The earlier message was wrong.
    Retraction,
}

impl NoticeStage {
    /// All of them: each has its words in each language.
    pub const ALL: [Self; 8] = [
        Self::Predicted,
        Self::Confirmed,
        Self::Progress,
        Self::EtaChanged,
        Self::Resolved,
        Self::AllClear,
        Self::Averted,
        Self::Retraction,
    ];

    /// The name used in events, templates and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Predicted => "predicted",
            Self::Confirmed => "confirmed",
            Self::Progress => "progress",
            Self::EtaChanged => "eta_changed",
            Self::Resolved => "resolved",
            Self::AllClear => "all_clear",
            Self::Averted => "averted",
            Self::Retraction => "retraction",
        }
    }
}

/// Why somebody isn't told, or not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// Hold: waits for approval.
    Approval,
    /// Hold: quiet hours.
    QuietHours,
    /// Hold: every channel of this person needs what has failed.
    Unreachable,
    /// Hold: the kill switch is on.
    Killed,
    /// Hold: told later, at random, so that the effect can be measured.
    HoldOut,
    /// Hold: told in a later step of the ramp, or it has stopped itself.
    Ramp,
    /// Hold: a person holds it back.
    Person,
    /// Suppressed: no consent for this purpose.
    NoConsent,
    /// Suppressed: opted out.
    OptedOut,
    /// Suppressed: no address on any channel.
    NoChannel,
    /// Suppressed: the policy doesn't tell customers of this stage at this certainty.
    Policy,
    /// Suppressed: outside the pilot.
    Pilot,
    /// Suppressed: a cap on messages is reached.
    Cap,
    /// Suppressed: nobody is in scope, or the scope is unknown.
    EmptyScope,
    /// Suppressed: a replay or a simulation, never sent.
    Simulated,
    /// Suppressed: no longer true when it could have gone.
    Stale,
}

impl HoldReason {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Approval,
        Self::QuietHours,
        Self::Unreachable,
        Self::Killed,
        Self::HoldOut,
        Self::Ramp,
        Self::Person,
        Self::NoConsent,
        Self::OptedOut,
        Self::NoChannel,
        Self::Policy,
        Self::Pilot,
        Self::Cap,
        Self::EmptyScope,
        Self::Simulated,
        Self::Stale,
    ];

    /// The name used in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::QuietHours => "quiet_hours",
            Self::Unreachable => "unreachable",
            Self::Killed => "killed",
            Self::HoldOut => "hold_out",
            Self::Ramp => "ramp",
            Self::Person => "person",
            Self::NoConsent => "no_consent",
            Self::OptedOut => "opted_out",
            Self::NoChannel => "no_channel",
            Self::Policy => "policy",
            Self::Pilot => "pilot",
            Self::Cap => "cap",
            Self::EmptyScope => "empty_scope",
            Self::Simulated => "simulated",
            Self::Stale => "stale",
        }
    }

    /// Whether it may still go (a hold) or is dropped (a suppression).
    pub const fn is_hold(self) -> bool {
        match self {
            Self::Approval
            | Self::QuietHours
            | Self::Unreachable
            | Self::Killed
            | Self::HoldOut
            | Self::Ramp
            | Self::Person => true,
            Self::NoConsent
            | Self::OptedOut
            | Self::NoChannel
            | Self::Policy
            | Self::Pilot
            | Self::Cap
            | Self::EmptyScope
            | Self::Simulated
            | Self::Stale => false,
        }
    }
}

/// Where a notice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    /// Written, waiting.
    Drafted,
    /// May go.
    Approved,
    /// Waits for a reason.
    Held,
    /// Goes to nobody, for a reason.
    Suppressed,
    /// Intents are planned; some are on their way.
    Sending,
    /// Every intent has left or failed for good.
    Sent,
    /// Every intent is at its end.
    Delivered,
    /// Taken back.
    Retracted,
}

impl NoticeState {
    /// The name used in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drafted => "drafted",
            Self::Approved => "approved",
            Self::Held => "held",
            Self::Suppressed => "suppressed",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Retracted => "retracted",
        }
    }
}

/// Where one intent stands. `planned → sending → accepted → delivered | failed | unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentState {
    /// Written down, not tried.
    Planned,
    /// Handed to the gateway; the answer isn't known.
    Sending,
    /// The gateway has taken it.
    Accepted,
    /// It has arrived.
    Delivered,
    /// It won't arrive.
    Failed,
    /// It can't be found out.
    Unknown,
}

impl IntentState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Planned,
        Self::Sending,
        Self::Accepted,
        Self::Delivered,
        Self::Failed,
        Self::Unknown,
    ];

    /// The name used in the ledger, in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Sending => "sending",
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// The words of a notice in one language and channel: no personal data, so that one text serves all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NoticeText {
    /// Language.
    pub language: Language,
    /// Channel.
    pub channel: ContactChannel,
    /// Subject, for channels that have one.
    pub subject: Option<String>,
    /// Body.
    pub body: String,
    /// Message parts it takes (text messages), else 1.
    pub parts: u32,
}

/// Why hold-outs ended themselves, by an interval that holds however often one looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldOutEnd {
    /// More of those who wait get in touch than of those who are told: waiting harms them.
    WaitingHarms,
    /// More of those who are told get in touch: telling harms, and there is nothing more to learn by waiting.
    TellingHarms,
}

impl HoldOutEnd {
    /// The name used in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WaitingHarms => "waiting_harms",
            Self::TellingHarms => "telling_harms",
        }
    }
}

/// What came of telling some later, at random, up to when they were told: two arms that differ by chance alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldOutTrial {
    /// When the first could be told.
    pub from: EventTime,
    /// When the others were told, or it was over.
    pub until: EventTime,
    /// People told at once.
    pub told: u64,
    /// Of them those who got in touch before `until`.
    pub told_contacts: u64,
    /// People who waited.
    pub held_out: u64,
    /// Of them those who got in touch before `until`.
    pub held_out_contacts: u64,
    /// With this one all of the declaration show harm: nobody waits any more until a person declares a hold-out anew.
    pub ended: Option<HoldOutEnd>,
}

/// Why an opening stopped itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RampStop {
    /// The share of messages that failed is above what is borne, beyond doubt.
    Failures,
    /// Several in a row failed.
    FailuresInARow,
    /// The share of those reached who want no more is above what is borne, beyond doubt.
    Stops,
    /// The share of those reached who write that it isn't true is above what is borne, beyond doubt.
    Untrue,
}

impl RampStop {
    /// The name used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::FailuresInARow => "failures_in_a_row",
            Self::Stops => "stops",
            Self::Untrue => "untrue",
        }
    }
}

/// How far an opening has come that goes to few first, then to more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoticeRamp {
    /// Share of the people told up to now; 1: everybody.
    pub share: Probability,
    /// Messages that a gateway has taken.
    pub reached: u64,
    /// Messages that failed.
    pub failed: u64,
    /// People it reached who wanted no more.
    pub stops: u64,
    /// People it reached who wrote that it isn't true.
    pub untrue: u64,
    /// Why it stopped; `None`: it goes on, or is over.
    pub stopped: Option<RampStop>,
    /// It isn't judged any more: its last step was looked at, or the incident has ended.
    pub over: bool,
}

/// A notice: what is told, to how many, and how far it has come. Counts and ids, never a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Derived from incident, stage and version.
    pub id: NoticeId,
    /// 1 at first, then one more each time.
    pub revision: u32,
    /// Domain.
    pub domain: DomainName,
    /// The incident.
    pub incident: IncidentId,
    /// The incident's revision that it was written from.
    pub incident_revision: u32,
    /// What stage of the story.
    pub stage: NoticeStage,
    /// Where it stands.
    pub state: NoticeState,
    /// Event time of this revision.
    pub at: EventTime,
    /// Customers in scope.
    pub audience: u64,
    /// Intents planned so far.
    pub intents: u64,
    /// Intents by where they stand.
    pub progress: BTreeMap<IntentState, u64>,
    /// People not told, or not yet, by reason.
    pub withheld: BTreeMap<HoldReason, u64>,
    /// Intents by channel.
    pub channels: BTreeMap<ContactChannel, u64>,
    /// The texts.
    pub texts: Vec<NoticeText>,
    /// Fingerprint of the texts: what an approval names, as 32 hex digits.
    pub text_fingerprint: Arc<str>,
    /// Whether a text says that no call is needed, and the facts that allowed it.
    pub no_call_needed: bool,
    /// Time by which the next news is promised.
    pub next_update: Option<EventTime>,
    /// When it is expected to be over, as told.
    pub eta: Option<EventTime>,
    /// What came of the hold-out, once it is over; `None`: nobody was held out, or it goes on.
    pub hold_out: Option<HoldOutTrial>,
    /// How far its ramp has come; `None`: it goes to all at once.
    pub ramp: Option<NoticeRamp>,
    /// People who wrote, after it, that it isn't true.
    pub untrue: u64,
    /// First intent accepted by a gateway.
    pub first_accepted_at: Option<EventTime>,
    /// Why this revision, in one sentence.
    pub reason: String,
    /// From a replay or a simulation; never sent.
    pub simulated: bool,
}

/// One (person, channel, notice version) to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Derived from notice, customer and channel: the same deed has the same id.
    pub id: IntentId,
    /// The notice.
    pub notice: NoticeId,
    /// The incident: its thread.
    pub incident: IncidentId,
    /// Domain.
    pub domain: DomainName,
    /// Who, as a pseudonym; `deliver` alone finds the address.
    pub customer: CustomerId,
    /// Over which channel.
    pub channel: ContactChannel,
    /// In which language.
    pub language: Language,
    /// When it was planned.
    pub at: EventTime,
    /// After this it isn't true any more and must not go.
    pub expires_at: Option<EventTime>,
    /// It takes an earlier message back: it goes ahead of all that waits.
    pub corrects: bool,
}

/// The gateway's answer on one intent, as `outreach` learns of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The intent.
    pub intent: IntentId,
    /// Its notice.
    pub notice: NoticeId,
    /// Domain.
    pub domain: DomainName,
    /// Where it stands now.
    pub state: IntentState,
    /// When the gateway said so.
    pub at: EventTime,
}
