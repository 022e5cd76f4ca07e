//! Texts with placeholders, and the ways in which what they stand for is escaped. Pure.

/// What can stand for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    To,
    ToDigits,
    ToNational,
    Text,
    From,
    Reference,
    ReferenceNumber,
    Secret,
}

const FIELDS: [(&str, Field); 8] = [
    ("to", Field::To),
    ("to_digits", Field::ToDigits),
    ("to_national", Field::ToNational),
    ("text", Field::Text),
    ("from", Field::From),
    ("reference", Field::Reference),
    ("reference_number", Field::ReferenceNumber),
    ("secret", Field::Secret),
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Of(Field),
}

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

impl Template {
    /// Reads one. `{` and `}` around anything but a lower-case word are themselves, so that JSON needs no escaping.
    ///
    /// # Errors
    /// The word in braces that stands for nothing.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            let word = after.split_once('}').filter(|(word, _)| {
                !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            });
            let Some((word, behind)) = word else {
                plain.push('{');
                rest = after;
                continue;
            };
            let (_, field) = FIELDS
                .iter()
                .find(|(name, _)| *name == word)
                .ok_or_else(|| word.to_owned())?;
            pieces.push(Piece::Plain(std::mem::take(&mut plain)));
            pieces.push(Piece::Of(*field));
            rest = behind;
        }
        plain.push_str(rest);
        pieces.push(Piece::Plain(plain));
        Ok(Self(pieces))
    }

    /// The text with what the placeholders stand for, each escaped.
    pub(super) fn fill(&self, value: impl Fn(Field) -> String, escape: impl Fn(&str) -> String) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Plain(text) => text.clone(),
            Piece::Of(field) => escape(&value(*field)),
        });
        pieces.collect()
    }
}

/// As a part of an address or of a form: everything but the unreserved (RFC 3986 §2.3) by its octets.
pub(super) fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for half in [byte >> 4, byte & 15] {
                out.extend(char::from_digit(u32::from(half), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    out
}

/// As the inside of a JSON string.
pub(super) fn json_string(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or_default()
        .to_owned()
}

/// Whether a text is a JSON pointer (RFC 6901).
pub(super) fn is_pointer(text: &str) -> bool {
    text.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, escape: impl Fn(&str) -> String) -> String {
        Template::read(text)
            .unwrap()
            .fill(|field| format!("<{field:?}\"&>"), escape)
    }

    #[test]
    fn placeholders_are_filled_and_escaped() {
        assert_eq!(
            filled("a{to}b{text}", percent),
            "a%3CTo%22%26%3Eb%3CText%22%26%3E"
        );
        assert_eq!(
            filled(r#"{"a": {"b": "{from}"}}"#, json_string),
            r#"{"a": {"b": "<From\"&>"}}"#
        );
        assert_eq!(filled("{} {A} {", str::to_owned), "{} {A} {");
        assert_eq!(Template::read("x{nothing}"), Err("nothing".to_owned()));
    }

    #[test]
    fn persian_and_controls_survive() {
        assert_eq!(percent("سلام ‌1+1"), "%D8%B3%D9%84%D8%A7%D9%85%20%E2%80%8C1%2B1");
        let text = "یک\n«دو» \"سه\" \\ \u{1}";
        let json = format!("\"{}\"", json_string(text));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
