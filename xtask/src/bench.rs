//! `bench`: measures, side by side, and counts instructions against a committed baseline.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::kafka::{self, Throwaway};
use crate::metadata::cargo;
use crate::{apt, java, process, repo, test};

const NAMES: [&str; 10] = [
    "decode",
    "series",
    "kafka",
    "kafka-rate",
    "kafka-rekey",
    "kafka-commit",
    "kafka-latency",
    "kafka-recovery",
    "bombs",
    "instructions",
];
/// What is counted, and how many samples twice: the difference leaves the start and the making of the records out.
const COUNTED: [(&str, u32, u32); 4] = [
    ("flat_json_decode", 12_000, 24_000),
    ("flat_json_decode_detect", 12_000, 24_000),
    ("otlp_decode", 12_000, 24_000),
    ("otlp_decode_detect", 12_000, 24_000),
];
const PLAIN_LIBC: &str = "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM";
const BASELINE: &str = "benches/instructions.json";
/// A change of more than this share is told.
const CHANGE_MAX: f64 = 0.02;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to measure: decode, series, kafka (or kafka-rate, kafka-rekey, kafka-commit, kafka-latency, kafka-recovery), bombs,
    /// instructions; all but the last for none.
    #[arg(value_parser = NAMES)]
    names: Vec<String>,
    /// A folder with recordings (`otlp/*.pb`), measured too.
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
    /// Passed on to single rows, see `cargo xtask bench kafka-latency -- --help`: `--rate 50000`, `--kills 20`, `--keys 1000000`.
    #[arg(last = true)]
    more: Vec<String>,
    /// A broker that runs already; else one is started and thrown away.
    #[arg(long)]
    bootstrap: Option<String>,
    /// With `instructions`: fail where the counts differ from the committed ones by more than 2 %.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    process::listen_for_stop();
    let program = build(root)?;
    if args.names.iter().any(|name| name == "instructions") {
        return instructions(root, &program, args.check).map(code);
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
    command.args(&args.more);
    // Lives until the figures are there.
    let mut _broker = None;
    if args.names.is_empty()
        || args
            .names
            .iter()
            .any(|name| name.starts_with("kafka") || name == "bombs")
    {
        process::run_ok(cargo(root).args(["build", "--release", "--locked", "--package", "forecall"]))?;
        command.arg("--binary").arg(test::binary(root));
        if let Some(bootstrap) = &args.bootstrap {
            command.args(["--bootstrap", bootstrap]);
            return finish(&mut command);
        }
        let java = java::prepare()?;
        let libs = kafka::libraries(root, &java)?;
        let started = Throwaway::start(root, &java.java, &libs)?;
        command.args(["--bootstrap", &started.bootstrap()]);
        _broker = Some(started);
    }
    finish(&mut command)
}

fn finish(command: &mut Command) -> Result<ExitCode> {
    Ok(code(process::run(command)?.success()))
}

const fn code(is_good: bool) -> ExitCode {
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Builds the benchmarks, which are a workspace of their own, beside what they measure.
fn build(root: &Path) -> Result<PathBuf> {
    let target = test::binary(root)
        .parent()
        .and_then(Path::parent)
        .map(Path::to_owned)
        .context("no target folder")?;
    let manifest = root.join("benches/Cargo.toml");
    let args = ["build", "--release", "--locked", "--manifest-path"];
    process::run_ok(
        cargo(root)
            .args(args)
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target),
    )?;
    Ok(target.join("release/forecall-benches"))
}

/// Counts, and fails where the counts differ by too much from those committed: a step of `ci`.
pub(crate) fn check_instructions(root: &Path) -> Result<()> {
    let is_same = instructions(root, &build(root)?, true)?;
    ensure!(is_same, "the instruction counts have changed");
    Ok(())
}

/// Writes the counts, or says whether they are those committed.
fn instructions(root: &Path, program: &Path, check: bool) -> Result<bool> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        apt::install(&["valgrind"], "valgrind, which counts instructions")?;
    }
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
        return Ok(true);
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("failed to read {BASELINE}: make it by `cargo xtask bench instructions`"))?;
    let committed: BTreeMap<String, f64> = serde_json::from_str(&text)?;
    let changed = changes(&committed, &counts);
    for line in &changed {
        println!("{line}");
    }
    if changed.is_empty() {
        println!("instructions: within 2 % of {BASELINE}");
    } else {
        eprintln!(
            "xtask: if the change is wanted, run `cargo xtask bench instructions` and commit {BASELINE}"
        );
    }
    Ok(changed.is_empty())
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
        // The C library picks its copying and comparing by the processor: the plainest are the same everywhere.
        .env("GLIBC_TUNABLES", PLAIN_LIBC)
        .env_remove("LD_PRELOAD")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["work", name, &samples.to_string()]);
    ensure!(
        process::run(&mut command)
            .context("failed to start valgrind")?
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
