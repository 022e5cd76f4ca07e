//! Shares of hits with their intervals.

/// 95 of 100.
const Z: f64 = 1.959_963_984_540_054;

/// Hits of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Hits {
    pub(crate) hit: u32,
    pub(crate) of: u32,
}

impl Hits {
    pub(crate) fn count(outcomes: impl Iterator<Item = bool>) -> Self {
        outcomes.fold(Self::default(), |hits, is_hit| Self {
            hit: hits.hit + u32::from(is_hit),
            of: hits.of + 1,
        })
    }

    pub(crate) fn share(self) -> f64 {
        f64::from(self.hit) / f64::from(self.of.max(1))
    }

    /// Wilson 1927, "Probable inference, the law of succession, and statistical inference": right for few cases and for
    /// shares near 1, where resampling says nothing could have gone wrong.
    pub(crate) fn interval(self) -> (f64, f64) {
        let n = f64::from(self.of.max(1));
        let (p, z2) = (self.share(), Z * Z);
        let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }

    /// `.95 [.76, .99]`.
    pub(crate) fn shown(self) -> String {
        if self.of == 0 {
            return "–".into();
        }
        let (low, high) = self.interval();
        format!("{} [{}, {}]", two(self.share()), two(low), two(high))
    }
}

fn two(share: f64) -> String {
    format!("{share:.2}").trim_start_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        let hits = Hits { hit: 19, of: 20 };
        let (low, high) = hits.interval();
        // As the original tables have it.
        assert!(
            (low - 0.7639).abs() < 5e-4 && (high - 0.9911).abs() < 5e-4,
            "{low} {high}"
        );
        assert_eq!(hits.shown(), ".95 [.76, .99]");
        assert_eq!(Hits { hit: 3, of: 3 }.shown(), "1.00 [.44, 1.00]");
        assert_eq!(Hits::default().shown(), "–");
    }
}
