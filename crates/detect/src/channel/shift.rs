use forecall_types::{Direction, EventTime};
use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, Far, Trust};
use super::{BAND_SCORE, GeneralTail, Lesson, Verdict, WIDEST_BAND, badness, fade};
use crate::nature::Nature;
use crate::recent::kept;

/// Memory of the level in samples.
const LEVEL_MEMORY: u16 = 8;
/// Memory of the slow mean and of the noise in samples.
const SLOW_MEMORY: u16 = 1_000;
/// Own samples after which the own tail counts as much as the general one.
const OWN_AFTER: f64 = 200.0;
/// Samples of the level that say no more than one.
const ALIKE: f64 = 8.0;
/// Only a whole day shows how far a series moves by itself.
const DAY_SECONDS: i64 = 86_400;
/// Levels are recorded in units of so many standard deviations: what lies below one unit is never news.
const UNIT: f64 = 2.0;
/// The level of a series that follows the day leaves its slow mean by some thirty times the noise between neighbours: before
/// the series' own tail knows it, a deviation counts as this much smaller again.
const GENERAL_SHRINK: f64 = 4.0;
/// The mean distance of two independent normal values times this is their standard deviation: √π/2.
pub(crate) const STEP_TO_SD: f64 = 0.886_226_925_452_758;
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

    /// The slow mean, and of how many values it is.
    pub const fn slow_mean(&self) -> (f64, u16) {
        (self.slow, self.slow_count)
    }

    /// Mean distance of a value from the one before.
    pub const fn noise(&self) -> f64 {
        self.noise as f64
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
        let units = badness(verdict.sds(), bad) / UNIT;
        self.calibration.surprise(far, units, self.trust(at), &general)
    }

    /// The own tail is trusted once a whole day is in it.
    fn trust(&self, at: EventTime) -> Trust {
        let since = i64::from(self.recorded_since);
        let whole_day = self.recorded_since != NEVER && at.secs() - since >= DAY_SECONDS;
        Trust {
            shrink: GENERAL_SHRINK,
            own_after: if whole_day { OWN_AFTER } else { f64::INFINITY },
            alike: ALIKE,
        }
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

    /// How far from the slow mean the level scores 3, in standard deviations: half the width of its band.
    pub fn band_sds(&self, at: EventTime, far: &[(u8, u16)]) -> f64 {
        let units = self
            .calibration
            .sds_at(far, BAND_SCORE, self.trust(at), &GeneralTail);
        UNIT * units.min(WIDEST_BAND)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::naive;
    use proptest::prelude::*;

    const LEAST: f64 = 0.5;
    const PACE: i64 = 1_800;

    proptest! {
        #[test]
        fn it_is_two_fading_means_and_the_tail_of_all_their_distances(steps in proptest::collection::vec((-10.0_f64..10.0, 0_u8..60, 0_u8..12), 30..250)) {
            let (mut shift, mut far) = (Shift::default(), Far::new());
            let (mut values, mut jumps, mut distances): (Vec<f64>, Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new(), Vec::new());
            let (mut value, mut since) = (0.0, None);
            for (i, (step, wild, told)) in steps.iter().enumerate() {
                value += if *wild == 0 { 30.0 * step } else { *step };
                let (at, previous) = (EventTime::from_secs(PACE * i64::try_from(i).unwrap()), values.last().copied());
                let slow = naive::fading(&values, 1_000);
                let scale = (naive::fading(&jumps, 1_000) * (std::f64::consts::PI.sqrt() / 2.0)).max(LEAST);
                values.push(value);
                let level = naive::fading(&values, 8);
                let verdict = shift.measure(value, LEAST);
                prop_assert!(naive::is_near(verdict.expected, slow, 1_000.0), "{verdict:?} {slow}");
                prop_assert!(naive::is_near(verdict.deviation, level - slow, 1_000.0), "{verdict:?} {level} {slow}");
                prop_assert!(naive::is_near(verdict.scale, scale, 1_000.0), "{verdict:?} {scale}");
                let units = verdict.sds().abs() / UNIT;
                if naive::is_told_apart(&distances) {
                    let whole_day = since.is_some_and(|since| at.secs() - since >= DAY_SECONDS);
                    let own_after = if whole_day { OWN_AFTER } else { f64::INFINITY };
                    let got = shift.score(at, &verdict, None, GeneralTail, &far);
                    let want = naive::score(&distances, units, Trust { shrink: GENERAL_SHRINK, own_after, alike: ALIKE });
                    prop_assert!((got - want).abs() < 1e-9, "{got} {want}");
                }
                if naive::is_recorded(&distances) { since = since.or(Some(at.secs())); }
                let (warm, lesson) = (i >= 20, if *told == 0 { Lesson::Incident } else { Lesson::Normal });
                shift.learn(at, (value, previous), (LEAST, None), (lesson, warm), &mut Some(&mut far));
                if let Some(previous) = previous { jumps.push((value - previous).abs()); }
                if warm && lesson == Lesson::Normal { distances.push(units); }
            }
        }
    }

    #[test]
    fn the_bad_way_alone_counts_and_a_new_normal_is_normal() {
        let (mut shift, mut far) = (Shift::default(), Far::new());
        let mut previous = None;
        let mut teach = |shift: &mut Shift, value: f64| {
            let at = EventTime::default();
            shift.learn(
                at,
                (value, previous),
                (LEAST, None),
                (Lesson::Normal, true),
                &mut Some(&mut far),
            );
            previous = Some(value);
        };
        (0..500_u32).for_each(|i| teach(&mut shift, 50.0 + f64::from(i % 2)));
        (0..50_u32).for_each(|i| teach(&mut shift, 190.0 + f64::from(i % 2)));
        let score = |shift: &Shift, bad| {
            let verdict = shift.measure(190.0, LEAST);
            shift.score(EventTime::default(), &verdict, bad, GeneralTail, &Far::new())
        };
        assert!(score(&shift, Some(Direction::Up)) > 3.0);
        assert!(score(&shift, Some(Direction::Down)) < 1e-12);
        shift.rebase();
        assert!(score(&shift, None) < 1e-12);
    }
}
