//! `forecall customers …`: what one customer was told, for whoever answers them, and who has looked.

use std::io::{Read as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use forecall_config::Settings;
use forecall_console::{Desk, Look, WHYS};
use forecall_runtime::pseudonym_key;
use forecall_types::{CustomerId, EventTime};
use forecall_wire::screen::{CustomerNotices, Entry, Kept, Message, Promised, Time};

use crate::{audit, snapshots};

/// An id on standard input is one line.
const ID_BYTES_MAX: u64 = 4_096;

#[derive(Debug, Args)]
pub(crate) struct CustomersArgs {
    #[command(subcommand)]
    command: CustomersCommand,
}

#[derive(Debug, Subcommand)]
enum CustomersCommand {
    /// One customer: what touches them now, what they were told, not told and why, what they answered, what was promised and kept.
    #[command(
        after_help = "Examples:\n  forecall customers show cus_2d6f8h1j3k5m7p9r --by care\n  echo 4711 | forecall customers show - --by care --why ticket --json\n\nOn the host that has the ledger. An id that is no pseudonym is read from standard input, so that it stands in no list of processes. Each look is written into the ledger's audit chain first."
    )]
    Show(ShowArgs),
    /// Who has looked at one customer's story, when and why, from the audit chain.
    #[command(after_help = "Example:\n  echo 4711 | forecall customers seen -")]
    Seen(SeenArgs),
}

#[derive(Debug, Args)]
struct WhoArgs {
    /// A pseudonym, or `-`: whatever names them in the directory, on standard input.
    customer: String,
    /// The configuration.
    #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
    config: PathBuf,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// Role or team that looks; never a person's name.
    #[arg(long, env = "FORECALL_TEAM")]
    by: String,
    /// Why.
    #[arg(long, default_value = "call", value_parser = clap::builder::PossibleValuesParser::new(WHYS))]
    why: String,
    /// Entries of a page.
    #[arg(long, default_value_t = 25)]
    max: usize,
    /// What the page before gave as `next`.
    #[arg(long)]
    from: Option<String>,
}

#[derive(Debug, Args)]
struct SeenArgs {
    #[command(flatten)]
    who: WhoArgs,
}

/// The desk of these settings; `None`: no key of the ledger or of the pseudonyms is given, or the ledger isn't on this host.
pub(crate) fn desk(settings: &Settings) -> anyhow::Result<Option<Desk>> {
    let (Some(ledger), Some(key)) = (audit::ledger(settings)?, pseudonym_key(settings)?) else {
        return Ok(None);
    };
    let domain = settings.domain.clone();
    let pseudonym = Arc::new(move |id: &str| key.customer(&domain, id));
    Ok(Some(Desk::new(
        ledger,
        Arc::clone(&settings.outreach),
        pseudonym,
    )?))
}

pub(crate) fn run(args: &CustomersArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match &args.command {
        CustomersCommand::Show(args) => show(args, &mut out),
        CustomersCommand::Seen(args) => seen(args, &mut out),
    }
}

const NO_LEDGER: &str = "there is no ledger here: it needs `ledger.master_key`, `ledger.pseudonym_key` and the file `ledger.path`";

fn who(args: &WhoArgs, desk: &Desk) -> anyhow::Result<CustomerId> {
    if args.customer != "-" {
        let id: Option<CustomerId> = args.customer.parse().ok();
        return id.filter(|id| id.number().is_some()).context(
            "it is no pseudonym (`cus_` and 16 characters): give any other id on standard input, with `-`",
        );
    }
    let mut text = String::new();
    std::io::stdin()
        .take(ID_BYTES_MAX)
        .read_to_string(&mut text)
        .context("failed to read the customer from standard input")?;
    Ok(desk.who(&text)?)
}

