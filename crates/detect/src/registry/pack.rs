//! Names and labels as one run of bytes.

use forecall_types::{Labels, LabelsView};

pub(super) fn pack(out: &mut Vec<u8>, text: &str) {
    let mut len = text.len();
    while len >= 0x80 {
        out.push(u8::try_from(len & 0x7f).unwrap_or(0) | 0x80);
        len >>= 7;
    }
    out.push(u8::try_from(len).unwrap_or(0));
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn unpack<'t>(text: &mut &'t [u8]) -> Option<&'t str> {
    let (mut len, mut shift) = (0_usize, 0);
    loop {
        let (byte, rest) = text.split_first()?;
        *text = rest;
        len |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    let (taken, rest) = text.split_at_checked(len)?;
    *text = rest;
    std::str::from_utf8(taken).ok()
}

pub(super) fn pack_labels(out: &mut Vec<u8>, labels: LabelsView<'_>) {
    for (name, value) in labels {
        pack(out, name);
        pack(out, value);
    }
}

pub(super) fn unpack_labels(mut text: &[u8]) -> Labels {
    Labels::from_pairs(std::iter::from_fn(|| {
        Some((unpack(&mut text)?, unpack(&mut text)?))
    }))
}
