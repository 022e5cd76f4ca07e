//! How well forecall detects: scored on public recordings and on quiet data, beside simple rivals, in one run.
//!
//! `cargo xtask bench detect --data DIR` starts it. It calls the shipped detector with its defaults and knows of it only
//! what `subject.rs` holds; the scorers know no detector at all.
#![allow(clippy::print_stdout, reason = "figures are told on the terminal")]

mod ahead;
mod bootstrap;
mod calm;
mod cost;
mod data;
mod quiet;
mod ramps;
mod rivals;
mod sets;
mod subject;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::sets::How;
use crate::subject::{Forecall, Method};
use crate::table::Table;

/// Versions of the detector that were scored on these sets while it was made: what a best figure must be read against.
const VARIANTS_TRIED: u32 = 270;
const PARTS: [&str; 7] = ["nab", "mscloud", "smd", "asd", "quiet", "ahead", "cost"];

/// How well forecall detects, beside simple rivals.
#[derive(Parser)]
#[command(name = "forecall-bench-detect", max_term_width = 110)]
struct Cli {
    /// The folder with the recordings; without it only what needs none is measured.
    #[arg(long)]
    data: Option<PathBuf>,
    /// What to measure: nab, mscloud, smd, asd, quiet, ahead, cost; all for none.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Judge each group by the threshold that is best for all others, too.
    #[arg(long)]
    groups: bool,
    /// Score each channel for itself, too.
    #[arg(long)]
    channels: bool,
    /// forecall only.
    #[arg(long)]
    alone: bool,
    /// Give the detector a file's name as the metric's, so that it guesses the kind; else `value`.
    #[arg(long)]
    names: bool,
    /// Machines without their normal past.
    #[arg(long)]
    cold: bool,
    /// Settings of detect to change, as a JSON object; what is measured then is not what is shipped.
    #[arg(long, default_value = "{}")]
    settings: String,
    /// Months of each nature of quiet data.
    #[arg(long, default_value_t = 12)]
    months: u64,
    /// Variants tried so far, for the footer.
    #[arg(long, default_value_t = VARIANTS_TRIED)]
    variants: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    for name in &cli.only {
        ensure!(
            PARTS.contains(&name.as_str()),
            "`{name}` is none of {}",
            PARTS.join(", ")
        );
    }
    let wanted = |name: &str| cli.only.is_empty() || cli.only.iter().any(|only| only == name);
    let mut table = Table::default();
    // First, while memory holds nothing else.
    if wanted("cost") {
        cost::run(&Forecall::with(&cli.settings)?, &mut table)?;
    }
    if let Some(data) = &cli.data {
        recordings(&cli, data, &wanted, &mut table)?;
    } else {
        let needing = cli
            .only
            .iter()
            .find(|name| !matches!(name.as_str(), "quiet" | "ahead" | "cost"));
        ensure!(
            needing.is_none(),
            "`{}` needs --data",
            needing.map_or("", String::as_str)
        );
    }
    if wanted("quiet") {
        calm::run(&Forecall::with(&cli.settings)?, cli.months, &mut table);
    }
    if wanted("ahead") {
        let settings = Forecall::with(&cli.settings)?.settings;
        ahead::run(cli.data.as_deref(), &settings, &mut table).context("ahead")?;
    }
    if cli.json {
        println!("{}", table.json(cli.variants));
    } else {
        print!("{}", table.text(cli.variants));
    }
    Ok(())
}

fn recordings(cli: &Cli, data: &Path, wanted: &dyn Fn(&str) -> bool, table: &mut Table) -> Result<()> {
    let mut methods: Vec<Box<dyn Method>> = vec![Box::new(Forecall::with(&cli.settings)?)];
    if !cli.alone {
        methods.append(&mut rivals::all());
    }
    let how = How {
        data,
        names: cli.names,
        groups: cli.groups,
        channels: cli.channels,
        cold: cli.cold,
    };
    if wanted("nab") {
        sets::nab(&methods, &how, table).context("nab")?;
    }
    if wanted("mscloud") {
        sets::mscloud(&methods, &how, table).context("mscloud")?;
    }
    for set in ["smd", "asd"] {
        if wanted(set) {
            sets::machines(set, &methods, &how, table).context(set)?;
        }
    }
    Ok(())
}