fn show(args: &ShowArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(&args.who.config)?;
    let desk = desk(&settings)?.context(NO_LEDGER)?;
    let customer = who(&args.who, &desk)?;
    let story = desk.story(
        &customer,
        &Look {
            by: &args.by,
            why: &args.why,
            from: args.from.as_deref(),
            max: Some(args.max),
            at: snapshots::now(),
        },
    )?;
    if args.who.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&story)?)?;
    } else {
        tell(&story, out)?;
    }
    let is_nobody = !story.known && story.entries.is_empty() && args.from.is_none();
    Ok(if is_nobody {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn seen(args: &SeenArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(&args.who.config)?;
    let customer = who(&args.who, &desk(&settings)?.context(NO_LEDGER)?)?;
    let ledger = audit::ledger(&settings)?.context(NO_LEDGER)?;
    let (whole, verdict) = audit::chain(&ledger)?;
    if !whole {
        bail!("the audit chain doesn't hold: {verdict}");
    }
    let mark = ledger.view_mark(&customer);
    let mut views = Vec::new();
    ledger.read_audit(&mut |entry| {
        if entry["kind"] == "view" && entry["customer"] == mark.as_str() {
            views.push(entry.clone());
        }
    })?;
    if args.who.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&views)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for view in &views {
        let at = Time::of(EventTime::from_nanos(view["at"].as_i64().unwrap_or(0)));
        let word = |key: &str| view[key].as_str().unwrap_or("?").to_owned();
        writeln!(out, "{}  {}  {}", at.as_str(), word("by"), word("why"))?;
    }
    writeln!(out, "{} looks", views.len())?;
    Ok(ExitCode::SUCCESS)
}

/// A case of a published enum as it is written in JSON.
fn word<T: serde::Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or("?").to_owned()
}

fn tell(story: &CustomerNotices, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "{}{}{}  {}{}",
        story.customer,
        if story.known {
            ""
        } else {
            " (not in the directory)"
        },
        if story.priority { " PRIORITY" } else { "" },
        story.region.as_deref().unwrap_or(""),
        story.services.iter().map(|s| format!(" {s}")).collect::<String>(),
    )?;
    for one in &story.addresses {
        writeln!(out, "  {} {}", word(&one.channel), one.address)?;
    }
    if story.now.is_empty() && story.known {
        writeln!(out, "\nnow: no open incident that is known touches them")?;
    }
    for trouble in &story.now {
        let time = |name: &str, at: &Option<Time>| {
            at.as_ref()
                .map_or_else(String::new, |at| format!("  {name} {}", at.as_str()))
        };
        writeln!(
            out,
            "\nnow: {} {} {} of {}{}{}{}",
            trouble.thread,
            word(&trouble.state),
            word(&trouble.kind),
            trouble.services.join(", "),
            time("since", &trouble.since),
            time("expected from", &trouble.expected_from),
            time("to be over by", &trouble.eta),
        )?;
        match &trouble.not_told {
            _ if trouble.told => writeln!(out, "  told by us")?,
            Some(why) => writeln!(out, "  NOT TOLD by us: {}", why.words_en)?,
            None => writeln!(out, "  NOT TOLD by us")?,
        }
    }
    for entry in &story.entries {
        match entry {
            Entry::Message(message) => tell_message(message, out)?,
            Entry::NotTold { at, stage, why, .. } => writeln!(
                out,
                "\n{}  not told{}: {}",
                at.as_str(),
                stage.map_or_else(String::new, |s| format!(" ({})", word(&s))),
                why.words_en
            )?,
            Entry::Answered { at, answer } => {
                writeln!(out, "\n{}  they wrote: {}", at.as_str(), word(answer))?;
            }
        }
    }
    if let Some(next) = &story.next {
        writeln!(out, "\nmore: --from {next}")?;
    }
    Ok(())
}

fn tell_message(message: &Message, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "\n{}  {} by {}: {}{}  {}",
        message.at.as_str(),
        message.stage.map_or_else(|| "answer".to_owned(), |s| word(&s)),
        word(&message.channel),
        word(&message.state),
        message
            .reason
            .as_ref()
            .map_or_else(String::new, |r| format!(" ({r})")),
        message.thread,
    )?;
    for line in message
        .subject
        .iter()
        .map(String::as_str)
        .chain(message.text.lines())
    {
        writeln!(out, "  | {line}")?;
    }
    for promise in &message.promises {
        let what = match promise.what {
            Promised::NextNews => "next news",
            Promised::Repair => "repair",
        };
        let kept = match promise.kept {
            Kept::Open => "not due yet",
            Kept::Kept => "kept",
            Kept::Late => "BROKEN",
            Kept::Void => "void: it ended otherwise",
            Kept::Unknown => "unknown",
        };
        let done = promise
            .done_at
            .as_ref()
            .map_or_else(String::new, |at| format!(" (at {})", at.as_str()));
        writeln!(out, "  promised {what} by {}: {kept}{done}", promise.by.as_str())?;
    }
    Ok(())
}
