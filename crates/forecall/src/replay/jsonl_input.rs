//! JSONL: forecall's flat JSON, one object a line: `{"ts":…,"series":…,"value":…,"unit":…,"labels":{…}}`.

use forecall_types::{EventTime, LABEL_VALUE_BYTES_MAX, LABELS_MAX, Labels};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::input::Input;
use super::time_text;

/// Reads a file into `input`. Blank lines are no rows.
pub(super) fn read(input: &mut Input, path: &str, bytes: &[u8], zone: &TimeZone) {
    input.begin(path, bytes);
    for (number, line) in (1_u64..).zip(bytes.split(|b| *b == b'\n')) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let parsed: Value = match serde_json::from_slice(line) {
            Ok(parsed) => parsed,
            Err(error) => {
                let why = format!("not JSON at column {}", error.column());
                input.add(number, ("", ""), "", Err(why));
                continue;
            }
        };
        let text = |field: &str| match parsed.get(field) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let (timestamp, value, series) = (text("ts"), text("value"), text("series"));
        let read = point(input, &parsed, &timestamp, zone);
        input.add(number, (&timestamp, &value), &series, read);
    }
}

fn point(
    input: &mut Input,
    point: &Value,
    timestamp: &str,
    zone: &TimeZone,
) -> Result<(EventTime, f64, u32), String> {
    let at = time_text::parse(timestamp, zone).ok_or("`ts` can't be read")?;
    let value = point
        .get("value")
        .and_then(Value::as_f64)
        .ok_or("`value` is not a number")?;
    let name = point
        .get("series")
        .and_then(Value::as_str)
        .ok_or("`series` is not a text")?;
    let unit = point.get("unit").and_then(Value::as_str).unwrap_or_default();
    let mut pairs = Vec::new();
    match point.get("labels") {
        None | Some(Value::Null) => {}
        Some(Value::Object(labels)) => {
            for (name, label) in labels {
                match label {
                    Value::String(text) => pairs.push((name.clone(), text.clone())),
                    Value::Number(_) | Value::Bool(_) => pairs.push((name.clone(), label.to_string())),
                    Value::Null | Value::Array(_) | Value::Object(_) => {
                        return Err("a label is neither a text nor a number".to_owned());
                    }
                }
            }
        }
        Some(_) => return Err("`labels` is not an object".to_owned()),
    }
    if pairs.len() > LABELS_MAX || pairs.iter().any(|(_, v)| v.len() > LABEL_VALUE_BYTES_MAX) {
        return Err(format!(
            "more than {LABELS_MAX} labels, or one longer than {LABEL_VALUE_BYTES_MAX} bytes"
        ));
    }
    let series = input.intern(name, unit, Labels::from_pairs(pairs))?;
    Ok((at, value, series))
}
