use forecall_stats::{ClippedMoments, Clipping};
use forecall_types::{Direction, EventTime};
use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, Far, Trust};
use super::{BAND_SCORE, GeneralLaw, Lesson, Verdict, badness};
use crate::recent::{Recent, kept};

/// A few hours at one sample a minute: long enough for a steady deviation, short enough to follow the day.
pub(crate) const MEMORY: u16 = 200;
const CLIPPING: Clipping = Clipping {
    memory: MEMORY,
    free: 20,
    clip: 4.0,
};
/// Own samples after which the own tail counts as much as the general one: fewer know little of one in a thousand, and in a
/// young series trouble makes up much of them.
const OWN_AFTER: f64 = 2_000.0;
pub(super) const TRUST: Trust = Trust {
    shrink: 1.0,
    own_after: OWN_AFTER,
    alike: 1.0,
};
/// Ceiling for a series that never moved before: its first step is news only if the next sample confirms it.
pub(super) const CONSTANT_SCORE_MAX: f64 = 4.9;
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

impl Baseline {
    /// What the values lie around.
    pub const fn location(&self) -> f64 {
        self.location
    }

    /// One standard deviation, above 0.
    pub const fn scale(&self) -> f64 {
        self.scale
    }

    /// The series has hardly moved so far.
    pub const fn is_constant(&self) -> bool {
        self.constant
    }
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
        general: &impl GeneralLaw,
        far: &[(u8, u16)],
    ) -> f64 {
        let rare = self
            .calibration
            .surprise(far, badness(verdict.sds(), bad), TRUST, general);
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
    pub fn band_sds(&self, general: &impl GeneralLaw, far: &[(u8, u16)]) -> f64 {
        // Never so narrow that plain noise leaves it, never so wide that it says nothing.
        self.calibration
            .sds_at(far, BAND_SCORE, TRUST, general)
            .clamp(3.0, 12.0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{GeneralTail, naive};
    use proptest::prelude::*;

    const LEAST: f64 = 0.5;

    proptest! {
        #[test]
        fn it_is_a_clipped_mean_and_the_tail_of_all_deviations_before(values in proptest::collection::vec((-100.0_f64..100.0, 0_u8..40, 0_u8..12), 30..300)) {
            let (mut spike, mut far) = (Spike::default(), Far::new());
            let (mut mean, mut variance, mut deviations) = (0.0_f64, 0.0_f64, Vec::new());
            for (i, (value, wild, told)) in values.iter().enumerate() {
                let value = if *wild == 0 { 40.0 * value } else { *value };
                let (baseline, scale) = (spike.baseline(LEAST), variance.sqrt().max(LEAST));
                let verdict = Spike::measure(&baseline, value);
                prop_assert!(naive::is_near(verdict.expected, mean, 4_000.0), "{verdict:?} {mean}");
                prop_assert!(naive::is_near(verdict.scale, scale, 4_000.0), "{verdict:?} {scale}");
                prop_assert!(naive::is_near(verdict.deviation, value - mean, 4_000.0), "{verdict:?} {mean}");
                let sds = verdict.sds().abs();
                if naive::is_told_apart(&deviations) {
                    let got = spike.score(&baseline, &verdict, None, &GeneralTail, &far);
                    let want = naive::score(&deviations, sds, TRUST);
                    let want = if variance.sqrt() < LEAST { want.min(CONSTANT_SCORE_MAX) } else { want };
                    prop_assert!((got - want).abs() < 1e-9, "{got} {want}");
                }
                let (warm, lesson) = (i >= 20, if *told == 0 { Lesson::Incident } else { Lesson::Normal });
                spike.learn(&baseline, value, None, (lesson, warm), &mut Some(&mut far));
                if warm && lesson == Lesson::Normal { deviations.push(sds); }
                let rate = 1.0 / f64::from(u32::try_from((i + 1).min(200)).unwrap());
                let delta = value - mean;
                let delta = if i < 20 { delta } else { delta.clamp(-4.0 * scale, 4.0 * scale) };
                mean += rate * delta;
                variance = (1.0 - rate) * (variance + rate * delta * delta);
            }
        }
    }

    #[test]
    fn what_never_moved_is_news_once_the_next_value_says_the_same() {
        let (mut spike, mut far) = (Spike::default(), Far::new());
        for i in 0..100 {
            let baseline = spike.baseline(LEAST);
            spike.learn(
                &baseline,
                7.0,
                None,
                (Lesson::Normal, i >= 20),
                &mut Some(&mut far),
            );
        }
        let baseline = spike.baseline(LEAST);
        let score = |value, bad| {
            let verdict = Spike::measure(&baseline, value);
            spike.score(&baseline, &verdict, bad, &GeneralTail, &far)
        };
        assert!((score(1e6, None) - CONSTANT_SCORE_MAX).abs() < 1e-12);
        assert!(score(1e6, Some(Direction::Down)) < 1e-12);
        assert!(score(-1e6, Some(Direction::Down)) > 4.0);
    }
}
