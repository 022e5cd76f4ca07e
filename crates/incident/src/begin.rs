//! How incidents begin: from evidence that no open one holds, or under an id that comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forecall_stage::Effects;
use forecall_types::{
    AnomalyId, DomainName, EventTime, Fingerprint, Incident, IncidentChange, IncidentEvent, IncidentId,
    IncidentKind, IncidentState, Lineage, Probability, RegionCode, RejectReason, Responsibility, Scope,
    Severity,
};

use crate::group::{Domain, Ended, OPEN_MAX, Open, Standing};
use crate::life::{Life, Trigger};
use crate::moves::MOVES_WITHIN;
use crate::publish::Step;
use crate::reason::{clock, place};
use crate::remedy::Remedies;
use crate::scope::{Pair, pairs_of};
use crate::verdict::Peaks;

/// What moves with an incident's service and becomes an incident of its own this soon after it is part of it: the time in which
/// troubles begin together, and as much again until both are sure.
const JOINS_WITHIN: Duration = MOVES_WITHIN.saturating_mul(2);

/// Incidents that were opened at a step and aren't published yet: the change their first event names, and why.
pub(crate) type Fresh = Vec<(IncidentId, IncidentChange, String)>;

impl Open {
    /// One that nothing is known of but its place and its life.
    pub(crate) fn new(
        domain: &DomainName,
        (id, life): (IncidentId, Life),
        scope: Scope,
        step: &Step<'_>,
    ) -> Self {
        Self {
            incident: Incident {
                id,
                revision: 0,
                domain: domain.clone(),
                state: life.state(),
                reopened: life.reopened(),
                phase: None,
                severity: Severity::Minor,
                kind: IncidentKind::Degradation,
                work: None,
                scope,
                probability: Probability::ONE,
                contributions: Vec::new(),
                opened_at: step.at,
                at: step.at,
                onset_predicted: None,
                onset_interval: None,
                onset_observed: None,
                resolved_at: None,
                evidence: Vec::new(),
                causes: Vec::new(),
                dimensions: Vec::new(),
                paging: Vec::new(),
                silenced: None,
                storm: false,
                parent: None,
                merged_into: None,
                split_from: None,
                adjustment: None,
                remedies: Vec::new(),
                responsibility: Responsibility::Unknown,
                problem: None,
                acknowledged: None,
                eta: None,
                steps: Vec::new(),
                reason: String::new(),
                version: Arc::clone(&step.settings.version),
                settings: Arc::clone(&step.settings.settings_digest),
                lineage: Lineage::default(),
                simulated: step.settings.simulated,
            },
            life,
            since: step.at,
            pairs: BTreeSet::new(),
            declared: false,
            severity_floor: Severity::Minor,
            faded_since: None,
            top: Vec::new(),
            notes: Vec::new(),
            held: None,
            is_reminded: false,
            is_attributed: false,
            remedies: Remedies::default(),
            peaks: Peaks::default(),
        }
    }
}

impl Domain {
    /// Opens incidents for what no open one holds. They are to be published: with this change, for this reason.
    pub(crate) fn open_new(&mut self, step: &Step<'_>, effects: &mut Effects<IncidentEvent>) -> Fresh {
        let free: Vec<Pair> = self
            .groups
            .iter()
            .filter(|(_, g)| g.owner.is_none())
            .map(|(p, _)| p.clone())
            .collect();
        let lasting = Duration::from_secs(step.settings.tunables.predict_for_seconds);
        // Services of one region that the same anomalies speak for are one trouble.
        let mut troubles: BTreeMap<(RegionCode, Vec<AnomalyId>, Trigger), BTreeSet<Pair>> = BTreeMap::new();
        for pair in free {
            let a = self.assess(&BTreeSet::from([pair.clone()]), step);
            self.learner.watch(&pair, &a, step.at, step.settings);
            let Some(group) = self.groups.get_mut(&pair) else {
                continue;
            };
            let likely = a.probability.get() >= step.settings.tunables.predict_threshold;
            let above = likely.then(|| group.above_since.unwrap_or(step.at));
            group.above_since = above;
            let trigger = if a.hit.is_some() {
                Trigger::Hit
            } else if above.is_some_and(|since| step.at.since(since) >= lasting) {
                Trigger::Foresee
            } else {
                continue;
            };
            troubles
                .entry((pair.region.clone(), a.active, trigger))
                .or_default()
                .insert(pair);
        }
        // Whoever feels most first: the others share it.
        let mut troubles: Vec<_> = troubles.into_iter().collect();
        troubles.sort_by_key(|((_, active, _), _)| std::cmp::Reverse(active.len()));
        let mut fresh = Fresh::new();
        for ((region, active, trigger), pairs) in troubles {
            let host = self
                .same_evidence(&region, &active)
                .or_else(|| self.moves_with(&region, &pairs, step));
            if let Some((id, why)) = host {
                self.join(&id, &pairs, &why);
            } else if let Some(opened) = self.open_one(&pairs, trigger, step, effects) {
                fresh.push(opened);
            }
        }
        fresh
    }

