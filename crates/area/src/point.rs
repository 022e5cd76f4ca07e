use forecall_types::Cell;
use h3o::{CellIndex, LatLng, Resolution};

/// Parts of a degree that are told apart: 10⁻⁷ of one is 1 cm.
const PARTS: f64 = 1e7;

/// A place on earth (WGS 84), in whole 10⁻⁷ degrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Point {
    /// Latitude, north is positive.
    pub lat: i32,
    /// Longitude, east is positive.
    pub lng: i32,
}

/// Why two numbers are no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPoint {
    /// NaN or infinite.
    #[error("it is not a number")]
    NotANumber,
    /// Beyond a pole.
    #[error("the latitude is beyond 90 degrees: are latitude and longitude swapped?")]
    Latitude,
    /// Beyond the antimeridian.
    #[error("the longitude is beyond 180 degrees")]
    Longitude,
}

impl Point {
    /// By degrees of WGS 84.
    ///
    /// # Errors
    /// [`NotAPoint`].
    pub fn from_degrees(lat: f64, lng: f64) -> Result<Self, NotAPoint> {
        if !lat.is_finite() || !lng.is_finite() {
            return Err(NotAPoint::NotANumber);
        }
        if !(-90.0..=90.0).contains(&lat) {
            return Err(NotAPoint::Latitude);
        }
        if !(-180.0..=180.0).contains(&lng) {
            return Err(NotAPoint::Longitude);
        }
        Ok(Self {
            lat: parts(lat),
            lng: parts(lng),
        })
    }

    /// The centre of a cell.
    pub fn centre_of(cell: Cell) -> Self {
        let centre = CellIndex::try_from(cell.index()).map(LatLng::from);
        centre.map_or_else(
            |_| Self::default(),
            |centre| Self {
                lat: parts(centre.lat().clamp(-90.0, 90.0)),
                lng: parts(centre.lng().clamp(-180.0, 180.0)),
            },
        )
    }

    /// The cell of a resolution (0 to 15) in which it lies.
    pub fn cell(self, resolution: u8) -> Option<Cell> {
        let resolution = Resolution::try_from(resolution).ok()?;
        let place = LatLng::new(f64::from(self.lat) / PARTS, f64::from(self.lng) / PARTS).ok()?;
        Cell::from_index(place.to_cell(resolution).into()).ok()
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "at most 180 degrees: 1.8e9 parts, below i32::MAX"
)]
fn parts(degrees: f64) -> i32 {
    (degrees * PARTS).round() as i32
}

/// A box between two meridians and two parallels, its edges included; it doesn't cross the antimeridian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub(crate) low: Point,
    pub(crate) high: Point,
}

/// Four numbers that are no box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotABox {
    /// A corner is no place.
    #[error("{0}")]
    Corner(#[from] NotAPoint),
    /// It holds nothing.
    #[error("west must lie west of east, and south south of north")]
    Empty,
}

impl Bounds {
    /// By degrees.
    ///
    /// # Errors
    /// [`NotABox`].
    pub fn new(west: f64, south: f64, east: f64, north: f64) -> Result<Self, NotABox> {
        let low = Point::from_degrees(south, west)?;
        let high = Point::from_degrees(north, east)?;
        if low.lat < high.lat && low.lng < high.lng {
            Ok(Self { low, high })
        } else {
            Err(NotABox::Empty)
        }
    }

    /// The smallest that holds all points; `None` of none.
    pub(crate) fn around(points: impl IntoIterator<Item = Point>) -> Option<Self> {
        let mut points = points.into_iter();
        let first = points.next()?;
        let one = Self {
            low: first,
            high: first,
        };
        Some(points.fold(one, |all, p| all.with(Self { low: p, high: p })))
    }

    /// The smallest that holds both.
    pub(crate) fn with(self, other: Self) -> Self {
        let corner = |a: Point, b: Point, pick: fn(i32, i32) -> i32| Point {
            lat: pick(a.lat, b.lat),
            lng: pick(a.lng, b.lng),
        };
        Self {
            low: corner(self.low, other.low, i32::min),
            high: corner(self.high, other.high, i32::max),
        }
    }

    /// Whether a point lies in it or on its edge.
    pub const fn contains(&self, p: Point) -> bool {
        self.low.lat <= p.lat && p.lat <= self.high.lat && self.low.lng <= p.lng && p.lng <= self.high.lng
    }

    /// Whether another lies wholly in it.
    pub const fn holds(&self, other: &Self) -> bool {
        self.contains(other.low) && self.contains(other.high)
    }

    /// The rows of the grid it touches, and in each the first and last column.
    pub fn rows(self) -> impl Iterator<Item = (Grid, Grid)> {
        let (low, high) = (Grid::of(self.low), Grid::of(self.high));
        (low.row..=high.row).map(move |row| {
            let at = |column| Grid { row, column };
            (at(low.column), at(high.column))
        })
    }
}

/// A field of a fixed grid of a twentieth of a degree (5 km): what is near is found by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grid {
    /// From south to north.
    pub row: i16,
    /// From west to east.
    pub column: i16,
}

/// Parts of a degree in one field.
const FIELD: i32 = 500_000;

impl Grid {
    /// The field of a point.
    pub fn of(point: Point) -> Self {
        // ±180 degrees are ±3,600 fields.
        let field = |parts: i32| i16::try_from(parts.div_euclid(FIELD)).unwrap_or(i16::MAX);
        Self {
            row: field(point.lat),
            column: field(point.lng),
        }
    }
}
