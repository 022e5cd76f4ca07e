//! The command line of `forecall replay`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use forecall_types::IncidentId;

use super::CHUNK_ROWS;
use super::columns::Mapping;
use super::diff::DiffArgs;

/// `forecall replay …` and `forecall replay diff …`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_long_help = LONG)]
pub(crate) struct ReplayCommand {
    #[command(subcommand)]
    pub(super) other: Option<ReplayOther>,
    #[command(flatten)]
    pub(super) run: Option<ReplayArgs>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ReplayOther {
    /// What two replays of the same input tell otherwise: incidents that came, went, moved, and why.
    #[command(
        after_help = "Examples:\n  forecall replay diff before/ after/\n  forecall replay diff before/ after/ --html changes.html\n  forecall replay diff before/ after/ --json | jq '.incidents[] | select(.change == \"came\")'\n\nTwo incidents are one where they share a service and a region and lie no more than an hour apart, the nearest first.\nEnds with 0: nothing is told otherwise; 1: something is; 2: they can't be compared."
    )]
    Diff(DiffArgs),
}

/// The command line of `forecall replay`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReplayArgs {
    /// A CSV, JSONL or Parquet file, a folder of them, or `kafka://topic?from=TIME&to=TIME` (with --config).
    #[arg(long, short, required_unless_present = "incident")]
    pub(crate) input: Option<String>,
    /// Folder for the results; files of an earlier replay in it are replaced.
    #[arg(long, short, required_unless_present = "incident")]
    pub(crate) out: Option<PathBuf>,
    /// Tell step by step how this incident arose: of live topics (--config alone), of a run's folder, or of a run made now (--input).
    #[arg(long, value_name = "ID", conflicts_with_all = ["labels", "asserted", "strict"])]
    pub(crate) incident: Option<IncidentId>,
    /// With --incident: a page to look at, too.
    #[arg(long, value_name = "FILE", requires = "incident")]
    pub(crate) html: Option<PathBuf>,
    /// Topology, policy and detector settings; without it the defaults. `simulated: true` always holds.
    #[arg(long, short)]
    pub(crate) config: Option<PathBuf>,
    /// Read each line of *.jsonl as a record of this source of the configuration: customers' texts, OTLP JSON, mappings.
    #[arg(long, requires = "config")]
    pub(crate) source: Option<String>,
    /// What was announced (deployments, maintenance), one record a line, as a source of `format: context` reads it.
    #[arg(long)]
    pub(crate) context: Option<PathBuf>,
    /// What people said: verdicts and commands, one a line, as the topics of feedback and commands hold them.
    #[arg(long)]
    pub(crate) said: Option<PathBuf>,
    /// Time zone of timestamps that name none, such as `Asia/Tehran`.
    #[arg(long, default_value = "UTC")]
    pub(crate) zone: String,
    /// Which column of tables holds what, such as `timestamp=ts:ms,value=v,series=name,unit=u`; `values=a+b` or `values=*`: a series a column.
    #[arg(long, value_name = "WHAT=COLUMN,…", conflicts_with = "source")]
    pub(crate) columns: Option<String>,
    /// Write every table of the results as Parquet, too.
    #[arg(long)]
    pub(crate) parquet: bool,
    /// Leave out channels.csv, which is the largest file.
    #[arg(long)]
    pub(crate) no_channels: bool,
    /// Write vmanomaly.csv too: the columns that vmanomaly's users know.
    #[arg(long)]
    pub(crate) vmanomaly: bool,
    /// Write ahead.csv too: where each series is expected so many minutes after each sample, such as `15` or `5,60`.
    #[arg(long, value_name = "MINUTES", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub(crate) ahead: Vec<u32>,
    /// Fail if any row could not be read.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Summary as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// When there was trouble: CSV `start,end[,service][,region][,kind]`, or NAB's windows in JSON. Figures are held against it.
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    /// What the figures of metrics.json must be, such as `recall>=0.8,pages_per_day<=5`; ends with 3 where one isn't.
    #[arg(long = "assert", value_name = "FIGURE>=VALUE")]
    pub(crate) asserted: Vec<String>,
    /// Minutes before its start in which a trouble may be told of; what ended earlier was for nothing.
    #[arg(long, value_name = "MINUTES", default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=10_080))]
    pub(crate) lead_max: u32,
    /// Leave out report.html.
    #[arg(long)]
    pub(crate) no_report: bool,
    /// Rows fed at once; the results don't hang on it.
    #[arg(long, hide = true, default_value_t = CHUNK_ROWS)]
    pub(crate) chunk: usize,
}

impl ReplayArgs {
    /// Where it reads; the command line asks for it wherever a run is made.
    pub(super) fn input(&self) -> &str {
        self.input.as_deref().unwrap_or_default()
    }

    /// Which column holds what.
    pub(super) fn mapping(&self) -> anyhow::Result<Mapping> {
        match &self.columns {
            None => Ok(Mapping::default()),
            Some(text) => Mapping::parse(text)
                .map_err(anyhow::Error::msg)
                .context("--columns"),
        }
    }

