use std::collections::BTreeMap;

use forecall_types::{CustomerEvent, CustomerEventKind, RegionCode, Reject, RejectReason, ServiceName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json::{self, malformed, missing};
use super::mapping::envelope::{Event, open};
use super::mapping::{self, CustomerField, Envelope, IdentityKind, Mapping, MappingError, TextFrom};
use super::mask::looks_personal;
use super::{Decoded, PseudonymKey, RawRecord, Source, TimeUnit};

/// Bytes of an id, a key or a customer as written: longer ones are a mistake in the pointers.
const FIELD_BYTES_MAX: usize = 1_024;

/// Where the parts of what happened to a customer stand: paid, activated, wrote, called.
///
/// Customer, id and key leave the decoder as keyed hashes only. Pointers are those of a mapping: JSON pointers (RFC 6901) that begin
/// at the record's own JSON; of a CloudEvent at its envelope (`/data/…`); of a Debezium change at the row after the change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CustomerEventsSettings {
    /// What happened: a kind of event as rules of `journeys` name it, or a word of `kinds`. Kinds that no rule names are passed over.
    pub kind: TextFrom,
    /// Words of the source → kinds of event.
    pub kinds: BTreeMap<String, String>,
    /// Pointer to the event's own id, by which it counts once. Empty: it is told by customer, kind, time and key.
    pub id: String,
    /// Pointer to when it happened: RFC 3339 or a number. A record without it has the envelope's time, or that when the broker
    /// appended it.
    pub at: String,
    /// Unit of a time written as a number.
    pub time_unit: TimeUnit,
    /// Whom it happened to. A record without a customer is refused.
    pub customer: CustomerField,
    /// Pointer to what several journeys of one customer are told apart by: an order, a ticket.
    pub key: String,
    /// The service it is about; where the record names none it is the rule's. Never a name or number of a person.
    pub service: TextFrom,
    /// Where the customer is: a region's code. The same holds for it.
    pub region: TextFrom,
    /// What the record's own JSON is wrapped in.
    pub envelope: Envelope,
    /// Debezium operations looked at: `c` created, `r` read by a snapshot, `u` changed. Empty: all three.
    pub operations: Vec<String>,
}

impl Default for CustomerEventsSettings {
    fn default() -> Self {
        let read = |pointer: &str, default: Option<&str>| TextFrom::Read {
            pointer: pointer.to_owned(),
            default: default.map(str::to_owned),
        };
        Self {
            kind: read("/kind", None),
            kinds: BTreeMap::new(),
            id: "/id".to_owned(),
            at: "/at".to_owned(),
            time_unit: TimeUnit::Auto,
            customer: CustomerField {
                pointer: "/customer".to_owned(),
                kind: IdentityKind::Address,
            },
            key: "/key".to_owned(),
            service: read("/service", Some("")),
            region: read("/region", Some("")),
            envelope: Envelope::Auto,
            operations: Vec::new(),
        }
    }
}

/// What is wrong with the declaration of a source of customers' events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CustomerEventsError {
    /// A pointer or an operation is none.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// A field that would hold the customer, or part of one.
    #[error("`{0}` points at the customer")]
    Personal(&'static str),
    /// A kind of event that can't be one.
    #[error("`kinds` says `{kind}`, which is no kind of event: {why}")]
    Kind {
        /// What was given.
        kind: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// How customers' events are read: checked settings, ready for use.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerEvents {
    settings: CustomerEventsSettings,
    kinds: BTreeMap<String, CustomerEventKind>,
    mapping: Mapping,
}

impl CustomerEvents {
    /// Of settings.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(settings: &CustomerEventsSettings) -> Result<Self, CustomerEventsError> {
        let mapping = mapping_of(settings);
        mapping.check()?;
        for (field, pointer) in [("id", &settings.id), ("key", &settings.key)] {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                let (field, pointer) = (field.to_owned(), pointer.clone());
                return Err(MappingError::NotAPointer { field, pointer }.into());
            }
        }
        for (field, from) in [
            ("kind", &settings.kind),
            ("service", &settings.service),
            ("region", &settings.region),
        ] {
            if let TextFrom::Read { pointer, .. } = from
                && mapping.is_personal(pointer)
            {
                return Err(CustomerEventsError::Personal(field));
            }
        }
        let mut kinds = BTreeMap::new();
        for (word, kind) in &settings.kinds {
            let known = CustomerEventKind::new(kind).map_err(|error| CustomerEventsError::Kind {
                kind: kind.clone(),
                why: error.why,
            })?;
            kinds.insert(word.clone(), known);
        }
        Ok(Self {
            settings: settings.clone(),
            kinds,
            mapping,
        })
    }
}

impl Default for CustomerEvents {
    /// By the default settings.
    fn default() -> Self {
        let settings = CustomerEventsSettings::default();
        Self {
            kinds: BTreeMap::new(),
            mapping: mapping_of(&settings),
            settings,
        }
    }
}

/// What a mapping says in the same words.
fn mapping_of(settings: &CustomerEventsSettings) -> Mapping {
    let mut mapping = Mapping::events("customer_events");
    mapping.metric = settings.kind.clone();
    mapping.time = Some(settings.at.clone());
    mapping.labels = BTreeMap::from([
        ("service".to_owned(), settings.service.clone()),
        ("region".to_owned(), settings.region.clone()),
    ]);
    mapping.customer = Some(settings.customer.clone());
    mapping.envelope = settings.envelope;
    mapping.operations.clone_from(&settings.operations);
    mapping
}

