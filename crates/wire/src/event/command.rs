//! What an operator wants done.

use forecall_types as types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::incident::{Responsibility, Scope, Severity};
use super::scalar::{Name, Time};
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
    /// This exact text may go out.
    Approve {
        /// Which notice.
        notice: Name,
        /// Fingerprint of what was approved (`text_fingerprint` of the notice), as 32 hex digits.
        text: String,
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
            types::Action::Approve { notice, text } => Self::Approve {
                notice: Shape::put(notice),
                text: Shape::put(text),
            },
            types::Action::Kill { on } => Self::Kill { on: *on },
        }
    }

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
            Self::Approve { notice, text } => types::Action::Approve {
                notice: at("notice", notice)?,
                text: at("text", text)?,
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
