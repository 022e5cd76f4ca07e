//! CloudEvents 1.0 on Kafka, binary mode: attributes as `ce_` headers, the payload alone in the value.

use std::fmt::Write as _;

use forecall_types::{EventTime, Reject, RejectReason};
use serde::Serialize;

use super::Payload;
use super::scalar::Time;

/// An event, with key and headers, is at most 256 KiB: a quarter of a broker's default limit, so that a batch always
/// takes several.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;

const JSON: &str = "application/json";

/// A record ready for a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The record's key; empty where the event itself names none (a tick, a reply): the caller gives the partition, or
    /// sets the key by [`Encoded::with_key`].
    pub key: Vec<u8>,
    /// The record's value.
    pub value: Vec<u8>,
    /// The record's headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Encoded {
    /// The same event under another key.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        self.key = key.as_bytes().to_vec();
        self.headers.retain(|(name, _)| name != "ce_partitionkey");
        self.headers
            .push(("ce_partitionkey".to_owned(), self.key.clone()));
        self
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// Bytes of key, value and headers.
    pub fn len(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(n, v)| n.len() + v.len()).sum();
        self.key.len() + self.value.len() + headers
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why an event can't be written: a bug of whoever made it, or a bound that is reached.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Over [`EVENT_BYTES_MAX`].
    #[error("{event_type} {id} takes {bytes} bytes, more than the {EVENT_BYTES_MAX} an event may have")]
    TooLarge {
        /// Its type.
        event_type: String,
        /// Its id.
        id: String,
        /// Its size.
        bytes: usize,
    },
    /// A value that JSON or the contract doesn't have: a number that is NaN or infinite, a negative offset.
    #[error("{event_type} {id} holds a value that can't be written")]
    Value {
        /// Its type.
        event_type: String,
        /// Its id.
        id: String,
        /// Which.
        #[source]
        source: serde_json::Error,
    },
}

/// The attributes of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    /// `<aggregate id>/<revision>`: the idempotency key. Drop what has been seen.
    pub id: String,
    /// `forecall/<domain>`, percent-encoded where needed.
    pub source: String,
    /// Such as `forecall.incident.predicted.v1`.
    pub event_type: String,
    /// Event time of the revision, RFC 3339.
    pub time: Option<String>,
    /// Id of the aggregate.
    pub subject: Option<String>,
    /// URI of the JSON Schema.
    pub dataschema: Option<String>,
    /// The record's key.
    pub partitionkey: Option<String>,
}

impl CloudEvent {
    /// An event of one revision of an aggregate.
    pub(crate) fn new(event_type: String, subject: &str, revision: &str, domain: Option<&str>) -> Self {
        let dataschema = Payload::of_event_type(&event_type).map(Payload::schema_uri);
        Self {
            id: format!("{subject}/{revision}"),
            source: domain.map_or_else(|| "forecall".to_owned(), source_of),
            event_type,
            time: None,
            subject: Some(subject.to_owned()),
            dataschema,
            partitionkey: None,
        }
    }

    /// With its time.
    pub(crate) fn at(mut self, at: EventTime) -> Self {
        self.time = Some(Time::of(at).as_str().to_owned());
        self
    }

    /// With the record's key.
    pub(crate) fn keyed(mut self, key: &str) -> Self {
        self.partitionkey = Some(key.to_owned());
        self
    }

    /// The headers, in a fixed order.
    pub(crate) fn headers(&self, content_type: &str) -> Vec<(String, Vec<u8>)> {
        let optional = [
            ("ce_time", &self.time),
            ("ce_subject", &self.subject),
            ("ce_dataschema", &self.dataschema),
            ("ce_partitionkey", &self.partitionkey),
        ];
        let needed = [
            ("ce_specversion", "1.0"),
            ("ce_id", self.id.as_str()),
            ("ce_source", self.source.as_str()),
            ("ce_type", self.event_type.as_str()),
        ];
        needed
            .into_iter()
            .chain(optional.into_iter().filter_map(|(n, v)| Some((n, v.as_deref()?))))
            .chain([("content-type", content_type)])
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .collect()
    }

