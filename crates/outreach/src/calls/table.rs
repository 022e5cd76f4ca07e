//! A history as text: `start,calls`, one row an interval, read into a [`History`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forecall_types::EventTime;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::backtest::History;
use super::calendar::{Calendar, Place, Zone};

const DAY_SECONDS: u64 = 86_400;
/// Rows of a file: nine years of single minutes.
pub const ROWS_MAX: usize = 5_000_000;
/// More calls than this in one row are a wrong column.
const CALLS_MAX: f64 = 1e9;
const HEADER: &str = "start,calls";

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {wrong}")]
pub struct TableError {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What may be wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Another first line.
    #[error("the header has to be `start,calls`, and is `{0}`")]
    Header(String),
    /// Not two fields.
    #[error("it takes two fields, a start and a number of calls; there are {0}")]
    Fields(usize),
    /// No time.
    #[error("`{0}` is no time: write 2026-11-29 13:30:00, or with an offset 2026-11-29T13:30:00+03:30")]
    Time(String),
    /// No count.
    #[error(
        "`{0}` is no number of calls: it takes a whole number, 0 or more; leave the field empty where it is not known"
    )]
    Calls(String),
    /// The same start again.
    #[error("{start} comes a second time (first in line {first}): leave one, or add them up")]
    Twice {
        /// As written.
        start: String,
        /// Where it came first.
        first: usize,
    },
    /// Off the grid.
    #[error(
        "{start} is off the file's own step of {step}: starts lie on multiples of it, counted from midnight"
    )]
    OffStep {
        /// As written.
        start: String,
        /// The step, in words.
        step: String,
    },
    /// Some rows have an offset and some don't, or they differ.
    #[error("`{0}` has another offset than the rows before: name the time zone (--zone Europe/Berlin)")]
    Offsets(String),
    /// Rows longer than asked.
    #[error(
        "the file's own step is {step}, coarser than the interval of {interval}: ask for an interval that is a multiple of {step}"
    )]
    Coarse {
        /// Of the file.
        step: String,
        /// Asked for.
        interval: String,
    },
    /// Doesn't divide.
    #[error(
        "the file's own step of {step} doesn't divide the interval of {interval}: ask for a multiple of {step}"
    )]
    Uneven {
        /// Of the file.
        step: String,
        /// Asked for.
        interval: String,
    },
    /// Too long.
    #[error("more than {ROWS_MAX} rows: leave out the oldest years")]
    Rows,
    /// Nothing to learn from.
    #[error("there are too few rows to tell the file's step: it takes two at least")]
    Empty,
}

/// How the file wrote its times, so that answers are written alike.
#[derive(Debug, Clone, PartialEq)]
enum Style {
    /// Wall clock; in a zone if one was named.
    Local(Option<TimeZone>),
    /// Wall clock and a fixed offset.
    Fixed(String),
    /// With the zone's offset at the time.
    Zoned(TimeZone),
}

/// A file's counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Complete intervals.
    pub history: History,
    /// The file's own step.
    pub step: Duration,
    /// Rows read.
    pub rows: usize,
    /// Intervals left out, because rows were missing that their time of day has on other days.
    pub incomplete: usize,
    style: Style,
}

/// How to read a file.
#[derive(Debug, Clone)]
pub struct TableSettings {
    /// Length of an interval; it divides the day.
    pub interval: Duration,
    /// Where the days run; without it the times are taken as they are written.
    pub zone: Option<Zone>,
    /// Days, since 1970-01-01, that are like no weekday.
    pub holidays: BTreeSet<i64>,
}

impl Table {
    /// A time as the file would write it.
    pub fn text(&self, at: EventTime) -> String {
        let Ok(timestamp) = Timestamp::from_second(at.secs()) else {
            return String::new();
        };
        let civil = |zone: &TimeZone| zone.to_datetime(timestamp);
        let plain = |t: DateTime| format!("{} {}", t.date(), t.time());
        match &self.style {
            Style::Local(zone) => plain(civil(zone.as_ref().unwrap_or(&TimeZone::UTC))),
            Style::Fixed(offset) => {
                let t = civil(&TimeZone::UTC);
                format!("{}T{}{offset}", t.date(), t.time())
            }
            Style::Zoned(zone) => {
                let (t, offset) = (civil(zone), zone.to_offset(timestamp).seconds());
                let sign = if offset < 0 { '-' } else { '+' };
                let minutes = offset.abs() / 60;
                format!(
                    "{}T{}{sign}{:02}:{:02}",
                    t.date(),
                    t.time(),
                    minutes / 60,
                    minutes % 60
                )
            }
        }
    }
}

