//! What a person says on the command line becomes a record, under a key that makes a repeat harmless.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::Args;
use forecall_config::Settings;
use forecall_incident::is_reserved_name;
use forecall_kafka::KafkaLog;
use forecall_log::{Log, OutRecord, Transaction};
use forecall_types::{Action, Command, DomainName, EventTime, Fingerprint, NAME_BYTES_MAX, Remark};
use forecall_wire::event::{Encoded, TopicId, TopicNames, encode_command};
use serde_json::{Value, json};

/// Where to read.
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// The configuration.
    #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
    pub(crate) config: PathBuf,
    /// Answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who says it, and how a repeat is known.
#[derive(Debug, Args)]
pub(crate) struct SayArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Role or team that says it; never a person's name.
    #[arg(long, env = "FORECALL_TEAM")]
    pub(crate) by: String,
    /// Idempotency key: of several records with one key the first counts. Made from what is said where it isn't given.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Only show the record.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A sentence that may be published: nothing of a person.
pub(crate) fn remark(text: &str) -> Result<Remark, &'static str> {
    Remark::new(text).map_err(|refused| refused.why)
}

/// The settings of a configuration and the log it names.
///
/// # Errors
/// It can't be read, has no `kafka:`, or the brokers can't be reached.
pub(crate) fn connect(config: &Path) -> anyhow::Result<(Settings, KafkaLog)> {
    let settings = Settings::load(config)?;
    let kafka = settings.kafka.clone();
    let kafka = kafka.with_context(|| format!("{} has no `kafka:`", config.display()))?;
    let log = KafkaLog::connect(kafka)?;
    Ok((settings, log))
}

/// Who says it, under which key, when.
pub(crate) struct Speaker<'a> {
    pub(crate) by: &'a str,
    pub(crate) key: Option<&'a str>,
    pub(crate) at: EventTime,
}

impl<'a> Speaker<'a> {
    pub(crate) fn of(args: &'a SayArgs, at: EventTime) -> Self {
        Self {
            by: &args.by,
            key: args.key.as_deref(),
            at,
        }
    }

    /// A team that may speak, and a key as it may stand in a record.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        check_text("--by", self.by)?;
        ensure!(
            !is_reserved_name(self.by),
            "--by {}: that is what forecall calls itself in records; name your role or team",
            self.by
        );
        self.key.map_or(Ok(()), |key| check_text("--key", key))
    }

    /// The key given, or one made from what is said, by whom, and where that stands: the same words said again before they were
    /// heard have the same key, and going back to a former value has another one.
    pub(crate) fn key_of(&self, parts: &[&[u8]]) -> String {
        self.key.map_or_else(
            || {
                let parts: Vec<&[u8]> = [self.by.as_bytes()]
                    .into_iter()
                    .chain(parts.iter().copied())
                    .collect();
                format!("cli-{}", Fingerprint::of_parts(&parts).base32(16))
            },
            str::to_owned,
        )
    }
}

/// What comes of words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Draft {
    /// A record for a topic, under an idempotency key.
    Record {
        key: String,
        record: OutRecord,
        /// What it says, for people.
        what: String,
    },
    /// Nothing: it is so already.
    Needless(String),
}

/// A command as a record. `stand`: what makes the same words said later another command.
pub(crate) fn command_draft(
    domain: DomainName,
    action: Action,
    stand: &[u8],
    from: &Speaker<'_>,
    names: &TopicNames,
) -> anyhow::Result<Draft> {
    let content = serde_json::to_vec(&action).context("failed to write the command")?;
    let key = from.key_of(&[domain.as_str().as_bytes(), &content, stand]);
    let command = Command {
        id: Arc::from(key.as_str()),
        domain,
        at: from.at,
        by: Arc::from(from.by),
        action,
    };
    Ok(Draft::Record {
        what: format!("command {key} by {}", from.by),
        key,
        record: record(names, TopicId::Commands, encode_command(&command)?),
    })
}

pub(crate) fn record(names: &TopicNames, topic: TopicId, encoded: Encoded) -> OutRecord {
    OutRecord {
        topic: Arc::from(names.name(topic)),
        partition: None,
        key: Some(encoded.key),
        value: Some(encoded.value),
        headers: encoded.headers,
    }
}

/// A text as it may stand in a record.
///
/// # Errors
/// It may not.
pub(crate) fn check_text(option: &str, text: &str) -> anyhow::Result<()> {
    let is_good = !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && text.trim() == text
        && !text.chars().any(char::is_control);
    ensure!(
        is_good,
        "{option} needs 1 to {NAME_BYTES_MAX} bytes without control characters or white space at an end"
    );
    Ok(())
}

/// Publishes the record, as one of the command line's tools.
pub(crate) fn publish(
    log: &dyn Log,
    settings: &Settings,
    (tool, key): (&str, &str),
    record: OutRecord,
) -> anyhow::Result<()> {
    // It exists: else the broker might make it with settings of its own.
    log.bounds(&record.topic)?;
    // Two who say the same at the same time need only one of both; different words get in nobody's way.
    let whose = Fingerprint::of(key.as_bytes()).base32(8);
    let identity = format!("{}.{tool}-cli.{whose}-{}", settings.group, std::process::id());
    let mut writer = log.writer(&identity)?;
    Ok(writer.commit(&Transaction {
        records: vec![record],
        positions: Vec::new(),
    })?)
}

/// Publishes a draft, unless it is only to be shown, and says what became of it.
pub(crate) fn speak(
    log: &dyn Log,
    settings: &Settings,
    tool: &str,
    draft: &Draft,
    args: &SayArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let published = matches!(draft, Draft::Record { .. }) && !args.dry_run;
    if let (Draft::Record { record, key, .. }, true) = (draft, published) {
        publish(log, settings, (tool, key), record.clone())?;
    }
    tell(draft, published, args.read.json, out)
}

/// Says what became of it.
pub(crate) fn tell(draft: &Draft, published: bool, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    match draft {
        Draft::Needless(why) if json => writeln!(out, "{}", json!({"published": false, "why": why})),
        Draft::Needless(why) => writeln!(out, "nothing to say: {why}"),
        Draft::Record { key, record, what } => {
            let value = record.value.as_deref().unwrap_or_default();
            if json {
                let value: Value = serde_json::from_slice(value).unwrap_or_default();
                let topic = &*record.topic;
                let text = json!({"published": published, "topic": topic, "id": key, "record": value});
                writeln!(out, "{text}")
            } else {
                let verb = if published { "published" } else { "would publish" };
                writeln!(
                    out,
                    "{verb} {what} to {}: {}",
                    record.topic,
                    String::from_utf8_lossy(value)
                )
            }
        }
    }?;
    Ok(())
}
