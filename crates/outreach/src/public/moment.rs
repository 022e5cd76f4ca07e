//! Times with their distance from UTC, as CAP 1.2 (3.3.2) and RFC 3339 want them.

use forecall_types::EventTime;
use jiff::tz::TimeZone;

use crate::settings::Zone;

/// `2026-11-22T14:05:00+03:30`; never `Z`, and `-00:00` for UTC itself.
pub(super) fn moment(at: EventTime, zone: &Zone) -> String {
    let there = zone.local(at);
    let ahead = there
        .to_zoned(TimeZone::UTC)
        .map_or(0, |as_if_utc| as_if_utc.timestamp().as_second() - at.secs());
    let sign = if ahead > 0 { '+' } else { '-' };
    let minutes = ahead.abs() / 60;
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{sign}{:02}:{:02}",
        there.year(),
        there.month(),
        there.day(),
        there.hour(),
        there.minute(),
        there.second(),
        minutes / 60,
        minutes % 60
    )
}
