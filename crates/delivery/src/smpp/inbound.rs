//! What a message centre brings: receipts, and what subscribers have written.

use std::time::Duration;

use forecall_ledger::{Fate, Incoming, LaterWord, Secret, WORDS_KEPT, Words};
use forecall_types::{ContactChannel, EventTime, Fingerprint, ReplyKind};
use rusmpp_core::pdus::owned::DeliverSm;
use rusmpp_core::tlvs::owned::TlvValue;

use crate::sms::{ReceiptText, Verdict, decode_gsm7, international};

/// Bits of `esm_class` (3.4 §5.2.12).
const TYPE_BITS: u8 = 0b0011_1100;
const IS_RECEIPT: u8 = 0b0000_0100;
const IS_PROGRESS: u8 = 0b0010_0000;
const HAS_HEADER: u8 = 0b0100_0000;

/// Of `data_coding` (3.4 §5.2.19).
const ASCII: u8 = 1;

/// The same words of the same person within it are one message that was brought twice, where the centre gives them no name.
const TWICE_WITHIN: Duration = Duration::from_secs(60);
/// So long after a line was bound a centre still brings what it has no yes for from the line before …
const JUST_BOUND: Duration = Duration::from_secs(120);
/// … which is at most so old: then the same words are the same message.
const LOST_WITHIN: Duration = Duration::from_secs(3_600);

/// When something came, and on what line.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    pub(super) now: EventTime,
    /// When the line was bound.
    pub(super) bound_at: EventTime,
}

/// Reads one. `None`: nothing for us (a later part of a long message, a word from a service's own number).
pub(super) fn read(pdu: &DeliverSm, country_code: &str, when: When) -> Option<Incoming> {
    let class = u8::from(pdu.esm_class);
    let mut body: &[u8] = pdu.short_message().as_ref();
    let (mut named, mut state, mut reference) = (None, None, None);
    let (mut segment, mut segments) = (1, 1);
    for tlv in pdu.tlvs() {
        match tlv.value() {
            Some(TlvValue::MessagePayload(payload)) => body = payload.value.as_ref(),
            Some(TlvValue::ReceiptedMessageId(id)) => named = Some(id.as_str().to_owned()),
            Some(TlvValue::MessageState(found)) => state = Some(u8::from(*found)),
            Some(TlvValue::UserMessageReference(found)) => reference = Some(found.value),
            Some(TlvValue::SarSegmentSeqnum(found)) => segment = *found,
            Some(TlvValue::SarTotalSegments(found)) => segments = *found,
            _ => {}
        }
    }
    let address = international(pdu.source_addr.as_str(), country_code);
    let kind = class & TYPE_BITS;
    // The default alphabet means ASCII in receipts, whatever it is for people's texts: names hold underscores.
    let coding = u8::from(pdu.data_coding);
    let as_receipt = || ReceiptText::read(&text_of(if coding == 0 { ASCII } else { coding }, body));
    // Some centres name what people write as well: a name alone makes no receipt.
    if kind == IS_RECEIPT
        || kind == IS_PROGRESS
        || named.is_some() && (state.is_some() || as_receipt().is_some())
    {
        let text = as_receipt();
        let verdict = match (state, &text) {
            (Some(state), _) => Verdict::of_state(state),
            (None, Some(text)) => text.verdict,
            (None, None) => Verdict::Pending,
        };
        return Some(Incoming::Receipt(LaterWord {
            channel: ContactChannel::Sms,
            provider_ref: named.or(text.map(|text| text.id)),
            reference,
            address: address.map(Secret::new),
            fate: match verdict {
                Verdict::Delivered => Fate::Delivered,
                Verdict::Failed(reason) => Fate::Failed(reason),
                Verdict::Pending => Fate::Taken,
            },
        }));
    }
    let address = address?;
    if class & HAS_HEADER != 0 {
        let (header, text) = body.split_at_checked(usize::from(*body.first()?) + 1)?;
        body = text;
        if let Some((number, of)) = part_of(header.get(1..)?) {
            (segment, segments) = (number, of);
        }
    }
    let text = text_of(coding, body);
    // The first part stands for the whole: what is so long is no keyword.
    let kind = match (segment, segments) {
        (_, 0 | 1) => ReplyKind::of_words(&text),
        (1, _) => ReplyKind::Other,
        _ => return None,
    };
    let name = named.as_deref().unwrap_or_default();
    let mark = Fingerprint::of_parts(&[address.as_bytes(), text.as_bytes(), name.as_bytes()]);
    let same_within = if !name.is_empty() {
        WORDS_KEPT
    } else if when.now.since(when.bound_at) <= JUST_BOUND {
        LOST_WITHIN
    } else {
        TWICE_WITHIN
    };
    Some(Incoming::Words(Words {
        channel: ContactChannel::Sms,
        address: Secret::new(address),
        kind,
        mark: mark.as_u128(),
        same_within,
    }))
}

/// Number and count of a part, from the elements of a header (23.040 §9.2.3.24): 8-bit or 16-bit reference.
fn part_of(mut elements: &[u8]) -> Option<(u8, u8)> {
    while let [id, length, rest @ ..] = elements {
        let (value, after) = rest.split_at_checked(usize::from(*length))?;
        match (id, value) {
            (0, [_, of, number]) | (8, [_, _, of, number]) => return Some((*number, *of)),
            _ => elements = after,
        }
    }
    None
}

/// How octets are to be read.
enum Reading {
    Gsm7,
    /// One octet a character; those beyond ASCII are no letters of keywords.
    Octets,
    Ucs2,
    /// Compressed, or kept for later.
    Nothing,
}

/// By `data_coding`: the table of SMPP (3.4 §5.2.19) below 0x10, that of the networks (3GPP TS 23.038 §4) above, where phones say
/// with what class a message is shown.
const fn reading(coding: u8) -> Reading {
    match coding {
        0 => Reading::Gsm7,
        8 => Reading::Ucs2,
        // ASCII, Latin, Cyrillic, Hebrew, Japanese and Korean sets hold ASCII; phones send words as "binary", too.
        0x01..=0x0f => Reading::Octets,
        // General, and with automatic deletion: a bit for compression, two for the alphabet.
        0x10..=0x7f => match coding & 0b0010_1100 {
            0b0000_0000 => Reading::Gsm7,
            0b0000_0100 => Reading::Octets,
            0b0000_1000 => Reading::Ucs2,
            _ => Reading::Nothing,
        },
        // Signs that something waits: discarded, stored, stored in UCS-2.
        0xc0..=0xdf => Reading::Gsm7,
        0xe0..=0xef => Reading::Ucs2,
        // With a class: a bit for the alphabet.
        0xf0..=0xff if coding & 0b0000_0100 == 0 => Reading::Gsm7,
        0xf0..=0xff => Reading::Octets,
        0x80..=0xbf => Reading::Nothing,
    }
}

/// Octets as text, by `data_coding`. What isn't text is none.
fn text_of(coding: u8, octets: &[u8]) -> String {
    match reading(coding) {
        Reading::Gsm7 => decode_gsm7(octets),
        Reading::Octets => octets.iter().map(|octet| char::from(*octet)).collect(),
        Reading::Ucs2 => {
            let units = octets.chunks_exact(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            char::decode_utf16(units)
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        Reading::Nothing => String::new(),
    }
}