    /// Reads the attributes from a record's headers; those of other producers are left alone.
    ///
    /// # Errors
    /// A needed attribute is missing or isn't UTF-8, or it is no CloudEvents 1.0.
    pub fn from_headers<N: AsRef<str>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Result<Self, Reject> {
        let text = |name: &str| -> Result<Option<String>, Reject> {
            header(headers, name)
                .map(|bytes| {
                    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| {
                        Reject::new(RejectReason::Malformed, format!("header {name} is not UTF-8"))
                    })
                })
                .transpose()
        };
        let needed = |name: &str| {
            text(name)?
                .filter(|t| !t.is_empty())
                .ok_or_else(|| Reject::new(RejectReason::MissingField, format!("header {name}")))
        };
        if needed("ce_specversion")? != "1.0" {
            return Err(Reject::new(
                RejectReason::UnknownFormat,
                "ce_specversion is not 1.0",
            ));
        }
        Ok(Self {
            id: needed("ce_id")?,
            source: needed("ce_source")?,
            event_type: needed("ce_type")?,
            time: text("ce_time")?,
            subject: text("ce_subject")?,
            dataschema: text("ce_dataschema")?,
            partitionkey: text("ce_partitionkey")?,
        })
    }

    /// The payload its type promises.
    ///
    /// # Errors
    /// The type is none of forecall's.
    pub fn payload(&self) -> Result<Payload, Reject> {
        Payload::of_event_type(&self.event_type)
            .ok_or_else(|| Reject::new(RejectReason::UnknownFormat, "ce_type is not known"))
    }

    /// Writes the event with its payload as JSON.
    pub(crate) fn encode<T: Serialize>(self, shape: &T) -> Result<Encoded, EncodeError> {
        let value = serde_json::to_vec(shape).map_err(|source| EncodeError::Value {
            event_type: self.event_type.clone(),
            id: self.id.clone(),
            source,
        })?;
        let encoded = Encoded {
            key: self.partitionkey.clone().unwrap_or_default().into_bytes(),
            value,
            headers: self.headers(JSON),
        };
        if encoded.len() > EVENT_BYTES_MAX {
            return Err(EncodeError::TooLarge {
                bytes: encoded.len(),
                event_type: self.event_type,
                id: self.id,
            });
        }
        Ok(encoded)
    }
}

/// The bytes of the first header of this name.
pub(crate) fn header<'a, N: AsRef<str>, V: AsRef<[u8]>>(
    headers: &'a [(N, V)],
    name: &str,
) -> Option<&'a [u8]> {
    headers
        .iter()
        .find(|(n, _)| n.as_ref() == name)
        .map(|(_, v)| v.as_ref())
}

/// `forecall/<domain>` as a URI reference: all but the unreserved characters of RFC 3986 percent-encoded.
fn source_of(domain: &str) -> String {
    let mut source = String::from("forecall/");
    for byte in domain.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            source.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(source, "%{byte:02X}");
        }
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_uri_reference() {
        assert_eq!(source_of("isp-1"), "forecall/isp-1");
        assert_eq!(source_of("a b/ت"), "forecall/a%20b%2F%D8%AA");
    }

    #[test]
    fn a_record_that_is_no_cloud_event_is_refused() {
        let check = |headers: &[(&str, &[u8])], want: RejectReason| {
            assert_eq!(CloudEvent::from_headers(headers).map_err(|r| r.reason), Err(want));
        };
        check(&[], RejectReason::MissingField);
        check(&[("ce_specversion", b"0.3")], RejectReason::UnknownFormat);
        check(&[("ce_specversion", b"\xff")], RejectReason::Malformed);
        check(
            &[("ce_specversion", b"1.0"), ("ce_id", b"")],
            RejectReason::MissingField,
        );
    }

    #[test]
    fn another_key_is_also_the_partition_key() {
        let event = CloudEvent::new("forecall.tick.v1".to_owned(), "tick", "1", None);
        let encoded = event.encode(&1).unwrap().with_key("a").with_key("b");
        assert_eq!(
            (encoded.key.as_slice(), encoded.header("ce_partitionkey")),
            (&b"b"[..], Some("b"))
        );
    }
}
