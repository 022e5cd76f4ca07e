//! `forecall calls kpi`: what a contact centre is judged by, from its own records.

mod files;
mod page;
mod read;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use forecall_outreach::calls::kpi::{Kpis, Leads, Rate, Rules, Tally, ToldBefore};
use forecall_types::EventTime;
use jiff::Timestamp;
use jiff::tz::TimeZone;

#[derive(Debug, Args)]
pub(super) struct KpiArgs {
    /// Calls: CSV with arrived_at, outcome (answered, abandoned, left, callback, open), and maybe queue, wait_seconds,
    /// handle_seconds, customer (a pseudonym), issue, incident.
    #[arg(long)]
    calls: PathBuf,
    /// Time agents were there: CSV with start, available_seconds, and maybe queue.
    #[arg(long)]
    staff: Option<PathBuf>,
    /// Invitations to surveys: CSV with at, and maybe queue, csat (1 to 5), nps (0 to 10), ces (1 to 7); empty: not answered.
    #[arg(long)]
    surveys: Option<PathBuf>,
    /// Incidents: CSV with incident, and maybe queue, impact_at, published_at, ended_at.
    #[arg(long)]
    incidents: Option<PathBuf>,
    /// Affected customers: CSV with incident, customer, and maybe notice (none: nobody meant to tell them), accepted_at.
    #[arg(long, requires = "incidents")]
    audience: Option<PathBuf>,
    /// Ordinary calls: forecasts.csv of `forecall calls backtest --horizon 1d` (target and q99), for the notice lead.
    #[arg(long, requires = "incidents")]
    baseline: Option<PathBuf>,
    /// What a group is.
    #[arg(long, value_enum, default_value = "day")]
    by: By,
    /// Answered within so many seconds.
    #[arg(long, default_value_t = 20.0)]
    within: f64,
    /// Who gives up sooner than so many seconds hardly waited.
    #[arg(long, default_value_t = 5.0)]
    short: f64,
    /// Time zone of times without an offset, and of days.
    #[arg(long, default_value = "UTC", value_parser = super::zone)]
    zone: TimeZone,
    /// Folder for kpi.csv, kpi.json and report.html; made where it isn't there.
    #[arg(long)]
    out: PathBuf,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// What a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// An hour of a queue.
    Hour,
    /// A day of a queue.
    Day,
    /// A month of a queue.
    Month,
    /// A queue.
    Queue,
}

impl By {
    fn name(self, at: EventTime, zone: &TimeZone) -> String {
        let form = match self {
            Self::Hour => "%Y-%m-%d %H:00",
            Self::Day => "%Y-%m-%d",
            Self::Month => "%Y-%m",
            Self::Queue => return "all".to_owned(),
        };
        Timestamp::from_second(at.secs()).map_or_else(
            |_| "no date".to_owned(),
            |t| t.to_zoned(zone.clone()).strftime(form).to_string(),
        )
    }
}

/// A queue and a span of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    queue: String,
    span: String,
}

/// One incident's figures.
#[derive(Debug, Clone, Default)]
struct IncidentFigures {
    told: ToldBefore,
    leads: Leads,
    /// Length of an interval: the notice lead is known to that.
    step: Option<Duration>,
}

/// All that is said.
struct Findings {
    rules: Rules,
    by_group: BTreeMap<Group, Tally>,
    /// All spans of a queue, and under no name all queues.
    by_queue: BTreeMap<String, Tally>,
    all: Tally,
    incidents: BTreeMap<String, IncidentFigures>,
    told: ToldBefore,
    has_audience: bool,
}

fn seconds(name: &str, value: f64) -> anyhow::Result<Duration> {
    if !(0.0..=86_400.0).contains(&value) {
        bail!("{name} is {value}: it needs 0 to 86400");
    }
    Ok(Duration::from_secs_f64(value))
}

