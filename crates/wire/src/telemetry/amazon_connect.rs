use std::time::Duration;

use forecall_types::{CallOutcome, Reject};
use serde_json::{Map, Value};

use super::calls::{Calls, RawCall};
use super::json::{self, malformed};
use super::{Decoded, PseudonymKey, Source, TimeUnit};

/// Contact records of Amazon Connect, one or a list; see "Contact records data model" of its guide. Only voice contacts
/// that came in and reached a queue are calls.
pub(super) fn decode(source: &Source, key: &PseudonymKey, value: &[u8]) -> Result<Decoded, Reject> {
    let mut calls = Calls::new(source, key);
    let list = match json::parse(value, source.limits.depth_max)? {
        Value::Array(list) => list,
        one => vec![one],
    };
    for one in &list {
        calls.expect()?;
        calls.take(match one {
            Value::Object(object) => contact(object),
            _ => Err(malformed("not an object")),
        });
    }
    calls.finish()
}

fn contact(object: &Map<String, Value>) -> Result<Option<RawCall<'_>>, Reject> {
    let id = json::text(object, "ContactId")?;
    let known = |field: &str| object.get(field).and_then(Value::as_str);
    if !matches!(known("Channel"), None | Some("VOICE")) || known("InitiationMethod") == Some("OUTBOUND") {
        return Ok(None);
    }
    let Some(Value::Object(queue)) = object.get("Queue") else {
        return Ok(None);
    };
    let agent = object.get("Agent").and_then(Value::as_object);
    let arrived = match queue.get("EnqueueTimestamp") {
        Some(Value::Null) | None => object.get("InitiationTimestamp"),
        enqueued => enqueued,
    };
    let answered = agent
        .and_then(|agent| agent.get("ConnectedToAgentTimestamp"))
        .is_some_and(|at| !at.is_null());
    let moved_on = known("NextContactId").is_some();
    let outcome = match (answered, moved_on) {
        (true, _) => CallOutcome::Answered,
        (false, true) => CallOutcome::Left,
        (false, false) => CallOutcome::Abandoned,
    };
    let caller = object
        .get("CustomerEndpoint")
        .and_then(|endpoint| endpoint.get("Address"))
        .and_then(Value::as_str);
    Ok(Some(RawCall {
        id,
        queue: json::text(queue, "Name")?,
        arrived_at: json::time(arrived, "EnqueueTimestamp", TimeUnit::Auto)?,
        at: json::time(
            object.get("LastUpdateTimestamp"),
            "LastUpdateTimestamp",
            TimeUnit::Auto,
        )?,
        outcome,
        wait: seconds(Some(queue), "Duration")?,
        handle: if answered { handle(agent)? } else { None },
        caller,
    }))
}

fn handle(agent: Option<&Map<String, Value>>) -> Result<Option<Duration>, Reject> {
    let mut total = None;
    for field in [
        "AgentInteractionDuration",
        "CustomerHoldDuration",
        "AfterContactWorkDuration",
    ] {
        if let Some(span) = seconds(agent, field)? {
            total = Some(total.unwrap_or(Duration::ZERO).saturating_add(span));
        }
    }
    Ok(total)
}

fn seconds(object: Option<&Map<String, Value>>, field: &str) -> Result<Option<Duration>, Reject> {
    match object.and_then(|object| object.get(field)) {
        Some(Value::Null) | None => Ok(None),
        value => Duration::try_from_secs_f64(json::number(value, field)?)
            .map(Some)
            .map_err(|_| json::bad_value(field)),
    }
}
