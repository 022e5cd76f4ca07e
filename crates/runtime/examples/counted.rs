//! Fixed amounts of work, for counting instructions: `cargo xtask bench instructions` runs it under callgrind.
//!
//! `counted WORK SAMPLES`; the records are the same in every run.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a tool of the developers' that fails as a test does"
)]

#[path = "../tests/hot_path/mod.rs"]
mod hot_path;

use forecall_wire::telemetry::Format;

use crate::hot_path::{Path, flat, otlp};

/// Rounds of 50 or 30 samples.
const ROUNDS: i64 = 1_000;

fn main() {
    let mut args = std::env::args().skip(1);
    let work = args.next().unwrap_or_default();
    let samples: usize = args
        .next()
        .and_then(|number| number.parse().ok())
        .expect("how many samples?");
    type Records = fn(i64) -> Vec<(i64, Vec<u8>)>;
    let (format, detects, records): (Format, bool, Records) = match work.as_str() {
        "flat_json_decode" => (Format::FlatJson, false, flat),
        "flat_json_decode_detect" => (Format::FlatJson, true, flat),
        "otlp_decode" => (Format::OtlpProto, false, otlp),
        "otlp_decode_detect" => (Format::OtlpProto, true, otlp),
        other => panic!("no work is called `{other}`"),
    };
    // As many are made however many are taken: the difference of two counts is the taking alone.
    let all: Vec<_> = (0..ROUNDS).flat_map(records).collect();
    let mut path = Path::new(format, detects);
    for (at, value) in &all {
        if path.samples >= samples {
            return;
        }
        path.take(*at, value);
    }
    assert!(path.samples >= samples, "only {} samples are made", path.samples);
}
