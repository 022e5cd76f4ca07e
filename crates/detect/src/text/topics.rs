use serde::{Deserialize, Serialize};

use super::letters::Letters;

/// Phrases of a table: each text is compared with every one.
pub const PHRASES_MAX: usize = 512;
/// Topics of a table: each is a series per service and region.
pub const TOPICS_MAX: usize = 64;
/// Characters of a text that are looked at: a complaint says what it is about in its first pages, and the cost of a text is
/// this times [`PHRASES_MAX`] at most.
pub const TEXT_CHARS_MAX: usize = 8_192;

/// Something customers write about, and how they say it. A phrase that ends with `*` goes on with whatever ending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Its name, as it stands in the series' label.
    pub name: String,
    /// Phrases in any language.
    pub phrases: Vec<String>,
}

/// Why a table is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicTableError {
    /// More phrases than [`PHRASES_MAX`].
    #[error("{0} phrases are more than {PHRASES_MAX}")]
    TooMany(usize),
    /// More topics than [`TOPICS_MAX`].
    #[error("{0} topics are more than {TOPICS_MAX}")]
    TooManyTopics(usize),
    /// A phrase without a letter would stand in every text.
    #[error("the phrase `{phrase}` of `{topic}` has no letter")]
    Empty {
        /// The topic.
        topic: String,
        /// The phrase.
        phrase: String,
    },
}

/// Topics ready to be looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicTable {
    topics: Vec<(String, Vec<(Letters, bool)>)>,
}

impl TopicTable {
    /// Of topics, in their order.
    ///
    /// # Errors
    /// Too many phrases, or one without a letter.
    pub fn new(topics: &[Topic]) -> Result<Self, TopicTableError> {
        let count = topics.iter().map(|topic| topic.phrases.len()).sum();
        if count > PHRASES_MAX {
            return Err(TopicTableError::TooMany(count));
        }
        if topics.len() > TOPICS_MAX {
            return Err(TopicTableError::TooManyTopics(topics.len()));
        }
        let mut table = Vec::new();
        for topic in topics {
            let mut phrases = Vec::new();
            for phrase in &topic.phrases {
                let letters = Letters::of(phrase);
                if letters.is_empty() {
                    return Err(TopicTableError::Empty {
                        topic: topic.name.clone(),
                        phrase: phrase.clone(),
                    });
                }
                phrases.push((letters, phrase.ends_with('*')));
            }
            table.push((topic.name.clone(), phrases));
        }
        Ok(Self { topics: table })
    }

    /// Names of all topics, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(|(name, _)| name.as_str())
    }

    /// Which topics a text is about, each once: in the order of [`names`](Self::names). Its first [`TEXT_CHARS_MAX`] characters
    /// are looked at.
    pub fn marks(&self, text: &str) -> impl Iterator<Item = bool> {
        let text = Letters::of_chars(text.chars().take(TEXT_CHARS_MAX));
        self.topics
            .iter()
            .map(move |(_, phrases)| phrases.iter().any(|(phrase, open)| text.holds(phrase, *open)))
    }

    /// The topics a text is about, each once, in the table's order.
    pub fn of(&self, text: &str) -> impl Iterator<Item = &str> {
        self.names()
            .zip(self.marks(text))
            .filter_map(|(name, is_about)| is_about.then_some(name))
    }
}

