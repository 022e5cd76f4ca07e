use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_types::{EventTime, Reading, Reject, RejectReason, SeriesKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::envelope::{Event, open};
use super::decode::key_of;
use super::json::{self, missing};
use super::points::Points;
use super::{PseudonymKey, RawRecord, TimeUnit};

pub(super) mod envelope;

/// Label of a point that tells the customer, as a pseudonym.
const CUSTOMER_LABEL: &str = "customer.id";

/// How to read any JSON or CloudEvent: where the time, the value and the names stand.
///
/// Pointers are JSON pointers (RFC 6901). They begin at the record's own JSON; of a CloudEvent, in either mode, at its
/// envelope (`/type`, `/subject`, `/data/…`); of a Debezium change, at the row after the change.
///
/// With `value` a record is a gauge, else it is an event (`count` of them, 1 if not given).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Name of the metric.
    pub metric: TextFrom,
    /// Unit (UCUM) of the metric.
    #[serde(default)]
    pub unit: String,
    /// Pointer to the time: RFC 3339 or a number. Not given: the CloudEvent's `time`, the Debezium change's `ts_ms`, or
    /// when the broker appended the record.
    #[serde(default)]
    pub time: Option<String>,
    /// Unit of a time written as a number.
    #[serde(default)]
    pub time_unit: TimeUnit,
    /// Pointer to the value of a gauge: a number, a text that holds one, or a flag (1 or 0).
    #[serde(default)]
    pub value: Option<String>,
    /// Pointer to the number of events the record stands for.
    #[serde(default)]
    pub count: Option<String>,
    /// Labels of the entity, such as `service.name` and `region`.
    #[serde(default)]
    pub entity: BTreeMap<String, TextFrom>,
    /// Labels of the point.
    #[serde(default)]
    pub labels: BTreeMap<String, TextFrom>,
    /// Whom it happened to; becomes the label `customer.id`, a pseudonym.
    #[serde(default)]
    pub customer: Option<CustomerField>,
    /// Pointers to personal fields: a label that points at or below one, or at one's parent, is dropped. The customer's
    /// own field always is one.
    #[serde(default)]
    pub personal: Vec<String>,
    /// Only records for which this holds are looked at.
    #[serde(default, rename = "where")]
    pub condition: Option<Condition>,
    /// What the record's own JSON is wrapped in.
    #[serde(default)]
    pub envelope: Envelope,
    /// Debezium operations looked at: `c` created, `r` read by a snapshot, `u` changed. Empty: all three. Deletes never
    /// are.
    #[serde(default)]
    pub operations: Vec<String>,
}

/// A text: fixed, or read from the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TextFrom {
    /// Always this.
    Fixed(String),
    /// Read from the record.
    Read {
        /// Where it stands.
        pointer: String,
        /// Taken where it is missing or null; an empty text leaves the label out. Not given: the record is refused.
        #[serde(default, rename = "or")]
        default: Option<String>,
    },
}

/// Where the customer stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerField {
    /// Pointer to a number, address or id. A record without it stands for nobody in particular.
    pub pointer: String,
    /// What it is.
    #[serde(default)]
    pub kind: IdentityKind,
}

/// What a customer is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// A phone number or e-mail address, in whatever way it is written.
    #[default]
    Address,
    /// A customer number, which may look like a phone number and is none.
    Id,
}

/// A condition on one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Where the field stands.
    pub pointer: String,
    /// What it must be; `null` also stands for a missing field.
    pub equals: Value,
}

/// What a record's JSON is wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Envelope {
    /// By `ce_…` headers, content type and shape, record by record.
    #[default]
    Auto,
    /// In nothing.
    None,
    /// A CloudEvent, structured or binary.
    CloudEvents,
    /// A Debezium change event.
    Debezium,
}

