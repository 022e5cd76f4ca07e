//! End to end, against real servers, which environment variables name. `cargo xtask test` starts what can be shared, sets
//! them and runs this.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "every line of this binary is a test, but clippy relaxes these inside `#[test]` functions only"
)]

mod acl;
mod alertmanager;
mod bombs;
mod broker;
mod chaos;
mod collectd;
mod contract;
mod cpu_hog;
#[path = "../../../delivery/tests/it/desk.rs"]
#[allow(dead_code, reason = "shared with the tests of delivery")]
mod desk;
#[path = "../../../bridge/tests/it/fakes.rs"]
#[allow(dead_code, reason = "shared with the tests of the bridge's own crate")]
mod fakes;
mod history;
mod http;
#[path = "../../../bridge/tests/it/incidents.rs"]
#[allow(dead_code, reason = "shared with the tests of the bridge's own crate")]
mod incidents;
mod installation;
mod journeys;
mod jsmpp;
mod kill;
mod log;
mod mail;
mod objects;
mod operator;
mod ports;
mod process;
mod prometheus;
mod real_input;
mod reload;
mod snapshots;
mod telemetry;
