//! Parquet: the tables that CSV has, with times and numbers that know what they are.

use std::borrow::Cow;

use anyhow::Context as _;
use forecall_table::{Cell, Kind, Table};
use forecall_types::EventTime;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::columns::{Columns, Mapping};
use super::input::Input;
use super::time_text;

/// A cell as CSV would have it.
fn text<'c>(cell: Cell<'c>) -> Result<Cow<'c, str>, &'static str> {
    Ok(match cell {
        Cell::Text(text) => text.into(),
        Cell::Instant(nanos) => time_text::write(EventTime::from_nanos(nanos)).into(),
        Cell::Local(nanos) => Timestamp::from_nanosecond(i128::from(nanos))
            .map_err(|_| "the time can't be read")?
            .to_zoned(TimeZone::UTC)
            .datetime()
            .to_string()
            .into(),
        // A flag is a gauge of 0 and 1.
        Cell::Flag(flag) => if flag { "1" } else { "0" }.into(),
        Cell::Bad(why) => return Err(why),
        Cell::Empty | Cell::Whole(_) | Cell::Number(_) => cell.to_string().into(),
    })
}

/// Reads a file into `input`. A table without the columns asked for is left alone.
///
/// # Errors
/// It is cut short or otherwise broken: half a file is not left alone in silence.
pub(super) fn read(
    input: &mut Input,
    (path, name): (&str, &str),
    bytes: Vec<u8>,
    zone: &TimeZone,
    mapping: &Mapping,
) -> anyhow::Result<()> {
    let bytes = bytes::Bytes::from(bytes);
    let table = Table::open(bytes.clone()).with_context(|| path.to_owned())?;
    let names: Vec<String> = table.columns().iter().map(|column| column.name.clone()).collect();
    let kind = |at: usize| table.columns().get(at).map(|column| column.kind);
    let is_value = |at: usize| matches!(kind(at), Some(Kind::Flag | Kind::Whole | Kind::Number));
    let mut columns = match Columns::of(&names, mapping, &is_value) {
        Ok(columns) => columns,
        Err(why) => {
            input.leave_alone(path, &why);
            return Ok(());
        }
    };
    // Lists among the labels are no labels; among the rest they are a mistake.
    columns.drop_labels(&|at| matches!(kind(at), Some(Kind::Other(_))));
    for (at, what) in columns.wanted() {
        let (Some(kind), Some(name)) = (kind(at), names.get(at)) else {
            continue;
        };
        let wrong = match kind {
            Kind::Other(holds) => Some(holds),
            Kind::Flag if what == "timestamps" => Some("flags"),
            Kind::Instant | Kind::Local if what == "values" => Some("times"),
            Kind::Flag | Kind::Whole | Kind::Number | Kind::Text | Kind::Instant | Kind::Local => None,
        };
        if let Some(holds) = wrong {
            input.leave_alone(
                path,
                &format!("its column `{name}` is to hold {what} and holds {holds}"),
            );
            return Ok(());
        }
    }
    input.begin(path, &bytes);
    let mut wanted: Vec<usize> = columns.wanted().into_iter().map(|(at, _)| at).collect();
    wanted.sort_unstable();
    wanted.dedup();
    table
        .read(&wanted, &mut |row, cells| {
            let cell = |at: usize| {
                let place = wanted.binary_search(&at).ok();
                let cell = place.and_then(|place| cells.get(place)).copied();
                text(cell.unwrap_or(Cell::Empty))
            };
            columns.take(input, (row, name), zone, &cell);
        })
        .with_context(|| path.to_owned())
}
