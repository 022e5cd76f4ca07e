//! Finds the files of an input and reads them.

use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::tz::TimeZone;

use super::columns::Mapping;
use super::input::{Input, ROWS_MAX};
use super::{csv_input, jsonl_input, parquet_input};

/// Folders below the input: deeper is a mistake, or a circle of links.
const DEPTH_MAX: usize = 32;

/// The folder of an input, and the files in it by their paths below: the one that is named, or all below a folder in order.
pub(super) fn paths(input: &Path) -> anyhow::Result<(&Path, Vec<String>)> {
    let mut found = Vec::new();
    if input.is_dir() {
        list(input, "", 0, &mut found)?;
        found.sort();
        return Ok((input, found));
    }
    let name = input.file_name().and_then(|n| n.to_str());
    found.push(
        name.with_context(|| format!("{} names no file", input.display()))?
            .to_owned(),
    );
    Ok((input.parent().unwrap_or_else(|| Path::new("")), found))
}

/// Reads a file, or all `*.csv`, `*.jsonl` and `*.parquet` below a folder in order of their paths.
pub(super) fn read(input: &Path, zone: &TimeZone, mapping: &Mapping) -> anyhow::Result<Input> {
    let (root, found) = paths(input)?;
    let mut read = Input::default();
    for path in found {
        let Some((series, ending)) = path
            .rsplit_once('.')
            .filter(|(_, e)| matches!(*e, "csv" | "jsonl" | "parquet"))
        else {
            if !input.is_dir() {
                bail!(
                    "{} is neither *.csv nor *.jsonl nor *.parquet nor a folder",
                    input.display()
                );
            }
            read.leave_alone(&path, "");
            continue;
        };
        let bytes = std::fs::read(root.join(&path)).with_context(|| format!("failed to read {path}"))?;
        match ending {
            "csv" => csv_input::read(&mut read, (&path, series), &bytes, zone, mapping),
            "parquet" => parquet_input::read(&mut read, (&path, series), bytes, zone, mapping)?,
            _ => jsonl_input::read(&mut read, &path, &bytes, zone),
        }
        if read.rows() > ROWS_MAX {
            bail!("more than {ROWS_MAX} rows: replay a part of the folder at a time");
        }
    }
    if read.files.is_empty() {
        let remarks = read.remarks().join("; ");
        bail!(
            "{} holds no *.csv, *.jsonl or *.parquet that can be read; {remarks}",
            input.display()
        );
    }
    Ok(read)
}

fn list(folder: &Path, below: &str, depth: usize, into: &mut Vec<String>) -> anyhow::Result<()> {
    if depth > DEPTH_MAX {
        bail!("{} lies deeper than {DEPTH_MAX} folders", folder.display());
    }
    let failed = || format!("failed to list {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            bail!("{} has a name that is not UTF-8", entry.path().display());
        };
        let path = if below.is_empty() {
            name.to_owned()
        } else {
            format!("{below}/{name}")
        };
        if entry.path().is_dir() {
            list(&entry.path(), &path, depth + 1, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}
