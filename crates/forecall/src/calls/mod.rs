//! `forecall calls …`: how good forecasts of a history would have been, what comes next, the agents it takes, whether notices helped, and
//! what a contact centre is judged by.

mod effect;
mod files;
mod kpi;
pub(crate) mod page;
mod report;
mod sheet;
mod staff;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use forecall_outreach::calls::backtest::{Horizon, Scores, ahead, backtest, score};
use forecall_outreach::calls::calendar::Zone;
use forecall_outreach::calls::table::{Table, TableSettings, in_words, read_table};
use indicatif::{ProgressBar, ProgressStyle};

use self::effect::EffectArgs;
use self::kpi::KpiArgs;
use self::staff::StaffArgs;

const DAY_SECONDS: u64 = 86_400;
/// A file larger than this is no history of calls: five million rows are 150 MB.
const FILE_MAX: u64 = 512 << 20;

#[derive(Debug, Args)]
pub(crate) struct CallsArgs {
    #[command(subcommand)]
    command: CallsCommand,
}

#[derive(Debug, Subcommand)]
enum CallsCommand {
    /// How good the forecasts of the last days would have been: forecasts, figures and a page to look at.
    #[command(
        after_help = "Examples:\n  forecall calls backtest --history calls.csv --interval 30m --horizon 1d --test-days 60 --out result/\n  forecall calls backtest --history calls.csv --interval 15m --horizon next --test-days 28 --out result/ --zone Europe/Berlin --json\n\nThe history is a CSV file with the header `start,calls`; start is local time (2026-11-29 13:30:00) or RFC 3339. Finer rows are\nadded up; a row that is missing is not 0 calls, and hours at which the doors are shut may be missing.\n\nIn result/: forecasts.csv, metrics.json, report.html. Nothing is learned from a day before its forecasts are made."
    )]
    Backtest(BacktestArgs),
    /// The calls to come after the end of a history.
    #[command(
        after_help = "Examples:\n  forecall calls forecast --history calls.csv --interval 30m --horizon 1w --out result/\n  forecall calls forecast --history calls.csv --interval 30m --horizon 1d > tomorrow.csv\n\nHours at which there never were rows are taken to be closed and left out."
    )]
    Forecast(ForecastArgs),
    /// Agents for a number of calls (Erlang A, or C without patience): what if?
    #[command(
        after_help = "Examples:\n  forecall calls staff --calls 240 --interval 30m --aht 300\n  forecall calls staff --calls 240 --interval 30m --aht 300 --patience none --service-level 90 --within 15 --json\n  forecall calls staff --calls 240 --interval 30m --aht 300 --agents 40     what 40 agents reach"
    )]
    Staff(StaffArgs),
    /// Did the notices help? What a hold-out says, with intervals that hold however often one looks.
    #[command(
        after_help = "Examples:\n  forecall calls effect --assignments assignments.csv --contacts contacts.csv --out result/\n  forecall calls effect --counts counts.csv --message-cost 0.02 --minute-cost 0.7 --aht 300 --out result/\n  forecall calls effect --counts counts.csv --out result/ --json\n\nassignments.csv:\n  incident,customer,unit,arm,assigned_at,released_at,region\n  inc_1,p_91,home_7,told,2026-11-29 13:30:00,,north\n  inc_1,p_92,home_8,held_out,2026-11-29 13:30:00,2026-11-29 14:00:00,north\ncontacts.csv:\n  at,customer,channel,deed\n  2026-11-29 13:41:10,p_92,call,contact\n  2026-11-29 13:44:02,,call,contact            a caller nobody knows: a row of its own, never dropped\n\nAssign at random, and whole households or areas where people pass news on. Customers are pseudonyms; nothing leaves this machine.\nFewer than 50 held-out people with a contact: \"not enough data\"."
    )]
    Effect(EffectArgs),
    /// Service level, waits, repeats, surveys, who was told before they called: each with its denominator.
    #[command(
        after_help = "Examples:\n  forecall calls kpi --calls calls.csv --out result/\n  forecall calls kpi --calls calls.csv --staff staff.csv --surveys surveys.csv --by month --zone Europe/Berlin --out result/\n  forecall calls kpi --calls calls.csv --incidents incidents.csv --audience audience.csv --baseline forecasts.csv --out result/ --json\n\ncalls.csv:\n  arrived_at,queue,outcome,wait_seconds,handle_seconds,customer,issue,incident\n  2026-11-29 13:41:10,support,answered,12,310,p_92,outage,inc_1\n  2026-11-29 13:41:40,support,abandoned,64,,,,\n\nA rate without a denominator is \"no data\", never 0 or 100 %."
    )]
    Kpi(KpiArgs),
}

