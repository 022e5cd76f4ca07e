//! `deliver` alone on a ledger that holds the messages: its rate and its memory, without outreach and without the log in memory.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use forecall_delivery::{DeliverSettings, Deliverer, RateLimit, SmppGateway, SmppSettings};
use forecall_ledger::{CommitOutcome, Ledger, LedgerCommit, LedgerPosition, StaleRules};
use forecall_log::TopicPartition;
use forecall_types::ContactChannel;
use serde_json::{Value, json};

use crate::centre::{Centre, Manner};
use crate::house::{PATIENCE, master, now};
use crate::{Cli, machine, people, raw};

const LOOKS: usize = 10;
/// Messages of a round: fewer than the receipts a gateway holds, so that these are heard as fast as messages go.
pub(crate) const BATCH: usize = 500;

/// Everybody's message planned in one commit, as outreach does, unless that was done before.
pub(crate) fn plan(ledger: &mut Ledger, count: usize) -> Result<()> {
    let place = TopicPartition::new("log", 0);
    let epoch = ledger.acquire(&place, "slot-0")?;
    if ledger.position(&place)?.is_some() {
        return Ok(());
    }
    let at = now();
    let intents = (0..count)
        .map(|n| people::intent(n, at))
        .collect::<Result<Vec<_>>>()?;
    let commit = LedgerCommit {
        position: &LedgerPosition {
            next_offset: 1,
            checkpoint: String::new(),
        },
        intents: &intents,
        texts: &[("ntc_1".parse()?, people::text())],
        ..LedgerCommit::nothing()
    };
    let done = ledger.commit(&epoch, &commit)?;
    ensure!(matches!(done, CommitOutcome::Committed(_)), "the plan was fenced");
    Ok(())
}

pub(crate) fn worker_with(
    ledger: Ledger,
    (port, window): (u16, u16),
    in_doubt: StaleRules,
    lease_for: Duration,
) -> Result<Deliverer> {
    let smpp = SmppSettings {
        window,
        ..SmppSettings::loopback(port, "forecall", "testonly", "+983000")
    };
    let pace = RateLimit {
        per_minute: 60_000_000,
        burst: 1_000_000,
    };
    let settings = DeliverSettings {
        rates: [(ContactChannel::Sms, pace)].into(),
        in_doubt,
        lease_for,
        batch: BATCH,
        ..DeliverSettings::default()
    };
    Ok(Deliverer::new(
        ledger,
        vec![Box::new(SmppGateway::new(smpp)?)],
        settings,
    )?)
}

pub(crate) fn run(cli: &Cli, rate: u32, receipts: bool) -> Result<Value> {
    let count = cli.people;
    let manner = Manner {
        rate,
        delay: Duration::from_millis(cli.delay_ms),
        receipts,
        echo: true,
        ..Manner::default()
    };
    let folder = cli.folder()?;
    let mut ledger = Ledger::open(&folder.path().join("ledger.sqlite"), master()?)?;
    let at = now();
    ledger.import_customers(
        (0..count)
            .map(|n| people::person(n, "IR-23", at))
            .collect::<Result<Vec<_>>>()?,
    )?;
    let begun = Instant::now();
    plan(&mut ledger, count)?;
    let planned = begun.elapsed().as_secs_f64();
    let centre = Centre::start(manner, count)?;
    let lease_for = DeliverSettings::default().lease_for;
    let mut worker = worker_with(
        ledger,
        (centre.port, cli.window),
        StaleRules::default(),
        lease_for,
    )?;
    let (mut memory, load, before) = (Vec::new(), machine::load(), machine::cpu());
    let begun = Instant::now();
    loop {
        let report = worker.run_once(now())?;
        let taken = usize::try_from(centre.book().taken)?;
        while memory.len() < taken * LOOKS / count.max(1) {
            memory.push(machine::resident_mib());
        }
        if taken >= count && report.leased == 0 {
            break;
        }
        ensure!(begun.elapsed() < PATIENCE, "not all were sent in time");
    }
    let cpu = machine::cpu().saturating_sub(before);
    let book = centre.book();
    let (first, last) = book.first.zip(book.last).context("nothing was sent")?;
    let seconds = last.duration_since(first).as_secs_f64();
    ensure!(
        book.times.iter().all(|times| *times == 1),
        "not everybody was told once"
    );
    drop(book);
    drop(worker);
    let raw = raw::run(manner, cli.window, count, &people::text())?;
    Ok(json!({
        "people": count, "rate": rate, "receipts": receipts, "window": cli.window, "load": load, "planned": planned,
        "seconds": seconds, "cpu": cpu.as_secs_f64(), "raw_seconds": raw.seconds, "raw_cpu": raw.cpu.as_secs_f64(),
        "ratio": raw.seconds / seconds, "memory_mib": memory,
    }))
}
