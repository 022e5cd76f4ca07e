use std::collections::{BTreeMap, BTreeSet};

use forecall_types::{Cell, SCOPE_CELLS_MAX};
use h3o::CellIndex;

use crate::error::Flaw;
use crate::point::{Bounds, Point};
use crate::ring::Area;

/// Cells looked at for one area. 400,000 of resolution 9 are a province, and take half a second.
const LOOKED_AT_MAX: usize = 400_000;

/// The cells of a resolution whose centres lie in an area, seven of one parent written as the parent: so a cell is below one of
/// these exactly if its own centre lies inside, and nobody beyond a border is drawn in by rounding.
///
/// # Errors
/// No centre lies inside, or there are more than [`SCOPE_CELLS_MAX`] cells.
pub fn cells_of(area: &Area, resolution: u8) -> Result<BTreeSet<Cell>, Flaw> {
    let too_many = || Flaw::TooManyCells(SCOPE_CELLS_MAX);
    let (mut seen, mut inside) = (BTreeSet::new(), BTreeSet::new());
    for polygon in &area.polygons {
        let near = widened(polygon.outer.bounds, resolution);
        let first = polygon.outer.bounds.low.cell(resolution).ok_or(Flaw::NoCell)?;
        let mut found = BTreeSet::from([first]);
        let mut open = vec![first];
        while let Some(cell) = open.pop() {
            let centre = Point::centre_of(cell);
            if area.contains(centre) {
                inside.insert(cell);
            }
            let Ok(index) = CellIndex::try_from(cell.index()) else {
                continue;
            };
            let next = index
                .grid_disk_safe(1)
                .filter_map(|c| Cell::from_index(c.into()).ok());
            open.extend(next.filter(|c| near.contains(Point::centre_of(*c)) && found.insert(*c)));
            if seen.len() + found.len() > LOOKED_AT_MAX {
                return Err(too_many());
            }
        }
        seen.append(&mut found);
    }
    let cells = compacted(inside, resolution);
    match cells.len() {
        0 => Err(Flaw::NoCell),
        n if n > SCOPE_CELLS_MAX => Err(too_many()),
        _ => Ok(cells),
    }
}

/// Wider by two cells on each side, so that within it one comes from cell to neighbour to every cell whose centre lies in `bounds`.
fn widened(bounds: Bounds, resolution: u8) -> Bounds {
    // A cell of resolution 0 is some 20 degrees from centre to centre; each further one is smaller by the root of 7.
    let step = 400_000_000.0 / 7_f64.sqrt().powi(i32::from(resolution));
    let widest = bounds.low.lat.unsigned_abs().max(bounds.high.lat.unsigned_abs());
    let shrink = (f64::from(widest) / 1e7).to_radians().cos().max(0.01);
    let by = |p: i32, parts: f64, limit: f64| {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "clamped to 180 degrees: 1.8e9 parts"
        )]
        let moved = (f64::from(p) + parts).clamp(-limit, limit) as i32;
        moved
    };
    let corner = |p: Point, sign: f64| Point {
        lat: by(p.lat, sign * step, 9e8),
        lng: by(p.lng, sign * step / shrink, 1.8e9),
    };
    Bounds {
        low: corner(bounds.low, -1.0),
        high: corner(bounds.high, 1.0),
    }
}

/// Where all children of a cell are there, the cell in their place.
fn compacted(mut level: BTreeSet<Cell>, resolution: u8) -> BTreeSet<Cell> {
    let mut done = BTreeSet::new();
    for parents in (0..resolution).rev() {
        let mut by_parent: BTreeMap<Cell, Vec<Cell>> = BTreeMap::new();
        for cell in level {
            match cell.at_resolution(parents) {
                Some(parent) => by_parent.entry(parent).or_default().push(cell),
                None => {
                    done.insert(cell);
                }
            }
        }
        level = BTreeSet::new();
        for (parent, children) in by_parent {
            let is_pentagon = CellIndex::try_from(parent.index()).is_ok_and(CellIndex::is_pentagon);
            if children.len() == if is_pentagon { 6 } else { 7 } {
                level.insert(parent);
            } else {
                done.extend(children);
            }
        }
    }
    done.append(&mut level);
    done
}
