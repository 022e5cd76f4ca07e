//! Whether a series counts, and by which law.

use super::{Detector, View};
use crate::channel::{CountLaw, Counted};
use crate::rate::Part;

impl Detector {
    /// The law of a series whose values so far were all counts; `None` of others, and of large ones.
    pub(super) fn count_law(&self, view: &View) -> Option<CountLaw> {
        let nature = self.shift.nature;
        if !nature.counts() {
            return None;
        }
        let exposure = match nature.part() {
            Part::Same => 1.0,
            Part::Rate | Part::ObservationRate => usual_interval(self.spike.recent.gaps()),
            Part::Quantile(_) => return None,
        };
        CountLaw::of(&Counted {
            baseline: &view.baseline,
            slow: self.shift.slow_mean(),
            exposure,
        })
    }

    /// One value that is no whole number of events makes the series none of counts, for ever.
    pub(crate) const fn counts_so_far(&mut self, counts: bool) {
        if !counts {
            self.shift.nature.never_counts();
        }
    }
}

/// The middle one of the seconds between the last samples: a pause is no interval.
fn usual_interval(gaps: impl Iterator<Item = f64>) -> f64 {
    let mut gaps: Vec<f64> = gaps.collect();
    forecall_stats::median(&mut gaps).unwrap_or(0.0)
}