/// The events of one record, and those that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CustomerEventBatch {
    /// The events, in the record's order.
    pub events: Vec<CustomerEvent>,
    /// What was refused.
    pub rejects: Vec<Reject>,
}

pub(super) fn decode(
    source: &Source,
    key: &PseudonymKey,
    declared: &CustomerEvents,
    record: &RawRecord<'_>,
    value: &[u8],
) -> Result<Decoded, Reject> {
    let list = json::elements(value, source.limits.depth_max)?;
    let max = source.limits.points_max;
    if list.len() > max {
        let what = format!("{} events, {max} are allowed", list.len());
        return Err(Reject::new(RejectReason::TooLarge, what));
    }
    let mut batch = CustomerEventBatch::default();
    for (index, one) in list.into_iter().enumerate() {
        let read = open(&declared.mapping, record, one).and_then(|event| {
            let reader = Reader {
                source,
                key,
                declared,
            };
            event.map(|event| reader.read(&event, record)).transpose()
        });
        match read {
            Ok(Some(event)) => batch.events.push(event),
            Ok(None) => {}
            Err(reject) => batch.rejects.push(Reject::new(
                reject.reason,
                format!("element {index}: {}", reject.detail),
            )),
        }
    }
    match (batch.events.is_empty(), batch.rejects.first()) {
        (true, None) => Ok(Decoded::Nothing),
        // A record of which nothing could be read is refused as a whole.
        (true, Some(first)) => Err(first.clone()),
        (false, _) => Ok(Decoded::CustomerEvents(batch)),
    }
}

struct Reader<'a> {
    source: &'a Source,
    key: &'a PseudonymKey,
    declared: &'a CustomerEvents,
}

impl Reader<'_> {
    fn read(&self, event: &Event, record: &RawRecord<'_>) -> Result<CustomerEvent, Reject> {
        let settings = &self.declared.settings;
        let root = &event.root;
        let domain = &self.source.domain;
        let kind = self.kind(root)?;
        let at = match (root.pointer(&settings.at), &event.time) {
            (None | Some(Value::Null), Some(time)) => json::time(Some(time), "time", TimeUnit::Auto)?,
            (None | Some(Value::Null), None) => record.appended_at,
            (time, _) => json::time(time, &settings.at, settings.time_unit)?,
        };
        let written =
            field(root, &settings.customer.pointer)?.ok_or_else(|| missing(&settings.customer.pointer))?;
        let written = match settings.customer.kind {
            IdentityKind::Address => written,
            IdentityKind::Id => format!("id:{written}"),
        };
        let customer = self.key.customer(domain, &written);
        let key = if settings.key.is_empty() {
            None
        } else {
            field(root, &settings.key)?.map(|key| self.key.journey_key(domain, &key))
        };
        let id = if settings.id.is_empty() {
            let key = key.map_or(0, std::num::NonZeroU64::get);
            let made = format!("{kind} {} {} {key}", customer.as_str(), at.nanos());
            self.key.event(domain, "", &made)
        } else {
            let id = field(root, &settings.id)?.ok_or_else(|| missing(&settings.id))?;
            self.key.event(domain, self.source.name.as_str(), &id)
        };
        let service = self.label("service", "service.name", &settings.service, root)?;
        let region = self.label("region", "region", &settings.region, root)?;
        let named = |field: &str, why: &str| Reject::new(RejectReason::BadValue, format!("{field}: {why}"));
        Ok(CustomerEvent {
            id,
            domain: domain.clone(),
            kind,
            customer,
            at,
            key,
            service: service
                .map(|text| ServiceName::new(&text).map_err(|e| named("service", e.why)))
                .transpose()?,
            region: region
                .map(|text| RegionCode::new(&text).map_err(|e| named("region", e.why)))
                .transpose()?,
        })
    }

    fn kind(&self, root: &Value) -> Result<CustomerEventKind, Reject> {
        let word = mapping::text(&self.declared.settings.kind, root)?.ok_or_else(|| missing("kind"))?;
        if let Some(kind) = self.declared.kinds.get(word.as_ref()) {
            return Ok(kind.clone());
        }
        // The pointer may be wrong, and a customer stand there.
        if looks_personal(&word) {
            return Err(personal("kind"));
        }
        CustomerEventKind::new(&word)
            .map_err(|error| Reject::new(RejectReason::BadValue, format!("kind: {}", error.why)))
    }

    /// A name in plain text, from the record or from the source's own labels.
    fn label(
        &self,
        name: &str,
        label: &str,
        from: &TextFrom,
        root: &Value,
    ) -> Result<Option<String>, Reject> {
        match mapping::text(from, root)? {
            Some(text) if text.is_empty() => {}
            Some(text) if looks_personal(&text) => return Err(personal(name)),
            Some(text) => return Ok(Some(text.into_owned())),
            None => {}
        }
        Ok(self.source.resource_defaults.get(label).map(str::to_owned))
    }
}

fn personal(field: &str) -> Reject {
    Reject::new(
        RejectReason::NotAllowed,
        format!("{field}: it looks like a person's number or address"),
    )
}

/// A text or a number that isn't empty; `None` where there is none.
fn field(root: &Value, pointer: &str) -> Result<Option<String>, Reject> {
    let text = match root.pointer(pointer) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(malformed(&format!("`{pointer}` is neither a text nor a number")));
        }
    };
    if text.len() > FIELD_BYTES_MAX {
        return Err(Reject::new(
            RejectReason::TooLarge,
            format!("`{pointer}` is longer than {FIELD_BYTES_MAX} bytes"),
        ));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}
