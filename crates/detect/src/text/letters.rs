/// A text as it is compared: letters and digits without the ways to write them, and where its words begin and end.
///
/// Persian comes with Arabic and Persian forms of ye and kaf, with or without a half-space, with three sorts of digits.
/// Spaces and half-spaces only part words: «کسی خبر نداد» and «کسی‌خبر‌نداد» are one phrase.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Letters {
    letters: String,
    /// Byte offsets in `letters` at which a word begins or ends, rising.
    edges: Vec<usize>,
}

/// What a character is compared as.
enum Form {
    Letter(char),
    /// Part of the letter before: vowel signs, the stretched line.
    Nothing,
    /// Between words.
    Gap,
}

fn form(c: char) -> Form {
    match c {
        'ي' | 'ى' | 'ئ' => Form::Letter('ی'),
        'ك' => Form::Letter('ک'),
        'ة' | 'ۀ' => Form::Letter('ه'),
        'أ' | 'إ' | 'ٱ' | 'آ' => Form::Letter('ا'),
        'ؤ' => Form::Letter('و'),
        '۰'..='۹' => digit(c, '۰'),
        '٠'..='٩' => digit(c, '٠'),
        '\u{640}' | '\u{64B}'..='\u{65F}' | '\u{670}' => Form::Nothing,
        // An apostrophe within a word is no gap: "don't".
        '\'' | '’' => Form::Nothing,
        c if c.is_alphanumeric() => Form::Letter(c.to_lowercase().next().unwrap_or(c)),
        _ => Form::Gap,
    }
}

fn digit(c: char, zero: char) -> Form {
    let value = u32::from(c) - u32::from(zero);
    char::from_digit(value, 10).map_or(Form::Gap, Form::Letter)
}

impl Letters {
    /// Of a text.
    pub fn of(text: &str) -> Self {
        Self::of_chars(text.chars())
    }

    /// Of a text's characters.
    pub fn of_chars(text: impl Iterator<Item = char>) -> Self {
        let mut out = Self::default();
        let mut within = false;
        for c in text {
            match form(c) {
                Form::Letter(letter) => {
                    if !within {
                        out.edges.push(out.letters.len());
                    }
                    within = true;
                    out.letters.push(letter);
                }
                Form::Nothing => {}
                Form::Gap => within = out.end_word(within),
            }
        }
        out.end_word(within);
        out
    }

    /// Marks the end of the word that is open, if one is. Says that none is.
    fn end_word(&mut self, within: bool) -> bool {
        if within {
            self.edges.push(self.letters.len());
        }
        false
    }

    /// Whether there is no letter.
    pub const fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// Whether a phrase stands in it, from the beginning of a word to the end of one, or, when `open`, with whatever ending.
    pub fn holds(&self, phrase: &Self, open: bool) -> bool {
        if phrase.is_empty() {
            return false;
        }
        let is_edge = |at: usize| self.edges.binary_search(&at).is_ok();
        self.edges.iter().any(|at| {
            let rest = self.letters.get(*at..).unwrap_or_default();
            rest.starts_with(phrase.letters.as_str()) && (open || is_edge(at + phrase.letters.len()))
        })
    }
}

/// A text with its words as they are compared, one space between them.
pub fn normalised(text: &str) -> String {
    let letters = Letters::of(text);
    let mut out = String::with_capacity(letters.letters.len());
    let mut edges = letters.edges.iter().copied().peekable();
    for (at, letter) in letters.letters.char_indices() {
        let mut marks = 0;
        while edges.next_if_eq(&at).is_some() {
            marks += 1;
        }
        if marks > 0 && at > 0 {
            out.push(' ');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ways_to_write_are_one() {
        for (a, b) in [
            ("كسي خبر نداد", "کسی‌خبر نداد"),
            ("۲۵ دقیقه", "25 دقيقه"),
            ("٢٥", "۲۵"),
            ("قَطع", "قطع"),
            ("قـــطع", "قطع"),
            ("آنتن", "انتن"),
            ("Nobody TOLD me!", "nobody told me"),
            ("don’t", "dont"),
        ] {
            assert_eq!(
                normalised(a).replace(' ', ""),
                normalised(b).replace(' ', ""),
                "{a}"
            );
        }
        assert_eq!(normalised("  اينترنت\u{200C}قطع، شد. "), "اینترنت قطع شد");
    }

    #[test]
    fn a_phrase_begins_and_ends_with_a_word() {
        let holds = |text: &str, phrase: &str, open| Letters::of(text).holds(&Letters::of(phrase), open);
        assert!(holds("هيچ كسی‌خبر نداد!", "کسی خبر نداد", false));
        assert!(holds("it is slow.", "slow", false) && !holds("it slowed down", "slow", false));
        assert!(holds("it slowed down", "slow", true) && !holds("a snowslow", "slow", true));
        assert!(holds("معطلی زیاد", "معطلی", false) && holds("معطلیم", "معطل", true));
        assert!(holds("haha ha", "ha", false) && holds("aaa aa", "aa", false));
        assert!(!holds("anything", "", true) && !holds("", "slow", false));
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in "\\PC{0,60}") {
            let once = normalised(&text);
            prop_assert_eq!(normalised(&once), once);
        }

        #[test]
        fn every_text_holds_itself(text in "[a-zآ-ی ]{1,30}") {
            let letters = Letters::of(&text);
            prop_assert_eq!(letters.holds(&letters, false), !letters.is_empty());
        }
    }
}
