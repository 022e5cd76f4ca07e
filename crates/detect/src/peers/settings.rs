//! Which entities are each other's peers, as declared.

use std::collections::BTreeMap;

use forecall_types::{Labels, fits};
use serde::{Deserialize, Serialize};

use crate::DetectSettingsError;
use crate::gates::{check_pattern, check_patterns};

/// Peer groups in one configuration: each new series is tried against them in order.
pub const PEER_GROUPS_MAX: usize = 64;
/// Metrics of a group: each costs a comparison of all its members a step.
pub const PEER_METRICS_MAX: usize = 16;
/// Labels that divide a group: a place in a topology has fewer levels.
const BY_MAX: usize = 8;
/// Bytes of a group's name, which stands in every summary.
const NAME_BYTES_MAX: usize = 64;

/// Entities that should be alike: cells of a region, pods of a deployment. A summary of each is published at every step, and those
/// of one group are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeerGroup {
    /// What it is called in summaries; each name once.
    pub name: String,
    /// Labels of the resource → value, in which `*` stands for any run of characters: all must match. An entity belongs to
    /// the first group that matches it.
    pub r#match: BTreeMap<String, String>,
    /// Labels of the resource whose values divide it: only entities with the same ones are peers. One without such a label isn't
    /// of the group.
    pub by: Vec<String>,
    /// Metrics that are compared, named as an anomaly tells them (`….rate`, `….p95`), `*` likewise.
    pub metrics: Vec<String>,
    /// Step of event time by which peers are compared: a multiple of 60, up to an hour.
    pub step_seconds: u32,
}

impl Default for PeerGroup {
    fn default() -> Self {
        Self {
            name: String::new(),
            r#match: BTreeMap::new(),
            by: Vec::new(),
            metrics: Vec::new(),
            step_seconds: 60,
        }
    }
}

impl PeerGroup {
    /// Which of its instances an entity belongs to: the values of `by`. `None`: it isn't of the group.
    pub(super) fn within(&self, resource: &Labels) -> Option<Labels> {
        let is_of = |(name, pattern): (&String, &String)| {
            resource.get(name).is_some_and(|value| fits(pattern, value))
        };
        let pairs = || self.by.iter().map(|name| Some((name, resource.get(name)?)));
        (self.r#match.iter().all(is_of) && pairs().all(|pair| pair.is_some()))
            .then(|| Labels::from_pairs(pairs().flatten()))
    }

    /// Whether a metric is one that is compared.
    pub(super) fn compares(&self, metric: &str) -> bool {
        self.metrics.iter().any(|pattern| fits(pattern, metric))
    }

    fn check(&self) -> Result<(), DetectSettingsError> {
        let wrong = |field, why: &str| Err(DetectSettingsError::new(field, why));
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX {
            return wrong("name", "must have 1 to 64 bytes");
        }
        if self.r#match.is_empty() {
            return wrong("match", "names no label: not everything is alike");
        }
        check_patterns(&self.r#match)?;
        if self.by.len() > BY_MAX || self.by.iter().any(String::is_empty) {
            return wrong("by", "must hold at most 8 names of labels");
        }
        if self.metrics.is_empty() || self.metrics.len() > PEER_METRICS_MAX {
            return wrong("metrics", "must name 1 to 16 metrics");
        }
        for pattern in &self.metrics {
            check_pattern("metrics", pattern)?;
        }
        // Bins of events end where a step ends, so that each belongs to one step.
        if !(60..=3_600).contains(&self.step_seconds) || !self.step_seconds.is_multiple_of(60) {
            return wrong("step_seconds", "must be a multiple of 60, at most 3600");
        }
        Ok(())
    }
}

pub(crate) fn check_peers(groups: &[PeerGroup]) -> Result<(), DetectSettingsError> {
    if groups.len() > PEER_GROUPS_MAX {
        let why = format!("holds {}, at most {PEER_GROUPS_MAX}", groups.len());
        return Err(DetectSettingsError::new("peers", &why));
    }
    for (number, group) in groups.iter().enumerate() {
        let within = |error: DetectSettingsError| error.within("peers", number);
        group.check().map_err(within)?;
        if groups.iter().take(number).any(|other| other.name == group.name) {
            let error = DetectSettingsError::new("name", "is that of another group");
            return Err(within(error));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells() -> PeerGroup {
        PeerGroup {
            name: "cells".to_owned(),
            r#match: BTreeMap::from([("cell".to_owned(), "*".to_owned())]),
            by: vec!["region".to_owned()],
            metrics: vec!["packet.loss".to_owned(), "*.rate".to_owned()],
            step_seconds: 60,
        }
    }

    #[test]
    fn an_entity_has_the_labels_that_divide_the_group_or_is_none_of_it() {
        let of = |pairs: &[(&str, &str)]| cells().within(&Labels::from_pairs(pairs.iter().copied()));
        let tehran = Labels::from_pairs([("region", "IR-23")]);
        assert_eq!(of(&[("cell", "1"), ("region", "IR-23")]), Some(tehran));
        assert_eq!(of(&[("cell", "1")]), None);
        assert_eq!(of(&[("region", "IR-23")]), None);
        assert!(cells().compares("sales.rate") && !cells().compares("sales"));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        type Change = fn(&mut PeerGroup);
        let changes: [(Change, &str); 7] = [
            (
                |g| g.name.clear(),
                "entry 2 of `peers`: `name` must have 1 to 64 bytes",
            ),
            (
                |g| g.name = "cells".to_owned(),
                "entry 2 of `peers`: `name` is that of another group",
            ),
            (
                |g| g.r#match.clear(),
                "entry 2 of `peers`: `match` names no label: not everything is alike",
            ),
            (
                |g| g.metrics.clear(),
                "entry 2 of `peers`: `metrics` must name 1 to 16 metrics",
            ),
            (
                |g| g.step_seconds = 90,
                "entry 2 of `peers`: `step_seconds` must be a multiple of 60, at most 3600",
            ),
            (
                |g| g.step_seconds = 0,
                "entry 2 of `peers`: `step_seconds` must be a multiple of 60, at most 3600",
            ),
            (
                |g| g.by.push(String::new()),
                "entry 2 of `peers`: `by` must hold at most 8 names of labels",
            ),
        ];
        for (change, why) in changes {
            let mut second = PeerGroup {
                name: "pods".to_owned(),
                ..cells()
            };
            assert_eq!(check_peers(&[cells(), second.clone()]), Ok(()));
            change(&mut second);
            assert_eq!(check_peers(&[cells(), second]).unwrap_err().to_string(), why);
        }
        assert!(check_peers(&vec![cells(); PEER_GROUPS_MAX + 1]).is_err());
    }
}
