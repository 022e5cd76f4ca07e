//! How long an agent waits for one customer's story, out of a ledger of millions of messages.
//!
//! `cargo xtask bench desk` starts it. The ledger is made on disk in a folder of its own: its schema by the ledger itself, its rows in bulk,
//! with the indexes of messages made afterwards. Each look is what the console does: the audit's entry committed first, then the page, then
//! which open incidents touch the customer.
#![allow(clippy::print_stdout, reason = "figures are told on the terminal")]

mod made;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use forecall_ledger::{DeskEntry, Ledger, MasterKey, View};
use forecall_outreach::{OutreachSettings, People};
use forecall_types::{CustomerId, EventTime};

/// How long an agent waits for one customer's story.
#[derive(Parser)]
#[command(name = "forecall-bench-desk", max_term_width = 110)]
pub(crate) struct Cli {
    /// Messages in the ledger.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u32,
    /// Messages of one customer, on average; so many fewer customers.
    #[arg(long, default_value_t = 10)]
    each: u32,
    /// Looks.
    #[arg(long, default_value_t = 2_000)]
    looks: u32,
    /// Where the folder is made.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where random numbers begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// SplitMix64.
pub(crate) struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        // Below `bound`, which has 32 bits.
        (self.next() % u64::from(bound.max(1))) as u32
    }
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
    let folder = match &cli.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let path = folder.path().join("ledger.db");
    let open = || Ledger::open(&path, MasterKey::from_bytes([7; 32]));
    let begun = Instant::now();
    made::fill(cli, open()?, &path)?;
    let size = std::fs::metadata(&path)?.len();
    println!(
        "{} messages of {} customers, {} MiB on disk, made in {:.0} s\n",
        cli.rows,
        cli.rows / cli.each.max(1),
        size >> 20,
        begun.elapsed().as_secs_f64()
    );
    println!("| looks | p50 ms | p99 ms | longest ms | goal: p99 |\n|---|---|---|---|---|");
    let dropped = std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok();
    let first = if dropped {
        "the first, nothing of the file in memory"
    } else {
        "the first"
    };
    let mut ledger = open()?;
    let mut dice = Dice(cli.seed);
    tell(first, looks(cli, &mut ledger, &mut dice, cli.looks)?);
    tell("the next", looks(cli, &mut ledger, &mut dice, cli.looks)?);
    tell(
        "the page alone, without the audit",
        reads(cli, &ledger, &mut dice)?,
    );
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (stop, mut ledger) = (Arc::clone(&stop), open()?);
        std::thread::spawn(move || -> Result<u32> {
            let mut batches = 0;
            while !stop.load(Ordering::SeqCst) {
                made::batch(&mut ledger, batches)?;
                batches += 1;
                std::thread::sleep(Duration::from_millis(200));
            }
            Ok(batches)
        })
    };
    let beside = looks(cli, &mut ledger, &mut dice, cli.looks.min(500))?;
    stop.store(true, Ordering::SeqCst);
    let batches = writer
        .join()
        .map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    tell(&format!("beside {batches} commits of 500 messages"), beside);
    Ok(())
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| {
        // A share of a length.
        let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(index).map_or(0.0, |t| t.as_secs_f64() * 1e3)
    };
    println!(
        "| {what}: {} | {:.2} | {:.2} | {:.1} | < 20 |",
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

fn somebody(cli: &Cli, dice: &mut Dice) -> CustomerId {
    made::customer_id(dice.below(cli.rows / cli.each.max(1)))
}

fn looks(cli: &Cli, ledger: &mut Ledger, dice: &mut Dice, count: u32) -> Result<Vec<Duration>> {
    let settings = Arc::new(OutreachSettings::default());
    let mut times = Vec::new();
    let mut messages = 0;
    for _ in 0..count {
        let customer = somebody(cli, dice);
        let at = made::now();
        let begun = Instant::now();
        ledger.note_view(&View {
            by: "care",
            why: "call",
            customer: &customer,
            at,
        })?;
        let page = ledger.desk(&customer, None, 25, at)?;
        let mut people = People::new(Arc::clone(&settings));
        if let Some(known) = &page.customer {
            let _ = people.take(known);
        }
        let mut touched = 0;
        for incident in &page.open {
            if people.reach(&incident.scope) > 0 {
                touched += 1;
                ledger.was_told(&customer, &incident.id)?;
                ledger.why_not_told(&customer, &incident.id)?;
            }
        }
        times.push(begun.elapsed());
        ensure!(
            page.customer.is_some() && touched > 0,
            "{customer} is known and touched"
        );
        messages += page
            .entries
            .iter()
            .filter(|e| matches!(e, DeskEntry::Reached(_)))
            .count();
    }
    ensure!(messages > 0, "there are messages");
    Ok(times)
}

fn reads(cli: &Cli, ledger: &Ledger, dice: &mut Dice) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..cli.looks {
        let customer = somebody(cli, dice);
        let begun = Instant::now();
        ledger.desk(&customer, None, 25, made::now())?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// When the world that is made begins.
pub(crate) const fn start() -> EventTime {
    EventTime::from_secs(1_790_000_000)
}
