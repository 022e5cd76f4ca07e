//! Everything that needs only the crate's public side.

mod events;
mod telemetry;
