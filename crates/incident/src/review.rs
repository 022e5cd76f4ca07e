//! Judges every scope at a step of event time: opens, confirms, updates and ends incidents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forecall_stage::Effects;
use forecall_types::invariant::InvariantId;
use forecall_types::{
    AnomalyId, EventTime, Fingerprint, Incident, IncidentChange, IncidentEvent, IncidentId, IncidentKind,
    IncidentState, Lineage, Probability, RegionCode, RejectReason, Responsibility, Scope, Severity,
    check_invariant,
};

use crate::group::{Domain, Ended, OPEN_MAX, Open, Standing};
use crate::life::{Life, Trigger};
use crate::predict::{Assessment, Hit, assess};
use crate::publish::Step;
use crate::reason::{clock, place};
use crate::scope::{Pair, pairs_of};
use crate::suspects::suspects;

impl Domain {
    pub(crate) fn assess(&self, pairs: &BTreeSet<Pair>, step: &Step<'_>) -> Assessment {
        let model = self.learner.model(step.settings);
        assess(
            &self.members_of(pairs),
            &self.tracked,
            step.at,
            step.settings,
            &model,
        )
    }

    /// The next event of an incident, with the suspects of now; where nothing tells of any more, those of before stand.
    fn publish(
        &mut self,
        open: &mut Open,
        change: IncidentChange,
        a: &Assessment,
        reason: &str,
        step: &Step<'_>,
    ) -> IncidentEvent {
        let members = self.members_of(&open.pairs);
        // What a person has judged says nothing more.
        let heard = members.iter().filter(|(_, m)| m.standing != Standing::Spent);
        let tracked = heard.filter_map(|(id, _)| self.tracked.get(id));
        let speaking = tracked.filter(|t| t.active).map(|t| &t.anomaly);
        let causes = suspects(speaking, &open.incident.scope, &step.settings.topology);
        if !causes.is_empty() {
            open.incident.causes = causes;
        }
        let mut event = step.publish(open, change, a, reason);
        // The canary's incidents call nobody.
        if !self.name.is_canary() {
            self.pages.decide(&mut open.incident, &step.settings.teams);
            event.incident.paging.clone_from(&open.incident.paging);
        }
        event
    }

    /// Judges the whole domain at a step, after all entries before it were taken.
    pub(crate) fn evaluate(&mut self, step: &Step<'_>, effects: &mut Effects<IncidentEvent>) {
        self.tidy(step.at, step.settings);
        let ids: Vec<IncidentId> = self.open.keys().cloned().collect();
        for id in ids {
            if let Some(open) = self.open.remove(&id) {
                self.review(open, step, effects);
            }
        }
        self.open_new(step, effects);
        check_invariant!(
            InvariantId::C1,
            self.each_scope_has_one_owner(),
            "a scope of {} has two open incidents at {:?}",
            self.name,
            step.at
        );
    }

    fn each_scope_has_one_owner(&self) -> bool {
        let pairs: usize = self.open.values().map(|o| o.pairs.len()).sum();
        let distinct: BTreeSet<&Pair> = self.open.values().flat_map(|o| &o.pairs).collect();
        pairs == distinct.len()
    }

    fn review(&mut self, mut open: Open, step: &Step<'_>, effects: &mut Effects<IncidentEvent>) {
        let a = self.assess(&open.pairs, step);
        let t = &step.settings.tunables;
        // What comes and goes must stay away for longer each time: nobody is helped by hearing of every turn.
        let patience = |seconds| Duration::from_secs(seconds) * open.life.patience();
        let (retract_after, resolve_after) = (
            patience(t.retract_after_seconds),
            patience(t.resolve_after_seconds),
        );
        if open.life.state() == IncidentState::Predicted {
            if let Some(hit) = a.hit.clone() {
                return self.confirm(open, &hit, &a, step, effects);
            }
            if step.at >= open.since.plus(step.settings.horizon()) {
                return self.end(
                    open,
                    Trigger::HorizonPassed,
                    "no impact within the horizon",
                    &a,
                    step,
                    effects,
                );
            }
            if a.probability.get() >= t.retract_threshold {
                open.faded_since = None;
            } else {
                let since = *open.faded_since.get_or_insert(step.at);
                if step.at.since(since) >= retract_after {
                    // An acknowledgement alone prevents nothing.
                    let acted = !open.incident.steps.is_empty();
                    let trigger = if acted {
                        Trigger::FadeAfterAction
                    } else {
                        Trigger::Fade
                    };
                    let why = format!("evidence gone since {}", clock(since));
                    return self.end(open, trigger, &why, &a, step, effects);
                }
            }
        } else if open.declared || !a.active.is_empty() {
            open.faded_since = None;
        } else {
            let since = *open
                .faded_since
                .get_or_insert(a.last_news.unwrap_or(step.at).min(step.at));
            if step.at.since(since) >= resolve_after {
                let why = format!("all evidence gone since {}", clock(since));
                return self.end(open, Trigger::Fade, &why, &a, step, effects);
            }
        }
        if let Some(reason) = step.news(&open, &a) {
            open.incident.probability = step.probability(open.life.state(), &a);
            effects.emit(self.publish(&mut open, IncidentChange::Updated, &a, &reason, step));
        }
        self.open.insert(open.incident.id.clone(), open);
    }

