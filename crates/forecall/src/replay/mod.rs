//! `forecall replay`: recorded telemetry through the very stages that run live, on the log in memory.
//!
//! Files are read whole, merged by time and fed cell by cell of a fixed grid of event time ([`house`]): what comes out
//! hangs on the input alone, not on the machine's clock nor on how much is fed at once.

mod args;
pub(crate) mod bench;
mod columns;
mod context_input;
mod csv_input;
mod details;
mod diff;
mod diff_page;
mod finish;
mod folder;
mod house;
mod input;
mod jsonl_input;
mod judge;
mod kafka_input;
mod labels;
mod output;
mod parquet_input;
mod parquet_output;
mod report;
mod said_input;
mod series_cells;
mod source_input;
mod story;
pub(crate) mod time_text;
mod told;
mod truths;
mod walk;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use forecall_config::Settings;
use forecall_detect::AHEAD_SPANS_MAX;
use forecall_log::{OutRecord, TopicSpec};
use forecall_observe::{LogSettings, init_logs};
use forecall_types::{EventTime, Position, Reading, SampleBatch, SamplesRecord, ScoredSample, SourceName};
use forecall_wire::event::TopicId;
use forecall_wire::telemetry::{Format, RawRecord, Source, samples};
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) use self::args::ReplayCommand;
use self::args::{ReplayArgs, ReplayOther};
use self::finish::Plan;
use self::house::{Fed, House, Stamped, grid_of};
use self::input::{Input, Row};
use self::output::{Manifest, Output, Score, Seal};
use crate::stop;

/// The topic that rows of files are put on.
const TOPIC: &str = "replay";

/// Rows put on the log before the stages work them off: below the 5,000 records of one batch of a stage.
const CHUNK_ROWS: usize = 4_000;
/// The exit code where an assertion fails.
const EXIT_ASSERTION: u8 = 3;

/// What one replay came to; its manifest isn't written yet.
struct Outcome {
    manifest: Manifest,
    output: Output,
    /// First and last moment of what was read.
    span: (EventTime, EventTime),
    /// Of bad rows and files left alone, for the end of the run.
    remarks: Vec<String>,
}

pub(crate) fn run(command: ReplayCommand) -> anyhow::Result<ExitCode> {
    match (command.other, command.run) {
        (Some(ReplayOther::Diff(args)), _) => diff::run(&args),
        (None, Some(args)) => match &args.incident {
            Some(id) => story::run(&args, id),
            None => ended(&args, &replay(&args, Says::Summary)?),
        },
        (None, None) => bail!("say --input and --out, or `diff`; `forecall replay --help` has examples"),
    }
}

/// Whether a run tells at its end what it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Summary,
    Nothing,
}

/// How a run ended.
struct Ran {
    complete: bool,
    rows_bad: usize,
    all_hold: bool,
}

fn ended(args: &ReplayArgs, ran: &Ran) -> anyhow::Result<ExitCode> {
    if !ran.complete {
        bail!(
            "stopped by a signal: the results in {} are valid and partial",
            args.out().display()
        );
    }
    if args.strict && ran.rows_bad > 0 {
        bail!("{} rows could not be read", ran.rows_bad);
    }
    Ok(if ran.all_hold {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_ASSERTION)
    })
}

fn replay(args: &ReplayArgs, says: Says) -> anyhow::Result<Ran> {
    if args.chunk == 0 {
        bail!("--chunk must be at least 1");
    }
    if (args.context.is_some() || args.said.is_some()) && args.input().starts_with("kafka://") {
        bail!("--context and --said go with files, not with a topic");
    }
    if args.ahead.len() > AHEAD_SPANS_MAX {
        bail!("--ahead takes at most {AHEAD_SPANS_MAX} spans");
    }
    let begun = Instant::now();
    init_logs(&LogSettings {
        level: "warn".to_owned(),
        ..LogSettings::default()
    })?;
    let plan = Plan::new(args)?;
    let stop = stop::on_signal()?;
    let mut outcome = if args.input().starts_with("kafka://") {
        kafka_input::replay(args, &stop)?
    } else if let Some(name) = &args.source {
        source_input::replay(args, name, &stop)?
    } else {
        replay_files(args, &stop)?
    };
    for remark in std::mem::take(&mut outcome.remarks) {
        complain(&remark);
    }
    let (manifest, judged) = finish::finish(args, plan, outcome)?;
    if says == Says::Summary {
        manifest.print(args.json, args.out(), begun.elapsed(), &judged)?;
    }
    Ok(Ran {
        complete: manifest.complete,
        rows_bad: manifest.rows_bad,
        all_hold: judged.all_hold(),
    })
}

