//! Hosts the pure stages on a log: the only clock, the threads, snapshots, shutdown.
//!
//! [`host`] runs one stage on the partitions one member of a group owns: gather → step → one transaction. [`Pipeline`] puts
//! the stages of a process together, on Kafka or on the in-process log, driven by threads or by hand. The crate knows
//! nothing of how anything is decided: that is in the logic crates.

mod assemble;
mod clock;
mod directory;
mod drive;
pub mod host;
mod pipeline;
mod publisher;
mod snapshots;
mod stages;

pub use assemble::pseudonym_key;
pub use clock::{Clock, ManualClock, SystemClock};
pub use host::HostError;
pub use pipeline::{Pipeline, Roles, Storage, Surroundings, topic_specs};
pub use snapshots::SnapshotStore;
