use std::fmt;

use forecall_types::{Reject, RejectReason};
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Format, RawRecord, json, samples};

/// Keys looked at; no shape needs more to be told.
const KEYS_MAX: usize = 64;

/// Tells the format of a record: by its content type where that says enough, else by its first bytes, else by its shape.
pub(super) fn detect(record: &RawRecord<'_>, value: &[u8], depth_max: usize) -> Result<Format, Reject> {
    let content_type = record.header("content-type").unwrap_or("").to_ascii_lowercase();
    if content_type.starts_with("application/x-protobuf") || content_type.starts_with("application/protobuf")
    {
        return Ok(Format::OtlpProto);
    }
    if content_type.starts_with("application/cloudevents") || record.header("ce_specversion").is_some() {
        return Err(Reject::new(
            RejectReason::UnknownFormat,
            "a CloudEvent needs a mapping",
        ));
    }
    if matches!(
        value.first(),
        Some(&(samples::VERSION | samples::VERSION_BEFORE | samples::VERSION_CONTEXT))
    ) {
        return Ok(Format::Samples);
    }
    let text_begins = value.iter().position(|b| !b.is_ascii_whitespace());
    match text_begins.and_then(|i| value.get(i)) {
        Some(b'{' | b'[') => return by_shape(value, depth_max),
        Some(_) => {}
        None => return Err(unknown()),
    }
    match std::str::from_utf8(value) {
        Ok(text) if is_queue_log(text) => Ok(Format::AsteriskQueueLog),
        Ok(text) if is_line_protocol(text) => Ok(Format::InfluxLine),
        // Field 1 of both export requests, length-delimited.
        _ if value.first() == Some(&0x0a) => Ok(Format::OtlpProto),
        _ => Err(unknown()),
    }
}

fn unknown() -> Reject {
    Reject::new(RejectReason::UnknownFormat, "no format fits this record")
}

fn is_queue_log(text: &str) -> bool {
    let mut fields = text.trim_start().split('|');
    fields
        .next()
        .is_some_and(|epoch| !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()))
        && fields.nth(3).is_some()
}

fn is_line_protocol(text: &str) -> bool {
    influxdb_line_protocol::parse_lines(text)
        .next()
        .is_some_and(|line| line.is_ok())
}

fn by_shape(value: &[u8], depth_max: usize) -> Result<Format, Reject> {
    let Shape { list, keys } = json::parse(value, depth_max)?;
    let has = |all: &[&str]| all.iter().all(|key| keys.iter().any(|k| k == key));
    if list && has(&["values", "dstypes", "dsnames"]) {
        Ok(Format::CollectdJson)
    } else if !list && (has(&["resourceMetrics"]) || has(&["resourceLogs"])) {
        Ok(Format::OtlpJson)
    } else if !list && (has(&["fields", "name", "timestamp"]) || has(&["metrics"])) {
        Ok(Format::TelegrafJson)
    } else if !list && has(&["timestamp", "value", "labels"]) {
        Ok(Format::PrometheusJson)
    } else if has(&["ts", "series", "value"]) {
        Ok(Format::FlatJson)
    } else if has(&["ContactId"]) {
        Ok(Format::AmazonConnect)
    } else {
        Err(unknown())
    }
}

/// The top-level keys of an object, or of the first object of a list.
#[derive(Default)]
struct Shape {
    list: bool,
    keys: Vec<String>,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShapeVisitor;
        impl<'de> Visitor<'de> for ShapeVisitor {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or a list of objects")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Shape, M::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    if keys.len() < KEYS_MAX {
                        keys.push(key);
                    }
                }
                Ok(Shape { list: false, keys })
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Shape, S::Error> {
                let first: Option<Shape> = list.next_element()?;
                while list.next_element::<IgnoredAny>()?.is_some() {}
                // A list within the list has no keys of its own.
                let keys = first
                    .filter(|first| !first.list)
                    .map_or_else(Vec::new, |first| first.keys);
                Ok(Shape { list: true, keys })
            }

            // Anything else has no shape, which is no error of the JSON.
            fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
                Ok(Shape::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
                Ok(Shape::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
                Ok(Shape::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
                Ok(Shape::default())
            }

            fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
                Ok(Shape::default())
            }

            fn visit_unit<E>(self) -> Result<Shape, E> {
                Ok(Shape::default())
            }
        }
        deserializer.deserialize_any(ShapeVisitor)
    }
}