/// What is wrong with a mapping's declaration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Not a JSON pointer.
    #[error("`{field}`: `{pointer}` is not a JSON pointer: it is empty or begins with /")]
    NotAPointer {
        /// Field of the mapping.
        field: String,
        /// What was given.
        pointer: String,
    },
    /// Both a value and a count.
    #[error("a mapping has a `value` or a `count`, not both")]
    ValueAndCount,
    /// An operation that Debezium doesn't have or that is never looked at.
    #[error("`operations`: `{0}` is none of c, r, u")]
    NotAnOperation(String),
}

impl Mapping {
    /// Of records that are events named `metric`, without labels: a start for the fields wanted.
    pub fn events(metric: &str) -> Self {
        Self {
            metric: TextFrom::Fixed(metric.to_owned()),
            unit: String::new(),
            time: None,
            time_unit: TimeUnit::Auto,
            value: None,
            count: None,
            entity: BTreeMap::new(),
            labels: BTreeMap::new(),
            customer: None,
            personal: Vec::new(),
            condition: None,
            envelope: Envelope::Auto,
            operations: Vec::new(),
        }
    }

    /// Checks what the type can't say; to be called once when the settings are read.
    ///
    /// # Errors
    /// A pointer that is none, both `value` and `count`, an unknown operation.
    pub fn check(&self) -> Result<(), MappingError> {
        let of = |field: &str, text: &TextFrom| match text {
            TextFrom::Fixed(_) => None,
            TextFrom::Read { pointer, .. } => Some((field.to_owned(), pointer.clone())),
        };
        let mut pointers: Vec<(String, String)> = of("metric", &self.metric).into_iter().collect();
        pointers.extend(
            self.entity
                .iter()
                .filter_map(|(name, t)| of(&format!("entity.{name}"), t)),
        );
        pointers.extend(
            self.labels
                .iter()
                .filter_map(|(name, t)| of(&format!("labels.{name}"), t)),
        );
        for (field, pointer) in [
            ("time", &self.time),
            ("value", &self.value),
            ("count", &self.count),
        ] {
            pointers.extend(pointer.iter().map(|p| (field.to_owned(), p.clone())));
        }
        pointers.extend(
            self.customer
                .iter()
                .map(|c| ("customer".to_owned(), c.pointer.clone())),
        );
        pointers.extend(
            self.condition
                .iter()
                .map(|c| ("where".to_owned(), c.pointer.clone())),
        );
        pointers.extend(self.personal.iter().map(|p| ("personal".to_owned(), p.clone())));
        if let Some((field, pointer)) = pointers
            .into_iter()
            .find(|(_, pointer)| !pointer.is_empty() && !pointer.starts_with('/'))
        {
            return Err(MappingError::NotAPointer { field, pointer });
        }
        if self.value.is_some() && self.count.is_some() {
            return Err(MappingError::ValueAndCount);
        }
        match self
            .operations
            .iter()
            .find(|op| !["c", "r", "u"].contains(&op.as_str()))
        {
            Some(op) => Err(MappingError::NotAnOperation(op.clone())),
            None => Ok(()),
        }
    }

