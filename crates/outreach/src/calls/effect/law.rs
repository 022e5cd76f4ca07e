//! What is read from the grid: laws of a reduction, intervals, sums over incidents.

use super::grid::{STEP, ratio_at};

/// An interval of the reduction, in shares; an edge of the grid is open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end: nothing known is none.
    pub low: Option<f64>,
    /// Upper end: nothing known is none.
    pub high: Option<f64>,
}

/// A law of a reduction: share of contacts kept away, negative where there are more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Law {
    /// Mean.
    pub mean: f64,
    /// 2.5 %, 50 % and 97.5 % quantile.
    pub quantiles: [f64; 3],
}

impl Law {
    /// Of weights on cells of the log rate ratio, the first of which is `first`.
    pub(super) fn of(weights: &[f64], first: usize) -> Self {
        let total: f64 = weights.iter().sum();
        let parts = weights.iter().enumerate();
        let mean = parts
            .map(|(cell, w)| w * -libm::expm1(ratio_at(first + cell)))
            .sum::<f64>()
            / total;
        let quantile = |level: f64| {
            let mut below = 0.0;
            for (cell, weight) in weights.iter().enumerate() {
                let share = weight / total;
                if below + share >= level && share > 0.0 {
                    // A cell's weight lies evenly over the cell.
                    return ratio_at(first + cell) + STEP * ((level - below) / share - 0.5);
                }
                below += share;
            }
            ratio_at(first + weights.len().saturating_sub(1))
        };
        // The lower the ratio, the higher the reduction.
        Self {
            mean,
            quantiles: [0.975, 0.5, 0.025].map(|level| -libm::expm1(quantile(level))),
        }
    }
}

/// Mean and variance at each place of the law: sums over units that are independent given the place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moments {
    pub(super) weights: Vec<f64>,
    pub(super) each: Vec<(f64, f64)>,
}

impl Moments {
    pub(super) fn plus(&mut self, other: &Self) {
        for (own, other) in self.each.iter_mut().zip(&other.each) {
            own.0 += other.0;
            own.1 += other.1;
        }
    }

    pub(super) fn mean(&self) -> f64 {
        let total: f64 = self.weights.iter().sum();
        let sum: f64 = self.weights.iter().zip(&self.each).map(|(w, e)| w * e.0).sum();
        sum / total
    }

    /// Quantile of the mixture of normal laws, by halving.
    pub(super) fn quantile(&self, level: f64) -> f64 {
        let total: f64 = self.weights.iter().sum();
        let below = |x: f64| {
            let parts = self.weights.iter().zip(&self.each).map(|(w, (mean, variance))| {
                let z = (x - mean) / libm::sqrt(variance.max(1e-12));
                w * 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
            });
            parts.sum::<f64>() / total
        };
        let reach = |sign: f64| {
            let ends = self
                .each
                .iter()
                .map(|(mean, v)| mean + sign * 9.0 * libm::sqrt(v.max(1e-12)));
            if sign < 0.0 {
                ends.fold(f64::INFINITY, f64::min)
            } else {
                ends.fold(f64::NEG_INFINITY, f64::max)
            }
        };
        let (mut low, mut high) = (reach(-1.0), reach(1.0));
        for _ in 0..80 {
            let middle = 0.5 * (low + high);
            if below(middle) < level {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }
}
