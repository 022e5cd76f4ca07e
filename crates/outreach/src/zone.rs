//! The clock on the wall: time zones and times of day, as settings give them.

use forecall_types::EventTime;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A time zone of the IANA database (bundled: the same on every machine).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// The name is in no time-zone database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time zone; a name such as Asia/Tehran is")]
pub struct NotAZone(String);

impl Zone {
    /// By its IANA name.
    ///
    /// # Errors
    /// [`NotAZone`].
    pub fn new(name: &str) -> Result<Self, NotAZone> {
        let wrong = || NotAZone(name.chars().take(64).collect());
        Ok(Self {
            name: name.to_owned(),
            zone: TimeZone::get(name).map_err(|_| wrong())?,
        })
    }

    /// The clock on the wall there. Times beyond the calendar's range (none can come from a record) read as 1970.
    pub(crate) fn local(&self, at: EventTime) -> DateTime {
        let stamp = Timestamp::from_second(at.secs()).unwrap_or(Timestamp::UNIX_EPOCH);
        self.zone.to_datetime(stamp)
    }

    /// The day there, counted from 1970-01-01.
    pub(crate) fn day(&self, at: EventTime) -> i32 {
        crate::words::unix_day(self.local(at).date())
    }

    /// When the clock on the wall there shows `local`.
    pub(crate) fn moment(&self, local: DateTime) -> Option<EventTime> {
        let stamp = self.zone.to_timestamp(local).ok()?;
        Some(EventTime::from_secs(stamp.as_second()))
    }
}

impl Default for Zone {
    fn default() -> Self {
        // In the bundled database; a fixed +03:30 (Iran without summer time) is what it says too.
        Self::new("Asia/Tehran").unwrap_or_else(|_| Self {
            name: "UTC".to_owned(),
            zone: TimeZone::UTC,
        })
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

/// A time of day, `HH:MM`, kept as minutes after midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalTime(u16);

/// The text is no time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time of day; 22:00 is")]
pub struct NotATimeOfDay(String);

impl LocalTime {
    /// By the hour, of which there are 24.
    pub(crate) const fn at_hour(hour: u8) -> Self {
        Self(hour as u16 % 24 * 60)
    }

    /// Minutes after midnight, below 1,440.
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl TryFrom<String> for LocalTime {
    type Error = NotATimeOfDay;
    fn try_from(text: String) -> Result<Self, NotATimeOfDay> {
        let minutes = text.split_once(':').and_then(|(hour, minute)| {
            let two = |part: &str, below: u16| {
                (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
                    .then(|| part.parse::<u16>().ok())
                    .flatten()
                    .filter(|n| *n < below)
            };
            Some(two(hour, 24)? * 60 + two(minute, 60)?)
        });
        minutes
            .map(Self)
            .ok_or_else(|| NotATimeOfDay(text.chars().take(64).collect()))
    }
}

impl From<LocalTime> for String {
    fn from(time: LocalTime) -> Self {
        format!("{:02}:{:02}", time.0 / 60, time.0 % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_and_zones_are_checked() {
        assert_eq!(
            LocalTime::try_from("22:05".to_owned()).map(LocalTime::minutes),
            Ok(1325)
        );
        assert_eq!(String::from(LocalTime(65)), "01:05");
        for bad in ["24:00", "7:00", "22:60", "22", "", "+1:00", "aa:bb"] {
            assert!(LocalTime::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert!(Zone::new("Asia/Teheran").is_err());
        assert_eq!(String::from(Zone::default()), "Asia/Tehran");
    }
}
