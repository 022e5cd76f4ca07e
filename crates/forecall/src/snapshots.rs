use std::io::Write as _;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use forecall_config::Settings;
use forecall_kafka::KafkaLog;
use forecall_log::TopicPartition;
use forecall_runtime::{Reset, SnapshotEntry, SnapshotStore, reset_partition, stage_of_topic};
use forecall_types::EventTime;
use serde_json::{Value, json};

use crate::audit::ledger;
use crate::cli::{SnapshotsArgs, SnapshotsCommand};

struct Listed {
    stage: String,
    partition: TopicPartition,
    entry: SnapshotEntry,
}

fn all(store: &SnapshotStore) -> anyhow::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for (stage, partition) in store.partitions()? {
        for entry in store.entries(&stage, &partition)? {
            listed.push(Listed {
                stage: stage.clone(),
                partition: partition.clone(),
                entry,
            });
        }
    }
    Ok(listed)
}

fn one_json(one: &Listed) -> Value {
    let header = one.entry.header.as_ref();
    json!({
        "stage": one.stage, "topic": &*one.partition.topic, "partition": one.partition.partition,
        "name": one.entry.name, "bytes": one.entry.bytes, "whole": header.is_ok(),
        "next_offset": header.ok().map(|h| h.next_offset),
        "version": header.ok().map(|h| h.checkpoint.version),
        "digest": header.ok().map(|h| h.checkpoint.digest.to_string()),
        "why": header.err(),
    })
}

/// `list` names them, `verify` tells of the damaged ones by its exit code.
fn list(settings: &Settings, as_json: bool) -> anyhow::Result<bool> {
    let store = store(settings)?;
    let listed = all(&store)?;
    let damaged = listed.iter().filter(|one| one.entry.header.is_err()).count();
    let mut out = std::io::stdout().lock();
    if as_json {
        let rows: Vec<Value> = listed.iter().map(one_json).collect();
        writeln!(out, "{}", json!({ "ok": damaged == 0, "snapshots": rows }))?;
    } else {
        for one in &listed {
            match &one.entry.header {
                Ok(header) => writeln!(
                    out,
                    "{:<10} {:<44} offset {:>14}  version {}  {:>12} bytes  whole",
                    one.stage,
                    one.partition.to_string(),
                    header.next_offset,
                    header.checkpoint.version,
                    one.entry.bytes
                )?,
                Err(why) => writeln!(
                    out,
                    "{:<10} {:<44} {}  {:>12} bytes  DAMAGED: {why}; the start takes the one before it",
                    one.stage,
                    one.partition.to_string(),
                    one.entry.name,
                    one.entry.bytes
                )?,
            }
        }
        writeln!(out, "{} snapshots, {damaged} damaged", listed.len())?;
    }
    Ok(damaged == 0)
}

pub(crate) fn store(settings: &Settings) -> anyhow::Result<SnapshotStore> {
    SnapshotStore::existing(settings)?.with_context(|| {
        format!(
            "there is no snapshot folder {} on this host",
            settings.state.path.display()
        )
    })
}

pub(crate) fn now() -> EventTime {
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    EventTime::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// Refuses while a process of the stage runs: it would go on with what it knows and then fail.
pub(crate) fn nobody_reads(settings: &Settings, log: &KafkaLog, stage: &str) -> anyhow::Result<()> {
    let group = format!("{}.{stage}", settings.group);
    let members = log.members(&group)?;
    if let Some(member) = members.first() {
        bail!(
            "group `{group}` has {} member(s), such as {} on {}: stop all processes of {stage}, and wait for the session \
             time-out ({} s) of those that were killed",
            members.len(),
            member.client_id,
            member.host,
            settings
                .kafka
                .as_ref()
                .map_or(0, |k| k.session_timeout_ms / 1_000)
        );
    }
    Ok(())
}

/// `forecall snapshots …`: 0, or 1 where `verify` finds a damaged one.
pub(crate) fn run(args: &SnapshotsArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        SnapshotsCommand::List { config, json } => {
            list(&Settings::load(config)?, *json)?;
            Ok(ExitCode::SUCCESS)
        }
        SnapshotsCommand::Verify { config, json } => Ok(if list(&Settings::load(config)?, *json)? {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }),
        SnapshotsCommand::Reset {
            config,
            stage,
            topic,
            partition,
            reason,
        } => {
            let settings = Settings::load(config)?;
            let kafka = settings
                .kafka
                .clone()
                .with_context(|| format!("{} has no `kafka:`", config.display()))?;
            let topic = stage_of_topic(&settings, stage, topic.as_deref())?;
            let log = KafkaLog::connect(kafka)?;
            nobody_reads(&settings, &log, stage)?;
            let mut ledger = ledger(&settings)?;
            let reset = Reset {
                stage: stage.clone(),
                partition: TopicPartition::new(&topic, *partition),
                reason: reason.clone(),
                at: now(),
            };
            let store = SnapshotStore::of(&settings)?;
            let done = reset_partition(&settings, &log, &store, ledger.as_mut(), &reset)?;
            writeln!(
                std::io::stdout(),
                "{stage} starts cold on {} at offset {}; {} snapshots removed{}",
                reset.partition,
                done.next_offset,
                done.removed,
                if ledger.is_some() {
                    "; noted in the ledger's audit chain"
                } else {
                    "; there is no ledger on this host to note it in: keep this line"
                }
            )?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
