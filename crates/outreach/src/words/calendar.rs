//! Days of the Iranian (Jalali) calendar and clock times as customers read them.

use forecall_types::{EventTime, JalaliDay, Language};
use jiff::civil::{Date, DateTime};

use crate::settings::Zone;

pub(super) const MONTHS_FA: [&str; 12] = [
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
pub(super) const WEEKDAYS_FA: [&str; 7] = [
    "دوشنبه",
    "سه‌شنبه",
    "چهارشنبه",
    "پنجشنبه",
    "جمعه",
    "شنبه",
    "یکشنبه",
];
const WEEKDAYS_EN: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

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

pub(super) fn name<'a>(names: &[&'a str], number_from_one: i32) -> &'a str {
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
                let day = JalaliDay::of_unix_day(unix_day(there.date()));
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
            let jalali = JalaliDay::of_unix_day(unix_day(there.date()));
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

pub(super) fn weekday<'a>(names: &[&'a str; 7], at: DateTime) -> &'a str {
    name(names, i32::from(at.date().weekday().to_monday_one_offset()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
