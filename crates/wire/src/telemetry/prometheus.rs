use std::sync::Arc;

use forecall_types::{Reading, Reject, SeriesKey, Temporality};
use serde_json::{Map, Value};

use super::points::Points;
use super::{TimeUnit, json};

/// Endings of the names of counters (OpenMetrics): they count since an unknown start.
const COUNTER_ENDINGS: [&str; 4] = ["_total", "_count", "_sum", "_bucket"];

/// One sample as prometheus-kafka-adapter writes it; the value is a text and `NaN` marks a series that ended.
pub(super) fn decode(points: &mut Points<'_>, value: &[u8]) -> Result<(), Reject> {
    let object: Map<String, Value> = json::parse(value, points.source().limits.depth_max)?;
    points.expect(1)?;
    let at = json::time(object.get("timestamp"), "timestamp", TimeUnit::Auto)?;
    let mut pairs = json::labels(object.get("labels"), "labels")?;
    let own_name = pairs
        .iter()
        .position(|(name, _)| name == "__name__")
        .map(|index| pairs.swap_remove(index).1);
    let name = match (json::text(&object, "name"), own_name) {
        (Ok(name), _) => name.to_owned(),
        (Err(_), Some(name)) => name,
        (Err(reject), None) => return Err(reject),
    };
    let (resource, labels) = points.split(pairs)?;
    let key = SeriesKey {
        metric: Arc::from(points.metric(&name)?),
        unit: Arc::from(""),
        resource,
        labels,
    };
    match json::number(object.get("value"), "value") {
        Ok(value) => points.push(&key, at, reading(&name, value)),
        Err(reject) => points.refuse(reject),
    }
    Ok(())
}

fn reading(name: &str, value: f64) -> Reading<'static> {
    if COUNTER_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        Reading::Sum {
            value,
            temporality: Temporality::Cumulative,
            monotonic: true,
            start: None,
        }
    } else {
        Reading::Gauge(value)
    }
}
