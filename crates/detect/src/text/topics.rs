use serde::{Deserialize, Serialize};

use super::letters::Letters;

/// Phrases of a table: each text is compared with every one.
pub const PHRASES_MAX: usize = 512;

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

    /// The topics a text is about, each once, in the table's order.
    pub fn of<'t>(&'t self, text: &str) -> impl Iterator<Item = &'t str> {
        let text = Letters::of(text);
        self.topics
            .iter()
            .filter(move |(_, phrases)| phrases.iter().any(|(phrase, open)| text.holds(phrase, *open)))
            .map(|(name, _)| name.as_str())
    }
}

/// What is said in every line of business, in Persian and English; a table of one's own takes its place.
const DEFAULT: [(&str, &[&str]); 6] = [
    (
        "outage",
        &[
            "قطع*",
            "وصل نمی*",
            "نت ندار*",
            "اینترنت ندار*",
            "آنتن ندار*",
            "no internet",
            "outage",
            "not working",
            "is down",
            "no signal",
        ],
    ),
    ("slow", &["کند*", "سرعت پایین*", "لگ دار*", "slow*", "lag*"]),
    (
        "waiting",
        &["معطل*", "منتظر*", "پشت خط*", "on hold", "waiting", "waited"],
    ),
    (
        "not_told",
        &[
            "کسی خبر نداد*",
            "خبر ندادن*",
            "خبر نداد*",
            "اطلاع نداد*",
            "nobody told",
            "no one told",
            "not informed",
            "without notice",
        ],
    ),
    (
        "called_again",
        &[
            "دوباره زنگ*",
            "چند بار تماس*",
            "چندمین بار*",
            "called again",
            "third time",
            "keep calling",
        ],
    ),
    (
        "bill",
        &[
            "قبض*",
            "صورتحساب*",
            "صورت حساب*",
            "پول کم شد*",
            "overcharged",
            "my bill",
            "refund*",
        ],
    ),
];

impl Default for TopicTable {
    fn default() -> Self {
        let topics = DEFAULT.map(|(name, phrases)| {
            let phrases = phrases
                .iter()
                .map(|p| (Letters::of(p), p.ends_with('*')))
                .collect();
            (name.to_owned(), phrases)
        });
        Self {
            topics: topics.into(),
        }
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
        assert_eq!(
            of("اينترنت از صبح قطعه و هيچ كسی‌خبر نداد"),
            ["outage", "not_told"]
        );
        assert_eq!(of("۴۵ دقیقه معطلی پشت خط!"), ["waiting"]);
        assert_eq!(of("Slow again, and NOBODY told me."), ["slow", "not_told"]);
        assert_eq!(of("ممنون، عالی بود"), Vec::<String>::new());
        assert_eq!(of(""), Vec::<String>::new());
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
    }

    #[test]
    fn the_default_table_passes_its_own_check() {
        let topics: Vec<Topic> = DEFAULT
            .iter()
            .map(|(name, phrases)| Topic {
                name: (*name).to_owned(),
                phrases: phrases.iter().map(|p| (*p).to_owned()).collect(),
            })
            .collect();
        assert_eq!(TopicTable::new(&topics), Ok(TopicTable::default()));
    }
}
