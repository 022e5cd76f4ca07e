//! A send whose process is killed at random, with a message centre that fails by plan; and what became of each person.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use forecall_ledger::{AuditVerdict, Ledger, Prefer, StaleRules};
use forecall_types::{ContactChannel, IntentState};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::centre::{Centre, Faults, Manner};
use crate::dice::Dice;
use crate::house::{PATIENCE, master, now};
use crate::{Cli, alone, people};

/// After a kill a message under way is taken for lost after this.
const LEASE: Duration = Duration::from_secs(10);
/// So long a receipt is waited for before a message in doubt goes again.
const RECEIPT_WAIT: Duration = Duration::from_secs(10);
/// Kills at the very beginning, while the messages are planned.
const EARLY: usize = 4;

/// The process that is killed: it plans everybody's message if that isn't done, and sends.
#[derive(Args)]
pub(crate) struct Worker {
    #[arg(long)]
    ledger: PathBuf,
    #[arg(long)]
    port: u16,
    #[arg(long)]
    window: u16,
    #[arg(long)]
    people: usize,
    #[arg(long)]
    double: bool,
}

/// Runs until nothing is left to do.
pub(crate) fn work(args: &Worker) -> Result<()> {
    let mut ledger = Ledger::open(&args.ledger, master()?)?;
    alone::plan(&mut ledger, args.people)?;
    let rules = StaleRules {
        sms: if args.double { Prefer::Double } else { Prefer::Miss },
        receipt_wait: RECEIPT_WAIT,
        ..StaleRules::default()
    };
    let mut worker = alone::worker_with(ledger, (args.port, args.window), rules, LEASE)?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let report = worker.run_once(now())?;
        if report.leased > 0 || report.heard.states.values().sum::<u64>() > 0 {
            continue;
        }
        let counts = worker.ledger().intent_counts()?;
        let is_over = counts
            .keys()
            .all(|(_, state)| !matches!(state, IntentState::Planned | IntentState::Sending));
        if is_over {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    anyhow::bail!("not all came to an end in time")
}

fn start(cli: &Cli, ledger: &Path, port: u16, rule: Prefer) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args([
            "work",
            "--port",
            &port.to_string(),
            "--window",
            &cli.window.to_string(),
        ])
        .args(["--people", &cli.people.to_string(), "--ledger"])
        .arg(ledger)
        .stdin(Stdio::null());
    if rule == Prefer::Double {
        command.arg("--double");
    }
    command
        .spawn()
        .context("failed to start the process that is to be killed")
}

/// What one centre and one rule came to.
pub(crate) fn run(cli: &Cli, echo: bool, rule: Prefer) -> Result<Value> {
    let folder = cli.folder()?;
    let path = folder.path().join("ledger.sqlite");
    let mut ledger = Ledger::open(&path, master()?)?;
    let at = now();
    let rows = (0..cli.people).map(|n| people::person(n, "IR-23", at));
    ledger.import_customers(rows.collect::<Result<Vec<_>>>()?)?;
    drop(ledger);
    let manner = Manner {
        receipts: true,
        echo,
        rate: 0,
        delay: Duration::from_millis(cli.delay_ms),
        faults: Faults {
            cut_after_taking: 300,
            cut_before_taking: 300,
            answered_twice: 1_000,
            seed: cli.seed,
        },
    };
    let centre = Centre::start(manner, cli.people)?;
    let (killed, restarts, seconds) = strike(cli, &centre, &path, rule)?;
    let verdict = judge(cli, &centre, &path)?;
    let book = centre.book();
    Ok(json!({
        "echo": echo, "rule": match rule { Prefer::Double => "double", Prefer::Miss => "miss" },
        "people": cli.people, "window": cli.window, "seed": cli.seed, "kills": killed, "restarts": restarts,
        "lines_cut": book.cuts, "answered_twice": book.twice, "seconds": seconds, "verdict": verdict,
    }))
}

