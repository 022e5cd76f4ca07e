//! What an operator wants done.

use std::collections::BTreeSet;

use forecall_types as types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compensation::Compensation;
use super::incident::{Responsibility, Scope, Severity};
use super::paging::Matchers;
use super::remedy::RemedyOutcome;
use super::scalar::{Name, Region, Sentence, Time};
use super::shape::{Shape, published, within};

/// The actions, told apart by `kind`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
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
        incident: Name,
    },
    /// When it is expected to be over.
    Eta {
        /// Which.
        incident: Name,
        /// When.
        eta: Time,
    },
    /// Something has been done.
    Step {
        /// Which.
        incident: Name,
        /// Code of the step in the wording catalogue.
        code: String,
    },
    /// Who answers for it.
    Attribute {
        /// Which.
        incident: Name,
        /// Who.
        responsibility: Responsibility,
    },
    /// It was an error.
    Retract {
        /// Which.
        incident: Name,
    },
    /// It is over.
    Close {
        /// Which.
        incident: Name,
    },
    /// It was looked at afterwards, with a problem record.
    Review {
        /// Which; it must be over.
        incident: Name,
        /// The problem record.
        problem: Name,
    },
    /// Two open incidents are one. Their services and regions together must be all of their pairs.
    Merge {
        /// Which ends.
        incident: Name,
        /// Which goes on for both.
        into: Name,
    },
    /// A part of an open incident is trouble of its own: by services or by regions, never by both.
    Split {
        /// Which.
        incident: Name,
        /// The services that leave; none: all of the incident's.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        services: BTreeSet<Name>,
        /// The regions that leave; none: all of the incident's.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        regions: BTreeSet<Region>,
    },
    /// Work is planned. It is an incident of its own, from the announcement to the end.
    Plan {
        /// Whom and what it touches.
        scope: Scope,
        /// When it begins; at most 90 days ahead.
        starts_at: Time,
        /// When it is to be over; at most 30 days later.
        ends_at: Time,
        /// What is done.
        label: Sentence,
    },
    /// Incidents that match page nobody for a while. The silence's id is that of the command.
    Silence {
        /// Which.
        matchers: Matchers,
        /// Up to when; at most 30 days.
        until: Time,
        /// Why.
        reason: Sentence,
    },
    /// A silence ends now.
    Unsilence {
        /// Which.
        silence: Name,
    },
    /// A word on a proposed remedy.
    Remedy {
        /// Which incident.
        incident: Name,
        /// Which rule.
        rule: Name,
        /// It may be called (`true`), or not (`false`).
        approve: bool,
    },
    /// What became of an approved remedy. forecall's own runner says it.
    RemedyResult {
        /// Which incident.
        incident: Name,
        /// Which rule.
        rule: Name,
        /// What became of it.
        outcome: RemedyOutcome,
        /// Status of the receiver's answer, where there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u32>,
    },
    /// Remedies may be proposed and called (`on`), or none is, and those that wait lapse.
    Remedies {
        /// Whether there are any.
        on: bool,
    },
    /// This exact text may go out.
    Approve {
        /// Which notice.
        notice: Name,
        /// Fingerprint of what was approved (`text_fingerprint` of the notice), as 32 hex digits.
        text: String,
    },
    /// What this notice tells, at this stage of its incident, waits for a person's word; what of it hasn't left is taken back.
    Hold {
        /// Which notice.
        notice: Name,
        /// Why.
        reason: Sentence,
    },
    /// This exact text goes now, past what only delays it.
    Send {
        /// Which notice.
        notice: Name,
        /// Fingerprint of what was read (`text_fingerprint` of the notice), as 32 hex digits.
        text: String,
    },
    /// It was wrong: whoever was reached is told so at once, and nothing more of its incident opens without a person's word.
    TakeBack {
        /// Which notice.
        notice: Name,
    },
    /// Something has been done, in words; they go once another person has approved the text they stand in.
    Say {
        /// Of which incident.
        incident: Name,
        /// In Persian.
        fa: Sentence,
        /// In English.
        en: Sentence,
    },
    /// What those who were told of the incident get for it. The closing text says it once two have said the same.
    Compensate {
        /// For which incident.
        incident: Name,
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
        incident: Name,
    },
    /// Nothing more goes out (`on`), or sending goes on.
    Kill {
        /// Whether the switch is on.
        on: bool,
    },
}

