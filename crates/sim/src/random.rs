//! Draws that depend on what they are for, never on the order they are asked in.

/// A seed that turns (purpose, number, number) into random values.
///
/// Each draw is one SplitMix64 finaliser (Steele, Lea, Flood, OOPSLA 2014; constants by Stafford) over the mixed
/// coordinates. As no state is carried along, a customer's fate is the same whether or not others were told: runs with and
/// without notices share all their random numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed(u64);

/// What a draw is for: the first coordinate.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum For {
    Noise,
    NoiseSecond,
    City,
    Cell,
    Services,
    Language,
    Channels,
    Consent,
    Name,
    Arrivals,
    Caller,
    Wait,
    Patience,
    Handle,
    Hit,
    Propensity,
    Delay,
    DelaySecond,
    Deflect,
    Engage,
    EngageDelay,
}

/// 2⁶⁴ divided by the golden ratio, odd: the Weyl step of SplitMix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Seed {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(GOLDEN)))
    }

    pub(crate) const fn bits(self, what: For, a: u64, b: u64) -> u64 {
        let z = mix(self.0 ^ (what as u64).wrapping_mul(GOLDEN));
        let z = mix(z.wrapping_add(a.wrapping_mul(GOLDEN)));
        mix(z.wrapping_add(b.wrapping_mul(GOLDEN)).wrapping_add(GOLDEN))
    }

    /// Uniform in (0, 1): never 0, so that its logarithm is finite.
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(crate) const fn uniform(self, what: For, a: u64, b: u64) -> f64 {
        ((self.bits(what, a, b) >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    }

    /// A whole number below `n`; 0 for `n` = 0.
    pub(crate) const fn below(self, what: For, a: u64, b: u64, n: u64) -> u64 {
        if n == 0 {
            0
        } else {
            // The bias for n far below 2⁶⁴ is far below one in a million.
            self.bits(what, a, b) % n
        }
    }

    /// Standard normal by Box and Muller, from two purposes.
    pub(crate) fn normal(self, whats: (For, For), a: u64, b: u64) -> f64 {
        let (u, v) = (self.uniform(whats.0, a, b), self.uniform(whats.1, a, b));
        (-2.0 * libm::log(u)).sqrt() * libm::cos(std::f64::consts::TAU * v)
    }

    /// Exponential with this mean.
    pub(crate) fn exponential(self, what: For, a: u64, b: u64, mean: f64) -> f64 {
        -mean * libm::log(self.uniform(what, a, b))
    }

    /// Lognormal with this median and this standard deviation of the logarithm.
    pub(crate) fn lognormal(self, whats: (For, For), a: u64, b: u64, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal(whats, a, b))
    }

    /// Poisson by inversion; meant for means below 50.
    pub(crate) fn poisson(self, what: For, a: u64, b: u64, mean: f64) -> u64 {
        /// Far beyond any quantile of a mean below 50: the loop ends even if the mean was meant otherwise.
        const MOST: u64 = 1_000;
        let u = self.uniform(what, a, b);
        let mut term = libm::exp(-mean);
        let (mut sum, mut n) = (term, 0_u32);
        while u > sum && u64::from(n) < MOST {
            n += 1;
            term *= mean / f64::from(n);
            sum += term;
        }
        u64::from(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_their_moments() {
        let seed = Seed::new(7);
        let n = 20_000_u32;
        let mean = |f: &dyn Fn(u64) -> f64| (0..u64::from(n)).map(f).sum::<f64>() / f64::from(n);
        let near = |got: f64, want: f64| assert!((got - want).abs() < 0.05 * want.max(0.5), "{got} {want}");
        near(mean(&|i| seed.uniform(For::City, i, 0)), 0.5);
        near(mean(&|i| seed.normal((For::Noise, For::NoiseSecond), i, 3)), 0.0);
        near(
            mean(&|i| seed.normal((For::Noise, For::NoiseSecond), i, 3).powi(2)),
            1.0,
        );
        near(mean(&|i| seed.exponential(For::Wait, 1, i, 25.0)), 25.0);
        #[allow(clippy::cast_precision_loss, reason = "small counts")]
        let poisson = mean(&|i| seed.poisson(For::Arrivals, i, 2, 3.0) as f64);
        near(poisson, 3.0);
    }

    #[test]
    fn a_draw_depends_on_each_coordinate() {
        let seed = Seed::new(1);
        let all = [
            seed.bits(For::City, 1, 2),
            seed.bits(For::Cell, 1, 2),
            seed.bits(For::City, 2, 1),
            seed.bits(For::City, 1, 3),
            Seed::new(2).bits(For::City, 1, 2),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|b| a != b));
        }
    }
}
