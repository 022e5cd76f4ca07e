use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use forecall_types::{CustomerId, DomainName, Fingerprint};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes a key must have: the output size of SHA-256 (RFC 2104 §3).
pub const PSEUDONYM_KEY_BYTES_MIN: usize = 32;

/// Digits of a number by E.164.
const E164_DIGITS_MAX: usize = 15;
/// Shorter ones are extensions and customer numbers.
const PHONE_DIGITS_MIN: usize = 7;
/// Digits after the country code of a full national number: mobile and land line in Iran and most countries with code
/// lengths of two.
const NATIONAL_DIGITS: usize = 10;

/// The zeros of all decimal digit scripts of Unicode 14; nine digits follow each.
const DIGIT_ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
    0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066,
    0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950,
    0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6,
    0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// A key of fewer than [`PSEUDONYM_KEY_BYTES_MIN`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pseudonym key needs at least {PSEUDONYM_KEY_BYTES_MIN} bytes, this one has {0}")]
pub struct PseudonymKeyTooShort(pub usize);

/// The secret that turns numbers, addresses and customer ids into pseudonyms: HMAC-SHA-256, 80 bits of which make a
/// [`CustomerId`] (two of 10⁸ customers meet with a chance of 4 in 10⁹).
#[derive(Clone)]
pub struct PseudonymKey {
    keyed: Hmac<Sha256>,
    country: Arc<str>,
}

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudonymKey(***)")
    }
}

impl PseudonymKey {
    /// From secret bytes; numbers without a country code are taken for Iranian (98).
    ///
    /// # Errors
    /// Fewer than [`PSEUDONYM_KEY_BYTES_MIN`] bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PseudonymKeyTooShort> {
        let too_short = PseudonymKeyTooShort(bytes.len());
        if bytes.len() < PSEUDONYM_KEY_BYTES_MIN {
            return Err(too_short);
        }
        let keyed = Hmac::<Sha256>::new_from_slice(bytes).map_err(|_| too_short)?;
        Ok(Self {
            keyed,
            country: Arc::from("98"),
        })
    }

    /// The country code (digits only) of numbers written without one.
    #[must_use]
    pub fn with_country(mut self, digits: &str) -> Self {
        self.country = Arc::from(digits);
        self
    }

    /// The pseudonym of a phone number, an e-mail address or a customer id, in whatever way it is written: digits of
    /// all scripts, spaces and marks, `+98…`, `0098…`, `0…`, `tel:`, `sip:`, letter case of an address. A text that
    /// reads as a phone number is one; begin a numeric customer id with `id:` to keep it apart.
    pub fn customer(&self, domain: &DomainName, address_or_id: &str) -> CustomerId {
        let (kind, text) = self.normalised(address_or_id);
        CustomerId::derived(self.digest(&["customer", domain.as_str(), kind, &text]))
    }

    /// A call's id, hashed with the key: 100 bits of base 32.
    pub(super) fn call(&self, domain: &DomainName, source: &str, id: &str) -> Arc<str> {
        Arc::from(
            self.digest(&["call", domain.as_str(), source, id])
                .base32(20)
                .as_str(),
        )
    }

    /// An event's id, hashed with the key.
    pub(super) fn event(&self, domain: &DomainName, source: &str, id: &str) -> u128 {
        self.digest(&["event", domain.as_str(), source, id]).as_u128()
    }

    /// An order or ticket, hashed with the key: the same one in all sources of a domain.
    pub(super) fn journey_key(&self, domain: &DomainName, key: &str) -> NonZeroU64 {
        let upper = self.digest(&["key", domain.as_str(), key]).as_u128() >> 64;
        let hash = u64::try_from(upper).unwrap_or_default();
        NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN)
    }

    /// The digits of a phone number with its country code, if the text is one.
    pub(super) fn phone(&self, text: &str) -> Option<String> {
        match self.normalised(text) {
            ("tel", digits) => Some(digits),
            _ => None,
        }
    }

    fn digest(&self, parts: &[&str]) -> Fingerprint {
        let mut mac = self.keyed.clone();
        for part in parts {
            // Each part after its length, so that parts don't run into each other.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let bytes = mac.finalize().into_bytes();
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(bytes.iter()) {
            *to = *from;
        }
        Fingerprint::from_u128(u128::from_be_bytes(first))
    }

    fn normalised(&self, text: &str) -> (&'static str, String) {
        let folded = fold(text);
        let text = folded.trim();
        if let Some(id) = strip_prefix_ignoring_case(text, "id:") {
            return ("id", id.trim().to_owned());
        }
        let sip = ["sip:", "sips:"]
            .iter()
            .find_map(|scheme| strip_prefix_ignoring_case(text, scheme));
        let other = ["tel:", "mailto:"]
            .iter()
            .find_map(|scheme| strip_prefix_ignoring_case(text, scheme));
        let address = sip.or(other).unwrap_or(text);
        // A SIP address names the number before its host (sip:0912…@host;user=phone), a tel: one before its parameters;
        // a mailbox that is named like a number is no number.
        let ends: &[char] = if sip.is_some() { &['@', ';'] } else { &[';'] };
        let user = address.split(ends).next().unwrap_or(address);
        if let Some(digits) = self.digits_of(user) {
            return ("tel", digits);
        }
        if address.contains('@') {
            return ("mail", address.to_lowercase());
        }
        ("id", text.to_owned())
    }

    fn digits_of(&self, text: &str) -> Option<String> {
        let mut digits = String::with_capacity(text.len());
        let mut plus = false;
        for c in text.chars() {
            match c {
                '+' if digits.is_empty() && !plus => plus = true,
                '0'..='9' => digits.push(c),
                ' ' | '-' | '(' | ')' | '.' | '/' | '\u{a0}' => {}
                _ => return None,
            }
        }
        // 2 for `00`, 1 for a trunk zero kept by mistake.
        if !(PHONE_DIGITS_MIN..=E164_DIGITS_MAX + 3).contains(&digits.len()) {
            return None;
        }
        let country = self.country.as_ref();
        let full = if plus {
            digits
        } else if let Some(rest) = digits.strip_prefix("00") {
            rest.to_owned()
        } else if let Some(rest) = digits.strip_prefix('0') {
            format!("{country}{rest}")
        } else if digits.len() == NATIONAL_DIGITS {
            format!("{country}{digits}")
        } else if digits.starts_with(country) && digits.len() >= country.len() + NATIONAL_DIGITS {
            digits
        } else {
            return None;
        };
        // `+98 (0)912 …`: the trunk zero doesn't belong behind the country code.
        let full = match full.strip_prefix(country).and_then(|rest| rest.strip_prefix('0')) {
            Some(rest) => format!("{country}{rest}"),
            None => full,
        };
        (PHONE_DIGITS_MIN..=E164_DIGITS_MAX)
            .contains(&full.len())
            .then_some(full)
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| text.get(prefix.len()..).unwrap_or(""))
}

