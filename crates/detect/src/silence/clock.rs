//! How long a topic has spoken: silence is measured in that time, so that nobody falls silent because all do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use forecall_types::EventTime;
use serde::{Deserialize, Serialize};

use super::NEVER;

/// What counts of one leap of a topic's time, and twice its usual leap where that is longer: a topic polled every five minutes goes
/// on by five minutes. Shorter than half the least silence that is told
/// ([`SILENCE_SECONDS_LEAST`](crate::settings::SILENCE_SECONDS_LEAST)), so that no leap alone makes anyone silent.
pub(crate) const LEAP_COUNTED: Duration = Duration::from_secs(60);
/// Pauses of a topic remembered; further ones grow together with the oldest, which makes silences shorter, never longer.
const PAUSES_MAX: usize = 16;
/// Leaps in the mean that is the usual one. None enters it with more than counts of it.
const USUAL_OF_LEAPS: i64 = 16;
/// When silences are looked for: at whole steps of event time.
pub(crate) const STEP: Duration = Duration::from_secs(10);

/// The number of the first step at or after a time; the first and the last that are numbered lie 680 years from 1970.
pub(crate) fn step_at(at: EventTime) -> i32 {
    let at = at.plus(STEP.saturating_sub(Duration::from_nanos(1))).floor(STEP);
    let number = at.secs().div_euclid(10);
    i32::try_from(number.clamp(i64::from(i32::MIN), i64::from(NEVER - 1))).unwrap_or(0)
}

pub(crate) fn time_of(step: i32) -> EventTime {
    EventTime::from_secs(i64::from(step) * 10)
}

/// The time of one topic: it goes as far as its newest sample and the partition's watermark, whichever is earlier.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Clock {
    pub(crate) topic: Arc<str>,
    newest: EventTime,
    now: EventTime,
    /// The usual leap, in nanoseconds.
    usual_leap: i64,
    /// Spans that don't count, oldest first: nothing of the topic was measured in them.
    pauses: VecDeque<(EventTime, EventTime)>,
    /// Series to look at, by step. Made anew from the series after loading.
    #[serde(skip)]
    pub(crate) due: BTreeMap<i32, Vec<u32>>,
}

impl Clock {
    pub(crate) const fn new(topic: Arc<str>) -> Self {
        Self {
            topic,
            newest: EventTime::MIN,
            now: EventTime::MIN,
            usual_leap: 0,
            pauses: VecDeque::new(),
            due: BTreeMap::new(),
        }
    }

    /// What is saved of it.
    pub(crate) fn share(&self) -> Self {
        Self {
            topic: Arc::clone(&self.topic),
            pauses: self.pauses.clone(),
            due: BTreeMap::new(),
            ..*self
        }
    }

    /// Something of the topic was measured at this time.
    pub(crate) fn read(&mut self, newest: EventTime) {
        self.newest = self.newest.max(newest);
    }

    /// Goes on as far as the watermark allows; says whether it did.
    pub(crate) fn advance(&mut self, watermark: EventTime, lateness: Duration) -> bool {
        let to = watermark.min(self.newest.minus(lateness));
        if to <= self.now {
            return false;
        }
        // In whole seconds: nobody counts finer.
        let usual = Duration::from_nanos(self.usual_leap.unsigned_abs()).saturating_mul(2);
        let most = Duration::from_secs(usual.as_secs()).max(LEAP_COUNTED);
        let counted = self.now.plus(most);
        if self.now > EventTime::MIN {
            let leap = to.min(counted).since(self.now);
            let leap = i64::try_from(leap.as_nanos()).unwrap_or(i64::MAX);
            self.usual_leap += (leap - self.usual_leap) / USUAL_OF_LEAPS;
        }
        if self.now > EventTime::MIN && to > counted {
            self.pauses.push_back((counted, to));
            if self.pauses.len() > PAUSES_MAX
                && let (Some(first), Some(second)) = (self.pauses.pop_front(), self.pauses.front_mut())
            {
                second.0 = first.0;
            }
        }
        self.now = to;
        true
    }

