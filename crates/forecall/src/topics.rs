use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use forecall_config::Settings;
use forecall_kafka::KafkaLog;
use forecall_log::{Log as _, LogError, TopicPartition};
use forecall_runtime::topics::{remember_layout, remembered_layout, topic_uses};
use forecall_runtime::{Roles, canary_topic, directory_topic, topic_specs};
use forecall_wire::event::TopicId;
use serde_json::json;

use crate::audit::ledger;
use crate::cli::{TopicsArgs, TopicsCommand};
use crate::snapshots::{nobody_reads, now};

fn connect(settings: &Settings, config: &Path) -> anyhow::Result<KafkaLog> {
    let kafka = settings.kafka.clone();
    Ok(KafkaLog::connect(kafka.with_context(|| {
        format!("{} has no `kafka:`", config.display())
    })?)?)
}

pub(crate) fn run(args: &TopicsArgs) -> anyhow::Result<()> {
    match &args.command {
        TopicsCommand::Create { config, dry_run } => create(config, *dry_run),
        TopicsCommand::Migrate {
            config,
            topic,
            reason,
            force,
        } => migrate(config, topic, reason, *force),
    }
}

fn create(config: &Path, dry_run: bool) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    let mut specs = topic_specs(&settings, &settings.topic_names());
    specs.extend(canary_topic(&settings));
    let mut out = std::io::stdout().lock();
    let created = if dry_run {
        specs.iter().map(|s| s.name.clone()).collect()
    } else {
        let log = connect(&settings, config)?;
        // Somebody else may fill it, in a number of partitions of their own.
        let foreign = |topic: &str| !matches!(log.bounds(topic), Err(LogError::NoTopic { .. }));
        specs.extend(directory_topic(&settings).filter(|spec| !foreign(&spec.name)));
        log.create_topics(&specs)?
    };
    for spec in &specs {
        let verb = match (created.contains(&spec.name), dry_run) {
            (_, true) => "would be there",
            (true, false) => "created",
            (false, false) => "was there",
        };
        let settings: Vec<_> = spec.settings.iter().map(|(k, v)| format!("{k}={v}")).collect();
        writeln!(
            out,
            "{verb:<14} {:<32} {} partitions, {} copies, {}",
            spec.name,
            spec.partitions,
            spec.replication,
            settings.join(" ")
        )?;
    }
    Ok(())
}

/// Takes on the new partitions of a keyed topic or an internal log that has grown, where that is right.
///
/// What a stage remembers stays with the partition it was learned on. A series or domain whose key now falls on another
/// partition begins anew there; what is left on the old one ends by silence. For `detect` that costs a warm-up. For
/// `correlate` it is right only while no incident is open. For `outreach` it never is: it would forget who was told what.
fn migrate(config: &Path, topic: &str, reason: &str, force: bool) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    let log = connect(&settings, config)?;
    let uses: Vec<_> = topic_uses(&settings, Roles::ALL)
        .into_iter()
        .filter(|u| u.topic == topic)
        .collect();
    if !uses.iter().any(|u| u.part.has_layout()) {
        bail!(
            "topic {topic} is neither keyed nor a log of forecall's: its new partitions are picked up without this"
        );
    }
    let topics = BTreeSet::from([topic.to_owned()]);
    let now_there = i32::try_from(log.bounds(topic)?.len()).unwrap_or(i32::MAX);
    let before = remembered_layout(&settings, &log, &topics)?.get(topic).copied();
    let mut out = std::io::stdout().lock();
    match before {
        Some(count) if count == now_there => {
            writeln!(out, "{topic} has {count} partitions, as before: nothing to do")?;
            return Ok(());
        }
        Some(count) if count > now_there => bail!(
            "{topic} had {count} partitions and has {now_there}: it was made again, which no migration mends: \
             docs/runbooks/grown-topic.md, \"made again\""
        ),
        Some(_) | None => {}
    }
    let names = settings.topic_names();
    if topic == names.name(TopicId::OutreachLog) {
        bail!(
            "{topic} has grown to {now_there} partitions: a domain that moves would leave behind who was told what, so this is \
             refused. docs/runbooks/grown-topic.md, \"outreach's log\", has the steps"
        );
    }
    let stages: BTreeSet<&str> = uses.iter().map(|u| u.stage).collect();
    for stage in stages {
        nobody_reads(&settings, &log, stage)?;
    }
    if topic == names.name(TopicId::Anomalies) {
        let open = open_incidents(&log, &names.name(TopicId::IncidentsState))?;
        if !open.is_empty() && !force {
            bail!(
                "{} incident(s) are open, such as {}: end them first (commands close or retract), or say --force and end them by \
                 hand afterwards: docs/runbooks/grown-topic.md",
                open.len(),
                open.first().map_or("", String::as_str)
            );
        }
    }
    let identity = format!("{}.layout.migrate", settings.group);
    remember_layout(
        &settings,
        &log,
        &identity,
        &BTreeMap::from([(topic.to_owned(), now_there)]),
    )?;
    if let Some(mut ledger) = ledger(&settings)? {
        ledger.note(&json!({
            "kind": "migrate", "topic": topic, "before": before, "partitions": now_there, "reason": reason,
            "at": now().nanos(),
        }))?;
    }
    writeln!(
        out,
        "{topic}: {now_there} partitions from now on ({} before); series that have moved warm up anew",
        before.map_or_else(|| "not remembered".to_owned(), |n| n.to_string())
    )?;
    Ok(())
}

/// Keys whose newest record isn't a tombstone.
fn open_incidents(log: &KafkaLog, topic: &str) -> anyhow::Result<Vec<String>> {
    let mut open = BTreeMap::new();
    for (number, _) in (0_i32..).zip(log.bounds(topic)?) {
        log.read(&TopicPartition::new(topic, number), 0, &mut |record| {
            let key = String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
            open.insert(key, record.value.is_some());
        })?;
    }
    Ok(open.into_iter().filter(|(_, is)| *is).map(|(id, _)| id).collect())
}
