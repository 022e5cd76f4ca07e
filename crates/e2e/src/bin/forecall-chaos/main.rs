//! The chaos harness: forecall's own host and log, on a real Kafka, under SIGKILL, SIGSTOP, SIGTERM and a dying broker.
//!
//! `run` is the driver: it feeds a seeded input, does to the worker processes (this program again, as `worker`) what the
//! seed has drawn, and compares every output, every dead letter and the state of every partition with an oracle. It then
//! does the same to a control that uses no transactions; a verifier that the control passes would prove nothing.
//! `cargo xtask chaos` gives it a broker.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's program talks to the terminal"
)]

mod adapter;
mod at_least_once;
mod broker;
mod campaign;
mod draw;
mod feeder;
mod fleet;
mod input;
mod oracle;
mod place;
mod report;
mod schedule;
mod tally;
mod topics;
mod verdict;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use forecall_e2e::proxy::Proxy;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::broker::Broker;
use crate::campaign::{Campaign, Outcome};
use crate::place::{HELD, Place};
use crate::report::Report;

/// The chaos harness.
#[derive(Parser)]
#[command(name = "forecall-chaos", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Drive a whole run and its control.
    Run(Box<Args>),
    /// One process of a run.
    Worker(worker::Args),
}

#[derive(clap::Args)]
struct Args {
    /// Address of the broker.
    #[arg(long, help_heading = "Given by `cargo xtask chaos`")]
    bootstrap: String,
    /// Folder for snapshots and logs; removed where all is in order.
    #[arg(long, help_heading = "Given by `cargo xtask chaos`")]
    folder: PathBuf,
    /// SIGKILLs of processes, those at crash points included.
    #[arg(long, default_value_t = 200)]
    kills: u64,
    /// SIGKILLs of the broker, where it may be killed; otherwise one for every fifty of the processes.
    #[arg(long)]
    broker_kills: Option<u64>,
    /// SIGKILLs of the control's processes.
    #[arg(long, default_value_t = 12)]
    control_kills: u64,
    /// Draws the schedule and the input.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Records a second.
    #[arg(long, default_value_t = 600)]
    rate: u64,
    /// Loopback port at which the line that may fail is opened: a listener of the broker says that it is reached there.
    #[arg(long, requires = "proxy_to", help_heading = "Given by `cargo xtask chaos`")]
    proxy_port: Option<u16>,
    /// Loopback port of that listener.
    #[arg(long, requires = "proxy_port", help_heading = "Given by `cargo xtask chaos`")]
    proxy_to: Option<u16>,
    /// Keep the logs where all is in order too.
    #[arg(long)]
    keep: bool,
    /// Tell the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: Broker,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Worker(args) => worker::run(&args).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("chaos: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("failed to listen for signals")?;
    }
    let broker_kills = match args.broker_kills {
        Some(count) => count,
        None if args.broker.may_be_killed() => (args.kills / 50).max(1),
        None => 0,
    };
    let proxy = match args.proxy_port.zip(args.proxy_to) {
        Some((port, to)) => Some(Proxy::start(port, to, HELD)?),
        None => None,
    };
    let one = |name: &str, kills, control| {
        let run = format!("chaos-{}-{name}", std::process::id());
        let campaign = Campaign {
            place: Place {
                bootstrap: args.bootstrap.clone(),
                state: args.folder.join(&run),
                run: run.clone(),
            },
            logs: &args.folder.join(format!("{run}-logs")),
            control,
            kills,
            seed: args.seed,
            rate: args.rate,
            broker: &args.broker,
            broker_kills: if control { 0 } else { broker_kills },
            proxy: proxy.as_ref().filter(|_| !control),
            stop: &stop,
        };
        campaign
            .run()
            .with_context(|| format!("the logs are in {}", args.folder.display()))
    };
    let outcome: Outcome = one("run", args.kills, false)?;
    let report = Report {
        seed: args.seed,
        kills_wanted: args.kills,
        run: outcome,
        control: one("control", args.control_kills, true)?,
    };
    if args.json {
        println!("{:#}", report.json());
    } else {
        print!("{}", report.text());
    }
    if report.problems().is_empty() {
        if args.keep {
            eprintln!("chaos: the logs are in {}", args.folder.display());
            return Ok(ExitCode::SUCCESS);
        }
        std::fs::remove_dir_all(&args.folder).context("failed to remove the folder")?;
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("chaos: the logs are in {}", args.folder.display());
    Ok(ExitCode::FAILURE)
}
