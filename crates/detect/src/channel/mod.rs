//! Typed channels: each knows one kind of surprise, has its own baseline and its own record of how rare what is.

mod arrays;
mod calibration;
mod counts;
#[cfg(test)]
mod naive;
mod novelty;
mod season;
mod shape;
mod shift;
mod spike;

pub use calibration::{Calibration, Far};
pub use counts::{CountLaw, CountTail, Counted, is_whole};
pub use novelty::Novelty;
pub use season::Season;
pub use shape::{Shape, Step};
pub(crate) use shift::STEP_TO_SD;
pub use shift::Shift;
pub(crate) use spike::MEMORY as SPIKE_MEMORY;
pub use spike::{Baseline, Spike};

use forecall_stats::surprise;
use forecall_types::Direction;

/// The score at the edge of a channel's band: one in a thousand.
const BAND_SCORE: f64 = 3.0;
/// Standard deviations, or units of them, that half a band of levels spans at most: a wider one says nothing.
const WIDEST_BAND: f64 = 64.0;

/// What a channel says of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Surprise, 0 to 20; only deviations in the bad direction count.
    pub score: f64,
    /// What would have been normal.
    pub expected: f64,
    /// What was judged (the value, or the level) less what was expected.
    pub deviation: f64,
    /// One robust standard deviation, above 0.
    pub scale: f64,
}

impl Verdict {
    /// Which way it went.
    pub fn direction(&self) -> Direction {
        if self.deviation < 0.0 {
            Direction::Down
        } else {
            Direction::Up
        }
    }

    /// Deviation in standard deviations.
    pub fn sds(&self) -> f64 {
        self.deviation / self.scale
    }
}

/// What a channel may learn from a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lesson {
    /// Everything.
    Normal,
    /// The baseline, and how rare it was where it doesn't belong to a long run of its like.
    Abnormal,
    /// The baseline alone: it belongs to an anomaly that was told, and the next one like it must be told as well.
    Incident,
}

/// How rare a deviation is where a series' own record doesn't tell.
pub trait GeneralLaw {
    /// Surprise of a deviation of so many standard deviations in the bad direction, not below 0; 0 to 20.
    fn surprise(&self, sds: f64) -> f64;
}

/// The general tail of what is not yet known of a series: Student's t with 4 degrees of freedom. Telemetry is much wilder
/// than normal noise (4 is the last with a finite kurtosis bordering it).
#[derive(Debug, Clone, Copy, Default)]
pub struct GeneralTail;

impl GeneralTail {
    /// Chance of a value of at least `t` standard deviations, `t` not below 0.
    ///
    /// With u = t/√(t²+4) it is (1 − u)²(2 + u)/4 (Abramowitz and Stegun 26.7.4 for ν = 4); 1 − u is taken as
    /// (1 − u²)/(1 + u), so that nothing cancels far out.
    pub fn upper(self, t: f64) -> f64 {
        let rest = 4.0 / (4.0 + t * t);
        let u = (1.0 - rest).max(0.0).sqrt();
        let one_less = rest / (1.0 + u);
        one_less * one_less * (2.0 + u) / 4.0
    }
}

impl GeneralLaw for GeneralTail {
    fn surprise(&self, sds: f64) -> f64 {
        surprise(self.upper(sds))
    }
}

/// A deviation turned so that the bad way is above 0.
fn badness(sds: f64, bad: Option<Direction>) -> f64 {
    match bad {
        Some(Direction::Up) => sds,
        Some(Direction::Down) => -sds,
        None => sds.abs(),
    }
}

/// The least scale of a series of this level: constant series have none of their own.
pub(crate) fn scale_floor(level: f64) -> f64 {
    1e-6 * level.abs() + 1e-9
}

/// Takes a value into a mean of `memory` values: each counts the same until so many were seen, then old ones fade.
/// `count` stays at the memory. Returns the rate.
fn fade(mean: &mut f64, count: &mut u16, value: f64, memory: u16) -> f64 {
    *count = count.saturating_add(1).min(memory.max(1));
    let rate = 1.0 / f64::from(*count);
    *mean += rate * (value - *mean);
    rate
}

#[cfg(test)]
mod tests {
    use super::*;
    use forecall_stats::{FadingMoments, StudentTail};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_general_tail_is_students(t in 0.0_f64..3_000.0) {
            let (got, want) = (GeneralTail.upper(t), StudentTail::new(4.0).upper(t));
            prop_assert!((got - want).abs() <= 1e-9 * want, "{got} {want}");
        }

        #[test]
        fn fading_is_that_of_the_moments(values in proptest::collection::vec(-1e3_f64..1e3, 1..60), memory in 1_u16..40) {
            let (mut mean, mut count, mut moments) = (0.0, 0, FadingMoments::default());
            for value in &values {
                fade(&mut mean, &mut count, *value, memory);
                moments.add(*value, u32::from(memory));
            }
            prop_assert!((mean - moments.mean()).abs() < 1e-12 * (1.0 + mean.abs()));
        }
    }
}
