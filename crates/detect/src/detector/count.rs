//! Whether a series counts, and by which law.

use super::{Detector, View};
use crate::channel::{CountLaw, Counted, is_whole};
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
            Part::Rate | Part::ObservationRate => self.spike.recent.interval_seconds(),
            Part::Quantile(_) => return None,
        };
        CountLaw::of(&Counted {
            baseline: &view.baseline,
            slow: self.shift.slow_mean(),
            exposure,
        })
    }

    /// Looks whether a value is a count; `seconds` since the value before. One that is none makes the series none, for ever.
    pub(super) fn see_whether_it_counts(&mut self, value: f64, seconds: Option<f64>) {
        let nature = &mut self.shift.nature;
        if !nature.counts() {
            return;
        }
        let exposure = match nature.part() {
            Part::Same => Some(1.0),
            Part::Rate | Part::ObservationRate => seconds,
            Part::Quantile(_) => None,
        };
        if exposure.is_some_and(|exposure| !is_whole(value, exposure)) {
            nature.never_counts();
        }
    }
}
