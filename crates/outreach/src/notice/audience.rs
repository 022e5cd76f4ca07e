//! Whom an incident touches.

use std::collections::BTreeSet;

use forecall_types::{RegionCode, Scope};

use super::directory::{Directory, Person, PersonNo};
use crate::settings::OutreachSettings;

/// Who is touched: in one of the regions (or below one), uses one of the services, and, where the incident names
/// elements, is served by one of them. A customer of whom it isn't known what serves them counts only where
/// [`region_is_enough`](OutreachSettings::region_is_enough). No region or no service: nobody, never everybody.
///
/// Products aren't looked at: a customer record says services, and a product needs them.
pub(crate) fn audience(
    directory: &Directory,
    scope: &Scope,
    settings: &OutreachSettings,
) -> BTreeSet<PersonNo> {
    let question = Question::of(directory, scope, settings);
    directory
        .by_region()
        .filter(|(region, _)| question.covers(region))
        .flat_map(|(_, people)| people.iter().copied())
        .filter(|no| directory.get(*no).is_some_and(|person| question.touches(person)))
        .collect()
}

/// A scope in the directory's numbers.
pub(crate) struct Question<'a> {
    scope: &'a Scope,
    settings: &'a OutreachSettings,
    services: u64,
    elements: BTreeSet<u32>,
}

impl<'a> Question<'a> {
    pub(crate) fn of(directory: &Directory, scope: &'a Scope, settings: &'a OutreachSettings) -> Self {
        Self {
            scope,
            settings,
            services: directory.services(&scope.services),
            elements: directory.elements(&scope.elements),
        }
    }

    /// Whether a region is one of the scope's or lies in one.
    pub(crate) fn covers(&self, region: &RegionCode) -> bool {
        self.settings
            .ancestry(region)
            .any(|code| self.scope.regions.contains(code))
    }

    /// Whether a person in a covered region is touched.
    pub(crate) fn touches(&self, person: &Person) -> bool {
        person.uses(self.services)
            && (self.scope.elements.is_empty()
                || person
                    .served_by_any(&self.elements)
                    .unwrap_or(self.settings.region_is_enough))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use forecall_types::{Customer, CustomerId, DomainName, ElementId, EventTime, Language, ServiceName};
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;
    use crate::settings::RegionSettings;

    const REGIONS: [&str; 5] = ["IR-23", "IR-23-T5", "IR-23-T5-A", "IR-10", "IR-07"];
    const SERVICES: [&str; 3] = ["internet", "voice", "shop"];
    const ELEMENTS: [&str; 4] = ["cell-1", "cell-2", "line-3", "host-4"];

    fn code(text: &str) -> RegionCode {
        RegionCode::new(text).unwrap()
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
        ) -> Customer {
            Customer {
                id: CustomerId::new(&format!("cus_{number}")).unwrap(),
                domain: DomainName::new("d").unwrap(),
                region: code(region),
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
        fn scope()(regions in some(&REGIONS), services in some(&SERVICES), elements in some(&ELEMENTS)) -> Scope {
            Scope {
                regions: regions.into_iter().map(code).collect(),
                services: services.into_iter().map(|s| ServiceName::new(s).unwrap()).collect(),
                elements: elements.into_iter().map(|e| ElementId::new(e).unwrap()).collect(),
                ..Scope::default()
            }
        }
    }

    /// Said again, slowly and by text.
    fn is_touched(customer: &Customer, scope: &Scope, region_is_enough: bool) -> bool {
        let in_region = scope.regions.iter().any(|region| {
            let (inner, outer) = (customer.region.as_str(), region.as_str());
            inner == outer || inner.starts_with(&format!("{outer}-"))
        });
        let by_element = if scope.elements.is_empty() {
            true
        } else if customer.served_by.is_empty() {
            region_is_enough
        } else {
            customer.served_by.intersection(&scope.elements).next().is_some()
        };
        in_region && customer.services.intersection(&scope.services).next().is_some() && by_element
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
}
