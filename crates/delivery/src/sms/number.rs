//! Phone numbers as networks write them.

/// E.164: a country code begins with no zero, and there are at most 15 digits; short numbers of services have fewer than 8.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

/// A subscriber's number as the directory writes it, `+989121234567`, from whatever a network writes: `+98…`, `0098…`, `98…`, `0912…`,
/// `912…`. `None` for names and short numbers of services.
pub fn international(text: &str, country_code: &str) -> Option<String> {
    let text = text.trim();
    let (is_international, digits) = match text.strip_prefix('+').or_else(|| text.strip_prefix("00")) {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    /// Digits of a full national number where country codes have two: a mobile's in Iran.
    const NATIONAL: usize = 10;
    let full = if is_international || (digits.starts_with(country_code) && digits.len() > NATIONAL) {
        digits.to_owned()
    } else if let Some(rest) = digits.strip_prefix('0') {
        format!("{country_code}{rest}")
    } else if digits.len() == NATIONAL {
        format!("{country_code}{digits}")
    } else {
        digits.to_owned()
    };
    (DIGITS.contains(&full.len()) && !full.starts_with('0')).then(|| format!("+{full}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_in_all_its_ways() {
        for text in [
            "+989121234567",
            "00989121234567",
            "989121234567",
            "09121234567",
            "9121234567",
            " 09121234567",
        ] {
            assert_eq!(
                international(text, "98").as_deref(),
                Some("+989121234567"),
                "{text}"
            );
        }
        assert_eq!(
            international("4915112345678", "98").as_deref(),
            Some("+4915112345678")
        );
        for text in ["", "+", "1000", "Acme", "+98912x", "0", "1234567890123456"] {
            assert_eq!(international(text, "98"), None, "{text}");
        }
    }
}
