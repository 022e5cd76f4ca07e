use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use forecall_config::Settings;
use forecall_kafka::KafkaLog;
use forecall_log::{Log as _, LogError};
use forecall_runtime::{canary_topic, directory_topic, topic_specs};

use crate::cli::{TopicsArgs, TopicsCommand};
use crate::migrate;

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
            drain,
        } => {
            let settings = Settings::load(config)?;
            let log = connect(&settings, config)?;
            migrate::run(&settings, &log, topic, reason, *drain)
        }
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
