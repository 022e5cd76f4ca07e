use std::collections::{BTreeMap, BTreeSet};

use forecall_types::{EventTime, Watermark};
use serde::{Deserialize, Serialize};

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

    /// How far time has come: behind the newest event by the lateness, or behind the tick by what silence may last.
    pub(crate) fn frontier(&self, lateness: std::time::Duration, silence: std::time::Duration) -> EventTime {
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
