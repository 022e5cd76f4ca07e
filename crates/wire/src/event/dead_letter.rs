//! Dead letters: what could not be taken, with the reason, where it stood, and its bytes, unless they may be personal.

use std::fmt::Write as _;

use forecall_types::{EventTime, Position, Reject, RejectReason};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::cloud_event::header;
use super::{CloudEvent, Encoded, Payload};

/// A record is kept whole up to this much over its source's own limit: a record refused as too large by a little can
/// still be looked at whole.
pub const DEAD_LETTER_MARGIN_BYTES: usize = 64 * 1024;
/// What is kept of a longer one: enough to see what it is.
pub const DEAD_LETTER_PREFIX_BYTES: usize = 64 * 1024;
/// Bytes of original headers kept: tracing and schema headers of the field stay far below.
const HEADERS_BYTES_MAX: usize = 16 * 1024;
/// Bytes of the original key kept.
const KEY_BYTES_MAX: usize = 4 * 1024;
/// Bytes of the detail kept.
const DETAIL_BYTES_MAX: usize = 1024;
const ORIGINAL: &str = "original_";

/// A record that could not be taken.
#[derive(Debug, Clone)]
pub struct DeadLetter<'a> {
    /// Why. The detail holds none of the record's bytes.
    pub reject: &'a Reject,
    /// Where it stands.
    pub position: &'a Position,
    /// When the broker took it.
    pub appended_at: EventTime,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers, in order.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The limit on a record's bytes that its source has.
    pub record_bytes_max: usize,
    /// For a personal source the key of the HMAC: value, key and headers are left out then.
    pub personal: Option<&'a [u8]>,
}

impl DeadLetter<'_> {
    /// The record for `forecall.dead-letters.v1`: key is the source topic.
    pub fn encode(&self) -> Encoded {
        let Position {
            topic,
            partition,
            offset,
        } = self.position;
        let event = CloudEvent {
            // Its headers have a schema, its value (the original's bytes) has none.
            dataschema: None,
            source: "forecall".to_owned(),
            ..CloudEvent::new(
                "forecall.dead-letter.v1".to_owned(),
                &format!("{topic}/{partition}/{offset}"),
                "1",
                None,
            )
        }
        .at(self.appended_at)
        .keyed(topic);
        let mut headers = event.headers("application/octet-stream");
        let mut put = |name: &str, value: &[u8]| headers.push((name.to_owned(), value.to_vec()));
        put("forecall_reason", self.reject.reason.as_str().as_bytes());
        put(
            "forecall_detail",
            shortened(&self.reject.detail, DETAIL_BYTES_MAX).as_bytes(),
        );
        put("forecall_source_topic", topic.as_bytes());
        put("forecall_source_partition", partition.to_string().as_bytes());
        put("forecall_source_offset", offset.to_string().as_bytes());
        let personal = if self.personal.is_some() { "true" } else { "false" };
        put("forecall_personal", personal.as_bytes());
        if let Some(value) = self.value {
            put("forecall_original_length", value.len().to_string().as_bytes());
            put("forecall_original_hash", self.hash(value).as_bytes());
        }
        let value = self.kept();
        if value.len() < self.value.map_or(0, <[u8]>::len) {
            put("forecall_original_cut", b"true");
        }
        self.put_original(&mut headers);
        Encoded {
            key: topic.as_bytes().to_vec(),
            value: value.to_vec(),
            headers,
        }
    }

    fn kept(&self) -> &[u8] {
        let value = self.value.unwrap_or_default();
        if self.personal.is_some() {
            &[]
        } else if value.len() <= self.record_bytes_max.saturating_add(DEAD_LETTER_MARGIN_BYTES) {
            value
        } else {
            value.get(..DEAD_LETTER_PREFIX_BYTES).unwrap_or(value)
        }
    }

    fn put_original(&self, headers: &mut Vec<(String, Vec<u8>)>) {
        if self.personal.is_some() {
            return;
        }
        if let Some(key) = self.key {
            let kept = key.get(..KEY_BYTES_MAX).unwrap_or(key);
            headers.push(("forecall_original_key".to_owned(), kept.to_vec()));
        }
        let mut bytes = 0_usize;
        let mut dropped = 0_usize;
        for (name, value) in self.headers {
            bytes = bytes.saturating_add(name.len() + value.len());
            if bytes <= HEADERS_BYTES_MAX {
                headers.push((format!("{ORIGINAL}{name}"), value.to_vec()));
            } else {
                dropped += 1;
            }
        }
        if dropped > 0 {
            headers.push((
                "forecall_original_headers_dropped".to_owned(),
                dropped.to_string().into_bytes(),
            ));
        }
    }

    /// SHA-256, or for a personal source HMAC-SHA-256: a plain hash of a phone number can be looked up in a table.
    fn hash(&self, value: &[u8]) -> String {
        match self.personal {
            None => hex(&Sha256::digest(value)),
            Some(key) => {
                // HMAC takes a key of any length (RFC 2104, section 2).
                #[allow(
                    clippy::expect_used,
                    reason = "the only error is a key length, which HMAC doesn't have"
                )]
                let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
                mac.update(value);
                hex(&mac.finalize().into_bytes())
            }
        }
    }
}

