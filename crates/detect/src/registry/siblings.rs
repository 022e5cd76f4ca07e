//! How many live series of a metric share a label value, within a service and region.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{EventTime, SCOPE_LABELS, SHARED_LABELS_MAX, SharedLabel};
use serde::{Deserialize, Serialize};

use super::pack::unpack;
use super::{Registry, at};

/// Metrics whose counts are kept: where more open anomalies within [`FRESH_FOR`], the further ones say nothing of siblings.
pub(crate) const METRICS_MAX: usize = 64;
/// Label values counted of one metric, at about 100 B each, so that all together stay below 26 MiB; a further value isn't counted.
pub(crate) const VALUES_MAX: usize = 4_096;
/// What a walk over all series found is used for so long: what a storm opens is counted once, and a roll-out is seen within it.
pub(super) const FRESH_FOR: Duration = Duration::from_secs(600);
/// A series that said nothing for longer is no sibling: three times the slowest pace at which hosts are usually polled, and some.
pub(super) const LIVE_WITHIN: Duration = Duration::from_secs(3_600);

/// The series of one service and region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Scope {
    series: u32,
    /// By label, then by value.
    values: BTreeMap<Box<str>, BTreeMap<Box<str>, u32>>,
}

/// The series of a metric, when they were counted.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Counted {
    at: EventTime,
    scopes: BTreeMap<Vec<Box<str>>, Scope>,
}

/// Counts of the metrics that opened anomalies lately: to count is to look at all series, which isn't done for each anomaly.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Census {
    /// By domain, metric and unit, as the registry packs them.
    metrics: BTreeMap<Box<[u8]>, Arc<Counted>>,
}

impl Census {
    /// The live series beside `slot` at `now`: how many, and how many share each of its labels. `None`: they aren't known.
    pub(crate) fn siblings(
        &mut self,
        registry: &Registry,
        slot: u32,
        now: EventTime,
    ) -> Option<(u32, Vec<SharedLabel>)> {
        let cold = at(&registry.colds, slot)?;
        let name = registry.texts.get(cold.name);
        let is_fresh = |counted: &Arc<Counted>| now.since(counted.at) <= FRESH_FOR;
        if !self.metrics.get(name).is_some_and(is_fresh) {
            self.metrics.retain(|_, counted| is_fresh(counted));
            if self.metrics.len() >= METRICS_MAX {
                return None;
            }
            let counted = Counted {
                at: now,
                scopes: registry.count(cold.name, now),
            };
            self.metrics.insert(name.into(), Arc::new(counted));
        }
        let counted = self.metrics.get(name)?;
        let scope = counted.scopes.get(&registry.scope(slot))?;
        let mut shared: Vec<SharedLabel> = registry
            .labels(slot)
            .filter(|(label, _)| !SCOPE_LABELS.contains(label))
            .filter_map(|(label, value)| {
                let values = scope.values.get(label)?;
                Some(SharedLabel {
                    label: Arc::from(label),
                    value: Arc::from(value),
                    series: *values.get(value)?,
                    values: u32::try_from(values.len()).ok()?,
                })
            })
            .collect();
        shared.sort_by(|a, b| a.label.cmp(&b.label));
        shared.dedup_by(|a, b| a.label == b.label);
        shared.truncate(SHARED_LABELS_MAX);
        Some((scope.series, shared))
    }
}

impl Registry {
    /// What a series carries: labels of its entity, then of its points.
    fn labels(&self, slot: u32) -> impl Iterator<Item = (&str, &str)> {
        let cold = at(&self.colds, slot);
        let texts = cold.into_iter().flat_map(|cold| [cold.resource, cold.labels]);
        texts.flat_map(|number| {
            let mut text = self.texts.get(number);
            std::iter::from_fn(move || Some((unpack(&mut text)?, unpack(&mut text)?)))
        })
    }

    /// The labels that say what a series is of and where, as far as it has them.
    fn scope(&self, slot: u32) -> Vec<Box<str>> {
        let value = |name: &&str| {
            let found = self.labels(slot).find(|(label, _)| label == name);
            found.map_or("", |(_, value)| value)
        };
        SCOPE_LABELS.iter().map(value).map(Box::from).collect()
    }

    /// Counts the live series of a metric, by scope and label value.
    fn count(&self, name: u32, now: EventTime) -> BTreeMap<Vec<Box<str>>, Scope> {
        let mut scopes: BTreeMap<Vec<Box<str>>, Scope> = BTreeMap::new();
        let mut values = 0;
        for (slot, cold) in (0_u32..).zip(self.colds.iter()) {
            if cold.name != name {
                continue;
            }
            let last = at(&self.heads, slot).map_or(EventTime::MIN, |head| head.last_at);
            if last == EventTime::MIN || now.since(last) > LIVE_WITHIN {
                continue;
            }
            let scope = scopes.entry(self.scope(slot)).or_default();
            scope.series = scope.series.saturating_add(1);
            for (label, value) in self.labels(slot) {
                if let Some(count) = scope.values.get_mut(label).and_then(|by| by.get_mut(value)) {
                    *count = count.saturating_add(1);
                } else if values < VALUES_MAX && !SCOPE_LABELS.contains(&label) {
                    values += 1;
                    let by = scope.values.entry(label.into()).or_default();
                    by.insert(value.into(), 1);
                }
            }
        }
        scopes
    }
}
