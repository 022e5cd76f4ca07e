use std::collections::VecDeque;

use forecall_stats::{FadingMoments, LocationScale, location_scale};
use forecall_types::Direction;
use serde::{Deserialize, Serialize};

use super::{Calibration, GeneralTail, Lesson, MEAN_DEVIATION_TO_SD, Verdict, badness, scale_floor};

/// Normal samples the median is taken of: enough for a steady median absolute deviation, few enough to follow the day.
const BASELINE_SAMPLES: usize = 32;
/// Memory of the slow scale in samples: most of a day at one a minute.
const SCALE_MEMORY: u32 = 1_000;
/// A deviation counts for the slow scale up to this many standard deviations.
const SCALE_CLIP_SDS: f64 = 4.0;
/// Ceiling for a series that never moved before: its first step is news only if the next sample confirms it.
const CONSTANT_SCORE_MAX: f64 = 4.9;

/// A value far from the median of the last normal ones.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Spike {
    normal: VecDeque<f64>,
    baseline: LocationScale,
    /// Mean absolute deviation from the median, over long.
    slow: FadingMoments,
    calibration: Calibration,
}

impl Spike {
    /// Judges a value without learning from it.
    pub fn judge(&self, value: f64, bad: Option<Direction>, general: &GeneralTail) -> Verdict {
        let (scale, constant) = self.scale();
        let deviation = value - self.baseline.location;
        let rare = self
            .calibration
            .surprise(badness(deviation / scale, bad), 1.0, 1.0, general);
        Verdict {
            score: if constant {
                rare.min(CONSTANT_SCORE_MAX)
            } else {
                rare
            },
            expected: self.baseline.location,
            deviation,
            scale,
        }
    }

    /// Learns from a value judged before; of an abnormal one only how rare it was.
    pub fn learn(&mut self, value: f64, bad: Option<Direction>, lesson: Lesson, warm: bool) {
        let (scale, constant) = self.scale();
        let sds = (value - self.baseline.location) / scale;
        if warm {
            self.calibration.record(badness(sds, bad), lesson);
        }
        if lesson != Lesson::Normal {
            return;
        }
        if !self.normal.is_empty() {
            let deviation = (value - self.baseline.location).abs();
            let clip = if warm && !constant {
                SCALE_CLIP_SDS * scale
            } else {
                f64::INFINITY
            };
            self.slow.add(deviation.min(clip), SCALE_MEMORY);
        }
        if self.normal.len() == BASELINE_SAMPLES {
            self.normal.pop_front();
        }
        self.normal.push_back(value);
        self.refresh();
    }

    /// Leaves the last deviations out of its record of what is rare: an anomaly has begun with them.
    pub fn forget_waiting(&mut self) {
        self.calibration.forget_waiting();
    }

    /// Takes the given last values for normal: the level they show is the new baseline.
    pub fn rebase(&mut self, values: impl Iterator<Item = f64>) {
        self.normal.clear();
        for value in values {
            if self.normal.len() == BASELINE_SAMPLES {
                self.normal.pop_front();
            }
            self.normal.push_back(value);
        }
        self.refresh();
    }

    /// How many standard deviations make a score of 3: half the width of the band.
    pub fn band_sds(&self) -> f64 {
        // Never so narrow that plain noise leaves it, never so wide that it says nothing.
        self.calibration.tail.value_at(3.0, 1.0).clamp(3.0, 12.0)
    }

    fn scale(&self) -> (f64, bool) {
        let own = self.baseline.scale.max(self.slow.mean() * MEAN_DEVIATION_TO_SD);
        let floor = scale_floor(self.baseline.location);
        (own.max(floor), own < floor)
    }

    fn refresh(&mut self) {
        let mut scratch = [0.0; BASELINE_SAMPLES];
        let mut len = 0;
        for (slot, value) in scratch.iter_mut().zip(&self.normal) {
            *slot = *value;
            len += 1;
        }
        if let Some(baseline) = scratch.get_mut(..len).and_then(location_scale) {
            self.baseline = baseline;
        }
    }
}
