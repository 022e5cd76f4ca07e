//! `ci`: everything that must hold before a change lands, cheapest first, compile work shared.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::metadata::cargo;
use crate::{bench, codegen, dashboards, deploy, layers, process, test, tidy};

type Step = (&'static str, fn(&Path) -> Result<()>);

/// In order. Clippy and the test build share the build scripts (the C libraries), codegen and deploy run the binary that the
/// tests used, instructions an example that they built, and doc reads what clippy has checked.
const STEPS: [Step; 10] = [
    ("fmt", fmt),
    ("layers", |root| in_order("layers", &layers::problems(root)?)),
    ("tidy", |root| in_order("tidy", &tidy::problems(root)?)),
    ("dashboards", |root| {
        in_order("dashboards", &dashboards::problems(root)?)
    }),
    ("clippy", clippy),
    ("test", |root| test::run(root, &test::Args::for_ci())),
    ("instructions", bench::check_instructions),
    ("codegen", |root| codegen::check_with(&test::binary(root), root)),
    ("deploy", |root| deploy::run(root, &deploy::Args::default())),
    ("doc", doc),
];

/// Runs the steps; stops at the first that fails, and says how long each took.
pub(crate) fn run(root: &Path) -> Result<()> {
    process::listen_for_stop();
    let mut times: Vec<(&str, Duration)> = Vec::new();
    let mut outcome = Ok(());
    for (name, step) in STEPS {
        println!("xtask: ci: {name}");
        let began = Instant::now();
        outcome = step(root).with_context(|| format!("ci: step `{name}` failed"));
        times.push((name, began.elapsed()));
        if outcome.is_err() {
            break;
        }
    }
    print!("{}", table(&times, outcome.is_ok()));
    outcome
}

fn fmt(root: &Path) -> Result<()> {
    process::run_ok(cargo(root).args(["fmt", "--all", "--check"])).context("remedy: cargo fmt --all")
}

fn clippy(root: &Path) -> Result<()> {
    process::run_ok(
        cargo(root)
            .args([
                "clippy",
                "--release",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ])
            .env("CARGO_INCREMENTAL", "0"),
    )
}

fn doc(root: &Path) -> Result<()> {
    process::run_ok(
        cargo(root)
            .args(["doc", "--release", "--workspace", "--no-deps", "--locked"])
            .env("RUSTDOCFLAGS", "-D warnings")
            .env("CARGO_INCREMENTAL", "0"),
    )
}

fn in_order(check: &str, problems: &[String]) -> Result<()> {
    for problem in problems {
        println!("{problem}");
    }
    ensure!(problems.is_empty(), "{check} found {} problem(s)", problems.len());
    Ok(())
}

fn table(times: &[(&str, Duration)], passed: bool) -> String {
    let mut text = String::from("step          seconds\n");
    for (index, (name, time)) in times.iter().enumerate() {
        let failed = !passed && index + 1 == times.len();
        text.push_str(&format!(
            "{name:<12} {:>8.1}{}\n",
            time.as_secs_f64(),
            if failed { "  failed" } else { "" }
        ));
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    text.push_str(&format!("{:<12} {:>8.1}\n", "all", total.as_secs_f64()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_the_failed_step() {
        let times = [
            ("fmt", Duration::from_millis(1500)),
            ("layers", Duration::from_millis(250)),
        ];
        let expected = "step          seconds\n\
                        fmt               1.5\n\
                        layers            0.2  failed\n\
                        all               1.8\n";
        assert_eq!(table(&times, false), expected);
        assert!(!table(&times, true).contains("failed"));
    }
}
