//! What forecall publishes and reads back: JSON events in CloudEvents 1.0 binary mode, one module an aggregate.
//!
//! The structs here are the contract with the outside: v1 only ever gains fields, a reader takes unknown ones, and the
//! JSON Schemas, the AsyncAPI document and the reference are made from them ([`crate::schema`]). They are mapped from
//! and to `forecall_types` without loss; equal values give equal bytes.
//!
//! ```
//! use forecall_types::{CorrelateEntry, EventTime, Tick};
//! use forecall_wire::event;
//! let tick = CorrelateEntry::Tick(Tick { at: EventTime::from_secs(60) });
//! let encoded = event::encode_correlate_entry(&tick)?;
//! assert_eq!(encoded.value, br#"{"at":"1970-01-01T00:01:00Z"}"#);
//! assert_eq!(event::decode_correlate_entry(&encoded.headers, &encoded.value), Ok(tick));
//! # Ok::<(), event::EncodeError>(())
//! ```

pub mod adjustment;
pub mod anomaly;
pub mod call;
pub mod call_forecast;
mod cloud_event;
mod codec;
pub mod command;
pub mod compensation;
pub mod customer;
mod dead_letter;
mod entry;
pub mod feedback;
pub mod heartbeat_tick;
pub mod incident;
pub mod journey;
mod journey_codec;
pub mod notice;
pub mod paging;
mod payload;
pub mod receipt_reply;
pub mod remedy;
pub mod scalar;
pub mod service;
mod shape;
pub mod summary;
mod topics;

pub use cloud_event::{CloudEvent, EVENT_BYTES_MAX, EncodeError, Encoded};
pub use codec::*;
pub use customer::DirectoryRecord;
pub use dead_letter::{DEAD_LETTER_MARGIN_BYTES, DEAD_LETTER_PREFIX_BYTES, DeadLetter, DeadLetterRead};
pub use entry::{
    decode_correlate_entry, decode_outreach_entry, encode_correlate_entry, encode_outreach_entry,
};
pub use journey::JourneyEvent;
pub use journey_codec::{
    decode_journey_entry, decode_journey_event, encode_journey_entry, encode_journey_event,
};
pub use payload::Payload;
pub(crate) use shape::Shape;
pub use topics::{Cleanup, TOPICS, Topic, TopicId, TopicNames};
