//! `simulate`: the runtime in a world that fails, for as many seeds as one likes.

use std::path::Path;

use anyhow::{Context, Result};

use crate::metadata::cargo;
use crate::process;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many seeds to try.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them; the others follow it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this scenario, not all of them.
    #[arg(long)]
    scenario: Option<String>,
}

pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    process::listen_for_stop();
    let mut command = cargo(root);
    command
        .args([
            "test",
            "--release",
            "--package",
            "forecall-runtime",
            "--test",
            "it",
            "--",
        ])
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "simulate::as_many_seeds_as_asked_for",
        ])
        .env("FORECALL_SIM_SEEDS", args.seeds.to_string())
        .env("FORECALL_SIM_SEED", args.seed.to_string());
    if let Some(scenario) = &args.scenario {
        command.env("FORECALL_SIM_SCENARIO", scenario);
    }
    process::run_ok(&mut command)
        .context("a seed that failed is printed above, with the command that runs it again")
}
