use std::collections::{BTreeMap, BTreeSet};

use forecall_types::{EventTime, JourneyMark, SourcePartition, SourceTopic, Watermark};
use serde::{Deserialize, Serialize};

/// Source partitions that time hangs on: topics of customers' events are few, and a partition more is refused.
pub const JOURNEY_SOURCES_MAX: usize = 4_096;

/// An event that waits for earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) customer: u128,
    /// 0: none.
    pub(crate) key: u64,
    pub(crate) kind: u16,
    pub(crate) scope: u16,
}

/// Event-time order: events wait until nothing earlier is expected.
///
/// All that is not before the watermark waits here, so an event that comes twice meets itself or is late: ids needn't be
/// remembered any longer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Order {
    waiting: BTreeMap<(EventTime, u128), Waiting>,
    ids: BTreeSet<u128>,
    passed: Watermark,
    newest: Option<EventTime>,
    pub(crate) tick: Option<EventTime>,
    /// Up to when each source partition was read; `None`: nothing was heard of it yet.
    sources: BTreeMap<SourcePartition, Option<EventTime>>,
    topics: Vec<SourceTopic>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Waits,
    Twice,
    Late,
}

impl Order {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Nothing before this is expected.
    pub(crate) const fn passed(&self) -> EventTime {
        self.passed.time()
    }

    pub(crate) fn offer(&mut self, at: EventTime, id: u128, event: Waiting) -> Offered {
        if self.passed.is_late(at) {
            return Offered::Late;
        }
        if !self.ids.insert(id) {
            return Offered::Twice;
        }
        self.newest = self.newest.max(Some(at));
        self.waiting.insert((at, id), event);
        Offered::Waits
    }

    /// Takes how far a source was read; `false`: there are too many of them. A source whose topic is no longer read holds up
    /// nobody; one that is read and not heard of holds up everything: better late than a failure that isn't one.
    pub(crate) fn mark(&mut self, mark: &JourneyMark) -> bool {
        let mut fits = true;
        if !mark.topics.is_empty() && mark.topics != self.topics {
            self.topics.clone_from(&mark.topics);
            let topics = &self.topics;
            self.sources.retain(|source, _| {
                topics.iter().any(|named| {
                    named.topic == source.topic
                        && u32::try_from(source.partition).is_ok_and(|number| number < named.partitions)
                })
            });
            for named in topics {
                for number in 0..named.partitions {
                    let source = SourcePartition {
                        topic: std::sync::Arc::clone(&named.topic),
                        partition: i32::try_from(number).unwrap_or(i32::MAX),
                    };
                    if self.sources.len() >= JOURNEY_SOURCES_MAX {
                        fits = false;
                        break;
                    }
                    self.sources.entry(source).or_insert(None);
                }
            }
        }
        let is_full = self.sources.len() >= JOURNEY_SOURCES_MAX;
        match self.sources.get_mut(&mark.source) {
            Some(known) => *known = (*known).max(Some(mark.read_until)),
            None if is_full => fits = false,
            None => {
                self.sources.insert(mark.source.clone(), Some(mark.read_until));
            }
        }
        fits
    }

    /// Source partitions of which nobody knows yet how far they were read.
    pub(crate) fn unheard(&self) -> usize {
        self.sources
            .values()
            .filter(|until| until.is_none_or(|until| until == EventTime::MIN))
            .count()
    }

    /// How far time has come: behind the source that was read least far by the lateness. Where no source is known, behind the
    /// newest event by the lateness, or behind the tick by what silence may last.
    pub(crate) fn frontier(&self, lateness: std::time::Duration, silence: std::time::Duration) -> EventTime {
        if let Some(least) = self.sources.values().min() {
            let until = least.map(|until| until.minus(lateness));
            return until.map_or(self.passed(), |until| until.max(self.passed()));
        }
        let by_events = self.newest.map(|at| at.minus(lateness));
        let by_ticks = self.tick.map(|at| at.minus(silence));
        by_events
            .max(by_ticks)
            .map_or(self.passed(), |at| at.max(self.passed()))
    }

    /// The moment after the first that waits, where more than `max` wait.
    pub(crate) fn forced(&self, max: usize) -> Option<EventTime> {
        let (first, _) = self
            .waiting
            .first_key_value()
            .filter(|_| self.waiting.len() > max)?;
        Some(first.0.plus(std::time::Duration::from_nanos(1)))
    }

    pub(crate) fn first_before(&self, limit: EventTime) -> Option<EventTime> {
        let ((at, _), _) = self.waiting.first_key_value()?;
        (*at < limit).then_some(*at)
    }

    pub(crate) fn take_first(&mut self) -> Option<(EventTime, Waiting)> {
        let ((at, id), event) = self.waiting.pop_first()?;
        self.ids.remove(&id);
        Some((at, event))
    }

    pub(crate) fn advance(&mut self, to: EventTime) {
        self.passed.advance(to);
    }

    /// Changes those that wait, or leaves them out; how many were left out.
    pub(crate) fn restore(&mut self, mut keep: impl FnMut(&mut Waiting) -> bool) -> u64 {
        let before = self.waiting.len();
        let ids = &mut self.ids;
        self.waiting.retain(|(_, id), event| {
            let kept = keep(event);
            if !kept {
                ids.remove(id);
            }
            kept
        });
        u64::try_from(before - self.waiting.len()).unwrap_or(0)
    }
}
