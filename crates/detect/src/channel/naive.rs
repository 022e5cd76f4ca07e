//! What the channels are tested against: everything is kept, and everything reckoned anew at each value.

use forecall_stats::{StudentTail, TailHistogram, surprise};

use super::calibration::Trust;

/// Deviations wait so long before they count.
const WAITING: usize = 21;

fn in_record(deviations: &[f64]) -> &[f64] {
    &deviations[..deviations.len().saturating_sub(WAITING)]
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap())
}

/// Mean of `memory` values: each counts the same until so many were seen, then the old ones fade.
pub(super) fn fading(values: &[f64], memory: usize) -> f64 {
    let mut weight = 1.0;
    let mut sum = 0.0;
    for (i, value) in values.iter().enumerate().rev() {
        let rate = 1.0 / count((i + 1).min(memory));
        sum += weight * rate * value;
        weight *= 1.0 - rate;
    }
    sum
}

/// Whether so many of the deviations are told apart that their tail is as steep as a plain histogram says.
pub(super) fn is_told_apart(deviations: &[f64]) -> bool {
    let recorded = in_record(deviations);
    recorded.is_empty() || 10 * recorded.iter().filter(|sds| **sds >= 0.5).count() > recorded.len()
}

/// Whether any of the deviations counts yet.
pub(super) fn is_recorded(deviations: &[f64]) -> bool {
    !in_record(deviations).is_empty()
}

/// The score of `sds` after `deviations`: by Student's tail at first, ever more by theirs.
pub(super) fn score(deviations: &[f64], sds: f64, trust: Trust) -> f64 {
    let Trust {
        shrink,
        own_after,
        alike,
    } = trust;
    if sds < 1.0 {
        return 0.0;
    }
    let mut own = TailHistogram::default();
    in_record(deviations).iter().for_each(|sds| own.add(*sds));
    let general = surprise(StudentTail::new(4.0).upper(sds / shrink));
    let total = f64::from(own.total());
    general + total / (total + own_after) * (own.surprise(sds, alike) - general)
}

/// Whether two figures are the same, but for what single precision loses.
pub(super) fn is_near(got: f64, want: f64, size: f64) -> bool {
    (got - want).abs() <= 1e-5 * size.abs().max(1.0)
}
