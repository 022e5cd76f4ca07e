use std::fmt;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

/// Parts up to this length are put together without an allocation: a record of one sample is shorter.
const SHORT_BYTES_MAX: usize = 512;

/// A 128-bit fingerprint (XXH3-128, seed 0): the same bytes give the same value on every machine.
///
/// 128 bits, because 64 collide at a million series with a chance of 3 in 10⁸ per run, and a collision would mix two series.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// Of a run of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(XxHash3_128::oneshot(bytes))
    }

    /// Of several parts; each is preceded by its length, so that `["ab", "c"]` and `["a", "bc"]` differ.
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let len = parts.iter().map(|p| p.len() + 8).sum();
        let mut short = [0; SHORT_BYTES_MAX];
        if let Some(short) = short.get_mut(..len) {
            let mut rest = &mut *short;
            for part in parts {
                for bytes in [&(part.len() as u64).to_le_bytes(), *part] {
                    let (here, after) = std::mem::take(&mut rest).split_at_mut(bytes.len());
                    here.copy_from_slice(bytes);
                    rest = after;
                }
            }
            return Self::of(short);
        }
        let mut all = Vec::with_capacity(len);
        for part in parts {
            all.extend_from_slice(&(part.len() as u64).to_le_bytes());
            all.extend_from_slice(part);
        }
        Self::of(&all)
    }

    /// From its number.
    pub const fn from_u128(value: u128) -> Self {
        Self(value)
    }

    /// As a number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// Extends a chain: the fingerprint of `self` followed by `bytes`.
    #[must_use]
    pub fn chain(self, bytes: &[u8]) -> Self {
        Self::of_parts(&[&self.0.to_le_bytes(), bytes])
    }

    const BASE32: &'static [u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

    /// The five bits that a character of [`base32`](Self::base32) stands for.
    pub(crate) fn base32_digit(digit: u8) -> Option<u8> {
        let at = Self::BASE32.iter().position(|known| *known == digit)?;
        u8::try_from(at).ok()
    }

    /// `len` characters of lower-case Crockford base 32 (5 bits each, at most 25): short, unambiguous, for ids people read.
    pub fn base32(self, len: usize) -> String {
        (0..len.min(25))
            .map(|i| {
                let index = usize::try_from((self.0 >> (123 - 5 * i)) & 31).unwrap_or(0);
                char::from(Self::BASE32.get(index).copied().unwrap_or(b'0'))
            })
            .collect()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({:032x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_fixed_for_ever() {
        // Ids in topics hang on it: a change here is a breaking change of every contract.
        assert_eq!(
            Fingerprint::of(b"forecall").to_string(),
            format!("{:032x}", XxHash3_128::oneshot(b"forecall"))
        );
        assert_eq!(
            Fingerprint::of(b"").to_string(),
            "99aa06d3014798d86001c324468d497f"
        );
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(
            Fingerprint::of_parts(&[b"ab", b"c"]),
            Fingerprint::of_parts(&[b"a", b"bc"])
        );
    }

    #[test]
    fn short_and_long_parts_are_hashed_alike() {
        for len in [0, 1, 400, 487, 488, 489, 5_000] {
            let part = vec![7; len];
            let mut all = 8_u64.to_le_bytes().to_vec();
            all.extend_from_slice(b"forecall");
            all.extend_from_slice(&(len as u64).to_le_bytes());
            all.extend_from_slice(&part);
            assert_eq!(
                Fingerprint::of_parts(&[b"forecall", &part]),
                Fingerprint::of(&all),
                "{len}"
            );
        }
    }

    #[test]
    fn base32_has_the_length_asked_for() {
        let id = Fingerprint::of(b"x").base32(16);
        assert_eq!(id.len(), 16);
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}
