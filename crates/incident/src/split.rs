//! Parts an open incident in two: what of it turns out to be trouble of its own.

use std::collections::BTreeSet;

use forecall_stage::Effects;
use forecall_types::{
    IncidentChange, IncidentEvent, IncidentId, IncidentState, RegionCode, RejectReason, Scope, ServiceName,
};

use crate::command::{Refusal, not_allowed};
use crate::group::{Domain, OPEN_MAX, Open};
use crate::publish::Step;
use crate::reason::place;
use crate::scope::{Pair, pairs_of};

/// What leaves, and what stays; each is all pairs of its services and regions.
#[derive(Debug, PartialEq)]
struct Parts {
    leaves: Scope,
    stays: Scope,
}

/// Whether this may be split off an incident of this scope.
///
/// # Errors
/// Why not, in words for whoever asked.
pub fn check_split(
    whole: &Scope,
    services: &BTreeSet<ServiceName>,
    regions: &BTreeSet<RegionCode>,
) -> Result<(), String> {
    parts(whole, services, regions).map(|_| ())
}

/// Parts a scope by services or by regions; an empty set names all.
fn parts(
    whole: &Scope,
    services: &BTreeSet<ServiceName>,
    regions: &BTreeSet<RegionCode>,
) -> Result<Parts, String> {
    if let Some(service) = services.iter().find(|s| !whole.services.contains(*s)) {
        return Err(format!("it doesn't touch {service}"));
    }
    if let Some(region) = regions.iter().find(|r| !whole.regions.contains(*r)) {
        return Err(format!("it doesn't touch {region}"));
    }
    let narrows = |named: usize, all: usize| named > 0 && named < all;
    let by_service = narrows(services.len(), whole.services.len());
    let by_region = narrows(regions.len(), whole.regions.len());
    let (mut leaves, mut stays) = (whole.clone(), whole.clone());
    match (by_service, by_region) {
        (true, false) => {
            leaves.services.clone_from(services);
            stays.services.retain(|s| !services.contains(s));
        }
        (false, true) => {
            leaves.regions.clone_from(regions);
            stays.regions.retain(|r| !regions.contains(r));
        }
        (true, true) => {
            return Err("by services or by regions: by both, what stays would be no whole scope".into());
        }
        (false, false) => return Err("name a part of its services or of its regions".into()),
    }
    for part in [&mut leaves, &mut stays] {
        // Counted and named again from the evidence of each.
        part.elements.clear();
        part.customers_estimated = None;
    }
    Ok(Parts { leaves, stays })
}

impl Domain {
    /// Parts `id`: the services or regions named go on as an incident of their own; or says why not.
    pub(crate) fn split(
        &mut self,
        id: &IncidentId,
        (services, regions): (&BTreeSet<ServiceName>, &BTreeSet<RegionCode>),
        by: &str,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) -> Result<(), Refusal> {
        let whole = &self.open_mut(id)?.incident;
        if whole.work.is_some() {
            return Err(not_allowed(
                "planned work is closed and announced anew, not split",
            ));
        }
        let Parts { leaves, stays } = parts(&whole.scope, services, regions).map_err(not_allowed)?;
        if self.open.len() >= OPEN_MAX {
            return Err((
                RejectReason::SeriesLimit,
                format!("{OPEN_MAX} incidents are open"),
            ));
        }
        let fresh = self.fresh_id(&leaves, step.at);
        let Some(mut from) = self.open.remove(id) else {
            return Ok(());
        };
        let Some((life, change)) = from.life.split() else {
            self.open.insert(id.clone(), from);
            return Err(not_allowed("only open incidents are split"));
        };
        let pairs = pairs_of(&leaves);
        let mut part = Open::new(&self.name, (fresh.clone(), life), leaves, step);
        part.pairs.clone_from(&pairs);
        self.endow(&mut part, &from, step);
        let what = place(&part.incident.scope);
        from.incident.scope = stays;
        from.pairs.retain(|pair| !pairs.contains(pair));
        from.faded_since = None;
        from.notes
            .push(format!("{what} is split from it by {by}, as {fresh}"));
        self.own(&pairs, &fresh);
        let why = format!("split from {id} by {by}");
        self.tell(part, change, &why, step, effects);
        self.tell(from, IncidentChange::Updated, "", step, effects);
        Ok(())
    }

    /// What held of the whole holds of the part until somebody says otherwise.
    fn endow(&self, part: &mut Open, from: &Open, step: &Step<'_>) {
        part.since = from.since;
        part.declared = from.declared;
        part.severity_floor = from.severity_floor;
        part.is_attributed = from.is_attributed;
        part.held.clone_from(&from.held);
        let known: BTreeSet<Pair> = part.pairs.clone();
        let (incident, whole) = (&mut part.incident, &from.incident);
        incident.split_from = Some(whole.id.clone());
        incident.severity = whole.severity;
        incident.kind = whole.kind;
        incident.onset_predicted = whole.onset_predicted;
        incident.onset_interval = whole.onset_interval;
        incident.responsibility = whole.responsibility;
        incident.acknowledged.clone_from(&whole.acknowledged);
        incident.eta = whole.eta;
        incident.steps.clone_from(&whole.steps);
        // Nobody is called twice of what they have been called of.
        incident.paging.clone_from(&whole.paging);
        incident.lineage = self.lineage_of(&self.members_of(&known));
        if incident.state == IncidentState::Confirmed {
            let a = self.assess(&known, step);
            incident.onset_observed = a.hit.map(|hit| hit.since).or(whole.onset_observed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(services: &[&str], regions: &[&str]) -> Scope {
        Scope {
            services: services.iter().map(|s| ServiceName::new(s).unwrap()).collect(),
            regions: regions.iter().map(|r| RegionCode::new(r).unwrap()).collect(),
            ..Scope::default()
        }
    }

    #[test]
    fn a_scope_is_parted_by_services_or_by_regions_and_both_parts_are_whole() {
        let whole = scope(&["internet", "tv"], &["IR-10", "IR-23"]);
        let part = |services: &[&str], regions: &[&str]| {
            let named = scope(services, regions);
            parts(&whole, &named.services, &named.regions)
        };
        let by_service = part(&["tv"], &[]).unwrap();
        assert_eq!(by_service.leaves, scope(&["tv"], &["IR-10", "IR-23"]));
        assert_eq!(by_service.stays, scope(&["internet"], &["IR-10", "IR-23"]));
        assert_eq!(part(&["tv"], &["IR-10", "IR-23"]).unwrap(), by_service);
        let by_region = part(&[], &["IR-23"]).unwrap();
        assert_eq!(by_region.leaves, scope(&["internet", "tv"], &["IR-23"]));
        assert_eq!(by_region.stays, scope(&["internet", "tv"], &["IR-10"]));
        for (services, regions, why) in [
            (&["tv"][..], &["IR-10"][..], "by services or by regions"),
            (&[], &[], "name a part"),
            (&["internet", "tv"], &[], "name a part"),
            (&["telex"], &[], "it doesn't touch telex"),
            (&[], &["IR-01"], "it doesn't touch IR-01"),
        ] {
            let told = part(services, regions).unwrap_err();
            assert!(told.contains(why), "{services:?} {regions:?}: {told}");
        }
    }
}
