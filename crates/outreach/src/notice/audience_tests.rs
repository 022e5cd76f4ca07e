use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_area::{Areas, Bounds};
use forecall_types::{Customer, CustomerId, DomainName, ElementId, EventTime, Language, ServiceName};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::settings::{AreaSettings, RegionSettings};

const REGIONS: [&str; 5] = ["IR-23", "IR-23-T5", "IR-23-T5-A", "IR-10", "IR-07"];
const SERVICES: [&str; 3] = ["internet", "voice", "shop"];
const ELEMENTS: [&str; 4] = ["cell-1", "cell-2", "line-3", "host-4"];

fn code(text: &str) -> RegionCode {
    RegionCode::new(text).unwrap()
}

/// Squares side by side, one of them with a hole. `IR-23` and `IR-07` have no area.
const AREAS: &str = r#"{"type": "FeatureCollection", "features": [
    {"type": "Feature", "properties": {"code": "IR-23-T5"}, "geometry": {"type": "Polygon", "coordinates": [
        [[51.30, 35.70], [51.40, 35.70], [51.40, 35.80], [51.30, 35.80], [51.30, 35.70]],
        [[51.33, 35.73], [51.37, 35.73], [51.37, 35.77], [51.33, 35.77], [51.33, 35.73]]]}},
    {"type": "Feature", "properties": {"code": "IR-23-T5-A"}, "geometry": {"type": "Polygon", "coordinates": [
        [[51.30, 35.70], [51.35, 35.70], [51.35, 35.80], [51.30, 35.80], [51.30, 35.70]]]}},
    {"type": "Feature", "properties": {"code": "IR-10"}, "geometry": {"type": "Polygon", "coordinates": [
        [[51.40, 35.70], [51.45, 35.70], [51.45, 35.80], [51.40, 35.70]]]}}]}"#;

fn areas() -> Areas {
    let bounds = Bounds::new(44.0, 25.0, 63.5, 40.0).unwrap();
    Areas::read([("areas", AREAS.as_bytes())], bounds).unwrap()
}

/// A cell about the squares.
fn place() -> impl Strategy<Value = Cell> {
    (35.68_f64..35.82, 51.28_f64..51.47, 7_u8..=9)
        .prop_map(|(lat, lng, resolution)| Point::from_degrees(lat, lng).unwrap().cell(resolution).unwrap())
}

/// `IR-23-T5-A` lies in `IR-23-T5`, that in `IR-23`.
fn settings(region_is_enough: bool) -> OutreachSettings {
    let below = |parent| RegionSettings {
        parent: Some(code(parent)),
        ..RegionSettings::default()
    };
    OutreachSettings {
        regions: BTreeMap::from([
            (code("IR-23-T5"), below("IR-23")),
            (code("IR-23-T5-A"), below("IR-23-T5")),
        ]),
        region_is_enough,
        areas: AreaSettings {
            read: Arc::new(areas()),
            ..AreaSettings::default()
        },
        ..OutreachSettings::default()
    }
}

fn some(of: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(of, 0..=of.len())
}

prop_compose! {
    fn customer()(
        number in 0_u32..40,
        region in select(&REGIONS[..]),
        services in some(&SERVICES),
        served_by in some(&ELEMENTS),
        place in proptest::option::of(place()),
    ) -> Customer {
        Customer {
            id: CustomerId::new(&format!("cus_{number}")).unwrap(),
            domain: DomainName::new("d").unwrap(),
            region: code(region),
            place,
            served_by: served_by.into_iter().map(|e| ElementId::new(e).unwrap()).collect(),
            services: services.into_iter().map(|s| ServiceName::new(s).unwrap()).collect(),
            language: Language::Fa,
            channels: Vec::new(),
            consents: BTreeSet::new(),
            priority: false,
            at: EventTime::MIN,
        }
    }
}

prop_compose! {
    fn scope()(
        regions in some(&REGIONS),
        services in some(&SERVICES),
        elements in some(&ELEMENTS),
        cells in prop_oneof![
            3 => Just(Vec::new()),
            1 => proptest::collection::vec((place(), 5_u8..=9), 1..20),
        ],
    ) -> Scope {
        Scope {
            regions: regions.into_iter().map(code).collect(),
            services: services.into_iter().map(|s| ServiceName::new(s).unwrap()).collect(),
            elements: elements.into_iter().map(|e| ElementId::new(e).unwrap()).collect(),
            cells: cells.into_iter().map(|(cell, resolution)| cell.no_finer_than(resolution)).collect(),
            ..Scope::default()
        }
    }
}

/// Said again, slowly and by text.
fn is_touched(customer: &Customer, scope: &Scope, region_is_enough: bool) -> bool {
    let lies_in = |inner: &str, outer: &str| inner == outer || inner.starts_with(&format!("{outer}-"));
    let areas = areas();
    let centre = customer.place.map(Point::centre_of);
    let narrower = areas.codes().filter(|code| {
        lies_in(code.as_str(), customer.region.as_str())
            && centre.is_some_and(|centre| areas.get(code).unwrap().contains(centre))
    });
    let theirs: Vec<&RegionCode> = std::iter::once(&customer.region).chain(narrower).collect();
    let in_region = scope
        .regions
        .iter()
        .any(|outer| theirs.iter().any(|inner| lies_in(inner.as_str(), outer.as_str())));
    let in_cell = scope.cells.is_empty()
        || customer.place.is_some_and(|place| {
            let wider = |cell: &Cell| place.at_resolution(cell.resolution()) == Some(*cell);
            scope.cells.iter().any(wider)
        });
    let by_element = if scope.elements.is_empty() {
        true
    } else if customer.served_by.is_empty() {
        region_is_enough
    } else {
        customer.served_by.intersection(&scope.elements).next().is_some()
    };
    in_region && in_cell && customer.services.intersection(&scope.services).next().is_some() && by_element
}

