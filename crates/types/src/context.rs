use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{EventTime, Reject, RejectReason, SeriesKey, fits};

/// Bytes of a context's id: a change number, a build's address.
pub const CONTEXT_ID_BYTES_MAX: usize = 128;
/// Bytes of a context's title: a line, with room for the marks that stand in place of its values.
pub const CONTEXT_TITLE_BYTES_MAX: usize = 1_024;
/// Labels that one context chooses series by.
pub const CONTEXT_LABELS_MAX: usize = 16;
/// Bytes of a label's name and of its pattern: longer ones choose nothing that a person would announce.
pub const CONTEXT_PATTERN_BYTES_MAX: usize = 255;
/// Stars in a pattern: each may cost a walk over the label.
pub const CONTEXT_STARS_MAX: usize = 8;
/// How long a context lasts at most: a forgotten one must not widen bands for ever.
pub const CONTEXT_SPAN_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Contexts that an anomaly names: more at once say nothing.
pub const CONTEXT_NOTES_MAX: usize = 8;

/// What was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextKind {
    /// Another version is rolled out.
    Deployment,
    /// Settings change, the version doesn't.
    ConfigChange,
    /// More is asked of it on purpose.
    LoadTest,
    /// It is worked on, and may be away.
    Maintenance,
}

impl ContextKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::Deployment,
        Self::ConfigChange,
        Self::LoadTest,
        Self::Maintenance,
    ];

    /// The name used in records and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::ConfigChange => "config_change",
            Self::LoadTest => "load_test",
            Self::Maintenance => "maintenance",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What makes a [`ContextRecord`], unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextParts {
    /// What was announced.
    pub kind: ContextKind,
    /// Whose revision it is: the same id again replaces what was said before.
    pub id: String,
    /// From then on …
    pub from: EventTime,
    /// … until just before then. At `from`: it never was.
    pub until: EventTime,
    /// Labels of the series it is about → value, in which `*` stands for any run of characters: all must match.
    pub matches: BTreeMap<String, String>,
    /// A line for people.
    pub title: Option<String>,
}

/// Why something is no context record; holds none of its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextError {
    reason: RejectReason,
    what: String,
}

impl ContextError {
    fn new(reason: RejectReason, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { reason, what }
    }
}

impl std::fmt::Display for ContextError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for ContextError {}

impl From<ContextError> for Reject {
    fn from(error: ContextError) -> Self {
        Self::new(error.reason, error.what)
    }
}

/// Something that people announced of some series: a deployment, maintenance. Never of all series: what it matches by is never
/// empty, nor nothing but stars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ContextParts", into = "ContextParts")]
pub struct ContextRecord(ContextParts);

impl ContextRecord {
    /// Of checked parts.
    ///
    /// # Errors
    /// `MissingField` for an empty id or match, `TooLarge` beyond a limit, `BadTime` for an end before the beginning or a span
    /// beyond [`CONTEXT_SPAN_MAX`], `BadValue` for an id with anything but visible ASCII or with an at sign, or for a pattern
    /// that nothing fits.
    pub fn new(parts: ContextParts) -> Result<Self, ContextError> {
        check_words(&parts)?;
        check_match(&parts.matches)?;
        if parts.until < parts.from {
            return Err(ContextError::new(
                RejectReason::BadTime,
                "`until` lies before `from`",
            ));
        }
        if parts.until.since(parts.from) > CONTEXT_SPAN_MAX {
            let days = CONTEXT_SPAN_MAX.as_secs() / 86_400;
            return Err(ContextError::new(
                RejectReason::BadTime,
                format!("`from` to `until` is longer than {days} days"),
            ));
        }
        Ok(Self(parts))
    }

    /// What it is made of.
    pub const fn parts(&self) -> &ContextParts {
        &self.0
    }

    /// Whether it holds at that time.
    pub fn covers(&self, at: EventTime) -> bool {
        self.0.from <= at && at < self.0.until
    }

    /// Whether it holds at any time from the one to the other, both included.
    pub fn overlaps(&self, from: EventTime, to: EventTime) -> bool {
        self.0.from < self.0.until && self.0.from <= to && from < self.0.until
    }

