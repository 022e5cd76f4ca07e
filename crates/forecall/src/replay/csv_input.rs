//! CSV: wide (`timestamp,value`) and long (`timestamp,series,value`, further columns are labels). The header decides.

use csv::{ByteRecord, ReaderBuilder};
use jiff::tz::TimeZone;

use super::columns::{Columns, Mapping};
use super::input::Input;

fn names(header: &ByteRecord) -> Vec<String> {
    let name = |name: &[u8]| {
        String::from_utf8_lossy(name)
            .trim()
            .trim_start_matches('\u{feff}')
            .to_owned()
    };
    header.iter().map(name).collect()
}

/// Reads a file into `input`; `name` is the series of a table that names none. A file with another header is left alone.
pub(super) fn read(
    input: &mut Input,
    (path, name): (&str, &str),
    bytes: &[u8],
    zone: &TimeZone,
    mapping: &Mapping,
) {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.byte_headers().map_err(|e| e.to_string());
    let mut columns = match header.and_then(|header| Columns::of(&names(header), mapping, &|_| true)) {
        Ok(columns) => columns,
        Err(why) => return input.leave_alone(path, &why),
    };
    input.begin(path, bytes);
    let mut record = ByteRecord::new();
    // A slice can't fail to be read, and rows of any length and bytes are taken: the reader gives no errors.
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |at: usize| Ok(String::from_utf8_lossy(record.get(at).unwrap_or_default()));
        columns.take(input, (line, name), zone, &cell);
    }
}
