//! What an open journey costs in memory and an event in time, beside a plain map of structs with names.
//!
//! `cargo xtask bench journeys` starts it. Each figure of memory is what the process holds in RAM more than before, so each
//! is taken in a process of its own.
#![allow(clippy::print_stdout, reason = "figures are told on the terminal")]

mod plain;
mod waves;
mod world;

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use forecall_journey::JourneyStage;
use forecall_stage::{Effects, Stage};
use forecall_types::{JourneyEntry, JourneyOutput};
use serde_json::{Value, json};

use crate::plain::Plain;
use crate::world::{World, settings};

/// What an open journey costs in memory and an event in time.
#[derive(Parser)]
#[command(name = "forecall-bench-journeys", max_term_width = 110)]
struct Cli {
    /// Open journeys of the large row.
    #[arg(long, default_value_t = 10_000_000)]
    journeys: u64,
    /// Open journeys of the rows beside a plain map, which holds far fewer in the same memory.
    #[arg(long, default_value_t = 1_000_000)]
    beside: u64,
    /// Events of a rate.
    #[arg(long, default_value_t = 3_000_000)]
    events: u64,
    /// Where random numbers begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Takes one figure and prints it; the program starts itself so.
    #[arg(long, hide = true)]
    row: Option<String>,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    if let Some(row) = &cli.row {
        println!("{}", figure(cli, row)?);
        return Ok(());
    }
    let rows = [
        "held",
        "held-beside",
        "plain",
        "restored",
        "rate",
        "rate-plain",
        "rate-full",
        "waves",
    ];
    let mut figures = serde_json::Map::new();
    for row in rows {
        figures.insert(row.to_owned(), in_a_process(cli, row)?);
    }
    if cli.json {
        println!("{:#}", Value::Object(figures));
    } else {
        print(cli, &figures);
    }
    Ok(())
}