    /// Customers are hit: by evidence or by word.
    pub(crate) fn confirm(
        &mut self,
        mut open: Open,
        hit: &Hit,
        a: &Assessment,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) {
        if let Some(change) = open.enter(Trigger::Hit) {
            open.incident.probability = Probability::ONE;
            open.incident.onset_observed = Some(hit.since);
            open.faded_since = None;
            self.learner.hit(&open.pairs);
            let reason = format!("customers hit since {} ({})", clock(hit.since), hit.why);
            effects.emit(self.publish(&mut open, change, a, &reason, step));
        }
        self.open.insert(open.incident.id.clone(), open);
    }

    /// Ends an incident, where its state allows it; else it stays as it was.
    pub(crate) fn end(
        &mut self,
        mut open: Open,
        trigger: Trigger,
        why: &str,
        a: &Assessment,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) {
        let Some(change) = open.enter(trigger) else {
            self.open.insert(open.incident.id.clone(), open);
            return;
        };
        let state = open.life.state();
        let by_person = matches!(trigger, Trigger::Retract | Trigger::Close);
        open.incident.probability = match trigger {
            Trigger::Retract => Probability::ZERO,
            Trigger::Foresee
            | Trigger::Hit
            | Trigger::Fade
            | Trigger::FadeAfterAction
            | Trigger::HorizonPassed
            | Trigger::Close
            | Trigger::Review => step.probability(state, a),
        };
        if state == IncidentState::Resolved {
            let over = if by_person {
                step.at
            } else {
                open.faded_since.unwrap_or(step.at)
            };
            open.incident.resolved_at = Some(over.max(open.incident.onset_observed.unwrap_or(over)));
        }
        match state {
            IncidentState::Averted => self.learner.acted(&open.pairs),
            IncidentState::Retracted => self.learner.false_alarm(&open.incident.id),
            // Counted when it comes, or when its time is over.
            IncidentState::Predicted
            | IncidentState::Confirmed
            | IncidentState::Expired
            | IncidentState::Resolved
            | IncidentState::Reviewed => {}
        }
        effects.emit(self.publish(&mut open, change, a, why, step));
        self.release(
            &open.pairs,
            if by_person {
                Standing::Spent
            } else {
                Standing::ImpactOnly
            },
        );
        self.remember(Ended {
            incident: open.incident,
            life: open.life,
            at: step.at,
            is_disowned: false,
        });
    }

    fn open_new(&mut self, step: &Step<'_>, effects: &mut Effects<IncidentEvent>) {
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
        for ((region, active, trigger), pairs) in troubles {
            if !self.join(&region, &active, &pairs) {
                self.open_one(&pairs, trigger, step, effects);
            }
        }
    }

    /// Adds services to an open incident of the region that stands on the same evidence.
    fn join(&mut self, region: &RegionCode, active: &[AnomalyId], pairs: &BTreeSet<Pair>) -> bool {
        let host = self.open.values().find(|open| {
            let members = self.members_of(&open.pairs);
            open.incident.scope.regions.iter().eq([region])
                && active.iter().all(|id| members.contains_key(id))
        });
        let Some(id) = host.map(|o| o.incident.id.clone()) else {
            return false;
        };
        let mut is_hit = false;
        if let Some(open) = self.open.get_mut(&id) {
            is_hit = open.incident.state == IncidentState::Confirmed;
            for pair in pairs {
                open.incident.scope.services.insert(pair.service.clone());
                open.notes.push(format!("{} is touched as well", pair.service));
                open.pairs.insert(pair.clone());
            }
        }
        if is_hit {
            self.learner.hit(pairs);
        }
        self.own(pairs, &id);
        true
    }

