//! How well forecall ranks the causes of an alarm, and how early it predicts one: scored on public recordings and on simulated faults, beside simple
//! rivals, in one run.
//!
//! `cargo xtask bench incidents --data DIR` starts it. Rankings see a case and nothing else; true causes are read apart and
//! only for the score.
#![allow(clippy::print_stdout, reason = "figures are told on the terminal")]

mod asked;
mod faults;
mod files;
mod lead;
mod method;
mod nezha;
mod petshop;
mod rivals;
mod score;
mod sets;
mod shuffled;
mod simulated;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use forecall_detect::DetectSettings;

use crate::asked::Asked;
use crate::files::REMEDY;
use crate::sets::Report;

/// What can be measured, and whether it needs recordings.
const SETS: [(&str, bool); 4] = [
    ("petshop", true),
    ("nezha", true),
    ("simulated", false),
    (LEAD, false),
];
/// Measured only where it is named: it takes minutes.
const LEAD: &str = "lead";

/// How well forecall ranks causes, beside simple rivals.
#[derive(Parser)]
#[command(name = "forecall-bench-incidents", max_term_width = 110)]
struct Cli {
    /// The folder with the recordings (petshop/ and nezha/ below it); without it only what needs none is measured.
    #[arg(long)]
    data: Option<PathBuf>,
    /// What to measure: petshop, nezha, simulated; for none, all that is there. And lead: how early incidents are predicted.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Rank each case again with its parts in so many other orders, and fail where one ranking differs.
    #[arg(long, default_value_t = 0)]
    shuffle: u64,
    /// Simulated cases of each kind.
    #[arg(long, default_value_t = 300)]
    cases: usize,
    /// Worlds of four days in which the lead is measured; settings are chosen on the first half.
    #[arg(long, default_value_t = 60)]
    worlds: usize,
    /// Detection doesn't heed the objectives' limits, for the lead: only correlation knows them.
    #[arg(long)]
    no_limits: bool,
    /// Settings of detect, as JSON, for the lead.
    #[arg(long, default_value = "{}")]
    detect: String,
    /// Where the simulation's numbers begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Tell the faults whose cause isn't first, with what came before it; of the lead: false alarms, and ramps that were not told.
    #[arg(long)]
    misses: bool,
    /// Print JSON: the candidates of each issue, the best first, and the tables.
    #[arg(long)]
    json: bool,
}

impl Cli {
    /// Whether to measure a set: one asked for by name must be there.
    fn wants(&self, set: &str, needs_data: bool) -> Result<bool> {
        let by_name = self.only.iter().any(|only| only == set);
        if !by_name && (set == LEAD || !self.only.is_empty()) {
            return Ok(false);
        }
        if !needs_data {
            return Ok(true);
        }
        match &self.data {
            Some(data) if by_name || data.join(set).is_dir() => Ok(true),
            None if by_name => bail!("{set} needs recordings: {REMEDY}"),
            Some(_) | None => Ok(false),
        }
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What failed, on which path, and what to do: a trace would bury it.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    for name in &cli.only {
        ensure!(
            SETS.iter().any(|(set, _)| set == name),
            "`{name}` is none of petshop, nezha, simulated, lead"
        );
    }
    if let Some(data) = &cli.data {
        ensure!(data.is_dir(), "{} is no folder: {REMEDY}", data.display());
    }
    let mut report = Report::default();
    let mut all: Vec<Asked> = Vec::new();
    for (set, needs_data) in SETS {
        if !cli.wants(set, needs_data)? {
            if needs_data && cli.only.is_empty() {
                report.note(&format!("{set} isn't there and is left out: {REMEDY}"));
            }
            continue;
        }
        let data = cli.data.clone().unwrap_or_default();
        all.extend(match set {
            "petshop" => {
                let issues = sets::petshop(&data, &mut report)?;
                sets::faults(&issues, &mut report);
                issues
            }
            "nezha" => sets::nezha(&data, &mut report)?,
            LEAD => {
                let settings: DetectSettings = serde_json::from_str(&cli.detect)
                    .with_context(|| format!("`{}` are no settings of detect", cli.detect))?;
                report.lead = Some(lead::run(
                    (cli.worlds, cli.seed),
                    settings,
                    !cli.no_limits,
                    cli.misses,
                )?);
                Vec::new()
            }
            _ => sets::simulated(cli.cases, cli.seed, &mut report),
        });
    }
    if let Some(data) = cli.data.as_ref().filter(|_| cli.only.is_empty()) {
        let is_any = SETS.iter().any(|(set, needs)| *needs && data.join(set).is_dir());
        ensure!(is_any, "{} holds no recordings: {REMEDY}", data.display());
    }
    if cli.shuffle > 0 {
        let same = shuffled::check(&all, cli.shuffle)?;
        report.note(&format!(
            "The same ranking, to the bit, of {same} cases, each in {} other orders of nodes, calls, series and rows.",
            cli.shuffle
        ));
    }
    if cli.misses {
        report.misses(&all);
    }
    if cli.json {
        println!("{:#}", report.json());
    } else {
        print!("{}", report.text());
    }
    Ok(())
}
