use std::sync::Arc;

use forecall_types::{EventTime, Reading, Reject, SeriesKey};
use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};

use super::json::{bad_time, from_whole, malformed};
use super::points::Points;
use super::telegraf::rename_host;

/// Influx line protocol; a line without a time was measured when the broker appended the record.
pub(super) fn decode(points: &mut Points<'_>, value: &[u8], appended_at: EventTime) -> Result<(), Reject> {
    let text = std::str::from_utf8(value).map_err(|_| malformed("not UTF-8"))?;
    for (index, parsed) in parse_lines(text).enumerate() {
        // The parser's error quotes the line.
        let read = match parsed {
            Ok(line) if line.series.measurement.starts_with('#') => Ok(()),
            Ok(parsed) => line(points, &parsed, appended_at),
            Err(_) => points.expect(1).and(Err(malformed("not line protocol"))),
        };
        points.expect(0)?;
        if let Err(reject) = read {
            points.refuse(Reject::new(
                reject.reason,
                format!("line {}: {}", index + 1, reject.detail),
            ));
        }
    }
    Ok(())
}

fn line(points: &mut Points<'_>, line: &ParsedLine<'_>, appended_at: EventTime) -> Result<(), Reject> {
    points.expect(line.field_set.len())?;
    let at = match line.timestamp {
        None => appended_at,
        Some(number) => {
            from_whole(i128::from(number), points.source().time_unit).ok_or_else(|| bad_time("timestamp"))?
        }
    };
    let mut tags: Vec<(String, String)> = line
        .series
        .tag_set
        .iter()
        .flatten()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned()))
        .collect();
    rename_host(&mut tags);
    let (resource, labels) = points.split(tags)?;
    for (field, value) in &line.field_set {
        let Some(value) = numeric(value) else { continue };
        let full = format!("{}.{}", line.series.measurement.as_str(), field.as_str());
        match points.metric(&full) {
            Ok(name) => {
                let key = SeriesKey {
                    metric: Arc::from(name),
                    unit: Arc::from(""),
                    resource: resource.clone(),
                    labels: labels.clone(),
                };
                points.push(&key, at, Reading::Gauge(value));
            }
            Err(reject) => points.refuse(reject),
        }
    }
    Ok(())
}

#[allow(
    clippy::cast_precision_loss,
    reason = "readings are f64; whole numbers beyond 2^53 lose what no detector sees"
)]
fn numeric(value: &FieldValue<'_>) -> Option<f64> {
    match value {
        FieldValue::I64(value) => Some(*value as f64),
        FieldValue::U64(value) => Some(*value as f64),
        FieldValue::F64(value) => Some(*value),
        FieldValue::String(_) | FieldValue::Boolean(_) => None,
    }
}
