//! A column of a group of rows, batch by batch.

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::errors::Result;

use crate::cell::Cell;
use crate::read::How;

/// The day number of 1970-01-01 in the count of days that `INT96` has.
const JULIAN_1970: i64 = 2_440_588;
const DAY_NANOS: i64 = 86_400_000_000_000;
const TOO_FAR: &str = "the time lies beyond the years 1677 to 2262";

/// A reader with the values of its batch.
pub(crate) enum Values {
    Flag(ColumnReaderImpl<BoolType>, Vec<bool>),
    Small(ColumnReaderImpl<Int32Type>, Vec<i32>),
    Whole(ColumnReaderImpl<Int64Type>, Vec<i64>),
    Old(ColumnReaderImpl<Int96Type>, Vec<Int96>),
    Single(ColumnReaderImpl<FloatType>, Vec<f32>),
    Double(ColumnReaderImpl<DoubleType>, Vec<f64>),
    Bytes(ColumnReaderImpl<ByteArrayType>, Vec<ByteArray>),
    Fixed(ColumnReaderImpl<FixedLenByteArrayType>, Vec<FixedLenByteArray>),
}

/// One column of one group of rows.
pub(crate) struct Chunk {
    values: Values,
    how: How,
    /// Of each row of the batch, how much of its path is there.
    levels: Vec<i16>,
    /// The level at which the value itself is there; 0: it always is.
    there: i16,
}

/// Reads the next rows of one kind.
macro_rules! fill {
    ($reader:expr, $values:expr, $levels:expr, $rows:expr) => {{
        $values.clear();
        $reader.read_records($rows, Some($levels), None, $values)?.0
    }};
}

impl Chunk {
    /// `there` is the level of a value that is there; 0 where it always is.
    pub(crate) const fn new(reader: Values, how: How, there: i16) -> Self {
        Self {
            values: reader,
            how,
            levels: Vec::new(),
            there,
        }
    }

    /// Reads the next `rows` rows; fewer only where there are no more.
    pub(crate) fn fill(&mut self, rows: usize) -> Result<usize> {
        self.levels.clear();
        let levels = &mut self.levels;
        Ok(match &mut self.values {
            Values::Flag(reader, values) => fill!(reader, values, levels, rows),
            Values::Small(reader, values) => fill!(reader, values, levels, rows),
            Values::Whole(reader, values) => fill!(reader, values, levels, rows),
            Values::Old(reader, values) => fill!(reader, values, levels, rows),
            Values::Single(reader, values) => fill!(reader, values, levels, rows),
            Values::Double(reader, values) => fill!(reader, values, levels, rows),
            Values::Bytes(reader, values) => fill!(reader, values, levels, rows),
            Values::Fixed(reader, values) => fill!(reader, values, levels, rows),
        })
    }

