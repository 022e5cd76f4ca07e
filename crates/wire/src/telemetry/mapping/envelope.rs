use base64::Engine as _;
use forecall_types::Reject;
use serde_json::{Map, Value};

use super::{Envelope, Mapping, RawRecord};
use crate::telemetry::json::{malformed, missing};

/// What a record holds once it is out of its envelope.
pub(in crate::telemetry) struct Event {
    /// Where pointers begin.
    pub(in crate::telemetry) root: Value,
    /// The time the envelope tells.
    pub(in crate::telemetry) time: Option<Value>,
}

/// Takes a record's JSON out of its envelope. `None`: a delete, or an operation not asked for.
pub(in crate::telemetry) fn open(
    mapping: &Mapping,
    record: &RawRecord<'_>,
    json: Value,
) -> Result<Option<Event>, Reject> {
    match mapping.envelope {
        Envelope::None => Ok(Some(Event {
            root: json,
            time: None,
        })),
        Envelope::CloudEvents => cloud_event(mapping, record, json),
        Envelope::Debezium => change(mapping, json),
        Envelope::Auto => {
            if record.header("ce_specversion").is_some() || is_cloud_event(&json) {
                cloud_event(mapping, record, json)
            } else if is_change(&json) {
                change(mapping, json)
            } else {
                Ok(Some(Event {
                    root: json,
                    time: None,
                }))
            }
        }
    }
}

/// The four attributes every structured CloudEvent has.
fn is_cloud_event(json: &Value) -> bool {
    ["specversion", "id", "source", "type"]
        .iter()
        .all(|field| json.get(field).is_some_and(Value::is_string))
}

/// A Debezium change event, bare or with its schema beside it.
fn is_change(json: &Value) -> bool {
    let event = json.get("payload").unwrap_or(json);
    let is_bare =
        event.get("op").is_some_and(Value::is_string) && event.get("after").or(event.get("before")).is_some();
    is_bare || (json.get("schema").is_some() && json.get("payload").is_some_and(Value::is_null))
}

fn cloud_event(mapping: &Mapping, record: &RawRecord<'_>, json: Value) -> Result<Option<Event>, Reject> {
    let mut envelope = if record.header("ce_specversion").is_some() {
        let mut attributes = Map::new();
        for (name, value) in record.headers {
            if let (Some(attribute), Ok(text)) = (name.strip_prefix("ce_"), std::str::from_utf8(value)) {
                attributes.insert(attribute.to_owned(), Value::from(text));
            }
        }
        attributes.insert("data".to_owned(), json);
        attributes
    } else {
        match json {
            Value::Object(object) if object.contains_key("specversion") => object,
            _ => return Err(missing("specversion")),
        }
    };
    if let Some(Value::String(encoded)) = envelope.remove("data_base64") {
        let data = base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| malformed("`data_base64` holds no JSON"))?;
        envelope.insert("data".to_owned(), data);
    }
    // Debezium can write its changes as CloudEvents.
    if mapping.envelope == Envelope::Auto && envelope.get("data").is_some_and(is_change) {
        return change(mapping, envelope.remove("data").unwrap_or_default());
    }
    let time = envelope.get("time").cloned();
    Ok(Some(Event {
        root: Value::Object(envelope),
        time,
    }))
}

fn change(mapping: &Mapping, json: Value) -> Result<Option<Event>, Reject> {
    let mut event = match json {
        Value::Object(mut object) => match object.remove("payload") {
            Some(Value::Object(payload)) => payload,
            // A tombstone beside its schema.
            Some(Value::Null) => return Ok(None),
            Some(_) => return Err(malformed("`payload` is not an object")),
            None => object,
        },
        _ => return Err(malformed("not a change event")),
    };
    let operation = match event.get("op").and_then(Value::as_str) {
        Some(operation) => operation,
        None => return Err(missing("op")),
    };
    let wanted = match operation {
        "c" | "r" | "u" => {
            mapping.operations.is_empty() || mapping.operations.iter().any(|op| op == operation)
        }
        // Delete, truncate, message: no row is there.
        "d" | "t" | "m" => false,
        _ => return Err(malformed("`op` is no operation of Debezium")),
    };
    if !wanted {
        return Ok(None);
    }
    // The source's time is that of the change; the outer one is when the connector saw it.
    let time = event
        .get("source")
        .and_then(|source| source.get("ts_ms"))
        .or_else(|| event.get("ts_ms"))
        .filter(|time| !time.is_null())
        .cloned();
    match event.remove("after") {
        Some(root @ Value::Object(_)) => Ok(Some(Event { root, time })),
        Some(Value::Null) | None => Err(missing("after")),
        Some(_) => Err(malformed("`after` is not an object")),
    }
}
