//! What may be personal in a text.

/// Digits from which a run of them, whatever stands between, may be a phone number, a card or a national id.
const PERSONAL_DIGITS_MIN: usize = 7;

/// Whether a label's value may be a person's number or address: an at sign, or as many digits as a phone number, in any script.
pub(super) fn looks_personal(value: &str) -> bool {
    value.contains('@') || value.chars().filter(|c| c.is_numeric()).count() >= PERSONAL_DIGITS_MIN
}
