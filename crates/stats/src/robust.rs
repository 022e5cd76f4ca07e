use serde::{Deserialize, Serialize};

/// Makes the median absolute deviation of a normal distribution its standard deviation: 1 / Φ⁻¹(3/4).
pub const MAD_TO_SD: f64 = 1.482_602_218_505_602;

/// Where a set of values lies and how far it spreads, little moved by a few wild ones.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LocationScale {
    /// The median.
    pub location: f64,
    /// Median absolute deviation × [`MAD_TO_SD`]; 0 when more than half of the values are equal.
    pub scale: f64,
}

/// The median; of an even number of values the mean of the two in the middle. Reorders `values`; `None` when empty.
pub fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if even {
        let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(f64::midpoint(lower, upper))
    } else {
        Some(upper)
    }
}

/// Median and scaled median absolute deviation (Hampel 1974) of finite values. Overwrites `values`; `None` when empty.
pub fn location_scale(values: &mut [f64]) -> Option<LocationScale> {
    let location = median(values)?;
    for value in values.iter_mut() {
        *value = (*value - location).abs();
    }
    Some(LocationScale {
        location,
        scale: median(values)? * MAD_TO_SD,
    })
}

/// Mean and variance that forget: of `n` values each counts the same until `memory` values were seen, then old ones fade.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct FadingMoments {
    count: u32,
    mean: f64,
    variance: f64,
}

impl FadingMoments {
    /// Takes in a value with rate max(1/`memory`, 1/n). A memory of 0 counts as 1.
    pub fn add(&mut self, value: f64, memory: u32) {
        self.count = self.count.saturating_add(1);
        let rate = 1.0 / f64::from(self.count.min(memory.max(1)));
        let delta = value - self.mean;
        self.mean += rate * delta;
        // West 1979 with a fixed rate: equal to the population variance while the rate is 1/n.
        self.variance = (1.0 - rate) * (self.variance + rate * delta * delta);
    }

    /// Values seen, saturating.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The mean; 0 before the first value.
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// The standard deviation (population).
    pub fn sd(&self) -> f64 {
        self.variance.max(0.0).sqrt()
    }

    /// Moves the mean and keeps the spread: a new level of the same noise.
    pub const fn recentre(&mut self, mean: f64) {
        self.mean = mean;
    }
}

/// Least-squares slope of (seconds, value) in units per second; 0 for fewer than two moments.
pub fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let (mut n, mut sum_t, mut sum_v) = (0.0, 0.0, 0.0);
    for (t, v) in points.clone() {
        n += 1.0;
        sum_t += t;
        sum_v += v;
    }
    if n < 2.0 {
        return 0.0;
    }
    let (mean_t, mean_v) = (sum_t / n, sum_v / n);
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (t, v) in points {
        covariance += (t - mean_t) * (v - mean_v);
        variance += (t - mean_t) * (t - mean_t);
    }
    if variance > 0.0 {
        covariance / variance
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive_median(values: &[f64]) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2])
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
    }

    proptest! {
        #[test]
        fn location_and_scale_are_those_of_a_sort(values in proptest::collection::vec(-1e6_f64..1e6, 1..70)) {
            let middle = naive_median(&values);
            let deviations: Vec<f64> = values.iter().map(|v| (v - middle).abs()).collect();
            let got = location_scale(&mut values.clone()).unwrap();
            prop_assert!(near(got.location, middle));
            prop_assert!(near(got.scale, naive_median(&deviations) * MAD_TO_SD));
        }

        #[test]
        fn moments_are_plain_ones_within_the_memory(values in proptest::collection::vec(-1e3_f64..1e3, 1..50)) {
            let mut moments = FadingMoments::default();
            for v in &values { moments.add(*v, 50); }
            let n = f64::from(u32::try_from(values.len()).unwrap());
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
            prop_assert!(near(moments.mean(), mean), "{} {mean}", moments.mean());
            prop_assert!((moments.sd() - variance.sqrt()).abs() < 1e-6);
        }

        #[test]
        fn moments_beyond_the_memory_fade_exponentially(values in proptest::collection::vec(-1e3_f64..1e3, 5..80)) {
            let mut moments = FadingMoments::default();
            let mut mean = 0.0;
            for (i, v) in values.iter().enumerate() {
                moments.add(*v, 4);
                let rate = 1.0 / f64::from(u32::try_from(i + 1).unwrap().min(4));
                mean = (1.0 - rate) * mean + rate * v;
            }
            prop_assert!(near(moments.mean(), mean));
        }

        #[test]
        fn slope_of_a_line_is_found(a in -1e3_f64..1e3, b in -1e3_f64..1e3, times in proptest::collection::btree_set(0_u32..10_000, 2..40)) {
            let points: Vec<(f64, f64)> = times.iter().map(|t| (f64::from(*t), a + b * f64::from(*t))).collect();
            prop_assert!((slope(points.iter().copied()) - b).abs() < 1e-6 * (1.0 + b.abs() + a.abs()));
        }
    }

    #[test]
    fn no_values_no_median_and_one_moment_no_slope() {
        assert_eq!(median(&mut []), None);
        assert_eq!(location_scale(&mut []), None);
        assert!(slope([(1.0, 2.0), (1.0, 5.0)].into_iter()).abs() < f64::EPSILON);
    }
}
