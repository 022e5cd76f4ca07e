//! A seeded world: a made-up telecom operator with cities, customers, callers and operators, for the demo and for tests.
//!
//! [`World::advance`] writes what such an operator's probes and contact centre would write, as raw records: OTLP in JSON,
//! collectd's JSON, forecall's own, lines of Asterisk's `queue_log`, and commands of the people on shift. One fibre
//! degrades, one trouble only looks like one. The world is told who was told ([`World::told`]) and changes its callers'
//! minds by an effect that nobody else knows; [`World::truth`] says afterwards what really happened.
//!
//! [`fault`] is the other half: a log and a snapshot store that fail by a seed, to try the runtime on.
//!
//! It knows nothing of detectors, stages and logs, reads no clock, and its draws come from the seed alone. A simulator
//! shows that the ramps somebody imagined are caught; it doesn't show more.
//!
//! ```
//! use forecall_sim::{World, WorldSettings};
//! let mut world = World::new(WorldSettings { seed: 7, customers: 100, ..WorldSettings::default() })?;
//! let mut records = Vec::new();
//! world.advance(world.telemetry_from(), &mut records)?;
//! assert!(records.iter().all(|record| record.topic == "calls"));
//! # Ok::<(), forecall_sim::WorldError>(())
//! ```

mod callers;
mod config;
mod customers;
pub mod fault;
mod geography;
mod operators;
mod random;
mod script;
mod telemetry;
mod truth;
mod world;

pub use callers::{CALLS, GENERAL_QUEUE, INTERNET_QUEUE, INTERVAL};
pub use geography::{CELLS, CITIES, CORE, City, DECOY, TROUBLED};
pub use telemetry::TELEMETRY;
pub use truth::Truth;
pub use world::{CUSTOMERS_MAX, TICK, World, WorldError, WorldRecord, WorldSettings};
