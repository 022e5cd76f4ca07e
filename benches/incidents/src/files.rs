//! Folders and tables of recordings, with errors that name the path and say what to do.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// What `README` of the data folder lists, said where something isn't there.
pub(crate) const REMEDY: &str = "give --data the folder that holds petshop/ and nezha/ as they were published, or leave the set out by --only";

/// Rows of cells.
pub(crate) struct Table {
    pub(crate) path: PathBuf,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let rows: Vec<Vec<String>> = text(path)?
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(cells)
            .collect();
        ensure!(!rows.is_empty(), "{} is empty: {REMEDY}", path.display());
        Ok(Self {
            path: path.to_owned(),
            rows,
        })
    }

    /// The row of names.
    pub(crate) fn head(&self) -> &[String] {
        self.rows.first().map_or(&[], Vec::as_slice)
    }

    /// Where a column of this name stands, in any case of letters.
    pub(crate) fn column(&self, name: &str) -> Result<usize> {
        self.head()
            .iter()
            .position(|cell| cell.eq_ignore_ascii_case(name))
            .with_context(|| format!("{} has no column {name}: {REMEDY}", self.path.display()))
    }
}

/// Cells of a line; a cell in quotes may hold commas and doubled quotes.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.trim_end_matches('\r').chars().peekable();
    while let Some(letter) = letters.next() {
        let Some(cell) = cells.last_mut() else { break };
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                cell.push('"');
                letters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cell.push(other),
        }
    }
    cells
}

/// A number; `None` for an empty cell, NaN and infinities.
pub(crate) fn number(cell: Option<&String>) -> Option<f64> {
    cell?.trim().parse::<f64>().ok().filter(|value| value.is_finite())
}

pub(crate) fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read {}: {REMEDY}", path.display()))
}

/// Folders of a folder, or files with this ending, by name.
pub(crate) fn entries(folder: &Path, ending: Option<&str>) -> Result<Vec<PathBuf>> {
    let listed =
        fs::read_dir(folder).with_context(|| format!("failed to list {}: {REMEDY}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in listed {
        let path = entry
            .with_context(|| format!("failed to list {}", folder.display()))?
            .path();
        let wanted = match ending {
            Some(ending) => path.is_file() && path.to_string_lossy().ends_with(ending),
            None => path.is_dir(),
        };
        if wanted {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The last part of a path.
pub(crate) fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_in_quotes_hold_commas_and_quotes() {
        assert_eq!(cells("a,\"b,\"\"c\"\"\",,d\r"), ["a", "b,\"c\"", "", "d"]);
        assert_eq!(number(Some(&" 2.5 ".into())), Some(2.5));
        assert_eq!(number(Some(&"nan".into())), None);
        assert_eq!(number(Some(&String::new())), None);
    }

    #[test]
    fn what_is_missing_is_named_with_the_remedy() {
        let error = Table::read(Path::new("/nowhere/metrics.csv")).err().unwrap();
        let told = format!("{error:#}");
        assert!(
            told.contains("/nowhere/metrics.csv") && told.contains("--data"),
            "{told}"
        );
    }
}
