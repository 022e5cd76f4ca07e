//! From incidents to notices: whom, whether, when, and what became of it.

pub(crate) mod audience;
mod cries;
pub(crate) mod directory;
mod domain;
mod draft;
mod hold_out;
pub(crate) mod no_call;
mod plan;
mod policy;
mod promise;
mod ramp;
mod record;
mod reply;
mod thread;
mod track;

pub(crate) use domain::{Domain, Office};
