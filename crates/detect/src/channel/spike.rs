use forecall_stats::MAD_TO_SD;
use forecall_types::{Direction, EventTime};
use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, Far};
use super::{GeneralTail, Lesson, MEAN_DEVIATION_TO_SD, Verdict, badness, fade, scale_floor};
use crate::recent::{Recent, kept};

/// Memory of the slow scale in samples: most of a day at one a minute.
const SCALE_MEMORY: u16 = 1_000;
/// A deviation counts for the slow scale up to this many standard deviations.
const SCALE_CLIP_SDS: f64 = 4.0;
/// Ceiling for a series that never moved before: its first step is news only if the next sample confirms it.
const CONSTANT_SCORE_MAX: f64 = 4.9;
/// Counts kept in place: deviations up to 16 standard deviations.
const COUNTS: usize = 22;

/// A value far from the median of the last normal ones.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Spike {
    /// The last normal values, and the times of the last samples.
    pub(crate) recent: Recent,
    calibration: Calibration<COUNTS>,
    /// Mean absolute deviation from the median, over long.
    slow: f32,
    slow_count: u16,
    /// Samples the series has shown, up to what the type holds.
    pub(crate) seen: u16,
    /// The detector's: its next one. It lies here because here is room.
    pub(crate) next: u32,
}

/// What the last normal values say: computed once for a sample, for judging and for learning.
#[derive(Debug, Clone, Copy)]
pub struct Baseline {
    location: f64,
    scale: f64,
    /// The scale is only the least one.
    constant: bool,
}

impl Spike {
    /// The baseline as it is.
    pub fn baseline(&self) -> Baseline {
        let (location, deviation) = self.recent.median_and_deviation();
        let own = (deviation * MAD_TO_SD).max(f64::from(self.slow) * MEAN_DEVIATION_TO_SD);
        let floor = scale_floor(location);
        Baseline {
            location,
            scale: own.max(floor),
            constant: own < floor,
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
            .surprise(far, badness(verdict.sds(), bad), 1.0, 1.0, general);
        if baseline.constant {
            rare.min(CONSTANT_SCORE_MAX)
        } else {
            rare
        }
    }

    /// Learns from a value judged before; of an abnormal one only how rare it was.
    pub fn learn(
        &mut self,
        baseline: &Baseline,
        value: f64,
        bad: Option<Direction>,
        (lesson, warm): (Lesson, bool),
        far: &mut Option<&mut Far>,
    ) {
        let deviation = value - baseline.location;
        if warm {
            let sds = badness(deviation / baseline.scale, bad);
            self.calibration.record(far, sds, lesson);
        }
        if lesson != Lesson::Normal {
            return;
        }
        if !self.recent.is_empty() {
            let clip = if warm && !baseline.constant {
                SCALE_CLIP_SDS * baseline.scale
            } else {
                f64::INFINITY
            };
            let clipped = deviation.abs().min(clip);
            let mut slow = f64::from(self.slow);
            fade(&mut slow, &mut self.slow_count, clipped, SCALE_MEMORY);
            self.slow = kept(slow);
        }
        self.recent.push(kept(value));
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

    /// Notes when a sample came.
    pub fn step_to(&mut self, at: EventTime, before: Option<EventTime>) {
        self.recent.step_to(at, before);
    }

    /// Reads from each of its cache lines.
    pub(crate) fn touch(&self) -> u32 {
        self.recent.touch() ^ self.calibration.touch()
    }
}