    /// The open incident of the region that shares most of this evidence: an anomaly that two services feel is one trouble.
    fn same_evidence(&self, region: &RegionCode, active: &[AnomalyId]) -> Option<(IncidentId, String)> {
        let hosts = self
            .open
            .values()
            .filter(|open| open.incident.work.is_none() && open.incident.scope.regions.iter().eq([region]));
        let shared = hosts.map(|open| {
            let members = self.members_of(&open.pairs);
            let speaks = |id: &&AnomalyId| members.get(*id).is_some_and(|m| m.standing == Standing::Full);
            (active.iter().filter(speaks).count(), &open.incident.id)
        });
        // Of equals the first.
        let most = shared.rev().max_by_key(|(count, _)| *count);
        most.filter(|(count, _)| *count > 0)
            .map(|(_, id)| (id.clone(), String::new()))
    }

    /// An open incident of the region that has just begun, with a service that these have always fallen into trouble with.
    fn moves_with(
        &self,
        region: &RegionCode,
        pairs: &BTreeSet<Pair>,
        step: &Step<'_>,
    ) -> Option<(IncidentId, String)> {
        if !step.settings.tunables.learn || self.name.is_canary() {
            return None;
        }
        let mut young = self.open.values().filter(|open| {
            open.incident.work.is_none()
                && !open.declared
                && open.incident.scope.regions.iter().eq([region])
                && step.at.since(open.since) <= JOINS_WITHIN
        });
        young.find_map(|open| {
            let mut both = pairs.iter().flat_map(|pair| {
                open.pairs
                    .iter()
                    .map(move |other| (&pair.service, &other.service))
            });
            let (other, times) = both.find_map(|(a, b)| Some((b, self.known.moves.together(a, b)?)))?;
            let why = format!(
                ": it came with {other} in {} of {} troubles",
                times.times, times.of
            );
            Some((open.incident.id.clone(), why))
        })
    }

    /// Adds services to an open incident.
    fn join(&mut self, id: &IncidentId, pairs: &BTreeSet<Pair>, why: &str) {
        let mut is_hit = false;
        if let Some(open) = self.open.get_mut(id) {
            is_hit = open.incident.state == IncidentState::Confirmed;
            for pair in pairs {
                open.incident.scope.services.insert(pair.service.clone());
                open.notes
                    .push(format!("{} is touched as well{why}", pair.service));
                open.pairs.insert(pair.clone());
            }
        }
        if is_hit {
            self.learner.hit(pairs);
        }
        self.own(pairs, id);
    }

    pub(crate) fn own(&mut self, pairs: &BTreeSet<Pair>, id: &IncidentId) {
        for pair in pairs {
            let group = self.groups.entry(pair.clone()).or_default();
            group.owner = Some(id.clone());
            group.refused = false;
        }
    }

    fn open_one(
        &mut self,
        pairs: &BTreeSet<Pair>,
        trigger: Trigger,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) -> Option<(IncidentId, IncidentChange, String)> {
        let a = self.assess(pairs, step);
        let scope = Scope {
            services: pairs.iter().map(|p| p.service.clone()).collect(),
            regions: pairs.iter().map(|p| p.region.clone()).collect(),
            ..Scope::default()
        };
        let reason = a.hit.as_ref().filter(|_| trigger == Trigger::Hit);
        let reason = reason.map_or(String::new(), |hit| {
            format!("customers hit since {} ({})", clock(hit.since), hit.why)
        });
        let since = a.hit.as_ref().map(|h| h.since);
        let (mut open, change) = self.new_incident(scope, trigger, since, step, effects)?;
        open.incident.probability = step.probability(open.life.state(), &a);
        let id = open.incident.id.clone();
        if trigger == Trigger::Foresee {
            self.learner.tell(&id, pairs, &a, step.at, step.settings);
        } else {
            self.learner.hit(pairs);
        }
        self.open.insert(id.clone(), open);
        Some((id, change, reason))
    }

