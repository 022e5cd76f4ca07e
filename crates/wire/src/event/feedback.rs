//! Verdicts from people on incidents.

use super::scalar::{Name, Time};
use super::shape::{published, published_enum};

published_enum! {
    /// What a person says of an incident afterwards.
    Verdict {
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
}

published! {
    /// A verdict on an incident.
    #[derive(Eq)]
    Feedback of Feedback {
        /// Idempotency key, made by whoever gives the verdict.
        id: String = id,
        /// Domain.
        domain: Name = domain,
        /// The incident.
        incident: Name = incident,
        /// When it was said.
        at: Time = at,
        /// What was said.
        verdict: Verdict = verdict,
        /// When customers were hit first, as people found out; absent: as it was measured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        onset: Option<Time> = onset,
        /// When they were no longer hit; absent: as it was measured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended: Option<Time> = ended,
    }
}
