//! Cells beside H3's own library.

use std::collections::BTreeSet;

use forecall_area::{Flaw, Point, cells_of, read_area};
use forecall_types::{Cell, SCOPE_CELLS_MAX};
use h3o::{CellIndex, Resolution};
use proptest::prelude::*;

use crate::{at, bounds, polygon};

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_index_names_a_cell_exactly_where_h3_says_so(
        lat in -90.0_f64..90.0,
        lng in -180.0_f64..180.0,
        resolution in 0_u8..16,
        spoilt in any::<u64>(),
        bits in 0_u32..64,
    ) {
        let cell = at(lat, lng).cell(resolution).unwrap();
        for index in [cell.index(), cell.index() ^ (1 << bits), cell.index() ^ (spoilt & (7 << (bits / 3 * 3))), spoilt] {
            let theirs = CellIndex::try_from(index).ok();
            let ours = Cell::from_index(index).ok();
            prop_assert_eq!(ours.map(Cell::index), theirs.map(u64::from), "{:x}", index);
        }
        for coarser in 0..16 {
            let theirs = CellIndex::try_from(cell.index()).unwrap().parent(Resolution::try_from(coarser).unwrap());
            prop_assert_eq!(cell.at_resolution(coarser).map(Cell::index), theirs.map(u64::from));
        }
        let centre = Point::centre_of(cell);
        if resolution <= 9 {
            prop_assert_eq!(centre.cell(resolution), Some(cell));
        }
        prop_assert_eq!(Cell::new(&cell.to_string()).unwrap(), cell);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_cells_of_an_area_are_those_with_their_centre_in_it(
        lat in 35.2_f64..36.7,
        lng in 50.2_f64..52.7,
        corners in proptest::collection::btree_map(0_u16..360, 0.002_f64..0.03, 3..12),
        resolution in 7_u8..=9,
    ) {
        let ring: Vec<Point> = corners
            .into_iter()
            .map(|(bearing, far)| {
                let (sin, cos) = f64::from(bearing).to_radians().sin_cos();
                at(lat + far * sin, lng + far * cos)
            })
            .collect();
        let Ok(area) = read_area(polygon(&[&ring]).as_bytes(), bounds()) else { return Ok(()) };
        // Whoever stands on a fine grid of 50 m: all cells there are.
        let mut wanted = BTreeSet::new();
        for row in -80..=80 {
            for column in -80..=80 {
                let cell = at(lat + f64::from(row) * 0.000_45, lng + f64::from(column) * 0.000_55).cell(resolution).unwrap();
                if area.contains(Point::centre_of(cell)) {
                    wanted.insert(cell);
                }
            }
        }
        let cells = cells_of(&area, resolution);
        if wanted.is_empty() {
            prop_assert_eq!(cells, Err(Flaw::NoCell));
            return Ok(());
        }
        let cells = cells.unwrap();
        prop_assert!(cells.iter().all(|c| c.resolution() <= resolution));
        let is_below = |cell: Cell| (0..=resolution).filter_map(|r| cell.at_resolution(r)).any(|c| cells.contains(&c));
        for row in -90..=90 {
            for column in -90..=90 {
                let p = at(lat + f64::from(row) * 0.000_45, lng + f64::from(column) * 0.000_55);
                let cell = p.cell(resolution).unwrap();
                prop_assert_eq!(is_below(cell), wanted.contains(&cell), "{}", cell);
            }
        }
    }
}

#[test]
fn an_area_of_too_many_cells_is_refused_and_a_large_round_one_is_not() {
    let comb: Vec<Point> = (0..400)
        .map(|i| at(if i % 2 == 0 { 35.1 } else { 36.9 }, 50.1 + f64::from(i) * 0.006))
        .chain([at(35.05, 52.6), at(35.05, 50.05)])
        .collect();
    let comb = read_area(polygon(&[&comb]).as_bytes(), bounds()).unwrap();
    assert_eq!(cells_of(&comb, 9), Err(Flaw::TooManyCells(SCOPE_CELLS_MAX)));
    let square = [at(35.6, 51.3), at(35.6, 51.6), at(35.8, 51.6), at(35.8, 51.3)];
    let square = read_area(polygon(&[&square]).as_bytes(), bounds()).unwrap();
    let cells = cells_of(&square, 9).unwrap();
    let all: u64 = cells
        .iter()
        .map(|c| 7_u64.pow(u32::from(9 - c.resolution())))
        .sum();
    assert!(cells.len() < 1_000 && all > 5_000, "{} for {all}", cells.len());
}
