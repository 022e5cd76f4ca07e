use forecall_types::EventTime;

use crate::{LogError, TopicPartition};

/// One partition; a record's place in the list is its offset.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    pub(crate) records: Vec<Stored>,
    /// Oldest offset kept; what is before it has no bytes any more.
    pub(crate) first: i64,
}

impl Partition {
    pub(crate) fn end(&self) -> i64 {
        i64::try_from(self.records.len()).unwrap_or(i64::MAX)
    }

    /// The records kept from an offset on, each with its own.
    pub(crate) fn from(&self, offset: i64) -> impl Iterator<Item = (i64, &Stored)> {
        let from = usize::try_from(offset.max(self.first)).unwrap_or(0);
        (0..).zip(&self.records).skip(from)
    }
}

#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) at: EventTime,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

/// What a reader is told that must read on where nothing is kept: as a broker that never resets a position says it.
pub(crate) fn out_of_range(group: &str, place: &TopicPartition, next: i64, kept: &Partition) -> LogError {
    LogError::Fatal {
        what: format!(
            "group `{group}` must read on where the log has no records any more ({place} at {next}, kept are {} to {}); nothing \
             is skipped in silence",
            kept.first,
            kept.end()
        ),
        source: None,
    }
}