/// Says something beside the results.
fn complain(what: &str) {
    // Standard error may be closed; the results don't depend on it.
    let _ = writeln!(std::io::stderr().lock(), "forecall: {what}");
}

/// Makes [`TOPIC`], in the log in memory, all that is read; a series is not idle from one step of the grid to the next.
fn read_samples(settings: &mut Settings, grid: Duration) -> anyhow::Result<()> {
    let name = SourceName::new(TOPIC)?;
    let mut source = Source::new(name, TOPIC, settings.domain.clone(), Format::Samples);
    source.keyed = true;
    settings.sources = vec![source];
    settings.kafka = None;
    settings.state.idle_seconds = house::IDLE.as_secs().max(2 * grid.as_secs());
    Ok(())
}

/// The settings of a replay: the file's, or the defaults; simulated, with scores, everything on one partition.
fn settings(config: Option<&Path>, grid_seconds: u64) -> anyhow::Result<Settings> {
    let (name, text) = configuration(config, grid_seconds)?;
    let mut settings = Settings::from_yaml(&name, &text)?;
    settings.topics.partitions = 1;
    settings.topics.dev = true;
    Arc::make_mut(&mut settings.detect).emit_scores = true;
    settings.correlate = Arc::new(settings.correlate.as_ref().clone().with_peer_scores());
    Ok(settings)
}

/// Name and text of the configuration: the file's, simulated, or the defaults of a replay.
fn configuration(config: Option<&Path>, grid_seconds: u64) -> anyhow::Result<(String, String)> {
    Ok(match config {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("failed to read the configuration {}", path.display()))?;
            (path.display().to_string(), simulated(&text))
        }
        None => (
            "the defaults of a replay".to_owned(),
            format!(
                // Heartbeats come once a cell of the grid: only several missing ones are a fault.
                "domain: replay\nsimulated: true\ntopics: {{ dev: true, replication: 1 }}\ncorrelate: {{ heartbeat_missing_seconds: {} }}\n",
                (4 * grid_seconds).max(120)
            ),
        ),
    })
}

/// The text with `simulated: true`, whatever it says; other lines stay where they are, for messages that name them.
fn simulated(text: &str) -> String {
    let mut said = false;
    let mut lines: Vec<&str> = text
        .lines()
        .map(|line| {
            if line.starts_with("simulated:") {
                said = true;
                "simulated: true"
            } else {
                line
            }
        })
        .collect();
    if !said {
        lines.push("simulated: true");
    }
    lines.join("\n") + "\n"
}

/// A line of a file as the record of a topic that it was.
fn line_of<'l>(path: &'l str, line: i64, value: &'l [u8], appended_at: EventTime) -> RawRecord<'l> {
    RawRecord {
        topic: path,
        partition: 0,
        offset: line,
        appended_at,
        key: None,
        value: Some(value),
        headers: &[],
    }
}

/// Has each score tell what is expected later, too, as far as that is wanted.
fn ask_ahead(settings: &mut Settings, args: &ReplayArgs) {
    Arc::make_mut(&mut settings.detect).emit_ahead_seconds = args.ahead.iter().map(|m| 60 * m).collect();
}

