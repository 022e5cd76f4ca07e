use std::collections::BTreeMap;
use std::time::Duration;

use forecall_types::{ContextKind, ContextParts, ContextRecord, Reject, RejectReason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json::{self, malformed, missing};
use super::mapping::envelope::open;
use super::mapping::{self, Envelope, Mapping, MappingError, TextFrom};
use super::mask::masked_line;
use super::points::Points;
use super::samples::CONTEXTS_MAX;
use super::{RawRecord, TimeUnit};

/// How far ahead something may be announced: what lies further takes a place for long and is most likely a wrong unit of time.
const AHEAD_MAX: Duration = Duration::from_secs(31 * 86_400);
/// Bytes of a title as it is written: a line.
const TITLE_BYTES_MAX: usize = 256;
/// Longest `default_seconds`: an end that nobody named is guessed in hours at most.
const DEFAULT_SECONDS_MAX: u32 = 86_400;

/// Where the parts of an announcement stand: a deployment, a change of settings, a load test, maintenance.
///
/// Pointers are those of a mapping: JSON pointers (RFC 6901) that begin at the record's own JSON; of a CloudEvent at its envelope
/// (`/data/…`); of a Debezium change at the row after the change. An empty one: it isn't looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContextSettings {
    /// What is announced: `deployment`, `config_change`, `load_test` or `maintenance`, or a word of `kinds`. Another word is refused.
    pub kind: TextFrom,
    /// Words of one's own → one of the four kinds.
    pub kinds: BTreeMap<String, String>,
    /// Pointer to its reference, told in events: visible ASCII without an at sign, at most 128 bytes; never a person's number. The
    /// same again replaces what it said before; with an `until` that is over, it ends it.
    pub id: String,
    /// Pointer to its beginning: RFC 3339 or a number. A record without it begins at the envelope's time, or when the broker
    /// appended it.
    pub from: String,
    /// Pointer to its end, at most 7 days after the beginning. Maintenance must have one.
    pub until: String,
    /// How long it lasts where its end isn't said.
    pub default_seconds: u32,
    /// Unit of times written as numbers.
    pub time_unit: TimeUnit,
    /// Pointer to a line for people, at most 256 bytes. Values in it are masked.
    pub title: String,
    /// Pointer to an object of the labels that choose series → value, in which `*` stands for any run of characters: all must
    /// match. None, or nothing but `*`, is refused.
    pub r#match: String,
    /// Labels that stand elsewhere in the record, beside those of `match`; they go before them.
    pub labels: BTreeMap<String, TextFrom>,
    /// What the record's own JSON is wrapped in.
    pub envelope: Envelope,
    /// Debezium operations looked at: `c` created, `r` read by a snapshot, `u` changed. Empty: all three.
    pub operations: Vec<String>,
}

impl Default for ContextSettings {
    fn default() -> Self {
        Self {
            kind: TextFrom::Read {
                pointer: "/kind".to_owned(),
                default: None,
            },
            kinds: BTreeMap::new(),
            id: "/id".to_owned(),
            from: "/from".to_owned(),
            until: "/until".to_owned(),
            default_seconds: 900,
            time_unit: TimeUnit::Auto,
            title: "/title".to_owned(),
            r#match: "/match".to_owned(),
            labels: BTreeMap::new(),
            envelope: Envelope::Auto,
            operations: Vec::new(),
        }
    }
}

/// What is wrong with the declaration of a source of announcements.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// A pointer or an operation is none.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// Not one of the four.
    #[error("`{field}` says `{kind}`, which is none of {KINDS}")]
    Kind {
        /// Where.
        field: &'static str,
        /// What was given.
        kind: String,
    },
    /// A length that is none, or too long.
    #[error("`default_seconds` must lie between 1 and {DEFAULT_SECONDS_MAX}")]
    Seconds,
}

const KINDS: &str = "deployment, config_change, load_test, maintenance";

/// How announcements are read: checked settings, ready for use.
#[derive(Debug, Clone, PartialEq)]
pub struct Announcements {
    settings: ContextSettings,
    kinds: BTreeMap<String, ContextKind>,
    mapping: Mapping,
}

impl Announcements {
    /// Of settings.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(settings: &ContextSettings) -> Result<Self, ContextError> {
        let mapping = mapping_of(settings);
        mapping.check()?;
        for (field, pointer) in [
            ("id", &settings.id),
            ("until", &settings.until),
            ("title", &settings.title),
            ("match", &settings.r#match),
        ] {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                let (field, pointer) = (field.to_owned(), pointer.clone());
                return Err(MappingError::NotAPointer { field, pointer }.into());
            }
        }
        if !(1..=DEFAULT_SECONDS_MAX).contains(&settings.default_seconds) {
            return Err(ContextError::Seconds);
        }
        let known = |field, kind: &String| {
            let kind = kind.clone();
            ContextKind::from_name(&kind).ok_or(ContextError::Kind { field, kind })
        };
        let mut kinds = BTreeMap::new();
        for (word, kind) in &settings.kinds {
            kinds.insert(word.clone(), known("kinds", kind)?);
        }
        if let TextFrom::Fixed(kind) = &settings.kind
            && !kinds.contains_key(kind)
        {
            known("kind", kind)?;
        }
        Ok(Self {
            settings: settings.clone(),
            kinds,
            mapping,
        })
    }
}

