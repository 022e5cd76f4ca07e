//! Tables in Parquet, read and written row by row.
//!
//! It knows flat tables alone, as files of telemetry and of calls are: columns of numbers, texts, flags and times. It knows
//! nothing of what columns mean, nor of Arrow. What can't be read is an error that names the row it begins at; a column of a
//! kind that no cell can hold (lists, maps, bytes) is there with its name, and is refused when it is asked for. The same rows
//! give the same bytes.
//!
//! ```
//! use forecall_table::{Cell, Kind, Sheet, Table};
//!
//! let mut sheet = Sheet::new(Vec::new(), &[("at", Kind::Instant), ("value", Kind::Number)])?;
//! sheet.row(&[Cell::Instant(1_500_000_000), Cell::Number(2.5)])?;
//! sheet.row(&[Cell::Instant(2_500_000_000), Cell::Empty])?;
//! let table = Table::open(sheet.finish()?.into())?;
//! assert_eq!(table.rows(), 2);
//! let value = table.column("value").ok_or("no such column")?;
//! let mut sum = 0.0;
//! table.read(&[value], &mut |_, cells| {
//!     if let [Cell::Number(value)] = cells {
//!         sum += value;
//!     }
//! })?;
//! assert!((sum - 2.5).abs() < 1e-12);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cell;
mod chunk;
mod error;
mod read;
mod write;

pub use cell::{Cell, Column, Kind};
pub use error::TableError;
pub use read::Table;
pub use write::Sheet;
