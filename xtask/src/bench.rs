//! `bench`: measures, side by side, scores detection, and counts instructions against a committed baseline.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::kafka::{self, Throwaway};
use crate::metadata::cargo;
use crate::{java, process, repo, test};

/// What is counted, and how many samples twice: the difference leaves the start and the making of the records out.
const COUNTED: [(&str, u32, u32); 4] = [
    ("flat_json_decode", 12_000, 24_000),
    ("flat_json_decode_detect", 12_000, 24_000),
    ("otlp_decode", 12_000, 24_000),
    ("otlp_decode_detect", 12_000, 24_000),
];
const BASELINE: &str = "benches/instructions.json";
/// A change of more than this share is told.
const CHANGE_MAX: f64 = 0.02;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to measure: decode, series, kafka, instructions, detect; all but the last two for none.
    names: Vec<String>,
    /// A folder with recordings (`otlp/*.pb`; for `detect`: `nab`, `mscloud`, `smd`, `asd`), measured too.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// How often each variant runs.
    #[arg(long, default_value_t = 5)]
    pairs: u32,
    /// Records of flat JSON on the broker.
    #[arg(long, default_value_t = 3_000_000)]
    records: u32,
    /// With `instructions`: fail where the counts differ from the committed ones by more than 2 %.
    #[arg(long)]
    check: bool,
    /// With `detect`: what is passed on to it; `-- --help` lists it.
    #[arg(last = true)]
    detect: Vec<String>,
}

pub(crate) fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    process::listen_for_stop();
    if args.names.iter().any(|name| name == "detect") {
        return detect(root, args);
    }
    let program = build(root, "forecall-benches")?;
    if args.names.iter().any(|name| name == "instructions") {
        return instructions(root, &program, args.check);
    }
    let mut command = Command::new(program);
    command.current_dir(root).arg("run").args(&args.names);
    for (name, number) in [("--pairs", args.pairs), ("--records", args.records)] {
        command.args([name, &number.to_string()]);
    }
    if let Some(data) = &args.data {
        command.arg("--data").arg(data);
    }
    if args.json {
        command.arg("--json");
    }
    // Lives until the figures are there.
    let mut _broker = None;
    if args.names.is_empty() || args.names.iter().any(|name| name == "kafka") {
        process::run_ok(cargo(root).args(["build", "--release", "--package", "forecall"]))?;
        let java = java::prepare()?;
        let libs = kafka::libraries(root, &java)?;
        let started = Throwaway::start(root, &java.java, &libs)?;
        command.args(["--bootstrap", &started.bootstrap()]);
        command.arg("--binary").arg(test::binary(root));
        _broker = Some(started);
    }
    run_measuring(&mut command)
}

fn run_measuring(command: &mut Command) -> Result<ExitCode> {
    let status = process::run(command)?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Scores detection. Its package needs no Kafka client, so it is built and run by itself.
fn detect(root: &Path, args: &Args) -> Result<ExitCode> {
    ensure!(args.names.len() == 1, "`detect` runs alone");
    let mut command = Command::new(build(root, "forecall-bench-detect")?);
    command.current_dir(root);
    if let Some(data) = &args.data {
        command.arg("--data").arg(data);
    }
    if args.json {
        command.arg("--json");
    }
    run_measuring(command.args(&args.detect))
}

/// Builds one package of the benchmarks, which are a workspace of their own, beside what they measure.
fn build(root: &Path, package: &str) -> Result<PathBuf> {
    let target = test::binary(root)
        .parent()
        .and_then(Path::parent)
        .map(Path::to_owned)
        .context("no target folder")?;
    let manifest = root.join("benches/Cargo.toml");
    let args = ["build", "--release", "--locked", "--package", package];
    process::run_ok(
        cargo(root)
            .args(args)
            .arg("--manifest-path")
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target),
    )?;
    Ok(target.join("release").join(package))
}

fn instructions(root: &Path, program: &Path, check: bool) -> Result<ExitCode> {
    let folder = repo::dev_dir(root);
    std::fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let mut counts = BTreeMap::new();
    for (name, few, many) in COUNTED {
        let count = |samples| counted(program, &folder, name, samples);
        let a_sample = (count(many)? - count(few)?) / f64::from(many - few);
        println!("{name}: {a_sample:.0} instructions a sample");
        counts.insert(name.to_owned(), a_sample.round());
    }
    let path = root.join(BASELINE);
    if !check {
        std::fs::write(&path, serde_json::to_string_pretty(&counts)? + "\n")
            .with_context(|| format!("failed to write {BASELINE}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("failed to read {BASELINE}: make it by `cargo xtask bench instructions`"))?;
    let committed: BTreeMap<String, f64> = serde_json::from_str(&text)?;
    let changed = changes(&committed, &counts);
    for line in &changed {
        println!("{line}");
    }
    Ok(if changed.is_empty() {
        println!("instructions: within 2 % of {BASELINE}");
        ExitCode::SUCCESS
    } else {
        eprintln!(
            "xtask: if the change is wanted, run `cargo xtask bench instructions` and commit {BASELINE}"
        );
        ExitCode::FAILURE
    })
}

/// What differs by too much, one line each.
fn changes(committed: &BTreeMap<String, f64>, counts: &BTreeMap<String, f64>) -> Vec<String> {
    counts
        .iter()
        .filter_map(|(name, now)| {
            let Some(before) = committed.get(name) else {
                return Some(format!("{name}: not in {BASELINE}"));
            };
            let change = now / before - 1.0;
            (change.abs() > CHANGE_MAX).then(|| {
                format!(
                    "{name}: {before:.0} -> {now:.0} instructions a sample ({:+.1} %)",
                    change * 100.0
                )
            })
        })
        .collect()
}

/// Instructions of one run under callgrind.
fn counted(program: &Path, folder: &Path, name: &str, samples: u32) -> Result<f64> {
    let out = folder.join(format!("callgrind.{name}.{samples}"));
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["work", name, &samples.to_string()]);
    ensure!(
        process::run(&mut command)
            .context("is valgrind installed?")?
            .success(),
        "counting {name} failed"
    );
    let text = std::fs::read_to_string(&out).with_context(|| format!("failed to read {}", out.display()))?;
    let total = text.lines().find_map(|line| {
        line.strip_prefix("summary: ")
            .or_else(|| line.strip_prefix("totals: "))
    });
    match total.and_then(|number| number.trim().parse().ok()) {
        Some(number) => Ok(number),
        None => bail!("{} holds no total", out.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_over_two_per_cent_is_told() {
        let counts = |a: f64, b: f64| BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        assert!(changes(&counts(1_000.0, 500.0), &counts(1_019.0, 491.0)).is_empty());
        assert_eq!(
            changes(&counts(1_000.0, 500.0), &counts(1_030.0, 480.0)),
            [
                "a: 1000 -> 1030 instructions a sample (+3.0 %)",
                "b: 500 -> 480 instructions a sample (-4.0 %)"
            ]
        );
        assert_eq!(changes(&BTreeMap::new(), &counts(1.0, 1.0)).len(), 2);
    }
}
