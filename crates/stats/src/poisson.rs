//! Counts: Poisson and negative binomial laws, and how surprising a count is.
//!
//! The cumulative laws are regularised incomplete gamma and beta functions by series and continued fraction (modified
//! Lentz; Numerical Recipes §6.2, §6.4), with logarithms of Γ from `libm`, so that the bytes are equal everywhere.

/// Terms of a series or continued fraction: they need about 5 √(shape), so this serves shapes up to 10⁷.
const TERMS_MAX: u32 = 20_000;
/// Relative precision at which a series ends.
const PRECISION: f64 = 1e-15;
/// Variance over mean closer to 1 than this counts as Poisson: the difference of two log Γ would lose more than it gains.
const POISSON_EXCESS: f64 = 1e-4;
/// A count above this is not told apart; 2⁵³ is where `f64` stops counting.
const COUNT_MAX: f64 = 9_007_199_254_740_992.0;
/// The ceiling of a surprise, as for a `Score`.
const SURPRISE_MAX: f64 = 20.0;

#[allow(clippy::cast_precision_loss, reason = "counts above 2^53 are not told apart")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to [0, 2^53]; NaN becomes 0"
)]
fn whole(value: f64) -> u64 {
    value.clamp(0.0, COUNT_MAX) as u64
}

/// Regularised lower incomplete gamma function P(shape, x): the chance that a Gamma(shape, 1) is at most `x`.
///
/// 0 for `x <= 0` or arguments that are no number; 1 for an infinite `x`.
pub fn gamma_cdf(shape: f64, x: f64) -> f64 {
    if shape.is_nan() || x.is_nan() || x <= 0.0 {
        return 0.0;
    }
    if shape <= 0.0 || x.is_infinite() {
        return 1.0;
    }
    let front = libm::exp(shape * libm::log(x) - x - libm::lgamma(shape));
    if x < shape + 1.0 {
        let (mut term, mut sum) = (1.0 / shape, 1.0 / shape);
        for i in 1..TERMS_MAX {
            term *= x / (shape + f64::from(i));
            sum += term;
            if term <= sum * PRECISION {
                break;
            }
        }
        (front * sum).clamp(0.0, 1.0)
    } else {
        let mut b = x + 1.0 - shape;
        let mut c = 1e300;
        let mut d = 1.0 / b;
        let mut h = d;
        for i in 1..TERMS_MAX {
            let i = f64::from(i);
            let an = -i * (i - shape);
            b += 2.0;
            d = 1.0 / nonzero(an * d + b);
            c = nonzero(b + an / c);
            let delta = c * d;
            h *= delta;
            if (delta - 1.0).abs() < PRECISION {
                break;
            }
        }
        (1.0 - front * h).clamp(0.0, 1.0)
    }
}

fn nonzero(value: f64) -> f64 {
    if value.abs() < 1e-300 { 1e-300 } else { value }
}

