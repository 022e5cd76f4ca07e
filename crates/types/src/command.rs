use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Compensation, CustomerId, DomainName, EventTime, IncidentId, Matchers, NoticeId, ProblemId, RegionCode,
    Remark, RemedyName, RemedyOutcome, Responsibility, Scope, ServiceName, Severity, SilenceId,
};

/// What a person says of an incident afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was right.
    Right,
    /// It was known and expected.
    Expected,
    /// There was no trouble.
    FalseAlarm,
    /// This is how it is from now on.
    NewNormal,
    /// Nothing: what was said of it before is taken back.
    Withdrawn,
}

impl Verdict {
    /// The name used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Expected => "expected",
            Self::FalseAlarm => "false_alarm",
            Self::NewNormal => "new_normal",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A verdict on an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// Idempotency key.
    pub id: Arc<str>,
    /// Domain.
    pub domain: DomainName,
    /// The incident.
    pub incident: IncidentId,
    /// When it was said.
    pub at: EventTime,
    /// What was said.
    pub verdict: Verdict,
    /// When customers were hit first, as people found out.
    pub onset: Option<EventTime>,
    /// When they were no longer hit.
    pub ended: Option<EventTime>,
}

/// What an operator wants done. Commands are records, so that a run can be run again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Idempotency key.
    pub id: Arc<str>,
    /// Domain.
    pub domain: DomainName,
    /// When it was given.
    pub at: EventTime,
    /// Role or team; never a person's name.
    pub by: Arc<str>,
    /// What is to be done.
    pub action: Action,
}

/// The actions. Those on incidents go to `correlate`, those on notices to `outreach`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Open an incident that no detector saw: customers are hit now.
    Declare {
        /// Whom and what it touches.
        scope: Scope,
        /// How bad.
        severity: Severity,
    },
    /// A person takes the incident on.
    Acknowledge {
        /// Which.
        incident: IncidentId,
    },
    /// When it is expected to be over.
    Eta {
        /// Which.
        incident: IncidentId,
        /// When.
        eta: EventTime,
    },
    /// Something has been done.
    Step {
        /// Which.
        incident: IncidentId,
        /// Code of the step in the wording catalogue.
        code: Arc<str>,
    },
    /// Who answers for it.
    Attribute {
        /// Which.
        incident: IncidentId,
        /// Who.
        responsibility: Responsibility,
    },
    /// It was an error.
    Retract {
        /// Which.
        incident: IncidentId,
    },
    /// It is over.
    Close {
        /// Which.
        incident: IncidentId,
    },
    /// It was looked at afterwards. What comes of that stands in the problem record; without one nothing counts as reviewed.
    Review {
        /// Which; it must be over.
        incident: IncidentId,
        /// The problem record.
        problem: ProblemId,
    },
    /// Two open incidents are one.
    Merge {
        /// Which ends.
        incident: IncidentId,
        /// Which goes on for both.
        into: IncidentId,
    },
    /// A part of an open incident is trouble of its own. By services or by regions; an empty set names all of the incident's.
    Split {
        /// Which.
        incident: IncidentId,
        /// The services that leave.
        services: BTreeSet<ServiceName>,
        /// The regions that leave.
        regions: BTreeSet<RegionCode>,
    },
    /// Work is planned. It is an incident of its own, from the announcement to the end.
    Plan {
        /// Whom and what it touches.
        scope: Scope,
        /// When it begins.
        starts_at: EventTime,
        /// When it is to be over.
        ends_at: EventTime,
        /// What is done.
        label: Remark,
    },
    /// Incidents that match page nobody for a while. The silence's id is that of the command.
    Silence {
        /// Which.
        matchers: Matchers,
        /// Up to when.
        until: EventTime,
        /// Why.
        reason: Remark,
    },
    /// A silence ends now.
    Unsilence {
        /// Which.
        silence: SilenceId,
    },
    /// A person's word on a proposed remedy.
    Remedy {
        /// Which incident.
        incident: IncidentId,
        /// Which rule.
        rule: RemedyName,
        /// It may be called (`true`), or not (`false`).
        approve: bool,
    },
    /// What became of an approved remedy. forecall's own runner says it.
    RemedyResult {
        /// Which incident.
        incident: IncidentId,
        /// Which rule.
        rule: RemedyName,
        /// What became of it.
        outcome: RemedyOutcome,
        /// Status of the receiver's answer, where there was one.
        status: Option<u32>,
    },
    /// Remedies may be proposed and called (`on`), or none is (`off`), and those that wait lapse.
    Remedies {
        /// Whether there are any.
        on: bool,
    },
    /// This exact text may go out; `text` is the fingerprint of the rendered texts that were shown.
    Approve {
        /// Which notice.
        notice: NoticeId,
        /// Fingerprint of what was approved, as 32 hex digits.
        text: Arc<str>,
    },
    /// What this notice tells, at this stage of its incident, waits for a person's word; what of it hasn't left is taken back.
    Hold {
        /// Which notice.
        notice: NoticeId,
        /// Why.
        reason: Remark,
    },
    /// This exact text goes now, past what only delays it.
    Send {
        /// Which notice.
        notice: NoticeId,
        /// Fingerprint of what was read, as 32 hex digits.
        text: Arc<str>,
    },
    /// It was wrong: whoever was reached is told so at once, and nothing more of its incident opens without a person's word.
    TakeBack {
        /// Which notice.
        notice: NoticeId,
    },
    /// Something has been done, in words; they go once another person has approved the text they stand in.
    Say {
        /// Of which incident.
        incident: IncidentId,
        /// In Persian.
        fa: Remark,
        /// In English.
        en: Remark,
    },
    /// What those who were told of the incident get for it. The closing text says it once two have said the same.
    Compensate {
        /// For which incident.
        incident: IncidentId,
        /// What each gets.
        compensation: Compensation,
    },
    /// A dress rehearsal: a simulated incident, told to test people only.
    Drill {
        /// What it would touch.
        scope: Scope,
        /// How bad.
        severity: Severity,
        /// It ends by itself after so many minutes.
        minutes: u32,
    },
    /// A rehearsal is over.
    EndDrill {
        /// Its incident.
        incident: IncidentId,
    },
    /// Nothing more goes out (`on`), or sending goes on (`off`).
    Kill {
        /// Whether the switch is on.
        on: bool,
    },
}

