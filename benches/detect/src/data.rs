//! Recordings as they lie in a data folder, read into series and machines.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use forecall_bench_input::time;
use forecall_types::EventTime;

/// Where machines' minutes begin: a Monday, midnight, UTC.
const MACHINE_EPOCH: i64 = 1_704_067_200;

/// One univariate recording.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    /// The folder it lies in.
    pub(crate) group: String,
    /// The file's name without its ending.
    pub(crate) name: String,
    pub(crate) points: Vec<(EventTime, f64)>,
    /// A row's label by experts; empty where the set has windows instead.
    pub(crate) labels: Vec<bool>,
    /// Windows that hold an anomaly, both ends within.
    pub(crate) windows: Vec<(EventTime, EventTime)>,
}

impl Series {
    /// Rows of the windows.
    pub(crate) fn times(&self) -> Vec<EventTime> {
        self.points.iter().map(|(at, _)| *at).collect()
    }
}

/// One machine: many metrics on one clock, a normal past and a labelled present.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// Name and values of each metric: the past, then the present.
    pub(crate) metrics: Vec<Column>,
    pub(crate) times: Vec<EventTime>,
    /// Rows of the past.
    pub(crate) past: usize,
    /// Labels of the present.
    pub(crate) labels: Vec<bool>,
}

fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    if path.extension().is_some_and(|e| e == "gz") {
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes.as_slice())
            .read_to_string(&mut text)
            .with_context(|| format!("{} can't be unpacked", path.display()))?;
        return Ok(text);
    }
    String::from_utf8(bytes).with_context(|| format!("{} is no UTF-8", path.display()))
}

/// Folders of a folder, or files with this ending, by name.
fn entries(folder: &Path, ending: Option<&str>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let wanted = match ending {
            Some(ending) => name.ends_with(ending),
            None => entry.file_type()?.is_dir(),
        };
        if wanted {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Rows of `timestamp,value[,label]`; one without a number is left out, as nothing would have been measured.
fn series(folder: &Path, group: &str, file: &str) -> Result<Series> {
    let path = folder.join(group).join(file);
    let text = read(&path)?;
    let mut out = Series {
        group: group.to_owned(),
        name: file.trim_end_matches(".csv").to_owned(),
        points: Vec::new(),
        labels: Vec::new(),
        windows: Vec::new(),
    };
    for line in text.lines().skip(1) {
        let mut cells = line.split(',');
        let at = time(cells.next().unwrap_or_default())?;
        let Ok(value) = cells.next().unwrap_or_default().trim().parse::<f64>() else {
            continue;
        };
        if !value.is_finite() {
            continue;
        }
        out.points.push((at, value));
        if let Some(label) = cells.next() {
            out.labels.push(label.trim() == "1");
        }
    }
    ensure!(!out.points.is_empty(), "{} holds no row", path.display());
    Ok(out)
}

fn all_series(folder: &Path) -> Result<Vec<Series>> {
    let mut all = Vec::new();
    for group in entries(folder, None)? {
        for file in entries(&folder.join(&group), Some(".csv"))? {
            all.push(series(folder, &group, &file)?);
        }
    }
    Ok(all)
}

/// The Numenta Anomaly Benchmark with its windows.
pub(crate) fn nab(data: &Path) -> Result<Vec<Series>> {
    let folder = data.join("nab");
    let mut all = all_series(&folder)?;
    let text = read(&folder.join("combined_windows.json"))?;
    let windows: BTreeMap<String, Vec<(String, String)>> = serde_json::from_str(&text)?;
    for one in &mut all {
        let key = format!("{}/{}.csv", one.group, one.name);
        let of = windows
            .get(&key)
            .with_context(|| format!("no windows of {key}"))?;
        for (from, to) in of {
            one.windows.push((time(from)?, time(to)?));
        }
    }
    Ok(all)
}

/// What the leaderboard of NAB says: detector, then profile.
pub(crate) fn nab_published(data: &Path) -> Result<BTreeMap<String, BTreeMap<String, f64>>> {
    Ok(serde_json::from_str(&read(
        &data.join("nab/published_scores.json"),
    )?)?)
}

/// Microsoft's cloud telemetry with its labels.
pub(crate) fn mscloud(data: &Path) -> Result<Vec<Series>> {
    all_series(&data.join("mscloud"))
}

/// A metric's name and its values.
type Column = (String, Vec<f64>);

/// Columns of a table `minute,…[,label]`, and the minutes.
fn columns(path: &Path) -> Result<(Vec<i64>, Vec<Column>)> {
    let text = read(path)?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').skip(1).collect();
    let mut columns: Vec<Column> = names
        .iter()
        .map(|name| ((*name).to_owned(), Vec::new()))
        .collect();
    let mut minutes = Vec::new();
    for line in lines {
        let mut cells = line.split(',');
        minutes.push(cells.next().unwrap_or_default().parse::<f64>()? as i64);
        for (column, cell) in columns.iter_mut().zip(cells) {
            column.1.push(
                cell.trim()
                    .parse()
                    .with_context(|| format!("`{cell}` in {}", path.display()))?,
            );
        }
    }
    for (name, values) in &columns {
        ensure!(
            values.len() == minutes.len(),
            "{name} of {} is not whole",
            path.display()
        );
    }
    Ok((minutes, columns))
}

/// Machines of a folder, `smd` or `asd`; without their past when `cold`.
pub(crate) fn machines(data: &Path, set: &str, cold: bool) -> Result<Vec<Machine>> {
    let folder = data.join(set);
    let mut all = Vec::new();
    for file in entries(&folder, Some("_test.csv.gz"))? {
        let name = file.trim_end_matches("_test.csv.gz").to_owned();
        let (minutes, mut metrics) = columns(&folder.join(&file))?;
        let (label, marks) = metrics.pop().context("no column")?;
        ensure!(label == "label", "the last column of {file} is `{label}`");
        let step = minutes.get(1).zip(minutes.first()).map_or(1, |(b, a)| b - a);
        let mut past = 0;
        if !cold {
            let (before, columns) = columns(&folder.join(format!("{name}_train.csv.gz")))?;
            past = before.len();
            for ((_, present), (_, mut values)) in metrics.iter_mut().zip(columns) {
                values.append(present);
                *present = values;
            }
        }
        let rows = i64::try_from(past + minutes.len())?;
        all.push(Machine {
            metrics,
            times: (0..rows)
                .map(|row| EventTime::from_secs(MACHINE_EPOCH + row * step * 60))
                .collect(),
            past,
            labels: marks.iter().map(|mark| *mark > 0.5).collect(),
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_manners() {
        let at = |text| time(text).unwrap();
        assert_eq!(at("1970-01-02 00:00:01"), EventTime::from_secs(86_401));
        assert_eq!(
            at("2014-04-01 00:05:00.000000"),
            EventTime::from_secs(1_396_310_700)
        );
        assert_eq!(at("2018-07-03T14:00:00Z"), EventTime::from_secs(1_530_626_400));
        assert_eq!(at("2024-02-29 00:00:00"), EventTime::from_secs(1_709_164_800));
        assert!(time("yesterday").is_err());
    }
}
