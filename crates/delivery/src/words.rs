//! What gateways behind HTTP write alike.

use forecall_types::{EventTime, Language};
use jiff::Timestamp;
use serde_json::Value;

/// RFC 3339, in UTC, to the second.
pub(crate) fn time(at: EventTime) -> String {
    Timestamp::from_second(at.secs()).map_or_else(|_| at.secs().to_string(), |at| at.to_string())
}

/// JSON as it is posted.
pub(crate) fn bytes_of(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// In which direction a language is read.
pub(crate) const fn direction(language: Language) -> &'static str {
    match language {
        Language::Fa => "rtl",
        Language::En => "ltr",
    }
}
