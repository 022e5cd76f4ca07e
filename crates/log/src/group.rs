use std::collections::BTreeMap;

use crate::{Committed, TopicPartition};

/// A consumer group of the in-process log: members, who owns what, what is committed.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Rises whenever a member comes or goes; every member then gives back all and takes its new share.
    pub(crate) generation: u64,
    members: BTreeMap<String, Vec<String>>,
    /// Session of each instance: a second one with the same name fences the first.
    sessions: BTreeMap<String, u64>,
    pub(crate) committed: BTreeMap<TopicPartition, Committed>,
}

impl Group {
    /// Adds a member; gives its session number.
    pub(crate) fn join(&mut self, instance: &str, topics: &[String]) -> u64 {
        self.members.insert(instance.to_owned(), topics.to_vec());
        self.generation += 1;
        let session = self.sessions.entry(instance.to_owned()).or_default();
        *session += 1;
        *session
    }

    pub(crate) fn leave(&mut self, instance: &str, session: u64) {
        if self.is_current(instance, session) && self.members.remove(instance).is_some() {
            self.generation += 1;
        }
    }

    /// Every member gives back all and takes its new share.
    pub(crate) const fn share_anew(&mut self) {
        self.generation += 1;
    }

    /// Whether this session of the instance is the newest.
    pub(crate) fn is_current(&self, instance: &str, session: u64) -> bool {
        self.sessions.get(instance) == Some(&session)
    }

    /// What belongs to `instance`, by Kafka's `range` assignor: per topic the members in order of name, each a run of
    /// partitions, the first ones one more where it doesn't divide.
    pub(crate) fn share_of(&self, instance: &str, partitions: impl Fn(&str) -> i32) -> Vec<TopicPartition> {
        let Some(topics) = self.members.get(instance) else {
            return Vec::new();
        };
        let mut share = Vec::new();
        for topic in topics {
            let readers: Vec<&String> = self
                .members
                .iter()
                .filter(|(_, t)| t.contains(topic))
                .map(|(name, _)| name)
                .collect();
            let Some(place) = readers.iter().position(|name| *name == instance) else {
                continue;
            };
            let all = usize::try_from(partitions(topic)).unwrap_or(0);
            let (each, more) = (all / readers.len(), all % readers.len());
            let from = place * each + place.min(more);
            let to = from + each + usize::from(place < more);
            share.extend(
                (from..to)
                    .filter_map(|p| i32::try_from(p).ok())
                    .map(|p| TopicPartition::new(topic, p)),
            );
        }
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_partition_has_exactly_one_owner(members in 1_usize..6, partitions in 0_i32..20) {
            let mut group = Group::default();
            for m in 0..members { group.join(&format!("m{m}"), &["t".to_owned()]); }
            let mut owned: Vec<_> =
                (0..members).flat_map(|m| group.share_of(&format!("m{m}"), |_| partitions)).collect();
            owned.sort();
            let wanted: Vec<_> = (0..partitions).map(|p| TopicPartition::new("t", p)).collect();
            prop_assert_eq!(owned, wanted);
        }
    }
}