fn find(args: &KpiArgs) -> anyhow::Result<Findings> {
    let rules = Rules {
        within: seconds("--within", args.within)?,
        short: seconds("--short", args.short)?,
    };
    let calls = read::calls(&args.calls, &args.zone)?;
    if calls.is_empty() {
        bail!("{} has no call", args.calls.display());
    }
    let mut groups: Kpis<Group> = Kpis::new(rules);
    let mut queues: Kpis<String> = Kpis::new(rules);
    let mut all: Kpis<()> = Kpis::new(rules);
    for call in &calls {
        let own = call.as_call();
        let group = Group {
            queue: call.queue.to_string(),
            span: args.by.name(call.at, &args.zone),
        };
        groups.call(group, &own);
        queues.call(call.queue.to_string(), &own);
        all.call((), &own);
    }
    let mut end = calls
        .last()
        .map(|call| call.at)
        .unwrap_or(EventTime::from_secs(0));
    if let Some(staff) = &args.staff {
        read::staff(staff, &args.zone, |queue, at, time| {
            let span = args.by.name(at, &args.zone);
            groups.available(
                Group {
                    queue: queue.to_owned(),
                    span,
                },
                time,
            );
            queues.available(queue.to_owned(), time);
            all.available((), time);
            end = end.max(at);
        })?;
    }
    if let Some(surveys) = &args.surveys {
        read::surveys(surveys, &args.zone, |queue, at, survey| {
            let span = args.by.name(at, &args.zone);
            groups.survey(
                Group {
                    queue: queue.to_owned(),
                    span,
                },
                survey,
            );
            queues.survey(queue.to_owned(), survey);
            all.survey((), survey);
        })?;
    }
    groups.end(end);
    queues.end(end);
    all.end(end);
    let incidents = read::incidents(args, &calls)?;
    let told = incidents
        .values()
        .fold(ToldBefore::default(), |sum, one| sum.plus(one.told));
    Ok(Findings {
        rules,
        by_group: groups.tallies().clone(),
        by_queue: queues.tallies().clone(),
        all: all.tallies().get(&()).cloned().unwrap_or_default(),
        incidents,
        told,
        has_audience: args.audience.is_some(),
    })
}

pub(super) fn run(args: &KpiArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let found = find(args)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("failed to make {}", args.out.display()))?;
    let json = files::json(&found);
    super::files::write(&args.out.join("kpi.csv"), &files::csv(&found))?;
    super::files::write(&args.out.join("kpi.json"), &format!("{json:#}\n"))?;
    super::files::write(&args.out.join("report.html"), &page::page(&found))?;
    if args.json {
        writeln!(out, "{json:#}")?;
        return Ok(());
    }
    writeln!(out, "{:<66} {:>10} {:>12}", "", "", "of")?;
    for figure in figures(&found.all, found.rules) {
        writeln!(
            out,
            "{:<66} {:>10} {:>12}",
            figure.words,
            figure.shown(),
            figure.denominator()
        )?;
    }
    if found.has_audience {
        let told = found.told;
        writeln!(
            out,
            "{:<66} {:>10} {:>12}",
            "told before their first contact, of customers with a contact or a notice",
            share(told.told_before, told.of),
            told.of
        )?;
    }
    for (name, one) in &found.incidents {
        writeln!(
            out,
            "{name}: alert lead {}, notice lead {}",
            lead(one.leads.alert_seconds()),
            lead(one.leads.notice_seconds())
        )?;
    }
    let folder = args.out.display();
    writeln!(
        out,
        "written: {folder}/kpi.csv, {folder}/kpi.json, {folder}/report.html"
    )?;
    Ok(())
}

fn lead(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "no data".to_owned(), |s| format!("{:.0} s", s))
}

#[allow(clippy::cast_precision_loss, reason = "numbers of customers")]
fn share(part: u64, of: u64) -> String {
    if of == 0 {
        "no data".to_owned()
    } else {
        format!("{:.1} %", 100.0 * part as f64 / of as f64)
    }
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Percent,
    Seconds,
    /// −100 to 100.
    Points,
    /// 1 to 7.
    Grade,
}

