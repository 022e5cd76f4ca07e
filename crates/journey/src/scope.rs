use std::collections::BTreeMap;

use forecall_types::{DomainName, RegionCode, ServiceName};
use serde::{Deserialize, Serialize};

/// Domains with services and regions that are told apart, a partition.
pub const JOURNEY_SCOPES_MAX: usize = 4_096;
/// Domains alone, for events whose scope found no room.
const DOMAINS_MAX: usize = 256;

/// Whose event it was, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) domain: DomainName,
    /// `None`: the rule's.
    pub(crate) service: Option<ServiceName>,
    pub(crate) region: Option<RegionCode>,
}

/// Scopes by number: journeys hold two bytes instead of three names. None is forgotten: there are few.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Scope>", into = "Vec<Scope>")]
pub(crate) struct Scopes {
    all: Vec<Scope>,
    numbers: BTreeMap<Scope, u16>,
}

/// Where an event was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Known(u16),
    /// With its domain alone: there is no room for its service and region.
    DomainAlone(u16),
    /// Nowhere.
    Full,
}

impl Scopes {
    pub(crate) fn get(&self, number: u16) -> Option<&Scope> {
        self.all.get(usize::from(number))
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn place(&mut self, scope: Scope) -> Place {
        if let Some(number) = self.known(&scope, JOURNEY_SCOPES_MAX) {
            return Place::Known(number);
        }
        let alone = Scope {
            domain: scope.domain,
            service: None,
            region: None,
        };
        self.known(&alone, JOURNEY_SCOPES_MAX + DOMAINS_MAX)
            .map_or(Place::Full, Place::DomainAlone)
    }

    fn known(&mut self, scope: &Scope, max: usize) -> Option<u16> {
        if let Some(number) = self.numbers.get(scope) {
            return Some(*number);
        }
        let number = u16::try_from(self.all.len())
            .ok()
            .filter(|_| self.all.len() < max)?;
        self.all.push(scope.clone());
        self.numbers.insert(scope.clone(), number);
        Some(number)
    }
}

impl From<Vec<Scope>> for Scopes {
    fn from(all: Vec<Scope>) -> Self {
        let numbers = all.iter().cloned().zip(0_u16..).collect();
        Self { all, numbers }
    }
}

impl From<Scopes> for Vec<Scope> {
    fn from(scopes: Scopes) -> Self {
        scopes.all
    }
}