#[derive(Debug, Args)]
struct HistoryArgs {
    /// The history: CSV with the header `start,calls`.
    #[arg(long)]
    history: PathBuf,
    /// Length of an interval: 30m, 15m, 1h … It divides the day, and the file's own step divides it.
    #[arg(long, default_value = "30m", value_parser = interval)]
    interval: Duration,
    /// Time zone in which the days run, such as Europe/Berlin (default: times are taken as they are written).
    #[arg(long, value_parser = Zone::new)]
    zone: Option<Zone>,
    /// Holidays: a file with one day a line (2026-12-25); they have a shape and a level of their own.
    #[arg(long)]
    holidays: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct BacktestArgs {
    #[command(flatten)]
    history: HistoryArgs,
    /// How far ahead.
    #[arg(long, value_enum, default_value = "1d")]
    horizon: Ahead,
    /// Days at the end that are forecast.
    #[arg(long, default_value_t = 28, value_parser = clap::value_parser!(u32).range(1..=3650))]
    test_days: u32,
    /// Folder for the results; made where it isn't there.
    #[arg(long)]
    out: PathBuf,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// How far ahead a backtest looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Ahead {
    /// The next interval, everything before it known.
    Next,
    /// A whole day, from its midnight.
    #[value(name = "1d")]
    Day,
    /// A whole day, from the midnight seven days before.
    #[value(name = "1w")]
    Week,
}

impl Ahead {
    const fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Day => "1d",
            Self::Week => "1w",
        }
    }

    const fn horizon(self) -> Horizon {
        match self {
            Self::Next => Horizon::Next,
            Self::Day => Horizon::Day,
            Self::Week => Horizon::Week,
        }
    }
}

#[derive(Debug, Args)]
struct ForecastArgs {
    #[command(flatten)]
    history: HistoryArgs,
    /// How far.
    #[arg(long, value_enum, default_value = "1w")]
    horizon: Span,
    /// Folder for forecasts.csv (default: standard output).
    #[arg(long)]
    out: Option<PathBuf>,
}

/// How far a forecast goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Span {
    /// 24 hours.
    #[value(name = "1d")]
    Day,
    /// Seven days.
    #[value(name = "1w")]
    Week,
    /// Eight weeks.
    #[value(name = "8w")]
    EightWeeks,
}

impl Span {
    const fn days(self) -> u64 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::EightWeeks => 56,
        }
    }
}

/// `30m`, `1h`, `15min`: whole minutes that divide the day.
fn interval(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no interval: write 5m, 15m, 30m, 1h …, minutes that divide the day");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (_, unit) = text.split_at_checked(digits.len()).ok_or_else(wrong)?;
    let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "m" | "min" => number.checked_mul(60),
        "h" => number.checked_mul(3600),
        _ => None,
    };
    seconds
        .filter(|s| (60..=DAY_SECONDS).contains(s) && DAY_SECONDS.is_multiple_of(*s))
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

fn zone(name: &str) -> Result<jiff::tz::TimeZone, String> {
    jiff::tz::TimeZone::get(name)
        .map_err(|_| format!("`{name}` is no time zone: it needs an IANA name such as Europe/Berlin"))
}

