//! What a message centre brings: receipts, and what subscribers have written.

use forecall_ledger::{Fate, Incoming, LaterWord, Secret, Words};
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

/// The same words of the same person within it are one message that was brought twice.
const TWICE_WITHIN_SECONDS: i64 = 60;

/// Reads one. `None`: nothing for us (a later part of a long message, a word from a service's own number).
pub(super) fn read(pdu: &DeliverSm, country_code: &str, now: EventTime) -> Option<Incoming> {
    let class = u8::from(pdu.esm_class);
    let mut body: &[u8] = pdu.short_message().as_ref();
    let (mut named, mut state, mut reference) = (None, None, None);
    for tlv in pdu.tlvs() {
        match tlv.value() {
            Some(TlvValue::MessagePayload(payload)) => body = payload.value.as_ref(),
            Some(TlvValue::ReceiptedMessageId(id)) => named = Some(id.as_str().to_owned()),
            Some(TlvValue::MessageState(found)) => state = Some(u8::from(*found)),
            Some(TlvValue::UserMessageReference(found)) => reference = Some(found.value),
            _ => {}
        }
    }
    let address = international(pdu.source_addr.as_str(), country_code);
    let kind = class & TYPE_BITS;
    if kind == IS_RECEIPT || kind == IS_PROGRESS || named.is_some() {
        // The default alphabet means ASCII here, whatever it is for people's texts: names hold underscores.
        let coding = u8::from(pdu.data_coding);
        let text = ReceiptText::read(&text_of(if coding == 0 { ASCII } else { coding }, body));
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
    let mut kind = None;
    if class & HAS_HEADER != 0 {
        let (header, text) = body.split_at_checked(usize::from(*body.first()?) + 1)?;
        body = text;
        match part_of(header.get(1..)?) {
            // Its first part stands for the whole: what is so long is no keyword.
            Some((1, of)) if of > 1 => kind = Some(ReplyKind::Other),
            Some((_, of)) if of > 1 => return None,
            _ => {}
        }
    }
    let text = text_of(u8::from(pdu.data_coding), body);
    let minute = now.secs().div_euclid(TWICE_WITHIN_SECONDS);
    let mark = Fingerprint::of_parts(&[address.as_bytes(), text.as_bytes(), &minute.to_le_bytes()]).as_u128();
    Some(Incoming::Words(Words {
        channel: ContactChannel::Sms,
        address: Secret::new(address),
        kind: kind.unwrap_or_else(|| ReplyKind::of_words(&text)),
        mark,
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

/// Octets as text, by `data_coding`. What isn't text is none.
fn text_of(coding: u8, octets: &[u8]) -> String {
    match coding {
        0 => decode_gsm7(octets),
        1 | 3 => octets.iter().map(|octet| char::from(*octet)).collect(),
        8 => {
            let units = octets.chunks_exact(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            char::decode_utf16(units)
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        _ => String::new(),
    }
}
