use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use crate::cell::{Cell, Column, Kind};
use crate::chunk::Chunk;
use crate::error::TableError;

/// Rows of a column held at once: a batch of 20 columns of texts is some MiB.
const BATCH_ROWS: usize = 8_192;
/// The beginning and the end of every file.
const MAGIC: &[u8] = b"PAR1";
/// The end of a file whose footer is encrypted.
const MAGIC_ENCRYPTED: &[u8] = b"PARE";
/// Magic at both ends, and the footer's length.
const BYTES_MIN: usize = 12;

/// How the values of a column become cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum How {
    /// As they stand.
    Plain,
    /// Whole numbers that are never below 0.
    Unsigned,
    /// Whole numbers of this many decimals.
    Decimal(f64),
    /// Times since 1970: nanoseconds of one.
    Instant(i64),
    /// The same of a clock without a zone.
    Local(i64),
    /// Bytes that are text.
    Text,
    /// Big-endian whole numbers of this many decimals.
    DecimalBytes(f64),
    /// Halves of a float.
    Half,
}

/// A table in memory.
pub struct Table {
    reader: SerializedFileReader<Bytes>,
    columns: Vec<Column>,
    hows: Vec<How>,
    rows: u64,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("columns", &self.columns)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// Reads the footer of a file.
    ///
    /// # Errors
    /// The bytes are none of Parquet, are cut short, encrypted, or their footer can't be read.
    pub fn open(bytes: Bytes) -> Result<Self, TableError> {
        if bytes.ends_with(MAGIC_ENCRYPTED) && bytes.len() >= BYTES_MIN {
            return Err(TableError::Encrypted);
        }
        if !bytes.starts_with(MAGIC) {
            return Err(TableError::NotParquet);
        }
        if bytes.len() < BYTES_MIN || !bytes.ends_with(MAGIC) {
            return Err(TableError::CutShort { bytes: bytes.len() });
        }
        let reader = guarded(|| SerializedFileReader::new(bytes)).map_err(TableError::Footer)?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let kinds = schema.columns().iter().map(|column| kind(column));
        let (kinds, hows): (Vec<Kind>, Vec<How>) = kinds.unzip();
        let name = |column: &ColumnDescriptor| column.path().string();
        let named = schema.columns().iter().map(|column| name(column)).zip(kinds);
        let columns = named.map(|(name, kind)| Column { name, kind }).collect();
        let rows = reader
            .metadata()
            .row_groups()
            .iter()
            .map(|group| u64::try_from(group.num_rows()).unwrap_or(0))
            .sum();
        Ok(Self {
            reader,
            columns,
            hows,
            rows,
        })
    }

