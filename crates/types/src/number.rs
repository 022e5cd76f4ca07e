use serde::{Deserialize, Serialize};

/// A chance between 0 and 1, never NaN.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Probability(f64);

/// What a [`Probability`] refuses.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is not a probability: it must lie between 0 and 1")]
pub struct NotAProbability(pub f64);

impl Probability {
    /// It can't be.
    pub const ZERO: Self = Self(0.0);
    /// It is certain.
    pub const ONE: Self = Self(1.0);

    /// The nearest probability to `p`; NaN becomes 0 (nothing is known in favour).
    pub fn clamped(p: f64) -> Self {
        if p.is_nan() {
            Self(0.0)
        } else {
            Self(p.clamp(0.0, 1.0))
        }
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Probability {
    type Error = NotAProbability;
    fn try_from(p: f64) -> Result<Self, NotAProbability> {
        if (0.0..=1.0).contains(&p) {
            Ok(Self(p))
        } else {
            Err(NotAProbability(p))
        }
    }
}

impl From<Probability> for f64 {
    fn from(p: Probability) -> Self {
        p.0
    }
}

/// Surprise: −log10 of the chance of this value or a worse one in normal times; 0 to 20 (3 = one in a thousand).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Score(f64);

impl Score {
    /// Nothing unusual.
    pub const ZERO: Self = Self(0.0);
    /// The ceiling: rarer than 1 in 10²⁰ isn't told apart.
    pub const MAX: Self = Self(20.0);

    /// The nearest score to `value`; NaN becomes 0.
    pub fn clamped(value: f64) -> Self {
        if value.is_nan() {
            Self(0.0)
        } else {
            Self(value.clamp(0.0, 20.0))
        }
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl From<f64> for Score {
    fn from(value: f64) -> Self {
        Self::clamped(value)
    }
}

impl From<Score> for f64 {
    fn from(score: Score) -> Self {
        score.0
    }
}

/// A closed range of values. `low ≤ high`, neither is NaN.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_no_probability() {
        for bad in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
            assert!(Probability::try_from(bad).is_err(), "{bad}");
        }
        assert_eq!(Probability::try_from(0.5).map(Probability::get), Ok(0.5));
        assert!((Score::clamped(99.0).get() - 20.0).abs() < f64::EPSILON);
    }
}
