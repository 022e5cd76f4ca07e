use forecall_stats::{ClippedMoments, Clipping};
use forecall_types::{Direction, EventTime};
use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, Far};
use super::{GeneralTail, Lesson, Verdict, badness};
use crate::recent::{Recent, kept};

/// A few hours at one sample a minute: long enough for a steady deviation, short enough to follow the day.
const CLIPPING: Clipping = Clipping {
    memory: 200,
    free: 20,
    clip: 4.0,
};
/// Own samples after which the own tail counts as much as the general one: fewer know little of one in a thousand, and in a
/// young series trouble makes up much of them.
const OWN_AFTER: f64 = 2_000.0;
/// Ceiling for a series that never moved before: its first step is news only if the next sample confirms it.
const CONSTANT_SCORE_MAX: f64 = 4.9;
/// Counts kept in place: deviations up to 8 standard deviations.
const COUNTS: usize = 18;

/// A value far from the mean of the last ones.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Spike {
    /// The last samples.
    pub(crate) recent: Recent,
    /// The detector's: its next one. It lies here because here is room.
    pub(crate) next: u32,
    moments: ClippedMoments,
    calibration: Calibration<COUNTS>,
    /// Samples the series has shown, up to what the type holds.
    pub(crate) seen: u16,
}

/// What the last values say: computed once for a sample, for judging and for learning.
#[derive(Debug, Clone, Copy)]
pub struct Baseline {
    location: f64,
    scale: f64,
    /// The scale is only the least one.
    constant: bool,
}

impl Spike {
    /// The baseline as it is; `least` is the least scale.
    pub fn baseline(&self, least: f64) -> Baseline {
        let own = self.moments.sd();
        Baseline {
            location: self.moments.mean(),
            scale: own.max(least),
            constant: own < least,
        }
    }

    /// How far a value lies from the baseline; not yet how rare that is.
    pub fn measure(baseline: &Baseline, value: f64) -> Verdict {
        Verdict {
            score: 0.0,
            expected: baseline.location,
            deviation: value - baseline.location,
            scale: baseline.scale,
        }
    }

    /// How rare a deviation is, without learning from it.
    pub fn score(
        &self,
        baseline: &Baseline,
        verdict: &Verdict,
        bad: Option<Direction>,
        general: GeneralTail,
        far: &[(u8, u16)],
    ) -> f64 {
        let rare = self
            .calibration
            .surprise(far, badness(verdict.sds(), bad), 1.0, OWN_AFTER, general);
        if baseline.constant {
            rare.min(CONSTANT_SCORE_MAX)
        } else {
            rare
        }
    }

    /// Learns from a value judged before.
    pub fn learn(
        &mut self,
        baseline: &Baseline,
        value: f64,
        bad: Option<Direction>,
        (lesson, warm): (Lesson, bool),
        far: &mut Option<&mut Far>,
    ) {
        if warm {
            let sds = badness((value - baseline.location) / baseline.scale, bad);
            self.calibration.record(far, sds, lesson);
        }
        self.moments.add(value, baseline.scale, CLIPPING);
    }

    /// Whether the next lesson needs a [`Far`].
    pub fn needs_far(&self) -> bool {
        self.calibration.needs_far()
    }

    /// Leaves the last deviations out of its record of what is rare: an anomaly has begun with them.
    pub const fn forget_waiting(&mut self) {
        self.calibration.forget_waiting();
    }

    /// How many standard deviations make a score of 3: half the width of the band.
    pub fn band_sds(&self, far: &[(u8, u16)]) -> f64 {
        // Never so narrow that plain noise leaves it, never so wide that it says nothing.
        self.calibration.sds_at(far, 3.0).clamp(3.0, 12.0)
    }

    /// Keeps the sample.
    pub fn keep(&mut self, at: EventTime, before: Option<EventTime>, value: f64) {
        self.recent.push(kept(value), at, before);
    }

    /// Reads from each of its cache lines.
    pub(crate) fn touch(&self) -> u32 {
        self.recent.touch() ^ self.calibration.touch()
    }
}