    fn own(&mut self, pairs: &BTreeSet<Pair>, id: &IncidentId) {
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
    ) {
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
        if let Some((mut open, change)) = self.new_incident(scope, trigger, since, step, effects) {
            open.incident.probability = step.probability(open.life.state(), &a);
            if trigger == Trigger::Foresee {
                self.learner
                    .tell(&open.incident.id, pairs, &a, step.at, step.settings);
            } else {
                self.learner.hit(pairs);
            }
            effects.emit(self.publish(&mut open, change, &a, &reason, step));
            self.open.insert(open.incident.id.clone(), open);
        }
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
        let former = former.map(|ended| ended.incident);
        let id = former
            .as_ref()
            .map_or_else(|| self.fresh_id(&scope, step.at), |f| f.id.clone());
        self.own(&pairs, &id);
        let confirmed = life.state() == IncidentState::Confirmed;
        let mut lineage: Lineage = self.lineage_of(&self.members_of(&pairs));
        if let Some(former) = &former {
            lineage.merge(&former.lineage);
        }
        let open = Open {
            incident: Incident {
                id,
                revision: former.as_ref().map_or(0, |f| f.revision),
                domain: self.name.clone(),
                state: life.state(),
                reopened: life.reopened(),
                phase: None,
                severity: Severity::Minor,
                kind: IncidentKind::Degradation,
                scope,
                probability: Probability::ONE,
                contributions: Vec::new(),
                opened_at: former.as_ref().map_or(step.at, |f| f.opened_at),
                at: step.at,
                onset_predicted: None,
                onset_interval: None,
                onset_observed: onset_observed.filter(|_| confirmed),
                resolved_at: None,
                evidence: Vec::new(),
                causes: Vec::new(),
                paging: Vec::new(),
                responsibility: former
                    .as_ref()
                    .map_or(Responsibility::Unknown, |f| f.responsibility),
                problem: None,
                acknowledged: None,
                eta: None,
                steps: Vec::new(),
                reason: String::new(),
                version: Arc::clone(&step.settings.version),
                settings: Arc::clone(&step.settings.settings_digest),
                lineage,
                simulated: step.settings.simulated,
            },
            life,
            since: step.at,
            pairs,
            declared: false,
            severity_floor: Severity::Minor,
            faded_since: None,
            top: Vec::new(),
            notes,
        };
        Some((open, change))
    }

    /// Publishes the first event of an incident that a person declared.
    pub(crate) fn publish_declared(
        &mut self,
        mut open: Open,
        change: IncidentChange,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) {
        let a = self.assess(&open.pairs, step);
        self.learner.hit(&open.pairs);
        effects.emit(self.publish(&mut open, change, &a, "", step));
        self.open.insert(open.incident.id.clone(), open);
    }

    fn fresh_id(&self, scope: &Scope, at: EventTime) -> IncidentId {
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
            !ended.is_disowned && is_former(ended, pairs, step) && ended.life.after(trigger).is_some()
        })?;
        self.closed.remove(found)
    }

    /// A word on an incident of this scope that ended a while ago and stays over.
    fn cite_former(&self, pairs: &BTreeSet<Pair>, step: &Step<'_>) -> Vec<String> {
        let mut former = self.closed.iter().rev().filter(|e| is_former(e, pairs, step));
        let cite = |e: &Ended| format!("again, after {} ({})", e.incident.id, e.life.state().as_str());
        former.next().map(cite).into_iter().collect()
    }
}

fn is_former(ended: &Ended, pairs: &BTreeSet<Pair>, step: &Step<'_>) -> bool {
    let within = Duration::from_secs(step.settings.tunables.reopen_within_seconds);
    step.at.since(ended.at) <= within && !pairs.is_disjoint(&pairs_of(&ended.incident.scope))
}
