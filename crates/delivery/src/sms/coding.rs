//! Alphabets and parts of a text message (3GPP TS 23.038, 23.040 §9.2.3.24.1).

/// The basic table of the GSM 7-bit alphabet: the place is the septet. Place 27 leads to the extension.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const ESCAPE: u8 = 0x1b;
/// Its extension: each takes an escape and this septet.
const EXTENSION: [(char, u8); 10] = [
    ('\u{c}', 0x0a),
    ('^', 0x14),
    ('{', 0x28),
    ('}', 0x29),
    ('\\', 0x2f),
    ('[', 0x3c),
    ('~', 0x3d),
    (']', 0x3e),
    ('|', 0x40),
    ('€', 0x65),
];

/// The number of a part is one byte.
const PARTS_MAX: usize = 255;

/// How characters become octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// GSM 7-bit, one septet an octet, as SMPP carries it (`data_coding` 0).
    Gsm7,
    /// UTF-16, big end first (`data_coding` 8); what the standard calls UCS-2.
    Ucs2,
}

impl Alphabet {
    /// The alphabet a text goes in: GSM 7-bit if it holds all of it, for it is twice as dense.
    pub fn of(text: &str) -> Self {
        if text.chars().all(|c| septets(c).is_some()) {
            Self::Gsm7
        } else {
            Self::Ucs2
        }
    }

    /// SMPP's number of it (3.4 §5.2.19).
    pub const fn data_coding(self) -> u8 {
        match self {
            Self::Gsm7 => 0,
            Self::Ucs2 => 8,
        }
    }

    /// Octets of one message, and of each part of several beside its six octets of header.
    const fn room(self) -> (usize, usize) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (140, 134),
        }
    }

    /// A character's octets: never parted, so that neither an escape nor a surrogate stands alone at a part's end.
    fn octets(self, c: char) -> Vec<u8> {
        match self {
            Self::Gsm7 => septets(c).unwrap_or_default(),
            Self::Ucs2 => {
                let mut units = [0; 2];
                c.encode_utf16(&mut units)
                    .iter()
                    .flat_map(|unit| unit.to_be_bytes())
                    .collect()
            }
        }
    }
}

fn septets(c: char) -> Option<Vec<u8>> {
    if let Some((_, septet)) = EXTENSION.iter().find(|(of, _)| *of == c) {
        return Some(vec![ESCAPE, *septet]);
    }
    let place = BASIC.chars().position(|of| of == c)?;
    u8::try_from(place)
        .ok()
        .filter(|septet| *septet != ESCAPE)
        .map(|septet| vec![septet])
}

/// One part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which, from 1.
    pub number: u8,
    /// Of how many.
    pub of: u8,
    /// Its text, without header.
    pub octets: Vec<u8>,
}

impl Part {
    /// What is sent: with several parts, the header that joins them (8-bit reference: six octets) and the text.
    pub fn user_data(&self, reference: u8) -> Vec<u8> {
        if self.of == 1 {
            return self.octets.clone();
        }
        let mut data = vec![5, 0, 3, reference, self.of, self.number];
        data.extend(&self.octets);
        data
    }
}

/// A text that no 255 parts hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text takes more than 255 parts")]
pub struct TooLong;

/// A text in parts: 160 septets or 70 UTF-16 units in one, 153 or 67 in each of several. A character is never parted, so that a
/// part may stay one short.
///
/// # Errors
/// [`TooLong`].
pub fn parts(text: &str) -> Result<(Alphabet, Vec<Part>), TooLong> {
    let alphabet = Alphabet::of(text);
    let characters: Vec<Vec<u8>> = text.chars().map(|c| alphabet.octets(c)).collect();
    let (one, each) = alphabet.room();
    let all: usize = characters.iter().map(Vec::len).sum();
    let room = if all <= one { one } else { each };
    let mut bodies = vec![Vec::new()];
    for octets in characters {
        if bodies
            .last()
            .is_some_and(|body: &Vec<u8>| body.len() + octets.len() > room)
        {
            bodies.push(Vec::new());
        }
        if let Some(body) = bodies.last_mut() {
            body.extend(octets);
        }
    }
    let of = u8::try_from(bodies.len().min(PARTS_MAX + 1)).map_err(|_| TooLong)?;
    let parts = (1..=of)
        .zip(bodies)
        .map(|(number, octets)| Part { number, of, octets })
        .collect();
    Ok((alphabet, parts))
}

