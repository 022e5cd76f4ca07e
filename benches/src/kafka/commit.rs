//! What transactions cost, by how often they come: forecall's host with each interval, beside the same without them.

use anyhow::{Context, Result, ensure};
use std::process::Command;

use super::Bench;
use super::topic::{self, PARTITIONS};
use crate::measure::Median;
use crate::report::Report;

const INTERVALS_MS: [u64; 3] = [1_000, 300, 100];

/// One host over the whole topic: records a second, CPU seconds a record, commits a second.
fn one(
    bench: &Bench<'_>,
    topic: &str,
    run: &str,
    millis: u64,
    plain: bool,
    records: u64,
) -> Result<[f64; 3]> {
    let out = format!("{run}.out");
    topic::create(bench.bootstrap, &[(&out, PARTITIONS)])?;
    let mut command = Command::new(std::env::current_exe().context("failed to find this program")?);
    command
        .args([
            "host",
            "--bootstrap",
            bench.bootstrap,
            "--from",
            topic,
            "--to",
            &out,
            "--group",
            run,
        ])
        .args([
            "--commit-ms",
            &millis.to_string(),
            "--records",
            &records.to_string(),
        ])
        .args(plain.then_some("--plain"))
        .stdin(std::process::Stdio::piped());
    let got = command.output().context("failed to start a host")?;
    ensure!(
        got.status.success(),
        "a host failed: {}",
        String::from_utf8_lossy(&got.stderr)
    );
    topic::remove(bench.bootstrap, &[&out])?;
    let got: serde_json::Value = serde_json::from_slice(&got.stdout).context("a host gave no figures")?;
    let number = |name: &str| got[name].as_f64().unwrap_or(f64::NAN);
    Ok([
        number("records") / number("wall"),
        number("cpu") / number("records"),
        number("commits") / number("wall"),
    ])
}

pub(crate) fn run(report: &mut Report, bench: &Bench<'_>) -> Result<()> {
    let flat = topic::flat(bench.bootstrap, &bench.topic("commit"), bench.args.records)?;
    let variants: Vec<(String, u64, bool)> = std::iter::once((
        "no transactions, positions every 1,000 ms".to_owned(),
        1_000,
        true,
    ))
    .chain(INTERVALS_MS.map(|ms| (format!("a transaction every {ms} ms"), ms, false)))
    .collect();
    let mut got = vec![[Vec::new(), Vec::new(), Vec::new()]; variants.len()];
    for pair in 0..bench.args.pairs {
        for (place, (_, millis, plain)) in variants.iter().enumerate() {
            let run = bench.topic(&format!("commit-{place}-{pair}"));
            let figures = one(bench, &flat.name, &run, *millis, *plain, flat.records)?;
            for (all, figure) in got[place].iter_mut().zip(figures) {
                all.push(figure);
            }
        }
    }
    for ((name, ..), [rates, cpus, commits]) in variants.iter().zip(&got) {
        let what = format!("flat_json, decode and detect, {name}");
        report.add(&what, "records/s", Median::of(rates));
        report.add(&what, "CPU s a million records", Median::of(cpus).times(1e6));
        report.add(&what, "commits/s", Median::of(commits));
    }
    for ((name, ..), [rates, ..]) in variants.iter().zip(&got).skip(1) {
        let what = format!("{name} / without");
        report.add(&what, "ratio of rates", Median::of_ratios(rates, &got[0][0]));
    }
    topic::remove(bench.bootstrap, &[&flat.name])
}
