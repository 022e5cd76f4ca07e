//! Whether a series counts, and by which law.

use forecall_types::{EventTime, Traffic, Usual};

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

    /// What its values lie around.
    pub(crate) fn usual(&self) -> Usual {
        let baseline = self.spike.baseline(self.least_scale());
        Usual {
            mean: baseline.location(),
            sd: baseline.scale(),
        }
    }

    /// What a count of requests says of them a second: as is usual, and in the mean from one time to another; `per_second`: it is a rate,
    /// else a count since the sample before.
    pub(crate) fn traffic(
        &self,
        (from, newest): (EventTime, EventTime),
        per_second: bool,
    ) -> Option<Traffic> {
        let seconds = if per_second {
            1.0
        } else {
            usual_interval(self.spike.recent.gaps())
        };
        let recent = self
            .spike
            .recent
            .times(newest)
            .zip(self.spike.recent.values().rev());
        let since: Vec<f64> = recent
            .enumerate()
            .take_while(|(i, (at, _))| *i == 0 || *at >= from)
            .map(|(_, (_, value))| f64::from(value))
            .collect();
        let len = u32::try_from(since.len()).ok().filter(|len| *len > 0)?;
        let now = since.iter().sum::<f64>() / f64::from(len);
        let usual = self.spike.baseline(0.0).location();
        (seconds > 0.0).then(|| Traffic {
            usual: usual.max(0.0) / seconds,
            now: now.max(0.0) / seconds,
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