/// The field's name before a refusal's detail.
fn at<T, S: Shape<T>>(field: &str, shape: S) -> Result<T, types::Reject> {
    shape.take().map_err(|r| within(field, r))
}

impl Shape<types::Action> for Action {
    #[allow(
        clippy::too_many_lines,
        reason = "an arm for each case, so that a new one breaks the build"
    )]
    fn put(inner: &types::Action) -> Self {
        match inner {
            types::Action::Declare { scope, severity } => Self::Declare {
                scope: Shape::put(scope),
                severity: Shape::put(severity),
            },
            types::Action::Acknowledge { incident } => Self::Acknowledge {
                incident: Shape::put(incident),
            },
            types::Action::Eta { incident, eta } => Self::Eta {
                incident: Shape::put(incident),
                eta: Shape::put(eta),
            },
            types::Action::Step { incident, code } => Self::Step {
                incident: Shape::put(incident),
                code: Shape::put(code),
            },
            types::Action::Attribute {
                incident,
                responsibility,
            } => Self::Attribute {
                incident: Shape::put(incident),
                responsibility: Shape::put(responsibility),
            },
            types::Action::Retract { incident } => Self::Retract {
                incident: Shape::put(incident),
            },
            types::Action::Close { incident } => Self::Close {
                incident: Shape::put(incident),
            },
            types::Action::Review { incident, problem } => Self::Review {
                incident: Shape::put(incident),
                problem: Shape::put(problem),
            },
            types::Action::Merge { incident, into } => Self::Merge {
                incident: Shape::put(incident),
                into: Shape::put(into),
            },
            types::Action::Split {
                incident,
                services,
                regions,
            } => Self::Split {
                incident: Shape::put(incident),
                services: Shape::put(services),
                regions: Shape::put(regions),
            },
            types::Action::Plan {
                scope,
                starts_at,
                ends_at,
                label,
            } => Self::Plan {
                scope: Shape::put(scope),
                starts_at: Shape::put(starts_at),
                ends_at: Shape::put(ends_at),
                label: Shape::put(label),
            },
            types::Action::Silence {
                matchers,
                until,
                reason,
            } => Self::Silence {
                matchers: Shape::put(matchers),
                until: Shape::put(until),
                reason: Shape::put(reason),
            },
            types::Action::Unsilence { silence } => Self::Unsilence {
                silence: Shape::put(silence),
            },
            types::Action::Remedy {
                incident,
                rule,
                approve,
            } => Self::Remedy {
                incident: Shape::put(incident),
                rule: Shape::put(rule),
                approve: *approve,
            },
            types::Action::RemedyResult {
                incident,
                rule,
                outcome,
                status,
            } => Self::RemedyResult {
                incident: Shape::put(incident),
                rule: Shape::put(rule),
                outcome: Shape::put(outcome),
                status: *status,
            },
            types::Action::Remedies { on } => Self::Remedies { on: *on },
            types::Action::Approve { notice, text } => Self::Approve {
                notice: Shape::put(notice),
                text: Shape::put(text),
            },
            types::Action::Hold { notice, reason } => Self::Hold {
                notice: Shape::put(notice),
                reason: Shape::put(reason),
            },
            types::Action::Send { notice, text } => Self::Send {
                notice: Shape::put(notice),
                text: Shape::put(text),
            },
            types::Action::TakeBack { notice } => Self::TakeBack {
                notice: Shape::put(notice),
            },
            types::Action::Say { incident, fa, en } => Self::Say {
                incident: Shape::put(incident),
                fa: Shape::put(fa),
                en: Shape::put(en),
            },
            types::Action::Compensate {
                incident,
                compensation,
            } => Self::Compensate {
                incident: Shape::put(incident),
                compensation: Shape::put(compensation),
            },
            types::Action::Drill {
                scope,
                severity,
                minutes,
            } => Self::Drill {
                scope: Shape::put(scope),
                severity: Shape::put(severity),
                minutes: *minutes,
            },
            types::Action::EndDrill { incident } => Self::EndDrill {
                incident: Shape::put(incident),
            },
            types::Action::Kill { on } => Self::Kill { on: *on },
        }
    }

    #[allow(
        clippy::too_many_lines,
        reason = "an arm for each case, so that a new one breaks the build"
    )]
    fn take(self) -> Result<types::Action, types::Reject> {
        Ok(match self {
            Self::Declare { scope, severity } => types::Action::Declare {
                scope: at("scope", scope)?,
                severity: at("severity", severity)?,
            },
            Self::Acknowledge { incident } => types::Action::Acknowledge {
                incident: at("incident", incident)?,
            },
            Self::Eta { incident, eta } => types::Action::Eta {
                incident: at("incident", incident)?,
                eta: at("eta", eta)?,
            },
            Self::Step { incident, code } => types::Action::Step {
                incident: at("incident", incident)?,
                code: at("code", code)?,
            },
            Self::Attribute {
                incident,
                responsibility,
            } => types::Action::Attribute {
                incident: at("incident", incident)?,
                responsibility: at("responsibility", responsibility)?,
            },
            Self::Retract { incident } => types::Action::Retract {
                incident: at("incident", incident)?,
            },
            Self::Close { incident } => types::Action::Close {
                incident: at("incident", incident)?,
            },
            Self::Review { incident, problem } => types::Action::Review {
                incident: at("incident", incident)?,
                problem: at("problem", problem)?,
            },
            Self::Merge { incident, into } => types::Action::Merge {
                incident: at("incident", incident)?,
                into: at("into", into)?,
            },
            Self::Split {
                incident,
                services,
                regions,
            } => types::Action::Split {
                incident: at("incident", incident)?,
                services: at("services", services)?,
                regions: at("regions", regions)?,
            },
            Self::Plan {
                scope,
                starts_at,
                ends_at,
                label,
            } => types::Action::Plan {
                scope: at("scope", scope)?,
                starts_at: at("starts_at", starts_at)?,
                ends_at: at("ends_at", ends_at)?,
                label: at("label", label)?,
            },
            Self::Silence {
                matchers,
                until,
                reason,
            } => types::Action::Silence {
                matchers: at("matchers", matchers)?,
                until: at("until", until)?,
                reason: at("reason", reason)?,
            },
            Self::Unsilence { silence } => types::Action::Unsilence {
                silence: at("silence", silence)?,
            },
            Self::Remedy {
                incident,
                rule,
                approve,
            } => types::Action::Remedy {
                incident: at("incident", incident)?,
                rule: at("rule", rule)?,
                approve,
            },
            Self::RemedyResult {
                incident,
                rule,
                outcome,
                status,
            } => types::Action::RemedyResult {
                incident: at("incident", incident)?,
                rule: at("rule", rule)?,
                outcome: at("outcome", outcome)?,
                status,
            },
            Self::Remedies { on } => types::Action::Remedies { on },
            Self::Approve { notice, text } => types::Action::Approve {
                notice: at("notice", notice)?,
                text: at("text", text)?,
            },
            Self::Hold { notice, reason } => types::Action::Hold {
                notice: at("notice", notice)?,
                reason: at("reason", reason)?,
            },
            Self::Send { notice, text } => types::Action::Send {
                notice: at("notice", notice)?,
                text: at("text", text)?,
            },
            Self::TakeBack { notice } => types::Action::TakeBack {
                notice: at("notice", notice)?,
            },
            Self::Say { incident, fa, en } => types::Action::Say {
                incident: at("incident", incident)?,
                fa: at("fa", fa)?,
                en: at("en", en)?,
            },
            Self::Compensate {
                incident,
                compensation,
            } => types::Action::Compensate {
                incident: at("incident", incident)?,
                compensation: at("compensation", compensation)?,
            },
            Self::Drill {
                scope,
                severity,
                minutes,
            } => types::Action::Drill {
                scope: at("scope", scope)?,
                severity: at("severity", severity)?,
                minutes,
            },
            Self::EndDrill { incident } => types::Action::EndDrill {
                incident: at("incident", incident)?,
            },
            Self::Kill { on } => types::Action::Kill { on },
        })
    }
}

published! {
    /// What an operator wants done. Commands are records, so that a run can be run again.
    Command of Command {
        /// Idempotency key.
        id: String = id,
        /// Domain.
        domain: Name = domain,
        /// When it was given.
        at: Time = at,
        /// Role or team; never a person's name.
        by: String = by,
        /// What is to be done.
        action: Action = action,
    }
}
