//! The reference for people, as Markdown tables.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::asyncapi::event_types_on;
use super::{json_schema, pretty};
use crate::event::{Cleanup, Payload, TOPICS};

const MADE: &str = "<!-- Made by `cargo xtask codegen`; edit the code it is made from. -->\n";

/// `docs/reference/topics.md`.
pub(super) fn topics() -> String {
    let mut page = format!("# Topics\n{MADE}\nA prefix may stand before every name. Order holds per key. ");
    page.push_str("Compacted topics hold the newest state of each key and a tombstone after its end.\n\n");
    page.push_str(
        "| topic | key | carries | written by | policy | retention | partitions | record at most |\n",
    );
    page.push_str("|---|---|---|---|---|---|---|---|\n");
    for topic in &TOPICS {
        let retention = match topic.cleanup {
            Cleanup::Delete => format!("{} d", topic.retention_hours / 24),
            Cleanup::Compact => format!("tombstones {} d", topic.retention_hours / 24),
        };
        let note = match (topic.internal, topic.reserved) {
            (true, _) => " *(internal: may change in any version)*",
            (false, true) => " *(reserved: not created yet)*",
            (false, false) => "",
        };
        line(
            &mut page,
            &format!(
                "| `{}` | {} | {}{note} | {} | {} | {retention} | {} | {} KiB |",
                topic.name,
                topic.key,
                topic.carries,
                topic.writer,
                topic.cleanup.as_str(),
                topic.partitions,
                topic.record_bytes_max / 1024,
            ),
        );
    }
    page.push_str(
        "\n## Event types by topic\n\n| topic | event type (`ce_type`) | schema |\n|---|---|---|\n",
    );
    for topic in &TOPICS {
        for payload in topic.payloads {
            for event_type in event_types_on(topic, *payload) {
                let path = payload.schema_path();
                line(
                    &mut page,
                    &format!(
                        "| `{}` | `{event_type}` | [{}](../../{path}) |",
                        topic.name,
                        payload.name()
                    ),
                );
            }
        }
    }
    page
}

/// `docs/reference/events.md`.
pub(super) fn events() -> String {
    let mut page = format!("# Events\n{MADE}\n");
    page.push_str(
        "CloudEvents 1.0 in binary mode: attributes as `ce_` headers, JSON in the value. The idempotency key is \
         `ce_id` = `<id>/<revision>`. Times are RFC 3339 in UTC, spans are in seconds, probabilities lie between 0 \
         and 1. Version 1 only gains fields: ignore those you don't know.\n",
    );
    for payload in Payload::ALL {
        section(&mut page, payload);
    }
    page
}

fn section(page: &mut String, payload: Payload) {
    let schema = json_schema::of(payload);
    line(page, &format!("\n## {}\n", payload.title()));
    line(page, &format!("{}\n", description(&schema)));
    let types: Vec<String> = payload.event_types().iter().map(|t| format!("`{t}`")).collect();
    line(page, &format!("Types: {}.", types.join(", ")));
    line(
        page,
        &format!("Schema: [`{0}`](../../{0}).\n", payload.schema_path()),
    );
    fields(page, &schema);
    let empty = Map::new();
    let parts = schema.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
    let mut names: Vec<&String> = parts.keys().collect();
    names.sort();
    for name in names {
        let Some(part) = parts.get(name) else { continue };
        if part.get("properties").is_some() || is_tagged(part) {
            line(page, &format!("\n**{name}**: {}\n", description(part)));
            fields(page, part);
        } else {
            line(
                page,
                &format!("\n**{name}**: {} {}\n", description(part), cases(part)),
            );
        }
    }
    if let Some(example) = schema.get("examples").and_then(|e| e.get(0)) {
        let text = pretty(example.clone());
        line(page, &format!("\nExample:\n\n```json\n{text}```"));
    }
}

fn description(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or("");
    text.replace('\n', " ")
}

fn is_tagged(schema: &Value) -> bool {
    schema
        .get("oneOf")
        .and_then(Value::as_array)
        .is_some_and(|cases| cases.iter().any(|c| c.get("properties").is_some()))
}

fn fields(page: &mut String, schema: &Value) {
    if is_tagged(schema) {
        let cases = schema.get("oneOf").and_then(Value::as_array);
        for case in cases.into_iter().flatten() {
            line(page, &format!("\n{}\n", description(case)));
            table(page, case);
            if let Some(name) = case.get("$ref").and_then(Value::as_str) {
                line(page, &format!("\nand the fields of {}.", short(name)));
            }
        }
    } else {
        table(page, schema);
    }
}

fn table(page: &mut String, schema: &Value) {
    page.push_str("| field | type | needed | meaning |\n|---|---|---|---|\n");
    let required = schema.get("required").and_then(Value::as_array);
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut properties: Vec<(&String, &Value)> = properties.into_iter().flatten().collect();
    properties.sort_by_key(|(name, _)| *name);
    for (name, property) in properties {
        let needed = required.is_some_and(|r| r.iter().any(|n| n == name));
        line(
            page,
            &format!(
                "| `{name}` | {} | {} | {} |",
                type_of(property),
                if needed { "yes" } else { "no" },
                description(property),
            ),
        );
    }
}

/// The name of a type for people.
fn type_of(schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return short(reference);
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<String> = values.iter().map(|v| format!("`{v}`")).collect();
        return values.join(", ");
    }
    if let Some(cases) = schema.get("anyOf").and_then(Value::as_array) {
        let is_null = |c: &&Value| c.get("type").and_then(Value::as_str) != Some("null");
        let names: Vec<String> = cases.iter().filter(is_null).map(type_of).collect();
        return names.join(" or ");
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|k| *k != "null")
            .unwrap_or(""),
        _ => "any",
    };
    let format = schema.get("format").and_then(Value::as_str);
    match (kind, format) {
        ("string", Some("date-time")) => "time".to_owned(),
        ("array", _) => format!("list of {}", schema.get("items").map(type_of).unwrap_or_default()),
        ("object", _) => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => format!("map to {}", type_of(values)),
            _ => "map".to_owned(),
        },
        (kind, _) => kind.to_owned(),
    }
}

fn short(reference: &str) -> String {
    reference.rsplit('/').next().unwrap_or(reference).to_owned()
}

fn cases(schema: &Value) -> String {
    let cases = schema.get("oneOf").and_then(Value::as_array);
    let cases = cases.into_iter().flatten().filter_map(|case| {
        let name = case.get("const").and_then(Value::as_str)?;
        Some(format!(
            "`{name}` ({})",
            description(case).trim_end_matches('.').to_lowercase()
        ))
    });
    let cases: Vec<String> = cases.collect();
    cases.join(", ")
}

fn line(page: &mut String, text: &str) {
    // Writing to a String can't fail.
    let _ = writeln!(page, "{text}");
}
