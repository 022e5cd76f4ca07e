//! How fast forecall is, measured beside what it is compared with, in one run: `cargo xtask bench`.
//!
//! It measures through the same crates that are shipped, and on a broker through the shipped binary. Each variant runs in
//! a process of its own, the variants take turns, and a figure is a median with the interval that 95 of 100 resamples
//! fall into. CPU time counts beside the clock: on a shared machine only it can be believed.
#![allow(clippy::print_stdout, reason = "figures are told on the terminal")]

mod decode;
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
    /// A stage on forecall's host, with settings an operator can't choose.
    #[command(hide = true)]
    Host(kafka::HostArgs),
    /// A load on a topic.
    #[command(hide = true)]
    Load(kafka::LoadArgs),
}

#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// What to measure: decode, series, kafka (kafka-rate, kafka-rekey, kafka-commit, kafka-latency, kafka-recovery), bombs;
    /// all for none.
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
    /// Records a second of the load for `kafka-latency`; half of what can be read, where not given.
    #[arg(long)]
    rate: Option<u32>,
    /// Incidents of one turn of `kafka-latency`.
    #[arg(long, default_value_t = 60)]
    incidents: u32,
    /// How often the long rows (`kafka-latency`, `bombs`) are measured.
    #[arg(long, default_value_t = 1)]
    turns: u32,
    /// SIGKILLs of `kafka-recovery`.
    #[arg(long, default_value_t = 10)]
    kills: u32,
    /// Takeovers by another slot there.
    #[arg(long, default_value_t = 3)]
    takeovers: u32,
    /// Series there.
    #[arg(long, default_value_t = 1_000_000)]
    series: u32,
    /// Names seen once, of `bombs`.
    #[arg(long, default_value_t = 10_000_000)]
    keys: u32,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Measure { args } => measure(&args),
        Command::Host(args) => {
            println!("{}", kafka::host(&args)?);
            Ok(())
        }
        Command::Load(args) => kafka::load(&args),
    }
}

fn run(args: &RunArgs) -> Result<()> {
    let mut report = Report::new(args.json);
    let wanted = |name: &str| kafka::wanted(&args.names, name);
    if wanted("decode") {
        report.heading("Decode and detect, in process");
        decode::run(&mut report, args.pairs, args.data.as_deref())?;
    }
    if wanted("series") {
        report.heading("Series: memory and CPU time an update, random order");
        series::run(&mut report, args.pairs)?;
    }
    kafka::run(&mut report, args)?;
    report.finish();
    Ok(())
}

fn measure(args: &[String]) -> Result<()> {
    let arg = |i: usize| args.get(i).map(String::as_str).context("an argument is missing");
    let out = match arg(0)? {
        "series" => series::measure(arg(1)?, arg(2)?.parse()?, arg(3)?.parse()?)?,
        "decode" => decode::measure(arg(1)?, args.get(2).map(PathBuf::from).as_deref())?,
        "consume" => kafka::consume(arg(1)?, arg(2)?, false)?,
        "weigh" => kafka::consume(arg(1)?, arg(2)?, true)?,
        other => anyhow::bail!("`{other}` is not measured here"),
    };
    println!("{out}");
    Ok(())
}