fn in_a_process(cli: &Cli, row: &str) -> Result<Value> {
    let program = std::env::current_exe().context("no path of this program")?;
    let number = |n: u64| n.to_string();
    let out = Command::new(program)
        .args([
            "--row",
            row,
            "--journeys",
            &number(cli.journeys),
            "--beside",
            &number(cli.beside),
        ])
        .args(["--events", &number(cli.events), "--seed", &number(cli.seed)])
        .output()
        .with_context(|| format!("failed to measure {row}"))?;
    ensure!(
        out.status.success(),
        "{row} failed: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    serde_json::from_slice(&out.stdout).with_context(|| format!("{row} told no figure"))
}

fn print(cli: &Cli, figures: &serde_json::Map<String, Value>) {
    let get = |row: &str, field: &str| {
        figures
            .get(row)
            .and_then(|f| f.get(field))
            .and_then(Value::as_f64)
            .unwrap_or(f64::NAN)
    };
    println!("| figure | forecall | plain map |\n|---|---|---|");
    println!(
        "| {} open journeys: MiB held; B a journey | {:.0}; {:.1} | – |",
        cli.journeys,
        get("held", "mib"),
        get("held", "bytes_each")
    );
    println!(
        "| {} open journeys: B a journey | {:.1} | {:.1} |",
        cli.beside,
        get("held-beside", "bytes_each"),
        get("plain", "bytes_each")
    );
    println!(
        "| {} open journeys: B a journey in a snapshot; s to write it; s to load it | {:.1}; {:.1}; {:.1} | – |",
        cli.journeys,
        get("restored", "snapshot_bytes_each"),
        get("restored", "write_s"),
        get("restored", "load_s")
    );
    println!(
        "| events a CPU second, few open | {:.0} | {:.0} |",
        get("rate", "per_s"),
        get("rate-plain", "per_s")
    );
    println!(
        "| events a CPU second, {} open | {:.0} | – |",
        cli.journeys,
        get("rate-full", "per_s")
    );
    if let Some(waves) = figures.get("waves") {
        println!("\n{}", waves::table(waves));
    }
}

fn figure(cli: &Cli, row: &str) -> Result<Value> {
    let mut world = World::new(cli.seed);
    match row {
        "waves" => Ok(waves::figure(cli.seed)),
        "held" => held(&mut world, cli.journeys),
        "held-beside" => held(&mut world, cli.beside),
        "restored" => restored(&mut world, cli.journeys),
        "plain" => {
            let before = resident_bytes()?;
            let mut plain = Plain::default();
            for _ in 0..cli.beside {
                plain.take(&world.start());
            }
            let held = resident_bytes()?.saturating_sub(before);
            ensure!(plain.open() == cli.beside, "{} are open", plain.open());
            Ok(json!({"bytes_each": held as f64 / cli.beside as f64}))
        }
        "rate" => rate(&mut JourneyStage::new(settings()), &mut world, cli.events),
        "rate-full" => {
            let (mut stage, _) = filled(&mut world, cli.journeys)?;
            rate(&mut stage, &mut world, cli.events)
        }
        "rate-plain" => {
            let events = world.mix(cli.events);
            let mut plain = Plain::default();
            let before = cpu()?;
            for event in &events {
                plain.take(event);
            }
            Ok(per_second(
                cli.events,
                cpu()?.saturating_sub(before),
                plain.failed,
            ))
        }
        other => bail!("no row {other}"),
    }
}

/// A stage in which so many are open, and what it holds of memory.
fn filled(world: &mut World, journeys: u64) -> Result<(JourneyStage, u64)> {
    let before = resident_bytes()?;
    let mut stage = JourneyStage::new(settings());
    let mut effects = Effects::default();
    for _ in 0..journeys {
        stage.step(&JourneyEntry::Event(world.start()), &mut effects);
        effects.clear();
    }
    stage.step(&world.tick(), &mut effects);
    let open = stage.health().open as u64;
    ensure!(open == journeys, "{open} are open, not {journeys}");
    Ok((stage, resident_bytes()?.saturating_sub(before)))
}

fn held(world: &mut World, journeys: u64) -> Result<Value> {
    let (_stage, held) = filled(world, journeys)?;
    Ok(json!({"mib": held as f64 / f64::from(1 << 20), "bytes_each": held as f64 / journeys as f64}))
}

fn restored(world: &mut World, journeys: u64) -> Result<Value> {
    let (stage, _) = filled(world, journeys)?;
    let before = cpu()?;
    let bytes = stage.save()?;
    let written = cpu()?;
    drop(stage);
    let stage = JourneyStage::load(settings(), &bytes)?;
    let loaded = cpu()?;
    ensure!(stage.health().open as u64 == journeys, "not all came back");
    Ok(json!({
        "snapshot_bytes_each": bytes.len() as f64 / journeys as f64,
        "write_s": written.saturating_sub(before).as_secs_f64(),
        "load_s": loaded.saturating_sub(written).as_secs_f64(),
    }))
}

fn rate(stage: &mut JourneyStage, world: &mut World, events: u64) -> Result<Value> {
    let mixed = world
        .mix(events)
        .into_iter()
        .map(JourneyEntry::Event)
        .collect::<Vec<_>>();
    let mut effects = Effects::default();
    let mut failed = 0;
    let before = cpu()?;
    for entry in &mixed {
        stage.step(entry, &mut effects);
        failed += effects
            .outputs()
            .iter()
            .filter(|o| matches!(o, JourneyOutput::Failed(_)))
            .count() as u64;
        ensure!(effects.rejects().is_empty(), "refused: {:?}", effects.rejects());
        effects.clear();
    }
    Ok(per_second(events, cpu()?.saturating_sub(before), failed))
}

fn per_second(events: u64, spent: Duration, failed: u64) -> Value {
    json!({"per_s": events as f64 / spent.as_secs_f64(), "failed": failed})
}

/// CPU time of this process, which has one thread.
fn cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/self/schedstat").context("failed to read the CPU time")?;
    let nanos = text.split(' ').next().context("no CPU time")?.parse()?;
    Ok(Duration::from_nanos(nanos))
}

fn resident_bytes() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").context("failed to read the memory map")?;
    let line = text
        .lines()
        .find(|line| line.starts_with("Rss:"))
        .context("no Rss in it")?;
    let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib * 1024)
}
