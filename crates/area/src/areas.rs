use std::collections::BTreeMap;

use forecall_types::RegionCode;
use serde_json::Value;

use crate::error::{AreaError, Flaw};
use crate::geojson::{features, of_feature, parse, properties, within};
use crate::point::{Bounds, Grid, Point};
use crate::ring::Area;

/// Areas of one domain: as many as it may have regions.
pub const AREAS_MAX: usize = 16_384;
/// Fields of the grid over all areas: three levels of a country as large as Russia. At 4 B this is 16 MiB.
const FIELDS_MAX: usize = 4_000_000;

/// The areas of regions, found by code and by point.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Areas {
    by_code: BTreeMap<RegionCode, u32>,
    list: Vec<(RegionCode, Area)>,
    /// Areas whose box touches a field.
    fields: BTreeMap<Grid, Vec<u32>>,
}

impl Areas {
    /// Reads files, each a `FeatureCollection` whose features have a region code as property `code`. All of it is taken or nothing.
    ///
    /// # Errors
    /// [`AreaError`]: a feature without a code or with one that another has, or what isn't an area within `bounds`.
    pub fn read<'f>(
        files: impl IntoIterator<Item = (&'f str, &'f [u8])>,
        bounds: Bounds,
    ) -> Result<Self, AreaError> {
        let mut areas = Self::default();
        for (name, text) in files {
            let wrong = |place: String| move |flaw| AreaError { place, flaw };
            let json = parse(text).map_err(wrong(name.to_owned()))?;
            let list = features(&json).map_err(wrong(name.to_owned()))?;
            let list = list.ok_or_else(|| {
                wrong(name.to_owned())(Flaw::NotGeoJson("it is no `FeatureCollection`".to_owned()))
            })?;
            for (i, feature) in list.iter().enumerate() {
                let place = format!("{name}: feature {}", i + 1);
                let code = code_of(feature).map_err(wrong(place.clone()))?;
                let place = format!("{place} ({code})");
                let area = of_feature(feature).and_then(Area::new);
                let area = within(area, bounds).map_err(wrong(place.clone()))?;
                areas.add(code, area).map_err(wrong(place))?;
            }
        }
        Ok(areas)
    }

    fn add(&mut self, code: RegionCode, area: Area) -> Result<(), Flaw> {
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        if self.list.len() >= AREAS_MAX {
            return Err(Flaw::NotGeoJson(format!("there are more than {AREAS_MAX} areas")));
        }
        if self.by_code.insert(code.clone(), number).is_some() {
            return Err(Flaw::NotGeoJson("another area has the same code".to_owned()));
        }
        let mut fields: usize = self.fields.values().map(Vec::len).sum();
        for (from, to) in area.bounds().rows() {
            for column in from.column..=to.column {
                fields += 1;
                if fields > FIELDS_MAX {
                    return Err(Flaw::OutOfBounds);
                }
                let field = Grid {
                    row: from.row,
                    column,
                };
                self.fields.entry(field).or_default().push(number);
            }
        }
        self.list.push((code, area));
        Ok(())
    }

    /// The area of a region, if it has one.
    pub fn get(&self, code: &RegionCode) -> Option<&Area> {
        let number = usize::try_from(*self.by_code.get(code)?).ok()?;
        self.list.get(number).map(|(_, area)| area)
    }

    /// Regions whose area holds a point.
    pub fn holding(&self, point: Point) -> impl Iterator<Item = &RegionCode> {
        let near = self.fields.get(&Grid::of(point)).into_iter().flatten();
        near.filter_map(|number| self.list.get(usize::try_from(*number).ok()?))
            .filter(move |(_, area)| area.contains(point))
            .map(|(code, _)| code)
    }

    /// Regions that have an area.
    pub fn codes(&self) -> impl Iterator<Item = &RegionCode> {
        self.by_code.keys()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

fn code_of(feature: &Value) -> Result<RegionCode, Flaw> {
    let code = properties(feature).and_then(|all| all.get("code"));
    let code = code.and_then(Value::as_str).map(RegionCode::new);
    let wrong = || Flaw::NotGeoJson("its property `code` is no region code, such as IR-23".to_owned());
    code.ok_or_else(wrong)?.map_err(|_| wrong())
}
