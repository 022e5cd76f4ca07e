//! Which regions have an area on the map.

use std::path::PathBuf;
use std::sync::Arc;

use forecall_area::{Areas, Bounds, NotABox};
use serde::{Deserialize, Serialize};

/// Areas of regions: a customer whose own region is wider belongs to a region below it if their place lies in its area.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AreaSettings {
    /// GeoJSON files (RFC 7946), each a `FeatureCollection` of polygons with a region code as property `code`. Read at the start; one
    /// area that can't be taken, and nothing starts.
    pub files: Vec<PathBuf>,
    /// Where all customers are. An area that reaches beyond is refused: another country, the whole world, longitude and latitude
    /// swapped. Needed for `files`, and to declare an incident by an area.
    pub bounds: Option<AreaBounds>,
    /// What was read of the files. Whoever makes settings without reading them has no areas: nobody is reached by one.
    #[serde(skip)]
    pub read: Arc<Areas>,
}

/// A box between two meridians and two parallels, in degrees (WGS 84); Iran is `{west: 44, south: 25, east: 63.5, north: 40}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AreaBounds {
    /// Its western meridian.
    pub west: f64,
    /// Its southern parallel.
    pub south: f64,
    /// Its eastern meridian.
    pub east: f64,
    /// Its northern parallel.
    pub north: f64,
}

impl AreaBounds {
    /// As a box on the map.
    ///
    /// # Errors
    /// A corner is no place, or the box holds nothing.
    pub fn on_map(&self) -> Result<Bounds, NotABox> {
        Bounds::new(self.west, self.south, self.east, self.north)
    }
}
