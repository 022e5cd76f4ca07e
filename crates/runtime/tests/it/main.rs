//! The whole chain on the in-process log: telemetry in, incidents, notices and call forecasts out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod adopt;
mod bridge;
mod chain;
#[path = "../../../delivery/tests/it/fake_gateway.rs"]
#[allow(dead_code, reason = "shared with the tests of delivery's own crate")]
mod fake_gateway;
#[path = "../../../bridge/tests/it/fakes.rs"]
#[allow(dead_code, reason = "shared with the tests of the bridge's own crate")]
mod fakes;
mod held;
#[path = "../../../bridge/tests/it/incidents.rs"]
#[allow(dead_code, reason = "shared with the tests of the bridge's own crate")]
mod incidents;
mod journeys;
mod remedy;
mod replies;
mod simulate;
mod traces;
