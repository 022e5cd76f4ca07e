//! Series for a picture: the lowest and the highest of each piece of time, so that no spike is lost and the size is bounded.
//!
//! Pieces are of time, not of rows: the order in which rows come changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use csv::StringRecord;
use forecall_types::EventTime;
use jiff::tz::TimeZone;

use super::time_text;

/// Pieces of all series together: 28 bytes each in the page, 7 MB.
const CELLS_MAX: usize = 262_144;
/// Pieces of one series at least, however many there are.
const CELLS_EACH_MIN: usize = 512;
/// Scores from here on are counted: one in a thousand.
const LOUD: f64 = 3.0;

/// What a series is like, over all of it.
#[derive(Debug, Clone)]
pub(super) struct Summary {
    pub(super) name: String,
    pub(super) rows: usize,
    pub(super) first: EventTime,
    pub(super) last: EventTime,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) scored: usize,
    /// Rows whose score is at least 3.
    pub(super) loud: usize,
    pub(super) top: f64,
}

/// A piece of time of a series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub(super) at: EventTime,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) band: Option<(f64, f64)>,
    pub(super) score: Option<f64>,
    pub(super) rows: u32,
}

/// A row of `scores.csv`.
struct Row<'r> {
    series: &'r str,
    at: EventTime,
    value: f64,
    score: Option<f64>,
    band: Option<(f64, f64)>,
}

/// Every row that could be read.
fn rows(scores: &Path, zone: &TimeZone, take: &mut dyn FnMut(Row<'_>)) -> anyhow::Result<()> {
    let failed = || format!("failed to read {}", scores.display());
    let mut reader = csv::Reader::from_path(scores).with_context(failed)?;
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).with_context(failed)? {
        let number = |column: usize| record.get(column)?.parse::<f64>().ok();
        let (Some(series), Some(value)) = (record.get(1), number(2).filter(|v| v.is_finite())) else {
            continue;
        };
        let Some(at) = record.get(0).and_then(|text| time_text::parse(text, zone)) else {
            continue;
        };
        take(Row {
            series,
            at,
            value,
            score: number(3),
            band: number(4).zip(number(5)),
        });
    }
    Ok(())
}

/// All series of `scores.csv`, by name.
pub(super) fn summaries(scores: &Path, zone: &TimeZone) -> anyhow::Result<Vec<Summary>> {
    let mut all: BTreeMap<String, Summary> = BTreeMap::new();
    rows(scores, zone, &mut |row| {
        let one = match all.get_mut(row.series) {
            Some(one) => one,
            None => all.entry(row.series.to_owned()).or_insert(Summary {
                name: row.series.to_owned(),
                rows: 0,
                first: row.at,
                last: row.at,
                low: row.value,
                high: row.value,
                scored: 0,
                loud: 0,
                top: 0.0,
            }),
        };
        one.rows += 1;
        one.first = one.first.min(row.at);
        one.last = one.last.max(row.at);
        one.low = one.low.min(row.value);
        one.high = one.high.max(row.value);
        if let Some(score) = row.score {
            one.scored += 1;
            one.loud += usize::from(score >= LOUD);
            one.top = one.top.max(score);
        }
    })?;
    Ok(all.into_values().collect())
}

/// The pieces of the series chosen, in time.
pub(super) fn cells(scores: &Path, zone: &TimeZone, chosen: &[Summary]) -> anyhow::Result<Vec<Vec<Cell>>> {
    let each = (CELLS_MAX / chosen.len().max(1)).max(CELLS_EACH_MIN);
    let places: BTreeMap<&str, usize> = chosen.iter().map(|s| s.name.as_str()).zip(0..).collect();
    let mut all: Vec<Vec<Option<Cell>>> = chosen.iter().map(|s| vec![None; s.rows.min(each)]).collect();
    rows(scores, zone, &mut |row| {
        let Some(place) = places.get(row.series) else {
            return;
        };
        if let (Some(summary), Some(cells)) = (chosen.get(*place), all.get_mut(*place)) {
            let piece = piece_of(row.at, (summary.first, summary.last), cells.len());
            if let Some(cell) = cells.get_mut(piece) {
                *cell = Some(Cell::with(*cell, &row));
            }
        }
    })?;
    Ok(all
        .into_iter()
        .map(|cells| cells.into_iter().flatten().collect())
        .collect())
}