/// What is said in every line of business, in Persian and English.
const BUILT_IN: [(&str, &[&str]); 8] = [
    (
        "down",
        &[
            "قطع*",
            "وصل نمی*",
            "نت ندار*",
            "نت نداشت*",
            "اینترنت ندار*",
            "آنتن ندار*",
            "آنتن نمی*",
            "کار نمی‌کن*",
            "از کار افتاد*",
            "no internet",
            "outage*",
            "not working",
            "stopped working",
            "isn't working",
            "doesn't work",
            "is down",
            "went down",
            "no signal",
            "no service",
        ],
    ),
    (
        "slow",
        &[
            "کند*",
            "سرعت پایین*",
            "سرعتش پایین*",
            "سرعت افتضاح*",
            "لگ دار*",
            "لگ میزن*",
            "slow*",
            "lag",
            "lags",
            "laggy",
            "lagging",
            "keeps buffering",
        ],
    ),
    (
        "waiting",
        &[
            "معطل*",
            "منتظرم*",
            "منتظر موند*",
            "منتظر ماند*",
            "پشت خط*",
            "on hold",
            "still waiting",
            "been waiting",
            "waited",
            "waiting for hours",
        ],
    ),
    (
        "no_information",
        &[
            "کسی خبر نداد*",
            "کسی خبر نمید*",
            "خبر ندادن*",
            "خبر نداد*",
            "خبری نداد*",
            "اطلاع نداد*",
            "اطلاعی نداد*",
            "اطلاع رسانی نکرد*",
            "اطلاع رسانی نشد*",
            "بی خبر*",
            "کسی جواب نمی*",
            "کسی پاسخ نمی*",
            "nobody told",
            "no one told",
            "nobody informed",
            "not informed",
            "no information",
            "without notice",
            "without warning",
            "kept in the dark",
        ],
    ),
    (
        "called_again",
        &[
            "دوباره زنگ*",
            "چند بار تماس*",
            "چند بار زنگ*",
            "چندمین بار*",
            "called again",
            "third time",
            "keep calling",
            "called several times",
        ],
    ),
    (
        "billing",
        &[
            "قبض*",
            "صورتحساب*",
            "پول کم شد*",
            "پول کسر شد*",
            "اضافه کم شد*",
            "overcharged",
            "charged twice",
            "double charged",
            "my bill",
            "wrong bill",
            "refund*",
        ],
    ),
    (
        "calls_dropped",
        &[
            "تماس قطع*",
            "تماسم قطع*",
            "تماسام قطع*",
            "تماسهام قطع*",
            "مکالمه قطع*",
            "وسط تماس*",
            "وسط مکالمه*",
            "call dropped",
            "calls dropped",
            "call drops",
            "dropped call*",
            "calls keep dropping",
            "call keeps dropping",
            "cut off mid call",
        ],
    ),
    (
        "login",
        &[
            "وارد نمیش*",
            "وارد برنامه نمیش*",
            "وارد حساب*",
            "لاگین نمیش*",
            "نمیتونم وارد*",
            "نمی توانم وارد*",
            "رمز یکبار مصرف نمی*",
            "پیامک ورود نمی*",
            "can't log in",
            "cannot log in",
            "can't login",
            "cannot login",
            "can't sign in",
            "cannot sign in",
            "unable to log in",
            "login fails",
            "login failed",
            "locked out",
        ],
    ),
];

impl Topic {
    /// What is said in every line of business, in Persian and English.
    pub fn built_in() -> Vec<Self> {
        BUILT_IN
            .iter()
            .map(|(name, phrases)| Self {
                name: (*name).to_owned(),
                phrases: phrases.iter().map(|p| (*p).to_owned()).collect(),
            })
            .collect()
    }
}

