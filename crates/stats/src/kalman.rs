//! A Kalman filter of three states with one number observed at a time, for filters that step millions of times.
//!
//! Each state moves by its own factor, so a step costs some thirty multiplications and no allocation.

#![allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "arrays of three, indexed by 0..3 only; the formulas read as in the books"
)]

use serde::{Deserialize, Serialize};

/// Mean and covariance of three states.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Kalman3 {
    /// Expected states.
    pub state: [f64; 3],
    /// Their covariance, symmetric.
    pub covariance: [[f64; 3]; 3],
}

/// What one observation was expected to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Innovation {
    /// Expected value.
    pub mean: f64,
    /// Variance of the part that comes from the states, observation noise not included.
    pub variance: f64,
}

impl Kalman3 {
    /// Independent states with these means and variances.
    pub fn new(state: [f64; 3], variance: [f64; 3]) -> Self {
        let mut covariance = [[0.0; 3]; 3];
        for i in 0..3 {
            covariance[i][i] = variance[i];
        }
        Self { state, covariance }
    }

    /// One step of time: state `i` becomes `factor[i]` times itself plus noise of variance `noise[i]`.
    pub fn predict(&mut self, factor: [f64; 3], noise: [f64; 3]) {
        for i in 0..3 {
            self.state[i] *= factor[i];
            for j in 0..3 {
                self.covariance[i][j] *= factor[i] * factor[j];
            }
            self.covariance[i][i] += noise[i];
        }
    }

    /// What `row · state` is expected to be.
    pub fn expect(&self, row: [f64; 3]) -> Innovation {
        let mut mean = 0.0;
        let mut variance = 0.0;
        for i in 0..3 {
            mean += row[i] * self.state[i];
            for j in 0..3 {
                variance += row[i] * self.covariance[i][j] * row[j];
            }
        }
        Innovation {
            mean,
            variance: variance.max(0.0),
        }
    }

    /// Takes in an observation that differs from `expect(row).mean` by `difference` and has noise of variance `noise`.
    ///
    /// Joseph's form keeps the covariance symmetric and positive. A difference or noise that is no number, or a noise
    /// that isn't positive, changes nothing.
    pub fn update(&mut self, row: [f64; 3], difference: f64, noise: f64) {
        let total = self.expect(row).variance + noise;
        if !difference.is_finite() || !total.is_finite() || noise.is_nan() || noise <= 0.0 {
            return;
        }
        let mut gain = [0.0; 3];
        for i in 0..3 {
            for j in 0..3 {
                gain[i] += self.covariance[i][j] * row[j];
            }
            gain[i] /= total;
        }
        // A = I − gain · row; covariance ← A P Aᵀ + gain · noise · gainᵀ.
        let mut a = [[0.0; 3]; 3];
        for i in 0..3 {
            for j in 0..3 {
                a[i][j] = f64::from(u8::from(i == j)) - gain[i] * row[j];
            }
        }
        let mut next = [[0.0; 3]; 3];
        for i in 0..3 {
            for j in 0..3 {
                let mut sum = gain[i] * noise * gain[j];
                for k in 0..3 {
                    for l in 0..3 {
                        sum += a[i][k] * self.covariance[k][l] * a[j][l];
                    }
                }
                next[i][j] = sum;
            }
            self.state[i] += gain[i] * difference;
        }
        self.covariance = next;
    }

    /// Measures the states in another unit: `state × factor`.
    pub fn scale(&mut self, factor: f64) {
        for i in 0..3 {
            self.state[i] *= factor;
            for j in 0..3 {
                self.covariance[i][j] *= factor * factor;
            }
        }
    }

    /// Forgets state `i`: mean 0, this variance, independent of the others.
    pub fn forget(&mut self, i: usize, variance: f64) {
        if i < 3 {
            self.state[i] = 0.0;
            for j in 0..3 {
                self.covariance[i][j] = 0.0;
                self.covariance[j][i] = 0.0;
            }
            self.covariance[i][i] = variance;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn with_one_live_state_it_is_the_running_mean() {
        // A constant seen with noise 1 from a flat prior: the estimate is the mean, its variance 1/n.
        let mut filter = Kalman3::new([0.0; 3], [1e12, 0.0, 0.0]);
        let seen = [3.0, 5.0, 10.0, 2.0];
        for y in seen {
            let row = [1.0, 0.0, 0.0];
            filter.update(row, y - filter.expect(row).mean, 1.0);
        }
        assert!((filter.state[0] - 5.0).abs() < 1e-6);
        assert!((filter.covariance[0][0] - 0.25).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn covariance_stays_symmetric_and_positive(
            steps in proptest::collection::vec((-2.0_f64..2.0, -50.0_f64..50.0, 0.01_f64..10.0), 1..60)
        ) {
            let mut filter = Kalman3::new([1.0, 0.0, 0.0], [4.0, 1.0, 0.5]);
            for (h, d, r) in steps {
                filter.predict([1.0, 0.6, 0.8], [0.01, 0.1, 0.2]);
                filter.update([h, h, h], d, r);
                for i in 0..3 {
                    prop_assert!(filter.covariance[i][i] >= 0.0);
                    for j in 0..3 {
                        prop_assert!((filter.covariance[i][j] - filter.covariance[j][i]).abs() < 1e-9);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_changes_nothing() {
        let mut filter = Kalman3::new([1.0, 2.0, 3.0], [1.0; 3]);
        let before = filter;
        filter.update([1.0; 3], f64::NAN, 1.0);
        filter.update([1.0; 3], 1.0, f64::NAN);
        assert_eq!(filter, before);
    }
}
