use std::sync::Arc;

use forecall_types::{Reading, Reject, SeriesKey};
use serde_json::{Map, Value};

use super::json::{self, malformed};
use super::points::Points;

/// Telegraf's JSON: one metric, or `{"metrics":[…]}`. Every numeric field is a gauge `name.field`; texts and flags are
/// not looked at.
pub(super) fn decode(points: &mut Points<'_>, value: &[u8]) -> Result<(), Reject> {
    let object: Map<String, Value> = json::parse(value, points.source().limits.depth_max)?;
    let Some(batch) = object.get("metrics") else {
        return metric(points, &object);
    };
    let Value::Array(metrics) = batch else {
        return Err(malformed("`metrics` is not a list"));
    };
    for (index, one) in metrics.iter().enumerate() {
        let read = match one {
            Value::Object(object) => metric(points, object),
            _ => points.expect(1).and(Err(malformed("not an object"))),
        };
        // A limit on the record holds for all of it.
        points.expect(0)?;
        if let Err(reject) = read {
            points.refuse(Reject::new(
                reject.reason,
                format!("metric {index}: {}", reject.detail),
            ));
        }
    }
    Ok(())
}

fn metric(points: &mut Points<'_>, object: &Map<String, Value>) -> Result<(), Reject> {
    let Some(Value::Object(fields)) = object.get("fields") else {
        points.expect(1)?;
        return Err(json::missing("fields"));
    };
    points.expect(fields.len().max(1))?;
    let at = json::time(object.get("timestamp"), "timestamp", points.source().time_unit)?;
    let name = json::text(object, "name")?;
    let mut tags = json::labels(object.get("tags"), "tags")?;
    rename_host(&mut tags);
    let (resource, labels) = points.split(tags)?;
    for (field, value) in fields {
        if !value.is_number() {
            continue;
        }
        let full = format!("{name}.{field}");
        let key = SeriesKey {
            metric: match points.metric(&full) {
                Ok(name) => Arc::from(name),
                Err(reject) => {
                    points.refuse(reject);
                    continue;
                }
            },
            unit: Arc::from(""),
            resource: resource.clone(),
            labels: labels.clone(),
        };
        match json::number(Some(value), "fields") {
            Ok(value) => points.push(&key, at, Reading::Gauge(value)),
            Err(reject) => points.refuse(reject),
        }
    }
    Ok(())
}

/// Telegraf's own tag for the machine is `host`; the semantic conventions call it `host.name`.
pub(super) fn rename_host(tags: &mut [(String, String)]) {
    for (name, _) in tags {
        if name == "host" {
            "host.name".clone_into(name);
        }
    }
}
