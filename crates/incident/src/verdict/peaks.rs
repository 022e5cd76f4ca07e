//! What the evidence of an incident came to at most: a verdict is on all of its life, not on its last revision.

use std::sync::Arc;

use forecall_types::{Channel, Direction, EXCEPTIONS_MAX, EventTime, Score, SeriesKey};
use serde::{Deserialize, Serialize};

use crate::predict::Weighed;

/// What one series came to, in one kind of surprise and one direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Peak {
    pub(crate) series: Arc<SeriesKey>,
    pub(crate) channel: Channel,
    pub(crate) direction: Direction,
    pub(crate) score: Score,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Half the width of what was normal: what the values may go beyond these without being worse.
    pub(crate) noise: f64,
    pub(crate) from: EventTime,
    pub(crate) at: EventTime,
}

impl Peak {
    fn of(weighed: &Weighed) -> Self {
        let e = &weighed.evidence;
        let half = ((e.band.high - e.band.low) / 2.0).abs();
        Self {
            series: Arc::clone(&e.series),
            channel: e.channel,
            direction: weighed.direction,
            score: e.score,
            low: e.observed,
            high: e.observed,
            noise: if half.is_finite() { half } else { 0.0 },
            from: e.from,
            at: e.at,
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        self.channel == other.channel && self.direction == other.direction && self.series == other.series
    }

    fn take(&mut self, other: &Self) {
        if self.score < other.score {
            self.score = other.score;
        }
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        self.noise = self.noise.max(other.noise);
        self.from = self.from.min(other.from);
        self.at = self.at.max(other.at);
    }
}

/// Those of one incident, in the order in which they came, at most [`EXCEPTIONS_MAX`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Peaks(pub(crate) Vec<Peak>);

impl Peaks {
    /// Takes what is abnormal and counts; the strongest come first.
    pub(crate) fn note(&mut self, evidence: &[Weighed]) {
        let counts = |w: &&Weighed| w.evidence.active && w.evidence.muted_by.is_none();
        for weighed in evidence.iter().filter(counts).take(EXCEPTIONS_MAX) {
            let peak = Peak::of(weighed);
            let is_room = self.0.len() < EXCEPTIONS_MAX;
            match self.0.iter_mut().find(|known| known.is_like(&peak)) {
                Some(known) => known.take(&peak),
                None if is_room => self.0.push(peak),
                None => {}
            }
        }
    }
}
