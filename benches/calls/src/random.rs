//! Draws for made-up worlds: the same seed, the same world.

/// `SplitMix64` (Steele, Lea, Flood, OOPSLA 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In (0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (((self.next() >> 11) as f64) + 0.5) / (1_u64 << 53) as f64
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    pub(crate) fn exponential(&mut self) -> f64 {
        -self.unit().ln()
    }

    /// Exact, by leaps from success to success.
    pub(crate) fn binomial(&mut self, trials: u64, share: f64) -> u64 {
        if share >= 1.0 {
            return trials;
        }
        if share <= 0.0 {
            return 0;
        }
        if share > 0.5 {
            return trials - self.binomial(trials, 1.0 - share);
        }
        let none = (-share).ln_1p();
        let (mut at, mut hits) = (0.0, 0);
        loop {
            at += (self.unit().ln() / none).floor() + 1.0;
            if at > trials as f64 {
                return hits;
            }
            hits += 1;
        }
    }

    /// Exact, by adding waiting times; for means up to some thousands.
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        let (mut at, mut hits) = (self.exponential(), 0);
        while at < mean {
            hits += 1;
            at += self.exponential();
        }
        hits
    }

    /// Mean 1 and a variance of 1 ÷ `shape`, for `shape` ≥ 1 (Marsaglia & Tsang 2000).
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.unit().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v / shape;
            }
        }
    }
}
