//! How many calls come, with and without the notices, and the agents they take.
//!
//! [`CallModel`] counts calls per queue in bins, keeps a state-space model of the ordinary calls ([`baseline`]), learns the
//! surge of each incident while it runs ([`surge`]), and turns both into predictive quantiles and agents ([`staffing`]). The
//! effect of a notice is a stated prior here: no forecast says it was measured.
//!
//! It knows nothing of notices but how many customers were told and when, nothing of rosters, and no clock: time comes as
//! ticks. The same calls, incidents and ticks give the same forecasts, to the bit.

mod atoms;
pub mod baseline;
pub mod calendar;
mod model;
mod profile;
mod queue;
mod settings;
pub mod staffing;
pub mod surge;
mod trouble;

#[cfg(test)]
mod tests;

pub use model::{CALLS_MAX, CallCounts, CallModel, CallState, INCIDENTS_MAX, QUEUES_MAX};
pub use settings::{CallSettingOutOfRange, CallSettings, DayOfWeek, Propensity, QueueSettings};
