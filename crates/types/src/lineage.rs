use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Ranges kept before the enclosing one of a partition is kept instead: an event stays under 256 KiB with them.
pub const LINEAGE_RANGES_MAX: usize = 256;

/// Where a record stands: topic, partition, offset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Topic, or the file of a replay.
    pub topic: Arc<str>,
    /// Partition; 0 for a file.
    pub partition: i32,
    /// Offset; the row of a file.
    pub offset: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.topic, self.partition, self.offset)
    }
}

/// Offsets `from ..= to` of one partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LineageRange {
    /// Topic, or the file of a replay.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// First offset, inclusive.
    pub from: i64,
    /// Last offset, inclusive.
    pub to: i64,
}

/// The exact input offsets that something came from: merged ranges, sorted, at most [`LINEAGE_RANGES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lineage {
    ranges: Vec<LineageRange>,
    coarse: bool,
}

impl Lineage {
    /// Of one record.
    pub fn of(position: &Position) -> Self {
        let mut lineage = Self::default();
        lineage.add(position);
        lineage
    }

    /// Adds one record.
    pub fn add(&mut self, position: &Position) {
        self.ranges.push(LineageRange {
            topic: Arc::clone(&position.topic),
            partition: position.partition,
            from: position.offset,
            to: position.offset,
        });
        self.normalise();
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.coarse |= other.coarse;
        self.ranges.extend(other.ranges.iter().cloned());
        self.normalise();
    }

    /// From ranges, for decoding.
    pub fn from_ranges(ranges: Vec<LineageRange>, coarse: bool) -> Self {
        let mut lineage = Self { ranges, coarse };
        lineage.normalise();
        lineage
    }

    /// The ranges, sorted by topic, partition and offset.
    pub fn ranges(&self) -> &[LineageRange] {
        &self.ranges
    }

    /// Whether ranges were widened to stay within the bound, so that records not involved are named too.
    pub const fn is_coarse(&self) -> bool {
        self.coarse
    }

    /// How many offsets the ranges cover.
    pub fn records(&self) -> u64 {
        self.ranges
            .iter()
            .map(|r| u64::try_from(r.to - r.from + 1).unwrap_or(0))
            .sum()
    }

    fn normalise(&mut self) {
        self.ranges.sort();
        let mut merged: Vec<LineageRange> = Vec::with_capacity(self.ranges.len());
        for range in self.ranges.drain(..) {
            match merged.last_mut() {
                Some(last)
                    if last.topic == range.topic
                        && last.partition == range.partition
                        && range.from <= last.to.saturating_add(1) =>
                {
                    last.to = last.to.max(range.to);
                }
                _ => merged.push(range),
            }
        }
        if merged.len() > LINEAGE_RANGES_MAX {
            self.coarse = true;
            let mut enclosing: BTreeMap<(Arc<str>, i32), (i64, i64)> = BTreeMap::new();
            for r in &merged {
                let entry = enclosing
                    .entry((Arc::clone(&r.topic), r.partition))
                    .or_insert((r.from, r.to));
                entry.0 = entry.0.min(r.from);
                entry.1 = entry.1.max(r.to);
            }
            merged = enclosing
                .into_iter()
                .map(|((topic, partition), (from, to))| LineageRange {
                    topic,
                    partition,
                    from,
                    to,
                })
                .take(LINEAGE_RANGES_MAX)
                .collect();
        }
        self.ranges = merged;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(offset: i64) -> Position {
        Position {
            topic: Arc::from("t"),
            partition: 0,
            offset,
        }
    }

    proptest! {
        #[test]
        fn covers_exactly_what_was_added_until_it_is_coarse(offsets in proptest::collection::vec(0_i64..600, 1..400)) {
            let mut lineage = Lineage::default();
            for o in &offsets { lineage.add(&at(*o)); }
            let covered: std::collections::BTreeSet<i64> =
                lineage.ranges().iter().flat_map(|r| r.from..=r.to).collect();
            let wanted: std::collections::BTreeSet<i64> = offsets.into_iter().collect();
            prop_assert!(wanted.is_subset(&covered));
            if !lineage.is_coarse() { prop_assert_eq!(wanted, covered); }
            prop_assert!(lineage.ranges().len() <= LINEAGE_RANGES_MAX);
        }
    }

    #[test]
    fn too_many_ranges_become_the_enclosing_one() {
        let mut lineage = Lineage::default();
        for i in 0..300 {
            lineage.add(&at(i * 2));
        }
        assert!(lineage.is_coarse());
        assert_eq!(
            lineage.ranges().first().map(|r| (r.from, r.to)),
            Some((0, 512)),
            "widened as soon as the bound is passed"
        );
        assert!(lineage.ranges().len() <= LINEAGE_RANGES_MAX);
        assert_eq!(lineage.ranges().last().map(|r| r.to), Some(598));
    }
}
