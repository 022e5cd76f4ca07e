//! End to end: against a real Kafka, whose address `FORECALL_E2E_KAFKA` gives. `cargo xtask test` starts one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "every line of this binary is a test, but clippy relaxes these inside `#[test]` functions only"
)]

mod log;
