//! What a sample costs in allocations once its series is known: none, from the record's bytes to the verdict.
//!
//! A test binary of its own, because it counts through the allocator.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod hot_path;

use forecall_wire::telemetry::Format;

use crate::hot_path::{Path, flat, otlp};

/// Runs `records` of a hundred rounds, and gives the allocations and the samples of twenty more.
fn steady(format: Format, record: impl Fn(i64) -> Vec<(i64, Vec<u8>)>) -> (u64, usize) {
    let mut path = Path::new(format, true);
    for round in 0..100 {
        for (at, value) in record(round) {
            path.take(at, &value);
        }
    }
    let rest: Vec<_> = (100..120).flat_map(record).collect();
    let before = path.samples;
    let counted = allocation_counter::measure(|| {
        for (at, value) in &rest {
            path.take(*at, value);
        }
    });
    (counted.count_total, path.samples - before)
}

#[test]
fn a_flat_json_sample_allocates_nothing() {
    let (allocations, samples) = steady(Format::FlatJson, flat);
    assert_eq!(samples, 1_000);
    assert_eq!(allocations, 0);
}

#[test]
fn an_otlp_point_allocates_nothing() {
    let (allocations, samples) = steady(Format::OtlpProto, otlp);
    assert_eq!(samples, 600);
    // One a record of more than half a KiB: its fingerprint is taken of a copy. None a point.
    assert_eq!(allocations, 20);
}
