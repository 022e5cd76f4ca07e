//! Just as much of SMPP 3.4 as a fake message centre needs: frames are cut and made by hand, so that what is measured isn't the fake.

pub(crate) const BIND_TRANSCEIVER: u32 = 0x09;
pub(crate) const SUBMIT_SM: u32 = 0x04;
pub(crate) const DELIVER_SM: u32 = 0x05;
pub(crate) const UNBIND: u32 = 0x06;
pub(crate) const ENQUIRE_LINK: u32 = 0x15;
pub(crate) const ANSWER: u32 = 0x8000_0000;
const USER_MESSAGE_REFERENCE: u16 = 0x0204;

/// One frame.
pub(crate) struct Frame<'a> {
    pub(crate) id: u32,
    pub(crate) status: u32,
    pub(crate) sequence: u32,
    pub(crate) body: &'a [u8],
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The first frame of what was read, and its length.
pub(crate) fn cut(read: &[u8]) -> Option<(Frame<'_>, usize)> {
    let length = usize::try_from(number(read, 0)?).ok()?;
    let frame = Frame {
        id: number(read, 4)?,
        status: number(read, 8)?,
        sequence: number(read, 12)?,
        body: read.get(16..length)?,
    };
    Some((frame, length))
}

/// Puts a frame behind what is to be written.
pub(crate) fn put(out: &mut Vec<u8>, id: u32, status: u32, sequence: u32, body: &[u8]) {
    let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    for number in [length, id, status, sequence] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(body);
}

/// What a fake wants to know of a part that is submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Submitted {
    pub(crate) from: String,
    pub(crate) to: String,
    /// The client's reference.
    pub(crate) reference: Option<u16>,
}

/// Takes one text that ends with a zero.
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.iter().position(|byte| *byte == 0)?;
    let (text, after) = rest.split_at(end);
    *rest = after.get(1..)?;
    std::str::from_utf8(text).ok()
}

/// Reads `submit_sm` (3.4 §4.4.1).
pub(crate) fn submitted(body: &[u8]) -> Option<Submitted> {
    let mut rest = body;
    text(&mut rest)?;
    rest = rest.get(2..)?;
    let from = text(&mut rest)?.to_owned();
    rest = rest.get(2..)?;
    let to = text(&mut rest)?.to_owned();
    // Class, protocol, priority.
    rest = rest.get(3..)?;
    text(&mut rest)?;
    text(&mut rest)?;
    // Receipt, replacing, coding, stock text.
    let length = usize::from(*rest.get(4)?);
    rest = rest.get(5 + length..)?;
    let mut reference = None;
    while let [tag_high, tag_low, length_high, length_low, after @ ..] = rest {
        let tag = u16::from_be_bytes([*tag_high, *tag_low]);
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        let (value, next) = after.split_at_checked(length)?;
        if let (USER_MESSAGE_REFERENCE, [high, low]) = (tag, value) {
            reference = Some(u16::from_be_bytes([*high, *low]));
        }
        rest = next;
    }
    Some(Submitted { from, to, reference })
}

/// A receipt as `deliver_sm` (3.4 §4.6.1).
pub(crate) fn receipt(part: &Submitted, name: &str, echo: bool) -> Vec<u8> {
    let words = format!(
        "id:{name} sub:001 dlvrd:001 submit date:2611290000 done date:2611290001 stat:DELIVRD err:000 text:"
    );
    let mut body = vec![0, 1, 1];
    body.extend_from_slice(part.to.as_bytes());
    body.extend_from_slice(&[0, 0, 1]);
    body.extend_from_slice(part.from.as_bytes());
    // End of the number; class "receipt"; the rest as it is by default.
    body.extend_from_slice(&[0, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
    body.push(u8::try_from(words.len()).unwrap_or(u8::MAX));
    body.extend_from_slice(words.as_bytes());
    if let Some(reference) = part.reference.filter(|_| echo) {
        body.extend_from_slice(&USER_MESSAGE_REFERENCE.to_be_bytes());
        body.extend_from_slice(&[0, 2]);
        body.extend_from_slice(&reference.to_be_bytes());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_read_to_its_last_parameter() {
        let mut body = vec![0, 1, 1];
        body.extend_from_slice(
            b"983000\0\x01\x01989120000042\0\x00\x00\x00\0000000001000000000R\0\x01\x00\x08\x00\x02",
        );
        body.extend_from_slice(&[6, 0x27, 0x02, 0x04, 0, 2, 0x12, 0x34]);
        let part = submitted(&body).unwrap();
        assert_eq!(
            (part.from.as_str(), part.to.as_str(), part.reference),
            ("983000", "989120000042", Some(0x1234))
        );
        assert!(submitted(&body[..20]).is_none());
    }

    #[test]
    fn frames_are_cut_where_they_end() {
        let mut out = Vec::new();
        put(&mut out, SUBMIT_SM, 0, 7, b"abc");
        put(&mut out, ENQUIRE_LINK, 0, 8, b"");
        let (frame, length) = cut(&out).unwrap();
        assert_eq!(
            (frame.id, frame.sequence, frame.body, length),
            (SUBMIT_SM, 7, b"abc".as_slice(), 19)
        );
        assert!(cut(&out[..18]).is_none());
    }
}
