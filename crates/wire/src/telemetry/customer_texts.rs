use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_detect::text::{Topic, TopicTable, TopicTableError};
use forecall_types::{EventTime, Labels, Reading, Reject, RejectReason, SeriesKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json::{self, malformed, missing};
use super::mapping::envelope::open;
use super::mapping::{self, Envelope, Mapping, MappingError, TextFrom};
use super::mask::looks_personal;
use super::points::Points;
use super::{RawRecord, TimeUnit};

/// Metric of how many texts came.
const TEXTS: &str = "customer.texts";
/// Metric of how many of them are about a topic.
const TOPICS: &str = "customer.topics";
/// Bytes of a label of a text: names and codes are shorter, and longer ones are somebody's words.
const LABEL_BYTES_MAX: usize = 64;
/// Bytes of a topic's name.
const TOPIC_BYTES_MAX: usize = 64;
/// Counts that one record makes at most: at some 60 bytes each they fit into a record of the samples topic.
const ROWS_MAX: usize = 20_000;
/// Texts of one record are counted by second: by the minute, the last of one would be late beside the first of the next.
const STEP: Duration = Duration::from_secs(1);

/// Where the parts of a customer's text stand (tickets, reviews, mentions, answers to surveys), and what is listened for.
///
/// Only counts leave: `customer.texts`, and `customer.topics` by the label `topic`. The text itself is looked at once and kept
/// nowhere. Pointers are those of a mapping: JSON pointers (RFC 6901) that begin at the record's own JSON; of a CloudEvent at its
/// envelope (`/data/…`); of a Debezium change at the row after the change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextsSettings {
    /// Pointers to the parts of the text, such as subject and body. Those that are there are looked at together; a record that
    /// has none of them is refused.
    pub text: Vec<String>,
    /// Pointer to the time: RFC 3339 or a number. A record without it has the envelope's time, or that when the broker
    /// appended it.
    pub time: String,
    /// Unit of a time written as a number.
    pub time_unit: TimeUnit,
    /// Labels of the entity that the counts are of. Never names or numbers of people: what looks like one is refused.
    pub entity: BTreeMap<String, TextFrom>,
    /// Labels of `customer.texts`, such as the kind of text. The same holds for them.
    pub labels: BTreeMap<String, TextFrom>,
    /// What the record's own JSON is wrapped in.
    pub envelope: Envelope,
    /// Debezium operations looked at. A ticket that is changed isn't counted again: only created ones are, by default.
    pub operations: Vec<String>,
    /// Whether the built-in topics are listened for, in Persian and English: `down`, `slow`, `waiting`, `no_information`,
    /// `called_again`, `billing`, `calls_dropped`, `login`.
    pub built_in: bool,
    /// Topics of one's own: name → phrases, in any language. A phrase that ends with `*` goes on with whatever ending. Those of a
    /// built-in topic's name are added to it.
    pub topics: BTreeMap<String, Vec<String>>,
}

impl Default for TextsSettings {
    fn default() -> Self {
        let read = |pointer: &str| TextFrom::Read {
            pointer: pointer.to_owned(),
            default: Some(String::new()),
        };
        let labels = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(name, pointer)| ((*name).to_owned(), read(pointer)))
                .collect()
        };
        Self {
            text: ["/text", "/subject", "/body"].map(str::to_owned).into(),
            time: "/time".to_owned(),
            time_unit: TimeUnit::Auto,
            entity: labels(&[("service.name", "/service"), ("region", "/region")]),
            labels: labels(&[("kind", "/kind")]),
            envelope: Envelope::Auto,
            operations: vec!["c".to_owned()],
            built_in: true,
            topics: BTreeMap::new(),
        }
    }
}

/// What is wrong with the declaration of a source of texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextsError {
    /// A pointer or an operation is none.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// Topics or phrases beyond their bounds, or a phrase without a letter.
    #[error(transparent)]
    Topics(#[from] TopicTableError),
    /// Nothing is listened for.
    #[error("no topic is listened for: declare `topics`, or leave `built_in` true")]
    NoTopic,
    /// Nowhere to look.
    #[error("`text` names no pointer")]
    NoText,
    /// A topic's name that can't be a label.
    #[error("a name of `topics` is empty or longer than {TOPIC_BYTES_MAX} bytes")]
    Name,
    /// A label that would hold the text, or part of it.
    #[error("the label `{0}` points at the text itself")]
    Personal(String),
}

/// How texts are read: checked settings, ready for use.
#[derive(Debug, Clone, PartialEq)]
pub struct Texts {
    mapping: Mapping,
    text: Vec<String>,
    table: TopicTable,
}

impl Texts {
    /// Of settings.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(settings: &TextsSettings) -> Result<Self, TextsError> {
        let mut mapping = Mapping::events(TEXTS);
        mapping.time = Some(settings.time.clone());
        mapping.time_unit = settings.time_unit;
        mapping.entity.clone_from(&settings.entity);
        mapping.labels.clone_from(&settings.labels);
        mapping.envelope = settings.envelope;
        mapping.operations.clone_from(&settings.operations);
        mapping.personal.clone_from(&settings.text);
        mapping.check()?;
        if settings.text.is_empty() {
            return Err(TextsError::NoText);
        }
        let mut labels = mapping.entity.iter().chain(&mapping.labels);
        if let Some((name, _)) = labels
            .find(|(_, from)| matches!(from, TextFrom::Read { pointer, .. } if mapping.is_personal(pointer)))
        {
            return Err(TextsError::Personal(name.clone()));
        }
        let mut topics = if settings.built_in {
            Topic::built_in()
        } else {
            Vec::new()
        };
        for (name, phrases) in &settings.topics {
            if name.is_empty() || name.len() > TOPIC_BYTES_MAX {
                return Err(TextsError::Name);
            }
            match topics.iter_mut().find(|topic| topic.name == *name) {
                Some(topic) => topic.phrases.extend(phrases.iter().cloned()),
                None => topics.push(Topic {
                    name: name.clone(),
                    phrases: phrases.clone(),
                }),
            }
        }
        if topics.is_empty() {
            return Err(TextsError::NoTopic);
        }
        Ok(Self {
            mapping,
            text: settings.text.clone(),
            table: TopicTable::new(&topics)?,
        })
    }
}

