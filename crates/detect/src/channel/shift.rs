use forecall_types::{Direction, EventTime};
use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, Far};
use super::{GeneralTail, Lesson, Verdict, badness, fade};
use crate::nature::Nature;
use crate::recent::kept;

/// Memory of the level in samples.
const LEVEL_MEMORY: u16 = 16;
/// Memory of the slow mean and of the noise in samples.
const SLOW_MEMORY: u16 = 1_000;
/// Own samples after which the own tail counts as much as the general one.
const OWN_AFTER: f64 = 200.0;
/// Only a whole day shows how far a series moves by itself.
const DAY_SECONDS: i64 = 86_400;
/// Levels are recorded in units of so many standard deviations: what lies below one unit is never news.
const UNIT: f64 = 2.0;
/// The level of a series that follows the day leaves its slow mean by a few standard deviations each day: before the
/// series' own tail knows it, a deviation counts as this much smaller again.
const GENERAL_SHRINK: f64 = 2.0;
/// The mean distance of two independent normal values times this is their standard deviation: √π/2.
const STEP_TO_SD: f64 = 0.886_226_925_452_758;
/// Counts kept in place: deviations up to 8 units.
const COUNTS: usize = 18;

/// A level that has left the slow mean: a step that stays, or a drift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    slow: f64,
    level: f32,
    /// Mean distance of a value from the one before: the noise, without the way the level goes.
    noise: f32,
    calibration: Calibration<COUNTS>,
    /// Second in which its first deviation entered the record; `NEVER` before.
    recorded_since: u32,
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
            slow: 0.0,
            level: 0.0,
            noise: 0.0,
            calibration: Calibration::default(),
            recorded_since: NEVER,
            level_count: 0,
            slow_count: 0,
            noise_count: 0,
            nature: Nature::default(),
        }
    }
}

impl Shift {
    /// The slow mean.
    pub const fn slow(&self) -> f64 {
        self.slow
    }

    /// How far the level would lie from the slow mean with this value; not yet how rare that is.
    pub fn measure(&self, value: f64, least: f64) -> Verdict {
        let scale = self.scale(least);
        let (mut level, mut count) = (f64::from(self.level), self.level_count);
        fade(&mut level, &mut count, value, LEVEL_MEMORY);
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
        let own_after = if whole_day { OWN_AFTER } else { f64::INFINITY };
        let units = badness(verdict.sds(), bad) / UNIT;
        self.calibration
            .surprise(far, units, GENERAL_SHRINK, own_after, general)
    }

    /// Learns from a value judged before; `previous` is the value before it.
    pub fn learn(
        &mut self,
        at: EventTime,
        (value, previous): (f64, Option<f64>),
        (least, bad): (f64, Option<Direction>),
        (lesson, warm): (Lesson, bool),
        far: &mut Option<&mut Far>,
    ) {
        if self.recorded_since == NEVER && self.calibration.is_recorded() {
            self.recorded_since = u32::try_from(at.secs().max(0)).unwrap_or(NEVER);
        }
        let scale = self.scale(least);
        let mut level = f64::from(self.level);
        fade(&mut level, &mut self.level_count, value, LEVEL_MEMORY);
        self.level = kept(level);
        if warm {
            let sds = (level - self.slow) / scale;
            self.calibration.record(far, badness(sds, bad) / UNIT, lesson);
        }
        if let Some(previous) = previous {
            let mut noise = f64::from(self.noise);
            fade(
                &mut noise,
                &mut self.noise_count,
                (value - previous).abs(),
                SLOW_MEMORY,
            );
            self.noise = kept(noise);
        }
        fade(&mut self.slow, &mut self.slow_count, value, SLOW_MEMORY);
    }

    /// Whether the next lesson needs a [`Far`].
    pub fn needs_far(&self) -> bool {
        self.calibration.needs_far()
    }

    /// Leaves the last deviations out of its record of what is rare: an anomaly has begun with them.
    pub const fn forget_waiting(&mut self) {
        self.calibration.forget_waiting();
    }

    /// Takes the present level for normal.
    pub fn rebase(&mut self) {
        self.slow = f64::from(self.level);
    }

    fn scale(&self, least: f64) -> f64 {
        (f64::from(self.noise) * STEP_TO_SD).max(least)
    }

    /// Reads from each of its cache lines.
    pub(crate) fn touch(&self) -> u32 {
        u32::from(self.level_count) ^ self.calibration.touch()
    }
}