    /// Where it writes; as `input`.
    pub(super) fn out(&self) -> &Path {
        self.out.as_deref().unwrap_or(Path::new(""))
    }
}

const LONG: &str = "\
Input:
  CSV, wide    timestamp,value                      the series is the file's path below the input, without its ending
  CSV, long    timestamp,series,value[,label…]      further columns are labels
  Parquet      the same columns, with types: a time of a column that knows its zone and unit is that time
  JSONL        {\"ts\":…,\"series\":…,\"value\":…,\"labels\":{…}}, one object a line
  With --columns they may be called otherwise, and a table may have a series a column (FILE/COLUMN; an empty cell is none).
  With --context FILE a line of that file is what was announced, known from its beginning on.
  With --said FILE a line of that file is a verdict or a command, heard at its time (`at`):
               {\"incident\":…,\"at\":…,\"verdict\":\"expected\"} or {\"at\":…,\"action\":{\"kind\":…}}; after the last row nothing is heard.
  With --source NAME a line of *.jsonl is a record of that source, in its own format; its points must say their time.
  Times: RFC 3339, `2026-03-01 12:00:00[.5]`, or seconds, milli-, micro- or nanoseconds since 1970.
  A series without the labels service.name and region gets its own name and ZZ (ISO's user-assigned code), so that its
  incidents have a scope.

Output (the same input gives the same bytes):
  scores.csv           timestamp,series,value,score,lower,upper: a row for every input row, in input order;
                       score empty: the row could not be read or was not judged; bounds empty: still warming up
  channels.csv         timestamp,series and, for each channel that judges samples, its score, expected value and bounds:
                       `spike,spike_expected,spike_lower,spike_upper,shift,…`; a row for every sample judged, in that order
  ahead.csv            with --ahead: timestamp,series,ahead_seconds,expected,lower,upper: of ten later values one is expected
                       below and one above the bounds; a row for every sample judged and every span asked for
  peers.csv            with `detect.peers` in the configuration: timestamp,group,series,value,score,expected,lower,upper: a row for
                       every member at every step compared; bounds empty: its usual place isn't known yet
  vmanomaly.csv        with --vmanomaly: timestamp,series,y,yhat,yhat_lower,yhat_upper,anomaly_score (score / 3: 1 is one
                       in a thousand), a row for every sample judged
  anomalies.jsonl      events, one a line: {\"type\":…,\"id\":…,\"data\":{…}}
  incidents.jsonl, notices.jsonl (never sent), call-forecasts.jsonl: the same
  metrics.json         recall, precision, delay, lead, pages and false alarms a day, each with its denominator; figures that need
                       labels are null without --labels; curves over thresholds, whether probabilities were right
  report.html          all of it to look at: one file, nothing is loaded from anywhere
  config.lock.yaml     all settings that decided, defaults written out, without secrets; may be given as --config again
  *.parquet            with --parquet: each of the tables above once more, events with their whole JSON in `data`
  manifest.json        input files with sizes and XXH3-128, counts, versions of the stages, hashes of all files above; written last

One incident (--incident ID), step by step: the records it came from, each anomaly with score and expected value, when the
probability came to the threshold, suspects, and what every revision changed. Where it is read:
  --config alone         live topics: correlate is stepped through its own log again, and every revision held against the one that
                         was published; records are read by their offsets. Nothing is committed, nobody is disturbed
  --input RESULT         the folder of a run, as it was written
  --input, as for a run  the run is made again first; its results are kept only with --out
It ends with 1 where a revision does not come out to the byte.

Ctrl-C leaves a valid partial run: `\"complete\": false` in manifest.json and metrics.json; nothing asserted is judged. It ends with 1.

Ends with 0, with 3 where an assertion fails, with 2 where the command line is wrong, else with 1.

Examples:
  forecall replay --input history/ --out result/
  forecall replay --input history/ --out result/ --config forecall.yaml --zone Asia/Tehran
  forecall replay --input history/ --out result/ --labels troubles.csv --assert 'recall>=0.8,pages_per_day<=5'
  forecall replay --input metrics.parquet --columns timestamp=ts,values=* --parquet --out result/
  forecall replay diff result/ result-new/ --html changes.html
  forecall replay --incident inc_s49amx21rz2fpkk8 --input result/ --html why.html
  forecall replay --incident inc_s49amx21rz2fpkk8 --input history/ --config forecall.yaml
  forecall replay --incident inc_s49amx21rz2fpkk8 --config forecall.yaml --json
  forecall replay --input history/ --context changes.jsonl --out result/
  forecall replay --input history/ --said verdicts.jsonl --out result/
  forecall replay --input tickets.jsonl --source crm.texts --config forecall.yaml --out result/
  forecall replay --input 'kafka://metrics?from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z' --config forecall.yaml --out day/";
