use forecall_types::{EventTime, Reject, RejectReason};
use serde_json::{Map, Value};

use super::TimeUnit;

/// Parses JSON after checking its depth. The parser's own message may quote the record, so only the place is told.
pub(super) fn parse<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8], depth_max: usize) -> Result<T, Reject> {
    check_depth(bytes, depth_max)?;
    serde_json::from_slice(bytes).map_err(|error| {
        let what = if error.is_data() {
            "JSON of another shape"
        } else {
            "not JSON"
        };
        Reject::new(
            RejectReason::Malformed,
            format!("{what} at line {} column {}", error.line(), error.column()),
        )
    })
}

/// What a record holds: the elements of a list, one value, or none (`null`).
pub(super) fn elements(bytes: &[u8], depth_max: usize) -> Result<Vec<Value>, Reject> {
    Ok(match parse(bytes, depth_max)? {
        Value::Null => Vec::new(),
        Value::Array(list) => list,
        one => vec![one],
    })
}

/// One pass over the bytes that counts brackets outside strings.
pub(super) fn check_depth(bytes: &[u8], depth_max: usize) -> Result<(), Reject> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in bytes {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > depth_max {
                    return Err(Reject::new(
                        RejectReason::TooLarge,
                        format!("JSON is nested deeper than {depth_max}"),
                    ));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn missing(field: &str) -> Reject {
    Reject::new(RejectReason::MissingField, format!("`{field}` is missing"))
}

pub(super) fn bad_value(field: &str) -> Reject {
    Reject::new(
        RejectReason::BadValue,
        format!("`{field}` is not a finite number"),
    )
}

pub(super) fn bad_time(field: &str) -> Reject {
    Reject::new(
        RejectReason::BadTime,
        format!("`{field}` is not a time between 1677 and 2262"),
    )
}

pub(super) fn malformed(what: &str) -> Reject {
    Reject::new(RejectReason::Malformed, what)
}

/// A text field that is not empty.
pub(super) fn text<'a>(object: &'a Map<String, Value>, field: &str) -> Result<&'a str, Reject> {
    match object.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(Value::Null | Value::String(_)) | None => Err(missing(field)),
        Some(_) => Err(malformed(&format!("`{field}` is not a text"))),
    }
}

/// A number, or a text that holds one; NaN and infinities are refused.
pub(super) fn number(value: Option<&Value>, field: &str) -> Result<f64, Reject> {
    let number = match value {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(Value::Null) | None => return Err(missing(field)),
        Some(_) => None,
    };
    number
        .filter(|value| value.is_finite())
        .ok_or_else(|| bad_value(field))
}

/// How a value reads as a label; `None` for null, which is no label. Lists and objects become JSON text.
pub(super) fn label_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(value.to_string()),
    }
}

/// An object of labels; null and a missing field are no labels.
pub(super) fn labels(value: Option<&Value>, field: &str) -> Result<Vec<(String, String)>, Reject> {
    match value {
        Some(Value::Null) | None => Ok(Vec::new()),
        Some(Value::Object(object)) => Ok(object
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), label_text(value)?)))
            .collect()),
        Some(_) => Err(malformed(&format!("`{field}` is not an object"))),
    }
}

/// A time: RFC 3339 text, or a number (also as text) since the epoch in `unit`.
pub(super) fn time(value: Option<&Value>, field: &str, unit: TimeUnit) -> Result<EventTime, Reject> {
    let time = match value {
        Some(Value::Number(number)) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => from_whole(i128::from(whole), unit),
            (None, Some(whole)) => from_whole(i128::from(whole), unit),
            (None, None) => number.as_f64().and_then(|n| from_fraction(n, unit)),
        },
        Some(Value::String(text)) => from_text(text.trim(), unit),
        Some(Value::Null) | None => return Err(missing(field)),
        Some(_) => None,
    };
    time.ok_or_else(|| bad_time(field))
}

/// A time as text: a number in `unit`, or RFC 3339.
pub(super) fn from_text(text: &str, unit: TimeUnit) -> Option<EventTime> {
    if let Ok(whole) = text.parse::<i64>() {
        return from_whole(i128::from(whole), unit);
    }
    if let Ok(fraction) = text.parse::<f64>() {
        return from_fraction(fraction, unit);
    }
    let timestamp: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(timestamp.as_nanosecond())
        .ok()
        .map(EventTime::from_nanos)
}

/// A whole number since the epoch.
pub(super) fn from_whole(number: i128, unit: TimeUnit) -> Option<EventTime> {
    let nanos_per_unit: i128 = match unit {
        TimeUnit::Seconds => 1_000_000_000,
        TimeUnit::Millis => 1_000_000,
        TimeUnit::Micros => 1_000,
        TimeUnit::Nanos => 1,
        TimeUnit::Auto => match number.unsigned_abs() {
            0..100_000_000_000 => 1_000_000_000,
            100_000_000_000..100_000_000_000_000 => 1_000_000,
            100_000_000_000_000..100_000_000_000_000_000 => 1_000,
            _ => 1,
        },
    };
    i64::try_from(number.checked_mul(nanos_per_unit)?)
        .ok()
        .map(EventTime::from_nanos)
}

/// A fractional number since the epoch; exact to the microsecond.
pub(super) fn from_fraction(number: f64, unit: TimeUnit) -> Option<EventTime> {
    let per_second = match unit {
        TimeUnit::Seconds => 1.0,
        TimeUnit::Millis => 1e3,
        TimeUnit::Micros => 1e6,
        TimeUnit::Nanos => 1e9,
        TimeUnit::Auto => match number.abs() {
            n if n < 1e11 => 1.0,
            n if n < 1e14 => 1e3,
            n if n < 1e17 => 1e6,
            _ => 1e9,
        },
    };
    EventTime::from_unix_seconds(number / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_read_by_unit_or_size() {
        let second = 1_767_225_600_000_000_000_i64;
        for (value, unit, nanos) in [
            (json!("2026-01-01T00:00:00Z"), TimeUnit::Auto, second),
            (json!("2026-01-01T03:30:00+03:30"), TimeUnit::Auto, second),
            (json!(1_767_225_600), TimeUnit::Auto, second),
            (json!("1767225600000"), TimeUnit::Auto, second),
            (json!(1_767_225_600_000_000_i64), TimeUnit::Auto, second),
            (json!(second), TimeUnit::Auto, second),
            (json!(1_767_225_600.25), TimeUnit::Seconds, second + 250_000_000),
            (json!(5), TimeUnit::Millis, 5_000_000),
            (json!(5.5), TimeUnit::Millis, 5_500_000),
        ] {
            let time = time(Some(&value), "t", unit).unwrap();
            assert_eq!(time.nanos(), nanos, "{value} {unit:?}");
        }
        for bad in [
            json!("yesterday"),
            json!(true),
            json!(1e300),
            json!(u64::MAX),
            json!("9999-01-01T00:00:00Z"),
        ] {
            assert_eq!(
                time(Some(&bad), "t", TimeUnit::Seconds).unwrap_err().reason,
                RejectReason::BadTime,
                "{bad}"
            );
        }
    }

    #[test]
    fn depth_ignores_brackets_in_strings() {
        assert!(check_depth(br#"{"a":"[[[[\"[["}"#, 1).is_ok());
        assert!(check_depth(b"[[[", 2).is_err());
    }
}
