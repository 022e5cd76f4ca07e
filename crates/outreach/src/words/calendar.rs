//! Days of the Iranian (Jalali) calendar and clock times as customers read them.

use forecall_types::{EventTime, Language};
use jiff::civil::{Date, DateTime};

use crate::settings::Zone;

const MONTHS_FA: [&str; 12] = [
    "فروردین",
    "اردیبهشت",
    "خرداد",
    "تیر",
    "مرداد",
    "شهریور",
    "مهر",
    "آبان",
    "آذر",
    "دی",
    "بهمن",
    "اسفند",
];
const MONTHS_JALALI_EN: [&str; 12] = [
    "Farvardin",
    "Ordibehesht",
    "Khordad",
    "Tir",
    "Mordad",
    "Shahrivar",
    "Mehr",
    "Aban",
    "Azar",
    "Dey",
    "Bahman",
    "Esfand",
];
const MONTHS_EN: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// Monday first, as jiff counts.
const WEEKDAYS_FA: [&str; 7] = [
    "دوشنبه",
    "سه‌شنبه",
    "چهارشنبه",
    "پنجشنبه",
    "جمعه",
    "شنبه",
    "یکشنبه",
];
const WEEKDAYS_EN: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// A day of the Jalali calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JalaliDay {
    /// Year (1405).
    pub(crate) year: i32,
    /// Month, 1 to 12.
    pub(crate) month: i32,
    /// Day of the month, 1 to 31.
    pub(crate) day: i32,
}

/// Whether Esfand has 30 days. The 33-year rule, which agrees with the astronomical calendar from 1244 to 1472 AP.
pub(crate) const fn is_leap(year: i32) -> bool {
    (25 * year + 11).rem_euclid(33) < 8
}

/// 1 Farvardin 1400 was 21 March 2021, this many days after 1970-01-01.
const NOWRUZ_1400: i32 = 18_707;

const fn year_days(year: i32) -> i32 {
    if is_leap(year) { 366 } else { 365 }
}

/// Of a day counted from 1970-01-01.
pub(crate) fn jalali_of(unix_day: i32) -> JalaliDay {
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
    JalaliDay {
        year,
        month: month + 1,
        day: day + 1,
    }
}

/// Days from 1970-01-01 to `date`.
pub(crate) fn unix_day(date: Date) -> i32 {
    let epoch = Date::constant(1970, 1, 1);
    // Whole days between two civil dates: no zone takes part, so it can't fail within the type's range.
    epoch.until(date).map_or(0, |span| span.get_days())
}

/// Latin digits as Persian ones; everything else stays.
pub(crate) fn persian_digits(text: &str) -> String {
    text.chars()
        .map(|c| {
            c.to_digit(10)
                .and_then(|d| char::from_u32(0x06F0 + d))
                .unwrap_or(c)
        })
        .collect()
}

fn name<'a>(names: &[&'a str], number_from_one: i32) -> &'a str {
    usize::try_from(number_from_one - 1)
        .ok()
        .and_then(|i| names.get(i))
        .copied()
        .unwrap_or("")
}

/// How much room a time may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// A text message: no weekday.
    Short,
    /// Anything else.
    Long,
}

/// `at` as a customer reads it who gets the text at `told`: the 24-hour clock, and the date too when it is another day.
/// Never "today" or "tomorrow": the text may be read later.
pub(crate) fn moment(at: EventTime, told: EventTime, zone: &Zone, language: Language, room: Room) -> String {
    let (there, here) = (zone.local(at), zone.local(told));
    let same_day = there.date() == here.date();
    match language {
        Language::Fa => {
            let clock = format!("{:02}:{:02}", there.hour(), there.minute());
            let text = if same_day {
                clock
            } else {
                let day = jalali_of(unix_day(there.date()));
                let month = name(&MONTHS_FA, day.month);
                match room {
                    Room::Short => format!("{} {month} {clock}", day.day),
                    Room::Long => format!(
                        "{} {} {month} ساعت {clock}",
                        weekday(&WEEKDAYS_FA, there),
                        day.day
                    ),
                }
            };
            persian_digits(&text)
        }
        Language::En => {
            let clock = format!("{:02}:{:02}", there.hour(), there.minute());
            if same_day {
                return clock;
            }
            let jalali = jalali_of(unix_day(there.date()));
            let both = format!(
                "{} {} ({} {})",
                there.day(),
                name(&MONTHS_EN, i32::from(there.month())),
                jalali.day,
                name(&MONTHS_JALALI_EN, jalali.month)
            );
            match room {
                Room::Short => format!("{clock} on {both}"),
                Room::Long => format!("{clock} on {} {both}", weekday(&WEEKDAYS_EN, there)),
            }
        }
    }
}

