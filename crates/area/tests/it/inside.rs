//! Points in polygons, borders among them, beside a slow oracle of another kind.

use forecall_area::{Area, Point, read_area};
use proptest::prelude::*;

use crate::{bounds, polygon};

/// Where the small grid of the tests begins, and how far its points lie apart: few places, so that points lie on borders often.
const ORIGIN: (i32, i32) = (355_000_000, 510_000_000);
const STEP: i32 = 100_000;

fn place(row: i32, column: i32) -> Point {
    Point {
        lat: ORIGIN.0 + row * STEP,
        lng: ORIGIN.1 + column * STEP,
    }
}

/// Corners about a centre in the order of their bearings: a ring that is seen whole from there.
fn star() -> impl Strategy<Value = Vec<Point>> {
    proptest::collection::btree_map(0_u16..360, 2.0_f64..9.0, 3..24).prop_filter_map("flat", |corners| {
        let mut ring: Vec<Point> = corners
            .into_iter()
            .map(|(bearing, far)| {
                let (sin, cos) = f64::from(bearing).to_radians().sin_cos();
                place(10 + (far * sin).round() as i32, 10 + (far * cos).round() as i32)
            })
            .collect();
        ring.dedup();
        Some(ring).filter(|ring| ring.len() >= 3)
    })
}

/// How often a ring winds around a point, by angles; `None`: the point lies on it.
fn winds(ring: &[Point], p: Point) -> Option<bool> {
    let mut sum = 0.0;
    for (i, a) in ring.iter().enumerate() {
        let b = ring[(i + 1) % ring.len()];
        let (ax, ay) = (f64::from(a.lng - p.lng), f64::from(a.lat - p.lat));
        let (bx, by) = (f64::from(b.lng - p.lng), f64::from(b.lat - p.lat));
        // Exact: whole numbers far below 2⁵³.
        let (cross, dot) = (ax * by - ay * bx, ax * bx + ay * by);
        if cross == 0.0 && dot <= 0.0 {
            return None;
        }
        sum += cross.atan2(dot);
    }
    Some(sum.abs() > 3.0)
}

fn area(rings: &[&[Point]]) -> Option<Area> {
    read_area(polygon(rings).as_bytes(), bounds()).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_point_lies_where_the_ring_winds_around_it(ring in star(), turned in any::<bool>()) {
        let mut ring = ring;
        if turned {
            ring.reverse();
        }
        let Some(area) = area(&[&ring]) else { return Ok(()) };
        for row in 0..=20 {
            for column in 0..=20 {
                let p = place(row, column);
                if let Some(wanted) = winds(&ring, p) {
                    prop_assert_eq!(area.contains(p), wanted, "{:?} in {:?}", p, ring);
                }
            }
        }
    }

    #[test]
    fn of_neighbours_exactly_one_holds_a_point_on_their_border(
        border in proptest::collection::vec(5_i32..15, 2..12),
        lies in any::<bool>(),
    ) {
        // A square parted by a zigzag, which runs north or east.
        let turn = |row: i32, column: i32| if lies { place(column, row) } else { place(row, column) };
        let last = 2 * (i32::try_from(border.len()).unwrap() - 1);
        let zigzag: Vec<Point> = (0..).step_by(2).zip(&border).map(|(row, column)| turn(row, *column)).collect();
        let mut west = vec![turn(last, 0), turn(0, 0)];
        west.extend(&zigzag);
        let mut east = vec![turn(last, 20), turn(0, 20)];
        east.extend(&zigzag);
        let whole = [turn(0, 0), turn(0, 20), turn(last, 20), turn(last, 0)];
        let parts = [area(&[&west]).unwrap(), area(&[&east]).unwrap()];
        let whole = area(&[&whole]).unwrap();
        for row in -1..=last + 1 {
            for column in -1..=21 {
                let p = turn(row, column);
                let holders = parts.iter().filter(|part| part.contains(p)).count();
                prop_assert_eq!(holders, usize::from(whole.contains(p)), "{:?}", p);
            }
        }
    }

    #[test]
    fn nobody_is_in_a_hole(outer in star(), hole in star()) {
        let small: Vec<Point> = hole
            .iter()
            .map(|p| Point { lat: (p.lat - ORIGIN.0) / 5 + ORIGIN.0 + 8 * STEP, lng: (p.lng - ORIGIN.1) / 5 + ORIGIN.1 + 8 * STEP })
            .collect();
        let Some(area) = area(&[&outer, &small]) else { return Ok(()) };
        for row in 0..=40 {
            for column in 0..=40 {
                let p = Point { lat: ORIGIN.0 + row * STEP / 2, lng: ORIGIN.1 + column * STEP / 2 };
                if let (Some(outer), Some(hole)) = (winds(&outer, p), winds(&small, p)) {
                    prop_assert_eq!(area.contains(p), outer && !hole, "{:?}", p);
                }
            }
        }
    }
}

#[test]
fn a_ring_of_many_corners_is_asked_by_bands() {
    let corners: Vec<Point> = (0..9_000)
        .map(|i| {
            let (sin, cos) = (f64::from(i) / 25.0).to_radians().sin_cos();
            let far = if i % 2 == 0 { 5e6 } else { 4e6 };
            Point {
                lat: 360_000_000 + (far * sin) as i32,
                lng: 515_000_000 + (far * cos) as i32,
            }
        })
        .collect();
    let area = area(&[&corners]).unwrap();
    for row in -60..=60 {
        for column in -60..=60 {
            let p = Point {
                lat: 360_000_000 + row * 99_991,
                lng: 515_000_000 + column * 99_989,
            };
            assert_eq!(area.contains(p), winds(&corners, p).unwrap_or_default(), "{p:?}");
        }
    }
}
