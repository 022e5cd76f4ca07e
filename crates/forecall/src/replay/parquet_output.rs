//! `--parquet`: every table of the results as Parquet too, beside the CSV or JSONL that it is made of.
//!
//! It is made from the files themselves, row by row: both hold the same, and the same files give the same bytes.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter};
use std::path::Path;

use anyhow::{Context as _, bail};
use csv::StringRecord;
use forecall_table::{Cell, Kind, Sheet};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::output::Output;
use super::time_text;

/// Tables of numbers, as far as a run wrote them.
const TABLES: [&str; 5] = ["scores", "channels", "ahead", "peers", "vmanomaly"];

/// A column of events: its name, where it stands in the event, its kind.
type EventColumn = (&'static str, &'static str, Kind);

const ANOMALIES: &[EventColumn] = &[
    ("anomaly", "/data/id", Kind::Text),
    ("revision", "/data/revision", Kind::Whole),
    ("state", "/data/state", Kind::Text),
    ("at", "/data/at", Kind::Instant),
    ("from", "/data/from", Kind::Instant),
    ("metric", "/data/series/metric", Kind::Text),
    ("service", "/data/series/resource/service.name", Kind::Text),
    ("region", "/data/series/resource/region", Kind::Text),
    ("channel", "/data/channel", Kind::Text),
    ("direction", "/data/direction", Kind::Text),
    ("score", "/data/score", Kind::Number),
    ("observed", "/data/observed", Kind::Number),
    ("expected", "/data/expected", Kind::Number),
    ("lower", "/data/band/low", Kind::Number),
    ("upper", "/data/band/high", Kind::Number),
    ("samples", "/data/samples", Kind::Whole),
];
const INCIDENTS: &[EventColumn] = &[
    ("incident", "/data/id", Kind::Text),
    ("revision", "/data/revision", Kind::Whole),
    ("change", "/data/change", Kind::Text),
    ("at", "/data/at", Kind::Instant),
    ("state", "/data/state", Kind::Text),
    ("severity", "/data/severity", Kind::Text),
    ("kind", "/data/kind", Kind::Text),
    ("probability", "/data/probability", Kind::Number),
    ("services", "/data/scope/services", Kind::Text),
    ("regions", "/data/scope/regions", Kind::Text),
    ("opened_at", "/data/opened_at", Kind::Instant),
    ("onset_predicted", "/data/onset_predicted", Kind::Instant),
    ("onset_observed", "/data/onset_observed", Kind::Instant),
    ("resolved_at", "/data/resolved_at", Kind::Instant),
    ("reason", "/data/reason", Kind::Text),
];
const NOTICES: &[EventColumn] = &[
    ("notice", "/data/id", Kind::Text),
    ("revision", "/data/revision", Kind::Whole),
    ("incident", "/data/incident", Kind::Text),
    ("at", "/data/at", Kind::Instant),
    ("stage", "/data/stage", Kind::Text),
    ("state", "/data/state", Kind::Text),
    ("audience", "/data/audience", Kind::Whole),
    ("intents", "/data/intents", Kind::Whole),
    ("reason", "/data/reason", Kind::Text),
];
const FORECASTS: &[EventColumn] = &[
    ("queue", "/data/queue", Kind::Text),
    ("revision", "/data/revision", Kind::Whole),
    ("made_at", "/data/made_at", Kind::Instant),
    ("from", "/data/from", Kind::Instant),
];
/// Files of events and their columns; `type`, `id` and the whole of `data` stand in each.
const EVENTS: [(&str, &[EventColumn]); 4] = [
    ("anomalies", ANOMALIES),
    ("incidents", INCIDENTS),
    ("notices", NOTICES),
    ("call-forecasts", FORECASTS),
];

/// Writes them all.
pub(super) fn write(output: &mut Output, zone: &TimeZone) -> anyhow::Result<()> {
    for name in TABLES {
        let path = output.folder().join(format!("{name}.csv"));
        if path.is_file() {
            table(output, name, &path, zone)?;
        }
    }
    for (name, columns) in EVENTS {
        let path = output.folder().join(format!("{name}.jsonl"));
        events(output, name, &path, columns)?;
    }
    Ok(())
}

/// The kind of a column of a CSV of ours, by its name.
fn kind_of(column: &str) -> Kind {
    match column {
        "timestamp" => Kind::Instant,
        "series" | "group" => Kind::Text,
        _ => Kind::Number,
    }
}