    /// Whether it is about a series; a label of the point goes before one of the resource.
    pub fn is_about(&self, series: &SeriesKey) -> bool {
        self.0.matches.iter().all(|(name, pattern)| {
            let value = series.labels.get(name).or_else(|| series.resource.get(name));
            value.is_some_and(|value| fits(pattern, value))
        })
    }

    /// As an anomaly tells it.
    pub fn note(&self) -> ContextNote {
        ContextNote {
            kind: self.0.kind,
            id: Arc::from(self.0.id.as_str()),
            title: self.0.title.as_deref().map(Arc::from),
            from: self.0.from,
            until: self.0.until,
        }
    }
}

impl TryFrom<ContextParts> for ContextRecord {
    type Error = ContextError;
    fn try_from(parts: ContextParts) -> Result<Self, ContextError> {
        Self::new(parts)
    }
}

impl From<ContextRecord> for ContextParts {
    fn from(record: ContextRecord) -> Self {
        record.0
    }
}

fn check_words(parts: &ContextParts) -> Result<(), ContextError> {
    if parts.id.is_empty() {
        return Err(ContextError::new(RejectReason::MissingField, "`id` is empty"));
    }
    if parts.id.len() > CONTEXT_ID_BYTES_MAX {
        let what = format!("`id` is longer than {CONTEXT_ID_BYTES_MAX} bytes");
        return Err(ContextError::new(RejectReason::TooLarge, what));
    }
    // It is told in events: a reference, never a sentence or an address.
    if !parts.id.bytes().all(|b| b.is_ascii_graphic() && b != b'@') {
        return Err(ContextError::new(
            RejectReason::BadValue,
            "`id` holds something else than visible ASCII, or an at sign",
        ));
    }
    if parts.id.len() >= 10 && parts.id.bytes().all(|b| b.is_ascii_digit() || b == b'+') {
        return Err(ContextError::new(
            RejectReason::BadValue,
            "`id` may be a telephone number: ten digits and more, and nothing else",
        ));
    }
    if parts
        .title
        .as_ref()
        .is_some_and(|t| t.len() > CONTEXT_TITLE_BYTES_MAX)
    {
        let what = format!("`title` is longer than {CONTEXT_TITLE_BYTES_MAX} bytes");
        return Err(ContextError::new(RejectReason::TooLarge, what));
    }
    Ok(())
}

fn check_match(matches: &BTreeMap<String, String>) -> Result<(), ContextError> {
    if matches.is_empty() {
        return Err(ContextError::new(
            RejectReason::MissingField,
            "`match` names no label: a context never holds for all series",
        ));
    }
    if matches.len() > CONTEXT_LABELS_MAX {
        let what = format!("`match` names more than {CONTEXT_LABELS_MAX} labels");
        return Err(ContextError::new(RejectReason::TooLarge, what));
    }
    for (name, pattern) in matches {
        if name.is_empty() || pattern.is_empty() {
            return Err(ContextError::new(
                RejectReason::BadValue,
                "`match` holds an empty name or an empty pattern, which nothing fits",
            ));
        }
        if name.len() > CONTEXT_PATTERN_BYTES_MAX || pattern.len() > CONTEXT_PATTERN_BYTES_MAX {
            let what =
                format!("`match` holds a name or a pattern longer than {CONTEXT_PATTERN_BYTES_MAX} bytes");
            return Err(ContextError::new(RejectReason::TooLarge, what));
        }
        if pattern.matches('*').count() > CONTEXT_STARS_MAX {
            let what = format!("`match` holds a pattern of more than {CONTEXT_STARS_MAX} `*`");
            return Err(ContextError::new(RejectReason::TooLarge, what));
        }
    }
    if matches.values().all(|pattern| pattern.bytes().all(|b| b == b'*')) {
        return Err(ContextError::new(
            RejectReason::BadValue,
            "`match` holds nothing but `*`: a context never holds for all series",
        ));
    }
    Ok(())
}