pub(crate) fn run(args: &CallsArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match &args.command {
        CallsCommand::Backtest(args) => walk(args, &mut out)?,
        CallsCommand::Forecast(args) => forecast(args, &mut out)?,
        CallsCommand::Staff(args) => staff::run(args, &mut out)?,
        CallsCommand::Effect(args) => effect::run(args, &mut out)?,
        CallsCommand::Kpi(args) => kpi::run(args, &mut out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    let name = path.display();
    let size = std::fs::metadata(path)
        .with_context(|| format!("failed to open {name}"))?
        .len();
    if size > FILE_MAX {
        bail!(
            "{name} has {} MiB, more than the {} MiB a history may have",
            size >> 20,
            FILE_MAX >> 20
        );
    }
    std::fs::read_to_string(path).with_context(|| format!("failed to read {name}"))
}

fn table(args: &HistoryArgs) -> anyhow::Result<Table> {
    let holidays = args
        .holidays
        .as_deref()
        .map(holidays)
        .transpose()?
        .unwrap_or_default();
    let settings = TableSettings {
        interval: args.interval,
        zone: args.zone.clone(),
        holidays,
    };
    read_table(&text_of(&args.history)?, &settings)
        .with_context(|| format!("{} can't be used", args.history.display()))
}

fn holidays(path: &Path) -> anyhow::Result<BTreeSet<i64>> {
    let text = text_of(path)?;
    let mut days = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let date: jiff::civil::Date = line.parse().with_context(|| {
            format!(
                "{}, line {}: `{line}` is no day: write 2026-12-25",
                path.display(),
                number + 1
            )
        })?;
        let midnight = date.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp().as_second();
        days.insert(midnight.div_euclid(86_400));
    }
    Ok(days)
}

/// On a terminal only: `indicatif` draws to standard error and hides where that is none.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    match ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} forecasts, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn walk(args: &BacktestArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let table = table(&args.history)?;
    let bar = bar();
    let test_days = usize::try_from(args.test_days).unwrap_or(usize::MAX);
    let found = backtest(&table.history, args.horizon.horizon(), test_days, |done, all| {
        bar.set_length(u64::try_from(all).unwrap_or(u64::MAX));
        bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    })
    .with_context(|| {
        format!(
            "{} can't be tested: ask for fewer --test-days",
            args.history.history.display()
        )
    })?;
    bar.finish_and_clear();
    let scores = score(&found);
    std::fs::create_dir_all(&args.out).with_context(|| format!("failed to make {}", args.out.display()))?;
    let about = files::About {
        history: args.history.history.display().to_string(),
        interval: args.history.interval,
        horizon: args.horizon.name(),
        test_days,
    };
    let metrics = files::metrics(&about, &table, &found, &scores);
    files::write(
        &args.out.join("forecasts.csv"),
        &files::csv(&table, &found.forecasts),
    )?;
    files::write(&args.out.join("metrics.json"), &format!("{metrics:#}\n"))?;
    files::write(
        &args.out.join("report.html"),
        &report::page(&about, &table, &found, &scores),
    )?;
    if args.json {
        writeln!(out, "{metrics:#}")?;
    } else {
        tell(args, &table, &scores, out)?;
    }
    Ok(())
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "no data".to_owned(), |share| format!("{:.2} %", 100.0 * share))
}

fn tell(args: &BacktestArgs, table: &Table, scores: &Scores, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "{} forecasts of {} ({} ahead, the last {} days), {:.1} calls each on average",
        scores.model.count,
        in_words(args.history.interval),
        args.horizon.name(),
        args.test_days,
        scores.mean_calls
    )?;
    if table.incomplete > 0 {
        writeln!(
            out,
            "left out, for rows are missing: {} intervals",
            table.incomplete
        )?;
    }
    let mase = |mase: Option<f64>| mase.map_or_else(|| "no data".to_owned(), |mase| format!("{mase:.3}"));
    writeln!(
        out,
        "  {:<28} {:>10} {:>8} {:>10}",
        "", "wMAPE", "MASE", "intervals"
    )?;
    for (name, own) in [
        ("forecall", scores.model),
        ("the week before", scores.naive),
        ("mean of eight weeks", scores.seasonal),
    ] {
        writeln!(
            out,
            "  {name:<28} {:>10} {:>8} {:>10}",
            percent(own.wmape),
            mase(own.mase),
            own.count
        )?;
    }
    writeln!(
        out,
        "CRPS {:.3} calls; within the 80 % band {:.1} %, within the 95 % band {:.1} %",
        scores.crps,
        100.0 * scores.band_80.coverage,
        100.0 * scores.band_95.coverage
    )?;
    let folder = args.out.display();
    writeln!(
        out,
        "written: {folder}/forecasts.csv, {folder}/metrics.json, {folder}/report.html"
    )?;
    Ok(())
}

fn forecast(args: &ForecastArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let table = table(&args.history)?;
    let span = Duration::from_secs(args.horizon.days() * DAY_SECONDS);
    let (forecasts, _) = ahead(&table.history, span)
        .with_context(|| format!("{} is too short", args.history.history.display()))?;
    if forecasts.is_empty() {
        writeln!(
            std::io::stderr(),
            "forecall: the doors are shut all that time, so far as the history shows: ask for a longer --horizon"
        )?;
    }
    let text = files::csv(&table, &forecasts);
    match &args.out {
        None => out.write_all(text.as_bytes())?,
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("failed to make {}", folder.display()))?;
            let path = folder.join("forecasts.csv");
            files::write(&path, &text)?;
            writeln!(out, "{} forecasts written to {}", forecasts.len(), path.display())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
