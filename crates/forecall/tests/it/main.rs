//! The program as its users run it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a failure is the answer"
)]

mod judged;
mod machine;
mod peers;
mod replay;
mod said;
mod story;
mod tables;
mod texts;
