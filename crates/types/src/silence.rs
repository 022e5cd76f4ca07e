use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{EventTime, NotAName, SilenceId};

/// Longest remark, in bytes of UTF-8: a sentence in Persian or English.
pub const REMARK_BYTES_MAX: usize = 256;
/// As many digits in a row as the shortest national telephone number with its area has.
const NUMBER_DIGITS: usize = 10;

/// A sentence by a person that stands in events: 1 to [`REMARK_BYTES_MAX`] bytes in one line. What looks like an e-mail address or a
/// telephone number is refused, since nothing of a person may stand there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Remark(Arc<str>);

impl Remark {
    /// Checks and keeps `text`.
    ///
    /// # Errors
    /// Empty, longer than [`REMARK_BYTES_MAX`], with control characters, with white space at an end, or with an `@` or ten digits
    /// in a row.
    pub fn new(text: &str) -> Result<Self, NotAName> {
        let mut run = 0_usize;
        let has_number = text.chars().any(|c| {
            run = if c.is_numeric() { run + 1 } else { 0 };
            run >= NUMBER_DIGITS
        });
        let why = if text.is_empty() {
            "it is empty"
        } else if text.len() > REMARK_BYTES_MAX {
            "it is longer than 256 bytes"
        } else if text.chars().any(char::is_control) {
            "it holds a control character"
        } else if text.trim() != text {
            "it begins or ends with white space"
        } else if text.contains('@') {
            "it looks as if it held an e-mail address"
        } else if has_number {
            "it looks as if it held a telephone number"
        } else {
            return Ok(Self(Arc::from(text)));
        };
        Err(NotAName {
            what: "remark",
            // The text may be of a person: it is not repeated.
            text: String::new(),
            why,
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Remark {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Self, NotAName> {
        Self::new(&text)
    }
}

impl From<Remark> for String {
    fn from(remark: Remark) -> Self {
        remark.0.as_ref().to_owned()
    }
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a silence is for: patterns, in which `*` stands for any run of characters; what has none matches exactly. An empty list
/// matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Matchers {
    /// Services.
    pub services: BTreeSet<Arc<str>>,
    /// Regions.
    pub regions: BTreeSet<Arc<str>>,
    /// Metrics.
    pub metrics: BTreeSet<Arc<str>>,
    /// Labels of the resource, by name.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
}

impl Matchers {
    /// Every pattern in it.
    pub fn patterns(&self) -> impl Iterator<Item = &Arc<str>> {
        let lists = self.services.iter().chain(&self.regions).chain(&self.metrics);
        lists.chain(self.labels.values())
    }
}

/// That an incident pages nobody for a while, by a person's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silenced {
    /// The silence: the id of the command that made it.
    pub id: SilenceId,
    /// Event time at which it ends.
    pub until: EventTime,
    /// Role or team; never a person's name.
    pub by: Arc<str>,
    /// Why.
    pub reason: Remark,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_holds_nothing_of_a_person() {
        for (text, why) in [
            ("", Some("it is empty")),
            ("core switch is replaced, CHG-20261129", None),
            ("تعویض سوئیچ", None),
            (" x", Some("it begins or ends with white space")),
            ("a\nb", Some("it holds a control character")),
            ("ask a@b.ir", Some("it looks as if it held an e-mail address")),
            (
                "call 09121234567",
                Some("it looks as if it held a telephone number"),
            ),
            (
                "call ۰۹۱۲۱۲۳۴۵۶۷",
                Some("it looks as if it held a telephone number"),
            ),
        ] {
            assert_eq!(Remark::new(text).err().map(|e| e.why), why, "{text}");
        }
        let long = "x".repeat(REMARK_BYTES_MAX + 1);
        assert_eq!(Remark::new(&long).unwrap_err().why, "it is longer than 256 bytes");
    }
}
