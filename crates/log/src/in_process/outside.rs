//! What befalls topics from outside: retention, and an operator who gives them more partitions.

use crate::{InProcess, TopicPartition};

impl InProcess {
    /// Drops the oldest records of a partition, up to `before`: what retention does. Offsets stay.
    pub fn forget(&self, partition: &TopicPartition, before: i64) {
        let mut state = self.lock();
        let Some(records) = state.partition_mut(partition) else {
            return;
        };
        for record in records.iter_mut().take(usize::try_from(before).unwrap_or(0)) {
            (record.key, record.value) = (None, None);
            record.headers.clear();
        }
    }

    /// Gives a topic more partitions, up to `count`. Its groups share them out at once.
    pub fn grow(&self, topic: &str, count: i32) {
        let mut state = self.lock();
        if let Some(partitions) = state.topics.get_mut(topic) {
            let count = usize::try_from(count).unwrap_or(0).max(partitions.len());
            partitions.resize_with(count, Vec::new);
        }
        for group in state.groups.values_mut() {
            group.share_anew();
        }
        drop(state);
        self.0.news.notify_all();
    }
}