/// Regularised incomplete beta function I_x(a, b), with `y = 1 − x` given apart so that neither loses digits.
pub(crate) fn beta_cdf(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    let front = libm::exp(
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log(y),
    );
    if x < (a + 1.0) / (a + b + 2.0) {
        (front * beta_fraction(a, b, x) / a).clamp(0.0, 1.0)
    } else {
        (1.0 - front * beta_fraction(b, a, y) / b).clamp(0.0, 1.0)
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for m in 1..TERMS_MAX {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / nonzero(1.0 + even * d);
        c = nonzero(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / nonzero(1.0 + odd * d);
        c = nonzero(1.0 + odd / c);
        let delta = d * c;
        h *= delta;
        if (delta - 1.0).abs() < PRECISION {
            break;
        }
    }
    h
}

/// The value below which a Gamma law of this mean and variance lies with chance `level`, by bisection.
///
/// The law of a *rate* that is not known exactly. The mean itself where the variance is 0; 0 where the mean is not
/// positive.
pub fn gamma_quantile(mean: f64, variance: f64, level: f64) -> f64 {
    if mean.is_nan() || mean <= 0.0 {
        return 0.0;
    }
    if variance.is_nan() || variance <= mean * mean * 1e-10 {
        return mean;
    }
    let level = guarded_level(level);
    let (shape, scale) = (mean * mean / variance, variance / mean);
    let spread = variance.sqrt();
    let (mut low, mut high) = (0.0, mean + 2.0 * spread);
    while gamma_cdf(shape, high / scale) < level && high < mean + 1e4 * spread {
        low = high;
        high += 4.0 * spread;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if gamma_cdf(shape, middle / scale) < level {
            low = middle;
        } else {
            high = middle;
        }
        if high - low <= 1e-7 * mean {
            break;
        }
    }
    0.5 * (low + high)
}

fn guarded_level(level: f64) -> f64 {
    if level.is_nan() {
        0.5
    } else {
        level.clamp(1e-9, 1.0 - 1e-9)
    }
}

/// Counts with mean `m` and variance `v ≥ m`: negative binomial with size m² / (v − m), Poisson where `v` is `m`.
///
/// ```
/// use forecall_stats::poisson::NegativeBinomial;
/// let calls = NegativeBinomial::from_moments(100.0, 400.0);
/// assert_eq!(calls.quantile(0.5), 99);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NegativeBinomial {
    mean: f64,
    /// `None`: Poisson.
    size: Option<f64>,
}

impl NegativeBinomial {
    /// By its first two moments. A mean that is negative or no number counts as 0, one above 10¹² as 10¹²; a variance
    /// below the mean, or none, as the mean (Poisson).
    pub fn from_moments(mean: f64, variance: f64) -> Self {
        let mean = if mean.is_nan() { 0.0 } else { mean.clamp(0.0, 1e12) };
        let excess = variance - mean;
        let size = (mean > 0.0 && excess.is_finite() && excess > mean * POISSON_EXCESS)
            .then(|| (mean * mean / excess).max(1e-6));
        Self { mean, size }
    }

    /// Expected count.
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// Variance of the count.
    pub fn variance(&self) -> f64 {
        self.mean + self.size.map_or(0.0, |r| self.mean * self.mean / r)
    }

    /// Natural logarithm of the chance of exactly `count`.
    pub fn ln_pmf(&self, count: u64) -> f64 {
        let k = real(count);
        if self.mean <= 0.0 {
            return if count == 0 { 0.0 } else { f64::NEG_INFINITY };
        }
        match self.size {
            None => k * libm::log(self.mean) - self.mean - libm::lgamma(k + 1.0),
            Some(r) => {
                libm::lgamma(k + r) - libm::lgamma(r) - libm::lgamma(k + 1.0) - r * libm::log1p(self.mean / r)
                    + k * libm::log(self.mean / (self.mean + r))
            }
        }
    }

    /// Chance of exactly `count`.
    pub fn pmf(&self, count: u64) -> f64 {
        libm::exp(self.ln_pmf(count))
    }

    /// Chance of at most `count`.
    pub fn cdf(&self, count: u64) -> f64 {
        if self.mean <= 0.0 {
            return 1.0;
        }
        let above = real(count) + 1.0;
        match self.size {
            None => 1.0 - gamma_cdf(above, self.mean),
            Some(r) => beta_cdf(r, above, r / (r + self.mean), self.mean / (r + self.mean)),
        }
    }

    /// Chance of at least `count`; far out it keeps its digits, which 1 less the chance of fewer doesn't.
    pub fn upper(&self, count: u64) -> f64 {
        if count == 0 {
            return 1.0;
        }
        if self.mean <= 0.0 {
            return 0.0;
        }
        match self.size {
            None => gamma_cdf(real(count), self.mean),
            Some(r) => beta_cdf(real(count), r, self.mean / (r + self.mean), r / (r + self.mean)),
        }
    }

    /// The smallest count whose chance of not being exceeded is at least `level` (held within 10⁻⁹ of 0 and 1).
    pub fn quantile(&self, level: f64) -> u64 {
        quantile_of(level, self.mean, self.variance(), |k| self.cdf(k))
    }
}

/// The smallest count at which a rising `cdf` reaches `level`; mean and variance only say where to look first.
pub fn quantile_of(level: f64, mean: f64, variance: f64, cdf: impl Fn(u64) -> f64) -> u64 {
    let level = guarded_level(level);
    let spread = variance.max(0.25).sqrt();
    // Bracket (low, high]: the answer is above `low` and at most `high`.
    let mut high = whole((mean + spread).ceil());
    let mut low = whole((mean - spread).floor());
    let mut stride = whole(spread.ceil()).max(1);
    while cdf(high) < level && real(high) < COUNT_MAX {
        low = high;
        high = high.saturating_add(stride);
        stride = stride.saturating_mul(2);
    }
    stride = whole(spread.ceil()).max(1);
    while cdf(low) >= level {
        if low == 0 {
            return 0;
        }
        high = low;
        low = low.saturating_sub(stride);
        stride = stride.saturating_mul(2);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if cdf(middle) >= level {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// Surprise of `count` or more where `mean` is expected: −log10 P(X ≥ count), 0 to 20.
pub fn surprise_high(count: u64, mean: f64) -> f64 {
    if count == 0 || mean.is_nan() {
        return 0.0;
    }
    if mean <= 0.0 {
        return SURPRISE_MAX;
    }
    let law = NegativeBinomial::from_moments(mean, mean);
    let k = real(count);
    if k <= mean {
        return bounded_surprise(libm::log10((1.0 - law.cdf(count - 1)).max(1e-300)));
    }
    // Far out the chance itself would vanish: sum the tail relative to its first term.
    let (mut term, mut sum) = (1.0, 1.0);
    for i in 1..TERMS_MAX {
        term *= mean / (k + f64::from(i));
        sum += term;
        if term <= sum * PRECISION {
            break;
        }
    }
    bounded_surprise(law.ln_pmf(count) / std::f64::consts::LN_10 + libm::log10(sum))
}

/// Surprise of `count` or fewer where `mean` is expected: −log10 P(X ≤ count), 0 to 20.
pub fn surprise_low(count: u64, mean: f64) -> f64 {
    if mean.is_nan() || mean <= 0.0 {
        return 0.0;
    }
    let law = NegativeBinomial::from_moments(mean, mean);
    let k = real(count);
    if k >= mean {
        return bounded_surprise(libm::log10(law.cdf(count).max(1e-300)));
    }
    let (mut term, mut sum, mut at) = (1.0, 1.0, k);
    while at >= 1.0 {
        term *= at / mean;
        sum += term;
        at -= 1.0;
        if term <= sum * PRECISION {
            break;
        }
    }
    bounded_surprise(law.ln_pmf(count) / std::f64::consts::LN_10 + libm::log10(sum))
}

fn bounded_surprise(log10_chance: f64) -> f64 {
    if log10_chance.is_nan() {
        0.0
    } else {
        (-log10_chance).clamp(0.0, SURPRISE_MAX)
    }
}

#[cfg(test)]
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "small counts"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn at_least_so_many_is_what_is_left_of_fewer(mean in 0.01_f64..60.0, excess in 0.0_f64..3.0, count in 1_u64..80) {
            let law = NegativeBinomial::from_moments(mean, mean * (1.0 + excess));
            let (got, want) = (law.upper(count), 1.0 - law.cdf(count - 1));
            prop_assert!((got - want).abs() < 1e-11, "{got} {want}");
            // Far out the digits stay: the next term is all that is lost.
            let step = law.upper(count) - law.upper(count + 1);
            prop_assert!((step - law.pmf(count)).abs() <= 1e-9 * law.pmf(count) + 1e-13 * got, "{step}");
        }
    }

    #[test]
    fn what_is_far_out_is_rare_and_not_impossible() {
        let law = NegativeBinomial::from_moments(0.1, 0.1);
        // One term is nearly all of it: 0.1²⁰ e^−0.1 / 20!.
        assert!(
            (libm::log10(law.upper(20)) + 38.429).abs() < 0.01,
            "{}",
            libm::log10(law.upper(20))
        );
        assert!(
            (law.upper(0) - 1.0).abs() < 1e-15 && NegativeBinomial::from_moments(0.0, 0.0).upper(1) < 1e-300
        );
    }

    /// The chances of 0, 1, 2 … by their recursion.
    fn naive_cdf(mean: f64, variance: f64, upto: u64) -> Vec<f64> {
        let excess = variance - mean;
        let r = mean * mean / excess;
        let p = mean / (mean + r);
        let mut chance = libm::exp(r * libm::log(r / (r + mean)));
        let mut total = chance;
        let mut all = vec![total];
        for k in 0..upto {
            chance *= (k as f64 + r) / (k as f64 + 1.0) * p;
            total += chance;
            all.push(total);
        }
        all
    }

    proptest! {
        #[test]
        fn negative_binomial_equals_the_plain_sum(mean in 0.05_f64..300.0, ratio in 1.01_f64..8.0, level in 0.01_f64..0.99) {
            let law = NegativeBinomial::from_moments(mean, mean * ratio);
            let sums = naive_cdf(mean, mean * ratio, 3000);
            for k in [0, 1, 7, 60, 300, 900] {
                prop_assert!((law.cdf(k) - sums[k as usize]).abs() < 1e-9, "{k}: {} {}", law.cdf(k), sums[k as usize]);
            }
            let q = law.quantile(level);
            // On a knife's edge the two sums may fall on different sides; 1e-9 is the tolerance of the table above.
            prop_assert!(sums[q as usize] >= level - 1e-9);
            prop_assert!(q == 0 || sums[q as usize - 1] < level + 1e-9);
        }

        #[test]
        fn poisson_equals_the_plain_sum(mean in 0.01_f64..400.0, k in 0_u64..600) {
            let law = NegativeBinomial::from_moments(mean, mean);
            let sum: f64 = (0..=k).map(|i| law.pmf(i)).sum();
            prop_assert!((law.cdf(k) - sum).abs() < 1e-9);
        }

        #[test]
        fn gamma_quantile_inverts_the_cdf(mean in 0.1_f64..5000.0, cv in 0.02_f64..1.5, level in 0.02_f64..0.98) {
            let variance = (cv * mean) * (cv * mean);
            let q = gamma_quantile(mean, variance, level);
            prop_assert!((gamma_cdf(mean * mean / variance, q * mean / variance) - level).abs() < 1e-5);
        }

        #[test]
        fn nothing_is_nan(mean in prop::num::f64::ANY, variance in prop::num::f64::ANY, level in prop::num::f64::ANY) {
            let law = NegativeBinomial::from_moments(mean, variance);
            prop_assert!(!law.cdf(law.quantile(level)).is_nan());
            prop_assert!(!gamma_quantile(mean, variance, level).is_nan());
            prop_assert!(!surprise_high(3, mean).is_nan() && !surprise_low(3, mean).is_nan());
        }
    }

    #[test]
    fn surprise_is_known_at_hand_values() {
        // P(X >= 1 | 1) = 1 - e^-1, P(X = 0 | 3) = e^-3.
        assert!((surprise_high(1, 1.0) - 0.199_200).abs() < 1e-6);
        assert!((surprise_low(0, 3.0) - 1.302_883).abs() < 1e-6);
        assert!((surprise_high(1000, 10.0) - 20.0).abs() < 1e-12);
        assert!(surprise_high(0, 5.0).abs() < 1e-12);
    }
}
