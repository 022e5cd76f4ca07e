use crate::poisson::{beta_cdf, real};

/// The chance of at least `hits` among `trials`, each a hit with chance `share`: I_share(hits, trials − hits + 1)
/// (Numerical Recipes §6.4), so that it keeps its digits far out in the tail.
///
/// 1 for no hits; 0 for more hits than trials. A `share` that is no number counts as 0.
///
/// ```
/// // Two heads or more of three coins: half of all cases.
/// assert!((forecall_stats::binomial_tail(2, 3, 0.5) - 0.5).abs() < 1e-12);
/// ```
pub fn binomial_tail(hits: u64, trials: u64, share: f64) -> f64 {
    if hits == 0 {
        return 1.0;
    }
    if hits > trials {
        return 0.0;
    }
    let share = if share.is_nan() {
        0.0
    } else {
        share.clamp(0.0, 1.0)
    };
    beta_cdf(real(hits), real(trials - hits) + 1.0, share, 1.0 - share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ends_are_certain() {
        assert!((binomial_tail(0, 0, 0.3) - 1.0).abs() < 1e-15);
        assert!(binomial_tail(1, 0, 0.3) <= 0.0);
        assert!(binomial_tail(1, 5, f64::NAN) <= 0.0);
        assert!((binomial_tail(5, 5, 1.0) - 1.0).abs() < 1e-15);
        // 0.01^10: a sum from the other end would have lost it.
        assert!((binomial_tail(10, 10, 0.01) / 1e-20 - 1.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn as_the_sum_of_its_terms(trials in 1_u64..60, hits in 0_u64..61, share in 0.001_f64..0.999) {
            let mut term = (0..trials).fold(1.0, |p, _| p * (1.0 - share));
            let mut sum = 0.0;
            for k in 0..=trials {
                if k >= hits { sum += term; }
                term *= real(trials - k) / (real(k) + 1.0) * share / (1.0 - share);
            }
            let got = binomial_tail(hits, trials, share);
            prop_assert!((got - sum).abs() < 1e-9, "{} {}", got, sum);
        }
    }
}
