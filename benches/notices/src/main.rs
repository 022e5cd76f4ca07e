//! How fast a hundred thousand people are told, what a retraction takes, and whether anybody is lost when the process is killed.
//!
//! `cargo xtask bench notices` starts it. What runs is the shipped pipeline (outreach and deliver, a thread a stage) on the log in memory,
//! with a ledger on disk, beside a message centre on the loopback, which is a fake: what it takes at most, and what it does wrong, is said.
#![allow(clippy::print_stdout, reason = "figures are told on the terminal")]

mod alone;
mod centre;
mod dice;
mod first;
mod frames;
mod house;
mod kills;
mod machine;
mod people;
mod raw;
mod send;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use forecall_ledger::Prefer;
use serde_json::{Value, json};

const NAMES: [&str; 4] = ["send", "alone", "first", "kills"];

/// How fast many people are told, what a retraction takes, and whether anybody is lost when the process is killed.
///
/// bench notices --only send --rates 0,2000        a notice to all, and its retraction, beside the raw client;
/// bench notices --only alone --rates 0            deliver alone: rate and memory;
/// bench notices --only first --runs 300           from the incident's record to the first text message;
/// bench notices --only kills --kills 200 --seed 7 kill -9 at random points of a send
#[derive(Parser)]
#[command(name = "forecall-bench-notices", max_term_width = 110, verbatim_doc_comment)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Work>,
    /// What is measured: send, alone, first, kills; all but kills by default.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// People told.
    #[arg(long, default_value_t = 100_000)]
    people: usize,
    /// Parts under way at once.
    #[arg(long, default_value_t = 100)]
    window: u16,
    /// Parts a second that the centre takes; 0: as fast as it can.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 2_000])]
    rates: Vec<u32>,
    /// Milliseconds from a part to its answer, beside its turn.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// The centre sends no receipts.
    #[arg(long)]
    no_receipts: bool,
    /// Incidents of which the first message is timed.
    #[arg(long, default_value_t = 300)]
    runs: usize,
    /// How often the sending process is killed.
    #[arg(long, default_value_t = 200)]
    kills: usize,
    /// Where random numbers begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the folders are made.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// JSON instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Work {
    /// The process that is killed; started by the benchmark itself.
    #[command(hide = true)]
    Work(kills::Worker),
}

impl Cli {
    fn folder(&self) -> Result<tempfile::TempDir> {
        Ok(match &self.folder {
            Some(folder) => tempfile::tempdir_in(folder)?,
            None => tempfile::tempdir()?,
        })
    }

    fn wants(&self, name: &str) -> bool {
        if self.only.is_empty() {
            name != "kills"
        } else {
            self.only.iter().any(|only| only == name)
        }
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all that must hold does.
fn run(cli: &Cli) -> Result<bool> {
    if let Some(Work::Work(args)) = &cli.command {
        kills::work(args)?;
        return Ok(true);
    }
    if let Some(name) = cli.only.iter().find(|only| !NAMES.contains(&only.as_str())) {
        bail!("--only knows {}, not {name}", NAMES.join(", "));
    }
    let mut holds = true;
    let mut found = json!({});
    let mut told = |name: &str, rows: Vec<Value>| {
        if !cli.json {
            print!("{}", table::of(name, &rows));
        }
        found[name] = Value::from(rows);
    };
    let rates =
        |measure: &dyn Fn(u32) -> Result<Value>| cli.rates.iter().map(|rate| measure(*rate)).collect();
    if cli.wants("send") {
        let rows: Result<Vec<Value>> = rates(&|rate| send::run(cli, rate, !cli.no_receipts));
        told("send", rows?);
    }
    if cli.wants("alone") {
        let rows: Result<Vec<Value>> = rates(&|rate| alone::run(cli, rate, !cli.no_receipts));
        told("alone", rows?);
    }
    if cli.wants("first") {
        told("first", vec![first::run(cli)?]);
    }
    if cli.wants("kills") {
        let mut rows = Vec::new();
        for (echo, rule) in [
            (true, Prefer::Double),
            (false, Prefer::Double),
            (false, Prefer::Miss),
        ] {
            let row = kills::run(cli, echo, rule)?;
            holds &= kills::holds(&row);
            rows.push(row);
        }
        told("kills", rows);
    }
    if cli.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    }
    Ok(holds)
}
