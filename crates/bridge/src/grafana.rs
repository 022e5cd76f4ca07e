//! Annotations of Grafana's HTTP API. An annotation is found by its tags, never by a number kept here: so a try that is
//! repeated makes no second one, and a start anew finds what an earlier process made.

use serde_json::{Value, json};

use crate::{Alert, Phase};

/// An incident as an annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The tag that only this incident's annotation has.
    pub tag: String,
    /// All tags.
    pub tags: Vec<String>,
    /// Beginning, in milliseconds since the epoch.
    pub time: i64,
    /// End.
    pub time_end: Option<i64>,
    /// What it says.
    pub text: String,
}

impl Annotation {
    pub(crate) fn of(alert: &Alert) -> Self {
        let tag = format!("incident:{}", alert.incident);
        let mut tags = vec!["forecall".to_owned(), tag.clone()];
        for name in ["domain", "service", "region", "severity"] {
            // `+3` says how many more there are.
            let values = alert
                .label(name)
                .split(',')
                .filter(|v| !v.is_empty() && !v.starts_with('+'));
            tags.extend(values.map(|value| format!("{name}:{value}")));
        }
        let mut text = alert.annotation("summary").to_owned();
        for name in ["description", "causes"] {
            let more = alert.annotation(name);
            if !more.is_empty() {
                text.push('\n');
                text.push_str(more);
            }
        }
        if let Some(link) = &alert.link {
            text.push('\n');
            text.push_str(link);
        }
        Self {
            tag,
            tags,
            time: alert.starts_at.millis(),
            time_end: match alert.phase {
                Phase::Open | Phase::Acknowledged => None,
                Phase::Over => alert.ends_at.map(forecall_types::EventTime::millis),
            },
            text,
        }
    }

    /// Path and query that find it.
    pub(crate) fn search(&self) -> String {
        format!(
            "/api/annotations?type=annotation&limit=1&tags=forecall&tags={}",
            encoded(&self.tag)
        )
    }

    /// What makes it.
    pub(crate) fn creation(&self) -> Value {
        let mut body = json!({"time": self.time, "tags": self.tags, "text": self.text});
        if let (Some(end), Some(map)) = (self.time_end, body.as_object_mut()) {
            map.insert("timeEnd".to_owned(), Value::from(end));
        }
        body
    }

    /// What changes it.
    pub(crate) fn change(&self) -> Value {
        // One that has come back has no end any more: Grafana's word for that is the beginning.
        json!({"text": self.text, "timeEnd": self.time_end.unwrap_or(self.time)})
    }
}

/// The number of the annotation found; `Ok(None)`: there is none.
///
/// # Errors
/// The answer is no list of annotations.
pub(crate) fn found(answer: &[u8]) -> Result<Option<u64>, ()> {
    let Ok(Value::Array(list)) = serde_json::from_slice(answer) else {
        return Err(());
    };
    match list.first() {
        None => Ok(None),
        Some(one) => one.get("id").and_then(Value::as_u64).map(Some).ok_or(()),
    }
}

/// Percent-encoded for a query (RFC 3986: all but unreserved characters).
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
