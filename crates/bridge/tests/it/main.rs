//! What targets are asked, as text; and the client against servers on the loopback that are fakes of a target's shape.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "every line of this binary is a test, but clippy relaxes these inside `#[test]` functions only; golden texts take room"
)]

mod client;
mod fakes;
mod incidents;
mod mapping;
mod memory;
