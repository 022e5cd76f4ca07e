//! Storms: where many incidents come at once, one speaks for all, and the others page nobody.
//!
//! An incident is near another where both began within `storm_within_seconds` of each other, or within `storm_shared_seconds` and they share a
//! region or a suspect. The earliest to which so many are near that there are `storm_incidents` of them becomes the parent; near is
//! always near to the parent, so that a storm doesn't creep on from neighbour to neighbour. Who is part of it stays so until its
//! own end, or until fewer than half of `storm_incidents` are left: then each speaks for itself again. Where the parent ends first,
//! the earliest of the others takes its place.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forecall_types::{EventTime, IncidentId};

use crate::group::{Domain, Open};
use crate::publish::Step;
use crate::suspects::first_suspect;

/// Whether `open` is near the one that may speak for it.
fn is_near(parent: &Open, open: &Open, step: &Step<'_>) -> bool {
    let t = &step.settings.tunables;
    let apart = parent.since.since(open.since).max(open.since.since(parent.since));
    if apart <= Duration::from_secs(t.storm_within_seconds) {
        return true;
    }
    let (a, b) = (&parent.incident, &open.incident);
    let suspect = first_suspect(a);
    let shares = !a.scope.regions.is_disjoint(&b.scope.regions)
        || suspect.is_some() && suspect.map(|c| &c.node) == first_suspect(b).map(|c| &c.node);
    shares && apart <= Duration::from_secs(t.storm_shared_seconds)
}

/// As many as must be left of a storm.
const fn least(step: &Step<'_>) -> usize {
    step.settings.tunables.storm_incidents.div_ceil(2)
}

/// What becomes of incidents: `None` speaks for itself.
type Parents = BTreeMap<IncidentId, Option<IncidentId>>;

impl Domain {
    /// Names who speaks for whom, and says of whom that is news.
    pub(crate) fn storms(&mut self, step: &Step<'_>) -> BTreeSet<IncidentId> {
        let mut news = BTreeSet::new();
        if self.name.is_canary() {
            return news;
        }
        self.inherit(step, &mut news);
        self.calm(step, &mut news);
        let order = self.free();
        let parents: Vec<IncidentId> = self
            .open
            .values()
            .filter(|o| o.incident.storm)
            .map(|o| o.incident.id.clone())
            .collect();
        let mut joined: Parents = BTreeMap::new();
        for id in &order {
            let near = |parent: &&IncidentId| {
                let (Some(parent), Some(open)) = (self.open.get(*parent), self.open.get(id)) else {
                    return false;
                };
                is_near(parent, open, step)
            };
            if let Some(parent) = parents.iter().find(near) {
                joined.insert(id.clone(), Some(parent.clone()));
            }
        }
        self.part_of(joined, &mut news);
        self.name_storms(step, &mut news);
        news
    }

    /// Those that may be in a storm and aren't, the earliest first.
    fn free(&self) -> Vec<IncidentId> {
        let free = self.open.values().filter(|o| {
            let i = &o.incident;
            i.work.is_none() && i.parent.is_none() && !i.storm
        });
        let mut order: Vec<(EventTime, IncidentId)> =
            free.map(|o| (o.since, o.incident.id.clone())).collect();
        order.sort();
        order.into_iter().map(|(_, id)| id).collect()
    }

    fn name_storms(&mut self, step: &Step<'_>, news: &mut BTreeSet<IncidentId>) {
        let needed = step.settings.tunables.storm_incidents;
        // Who began long ago is near to nothing that is new.
        let t = &step.settings.tunables;
        let recent = Duration::from_secs(t.storm_shared_seconds.max(t.storm_within_seconds));
        let mut order = self.free();
        order.retain(|id| {
            self.open
                .get(id)
                .is_some_and(|o| step.at.since(o.since) <= recent)
        });
        let mut next = 0;
        while let Some(id) = order.get(next).cloned().filter(|_| order.len() >= needed) {
            let Some(parent) = self.open.get(&id) else { return };
            let is_one = |other: &&IncidentId| {
                **other != id
                    && self
                        .open
                        .get(*other)
                        .is_some_and(|open| is_near(parent, open, step))
            };
            let near: BTreeSet<IncidentId> = order.iter().filter(is_one).cloned().collect();
            if near.len() + 1 < needed {
                next += 1;
                continue;
            }
            order.retain(|other| *other != id && !near.contains(other));
            self.lead(&id, near.len() + 1, news);
            self.part_of(near.into_iter().map(|n| (n, Some(id.clone()))).collect(), news);
            next = 0;
        }
    }

    fn lead(&mut self, id: &IncidentId, count: usize, news: &mut BTreeSet<IncidentId>) {
        if let Some(open) = self.open.get_mut(id) {
            open.incident.storm = true;
            open.incident.parent = None;
            open.notes
                .push(format!("speaks for a storm of {count} incidents"));
            news.insert(id.clone());
        }
    }

    fn part_of(&mut self, parents: Parents, news: &mut BTreeSet<IncidentId>) {
        for (id, parent) in parents {
            if let Some(open) = self.open.get_mut(&id) {
                open.notes.push(parent.as_ref().map_or_else(
                    || "the storm is over: it speaks for itself".into(),
                    |parent| format!("part of storm {parent}"),
                ));
                open.incident.parent = parent;
                open.incident.storm = false;
                news.insert(id);
            }
        }
    }

    /// Where a parent has ended, the earliest of the others takes its place.
    fn inherit(&mut self, step: &Step<'_>, news: &mut BTreeSet<IncidentId>) {
        let mut orphans: BTreeMap<IncidentId, Vec<(EventTime, IncidentId)>> = BTreeMap::new();
        for open in self.open.values() {
            // A parent that came back at once speaks for nobody any more.
            if let Some(parent) = &open.incident.parent
                && self.open.get(parent).is_none_or(|p| !p.incident.storm)
            {
                let one = (open.since, open.incident.id.clone());
                orphans.entry(parent.clone()).or_default().push(one);
            }
        }
        for mut left in orphans.into_values() {
            if left.len() < least(step) {
                let all = left.into_iter().map(|(_, id)| (id, None));
                self.part_of(all.collect(), news);
                continue;
            }
            left.sort();
            let Some(((_, heir), others)) = left.split_first() else {
                continue;
            };
            self.lead(heir, left.len(), news);
            let others = others.iter().map(|(_, id)| (id.clone(), Some(heir.clone())));
            self.part_of(others.collect(), news);
        }
    }

    /// Ends storms that have become too small to be one.
    fn calm(&mut self, step: &Step<'_>, news: &mut BTreeSet<IncidentId>) {
        let mut storms: BTreeMap<IncidentId, Vec<IncidentId>> = BTreeMap::new();
        for open in self.open.values() {
            let id = &open.incident.id;
            if open.incident.storm {
                storms.entry(id.clone()).or_default().push(id.clone());
            } else if let Some(parent) = &open.incident.parent {
                storms.entry(parent.clone()).or_default().push(id.clone());
            }
        }
        for left in storms.into_values().filter(|left| left.len() < least(step)) {
            self.part_of(left.into_iter().map(|id| (id, None)).collect(), news);
        }
    }
}
