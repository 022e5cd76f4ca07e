//! `forecall journeys …`: the stage alone, and what it has told, for people.

use std::collections::BTreeMap;
use std::io::{Read as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use forecall_config::Settings;
use forecall_journey::add_map;
use forecall_log::{Log, TopicPartition};
use forecall_runtime::pseudonym_key;
use forecall_types::{CustomerId, EventTime, FailedJourney, JourneyMap, JourneyMapStep, JourneyName};
use forecall_wire::event::{JourneyEvent, TopicId, TopicNames, decode_journey_event};
use serde_json::{Value, json};

use crate::cli::RunArgs;
use crate::run;
use crate::word::connect;

/// Failed journeys of one customer that are shown; a rule and an order fail once.
const SHOWN_MAX: usize = 10_000;
/// Rules times days that are added up: thirty days of the most rules a file may have, and room.
const MAPS_MAX: usize = 16_384;

#[derive(Debug, Args)]
pub(crate) struct JourneysArgs {
    #[command(subcommand)]
    command: JourneysCommand,
}

#[derive(Debug, Subcommand)]
enum JourneysCommand {
    /// Run `journeys` and its intake alone; more processes of it share the partitions.
    Run(RunArgs),
    /// How far customers came on each way, the last day that is over: declared against measured.
    #[command(
        after_help = "Examples:\n  forecall journeys map\n  forecall journeys map --rule paid_not_active --day 2026-11-28 --json\n\nDays are UTC; a day's map comes when it is over. All domains are counted together."
    )]
    Map(MapArgs),
    /// Failed journeys of one customer, as far as the topic holds them.
    #[command(
        after_help = "Examples:\n  forecall journeys show cus_0a1b2c3d4e5f6g7h\n  printf 09120000000 | forecall journeys show -        # a number or id, made a pseudonym by the configuration's key\n\nWhat is still open is known to the stage alone, and failures that a wave tells are not told singly."
    )]
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct MapArgs {
    /// The configuration.
    #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
    config: PathBuf,
    /// Only this rule.
    #[arg(long)]
    rule: Option<JourneyName>,
    /// Another day than the last one: `2026-11-28`.
    #[arg(long)]
    day: Option<String>,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The customer's pseudonym (`cus_…`), or `-`: standard input holds a pseudonym, or the number, address or id of one.
    customer: String,
    /// Domain of the customer (default: the configuration's).
    #[arg(long)]
    domain: Option<forecall_types::DomainName>,
    /// The configuration.
    #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
    config: PathBuf,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &JourneysArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match &args.command {
        JourneysCommand::Run(args) => {
            drop(out);
            run::run(args, run::Which::Journeys)?;
        }
        JourneysCommand::Map(args) => {
            let (settings, log) = connect(&args.config)?;
            let maps = maps(&log, &settings.topic_names(), args)?;
            if args.json {
                writeln!(
                    out,
                    "{}",
                    json!({ "maps": maps.iter().map(json_of).collect::<Vec<_>>() })
                )?;
            } else {
                tell(&maps, &mut out)?;
            }
        }
        JourneysCommand::Show(args) => {
            let (settings, log) = connect(&args.config)?;
            let customer = customer(args, &settings)?;
            let failed = failed(&log, &settings.topic_names(), &customer)?;
            show(&customer, &failed, args.json, &mut out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Who is meant. What is no pseudonym is never taken from the command line, which others may see.
fn customer(args: &ShowArgs, settings: &Settings) -> anyhow::Result<CustomerId> {
    let is_pseudonym = |text: &str| CustomerId::new(text).ok().filter(|id| id.number().is_some());
    if args.customer != "-" {
        return is_pseudonym(&args.customer).context(
            "it is no pseudonym (`cus_` and 16 characters): give a number or an id on standard input, with `-`",
        );
    }
    let mut text = String::new();
    std::io::stdin()
        .take(4_096)
        .read_to_string(&mut text)
        .context("failed to read the customer from standard input")?;
    let text = text.trim();
    if text.is_empty() {
        bail!("standard input is empty: it should hold a pseudonym, a number, an address or an id");
    }
    if let Some(id) = is_pseudonym(text) {
        return Ok(id);
    }
    let key = pseudonym_key(settings)?.context("`ledger.pseudonym_key` is needed to make a pseudonym")?;
    let domain = args.domain.as_ref().unwrap_or(&settings.domain);
    Ok(key.customer(domain, text))
}

/// Reads all that the topic holds.
fn read(log: &dyn Log, names: &TopicNames, visit: &mut dyn FnMut(JourneyEvent)) -> anyhow::Result<usize> {
    let topic = names.name(TopicId::Journeys);
    let count = i32::try_from(log.bounds(&topic)?.len()).context("too many partitions")?;
    let mut strange = 0;
    for number in 0..count {
        log.read(&TopicPartition::new(&topic, number), 0, &mut |record| {
            let value = record.value.unwrap_or_default();
            match decode_journey_event(record.headers.get(), value) {
                Ok(event) => visit(event),
                Err(_) => strange += 1,
            }
        })?;
    }
    Ok(strange)
}

fn remark(strange: usize) -> anyhow::Result<()> {
    if strange > 0 {
        writeln!(
            std::io::stderr(),
            "forecall: {strange} records are no events of journeys that this version knows, and were passed over"
        )?;
    }
    Ok(())
}

/// The wanted day's maps, or each rule's last one, partitions added up; by rule.
fn maps(log: &dyn Log, names: &TopicNames, args: &MapArgs) -> anyhow::Result<Vec<JourneyMap>> {
    let day = args.day.as_deref().map(day_of).transpose()?;
    let mut all: BTreeMap<(JourneyName, EventTime), JourneyMap> = BTreeMap::new();
    let mut left_out = 0_usize;
    let strange = read(log, names, &mut |event| {
        let JourneyEvent::Map(map) = event else { return };
        let is_wanted =
            args.rule.as_ref().is_none_or(|rule| *rule == map.rule) && day.is_none_or(|day| day == map.from);
        if !is_wanted {
            return;
        }
        let place = (map.rule.clone(), map.from);
        if let Some(known) = all.get_mut(&place) {
            add_map(known, &map);
        } else if all.len() < MAPS_MAX {
            all.insert(place, map);
        } else {
            left_out += 1;
        }
    })?;
    remark(strange)?;
    if left_out > 0 {
        bail!("there are more than {MAPS_MAX} maps: ask for one rule or day");
    }
    // The last of each rule stays.
    let newest: BTreeMap<JourneyName, JourneyMap> =
        all.into_iter().map(|((rule, _), map)| (rule, map)).collect();
    Ok(newest.into_values().collect())
}

fn day_of(text: &str) -> anyhow::Result<EventTime> {
    let date: jiff::civil::Date = text
        .parse()
        .with_context(|| format!("`{text}` is no day: write 2026-11-28"))?;
    let zoned = date.to_zoned(jiff::tz::TimeZone::UTC)?;
    Ok(EventTime::from_secs(zoned.timestamp().as_second()))
}

fn moment(at: EventTime) -> String {
    jiff::Timestamp::from_second(at.secs()).map_or_else(|_| String::new(), |t| t.to_string())
}

fn day(at: EventTime) -> String {
    moment(at).split('T').next().unwrap_or_default().to_owned()
}

#[allow(clippy::cast_precision_loss, reason = "a share for people")]
fn percent(part: u64, of: u64) -> String {
    if of == 0 {
        return "-".to_owned();
    }
    format!("{:.0} %", 100.0 * part as f64 / of as f64)
}

/// A span as people say it: to the tenth below ten seconds, else in the largest unit that gives two digits or more.
fn span(seconds: f64) -> String {
    if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if seconds < 600.5 {
        format!("{seconds:.0} s")
    } else if seconds < 36_000.0 {
        format!("{:.0} min", seconds / 60.0)
    } else if seconds < 864_000.0 {
        format!("{:.0} h", seconds / 3_600.0)
    } else {
        format!("{:.0} d", seconds / 86_400.0)
    }
}

#[allow(clippy::cast_precision_loss, reason = "seconds of 90 days at most")]
fn declared(step: &JourneyMapStep) -> String {
    span(step.allowed_seconds as f64)
}

fn tell(maps: &[JourneyMap], out: &mut dyn Write) -> anyhow::Result<()> {
    if maps.is_empty() {
        writeln!(
            out,
            "no map yet: the first one comes at the end of the first day (UTC)"
        )?;
        return Ok(());
    }
    for (number, map) in maps.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        let simulated = if map.simulated { ", simulated" } else { "" };
        writeln!(
            out,
            "{}  {}  {} began, {} refused{simulated}",
            map.rule,
            day(map.from),
            map.started,
            map.refused
        )?;
        writeln!(
            out,
            "  {:<34} {:>9} {:>7} {:>9} {:>7} {:>7} {:>8} {:>8} {:>8} {:>8}",
            "step",
            "reached",
            "share",
            "passed",
            "absent",
            "struck",
            "excused",
            "half in",
            "9 of 10",
            "allowed"
        )?;
        for step in &map.steps {
            let expects: Vec<&str> = step.expects.iter().map(|kind| kind.as_str()).collect();
            let name = if expects.is_empty() {
                "(nothing happens)".to_owned()
            } else {
                expects.join(" | ")
            };
            let measured = |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), span);
            writeln!(
                out,
                "  {name:<34} {:>9} {:>7} {:>9} {:>7} {:>7} {:>8} {:>8} {:>8} {:>8}",
                step.reached,
                percent(step.reached, map.started),
                step.passed,
                step.absent,
                step.struck,
                step.excused,
                measured(step.median_seconds),
                measured(step.p90_seconds),
                declared(step),
            )?;
        }
    }
    Ok(())
}

fn json_of(map: &JourneyMap) -> Value {
    let steps: Vec<Value> = map
        .steps
        .iter()
        .map(|step| {
            json!({
                "expects": step.expects.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
                "reached": step.reached, "passed": step.passed, "absent": step.absent,
                "struck": step.struck, "excused": step.excused,
                "median_seconds": step.median_seconds, "p90_seconds": step.p90_seconds,
                "allowed_seconds": step.allowed_seconds,
            })
        })
        .collect();
    json!({
        "rule": map.rule.as_str(), "from": moment(map.from), "to": moment(map.to),
        "started": map.started, "refused": map.refused, "steps": steps, "simulated": map.simulated,
    })
}

/// The failed journeys of one customer, the oldest first.
fn failed(log: &dyn Log, names: &TopicNames, customer: &CustomerId) -> anyhow::Result<Vec<FailedJourney>> {
    let mut all = Vec::new();
    let strange = read(log, names, &mut |event| {
        if let JourneyEvent::Failed(failed) = event
            && failed.customer == *customer
            && all.len() < SHOWN_MAX
        {
            all.push(failed);
        }
    })?;
    remark(strange)?;
    all.sort_by(|a, b| (a.failed_at, &a.id).cmp(&(b.failed_at, &b.id)));
    Ok(all)
}

fn show(
    customer: &CustomerId,
    failed: &[FailedJourney],
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if json {
        let rows: Vec<Value> = failed
            .iter()
            .map(|f| {
                json!({
                    "id": f.id.as_str(), "rule": f.rule.as_str(), "domain": f.domain.as_str(),
                    "key": f.key.map(|key| format!("{key:016x}")), "step": f.step, "failure": f.failure.as_str(),
                    "service": f.service.as_str(), "region": f.region.as_ref().map(|r| r.as_str()),
                    "started_at": moment(f.started_at), "failed_at": moment(f.failed_at), "simulated": f.simulated,
                })
            })
            .collect();
        writeln!(
            out,
            "{}",
            json!({ "customer": customer.as_str(), "failed": rows })
        )?;
        return Ok(());
    }
    writeln!(out, "{customer}, failed journeys: {}", failed.len())?;
    for f in failed {
        let region = f.region.as_ref().map_or("-", |r| r.as_str());
        let key = f.key.map_or_else(String::new, |key| format!(", key {key:016x}"));
        writeln!(
            out,
            "  {}  {:<24} step {} {}, began {}, {} {region}{key}",
            moment(f.failed_at),
            f.rule.as_str(),
            u32::from(f.step) + 1,
            f.failure.as_str(),
            moment(f.started_at),
            f.service,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
