use serde_json::{Map, Value};

use crate::error::{AreaError, Flaw};
use crate::point::{Bounds, Point};
use crate::ring::{Area, Polygon, Ring};

/// Largest file: the 31 provinces of Iran at full detail are 20 MiB.
pub const FILE_BYTES_MAX: usize = 64 << 20;
/// Positions of one ring. To look for crossings takes the square of it in the worst case: some seconds.
pub const RING_POSITIONS_MAX: usize = 20_000;

/// Reads one area: a geometry, a feature, or a collection of features, which are one area together (RFC 7946).
///
/// # Errors
/// [`AreaError`]: nothing of it is taken unless all of it is an area within `bounds`.
pub fn read_area(text: &[u8], bounds: Bounds) -> Result<Area, AreaError> {
    let at = |place: &str| {
        let place = place.to_owned();
        move |flaw| AreaError { place, flaw }
    };
    let json = parse(text).map_err(at("the area"))?;
    let mut polygons = Vec::new();
    match features(&json).map_err(at("the area"))? {
        Some(list) => {
            for (i, feature) in list.iter().enumerate() {
                let place = format!("feature {}", i + 1);
                polygons.extend(of_feature(feature).map_err(at(&place))?);
            }
        }
        None if type_of(&json) == Some("Feature") => {
            polygons = of_feature(&json).map_err(at("the area"))?;
        }
        None => polygons = of_geometry(&json).map_err(at("the area"))?,
    }
    within(Area::new(polygons), bounds).map_err(at("the area"))
}

pub(crate) fn within(area: Result<Area, Flaw>, bounds: Bounds) -> Result<Area, Flaw> {
    let area = area?;
    if bounds.holds(&area.bounds()) {
        Ok(area)
    } else {
        Err(Flaw::OutOfBounds)
    }
}

pub(crate) fn parse(text: &[u8]) -> Result<Value, Flaw> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Flaw::NotGeoJson("it has more than 64 MiB".to_owned()));
    }
    // Some tools put a byte order mark before the text.
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    serde_json::from_slice(text).map_err(|e| Flaw::NotGeoJson(e.to_string()))
}

fn type_of(json: &Value) -> Option<&str> {
    json.get("type").and_then(Value::as_str)
}

/// The features of a collection; `None`: it is none.
pub(crate) fn features(json: &Value) -> Result<Option<&[Value]>, Flaw> {
    if type_of(json) != Some("FeatureCollection") {
        return Ok(None);
    }
    match json.get("features").and_then(Value::as_array) {
        Some(features) if !features.is_empty() => Ok(Some(features)),
        Some(_) => Err(Flaw::Empty),
        None => Err(Flaw::NotGeoJson(
            "a collection has no list of `features`".to_owned(),
        )),
    }
}

pub(crate) fn properties(feature: &Value) -> Option<&Map<String, Value>> {
    feature.get("properties").and_then(Value::as_object)
}

pub(crate) fn of_feature(feature: &Value) -> Result<Vec<Polygon>, Flaw> {
    if type_of(feature) != Some("Feature") {
        return Err(Flaw::NotGeoJson("it is no `Feature`".to_owned()));
    }
    match feature.get("geometry") {
        None | Some(Value::Null) => Err(Flaw::Empty),
        Some(geometry) => of_geometry(geometry),
    }
}

fn of_geometry(geometry: &Value) -> Result<Vec<Polygon>, Flaw> {
    let coordinates = geometry.get("coordinates").and_then(Value::as_array);
    match (type_of(geometry), coordinates) {
        (Some("Polygon"), Some(rings)) => Ok(vec![polygon(rings)?]),
        (Some("MultiPolygon"), Some(polygons)) if !polygons.is_empty() => polygons
            .iter()
            .map(|rings| polygon(rings.as_array().ok_or_else(no_list)?))
            .collect(),
        (Some("MultiPolygon"), Some(_)) => Err(Flaw::Empty),
        (Some("Polygon" | "MultiPolygon"), None) => Err(no_list()),
        (Some(other), _) => Err(Flaw::NotAnArea(other.chars().take(32).collect())),
        (None, _) => Err(Flaw::NotGeoJson("it has no `type`".to_owned())),
    }
}

fn no_list() -> Flaw {
    Flaw::NotGeoJson("coordinates are lists of lists of numbers".to_owned())
}

fn polygon(rings: &[Value]) -> Result<Polygon, Flaw> {
    let mut rings = rings.iter().map(ring);
    let outer = rings.next().ok_or(Flaw::Empty)??;
    Polygon::new(outer, rings.collect::<Result<_, _>>()?)
}

fn ring(positions: &Value) -> Result<Ring, Flaw> {
    let positions = positions.as_array().ok_or_else(no_list)?;
    if positions.is_empty() {
        return Err(Flaw::Empty);
    }
    if positions.len() < 4 {
        return Err(Flaw::TooFew);
    }
    if positions.len() > RING_POSITIONS_MAX {
        return Err(Flaw::TooMany(RING_POSITIONS_MAX));
    }
    let mut corners: Vec<Point> = positions.iter().map(position).collect::<Result<_, _>>()?;
    if corners.first() != corners.last() {
        return Err(Flaw::Open);
    }
    corners.pop();
    Ring::new(corners)
}

/// Longitude, latitude, and perhaps a height, which says nothing here.
fn position(position: &Value) -> Result<Point, Flaw> {
    let numbers = position.as_array().map(Vec::as_slice);
    let (Some([lng, lat]) | Some([lng, lat, _])) = numbers else {
        return Err(no_list());
    };
    let (Some(lng), Some(lat)) = (lng.as_f64(), lat.as_f64()) else {
        return Err(no_list());
    };
    Ok(Point::from_degrees(lat, lng)?)
}
