//! The files of a replay: written under other names, renamed together at the end.

use std::fs::File;
use std::io::{BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use forecall_log::RecordRef;
use forecall_types::{EventTime, Fingerprint, PeerScore, ScoredSample};
use forecall_wire::event::{TopicId, TopicNames};
use serde_json::{Value, json};
use twox_hash::XxHash3_128;

use super::args::ReplayArgs;
use super::details::{self, Details};
use super::house::House;
use super::input::{Input, Row};
use super::judge::Judged;
use super::time_text;

/// Ends of names that aren't final.
const PART: &str = ".part";
/// Written last.
pub(super) const MANIFEST: &str = "manifest.json";
/// What a run writes only if it is asked to, or came so far.
const OTHERS: [&str; 16] = [
    "channels.csv",
    "ahead.csv",
    "vmanomaly.csv",
    "peers.csv",
    "config.lock.yaml",
    "metrics.json",
    "report.html",
    "scores.parquet",
    "channels.parquet",
    "ahead.parquet",
    "vmanomaly.parquet",
    "peers.parquet",
    "anomalies.parquet",
    "incidents.parquet",
    "notices.parquet",
    "call-forecasts.parquet",
];
/// Bytes of a file held at once.
const PIECE_BYTES: usize = 1 << 16;

/// Which topic's events go into which file, and how their types begin.
const EVENTS: [(&str, TopicId, &str); 4] = [
    ("anomalies", TopicId::Anomalies, "forecall.anomaly."),
    ("incidents", TopicId::Incidents, "forecall."),
    ("notices", TopicId::Notices, "forecall."),
    ("call-forecasts", TopicId::CallForecasts, "forecall."),
];

/// What a row was given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Score {
    score: f64,
    band: Option<(f64, f64)>,
}

impl Score {
    pub(super) fn of(sample: &ScoredSample) -> Self {
        Self {
            score: sample.score.get(),
            band: sample.band.map(|b| (b.low, b.high)),
        }
    }
}