fn table(output: &mut Output, name: &str, path: &Path, zone: &TimeZone) -> anyhow::Result<()> {
    let failed = || format!("failed to read {}", path.display());
    let mut reader = csv::Reader::from_path(path).with_context(failed)?;
    let names: Vec<String> = reader
        .headers()
        .with_context(failed)?
        .iter()
        .map(str::to_owned)
        .collect();
    let columns: Vec<(&str, Kind)> = names.iter().map(|n| (n.as_str(), kind_of(n))).collect();
    let mut sheet = begin(output, name, &columns)?;
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).with_context(failed)? {
        let cells: Vec<Cell<'_>> = columns
            .iter()
            .zip(&record)
            .map(|((_, kind), text)| match kind {
                Kind::Instant => {
                    time_text::parse(text, zone).map_or(Cell::Empty, |at| Cell::Instant(at.nanos()))
                }
                Kind::Text => Cell::Text(text),
                // What couldn't be read as a number has no score either: its text stands in the CSV.
                Kind::Number | Kind::Flag | Kind::Whole | Kind::Local | Kind::Other(_) => {
                    text.trim().parse().map_or(Cell::Empty, Cell::Number)
                }
            })
            .collect();
        sheet.row(&cells)?;
    }
    end(sheet, name)
}

fn begin(
    output: &mut Output,
    name: &str,
    columns: &[(&str, Kind)],
) -> anyhow::Result<Sheet<BufWriter<File>>> {
    let file = output.begin(&format!("{name}.parquet"))?;
    Ok(Sheet::new(file, columns)?)
}

fn end(sheet: Sheet<BufWriter<File>>, name: &str) -> anyhow::Result<()> {
    let file = sheet
        .finish()
        .with_context(|| format!("failed to write {name}.parquet"))?;
    file.into_inner()
        .map(drop)
        .map_err(|error| error.into_error())
        .with_context(|| format!("failed to write {name}.parquet"))
}

/// A text as it stands; of a list its texts with commas between.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(all) => {
            let texts: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
            Some(texts.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

fn events(output: &mut Output, name: &str, path: &Path, more: &[EventColumn]) -> anyhow::Result<()> {
    let data: &[EventColumn] = &[("data", "/data", Kind::Other("JSON"))];
    let head: &[EventColumn] = &[("type", "/type", Kind::Text), ("id", "/id", Kind::Text)];
    let columns = [head, more, data].concat();
    let kinds: Vec<(&str, Kind)> = columns
        .iter()
        .map(|(name, _, kind)| match kind {
            Kind::Other(_) => (*name, Kind::Text),
            Kind::Flag | Kind::Whole | Kind::Number | Kind::Text | Kind::Instant | Kind::Local => {
                (*name, *kind)
            }
        })
        .collect();
    let mut sheet = begin(output, name, &kinds)?;
    let file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let place = || format!("{}:{number}", path.display());
        let event: Value = serde_json::from_str(&line.with_context(place)?).with_context(place)?;
        let texts: Vec<Option<String>> = columns
            .iter()
            .map(|(_, pointer, kind)| {
                let value = event.pointer(pointer)?;
                match kind {
                    Kind::Text => words(value),
                    Kind::Other(_) => Some(value.to_string()),
                    Kind::Flag | Kind::Whole | Kind::Number | Kind::Instant | Kind::Local => None,
                }
            })
            .collect();
        let mut cells: Vec<Cell<'_>> = Vec::with_capacity(columns.len());
        for ((name, pointer, kind), text) in columns.iter().zip(&texts) {
            let value = event.pointer(pointer).unwrap_or(&Value::Null);
            cells.push(match kind {
                Kind::Whole => value.as_i64().map_or(Cell::Empty, Cell::Whole),
                Kind::Number => value.as_f64().map_or(Cell::Empty, Cell::Number),
                Kind::Instant => value
                    .as_str()
                    .and_then(|text| time_text::parse(text, &TimeZone::UTC))
                    .map_or(Cell::Empty, |at| Cell::Instant(at.nanos())),
                Kind::Text | Kind::Other(_) => text.as_deref().map_or(Cell::Empty, Cell::Text),
                Kind::Flag | Kind::Local => bail!("column {name} is of a kind no event has"),
            });
        }
        sheet.row(&cells)?;
    }
    end(sheet, name)
}
