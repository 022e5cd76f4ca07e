//! How well the calls of public series are forecast, and what a forecast costs.
//!
//! `cargo xtask bench calls --data DIR` starts it. Each row is a walk that never looks ahead; parameters are fitted to what
//! lies before its first origin. `--only effect` and `--only surge` judge the effect of notices and the surge of incidents in made-up worlds.
#![allow(clippy::print_stdout, reason = "figures are told on the terminal")]

mod effect;
mod erlang;
mod random;
mod rivals;
mod speed;
mod surge;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use forecall_outreach::calls::backtest::{Backtest, History, Horizon, Scores, Tuning, backtest_with, score};
use forecall_outreach::calls::table::{TableSettings, read_table};
use serde_json::{Value, json};

/// How well calls are forecast, and how fast.
#[derive(Parser)]
#[command(name = "forecall-bench-calls", max_term_width = 110)]
struct Cli {
    /// Folder with `calls/*.csv`, or the folder of these files itself.
    #[arg(long, required_unless_present_any = ["history", "only"])]
    data: Option<PathBuf>,
    /// Days at the end that are forecast.
    #[arg(long, default_value_t = 64)]
    test_days: usize,
    /// Uses only so many days from the beginning: to tune on what is not the test.
    #[arg(long)]
    first_days: Option<usize>,
    /// Only series whose name contains this; `effect`, `surge`: made-up worlds; `erlang`: agents beside pyworkforce. No data is
    /// needed for these.
    #[arg(long)]
    only: Option<String>,
    /// Another history instead of the public ones …
    #[arg(long, requires = "minutes")]
    history: Option<PathBuf>,
    /// … in intervals of so many minutes.
    #[arg(long)]
    minutes: Option<u64>,
    /// Runs of each made-up world.
    #[arg(long, default_value_t = 500)]
    runs: u64,
    /// Seed of the made-up worlds.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only made-up worlds whose name contains this.
    #[arg(long, requires = "only")]
    world: Option<String>,
    /// Where the parameters come from.
    #[arg(long, value_enum, default_value_t = From::Fitted)]
    parameters_from: From,
    /// Others beside it: augurs, and through this Python what it has of LightGBM, statsforecast and Prophet.
    #[arg(long, value_name = "PYTHON")]
    rivals: Option<PathBuf>,
    /// Days on which those are asked that need a fit for each, spread over the tested ones.
    #[arg(long, default_value_t = 16)]
    rival_days: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print the fitted parameters too.
    #[arg(long)]
    parameters: bool,
}

/// Where the parameters come from.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum From {
    /// A fit of what lies before the first origin.
    Fitted,
    /// As in the pipeline: found beside the walk.
    Beside,
    /// None: priors.
    Priors,
}

impl From {
    const fn tuning(self) -> Tuning {
        match self {
            Self::Fitted => Tuning::Fitted,
            Self::Beside => Tuning::Beside,
            Self::Priors => Tuning::Priors,
        }
    }
}

const SERIES: [(&str, &str, u64); 5] = [
    ("US bank, 5 min", "bank_calls_5min.csv", 5),
    ("US bank, 30 min", "bank_calls_5min.csv", 30),
    ("Israeli bank, 6 min", "anonymous_bank_6min_jan_sep_1999.csv", 6),
    ("Israeli bank, 30 min", "anonymous_bank_6min_jan_sep_1999.csv", 30),
    ("Israeli bank, 60 min", "anonymous_bank_6min_jan_sep_1999.csv", 60),
];

const HORIZONS: [(&str, Horizon); 3] = [
    ("next interval", Horizon::Next),
    ("1 day", Horizon::Day),
    ("1 week", Horizon::Week),
];

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    match cli.only.as_deref() {
        Some("surge") => return surge::run(cli.runs.min(200), cli.seed, cli.json),
        Some("erlang") => {
            let python = cli.rivals.as_deref().unwrap_or(Path::new("python3"));
            return erlang::run(python, cli.runs, cli.seed);
        }
        Some("effect") => return effect::run(cli.runs, cli.seed, cli.world.as_deref(), cli.json),
        _ if cli.data.is_none() && cli.history.is_none() => anyhow::bail!("give --data or --history"),
        _ => {}
    }
    let mut rows = Vec::new();
    if !cli.json {
        println!(
            "| series | horizon | n | wMAPE % | of the median | seasonal naive | 8-week mean | MASE | CRPS | CRPS, 13 levels | 80 % band | 95 % band | CPU s |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|"
        );
    }
    for (name, path, minutes) in series(cli) {
        let text = text(&path, cli.first_days)?;
        let settings = TableSettings {
            interval: Duration::from_secs(60 * minutes),
            zone: None,
            holidays: BTreeSet::new(),
        };
        let table =
            read_table(&text, &settings).with_context(|| format!("failed to read {}", path.display()))?;
        let mut walks = Vec::new();
        for (words, horizon) in HORIZONS {
            let before = speed::cpu()?;
            let tuning = cli.parameters_from.tuning();
            let found = backtest_with(&table.history, horizon, cli.test_days, tuning, |_, _| ())?;
            let spent = speed::cpu()?.saturating_sub(before);
            let scores = score(&found);
            if cli.json {
                rows.push(json_of(&name, words, &scores, spent));
            } else {
                tell(&name, words, &scores, spent);
                if cli.parameters {
                    println!("{:?}", found.parameters);
                }
            }
            walks.push((words, found));
        }
        if let Some(python) = &cli.rivals {
            beside(cli, (&name, python), &table.history, &walks, &mut rows)?;
        }
    }
    if cli.history.is_some() || cli.only.is_some() {
        if cli.json {
            println!("{:#}", json!({ "series": rows }));
        }
        return Ok(());
    }
    let costs = speed::costs()?;
    if cli.json {
        println!("{:#}", json!({ "series": rows, "costs": costs }));
    } else {
        println!("\n{}", speed::table(&costs));
    }
    Ok(())
}

