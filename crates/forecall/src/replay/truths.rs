//! `--labels`: when there was trouble, as people said afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use csv::{ReaderBuilder, StringRecord};
use forecall_backtest::Truth;
use forecall_types::{EventTime, Fingerprint};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::time_text;

/// Labels of one run: people write them, and each may be looked for among all others once a threshold.
const LABELS_MAX: usize = 10_000;
/// Columns that mean something; others are left alone.
const COLUMNS: [&str; 5] = ["start", "end", "service", "region", "kind"];

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Labels {
    truths: Vec<Truth>,
    /// By path of the file of samples: NAB's windows.
    by_path: BTreeMap<String, Vec<Truth>>,
    /// Of the manifest.
    pub(super) input: Value,
}

/// Reads a CSV file `start,end[,service][,region][,kind]`, or NAB's windows in JSON. A label that can't be read is an error: a run
/// must not look better because somebody mistyped.
pub(super) fn read(path: &Path, zone: &TimeZone) -> anyhow::Result<Labels> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {shown}"))?;
    let mut labels = Labels::default();
    let is_json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    if is_json {
        labels.by_path = windows(&bytes, zone).with_context(|| format!("failed to read {shown}"))?;
    } else {
        labels.truths = table(&bytes, zone).with_context(|| format!("failed to read {shown}"))?;
    }
    let count = labels.truths.len() + labels.by_path.values().map(Vec::len).sum::<usize>();
    if count > LABELS_MAX {
        bail!("{shown} holds {count} labels, {LABELS_MAX} are allowed");
    }
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    labels.input = json!({
        "file": name,
        "xxh3_128": Fingerprint::of(&bytes).to_string(),
        "labels": count,
    });
    Ok(labels)
}

fn table(bytes: &[u8], zone: &TimeZone) -> anyhow::Result<Vec<Truth>> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.headers().context("line 1: it is not UTF-8")?.clone();
    let find = |wanted: &str| {
        let is = |name: &str| {
            name.trim()
                .trim_start_matches('\u{feff}')
                .eq_ignore_ascii_case(wanted)
        };
        header.iter().position(is)
    };
    let [start, end, service, region, kind] = COLUMNS.map(find);
    let (Some(start), Some(end)) = (start, end) else {
        bail!("line 1: labels need the columns `start` and `end`");
    };
    let mut truths = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            anyhow::anyhow!("line {line}: it is not UTF-8")
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let text = |column: Option<usize>| -> Option<Arc<str>> {
            let text = record.get(column?)?.trim();
            (!text.is_empty()).then(|| Arc::from(text))
        };
        let (from, to) = span(&record, (start, end), zone).with_context(|| format!("line {line}"))?;
        truths.push(Truth {
            from,
            to,
            service: text(service),
            region: text(region),
            kind: text(kind),
        });
    }
    Ok(truths)
}

fn span(
    record: &StringRecord,
    (start, end): (usize, usize),
    zone: &TimeZone,
) -> anyhow::Result<(EventTime, EventTime)> {
    let of = |column: usize, name: &str| {
        let text = record.get(column).unwrap_or_default();
        time_text::parse(text, zone).with_context(|| format!("the {name} `{text}` is no time"))
    };
    ordered(of(start, "start")?, of(end, "end")?)
}

fn ordered(from: EventTime, to: EventTime) -> anyhow::Result<(EventTime, EventTime)> {
    if to < from {
        bail!(
            "it ends at {} before it starts at {}",
            time_text::write(to),
            time_text::write(from)
        );
    }
    Ok((from, to))
}

/// `{"realKnownCause/nyc_taxi.csv": [["2014-10-30 15:30:00.000000", "2014-11-03 22:30:00.000000"], …], …}`
pub(super) fn windows(bytes: &[u8], zone: &TimeZone) -> anyhow::Result<BTreeMap<String, Vec<Truth>>> {
    let all: BTreeMap<String, Vec<(String, String)>> =
        serde_json::from_slice(bytes).context("it is not {\"file\": [[\"start\", \"end\"], …], …}")?;
    all.into_iter()
        .map(|(path, spans)| {
            let truths = spans.iter().map(|(start, end)| {
                let at = |text: &str| {
                    time_text::parse(text, zone).with_context(|| format!("{path}: `{text}` is no time"))
                };
                let (from, to) = ordered(at(start)?, at(end)?).with_context(|| path.clone())?;
                Ok(Truth::new(from, to))
            });
            let truths: anyhow::Result<Vec<Truth>> = truths.collect();
            Ok((path.clone(), truths?))
        })
        .collect()
}

