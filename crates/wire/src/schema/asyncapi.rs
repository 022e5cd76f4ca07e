//! The AsyncAPI 3.0.0 document of the topics that others may read or write.

use serde_json::{Map, Value, json};

use super::json_schema::cloud_event_headers;
use crate::event::{Payload, TOPICS, Topic, TopicId};

const KAFKA_BINDING: &str = "0.5.0";
const JSON_SCHEMA: &str = "application/schema+json;version=draft-2020-12";
const MILLIS_PER_HOUR: u64 = 3_600_000;

/// The document. Internal and reserved topics are left out: they are no contract.
pub(super) fn document() -> Value {
    let public: Vec<&Topic> = TOPICS.iter().filter(|t| !t.internal && !t.reserved).collect();
    let channels: Map<String, Value> = public.iter().map(|t| (channel_name(t), channel(t))).collect();
    let operations: Map<String, Value> = public
        .iter()
        .map(|t| {
            let verb = if is_input(t) { "take" } else { "publish" };
            (format!("{verb}-{}", channel_name(t)), operation(t))
        })
        .collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "forecall",
            "version": "1.0.0",
            "description": "Predicted incidents, customer notices and call forecasts as CloudEvents 1.0 in binary \
                mode. Order holds per key; a consumer drops what it has seen by `ce_id`; version 1 only gains fields.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The Kafka cluster that forecall runs on.",
                "variables": {"bootstrap": {"default": "localhost:9092", "description": "A bootstrap server."}},
            },
        },
        "channels": channels,
        "operations": operations,
    })
}

/// Whether others write the topic and forecall reads it.
fn is_input(topic: &Topic) -> bool {
    match topic.id {
        TopicId::Feedback | TopicId::Commands | TopicId::Topology => true,
        TopicId::Samples
        | TopicId::Anomalies
        | TopicId::OutreachLog
        | TopicId::JourneysLog
        | TopicId::Incidents
        | TopicId::IncidentsState
        | TopicId::Notices
        | TopicId::NoticesState
        | TopicId::Journeys
        | TopicId::CallForecasts
        | TopicId::DeadLetters => false,
    }
}

fn channel_name(topic: &Topic) -> String {
    let name = topic.name.strip_prefix("forecall.").unwrap_or(topic.name);
    name.strip_suffix(".v1").unwrap_or(name).replace('.', "-")
}

fn channel(topic: &Topic) -> Value {
    let messages: Map<String, Value> = topic
        .payloads
        .iter()
        .map(|payload| (payload.name().to_owned(), message(topic, *payload)))
        .collect();
    let millis = u64::from(topic.retention_hours) * MILLIS_PER_HOUR;
    let retention = match topic.cleanup {
        crate::event::Cleanup::Delete => "retention.ms",
        crate::event::Cleanup::Compact => "delete.retention.ms",
    };
    json!({
        "address": topic.name,
        "title": topic.name,
        "description": format!("{}. Written by {}.", topic.carries, topic.writer),
        "messages": messages,
        "bindings": {"kafka": {
            "topic": topic.name,
            "partitions": topic.partitions,
            "topicConfiguration": {
                "cleanup.policy": [topic.cleanup.as_str()],
                retention: millis,
                "max.message.bytes": topic.record_bytes_max,
            },
            "bindingVersion": KAFKA_BINDING,
        }},
    })
}

/// The types of a payload that go over this topic.
pub(super) fn event_types_on(topic: &Topic, payload: Payload) -> Vec<&'static str> {
    let is_state = |t: &&str| t.ends_with(".state.v1");
    let types = payload.event_types().iter().copied();
    match topic.id {
        TopicId::NoticesState => types.filter(is_state).collect(),
        TopicId::Notices => types.filter(|t| !is_state(t)).collect(),
        TopicId::Samples
        | TopicId::Anomalies
        | TopicId::OutreachLog
        | TopicId::JourneysLog
        | TopicId::Incidents
        | TopicId::IncidentsState
        | TopicId::Journeys
        | TopicId::CallForecasts
        | TopicId::Feedback
        | TopicId::Commands
        | TopicId::Topology
        | TopicId::DeadLetters => types.collect(),
    }
}

fn message(topic: &Topic, payload: Payload) -> Value {
    let reference = json!({"$ref": format!("./{}.v1.json", payload.name())});
    let (content_type, headers, body) = if payload == Payload::DeadLetter {
        let bytes = json!({"description": "The original record's bytes."});
        ("application/octet-stream", reference, bytes)
    } else {
        let headers = cloud_event_headers(&event_types_on(topic, payload));
        ("application/json", headers, reference)
    };
    json!({
        "name": payload.name(),
        "title": payload.title(),
        "contentType": content_type,
        "headers": {"schemaFormat": JSON_SCHEMA, "schema": headers},
        "payload": {"schemaFormat": JSON_SCHEMA, "schema": body},
        "bindings": {"kafka": {
            "key": {"type": "string", "description": topic.key},
            "bindingVersion": KAFKA_BINDING,
        }},
    })
}

fn operation(topic: &Topic) -> Value {
    let channel = channel_name(topic);
    let messages: Vec<Value> = topic
        .payloads
        .iter()
        .map(|p| json!({"$ref": format!("#/channels/{channel}/messages/{}", p.name())}))
        .collect();
    json!({
        "action": if is_input(topic) { "receive" } else { "send" },
        "channel": {"$ref": format!("#/channels/{channel}")},
        "summary": topic.carries,
        "messages": messages,
    })
}
