use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_log::TopicPartition;

/// What is kept of each partition of ours, in order of partition; a record's is found without making a key to look it up by.
pub(super) struct Owned<H> {
    places: Vec<(TopicPartition, H)>,
    /// Where a partition lies in `places`, by topic and number.
    index: BTreeMap<Arc<str>, Vec<Option<usize>>>,
    /// Found last: records come in runs of one partition.
    last: usize,
}

impl<H> Default for Owned<H> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            index: BTreeMap::new(),
            last: 0,
        }
    }
}

impl<H> Owned<H> {
    /// The partition of a record.
    pub(super) fn find(&mut self, topic: &str, partition: i32) -> Option<(&TopicPartition, &mut H)> {
        let is_last = self
            .places
            .get(self.last)
            .is_some_and(|(p, _)| p.partition == partition && *p.topic == *topic);
        if !is_last {
            let of_topic = self.index.get(topic)?;
            self.last = (*of_topic.get(usize::try_from(partition).ok()?)?)?;
        }
        self.places.get_mut(self.last).map(split)
    }

    pub(super) fn get_mut(&mut self, partition: &TopicPartition) -> Option<&mut H> {
        self.find(&partition.topic, partition.partition)
            .map(|(_, hosted)| hosted)
    }

    pub(super) fn insert(&mut self, partition: TopicPartition, hosted: H) {
        match self.places.binary_search_by(|(p, _)| p.cmp(&partition)) {
            Ok(place) => {
                if let Some(known) = self.places.get_mut(place) {
                    known.1 = hosted;
                }
            }
            Err(place) => {
                self.places.insert(place, (partition, hosted));
                self.index_anew();
            }
        }
    }

    pub(super) fn remove(&mut self, partition: &TopicPartition) -> Option<H> {
        let place = self.places.binary_search_by(|(p, _)| p.cmp(partition)).ok()?;
        let (_, hosted) = self.places.remove(place);
        self.index_anew();
        Some(hosted)
    }

    /// Only a rebalance needs it.
    fn index_anew(&mut self) {
        self.index.clear();
        for (place, (partition, _)) in self.places.iter().enumerate() {
            let Ok(number) = usize::try_from(partition.partition) else {
                continue;
            };
            let of_topic = self.index.entry(Arc::clone(&partition.topic)).or_default();
            if of_topic.len() <= number {
                of_topic.resize(number + 1, None);
            }
            if let Some(slot) = of_topic.get_mut(number) {
                *slot = Some(place);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &H)> {
        self.places.iter().map(|(partition, hosted)| (partition, hosted))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = Half<'_, H>> {
        self.into_iter()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &TopicPartition> {
        self.places.iter().map(|(partition, _)| partition)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &H> {
        self.places.iter().map(|(_, hosted)| hosted)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut H> {
        self.places.iter_mut().map(|(_, hosted)| hosted)
    }
}

fn split<H>(place: &mut (TopicPartition, H)) -> (&TopicPartition, &mut H) {
    (&place.0, &mut place.1)
}

type Half<'a, H> = (&'a TopicPartition, &'a mut H);

impl<'a, H> IntoIterator for &'a mut Owned<H> {
    type Item = Half<'a, H>;
    type IntoIter = std::iter::Map<
        std::slice::IterMut<'a, (TopicPartition, H)>,
        fn(&'a mut (TopicPartition, H)) -> Half<'a, H>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        let halves: fn(&'a mut (TopicPartition, H)) -> Half<'a, H> = split;
        self.places.iter_mut().map(halves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0_u8..3, 0_i32..300, any::<bool>()), 1..200)) {
            let (mut owned, mut naive) = (Owned::default(), BTreeMap::new());
            for (n, (what, number, is_other)) in steps.into_iter().enumerate() {
                let partition = TopicPartition::new(if is_other { "u" } else { "t" }, number);
                match what {
                    0 => prop_assert_eq!(owned.remove(&partition), naive.remove(&partition)),
                    _ => {
                        owned.insert(partition.clone(), n);
                        naive.insert(partition.clone(), n);
                    }
                }
                // Twice, so that the place found last is used, and after a change that may have moved it.
                for _ in 0..2 {
                    let found = owned.find(&partition.topic, number).map(|(p, n)| (p.clone(), *n));
                    prop_assert_eq!(found, naive.get(&partition).map(|n| (partition.clone(), *n)));
                }
                prop_assert!(owned.iter().eq(naive.iter()));
            }
            prop_assert!(owned.find("t", -1).is_none() && owned.find("v", 0).is_none());
            for (partition, n) in &naive {
                prop_assert_eq!(owned.get_mut(partition), Some(&mut n.clone()));
            }
        }
    }
}
