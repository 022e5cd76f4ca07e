//! Puts what comes in any order into one: sources and their watermark, and the buffer that waits for it.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use forecall_types::invariant::InvariantId;
use forecall_types::{
    EventTime, Fingerprint, Position, SourceMark, SourcePartition, Watermark, check_invariant,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::rate::Owned;

/// Sources one partition may have marks of: 64 topics of 64 partitions. A further one holds nobody up.
pub const SOURCES_MAX: usize = 4_096;
/// Samples waiting for the watermark: ten seconds of lateness at 25,000 samples/s; about 40 MiB. When it is full the
/// oldest is released early, and counted.
pub const BUFFERED_SAMPLES_MAX: usize = 262_144;

/// How far each source has come, and what follows: nothing earlier is expected than the slowest live one allows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sources {
    marks: BTreeMap<SourcePartition, (EventTime, bool)>,
    own: Option<EventTime>,
    watermark: Watermark,
}

impl Sources {
    /// Nothing earlier is expected.
    pub const fn watermark(&self) -> Watermark {
        self.watermark
    }

    /// The latest event time read, of any source.
    pub fn newest(&self) -> Option<EventTime> {
        self.marks
            .values()
            .map(|(newest, _)| *newest)
            .chain(self.own)
            .max()
    }

    /// Takes in a record of a keyed topic, whose newest sample is of this time. Once marks have come the partition is a
    /// re-keyed one, and only they count.
    pub fn read(&mut self, newest: EventTime) {
        if self.marks.is_empty() {
            self.own = self.own.max(Some(newest));
        }
    }

    /// A source that sends again is not idle, whatever its last mark said.
    pub fn wake(&mut self, origin: &Position) {
        if let Some((_, idle)) = self
            .marks
            .iter_mut()
            .find(|(s, _)| s.partition == origin.partition && s.topic == origin.topic)
            .map(|(_, mark)| mark)
        {
            *idle = false;
        }
    }

    /// Takes in what a record says of a source.
    pub fn mark(&mut self, mark: &SourceMark) {
        self.own = None;
        if let Some(known) = self.marks.get_mut(&mark.source) {
            known.0 = known.0.max(mark.newest);
            known.1 = mark.idle;
        } else if self.marks.len() < SOURCES_MAX {
            self.marks.insert(mark.source.clone(), (mark.newest, mark.idle));
        }
    }

    /// Moves the watermark: the least of the live sources' newest times (of all where none is live: the latest), less the
    /// allowed lateness.
    pub fn advance(&mut self, lateness: Duration) {
        let live = self
            .marks
            .values()
            .filter(|(_, idle)| !idle)
            .map(|(newest, _)| *newest)
            .min();
        let Some(at) = live.or_else(|| self.newest()) else {
            return;
        };
        let before = self.watermark;
        self.watermark.advance(at.minus(lateness));
        check_invariant!(
            InvariantId::W1,
            self.watermark >= before,
            "watermark {before:?} -> {:?}",
            self.watermark
        );
    }
}

/// A sample that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pending {
    /// When it was measured.
    pub at: EventTime,
    /// Its series.
    pub series: Fingerprint,
    /// Its record.
    pub origin: Position,
    /// Its row in the record.
    pub row: u32,
    /// Number of its series in the registry.
    pub number: u32,
    /// What it says.
    pub reading: Owned,
}

impl Pending {
    fn key(&self) -> (EventTime, Fingerprint, &Position, u32) {
        (self.at, self.series, &self.origin, self.row)
    }
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Pending {}
impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Pending {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Samples in order of (event time, series, record, row).
#[derive(Debug, Clone, Default)]
pub struct Buffer {
    heap: BinaryHeap<Reverse<Pending>>,
}

impl Buffer {
    /// Adds a sample.
    pub fn push(&mut self, pending: Pending) {
        self.heap.push(Reverse(pending));
    }

    /// The time of the first one.
    pub fn first_at(&self) -> Option<EventTime> {
        self.heap.peek().map(|Reverse(p)| p.at)
    }

    /// Takes the first one.
    pub fn pop(&mut self) -> Option<Pending> {
        self.heap.pop().map(|Reverse(p)| p)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Whether there are more than may wait.
    pub fn is_over(&self) -> bool {
        self.heap.len() > BUFFERED_SAMPLES_MAX
    }
}

// Written in order: a heap's own order hangs on its history, and the same state must give the same bytes.
impl Serialize for Buffer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all: Vec<&Pending> = self.heap.iter().map(|Reverse(p)| p).collect();
        all.sort();
        all.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Buffer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Vec::<Pending>::deserialize(deserializer)?;
        Ok(Self {
            heap: all.into_iter().map(Reverse).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn source(partition: i32) -> SourcePartition {
        SourcePartition {
            topic: Arc::from("t"),
            partition,
        }
    }

    #[test]
    fn the_slowest_live_source_holds_the_others_up() {
        let mut sources = Sources::default();
        let lateness = Duration::from_secs(10);
        let mut check = |partition: i32, newest: i64, idle: bool, want: i64| {
            sources.mark(&SourceMark {
                source: source(partition),
                newest: EventTime::from_secs(newest),
                idle,
            });
            sources.advance(lateness);
            assert_eq!(sources.watermark().time(), EventTime::from_secs(want));
        };
        check(0, 100, false, 90);
        check(1, 50, false, 90);
        check(0, 200, false, 90);
        check(1, 150, false, 140);
        check(1, 150, true, 190);
        check(0, 200, true, 190);
        sources.wake(&Position {
            topic: Arc::from("t"),
            partition: 1,
            offset: 9,
        });
        sources.mark(&SourceMark {
            source: source(0),
            newest: EventTime::from_secs(900),
            idle: false,
        });
        sources.advance(lateness);
        assert_eq!(
            sources.watermark().time(),
            EventTime::from_secs(190),
            "awake and slow"
        );
    }

    proptest! {
        #[test]
        fn comes_out_in_order_whatever_the_way_in(mut times in proptest::collection::vec((0_i64..20, 0_u128..4, 0_i64..50), 1..60)) {
            let mut buffer = Buffer::default();
            for (at, series, offset) in &times {
                buffer.push(Pending {
                    at: EventTime::from_secs(*at),
                    series: Fingerprint::from_u128(*series),
                    origin: Position { topic: Arc::from("t"), partition: 0, offset: *offset },
                    row: 0,
                    number: 0,
                    reading: Owned::Gauge(0.0),
                });
            }
            times.sort_unstable();
            let out: Vec<_> = std::iter::from_fn(|| buffer.pop())
                .map(|p| (p.at.secs(), p.series.as_u128(), p.origin.offset))
                .collect();
            prop_assert_eq!(out, times);
        }
    }
}
