use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Fingerprint;

/// Why a text is no name or id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}: {why}")]
pub struct NotAName {
    /// The kind of name that was asked for.
    pub what: &'static str,
    /// The text refused, shortened to 64 characters.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// 128 bytes are enough for any name people give; longer ones bloat keys and labels.
pub const NAME_BYTES_MAX: usize = 128;

fn checked(what: &'static str, text: &str) -> Result<Arc<str>, NotAName> {
    let why = if text.is_empty() {
        "it is empty"
    } else if text.len() > NAME_BYTES_MAX {
        "it is longer than 128 bytes"
    } else if text.chars().any(char::is_control) {
        "it holds a control character"
    } else if text.trim() != text {
        "it begins or ends with white space"
    } else {
        return Ok(Arc::from(text));
    };
    Err(NotAName {
        what,
        text: text.chars().take(64).collect(),
        why,
    })
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and keeps `text`.
            ///
            /// # Errors
            /// Empty, longer than [`NAME_BYTES_MAX`], with control characters, or with white space at an end.
            pub fn new(text: &str) -> Result<Self, NotAName> {
                checked($what, text).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAName;
            fn try_from(text: String) -> Result<Self, NotAName> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAName;
            fn from_str(text: &str) -> Result<Self, NotAName> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A tenant, or the part of the world that one topology and one policy describe. Key of the correlate and outreach logs.
    DomainName, "domain"
);
name!(
    /// A service customers use or a service behind it (`service.name` of the OpenTelemetry semantic conventions).
    ServiceName, "service name"
);
name!(
    /// A product customers buy.
    ProductName, "product name"
);
name!(
    /// A queue of the contact centre.
    QueueName, "queue name"
);
name!(
    /// A telemetry source: its topic, or the folder a replay reads.
    SourceName, "source name"
);
name!(
    /// What serves a customer: a cell, line, port or host.
    ElementId, "element id"
);
name!(
    /// Id of an anomaly: `ano_` and 16 base-32 characters.
    AnomalyId, "anomaly id"
);
name!(
    /// Id of an incident: `inc_` and 16 base-32 characters.
    IncidentId, "incident id"
);
name!(
    /// Id of a problem record, as the system that keeps it writes it (`PRB-1042`).
    ProblemId, "problem id"
);
name!(
    /// Id of a notice: `ntc_` and 16 base-32 characters; of the words that answer a reply: `ans_` and 16.
    NoticeId, "notice id"
);
name!(
    /// A silence: the id of the command that made it.
    SilenceId, "silence id"
);
name!(
    /// A rule of remedies, as the settings name it.
    RemedyName, "name of a remedy"
);
name!(
    /// A customer's pseudonym (`cus_` …): an HMAC made at decoding; no name or number can be read from it.
    CustomerId, "customer pseudonym"
);
name!(
    /// One (person, channel, notice version) to be sent: `int_` and 16 base-32 characters.
    IntentId, "intent id"
);
name!(
    /// A rule of journeys.
    JourneyName, "name of a journey"
);
name!(
    /// What happened to a customer: `payment.accepted`, `ticket.answered`.
    CustomerEventKind, "kind of a customer's event"
);
name!(
    /// Id of one journey of one customer: `jny_` and 16 base-32 characters.
    JourneyId, "journey id"
);
name!(
    /// Id of a wave of failed journeys: `wav_` and 16 base-32 characters.
    WaveId, "wave id"
);

impl DomainName {
    /// The synthetic domain of the canary, whose incidents nobody is ever told. No tenant may have this name.
    pub const CANARY: &'static str = "forecall.canary";

    /// Whether it is the canary's.
    pub fn is_canary(&self) -> bool {
        self.as_str() == Self::CANARY
    }
}

macro_rules! derived {
    ($name:ident, $prefix:literal) => {
        impl $name {
            /// Derived from what it stands for: the same fingerprint gives the same id, in every run.
            pub fn derived(from: Fingerprint) -> Self {
                Self(Arc::from(format!(concat!($prefix, "_{}"), from.base32(16))))
            }
        }
    };
}
derived!(AnomalyId, "ano");
derived!(IncidentId, "inc");
derived!(NoticeId, "ntc");
derived!(CustomerId, "cus");
derived!(IntentId, "int");
derived!(JourneyId, "jny");
derived!(WaveId, "wav");

impl NoticeId {
    /// What the id of an answer to a customer's reply begins with: it has words and intents, and no notice of an incident stands behind it.
    pub const ANSWER: &'static str = "ans_";

    /// The id under which the words of an answer are kept, derived from what they say.
    pub fn of_answer(from: Fingerprint) -> Self {
        Self(Arc::from(format!("{}{}", Self::ANSWER, from.base32(16))))
    }

    /// Whether it is that of an answer to a reply.
    pub fn is_answer(&self) -> bool {
        self.as_str().starts_with(Self::ANSWER)
    }
}

/// Bits of a derived pseudonym: 16 characters of base 32.
const CUSTOMER_BITS: u32 = 80;

impl CustomerId {
    /// The number in a derived pseudonym, below 2⁸⁰: a tenth of the memory of its text. `None` for a text that
    /// [`derived`](Self::derived) doesn't make.
    pub fn number(&self) -> Option<u128> {
        let digits = self
            .as_str()
            .strip_prefix("cus_")
            .filter(|rest| rest.len() == 16)?;
        digits.bytes().try_fold(0_u128, |number, digit| {
            Some(number << 5 | u128::from(Fingerprint::base32_digit(digit)?))
        })
    }

    /// The pseudonym of a [`number`](Self::number); bits above the 80th don't count.
    pub fn of_number(number: u128) -> Self {
        Self::derived(Fingerprint::from_u128(number << (128 - CUSTOMER_BITS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_once() {
        for bad in ["", " a", "a\n", &"x".repeat(129)] {
            assert!(ServiceName::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(ServiceName::new("اینترنت").unwrap().as_str(), "اینترنت");
        assert_eq!(
            ServiceName::new("").unwrap_err().to_string(),
            "`` is not a service name: it is empty"
        );
    }

    #[test]
    fn ids_are_derived() {
        let a = IncidentId::derived(Fingerprint::of(b"scope"));
        assert_eq!(a, IncidentId::derived(Fingerprint::of(b"scope")));
        assert!(a.as_str().starts_with("inc_") && a.as_str().len() == 20);
        let words = Fingerprint::of(b"words");
        let (answer, notice) = (NoticeId::of_answer(words), NoticeId::derived(words));
        assert_eq!([answer.is_answer(), notice.is_answer()], [true, false]);
        assert_eq!(answer.as_str().len(), 20);
    }

    #[test]
    fn a_pseudonym_is_its_number() {
        for seed in 0..100_u32 {
            let id = CustomerId::derived(Fingerprint::of(&seed.to_le_bytes()));
            let number = id.number().unwrap();
            assert_eq!((CustomerId::of_number(number), number >> 80), (id, 0));
        }
        for other in [
            "cus_",
            "cus_0123",
            "cus_00000000000000u0",
            "ano_0000000000000000",
            "cus_000000000000000A",
        ] {
            assert_eq!(CustomerId::new(other).unwrap().number(), None, "{other}");
        }
    }
}
