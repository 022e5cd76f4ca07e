use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a record or a point was not taken. Bad input is a value, not an error: it is counted, and where bytes could not
/// be decoded they go to the dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// The bytes are not of the declared format.
    Malformed,
    /// `auto` found no format that fits.
    UnknownFormat,
    /// A limit on bytes, depth, labels or points was passed.
    TooLarge,
    /// A needed field is missing.
    MissingField,
    /// A value is NaN, infinite, or out of range.
    BadValue,
    /// The time can't be read or lies outside the type's range.
    BadTime,
    /// Behind the watermark.
    Late,
    /// Beyond the allowed future.
    Future,
    /// Seen before.
    Duplicate,
    /// A further series would pass the shard's budget.
    SeriesLimit,
    /// The source or the record names no domain, service or region that is known.
    UnknownScope,
    /// A command or reply that isn't allowed in the present state.
    NotAllowed,
    /// `step` panicked on it twice.
    Quarantined,
    /// A target outside has not taken it in the tries and the time it had.
    Undelivered,
}

impl RejectReason {
    /// All reasons: label values of a metric come from here.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::UnknownFormat,
        Self::TooLarge,
        Self::MissingField,
        Self::BadValue,
        Self::BadTime,
        Self::Late,
        Self::Future,
        Self::Duplicate,
        Self::SeriesLimit,
        Self::UnknownScope,
        Self::NotAllowed,
        Self::Quarantined,
        Self::Undelivered,
    ];

    /// The name used in metrics, headers and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownFormat => "unknown_format",
            Self::TooLarge => "too_large",
            Self::MissingField => "missing_field",
            Self::BadValue => "bad_value",
            Self::BadTime => "bad_time",
            Self::Late => "late",
            Self::Future => "future",
            Self::Duplicate => "duplicate",
            Self::SeriesLimit => "series_limit",
            Self::UnknownScope => "unknown_scope",
            Self::NotAllowed => "not_allowed",
            Self::Quarantined => "quarantined",
            Self::Undelivered => "undelivered",
        }
    }

    /// Whether the record's bytes belong in the dead-letter topic: what can't be read or delivered. What was read and refused by a
    /// rule (late, duplicate, over a limit) is counted only.
    pub const fn is_dead_letter(self) -> bool {
        match self {
            Self::Malformed
            | Self::UnknownFormat
            | Self::TooLarge
            | Self::MissingField
            | Self::BadValue
            | Self::BadTime
            | Self::UnknownScope
            | Self::NotAllowed
            | Self::Quarantined
            | Self::Undelivered => true,
            Self::Late | Self::Future | Self::Duplicate | Self::SeriesLimit => false,
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One refusal: the reason and what exactly was wrong, in words that hold no personal data and none of the record's bytes
/// beyond a field's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// The class, for counting.
    pub reason: RejectReason,
    /// What was wrong, for a person: names the field or the point.
    pub detail: String,
}

impl Reject {
    /// A refusal.
    pub fn new(reason: RejectReason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}