fn replay_files(args: &ReplayArgs, stop: &std::sync::atomic::AtomicBool) -> anyhow::Result<Outcome> {
    let zone = jiff::tz::TimeZone::get(&args.zone)
        .with_context(|| format!("no time zone is called {}", args.zone))?;
    let input = walk::read(Path::new(args.input()), &zone, &args.mapping()?)?;
    let order = input.order();
    let cap = if args.config.is_some() {
        house::GRID_CONFIG_MAX
    } else {
        house::GRID_MAX
    };
    let times = || order.iter().filter_map(|(file, row)| input.row(*file, *row)?.at);
    let grid = grid_of(times, cap);
    let mut settings = settings(args.config.as_deref(), grid.as_secs())?;
    ask_ahead(&mut settings, args);
    let start = times().next().unwrap_or_default();
    let mut announced = context_input::read(args.context.as_deref(), &settings, start)?
        .with(said_input::read(args.said.as_deref(), &settings, start)?);
    read_samples(&mut settings, grid)?;
    let mut house = House::open(&settings, &[TopicSpec::new(TOPIC, 1)], start, grid)?;

    let places: BTreeMap<Arc<str>, usize> = (0..)
        .zip(&input.files)
        .map(|(n, file)| (Arc::clone(&file.path), n))
        .collect();
    let mut scores: Vec<Vec<Option<Score>>> = input.files.iter().map(|f| vec![None; f.rows.len()]).collect();
    let mut output = Output::create(args.out())?;
    let mut details = output.details(args)?;
    let mut keep = |scored: Vec<ScoredSample>| -> anyhow::Result<()> {
        for sample in scored {
            let place = places
                .get(&sample.position.topic)
                .copied()
                .zip(usize::try_from(sample.position.offset).ok());
            let slot = place.and_then(|(file, row)| scores.get_mut(file)?.get_mut(row));
            if let Some((slot, (file, row))) = slot.zip(place) {
                *slot = Some(Score::of(&sample));
                if let Some(read) = input.row(file, row) {
                    let series = input.series(read.series).map_or("", |s| s.shown.as_str());
                    details.write((Row::timestamp(read), series, read.value_text()), &sample)?;
                }
            }
        }
        Ok(())
    };
    let bar = progress(order.len());
    let topic: Arc<str> = Arc::from(TOPIC);
    let records = order.iter().filter_map(|(file, row)| {
        let (at, value) = record(&input, &settings, *file, *row)?;
        Some(Stamped {
            at,
            record: OutRecord {
                topic: Arc::clone(&topic),
                partition: Some(0),
                key: None,
                value: Some(value),
                headers: Vec::new(),
            },
        })
    });
    let mut kept = Ok(());
    let fed = house.feed(announced.among(records), args.chunk, stop, &mut |rows, scored| {
        bar.inc(u64::try_from(rows).unwrap_or(0));
        if kept.is_ok() {
            kept = keep(scored);
        }
    })?;
    kept?;
    keep(house.finish()?)?;
    bar.finish_and_clear();

    details.finish()?;
    let scored = output.scores_of_files(&input, &scores)?;
    let counts = output.events(&house, &settings.topic_names())?;
    let rows = input.files.iter().map(|f| f.rows.len()).sum::<usize>();
    let manifest = Manifest {
        version: env!("CARGO_PKG_VERSION"),
        complete: fed == Fed::All,
        simulated: true,
        settings_digest: settings.digest.to_string(),
        grid_seconds: grid.as_secs(),
        zone: args.zone.clone(),
        inputs: input.manifest().into_iter().chain(announced.inputs).collect(),
        rows,
        rows_bad: input.bad + announced.bad,
        rows_scored: scored,
        series: input.series_count(),
        dead_letters: house.count(&settings.topic_names().name(TopicId::DeadLetters))?,
        events: counts,
        seal: Seal::default(),
        outputs: Vec::new(),
    };
    Ok(Outcome {
        manifest,
        output,
        span: (start, house.fed_to()),
        remarks: [input.remarks(), announced.told].concat(),
    })
}

/// The record of a row, and its time; none for a row that could not be read.
fn record(input: &Input, settings: &Settings, file: usize, row: usize) -> Option<(EventTime, Vec<u8>)> {
    let known = input.files.get(file)?;
    let read = known.rows.get(row)?;
    let at = read.at?;
    let mut batch = SampleBatch::default();
    batch.push_key(&input.series(read.series)?.key, at, Reading::Gauge(read.value));
    let record = SamplesRecord {
        domain: settings.domain.clone(),
        origin: Position {
            topic: Arc::clone(&known.path),
            partition: 0,
            offset: i64::try_from(row).ok()?,
        },
        appended_at: at,
        marks: Vec::new(),
        contexts: Vec::new(),
        links: Vec::new(),
        batch,
    };
    Some((at, samples::encode(&record)))
}

/// On a terminal only: `indicatif` draws to standard error and hides where that is none.
fn progress(rows: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} rows, {per_sec}, {eta} left");
    let bar = ProgressBar::new(u64::try_from(rows).unwrap_or(u64::MAX));
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_is_simulated_whatever_the_file_says() {
        assert_eq!(
            simulated("a: 1\nsimulated: false\nb: 2"),
            "a: 1\nsimulated: true\nb: 2\n"
        );
        assert_eq!(simulated("a: 1\n"), "a: 1\nsimulated: true\n");
        assert!(settings(None, 300).unwrap().simulated);
    }
}