/// How many events of a kind were written.
pub(super) type Counts = Vec<(&'static str, u64)>;

/// The folder being filled.
pub(super) struct Output {
    folder: PathBuf,
    /// Written, under other names still.
    names: Vec<String>,
    /// Written, under their names.
    settled: Vec<String>,
}

impl Output {
    pub(super) fn create(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            names: Vec::new(),
            settled: Vec::new(),
        })
    }

    pub(super) fn begin(&mut self, name: &str) -> anyhow::Result<BufWriter<File>> {
        let path = self.folder.join(format!("{name}{PART}"));
        let file = File::create(&path).with_context(|| format!("failed to create {}", path.display()))?;
        self.names.push(name.to_owned());
        Ok(BufWriter::new(file))
    }

    /// The files that tell more than the scores, as far as they are wanted.
    pub(super) fn details(&mut self, args: &ReplayArgs) -> anyhow::Result<Details> {
        let mut begin =
            |wanted: bool, name: &str, header: &[String]| -> anyhow::Result<Option<details::Csv>> {
                if !wanted {
                    return Ok(None);
                }
                let mut file = csv::Writer::from_writer(self.begin(name)?);
                file.write_record(header)?;
                Ok(Some(file))
            };
        Ok(Details {
            channels: begin(!args.no_channels, "channels.csv", &details::header())?,
            ahead: begin(
                !args.ahead.is_empty(),
                "ahead.csv",
                &details::AHEAD_HEADER.map(str::to_owned),
            )?,
            vmanomaly: begin(
                args.vmanomaly,
                "vmanomaly.csv",
                &details::VMANOMALY_HEADER.map(str::to_owned),
            )?,
        })
    }

    fn scores(&mut self) -> anyhow::Result<csv::Writer<BufWriter<File>>> {
        let mut file = csv::Writer::from_writer(self.begin("scores.csv")?);
        file.write_record(["timestamp", "series", "value", "score", "lower", "upper"])?;
        Ok(file)
    }

    /// A row for every row of the input, in its order. Gives the number of rows that have a score.
    pub(super) fn scores_of_files(
        &mut self,
        input: &Input,
        scores: &[Vec<Option<Score>>],
    ) -> anyhow::Result<usize> {
        let mut file = self.scores()?;
        let mut scored = 0;
        for (rows, scores) in input.files.iter().zip(scores) {
            for (row, score) in rows.rows.iter().zip(scores) {
                scored += usize::from(score.is_some());
                let series = input.series(row.series).map_or("", |s| s.shown.as_str());
                write_score(&mut file, (Row::timestamp(row), series, row.value_text()), *score)?;
            }
        }
        file.flush().context("failed to write scores.csv")?;
        Ok(scored)
    }

    /// A row for every sample scored, in their order, and the details that are wanted. `shown` names time, series and value.
    pub(super) fn scores_of_samples(
        &mut self,
        args: &ReplayArgs,
        samples: &[ScoredSample],
        shown: &dyn Fn(&ScoredSample) -> (String, String, String),
    ) -> anyhow::Result<()> {
        let mut details = self.details(args)?;
        let mut file = self.scores()?;
        for sample in samples {
            let (timestamp, series, value) = shown(sample);
            details.write((&timestamp, &series, &value), sample)?;
            write_score(&mut file, (&timestamp, &series, &value), Some(Score::of(sample)))?;
        }
        details.finish()?;
        file.flush().context("failed to write scores.csv")
    }

    /// The events of each kind, in order: `{"type":…,"id":…,"data":…}`, the data as it stands on the topic.
    pub(super) fn events(&mut self, house: &House, topics: &TopicNames) -> anyhow::Result<Counts> {
        let mut counts = Counts::new();
        for (kind, topic, begins) in EVENTS {
            let name = format!("{kind}.jsonl");
            let mut file = self.begin(&name)?;
            let (mut count, mut failed) = (0, None);
            house.read(
                &topics.name(topic),
                &mut |record| match write_event(&mut file, record, begins) {
                    Ok(written) => count += u64::from(written),
                    Err(error) => failed = failed.take().or(Some(error)),
                },
            )?;
            failed.map_or(Ok(()), Err)?;
            file.flush().with_context(|| format!("failed to write {name}"))?;
            counts.push((kind, count));
        }
        self.peers(&house.take_peers())?;
        Ok(counts)
    }

    /// What each member of a peer group was at each step, where any was compared.
    fn peers(&mut self, scores: &[PeerScore]) -> anyhow::Result<()> {
        if scores.is_empty() {
            return Ok(());
        }
        let mut file = csv::Writer::from_writer(self.begin("peers.csv")?);
        file.write_record(details::PEERS_HEADER)?;
        for score in scores {
            file.write_record(details::peer_line(score))
                .context("failed to write peers.csv")?;
        }
        file.flush().context("failed to write peers.csv")
    }

    /// Gives every file that is written its name. What an earlier run left goes, its manifest first.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        for name in std::iter::once(MANIFEST).chain(OTHERS) {
            let path = self.folder.join(name);
            if !self.settled.iter().any(|settled| settled == name) && path.exists() {
                std::fs::remove_file(&path)
                    .with_context(|| format!("failed to remove {}", path.display()))?;
            }
        }
        for name in self.names.drain(..) {
            let (from, to) = (self.folder.join(format!("{name}{PART}")), self.folder.join(&name));
            std::fs::rename(&from, &to).with_context(|| format!("failed to rename {}", from.display()))?;
            self.settled.push(name);
        }
        Ok(())
    }

    /// Writes a whole file.
    pub(super) fn put(&mut self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let mut file = self.begin(name)?;
        file.write_all(bytes)
            .and_then(|()| file.flush())
            .with_context(|| format!("failed to write {name}"))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every file that has its name, with its size and hash, by name.
    fn hashes(&self) -> anyhow::Result<Vec<Value>> {
        let mut names = self.settled.clone();
        names.sort();
        let of = |name: &String| {
            let path = self.folder.join(name);
            let (bytes, hash) =
                hash_of(&path).with_context(|| format!("failed to read {}", path.display()))?;
            Ok(json!({ "path": name, "bytes": bytes, "xxh3_128": hash.to_string() }))
        };
        names.iter().map(of).collect()
    }

    /// Writes the manifest, last: where it stands, all that it names stands too.
    pub(super) fn finish(mut self, manifest: &mut Manifest) -> anyhow::Result<()> {
        self.settle()?;
        manifest.outputs = self.hashes()?;
        let mut text = serde_json::to_vec_pretty(&manifest.json())?;
        text.push(b'\n');
        self.put(MANIFEST, &text)?;
        self.settle()
    }
}

/// Size and hash of a file, read piece by piece: some are larger than memory.
pub(super) fn hash_of(path: &Path) -> std::io::Result<(u64, Fingerprint)> {
    let mut file = File::open(path)?;
    let mut hasher = XxHash3_128::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok((bytes, Fingerprint::from_u128(hasher.finish_128())));
        }
        hasher.write(piece.get(..read).unwrap_or_default());
        bytes += u64::try_from(read).unwrap_or(0);
    }
}

fn write_score(
    file: &mut csv::Writer<BufWriter<File>>,
    (timestamp, series, value): (&str, &str, &str),
    score: Option<Score>,
) -> anyhow::Result<()> {
    // `Display` of a float is the shortest text that reads back as the same number.
    let score_text = score.map_or_else(String::new, |s| s.score.to_string());
    let (lower, upper) = score
        .and_then(|s| s.band)
        .map_or_else(Default::default, |(low, high)| {
            (low.to_string(), high.to_string())
        });
    file.write_record([timestamp, series, value, &score_text, &lower, &upper])
        .context("failed to write scores.csv")
}