/// A context as an anomaly tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextNote {
    /// What was announced.
    pub kind: ContextKind,
    /// Its reference.
    pub id: Arc<str>,
    /// A line for people.
    pub title: Option<Arc<str>>,
    /// From then on …
    pub from: EventTime,
    /// … until just before then.
    pub until: EventTime,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Labels;

    fn parts(pairs: &[(&str, &str)], from: i64, until: i64) -> ContextParts {
        ContextParts {
            kind: ContextKind::Deployment,
            id: "CHG-1".to_owned(),
            from: EventTime::from_secs(from),
            until: EventTime::from_secs(until),
            matches: pairs
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            title: None,
        }
    }

    #[test]
    fn it_never_holds_for_all_series_nor_for_ever() {
        let refused = |parts: ContextParts| {
            let reject = Reject::from(ContextRecord::new(parts).unwrap_err());
            format!("{}: {}", reject.reason, reject.detail)
        };
        let named = [("a", "x")];
        for (pairs, from, until, why) in [
            (&[][..], 0, 60, "missing_field: `match` names no label"),
            (
                &[("a", "*"), ("b", "***")],
                0,
                60,
                "bad_value: `match` holds nothing but `*`",
            ),
            (
                &[("a", "x"), ("b", "")],
                0,
                60,
                "bad_value: `match` holds an empty",
            ),
            (
                &[("a", "*********x")],
                0,
                60,
                "too_large: `match` holds a pattern of more than 8",
            ),
            (&named, 60, 0, "bad_time: `until` lies before"),
            (
                &named,
                0,
                7 * 86_400 + 1,
                "bad_time: `from` to `until` is longer than 7 days",
            ),
        ] {
            let said = refused(parts(pairs, from, until));
            assert!(said.starts_with(why), "{said}");
        }
        let worded = |id: &str, title: &str| ContextParts {
            id: id.to_owned(),
            title: Some(title.to_owned()),
            ..parts(&named, 0, 60)
        };
        assert_eq!(refused(worded("", "")), "missing_field: `id` is empty");
        assert!(refused(worded("a b", "")).starts_with("bad_value: `id`"));
        assert!(refused(worded("a@b", "")).starts_with("bad_value: `id`"));
        assert!(refused(worded(&"i".repeat(129), "")).starts_with("too_large: `id`"));
        assert!(refused(worded("i", &"t".repeat(1_025))).starts_with("too_large: `title`"));
        assert!(ContextRecord::new(worded("i", &"t".repeat(1_024))).is_ok());
        assert!(ContextRecord::new(parts(&named, 0, 7 * 86_400)).is_ok());
        assert!(ContextRecord::new(parts(&[("a", "x"), ("b", "*")], 0, 0)).is_ok());
    }

    #[test]
    fn it_covers_its_beginning_and_not_its_end() {
        let record = |from, until| ContextRecord::new(parts(&[("a", "x")], from, until)).unwrap();
        let at = EventTime::from_secs;
        let one = record(10, 20);
        assert_eq!(
            [9, 10, 19, 20].map(|s| one.covers(at(s))),
            [false, true, true, false]
        );
        assert!(one.overlaps(at(0), at(10)) && !one.overlaps(at(0), at(9)));
        assert!(one.overlaps(at(19), at(99)) && !one.overlaps(at(20), at(99)));
        let none = record(10, 10);
        assert!(!none.covers(at(10)) && !none.overlaps(at(0), at(99)));
    }

    #[test]
    fn a_label_of_the_point_goes_before_one_of_the_resource() {
        let series = SeriesKey {
            metric: Arc::from("m"),
            unit: Arc::from(""),
            resource: Labels::from_pairs([("service.name", "shop"), ("zone", "a")]),
            labels: Labels::from_pairs([("zone", "b")]),
        };
        let is = |pairs: &[(&str, &str)]| ContextRecord::new(parts(pairs, 0, 1)).unwrap().is_about(&series);
        assert!(is(&[("service.name", "sh*"), ("zone", "b")]));
        assert!(!is(&[("zone", "a")]) && !is(&[("service.name", "shop"), ("other", "*")]));
    }
}