proptest! {
    #[test]
    fn the_audience_is_who_is_touched(
        changes in proptest::collection::vec((customer(), any::<bool>()), 0..80),
        scope in scope(),
        region_is_enough in any::<bool>(),
    ) {
        let mut directory = Directory::default();
        let mut plain: BTreeMap<CustomerId, Customer> = BTreeMap::new();
        for (customer, stays) in changes {
            if stays {
                directory.upsert(&customer).unwrap();
                plain.insert(customer.id.clone(), customer);
            } else {
                directory.erase(&customer.id);
                plain.remove(&customer.id);
            }
        }
        let bytes = forecall_stage::encode_state(&directory).unwrap();
        let again: Directory = forecall_stage::decode_state(&bytes).unwrap();
        prop_assert_eq!(&forecall_stage::encode_state(&again).unwrap(), &bytes);
        let wanted: BTreeSet<CustomerId> = plain
            .values()
            .filter(|c| is_touched(c, &scope, region_is_enough))
            .map(|c| c.id.clone())
            .collect();
        for directory in [&directory, &again] {
            let found: BTreeSet<CustomerId> = audience(directory, &scope, &settings(region_is_enough))
                .into_iter()
                .map(|no| directory.get(no).unwrap().id.clone())
                .collect();
            prop_assert_eq!(&found, &wanted);
            // One by one, as replies and the invariant of plans ask.
            let set = settings(region_is_enough);
            let question = Question::of(directory, &scope, &set);
            for id in plain.keys() {
                let person = directory.get(directory.number(id).unwrap()).unwrap();
                prop_assert_eq!(question.reaches(directory, person), wanted.contains(id), "{}", id);
            }
        }
        if scope.regions.is_empty() || scope.services.is_empty() {
            prop_assert!(wanted.is_empty());
        }
    }

    #[test]
    fn a_customer_stays_small(customer in customer()) {
        let mut directory = Directory::default();
        directory.upsert(&customer).unwrap();
        let person = directory.get(0).unwrap();
        let heap = person.id.as_str().len() + 16 + 4 * customer.served_by.len();
        prop_assert!(size_of::<Person>() + heap <= 128, "{} + {heap}", size_of::<Person>());
        directory.erase(&customer.id);
        let left = forecall_stage::encode_state(&directory).unwrap();
        for name in [customer.region.as_str(), "cell-1", customer.id.as_str()] {
            prop_assert!(!left.windows(name.len()).any(|w| w == name.as_bytes()), "{name} is still there");
        }
    }
}

#[test]
fn a_place_says_more_than_a_code_and_never_anything_else() {
    let told = |region: &str, place: Option<(f64, f64)>, scope: &Scope| {
        let mut directory = Directory::default();
        let customer = Customer {
            id: CustomerId::new("cus_1").unwrap(),
            domain: DomainName::new("d").unwrap(),
            region: code(region),
            place: place.map(|(lat, lng)| Point::from_degrees(lat, lng).unwrap().cell(9).unwrap()),
            served_by: BTreeSet::new(),
            services: BTreeSet::from([ServiceName::new("internet").unwrap()]),
            language: Language::Fa,
            channels: Vec::new(),
            consents: BTreeSet::new(),
            priority: false,
            at: EventTime::MIN,
        };
        directory.upsert(&customer).unwrap();
        !audience(&directory, scope, &settings(false)).is_empty()
    };
    let scope = |region: &str, cells: &[Cell]| Scope {
        regions: BTreeSet::from([code(region)]),
        services: BTreeSet::from([ServiceName::new("internet").unwrap()]),
        cells: cells.iter().copied().collect(),
        ..Scope::default()
    };
    let (inside, hole, beside) = ((35.71, 51.31), (35.75, 51.36), (35.71, 51.42));
    let t5 = scope("IR-23-T5", &[]);
    assert!(
        told("IR-23", Some(inside), &t5),
        "the province is known, and the place"
    );
    assert!(
        !told("IR-23", Some(hole), &t5) && !told("IR-23", Some(beside), &t5) && !told("IR-23", None, &t5)
    );
    assert!(
        !told("IR-10", Some(inside), &t5),
        "code and place contradict each other"
    );
    assert!(told("IR-23-T5", Some(beside), &t5), "a code holds");
    let cell = |resolution| {
        Point::from_degrees(inside.0, inside.1)
            .unwrap()
            .cell(resolution)
            .unwrap()
    };
    assert!(told("IR-23", Some(inside), &scope("IR-23", &[cell(7)])));
    assert!(!told("IR-23", Some(beside), &scope("IR-23", &[cell(7)])));
    assert!(
        !told("IR-23", None, &scope("IR-23", &[cell(7)])),
        "not known where"
    );
    assert!(
        !told("IR-10", Some(inside), &scope("IR-23", &[cell(7)])),
        "cells only narrow"
    );
    assert!(
        !told("IR-23", Some(inside), &scope("IR-23", &[cell(11)])),
        "known less exactly than the scope"
    );
    assert!(!told(
        "IR-23",
        Some(inside),
        &Scope {
            regions: BTreeSet::new(),
            ..scope("IR-23", &[cell(7)])
        }
    ));
}
