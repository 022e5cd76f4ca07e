//! `POST /api/v2/alerts` of Alertmanager (its `api/v2/openapi.yaml`).

use std::time::Duration;

use forecall_types::EventTime;
use serde_json::{Value, json};

use crate::{Alert, words};

/// An alert that isn't repeated for so many repeats is over: as Prometheus does it, so that one lost repeat ends nothing.
const REPEATS_MISSED_MAX: u32 = 4;

/// The body: several alerts are one post.
pub(crate) fn body<'a>(
    alerts: impl Iterator<Item = &'a Alert>,
    now: EventTime,
    repeat_every: Duration,
) -> Value {
    let alerts = alerts.map(|alert| {
        // A start after the end is refused, and an end to come leaves the alert burning: clocks differ.
        let starts_at = alert.starts_at.min(now);
        let ends_at = match alert.ends_at {
            Some(end) => end.min(now).max(starts_at),
            None => now.plus(repeat_every.saturating_mul(REPEATS_MISSED_MAX)),
        };
        let mut one = json!({
            "labels": alert.labels,
            "annotations": alert.annotations,
            "startsAt": words::time(starts_at),
            "endsAt": words::time(ends_at),
        });
        if let (Some(link), Some(map)) = (&alert.link, one.as_object_mut()) {
            map.insert("generatorURL".to_owned(), Value::from(link.as_str()));
        }
        one
    });
    Value::Array(alerts.collect())
}
