use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use forecall_config::Settings;
use forecall_kafka::KafkaLog;
use forecall_ledger::{AuditVerdict, Ledger, MasterKey};
use forecall_runtime::{Books, Conserved, SnapshotStore, Verdict, conservation};
use serde_json::{Value, json};

use crate::cli::{AuditArgs, AuditPart};

/// The ledger of these settings, if it is on this host. It is never made here.
pub(crate) fn ledger(settings: &Settings) -> anyhow::Result<Option<Ledger>> {
    let Some(secret) = &settings.ledger.master_key else {
        return Ok(None);
    };
    if !settings.ledger.path.is_file() {
        return Ok(None);
    }
    let master = MasterKey::from_hex(secret.expose())?;
    Ok(Some(Ledger::open(&settings.ledger.path, master)?))
}

/// The snapshots of these settings, if they are on this host. The folder is never made here.
pub(crate) fn snapshots(settings: &Settings) -> anyhow::Result<Option<SnapshotStore>> {
    Ok(SnapshotStore::existing(settings)?)
}

/// What the ledger's chain came to; `None`: there is no ledger here.
pub(crate) fn chain(ledger: &Ledger) -> anyhow::Result<(bool, String)> {
    Ok(match ledger.verify_audit()? {
        AuditVerdict::Whole { entries } => (true, format!("whole: {entries} entries, signed")),
        AuditVerdict::BrokenAt { seq } => (
            false,
            format!("broken at entry {seq}: it was changed, removed or slipped in"),
        ),
        AuditVerdict::HeadForged => (
            false,
            "the chain holds, but its end isn't the one signed with the master key: somebody wrote it anew"
                .to_owned(),
        ),
    })
}

fn words(verdict: &Verdict) -> (&'static str, &str) {
    match verdict {
        Verdict::Holds => ("holds", ""),
        Verdict::Residue(what) => ("RESIDUE", what),
        Verdict::Unknown(why) => ("unknown", why),
    }
}

fn row_json(row: &Conserved) -> Value {
    let (verdict, why) = words(&row.verdict);
    json!({
        "stage": row.stage, "topic": &*row.partition.topic, "partition": row.partition.partition,
        "from": row.from, "to": row.to, "records": row.records, "letters": row.letters,
        "counted": {
            "records": row.counted.records, "stepped": row.counted.stepped(),
            "dead_letters": row.counted.dead_letters, "refused": row.counted.refused,
            "parts_refused": row.counted.parts_refused,
        },
        "verdict": verdict.to_lowercase(), "why": why,
    })
}

fn table(rows: &[Conserved]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<17} {:<44} {:>12} {:>12} {:>12} {:>8} {:>8}  verdict",
        "stage", "partition", "on topic", "counted", "stepped", "letters", "refused"
    )?;
    for row in rows {
        let (verdict, why) = words(&row.verdict);
        let colon = if why.is_empty() { "" } else { ": " };
        writeln!(
            out,
            "{:<17} {:<44} {:>12} {:>12} {:>12} {:>8} {:>8}  {verdict}{colon}{why}",
            row.stage,
            row.partition.to_string(),
            row.records,
            row.counted.records,
            row.counted.stepped(),
            row.counted.dead_letters,
            row.counted.refused
        )?;
    }
    Ok(())
}

/// `forecall audit`: 0 where everything holds, 1 where something doesn't.
pub(crate) fn run(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(&args.config)?;
    let ledger = ledger(&settings)?;
    let wants = |part| args.only.is_none_or(|only| only == part);
    let rows = if wants(AuditPart::Records) {
        let kafka = settings
            .kafka
            .clone()
            .with_context(|| format!("{} has no `kafka:`", args.config.display()))?;
        let log = KafkaLog::connect(kafka)?;
        let snapshots = snapshots(&settings)?;
        conservation(&Books {
            settings: &settings,
            log: &log,
            ledger: ledger.as_ref(),
            snapshots: snapshots.as_ref(),
        })?
    } else {
        Vec::new()
    };
    let chain = match (&ledger, wants(AuditPart::Ledger)) {
        (Some(ledger), true) => Some(chain(ledger)?),
        _ => None,
    };
    let residues = rows
        .iter()
        .filter(|row| matches!(row.verdict, Verdict::Residue(_)))
        .count();
    let ok = residues == 0 && chain.as_ref().is_none_or(|(whole, _)| *whole);
    if args.json {
        let rows: Vec<Value> = rows.iter().map(row_json).collect();
        let chain = chain.map(|(whole, words)| json!({ "whole": whole, "words": words }));
        writeln!(
            std::io::stdout(),
            "{}",
            json!({ "ok": ok, "partitions": rows, "ledger": chain })
        )?;
    } else {
        if wants(AuditPart::Records) {
            table(&rows)?;
            let records: u64 = rows.iter().map(|r| r.records).sum();
            let unknown = rows
                .iter()
                .filter(|row| matches!(row.verdict, Verdict::Unknown(_)))
                .count();
            writeln!(
                std::io::stdout(),
                "{} partitions, {records} records recounted: {residues} with a residue, {unknown} unknown",
                rows.len()
            )?;
        }
        if wants(AuditPart::Ledger) {
            let words = chain.map_or_else(|| "not on this host".to_owned(), |(_, words)| words);
            writeln!(std::io::stdout(), "the ledger's audit chain: {words}")?;
        }
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
