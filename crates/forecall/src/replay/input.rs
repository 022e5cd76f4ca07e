//! Rows of files, read whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_types::{EventTime, Fingerprint, Labels};
use serde_json::{Value, json};

use super::labels::Series;

/// Rows of one replay: about 100 bytes each, 5 GiB. More is refused with the remedy.
pub(super) const ROWS_MAX: usize = 50_000_000;
/// Bad rows told one by one; the rest is counted.
const TOLD_MAX: usize = 20;

/// One row. `timestamp` and `value` are kept as they stand, in one piece of text.
#[derive(Debug)]
pub(super) struct Row {
    /// `None`: the row could not be read.
    pub(super) at: Option<EventTime>,
    pub(super) value: f64,
    pub(super) series: u32,
    text: Box<str>,
    split: usize,
}

impl Row {
    pub(super) fn timestamp(&self) -> &str {
        self.text.get(..self.split).unwrap_or_default()
    }

    pub(super) fn value_text(&self) -> &str {
        self.text.get(self.split..).unwrap_or_default()
    }
}

/// One file and its rows, in order.
#[derive(Debug)]
pub(super) struct InputFile {
    /// Path below the input folder, with `/` between its parts.
    pub(super) path: Arc<str>,
    pub(super) bytes: usize,
    pub(super) hash: Fingerprint,
    pub(super) rows: Vec<Row>,
    pub(super) bad: usize,
}

/// All that was read.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) files: Vec<InputFile>,
    pub(super) bad: usize,
    series: Vec<Series>,
    index: BTreeMap<(String, Labels), u32>,
    /// Names of series that only bad rows have, so that these still get their line.
    nameless: BTreeMap<String, u32>,
    told: Vec<String>,
    left_alone: Vec<String>,
}

impl Input {
    /// The number of a series; new ones are added.
    pub(super) fn intern(&mut self, name: &str, unit: &str, labels: Labels) -> Result<u32, String> {
        let key = (name.to_owned(), labels);
        if let Some(known) = self.index.get(&key) {
            return Ok(*known);
        }
        let series = Series::new(name, unit, &key.1)?;
        let number = self.push(series)?;
        self.index.insert(key, number);
        Ok(number)
    }

    fn push(&mut self, series: Series) -> Result<u32, String> {
        let number = u32::try_from(self.series.len()).map_err(|_| "too many series".to_owned())?;
        self.series.push(series);
        Ok(number)
    }

    /// The number of a name that can't be a series; for the line of a bad row.
    fn intern_nameless(&mut self, name: &str) -> u32 {
        if let Some(known) = self.nameless.get(name) {
            return *known;
        }
        let mut series = Series::new("unreadable", "", &Labels::default()).ok();
        if let Some(series) = &mut series {
            name.clone_into(&mut series.shown);
        }
        let number = series.and_then(|s| self.push(s).ok()).unwrap_or(u32::MAX);
        self.nameless.insert(name.to_owned(), number);
        number
    }

    /// Begins a file; rows that follow belong to it.
    pub(super) fn begin(&mut self, path: &str, bytes: &[u8]) {
        self.files.push(InputFile {
            path: Arc::from(path),
            bytes: bytes.len(),
            hash: Fingerprint::of(bytes),
            rows: Vec::new(),
            bad: 0,
        });
    }

    /// Adds a row that was read, or notes why it wasn't; either way it has its line in the scores.
    pub(super) fn add(
        &mut self,
        line: u64,
        (timestamp, value_text): (&str, &str),
        name: &str,
        read: Result<(EventTime, f64, u32), String>,
    ) {
        let (at, value, series) = match read {
            Ok((at, value, series)) => (Some(at), value, series),
            Err(why) => {
                self.note_bad(line, &why);
                (None, 0.0, self.intern_nameless(name))
            }
        };
        let mut text = String::with_capacity(timestamp.len() + value_text.len());
        text.push_str(timestamp);
        text.push_str(value_text);
        if let Some(file) = self.files.last_mut() {
            file.rows.push(Row {
                at,
                value,
                series,
                text: text.into_boxed_str(),
                split: timestamp.len(),
            });
        }
    }

    fn note_bad(&mut self, line: u64, why: &str) {
        self.bad += 1;
        let Some(file) = self.files.last_mut() else {
            return;
        };
        file.bad += 1;
        if self.told.len() < TOLD_MAX {
            // Parquet has no lines.
            let row = if file.path.ends_with(".parquet") {
                " row "
            } else {
                ""
            };
            self.told.push(format!("{}:{row}{line}: {why}", file.path));
        }
    }

    /// Notes a file that isn't one of ours, and why.
    pub(super) fn leave_alone(&mut self, path: &str, why: &str) {
        self.left_alone.push(if why.is_empty() {
            path.to_owned()
        } else {
            format!("{path} ({why})")
        });
    }

    pub(super) fn rows(&self) -> usize {
        self.files.iter().map(|f| f.rows.len()).sum()
    }

    pub(super) fn row(&self, file: usize, row: usize) -> Option<&Row> {
        self.files.get(file)?.rows.get(row)
    }

    pub(super) fn series(&self, number: u32) -> Option<&Series> {
        self.series.get(usize::try_from(number).ok()?)
    }

    pub(super) fn series_count(&self) -> usize {
        self.index.len()
    }

    /// The rows that were read, by time; of one time, in input order.
    pub(super) fn order(&self) -> Vec<(usize, usize)> {
        let mut order: Vec<(EventTime, usize, usize)> = Vec::with_capacity(self.rows());
        for (n, file) in self.files.iter().enumerate() {
            let timed = file.rows.iter().enumerate();
            order.extend(timed.filter_map(|(r, row)| Some((row.at?, n, r))));
        }
        order.sort_unstable();
        order.into_iter().map(|(_, file, row)| (file, row)).collect()
    }

    /// What to tell at the end: bad rows, files left alone.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = self.told.clone();
        if self.bad > self.told.len() {
            remarks.push(format!(
                "… and {} more rows that could not be read",
                self.bad - self.told.len()
            ));
        }
        if !self.left_alone.is_empty() {
            remarks.push(format!("left alone: {}", self.left_alone.join(", ")));
        }
        remarks
    }

    pub(super) fn manifest(&self) -> Vec<Value> {
        self.files
            .iter()
            .map(|f| {
                json!({
                    "path": *f.path,
                    "bytes": f.bytes,
                    "xxh3_128": f.hash.to_string(),
                    "rows": f.rows.len(),
                    "rows_bad": f.bad,
                })
            })
            .collect()
    }
}

/// A finite number.
pub(super) fn number(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) | Err(_) => Err("the value is not a finite number".to_owned()),
    }
}