    /// Whether the watermark alone could move it.
    pub(crate) fn waits_for_watermark(&self, lateness: Duration) -> bool {
        self.now < self.newest.minus(lateness) && !self.due.is_empty()
    }

    /// Whether it is past this step, or at it.
    pub(crate) fn has_come_to(&self, step: i32) -> bool {
        time_of(step) <= self.now
    }

    /// Whether nothing of the topic was ever read.
    pub(crate) fn is_new(&self) -> bool {
        self.newest == EventTime::MIN
    }

    /// The step that is due, if its time has come.
    pub(crate) fn next_due(&self) -> Option<EventTime> {
        let at = time_of(*self.due.first_key_value()?.0);
        (at <= self.now).then_some(at)
    }

    /// The time from `from` to `to` without the topic's pauses.
    pub(crate) fn run(&self, from: EventTime, to: EventTime) -> Duration {
        let within = |(a, b): &(EventTime, EventTime)| (*b).min(to).since((*a).max(from));
        let paused: Duration = self.pauses.iter().map(within).sum();
        to.since(from).saturating_sub(paused)
    }

    /// Of two partitions' clocks of a topic: the one that is behind.
    pub(crate) fn behind(&self, other: &Self) -> bool {
        (self.now, self.newest) < (other.now, other.newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn steps_are_the_next_whole_ten_seconds() {
        for (millis, step) in [(0, 0), (1, 1), (10_000, 1), (10_001, 2), (-1, 0), (-10_000, -1)] {
            assert_eq!(step_at(EventTime::from_millis(millis)), step, "{millis}");
        }
        assert!(step_at(EventTime::MAX) < NEVER);
        assert_eq!(
            time_of(step_at(EventTime::from_secs(70))),
            EventTime::from_secs(70)
        );
    }

    proptest! {
        /// Of each leap a minute counts, or twice the usual one; once the oldest pauses have grown together, never more than that.
        #[test]
        fn time_runs_without_the_leaps(leaps in proptest::collection::vec(1_i64..400, 1..60), from in 0_i64..3_000, long in 0_i64..3_000) {
            let mut clock = Clock::new(Arc::from("t"));
            let (mut at, mut counts) = (0, Vec::new());
            let (mut usual, mut pauses) = (0_i64, 0);
            clock.read(EventTime::from_secs(0));
            clock.advance(EventTime::MAX, Duration::ZERO);
            for leap in &leaps {
                let most = (2 * usual / 1_000_000_000).max(60);
                counts.extend((0..*leap).map(|second| second < most));
                pauses += usize::from(*leap > most);
                usual += ((*leap).min(most) * 1_000_000_000 - usual) / 16;
                at += leap;
                clock.read(EventTime::from_secs(at));
                prop_assert!(clock.advance(EventTime::MAX, Duration::ZERO));
                prop_assert!(!clock.advance(EventTime::MAX, Duration::ZERO));
            }
            let (from, to) = (from.min(at), (from + long).min(at));
            let range = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
            let want = counts[range].iter().filter(|c| **c).count() as u64;
            let got = clock.run(EventTime::from_secs(from), EventTime::from_secs(to)).as_secs();
            prop_assert!(if pauses <= PAUSES_MAX { got == want } else { got <= want }, "{got} {want}");
        }
    }

    #[test]
    fn a_topic_polled_every_five_minutes_goes_on_by_five_minutes() {
        let mut clock = Clock::new(Arc::from("t"));
        let mut go = |second| {
            clock.read(EventTime::from_secs(second));
            clock.advance(EventTime::MAX, Duration::ZERO);
            clock
                .run(EventTime::from_secs(second - 3_000), EventTime::from_secs(second))
                .as_secs()
        };
        let last = (0..200).map(|poll| go(poll * 300)).last();
        assert_eq!(last, Some(3_000));
        // A day without a poll is a leap like few: twice the usual one counts.
        assert!(go(199 * 300 + 86_400) <= 600);
    }
}
