//! `forecall calls effect`: did the notices help? What a hold-out says of it.

mod files;
mod page;
mod read;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use forecall_outreach::calls::effect::cost::{Prices, Return};
use forecall_outreach::calls::effect::{
    ALPHA, Avoided, AvoidedContacts, EffectAnalysis, EffectReading, HELD_OUT_CONTACTS_MIN, Interval, Law,
    SegmentEffect, Verdict, segments,
};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

use read::{Incident, Measured};

#[derive(Debug, Args)]
pub(super) struct EffectArgs {
    /// Who was assigned to what: CSV with incident, customer, arm (told, held_out), assigned_at, released_at; where units were
    /// assigned, unit; segments in columns of any of service, region, language, channel.
    #[arg(long, requires = "contacts", conflicts_with = "counts")]
    assignments: Option<PathBuf>,
    /// Who made a contact: CSV with at, customer (empty: not known), and maybe channel and deed (contact, opt_out, complaint).
    #[arg(long, requires = "assignments")]
    contacts: Option<PathBuf>,
    /// Instead of both: CSV with incident, told, held_out, told_contacts, held_out_contacts (people with a contact up to the
    /// release), and maybe at, contacts (all contacts of the told), unmatched, service, region, language, channel.
    #[arg(long, required_unless_present = "assignments")]
    counts: Option<PathBuf>,
    /// What was spent: CSV with incident, messages, compensation.
    #[arg(long)]
    spent: Option<PathBuf>,
    /// Price of one message.
    #[arg(long)]
    message_cost: Option<f64>,
    /// Cost of one minute of an agent.
    #[arg(long)]
    minute_cost: Option<f64>,
    /// Handling time of a contact in seconds: talk, hold and after-call work.
    #[arg(long, default_value_t = 240.0)]
    aht: f64,
    /// How much more contacts vary than those of people by themselves, where --counts has units in it (2: twice).
    #[arg(long, conflicts_with = "assignments")]
    dispersion: Option<f64>,
    /// Time zone of times without an offset, and of months.
    #[arg(long, default_value = "UTC", value_parser = super::zone)]
    zone: TimeZone,
    /// Folder for effect.csv, effect.json and report.html; made where it isn't there.
    #[arg(long)]
    out: PathBuf,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// The state after each incident: what one saw who looked then.
struct Look {
    interval: Interval,
    verdict: Verdict,
    middle: f64,
}

/// All that is said.
struct Findings {
    measured: Measured,
    dispersion: f64,
    reading: EffectReading,
    own: Vec<Law>,
    looks: Vec<Look>,
    avoided: AvoidedContacts<String>,
    segments: BTreeMap<String, BTreeMap<String, SegmentEffect>>,
    prices: Option<Prices>,
}

impl Findings {
    /// Cost and return of contacts kept away in some incidents.
    fn money<'a>(&self, avoided: Avoided, of: impl Iterator<Item = &'a Incident>) -> Option<Return> {
        let prices = self.prices?;
        let spent = of.map(|one| one.spent).reduce(|mut sum, one| {
            sum.messages += one.messages;
            sum.compensation += one.compensation;
            sum
        })?;
        Some(prices.of(avoided, spent))
    }
}

fn prices(args: &EffectArgs) -> anyhow::Result<Option<Prices>> {
    for (name, value, high) in [
        ("--message-cost", args.message_cost, 1e9),
        ("--minute-cost", args.minute_cost, 1e9),
        ("--aht", Some(args.aht), 7200.0),
        ("--dispersion", args.dispersion, 100.0),
    ] {
        if let Some(value) = value
            && !(0.0..=high).contains(&value)
        {
            bail!("{name} is {value}: it needs 0 to {high}");
        }
    }
    Ok(match (args.message_cost, args.minute_cost) {
        (Some(message), Some(agent_minute)) => Some(Prices {
            message,
            agent_minute,
            handle_seconds: args.aht,
        }),
        (None, None) => None,
        _ => bail!("cost and return need both --message-cost and --minute-cost"),
    })
}

