//! Memory a series and CPU time an update, from 10 k to 1 M series in random order, beside a hash map of structs.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use forecall_detect::{DetectSettings, DetectStage};
use forecall_stage::{Effects, Stage};
use forecall_types::{DomainName, EventTime, Position, Reading, SampleBatch, SamplesRecord, SourcePartition};

use crate::measure::{Median, resident_bytes, spent};
use crate::naive::{ByName, Levels, Naive, Plain};
use crate::report::{Report, child};
use crate::world::{EPOCH, Entity, METRICS, shuffled, value};

/// Rounds before the time is taken: every window is full, every detector past its warm-up.
const WARM_ROUNDS: u32 = 34;
/// Rounds timed.
const TIMED_ROUNDS: u32 = 2;
/// Seconds between two samples of a series.
const PACE: i64 = 60;
/// Samples of one record.
const ROWS: usize = 100;

/// `detect: {season: false, shape: false}`: only the channels whose memory every series needs.
const CHEAP: &str = "forecall without season and shape";

pub(crate) const LAYOUTS: [&str; 4] = [
    "forecall",
    CHEAP,
    "median and levels in a hash map",
    "z-score in a hash map",
];

fn ours(count: u32, per_entity: u32, all: bool) -> Result<(Duration, u64)> {
    let settings = DetectSettings {
        series_max: 1_000_000,
        season: all,
        shape: all,
        ..DetectSettings::default()
    };
    let source = SourcePartition {
        topic: Arc::from("telemetry"),
        partition: 0,
    };
    let order = shuffled(count);
    let before = resident_bytes()?;
    let mut stage = DetectStage::new(Arc::new(settings), source);
    let mut record = SamplesRecord {
        domain: DomainName::new("isp")?,
        origin: Position {
            topic: Arc::from("telemetry"),
            partition: 0,
            offset: 0,
        },
        appended_at: EventTime::MIN,
        batch: SampleBatch::default(),
        marks: Vec::new(),
        contexts: Vec::new(),
        links: Vec::new(),
    };
    let mut effects = Effects::default();
    let mut rounds = |from: u32, to: u32| {
        for round in from..to {
            for (i, rows) in order.chunks(ROWS).enumerate() {
                let millis = EPOCH * 1_000
                    + i64::from(round) * PACE * 1_000
                    + i64::try_from(i * ROWS).unwrap_or(0) * PACE * 1_000 / i64::from(count);
                let at = EventTime::from_millis(millis);
                record.batch.clear();
                for series in rows {
                    let entity = Entity::new(series / per_entity);
                    let batch = &mut record.batch;
                    let resource = batch.keep_labels(&mut [
                        ("service.name", entity.service.as_str()),
                        ("host.name", entity.host.as_str()),
                        ("region", entity.region.as_str()),
                    ]);
                    let labels = batch.keep_labels::<&str, &str>(&mut []);
                    let metric = batch.keep_text(METRICS[(series % per_entity) as usize % METRICS.len()]);
                    let unit = batch.keep_text("1");
                    let key = batch.keep_key(metric, unit, resource, labels);
                    batch.push_row(key, at, Reading::Gauge(value(*series, round)));
                }
                record.appended_at = at;
                record.origin.offset += 1;
                stage.step(&record, &mut effects);
                effects.clear();
            }
        }
    };
    rounds(0, WARM_ROUNDS);
    let memory = resident_bytes()? - before;
    let (time, ()) = spent(|| rounds(WARM_ROUNDS, WARM_ROUNDS + TIMED_ROUNDS))?;
    anyhow::ensure!(stage.series() == count as usize, "{} series", stage.series());
    Ok((time, memory))
}

fn theirs<S: Naive>(count: u32, per_entity: u32) -> Result<(Duration, u64)> {
    let order = shuffled(count);
    let before = resident_bytes()?;
    let mut all = ByName::<S>::default();
    let mut rounds = |from: u32, to: u32| {
        let mut sum = 0.0;
        for round in from..to {
            for series in &order {
                let entity = Entity::new(series / per_entity);
                let name = format!(
                    "{}{{host.name={},region={},service.name={}}}",
                    METRICS[(series % per_entity) as usize % METRICS.len()],
                    entity.host,
                    entity.region,
                    entity.service
                );
                let at = EPOCH + i64::from(round) * PACE;
                sum += all.update(name, at, value(*series, round));
            }
        }
        black_box(sum)
    };
    rounds(0, WARM_ROUNDS);
    let memory = resident_bytes()? - before;
    let (time, _) = spent(|| rounds(WARM_ROUNDS, WARM_ROUNDS + TIMED_ROUNDS))?;
    Ok((time, memory))
}

