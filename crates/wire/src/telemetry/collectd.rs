use std::sync::Arc;

use forecall_types::{EventTime, Reading, Reject, RejectReason, SeriesKey, Temporality};
use serde_json::{Map, Value};

use super::TimeUnit;
use super::json::{self, malformed};
use super::points::Points;

/// A list of value lists as collectd's `write_kafka` writes it (`Format JSON`).
pub(super) fn decode(points: &mut Points<'_>, value: &[u8]) -> Result<(), Reject> {
    let lists: Vec<Value> = json::parse(value, points.source().limits.depth_max)?;
    for (index, list) in lists.iter().enumerate() {
        let in_list =
            |reject: Reject| Reject::new(reject.reason, format!("value list {index}: {}", reject.detail));
        let Value::Object(list) = list else {
            points.expect(1)?;
            points.refuse(in_list(malformed("not an object")));
            continue;
        };
        let Some(Value::Array(values)) = list.get("values") else {
            points.expect(1)?;
            points.refuse(in_list(json::missing("values")));
            continue;
        };
        points.expect(values.len())?;
        if let Err(reject) = value_list(points, list, values) {
            points.refuse(in_list(reject));
        }
    }
    Ok(())
}

fn value_list(points: &mut Points<'_>, list: &Map<String, Value>, values: &[Value]) -> Result<(), Reject> {
    let at = json::time(list.get("time"), "time", TimeUnit::Auto)?;
    let (plugin, kind) = (json::text(list, "plugin")?, json::text(list, "type")?);
    let names = array(list, "dsnames", values.len())?;
    let kinds = array(list, "dstypes", values.len())?;
    let resource = points.resource(&[("host.name", json::text(list, "host")?)])?;
    let instances: Vec<(&str, &str)> = ["plugin_instance", "type_instance"]
        .into_iter()
        .filter_map(|field| Some((field, list.get(field)?.as_str()?)))
        .collect();
    let labels = points.labels(&instances)?;
    for ((value, name), source_kind) in values.iter().zip(names).zip(kinds) {
        let metric = match name.as_str() {
            Some("value") => format!("collectd.{plugin}.{kind}"),
            Some(name) => format!("collectd.{plugin}.{kind}.{name}"),
            None => return Err(malformed("`dsnames` holds something else than texts")),
        };
        let key = SeriesKey {
            metric: Arc::from(points.metric(&metric)?),
            unit: Arc::from(""),
            resource: resource.clone(),
            labels: labels.clone(),
        };
        // collectd writes NaN as null.
        let value = if value.is_null() {
            Err(json::bad_value("values"))
        } else {
            json::number(Some(value), "values")
        };
        match value.and_then(|value| reading(source_kind, value, list, at)) {
            Ok(reading) => points.push(&key, at, reading),
            Err(reject) => points.refuse(reject),
        }
    }
    Ok(())
}

/// collectd's four data source types: a gauge, two that count since an unknown start (`derive` may fall, `counter`
/// only by overflow or restart), and one that counts since the last reading.
fn reading(
    kind: &Value,
    value: f64,
    list: &Map<String, Value>,
    at: EventTime,
) -> Result<Reading<'static>, Reject> {
    let sum = |temporality, monotonic, start| Reading::Sum {
        value,
        temporality,
        monotonic,
        start,
    };
    match kind.as_str() {
        Some("gauge") => Ok(Reading::Gauge(value)),
        Some("derive" | "counter") => Ok(sum(Temporality::Cumulative, true, None)),
        Some("absolute") => {
            let interval = json::number(list.get("interval"), "interval")?;
            let start = std::time::Duration::try_from_secs_f64(interval)
                .ok()
                .map(|span| at.minus(span));
            Ok(sum(Temporality::Delta, true, start))
        }
        _ => Err(Reject::new(
            RejectReason::BadValue,
            "`dstypes` names no type of collectd",
        )),
    }
}

fn array<'a>(list: &'a Map<String, Value>, field: &str, len: usize) -> Result<&'a [Value], Reject> {
    match list.get(field) {
        Some(Value::Array(array)) if array.len() == len => Ok(array),
        Some(_) => Err(malformed(&format!("`{field}` doesn't fit `values`"))),
        None => Err(json::missing(field)),
    }
}
