//! The stages as their host sees them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod ahead;
mod bomb;
mod calibration;
mod channels;
mod context;
mod image;
mod limits;
mod memory;
mod order;
mod peers;
mod places;
mod ramp;
mod readers;
mod rekey;
mod rules;
mod shown;
mod siblings;
mod silence;
mod silence_oracle;
mod split;
mod stage;
mod traffic;
mod words;

use std::sync::Arc;

use forecall_detect::{DetectOutput, DetectSettings, DetectStage};
use forecall_stage::{Effects, Stage};
use forecall_types::{
    Anomaly, DomainName, EventTime, Labels, Position, Reading, Reject, SampleBatch, SamplesRecord, SeriesKey,
    SourcePartition,
};

fn source(partition: i32) -> SourcePartition {
    SourcePartition {
        topic: Arc::from("telemetry"),
        partition,
    }
}

fn key(metric: &str, unit: &str, entity: &str) -> SeriesKey {
    SeriesKey {
        metric: Arc::from(metric),
        unit: Arc::from(unit),
        resource: Labels::from_pairs([("service.name", entity)]),
        labels: Labels::default(),
    }
}

fn domain() -> DomainName {
    DomainName::new("isp").unwrap()
}

/// A record of rows (series, second, reading), appended at the given second.
fn record(offset: i64, appended_at: i64, rows: &[(SeriesKey, i64, Reading<'_>)]) -> SamplesRecord {
    let mut batch = SampleBatch::default();
    for (key, at, reading) in rows {
        batch.push_key(key, EventTime::from_secs(*at), *reading);
    }
    SamplesRecord {
        domain: domain(),
        origin: Position {
            topic: Arc::from("telemetry"),
            partition: 0,
            offset,
        },
        appended_at: EventTime::from_secs(appended_at),
        batch,
        marks: Vec::new(),
        contexts: Vec::new(),
        links: Vec::new(),
    }
}

fn stage(settings: DetectSettings) -> DetectStage {
    settings.check().unwrap();
    DetectStage::new(Arc::new(settings), source(0))
}

fn run(stage: &mut DetectStage, records: &[SamplesRecord]) -> (Vec<DetectOutput>, Vec<Reject>) {
    let mut effects = Effects::default();
    for record in records {
        stage.step(record, &mut effects);
    }
    let (outputs, rejects) = effects.drain();
    (outputs.collect(), rejects.collect())
}

fn anomalies(outputs: &[DetectOutput]) -> Vec<&Anomaly> {
    outputs
        .iter()
        .filter_map(|o| match o {
            DetectOutput::Anomaly(a) => Some(&**a),
            DetectOutput::Scored(_) | DetectOutput::Summary(_) | DetectOutput::Heartbeat(_) => None,
        })
        .collect()
}

/// Uniform noise from −1 to 1 that is the same in every run (splitmix64).
fn noise(seed: u64) -> f64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap()) / f64::from(u32::MAX) * 2.0 - 1.0
}