/// The cost of making the input, which both pay: taken off.
fn input_only(count: u32) -> Result<Duration> {
    let order = shuffled(count);
    let (time, _) = spent(|| {
        let mut sum = 0.0;
        for round in 0..TIMED_ROUNDS {
            for series in &order {
                let entity = Entity::new(series / 10);
                sum += value(*series, round) + entity.host.len() as f64 + entity.service.len() as f64;
            }
        }
        black_box(sum)
    })?;
    Ok(time)
}

/// One measurement in a process of its own: `layout`, series, series of one entity.
pub(crate) fn measure(layout: &str, count: u32, per_entity: u32) -> Result<serde_json::Value> {
    let input = input_only(count)?;
    let (time, memory) = match layout {
        "median and levels in a hash map" => theirs::<Levels>(count, per_entity)?,
        "z-score in a hash map" => theirs::<Plain>(count, per_entity)?,
        _ => ours(count, per_entity, layout != CHEAP)?,
    };
    let updates = f64::from(count * TIMED_ROUNDS);
    Ok(serde_json::json!({
        "cpu_ns": (time.as_nanos() as f64 - input.as_nanos() as f64) / updates,
        "bytes": memory,
    }))
}

/// All sizes and layouts, in turn.
pub(crate) fn run(report: &mut Report, pairs: u32) -> Result<()> {
    let mut cpu: BTreeMap<(&str, u32), Vec<f64>> = BTreeMap::new();
    let mut bytes: BTreeMap<(&str, u32), Vec<f64>> = BTreeMap::new();
    for (count, times) in [
        (10_000, pairs),
        (30_000, pairs),
        (100_000, pairs),
        (1_000_000, pairs.min(2)),
    ] {
        for _ in 0..times {
            for layout in LAYOUTS {
                let got = child(&["series", layout, &count.to_string(), "10"])?;
                cpu.entry((layout, count))
                    .or_default()
                    .push(got["cpu_ns"].as_f64().unwrap_or(f64::NAN));
                bytes
                    .entry((layout, count))
                    .or_default()
                    .push(got["bytes"].as_f64().unwrap_or(f64::NAN));
            }
        }
    }
    let alone = child(&["series", "forecall", "100000", "1"])?["bytes"]
        .as_f64()
        .unwrap_or(f64::NAN);
    let alone_large = child(&["series", "forecall", "1000000", "1"])?["bytes"]
        .as_f64()
        .unwrap_or(f64::NAN);
    let slope = |layout| {
        let of = |count| Median::of(&bytes[&(layout, count)]).median;
        (of(1_000_000) - of(100_000)) / 900_000.0
    };
    for layout in LAYOUTS {
        report.add(
            &format!("memory: {layout}"),
            "B a series, slope 100 k to 1 M",
            Median::of(&[slope(layout)]),
        );
    }
    report.add(
        "memory: forecall, every series an entity of its own",
        "B a series, slope 100 k to 1 M",
        Median::of(&[(alone_large - alone) / 900_000.0]),
    );
    for ((layout, count), values) in &cpu {
        report.add(
            &format!("update: {layout}, {count} series"),
            "CPU ns",
            Median::of(values),
        );
    }
    for layout in &LAYOUTS[1..] {
        for count in [10_000, 30_000, 100_000, 1_000_000] {
            let ratios: Vec<f64> = cpu[&("forecall", count)]
                .iter()
                .zip(&cpu[&(*layout, count)])
                .map(|(a, b)| a / b)
                .collect();
            report.add(
                &format!("update: forecall / {layout}, {count} series"),
                "ratio of CPU",
                Median::of(&ratios),
            );
        }
    }
    let of = |count| Median::of(&cpu[&("forecall", count)]).median;
    report.add(
        "update: 1 M series / 10 k series",
        "ratio of CPU",
        Median::of(&[of(1_000_000) / of(10_000)]),
    );
    Ok(())
}
