use crate::point::NotAPoint;

/// What is wrong with an area.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Not JSON, or JSON that isn't GeoJSON.
    #[error("it is not GeoJSON: {0}")]
    NotGeoJson(String),
    /// No polygon in it.
    #[error("it holds no polygon: nobody could be meant")]
    Empty,
    /// A point, a line, …
    #[error("`{0}` holds nobody: only `Polygon` and `MultiPolygon` are areas")]
    NotAnArea(String),
    /// Fewer than three corners.
    #[error("a ring has fewer than four positions")]
    TooFew,
    /// Too many.
    #[error("a ring has more than {0} positions: simplify it")]
    TooMany(usize),
    /// The last position isn't the first.
    #[error("a ring isn't closed: its last position must be its first")]
    Open,
    /// All on one line.
    #[error("a ring encloses nothing")]
    Flat,
    /// Crosses or touches itself.
    #[error("a ring crosses or touches itself near {0} (longitude, latitude)")]
    CrossesItself(String),
    /// An edge around the back of the world.
    #[error(
        "an edge spans more than 180 degrees of longitude: cut the area at the antimeridian (RFC 7946, 3.1.9)"
    )]
    Antimeridian,
    /// A hole that isn't in its polygon.
    #[error("a hole lies outside its polygon")]
    HoleOutside,
    /// No place.
    #[error("a position is no place, longitude first: {0}")]
    Position(#[from] NotAPoint),
    /// Not where the customers are.
    #[error(
        "it reaches beyond the bounds of the regions: is it another country, the whole world, or are longitude and latitude swapped?"
    )]
    OutOfBounds,
    /// No centre of a cell in it.
    #[error("no cell's centre lies in it: nobody could be meant")]
    NoCell,
    /// Too many cells.
    #[error(
        "it takes more than {0} cells: name a region, or give the area a region code of its own by `outreach.areas`"
    )]
    TooManyCells(usize),
}

/// An area that can't be taken, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {flaw}")]
pub struct AreaError {
    /// File, feature, code.
    pub place: String,
    /// What is wrong.
    pub flaw: Flaw,
}