struct Row {
    line: usize,
    at: EventTime,
    calls: Option<f64>,
}

/// A length of time in words.
pub fn in_words(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds.is_multiple_of(3600) && seconds > 0 {
        format!("{} h", seconds / 3600)
    } else if seconds.is_multiple_of(60) {
        format!("{} min", seconds / 60)
    } else {
        format!("{seconds} s")
    }
}

/// Reads a file's text. Finer rows are added up; an interval with fewer rows than its time of day has had is left out, for it
/// would count too few.
///
/// # Errors
/// The first line that is wrong.
pub fn read_table(text: &str, settings: &TableSettings) -> Result<Table, TableError> {
    let (rows, style) = rows(text, settings)?;
    let zone = match (&settings.zone, &style) {
        (Some(zone), _) => zone.clone(),
        (None, _) => Zone::utc(),
    };
    let calendar = Calendar::new(zone, settings.interval).with_holidays(settings.holidays.clone());
    let step = step_of(&rows)?;
    let interval = settings.interval.as_secs();
    let words = || (in_words(Duration::from_secs(step)), in_words(settings.interval));
    let wrong = |line: usize, wrong: Wrong| TableError { line, wrong };
    if step > interval {
        let (step, interval) = words();
        return Err(wrong(2, Wrong::Coarse { step, interval }));
    }
    if !interval.is_multiple_of(step) {
        let (step, interval) = words();
        return Err(wrong(2, Wrong::Uneven { step, interval }));
    }
    let mut sums: BTreeMap<(Place, EventTime), (f64, u32, bool)> = BTreeMap::new();
    for row in &rows {
        let local = calendar.local_seconds(row.at);
        if !local.is_multiple_of(step) {
            let start = text.lines().nth(row.line - 1).unwrap_or_default();
            let start = start.split(',').next().unwrap_or_default().to_owned();
            let (step, _) = words();
            return Err(wrong(row.line, Wrong::OffStep { start, step }));
        }
        let start = row.at.minus(Duration::from_secs(local % interval));
        let own = sums.entry((calendar.place(row.at), start)).or_default();
        own.0 += row.calls.unwrap_or(0.0);
        own.1 += 1;
        own.2 |= row.calls.is_none();
    }
    // What an interval has at most is judged by the past alone, as all else.
    let mut most: BTreeMap<u16, u32> = BTreeMap::new();
    let mut incomplete = 0;
    let mut counts = Vec::with_capacity(sums.len());
    for ((place, start), (calls, found, has_gap)) in sums {
        let usual = most.entry(place.slot).or_default();
        *usual = found.max(*usual);
        if has_gap || found < *usual {
            incomplete += 1;
        } else {
            counts.push((start, calls));
        }
    }
    Ok(Table {
        history: History::new(calendar, counts),
        step: Duration::from_secs(step),
        rows: rows.len(),
        incomplete,
        style,
    })
}

/// The commonest step from a row to the next.
fn step_of(rows: &[Row]) -> Result<u64, TableError> {
    let mut times: Vec<EventTime> = rows.iter().map(|row| row.at).collect();
    times.sort_unstable();
    let mut steps: BTreeMap<u64, usize> = BTreeMap::new();
    for (one, next) in times.iter().zip(times.iter().skip(1)) {
        *steps.entry(next.since(*one).as_secs()).or_default() += 1;
    }
    steps
        .into_iter()
        .filter(|(step, _)| (1..=DAY_SECONDS).contains(step))
        .max_by_key(|(step, count)| (*count, DAY_SECONDS - step))
        .map(|(step, _)| step)
        .ok_or(TableError {
            line: 1,
            wrong: Wrong::Empty,
        })
}