/// Digits of all scripts become ASCII; marks of writing direction and joiners, which copying leaves behind, go.
fn fold(text: &str) -> String {
    text.chars()
        .filter(|c| {
            !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        })
        .map(|c| digit_of(c).unwrap_or(c))
        .collect()
}

fn digit_of(c: char) -> Option<char> {
    let code = u32::from(c);
    let below = DIGIT_ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
    let digit = code - DIGIT_ZEROS.get(below)?;
    char::from_digit(digit, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> PseudonymKey {
        PseudonymKey::from_bytes(&[7; 32]).unwrap()
    }

    fn domain(name: &str) -> DomainName {
        DomainName::new(name).unwrap()
    }

    #[test]
    fn one_person_has_one_pseudonym() {
        let key = key();
        let person = key.customer(&domain("isp"), "+989121234567");
        for written in [
            "09121234567",
            "9121234567",
            "00989121234567",
            "989121234567",
            "+98 912 123 4567",
            "+98 (0)912-123-4567",
            "۰۹۱۲۱۲۳۴۵۶۷",
            "٠٩١٢١٢٣٤٥٦٧",
            "०९१२१२३४५६७",
            "\u{200e}+98\u{a0}912 123 45 67\u{202c}",
            "tel:+98-912-123-4567",
            "sip:09121234567@pbx.example;user=phone",
        ] {
            assert_eq!(key.customer(&domain("isp"), written), person, "{written}");
        }
        for other in [
            "09121234568",
            "+19121234567",
            "id:09121234567",
            "21234567",
            "someone@example.org",
            "09121234567@example.org",
        ] {
            assert_ne!(key.customer(&domain("isp"), other), person, "{other}");
        }
        assert_ne!(key.customer(&domain("bank"), "09121234567"), person);
        assert_ne!(
            PseudonymKey::from_bytes(&[8; 32])
                .unwrap()
                .customer(&domain("isp"), "09121234567"),
            person
        );
    }

    #[test]
    fn addresses_differ_by_more_than_case() {
        let key = key();
        let one = key.customer(&domain("isp"), "Someone@Example.org");
        assert_eq!(key.customer(&domain("isp"), " mailto:someone@example.ORG "), one);
        assert_ne!(key.customer(&domain("isp"), "some.one@example.org"), one);
    }

    #[test]
    fn the_key_is_not_shown_and_not_short() {
        assert_eq!(format!("{:?}", key()), "PseudonymKey(***)");
        assert_eq!(
            PseudonymKey::from_bytes(b"short").unwrap_err(),
            PseudonymKeyTooShort(5)
        );
    }

    #[test]
    fn pseudonyms_are_fixed_for_ever() {
        // The directory and the ledger hang on them: a change here would make strangers of all customers.
        let id = key().customer(&domain("isp"), "+989121234567");
        expect_test::expect!["cus_w8bakxdt7r3v4pbx"].assert_eq(id.as_str());
    }

    #[test]
    fn every_digit_script_is_known() {
        for zero in DIGIT_ZEROS {
            for n in 0..10 {
                let c = char::from_u32(zero + n).unwrap();
                assert_eq!(digit_of(c), char::from_digit(n, 10), "{c}");
            }
        }
        assert_eq!(digit_of('a'), None);
        assert_eq!(digit_of(char::from_u32(0x66a).unwrap()), None);
    }
}
