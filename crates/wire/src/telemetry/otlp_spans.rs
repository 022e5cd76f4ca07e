//! What spans tell of who calls whom. Names, attributes and statuses of spans may be personal and are not kept; their times
//! and lengths are measured by the collector that makes metrics of them.

use std::borrow::Cow;

use forecall_types::{Fingerprint, Reject, RejectReason, ServiceName, SpanLink, SpanSide};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use serde::{Deserialize, Deserializer};

use super::json;
use super::json::{bad_time, malformed};
use super::otlp::{resource_labels, time};
use super::points::Points;

/// The label that names a span's service (OpenTelemetry semantic conventions).
const SERVICE_LABEL: &str = "service.name";
/// The attributes that name the other side of a call: the present name of the semantic conventions, and the one before.
const PEER_ATTRIBUTES: [&str; 2] = ["service.peer.name", "peer.service"];
/// Bytes of the ids of trace and span.
const TRACE_ID_BYTES: usize = 16;
const SPAN_ID_BYTES: usize = 8;

// Of an export request the fields that are looked at, by their numbers in OTLP 1: of a span's forty fields these six say who calls
// whom, and what isn't named here is passed over unread.

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Span {
    #[serde(deserialize_with = "id")]
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[serde(deserialize_with = "id")]
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[serde(deserialize_with = "id")]
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[serde(deserialize_with = "kind")]
    #[prost(int32, tag = "6")]
    kind: i32,
    #[serde(deserialize_with = "nanos")]
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
}

/// Span kinds of OTLP that tell of a call.
const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;

/// An id in JSON: hexadecimal digits (OTLP, "JSON Protobuf Encoding").
fn id<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = Cow::<str>::deserialize(from)?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let bytes = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    bytes
        .collect::<Option<_>>()
        .ok_or_else(|| serde::de::Error::custom("an id that isn't hexadecimal"))
}

/// A kind in JSON: its number, or its name as some exporters write it.
fn kind<'de, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kind<'a> {
        Number(i32),
        #[serde(borrow)]
        Name(Cow<'a, str>),
    }
    Ok(match Kind::deserialize(from)? {
        Kind::Number(number) => number,
        Kind::Name(name) => match &*name {
            "SPAN_KIND_SERVER" => SERVER,
            "SPAN_KIND_CLIENT" => CLIENT,
            "SPAN_KIND_PRODUCER" => PRODUCER,
            "SPAN_KIND_CONSUMER" => CONSUMER,
            _ => 0,
        },
    })
}

/// A time in JSON: decimal digits in a text, as 64-bit numbers are written, or a bare number.
fn nanos<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Nanos<'a> {
        Number(u64),
        #[serde(borrow)]
        Text(Cow<'a, str>),
    }
    match Nanos::deserialize(from)? {
        Nanos::Number(number) => Ok(number),
        Nanos::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// Reads an export request, protobuf or JSON: the latter begins with a brace, which no protobuf field does.
pub(super) fn decode(points: &mut Points<'_>, value: &[u8]) -> Result<(), Reject> {
    if value.is_empty() {
        // An export request without anything in it has no bytes.
        return Ok(());
    }
    let first = value.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{') {
        let request: Request = json::parse(value, points.source().limits.depth_max)?;
        return spans(points, &request.resource_spans);
    }
    match Request::decode(value) {
        Ok(request) if is_traces(&request) => spans(points, &request.resource_spans),
        Ok(_) => Err(malformed(
            "not an OTLP export request of traces: no span has an id",
        )),
        // The error names messages and fields, never what is in them.
        Err(error) => Err(malformed(&format!(
            "not an OTLP export request of traces: {error}"
        ))),
    }
}

/// A span has an id of 8 bytes within a trace of 16; what was something else has none.
fn is_traces(request: &Request) -> bool {
    let mut spans = request
        .resource_spans
        .iter()
        .flat_map(|r| &r.scope_spans)
        .flat_map(|s| &s.spans)
        .peekable();
    !request.resource_spans.is_empty() && (spans.peek().is_none() || spans.any(has_id))
}

/// Whether its ids have their lengths.
fn has_id(span: &Span) -> bool {
    span.trace_id.len() == TRACE_ID_BYTES && span.span_id.len() == SPAN_ID_BYTES
}

fn spans(points: &mut Points<'_>, resources: &[ResourceSpans]) -> Result<(), Reject> {
    for resource in resources {
        let spans = || resource.scope_spans.iter().flat_map(|scope| &scope.spans);
        let total = spans().count();
        points.expect(total)?;
        let service = resource_labels(points, resource.resource.as_ref()).and_then(|labels| {
            let name = labels
                .get(SERVICE_LABEL)
                .ok_or_else(|| json::missing(SERVICE_LABEL))?;
            ServiceName::new(name)
                .map_err(|_| Reject::new(RejectReason::BadValue, "`service.name` is no service's name"))
        });
        match service {
            Ok(service) => spans().for_each(|span| one(points, &service, span)),
            Err(reject) => points.refuse(Reject::new(
                reject.reason,
                format!("{total} spans: {}", reject.detail),
            )),
        }
    }
    Ok(())
}

fn one(points: &mut Points<'_>, service: &ServiceName, span: &Span) {
    if !has_id(span) {
        points.refuse(Reject::new(
            RejectReason::BadValue,
            "a span's `traceId` or `spanId` has another length than 16 and 8 bytes",
        ));
        return;
    }
    let side = match span.kind {
        CLIENT | PRODUCER => SpanSide::Calls,
        SERVER | CONSUMER => SpanSide::IsCalled,
        // What a service does within itself tells of no call.
        _ => return,
    };
    let Some(at) = time(span.start_time_unix_nano) else {
        points.refuse(bad_time("startTimeUnixNano"));
        return;
    };
    let parent =
        (span.parent_span_id.len() == SPAN_ID_BYTES).then(|| hash(&span.trace_id, &span.parent_span_id));
    points.link(SpanLink {
        span: hash(&span.trace_id, &span.span_id),
        parent,
        service: service.clone(),
        peer: peer(span),
        side,
        at,
    });
}

/// Ids are random: what is hashed alike by chance is one span in billions.
fn hash(trace: &[u8], span: &[u8]) -> u64 {
    #[allow(clippy::cast_possible_truncation, reason = "half of the hash is enough")]
    let half = Fingerprint::of_parts(&[trace, span]).as_u128() as u64;
    half
}

/// The other side, where it is named and could be a service's name.
fn peer(span: &Span) -> Option<ServiceName> {
    let text = |name: &str| {
        let attribute = span.attributes.iter().find(|a| a.key == name)?;
        match attribute.value.as_ref()?.value.as_ref()? {
            any_value::Value::StringValue(text) => ServiceName::new(text).ok(),
            _ => None,
        }
    };
    PEER_ATTRIBUTES.iter().find_map(|name| text(name))
}
