//! The whole chain on the in-process log: telemetry in, incidents, notices and call forecasts out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod adopt;
mod chain;
mod held;
mod simulate;
