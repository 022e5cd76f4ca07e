//! `forecall bench …`: the shipped detector on labelled recordings, scored as others score theirs.
//!
//! Each series is judged by itself, in order, knowing nothing of what comes later and nothing of its own name.

mod figures;
mod labelled;
mod nab;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use forecall_config::Settings;
use forecall_detect::policy::{Change, Origin};
use forecall_detect::rate::Part;
use forecall_detect::{Asked, DetectSettings, Detector};
use forecall_types::{EventTime, SourcePartition};
use serde_json::{Value, json};

use super::judge::rounded;

/// The name that every series has for the detector: none that says what it measures.
const NAMELESS: &str = "value";

/// `forecall bench …`
#[derive(Debug, Args)]
pub(crate) struct BenchCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The Numenta Anomaly Benchmark: its windows, its three profiles, scored exactly as it scores.
    #[command(after_help = NAB)]
    Nab(NabArgs),
    /// Any labelled folder: range-based precision and recall, VUS-PR, and what is found at a budget of alerts.
    #[command(after_help = FOLDER)]
    Folder(FolderArgs),
}

const NAB: &str = "\
DIR is a copy of NAB (data/ and labels/), or of its data folder with combined_windows.json in it.

  swept       one threshold for all files, the best there is for the profile, as the leaderboard has it: chosen on the very files
  paused      the same, and after an alert none for a fifth of a file's probation, as NAB's own detectors are often shown
  as shipped  alerts are the anomalies that forecall opens: nothing was chosen
Rows of a file's probation (15 %, at most 750) are not scored. 0 is a detector that says nothing, 100 a perfect one. Where
DIR has results/final_results.json, the leaderboard stands beside.

Examples:
  forecall bench nab --data NAB
  forecall bench nab --data NAB --config forecall.yaml --json";

const FOLDER: &str = "\
DIR holds series as `forecall replay --input` reads them: CSV, JSONL, Parquet. Labels are a column of each table (0 or 1), or a
file as `forecall replay --labels` reads it.

Examples:
  forecall bench folder --data telemetry/ --label-column label
  forecall bench folder --data telemetry/ --labels troubles.csv --zone Asia/Tehran --alerts-per-day 1";

/// What each of them takes.
#[derive(Debug, Args)]
struct Common {
    /// Detector settings: `detect:` of this configuration; without it the defaults.
    #[arg(long, short)]
    config: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct NabArgs {
    /// Folder of the recordings.
    #[arg(long)]
    data: PathBuf,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct FolderArgs {
    /// Folder of the recordings.
    #[arg(long)]
    data: PathBuf,
    /// When there was trouble, as `forecall replay --labels` takes it.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "label_column",
        conflicts_with = "label_column"
    )]
    labels: Option<PathBuf>,
    /// The column that says 1 where a row is abnormal.
    #[arg(long, value_name = "COLUMN")]
    label_column: Option<String>,
    /// Which column holds what, as `forecall replay --columns` takes it.
    #[arg(long, value_name = "WHAT=COLUMN,…", conflicts_with = "label_column")]
    columns: Option<String>,
    /// Time zone of timestamps that name none.
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// Alerts a day and series that people put up with.
    #[arg(long, default_value_t = 0.2)]
    alerts_per_day: f64,
    #[command(flatten)]
    common: Common,
}

/// One figure.
struct Line {
    name: String,
    value: Option<f64>,
    /// What it is of, or how it was got.
    note: String,
}

impl Line {
    fn new(name: impl Into<String>, value: Option<f64>, note: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value,
            note: note.into(),
        }
    }
}

/// What a benchmark came to.
#[derive(Default)]
struct Report {
    head: Vec<String>,
    lines: Vec<Line>,
    /// What others got.
    beside: Vec<Line>,
}

pub(crate) fn run(command: BenchCommand) -> anyhow::Result<ExitCode> {
    let (report, json) = match command.what {
        What::Nab(args) => (nab::run(&args)?, args.common.json),
        What::Folder(args) => (labelled::run(&args)?, args.common.json),
    };
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", report.json())?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in &report.head {
        writeln!(out, "{line}")?;
    }
    for lines in [&report.lines, &report.beside] {
        if !lines.is_empty() {
            writeln!(out)?;
        }
        for line in lines {
            let value = line
                .value
                .map_or_else(|| "–".to_owned(), |v| rounded(v).to_string());
            writeln!(out, "{:<42} {value:>9}  {}", line.name, line.note)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Report {
    fn json(&self) -> Value {
        let lines = |lines: &[Line]| -> Value {
            let one = |l: &Line| json!({"name": l.name, "value": l.value, "note": l.note});
            lines.iter().map(one).collect()
        };
        json!({"about": self.head, "figures": lines(&self.lines), "beside": lines(&self.beside)})
    }
}

impl Common {
    /// The detector's settings; scores are asked for, which changes no judgement.
    fn settings(&self) -> anyhow::Result<DetectSettings> {
        let mut settings = match &self.config {
            None => DetectSettings::default(),
            Some(path) => Settings::load(path)
                .with_context(|| format!("failed to read {}", path.display()))?
                .detect
                .as_ref()
                .clone(),
        };
        settings.emit_scores = true;
        Ok(settings)
    }
}

/// What was said of each row of a series.
#[derive(Default)]
struct Scored {
    score: Vec<f64>,
    /// Whether an anomaly was opened.
    opened: Vec<bool>,
    /// Whether one is open.
    open: Vec<bool>,
}

/// Judges a series as the stage judges a gauge.
fn scored(points: &[(EventTime, f64)], settings: &DetectSettings) -> Scored {
    let source = SourcePartition {
        topic: Arc::from("bench"),
        partition: 0,
    };
    let mut detector = Detector::new(NAMELESS, "", Part::Same);
    let mut out = Scored::default();
    let mut before = None;
    for (offset, (at, value)) in (0_i64..).zip(points) {
        let (judgement, change) = if before.is_some_and(|last| *at <= last) {
            // Doubled or late: judged, as a replay tells it, but nothing is learnt.
            (detector.judge(*at, *value, settings, Asked::Band), None)
        } else {
            let step = detector.step((*at, before), *value, Origin::Record(&source, offset), settings);
            before = Some(*at);
            step
        };
        out.score.push(judgement.score);
        out.opened.push(change == Some(Change::Opened));
        out.open.push(detector.is_open());
    }
    out
}

/// Judges every series, on all cores; in the order given.
fn all_scored(series: &[Vec<(EventTime, f64)>], settings: &DetectSettings) -> anyhow::Result<Vec<Scored>> {
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut done = Vec::new();
        while let number = next.fetch_add(1, Ordering::Relaxed)
            && let Some(points) = series.get(number)
        {
            done.push((number, scored(points, settings)));
        }
        done
    };
    let mut all: Vec<(usize, Scored)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .filter_map(|w| w.join().ok())
            .flatten()
            .collect()
    });
    if all.len() != series.len() {
        bail!("a series could not be judged");
    }
    all.sort_by_key(|(number, _)| *number);
    Ok(all.into_iter().map(|(_, scored)| scored).collect())
}

/// The folder itself or one below it, whichever is there.
fn below(folder: &Path, name: &str) -> PathBuf {
    let inner = folder.join(name);
    if inner.is_dir() { inner } else { folder.to_owned() }
}
