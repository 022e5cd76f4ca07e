//! How far the sources have come: the watermark.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::invariant::InvariantId;
use forecall_types::{
    EventTime, Position, SourceMark, SourcePartition, SourceTopic, Watermark, check_invariant,
};
use serde::{Deserialize, Serialize};

/// Sources one partition may have marks of: 64 topics of 64 partitions. A further one holds nobody up.
pub const SOURCES_MAX: usize = 4_096;

/// A topic that its readers name no longer for so long is not waited for any more, nor a partition that they count no
/// longer: longer than two readers differ while one after the other is restarted with other settings.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mark {
    newest: Option<EventTime>,
    silent_until: Option<EventTime>,
    caught_up: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Topic {
    partitions: u32,
    /// When this number was told last.
    told: EventTime,
}

/// How far each source has come, and what follows: nothing earlier is expected than the slowest one allows.
///
/// | what is known of a source partition | what it allows |
/// |---|---|
/// | its topic is read, but nothing of it was heard | nothing: the watermark stays |
/// | it was heard of, but no sample of it | nothing, until its reader says that it is silent |
/// | it sends | its newest sample |
/// | it is silent | the time up to which its reader knows that |
///
/// So neither the order in which readers start, nor one that is down, makes a sample late. Who waits in vain is bounded by the
/// buffer of samples: its oldest go on without waiting.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sources {
    marks: BTreeMap<SourcePartition, Mark>,
    topics: BTreeMap<Arc<str>, Topic>,
    /// Partitions of `topics` that nothing was heard of.
    unheard: usize,
    own: Option<EventTime>,
    watermark: Watermark,
}

impl Sources {
    /// Nothing earlier is expected.
    pub const fn watermark(&self) -> Watermark {
        self.watermark
    }

