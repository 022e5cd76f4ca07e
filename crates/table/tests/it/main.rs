//! Tables as others write them, tables that are broken, and our own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a failure is the answer"
)]

mod broken;
mod foreign;
mod own;
