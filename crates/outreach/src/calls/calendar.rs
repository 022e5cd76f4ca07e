//! Where an interval lies in the queue's own day and week.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use forecall_types::EventTime;
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

const DAY_SECONDS: i64 = 86_400;

/// A time zone by its IANA name, looked up once in the tables built into the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// Why a text is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time zone: it needs an IANA name such as Asia/Tehran")]
pub struct NotAZone(String);

impl Zone {
    /// Looks `name` up.
    ///
    /// # Errors
    /// A name the tables don't have.
    pub fn new(name: &str) -> Result<Self, NotAZone> {
        let zone = TimeZone::get(name).map_err(|_| NotAZone(name.chars().take(64).collect()))?;
        Ok(Self {
            name: name.to_owned(),
            zone,
        })
    }

    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            zone: TimeZone::UTC,
        }
    }

    pub(super) const fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    fn offset_seconds(&self, at: EventTime) -> i64 {
        Timestamp::from_second(at.secs()).map_or(0, |t| i64::from(self.zone.to_offset(t).seconds()))
    }
}

impl TryFrom<String> for Zone {
    type Error = NotAZone;
    fn try_from(name: String) -> Result<Self, NotAZone> {
        Self::new(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Day, weekday and interval of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Local days since 1970-01-01.
    pub day: i64,
    /// 0 Monday to 6 Sunday.
    pub weekday: u8,
    /// Interval of the local day, from 0.
    pub slot: u16,
}

/// Kinds of day: the seven weekdays from Monday, and holidays.
pub(super) const KINDS: usize = 8;

/// How time is cut for a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    zone: Zone,
    step: Duration,
    holidays: BTreeSet<i64>,
}

impl Calendar {
    /// Intervals of `step` in `zone`.
    pub fn new(zone: Zone, step: Duration) -> Self {
        Self {
            zone,
            step: step.max(Duration::from_secs(60)),
            holidays: BTreeSet::new(),
        }
    }

    /// With days (since 1970-01-01) that have a shape and a level of their own, whatever weekday they fall on.
    #[must_use]
    pub fn with_holidays(mut self, days: BTreeSet<i64>) -> Self {
        self.holidays = days;
        self
    }

    /// Length of an interval.
    pub const fn step(&self) -> Duration {
        self.step
    }

    pub(super) fn step_minutes(&self) -> f64 {
        self.step.as_secs_f64() / 60.0
    }

    /// Intervals in a day, at least 1.
    pub fn slots(&self) -> usize {
        usize::from(self.slots_u16())
    }

    fn step_seconds(&self) -> i64 {
        i64::try_from(self.step.as_secs()).unwrap_or(DAY_SECONDS).max(1)
    }

    fn slots_u16(&self) -> u16 {
        u16::try_from((DAY_SECONDS / self.step_seconds()).max(1)).unwrap_or(u16::MAX)
    }

    /// Where the interval that starts at `start` lies. Days of 25 hours see an hour's intervals twice.
    pub fn place(&self, start: EventTime) -> Place {
        let local = start.secs().saturating_add(self.zone.offset_seconds(start));
        let day = local.div_euclid(DAY_SECONDS);
        let slot = local.rem_euclid(DAY_SECONDS) / self.step_seconds();
        Place {
            day,
            weekday: weekday(day),
            slot: u16::try_from(slot).unwrap_or(0).min(self.slots_u16() - 1),
        }
    }

    /// An interval of a local day.
    pub(super) fn place_of(day: i64, slot: u16) -> Place {
        Place {
            day,
            weekday: weekday(day),
            slot,
        }
    }

    /// So many of its intervals make the shortest one of at least `least` that divides the day.
    pub(super) fn parts_of(&self, least: Duration) -> u16 {
        let step = self.step_seconds();
        let least = i64::try_from(least.as_secs()).unwrap_or(DAY_SECONDS);
        (1_u16..)
            .find(|parts| {
                let length = step * i64::from(*parts);
                length >= DAY_SECONDS || (length >= least && DAY_SECONDS % length == 0)
            })
            .unwrap_or(1)
    }

