//! Bytes ⇄ types: the only crate that knows telemetry formats and the published shapes of forecall's events.
//!
//! It decides nothing: it has no clock, no I/O and no state between records. A record that can't be read is a
//! [`Reject`](forecall_types::Reject), never a panic.
//!
//! ```
//! use forecall_types::{DomainName, EventTime, SourceName};
//! use forecall_wire::telemetry::{Decoded, Format, RawRecord, Source, decode};
//! let source = Source::new(SourceName::new("probes")?, "probes", DomainName::new("isp")?, Format::FlatJson);
//! let value = br#"{"ts":"2026-01-01T00:00:00Z","series":"rtt","value":12.5,"labels":{"region":"IR-23"}}"#;
//! let record = RawRecord {
//!     topic: "probes", partition: 0, offset: 7, appended_at: EventTime::from_secs(1_767_225_600),
//!     key: None, value: Some(value), headers: &[],
//! };
//! let Ok(Decoded::Samples(samples)) = decode(&source, None, &record) else { return Err("no samples".into()) };
//! assert_eq!(samples.batch.rows().len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod event;
pub mod schema;
pub mod screen;
pub mod telemetry;
