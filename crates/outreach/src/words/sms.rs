//! How many message parts a text takes (3GPP TS 23.038 and 23.040).

/// The basic table of the GSM 7-bit alphabet: one septet each.
const GSM_BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The extension table: an escape and a septet.
const GSM_EXTENDED: &str = "^{}\\[~]|€";

/// Septets of `text`, or `None` if a character isn't in the alphabet.
pub(crate) fn gsm_septets(text: &str) -> Option<usize> {
    text.chars().try_fold(0, |sum, c| {
        if GSM_BASIC.contains(c) {
            Some(sum + 1)
        } else if GSM_EXTENDED.contains(c) {
            Some(sum + 2)
        } else {
            None
        }
    })
}

/// UTF-16 units of `text`.
pub(crate) fn utf16_units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Parts of `text` as a text message: 160 septets or 70 UTF-16 units in one, 153 or 67 in each of several.
/// A pair that would be cut (an escape, a surrogate) may cost one part more than counted; stock texts have none.
pub(crate) fn parts(text: &str) -> u32 {
    let (units, one, each) = match gsm_septets(text) {
        Some(septets) => (septets, 160, 153),
        None => (utf16_units(text), 70, 67),
    };
    if units <= one {
        1
    } else {
        u32::try_from(units.div_ceil(each)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_by_alphabet_and_length() {
        for (text, wanted) in [
            (String::new(), 1),
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            ("ا".repeat(70), 1),
            ("ا".repeat(71), 2),
            ("ا".repeat(134), 2),
            ("ا".repeat(135), 3),
            // A curly quote makes all of it UCS-2.
            (format!("{}\u{2019}", "a".repeat(99)), 2),
        ] {
            assert_eq!(parts(&text), wanted, "{text}");
        }
    }

    #[test]
    fn the_users_sample_takes_three_parts() {
        let text = "مشتری گرامی، در منطقه شما اختلال موقتی در سرویس اینترنت ایجاد شده است. تیم فنی در حال بررسی و رفع مشکل است. نیازی به تماس نیست. از شکیبایی شما سپاسگزاریم.";
        assert_eq!((utf16_units(text), parts(text)), (154, 3));
    }
}
