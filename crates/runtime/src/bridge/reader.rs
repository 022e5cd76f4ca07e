//! Where a bridge begins to read, and what comes in.

use std::collections::BTreeMap;

use forecall_log::{
    Assignment, ChooseStart, Committed, Handler, Log, LogError, RecordRef, Start, TopicPartition,
};

use super::item::Kept;

/// Begins at the committed position. A bridge that is new begins at the end that stood when it started: of what was before, it
/// tells what is still open.
#[derive(Debug)]
pub(crate) struct Ends(BTreeMap<TopicPartition, i64>);

impl Ends {
    /// As the log stands.
    pub(crate) fn of(log: &dyn Log, topics: &[String]) -> Result<Self, LogError> {
        let mut ends = BTreeMap::new();
        for topic in topics {
            for (number, (_, end)) in (0_i32..).zip(log.bounds(topic)?) {
                ends.insert(TopicPartition::new(topic, number), end);
            }
        }
        Ok(Self(ends))
    }

    /// Where a new bridge begins. A partition that wasn't there yet is read from its beginning.
    pub(crate) fn end(&self, partition: &TopicPartition) -> i64 {
        self.0.get(partition).copied().unwrap_or(0)
    }
}

impl ChooseStart for Ends {
    fn choose(&self, partition: &TopicPartition, committed: Option<&Committed>) -> Start {
        match committed {
            Some(committed) => Start::Offset(committed.next_offset),
            None => match self.end(partition) {
                0 => Start::Earliest,
                end => Start::Offset(end),
            },
        }
    }
}

/// What stands beside a committed position: from where on the memory is made anew. Its first word is its version.
pub(super) fn mark(from: i64) -> String {
    format!("b1 {from}")
}

/// Reads a mark; `None`: another tool has set the position.
pub(super) fn from_mark(text: &str) -> Option<i64> {
    text.strip_prefix("b1 ")?.parse().ok()
}

/// What one look at the log brought.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) assigned: Vec<Assignment>,
    pub(crate) revoked: Vec<TopicPartition>,
    pub(crate) records: Vec<Kept>,
}

impl Handler for Gathered {
    fn assigned(&mut self, assignment: &Assignment) {
        self.assigned.push(assignment.clone());
    }

    fn revoked(&mut self, partition: &TopicPartition, _: bool) {
        self.assigned.retain(|a| a.partition != *partition);
        self.records.retain(|kept| kept.place != *partition);
        self.revoked.push(partition.clone());
    }

    fn record(&mut self, record: &RecordRef<'_>) {
        self.records.push(Kept::of(record));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_back_and_others_are_not() {
        assert_eq!(from_mark(&mark(17)), Some(17));
        for other in ["", "17", "b2 17", "b1 x", "1:aa:bb"] {
            assert_eq!(from_mark(other), None, "{other}");
        }
    }
}