    /// The same days, cut into intervals of `parts` of these.
    pub(super) fn coarser(&self, parts: u16) -> Self {
        Self {
            step: self.step * u32::from(parts.max(1)),
            ..self.clone()
        }
    }

    /// Seconds of the local day.
    pub(super) fn local_seconds(&self, at: EventTime) -> u64 {
        let local = at.secs().saturating_add(self.zone.offset_seconds(at));
        u64::try_from(local.rem_euclid(DAY_SECONDS)).unwrap_or(0)
    }

    /// Start of an interval. Where clocks are put on and the hour is left out, what would follow it.
    pub fn start(&self, day: i64, slot: u16) -> EventTime {
        let local = day * DAY_SECONDS + i64::from(slot) * self.step_seconds();
        let first = self.zone.offset_seconds(EventTime::from_secs(local));
        let second = self.zone.offset_seconds(EventTime::from_secs(local - first));
        EventTime::from_secs(local - second)
    }

    /// Weekday, or the last of [`KINDS`] for a holiday.
    pub(super) fn kind(&self, day: i64) -> usize {
        if self.holidays.contains(&day) {
            KINDS - 1
        } else {
            usize::from(weekday(day))
        }
    }
}

/// 0 Monday to 6 Sunday; 1970-01-01 was a Thursday.
fn weekday(day: i64) -> u8 {
    u8::try_from((day + 3).rem_euclid(7)).unwrap_or(0)
}

/// How far the month of a day has come, 0 to 1. The Gregorian month serves others of its length too: what is learned are
/// waves, and a month that begins on another day is the same wave, shifted.
pub(super) fn month_share(day: i64) -> f64 {
    // Civil date from days, by counting from 0000-03-01, so that the leap day comes last (Hinnant 2014).
    let shifted = day + 719_468;
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let first = (153 * month + 2) / 5;
    let year = year_of_era + 1;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        // From March: 31, 30, 31, 30, 31 twice, then January and February.
        1 | 3 | 6 | 8 => 30,
        11 => 28 + i64::from(is_leap),
        _ => 31,
    };
    let of_month = i32::try_from(of_year - first).unwrap_or(0);
    (f64::from(of_month) + 0.5) / f64::from(i32::try_from(length).unwrap_or(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_local_and_have_a_start() {
        let tehran = Calendar::new(Zone::new("Asia/Tehran").unwrap(), Duration::from_secs(1800));
        // 2026-01-01T21:00:00Z is Friday 00:30 in Tehran (+03:30).
        let start = EventTime::from_secs(1_767_301_200);
        let place = tehran.place(start);
        assert_eq!((place.weekday, place.slot), (4, 1));
        assert_eq!(tehran.start(place.day, place.slot), start);
        assert_eq!(tehran.slots(), 48);
        // Summer time moved Tehran to +04:30 in 2015.
        assert_eq!(tehran.place(EventTime::from_secs(1_438_372_800)).slot, 1);
        assert!(Zone::new("Asia/Nowhere").is_err());
    }

    #[test]
    fn months_begin_and_end_where_they_do() {
        // 2024-02-29, 2024-03-01, 2023-12-31, 2003-03-03.
        for (day, of, length) in [
            (19_782, 29.0, 29.0),
            (19_783, 1.0, 31.0),
            (19_722, 31.0, 31.0),
            (12_114, 3.0, 31.0),
        ] {
            assert!((month_share(day) - (of - 0.5) / length).abs() < 1e-12, "{day}");
        }
    }

    #[test]
    fn a_holiday_is_a_kind_of_its_own() {
        let calendar =
            Calendar::new(Zone::utc(), Duration::from_secs(1800)).with_holidays(BTreeSet::from([12_114]));
        assert_eq!((calendar.kind(12_114), calendar.kind(12_115)), (KINDS - 1, 1));
    }
}
