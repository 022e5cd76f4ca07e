//! The seeded input: several keys a partition, out of order, doubled, late, far ahead, and such that can't be read.

use std::collections::VecDeque;

use crate::draw::Draw;
use crate::place::{PARTITIONS, PARTITIONS_GROWN};

/// Keys of each partition.
const KEYS: u64 = 4;
/// Event time of the first record: any will do, a fixed one makes runs comparable.
const BEGIN_MS: i64 = 1_750_000_000_000;
/// Good records remembered, to be sent a second time.
const REMEMBERED: usize = 200;

/// A record to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fed {
    pub(crate) partition: i32,
    pub(crate) key: String,
    pub(crate) value: Option<Vec<u8>>,
}

/// Gives records without end.
pub(crate) struct Input {
    draw: Draw,
    /// Event time passes by this much from one record to the next, in thousandths of a millisecond.
    step_micros: i64,
    count: i64,
    partitions: i32,
    /// By place: partition and key.
    next_seq: Vec<u64>,
    sent: VecDeque<Fed>,
}

impl Input {
    pub(crate) fn new(seed: u64, records_per_second: u64) -> Self {
        let per_second = i64::try_from(records_per_second.max(1)).unwrap_or(i64::MAX);
        Self {
            draw: Draw::new(seed, 1),
            step_micros: 1_000_000 / per_second,
            count: 0,
            partitions: PARTITIONS,
            next_seq: vec![0; usize::try_from(places(PARTITIONS_GROWN)).unwrap_or(0)],
            sent: VecDeque::new(),
        }
    }

    /// From now on there are as many partitions.
    pub(crate) const fn spread_over(&mut self, partitions: i32) {
        self.partitions = partitions;
    }

    pub(crate) fn next(&mut self) -> Fed {
        let now = BEGIN_MS + self.count * self.step_micros / 1_000;
        self.count += 1;
        let kind = self.draw.below(1_000);
        if kind < 15
            && let Some(again) = self.doubled()
        {
            return again;
        }
        let place = self.draw.below(places(self.partitions));
        let partition = i32::try_from(place / KEYS).unwrap_or(0);
        let key = format!("k{place}");
        if (15..25).contains(&kind) {
            return Fed {
                partition,
                key,
                value: self.unreadable(),
            };
        }
        let at_ms = match kind {
            // Late for certain, and perhaps.
            25..35 => now - 5_000,
            35..60 => now - i64::try_from(self.draw.below(1_500)).unwrap_or(0),
            // Ten years ahead.
            60..63 => now + 315_360_000_000,
            // Out of order within the lateness.
            _ => now - i64::try_from(self.draw.below(300)).unwrap_or(0),
        };
        let seq = self
            .next_seq
            .get_mut(usize::try_from(place).unwrap_or(0))
            .map_or(0, |next| {
                *next += 1;
                *next
            });
        let value = self.draw.below(1_000);
        let text = format!("{{\"key\":\"{key}\",\"seq\":{seq},\"ts\":{at_ms},\"value\":{value}}}");
        let fed = Fed {
            partition,
            key,
            value: Some(text.into_bytes()),
        };
        self.sent.push_back(fed.clone());
        if self.sent.len() > REMEMBERED {
            self.sent.pop_front();
        }
        fed
    }

    /// One of the last records again.
    fn doubled(&mut self) -> Option<Fed> {
        let which = self.draw.below(u64::try_from(self.sent.len()).unwrap_or(0));
        self.sent.get(usize::try_from(which).unwrap_or(0)).cloned()
    }

    fn unreadable(&mut self) -> Option<Vec<u8>> {
        let number = self.count;
        match self.draw.below(6) {
            0 => None,
            1 => Some(format!("{{\"key\":\"cut off {number}").into_bytes()),
            2 => Some(format!("{{\"key\":\"k0\",\"seq\":{number}}}").into_bytes()),
            3 => Some(format!("{{\"key\":\"k0\",\"seq\":{number},\"ts\":1,\"value\":-1}}").into_bytes()),
            4 => Some(vec![0xff, 0xfe, 0x00]),
            _ => Some(Vec::new()),
        }
    }
}

/// Pairs of a partition and one of its keys.
fn places(partitions: i32) -> u64 {
    u64::from(partitions.unsigned_abs()) * KEYS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_input_with_all_kinds_of_trouble() {
        let take = |seed| {
            let mut input = Input::new(seed, 1_000);
            (0..5_000).map(|_| input.next()).collect::<Vec<_>>()
        };
        let all = take(7);
        assert_eq!(all, take(7));
        assert_ne!(all, take(8));
        let doubled = all.iter().enumerate().filter(|(i, fed)| {
            fed.value.as_ref().is_some_and(|v| v.len() > 40)
                && all.get(i.saturating_sub(400)..*i).unwrap().contains(fed)
        });
        assert!(doubled.count() > 20, "doubled");
        let has = |what: &dyn Fn(&Fed) -> bool| all.iter().filter(|fed| what(fed)).count();
        assert!(has(&|fed| fed.value.is_none()) > 2, "tombstones");
        assert!(has(&|fed| fed.value.as_deref() == Some(b"")) > 2, "empty");
        assert!(
            has(&|fed| fed.partition == 7) > 400,
            "every partition has its share"
        );
        assert_eq!(has(&|fed| fed.partition >= PARTITIONS), 0);
        let mut input = Input::new(7, 1_000);
        input.spread_over(PARTITIONS_GROWN);
        let grown = (0..5_000)
            .filter(|_| input.next().partition == PARTITIONS_GROWN - 1)
            .count();
        assert!(grown > 300, "so has an added one: {grown}");
    }
}
