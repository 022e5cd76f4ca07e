//! Words for a voice: numbers as words, nothing that can't be spoken.

use forecall_types::{EventTime, JalaliDay, Language};
use jiff::civil::DateTime;
use minijinja::Value;

use super::calendar::{MONTHS_FA, WEEKDAYS_FA, name, unix_day, weekday};
use super::catalogue::{Wording, WordingError, any_area, any_service};
use super::facts::{Facts, only};
use crate::settings::{OutreachSettings, ServiceClass, Zone};

/// Longer runs of digits are numbers to dial, and are spoken digit by digit.
const NUMBER_DIGITS_MAX: usize = 6;

/// What the telephone speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpokenKind {
    /// It is disturbed.
    Trouble,
    /// It may be.
    Expected,
    /// Work is planned or under way.
    Work,
}

macro_rules! ivr {
    ($name:literal, $language:expr) => {
        match $language {
            Language::Fa => include_str!(concat!("../../templates/", $name, ".ivr.fa.txt")),
            Language::En => include_str!(concat!("../../templates/", $name, ".ivr.en.txt")),
        }
    };
}

impl SpokenKind {
    /// All of them: each has its words in each language.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::Trouble, Self::Expected, Self::Work];

    /// The name used in errors and tests.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Trouble => "confirmed.ivr",
            Self::Expected => "predicted.ivr",
            Self::Work => "planned.ivr",
        }
    }

    pub(crate) fn source(self, language: Language) -> &'static str {
        match self {
            Self::Trouble => ivr!("confirmed", language),
            Self::Expected => ivr!("predicted", language),
            Self::Work => ivr!("planned", language),
        }
    }
}

const ONES_FA: [&str; 20] = [
    "صفر",
    "یک",
    "دو",
    "سه",
    "چهار",
    "پنج",
    "شش",
    "هفت",
    "هشت",
    "نه",
    "ده",
    "یازده",
    "دوازده",
    "سیزده",
    "چهارده",
    "پانزده",
    "شانزده",
    "هفده",
    "هجده",
    "نوزده",
];
const TENS_FA: [&str; 10] = [
    "",
    "ده",
    "بیست",
    "سی",
    "چهل",
    "پنجاه",
    "شصت",
    "هفتاد",
    "هشتاد",
    "نود",
];
const HUNDREDS_FA: [&str; 10] = [
    "",
    "صد",
    "دویست",
    "سیصد",
    "چهارصد",
    "پانصد",
    "ششصد",
    "هفتصد",
    "هشتصد",
    "نهصد",
];
const ONES_EN: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS_EN: [&str; 10] = [
    "", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];

const MONTHS_SPOKEN_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn at<'a>(names: &[&'a str], number: u32) -> &'a str {
    let index = usize::try_from(number).ok();
    index.and_then(|i| names.get(i)).copied().unwrap_or("")
}

/// A number below a million, in words.
pub(crate) fn number(n: u32, language: Language) -> String {
    let (join, thousand) = match language {
        Language::Fa => (" و ", "هزار"),
        Language::En => (" ", "thousand"),
    };
    let mut parts: Vec<String> = Vec::new();
    let (thousands, rest) = (n / 1_000, n % 1_000);
    match (thousands, language) {
        (0, Language::Fa | Language::En) => {}
        // "هزار" alone is a thousand.
        (1, Language::Fa) => parts.push(thousand.to_owned()),
        (_, Language::Fa | Language::En) => {
            parts.push(format!("{} {thousand}", number(thousands, language)));
        }
    }
    let (hundreds, rest) = (rest / 100, rest % 100);
    if hundreds > 0 {
        parts.push(match language {
            Language::Fa => at(&HUNDREDS_FA, hundreds).to_owned(),
            Language::En => format!("{} hundred", at(&ONES_EN, hundreds)),
        });
    }
    let (ones, tens) = match language {
        Language::Fa => (&ONES_FA, &TENS_FA),
        Language::En => (&ONES_EN, &TENS_EN),
    };
    if rest >= 20 {
        parts.push(at(tens, rest / 10).to_owned());
        if rest % 10 > 0 {
            parts.push(at(ones, rest % 10).to_owned());
        }
    } else if rest > 0 || parts.is_empty() {
        parts.push(at(ones, rest).to_owned());
    }
    parts.join(join)
}

fn digit(c: char) -> Option<u32> {
    match c {
        '0'..='9' => c.to_digit(10),
        '\u{06F0}'..='\u{06F9}' => Some(u32::from(c) - 0x06F0),
        '\u{0660}'..='\u{0669}' => Some(u32::from(c) - 0x0660),
        _ => None,
    }
}