/// Writes an event whose type begins so; says whether it did.
fn write_event(into: &mut impl Write, record: &RecordRef<'_>, begins: &str) -> anyhow::Result<bool> {
    let header = |name: &str| {
        record
            .header(name)
            .and_then(|text| std::str::from_utf8(text).ok())
    };
    let (Some(kind), Some(id)) = (header("ce_type"), header("ce_id")) else {
        return Err(anyhow!(
            "an event without ce_type or ce_id at {} of {}",
            record.offset,
            record.topic
        ));
    };
    let Some(value) = record.value.filter(|_| kind.starts_with(begins)) else {
        return Ok(false);
    };
    write!(
        into,
        "{{\"type\":{},\"id\":{},\"data\":",
        Value::from(kind),
        Value::from(id)
    )?;
    into.write_all(value)?;
    into.write_all(b"}\n")?;
    Ok(true)
}

/// What was read, by what, and what came of it. No time of day, no path of this machine.
pub(super) struct Manifest {
    pub(super) version: &'static str,
    pub(super) complete: bool,
    pub(super) simulated: bool,
    pub(super) settings_digest: String,
    pub(super) grid_seconds: u64,
    pub(super) zone: String,
    pub(super) inputs: Vec<Value>,
    pub(super) rows: usize,
    pub(super) rows_bad: usize,
    pub(super) rows_scored: usize,
    pub(super) series: usize,
    pub(super) dead_letters: i64,
    pub(super) events: Counts,
    pub(super) seal: Seal,
    /// Every other file with its size and hash.
    pub(super) outputs: Vec<Value>,
}

/// What a manifest says besides, once the run is over.
#[derive(Default)]
pub(super) struct Seal {
    pub(super) span: Option<(EventTime, EventTime)>,
    pub(super) labels: Option<Value>,
    pub(super) stages: Vec<(&'static str, u32)>,
    pub(super) lead_max_minutes: u32,
    /// Whether pages are what teams' budgets gave.
    pub(super) teams: bool,
}

impl Manifest {
    fn json(&self) -> Value {
        let stages: serde_json::Map<String, Value> = self
            .seal
            .stages
            .iter()
            .map(|(name, version)| ((*name).to_owned(), Value::from(*version)))
            .collect();
        let events: serde_json::Map<String, Value> = self
            .events
            .iter()
            .map(|(kind, n)| ((*kind).to_owned(), Value::from(*n)))
            .collect();
        json!({
            "version": self.version,
            "complete": self.complete,
            "simulated": self.simulated,
            "settings_digest": self.settings_digest,
            "grid_seconds": self.grid_seconds,
            "zone": self.zone,
            "inputs": self.inputs,
            "rows": self.rows,
            "rows_bad": self.rows_bad,
            "rows_scored": self.rows_scored,
            "series": self.series,
            "dead_letters": self.dead_letters,
            "events": events,
            "from": self.seal.span.map(|(from, _)| time_text::write(from)),
            "to": self.seal.span.map(|(_, to)| time_text::write(to)),
            "stages": stages,
            "labels": self.seal.labels,
            "lead_max_minutes": self.seal.lead_max_minutes,
            "pages_by": if self.seal.teams { "teams" } else { "incidents" },
            "outputs": self.outputs,
        })
    }

    /// The summary, to standard output.
    pub(super) fn print(
        &self,
        as_json: bool,
        folder: &Path,
        took: Duration,
        judged: &Judged,
    ) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        let seconds = took.as_secs_f64();
        if as_json {
            let mut all = self.json();
            if let Some(map) = all.as_object_mut() {
                map.remove("inputs");
                map.remove("outputs");
                let metrics = judged.json(None, 0, self.complete);
                for part in ["figures", "assertions"] {
                    map.insert(part.to_owned(), metrics.get(part).cloned().unwrap_or_default());
                }
                map.insert("seconds".to_owned(), Value::from((seconds * 1e3).round() / 1e3));
            }
            writeln!(out, "{all}")?;
            return Ok(());
        }
        let files = self.inputs.len();
        writeln!(
            out,
            "{} rows of {} series from {files} inputs in {seconds:.1} s ({} could not be read, {} scored)",
            self.rows, self.series, self.rows_bad, self.rows_scored
        )?;
        for (kind, count) in &self.events {
            writeln!(out, "  {count:>9} {kind}")?;
        }
        if self.dead_letters > 0 {
            writeln!(out, "  {:>9} dead letters", self.dead_letters)?;
        }
        for line in judged.lines() {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "written to {}", folder.display())?;
        Ok(())
    }
}