fn find(args: &EffectArgs) -> anyhow::Result<Findings> {
    let prices = prices(args)?;
    let mut measured = match (&args.assignments, &args.contacts, &args.counts) {
        (Some(assignments), Some(contacts), _) => read::people(assignments, contacts, &args.zone)?,
        (_, _, Some(counts)) => read::counts(counts, &args.zone)?,
        _ => bail!("give --assignments and --contacts, or --counts"),
    };
    if let Some(spent) = &args.spent {
        read::spent(spent, &args.zone, &mut measured)?;
    }
    if measured.incidents.is_empty() {
        bail!("there is no incident in the file: nothing to analyse");
    }
    let dispersion = args.dispersion.unwrap_or(measured.dispersion).max(1.0);
    let mut analysis = EffectAnalysis::with_dispersion(dispersion);
    let mut looks = Vec::with_capacity(measured.incidents.len());
    for one in &measured.incidents {
        analysis
            .add(one.counts.arms())
            .with_context(|| format!("{} can't be analysed", one.counts.incident))?;
        let (interval, verdict) = analysis.look();
        looks.push(Look {
            interval,
            verdict,
            middle: analysis.reduction().quantiles[1],
        });
    }
    #[allow(clippy::cast_precision_loss, reason = "numbers of contacts")]
    let contacts: Vec<(f64, String)> = measured
        .incidents
        .iter()
        .map(|one| (one.counts.told.contacts as f64, one.month.clone()))
        .collect();
    let mut by_segment = BTreeMap::new();
    for (at, dimension) in measured.dimensions.iter().enumerate() {
        let mut arms: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for one in &measured.incidents {
            for (segment, own) in one.counts.segments.get(at).into_iter().flatten() {
                arms.entry(segment.to_string()).or_default().push(*own);
            }
        }
        by_segment.insert(dimension.clone(), segments(&analysis, &arms));
    }
    Ok(Findings {
        dispersion,
        reading: analysis.read(),
        own: analysis.incidents(),
        avoided: analysis.avoided(&contacts),
        looks,
        segments: by_segment,
        prices,
        measured,
    })
}

pub(super) fn run(args: &EffectArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let found = find(args)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("failed to make {}", args.out.display()))?;
    let json = files::json(&found);
    super::files::write(&args.out.join("effect.csv"), &files::csv(&found))?;
    super::files::write(&args.out.join("effect.json"), &format!("{json:#}\n"))?;
    super::files::write(&args.out.join("report.html"), &page::page(&found))?;
    if args.json {
        writeln!(out, "{json:#}")?;
        return Ok(());
    }
    for line in sentences(&found) {
        writeln!(out, "{line}")?;
    }
    let folder = args.out.display();
    writeln!(
        out,
        "written: {folder}/effect.csv, {folder}/effect.json, {folder}/report.html"
    )?;
    Ok(())
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn edge(share: Option<f64>, without: &str) -> String {
    share.map_or_else(|| without.to_owned(), percent)
}

/// What is said, in the order a manager asks.
fn sentences(found: &Findings) -> Vec<String> {
    let r = &found.reading;
    let [low, middle, high] = r.reduction.quantiles;
    let mut lines = vec![verdict(r)];
    lines.push(format!(
        "{} of {} told made a contact up to the release, and {} of {} held out, in {} incidents",
        r.arms.told_contacts, r.arms.told, r.arms.held_out_contacts, r.arms.held_out, r.incidents
    ));
    if r.verdict != Verdict::NotEnoughData {
        lines.push(format!(
            "fewer contacts through notices, in a typical incident: {} (95 %: {} to {}); in the next one: {} to {}",
            percent(middle),
            percent(low),
            percent(high),
            percent(r.next_incident.quantiles[0]),
            percent(r.next_incident.quantiles[2])
        ));
        lines.push(format!(
            "not ruled out, however often one has looked: {} to {}",
            edge(r.always_valid.low, "any increase"),
            edge(r.always_valid.high, "any decrease")
        ));
        if let Some(all) = found.avoided.all {
            lines.push(format!(
                "contacts kept away, net of those the notices brought: {:.0} (95 %: {:.0} to {:.0}), of callers that could be matched",
                all.mean, all.low, all.high
            ));
            if let Some(money) = found.money(all, found.measured.incidents.iter()) {
                lines.push(format!(
                    "cost and return: {:.2} (95 %: {:.2} to {:.2}), of which messages −{:.2}, compensation −{:.2}",
                    money.all.mean, money.all.low, money.all.high, money.messages, money.compensation
                ));
            }
        }
    }
    let sum = |of: &dyn Fn(&Incident) -> u64| found.measured.incidents.iter().map(of).sum::<u64>();
    lines.push(format!(
        "contacts in the windows by callers who can't be matched: {}; in the day after the release: {} of those told, {} of those held out",
        sum(&|i| i.counts.unmatched),
        sum(&|i| i.counts.told.later),
        sum(&|i| i.counts.held_out.later)
    ));
    lines.push(format!(
        "opt-outs: {} told, {} held out; complaints: {} told, {} held out",
        sum(&|i| i.counts.told.opt_outs),
        sum(&|i| i.counts.held_out.opt_outs),
        sum(&|i| i.counts.told.complaints),
        sum(&|i| i.counts.held_out.complaints)
    ));
    lines
}

/// The verdict in a sentence.
fn verdict(r: &EffectReading) -> String {
    match r.verdict {
        Verdict::Works => {
            "WORKS: people told made fewer contacts; a hold-out ends itself by this, for waiting harms"
                .to_owned()
        }
        Verdict::Harms => {
            "HARMS: people told made more contacts; a hold-out ends itself by this; change the notice"
                .to_owned()
        }
        Verdict::NothingShown => "NOTHING SHOWN: no effect is not ruled out yet".to_owned(),
        Verdict::NotEnoughData => format!(
            "NOT ENOUGH DATA: {} people held out made a contact, and it takes {HELD_OUT_CONTACTS_MIN}",
            r.arms.held_out_contacts
        ),
    }
}

#[cfg(test)]
mod tests;
