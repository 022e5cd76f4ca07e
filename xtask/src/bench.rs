//! `bench`: measures, side by side, and counts instructions against a committed baseline.

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

/// What is measured only on a broker.
const ON_A_BROKER: &str = "kafka";
/// What is measured without one.
const IN_PROCESS: [&str; 2] = ["decode", "series"];
/// What is counted, not measured.
const INSTRUCTIONS: &str = "instructions";

/// What the benchmarks are asked for: their own options, which they alone know; and `instructions [--check]`, which counts
/// and fails where the counts differ from the committed ones by more than 2 %.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// `instructions [--check]`, or names and options of the benchmarks; `--help` lists them.
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
        self.has(ON_A_BROKER) || !IN_PROCESS.iter().any(|name| self.has(name))
    }
}

pub(crate) fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    process::listen_for_stop();
    let program = build(root)?;
    if args.has(INSTRUCTIONS) {
        let unknown = args
            .options
            .iter()
            .find(|o| *o != INSTRUCTIONS && *o != "--check");
        if let Some(option) = unknown {
            bail!("`bench instructions` takes --check alone, not {option}");
        }
        return instructions(root, &program, args.has("--check"));
    }
    let mut command = Command::new(program);
    command.current_dir(root).arg("run").args(&args.options);
    // Lives until the figures are there.
    let mut _broker = None;
    if args.wants_broker() && !process::asks_for_help(&args.options) {
        process::run_ok(cargo(root).args(["build", "--release", "--package", "forecall"]))?;
        let java = java::prepare()?;
        let libs = kafka::libraries(root, &java)?;
        let started = Throwaway::start(root, &java.java, &libs)?;
        command.args(["--bootstrap", &started.bootstrap()]);
        command.arg("--binary").arg(test::binary(root));
        _broker = Some(started);
    }
    process::code(&mut command)
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
    fn the_broker_is_started_for_what_needs_it() {
        let wants = |words: &[&str]| {
            let options = words.iter().map(|w| (*w).to_owned()).collect();
            Args { options }.wants_broker()
        };
        assert!(
            wants(&[])
                && wants(&["--json"])
                && wants(&["decode", "kafka"])
                && wants(&["--pairs", "3", "kafka"])
        );
        assert!(!wants(&["decode"]) && !wants(&["--pairs", "3", "series"]));
    }

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