/// Whether a voice can speak all of it: letters, spaces, half-spaces and the marks at which it pauses.
pub(crate) fn is_speakable(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_alphabetic() || matches!(c, ' ' | '\u{200C}' | '.' | ',' | '،' | '؛'))
}

/// A name as a voice speaks it: numbers as words, every other sign a pause.
fn speakable(text: &str, language: Language) -> String {
    let mut words = String::new();
    let mut digits: Vec<u32> = Vec::new();
    let flush = |digits: &mut Vec<u32>, words: &mut String| {
        if digits.is_empty() {
            return;
        }
        let is_number =
            digits.len() <= NUMBER_DIGITS_MAX && (digits.first() != Some(&0) || digits.len() == 1);
        let spoken = if is_number {
            number(digits.iter().fold(0, |n, d| n * 10 + d), language)
        } else {
            let each: Vec<String> = digits.iter().map(|d| number(*d, language)).collect();
            each.join(" ")
        };
        words.push(' ');
        words.push_str(&spoken);
        words.push(' ');
        digits.clear();
    };
    for c in text.chars() {
        if let Some(digit) = digit(c) {
            digits.push(digit);
            continue;
        }
        flush(&mut digits, &mut words);
        words.push(if c.is_alphabetic() || c == '\u{200C}' {
            c
        } else {
            ' '
        });
    }
    flush(&mut digits, &mut words);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A time as it is spoken: the day too where it is another one; never "today" or "tomorrow", as elsewhere.
fn spoken_moment(at: EventTime, now: EventTime, zone: &Zone, language: Language) -> String {
    let (there, here) = (zone.local(at), zone.local(now));
    let clock = clock(there, language);
    if there.date() == here.date() {
        return clock;
    }
    let unsigned = |n: i8| u32::try_from(n).unwrap_or(0);
    match language {
        Language::Fa => {
            let day = JalaliDay::of_unix_day(unix_day(there.date()));
            format!(
                "{} {} {} {clock}",
                weekday(&WEEKDAYS_FA, there),
                number(u32::try_from(day.day).unwrap_or(0), language),
                name(&MONTHS_FA, day.month),
            )
        }
        Language::En => format!(
            "{clock} on {} {}",
            name(&MONTHS_SPOKEN_EN, i32::from(there.month())),
            number(unsigned(there.day()), language),
        ),
    }
}

fn clock(there: DateTime, language: Language) -> String {
    let (hour, minute) = (
        u32::try_from(there.hour()).unwrap_or(0),
        u32::try_from(there.minute()).unwrap_or(0),
    );
    match (language, minute) {
        (Language::Fa, 0) => format!("ساعت {}", number(hour, language)),
        (Language::Fa, _) => format!(
            "ساعت {} و {} دقیقه",
            number(hour, language),
            number(minute, language)
        ),
        (Language::En, _) => {
            let part = match hour {
                0..=11 => "in the morning",
                12..=17 => "in the afternoon",
                _ => "in the evening",
            };
            let hour = number(if hour % 12 == 0 { 12 } else { hour % 12 }, language);
            match minute {
                0 => format!("{hour} {part}"),
                1..=9 => format!("{hour} oh {} {part}", number(minute, language)),
                _ => format!("{hour} {} {part}", number(minute, language)),
            }
        }
    }
}

impl Wording {
    /// What the telephone says of these facts.
    ///
    /// # Errors
    /// A template names a fact that isn't there.
    pub(crate) fn spoken(
        &self,
        kind: SpokenKind,
        facts: &Facts,
        settings: &OutreachSettings,
        language: Language,
    ) -> Result<String, WordingError> {
        let region = only(&facts.regions);
        let zone = region
            .or_else(|| facts.regions.first())
            .map_or(&settings.zone, |r| settings.zone_of(r));
        let time = |at: Option<EventTime>| at.map(|at| spoken_moment(at, facts.at, zone, language));
        let area = region
            .and_then(|r| settings.regions.get(r))
            .and_then(|r| r.name.as_ref())
            .map_or_else(|| any_area(language), |w| w.get(language));
        let service = only(&facts.services)
            .and_then(|s| settings.services.get(s))
            .and_then(|s| s.name.as_ref())
            .map_or_else(|| any_service(language), |w| w.get(language));
        let mut services = facts.services.iter().filter_map(|s| settings.services.get(s));
        let voice = services.any(|s| matches!(s.class, ServiceClass::Voice | ServiceClass::Emergency));
        let name = |text: &str| Value::from(speakable(text, language));
        let filled = Value::from_pairs([
            ("brand", name(settings.brand.name.get(language))),
            ("area", name(area)),
            ("service", name(service)),
            ("kind", Value::from(facts.kind.as_str())),
            ("onset", Value::from(time(facts.onset))),
            ("eta", Value::from(time(facts.eta))),
            ("next", Value::from(time(facts.next))),
            ("voice", Value::from(voice)),
            ("no_call_needed", Value::from(facts.no_call_needed)),
        ]);
        let text = self.fill(kind.source(language), filled, (kind.as_str(), language))?;
        Ok(text.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::words::lint::{complaints, no_call_outside_its_branch, says_no_call};

    #[test]
    fn numbers_are_words() {
        for (n, fa, en) in [
            (0, "صفر", "zero"),
            (5, "پنج", "five"),
            (20, "بیست", "twenty"),
            (21, "بیست و یک", "twenty one"),
            (115, "صد و پانزده", "one hundred fifteen"),
            (1_000, "هزار", "one thousand"),
            (1_405, "هزار و چهارصد و پنج", "one thousand four hundred five"),
            (
                999_999,
                "نهصد و نود و نه هزار و نهصد و نود و نه",
                "nine hundred ninety nine thousand nine hundred ninety nine",
            ),
        ] {
            assert_eq!(number(n, Language::Fa), fa);
            assert_eq!(number(n, Language::En), en);
        }
    }

    #[test]
    fn names_are_made_speakable() {
        for (text, fa) in [
            ("منطقه ۵ تهران", "منطقه پنج تهران"),
            ("منطقه ٥", "منطقه پنج"),
            ("فاز1", "فاز یک"),
            ("021-1234", "صفر دو یک هزار و دویست و سی و چهار"),
            ("اینترنت/تلفن (خانگی)", "اینترنت تلفن خانگی"),
            ("می‌شود", "می‌شود"),
        ] {
            assert_eq!(speakable(text, Language::Fa), fa);
        }
        assert_eq!(speakable("5G & TV+", Language::En), "five G TV");
        assert_eq!(
            speakable("1234567", Language::En),
            "one two three four five six seven"
        );
    }

    #[test]
    fn the_templates_for_a_voice_keep_the_rules_of_wording() {
        for kind in SpokenKind::ALL {
            for language in Language::ALL {
                let (name, text) = (
                    format!("{}.{}", kind.as_str(), language.as_str()),
                    kind.source(language),
                );
                assert_eq!(complaints(&name, text), Vec::<String>::new());
                assert!(
                    !no_call_outside_its_branch(text),
                    "{name}: stay or not, unguarded"
                );
            }
        }
        assert!(says_no_call(SpokenKind::Trouble.source(Language::Fa)));
        assert!(says_no_call(SpokenKind::Trouble.source(Language::En)));
    }

    #[test]
    fn clocks_are_spoken() {
        let moment = |secs, language| {
            let now = EventTime::from_secs(1_795_343_400);
            spoken_moment(EventTime::from_secs(secs), now, &Zone::default(), language)
        };
        // 14:00, 20:30 and the next day's 00:05 in Tehran.
        for (secs, fa, en) in [
            (1_795_343_400, "ساعت چهارده", "two in the afternoon"),
            (
                1_795_366_800,
                "ساعت بیست و سی دقیقه",
                "eight thirty in the evening",
            ),
            (
                1_795_379_700,
                "دوشنبه دو آذر ساعت صفر و پنج دقیقه",
                "twelve oh five in the morning on November twenty three",
            ),
        ] {
            assert_eq!(moment(secs, Language::Fa), fa);
            assert_eq!(moment(secs, Language::En), en);
        }
    }

    proptest! {
        #[test]
        fn whatever_a_name_holds_a_voice_can_speak_it(text in "\\PC{0,40}") {
            for language in Language::ALL {
                let spoken = speakable(&text, language);
                prop_assert!(is_speakable(&spoken), "{text:?} -> {spoken:?}");
            }
        }

        #[test]
        fn every_time_can_be_spoken(secs in 0_i64..4_000_000_000, later in 0_i64..1_000_000) {
            for language in Language::ALL {
                let (now, at) = (EventTime::from_secs(secs), EventTime::from_secs(secs + later));
                let spoken = spoken_moment(at, now, &Zone::default(), language);
                prop_assert!(is_speakable(&spoken), "{spoken:?}");
            }
        }
    }
}