impl Action {
    /// Whether `correlate` (true) or `outreach` (false) acts on it.
    pub const fn is_on_incident(&self) -> bool {
        match self {
            Self::Declare { .. }
            | Self::Acknowledge { .. }
            | Self::Eta { .. }
            | Self::Step { .. }
            | Self::Attribute { .. }
            | Self::Retract { .. }
            | Self::Close { .. }
            | Self::Review { .. }
            | Self::Merge { .. }
            | Self::Split { .. }
            | Self::Plan { .. }
            | Self::Silence { .. }
            | Self::Unsilence { .. }
            | Self::Remedy { .. }
            | Self::RemedyResult { .. }
            | Self::Remedies { .. } => true,
            Self::Approve { .. }
            | Self::Hold { .. }
            | Self::Send { .. }
            | Self::TakeBack { .. }
            | Self::Say { .. }
            | Self::Compensate { .. }
            | Self::Drill { .. }
            | Self::EndDrill { .. }
            | Self::Kill { .. } => false,
        }
    }
}

/// What a customer answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Idempotency key.
    pub id: Arc<str>,
    /// Who, as a pseudonym.
    pub customer: CustomerId,
    /// When.
    pub at: EventTime,
    /// What, after normalisation; the words themselves stay in the ledger.
    pub kind: ReplyKind,
}

/// What a reply means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyKind {
    /// No more notices, please.
    Stop,
    /// How does it stand?
    Status,
    /// It still doesn't work.
    StillDown,
    /// What we wrote isn't true.
    Untrue,
    /// Anything else.
    Other,
}

impl ReplyKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Stop,
        Self::Status,
        Self::StillDown,
        Self::Untrue,
        Self::Other,
    ];
}
