use std::fmt;

use serde::{Deserialize, Serialize};

use crate::NotAName;

/// Finest resolution at which a customer's place is kept: a cell of some 0.1 km², a few streets.
pub const PLACE_RESOLUTION_MAX: u8 = 9;
/// Coarsest resolution at which a place says anything: a cell of some 250 km².
pub const PLACE_RESOLUTION_MIN: u8 = 5;
/// Cells of one scope. 2,048 as text stay below 40 KiB of an event's 256 KiB; a larger area has a region code of its own.
pub const SCOPE_CELLS_MAX: usize = 2_048;

/// A cell of H3 (h3geo.org): a hexagon, or one of twelve pentagons, of one of 16 resolutions. Only indexes that name a cell can be
/// held. Each but the coarsest has one parent, and a cell's place in the hierarchy is read off its index, without geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Cell(u64);

/// Finest resolution of H3.
const RESOLUTION_MAX: u8 = 15;
const RESOLUTION_SHIFT: u32 = 52;
const BASE_SHIFT: u32 = 45;
const DIGIT_BITS: u32 = 3;
/// Bits above the resolution: a reserved one, the mode in four (1: a cell), three reserved.
const HEAD_CELL: u64 = 0b0000_1000;
const BASE_CELLS: u64 = 122;
/// Base cells that are pentagons: none of their children lies in direction 1.
const PENTAGONS: [u64; 12] = [4, 14, 24, 38, 49, 58, 63, 72, 83, 97, 107, 117];
const DELETED_DIRECTION: u64 = 1;
const UNUSED_DIGIT: u64 = 7;

const fn digit_shift(resolution: u8) -> u32 {
    (RESOLUTION_MAX - resolution) as u32 * DIGIT_BITS
}

impl Cell {
    /// By its index.
    ///
    /// # Errors
    /// The index names no cell of H3.
    pub fn from_index(index: u64) -> Result<Self, NotAName> {
        if is_cell(index) {
            Ok(Self(index))
        } else {
            Err(wrong(&format!("{index:x}")))
        }
    }

    /// By its index in hexadecimal digits, as tools of H3 print it (`8928308280fffff`).
    ///
    /// # Errors
    /// It is not 15 hexadecimal digits, or names no cell of H3.
    pub fn new(text: &str) -> Result<Self, NotAName> {
        let is_hex = text.len() == 15 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let index = is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        index
            .filter(|index| is_cell(*index))
            .map(Self)
            .ok_or_else(|| wrong(text))
    }

    /// The index.
    pub const fn index(self) -> u64 {
        self.0
    }

    /// 0 (4,000,000 km²) to 15 (1 m²).
    pub const fn resolution(self) -> u8 {
        (self.0 >> RESOLUTION_SHIFT & 0xF) as u8
    }

    /// The cell of a resolution that holds this one (itself at its own); `None` for a finer one.
    #[must_use]
    pub const fn at_resolution(self, resolution: u8) -> Option<Self> {
        if resolution > self.resolution() {
            return None;
        }
        let unused = (1 << digit_shift(resolution)) - 1;
        let head = self.0 & !(0xF << RESOLUTION_SHIFT) | (resolution as u64) << RESOLUTION_SHIFT;
        Some(Self(head | unused))
    }

    /// This cell, or the one of `resolution` that holds it if it is finer.
    #[must_use]
    pub fn no_finer_than(self, resolution: u8) -> Self {
        self.at_resolution(resolution).unwrap_or(self)
    }
}

fn is_cell(index: u64) -> bool {
    let resolution = (index >> RESOLUTION_SHIFT & 0xF) as u8;
    let base = index >> BASE_SHIFT & 0x7F;
    if index >> 56 != HEAD_CELL || base >= BASE_CELLS {
        return false;
    }
    let digit = |at: u8| index >> digit_shift(at) & 7;
    let used = || (1..=resolution).map(digit);
    let first = used().find(|d| *d != 0);
    used().all(|d| d != UNUSED_DIGIT)
        && (resolution + 1..=RESOLUTION_MAX).all(|at| digit(at) == UNUSED_DIGIT)
        && !(PENTAGONS.contains(&base) && first == Some(DELETED_DIRECTION))
}

fn wrong(text: &str) -> NotAName {
    NotAName {
        what: "cell",
        text: text.chars().take(64).collect(),
        why: "it needs the 15 hexadecimal digits of an H3 cell, such as 8928308280fffff",
    }
}

impl TryFrom<u64> for Cell {
    type Error = NotAName;
    fn try_from(index: u64) -> Result<Self, NotAName> {
        Self::from_index(index)
    }
}

impl From<Cell> for u64 {
    fn from(cell: Cell) -> Self {
        cell.0
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:015x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_checked_and_have_parents() {
        // From the documentation of H3: a hexagon in San Francisco, and a pentagon.
        let cell = Cell::new("8928308280fffff").unwrap();
        assert_eq!(cell.resolution(), 9);
        assert_eq!(cell.to_string(), "8928308280fffff");
        assert_eq!(cell.at_resolution(8).unwrap().to_string(), "8828308281fffff");
        assert_eq!(cell.at_resolution(0).unwrap().to_string(), "8029fffffffffff");
        assert_eq!(cell.at_resolution(10), None);
        assert_eq!(cell.no_finer_than(12), cell);
        assert!(Cell::new("821c07fffffffff").is_ok());
        for bad in [
            "",
            "0",
            "8928308280ffff",
            "08928308280fffff",
            "+928308280fffff",
            "8928308280ffffe",
            "89283082c0fffff0",
            "8928308287fffff0",
            "ffffffffffffff",
            "fffffffffffffff",
            "80f5fffffffffff",
            "1928308280fffff",
            "35.70,51.40",
        ] {
            assert!(Cell::new(bad).is_err(), "{bad:?}");
        }
        assert!(Cell::from_index(0).is_err() && Cell::from_index(u64::MAX).is_err());
    }
}
