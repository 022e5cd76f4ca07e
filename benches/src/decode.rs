//! CPU time a sample of decoding, and of decoding and detecting, beside the general decoders.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use forecall_detect::{DetectSettings, DetectStage};
use forecall_stage::{Effects, Stage};
use forecall_types::{DomainName, EventTime, SamplesRecord, SourceName, SourcePartition};
use forecall_wire::telemetry::{Decoded, Format, RawRecord, Source, Spellings, decode_reusing};

use crate::measure::{Median, spent};
use crate::report::{Report, child};
use crate::world::{EPOCH, flat_json, otlp};

/// Records of one kind, and the format they are in.
struct Records {
    format: Format,
    values: Vec<(i64, Vec<u8>)>,
}

/// More than the nearest caches hold.
const SERIES: u32 = 30_000;
const HOSTS: u32 = 200;
const ROUNDS: u32 = 24;

const KINDS: [&str; 3] = ["flat JSON", "OTLP protobuf", "OTLP protobuf, recorded"];

fn records(kind: &str, data: Option<&Path>) -> Result<Records> {
    let mut values = Vec::new();
    let format = match kind {
        "flat JSON" => {
            for round in 0..ROUNDS {
                for series in 0..SERIES {
                    let at = EPOCH * 1_000 + i64::from(round) * 30_000 + i64::from(series);
                    values.push((
                        at / 1_000,
                        flat_json(series.wrapping_mul(7_919) % SERIES, round, at).into_bytes(),
                    ));
                }
            }
            Format::FlatJson
        }
        "OTLP protobuf" => {
            for round in 0..ROUNDS {
                for host in 0..HOSTS {
                    let at = EPOCH + i64::from(round) * 30 + i64::from(host) / 10;
                    values.push((at, otlp(host, round, at)));
                }
            }
            Format::OtlpProto
        }
        _ => {
            let folder = data.context("recordings need --data")?.join("otlp");
            let mut files: Vec<_> = std::fs::read_dir(&folder)
                .with_context(|| format!("failed to list {}", folder.display()))?
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| {
                    path.to_string_lossy().contains("otlp_metrics_")
                        && path.extension().is_some_and(|e| e == "pb")
                })
                .collect();
            files.sort();
            // Their own times: each once more would be a duplicate, so they are only decoded again and again.
            for _ in 0..100 {
                for file in &files {
                    values.push((4_000_000_000, std::fs::read(file)?));
                }
            }
            Format::OtlpProto
        }
    };
    Ok(Records { format, values })
}

/// What is done with the records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Decoding, by the general decoder.
    General,
    /// Decoding.
    Decode,
    /// Decoding and detecting.
    Detect,
}

/// Does the work on all records from `from` on; gives samples and bytes.
fn work(
    records: &Records,
    range: std::ops::Range<usize>,
    how: Work,
    stage: &mut DetectStage,
) -> Result<(u64, u64)> {
    let source = Source::new(
        SourceName::new("bench")?,
        "telemetry",
        DomainName::new("isp")?,
        records.format.clone(),
    );
    let mut spellings = Spellings::default();
    let mut spare: Option<SamplesRecord> = None;
    let mut effects = Effects::default();
    let (mut samples, mut bytes) = (0, 0);
    let mut general = Vec::new();
    for (offset, (at, value)) in (0_i64..).zip(&records.values[range]) {
        let mut value = value.as_slice();
        if how == Work::General {
            // What the fast way leaves to the general one: an unknown list, an unknown group.
            general.clear();
            if records.format == Format::FlatJson {
                general.extend_from_slice(&value[..value.len() - 1]);
                general.extend_from_slice(b",\"x\":[]}");
            } else {
                general.extend_from_slice(&[0xa3, 0x06, 0xa4, 0x06]);
                general.extend_from_slice(value);
            }
            value = &general;
            spare = None;
        }
        let raw = RawRecord {
            topic: "telemetry",
            partition: 0,
            offset,
            appended_at: EventTime::from_secs(*at),
            key: None,
            value: Some(value),
            headers: &[],
        };
        let Decoded::Samples(record) = decode_reusing(&source, None, &raw, spare.take(), &mut spellings)
            .map_err(|reject| anyhow::anyhow!("{}", reject.detail))?
        else {
            anyhow::bail!("no samples");
        };
        samples += record.batch.rows().len() as u64;
        bytes += value.len() as u64;
        if how == Work::Detect {
            stage.step(&record, &mut effects);
            black_box(effects.outputs().len());
            effects.clear();
        }
        spare = Some(record);
    }
    Ok((samples, bytes))
}

fn stage() -> DetectStage {
    let source = SourcePartition {
        topic: Arc::from("telemetry"),
        partition: 0,
    };
    DetectStage::new(Arc::new(DetectSettings::default()), source)
}

impl Records {
    fn len(&self) -> usize {
        self.values.len()
    }
}

/// All ways of one kind, in one process, in turn.
pub(crate) fn measure(kind: &str, data: Option<&Path>) -> Result<serde_json::Value> {
    let records = records(kind, data)?;
    let mut out = serde_json::Map::new();
    let ways = [
        ("general", Work::General),
        ("decode", Work::Decode),
        ("decode and detect", Work::Detect),
    ];
    for (name, how) in ways {
        if how == Work::Detect && kind.ends_with("recorded") {
            continue;
        }
        let mut stage = stage();
        // The first part warms up: series are new, windows empty.
        let split = if how == Work::Detect {
            records.len() * 5 / 6
        } else {
            0
        };
        work(&records, 0..split, how, &mut stage)?;
        let (time, done) = spent(|| work(&records, split..records.len(), how, &mut stage))?;
        let (samples, bytes) = done?;
        out.insert(
            name.to_owned(),
            serde_json::json!({
                "ns": time.as_nanos() as f64 / samples as f64,
                "mb": bytes as f64 / time.as_secs_f64() / 1e6,
                "bytes": bytes as f64 / samples as f64,
            }),
        );
    }
    Ok(out.into())
}

pub(crate) fn run(report: &mut Report, pairs: u32, data: Option<&Path>) -> Result<()> {
    for kind in KINDS {
        if kind.ends_with("recorded") && data.is_none() {
            continue;
        }
        let mut all: BTreeMap<String, (Vec<f64>, Vec<f64>, f64)> = BTreeMap::new();
        for _ in 0..pairs {
            let folder = data.map(|d| d.display().to_string());
            let mut args = vec!["decode", kind];
            args.extend(folder.as_deref());
            let serde_json::Value::Object(ways) = child(&args)? else {
                anyhow::bail!("no figures");
            };
            for (way, got) in ways {
                let entry = all.entry(way).or_default();
                entry.0.push(got["ns"].as_f64().unwrap_or(f64::NAN));
                entry.1.push(got["mb"].as_f64().unwrap_or(f64::NAN));
                entry.2 = got["bytes"].as_f64().unwrap_or(f64::NAN);
            }
        }
        for (way, (ns, mb, bytes)) in &all {
            let what = format!("{kind}, {bytes:.0} B a sample: {way}");
            report.add(&what, "CPU ns a sample", Median::of(ns));
            report.add(&what, "MB a CPU second", Median::of(mb));
        }
    }
    Ok(())
}
