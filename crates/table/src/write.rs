use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use crate::cell::{Cell, Kind};
use crate::error::TableError;

/// Rows of a group: readers take one at a time.
const GROUP_ROWS: usize = 131_072;
/// Bytes of texts of a group, however few rows that is.
const GROUP_TEXT_BYTES: usize = 64 << 20;
/// What wrote a file, in its footer; no version, so that the bytes hang on the rows alone.
const WRITTEN_BY: &str = "forecall";

/// The cells of a column that aren't written yet.
enum Kept {
    Flag(Vec<bool>),
    Whole(Vec<i64>),
    Number(Vec<f64>),
    Text(Vec<ByteArray>),
}

struct Pending {
    kind: Kind,
    kept: Kept,
    /// 1 where a value is, 0 where none is.
    levels: Vec<i16>,
}

/// A table being written. Every column may have empty cells; texts and numbers are packed by zstd.
pub struct Sheet<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Pending>,
    rows: usize,
    text_bytes: usize,
}

impl<W: Write + Send> std::fmt::Debug for Sheet<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sheet")
            .field("columns", &self.columns.len())
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

fn failed(error: ParquetError) -> TableError {
    TableError::Write(error.to_string())
}

impl<W: Write + Send> Sheet<W> {
    /// A table of these columns.
    ///
    /// # Errors
    /// A column is of a kind that isn't written ([`Kind::Local`], [`Kind::Other`]), or nothing can be written.
    pub fn new(into: W, columns: &[(&str, Kind)]) -> Result<Self, TableError> {
        let mut fields = Vec::with_capacity(columns.len());
        let mut pending = Vec::with_capacity(columns.len());
        for (name, kind) in columns {
            let (physical, logical, kept) = match kind {
                Kind::Flag => (Physical::BOOLEAN, None, Kept::Flag(Vec::new())),
                Kind::Whole => (Physical::INT64, None, Kept::Whole(Vec::new())),
                Kind::Number => (Physical::DOUBLE, None, Kept::Number(Vec::new())),
                Kind::Text => (
                    Physical::BYTE_ARRAY,
                    Some(LogicalType::String),
                    Kept::Text(Vec::new()),
                ),
                Kind::Instant => (
                    Physical::INT64,
                    Some(LogicalType::timestamp(true, TimeUnit::NANOS)),
                    Kept::Whole(Vec::new()),
                ),
                Kind::Local | Kind::Other(_) => {
                    return Err(TableError::Write(format!(
                        "column `{name}` is of a kind that isn't written"
                    )));
                }
            };
            let field = Type::primitive_type_builder(name, physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical)
                .build()
                .map_err(failed)?;
            fields.push(Arc::new(field));
            pending.push(Pending {
                kind: *kind,
                kept,
                levels: Vec::new(),
            });
        }
        let schema = Type::group_type_builder("schema")
            .with_fields(fields)
            .build()
            .map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_created_by(WRITTEN_BY.to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let writer =
            SerializedFileWriter::new(into, Arc::new(schema), Arc::new(properties)).map_err(failed)?;
        Ok(Self {
            writer,
            columns: pending,
            rows: 0,
            text_bytes: 0,
        })
    }

    /// Adds a row: a cell for each column, of its kind or empty; a whole number is a number, too.
    ///
    /// # Errors
    /// Other cells than columns, or nothing can be written.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), TableError> {
        let shape = TableError::Shape {
            columns: self.columns.len(),
            cells: cells.len(),
        };
        let fits = |(column, cell): (&Pending, &Cell<'_>)| match cell {
            Cell::Empty => true,
            Cell::Flag(_) => column.kind == Kind::Flag,
            Cell::Whole(_) => matches!(column.kind, Kind::Whole | Kind::Number),
            Cell::Number(_) => column.kind == Kind::Number,
            Cell::Text(_) => column.kind == Kind::Text,
            Cell::Instant(_) => column.kind == Kind::Instant,
            Cell::Local(_) | Cell::Bad(_) => false,
        };
        if cells.len() != self.columns.len() || !self.columns.iter().zip(cells).all(fits) {
            return Err(shape);
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            match (&mut column.kept, cell) {
                (Kept::Flag(kept), Cell::Flag(value)) => kept.push(*value),
                (Kept::Whole(kept), Cell::Whole(value) | Cell::Instant(value)) => kept.push(*value),
                (Kept::Number(kept), Cell::Number(value)) => kept.push(*value),
                #[allow(clippy::cast_precision_loss, reason = "the column holds floats")]
                (Kept::Number(kept), Cell::Whole(value)) => kept.push(*value as f64),
                (Kept::Text(kept), Cell::Text(text)) => {
                    self.text_bytes += text.len();
                    kept.push(ByteArray::from(*text));
                }
                (_, _) => {
                    column.levels.push(0);
                    continue;
                }
            }
            column.levels.push(1);
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS || self.text_bytes >= GROUP_TEXT_BYTES {
            self.write_group()?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), TableError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for column in &mut self.columns {
            let levels = &column.levels;
            match &mut column.kept {
                Kept::Flag(kept) => put::<BoolType, W>(&mut group, kept, levels)?,
                Kept::Whole(kept) => put::<Int64Type, W>(&mut group, kept, levels)?,
                Kept::Number(kept) => put::<DoubleType, W>(&mut group, kept, levels)?,
                Kept::Text(kept) => put::<ByteArrayType, W>(&mut group, kept, levels)?,
            }
            column.levels.clear();
        }
        group.close().map_err(failed)?;
        (self.rows, self.text_bytes) = (0, 0);
        Ok(())
    }

    /// Writes what is left and the footer, and gives the writer back.
    ///
    /// # Errors
    /// Nothing can be written.
    pub fn finish(mut self) -> Result<W, TableError> {
        self.write_group()?;
        self.writer.into_inner().map_err(failed)
    }
}

/// Writes the next column of a group, and lets go of its values.
fn put<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &mut Vec<T::T>,
    levels: &[i16],
) -> Result<(), TableError> {
    let column = group.next_column().map_err(failed)?;
    let mut column = column.ok_or_else(|| TableError::Write("the schema has fewer columns".to_owned()))?;
    column
        .typed::<T>()
        .write_batch(values, Some(levels), None)
        .map_err(failed)?;
    values.clear();
    column.close().map_err(failed)
}
