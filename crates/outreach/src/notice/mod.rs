//! From incidents to notices: whom, whether, when, and what became of it.

pub(crate) mod audience;
mod cries;
pub(crate) mod directory;
mod domain;
mod draft;
mod drill;
mod hold_out;
mod hold_out_end;
pub(crate) mod no_call;
mod plan;
mod policy;
mod promise;
mod ramp;
mod record;
mod reply;
mod select;
mod steer;
mod thread;
mod track;

pub(crate) use domain::{Domain, Office};
pub use drill::{DRILL_MINUTES_MAX, drill_incident};
pub use promise::{EndRefused, may_tell_end};
