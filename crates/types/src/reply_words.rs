//! What a customer's answer means, from its words.

use crate::ReplyKind;

/// Longer texts are letters, not keywords: nothing of them is looked at beyond this.
const CHARS_MAX: usize = 160;
/// A keyword that opens more words than this is the beginning of a sentence.
const WORDS_MAX: usize = 3;

/// Alone, without spaces.
const STOP: [&str; 10] = [
    "لغو",
    "لغو11",
    "11لغو",
    "لطفالغو",
    "11",
    "توقف",
    "stop",
    "stop11",
    "laghv",
    "laghv11",
];
/// As the first of few words. Not the numbers ("11 at night it went" is no order), nor "توقف", which opens reports of outages.
const STOP_FIRST: [&str; 3] = ["لغو", "stop", "laghv"];
/// How the verb of "don't" begins: "لغو نکنید", "لغو مکن".
const NEGATED: [&str; 7] = ["نک", "نش", "نه", "نم", "نف", "نب", "مکن"];
const STATUS: [&str; 4] = ["وضعیت", "vaziat", "status", "2"];
const STATUS_FIRST: [&str; 3] = ["وضعیت", "vaziat", "status"];
/// Each ending by itself: "هنوز قطع نشده" says the opposite.
const STILL_DOWN: [&str; 13] = [
    "1",
    "قطعه",
    "قطع",
    "قطعاست",
    "هنوزقطع",
    "هنوزقطعه",
    "هنوزقطعاست",
    "هنوزقطعهست",
    "هنوزهمقطعه",
    "هنوزهمقطعاست",
    "stilldown",
    "hanoozghate",
    "ghate",
];

/// "Not true", "wrong", "a lie". Not "it works": after an end that is no contradiction.
const UNTRUE: [&str; 21] = [
    "دروغ",
    "دروغه",
    "دروغاست",
    "درستنیست",
    "درستنیس",
    "صحتندارد",
    "صحتنداره",
    "حقیقتندارد",
    "حقیقتنداره",
    "واقعیتندارد",
    "واقعیتنداره",
    "اشتباهاست",
    "اشتباهه",
    "اشتباهمیکنید",
    "غلطاست",
    "غلطه",
    "nottrue",
    "itsnottrue",
    "itisnottrue",
    "false",
    "dorostnist",
];

impl ReplyKind {
    /// Its word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Status => "status",
            Self::StillDown => "still_down",
            Self::Untrue => "untrue",
            Self::Other => "other",
        }
    }

    /// What these words mean, in whatever way a phone writes them: ي and ى for ی, ك for ک, digits of three scripts, half-spaces,
    /// vowel marks, letter case, punctuation, forms of letters that old phones send.
    ///
    /// A keyword stands alone, or (but for the numbers) opens at most three words. Whatever else is said is [`ReplyKind::Other`].
    ///
    /// ```
    /// use forecall_types::ReplyKind;
    /// assert_eq!(ReplyKind::of_words("لغو ۱۱"), ReplyKind::Stop);
    /// assert_eq!(ReplyKind::of_words("هنوز قطع‌ه!"), ReplyKind::StillDown);
    /// assert_eq!(ReplyKind::of_words("11 شب قطع شد"), ReplyKind::Other);
    /// ```
    pub fn of_words(text: &str) -> Self {
        let folded: String = text.chars().take(CHARS_MAX + 1).filter_map(fold).collect();
        let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
        if folded.chars().count() > CHARS_MAX {
            return Self::Other;
        }
        let alone = words.concat();
        if words.len() > 1 && alone.chars().all(|c| c.is_ascii_digit()) {
            // "1 1" is no 11.
            return Self::Other;
        }
        let is_negated = || {
            words
                .iter()
                .skip(1)
                .any(|w| NEGATED.iter().any(|n| w.starts_with(n)))
        };
        let opens = |keywords: &[&str]| {
            words.len() <= WORDS_MAX
                && words.first().is_some_and(|first| keywords.contains(first))
                && !is_negated()
        };
        if STOP.contains(&alone.as_str()) || opens(&STOP_FIRST) {
            Self::Stop
        } else if STATUS.contains(&alone.as_str()) || opens(&STATUS_FIRST) {
            Self::Status
        } else if STILL_DOWN.contains(&alone.as_str()) {
            Self::StillDown
        } else if UNTRUE.contains(&alone.as_str()) {
            Self::Untrue
        } else {
            Self::Other
        }
    }
}

