//! Where a place lies: points, polygons of GeoJSON, cells of H3, and which of thousands of areas hold a point.
//!
//! It knows no customer, no incident and no file, and computes in whole numbers of 10⁻⁷ degrees (1 cm): the same answer on every
//! machine, exact on borders. What isn't clearly an area (no ring, an open ring, one that crosses itself, a place outside the
//! world or the bounds given) is refused as a whole: an area is never guessed, so that nobody is told by a slip of a pen.
//!
//! ```
//! use forecall_area::{Bounds, Point, read_area};
//!
//! let bounds = Bounds::new(44.0, 25.0, 63.5, 40.0).unwrap();
//! let text = r#"{"type": "Polygon", "coordinates": [[[51.3, 35.6], [51.5, 35.6], [51.5, 35.8], [51.3, 35.8], [51.3, 35.6]]]}"#;
//! let area = read_area(text.as_bytes(), bounds).unwrap();
//! assert!(area.contains(Point::from_degrees(35.7, 51.4).unwrap()));
//! assert!(!area.contains(Point::from_degrees(35.9, 51.4).unwrap()));
//! ```

mod areas;
mod cover;
mod error;
mod geojson;
mod point;
mod ring;

pub use areas::{AREAS_MAX, Areas};
pub use cover::cells_of;
pub use error::{AreaError, Flaw};
pub use geojson::{FILE_BYTES_MAX, RING_POSITIONS_MAX, read_area};
pub use point::{Bounds, Grid, NotABox, NotAPoint, Point};
pub use ring::Area;