/// What a mapping says in the same words.
fn mapping_of(settings: &ContextSettings) -> Mapping {
    let mut mapping = Mapping::events("context");
    mapping.metric = settings.kind.clone();
    mapping.time = Some(settings.from.clone());
    mapping.labels.clone_from(&settings.labels);
    mapping.envelope = settings.envelope;
    mapping.operations.clone_from(&settings.operations);
    mapping
}

impl Default for Announcements {
    /// By the default settings.
    fn default() -> Self {
        let settings = ContextSettings::default();
        Self {
            kinds: BTreeMap::new(),
            mapping: mapping_of(&settings),
            settings,
        }
    }
}

pub(super) fn decode(
    points: &mut Points<'_>,
    announcements: &Announcements,
    record: &RawRecord<'_>,
    value: &[u8],
) -> Result<(), Reject> {
    let list = json::elements(value, points.source().limits.depth_max)?;
    if list.len() > CONTEXTS_MAX {
        let what = format!("{} announcements, {CONTEXTS_MAX} are allowed", list.len());
        return Err(Reject::new(RejectReason::TooLarge, what));
    }
    points.expect(list.len())?;
    for (index, one) in list.into_iter().enumerate() {
        match announced(announcements, record, one) {
            Ok(Some(context)) => points.announce(context),
            Ok(None) => {}
            Err(reject) => points.refuse(Reject::new(
                reject.reason,
                format!("element {index}: {}", reject.detail),
            )),
        }
    }
    Ok(())
}

fn announced(
    announcements: &Announcements,
    record: &RawRecord<'_>,
    one: Value,
) -> Result<Option<ContextRecord>, Reject> {
    let Announcements {
        settings,
        kinds,
        mapping,
    } = announcements;
    let Some(event) = open(mapping, record, one)? else {
        return Ok(None);
    };
    let root = &event.root;
    // The whole record is no part of itself.
    let given = |pointer: &str| {
        let value = root.pointer(pointer).filter(|_| !pointer.is_empty());
        value.filter(|value| !value.is_null())
    };
    let word = mapping::text(&settings.kind, root)?.ok_or_else(|| missing("kind"))?;
    let kind = kinds.get(word.as_ref()).copied();
    let kind = kind.or_else(|| ContextKind::from_name(&word)).ok_or_else(|| {
        Reject::new(
            RejectReason::BadValue,
            format!("the kind is none of {KINDS}, nor a word of `kinds`"),
        )
    })?;
    let id = match given(&settings.id) {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        Some(_) => return Err(malformed(&format!("`{}` is not a text", settings.id))),
        None => return Err(missing(&settings.id)),
    };
    let from = match (given(&settings.from), &event.time) {
        (None, Some(time)) => json::time(Some(time), "time", TimeUnit::Auto)?,
        (None, None) => record.appended_at,
        (time, _) => json::time(time, &settings.from, settings.time_unit)?,
    };
    let until = match given(&settings.until) {
        None if kind == ContextKind::Maintenance => return Err(missing(&settings.until)),
        None => from.plus(Duration::from_secs(u64::from(settings.default_seconds))),
        time => json::time(time, &settings.until, settings.time_unit)?,
    };
    if until < from && given(&settings.from).is_none() && event.time.is_none() {
        // It says when something ends that began earlier.
        return Err(missing(&settings.from));
    }
    if from.since(record.appended_at) > AHEAD_MAX {
        let days = AHEAD_MAX.as_secs() / 86_400;
        return Err(Reject::new(
            RejectReason::BadTime,
            format!("`{}` lies more than {days} days ahead", settings.from),
        ));
    }
    // An empty label would widen the announcement without a word.
    if let Some(Value::Object(labels)) = given(&settings.r#match)
        && labels
            .values()
            .any(|v| v.is_null() || v.is_array() || v.is_object())
    {
        return Err(malformed(&format!(
            "`{}` holds a value that is no text",
            settings.r#match
        )));
    }
    let mut matches: BTreeMap<String, String> = json::labels(given(&settings.r#match), &settings.r#match)?
        .into_iter()
        .collect();
    let own = mapping::texts(mapping, &settings.labels, root)?;
    matches.extend(own.into_iter().map(|(n, v)| (n.to_owned(), v.into_owned())));
    let parts = ContextParts {
        kind,
        id,
        from,
        until,
        matches,
        title: title(given(&settings.title), &settings.title)?,
    };
    Ok(Some(ContextRecord::new(parts)?))
}

/// A line that holds no value: a person's number might stand in it.
fn title(value: Option<&Value>, pointer: &str) -> Result<Option<String>, Reject> {
    match value {
        None => Ok(None),
        Some(Value::String(title)) if title.len() > TITLE_BYTES_MAX => Err(Reject::new(
            RejectReason::TooLarge,
            format!("`{pointer}` is longer than {TITLE_BYTES_MAX} bytes"),
        )),
        Some(Value::String(title)) => Ok(Some(masked_line(title)).filter(|masked| !masked.is_empty())),
        Some(_) => Err(malformed(&format!("`{pointer}` is not a text"))),
    }
}