    /// Whether a label read there would hold a personal field, or part of one.
    pub(super) fn is_personal(&self, pointer: &str) -> bool {
        let within = |outer: &str, inner: &str| {
            inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.personal
            .iter()
            .map(String::as_str)
            .chain(self.customer.iter().map(|c| c.pointer.as_str()))
            .any(|personal| within(personal, pointer) || within(pointer, personal))
    }
}

pub(super) fn decode(
    points: &mut Points<'_>,
    mapping: &Mapping,
    pseudonyms: Option<&PseudonymKey>,
    record: &RawRecord<'_>,
    value: &[u8],
) -> Result<(), Reject> {
    let key = match &mapping.customer {
        Some(_) => Some(key_of(pseudonyms)?),
        None => None,
    };
    let list = json::elements(value, points.source().limits.depth_max)?;
    points.expect(list.len())?;
    for (index, one) in list.into_iter().enumerate() {
        let read = open(mapping, record, one).and_then(|event| match event {
            Some(event) => one_event(points, mapping, key, &event, record.appended_at),
            None => Ok(()),
        });
        if let Err(reject) = read {
            points.refuse(Reject::new(
                reject.reason,
                format!("element {index}: {}", reject.detail),
            ));
        }
    }
    Ok(())
}

fn one_event(
    points: &mut Points<'_>,
    mapping: &Mapping,
    key: Option<&PseudonymKey>,
    event: &Event,
    appended_at: EventTime,
) -> Result<(), Reject> {
    if let Some(condition) = &mapping.condition {
        let found = event.root.pointer(&condition.pointer).unwrap_or(&Value::Null);
        if *found != condition.equals {
            return Ok(());
        }
    }
    let at = match (&mapping.time, &event.time) {
        (Some(pointer), _) => json::time(event.root.pointer(pointer), pointer, mapping.time_unit)?,
        (None, Some(time)) => json::time(Some(time), "time", TimeUnit::Auto)?,
        (None, None) => appended_at,
    };
    let metric = match text(&mapping.metric, &event.root)? {
        Some(name) => name,
        None => return Err(missing("metric")),
    };
    let entity = texts(mapping, &mapping.entity, &event.root)?;
    let mut labels = texts(mapping, &mapping.labels, &event.root)?;
    if let (Some(field), Some(key)) = (&mapping.customer, key)
        && let Some(customer) = event.root.pointer(&field.pointer).and_then(json::label_text)
        && !customer.trim().is_empty()
    {
        let written = match field.kind {
            IdentityKind::Address => customer,
            IdentityKind::Id => format!("id:{customer}"),
        };
        let pseudonym = key.customer(&points.source().domain, &written);
        labels.push((CUSTOMER_LABEL, Cow::Owned(pseudonym.as_str().to_owned())));
    }
    let series = SeriesKey {
        metric: Arc::from(points.metric(&metric)?),
        unit: Arc::from(mapping.unit.as_str()),
        resource: points.resource(&entity)?,
        labels: points.labels(&labels)?,
    };
    let reading = reading(mapping, &event.root)?;
    points.push(&series, at, reading);
    Ok(())
}

fn reading(mapping: &Mapping, root: &Value) -> Result<Reading<'static>, Reject> {
    if let Some(pointer) = &mapping.value {
        return match root.pointer(pointer) {
            Some(Value::Bool(flag)) => Ok(Reading::Gauge(f64::from(u8::from(*flag)))),
            value => json::number(value, pointer).map(Reading::Gauge),
        };
    }
    let Some(pointer) = &mapping.count else {
        return Ok(Reading::Events { count: 1 });
    };
    let count = match root.pointer(pointer) {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(Value::Null) | None => return Err(missing(pointer)),
        Some(_) => None,
    };
    count
        .map(|count| Reading::Events { count })
        .ok_or_else(|| Reject::new(RejectReason::BadValue, format!("`{pointer}` is not a count")))
}

pub(super) fn texts<'m>(
    mapping: &Mapping,
    declared: &'m BTreeMap<String, TextFrom>,
    root: &Value,
) -> Result<Vec<(&'m str, Cow<'m, str>)>, Reject> {
    let mut pairs = Vec::with_capacity(declared.len() + 1);
    for (name, from) in declared {
        if let TextFrom::Read { pointer, .. } = from
            && mapping.is_personal(pointer)
        {
            continue;
        }
        if let Some(value) = text(from, root)? {
            pairs.push((name.as_str(), value));
        }
    }
    Ok(pairs)
}

pub(super) fn text<'m>(from: &'m TextFrom, root: &Value) -> Result<Option<Cow<'m, str>>, Reject> {
    match from {
        TextFrom::Fixed(text) => Ok(Some(Cow::Borrowed(text))),
        TextFrom::Read { pointer, default } => {
            match (root.pointer(pointer).and_then(json::label_text), default) {
                (Some(text), _) => Ok(Some(Cow::Owned(text))),
                (None, Some(default)) if default.is_empty() => Ok(None),
                (None, Some(default)) => Ok(Some(Cow::Borrowed(default))),
                (None, None) => Err(missing(pointer)),
            }
        }
    }
}
