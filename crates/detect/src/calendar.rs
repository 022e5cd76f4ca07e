//! Where in the week a moment lies, for those whose week it is.

use std::time::Duration;

use forecall_types::EventTime;

use crate::DetectSettings;

const DAY_SECONDS: i64 = 86_400;
const HOUR_SECONDS: i64 = 3_600;
const HOURS: usize = 24;

/// A place in the week: the second of the local day, and whether it is a day of rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    second: i64,
    rest: bool,
}

impl DetectSettings {
    /// Where in the customers' week a moment lies.
    pub fn place(&self, at: EventTime) -> Place {
        let offset = Duration::from_secs_f64(self.utc_offset_hours.abs().min(24.0) * 3_600.0);
        let local = if self.utc_offset_hours < 0.0 {
            at.minus(offset)
        } else {
            at.plus(offset)
        };
        let local = local.secs();
        let day = local.div_euclid(DAY_SECONDS);
        // 1970-01-01 was a Thursday.
        let weekday = u8::try_from((day + 3).rem_euclid(7) + 1).unwrap_or(1);
        Place {
            second: local.rem_euclid(DAY_SECONDS),
            rest: self.rest_days.contains(&weekday)
                || u32::try_from(day).is_ok_and(|day| self.holidays.contains(&day)),
        }
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
            holidays: vec![19_000],
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
