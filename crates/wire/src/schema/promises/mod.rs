//! What a new form of a schema takes back of what the released form has promised.
//!
//! A schema is a promise in one of two directions. Readers of what forecall tells rely on every field that is always there,
//! and on every value being one they have heard of; and forecall itself reads old records again. So little may change:
//! fields that need not be there may come, and values where the released form says `x-unknown-values: tolerate`. Writers of
//! what forecall takes rely on their records being taken: there everything may be widened, and nothing narrowed.

mod compare;
mod topics;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::event::{Payload, TOPICS};

pub use topics::broken_topic_promises;

/// Says, beside an enum, that readers were told to expect values they don't know.
pub(super) const UNKNOWN_VALUES: &str = "x-unknown-values";
/// Its value.
pub(super) const TOLERATE: &str = "tolerate";

/// Who relies on a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// forecall writes such records, others read them.
    Told,
    /// Others write such records, forecall reads them.
    Taken,
}

/// One thing that the released form has promised and the new one doesn't keep.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BrokenPromise {
    /// Where: `scope.regions[]`, `action{step}.code`; empty for the whole.
    pub place: String,
    /// What has become of it.
    pub what: String,
}

impl fmt::Display for BrokenPromise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place.is_empty() {
            "the whole"
        } else {
            &self.place
        };
        write!(f, "{place}: {}", self.what)
    }
}

/// What `new` breaks of what `old`, a JSON Schema as [`files`](super::files) makes them, has promised to that side. Both
/// are bounded: definitions that contain themselves are followed 32 deep.
///
/// ```
/// use forecall_wire::schema::{Side, broken_promises};
/// let old = serde_json::json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
/// let new = serde_json::json!({"type": "object", "properties": {"b": {"type": "string"}}});
/// let broken = broken_promises(&old, &new, Side::Told);
/// assert_eq!(broken[0].to_string(), "a: the field is gone");
/// ```
pub fn broken_promises(old: &Value, new: &Value, side: Side) -> Vec<BrokenPromise> {
    let mut broken = compare::compare(old, new, side);
    broken.sort();
    broken.dedup();
    broken
}

/// Which promise the schema of a payload is; `None`: it goes over internal topics alone, and is none.
pub fn side_of(payload: Payload) -> Option<Side> {
    match payload {
        Payload::Command | Payload::Feedback | Payload::Customer | Payload::Service => Some(Side::Taken),
        Payload::Anomaly
        | Payload::Heartbeat
        | Payload::Summary
        | Payload::Tick
        | Payload::IncidentEvent
        | Payload::IncidentState
        | Payload::Notice
        | Payload::CallForecast
        | Payload::Call
        | Payload::Reply
        | Payload::Receipt
        | Payload::CustomerEvent
        | Payload::JourneyMark
        | Payload::FailedJourney
        | Payload::JourneyWave
        | Payload::JourneyMap
        | Payload::DeadLetter => TOPICS
            .iter()
            .any(|t| !t.internal && t.payloads.contains(&payload))
            .then_some(Side::Told),
    }
}

/// Names of the files whose last released form lies in `schemas/released/`: the schemas that are promises, and the topics.
pub fn promised_files() -> Vec<String> {
    let schemas = Payload::ALL.into_iter().filter(|p| side_of(*p).is_some());
    let names = schemas.map(|p| format!("{}.v1.json", p.name()));
    names.chain(["asyncapi.json".to_owned()]).collect()
}

/// Holds the schemas of this build against released ones, text by file name: one line for each broken promise. A schema that
/// has no released form isn't promised yet.
pub fn broken_by_this_build(released: &BTreeMap<String, String>) -> Vec<String> {
    let mut lines = Vec::new();
    let now: BTreeMap<String, Value> = Payload::ALL
        .into_iter()
        .map(|p| (format!("{}.v1.json", p.name()), super::json_schema::of(p)))
        .collect();
    for (name, text) in released {
        let Ok(old) = serde_json::from_str::<Value>(text) else {
            lines.push(format!("{name}: the released form is no JSON"));
            continue;
        };
        let broken = if name == "asyncapi.json" {
            broken_topic_promises(&old, &super::asyncapi::document())
        } else {
            let payload = Payload::ALL
                .into_iter()
                .find(|p| *name == format!("{}.v1.json", p.name()));
            match (payload.and_then(side_of), now.get(name)) {
                (Some(side), Some(new)) => broken_promises(&old, new, side),
                _ => vec![BrokenPromise {
                    place: String::new(),
                    what: "the schema is gone".to_owned(),
                }],
            }
        };
        lines.extend(broken.iter().map(|b| format!("{name}: {b}")));
    }
    lines
}

#[cfg(test)]
mod tests;