/// One character as keywords are written; `None`: it counts for nothing. Whatever parts words becomes a space.
fn fold(c: char) -> Option<char> {
    match c {
        // Joiners, marks of direction, the line that stretches words, vowel marks.
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}'
        | '\u{640}'
        | '\u{64b}'..='\u{65f}'
        | '\u{670}' => None,
        'ي' | 'ى' | 'ې' | '\u{fbfc}'..='\u{fbff}' | '\u{feef}'..='\u{fef4}' => Some('ی'),
        'ك' | 'ڪ' | '\u{fb8e}'..='\u{fb91}' | '\u{fed9}'..='\u{fedc}' => Some('ک'),
        'ة' | 'ۀ' | 'ە' | '\u{fee9}'..='\u{feec}' => Some('ه'),
        '\u{fe8d}' | '\u{fe8e}' => Some('ا'),
        '\u{fe95}'..='\u{fe98}' => Some('ت'),
        '\u{feb1}'..='\u{feb4}' => Some('س'),
        '\u{febd}'..='\u{fec0}' => Some('ض'),
        '\u{fec1}'..='\u{fec4}' => Some('ط'),
        '\u{fec9}'..='\u{fecc}' => Some('ع'),
        '\u{fecd}'..='\u{fed0}' => Some('غ'),
        '\u{fed1}'..='\u{fed4}' => Some('ف'),
        '\u{fed5}'..='\u{fed8}' => Some('ق'),
        '\u{fedd}'..='\u{fee0}' => Some('ل'),
        '\u{fee1}'..='\u{fee4}' => Some('م'),
        '\u{fee5}'..='\u{fee8}' => Some('ن'),
        '\u{feed}' | '\u{feee}' => Some('و'),
        '\u{fb8a}' | '\u{fb8b}' => Some('ژ'),
        '\u{feaf}' | '\u{feb0}' => Some('ز'),
        '۰'..='۹' => digit(c, '۰'),
        '٠'..='٩' => digit(c, '٠'),
        '\u{ff10}'..='\u{ff19}' => digit(c, '\u{ff10}'),
        c if c.is_alphanumeric() => c.to_lowercase().next(),
        _ => Some(' '),
    }
}

fn digit(c: char, zero: char) -> Option<char> {
    char::from_digit(u32::from(c) - u32::from(zero), 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: ReplyKind, texts: &[&str]) {
        for text in texts {
            assert_eq!(ReplyKind::of_words(text), kind, "{text:?}");
        }
    }

    #[test]
    fn each_keyword_in_each_way_of_writing() {
        check(
            ReplyKind::Stop,
            &[
                "لغو",
                "لغو۱۱",
                "لغو ١١",
                "لغو11",
                "11",
                "۱۱",
                "١١",
                "توقف",
                "STOP",
                "Stop.",
                " stop\n",
                "laghv",
                "LAGHV 11",
                "ل\u{200c}غو",
                "لغـو",
                "لَغو",
                "«لغو»",
                "stop please",
                "لغو پیامک",
                "\u{feff}لغو",
                "\u{fedf}\u{fed0}\u{feee}",
                "１１",
                "۱۱ لغو",
                "لطفا لغو",
            ],
        );
        check(
            ReplyKind::Status,
            &[
                "وضعیت",
                "وضعيت",
                "وضعىت؟",
                "Status?",
                "VAZIAT",
                "وضعیت اینترنت",
                "2",
                "۲",
                "٢",
            ],
        );
        check(
            ReplyKind::StillDown,
            &[
                "1",
                "۱",
                "١",
                "1.",
                "قطعه",
                "قطعه!",
                "هنوز قطع",
                "هنوز قطعه",
                "هنوز قطع\u{200c}ه",
                "هنوز\u{200c}قطع است",
                "هنوز قطعة",
                "Still down!!",
                "قطع",
            ],
        );
    }

    #[test]
    fn not_true() {
        check(
            ReplyKind::Untrue,
            &[
                "دروغ",
                "دروغه!!",
                "درست نیست",
                "درست نيست.",
                "صحت نداره",
                "واقعیت ندارد",
                "اشتباه است",
                "اشتباه می‌کنید",
                "غلطه",
                "Not true",
                "It's not true!",
                "FALSE",
                "dorost nist",
            ],
        );
        check(
            ReplyKind::Other,
            &[
                "درست است",
                "درست شد",
                "وصله",
                "اشتباهی لغو شد",
                "دروغ نیست",
                "true",
                "not",
                "falsely",
                "is it not true that you fixed it?",
            ],
        );
    }

    #[test]
    fn what_is_not_sure_is_other() {
        check(
            ReplyKind::Other,
            &[
                "",
                " ",
                "؟",
                "11 شب قطع شد",
                "1 ساعت است",
                "111",
                "12",
                "ممنون",
                "هنوز قطع نشده",
                "هنوز وصل نیست چرا",
                "لغو نکنید",
                "لغو نشده",
                "لغو نمی‌کنم",
                "لغو نفرمایید",
                "لغو مکن",
                "توقف سرویس دارم",
                "1 1",
                "1\n1",
                "لغو نکنید من هنوز می‌خواهم",
                "stopped",
                "please do not stop",
                "وضعیت من خیلی بد است",
                "👍",
                "1\u{1f600}2",
            ],
        );
        check(ReplyKind::Other, &[&"لغو ".repeat(60), &"stop".repeat(400)]);
    }

    #[test]
    fn anything_at_all_has_a_meaning() {
        for code in (0..0x11_0000).step_by(7) {
            if let Some(c) = char::from_u32(code) {
                let _ = ReplyKind::of_words(&format!("{c}stop{c}"));
            }
        }
    }
}