    /// The cell of the batch's row `place`; `next` is the first value not shown yet.
    pub(crate) fn cell(&self, place: usize, next: &mut usize) -> Cell<'_> {
        if self.there > 0 && self.levels.get(place).is_none_or(|level| *level < self.there) {
            return Cell::Empty;
        }
        let at = *next;
        *next += 1;
        let cell = match &self.values {
            Values::Flag(_, values) => values.get(at).map(|v| Cell::Flag(*v)),
            Values::Small(_, values) => values.get(at).map(|v| match self.how {
                How::Unsigned => Cell::Whole(i64::from(v.cast_unsigned())),
                How::Plain
                | How::Decimal(_)
                | How::Instant(_)
                | How::Local(_)
                | How::Text
                | How::DecimalBytes(_)
                | How::Half => self.whole(i64::from(*v)),
            }),
            Values::Whole(_, values) => values.get(at).map(|v| self.whole(*v)),
            Values::Old(_, values) => values.get(at).map(old),
            Values::Single(_, values) => values.get(at).map(|v| Cell::Number(single(*v))),
            Values::Double(_, values) => values.get(at).map(|v| Cell::Number(*v)),
            Values::Bytes(_, values) => values.get(at).map(|v| self.bytes(v.data())),
            Values::Fixed(_, values) => values.get(at).map(|v| self.bytes(v.data())),
        };
        cell.unwrap_or(Cell::Bad("its page holds fewer values than rows"))
    }

    fn whole(&self, value: i64) -> Cell<'_> {
        match self.how {
            How::Plain | How::Text | How::DecimalBytes(_) | How::Half => Cell::Whole(value),
            How::Unsigned if value >= 0 => Cell::Whole(value),
            #[allow(clippy::cast_precision_loss, reason = "beyond 2⁶³ every reader rounds")]
            How::Unsigned => Cell::Number(value.cast_unsigned() as f64),
            #[allow(clippy::cast_precision_loss, reason = "a float is what comes out")]
            How::Decimal(scale) => Cell::Number(value as f64 / scale),
            How::Instant(each) => value.checked_mul(each).map_or(Cell::Bad(TOO_FAR), Cell::Instant),
            How::Local(each) => value.checked_mul(each).map_or(Cell::Bad(TOO_FAR), Cell::Local),
        }
    }

    fn bytes<'v>(&self, bytes: &'v [u8]) -> Cell<'v> {
        match self.how {
            How::DecimalBytes(scale) => decimal(bytes, scale),
            How::Half => match bytes {
                [low, high] => Cell::Number(half(u16::from_le_bytes([*low, *high]))),
                _ => Cell::Bad("a half of a float has two bytes"),
            },
            How::Plain | How::Unsigned | How::Decimal(_) | How::Instant(_) | How::Local(_) | How::Text => {
                std::str::from_utf8(bytes).map_or(Cell::Bad("the text is not UTF-8"), Cell::Text)
            }
        }
    }
}

/// The number that a float of 32 bits was written as: 0.1 and not 0.10000000149.
fn single(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

/// Nanoseconds of the day, and the day's Julian number.
fn old(value: &Int96) -> Cell<'static> {
    let [low, high, day] = value.data() else {
        return Cell::Bad("a time of 96 bits has three parts");
    };
    let of_day = (u64::from(*high) << 32) | u64::from(*low);
    let nanos = i64::try_from(of_day).ok().and_then(|of_day| {
        (i64::from(*day) - JULIAN_1970)
            .checked_mul(DAY_NANOS)?
            .checked_add(of_day)
    });
    nanos.map_or(Cell::Bad(TOO_FAR), Cell::Instant)
}

/// Two's complement, the highest byte first.
fn decimal(bytes: &[u8], scale: f64) -> Cell<'static> {
    if bytes.len() > 16 {
        return Cell::Bad("a decimal has more than 16 bytes");
    }
    let negative = bytes.first().is_some_and(|first| *first >= 0x80);
    let start: i128 = if negative { -1 } else { 0 };
    let whole = bytes
        .iter()
        .fold(start, |whole, byte| (whole << 8) | i128::from(*byte));
    #[allow(clippy::cast_precision_loss, reason = "a float is what comes out")]
    Cell::Number(whole as f64 / scale)
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = ((bits >> 10) & 0x1f, f64::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction / 16_777_216.0,
        0x1f if fraction > 0.0 => f64::NAN,
        0x1f => sign * f64::INFINITY,
        _ => {
            let power = f64::from(1_u32 << exponent) / 32_768.0;
            sign * power * (1.0 + fraction / 1_024.0)
        }
    }
}

impl From<ColumnReader> for Values {
    fn from(reader: ColumnReader) -> Self {
        match reader {
            ColumnReader::BoolColumnReader(r) => Self::Flag(r, Vec::new()),
            ColumnReader::Int32ColumnReader(r) => Self::Small(r, Vec::new()),
            ColumnReader::Int64ColumnReader(r) => Self::Whole(r, Vec::new()),
            ColumnReader::Int96ColumnReader(r) => Self::Old(r, Vec::new()),
            ColumnReader::FloatColumnReader(r) => Self::Single(r, Vec::new()),
            ColumnReader::DoubleColumnReader(r) => Self::Double(r, Vec::new()),
            ColumnReader::ByteArrayColumnReader(r) => Self::Bytes(r, Vec::new()),
            ColumnReader::FixedLenByteArrayColumnReader(r) => Self::Fixed(r, Vec::new()),
        }
    }
}
