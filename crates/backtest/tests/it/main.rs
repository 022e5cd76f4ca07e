//! Figures worked out by hand, and what holds for any of them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests: a failure is the answer"
)]

mod any;
mod by_hand;
mod differences;
