//! What the receiver of a remedy is asked, and what its answer comes to.

use forecall_types::{IncidentId, Remedy, RemedyOutcome};
use serde_json::{Value, json};

use crate::{Call, Failure, FailureClass, Plan, words};

/// The call of an approved remedy. `incident` is the event that approved it, as it stands on the topic: all tries post the same
/// bytes under the same id.
pub fn plan_remedy(remedy: &Remedy, id: &IncidentId, incident: &Value) -> Plan {
    let approved = remedy.approved.as_ref();
    let body = json!({
        "type": "forecall.remedy.v1",
        "timestamp": words::time(remedy.at),
        "data": {
            "rule": remedy.rule.as_str(),
            "label": remedy.label.as_str(),
            "approved_by": approved.map(|a| &*a.by),
            "approved_at": approved.map(|a| words::time(a.at)),
            "until": remedy.until.map(words::time),
            "incident": incident,
        },
    });
    Plan::Signed(Call { path: "", body }, Remedy::key(id, &remedy.rule))
}

impl Failure {
    /// What it comes to where it was the last try of a remedy.
    pub const fn outcome(&self) -> RemedyOutcome {
        match self.class {
            FailureClass::Refused => RemedyOutcome::Refused,
            FailureClass::Denied => RemedyOutcome::Denied,
            FailureClass::Throttled => RemedyOutcome::Throttled,
            FailureClass::Server => RemedyOutcome::Server,
            FailureClass::Timeout => RemedyOutcome::Timeout,
            FailureClass::Unreachable => RemedyOutcome::Unreachable,
            FailureClass::Tls => RemedyOutcome::Tls,
            FailureClass::Broken => RemedyOutcome::Broken,
        }
    }

    /// Whether the receiver has surely done nothing: only then may what acts be tried again.
    pub const fn is_undone(&self) -> bool {
        match self.class {
            // Whoever sends us elsewhere may have acted first.
            FailureClass::Denied => matches!(self.status, Some(401 | 403 | 404 | 407)),
            FailureClass::Throttled | FailureClass::Unreachable | FailureClass::Tls => true,
            // It may have acted before it failed, or before the answer was lost.
            FailureClass::Server | FailureClass::Timeout | FailureClass::Broken => false,
            FailureClass::Refused => false,
        }
    }
}