/// Tells how others fare on the same days.
fn beside(
    cli: &Cli,
    (name, python): (&str, &Path),
    history: &History,
    walks: &[(&str, Backtest)],
    rows: &mut Vec<Value>,
) -> Result<()> {
    let grid = rivals::Grid::new(history, cli.test_days)?;
    let mut all = rivals::augurs(&grid, cli.rival_days)?;
    all.extend(rivals::python(&grid, python, cli.rival_days)?);
    for rival in &all {
        let Some((_, ours)) = walks.iter().find(|(words, _)| *words == rival.horizon) else {
            continue;
        };
        let (theirs, own, days) = grid.wmape(rival, &ours.forecasts, history);
        if cli.json {
            rows.push(json!({
                "series": name, "horizon": rival.horizon, "model": rival.model, "days": days, "wmape": theirs,
                "wmape_forecall": own, "cpu_seconds": rival.cpu_seconds,
            }));
        } else {
            println!(
                "| {name} | {} | {} | {:.2} | **{:.2}** | {days} | {:.1} |",
                rival.horizon,
                rival.model,
                100.0 * theirs,
                100.0 * own,
                rival.cpu_seconds
            );
        }
    }
    Ok(())
}

/// Names, files and minutes of an interval.
fn series(cli: &Cli) -> Vec<(String, PathBuf, u64)> {
    if let (Some(path), Some(minutes)) = (&cli.history, cli.minutes) {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        return vec![(name, path.clone(), minutes)];
    }
    let data = cli.data.clone().unwrap_or_default();
    let inner = data.join("calls");
    let data = if inner.is_dir() { inner } else { data };
    let is_wanted = |name: &str| cli.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let wanted = SERIES.into_iter().filter(|(name, _, _)| is_wanted(name));
    wanted
        .map(|(name, file, minutes)| (name.to_owned(), data.join(file), minutes))
        .collect()
}

/// The file's text, or that of its first days.
fn text(path: &Path, first_days: Option<usize>) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let Some(days) = first_days else {
        return Ok(text);
    };
    let mut seen = BTreeSet::new();
    let kept: Vec<&str> = text
        .lines()
        .take_while(|line| {
            let day = line.split(' ').next().unwrap_or_default();
            line.starts_with("start") || {
                seen.insert(day.to_owned());
                seen.len() <= days
            }
        })
        .collect();
    Ok(kept.join("\n"))
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.2}", 100.0 * share))
}

fn tell(name: &str, horizon: &str, s: &Scores, spent: Duration) {
    println!(
        "| {name} | {horizon} | {} | **{}** | {} | {} | {} | {} | {:.3} | {:.3} | {:.1} % | {:.1} % | {:.1} |",
        s.model.count,
        percent(s.model.wmape),
        percent(s.median.wmape),
        percent(s.naive.wmape),
        percent(s.seasonal.wmape),
        s.model
            .mase
            .map_or_else(|| "–".to_owned(), |mase| format!("{mase:.3}")),
        s.crps,
        s.crps_13,
        100.0 * s.band_80.coverage,
        100.0 * s.band_95.coverage,
        spent.as_secs_f64()
    );
}

fn json_of(name: &str, horizon: &str, s: &Scores, spent: Duration) -> Value {
    json!({
        "series": name, "horizon": horizon, "count": s.model.count, "wmape": s.model.wmape,
        "wmape_of_median": s.median.wmape, "wmape_naive": s.naive.wmape, "wmape_seasonal": s.seasonal.wmape,
        "mase": s.model.mase, "crps": s.crps, "crps_13": s.crps_13, "coverage_80": s.band_80.coverage,
        "coverage_95": s.band_95.coverage, "cpu_seconds": spent.as_secs_f64(),
    })
}
