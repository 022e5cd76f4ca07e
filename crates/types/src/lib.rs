//! The vocabulary of forecall: ids, event time, regions, series, anomalies, incidents, customers, notices, forecasts.
//!
//! Every other crate speaks in these types. They are parsed once and can't be wrong afterwards (a [`Probability`] is
//! never NaN, [`Labels`] are sorted and unique). The crate knows nothing of bytes on a topic, of clocks, of I/O, and
//! holds no logic but what keeps a value valid.
//!
//! ```
//! use forecall_types::{EventTime, Labels, SampleBatch, Reading};
//! let labels = Labels::from_pairs([("service.name", "internet"), ("region", "IR-10")]);
//! let mut batch = SampleBatch::default();
//! batch.push("http.server.request.duration", &labels, &Labels::default(), EventTime::from_secs(60), Reading::Gauge(0.2));
//! assert_eq!(batch.rows().len(), 1);
//! ```

mod adjustment;
mod anomaly;
mod batch;
mod calls;
mod cell;
mod command;
mod compensation;
mod context;
mod customer;
mod entry;
mod fingerprint;
mod forecast;
mod id;
mod incident;
pub mod invariant;
mod jalali;
mod journey;
mod lineage;
mod notice;
mod number;
mod paging;
mod pattern;
mod region;
mod reject;
mod remedy;
mod reply_words;
mod sample;
pub mod seconds;
mod service;
mod silence;
mod summary;
mod time;
mod withheld;
mod work;

pub use adjustment::*;
pub use anomaly::*;
pub use batch::*;
pub use calls::*;
pub use cell::*;
pub use command::*;
pub use compensation::*;
pub use context::*;
pub use customer::*;
pub use entry::*;
pub use fingerprint::*;
pub use forecast::*;
pub use id::*;
pub use incident::*;

pub use jalali::*;
pub use journey::*;
pub use lineage::*;
pub use notice::*;
pub use number::*;
pub use paging::*;
pub use pattern::*;
pub use region::*;
pub use reject::*;
pub use remedy::*;
pub use sample::*;
pub use service::*;
pub use silence::*;
pub use summary::*;
pub use time::*;
pub use withheld::*;
pub use work::*;
