//! Hosts the pure stages on a log: the only clock, the threads, snapshots, shutdown.
mod clock;
pub mod host;
mod snapshots;
pub use clock::{Clock, ManualClock, SystemClock};
pub use snapshots::SnapshotStore;
