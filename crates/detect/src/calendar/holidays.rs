use std::fmt;
use std::sync::Arc;

use forecall_types::JalaliDay;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{DAY_SECONDS, UNTIL_SECOND};

/// Holidays in one calendar: a generous country has thirty a year, and forty years of dates written out fit.
pub const HOLIDAYS_MAX: usize = 1_024;
/// Years of the Jalali calendar that touch 1970 to 2100.
const JALALI_YEARS: std::ops::RangeInclusive<i32> = 1348..=1479;
const GREGORIAN_YEARS: std::ops::Range<i16> = 1970..2100;

/// A holiday as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a holiday is a date such as `2026-03-21` or `jalali: 01-01` or `gregorian: 12-25`"
)]
pub enum Holiday {
    /// One day, such as `2026-03-21`.
    Date(IsoDate),
    /// A day of each year.
    Yearly(YearlyHoliday),
    /// One day, by its number from 1970-01-01 (as it was written once).
    Day(u32),
}

/// A day of each year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum YearlyHoliday {
    /// Month and day of the Jalali calendar: `01-01` is Nowruz.
    Jalali(MonthDay),
    /// Month and day of the Gregorian calendar.
    Gregorian(MonthDay),
}

/// A date such as `2026-03-21`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IsoDate(Date);

/// Month and day, `MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MonthDay {
    month: i8,
    day: i8,
}

/// Why a holiday is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAHoliday {
    /// The text is no date.
    #[error("`{0}` is not a date; 2026-03-21 is")]
    Date(String),
    /// The text is no day of a year.
    #[error("`{0}` is not a month and day; 01-13 is")]
    MonthDay(String),
    /// No year of that calendar has the day.
    #[error("holiday {0}: no year has such a day")]
    NoSuchDay(usize),
    /// The tables end before it.
    #[error("holiday {0} lies before 1970 or after 2099")]
    Beyond(usize),
    /// More than [`HOLIDAYS_MAX`].
    #[error("{0} holidays, at most {HOLIDAYS_MAX}")]
    TooMany(usize),
}

fn digits<T: std::str::FromStr>(text: &str, len: usize) -> Option<T> {
    (text.len() == len && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

impl TryFrom<String> for IsoDate {
    type Error = NotAHoliday;
    fn try_from(text: String) -> Result<Self, NotAHoliday> {
        let mut parts = text.split('-');
        let mut part = |len| parts.next().filter(|part| part.len() == len);
        let date = (part(4), part(2), part(2));
        let date = match (date, parts.next()) {
            ((Some(year), Some(month), Some(day)), None) => digits(year, 4)
                .zip(digits(month, 2))
                .zip(digits(day, 2))
                .and_then(|((year, month), day)| Date::new(year, month, day).ok()),
            _ => None,
        };
        date.map(Self)
            .ok_or_else(|| NotAHoliday::Date(text.chars().take(32).collect()))
    }
}

impl From<IsoDate> for String {
    fn from(date: IsoDate) -> Self {
        date.0.to_string()
    }
}

impl TryFrom<String> for MonthDay {
    type Error = NotAHoliday;
    fn try_from(text: String) -> Result<Self, NotAHoliday> {
        let parts = text.split_once('-');
        let (month, day) = parts.unwrap_or_default();
        match (digits(month, 2), digits(day, 2)) {
            (Some(month @ 1..=12), Some(day @ 1..=31)) => Ok(Self { month, day }),
            _ => Err(NotAHoliday::MonthDay(text.chars().take(32).collect())),
        }
    }
}

impl From<MonthDay> for String {
    fn from(day: MonthDay) -> Self {
        format!("{:02}-{:02}", day.month, day.day)
    }
}

fn unix_day(date: Date) -> i32 {
    // Whole days between two civil dates: no zone takes part, so it can't fail within the type's range.
    Date::constant(1970, 1, 1)
        .until(date)
        .map_or(-1, |span| span.get_days())
}

impl Holiday {
    /// Its days, from 1970-01-01, as far as the tables go.
    fn days(&self) -> Vec<i32> {
        match *self {
            Self::Date(IsoDate(date)) => vec![unix_day(date)],
            Self::Day(day) => vec![i32::try_from(day).unwrap_or(i32::MAX)],
            Self::Yearly(YearlyHoliday::Jalali(MonthDay { month, day })) => {
                let (month, day) = (i32::from(month), i32::from(day));
                JALALI_YEARS
                    .filter_map(|year| JalaliDay { year, month, day }.unix_day())
                    .collect()
            }
            Self::Yearly(YearlyHoliday::Gregorian(MonthDay { month, day })) => GREGORIAN_YEARS
                .filter_map(|year| Date::new(year, month, day).ok().map(unix_day))
                .collect(),
        }
    }
}

/// Holidays as they are written, and the days they fall on from 1970 to 2099.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<Holiday>", into = "Vec<Holiday>")]
pub struct Holidays {
    written: Vec<Holiday>,
    /// A bit a day from 1970-01-01: one look whatever is written.
    days: Arc<[u64]>,
}

impl Holidays {
    /// Of a list.
    ///
    /// # Errors
    /// [`NotAHoliday`]: a day that never comes, or that the tables don't reach; too many.
    pub fn new(written: Vec<Holiday>) -> Result<Self, NotAHoliday> {
        if written.len() > HOLIDAYS_MAX {
            return Err(NotAHoliday::TooMany(written.len()));
        }
        let until = usize::try_from(UNTIL_SECOND / DAY_SECONDS).unwrap_or(0);
        let mut days = vec![0_u64; if written.is_empty() { 0 } else { until.div_ceil(64) }];
        for (number, holiday) in (1..).zip(&written) {
            let found = holiday.days();
            if found.is_empty() {
                return Err(NotAHoliday::NoSuchDay(number));
            }
            let within = found
                .iter()
                .filter_map(|day| usize::try_from(*day).ok().filter(|day| *day < until));
            let mut any = false;
            for day in within {
                if let Some(word) = days.get_mut(day / 64) {
                    *word |= 1 << (day % 64);
                    any = true;
                }
            }
            if !any {
                return Err(NotAHoliday::Beyond(number));
            }
        }
        Ok(Self {
            written,
            days: Arc::from(days),
        })
    }

    /// Whether a local day, counted from 1970-01-01, is one.
    pub fn contains(&self, day: i64) -> bool {
        usize::try_from(day).is_ok_and(|day| {
            self.days
                .get(day / 64)
                .is_some_and(|word| word >> (day % 64) & 1 == 1)
        })
    }
}

impl fmt::Debug for Holidays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.written, f)
    }
}

