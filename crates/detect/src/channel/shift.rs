use forecall_types::{Direction, EventTime};
use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, Far};
use super::{GeneralTail, Lesson, MEAN_DEVIATION_TO_SD, Verdict, badness, fade, scale_floor};
use crate::nature::Nature;
use crate::recent::kept;

/// Memory of the level in samples.
const LEVEL_MEMORY: u16 = 16;
/// Memory of the slow mean and of the noise in samples.
const SLOW_MEMORY: u16 = 1_000;
/// Only a whole day shows how far a series moves by itself.
const DAY_SECONDS: i64 = 86_400;
/// Neighbouring levels share most of their samples: the largest of so many enters the record. With the record's delay of
/// 32 entries a drift is measured by what was before the last 512 samples, not by its own beginning.
const RECORDED_EVERY: u16 = LEVEL_MEMORY;
/// The level of a series that follows the day leaves its slow mean by a few standard deviations each day: before the
/// series' own tail knows it, a deviation counts as this much smaller.
const GENERAL_SHRINK: f64 = 4.0;
/// Counts kept in place: deviations up to 64 standard deviations.
const COUNTS: usize = 30;

/// A level that has left the slow mean: a step that stays, or a drift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    level: f64,
    slow: f64,
    /// Mean absolute distance of the values from their own level: the noise, without the way the level goes. Until the
    /// first is known: the variance of the slow mean.
    noise: f32,
    calibration: Calibration<COUNTS>,
    /// Second in which its first deviation entered the record; `NEVER` before.
    recorded_since: u32,
    /// Largest deviation since one was last recorded, and how many there were.
    peak: f32,
    unrecorded: u16,
    level_count: u16,
    slow_count: u16,
    noise_count: u16,
    /// The detector's: what it judges. It lies here because here is room.
    pub(crate) nature: Nature,
}

const NEVER: u32 = u32::MAX;

impl Default for Shift {
    fn default() -> Self {
        Self {
            level: 0.0,
            slow: 0.0,
            noise: 0.0,
            calibration: Calibration::default(),
            recorded_since: NEVER,
            peak: 0.0,
            unrecorded: 0,
            level_count: 0,
            slow_count: 0,
            noise_count: 0,
            nature: Nature::default(),
        }
    }
}

impl Shift {
    /// How far the level would lie from the slow mean with this value; not yet how rare that is.
    pub fn measure(&self, value: f64) -> Verdict {
        let scale = self.scale();
        let (mut level, mut count) = (self.level, self.level_count);
        fade(&mut level, &mut count, self.clipped(value, scale), LEVEL_MEMORY);
        Verdict {
            score: 0.0,
            expected: self.slow,
            deviation: level - self.slow,
            scale,
        }
    }

    /// How rare a deviation is, without learning from it.
    pub fn score(
        &self,
        at: EventTime,
        verdict: &Verdict,
        bad: Option<Direction>,
        general: GeneralTail,
        far: &[(u8, u16)],
    ) -> f64 {
        // The own tail is trusted once a whole day is in it.
        let since = i64::from(self.recorded_since);
        let whole_day = self.recorded_since != NEVER && at.secs() - since >= DAY_SECONDS;
        let trust = if whole_day { 1.0 } else { 0.0 };
        let sds = badness(verdict.sds(), bad);
        self.calibration
            .surprise(far, sds, GENERAL_SHRINK, trust, general)
    }

    /// Learns from a value judged before; of an abnormal one only the level and how rare it was.
    pub fn learn(
        &mut self,
        at: EventTime,
        value: f64,
        bad: Option<Direction>,
        (lesson, warm): (Lesson, bool),
        far: &mut Option<&mut Far>,
    ) {
        if self.recorded_since == NEVER && self.calibration.is_recorded() {
            self.recorded_since = u32::try_from(at.secs().max(0)).unwrap_or(NEVER);
        }
        let mut scale = self.scale();
        if lesson == Lesson::Normal && self.level_count >= LEVEL_MEMORY {
            let mut noise = if self.noise_count == 0 {
                0.0
            } else {
                f64::from(self.noise)
            };
            let distance = (value - self.level).abs();
            fade(&mut noise, &mut self.noise_count, distance, SLOW_MEMORY);
            self.noise = kept(noise);
            scale = self.scale();
        }
        let value_now = if warm { self.clipped(value, scale) } else { value };
        fade(&mut self.level, &mut self.level_count, value_now, LEVEL_MEMORY);
        if warm {
            let sds = (self.level - self.slow) / scale;
            self.peak = self.peak.max(kept(badness(sds, bad)));
            self.unrecorded += 1;
            if self.unrecorded == RECORDED_EVERY {
                self.calibration.record(far, f64::from(self.peak), lesson);
                (self.peak, self.unrecorded) = (0.0, 0);
            }
        }
        if lesson == Lesson::Normal {
            let delta = value - self.slow;
            let rate = fade(&mut self.slow, &mut self.slow_count, value, SLOW_MEMORY);
            if self.noise_count == 0 {
                // West 1979 with a fixed rate: the population variance while the rate is 1/n.
                let variance = f64::from(self.noise) + rate * delta * delta;
                self.noise = kept((1.0 - rate) * variance);
            }
        }
    }

    /// Whether the next lesson needs a [`Far`].
    pub fn needs_far(&self) -> bool {
        self.unrecorded + 1 == RECORDED_EVERY && self.calibration.needs_far()
    }

    /// How many standard deviations of the level make a score of 3: half the width of its band.
    pub fn band_sds(&self, far: &[(u8, u16)]) -> f64 {
        self.calibration.sds_at(far, 3.0).clamp(1.0, 64.0)
    }

    /// Leaves the last deviations out of its record of what is rare: an anomaly has begun with them.
    pub const fn forget_waiting(&mut self) {
        self.peak = 0.0;
        self.calibration.forget_waiting();
    }

    /// Takes the present level for normal.
    pub const fn rebase(&mut self) {
        self.slow = self.level;
    }

    /// One wild value moves the level by one standard deviation at most; it is the spike channel's.
    fn clipped(&self, value: f64, scale: f64) -> f64 {
        let reach = f64::from(LEVEL_MEMORY) * scale;
        value.clamp(self.slow - reach, self.slow + reach)
    }

    fn scale(&self) -> f64 {
        let noise = if self.noise_count == 0 {
            f64::from(self.noise).max(0.0).sqrt()
        } else {
            f64::from(self.noise) * MEAN_DEVIATION_TO_SD
        };
        noise.max(scale_floor(self.slow))
    }

    /// Reads from each of its cache lines.
    pub(crate) fn touch(&self) -> u32 {
        u32::from(self.level_count) ^ self.calibration.touch()
    }
}
