//! How far the sources have come: the watermark.

use std::collections::BTreeMap;
use std::time::Duration;

use forecall_types::invariant::InvariantId;
use forecall_types::{EventTime, Position, SourceMark, SourcePartition, Watermark, check_invariant};
use serde::{Deserialize, Serialize};

/// Sources one partition may have marks of: 64 topics of 64 partitions. A further one holds nobody up.
pub const SOURCES_MAX: usize = 4_096;

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

    /// What one thing told does to the watermark, without keeping anything but all that was told.
    fn brute(told: &[(i32, i64, bool)], lateness: i64) -> i64 {
        let mut watermark = i64::MIN;
        for n in 1..=told.len() {
            let heard = &told[..n];
            // Of each source: the latest time it has told, and whether its last word was that it is idle.
            let sources: Vec<(i64, bool)> = (0..4)
                .filter_map(|s| {
                    let of = heard.iter().filter(|(source, ..)| *source == s);
                    Some((of.clone().map(|(_, at, _)| *at).max()?, of.last()?.2))
                })
                .collect();
            let live = sources.iter().filter(|(_, idle)| !idle).map(|(at, _)| *at).min();
            let at = live.or(sources.iter().map(|(at, _)| *at).max());
            watermark = watermark.max(at.map_or(i64::MIN, |at| at - lateness));
        }
        watermark
    }

    proptest! {
        #[test]
        fn the_watermark_is_what_all_that_was_told_allows(
            told in proptest::collection::vec((0_i32..4, 0_i64..1_000, any::<bool>()), 1..40), lateness in 0_i64..60
        ) {
            let mut sources = Sources::default();
            for (n, (partition, newest, idle)) in told.iter().enumerate() {
                sources.mark(&SourceMark { source: source(*partition), newest: EventTime::from_secs(*newest), idle: *idle });
                sources.advance(Duration::from_secs(lateness.unsigned_abs()));
                let want = EventTime::from_secs(brute(&told[..=n], lateness));
                prop_assert_eq!(sources.watermark().time(), want);
            }
        }
    }
}
