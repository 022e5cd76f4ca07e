//! A place in a JSON text that goes forward: texts without escapes, numbers, words. Whatever differs is [`Unusual`] and
//! goes the general way, so nothing here is ever more generous than the grammar.

use super::wire_format::Unusual;

const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// A value that has no inside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar<'a> {
    Whole(i64),
    Float(f64),
    Text(&'a str),
    /// true, false, null.
    Word,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Unusual> {
        // Once for all: cheaper than text by text.
        let text = std::str::from_utf8(bytes).map_err(|_| Unusual)?;
        Ok(Self { text, at: 0 })
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The next byte that isn't white space.
    pub(super) fn peek(&mut self) -> Result<u8, Unusual> {
        loop {
            match self.bytes().get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(Unusual),
            }
        }
    }

    /// Takes this byte, if it is next.
    pub(super) fn takes(&mut self, byte: u8) -> Result<bool, Unusual> {
        let found = self.peek()? == byte;
        self.at += usize::from(found);
        Ok(found)
    }

    /// Takes this byte, which must be next.
    pub(super) fn take(&mut self, byte: u8) -> Result<(), Unusual> {
        if self.takes(byte)? { Ok(()) } else { Err(Unusual) }
    }

    /// What comes next, up to the first such byte, and the place behind it; the cursor stays.
    pub(super) fn through(&mut self, byte: u8) -> Result<(&'a [u8], Self), Unusual> {
        self.peek()?;
        let rest = self.bytes().get(self.at..).unwrap_or_default();
        let len = memchr::memchr(byte, rest).ok_or(Unusual)? + 1;
        let behind = Self {
            text: self.text,
            at: self.at + len,
        };
        Ok((rest.get(..len).unwrap_or_default(), behind))
    }

    /// Nothing but white space is left.
    pub(super) fn end(mut self) -> Result<(), Unusual> {
        if self.peek().is_err() {
            Ok(())
        } else {
            Err(Unusual)
        }
    }

    /// The members of an object, each with the cursor behind its colon; `member` must take the value.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a str) -> Result<(), Unusual>,
    ) -> Result<(), Unusual> {
        self.take(b'{')?;
        if self.takes(b'}')? {
            return Ok(());
        }
        loop {
            let name = self.text()?;
            self.take(b':')?;
            member(self, name)?;
            if !self.takes(b',')? {
                return self.take(b'}');
            }
        }
    }

    /// A text without escapes.
    pub(super) fn text(&mut self) -> Result<&'a str, Unusual> {
        self.take(b'"')?;
        let from = self.at;
        self.at = self.stop(from)?;
        let text = self.text.get(from..self.at).ok_or(Unusual)?;
        // An escape or a control character ends it too.
        self.take(b'"')?;
        Ok(text)
    }

    /// The first place from here on that holds a quote, a backslash or a control character; eight bytes at a look.
    fn stop(&self, from: usize) -> Result<usize, Unusual> {
        let mut at = from;
        let mut rest = self.bytes().get(from..).ok_or(Unusual)?;
        while let Some((eight, after)) = rest.split_first_chunk::<8>() {
            let found = special(u64::from_le_bytes(*eight));
            if found != 0 {
                // Eight bits a byte: at most 7.
                return Ok(at + usize::try_from(found.trailing_zeros() / 8).map_err(|_| Unusual)?);
            }
            (at, rest) = (at + 8, after);
        }
        let last = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
        last.map(|place| at + place).ok_or(Unusual)
    }

    /// A value without an inside.
    pub(super) fn scalar(&mut self) -> Result<Scalar<'a>, Unusual> {
        match self.peek()? {
            b'"' => self.text().map(Scalar::Text),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => Err(Unusual),
        }
    }

    fn word(&mut self, word: &str) -> Result<Scalar<'a>, Unusual> {
        if !self
            .text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word))
        {
            return Err(Unusual);
        }
        self.at += word.len();
        Ok(Scalar::Word)
    }

    /// How many digits stand here; takes them.
    fn digits(&mut self) -> usize {
        let from = self.at;
        while self.bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - from
    }

    fn next_is(&self, bytes: &[u8]) -> bool {
        self.bytes().get(self.at).is_some_and(|byte| bytes.contains(byte))
    }

    fn number(&mut self) -> Result<Scalar<'a>, Unusual> {
        let from = self.at;
        self.at += usize::from(self.next_is(b"-"));
        let is_nought_first = self.next_is(b"0");
        let whole = self.digits();
        if whole == 0 || is_nought_first && whole > 1 {
            return Err(Unusual);
        }
        let mut is_whole = true;
        if self.next_is(b".") {
            self.at += 1;
            is_whole = false;
            if self.digits() == 0 {
                return Err(Unusual);
            }
        }
        if self.next_is(b"eE") {
            self.at += 1;
            is_whole = false;
            self.at += usize::from(self.next_is(b"+-"));
            if self.digits() == 0 {
                return Err(Unusual);
            }
        }
        let text = self.text.get(from..self.at).ok_or(Unusual)?;
        if is_whole {
            return match text.parse::<i64>() {
                // "-0" is a nought with a sign, which only a float keeps.
                Ok(0) if text.len() > 1 => Err(Unusual),
                Ok(number) => Ok(Scalar::Whole(number)),
                Err(_) => Err(Unusual),
            };
        }
        let number = text.parse::<f64>().map_err(|_| Unusual)?;
        if number.is_finite() {
            Ok(Scalar::Float(number))
        } else {
            Err(Unusual)
        }
    }
}