    /// An incident not yet published, with the change that its event names, its scope owned; `None` where there is no room.
    /// One that ended a while ago in this scope comes back: under its id, and in all else as if it were new.
    pub(crate) fn new_incident(
        &mut self,
        scope: Scope,
        trigger: Trigger,
        onset_observed: Option<EventTime>,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) -> Option<(Open, IncidentChange)> {
        let pairs = pairs_of(&scope);
        if self.open.len() >= OPEN_MAX {
            let groups = pairs.iter().filter_map(|p| self.groups.get(p));
            let told = groups.clone().count() > 0 && groups.clone().all(|g| g.refused);
            if !told {
                let what = format!("no incident for {}: {OPEN_MAX} are open", place(&scope));
                effects.reject(RejectReason::SeriesLimit, what);
            }
            for pair in &pairs {
                self.groups.entry(pair.clone()).or_default().refused = true;
            }
            return None;
        }
        let former = self.take_former(&pairs, trigger, step);
        let (life, change) = match &former {
            Some(former) => former.life.after(trigger)?,
            None => Life::begin(trigger)?,
        };
        let notes = match &former {
            Some(f) => vec![format!(
                "again; it was {} at {}",
                f.life.state().as_str(),
                clock(f.at)
            )],
            None => self.cite_former(&pairs, step),
        };
        // What the topology says of the cause is said again when it is confirmed again.
        let is_attributed = former.as_ref().is_some_and(|f| f.is_attributed);
        let (former, remedies) = former.map_or_else(
            || (None, Remedies::default()),
            |ended| (Some(ended.incident), ended.remedies.again()),
        );
        let id = former
            .as_ref()
            .map_or_else(|| self.fresh_id(&scope, step.at), |f| f.id.clone());
        self.own(&pairs, &id);
        let confirmed = life.state() == IncidentState::Confirmed;
        let mut lineage: Lineage = self.lineage_of(&self.members_of(&pairs));
        if let Some(former) = &former {
            lineage.merge(&former.lineage);
        }
        let mut open = Open::new(&self.name, (id, life), scope, step);
        open.pairs = pairs;
        open.notes = notes;
        open.is_attributed = is_attributed;
        open.remedies = remedies;
        let incident = &mut open.incident;
        incident.lineage = lineage;
        incident.onset_observed = onset_observed.filter(|_| confirmed);
        if let Some(former) = former {
            incident.revision = former.revision;
            incident.opened_at = former.opened_at;
            incident.adjustment = former.adjustment;
            if is_attributed {
                incident.responsibility = former.responsibility;
            }
        }
        Some((open, change))
    }

    pub(crate) fn fresh_id(&self, scope: &Scope, at: EventTime) -> IncidentId {
        let mut parts: Vec<Vec<u8>> = vec![self.name.as_str().into(), at.nanos().to_le_bytes().into()];
        parts.extend(scope.regions.iter().map(|r| r.as_str().into()));
        // The empty part keeps regions and services apart.
        parts.push(Vec::new());
        parts.extend(scope.services.iter().map(|s| s.as_str().into()));
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let mut from = Fingerprint::of_parts(&parts);
        loop {
            let id = IncidentId::derived(from);
            // Ended and opened again within one step: the next of the chain.
            if !self.closed.iter().any(|ended| ended.incident.id == id) && !self.open.contains_key(&id) {
                return id;
            }
            from = from.chain(b"again");
        }
    }

    /// Takes out the newest incident of this scope that ended a while ago and that `trigger` brings back.
    fn take_former(&mut self, pairs: &BTreeSet<Pair>, trigger: Trigger, step: &Step<'_>) -> Option<Ended> {
        // Each spike of the canary must be an incident of its own: it counts the notices of new ones.
        if self.name.is_canary() {
            return None;
        }
        let found = self.closed.iter().rposition(|ended| {
            !ended.is_disowned
                && ended.incident.work.is_none()
                && is_former(ended, pairs, step)
                && ended.life.after(trigger).is_some()
        })?;
        self.closed.remove(found)
    }

    /// A word on an incident of this scope that ended a while ago and stays over.
    fn cite_former(&self, pairs: &BTreeSet<Pair>, step: &Step<'_>) -> Vec<String> {
        let mut former = self.closed.iter().rev().filter(|e| is_former(e, pairs, step));
        let cite = |e: &Ended| {
            let what = if e.incident.work.is_some() {
                "after planned work"
            } else {
                "again, after"
            };
            format!("{what} {} ({})", e.incident.id, e.life.state().as_str())
        };
        former.next().map(cite).into_iter().collect()
    }
}

fn is_former(ended: &Ended, pairs: &BTreeSet<Pair>, step: &Step<'_>) -> bool {
    let within = Duration::from_secs(step.settings.tunables.reopen_within_seconds);
    step.at.since(ended.at) <= within && !pairs.is_disjoint(&pairs_of(&ended.incident.scope))
}
