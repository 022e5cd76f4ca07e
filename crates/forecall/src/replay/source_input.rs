//! `--source NAME`: lines of files, each a record of a source of the configuration: customers' texts, OTLP in JSON as the
//! Collector's file exporter writes it, mappings.
//!
//! Lines are merged by their newest point, which also stands for the time the broker would have taken them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, bail};
use forecall_config::Settings;
use forecall_log::{OutRecord, TopicSpec};
use forecall_runtime::pseudonym_key;
use forecall_types::{EventTime, Fingerprint, Reject, RejectReason, SamplesRecord, ScoredSample};
use forecall_wire::event::TopicId;
use forecall_wire::telemetry::{Decoded, PseudonymKey, Source, decode, samples};
use serde_json::{Value, json};

use super::house::{Fed, House, Stamped};
use super::kafka_input::shown;
use super::output::{Manifest, Output, Seal};
use super::{
    Outcome, ReplayArgs, TOPIC, ask_ahead, context_input, line_of, progress, read_samples, said_input,
    settings, walk,
};

/// Events are judged in bins of ten seconds; the clock moves as finely.
const GRID: Duration = Duration::from_secs(10);
/// Bytes of records held at once: 4 GiB. More is refused with the remedy.
const BYTES_MAX: usize = 4 << 30;
/// Lines that can't be read told one by one; the rest is counted.
const TOLD_MAX: usize = 20;

/// The records of all files.
#[derive(Default)]
struct Read {
    /// Time, file, line.
    records: Vec<(EventTime, usize, i64, Vec<u8>)>,
    inputs: Vec<Value>,
    lines: usize,
    bad: usize,
    bytes: usize,
    told: Vec<String>,
}

impl Read {
    fn note_bad(&mut self, path: &str, line: i64, reject: &Reject) {
        self.bad += 1;
        if self.told.len() < TOLD_MAX {
            self.told
                .push(format!("{path}:{line}: {}: {}", reject.reason, reject.detail));
        }
    }

    fn file(
        &mut self,
        source: &Source,
        key: Option<&PseudonymKey>,
        path: &str,
        bytes: &[u8],
    ) -> anyhow::Result<()> {
        let (file, lines_before, bad_before) = (self.inputs.len(), self.lines, self.bad);
        for (line, value) in (1_i64..).zip(bytes.split(|b| *b == b'\n')) {
            if value.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            self.lines += 1;
            match record(source, key, path, line, value) {
                Ok(Some((at, read))) => {
                    if let Some(first) = read.batch.rejects().first() {
                        self.note_bad(path, line, first);
                    }
                    let encoded = samples::encode(&read);
                    self.bytes += encoded.len();
                    self.records.push((at, file, line, encoded));
                }
                Ok(None) => {}
                Err(reject) => self.note_bad(path, line, &reject),
            }
            if self.bytes > BYTES_MAX {
                bail!(
                    "{path} and the files before it hold more than fits into memory: replay a part at a time"
                );
            }
        }
        self.inputs.push(json!({
            "path": path,
            "bytes": bytes.len(),
            "xxh3_128": Fingerprint::of(bytes).to_string(),
            "rows": self.lines - lines_before,
            "rows_bad": self.bad - bad_before,
        }));
        Ok(())
    }
}

/// The record of a line and its time; none for a line that holds nothing forecall looks at.
fn record(
    source: &Source,
    key: Option<&PseudonymKey>,
    path: &str,
    line: i64,
    value: &[u8],
) -> Result<Option<(EventTime, SamplesRecord)>, Reject> {
    // A line has no other time than its own: what would take the broker's is seen by this one.
    let nowhen = EventTime::from_secs(0);
    let raw = line_of(path, line, value, nowhen);
    let mut read = match decode(source, key, &raw)? {
        Decoded::Samples(read) => read,
        Decoded::Nothing => return Ok(None),
        Decoded::CustomerEvents(_) => {
            return Err(Reject::new(
                RejectReason::NotAllowed,
                "customers' events can't be replayed from files",
            ));
        }
        Decoded::Calls(_) => {
            return Err(Reject::new(
                RejectReason::NotAllowed,
                "calls can't be replayed from files",
            ));
        }
    };
    let times = || read.batch.rows().iter().map(|row| row.at);
    if times().any(|at| at == nowhen) {
        return Err(Reject::new(RejectReason::MissingField, "a point has no time"));
    }
    let Some(newest) = times().max() else {
        return Ok(None);
    };
    read.appended_at = newest;
    Ok(Some((newest, read)))
}

