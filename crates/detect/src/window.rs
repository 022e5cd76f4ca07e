//! The sliding window of one series: its last samples, normal or not, as evidence.

use std::collections::VecDeque;
use std::time::Duration;

use forecall_types::{EVIDENCE_POINTS_MAX, EventTime};
use serde::{Deserialize, Serialize};

/// Samples a window keeps: ten minutes at one every ten seconds, with a few to spare; 1 KiB a series.
pub const WINDOW_SAMPLES_MAX: usize = 64;
/// Samples a window keeps even if they are older than its span: fewer than these have no median worth the name.
pub const WINDOW_SAMPLES_MIN: usize = 20;

/// Samples in order of event time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Window {
    points: VecDeque<(EventTime, f64)>,
}

impl Window {
    /// Adds the newest sample and drops what lies more than `span` before it (down to [`WINDOW_SAMPLES_MIN`]).
    pub fn push(&mut self, at: EventTime, value: f64, span: Duration) {
        if self.points.len() == WINDOW_SAMPLES_MAX {
            self.points.pop_front();
        }
        self.points.push_back((at, value));
        let oldest = at.minus(span);
        while self.points.len() > WINDOW_SAMPLES_MIN && self.points.front().is_some_and(|(t, _)| *t < oldest)
        {
            self.points.pop_front();
        }
    }

    /// Samples, oldest first.
    pub fn values(&self) -> impl Iterator<Item = f64> + Clone {
        self.points.iter().map(|(_, v)| *v)
    }

    /// The newest sample.
    pub fn last(&self) -> Option<(EventTime, f64)> {
        self.points.back().copied()
    }

    /// Mean time between samples in seconds; 0 for fewer than two.
    pub fn interval_seconds(&self) -> f64 {
        match (
            self.points.front(),
            self.points.back(),
            u32::try_from(self.points.len()),
        ) {
            (Some((first, _)), Some((last, _)), Ok(len)) if len > 1 => {
                last.seconds_from(*first) / f64::from(len - 1)
            }
            _ => 0.0,
        }
    }

    /// How many samples it holds.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Least-squares slope of the samples from `since` on, in units per second.
    pub fn slope(&self, since: EventTime) -> f64 {
        let origin = self.points.front().map_or(EventTime::MIN, |(t, _)| *t);
        forecall_stats::slope(
            self.points
                .iter()
                .filter(move |(t, _)| *t >= since)
                .map(move |(t, v)| (t.seconds_from(origin), *v)),
        )
    }

    /// At most [`EVIDENCE_POINTS_MAX`] of its points, evenly taken, the newest always among them.
    pub fn evidence(&self) -> Vec<(EventTime, f64)> {
        let (len, max) = (self.points.len(), EVIDENCE_POINTS_MAX);
        if len <= max {
            return self.points.iter().copied().collect();
        }
        (1..=max)
            .filter_map(|i| self.points.get(i * len / max - 1).copied())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn holds_the_span_within_its_bounds(steps in proptest::collection::vec(1_u32..60, 1..200)) {
            let span = Duration::from_secs(600);
            let (mut window, mut all, mut at) = (Window::default(), Vec::new(), EventTime::from_secs(0));
            for (i, step) in steps.iter().enumerate() {
                at = at.plus(Duration::from_secs(u64::from(*step)));
                let value = f64::from(u32::try_from(i).unwrap());
                window.push(at, value, span);
                all.push(value);
                let in_span = steps[..=i].iter().rev().scan(0, |age, s| { let now = *age; *age += s; Some(now) })
                    .take_while(|age| *age <= 600).count();
                let want = in_span.clamp(WINDOW_SAMPLES_MIN, WINDOW_SAMPLES_MAX).min(all.len());
                prop_assert_eq!(window.values().collect::<Vec<_>>(), all[all.len() - want..].to_vec());
                let evidence = window.evidence();
                prop_assert!(evidence.len() <= EVIDENCE_POINTS_MAX);
                prop_assert_eq!(evidence.last().map(|(t, _)| *t), Some(at));
                prop_assert!(evidence.windows(2).all(|w| w[0].0 < w[1].0));
            }
        }
    }
}
