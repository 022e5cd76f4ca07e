//! JSON Schema 2020-12 of one payload.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{examples, sorted};
use crate::event::{
    Payload, anomaly, call, call_forecast, command, customer, feedback, heartbeat_tick, incident, journey,
    notice, receipt_reply, service, summary,
};

/// The schema, complete: `$id`, title, description, examples.
pub(super) fn of(payload: Payload) -> Value {
    let mut schema = match payload {
        Payload::Anomaly => generated::<anomaly::Anomaly>(),
        Payload::Heartbeat => generated::<heartbeat_tick::Heartbeat>(),
        Payload::Summary => generated::<summary::Summary>(),
        Payload::Service => generated::<service::Service>(),
        Payload::Tick => generated::<heartbeat_tick::Tick>(),
        Payload::Feedback => generated::<feedback::Feedback>(),
        Payload::Command => generated::<command::Command>(),
        Payload::IncidentEvent => generated::<incident::IncidentEvent>(),
        Payload::IncidentState => generated::<incident::Incident>(),
        Payload::Notice => generated::<notice::Notice>(),
        Payload::CallForecast => generated::<call_forecast::CallForecast>(),
        Payload::Call => generated::<call::Call>(),
        Payload::Customer => generated::<customer::CustomerChange>(),
        Payload::Reply => generated::<receipt_reply::Reply>(),
        Payload::Receipt => generated::<receipt_reply::Receipt>(),
        Payload::CustomerEvent => generated::<journey::CustomerEvent>(),
        Payload::JourneyMark => generated::<journey::JourneyMark>(),
        Payload::FailedJourney => generated::<journey::FailedJourney>(),
        Payload::JourneyWave => generated::<journey::JourneyWave>(),
        Payload::JourneyMap => generated::<journey::JourneyMap>(),
        Payload::DeadLetter => dead_letter_headers(),
    };
    if let Some(root) = schema.as_object_mut() {
        root.insert("$id".to_owned(), json!(payload.schema_uri()));
        root.insert("title".to_owned(), json!(payload.title()));
        let samples: Vec<Value> = examples(payload).iter().map(|e| sample(payload, e)).collect();
        root.insert("examples".to_owned(), Value::Array(samples));
    }
    sorted(schema)
}

fn generated<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

fn sample(payload: Payload, encoded: &crate::event::Encoded) -> Value {
    match payload {
        Payload::DeadLetter => encoded
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(String::from_utf8_lossy(value))))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Payload::Anomaly
        | Payload::Heartbeat
        | Payload::Summary
        | Payload::Service
        | Payload::Tick
        | Payload::Feedback
        | Payload::Command
        | Payload::IncidentEvent
        | Payload::IncidentState
        | Payload::Notice
        | Payload::CallForecast
        | Payload::Call
        | Payload::Customer
        | Payload::Reply
        | Payload::Receipt
        | Payload::CustomerEvent
        | Payload::JourneyMark
        | Payload::FailedJourney
        | Payload::JourneyWave
        | Payload::JourneyMap => serde_json::from_slice(&encoded.value).unwrap_or_default(),
    }
}

/// The CloudEvents attributes as headers; their values are UTF-8 text.
pub(super) fn cloud_event_headers(event_types: &[&str]) -> Value {
    let text = |description: &str| json!({"type": "string", "minLength": 1, "description": description});
    let mut headers = json!({
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "content-type"],
        "properties": {
            "ce_specversion": {"const": "1.0"},
            "ce_id": text("Idempotency key `<aggregate id>/<revision>`: drop what has been seen."),
            "ce_source": text("URI reference `forecall/<domain>`; `forecall` where no domain is named."),
            "ce_type": {"enum": event_types, "description": "What happened."},
            "ce_time": {"type": "string", "format": "date-time", "description": "Event time of the revision."},
            "ce_subject": text("Id of the aggregate."),
            "ce_dataschema": text("URI of the JSON Schema of the value."),
            "ce_partitionkey": text("The record's key."),
            "content-type": text("Media type of the value."),
        },
    });
    if let Some(root) = headers.as_object_mut() {
        root.insert(
            "description".to_owned(),
            json!("CloudEvents 1.0 attributes, binary mode."),
        );
    }
    headers
}

fn dead_letter_headers() -> Value {
    let mut schema = cloud_event_headers(Payload::DeadLetter.event_types());
    let number =
        |description: &str| json!({"type": "string", "pattern": "^-?[0-9]+$", "description": description});
    let text = |description: &str| json!({"type": "string", "description": description});
    let reasons: Vec<&str> = forecall_types::RejectReason::ALL
        .iter()
        .map(|r| r.as_str())
        .collect();
    let own = json!({
        "forecall_reason": {"enum": reasons, "x-unknown-values": "tolerate", "description": "Class of the refusal."},
        "forecall_detail": text("What was wrong, for a person: names the field, never what stood in it."),
        "forecall_source_topic": text("Topic of the original."),
        "forecall_source_partition": number("Partition of the original."),
        "forecall_source_offset": number("Offset of the original."),
        "forecall_personal": {"enum": ["true", "false"], "description":
            "`true`: the source is personal, so value, key and headers of the original are left out."},
        "forecall_original_length": number("Bytes of the original value; absent: it was a tombstone."),
        "forecall_original_hash": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description":
            "SHA-256 of the original value; HMAC-SHA-256 under the installation's key where the source is personal."},
        "forecall_original_cut": {"const": "true", "description": "The value is only the beginning of the original."},
        "forecall_original_key": text("Key of the original, at most 4 KiB of it."),
        "forecall_original_headers_dropped": number("Headers of the original left out, because they pass 16 KiB."),
    });
    if let Some(root) = schema.as_object_mut() {
        root.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        root.insert(
            "description".to_owned(),
            json!(
                "Headers of a record that could not be taken; its value is the original's bytes. \
                 Headers of the original follow under `original_<name>`."
            ),
        );
        if let (Some(properties), Some(own)) = (
            root.get_mut("properties").and_then(Value::as_object_mut),
            own.as_object(),
        ) {
            properties.extend(own.clone());
        }
        if let Some(required) = root.get_mut("required").and_then(Value::as_array_mut) {
            let needed = [
                "reason",
                "detail",
                "source_topic",
                "source_partition",
                "source_offset",
                "personal",
            ];
            required.extend(needed.iter().map(|n| json!(format!("forecall_{n}"))));
        }
    }
    schema
}
