//! Where in the week a moment lies, for those whose week it is.

mod holidays;
mod zone;

use std::collections::BTreeMap;
use std::time::Duration;

use forecall_types::EventTime;
use serde::{Deserialize, Serialize};

pub use self::holidays::{HOLIDAYS_MAX, Holiday, Holidays, IsoDate, MonthDay, NotAHoliday, YearlyHoliday};
pub use self::zone::{NotAZone, Zone};
use crate::DetectSettings;

const DAY_SECONDS: i64 = 86_400;
const HOUR_SECONDS: i64 = 3_600;
const HOURS: usize = 24;
/// 2100-01-01: tables of clocks and holidays end here, twice as far off as any machine they will run on lasts.
const UNTIL_SECOND: i64 = 4_102_444_800;

/// The week of the series of one place. What is left out is as `detect` itself says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CalendarEntry {
    /// Labels of the series → value, in which `*` stands for any run of characters: all must match. A label of the
    /// point goes before one of the resource.
    pub r#match: BTreeMap<String, String>,
    /// IANA time zone.
    pub time_zone: Option<Zone>,
    /// Days of rest, 1 for Monday to 7 for Sunday.
    pub rest_days: Option<Vec<u8>>,
    /// Further days of rest.
    pub holidays: Option<Holidays>,
}

/// A place in the week: the second of the local day, and whether it is a day of rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    second: i64,
    rest: bool,
}

impl DetectSettings {
    /// Where in the customers' week a moment lies, by the calendar of these settings themselves.
    pub fn place(&self, at: EventTime) -> Place {
        let local = self.local_second(at);
        let day = local.div_euclid(DAY_SECONDS);
        // 1970-01-01 was a Thursday.
        let weekday = u8::try_from((day + 3).rem_euclid(7) + 1).unwrap_or(1);
        Place {
            second: local.rem_euclid(DAY_SECONDS),
            rest: self.rest_days.contains(&weekday) || self.holidays.contains(day),
        }
    }

    fn local_second(&self, at: EventTime) -> i64 {
        if let Some(zone) = &self.time_zone {
            return zone.local(at.secs());
        }
        let offset = Duration::from_secs_f64(self.utc_offset_hours.abs().min(24.0) * 3_600.0);
        let local = if self.utc_offset_hours < 0.0 {
            at.minus(offset)
        } else {
            at.plus(offset)
        };
        local.secs()
    }
}

impl Place {
    /// Where the hours of its kind of day begin.
    pub(crate) const fn day(self) -> usize {
        if self.rest { HOURS } else { 0 }
    }

    /// Its hour, days of rest after working days.
    pub(crate) fn bin(self) -> u8 {
        let hour = u8::try_from(self.second / HOUR_SECONDS).unwrap_or(0);
        if self.rest { hour + 24 } else { hour }
    }

    /// The two hours between whose middles it lies, and how far from the first to the second, 0 to 1.
    pub(crate) fn between(self) -> (usize, usize, f64) {
        let since = (self.second - HOUR_SECONDS / 2).rem_euclid(DAY_SECONDS);
        let from = usize::try_from(since / HOUR_SECONDS).unwrap_or(0);
        let within = u32::try_from(since % HOUR_SECONDS).unwrap_or(0);
        (from, (from + 1) % HOURS, f64::from(within) / 3_600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekends_holidays_and_clocks_are_local() {
        let settings = DetectSettings {
            utc_offset_hours: 3.5,
            rest_days: vec![4, 5],
            holidays: Holidays::new(vec![Holiday::Day(19_000)]).unwrap(),
            ..DetectSettings::default()
        };
        // 2021-03-25 was a Thursday; 20:30 UTC on the Wednesday before is midnight in Tehran.
        let midnight = EventTime::from_secs(18_711 * 86_400 - 210 * 60);
        assert_eq!(
            settings.place(midnight),
            Place {
                second: 0,
                rest: true
            }
        );
        assert!(!settings.place(EventTime::from_secs(midnight.secs() - 1)).rest);
        assert!(settings.place(EventTime::from_secs(19_000 * 86_400)).rest);
        let place = |second| Place { second, rest: false };
        assert_eq!(place(1_800).between(), (0, 1, 0.0));
        assert_eq!(place(0).between().0, 23);
        assert_eq!(place(86_399).bin(), 23);
    }
}
