//! The stage as a whole: runs that an operator could read, and random runs against an oracle.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail on the spot; clippy's own allowance ends at helpers outside #[test]"
)]

mod fixture;
mod golden;
mod marks;
mod oracle;
mod rules;
mod waves;
