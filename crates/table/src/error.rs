/// Why a table can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The bytes begin otherwise than Parquet does.
    #[error("it is no Parquet file: it doesn't begin with PAR1")]
    NotParquet,
    /// The bytes begin as Parquet does and end before they should.
    #[error(
        "it is cut short: a Parquet file ends with its footer, and this one has {bytes} bytes without one"
    )]
    CutShort {
        /// How many there are.
        bytes: usize,
    },
    /// Footers may be encrypted.
    #[error("it is encrypted: write it without encryption")]
    Encrypted,
    /// What the footer says can't be so.
    #[error("its footer can't be read: {0}")]
    Footer(String),
    /// A column that no cell can hold was asked for.
    #[error("column `{column}` holds {what}, of which nothing here can be made")]
    Column {
        /// Its name.
        column: String,
        /// What it holds.
        what: &'static str,
    },
    /// A column has no such number.
    #[error("there is no column {0}")]
    NoColumn(usize),
    /// Part of the table can't be read.
    #[error("column `{column}` can't be read from row {row} on: {why}")]
    Rows {
        /// Its name.
        column: String,
        /// The first row concerned, counted from 1.
        row: u64,
        /// What the file does wrong.
        why: String,
    },
    /// A row has other cells than the table has columns.
    #[error("a row for {columns} columns has {cells} cells, or one of another kind")]
    Shape {
        /// Columns.
        columns: usize,
        /// Cells of the row.
        cells: usize,
    },
    /// The bytes could not be written.
    #[error("the table could not be written: {0}")]
    Write(String),
}
