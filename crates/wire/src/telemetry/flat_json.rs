use std::sync::Arc;

use forecall_types::{Reading, Reject, SeriesKey};
use serde_json::{Map, Value};

use super::flat_json_walk;
use super::json::{self, malformed};
use super::points::Points;

/// forecall's own format: `{"ts":…,"series":…,"value":…,"labels":{}}`, one object or a list of them. Every value is a
/// gauge.
pub(super) fn decode(points: &mut Points<'_>, value: &[u8]) -> Result<(), Reject> {
    if flat_json_walk::one(points, value).is_ok() {
        return Ok(());
    }
    points.begin_again();
    match json::parse(value, points.source().limits.depth_max)? {
        Value::Object(object) => {
            points.expect(1)?;
            if let Err(reject) = one(points, &object) {
                points.refuse(reject);
            }
            Ok(())
        }
        Value::Array(list) => {
            points.expect(list.len())?;
            for (index, value) in list.iter().enumerate() {
                let read = match value {
                    Value::Object(object) => one(points, object),
                    _ => Err(malformed("not an object")),
                };
                if let Err(reject) = read {
                    points.refuse(Reject::new(
                        reject.reason,
                        format!("point {index}: {}", reject.detail),
                    ));
                }
            }
            Ok(())
        }
        _ => Err(malformed("neither an object nor a list")),
    }
}

fn one(points: &mut Points<'_>, object: &Map<String, Value>) -> Result<(), Reject> {
    let at = json::time(object.get("ts"), "ts", points.source().time_unit)?;
    let metric = Arc::from(points.metric(json::text(object, "series")?)?);
    let (resource, labels) = points.split(json::labels(object.get("labels"), "labels")?)?;
    let value = json::number(object.get("value"), "value")?;
    let key = SeriesKey {
        metric,
        unit: Arc::from(object.get("unit").and_then(Value::as_str).unwrap_or("")),
        resource,
        labels,
    };
    points.push(&key, at, Reading::Gauge(value));
    Ok(())
}
