//! The one developer command of forecall: checks of the house's own rules, test servers, tests, CI.
//!
//! It knows the repository and the tools a developer has (cargo, git, Maven, apt); it knows nothing of what forecall
//! computes and depends on no crate of the house. One file a subcommand.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer command talks to the terminal"
)]

mod alertmanager;
mod apt;
mod bench;
mod chaos;
mod ci;
mod codegen;
mod collectd;
mod dashboards;
mod demo;
mod deploy;
mod greenmail;
mod java;
mod jsmpp;
mod kafka;
mod layers;
mod maven;
mod metadata;
mod package;
mod pictures;
mod process;
mod prometheus;
mod repo;
mod s3proxy;
mod simulate;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The one developer command of forecall.
#[derive(Parser)]
#[command(name = "cargo xtask", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the rules of the house that compilers don't: lengths, names, manifests, docs, leaks.
    #[command(after_help = "Examples:\n  cargo xtask tidy")]
    Tidy,
    /// Check that no crate depends on a layer it must not know, nor on a library that is another crate's own.
    #[command(after_help = "Examples:\n  cargo xtask layers")]
    Layers,
    /// Write schemas/ and docs/reference/ from the types, or check that they are up to date.
    #[command(after_help = "Examples:\n  cargo xtask codegen\n  cargo xtask codegen --check")]
    Codegen(codegen::Args),
    /// Write deploy/grafana/dashboards/ and check them, Prometheus' rules and their runbooks against the metrics there are.
    #[command(after_help = "Examples:\n  cargo xtask dashboards\n  cargo xtask dashboards --check")]
    Dashboards(dashboards::Args),
    /// A real single-node Apache Kafka on this machine, from Maven artifacts.
    #[command(
        after_help = "Examples:\n  cargo xtask kafka up\n  cargo xtask kafka status --port 19092\n  \
                            cargo xtask kafka down"
    )]
    Kafka(kafka::Args),
    /// Run the demo: no Kafka, no Java, no network needed.
    #[command(after_help = "Examples:\n  cargo xtask demo\n  cargo xtask demo --help")]
    Demo(demo::Args),
    /// Run all tests on real servers, fetching what they need.
    #[command(
        after_help = "Examples:\n  cargo xtask test\n  cargo xtask test watermark\n  cargo xtask test --fast\n  cargo xtask test --prepare"
    )]
    Test(test::Args),
    /// Run the runtime in a simulated world that fails, by seeds; a failing seed is printed and replays.
    #[command(
        after_help = "Examples:\n  cargo xtask simulate\n  cargo xtask simulate --seeds 10000 --seed 1\n  cargo xtask simulate --scenario tally --seeds 1 --seed 42"
    )]
    Simulate(simulate::Args),
    /// Kill the host at random and at every crash point on a real Kafka, and compare what comes out with an oracle.
    #[command(
        after_help = "Examples:\n  cargo xtask chaos --kills 200 --seed 1\n  cargo xtask chaos --kills 20 --json"
    )]
    Chaos(chaos::Args),
    /// Measure forecall beside what it is compared with; on a throw-away broker too.
    #[command(
        after_help = "Examples:\n  cargo xtask bench\n  cargo xtask bench decode series --pairs 3\n  cargo xtask bench instructions --check\n  \
                            cargo xtask bench detect --data DIR --only nab,mscloud --groups\n  \
                            cargo xtask bench incidents --data DIR --shuffle 3"
    )]
    Bench(bench::Args),
    /// Make what operators install: the Debian package.
    #[command(after_help = "Examples:\n  cargo build --release --locked && cargo xtask package deb")]
    Package(package::Args),
    /// Check everything below deploy/ with the programs that read it: units, package, image, compose file, chart, Kustomize base.
    #[command(
        after_help = "Examples:\n  cargo build --release --locked && cargo xtask deploy\n  cargo xtask deploy --only chart,kustomize\n\n\
                      Needs root or fakeroot for the package's installation, which stays in a folder. What is missing is fetched, pinned."
    )]
    Deploy(deploy::Args),
    /// Draw the pictures of docs/detection.md from replays of public recordings.
    #[command(after_help = "Examples:\n  cargo xtask pictures --data DIR")]
    Pictures(pictures::Args),
    /// Everything that must hold before a change lands; stops at the first step that fails.
    #[command(after_help = "Examples:\n  cargo xtask ci")]
    Ci,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let root = repo::root()?;
    match command {
        Command::Tidy => Ok(verdict("tidy", &tidy::problems(&root)?)),
        Command::Layers => Ok(verdict("layers", &layers::problems(&root)?)),
        Command::Codegen(args) => codegen::run(&root, &args),
        Command::Dashboards(args) => dashboards::run(&root, &args),
        Command::Kafka(args) => kafka::run(&root, &args),
        Command::Demo(args) => demo::run(&root, &args),
        Command::Test(args) => test::run(&root, &args).map(|()| ExitCode::SUCCESS),
        Command::Simulate(args) => simulate::run(&root, &args).map(|()| ExitCode::SUCCESS),
        Command::Chaos(args) => chaos::run(&root, &args),
        Command::Bench(args) => bench::run(&root, &args),
        Command::Package(args) => package::run(&root, &args).map(|()| ExitCode::SUCCESS),
        Command::Deploy(args) => deploy::run(&root, &args).map(|()| ExitCode::SUCCESS),
        Command::Pictures(args) => pictures::run(&root, &args),
        Command::Ci => ci::run(&root).map(|()| ExitCode::SUCCESS),
    }
}

/// Prints one line a problem and says how many there are.
fn verdict(check: &str, problems: &[String]) -> ExitCode {
    for problem in problems {
        println!("{problem}");
    }
    if problems.is_empty() {
        println!("{check}: in order");
        return ExitCode::SUCCESS;
    }
    eprintln!("xtask: {check} found {} problem(s)", problems.len());
    ExitCode::FAILURE
}