/// A dead letter as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRead {
    /// Why.
    pub reject: Reject,
    /// Where it stood.
    pub position: Position,
    /// Whether bytes, key and headers were left out because the source is personal.
    pub personal: bool,
    /// Bytes of the original value; `None` was a tombstone.
    pub original_length: Option<u64>,
    /// SHA-256 of the original value in hex; HMAC-SHA-256 for a personal source.
    pub original_hash: Option<String>,
    /// Whether the bytes are only the beginning.
    pub cut: bool,
    /// The original bytes, or their beginning.
    pub bytes: Vec<u8>,
    /// The original key.
    pub key: Option<Vec<u8>>,
    /// The original headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl DeadLetterRead {
    /// Reads a record of `forecall.dead-letters.v1`.
    ///
    /// # Errors
    /// It isn't one, or a header is missing or unreadable.
    pub fn decode<N: AsRef<str>, V: AsRef<[u8]>>(headers: &[(N, V)], value: &[u8]) -> Result<Self, Reject> {
        if CloudEvent::from_headers(headers)?.payload()? != Payload::DeadLetter {
            return Err(Reject::new(
                RejectReason::UnknownFormat,
                "ce_type is not a dead letter",
            ));
        }
        let optional = |name: &str| header(headers, name).and_then(|v| std::str::from_utf8(v).ok());
        let needed = |name: &str| {
            optional(name).ok_or_else(|| Reject::new(RejectReason::MissingField, format!("header {name}")))
        };
        let bad = |name: &str| Reject::new(RejectReason::BadValue, format!("header {name}"));
        let reason = needed("forecall_reason")?;
        let reason = RejectReason::ALL
            .into_iter()
            .find(|r| r.as_str() == reason)
            .ok_or_else(|| bad("forecall_reason"))?;
        let original_length = optional("forecall_original_length")
            .map(|text| text.parse().map_err(|_| bad("forecall_original_length")))
            .transpose()?;
        let originals = headers.iter().filter_map(|(name, value)| {
            let name = name.as_ref().strip_prefix(ORIGINAL)?;
            Some((name.to_owned(), value.as_ref().to_vec()))
        });
        Ok(Self {
            reject: Reject::new(reason, needed("forecall_detail")?),
            position: Position {
                topic: needed("forecall_source_topic")?.into(),
                partition: needed("forecall_source_partition")?
                    .parse()
                    .map_err(|_| bad("forecall_source_partition"))?,
                offset: needed("forecall_source_offset")?
                    .parse()
                    .map_err(|_| bad("forecall_source_offset"))?,
            },
            personal: needed("forecall_personal")? == "true",
            original_length,
            original_hash: optional("forecall_original_hash").map(str::to_owned),
            cut: optional("forecall_original_cut") == Some("true"),
            bytes: value.to_vec(),
            key: header(headers, "forecall_original_key").map(<[u8]>::to_vec),
            headers: originals.collect(),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn shortened(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
