use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, Far};
// Its other view: believed as far, and with the same ceiling.
use super::spike::{CONSTANT_SCORE_MAX, TRUST};
use super::{BAND_SCORE, GeneralTail, Lesson, Verdict, WIDEST_BAND, fade};
use crate::judgement::Normal;
use forecall_types::Band;

/// Memory of the steps in samples.
const STEPS_MEMORY: u16 = 8;
/// The mean size of steps of normal noise times this is their root mean square: √(π/2).
const STEP_TO_RMS: f64 = 1.253_314_137_315_500_3;
/// Counts kept in place: steps up to 8 times the usual.
const COUNTS: usize = 18;

/// The window's shape: the last steps from value to value are larger than those before, whatever the level does.
///
/// The root mean square of the last few steps over that of about a thousand (von Neumann 1941, "Distribution of the ratio of the
/// mean square successive difference to the variance").
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Shape {
    /// Fading mean square of the last steps.
    square: f64,
    count: u16,
    calibration: Calibration<COUNTS>,
    far: Far,
}

/// A step, and what it is measured by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// From the value before to this one.
    pub size: f64,
    /// Mean size of the steps so far.
    pub noise: f64,
    /// The least scale.
    pub least: f64,
    /// The series has hardly moved so far.
    pub constant: bool,
}

impl Step {
    /// Root mean square of usual steps.
    fn usual(&self) -> f64 {
        (self.noise * STEP_TO_RMS).max(self.least)
    }

    /// Whether it is at least so many times a usual step.
    pub fn is_large(&self, times: f64) -> bool {
        self.size.abs() >= times * self.usual()
    }
}

impl Shape {
    /// How large the last steps would be with this one, in units of the usual; not yet how rare that is. `level` is what the values
    /// lie around.
    pub fn measure(&self, step: &Step, level: f64) -> Verdict {
        let (mut square, mut count) = (self.square, self.count);
        fade(&mut square, &mut count, step.size * step.size, STEPS_MEMORY);
        Verdict {
            score: 0.0,
            expected: level,
            deviation: square.max(0.0).sqrt().copysign(step.size),
            scale: step.usual(),
        }
    }

    /// How rare such steps are, without learning from them.
    pub fn score(&self, step: &Step, verdict: &Verdict, general: GeneralTail) -> f64 {
        let rare = self
            .calibration
            .surprise(&self.far, verdict.sds().abs(), TRUST, &general);
        if step.constant {
            rare.min(CONSTANT_SCORE_MAX)
        } else {
            rare
        }
    }

    /// Learns from a step.
    pub fn learn(&mut self, step: &Step, lesson: Lesson) {
        let ratio = self.measure(step, 0.0).sds().abs();
        self.calibration.record(&mut Some(&mut self.far), ratio, lesson);
        fade(
            &mut self.square,
            &mut self.count,
            step.size * step.size,
            STEPS_MEMORY,
        );
    }

    /// Leaves the last steps out of its record of what is rare: an anomaly has begun with them.
    pub const fn forget_waiting(&mut self) {
        self.calibration.forget_waiting();
    }

    /// What is normal of the next value, from the one before: the step that would score 3.
    pub fn normal(&self, step: &Step, previous: f64) -> Normal {
        let ratio = self
            .calibration
            .sds_at(&self.far, BAND_SCORE, TRUST, &GeneralTail)
            .min(WIDEST_BAND);
        let wanted = ratio * step.usual();
        let memory = f64::from(self.count.saturating_add(1).min(STEPS_MEMORY));
        let half = (self.square + memory * (wanted * wanted - self.square))
            .max(0.0)
            .sqrt();
        Normal {
            expected: previous,
            band: Band {
                low: previous - half,
                high: previous + half,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::naive;
    use proptest::prelude::*;

    fn step(size: f64, noise: f64) -> Step {
        Step {
            size,
            noise,
            least: 0.5,
            constant: false,
        }
    }

    proptest! {
        #[test]
        fn it_is_the_fading_mean_square_of_steps_and_the_tail_of_all_before(steps in proptest::collection::vec((-9.0_f64..9.0, 0_u8..40, 0_u8..12), 30..300), noise in 0.1_f64..6.0) {
            let (mut shape, mut squares, mut ratios): (_, Vec<f64>, Vec<f64>) = (Shape::default(), Vec::new(), Vec::new());
            for (size, wild, told) in steps {
                let step = step(if wild == 0 { 30.0 * size } else { size }, noise);
                squares.push(step.size * step.size);
                let rms = naive::fading(&squares, 8).sqrt();
                let verdict = shape.measure(&step, 7.0);
                prop_assert!(naive::is_near(verdict.deviation.abs(), rms, 1_000.0), "{verdict:?} {rms}");
                prop_assert!((verdict.deviation < 0.0) == (step.size < 0.0) || step.size.abs() < 1e-12);
                let ratio = rms / (noise * (std::f64::consts::PI / 2.0).sqrt()).max(0.5);
                if naive::is_told_apart(&ratios) {
                    let (got, want) = (shape.score(&step, &verdict, GeneralTail), naive::score(&ratios, ratio, TRUST));
                    prop_assert!((got - want).abs() < 1e-9, "{got} {want}");
                }
                let lesson = if told == 0 { Lesson::Incident } else { Lesson::Normal };
                shape.learn(&step, lesson);
                if lesson == Lesson::Normal { ratios.push(ratio); }
            }
        }

        #[test]
        fn at_the_edge_of_the_band_the_score_is_3(sizes in proptest::collection::vec(-3.0_f64..3.0, 60..400)) {
            let mut shape = Shape::default();
            sizes.iter().for_each(|size| shape.learn(&step(*size, 1.5), Lesson::Normal));
            let edge = shape.normal(&step(0.0, 1.5), 10.0).band.high - 10.0;
            let score = |size: f64| {
                let step = step(size, 1.5);
                shape.score(&step, &shape.measure(&step, 0.0), GeneralTail)
            };
            prop_assert!(edge > 0.0);
            prop_assert!(score(edge * 1.001) >= BAND_SCORE - 1e-6, "{edge} {}", score(edge));
            // Read to a quarter octave.
            prop_assert!(score(edge * 0.8) < BAND_SCORE, "{edge} {}", score(edge * 0.8));
        }
    }

    #[test]
    fn restless_steps_say_more_with_each_and_those_of_a_constant_have_a_ceiling() {
        let mut shape = Shape::default();
        let calm = |i: u32| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        (0..4_000).for_each(|i| shape.learn(&step(calm(i), 1.0), Lesson::Normal));
        let before = shape.clone();
        let mut score = |size: f64| {
            let step = step(size, 1.0);
            let score = shape.score(&step, &shape.measure(&step, 0.0), GeneralTail);
            shape.learn(&step, Lesson::Abnormal);
            score
        };
        let restless: Vec<f64> = (0..8).map(|i| score(5.0 * calm(i))).collect();
        assert!(restless[7] > 3.0 && restless[7] > restless[0], "{restless:?}");
        let constant = Step {
            constant: true,
            ..step(1e9, 1.0)
        };
        let verdict = before.measure(&constant, 0.0);
        assert!(before.score(&constant, &verdict, GeneralTail) <= CONSTANT_SCORE_MAX);
    }
}
