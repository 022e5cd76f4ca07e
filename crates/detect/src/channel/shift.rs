use forecall_stats::FadingMoments;
use forecall_types::{Direction, EventTime};
use serde::{Deserialize, Serialize};

use super::{Calibration, GeneralTail, Lesson, MEAN_DEVIATION_TO_SD, Verdict, badness, scale_floor};

/// Memory of the level in samples.
const LEVEL_MEMORY: u32 = 16;
/// Memory of the slow mean and of the noise in samples.
const SLOW_MEMORY: u32 = 1_000;
/// Only a whole day shows how far a series moves by itself.
const DAY_SECONDS: f64 = 86_400.0;
/// Neighbouring levels share most of their samples: the largest of so many enters the record. With the record's delay of
/// 32 entries a drift is measured by what was before the last 512 samples, not by its own beginning.
const RECORDED_EVERY: u32 = LEVEL_MEMORY;
/// The level of a series that follows the day leaves its slow mean by a few standard deviations each day: before the
/// series' own tail knows it, a deviation counts as this much smaller.
const GENERAL_SHRINK: f64 = 4.0;

/// A level that has left the slow mean: a step that stays, or a drift.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Shift {
    level: FadingMoments,
    slow: FadingMoments,
    /// Mean absolute distance of the values from their own level: the noise, without the way the level goes.
    noise: FadingMoments,
    calibration: Calibration,
    /// When its first deviation entered the record.
    recorded_since: Option<EventTime>,
    /// Largest deviation since one was last recorded, and how many there were.
    peak: f64,
    unrecorded: u32,
}

impl Shift {
    /// Judges the level as it would be with this value, without learning from it.
    pub fn judge(&self, at: EventTime, value: f64, bad: Option<Direction>, general: &GeneralTail) -> Verdict {
        let mut level = self.level;
        level.add(self.clipped(value), LEVEL_MEMORY);
        let scale = self.scale();
        let deviation = level.mean() - self.slow.mean();
        let sds = badness(deviation / scale, bad);
        // The own tail is trusted once a whole day is in it.
        let whole_day = self
            .recorded_since
            .is_some_and(|since| at.seconds_from(since) >= DAY_SECONDS);
        let trust = if whole_day { 1.0 } else { 0.0 };
        Verdict {
            score: self.calibration.surprise(sds, GENERAL_SHRINK, trust, general),
            expected: self.slow.mean(),
            deviation,
            scale,
        }
    }

    /// Learns from a value judged before; of an abnormal one only the level and how rare it was.
    pub fn learn(&mut self, at: EventTime, value: f64, bad: Option<Direction>, lesson: Lesson, warm: bool) {
        if self.calibration.is_recorded() {
            self.recorded_since.get_or_insert(at);
        }
        if lesson == Lesson::Normal && self.level.count() >= LEVEL_MEMORY {
            self.noise.add((value - self.level.mean()).abs(), SLOW_MEMORY);
        }
        let value_now = if warm { self.clipped(value) } else { value };
        self.level.add(value_now, LEVEL_MEMORY);
        if warm {
            let sds = (self.level.mean() - self.slow.mean()) / self.scale();
            self.peak = self.peak.max(badness(sds, bad));
            self.unrecorded += 1;
            if self.unrecorded == RECORDED_EVERY {
                self.calibration.record(self.peak, lesson);
                (self.peak, self.unrecorded) = (0.0, 0);
            }
        }
        if lesson == Lesson::Normal {
            self.slow.add(value, SLOW_MEMORY);
        }
    }

    /// Leaves the last deviations out of its record of what is rare: an anomaly has begun with them.
    pub fn forget_waiting(&mut self) {
        self.peak = 0.0;
        self.calibration.forget_waiting();
    }

    /// Takes the present level for normal.
    pub const fn rebase(&mut self) {
        self.slow.recentre(self.level.mean());
    }

    /// One wild value moves the level by one standard deviation at most; it is the spike channel's.
    fn clipped(&self, value: f64) -> f64 {
        let reach = f64::from(LEVEL_MEMORY) * self.scale();
        value.clamp(self.slow.mean() - reach, self.slow.mean() + reach)
    }

    fn scale(&self) -> f64 {
        let noise = if self.noise.count() == 0 {
            self.slow.sd()
        } else {
            self.noise.mean() * MEAN_DEVIATION_TO_SD
        };
        noise.max(scale_floor(self.slow.mean()))
    }
}