fn weekday<'a>(names: &[&'a str; 7], at: DateTime) -> &'a str {
    name(names, i32::from(at.date().weekday().to_monday_one_offset()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nowruz of 1390 to 1420 AP by the official calendar: the day of March.
    const NOWRUZ: [(i32, i8); 31] = [
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
            let gregorian = i16::try_from(year + 621).unwrap();
            let first = unix_day(Date::new(gregorian, 3, march).unwrap());
            let wanted = JalaliDay {
                year,
                month: 1,
                day: 1,
            };
            assert_eq!(jalali_of(first), wanted, "{year}");
            let last = jalali_of(first - 1);
            assert_eq!((last.year, last.month), (year - 1, 12), "{year}");
            assert_eq!(last.day == 30, is_leap(year - 1), "{year}");
        }
        for leap in [1391, 1395, 1399, 1403, 1408, 1412, 1416, 1420] {
            assert!(is_leap(leap), "{leap}");
        }
        assert_eq!((1390..=1420).filter(|y| is_leap(*y)).count(), 8);
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let first = unix_day(Date::constant(2011, 3, 21));
        let mut before = jalali_of(first - 1);
        for day in first..first + 31 * 366 {
            let now = jalali_of(day);
            let follows = (now.year, now.month, now.day) == (before.year, before.month, before.day + 1)
                || (now.year, now.month, now.day) == (before.year, before.month + 1, 1)
                || (now.month, now.day, now.year) == (1, 1, before.year + 1);
            assert!(
                follows && (1..=12).contains(&now.month) && (1..=31).contains(&now.day),
                "{now:?}"
            );
            before = now;
        }
    }

    #[test]
    fn known_days() {
        for (gregorian, jalali) in [
            (Date::constant(2026, 11, 22), (1405, 9, 1)),
            (Date::constant(2026, 11, 27), (1405, 9, 6)),
            (Date::constant(2025, 3, 20), (1403, 12, 30)),
            (Date::constant(1979, 2, 11), (1357, 11, 22)),
            (Date::constant(1970, 1, 1), (1348, 10, 11)),
        ] {
            let day = jalali_of(unix_day(gregorian));
            assert_eq!((day.year, day.month, day.day), jalali, "{gregorian}");
        }
    }

    #[test]
    fn a_time_beyond_midnight_carries_its_date() {
        let zone = Zone::default();
        // 2026-11-22 20:00 in Tehran (UTC+3:30).
        let told = EventTime::from_secs(1_795_365_000);
        let later = EventTime::from_secs(1_795_365_000 + 6 * 3600);
        let show = |at, language, room| moment(at, told, &zone, language, room);
        assert_eq!(show(told, Language::Fa, Room::Short), "۲۰:۰۰");
        assert_eq!(show(told, Language::En, Room::Long), "20:00");
        assert_eq!(show(later, Language::Fa, Room::Short), "۲ آذر ۰۲:۰۰");
        assert_eq!(show(later, Language::Fa, Room::Long), "دوشنبه ۲ آذر ساعت ۰۲:۰۰");
        assert_eq!(show(later, Language::En, Room::Short), "02:00 on 23 Nov (2 Azar)");
        assert_eq!(
            show(later, Language::En, Room::Long),
            "02:00 on Mon 23 Nov (2 Azar)"
        );
    }
}
