//! Whom an incident touches, asked apart from any notice.

use std::collections::BTreeSet;
use std::sync::Arc;

use forecall_types::{Customer, CustomerId, RegionCode, RejectReason, Scope};

use crate::notice::audience::audience;
use crate::notice::directory::Directory;
use crate::settings::OutreachSettings;

/// The customers of one domain, as notices see them.
#[derive(Debug)]
pub struct People {
    directory: Directory,
    settings: Arc<OutreachSettings>,
}

impl People {
    /// Nobody yet.
    pub fn new(settings: Arc<OutreachSettings>) -> Self {
        let directory = Directory::default();
        Self { directory, settings }
    }

    /// Takes a customer: new, or newer than what is known.
    ///
    /// # Errors
    /// Why it isn't taken: older than what is known, or over a bound.
    pub fn take(&mut self, customer: &Customer) -> Result<(), (RejectReason, &'static str)> {
        self.directory.upsert(customer)
    }

    /// Whom a scope touches, in the order in which they were first taken.
    pub fn touched(&self, scope: &Scope) -> Vec<CustomerId> {
        let people = audience(&self.directory, scope, &self.settings);
        let people = people.into_iter().filter_map(|no| self.directory.get(no));
        people.map(|person| person.id.clone()).collect()
    }

    /// How many a scope touches.
    pub fn reach(&self, scope: &Scope) -> usize {
        audience(&self.directory, scope, &self.settings).len()
    }
}

impl OutreachSettings {
    /// Whether a region is one of `regions` or lies in one.
    pub fn lies_in(&self, region: &RegionCode, regions: &BTreeSet<RegionCode>) -> bool {
        self.ancestry(region).any(|code| regions.contains(code))
    }
}
