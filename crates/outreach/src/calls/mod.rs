//! How many calls come, with and without the notices, and the agents they take.
//!
//! [`CallModel`] counts calls per queue in bins, keeps a state-space model of the ordinary calls ([`baseline`]), learns the
//! surge of each incident while it runs ([`surge`]), and turns both into predictive quantiles and agents ([`staffing`]). The
//! effect of a notice is a stated prior here: no forecast says it was measured.
//!
//! It knows nothing of notices but how many customers were told and when, nothing of rosters, and no clock: time comes as
//! ticks. The same calls, incidents and ticks give the same forecasts, to the bit.

mod atoms;
pub mod backtest;
pub mod baseline;
pub mod calendar;
pub mod effect;
pub mod fit;
pub mod kpi;
mod model;
mod queue;
mod score;
mod settings;
mod simplex;
pub mod staffing;
pub mod surge;
pub mod table;
mod trouble;
mod tuner;

#[cfg(test)]
mod backtest_tests;
#[cfg(test)]
mod tests;

pub use model::{CALLS_MAX, CallCounts, CallModel, CallState, INCIDENTS_MAX, QUEUES_MAX};
pub use settings::{CallSettingOutOfRange, CallSettings, Propensity, QueueSettings};
