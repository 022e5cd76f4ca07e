//! Precision and recall of ranges: Tatbul, Lee, Zdonik, Alam and Gottschlich 2018, "Precision and recall for time series".
//!
//! Each labelled range gives its share that was told, and each told range its share that was labelled, instead of a yes or no a
//! row: one that is found in its last row alone is not one that was found whole, and a range told in five pieces is worth a
//! fifth. Biases are flat; recall gives half for being met at all (α = 0.5), precision gives nothing for that; several pieces
//! in one range are worth the share over their number (γ = 1/x).
//!
//! ```
//! use forecall_backtest::ranges::Ranges;
//!
//! let of = Ranges::of(&[(10, 19)], &[(15, 24)]);
//! assert_eq!((of.precision(), of.recall()), (Some(0.5), Some(0.75)));
//! ```

use crate::alerts::Span;
use crate::figure::whole;

/// What is given for being met at all, of recall.
const EXISTENCE: f64 = 0.5;

/// Sums over ranges; those of several series add up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ranges {
    /// Labelled ranges.
    pub labelled: f64,
    /// What was earned of them.
    pub recalled: f64,
    /// Told ranges.
    pub told: f64,
    /// What was earned of them.
    pub right: f64,
}

/// Rows that two ranges share.
fn shared(a: Span, b: Span) -> f64 {
    let (from, to) = (a.0.max(b.0), a.1.min(b.1));
    if from > to { 0.0 } else { whole(to - from + 1) }
}

/// The share of `range` that `others` cover, over the number of them that do; and whether any does.
fn covered(range: Span, others: &[Span]) -> (f64, bool) {
    let first = others.partition_point(|(_, end)| *end < range.0);
    let (mut rows, mut pieces) = (0.0, 0_usize);
    for other in others
        .iter()
        .skip(first)
        .take_while(|(start, _)| *start <= range.1)
    {
        rows += shared(range, *other);
        pieces += 1;
    }
    let share = rows / whole(range.1 - range.0 + 1) / whole(pieces.max(1));
    (share, pieces > 0)
}

impl Ranges {
    /// Of one series: ranges of rows, both ends within, in order, none within another.
    pub fn of(labelled: &[Span], told: &[Span]) -> Self {
        let recalled = labelled.iter().map(|range| {
            let (share, met) = covered(*range, told);
            (1.0 - EXISTENCE) * share + if met { EXISTENCE } else { 0.0 }
        });
        Self {
            labelled: whole(labelled.len()),
            recalled: recalled.sum(),
            told: whole(told.len()),
            right: told.iter().map(|range| covered(*range, labelled).0).sum(),
        }
    }

    /// Of several series.
    pub fn sum(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::default(), |a, b| Self {
            labelled: a.labelled + b.labelled,
            recalled: a.recalled + b.recalled,
            told: a.told + b.told,
            right: a.right + b.right,
        })
    }

    /// The mean over told ranges; `None` where nothing was told.
    pub fn precision(&self) -> Option<f64> {
        (self.told > 0.0).then(|| self.right / self.told)
    }

    /// The mean over labelled ranges; `None` where nothing is labelled.
    pub fn recall(&self) -> Option<f64> {
        (self.labelled > 0.0).then(|| self.recalled / self.labelled)
    }

    /// The harmonic mean of both; `None` where one of them is of nothing.
    pub fn f1(&self) -> Option<f64> {
        let (precision, recall) = (self.precision()?, self.recall()?);
        let sum = precision + recall;
        Some(if sum > 0.0 {
            2.0 * precision * recall / sum
        } else {
            0.0
        })
    }
}

#[cfg(test)]
#[allow(clippy::cast_precision_loss, reason = "some hundred rows")]
mod tests {
    use super::*;

    fn check(labelled: &[Span], told: &[Span], precision: Option<f64>, recall: Option<f64>) {
        let of = Ranges::of(labelled, told);
        let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-12,
            (None, None) => true,
            _ => false,
        };
        assert!(near(of.precision(), precision), "{labelled:?} {told:?} {of:?}");
        assert!(near(of.recall(), recall), "{labelled:?} {told:?} {of:?}");
    }

    #[test]
    fn ranges_give_what_the_paper_gives() {
        let real = [(10, 19), (40, 49)];
        check(&real, &real, Some(1.0), Some(1.0));
        check(&real, &[], None, Some(0.0));
        check(&[], &real, Some(0.0), None);
        // One is met in a tenth, the other isn't: (0.5 + 0.5 × 0.1 + 0) / 2.
        check(&real, &[(19, 19)], Some(1.0), Some(0.275));
        // The first in two pieces of three rows each: 0.5 + 0.5 × 0.6 / 2.
        check(&real[..1], &[(10, 12), (15, 17)], Some(1.0), Some(0.65));
        // One told range over both: 20 of 40 rows in two pieces; each label is whole.
        check(&real, &[(10, 49)], Some(0.25), Some(1.0));
        // Beside them.
        check(&real, &[(20, 39)], Some(0.0), Some(0.0));
    }

    #[test]
    fn rows_by_rows_it_is_the_definition() {
        let mut state = 3_u64;
        let mut next = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((state >> 33) % below).unwrap()
        };
        for _ in 0..200 {
            let mut some = || {
                let (mut at, mut all) = (0, Vec::new());
                for _ in 0..6 {
                    let from = at + 1 + next(9);
                    let to = from + next(7);
                    all.push((from, to));
                    at = to;
                }
                all
            };
            let (labelled, told) = (some(), some());
            let rows = |range: &Span| (range.0..=range.1).collect::<Vec<_>>();
            let share = |range: &Span, others: &[Span]| {
                let hits = |other: &Span| rows(range).iter().filter(|r| rows(other).contains(r)).count();
                let met: Vec<usize> = others.iter().map(hits).filter(|n| *n > 0).collect();
                let sum: usize = met.iter().sum();
                (
                    sum as f64 / rows(range).len() as f64 / met.len().max(1) as f64,
                    !met.is_empty(),
                )
            };
            let recall: f64 = labelled
                .iter()
                .map(|r| share(r, &told))
                .map(|(s, met)| 0.5 * s + if met { 0.5 } else { 0.0 })
                .sum();
            let precision: f64 = told.iter().map(|r| share(r, &labelled).0).sum();
            check(&labelled, &told, Some(precision / 6.0), Some(recall / 6.0));
        }
    }
}
