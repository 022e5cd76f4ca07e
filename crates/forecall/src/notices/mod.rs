//! `forecall notices …`: what customers are told, for those who answer for it, and what they say to it.

mod show;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use forecall_config::Settings;
use forecall_kafka::KafkaLog;
use forecall_log::{Log, OutRecord, TopicPartition, Transaction};
use forecall_types::{
    Action, Command, DomainName, EventTime, Fingerprint, HoldReason, IncidentId, NAME_BYTES_MAX, Notice,
    NoticeId, NoticeState,
};
use forecall_wire::event::{TopicId, decode_notice, encode_command};
use serde_json::{Value, json};

use crate::snapshots::now;

/// Notices named in one list: each holds its texts, some kilobytes.
const ROWS_MAX: usize = 20_000;
/// Digits of a fingerprint that must be given at least: nobody types so many by chance.
const TEXT_DIGITS_MIN: usize = 8;

#[derive(Debug, Args)]
pub(crate) struct NoticesArgs {
    #[command(subcommand)]
    command: NoticesCommand,
}

#[derive(Debug, Subcommand)]
enum NoticesCommand {
    /// Notices that aren't at their end, or all.
    #[command(
        after_help = "Examples:\n  forecall notices list\n  forecall notices list --waiting                 # for an approval\n  forecall notices list --all --incident inc_7k2m4q9x1c8v5b3n --json"
    )]
    List(ListArgs),
    /// One notice: its words in each language and channel, whom it reached, who is not told and why.
    #[command(
        after_help = "Example:\n  forecall notices show ntc_2d6f8h1j3k5m7p9r\n\nThe digits of `text` are what an approval names."
    )]
    Show(ShowArgs),
    /// What would be told of an incident now: the words that wait, and for what.
    #[command(after_help = "Example:\n  forecall notices preview inc_7k2m4q9x1c8v5b3n")]
    Preview {
        /// The incident.
        incident: IncidentId,
        #[command(flatten)]
        read: ReadArgs,
    },
    /// Why people are not told: each reason in words, with what would change it.
    #[command(after_help = "Example:\n  forecall notices explain ntc_2d6f8h1j3k5m7p9r")]
    Explain(ShowArgs),
    /// This exact text may go out.
    #[command(
        after_help = "Example:\n  forecall notices approve ntc_2d6f8h1j3k5m7p9r --text 0123456789abcdef --by duty\n\nRead it first: `forecall notices show` tells the digits of the text; eight of them or more. A text that has changed since needs another approval."
    )]
    Approve(ApproveArgs),
    /// Nothing more goes to any customer; what hasn't left is taken back. `--undo` lets it go on.
    #[command(
        after_help = "Examples:\n  forecall notices kill --by duty\n  forecall notices kill --undo --by duty\n\nIt holds over restarts. Whoever missed something hears how it stands once sending goes on."
    )]
    Kill(KillArgs),
}

#[derive(Debug, Args)]
struct ReadArgs {
    /// The configuration.
    #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
    config: PathBuf,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    read: ReadArgs,
    /// Those at their end as well, as far as the topic holds them.
    #[arg(long)]
    all: bool,
    /// Only those that wait for an approval.
    #[arg(long)]
    waiting: bool,
    /// Only of this incident.
    #[arg(long)]
    incident: Option<IncidentId>,
    /// Only of this domain.
    #[arg(long)]
    domain: Option<DomainName>,
    /// Those of forecall's own canary, too.
    #[arg(long)]
    canary: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The notice.
    id: NoticeId,
    #[command(flatten)]
    read: ReadArgs,
}

#[derive(Debug, Args)]
struct SayArgs {
    #[command(flatten)]
    read: ReadArgs,
    /// Role or team that says it; never a person's name.
    #[arg(long, env = "FORECALL_TEAM")]
    by: String,
    /// Idempotency key: of several records with one key the first counts. Made from what is said where it isn't given.
    #[arg(long)]
    key: Option<String>,
    /// Only show the record.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct ApproveArgs {
    /// The notice.
    id: NoticeId,
    /// Fingerprint of the text that was read, or its first digits.
    #[arg(long)]
    text: String,
    #[command(flatten)]
    say: SayArgs,
}

#[derive(Debug, Args)]
struct KillArgs {
    /// Let it go on.
    #[arg(long)]
    undo: bool,
    /// Domain (default: the configuration's).
    #[arg(long)]
    domain: Option<DomainName>,
    #[command(flatten)]
    say: SayArgs,
}

