//! Small discrete laws: weighted points, which add, shrink and have quantiles without a random number.

/// A value with its chance, and the variance of what it stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Atom {
    pub(super) value: f64,
    pub(super) variance: f64,
    pub(super) weight: f64,
}

/// A law of finitely many points; the weights sum to 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Atoms(Vec<Atom>);

impl Atoms {
    /// Surely `value`.
    pub(super) fn certain(value: f64) -> Self {
        Self(vec![Atom {
            value,
            variance: 0.0,
            weight: 1.0,
        }])
    }

    /// From points in any order; points that are no number or without weight are left out. No points: surely 0.
    pub(super) fn new(mut points: Vec<Atom>) -> Self {
        points.retain(|a| {
            a.value.is_finite() && a.variance.is_finite() && a.weight.is_finite() && a.weight > 0.0
        });
        let total: f64 = points.iter().map(|a| a.weight).sum();
        if total <= 0.0 {
            return Self::certain(0.0);
        }
        for point in &mut points {
            point.weight /= total;
        }
        points.sort_by(|a, b| a.value.total_cmp(&b.value));
        Self(points)
    }

    pub(super) fn points(&self) -> &[Atom] {
        &self.0
    }

    pub(super) fn mean(&self) -> f64 {
        self.0.iter().map(|a| a.value * a.weight).sum()
    }

    pub(super) fn variance(&self) -> f64 {
        let mean = self.mean();
        self.0
            .iter()
            .map(|a| (a.variance + (a.value - mean) * (a.value - mean)) * a.weight)
            .sum()
    }

    /// The law of the sum of two independent values, in at most `most` points.
    pub(super) fn plus(&self, other: &Self, most: usize) -> Self {
        let all = self
            .0
            .iter()
            .flat_map(|a| {
                other.0.iter().map(move |b| Atom {
                    value: a.value + b.value,
                    variance: a.variance + b.variance,
                    weight: a.weight * b.weight,
                })
            })
            .collect();
        Self::new(all).shrunk(most)
    }

    /// At most `most` points of about equal chance, each for those it stands for: mean and variance stay.
    pub(super) fn shrunk(self, most: usize) -> Self {
        if self.0.len() <= most {
            return self;
        }
        let groups = grouped(&self.0, most, |a| a.weight);
        Self(
            groups
                .into_iter()
                .map(|group| {
                    let weight: f64 = group.iter().map(|a| a.weight).sum();
                    let value = group.iter().map(|a| a.value * a.weight).sum::<f64>() / weight;
                    let square = |a: &Atom| (a.variance + (a.value - value) * (a.value - value)) * a.weight;
                    Atom {
                        value,
                        variance: group.iter().map(square).sum::<f64>() / weight,
                        weight,
                    }
                })
                .collect(),
        )
    }

    /// Quantile, linear between the middles of the points' chances.
    pub(super) fn quantile(&self, level: f64) -> f64 {
        let mut below = 0.0;
        let mut last: Option<(f64, f64)> = None;
        for atom in &self.0 {
            let middle = below + 0.5 * atom.weight;
            if middle >= level {
                return match last {
                    Some((at, value)) if middle > at => {
                        value + (atom.value - value) * (level - at) / (middle - at)
                    }
                    _ => atom.value,
                };
            }
            last = Some((middle, atom.value));
            below += atom.weight;
        }
        last.map_or(0.0, |(_, value)| value)
    }
}

/// Cuts a sorted list into at most `most` runs of about equal weight (which sums to 1).
pub(super) fn grouped<T>(items: &[T], most: usize, weight: impl Fn(&T) -> f64) -> Vec<&[T]> {
    let mut groups = Vec::with_capacity(most);
    let mut rest = items;
    let mut left = 1.0;
    for remaining in (1..=most.max(1)).rev() {
        if rest.is_empty() {
            break;
        }
        #[allow(clippy::cast_precision_loss, reason = "tens of groups")]
        let goal = left / remaining as f64;
        let mut taken = 0.0;
        let mut count = 0;
        for item in rest {
            let w = weight(item);
            if count > 0 && taken + 0.5 * w > goal && remaining > 1 {
                break;
            }
            taken += w;
            count += 1;
        }
        let count = if remaining == 1 { rest.len() } else { count };
        let (group, after) = rest.split_at(count);
        groups.push(group);
        rest = after;
        left -= taken;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shrinking_keeps_mean_variance_and_weight(points in proptest::collection::vec((-50.0_f64..500.0, 0.001_f64..1.0), 1..200), most in 1_usize..20) {
            let law = Atoms::new(points.into_iter().map(|(value, weight)| Atom { value, variance: 0.0, weight }).collect());
            let small = law.clone().shrunk(most);
            prop_assert!(small.points().len() <= most);
            prop_assert!((small.mean() - law.mean()).abs() < 1e-6);
            prop_assert!((small.points().iter().map(|a| a.weight).sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!((small.variance() - law.variance()).abs() < 1e-6 * law.variance().max(1.0));
            prop_assert!(law.quantile(0.1) <= law.quantile(0.5) && law.quantile(0.5) <= law.quantile(0.9));
        }
    }

    #[test]
    fn sums_add() {
        let side = |value: f64| Atom {
            value,
            variance: 0.0,
            weight: 1.0,
        };
        let coin = Atoms::new(vec![side(0.0), side(10.0)]);
        let two = coin.plus(&coin, 9);
        assert!((two.mean() - 10.0).abs() < 1e-12 && (two.variance() - 50.0).abs() < 1e-9);
    }
}
