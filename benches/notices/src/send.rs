//! A notice to everybody, and its retraction.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use forecall_types::{Action, ContactChannel, IntentState, Language, NoticeStage};
use serde_json::{Value, json};

use crate::centre::{Centre, Manner};
use crate::house::{House, now};
use crate::{Cli, machine, people, raw};

/// Looks at the memory, over a send.
const LOOKS: u64 = 10;

struct Sent {
    /// From the record (or the command) to the notice in the ledger.
    decided: f64,
    /// From there to the last part.
    after: f64,
    whole: f64,
    cpu: Duration,
    memory: Vec<f64>,
}

/// From `begun` and `decided` to the last of `count` parts.
fn follow(house: &House, centre: &Centre, (begun, decided): (Instant, Instant), count: u64) -> Result<Sent> {
    let mut memory = Vec::new();
    let before = machine::cpu();
    let last = house.wait("the last part", || {
        let book = centre.book();
        let (taken, last) = (book.taken, book.last);
        drop(book);
        while memory.len() < usize::try_from(taken * LOOKS / count.max(1)).unwrap_or(0) {
            memory.push(machine::resident_mib());
        }
        Ok(last.filter(|_| taken >= count))
    })?;
    // The centre's turn for it may lie ahead.
    let since = |from: Instant| last.saturating_duration_since(from).as_secs_f64();
    Ok(Sent {
        decided: decided.duration_since(begun).as_secs_f64(),
        after: since(decided),
        whole: since(begun),
        cpu: machine::cpu().saturating_sub(before),
        memory,
    })
}

fn told(centre: &Centre, count: usize) -> Result<()> {
    let book = centre.book();
    let wrong = book.times.iter().filter(|times| **times != 1).count();
    ensure!(
        wrong == 0 && book.times.len() == count,
        "{wrong} of {count} were not told exactly once"
    );
    Ok(())
}

/// One row: a notice to all, its retraction, and the raw client beside it.
pub(crate) fn run(cli: &Cli, rate: u32, receipts: bool) -> Result<Value> {
    let count = cli.people;
    let manner = Manner {
        rate,
        delay: Duration::from_millis(cli.delay_ms),
        receipts,
        echo: true,
        ..Manner::default()
    };
    let centre = Centre::start(manner, count)?;
    let at = now();
    let rows = (0..count)
        .map(|n| people::person(n, "IR-23", at))
        .collect::<Result<Vec<_>>>()?;
    let load = machine::load();
    let mut house = House::start(cli.folder()?, (centre.port, cli.window), 0, rows)?;
    let wanted = count as u64;
    let begun = house.confirm(people::outage(1, "IR-23", now())?)?;
    let (notice, decided) = house.notice("the notice", |n| {
        n.stage == NoticeStage::Confirmed && n.intents == wanted
    })?;
    let sent = follow(&house, &centre, (begun, decided), wanted)?;
    told(&centre, count)?;
    // What came back is worked off before the next.
    let final_state = if receipts {
        IntentState::Delivered
    } else {
        IntentState::Accepted
    };
    let ledger = house.ledger()?;
    house.wait("the receipts", || {
        let all = BTreeMap::from([((ContactChannel::Sms, final_state), wanted)]);
        Ok((ledger.intent_counts()? == all).then_some(()))
    })?;
    house.wait_until_read()?;
    centre.book().clear();
    let begun = house.command(Action::TakeBack {
        notice: notice.id.clone(),
    })?;
    let (back, decided) = house.notice("the retraction", |n| {
        n.stage == NoticeStage::Retraction && n.intents == wanted
    })?;
    let retracted = follow(&house, &centre, (begun, decided), wanted)?;
    told(&centre, count)?;
    drop(house.stop()?);
    let text = notice
        .texts
        .iter()
        .find(|t| (t.language, t.channel) == (Language::Fa, ContactChannel::Sms));
    let text = text.context("the notice has a text")?;
    let raw = raw::run(manner, cli.window, count, text)?;
    let parts = back
        .texts
        .iter()
        .filter(|t| t.channel == ContactChannel::Sms)
        .map(|t| t.parts)
        .max();
    Ok(json!({
        "people": count, "rate": rate, "receipts": receipts, "window": cli.window, "load": load,
        "raw_seconds": raw.seconds, "raw_cpu": raw.cpu.as_secs_f64(),
        "decided": sent.decided, "after": sent.after, "whole": sent.whole, "cpu": sent.cpu.as_secs_f64(),
        "ratio": raw.seconds / sent.whole, "ratio_after": raw.seconds / sent.after, "memory_mib": sent.memory,
        "retraction": {"parts": parts, "prepared": retracted.decided, "after": retracted.after,
            "whole": retracted.whole, "cpu": retracted.cpu.as_secs_f64(), "ratio": raw.seconds / retracted.whole},
    }))
}
