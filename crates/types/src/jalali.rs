/// A day of the Iranian (Jalali) calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JalaliDay {
    /// Year (1405).
    pub year: i32,
    /// Month, 1 to 12.
    pub month: i32,
    /// Day of the month, 1 to 31.
    pub day: i32,
}

/// 1 Farvardin 1400 was 21 March 2021, this many days after 1970-01-01.
const NOWRUZ_1400: i32 = 18_707;

/// Whether Esfand of a Jalali year has 30 days. The 33-year rule (Omar Khayyam's), which agrees with the astronomical
/// calendar that the law prescribes from 1244 to 1472 AP (1865 to 2093).
pub const fn is_jalali_leap(year: i32) -> bool {
    (25 * year + 11).rem_euclid(33) < 8
}

const fn year_days(year: i32) -> i32 {
    if is_jalali_leap(year) { 366 } else { 365 }
}

/// Days of a month; 0 of one that isn't.
const fn month_days(year: i32, month: i32) -> i32 {
    match month {
        1..=6 => 31,
        7..=11 => 30,
        12 if is_jalali_leap(year) => 30,
        12 => 29,
        _ => 0,
    }
}

impl JalaliDay {
    /// Of a day counted from 1970-01-01.
    pub const fn of_unix_day(unix_day: i32) -> Self {
        let (mut year, mut rest) = (1400, unix_day - NOWRUZ_1400);
        // At most some 350 turns: the time type ends in the years 1056 and 1640.
        while rest < 0 {
            year -= 1;
            rest += year_days(year);
        }
        while rest >= year_days(year) {
            rest -= year_days(year);
            year += 1;
        }
        // Six months of 31 days, then months of 30.
        let (month, day) = if rest < 186 {
            (rest / 31, rest % 31)
        } else {
            (6 + (rest - 186) / 30, (rest - 186) % 30)
        };
        Self {
            year,
            month: month + 1,
            day: day + 1,
        }
    }

    /// Days from 1970-01-01; `None`: there is no such day (30 Esfand of a common year).
    pub const fn unix_day(self) -> Option<i32> {
        if self.day < 1 || self.day > month_days(self.year, self.month) {
            return None;
        }
        let (mut year, mut first) = (1400, NOWRUZ_1400);
        while year < self.year {
            first += year_days(year);
            year += 1;
        }
        while year > self.year {
            year -= 1;
            first -= year_days(year);
        }
        let mut month = 1;
        while month < self.month {
            first += month_days(self.year, month);
            month += 1;
        }
        Some(first + self.day - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days from 1970-01-01 by counting whole Gregorian years.
    fn gregorian(year: i32, month: usize, day: i32) -> i32 {
        let leap = |y: i32| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
        let years: i32 = (1970..year).map(|y| if leap(y) { 366 } else { 365 }).sum();
        let february = if leap(year) { 29 } else { 28 };
        let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        years + months[..month - 1].iter().sum::<i32>() + day - 1
    }

    /// Nowruz of 1390 to 1420 AP by the official calendar: the day of March.
    const NOWRUZ: [(i32, i32); 31] = [
        (1390, 21),
        (1391, 20),
        (1392, 21),
        (1393, 21),
        (1394, 21),
        (1395, 20),
        (1396, 21),
        (1397, 21),
        (1398, 21),
        (1399, 20),
        (1400, 21),
        (1401, 21),
        (1402, 21),
        (1403, 20),
        (1404, 21),
        (1405, 21),
        (1406, 21),
        (1407, 20),
        (1408, 20),
        (1409, 21),
        (1410, 21),
        (1411, 20),
        (1412, 20),
        (1413, 21),
        (1414, 21),
        (1415, 20),
        (1416, 20),
        (1417, 21),
        (1418, 21),
        (1419, 20),
        (1420, 20),
    ];

    #[test]
    fn nowruz_falls_on_the_official_day() {
        for (year, march) in NOWRUZ {
            let first = gregorian(year + 621, 3, march);
            let wanted = JalaliDay {
                year,
                month: 1,
                day: 1,
            };
            assert_eq!(JalaliDay::of_unix_day(first), wanted, "{year}");
            let last = JalaliDay::of_unix_day(first - 1);
            assert_eq!((last.year, last.month), (year - 1, 12), "{year}");
            assert_eq!(last.day == 30, is_jalali_leap(year - 1), "{year}");
        }
        for leap in [1391, 1395, 1399, 1403, 1408, 1412, 1416, 1420] {
            assert!(is_jalali_leap(leap), "{leap}");
        }
        assert_eq!((1390..=1420).filter(|y| is_jalali_leap(*y)).count(), 8);
    }

    #[test]
    fn every_day_follows_the_one_before_and_is_found_again() {
        let mut before = JalaliDay::of_unix_day(-1);
        for unix in 0..131 * 366 {
            let now = JalaliDay::of_unix_day(unix);
            let follows = (now.year, now.month, now.day) == (before.year, before.month, before.day + 1)
                || (now.year, now.month, now.day) == (before.year, before.month + 1, 1)
                || (now.month, now.day, now.year) == (1, 1, before.year + 1);
            assert!(follows && now.day <= month_days(now.year, now.month), "{now:?}");
            assert_eq!(now.unix_day(), Some(unix));
            before = now;
        }
    }

    #[test]
    fn known_days() {
        for ((year, month, day), jalali) in [
            ((2026, 11, 22), (1405, 9, 1)),
            ((2026, 11, 27), (1405, 9, 6)),
            ((2025, 3, 20), (1403, 12, 30)),
            ((1979, 2, 11), (1357, 11, 22)),
            ((1970, 1, 1), (1348, 10, 11)),
        ] {
            let unix = gregorian(year, month, day);
            let found = JalaliDay::of_unix_day(unix);
            assert_eq!((found.year, found.month, found.day), jalali);
            assert_eq!(found.unix_day(), Some(unix));
        }
        for (year, month, day) in [(1404, 12, 30), (1405, 7, 31), (1405, 13, 1), (1405, 1, 0)] {
            assert_eq!(JalaliDay { year, month, day }.unix_day(), None);
        }
    }
}