    /// Its columns, in their order; one in a group is named `group.column`.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The number of the first column of this name, in capitals or not.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// How many rows its footer promises.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Shows the wanted columns of every row, in order; rows are counted from 1. Rows before one that can't be read have been
    /// shown when the error comes.
    ///
    /// # Errors
    /// A column can't be made cells of, or part of the file can't be read.
    pub fn read(&self, wanted: &[usize], visit: &mut dyn FnMut(u64, &[Cell<'_>])) -> Result<(), TableError> {
        for number in wanted {
            let column = self.columns.get(*number).ok_or(TableError::NoColumn(*number))?;
            if let Kind::Other(what) = column.kind {
                return Err(TableError::Column {
                    column: column.name.clone(),
                    what,
                });
            }
        }
        let mut row = 1_u64;
        for group in 0..self.reader.num_row_groups() {
            row = self.read_group(group, row, wanted, visit)?;
        }
        Ok(())
    }

    fn read_group(
        &self,
        group: usize,
        first: u64,
        wanted: &[usize],
        visit: &mut dyn FnMut(u64, &[Cell<'_>]),
    ) -> Result<u64, TableError> {
        let failed = |number: usize, row: u64, why: String| TableError::Rows {
            column: self
                .columns
                .get(number)
                .map_or_else(String::new, |c| c.name.clone()),
            row,
            why,
        };
        let reader = guarded(|| self.reader.get_row_group(group)).map_err(|e| failed(0, first, e))?;
        let mut left = u64::try_from(reader.metadata().num_rows()).unwrap_or(0);
        let mut chunks = Vec::with_capacity(wanted.len());
        for number in wanted {
            let column =
                guarded(|| reader.get_column_reader(*number)).map_err(|e| failed(*number, first, e))?;
            let how = self.hows.get(*number).copied().unwrap_or(How::Plain);
            let there = reader
                .metadata()
                .schema_descr()
                .columns()
                .get(*number)
                .map_or(0, |column| column.max_def_level());
            chunks.push((*number, Chunk::new(column.into(), how, there)));
        }
        let mut row = first;
        while left > 0 {
            let batch = usize::try_from(left).unwrap_or(BATCH_ROWS).min(BATCH_ROWS);
            for (number, chunk) in &mut chunks {
                let read = guarded(|| chunk.fill(batch)).map_err(|e| failed(*number, row, e))?;
                if read < batch {
                    let at = row + u64::try_from(read).unwrap_or(0);
                    return Err(failed(
                        *number,
                        at,
                        "its pages hold fewer rows than its footer says".to_owned(),
                    ));
                }
            }
            let mut cursors = vec![0_usize; chunks.len()];
            let mut cells: Vec<Cell<'_>> = Vec::with_capacity(chunks.len());
            for place in 0..batch {
                cells.clear();
                for ((_, chunk), cursor) in chunks.iter().zip(&mut cursors) {
                    cells.push(chunk.cell(place, cursor));
                }
                visit(row, &cells);
                row += 1;
            }
            left -= u64::try_from(batch).unwrap_or(left);
        }
        Ok(row)
    }
}

/// What the library makes of bytes; it panics on some that are damaged.
fn guarded<T>(work: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(made)) => Ok(made),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("its bytes are damaged".to_owned()),
    }
}

/// Nanoseconds of a unit.
const fn nanos(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1_000_000,
        TimeUnit::MICROS => 1_000,
        TimeUnit::NANOS => 1,
    }
}

fn scale(decimals: i32) -> f64 {
    // Powers of ten up to 22 are exact; beyond them nobody writes decimals.
    (0..decimals.clamp(0, 38)).fold(1.0, |power, _| power * 10.0)
}

/// What a column holds, and how its values become cells.
fn kind(column: &ColumnDescriptor) -> (Kind, How) {
    if column.max_rep_level() > 0 {
        return (Kind::Other("lists or maps"), How::Plain);
    }
    let logical = column.logical_type_ref();
    match logical {
        Some(LogicalType::Timestamp(stamp)) => {
            let each = nanos(&stamp.unit);
            return if stamp.is_adjusted_to_u_t_c {
                (Kind::Instant, How::Instant(each))
            } else {
                (Kind::Local, How::Local(each))
            };
        }
        Some(LogicalType::Time(_)) => return (Kind::Other("times of day without a date"), How::Plain),
        Some(LogicalType::Uuid) => return (Kind::Other("UUIDs in binary"), How::Plain),
        Some(LogicalType::Bson) => return (Kind::Other("BSON"), How::Plain),
        Some(LogicalType::Date) => return (Kind::Local, How::Local(86_400_000_000_000)),
        _ => {}
    }
    let decimal =
        matches!(logical, Some(LogicalType::Decimal(_))) || column.converted_type() == ConvertedType::DECIMAL;
    let unsigned = matches!(logical, Some(LogicalType::Integer(int)) if !int.is_signed);
    match (column.physical_type(), column.converted_type()) {
        (Physical::BOOLEAN, _) => (Kind::Flag, How::Plain),
        (Physical::INT64, ConvertedType::TIMESTAMP_MILLIS) => (Kind::Instant, How::Instant(1_000_000)),
        (Physical::INT64, ConvertedType::TIMESTAMP_MICROS) => (Kind::Instant, How::Instant(1_000)),
        (Physical::INT32, ConvertedType::DATE) => (Kind::Local, How::Local(86_400_000_000_000)),
        (Physical::INT32, ConvertedType::TIME_MILLIS) | (Physical::INT64, ConvertedType::TIME_MICROS) => {
            (Kind::Other("times of day without a date"), How::Plain)
        }
        (Physical::INT32 | Physical::INT64, _) if decimal => {
            (Kind::Number, How::Decimal(scale(column.type_scale())))
        }
        (Physical::INT32 | Physical::INT64, _) if unsigned => (Kind::Whole, How::Unsigned),
        (Physical::INT32 | Physical::INT64, _) => (Kind::Whole, How::Plain),
        // What Spark and Impala wrote before there were logical types: always UTC.
        (Physical::INT96, _) => (Kind::Instant, How::Instant(1)),
        (Physical::FLOAT | Physical::DOUBLE, _) => (Kind::Number, How::Plain),
        (Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY, _) if decimal => {
            (Kind::Number, How::DecimalBytes(scale(column.type_scale())))
        }
        (Physical::FIXED_LEN_BYTE_ARRAY, _) if matches!(logical, Some(LogicalType::Float16)) => {
            (Kind::Number, How::Half)
        }
        // Without a logical type bytes are most often text; those that aren't are bad cells, one by one.
        (Physical::BYTE_ARRAY, _) => (Kind::Text, How::Text),
        (Physical::FIXED_LEN_BYTE_ARRAY, _) => (Kind::Other("bytes of a fixed length"), How::Plain),
    }
}