/// Which of `count` pieces of the span a time lies in: evenly spaced rows that fit each have their own.
fn piece_of(at: EventTime, (first, last): (EventTime, EventTime), count: usize) -> usize {
    let whole = i128::from(last.nanos()) - i128::from(first.nanos());
    let from = i128::from(at.nanos()) - i128::from(first.nanos());
    let count = i128::try_from(count).unwrap_or(1);
    usize::try_from(from * (count - 1) / whole.max(1)).unwrap_or(0)
}

impl Cell {
    fn with(before: Option<Self>, row: &Row<'_>) -> Self {
        let Some(mut cell) = before else {
            return Self {
                at: row.at,
                low: row.value,
                high: row.value,
                band: row.band,
                score: row.score,
                rows: 1,
            };
        };
        cell.at = cell.at.min(row.at);
        cell.low = cell.low.min(row.value);
        cell.high = cell.high.max(row.value);
        cell.band = match (cell.band, row.band) {
            (Some((low, high)), Some((l, h))) => Some((low.min(l), high.max(h))),
            (one, other) => one.or(other),
        };
        cell.score = match (cell.score, row.score) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        };
        cell.rows += 1;
        cell
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn file(rows: &[(i64, &str, f64, &str)]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        let mut text = "timestamp,series,value,score,lower,upper\n".to_owned();
        for (at, series, value, rest) in rows {
            writeln!(text, "{at},{series},{value},{rest}").unwrap();
        }
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn few_rows_stand_as_they_are() {
        let rows: Vec<_> = (0..50_u32)
            .map(|i| (600 * i64::from(i), "a", 2.0 * f64::from(i), "3.5,1,2"))
            .collect();
        let (_folder, path) = file(&rows);
        let all = summaries(&path, &TimeZone::UTC).unwrap();
        assert_eq!((all[0].rows, all[0].loud, all[0].high), (50, 50, 98.0));
        let cells = cells(&path, &TimeZone::UTC, &all).unwrap().remove(0);
        assert_eq!(cells.len(), 50);
        for (cell, row) in cells.iter().zip(&rows) {
            assert_eq!(
                (cell.at.secs(), cell.low, cell.high, cell.rows),
                (row.0, row.2, row.2, 1)
            );
            assert_eq!((cell.band, cell.score), (Some((1.0, 2.0)), Some(3.5)));
        }
    }

    #[test]
    fn of_many_rows_no_spike_is_lost_whatever_their_order() {
        let many = 300_000_u32;
        let mut rows: Vec<_> = (0..many)
            .map(|i| {
                let spike = i == 123_457;
                let value = if spike { 99.0 } else { f64::from(i % 7) };
                (i64::from(i), "a", value, if spike { "9,0,5" } else { ",," })
            })
            .collect();
        let build = |rows: &[(i64, &str, f64, &str)]| {
            let (_folder, path) = file(rows);
            let all = summaries(&path, &TimeZone::UTC).unwrap();
            cells(&path, &TimeZone::UTC, &all).unwrap().remove(0)
        };
        let cells = build(&rows);
        assert!(cells.len() <= CELLS_MAX, "{}", cells.len());
        assert_eq!(
            cells.iter().map(|c| i64::from(c.rows)).sum::<i64>(),
            i64::from(many)
        );
        let top = cells.iter().filter(|c| c.high > 50.0).collect::<Vec<_>>();
        assert_eq!(top.len(), 1);
        assert_eq!((top[0].score, top[0].band), (Some(9.0), Some((0.0, 5.0))));
        assert!((top[0].at.secs() - 123_457).abs() <= 2);
        rows.reverse();
        let again = build(&rows);
        assert_eq!(format!("{cells:?}"), format!("{again:?}"));
    }
}
