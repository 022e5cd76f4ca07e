//! Where an interval lies in the queue's own day and week.

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

/// How time is cut for a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    zone: Zone,
    step: Duration,
    weekend: [bool; 7],
}

impl Calendar {
    /// Intervals of `step` in `zone`; `weekend` by weekday from Monday.
    pub fn new(zone: Zone, step: Duration, weekend: [bool; 7]) -> Self {
        Self {
            zone,
            step: step.max(Duration::from_secs(60)),
            weekend,
        }
    }

    /// Length of an interval.
    pub const fn step(&self) -> Duration {
        self.step
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
            // 1970-01-01 was a Thursday.
            weekday: u8::try_from((day + 3).rem_euclid(7)).unwrap_or(0),
            slot: u16::try_from(slot).unwrap_or(0).min(self.slots_u16() - 1),
        }
    }

    /// Whether a weekday belongs to the weekend.
    pub fn is_weekend(&self, weekday: u8) -> bool {
        self.weekend.get(usize::from(weekday)).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_local() {
        let tehran = Calendar::new(
            Zone::new("Asia/Tehran").unwrap(),
            Duration::from_secs(1800),
            [false; 7],
        );
        // 2026-01-01T21:00:00Z is Friday 00:30 in Tehran (+03:30).
        let place = tehran.place(EventTime::from_secs(1_767_301_200));
        assert_eq!((place.weekday, place.slot), (4, 1));
        assert_eq!(tehran.slots(), 48);
        // Summer time moved Tehran to +04:30 in 2015.
        assert_eq!(tehran.place(EventTime::from_secs(1_438_372_800)).slot, 1);
        assert!(Zone::new("Asia/Nowhere").is_err());
    }
}
