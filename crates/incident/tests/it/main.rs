//! The stage as a whole: golden runs that an operator could read, and properties over random runs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail on the spot; clippy's own allowance ends at helpers outside #[test]"
)]

mod cause;
mod causes;
mod explain;
mod fixture;
mod golden;
mod known;
mod learn;
mod lives;
mod peers;
mod properties;
mod remedies;
mod remedies_held;
mod remedies_joined;
mod silences;
mod splits;
mod storms;
mod verdicts;
mod works;
