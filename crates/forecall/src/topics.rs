use std::io::Write as _;

use anyhow::Context as _;
use forecall_config::Settings;
use forecall_kafka::KafkaLog;
use forecall_log::Log as _;
use forecall_runtime::topic_specs;

use crate::cli::{TopicsArgs, TopicsCommand};

pub(crate) fn run(args: &TopicsArgs) -> anyhow::Result<()> {
    let TopicsCommand::Create { config, dry_run } = &args.command;
    let settings = Settings::load(config)?;
    let specs = topic_specs(&settings, &settings.topic_names());
    let mut out = std::io::stdout().lock();
    let created = if *dry_run {
        specs.iter().map(|s| s.name.clone()).collect()
    } else {
        let kafka = settings
            .kafka
            .clone()
            .with_context(|| format!("{} has no `kafka:`", config.display()))?;
        KafkaLog::connect(kafka)?.create_topics(&specs)?
    };
    for spec in &specs {
        let verb = match (created.contains(&spec.name), *dry_run) {
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
