//! Hosts the pure stages on a log: the only clock, the threads, snapshots, shutdown.
//!
//! [`host`] runs one stage on the partitions one member of a group owns: gather → step → one transaction. [`Pipeline`] puts
//! the stages of a process together, on Kafka or on the in-process log, driven by threads or by hand. The crate knows
//! nothing of how anything is decided: that is in the logic crates.

mod assemble;
mod audit;
mod bridge;
mod canary;
mod clock;
mod directory;
mod drive;
mod finding;
mod gateways;
pub mod host;
mod migrate;
mod pipeline;
mod publisher;
mod remedy;
mod reset;
mod snapshots;
mod stages;
pub mod topics;

pub use assemble::pseudonym_key;
pub use audit::{Books, Conserved, Verdict, conservation};
pub use canary::canary_topic;
pub use clock::{Clock, ManualClock, SystemClock};
pub use directory::{directory_topic, erase_from_directory, publish_directory};
pub use finding::{Finding, Refused, Severity};
pub use host::HostError;
pub use migrate::{Divided, Migration, Remedy, remedy_of};
pub use pipeline::{Ending, Pipeline, Roles, Storage, Surroundings, topic_specs};
pub use reset::{Reset, ResetDone, reset_partition, stage_of_topic};
pub use snapshots::{SnapshotEntry, SnapshotStore, Superseded};