/// The high bit of each byte that is a quote, a backslash or below 0x20. Bytes after the first such one may be marked
/// wrongly, because the subtraction borrows; the first never is.
const fn special(word: u64) -> u64 {
    let quote = word ^ (EACH * 0x22);
    let escape = word ^ (EACH * 0x5c);
    let is_quote = quote.wrapping_sub(EACH) & !quote;
    let is_escape = escape.wrapping_sub(EACH) & !escape;
    let is_control = word.wrapping_sub(EACH * 0x20) & !word;
    (is_quote | is_escape | is_control) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(text: &str) -> Result<Scalar<'_>, Unusual> {
        let mut cursor = Cursor::new(text.as_bytes())?;
        let scalar = cursor.scalar()?;
        cursor.end()?;
        Ok(scalar)
    }

    #[test]
    fn scalars_are_what_the_general_parser_says_or_unusual() {
        let long = format!("\"{}\"", "a text of more than eight bytes, ".repeat(3));
        for text in [
            "0",
            "-1",
            "12345678901234567",
            "1.5",
            "-0.25",
            "1e3",
            "1.5E-7",
            "2e+5",
            "5e-324",
            "0.1",
            "123456.789",
            "\"\"",
            "\"abc\"",
            "\"seven b\"",
            "\"eight by\"",
            "\"nine byte\"",
            &long,
            "\"درود\"",
            " true ",
            "false",
            "null",
        ] {
            let general: serde_json::Value = serde_json::from_str(text).unwrap();
            match scalar(text).unwrap() {
                Scalar::Whole(number) => assert_eq!(general.as_i64(), Some(number), "{text}"),
                Scalar::Float(number) => {
                    assert_eq!(
                        general.as_f64().map(f64::to_bits),
                        Some(number.to_bits()),
                        "{text}"
                    );
                }
                Scalar::Text(words) => assert_eq!(general.as_str(), Some(words)),
                Scalar::Word => assert!(general.is_boolean() || general.is_null()),
            }
        }
        for text in [
            "",
            "-",
            "01",
            "-0",
            "1.",
            ".5",
            "1e",
            "1e999",
            "99999999999999999999",
            "+1",
            "nul",
            "tru",
            "True",
            "[]",
            "{}",
            "\"a",
            "\"a\\n\"",
            "\"a\u{1}b\"",
            "\"long enough to be looked at\\\\\"",
            "1 2",
            "\"\"x",
            "NaN",
        ] {
            assert_eq!(scalar(text), Err(Unusual), "{text}");
        }
    }

    #[test]
    fn a_text_ends_at_its_first_quote_wherever_it_lies() {
        for len in 0..40 {
            for end in ["\"", "\"\"\"\"\"\"\"\"\""] {
                let body: String = "aéb\u{7f}ß!#[".chars().cycle().take(len).collect();
                let text = format!("\"{body}{end}");
                let mut cursor = Cursor::new(text.as_bytes()).unwrap();
                assert_eq!(cursor.text(), Ok(body.as_str()), "{text}");
            }
        }
    }
}
