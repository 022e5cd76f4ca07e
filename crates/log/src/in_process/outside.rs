//! What befalls topics from outside: retention, and an operator who gives them more partitions.

use crate::partition::Partition;
use crate::{InProcess, TopicPartition};

impl InProcess {
    /// Drops the oldest records of a partition, up to `before`: what retention does. Offsets stay; whoever must read what is
    /// gone is told so.
    pub fn forget(&self, partition: &TopicPartition, before: i64) {
        let mut state = self.lock();
        let Some(kept) = state.partition_mut(partition) else {
            return;
        };
        let (from, to) = (kept.first, before.clamp(kept.first, kept.end()));
        kept.first = to;
        let [from, to] = [from, to].map(|offset| usize::try_from(offset).unwrap_or(0));
        for record in kept.records.iter_mut().take(to).skip(from) {
            record.key = None;
            record.value = None;
            record.headers = Vec::new();
        }
    }

    /// Gives a topic more partitions, up to `count`. Its groups share them out at once.
    pub fn grow(&self, topic: &str, count: i32) {
        let mut state = self.lock();
        if let Some(partitions) = state.topics.get_mut(topic) {
            let count = usize::try_from(count).unwrap_or(0).max(partitions.len());
            partitions.resize_with(count, Partition::default);
        }
        for group in state.groups.values_mut() {
            group.share_anew();
        }
        drop(state);
        self.0.news.notify_all();
    }
}