impl TryFrom<Vec<Holiday>> for Holidays {
    type Error = NotAHoliday;
    fn try_from(written: Vec<Holiday>) -> Result<Self, NotAHoliday> {
        Self::new(written)
    }
}

impl From<Holidays> for Vec<Holiday> {
    fn from(holidays: Holidays) -> Self {
        holidays.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> IsoDate {
        IsoDate::try_from(text.to_owned()).unwrap()
    }

    fn each_year(text: &str) -> MonthDay {
        MonthDay::try_from(text.to_owned()).unwrap()
    }

    fn day(text: &str) -> i64 {
        i64::from(unix_day(date(text).0))
    }

    /// Solar holidays of Iran, as its official calendar prints them beside the Gregorian dates.
    #[test]
    fn solar_holidays_fall_where_the_calendar_says() {
        for (jalali, falls_on) in [
            ("01-01", ["2024-03-20", "2025-03-21", "2026-03-21"]),
            ("01-02", ["2024-03-21", "2025-03-22", "2026-03-22"]),
            ("01-12", ["2024-03-31", "2025-04-01", "2026-04-01"]),
            ("01-13", ["2024-04-01", "2025-04-02", "2026-04-02"]),
            ("03-14", ["2024-06-03", "2025-06-04", "2026-06-04"]),
            ("03-15", ["2024-06-04", "2025-06-05", "2026-06-05"]),
            ("11-22", ["2025-02-10", "2026-02-11", "2027-02-11"]),
            ("12-29", ["2025-03-19", "2026-03-20", "2027-03-20"]),
        ] {
            let yearly = Holiday::Yearly(YearlyHoliday::Jalali(each_year(jalali)));
            let holidays = Holidays::new(vec![yearly]).unwrap();
            let in_years = day("2024-03-20")..day("2027-03-21");
            let found: Vec<i64> = in_years.filter(|day| holidays.contains(*day)).collect();
            assert_eq!(found, falls_on.map(day), "{jalali}");
        }
    }

    #[test]
    fn dates_numbers_and_leap_days_are_found_and_nothing_else() {
        let holidays = Holidays::new(vec![
            Holiday::Date(date("2026-12-31")),
            Holiday::Day(19_000),
            Holiday::Yearly(YearlyHoliday::Gregorian(each_year("02-29"))),
            Holiday::Yearly(YearlyHoliday::Jalali(each_year("12-30"))),
        ])
        .unwrap();
        for (wanted, yes) in [
            (day("2026-12-31"), true),
            (day("2027-12-31"), false),
            (19_000, true),
            (day("2028-02-29"), true),
            (day("2026-03-01"), false),
            (day("2025-03-20"), true),
            (day("2026-03-20"), false),
            (-1, false),
            (i64::MAX, false),
        ] {
            assert_eq!(holidays.contains(wanted), yes, "{wanted}");
        }
    }

    #[test]
    fn what_is_no_holiday_is_named() {
        for bad in [
            "2026-3-21",
            "2026-02-30",
            "21.03.2026",
            "",
            "2026-03-21T00",
            "+026-03-21",
        ] {
            assert!(IsoDate::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        for bad in ["1-1", "13-01", "00-01", "01-32", "0101", "01-01-01"] {
            assert!(MonthDay::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        let never = Holiday::Yearly(YearlyHoliday::Jalali(each_year("07-31")));
        let old = Holiday::Date(date("1969-12-31"));
        assert_eq!(Holidays::new(vec![never.clone()]), Err(NotAHoliday::NoSuchDay(1)));
        assert_eq!(
            Holidays::new(vec![Holiday::Day(1), old]),
            Err(NotAHoliday::Beyond(2))
        );
        assert_eq!(
            Holidays::new(vec![Holiday::Day(u32::MAX)]),
            Err(NotAHoliday::Beyond(1))
        );
        let many = vec![never; HOLIDAYS_MAX + 1];
        assert_eq!(Holidays::new(many), Err(NotAHoliday::TooMany(HOLIDAYS_MAX + 1)));
    }
}
