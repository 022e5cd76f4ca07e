//! The law of a count, from what is known of the root of its rate.

use forecall_stats::normal_upper;
use forecall_stats::poisson::NegativeBinomial;
use serde::{Deserialize, Serialize};

use super::spread::Spread;

/// A rate is at least this, so that nothing is impossible.
const MEAN_MIN: f64 = 1e-3;
/// From this mean on the root of a count is as good as normal.
const NORMAL_FROM: f64 = 40.0;
/// Quantiles of small counts are looked for at most this far.
const COUNT_MAX: u64 = 100_000;

/// Mean and variance of a count.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Moments {
    /// Expected count.
    pub mean: f64,
    /// Its variance, at least that of counting.
    pub variance: f64,
}

/// How many calls an interval brings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Law {
    /// Mean and variance of the root of the rate.
    pub(super) root: f64,
    pub(super) doubt: f64,
    pub(super) dispersion: f64,
    pub(super) spread: Spread,
    /// The doors are shut: no calls.
    pub(super) is_shut: bool,
}

/// √(y + ¼) of a Poisson count y of rate `root`²: mean, slope of the mean over the root, variance. Fitted to the exact sums
/// below 2 calls (to 0.005); √λ and ¼ above (Anscombe 1948).
pub(super) fn seen_root(root: f64) -> (f64, f64, f64) {
    let x = root.max(0.0);
    if x > 4.0 {
        return (x, 1.0, 0.25);
    }
    let low = libm::exp(-1.7 * x * x);
    let mean = (x * x + 0.25 * low).sqrt();
    (mean, x * (1.0 - 0.425 * low) / mean, 0.25 * (1.0 - low))
}

impl Law {
    /// Mean and variance as the model has them, before what was learned of its errors.
    fn plain(&self) -> Moments {
        if self.is_shut {
            return Moments {
                mean: MEAN_MIN,
                variance: MEAN_MIN,
            };
        }
        let (m, v) = (self.root * self.root, self.doubt);
        let mean = m + v;
        let variance = self.dispersion * mean + 4.0 * m * v + 2.0 * v * v;
        let mean = if mean.is_finite() {
            mean.max(MEAN_MIN)
        } else {
            MEAN_MIN
        };
        let variance = if variance.is_finite() { variance } else { mean };
        Moments { mean, variance }
    }

    /// Mean, and variance as wide as the forecasts have been off.
    pub fn moments(&self) -> Moments {
        let plain = self.plain();
        let factor = self.spread.factor();
        Moments {
            variance: (plain.variance * factor * factor).max(plain.mean),
            ..plain
        }
    }

    /// The quantile whose level the normal law has at `normal` (0: the median).
    ///
    /// Between whole counts it is drawn as a line, so that bands of small counts are no wider than they say; at least 0.
    pub fn quantile(&self, normal: f64) -> f64 {
        let plain = self.plain();
        let point = self.spread.at(normal);
        if plain.mean >= NORMAL_FROM {
            let deviation = (self.doubt + 0.25 * self.dispersion).sqrt();
            let root = (self.root + point * deviation).max(0.0);
            return (root * root - 0.25).max(0.0);
        }
        let level = (1.0 - normal_upper(point)).clamp(1e-6, 1.0 - 1e-6);
        let law = NegativeBinomial::from_moments(plain.mean, plain.variance);
        between_counts(&law, level)
    }
}

#[allow(clippy::cast_precision_loss, reason = "at most COUNT_MAX")]
fn between_counts(law: &NegativeBinomial, level: f64) -> f64 {
    let mut chance = law.pmf(0);
    let mut before = 0.0;
    let mut count = 0_u64;
    while before + chance < level && count < COUNT_MAX {
        before += chance;
        count += 1;
        chance = law.pmf(count);
    }
    if count == 0 || chance <= 0.0 {
        return count as f64;
    }
    count as f64 - 0.5 + (level - before) / chance
}
