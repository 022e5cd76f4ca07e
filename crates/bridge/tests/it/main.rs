//! What targets are asked, as text; and the client against servers on the loopback that are fakes of a target's shape.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "every line of this binary is a test, but clippy relaxes these inside `#[test]` functions only"
)]

mod client;
mod fakes;
mod incidents;
mod mapping;
mod memory;
