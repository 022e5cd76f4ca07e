use forecall_delivery::sms::{Alphabet, ReceiptText, decode_gsm7, international, parts};
use forecall_types::ReplyKind;

/// What a message centre brings as text, and what is made of a text on its way out: whatever is sent can be read again.
pub fn sms(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = ReplyKind::of_words(&text);
    let _ = decode_gsm7(data);
    if let Some(receipt) = ReceiptText::read(&text) {
        assert!(!receipt.id.is_empty() && text.contains(&receipt.id));
    }
    if let Some(number) = international(&text, "98") {
        assert_eq!(international(&number, "98").as_deref(), Some(number.as_str()));
    }
    let Ok((alphabet, parts)) = parts(&text) else {
        assert!(text.len() > 255 * 66, "a short text is too long");
        return;
    };
    let octets: Vec<u8> = parts
        .iter()
        .flat_map(|part| part.octets.iter().copied())
        .collect();
    assert!(parts.iter().all(|part| part.user_data(0).len() <= 160));
    let again = match alphabet {
        Alphabet::Gsm7 => decode_gsm7(&octets),
        Alphabet::Ucs2 => {
            let units = octets.chunks_exact(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            char::decode_utf16(units)
                .map(|c| c.expect("no character is parted"))
                .collect()
        }
    };
    assert_eq!(again, text);
}