pub(crate) fn run(args: NoticesArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match args.command {
        NoticesCommand::List(args) => {
            let (settings, log) = connect(&args.read)?;
            let notices = listed(&log, &settings, &args)?;
            show::list(&notices, args.read.json, now(), &mut out)?;
        }
        NoticesCommand::Show(args) => {
            let (settings, log) = connect(&args.read)?;
            show::one(&newest(&log, &settings, &args.id)?, args.read.json, &mut out)?;
        }
        NoticesCommand::Preview { incident, read } => {
            let (settings, log) = connect(&read)?;
            let waits = |notice: &Notice| notice.incident == incident && is_waiting(notice);
            let notices = newest_of_all(&log, &settings, TopicId::NoticesState, &waits)?;
            show::preview(&incident, &notices, read.json, &mut out)?;
        }
        NoticesCommand::Explain(args) => {
            let (settings, log) = connect(&args.read)?;
            show::explain(&newest(&log, &settings, &args.id)?, args.read.json, &mut out)?;
        }
        NoticesCommand::Approve(args) => {
            let (settings, log) = connect(&args.say.read)?;
            let notice = newest(&log, &settings, &args.id)?;
            let said = approval(&notice, &args.text)?;
            say(&log, &settings, &args.say, notice.domain.clone(), said, &mut out)?;
        }
        NoticesCommand::Kill(args) => {
            let (settings, log) = connect(&args.say.read)?;
            let domain = args.domain.unwrap_or_else(|| settings.domain.clone());
            let said = Said {
                action: Action::Kill { on: !args.undo },
                // Each turn of the switch is one of its own: whoever turns it means it.
                stand: Some(now()),
            };
            say(&log, &settings, &args.say, domain, said, &mut out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn connect(args: &ReadArgs) -> anyhow::Result<(Settings, KafkaLog)> {
    let settings = Settings::load(&args.config)?;
    let kafka = settings.kafka.clone();
    let kafka = kafka.with_context(|| format!("{} has no `kafka:`", args.config.display()))?;
    Ok((settings, KafkaLog::connect(kafka)?))
}

/// Whether it may still go to somebody it hasn't gone to.
fn is_waiting(notice: &Notice) -> bool {
    match notice.state {
        NoticeState::Drafted | NoticeState::Approved | NoticeState::Held | NoticeState::Sending => true,
        NoticeState::Suppressed | NoticeState::Sent | NoticeState::Delivered | NoticeState::Retracted => {
            notice
                .withheld
                .iter()
                .any(|(why, count)| why.is_hold() && *count > 0)
        }
    }
}

/// Whether people wait for its approval.
fn waits_for_approval(notice: &Notice) -> bool {
    notice
        .withheld
        .get(&HoldReason::Approval)
        .is_some_and(|count| *count > 0)
}

fn listed(log: &dyn Log, settings: &Settings, args: &ListArgs) -> anyhow::Result<Vec<Notice>> {
    let passes = |notice: &Notice| {
        let is_canary = notice.domain.as_str() == DomainName::CANARY;
        (args.canary || !is_canary)
            && (!args.waiting || waits_for_approval(notice))
            && args.incident.as_ref().is_none_or(|id| *id == notice.incident)
            && args.domain.as_ref().is_none_or(|domain| *domain == notice.domain)
    };
    let topic = if args.all {
        TopicId::Notices
    } else {
        TopicId::NoticesState
    };
    newest_of_all(log, settings, topic, &passes)
}

/// The newest revision of each that passes, the oldest first. A tombstone of the state topic is an end.
fn newest_of_all(
    log: &dyn Log,
    settings: &Settings,
    topic: TopicId,
    passes: &dyn Fn(&Notice) -> bool,
) -> anyhow::Result<Vec<Notice>> {
    let mut newest: BTreeMap<NoticeId, Notice> = BTreeMap::new();
    let mut too_many = false;
    each(log, settings, topic, &mut |key, notice| {
        let Some(notice) = notice else {
            newest.retain(|id, _| id.as_str().as_bytes() != key);
            return;
        };
        let is_news = newest
            .get(&notice.id)
            .is_none_or(|known| known.revision < notice.revision);
        if !is_news {
            return;
        }
        if newest.len() >= ROWS_MAX && !newest.contains_key(&notice.id) {
            too_many = true;
            return;
        }
        newest.insert(notice.id.clone(), notice);
    })?;
    ensure!(
        !too_many,
        "there are more than {ROWS_MAX} notices: leave out --all, or ask for one incident"
    );
    let mut notices: Vec<Notice> = newest.into_values().filter(|notice| passes(notice)).collect();
    notices.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    Ok(notices)
}

/// The newest revision of one, from the topic of events.
fn newest(log: &dyn Log, settings: &Settings, id: &NoticeId) -> anyhow::Result<Notice> {
    let mut found: Option<Notice> = None;
    each(log, settings, TopicId::Notices, &mut |_, notice| {
        let newer = |known: &Notice, notice: &Notice| known.revision < notice.revision;
        if let Some(notice) = notice.filter(|notice| notice.id == *id)
            && found.as_ref().is_none_or(|known| newer(known, &notice))
        {
            found = Some(notice);
        }
    })?;
    match found {
        Some(notice) => Ok(notice),
        None => bail!(
            "{} holds nothing of {id}: `forecall notices list --all` names those it holds",
            settings.topic_names().name(TopicId::Notices)
        ),
    }
}

/// Every record of the topic; `None`: a tombstone.
fn each(
    log: &dyn Log,
    settings: &Settings,
    topic: TopicId,
    visit: &mut dyn FnMut(&[u8], Option<Notice>),
) -> anyhow::Result<()> {
    let topic = settings.topic_names().name(topic);
    let count = i32::try_from(log.bounds(&topic)?.len()).context("too many partitions")?;
    for partition in 0..count {
        log.read(&TopicPartition::new(&topic, partition), 0, &mut |record| {
            let Some(key) = record.key else { return };
            match record.value {
                None => visit(key, None),
                // What is of a later version isn't shown, as it isn't known what it says.
                Some(value) => {
                    if let Ok(notice) = decode_notice(record.headers.get(), value) {
                        visit(key, Some(notice));
                    }
                }
            }
        })?;
    }
    Ok(())
}

/// What is to be said, and what makes the same words said later another command.
struct Said {
    action: Action,
    stand: Option<EventTime>,
}

/// # Errors
/// Another text than the notice has now, too few of its digits, or nothing that waits for an approval.
fn approval(notice: &Notice, text: &str) -> anyhow::Result<Said> {
    let text = text.to_ascii_lowercase();
    ensure!(
        text.len() >= TEXT_DIGITS_MIN && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "--text needs {TEXT_DIGITS_MIN} or more hexadecimal digits of the text that was read: `forecall notices show {}`",
        notice.id
    );
    ensure!(
        notice.text_fingerprint.starts_with(&text),
        "{} has another text now: read it again with `forecall notices show {}`",
        notice.id,
        notice.id
    );
    ensure!(
        waits_for_approval(notice),
        "{} is {}, and nobody waits for an approval of it",
        notice.id,
        notice.state.as_str()
    );
    Ok(Said {
        action: Action::Approve {
            notice: notice.id.clone(),
            text: Arc::clone(&notice.text_fingerprint),
        },
        stand: None,
    })
}

fn say(
    log: &dyn Log,
    settings: &Settings,
    args: &SayArgs,
    domain: DomainName,
    said: Said,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    for (option, text) in [("--by", Some(args.by.as_str())), ("--key", args.key.as_deref())] {
        let is_good = |text: &str| {
            !text.is_empty()
                && text.len() <= NAME_BYTES_MAX
                && text.trim() == text
                && !text.chars().any(char::is_control)
        };
        ensure!(
            text.is_none_or(is_good),
            "{option} needs 1 to {NAME_BYTES_MAX} bytes without control characters or white space at an end"
        );
    }
    let content = serde_json::to_vec(&said.action).context("failed to write the command")?;
    let stand = said.stand.map_or(0, EventTime::nanos);
    let made = || {
        let parts: [&[u8]; 4] = [
            args.by.as_bytes(),
            domain.as_str().as_bytes(),
            &content,
            &stand.to_le_bytes(),
        ];
        format!("cli-{}", Fingerprint::of_parts(&parts).base32(16))
    };
    let key = args.key.clone().unwrap_or_else(made);
    let command = Command {
        id: Arc::from(key.as_str()),
        domain,
        at: now(),
        by: Arc::from(args.by.as_str()),
        action: said.action,
    };
    let encoded = encode_command(&command)?;
    let topic = settings.topic_names().name(TopicId::Commands);
    let text = String::from_utf8_lossy(&encoded.value).into_owned();
    if !args.dry_run {
        // It exists: else the broker might make it with settings of its own.
        log.bounds(&topic)?;
        let whose = Fingerprint::of(key.as_bytes()).base32(8);
        let identity = format!("{}.notices-cli.{whose}-{}", settings.group, std::process::id());
        let record = OutRecord {
            topic: Arc::from(topic.as_str()),
            partition: None,
            key: Some(encoded.key),
            value: Some(encoded.value),
            headers: encoded.headers,
        };
        log.writer(&identity)?.commit(&Transaction {
            records: vec![record],
            positions: vec![],
        })?;
    }
    if args.read.json {
        let record: Value = serde_json::from_str(&text)?;
        let told = json!({"published": !args.dry_run, "topic": topic, "id": key, "record": record});
        writeln!(out, "{told}")?;
    } else {
        let verb = if args.dry_run {
            "would publish"
        } else {
            "published"
        };
        writeln!(out, "{verb} command {key} by {} to {topic}: {text}", args.by)?;
    }
    Ok(())
}