impl Labels {
    /// Whether they are of files, not of services.
    pub(super) fn name_files(&self) -> bool {
        !self.by_path.is_empty()
    }

    /// The truths of a run over these files, and how many are of files that it didn't read.
    pub(super) fn of(&self, inputs: &[Value]) -> anyhow::Result<(Vec<Truth>, usize)> {
        let paths: BTreeSet<&str> = inputs.iter().filter_map(|i| i.get("path")?.as_str()).collect();
        let mut truths = self.truths.clone();
        let mut elsewhere = 0;
        let mut known = 0;
        for (path, spans) in &self.by_path {
            let is = |input: &&&str| path == **input || path.ends_with(&format!("/{input}"));
            let Some(input) = paths.iter().find(is) else {
                elsewhere += spans.len();
                continue;
            };
            known += 1;
            // A series without labels is its own service.
            let series = input.rsplit_once('.').map_or(*input, |(series, _)| series);
            truths.extend(spans.iter().cloned().map(|truth| Truth {
                service: Some(Arc::from(series)),
                ..truth
            }));
        }
        if known == 0 && !self.by_path.is_empty() {
            bail!("none of the files that the labels name is among the inputs");
        }
        Ok((truths, elsewhere))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(name: &str, text: &str) -> anyhow::Result<Labels> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read(&path, &TimeZone::get("Asia/Tehran").unwrap())
    }

    #[test]
    fn a_table_is_read_in_its_zone_and_other_columns_are_left_alone() {
        let text =
            "note,Start,end,service,kind\nx,2026-03-01 03:30:00,2026-03-01T00:30:00Z,net,cut\n,5,5,,\n";
        let (truths, elsewhere) = read_text("l.csv", text).unwrap().of(&[]).unwrap();
        assert_eq!(elsewhere, 0);
        assert_eq!(time_text::write(truths[0].from), "2026-03-01T00:00:00Z");
        assert_eq!(truths[0].service.as_deref(), Some("net"));
        assert_eq!(truths[0].kind.as_deref(), Some("cut"));
        assert_eq!((&truths[1].service, &truths[1].region), (&None, &None));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (name, text, said) in [
            (
                "l.csv",
                "start,until\n",
                "line 1: labels need the columns `start` and `end`",
            ),
            (
                "l.csv",
                "start,end\n5,6\nx,7\n",
                "line 3: the start `x` is no time",
            ),
            ("l.csv", "start,end\n5\n", "line 2: the end `` is no time"),
            (
                "l.csv",
                "start,end\n7,6\n",
                "line 2: it ends at 1970-01-01T00:00:06Z before",
            ),
            ("l.json", "[]", "it is not {\"file\": "),
            ("l.json", "{\"a.csv\": [[\"5\", \"y\"]]}", "a.csv: `y` is no time"),
        ] {
            let error = format!("{:#}", read_text(name, text).unwrap_err());
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn windows_are_of_the_file_they_name() {
        let text = r#"{"real/a.csv": [["5", "6"], ["8", "9"]], "real/b.csv": [["5", "6"]], "c.csv": []}"#;
        let labels = read_text("l.json", text).unwrap();
        let (truths, elsewhere) = labels.of(&[json!({"path": "a.csv"})]).unwrap();
        assert_eq!((truths.len(), elsewhere), (2, 1));
        assert_eq!(truths[0].service.as_deref(), Some("a"));
        let (whole, _) = labels.of(&[json!({"path": "real/b.csv"})]).unwrap();
        assert_eq!(whole[0].service.as_deref(), Some("real/b"));
        assert!(labels.of(&[json!({"path": "ba.csv"})]).is_err());
    }
}