/// One figure with its denominator.
struct Figure {
    name: &'static str,
    words: String,
    rate: Rate,
    of: &'static str,
    form: Form,
}

impl Figure {
    fn shown(&self) -> String {
        let Some(value) = self.rate.value() else {
            return "no data".to_owned();
        };
        match self.form {
            Form::Percent => format!("{:.1} %", 100.0 * value),
            Form::Seconds => format!("{value:.1} s"),
            Form::Points => format!("{:+.1}", 100.0 * value),
            Form::Grade => format!("{value:.2}"),
        }
    }

    fn denominator(&self) -> String {
        format!("{:.0} {}", self.rate.of, self.of)
    }
}

impl Figure {
    fn new(name: &'static str, words: impl Into<String>, rate: Rate, of: &'static str, form: Form) -> Self {
        Self {
            name,
            words: words.into(),
            rate,
            of,
            form,
        }
    }
}

/// Every figure of a group, always in this order.
fn figures(tally: &Tally, rules: Rules) -> Vec<Figure> {
    let mut all = of_queue(tally, rules);
    all.extend(of_people(tally));
    all
}

fn of_queue(t: &Tally, rules: Rules) -> Vec<Figure> {
    let within = format!("answered within {} s", rules.within.as_secs_f64());
    let short = format!("less who gave up within {} s", rules.short.as_secs_f64());
    vec![
        Figure::new(
            "service_level_of_offered",
            format!("{within}, of all queued"),
            t.service_level_of_offered(),
            "queued",
            Form::Percent,
        ),
        Figure::new(
            "service_level_less_short",
            format!("{within}, {short}"),
            t.service_level_less_short(),
            "queued",
            Form::Percent,
        ),
        Figure::new(
            "service_level_of_answered",
            format!("{within}, of those answered"),
            t.service_level_of_answered(),
            "answered",
            Form::Percent,
        ),
        Figure::new(
            "abandonment",
            "gave up in the queue (call-backs left out)",
            t.abandonment(),
            "queued",
            Form::Percent,
        ),
        Figure::new(
            "abandonment_less_short",
            format!("the same, {short}"),
            t.abandonment_less_short(),
            "queued",
            Form::Percent,
        ),
        Figure::new(
            "asa",
            "mean wait of those answered",
            t.asa(),
            "answered",
            Form::Seconds,
        ),
        Figure::new(
            "patience",
            "mean patience: all time waited",
            t.patience(),
            "gave up",
            Form::Seconds,
        ),
        Figure::new(
            "aht",
            "mean talk, hold and after-call work",
            t.aht(),
            "handled",
            Form::Seconds,
        ),
        Figure::new(
            "occupancy",
            "handling time, of the time agents were there",
            t.occupancy(),
            "s",
            Form::Percent,
        ),
    ]
}

fn of_people(t: &Tally) -> Vec<Figure> {
    vec![
        Figure::new(
            "fcr",
            "solved at the first contact (none on the issue in 7 days)",
            t.fcr(),
            "issues",
            Form::Percent,
        ),
        Figure::new(
            "repeat_calls",
            "calls whose customer called in the 7 days before",
            t.repeat_calls(),
            "identified",
            Form::Percent,
        ),
        Figure::new(
            "incident_repeat_calls",
            "calls about an incident whose customer called about it before",
            t.incident_repeat_calls(),
            "identified",
            Form::Percent,
        ),
        Figure::new(
            "csat",
            "CSAT: 4 or 5 of 5",
            t.scores.csat(),
            "answers",
            Form::Percent,
        ),
        Figure::new(
            "nps",
            "NPS: 9 and 10 less 0 to 6",
            t.scores.nps(),
            "answers",
            Form::Points,
        ),
        Figure::new(
            "ces",
            "CES: mean of 1 to 7",
            t.scores.ces(),
            "answers",
            Form::Grade,
        ),
        Figure::new(
            "survey_response",
            "surveys answered",
            t.scores.response(),
            "invited",
            Form::Percent,
        ),
    ]
}

#[cfg(test)]
mod tests;
