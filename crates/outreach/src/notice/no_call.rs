//! "No need to call": a fact that is computed, never a word that is written (R1).

use forecall_types::{Incident, IncidentState, Responsibility};

use crate::settings::OutreachSettings;

/// All that decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "eight independent facts, of which the rule is a conjunction"
)]
pub(crate) struct NoCallFacts {
    /// Customers are hit, for certain.
    pub(crate) confirmed: bool,
    /// A person has taken it on.
    pub(crate) acknowledged: bool,
    /// Every sentence holds: place and service are known by name, and no order from outside stands behind it.
    pub(crate) all_known: bool,
    /// An expected end lies ahead.
    pub(crate) eta_ahead: bool,
    /// A promise was broken and not yet renewed.
    pub(crate) promise_overdue: bool,
    /// The customer has something to do.
    pub(crate) action_needed: bool,
    /// Money may be stuck.
    pub(crate) payment_stuck: bool,
    /// Voice, emergency, health, alarm or payment is in scope, or a service of which that isn't known.
    pub(crate) critical_service: bool,
}

/// Whether a text may say that no call is needed.
pub(crate) const fn no_call_needed(facts: NoCallFacts) -> bool {
    facts.confirmed
        && facts.acknowledged
        && facts.all_known
        && facts.eta_ahead
        && !facts.promise_overdue
        && !facts.action_needed
        && !facts.payment_stuck
        && !facts.critical_service
}

impl NoCallFacts {
    /// Read from an incident.
    pub(crate) fn of(
        incident: &Incident,
        at: forecall_types::EventTime,
        promise_overdue: bool,
        settings: &OutreachSettings,
    ) -> Self {
        let services: Vec<_> = incident
            .scope
            .services
            .iter()
            .map(|name| settings.services.get(name))
            .collect();
        let regions_named = !incident.scope.regions.is_empty()
            && incident
                .scope
                .regions
                .iter()
                .all(|r| settings.regions.get(r).is_some_and(|r| r.name.is_some()));
        let services_named =
            !services.is_empty() && services.iter().all(|s| s.is_some_and(|s| s.name.is_some()));
        Self {
            confirmed: incident.state == IncidentState::Confirmed,
            acknowledged: incident.acknowledged.is_some(),
            all_known: regions_named
                && services_named
                && incident.responsibility != Responsibility::ExternalOrder,
            eta_ahead: incident.eta.is_some_and(|eta| eta > at),
            promise_overdue,
            action_needed: services.iter().flatten().any(|s| s.asks_action),
            payment_stuck: services
                .iter()
                .flatten()
                .any(|s| s.class == crate::settings::ServiceClass::Payment),
            critical_service: services.iter().any(|s| s.is_none_or(|s| s.class.is_critical())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_all_combinations_allows_it() {
        let mut allowed = Vec::new();
        for bits in 0_u32..256 {
            let bit = |n: u32| bits >> n & 1 == 1;
            let facts = NoCallFacts {
                confirmed: bit(0),
                acknowledged: bit(1),
                all_known: bit(2),
                eta_ahead: bit(3),
                promise_overdue: bit(4),
                action_needed: bit(5),
                payment_stuck: bit(6),
                critical_service: bit(7),
            };
            if no_call_needed(facts) {
                allowed.push(bits);
            }
        }
        assert_eq!(allowed, [0b0000_1111]);
    }
}
