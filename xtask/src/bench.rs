//! `bench`: measures, side by side, scores detection and the ranking of causes, and counts instructions against a committed baseline.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::kafka::{self, Throwaway};
use crate::metadata::cargo;
use crate::{apt, java, process, repo, test};

/// What is measured on the broker, `kafka-rate` and the like among it.
const ON_A_BROKER: [&str; 2] = ["kafka", "bombs"];
/// What is measured without one.
const IN_PROCESS: [&str; 2] = ["decode", "series"];
/// What is counted, not measured.
const INSTRUCTIONS: &str = "instructions";
/// What programs of their own measure or score, which need no Kafka client.
const APART: [(&str, &str); 7] = [
    ("calls", "forecall-bench-calls"),
    ("desk", "forecall-bench-desk"),
    ("detect", "forecall-bench-detect"),
    ("incidents", "forecall-bench-incidents"),
    ("journeys", "forecall-bench-journeys"),
    ("notices", "forecall-bench-notices"),
    ("places", "forecall-bench-places"),
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

/// What the benchmarks are asked for: their own options, which they alone know; `instructions [--check]`, which counts and fails
/// where the counts differ from the committed ones by more than 2 %; or `calls`, `desk`, `detect`, `incidents`, `journeys`,
/// `notices` or `places` and their options.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// `instructions [--check]`, or names and options of the benchmarks; `--help`, and `--help` behind `calls`, `desk`,
    /// `detect`, `incidents`, `journeys`, `notices` and `places`, list them.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "NAME|OPTION"
    )]
    options: Vec<String>,
}

impl Args {
    fn has(&self, word: &str) -> bool {
        self.options.iter().any(|option| option == word)
    }

    /// The broker's figures are wanted: by name, or because no name is given.
    fn wants_broker(&self) -> bool {
        let by_name = |option: &String| ON_A_BROKER.iter().any(|name| option.starts_with(name));
        self.options.iter().any(by_name) || !IN_PROCESS.iter().any(|name| self.has(name))
    }
}

pub(crate) fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    process::listen_for_stop();
    if let Some((name, package)) = APART.iter().find(|(name, _)| args.has(name)) {
        let options = args.options.iter().filter(|option| option != name);
        let mut command = Command::new(build(root, package)?);
        return process::code(command.current_dir(root).args(options));
    }
    if args.has(INSTRUCTIONS) {
        let unknown = args
            .options
            .iter()
            .find(|o| *o != INSTRUCTIONS && *o != "--check");
        if let Some(option) = unknown {
            bail!("`bench instructions` takes --check alone, not {option}");
        }
        let is_same = instructions(root, args.has("--check"))?;
        return Ok(if is_same {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    let mut command = Command::new(build(root, "forecall-benches")?);
    command.current_dir(root).arg("run").args(&args.options);
    // Lives until the figures are there.
    let mut _broker = None;
    if args.wants_broker() && !process::asks_for_help(&args.options) {
        process::run_ok(cargo(root).args(["build", "--release", "--locked", "--package", "forecall"]))?;
        command.arg("--binary").arg(test::binary(root));
        if !args.has("--bootstrap") {
            let java = java::prepare()?;
            let libs = kafka::libraries(root, &java)?;
            let started = Throwaway::start(root, &java.java, &libs)?;
            command.args(["--bootstrap", &started.bootstrap()]);
            _broker = Some(started);
        }
    }
    process::code(&mut command)
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

/// Fails where the counts differ from the committed ones.
pub(crate) fn check_instructions(root: &Path) -> Result<()> {
    ensure!(
        instructions(root, true)?,
        "the instructions of a sample have changed by more than {:.0} %",
        CHANGE_MAX * 100.0
    );
    Ok(())
}

/// Writes the counts, or says whether they are those committed.
fn instructions(root: &Path, check: bool) -> Result<bool> {
    if !cfg!(target_arch = "x86_64") {
        println!("instructions: {BASELINE} was counted on x86_64, so nothing can be said here");
        return Ok(check);
    }
    // The workspace as the tests build it: other features would build its dependencies anew.
    process::run_ok(
        cargo(root)
            .args([
                "build",
                "--release",
                "--locked",
                "--workspace",
                "--example",
                "counted",
            ])
            .env("CARGO_INCREMENTAL", "0"),
    )?;
    let binary = test::binary(root);
    let program = &binary
        .parent()
        .context("no target folder")?
        .join("examples/counted");
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
        .args([name, &samples.to_string()]);
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