    /// Whether the partition is one of the re-keyed topic, which has its sources' marks.
    pub fn is_rekeyed(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Whether no sample was ever read.
    pub fn is_empty(&self) -> bool {
        self.own.is_none() && self.marks.is_empty()
    }

    /// Where every source is silent: up to when that is known.
    pub fn silent_until(&self) -> Option<EventTime> {
        if self.unheard > 0 {
            return None;
        }
        let all: Option<Vec<EventTime>> = self.marks.values().map(|mark| mark.silent_until).collect();
        all?.into_iter().min()
    }

    /// Whether the readers of all sources stand at their ends.
    pub fn are_caught_up(&self) -> bool {
        self.unheard == 0 && self.marks.values().all(|mark| mark.caught_up)
    }

    /// Takes in a record of a keyed topic, whose newest sample is of this time. Once marks have come the partition is a
    /// re-keyed one, and only they count.
    pub fn read(&mut self, newest: EventTime) {
        if self.marks.is_empty() {
            self.own = self.own.max(Some(newest));
        }
    }

    /// A source that sends again is not silent, whatever its last mark said.
    pub fn wake(&mut self, origin: &Position) {
        if let Some((_, mark)) = self
            .marks
            .iter_mut()
            .find(|(s, _)| s.partition == origin.partition && s.topic == origin.topic)
        {
            mark.silent_until = None;
        }
    }

    /// Takes in what a record says of a source; `at` is when its reader said it.
    pub fn mark(&mut self, mark: &SourceMark, at: EventTime) {
        self.own = None;
        if let Some(pulse) = &mark.pulse {
            self.name_topics(&pulse.topics, at);
        }
        if !self.marks.contains_key(&mark.source) {
            if self.marks.len() >= SOURCES_MAX {
                return;
            }
            let unknown = Mark {
                newest: None,
                silent_until: None,
                caught_up: false,
            };
            self.marks.insert(mark.source.clone(), unknown);
            self.count_unheard();
        }
        if let Some(known) = self.marks.get_mut(&mark.source) {
            known.newest = known.newest.max(mark.newest);
            known.silent_until = mark.pulse.as_ref().and_then(|pulse| pulse.silent_until);
            if let Some(pulse) = &mark.pulse {
                known.caught_up = pulse.caught_up;
            }
        }
    }

    fn name_topics(&mut self, named: &[SourceTopic], at: EventTime) {
        let before = self.topics.len();
        let (mut changed, mut count) = (false, before);
        for SourceTopic { topic, partitions } in named {
            let partitions = *partitions;
            match self.topics.get_mut(topic) {
                Some(known) if partitions == known.partitions => known.told = known.told.max(at),
                Some(known) if partitions > known.partitions || at.since(known.told) > FORGOTTEN_AFTER => {
                    *known = Topic { partitions, told: at };
                    changed = true;
                }
                Some(_) => {}
                None if count < SOURCES_MAX => {
                    count += 1;
                    let told = Topic { partitions, told: at };
                    self.topics.insert(Arc::clone(topic), told);
                    changed = true;
                }
                None => {}
            }
        }
        self.topics
            .retain(|_, topic| at.since(topic.told) <= FORGOTTEN_AFTER);
        if changed || self.topics.len() < before {
            let topics = &self.topics;
            self.marks.retain(|source, _| {
                let partition = u32::try_from(source.partition).unwrap_or(u32::MAX);
                topics
                    .get(&source.topic)
                    .is_some_and(|t| partition < t.partitions)
            });
            self.count_unheard();
        }
    }

    fn count_unheard(&mut self) {
        let heard = |topic: &str| self.marks.keys().filter(|source| *source.topic == *topic).count();
        self.unheard = if self.marks.len() < SOURCES_MAX {
            self.topics
                .iter()
                .map(|(name, topic)| {
                    usize::try_from(topic.partitions)
                        .unwrap_or(usize::MAX)
                        .saturating_sub(heard(name))
                })
                .fold(0, usize::saturating_add)
        } else {
            0
        };
    }

    /// Moves the watermark to what the slowest source allows, less the allowed lateness. Where all are silent, not beyond the
    /// latest sample of any: time goes on with samples only.
    pub fn advance(&mut self, lateness: Duration) {
        if self.unheard > 0 {
            return;
        }
        let (mut newest, mut sending, mut silent) = (self.own, EventTime::MAX, EventTime::MAX);
        let mut none_sends = true;
        for mark in self.marks.values() {
            newest = newest.max(mark.newest);
            match (mark.silent_until, mark.newest) {
                (Some(until), _) => silent = silent.min(until),
                (None, Some(at)) => (sending, none_sends) = (sending.min(at), false),
                (None, None) => return,
            }
        }
        let Some(newest) = newest else {
            return;
        };
        let at = if none_sends { newest } else { sending };
        let before = self.watermark;
        self.watermark.advance(at.min(silent).minus(lateness));
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
    use forecall_types::SourcePulse;
    use proptest::prelude::*;

    const LATENESS: Duration = Duration::from_secs(10);

    fn source(partition: i32) -> SourcePartition {
        SourcePartition {
            topic: Arc::from("t"),
            partition,
        }
    }

    fn sends(partition: i32, newest: i64) -> SourceMark {
        SourceMark {
            source: source(partition),
            newest: Some(EventTime::from_secs(newest)),
            pulse: None,
        }
    }

    fn says(
        partition: i32,
        newest: Option<i64>,
        silent_until: Option<i64>,
        topics: &[(&str, u32)],
    ) -> SourceMark {
        SourceMark {
            source: source(partition),
            newest: newest.map(EventTime::from_secs),
            pulse: Some(SourcePulse {
                caught_up: silent_until.is_some(),
                silent_until: silent_until.map(EventTime::from_secs),
                topics: topics
                    .iter()
                    .map(|(topic, partitions)| SourceTopic {
                        topic: Arc::from(*topic),
                        partitions: *partitions,
                    })
                    .collect(),
            }),
        }
    }

    /// The watermark after each mark, told at the second given; `None`: there is none yet.
    fn check(sources: &mut Sources, told: &[(i64, SourceMark, Option<i64>)]) {
        for (at, mark, want) in told {
            sources.mark(mark, EventTime::from_secs(*at));
            sources.advance(LATENESS);
            let want = want.map_or(EventTime::MIN, EventTime::from_secs);
            assert_eq!(sources.watermark().time(), want, "after {mark:?}");
        }
    }

    #[test]
    fn the_slowest_source_holds_the_others_up() {
        let mut sources = Sources::default();
        let far = Some(100_000);
        check(
            &mut sources,
            &[
                (0, sends(0, 100), Some(90)),
                (0, sends(1, 50), Some(90)),
                (0, sends(0, 200), Some(90)),
                (0, sends(1, 150), Some(140)),
                (0, says(1, Some(150), Some(170), &[]), Some(160)),
                (0, says(1, Some(150), far, &[]), Some(190)),
                (0, says(0, Some(200), far, &[]), Some(190)),
            ],
        );
        assert_eq!(sources.silent_until(), far.map(EventTime::from_secs));
        sources.wake(&Position {
            topic: Arc::from("t"),
            partition: 1,
            offset: 9,
        });
        assert_eq!(sources.silent_until(), None);
        check(&mut sources, &[(0, sends(0, 900), Some(190))]);
    }

    #[test]
    fn one_that_was_never_heard_of_is_waited_for() {
        let mut sources = Sources::default();
        let roster = [("t", 3)];
        check(
            &mut sources,
            &[
                (0, says(0, None, None, &roster), None),
                (1, sends(0, 100), None),
                (2, says(2, None, Some(500), &roster), None),
                (3, says(1, None, None, &roster), None),
                (4, sends(1, 60), Some(50)),
                (5, sends(1, 700), Some(90)),
                (6, sends(0, 600), Some(490)),
            ],
        );
        assert!(!sources.are_caught_up());
    }

    #[test]
    fn a_new_partition_is_waited_for_and_a_topic_that_is_gone_is_not() {
        let mut sources = Sources::default();
        check(
            &mut sources,
            &[
                (0, says(0, Some(100), None, &[("t", 1), ("u", 1)]), None),
                (100, says(0, Some(200), None, &[("t", 1)]), None),
                (121, says(0, Some(300), None, &[("t", 1)]), Some(290)),
                (122, says(0, Some(400), None, &[("t", 2)]), Some(290)),
                (123, says(0, Some(500), None, &[("t", 1)]), Some(290)),
                (124, says(1, Some(350), None, &[("t", 2)]), Some(340)),
                (250, says(0, Some(500), None, &[("t", 1)]), Some(490)),
            ],
        );
    }

    /// What was told of a source: of which, its newest sample, up to when it is silent.
    type Told = (i32, Option<i64>, Option<i64>);

    /// The watermark after all that was told, worked out anew from the whole of it each time.
    fn brute(told: &[Told], lateness: i64) -> i64 {
        let mut watermark = i64::MIN;
        for n in 1..=told.len() {
            let heard = &told[..n];
            let sources: Vec<(Option<i64>, Option<i64>)> = (0..4)
                .filter_map(|s| {
                    let mut of = heard.iter().filter(|(source, ..)| *source == s);
                    Some((of.clone().filter_map(|(_, at, _)| *at).max(), of.next_back()?.2))
                })
                .collect();
            let sends = |(_, silent): &&(Option<i64>, Option<i64>)| silent.is_none();
            if sources.iter().filter(sends).any(|(newest, _)| newest.is_none()) {
                continue;
            }
            let Some(newest) = sources.iter().filter_map(|(newest, _)| *newest).max() else {
                continue;
            };
            let sending = sources
                .iter()
                .filter(sends)
                .filter_map(|(newest, _)| *newest)
                .min();
            let silent = sources.iter().filter_map(|(_, silent)| *silent).min();
            let at = sending.unwrap_or(newest).min(silent.unwrap_or(i64::MAX));
            watermark = watermark.max(at - lateness);
        }
        watermark
    }

    proptest! {
        #[test]
        fn the_watermark_is_what_all_that_was_told_allows(
            told in proptest::collection::vec(
                (0_i32..4, proptest::option::weighted(0.8, 0_i64..1_000), proptest::option::of(0_i64..1_000)), 1..40
            ),
            lateness in 0_i64..60,
        ) {
            let mut sources = Sources::default();
            for (n, (partition, newest, silent_until)) in told.iter().enumerate() {
                let mark = match silent_until {
                    Some(until) => says(*partition, *newest, Some(*until), &[]),
                    None => SourceMark {
                        source: source(*partition),
                        newest: newest.map(EventTime::from_secs),
                        pulse: None,
                    },
                };
                sources.mark(&mark, EventTime::from_secs(0));
                sources.advance(Duration::from_secs(lateness.unsigned_abs()));
                let want = match brute(&told[..=n], lateness) {
                    i64::MIN => EventTime::MIN,
                    at => EventTime::from_secs(at),
                };
                prop_assert_eq!(sources.watermark().time(), want);
            }
        }
    }
}
