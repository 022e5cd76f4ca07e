use serde::{Deserialize, Serialize};

/// Mean and variance that forget, of which one wild value moves little: beyond `clip` standard deviations a value counts
/// as if it lay there (Huber 1964, "Robust estimation of a location parameter", as an exponentially weighted average).
///
/// A level that stays elsewhere is still followed: each value moves the mean by `clip` deviations ÷ memory and widens
/// the deviation, so that after about a quarter of the memory the new level is within reach.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ClippedMoments {
    mean: f64,
    variance: f32,
    count: u16,
}

/// What bounds a [`ClippedMoments`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clipping {
    /// Values it remembers; at least 1.
    pub memory: u16,
    /// Values taken as they are, before a deviation is known.
    pub free: u16,
    /// Standard deviations beyond which a value is clipped.
    pub clip: f64,
}

impl ClippedMoments {
    /// Takes in a value; `scale_min` is the least deviation to clip by.
    pub fn add(&mut self, value: f64, scale_min: f64, clipping: Clipping) {
        let free = self.count < clipping.free;
        self.count = self.count.saturating_add(1).min(clipping.memory.max(1));
        let rate = 1.0 / f64::from(self.count);
        let reach = if free {
            f64::INFINITY
        } else {
            clipping.clip * self.sd().max(scale_min)
        };
        let delta = (value - self.mean).clamp(-reach, reach);
        self.mean += rate * delta;
        // West 1979 with a fixed rate: equal to the population variance while the rate is 1/n.
        let variance = (1.0 - rate) * (f64::from(self.variance) + rate * delta * delta);
        self.variance = narrowed(variance);
    }

    /// The mean; 0 before the first value.
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// The standard deviation (population).
    pub fn sd(&self) -> f64 {
        f64::from(self.variance).max(0.0).sqrt()
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the nearest f32 is wanted, and what is beyond its range is cut"
)]
const fn narrowed(value: f64) -> f32 {
    value.clamp(0.0, f32::MAX as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: Clipping = Clipping {
        memory: 200,
        free: 200,
        clip: 4.0,
    };

    proptest! {
        #[test]
        fn while_free_they_are_plain_moments(values in proptest::collection::vec(-1e3_f64..1e3, 1..150)) {
            let mut moments = ClippedMoments::default();
            values.iter().for_each(|v| moments.add(*v, 0.0, PLAIN));
            let n = f64::from(u32::try_from(values.len()).unwrap());
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
            prop_assert!((moments.mean() - mean).abs() < 1e-9);
            prop_assert!((moments.sd() - variance.sqrt()).abs() < 1e-3 * (1.0 + variance.sqrt()));
        }

        #[test]
        fn beyond_the_free_ones_each_is_clipped_first(values in proptest::collection::vec(-1e3_f64..1e3, 30..120)) {
            let clipping = Clipping { memory: 20, free: 10, clip: 3.0 };
            let mut moments = ClippedMoments::default();
            let (mut mean, mut variance) = (0.0_f64, 0.0_f64);
            for (i, v) in values.iter().enumerate() {
                moments.add(*v, 0.5, clipping);
                let rate = 1.0 / f64::from(u32::try_from((i + 1).min(20)).unwrap());
                let reach = 3.0 * variance.sqrt().max(0.5);
                let v = if i < 10 { *v } else { v.clamp(mean - reach, mean + reach) };
                let (old, delta) = (mean, v - mean);
                mean = old + rate * delta;
                variance = (1.0 - rate) * (variance + rate * delta * delta);
            }
            prop_assert!((moments.mean() - mean).abs() < 1e-2 * (1.0 + mean.abs()), "{} {mean}", moments.mean());
            prop_assert!((moments.sd() - variance.sqrt()).abs() < 1e-2 * (1.0 + variance.sqrt()));
        }
    }

    #[test]
    fn one_wild_value_moves_little_and_a_new_level_is_followed() {
        let clipping = Clipping {
            memory: 200,
            free: 20,
            clip: 4.0,
        };
        let mut moments = ClippedMoments::default();
        for i in 0..400 {
            moments.add(f64::from(i % 5), 0.0, clipping);
        }
        let before = (moments.mean(), moments.sd());
        moments.add(1e9, 0.0, clipping);
        assert!(moments.mean() - before.0 < 0.05 && moments.sd() / before.1 < 1.05);
        (0..200).for_each(|_| moments.add(100.0, 0.0, clipping));
        assert!((100.0 - moments.mean()) / moments.sd() < 3.0);
    }
}