impl Default for TopicTable {
    /// Of [`Topic::built_in`].
    fn default() -> Self {
        // Within the bounds: a test says so.
        Self::new(&Topic::built_in()).unwrap_or(Self { topics: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        TopicTable::default().of(text).map(str::to_owned).collect()
    }

    #[test]
    fn complaints_are_heard_in_both_languages() {
        for (text, topics) in [
            ("اينترنت از صبح قطعه و هيچ كسی‌خبر نداد", "down no_information"),
            ("۴۵ دقیقه معطلی پشت خط!", "waiting"),
            ("Slow again, and NOBODY told me.", "slow no_information"),
            ("سرعتش پایینه، فیلم بالا نمیاد", "slow"),
            ("قبض این ماه دو برابر شده", "billing"),
            ("وسط تماس با بانک تماسم قطع شد", "down calls_dropped"),
            ("My calls keep dropping since Monday", "calls_dropped"),
            ("I can’t log in, it says wrong password", "login"),
            ("نمی‌تونم وارد حسابم بشم", "login"),
            ("Charged twice, I want a refund", "billing"),
            ("ممنون، عالی بود", ""),
            ("Thank you, all good. The waiting room was clean.", ""),
            ("", ""),
        ] {
            assert_eq!(of(text).join(" "), topics, "{text}");
        }
    }

    #[test]
    fn a_table_of_ones_own_is_checked() {
        let topic = |phrases: &[&str]| {
            [Topic {
                name: "x".to_owned(),
                phrases: phrases.iter().map(|p| (*p).to_owned()).collect(),
            }]
        };
        let table = TopicTable::new(&topic(&["fibre cut", "برش فیبر"])).unwrap();
        assert_eq!(table.of("برشِ فيبر در تهران").collect::<Vec<_>>(), ["x"]);
        assert_eq!(
            TopicTable::new(&topic(&["…"])).unwrap_err().to_string(),
            "the phrase `…` of `x` has no letter"
        );
        let many: Vec<&str> = vec!["a"; PHRASES_MAX + 1];
        assert_eq!(
            TopicTable::new(&topic(&many)),
            Err(TopicTableError::TooMany(PHRASES_MAX + 1))
        );
        let topics = vec![topic(&["a"])[0].clone(); TOPICS_MAX + 1];
        assert_eq!(
            TopicTable::new(&topics),
            Err(TopicTableError::TooManyTopics(TOPICS_MAX + 1))
        );
    }

    #[test]
    fn the_built_in_table_passes_its_own_check() {
        let built_in = Topic::built_in();
        assert!(TopicTable::new(&built_in).is_ok());
        assert_eq!(TopicTable::default().names().count(), BUILT_IN.len());
        for topic in &built_in {
            for phrase in &topic.phrases {
                let said = phrase.trim_end_matches('*');
                assert!(of(said).contains(&topic.name), "{phrase} of {}", topic.name);
            }
        }
    }

    #[test]
    fn only_the_beginning_of_a_text_is_looked_at() {
        let long = format!("{} slow", "a ".repeat(TEXT_CHARS_MAX / 2));
        assert_eq!(of(&long), Vec::<String>::new());
    }

    /// The same said with other letters, marks and digits.
    fn written_otherwise(text: &str, ways: &[u8]) -> String {
        let mut out = String::new();
        for (c, way) in text.chars().zip(ways.iter().cycle()) {
            match (c, way % 4) {
                ('ی', 1) => out.push('ي'),
                ('ی', 2) => out.push('ى'),
                ('ک', 1 | 2) => out.push('ك'),
                ('ه', 2) => out.push('ة'),
                ('ا', 2) => out.push('أ'),
                ('آ', 1) => out.push('ا'),
                (' ', 1) => out.push('\u{200C}'),
                (' ', 2) => out.push_str("  "),
                (d @ '0'..='9', 1) => out.push(char::from_u32(u32::from(d) - 0x30 + 0x6F0).unwrap()),
                (d @ '0'..='9', 2) => out.push(char::from_u32(u32::from(d) - 0x30 + 0x660).unwrap()),
                (c, 3) if c.is_alphabetic() => out.extend([c, '\u{64E}', '\u{640}']),
                (c, 1) if c.is_ascii_lowercase() => out.push(c.to_ascii_uppercase()),
                (c, _) => out.push(c),
            }
        }
        out
    }

    proptest::proptest! {
        #[test]
        fn however_it_is_written_it_is_about_the_same(
            picks in proptest::collection::vec((0_usize..8, 0_usize..40), 0..4),
            between in "[a-zآ-ی0-9 ]{0,20}",
            ways in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..40),
        ) {
            let said: Vec<&str> = picks
                .iter()
                .map(|(topic, phrase)| {
                    let phrases = BUILT_IN[*topic].1;
                    phrases[phrase % phrases.len()].trim_end_matches('*')
                })
                .collect();
            let text = said.join(&format!(" {between} "));
            proptest::prop_assert_eq!(of(&text), of(&written_otherwise(&text, &ways)));
            for (topic, _) in &picks {
                proptest::prop_assert!(of(&text).iter().any(|name| name == BUILT_IN[*topic].0));
            }
        }
    }
}