fn rows(text: &str, settings: &TableSettings) -> Result<(Vec<Row>, Style), TableError> {
    let mut style: Option<Style> = None;
    let mut seen: BTreeMap<EventTime, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let wrong = |wrong: Wrong| TableError {
            line: number + 1,
            wrong,
        };
        let line = line.trim();
        if number == 0 {
            if line.replace([' ', '"'], "") != HEADER {
                return Err(wrong(Wrong::Header(line.chars().take(80).collect())));
            }
            continue;
        }
        if line.is_empty() {
            continue;
        }
        if rows.len() >= ROWS_MAX {
            return Err(wrong(Wrong::Rows));
        }
        let fields: Vec<&str> = line.split(',').map(|f| f.trim().trim_matches('"')).collect();
        let [start, calls] = fields.as_slice() else {
            return Err(wrong(Wrong::Fields(fields.len())));
        };
        let short = || start.chars().take(40).collect::<String>();
        let calls = count_of(calls).map_err(wrong)?;
        let stamp = stamp_of(start).ok_or_else(|| wrong(Wrong::Time(short())))?;
        let found = stamp.style(settings.zone.as_ref());
        if *style.get_or_insert_with(|| found.clone()) != found {
            return Err(wrong(Wrong::Offsets(short())));
        }
        let mut at = stamp.at(settings.zone.as_ref(), false);
        if let (Some(first), Some(early)) = (at.and_then(|at| seen.get(&at)), at) {
            // The hour that clocks repeat comes twice on the wall.
            let late = stamp.at(settings.zone.as_ref(), true);
            if late == Some(early) || late.is_some_and(|late| seen.contains_key(&late)) {
                let (start, first) = (short(), *first);
                return Err(wrong(Wrong::Twice { start, first }));
            }
            at = late;
        }
        let at = at.ok_or_else(|| wrong(Wrong::Time(short())))?;
        seen.insert(at, number + 1);
        rows.push(Row {
            line: number + 1,
            at,
            calls,
        });
    }
    let style = style.ok_or(TableError {
        line: 1,
        wrong: Wrong::Empty,
    })?;
    Ok((rows, style))
}

fn count_of(text: &str) -> Result<Option<f64>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_count = |calls: &f64| (0.0..=CALLS_MAX).contains(calls) && calls.fract().abs() < 1e-9;
    let calls = text.parse::<f64>().ok().filter(is_count);
    calls
        .map(Some)
        .ok_or_else(|| Wrong::Calls(text.chars().take(40).collect()))
}

struct Stamp<'a> {
    civil: DateTime,
    /// As written, and in seconds.
    offset: Option<(&'a str, i64)>,
}

impl Stamp<'_> {
    fn style(&self, zone: Option<&Zone>) -> Style {
        match (&self.offset, zone) {
            (Some(_), Some(zone)) => Style::Zoned(zone.time_zone().clone()),
            (Some((offset, _)), None) => Style::Fixed((*offset).to_owned()),
            (None, zone) => Style::Local(zone.map(|zone| zone.time_zone().clone())),
        }
    }

    /// Without a zone the wall clock is taken as it is.
    fn at(&self, zone: Option<&Zone>, is_late: bool) -> Option<EventTime> {
        let wall = self.civil.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let at = match (zone, self.offset) {
            (None, _) => wall,
            (Some(_), Some((_, offset))) => wall.checked_sub(SignedDuration::from_secs(offset)).ok()?,
            (Some(zone), None) => {
                let ambiguous = zone.time_zone().to_ambiguous_timestamp(self.civil);
                match ambiguous.offset() {
                    AmbiguousOffset::Fold { .. } if is_late => ambiguous.later().ok()?,
                    AmbiguousOffset::Fold { .. }
                    | AmbiguousOffset::Gap { .. }
                    | AmbiguousOffset::Unambiguous { .. } => ambiguous.compatible().ok()?,
                }
            }
        };
        Some(EventTime::from_secs(at.as_second()))
    }
}

fn stamp_of(text: &str) -> Option<Stamp<'_>> {
    // Behind the date, a sign or a Z begins the offset.
    let begins = text
        .char_indices()
        .skip(10)
        .find(|(_, c)| matches!(c, '+' | '-' | 'Z' | 'z'));
    let Some((at, _)) = begins else {
        let civil = text.parse().ok()?;
        return Some(Stamp { civil, offset: None });
    };
    let (wall, offset) = text.split_at_checked(at)?;
    Some(Stamp {
        civil: wall.trim().parse().ok()?,
        offset: Some((offset, offset_of(offset)?)),
    })
}

fn offset_of(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = text.split_at_checked(1)?;
    let digits: String = rest.chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (digits.as_str(), "0"),
        4 => digits.split_at_checked(2)?,
        _ => return None,
    };
    let (hours, minutes) = (hours.parse::<i64>().ok()?, minutes.parse::<i64>().ok()?);
    let seconds = hours * 3600 + minutes * 60;
    let is_real = hours <= 18 && minutes < 60;
    is_real.then_some(if sign == "-" { -seconds } else { seconds })
}
