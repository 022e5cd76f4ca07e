use std::fmt;
use std::str::FromStr;

use forecall_types::Fingerprint;
use serde::{Deserialize, Serialize};

/// A hash chain over every record stepped (offset and payload) and every effect asked for. Two runs with the same digest
/// have read the same and done the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(Fingerprint);

impl Digest {
    /// Fingerprint of a record's key and value, taken while its bytes are at hand; a missing value (tombstone) and an
    /// empty one differ.
    pub fn payload(key: Option<&[u8]>, value: Option<&[u8]>) -> Fingerprint {
        let shape = [u8::from(key.is_some()), u8::from(value.is_some())];
        Fingerprint::of_parts(&[&shape, key.unwrap_or_default(), value.unwrap_or_default()])
    }

    /// Takes in one record: its offset and its [`payload`](Self::payload).
    pub fn record(&mut self, offset: i64, payload: Fingerprint) {
        self.0 = Fingerprint::of_parts(&[
            &self.0.as_u128().to_le_bytes(),
            &offset.to_le_bytes(),
            &payload.as_u128().to_le_bytes(),
        ]);
    }

    /// Takes in one effect: where it goes and its bytes.
    pub fn effect(&mut self, to: &str, key: &[u8], value: Option<&[u8]>) {
        self.0 = Fingerprint::of_parts(&[
            &self.0.as_u128().to_le_bytes(),
            to.as_bytes(),
            key,
            &[u8::from(value.is_some())],
            value.unwrap_or_default(),
        ]);
    }

    /// As a fingerprint.
    pub const fn fingerprint(self) -> Fingerprint {
        self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What became of the records of a partition, from the first the group has read: part of the state, so that no record is
/// counted twice by a re-reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Read.
    pub records: u64,
    /// Undecodable, with a dead letter.
    pub dead_letters: u64,
    /// Undecodable or over a limit, without a letter by the rule of their reason.
    pub refused: u64,
    /// Parts of good records that the stage refused: a late sample, a duplicate, one from the future.
    pub parts_refused: u64,
}

/// 36⁹ − 1: a partition of a million records a second reaches it in three years; from there a counter stands still.
const COUNT_MAX: u64 = 101_559_956_668_415;

impl Counts {
    /// Records that the stage was given (or that mean nothing to it by design).
    pub const fn stepped(self) -> u64 {
        self.records
            .saturating_sub(self.dead_letters)
            .saturating_sub(self.refused)
    }

    const fn all(self) -> [u64; 4] {
        [self.records, self.dead_letters, self.refused, self.parts_refused]
    }

    fn parse(text: &str) -> Option<Self> {
        // No more than is ever written, and no sign.
        let count = |word: &str| u64::from_str_radix(word, 36).ok().filter(|n| *n <= COUNT_MAX);
        let mut words = text
            .split('.')
            .map(|word| count(word).filter(|_| !word.starts_with('+')));
        let mut next = || words.next().flatten();
        let counts = Self {
            records: next()?,
            dead_letters: next()?,
            refused: next()?,
            parts_refused: next()?,
        };
        words.next().is_none().then_some(counts)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, count) in self.all().into_iter().enumerate() {
            let (mut rest, mut digits) = (count.min(COUNT_MAX), Vec::new());
            while digits.is_empty() || rest > 0 {
                digits.push(
                    u32::try_from(rest % 36)
                        .ok()
                        .and_then(|digit| char::from_digit(digit, 36))
                        .unwrap_or('0'),
                );
                rest /= 36;
            }
            let digits: String = digits.into_iter().rev().collect();
            write!(f, "{}{digits}", if i == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

/// What stands beside a committed position and proves it: `f1 v<version> s<settings> d<digest> c<counts in base 36>`, 119
/// ASCII characters at most, so that it fits the 128 an offset's metadata is kept to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// [`Stage::VERSION`](crate::Stage::VERSION) of the code that made it.
    pub version: u32,
    /// Digest of the settings it ran under.
    pub settings: Fingerprint,
    /// The chain up to the position.
    pub digest: Digest,
    /// What became of the records up to the position.
    pub counts: Counts,
}

/// The text is no checkpoint: the position was set by another tool, or by nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a forecall checkpoint")]
pub struct NotACheckpoint(pub String);

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            settings,
            digest,
            counts,
        } = self;
        write!(f, "f1 v{version} s{settings} d{digest} c{counts}")
    }
}

impl FromStr for Checkpoint {
    type Err = NotACheckpoint;
    fn from_str(text: &str) -> Result<Self, NotACheckpoint> {
        let wrong = || NotACheckpoint(text.chars().take(128).collect());
        let mut words = text.split(' ');
        let mut word = |prefix: &str| {
            words
                .next()
                .and_then(|w| w.strip_prefix(prefix))
                .map(str::to_owned)
        };
        let (Some(""), Some(version), Some(settings), Some(digest), Some(counts), None) = (
            word("f1").as_deref(),
            word("v"),
            word("s"),
            word("d"),
            word("c"),
            words.next(),
        ) else {
            return Err(wrong());
        };
        let hex = |t: &str| {
            u128::from_str_radix(t, 16)
                .ok()
                // A sign would be taken for a number's.
                .filter(|_| t.len() == 32 && !t.starts_with('+'))
                .map(Fingerprint::from_u128)
        };
        Ok(Self {
            version: version.parse().map_err(|_| wrong())?,
            settings: hex(&settings).ok_or_else(wrong)?,
            digest: Digest(hex(&digest).ok_or_else(wrong)?),
            counts: Counts::parse(&counts).ok_or_else(wrong)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_to_text_and_back() {
        let mut digest = Digest::default();
        digest.record(7, Digest::payload(None, Some(b"x")));
        let point = Checkpoint {
            version: 3,
            settings: Fingerprint::of(b"settings"),
            digest,
            counts: Counts {
                records: 71,
                dead_letters: 0,
                refused: 36,
                parts_refused: COUNT_MAX,
            },
        };
        assert!(point.to_string().ends_with(" c1z.0.10.zzzzzzzzz"), "{point}");
        let text = point.to_string();
        assert!(text.is_ascii() && text.len() <= 128, "{text}");
        assert_eq!(text.parse(), Ok(point));
        for bad in [
            "",
            "f1",
            "f1 v1 s2 d3",
            "consumer-lag-tool",
            &format!("{text} more"),
            // A count that is never written.
            &format!("f1 v1 s{0} d{0} c7892abcd0z.0.0.0", "0".repeat(32)),
            &format!("f1 v1 s{0} d{0} c+1.0.0.0", "0".repeat(32)),
        ] {
            assert!(bad.parse::<Checkpoint>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_part_of_a_record_counts() {
        let digest_of = |offset, key: Option<&[u8]>, value: Option<&[u8]>| {
            let mut d = Digest::default();
            d.record(offset, Digest::payload(key, value));
            d
        };
        let all = [
            digest_of(0, None, None),
            digest_of(1, None, None),
            digest_of(0, Some(b""), None),
            digest_of(0, None, Some(b"")),
            digest_of(0, Some(b"a"), Some(b"")),
            digest_of(0, Some(b""), Some(b"a")),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|b| a != b), "{i}");
        }
    }
}
