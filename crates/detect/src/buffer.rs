//! Samples that wait for the watermark, and come out in one order whatever the order they came in.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use forecall_stage::Piece;
use forecall_types::EventTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::rate::Owned;

/// Samples waiting for the watermark: ten seconds of lateness at 25,000 samples/s; about 20 MiB. When it is full the
/// oldest is released early, and counted.
pub const BUFFERED_SAMPLES_MAX: usize = 262_144;
/// Samples looked at together before their turn comes: enough that waiting for memory overlaps, few enough to stay near.
pub(crate) const AHEAD: usize = 16;
/// Empty runs kept for later seconds.
const SPARE_MAX: usize = 16;

/// A sample that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pending {
    /// When it was measured.
    pub at: EventTime,
    /// Its series' identity.
    pub id: u128,
    /// Its record's source partition, by a hash that knows no order of arrival.
    pub source: u64,
    /// Its record.
    pub offset: i64,
    /// Its row in the record.
    pub row: u32,
    /// Number of its series in the registry.
    pub slot: u32,
    /// What it says.
    pub reading: Owned,
}

impl Pending {
    const fn key(&self) -> (EventTime, u128, u64, i64, u32) {
        (self.at, self.id, self.source, self.offset, self.row)
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
///
/// They lie in runs of one second, unsorted, until the watermark enters their second; what comes later still goes through
/// a heap. So a sample costs one copy and its share of one sort, and those whose turn is next lie side by side.
#[derive(Debug, Clone, Default)]
pub struct Buffer {
    /// The second that is being given out, its first sample last.
    now: Piece<Vec<Pending>>,
    /// Samples of that second and before that came after it was opened.
    late: BinaryHeap<Reverse<Pending>>,
    /// What lies before this second goes through `late`.
    open_until: Option<i64>,
    /// Runs of later seconds, in order.
    later: VecDeque<(i64, Piece<Vec<Pending>>)>,
    spare: Vec<Vec<Pending>>,
    len: usize,
    /// How many of `now` were looked at already.
    seen_ahead: usize,
}

impl Buffer {
    /// Adds a sample.
    pub fn push(&mut self, pending: Pending) {
        self.len += 1;
        let second = pending.at.secs();
        if self.open_until.is_some_and(|until| second < until) {
            self.late.push(Reverse(pending));
        } else {
            self.push_later(second, pending);
        }
    }

    /// Adds a sample to the run of its second, which is mostly the newest.
    fn push_later(&mut self, second: i64, pending: Pending) {
        let place = match self.later.back() {
            Some((last, _)) if *last == second => self.later.len() - 1,
            Some((last, _)) if *last > second => self.later.partition_point(|(s, _)| *s < second),
            _ => self.later.len(),
        };
        match self.later.get_mut(place) {
            Some((s, run)) if *s == second => run.get_mut().push(pending),
            _ => {
                let mut run = self.spare.pop().unwrap_or_default();
                run.push(pending);
                self.later.insert(place, (second, Piece::new(run)));
            }
        }
    }

    /// The time of the first one if it lies before `limit`.
    pub fn first_before(&mut self, limit: EventTime) -> Option<EventTime> {
        if self.now().is_empty() && self.late.is_empty() {
            let second = self.later.front()?.0;
            if EventTime::from_secs(second) >= limit {
                return None;
            }
            let (_, run) = self.later.pop_front()?;
            let mut run = run.into_inner();
            run.sort_unstable_by(|a, b| b.cmp(a));
            let used = std::mem::replace(&mut self.now, Piece::new(run)).into_inner();
            if self.spare.len() < SPARE_MAX {
                self.spare.push(used);
            }
            (self.open_until, self.seen_ahead) = (Some(second.saturating_add(1)), 0);
        }
        let first = self.first()?.at;
        (first < limit).then_some(first)
    }

    fn now(&self) -> &[Pending] {
        self.now.get().map_or(&[], Vec::as_slice)
    }

    fn first(&self) -> Option<&Pending> {
        match (self.now().last(), self.late.peek()) {
            (Some(now), Some(Reverse(late))) if late < now => Some(late),
            (Some(now), _) => Some(now),
            (None, late) => late.map(|Reverse(p)| p),
        }
    }

    /// Takes the first one, after [`first_before`](Self::first_before) has said that there is one.
    pub fn pop(&mut self) -> Option<Pending> {
        let late_first = match (self.now().last(), self.late.peek()) {
            (Some(now), Some(Reverse(late))) => late < now,
            (now, _) => now.is_none(),
        };
        let first = if late_first {
            self.late.pop().map(|Reverse(p)| p)
        } else {
            self.seen_ahead = self.seen_ahead.saturating_sub(1);
            self.now.get_mut().pop()
        };
        self.len -= usize::from(first.is_some());
        first
    }

    /// The next ones, if none of them was looked at yet; at most [`AHEAD`].
    pub(crate) fn ahead(&mut self) -> Option<&[Pending]> {
        if self.seen_ahead > 0 || self.now().is_empty() {
            return None;
        }
        self.seen_ahead = self.now().len().min(AHEAD);
        self.now().get(self.now().len() - self.seen_ahead..)
    }

    /// What is saved of it, as it is now.
    pub(crate) fn share(&mut self) -> Self {
        Self {
            now: self.now.share(),
            late: self.late.clone(),
            open_until: self.open_until,
            later: self.later.iter_mut().map(|(s, run)| (*s, run.share())).collect(),
            spare: Vec::new(),
            len: self.len,
            seen_ahead: 0,
        }
    }

    /// How many wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there are more than may wait.
    pub const fn is_over(&self) -> bool {
        self.len > BUFFERED_SAMPLES_MAX
    }
}

// Written in order: how they lie hangs on their history, and the same state must give the same bytes.
impl Serialize for Buffer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let late = self.late.iter().map(|Reverse(p)| p);
        let later = self.later.iter().filter_map(|(_, run)| run.get());
        let mut all: Vec<&Pending> = self.now().iter().chain(late).chain(later.flatten()).collect();
        all.sort_unstable();
        all.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Buffer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut buffer = Self::default();
        for pending in Vec::<Pending>::deserialize(deserializer)? {
            buffer.push(pending);
        }
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_out_in_order_whatever_the_way_in(
            times in proptest::collection::vec((-3_000_i64..20_000, 0_u128..4, 0_u64..2, 0_i64..50, 0_i64..9_000), 1..80)
        ) {
            let mut buffer = Buffer::default();
            let (mut out, mut want, mut limit) = (Vec::new(), Vec::new(), EventTime::MIN);
            let drain = |buffer: &mut Buffer, limit: EventTime, out: &mut Vec<_>| {
                while buffer.first_before(limit).is_some() {
                    buffer.ahead();
                    out.push(buffer.pop().unwrap().key());
                }
            };
            for (millis, id, source, offset, advance) in times {
                let pending = Pending {
                    at: EventTime::from_millis(millis), id, source, offset, row: 0, slot: 0, reading: Owned::Gauge(0.0),
                };
                // As the stage does: what is late isn't taken.
                if pending.at < limit { continue; }
                want.push(pending.key());
                buffer.push(pending);
                limit = limit.max(EventTime::from_millis(millis - advance));
                drain(&mut buffer, limit, &mut out);
                prop_assert!(out.iter().all(|k| k.0 < limit));
                prop_assert_eq!(buffer.len(), want.len() - out.len());
            }
            drain(&mut buffer, EventTime::MAX, &mut out);
            want.sort_unstable();
            prop_assert_eq!(out, want);
            prop_assert!(buffer.is_empty());
        }
    }
}
