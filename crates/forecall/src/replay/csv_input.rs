//! CSV: wide (`timestamp,value`) and long (`timestamp,series,value`, further columns are labels). The header decides.

use csv::{ByteRecord, ReaderBuilder};
use forecall_types::{LABEL_VALUE_BYTES_MAX, LABELS_MAX, Labels};
use jiff::tz::TimeZone;

use super::input::{Input, number};
use super::time_text;

/// Which column holds what.
struct Columns {
    timestamp: usize,
    value: usize,
    series: Option<usize>,
    /// Only in the long form.
    labels: Vec<(usize, String)>,
}

impl Columns {
    fn of(header: &ByteRecord) -> Result<Self, String> {
        let names: Vec<String> = header
            .iter()
            .map(|name| {
                String::from_utf8_lossy(name)
                    .trim()
                    .trim_start_matches('\u{feff}')
                    .to_owned()
            })
            .collect();
        let find = |wanted: &str| names.iter().position(|n| n.eq_ignore_ascii_case(wanted));
        let need = |wanted: &str| find(wanted).ok_or_else(|| format!("its header has no column `{wanted}`"));
        let (timestamp, value, series) = (need("timestamp")?, need("value")?, find("series"));
        let taken = [Some(timestamp), Some(value), series];
        let labels: Vec<(usize, String)> = (0..)
            .zip(names)
            .filter(|(i, name)| series.is_some() && !taken.contains(&Some(*i)) && !name.is_empty())
            .collect();
        if labels.len() > LABELS_MAX {
            return Err(format!(
                "it has {} label columns, {LABELS_MAX} are allowed",
                labels.len()
            ));
        }
        Ok(Self {
            timestamp,
            value,
            series,
            labels,
        })
    }
}

/// Reads a file into `input`; `name` is the series of the wide form. A file with another header is left alone.
pub(super) fn read(input: &mut Input, path: &str, name: &str, bytes: &[u8], zone: &TimeZone) {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(bytes);
    let columns = match reader
        .byte_headers()
        .map_err(|e| e.to_string())
        .and_then(Columns::of)
    {
        Ok(columns) => columns,
        Err(why) => return input.leave_alone(path, &why),
    };
    input.begin(path, bytes);
    let wide = columns
        .series
        .is_none()
        .then(|| input.intern(name, "", Labels::default()));
    let mut record = ByteRecord::new();
    // A slice can't fail to be read, and rows of any length and bytes are taken: the reader gives no errors.
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        let line = record.position().map_or(0, csv::Position::line);
        let text = |column: usize| String::from_utf8_lossy(record.get(column).unwrap_or_default());
        let (timestamp, value) = (text(columns.timestamp), text(columns.value));
        let shown = columns.series.map_or_else(|| name.into(), text);
        let read = (|| {
            let at = time_text::parse(&timestamp, zone).ok_or("the timestamp can't be read")?;
            let value = number(&value)?;
            let series = match &wide {
                Some(series) => series.clone()?,
                None => {
                    let labels: Vec<_> = columns.labels.iter().map(|(i, name)| (name, text(*i))).collect();
                    if labels.iter().any(|(_, v)| v.len() > LABEL_VALUE_BYTES_MAX) {
                        return Err(format!("a label is longer than {LABEL_VALUE_BYTES_MAX} bytes"));
                    }
                    input.intern(&shown, "", Labels::from_pairs(labels))?
                }
            };
            Ok((at, value, series))
        })();
        input.add(line, (&timestamp, &value), &shown, read);
    }
}
