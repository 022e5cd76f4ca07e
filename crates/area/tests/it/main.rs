//! Areas against slow oracles, and whatever text is given.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test ends with a panic, and its numbers are small"
)]

mod cells;
mod fuzz;
mod inside;
mod refused;

use forecall_area::{Bounds, Point};

/// A box about Tehran.
pub(crate) fn bounds() -> Bounds {
    Bounds::new(50.0, 35.0, 53.0, 37.0).unwrap()
}

pub(crate) fn at(lat: f64, lng: f64) -> Point {
    Point::from_degrees(lat, lng).unwrap()
}

/// A ring as GeoJSON, closed, longitude first.
pub(crate) fn ring(corners: &[Point]) -> String {
    let closed = corners.iter().chain(corners.first());
    let all: Vec<String> = closed
        .map(|p| format!("[{:.7}, {:.7}]", f64::from(p.lng) / 1e7, f64::from(p.lat) / 1e7))
        .collect();
    format!("[{}]", all.join(", "))
}

pub(crate) fn polygon(rings: &[&[Point]]) -> String {
    let rings: Vec<String> = rings.iter().map(|corners| ring(corners)).collect();
    format!(r#"{{"type": "Polygon", "coordinates": [{}]}}"#, rings.join(", "))
}
