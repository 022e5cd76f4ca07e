//! A flood of names, each seen once, beside telemetry that matters: memory, exactness, and what a record costs.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use forecall_types::CorrelateEntry;
use forecall_wire::event::decode_correlate_entry;

use super::Bench;
use super::product::{Installation, busy, follow};
use super::rate::TOPOLOGY;
use super::reader::Reader;
use super::topic::{self, Filler, PARTITIONS};
use crate::measure::Median;
use crate::report::Report;
use crate::world::{EPOCH, flat_json, flat_json_of};

/// Series that matter, 500 a partition.
const SERIES: u32 = 6_000;
/// Seconds between two samples of one.
const PACE: i64 = 30;
/// Every so many series one goes wrong …
const WRONG_OF: u32 = 100;
/// … in this part of the rounds.
const WRONG: std::ops::Range<u32> = 240..260;
const ROUNDS: u32 = 400;

/// Telemetry of some rounds, and `flood` records of new names spread evenly between its records.
fn fill(bench: &Bench<'_>, name: &str, flood: u64) -> Result<u64> {
    topic::create(bench.bootstrap, &[(name, PARTITIONS)])?;
    let mut filler = Filler::new(bench.bootstrap, 50)?;
    let (all, mut flooded) = (u64::from(SERIES * ROUNDS), 0_u64);
    for number in 0..SERIES * ROUNDS {
        let (round, series) = (number / SERIES, number % SERIES);
        let at = EPOCH * 1_000
            + i64::from(round) * PACE * 1_000
            + i64::from(series) * PACE * 1_000 / i64::from(SERIES);
        let value = if series % WRONG_OF == 7 && WRONG.contains(&round) {
            flat_json_of(series, at, 900.0)
        } else {
            flat_json(series, round, at)
        };
        filler.put(
            name,
            series / 10 % PARTITIONS.unsigned_abs(),
            value.as_bytes(),
            at,
        )?;
        while flooded * all < u64::from(number) * flood {
            // Entities far beyond the telemetry's, a new one each time.
            let new = 10_000_000 + u32::try_from(flooded)? * 10;
            let value = flat_json(new, 0, at);
            filler.put(name, new / 10 % PARTITIONS.unsigned_abs(), value.as_bytes(), at)?;
            flooded += 1;
        }
    }
    filler.finish()?;
    Ok(filler.records)
}

/// What one run over a topic came to.
struct Outcome {
    records_per_second: f64,
    cpu_per_record: f64,
    /// The most memory that lay in RAM, in MiB.
    peak: f64,
    refused: f64,
    /// Everything told of the telemetry that matters, but where its records stood.
    told: BTreeSet<String>,
}

fn peak_mib(process: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .and_then(|l| l.split_whitespace().next())
        .context("no VmHWM")?
        .parse()?;
    Ok(kib / 1_024.0)
}

fn one(bench: &Bench<'_>, name: &str, run: &str, records: u64) -> Result<Outcome> {
    let rest =
        format!("sources: [{{name: bench, topic: {name}, format: flat_json, keyed: true}}]\n{TOPOLOGY}");
    let mut house = Installation::new(bench.bootstrap, bench.binary, run, &rest)?;
    let reader = Reader::start(bench.bootstrap, &[&house.topic("anomalies")])?;
    let mut process = house.start("detect", 0)?;
    let marks = follow(
        std::slice::from_mut(&mut process),
        |m| m.records("detect"),
        |_, marks| marks.last().is_some_and(|mark| mark.count >= records),
    )?;
    let (count, cpu, wall) = busy(&marks)?;
    // The last transaction, and its way to the reader.
    std::thread::sleep(Duration::from_secs(3));
    let refused = process.metrics()?.map_or(f64::NAN, |m| {
        m.sum("forecall_rejects_total", &[("reason", "series_limit")])
    });
    let mut told = BTreeSet::new();
    for record in reader.take() {
        let entry = decode_correlate_entry(&record.headers, &record.value)
            .map_err(|reject| anyhow::anyhow!("{}", reject.detail))?;
        if let CorrelateEntry::Anomaly(anomaly) = entry {
            let (id, revision, score) = (&anomaly.id, anomaly.revision, anomaly.score);
            told.insert(format!(
                "{id:?} {revision} {:?} {score:?} {:?}",
                anomaly.at, anomaly.observed
            ));
        }
    }
    Ok(Outcome {
        records_per_second: count / wall,
        cpu_per_record: cpu / count,
        peak: peak_mib(process.id())?,
        refused,
        told,
    })
}

pub(crate) fn run(report: &mut Report, bench: &Bench<'_>) -> Result<()> {
    let names = ["calm", "flooded"].map(|what| bench.topic(what));
    let floods = [0, u64::from(bench.args.keys)];
    let mut all: [Vec<Outcome>; 2] = [Vec::new(), Vec::new()];
    let mut records = Vec::new();
    for (name, flood) in names.iter().zip(floods) {
        records.push(fill(bench, name, flood)?);
    }
    for turn in 0..bench.args.turns {
        for (place, name) in names.iter().enumerate() {
            all[place].push(one(bench, name, &format!("bomb-{place}-{turn}"), records[place])?);
        }
    }
    let of = |place: usize, get: fn(&Outcome) -> f64| -> Vec<f64> { all[place].iter().map(get).collect() };
    let what = [
        format!("{SERIES} series"),
        format!("{SERIES} series among {} names seen once", floods[1]),
    ];
    for (place, what) in what.iter().enumerate() {
        report.add(
            what,
            "records/s",
            Median::of(&of(place, |o| o.records_per_second)),
        );
        report.add(
            what,
            "CPU s a million records",
            Median::of(&of(place, |o| o.cpu_per_record)).times(1e6),
        );
        report.add(what, "MiB in RAM at most", Median::of(&of(place, |o| o.peak)));
        report.add(
            what,
            "samples refused: series_limit",
            Median::of(&of(place, |o| o.refused)),
        );
        report.add(
            what,
            "anomaly events told",
            Median::of(&of(place, |o| o.told.len() as f64)),
        );
    }
    let (calm, flooded) = (of(0, |o| o.cpu_per_record), of(1, |o| o.cpu_per_record));
    report.add(
        "records a CPU second: flooded / calm",
        "ratio",
        Median::of_ratios(&calm, &flooded),
    );
    let (calm, flooded) = (of(0, |o| o.records_per_second), of(1, |o| o.records_per_second));
    report.add(
        "records/s: flooded / calm",
        "ratio",
        Median::of_ratios(&flooded, &calm),
    );
    let missing = all[0]
        .iter()
        .zip(&all[1])
        .map(|(a, b)| a.told.symmetric_difference(&b.told).count() as f64);
    report.add(
        "anomaly events that differ",
        "events",
        Median::of(&missing.collect::<Vec<_>>()),
    );
    topic::remove(bench.bootstrap, &[&names[0], &names[1]])
}
