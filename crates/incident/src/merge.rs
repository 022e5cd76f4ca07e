//! Two open incidents are one: a person says so.

use std::collections::BTreeSet;

use forecall_stage::Effects;
use forecall_types::{
    Cell, EventTime, Incident, IncidentEvent, IncidentId, IncidentState, Page, PageDecision, ProductName,
    SCOPE_CELLS_MAX, Scope,
};

use crate::command::{Refusal, not_allowed};
use crate::group::{CLOSED_KEPT_MAX, Domain, Ended, Open};
use crate::life::Trigger;
use crate::predict::Hit;
use crate::publish::Step;
use crate::scope::{Pair, pairs_of};

/// The scope of both; `None`: it would name pairs of service and region that neither has, or more cells than one may.
fn joined(one: &Open, other: &Open) -> Option<(Scope, BTreeSet<Pair>)> {
    let (a, b) = (&one.incident.scope, &other.incident.scope);
    // All products is more than some.
    let products: BTreeSet<ProductName> = if a.products.is_empty() || b.products.is_empty() {
        BTreeSet::new()
    } else {
        a.products.union(&b.products).cloned().collect()
    };
    // Elements narrow the region: where one of them knows of none, none is known.
    let elements = if a.elements.is_empty() || b.elements.is_empty() {
        BTreeSet::new()
    } else {
        a.elements.union(&b.elements).cloned().collect()
    };
    let cells: BTreeSet<Cell> = a.cells.union(&b.cells).copied().collect();
    if cells.len() > SCOPE_CELLS_MAX {
        return None;
    }
    let scope = Scope {
        services: a.services.union(&b.services).cloned().collect(),
        regions: a.regions.union(&b.regions).cloned().collect(),
        products,
        elements,
        cells,
        customers_estimated: a.customers_estimated.max(b.customers_estimated),
    };
    let pairs: BTreeSet<Pair> = one.pairs.union(&other.pairs).cloned().collect();
    (pairs_of(&scope) == pairs).then_some((scope, pairs))
}

/// Whoever was paged of one was paged of both.
fn join_pages(into: &mut Vec<Page>, from: &[Page]) {
    for page in from.iter().filter(|page| page.decision == PageDecision::Paged) {
        match into.iter_mut().find(|known| known.team == page.team) {
            Some(known) if known.decision == PageDecision::Paged => {}
            Some(known) => known.clone_from(page),
            None => into.push(page.clone()),
        }
    }
}

fn earlier(a: Option<EventTime>, b: Option<EventTime>) -> Option<EventTime> {
    a.into_iter().chain(b).min()
}

impl Domain {
    /// Ends `id` as one with `into`, which goes on for both; or says why not.
    pub(crate) fn merge(
        &mut self,
        (id, into): (&IncidentId, &IncidentId),
        by: &str,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) -> Result<(), Refusal> {
        if id == into {
            return Err(not_allowed("an incident is one with itself already"));
        }
        self.open_mut(id)?;
        self.open_mut(into)?;
        let (Some(from), Some(host)) = (self.open.get(id), self.open.get(into)) else {
            return Ok(());
        };
        if from.incident.work.is_some() || host.incident.work.is_some() {
            return Err(not_allowed("planned work is closed, not merged"));
        }
        // What somebody has drawn doesn't become the whole region by way of another incident.
        let is_drawn = |open: &Open| !open.incident.scope.cells.is_empty();
        if is_drawn(from) != is_drawn(host) {
            return Err(not_allowed(
                "one touches an area, the other whole regions: together it would be all of them",
            ));
        }
        let Some((scope, pairs)) = joined(from, host) else {
            return Err(not_allowed(
                "together they would name services in regions where neither is; declare those first",
            ));
        };
        if from.life.after(Trigger::Merge).is_none() {
            return Err(not_allowed(format!(
                "incident {id} is {}",
                from.life.state().as_str()
            )));
        }
        let (Some(mut from), Some(mut host)) = (self.open.remove(id), self.open.remove(into)) else {
            return Ok(());
        };
        let Some(change) = from.enter(Trigger::Merge) else {
            return Ok(());
        };
        let a = self.assess(&from.pairs, step);
        let before = from.incident.clone();
        from.incident.merged_into = Some(into.clone());
        let why = format!("merged into {into} by {by}");
        // Its pages are the other one's before its end settles them.
        let lives = (before.reopened, host.incident.reopened);
        self.pages.merge((id, lives.0), (into, lives.1));
        effects.emit(self.publish(&mut from, change, &a, &why, step));
        self.take_in(&mut host, &before, &from, step);
        host.incident.scope = scope;
        self.own(&pairs, into);
        host.pairs = pairs;
        host.notes.push(format!("{id} is merged into it by {by}"));
        self.remember(Ended {
            incident: from.incident,
            life: from.life,
            at: step.at,
            is_disowned: false,
            is_attributed: from.is_attributed,
            remedies: from.remedies,
            peaks: from.peaks,
        });
        let is_hit =
            before.state == IncidentState::Confirmed && host.life.state() == IncidentState::Predicted;
        let a = self.assess(&host.pairs, step);
        if is_hit {
            let hit = Hit {
                since: before.onset_observed.unwrap_or(step.at),
                why: format!("as {id} was"),
            };
            self.confirm(host, &hit, &a, step, effects);
        } else {
            self.go_on(host, &a, step, effects);
        }
        Ok(())
    }

    /// What the other incident takes over; `before` is the merged one as it was.
    fn take_in(&mut self, host: &mut Open, before: &Incident, from: &Open, step: &Step<'_>) {
        host.declared |= from.declared;
        host.severity_floor = host.severity_floor.max(from.severity_floor).max(before.severity);
        host.faded_since = None;
        if host.life.state() == IncidentState::Confirmed {
            if before.state == IncidentState::Confirmed {
                host.incident.onset_observed = earlier(host.incident.onset_observed, before.onset_observed);
            } else {
                self.learner.hit(&from.pairs);
            }
        }
        host.incident.lineage.merge(&before.lineage);
        host.remedies
            .take_in(&host.incident.id, &before.id, &from.remedies);
        join_pages(&mut host.incident.paging, &before.paging);
        host.since = host.since.max(from.since.min(step.at));
    }

    /// The incident that counts for this one: itself, or the one it was merged into.
    pub(crate) fn standing_for(&self, id: &IncidentId) -> IncidentId {
        let mut id = id.clone();
        for _ in 0..CLOSED_KEPT_MAX {
            let merged = self.closed.iter().rev().find(|e| e.incident.id == id);
            let Some(into) = merged.and_then(|e| e.incident.merged_into.clone()) else {
                break;
            };
            id = into;
        }
        id
    }
}