/// The text of unpacked septets. What no table holds becomes U+FFFD.
pub fn decode_gsm7(octets: &[u8]) -> String {
    let mut text = String::new();
    let mut octets = octets.iter();
    while let Some(octet) = octets.next() {
        let c = if *octet == ESCAPE {
            octets
                .next()
                .and_then(|next| EXTENSION.iter().find(|(_, s)| s == next))
                .map(|(c, _)| *c)
        } else {
            BASIC.chars().nth(usize::from(*octet))
        };
        text.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(alphabet: Alphabet, parts: &[Part]) -> String {
        let octets: Vec<u8> = parts.iter().flat_map(|part| part.octets.clone()).collect();
        match alphabet {
            Alphabet::Gsm7 => decode_gsm7(&octets),
            Alphabet::Ucs2 => {
                let units: Vec<u16> = octets
                    .chunks(2)
                    .map(|pair| u16::from_be_bytes(pair.try_into().unwrap()))
                    .collect();
                String::from_utf16(&units).unwrap()
            }
        }
    }

    #[test]
    fn parts_by_alphabet_and_length() {
        for (text, alphabet, sizes) in [
            (String::new(), Alphabet::Gsm7, vec![0]),
            ("a".repeat(160), Alphabet::Gsm7, vec![160]),
            ("a".repeat(161), Alphabet::Gsm7, vec![153, 8]),
            ("a".repeat(307), Alphabet::Gsm7, vec![153, 153, 1]),
            // An escape and its septet stay together: the part ends one short.
            (
                format!("{}€{}", "a".repeat(152), "b".repeat(20)),
                Alphabet::Gsm7,
                vec![152, 22],
            ),
            ("€".repeat(80), Alphabet::Gsm7, vec![160]),
            ("€".repeat(81), Alphabet::Gsm7, vec![152, 10]),
            ("س".repeat(70), Alphabet::Ucs2, vec![140]),
            ("س".repeat(71), Alphabet::Ucs2, vec![134, 8]),
            ("س".repeat(135), Alphabet::Ucs2, vec![134, 134, 2]),
            // A character of two units stays whole.
            (
                format!("{}🙂{}", "س".repeat(66), "س".repeat(10)),
                Alphabet::Ucs2,
                vec![132, 24],
            ),
            ("it’s".into(), Alphabet::Ucs2, vec![8]),
        ] {
            let (found, parts) = parts(&text).unwrap();
            assert_eq!(found, alphabet, "{text}");
            assert_eq!(
                parts.iter().map(|p| p.octets.len()).collect::<Vec<_>>(),
                sizes,
                "{text}"
            );
            assert_eq!(text_of(alphabet, &parts), text);
            for (i, part) in parts.iter().enumerate() {
                assert_eq!(
                    (usize::from(part.number), usize::from(part.of)),
                    (i + 1, parts.len())
                );
                assert!(part.user_data(7).len() <= if alphabet == Alphabet::Gsm7 { 160 } else { 140 });
            }
        }
    }

    #[test]
    fn the_whole_table_goes_there_and_back() {
        let all: String = BASIC
            .chars()
            .filter(|c| *c != '\u{1b}')
            .chain(EXTENSION.map(|(c, _)| c))
            .collect();
        assert_eq!((BASIC.chars().count(), Alphabet::of(&all)), (128, Alphabet::Gsm7));
        let (alphabet, parts) = parts(&all).unwrap();
        assert_eq!(text_of(alphabet, &parts), all);
        // Three places that are easily wrong.
        assert_eq!(
            [septets('@'), septets('à'), septets('€')],
            [Some(vec![0]), Some(vec![0x7f]), Some(vec![0x1b, 0x65])]
        );
        assert_eq!(Alphabet::of("`"), Alphabet::Ucs2);
    }

    #[test]
    fn the_header_joins_parts() {
        let (_, parts) = parts(&"س".repeat(71)).unwrap();
        let data = parts[1].user_data(0xab);
        assert_eq!(data[..6], [5, 0, 3, 0xab, 2, 2]);
    }

    #[test]
    fn a_text_beyond_255_parts_is_refused() {
        assert!(parts(&"a".repeat(153 * 255)).is_ok());
        assert_eq!(parts(&"a".repeat(153 * 255 + 1)), Err(TooLong));
    }
}
