//! How fast forecall is, measured beside what it is compared with, in one run: `cargo xtask bench`.
//!
//! It measures through the same crates that are shipped, and on a broker through the shipped binary. Each variant runs in
//! a process of its own, the variants take turns, and a figure is a median with the interval that 95 of 100 resamples
//! fall into. CPU time counts beside the clock: on a shared machine only it can be believed.
#![allow(clippy::print_stdout, reason = "figures are told on the terminal")]

mod decode;
mod instructions;
mod kafka;
mod measure;
mod naive;
mod report;
mod series;
mod world;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::report::Report;

/// How fast forecall is, beside what it is compared with.
#[derive(Parser)]
#[command(name = "forecall-benches", max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure figures and print them.
    Run(RunArgs),
    /// One measurement in this process; what `run` starts.
    #[command(hide = true)]
    Measure { args: Vec<String> },
    /// A fixed amount of work, for counting instructions.
    #[command(hide = true)]
    Work {
        /// One of the names in `instructions.json`.
        name: String,
        /// Samples.
        samples: u32,
    },
}

#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// What to measure: decode, series, kafka; all for none.
    names: Vec<String>,
    /// A folder with recordings (`otlp/*.pb`).
    #[arg(long)]
    data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// How often each variant runs.
    #[arg(long, default_value_t = 5)]
    pairs: u32,
    /// Address of a broker to measure on.
    #[arg(long)]
    bootstrap: Option<String>,
    /// The binary that is measured on the broker.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Records put on the broker's topic of flat JSON.
    #[arg(long, default_value_t = 3_000_000)]
    records: u32,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Measure { args } => measure(&args),
        Command::Work { name, samples } => instructions::work(&name, samples),
    }
}

fn run(args: &RunArgs) -> Result<()> {
    let mut report = Report::new(args.json);
    let wanted = |name: &str| args.names.is_empty() || args.names.iter().any(|n| n == name);
    if wanted("decode") {
        report.heading("Decode and detect, in process");
        decode::run(&mut report, args.pairs, args.data.as_deref())?;
    }
    if wanted("series") {
        report.heading("Series: memory and CPU time an update, random order");
        series::run(&mut report, args.pairs)?;
    }
    if wanted("kafka") {
        match (&args.bootstrap, &args.binary) {
            (Some(bootstrap), Some(binary)) => {
                report.heading("On a real broker");
                kafka::run(&mut report, bootstrap, binary, args)?;
            }
            _ => report.remark("\nkafka: left out; it needs --bootstrap and --binary"),
        }
    }
    report.finish();
    Ok(())
}

fn measure(args: &[String]) -> Result<()> {
    let arg = |i: usize| args.get(i).map(String::as_str).context("an argument is missing");
    let out = match arg(0)? {
        "series" => series::measure(arg(1)?, arg(2)?.parse()?, arg(3)?.parse()?)?,
        "decode" => decode::measure(arg(1)?, args.get(2).map(PathBuf::from).as_deref())?,
        "consume" => kafka::consume(arg(1)?, arg(2)?)?,
        other => anyhow::bail!("`{other}` is not measured here"),
    };
    println!("{out}");
    Ok(())
}