/// The settings, and the source of that name or topic.
fn declared(args: &ReplayArgs, name: &str) -> anyhow::Result<(Settings, Source)> {
    let config = args
        .config
        .as_deref()
        .context("--source needs --config with the source among `sources:`")?;
    let mut settings = settings(Some(config), GRID.as_secs())?;
    ask_ahead(&mut settings, args);
    let source = settings
        .sources
        .iter()
        .find(|source| source.name.as_str() == name || *source.topic == *name)
        .with_context(|| format!("{} has no source called {name}", config.display()))?
        .clone();
    settings.domain = source.domain.clone();
    Ok((settings, source))
}

pub(super) fn replay(args: &ReplayArgs, name: &str, stop: &AtomicBool) -> anyhow::Result<Outcome> {
    let (mut settings, source) = declared(args, name)?;
    let key = pseudonym_key(&settings)?;
    let mut read = Read::default();
    let (root, paths) = walk::paths(Path::new(args.input()))?;
    for path in paths.iter().filter(|path| path.ends_with(".jsonl")) {
        let bytes = std::fs::read(root.join(path)).with_context(|| format!("failed to read {path}"))?;
        read.file(&source, key.as_deref(), path, &bytes)?;
    }
    if read.inputs.is_empty() {
        bail!("{} holds no *.jsonl", args.input());
    }
    read.records
        .sort_by_key(|(at, file, line, _)| (*at, *file, *line));
    let start = read.records.first().map(|(at, ..)| *at).unwrap_or_default();
    let mut announced = context_input::read(args.context.as_deref(), &settings, start)?
        .with(said_input::read(args.said.as_deref(), &settings, start)?);
    read_samples(&mut settings, GRID)?;
    let mut house = House::open(&settings, &[TopicSpec::new(TOPIC, 1)], start, GRID)?;

    let bar = progress(read.records.len());
    let topic: Arc<str> = Arc::from(TOPIC);
    let stamped = std::mem::take(&mut read.records)
        .into_iter()
        .map(|(at, _, _, value)| Stamped {
            at,
            record: OutRecord {
                topic: Arc::clone(&topic),
                partition: Some(0),
                key: None,
                value: Some(value),
                headers: Vec::new(),
            },
        });
    let mut scored: Vec<ScoredSample> = Vec::new();
    let fed = house.feed(announced.among(stamped), args.chunk, stop, &mut |n, more| {
        bar.inc(u64::try_from(n).unwrap_or(0));
        scored.extend(more);
    })?;
    scored.extend(house.finish()?);
    // In the order of the input, whatever was fed at once.
    scored.sort_by(|a, b| {
        (&a.position.topic, a.position.offset, a.row).cmp(&(&b.position.topic, b.position.offset, b.row))
    });
    bar.finish_and_clear();

    let mut output = Output::create(args.out())?;
    output.scores_of_samples(args, &scored, &shown)?;
    let events = output.events(&house, &settings.topic_names())?;
    let series: BTreeSet<_> = scored.iter().map(|s| s.series.fingerprint()).collect();
    let manifest = Manifest {
        version: env!("CARGO_PKG_VERSION"),
        complete: fed == Fed::All,
        simulated: true,
        settings_digest: settings.digest.to_string(),
        grid_seconds: GRID.as_secs(),
        zone: args.zone.clone(),
        inputs: read.inputs.into_iter().chain(announced.inputs).collect(),
        rows: read.lines,
        rows_bad: read.bad + announced.bad,
        rows_scored: scored.len(),
        series: series.len(),
        dead_letters: house.count(&settings.topic_names().name(TopicId::DeadLetters))?,
        events,
        seal: Seal::default(),
        outputs: Vec::new(),
    };
    if read.bad > read.told.len() {
        let more = read.bad - read.told.len();
        read.told
            .push(format!("… and {more} more lines that could not be read"));
    }
    Ok(Outcome {
        manifest,
        output,
        span: (start, house.fed_to()),
        remarks: [read.told, announced.told].concat(),
    })
}
