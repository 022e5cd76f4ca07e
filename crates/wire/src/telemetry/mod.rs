//! Telemetry: the bytes of a record on a source topic become points ([`SamplesRecord`](forecall_types::SamplesRecord)) calls ([`CallRecord`](forecall_types::CallRecord)), or
//! what happened to customers ([`CustomerEvent`](forecall_types::CustomerEvent)).
//!
//! One file a format; [`decode`] is the way in. A bad point is refused beside the good ones
//! ([`SampleBatch::reject`](forecall_types::SampleBatch::reject), [`CallBatch::rejects`]); a record of which nothing
//! can be read is a [`Reject`](forecall_types::Reject). No refusal holds bytes of the record.
//!
//! Which labels make the entity ("resource"): OTLP and mappings say so themselves; in flat formats those whose name is
//! a well-known one of a resource (`service.*`, `host.*`, `cloud.*`, `region`, `job` …, see [`is_resource_label`]).

mod amazon_connect;
mod asterisk;
mod calls;
mod collectd;
mod context;
mod customer_events;
mod customer_texts;
mod decode;
mod detect_format;
mod few;
mod flat_json;
mod flat_json_walk;
mod influx;
mod json;
mod json_cursor;
mod mapping;
mod mask;
mod otlp;
mod otlp_histogram;
mod otlp_logs;
mod otlp_spans;
mod otlp_walk;
mod points;
mod prometheus;
mod pseudonym;
pub mod samples;
mod source;
mod spellings;
mod telegraf;
mod wire_format;

pub use calls::{CallBatch, CallSettings};
pub use context::{Announcements, ContextError, ContextSettings};
pub use customer_events::{CustomerEventBatch, CustomerEvents, CustomerEventsError, CustomerEventsSettings};
pub use customer_texts::{Texts, TextsError, TextsSettings};
pub use decode::{Decoded, RawRecord, decode, decode_reusing};
pub use mapping::{Condition, CustomerField, Envelope, IdentityKind, Mapping, MappingError, TextFrom};
pub use points::is_resource_label;
pub use pseudonym::{PSEUDONYM_KEY_BYTES_MIN, PseudonymKey, PseudonymKeyTooShort};
pub use source::{Format, Limits, Source, TimeUnit};
pub use spellings::Spellings;