/// Kills, and starts again, until all is over. Gives kills, restarts of the centre, and seconds.
fn strike(cli: &Cli, centre: &Centre, path: &Path, rule: Prefer) -> Result<(usize, usize, f64)> {
    let mut dice = Dice::new(cli.seed);
    let mut marks: Vec<u64> = (0..cli.kills).map(|_| dice.below(cli.people as u64)).collect();
    marks.sort_unstable();
    for early in marks.iter_mut().take(EARLY) {
        *early = 0;
    }
    let begun = Instant::now();
    let mut child = start(cli, path, centre.port, rule)?;
    let (mut killed, mut restarts) = (0, 0);
    for (number, mark) in marks.into_iter().enumerate() {
        let mut over = false;
        while centre.book().taken < mark && !over {
            over = child.try_wait()?.is_some();
            std::thread::sleep(Duration::from_micros(500));
        }
        if over {
            break;
        }
        let longest = if number < EARLY { 3_000_000 } else { 60_000 };
        std::thread::sleep(Duration::from_micros(dice.below(longest)));
        child.kill()?;
        child.wait()?;
        killed += 1;
        if dice.hits(100_000) {
            centre.restart(Duration::from_millis(50 + dice.below(200)));
            restarts += 1;
        }
        child = start(cli, path, centre.port, rule)?;
    }
    let ended = child.wait()?;
    ensure!(ended.success(), "the last process failed: {ended}");
    Ok((killed, restarts, begun.elapsed().as_secs_f64()))
}

/// Each person's state in the ledger against how often the centre has taken a message for them.
fn judge(cli: &Cli, centre: &Centre, path: &Path) -> Result<Value> {
    let ledger = Ledger::open(path, master()?)?;
    let counts = ledger.intent_counts()?;
    let whole = matches!(ledger.verify_audit()?, AuditVerdict::Whole { .. });
    let by_state: BTreeMap<&str, u64> = counts
        .iter()
        .filter(|((channel, _), _)| *channel == ContactChannel::Sms)
        .map(|((_, state), n)| (state.as_str(), *n))
        .collect();
    let db = Connection::open(path)?;
    let mut statement = db.prepare("SELECT customer, state, attempt FROM intents")?;
    let mut rows = statement.query([])?;
    let book = centre.book();
    let (mut people, mut again) = (0_u64, 0_u64);
    let (mut lost, mut silently_lost, mut doubled, mut silently_doubled, mut unended) =
        (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    while let Some(row) = rows.next()? {
        let (customer, state, attempt): (String, String, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
        people += 1;
        again += u64::from(attempt > 1);
        let place: usize = customer.trim_start_matches("cus_").parse()?;
        let times = book.times.get(place).copied().unwrap_or(0);
        let is_told = state == "accepted" || state == "delivered";
        lost += u64::from(times == 0);
        silently_lost += u64::from(times == 0 && is_told);
        doubled += u64::from(times > 1);
        // Every repeat is one that the ledger knows as such.
        silently_doubled += u64::from(times > 1 && attempt < 2);
        unended += u64::from(state == "planned" || state == "sending");
    }
    ensure!(
        people == cli.people as u64,
        "the ledger holds {people} of {}",
        cli.people
    );
    Ok(json!({
        "lost": lost, "lost_and_not_said": silently_lost, "doubled": doubled, "doubled_and_not_said": silently_doubled,
        "sent_again": again, "not_ended": unended, "states": by_state, "audit_whole": whole,
    }))
}

/// Whether it is as the rules say (R11).
pub(crate) fn holds(found: &Value) -> bool {
    let count = |name: &str| found["verdict"][name].as_u64().unwrap_or(u64::MAX);
    let said = count("lost_and_not_said") == 0
        && count("doubled_and_not_said") == 0
        && count("not_ended") == 0
        && found["verdict"]["audit_whole"] == true;
    let double = found["rule"] == "double";
    let lost = !double || count("lost") == 0;
    // Within the window at each crash, cut line and restart.
    let number = |name: &str| found[name].as_u64().unwrap_or(0);
    let most = if found["echo"] == true || !double {
        0
    } else {
        (number("kills") + number("lines_cut") + number("restarts")) * number("window")
    };
    said && lost && count("doubled") <= most
}
