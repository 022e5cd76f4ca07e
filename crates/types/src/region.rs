use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::NotAName;

/// A region code: ISO 3166-2 (`IR-23`) or an operator's own code below it (`IR-23-TEH-5`). Upper-case ASCII letters,
/// digits and hyphens, 2 to 32 characters. The hierarchy is declared in the topology, not read from the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegionCode(Arc<str>);

impl RegionCode {
    /// Checks `text`, after lifting ASCII letters to upper case.
    ///
    /// # Errors
    /// Anything but 2 to 32 ASCII letters, digits and hyphens, beginning with a letter.
    pub fn new(text: &str) -> Result<Self, NotAName> {
        let ok = (2..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
            && !text.ends_with('-');
        if ok {
            Ok(Self(Arc::from(text.to_ascii_uppercase())))
        } else {
            Err(NotAName {
                what: "region code",
                text: text.chars().take(64).collect(),
                why: "it needs 2 to 32 letters, digits and hyphens, such as IR-23",
            })
        }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RegionCode {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Self, NotAName> {
        Self::new(&text)
    }
}

impl From<RegionCode> for String {
    fn from(code: RegionCode) -> Self {
        code.0.as_ref().to_owned()
    }
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_checked() {
        assert_eq!(RegionCode::new("ir-23").unwrap().as_str(), "IR-23");
        for bad in ["", "I", "23-IR", "IR 23", "IR-", "تهران"] {
            assert!(RegionCode::new(bad).is_err(), "{bad:?}");
        }
    }
}
