//! Whom an incident touches.

use std::collections::BTreeSet;

use forecall_area::Point;
use forecall_types::{Cell, RegionCode, Scope};

use super::directory::{Directory, Person, PersonNo};
use crate::settings::OutreachSettings;

/// Who is touched: in one of the regions (or below one), uses one of the services, and, where the incident names
/// elements, is served by one of them, and, where it names cells, is in one of them. A customer of whom it isn't known what serves
/// them counts only where [`region_is_enough`](OutreachSettings::region_is_enough); one whose place isn't known never lies in a cell.
/// No region or no service: nobody, never everybody.
///
/// A customer is also in each region that lies in their own and whose area holds the centre of their cell: a place says more than
/// a code, and never anything else.
///
/// Products aren't looked at: a customer record says services, and a product needs them.
pub(crate) fn audience(
    directory: &Directory,
    scope: &Scope,
    settings: &OutreachSettings,
) -> BTreeSet<PersonNo> {
    let question = Question::of(directory, scope, settings);
    if scope.regions.is_empty() || question.services == 0 {
        return BTreeSet::new();
    }
    let covered = directory
        .by_region()
        .filter(|(region, _)| question.covers(region));
    let mut people: Vec<PersonNo> = covered.flat_map(|(_, people)| people.iter().copied()).collect();
    let areas = &settings.areas.read;
    for code in areas.codes().filter(|code| question.covers(code)) {
        let wider = directory.regions(settings.ancestry(code));
        if let (Some(area), false) = (areas.get(code), wider.is_empty()) {
            people.extend(directory.in_area(area, &wider));
        }
    }
    people.sort_unstable();
    people.dedup();
    directory
        .among(&people)
        .filter(|(_, person)| question.touches(person))
        .map(|(no, _)| no)
        .collect()
}

/// A scope in the directory's numbers.
pub(crate) struct Question<'a> {
    scope: &'a Scope,
    settings: &'a OutreachSettings,
    services: u64,
    elements: BTreeSet<u32>,
    /// Resolutions of the scope's cells.
    resolutions: BTreeSet<u8>,
}

impl<'a> Question<'a> {
    pub(crate) fn of(directory: &Directory, scope: &'a Scope, settings: &'a OutreachSettings) -> Self {
        Self {
            scope,
            settings,
            services: directory.services(&scope.services),
            elements: directory.elements(&scope.elements),
            resolutions: scope.cells.iter().map(|cell| cell.resolution()).collect(),
        }
    }

    /// Whether a person is touched, wherever they are.
    pub(crate) fn reaches(&self, directory: &Directory, person: &Person) -> bool {
        let region = directory.region(person.region);
        self.touches(person)
            && region.is_some_and(|region| self.covers(&region) || self.covers_within(&region, person))
    }

    /// Whether a region is one of the scope's or lies in one.
    fn covers(&self, region: &RegionCode) -> bool {
        self.settings
            .ancestry(region)
            .any(|code| self.scope.regions.contains(code))
    }

    /// Whether a person's place lies in the area of a covered region within their own.
    fn covers_within(&self, own: &RegionCode, person: &Person) -> bool {
        let centre = person.place().map(Point::centre_of);
        let areas = &self.settings.areas.read;
        let mut narrower = centre.into_iter().flat_map(|centre| areas.holding(centre));
        narrower.any(|code| self.covers(code) && self.settings.ancestry(code).any(|wider| wider == own))
    }

    /// Whether a person in a covered region is touched.
    fn touches(&self, person: &Person) -> bool {
        person.uses(self.services)
            && (self.scope.elements.is_empty()
                || person
                    .served_by_any(&self.elements)
                    .unwrap_or(self.settings.region_is_enough))
            && (self.scope.cells.is_empty() || person.place().is_some_and(|place| self.is_in_cell(place)))
    }

    /// Whether a cell is one of the scope's or lies in one. A wider one than the scope's doesn't.
    fn is_in_cell(&self, place: Cell) -> bool {
        let mut within = self.resolutions.iter().filter_map(|r| place.at_resolution(*r));
        within.any(|cell| self.scope.cells.contains(&cell))
    }
}

#[cfg(test)]
#[path = "audience_tests.rs"]
mod tests;
