//! What the fuzzer does with each decoder: any bytes in; settings, values or refusals out, never a panic, and whatever was
//! understood can be written and read again.
//!
//! The fuzzer itself (`fuzz/`) needs a compiler with instrumentation and is no part of the build. Its targets are one line each
//! that calls one of [`TARGETS`]; so nothing of them can rot, and all seeds run through them as plain tests.
//!
//! ```
//! let (_, checkpoint) = forecall_fuzzed::TARGETS.iter().find(|(name, _)| *name == "checkpoint").unwrap();
//! checkpoint(b"not a checkpoint");
//! ```
#![allow(
    clippy::expect_used,
    reason = "a target ends with a panic where something is wrong"
)]

mod event;
mod file;
mod memory;
mod sms;
mod telemetry;

pub use event::{dead_letter, events};
pub use file::{config, directory, identity};
pub use memory::{checkpoint, memory, snapshot};
pub use sms::sms;
pub use telemetry::{mapping, samples, telemetry};

/// One decoder, or several of one kind.
pub type Target = fn(&[u8]);

/// All targets by name: each has a file in `fuzz/fuzz_targets/` and seeds in `fuzz/seeds/`.
pub const TARGETS: [(&str, Target); 12] = [
    ("checkpoint", checkpoint),
    ("config", config),
    ("dead_letter", dead_letter),
    ("directory", directory),
    ("events", events),
    ("identity", identity),
    ("mapping", mapping),
    ("memory", memory),
    ("samples", samples),
    ("sms", sms),
    ("snapshot", snapshot),
    ("telemetry", telemetry),
];