impl Default for Texts {
    /// By the default settings.
    fn default() -> Self {
        Self::new(&TextsSettings::default()).unwrap_or_else(|_| Self {
            mapping: Mapping::events(TEXTS),
            text: Vec::new(),
            table: TopicTable::default(),
        })
    }
}

/// What was counted of one entity in one second.
#[derive(Default)]
struct Counts {
    /// By the labels of the texts.
    texts: BTreeMap<Labels, u64>,
    /// By the number of the topic.
    topics: Vec<u64>,
}

pub(super) fn decode(
    points: &mut Points<'_>,
    texts: &Texts,
    record: &RawRecord<'_>,
    value: &[u8],
) -> Result<(), Reject> {
    let list = json::elements(value, points.source().limits.depth_max)?;
    points.expect(list.len())?;
    let mut counts: BTreeMap<(Labels, EventTime), Counts> = BTreeMap::new();
    for (index, one) in list.into_iter().enumerate() {
        if let Err(reject) = count(points, texts, record, one, &mut counts) {
            points.refuse(Reject::new(
                reject.reason,
                format!("element {index}: {}", reject.detail),
            ));
        }
    }
    let rows: usize = counts.values().map(|c| c.texts.len() + c.topics.len()).sum();
    if rows > ROWS_MAX {
        let detail = format!("{rows} counts, {ROWS_MAX} are allowed: of so many seconds, places and topics");
        return Err(Reject::new(RejectReason::TooLarge, detail));
    }
    for ((resource, at), counts) in counts {
        let mut key = SeriesKey {
            metric: Arc::from(TEXTS),
            unit: Arc::from("{text}"),
            resource,
            labels: Labels::default(),
        };
        for (labels, count) in counts.texts {
            key.labels = labels;
            points.push(&key, at, Reading::Events { count });
        }
        // None is said too: a topic that nobody ever wrote about is known to be quiet where texts come in, and the first wave
        // of it stands out.
        key.metric = Arc::from(TOPICS);
        for (name, count) in texts.table.names().zip(counts.topics) {
            key.labels = Labels::from_pairs([("topic", name)]);
            points.push(&key, at, Reading::Events { count });
        }
    }
    Ok(())
}

fn count(
    points: &Points<'_>,
    texts: &Texts,
    record: &RawRecord<'_>,
    one: Value,
    counts: &mut BTreeMap<(Labels, EventTime), Counts>,
) -> Result<(), Reject> {
    let mapping = &texts.mapping;
    let Some(event) = open(mapping, record, one)? else {
        return Ok(());
    };
    let pointer = mapping.time.as_deref().unwrap_or_default();
    let at = match (event.root.pointer(pointer), &event.time) {
        (Some(Value::Null) | None, Some(time)) => json::time(Some(time), "time", TimeUnit::Auto)?,
        (Some(Value::Null) | None, None) => record.appended_at,
        (time, _) => json::time(time, pointer, mapping.time_unit)?,
    };
    let resource = points.resource(&labels(mapping, &mapping.entity, &event.root)?)?;
    let own = points.labels(&labels(mapping, &mapping.labels, &event.root)?)?;
    let text = text(texts, &event.root)?;
    let counts = counts.entry((resource, at.floor(STEP))).or_default();
    *counts.texts.entry(own).or_default() += 1;
    counts.topics.resize(texts.table.names().count(), 0);
    for (count, is_about) in counts.topics.iter_mut().zip(texts.table.marks(&text)) {
        *count += u64::from(is_about);
    }
    Ok(())
}

/// The parts of the text that are there, one after the other; an empty one says as little as none, but it is there.
fn text(texts: &Texts, root: &Value) -> Result<String, Reject> {
    let mut whole: Option<String> = None;
    for pointer in &texts.text {
        match root.pointer(pointer) {
            Some(Value::String(part)) => {
                let whole = whole.get_or_insert_default();
                // A phrase doesn't go on from one part to the next.
                whole.push('\n');
                whole.push_str(part);
            }
            Some(Value::Null) | None => {}
            Some(_) => return Err(malformed(&format!("`{pointer}` is not a text"))),
        }
    }
    whole.ok_or_else(|| missing(texts.text.first().map_or("text", String::as_str)))
}

/// Labels that are surely no person's.
fn labels<'m>(
    mapping: &Mapping,
    declared: &'m BTreeMap<String, TextFrom>,
    root: &Value,
) -> Result<Vec<(&'m str, std::borrow::Cow<'m, str>)>, Reject> {
    let pairs = mapping::texts(mapping, declared, root)?;
    for (name, value) in &pairs {
        if value.len() > LABEL_BYTES_MAX {
            return Err(Reject::new(
                RejectReason::TooLarge,
                format!(
                    "label `{name}`: {} bytes, {LABEL_BYTES_MAX} are allowed",
                    value.len()
                ),
            ));
        }
        if looks_personal(value) {
            return Err(Reject::new(
                RejectReason::NotAllowed,
                format!("label `{name}` looks like somebody's number or address"),
            ));
        }
    }
    Ok(pairs)
}
