//! Times as people and machines write them.

use forecall_types::EventTime;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The time in `text`: RFC 3339, `YYYY-MM-DD[ T]HH:MM:SS[.f]` in `zone`, or a number since 1970 whose unit is told by its
/// size: below 10¹¹ seconds, below 10¹⁴ milliseconds, below 10¹⁷ microseconds, else nanoseconds.
pub(crate) fn parse(text: &str, zone: &TimeZone) -> Option<EventTime> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return of_number(number);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        // Only seconds are written with a fraction.
        return (seconds.abs() < 1e11)
            .then(|| EventTime::from_unix_seconds(seconds))
            .flatten();
    }
    let at = match text.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => zone.to_timestamp(text.parse::<DateTime>().ok()?).ok()?,
    };
    i64::try_from(at.as_nanosecond()).ok().map(EventTime::from_nanos)
}

fn of_number(number: i64) -> Option<EventTime> {
    let nanos_each = match number.unsigned_abs() {
        0..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    };
    number.checked_mul(nanos_each).map(EventTime::from_nanos)
}

/// RFC 3339 in UTC.
pub(crate) fn write(at: EventTime) -> String {
    Timestamp::from_nanosecond(i128::from(at.nanos()))
        .map_or_else(|_| at.nanos().to_string(), |t| t.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form() {
        let tehran = TimeZone::get("Asia/Tehran").unwrap();
        for (text, zone, nanos) in [
            (
                "2014-04-01 00:05:00",
                &TimeZone::UTC,
                Some(1_396_310_700_000_000_000),
            ),
            (
                "2014-04-01 00:05:00.25",
                &TimeZone::UTC,
                Some(1_396_310_700_250_000_000),
            ),
            ("2014-04-01T00:05:00Z", &tehran, Some(1_396_310_700_000_000_000)),
            (
                "2014-04-01T04:35:00+04:30",
                &TimeZone::UTC,
                Some(1_396_310_700_000_000_000),
            ),
            ("2014-04-01 04:35:00", &tehran, Some(1_396_310_700_000_000_000)),
            ("1396310700", &TimeZone::UTC, Some(1_396_310_700_000_000_000)),
            ("1396310700.5", &TimeZone::UTC, Some(1_396_310_700_500_000_000)),
            ("1396310700250", &TimeZone::UTC, Some(1_396_310_700_250_000_000)),
            (
                "1396310700250000",
                &TimeZone::UTC,
                Some(1_396_310_700_250_000_000),
            ),
            (
                "1396310700250000001",
                &TimeZone::UTC,
                Some(1_396_310_700_250_000_001),
            ),
            ("", &TimeZone::UTC, None),
            ("yesterday", &TimeZone::UTC, None),
            ("NaN", &TimeZone::UTC, None),
            ("2014-13-01 00:00:00", &TimeZone::UTC, None),
        ] {
            assert_eq!(parse(text, zone).map(EventTime::nanos), nanos, "{text}");
        }
    }
}
