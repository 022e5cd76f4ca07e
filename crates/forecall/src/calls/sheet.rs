//! CSV files with a header, row by row: columns by name, errors with file and line.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use csv::{Reader, ReaderBuilder, StringRecord, Trim};
use forecall_types::EventTime;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;

use crate::replay::time_text;

/// A row is at most this many bytes; longer ones are no row of ours.
const ROW_MAX: usize = 1 << 16;

/// An open file.
pub(super) struct Sheet {
    path: PathBuf,
    reader: Reader<File>,
    names: Vec<String>,
    zone: TimeZone,
    bar: ProgressBar,
}

/// One row.
pub(super) struct Row<'a> {
    sheet: &'a Sheet,
    record: &'a StringRecord,
    line: u64,
}

/// On a terminal only.
fn bar(path: &Path, bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    match ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes}, {eta} left") {
        Ok(style) => bar.with_style(style).with_message(name),
        Err(_) => bar,
    }
}

impl Sheet {
    /// Opens a file that has these columns, and maybe others.
    pub(super) fn open(path: &Path, needed: &[&str], zone: &TimeZone) -> anyhow::Result<Self> {
        let name = path.display();
        let file = File::open(path).with_context(|| format!("failed to open {name}"))?;
        let bytes = file.metadata().map_or(0, |m| m.len());
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(file);
        let header = reader
            .headers()
            .with_context(|| format!("{name}: the header can't be read"))?;
        let names: Vec<String> = header
            .iter()
            .map(|n| n.trim_start_matches('\u{feff}').to_ascii_lowercase())
            .collect();
        for column in needed {
            if !names.iter().any(|n| n == column) {
                bail!(
                    "{name}, line 1: the header has no column `{column}`: it needs {}",
                    needed.join(", ")
                );
            }
        }
        Ok(Self {
            path: path.to_owned(),
            reader,
            names,
            zone: zone.clone(),
            bar: bar(path, bytes),
        })
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.names.iter().any(|n| n == column)
    }

    /// Hands out every row.
    pub(super) fn each(mut self, mut to: impl FnMut(&Row<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut record = StringRecord::new();
        let mut rows = 0_u64;
        loop {
            let more = self
                .reader
                .read_record(&mut record)
                .with_context(|| format!("{} can't be read", self.path.display()))?;
            if !more {
                break;
            }
            let position = record.position();
            let line = position.map_or(0, csv::Position::line);
            rows += 1;
            if rows.is_multiple_of(4_096) {
                self.bar.set_position(position.map_or(0, csv::Position::byte));
            }
            let row = Row {
                sheet: &self,
                record: &record,
                line,
            };
            if record.as_slice().len() > ROW_MAX {
                return Err(row.wrong("it is longer than a row may be"));
            }
            to(&row)?;
        }
        self.bar.finish_and_clear();
        Ok(())
    }
}

impl<'a> Row<'a> {
    /// An error that names the row.
    pub(super) fn wrong(&self, why: impl std::fmt::Display) -> anyhow::Error {
        anyhow::anyhow!("{}, line {}: {why}", self.sheet.path.display(), self.line)
    }

    /// A field; none where the column isn't there or it is empty.
    pub(super) fn text(&self, column: &str) -> Option<&'a str> {
        let at = self.sheet.names.iter().position(|n| n == column)?;
        self.record.get(at).filter(|text| !text.is_empty())
    }

    pub(super) fn need(&self, column: &str) -> anyhow::Result<&'a str> {
        self.text(column)
            .ok_or_else(|| self.wrong(format!("`{column}` is empty")))
    }

    fn parsed<T>(
        &self,
        column: &str,
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> anyhow::Result<Option<T>> {
        self.text(column)
            .map(|text| {
                parse(text).ok_or_else(|| self.wrong(format!("`{column}` is `{text}`: it needs {what}")))
            })
            .transpose()
    }

    pub(super) fn time(&self, column: &str) -> anyhow::Result<Option<EventTime>> {
        let what = "a time such as 2026-11-29 13:30:00 or 2026-11-29T13:30:00+03:30";
        self.parsed(column, what, |text| time_text::parse(text, &self.sheet.zone))
    }

    pub(super) fn need_time(&self, column: &str) -> anyhow::Result<EventTime> {
        self.need(column)?;
        self.time(column)?
            .ok_or_else(|| self.wrong(format!("`{column}` is empty")))
    }

    pub(super) fn count(&self, column: &str) -> anyhow::Result<Option<u64>> {
        self.parsed(column, "a whole number, 0 or more", |text| text.parse().ok())
    }

    pub(super) fn need_count(&self, column: &str) -> anyhow::Result<u64> {
        self.need(column)?;
        Ok(self.count(column)?.unwrap_or_default())
    }

    /// A finite number, 0 or more.
    pub(super) fn amount(&self, column: &str) -> anyhow::Result<Option<f64>> {
        self.parsed(column, "a number, 0 or more", |text| {
            text.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0)
        })
    }

    pub(super) fn seconds(&self, column: &str) -> anyhow::Result<Option<Duration>> {
        let seconds = self.amount(column)?;
        seconds
            .map(|s| {
                Duration::try_from_secs_f64(s).map_err(|_| self.wrong(format!("`{column}` is too large")))
            })
            .transpose()
    }

    /// One of these words.
    pub(super) fn word<T: Copy>(&self, column: &str, words: &[(&str, T)]) -> anyhow::Result<T> {
        let text = self.need(column)?;
        let found = words.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
        found.map(|(_, is)| *is).ok_or_else(|| {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(format!("`{column}` is `{text}`: it needs {}", all.join(", ")))
        })
    }
}

/// A field for a CSV file.
pub(super) fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
