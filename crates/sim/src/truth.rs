//! What really happened, for scoring a run; nothing of it is shown to forecall.

use std::time::Duration;

use forecall_types::{CustomerId, EventTime};

/// What really happened so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// When the trouble was injected.
    pub onset: EventTime,
    /// First minute in which a customer SLI of the troubled city was out of its objective for at least 3 of 5 minutes: by
    /// the values themselves, never by a score. `None` until it has happened.
    pub impact: Option<EventTime>,
    /// When it was mended.
    pub repaired: EventTime,
    /// Region troubled.
    pub region: &'static str,
    /// Region of the decoy.
    pub decoy_region: &'static str,
    /// When the decoy began.
    pub decoy: EventTime,
    /// Whether the decoy ever passed a limit: it must not.
    pub decoy_impact: bool,
    /// Customers hit.
    pub affected: Vec<CustomerId>,
    /// Who called first when because of the trouble or a notice.
    pub first_contacts: Vec<(CustomerId, EventTime)>,
    /// Calls the trouble brought.
    pub trouble_calls: u64,
    /// Calls the notices themselves brought.
    pub engagement_calls: u64,
    /// Calls that did not come because the caller had been told.
    pub avoided: u64,
    /// First five-minute interval in which the calls since the onset exceeded the 99 % quantile of ordinary ones.
    pub excess: Option<EventTime>,
}

/// Finds the first minute of which at least three of the five from it on were bad.
#[derive(Debug, Clone, Default)]
pub(crate) struct ImpactMeter {
    /// Bad minutes of late, oldest first: at most five.
    bad: Vec<EventTime>,
    pub(crate) impact: Option<EventTime>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl ImpactMeter {
    pub(crate) fn saw_bad(&mut self, at: EventTime) {
        let minute = at.floor(MINUTE);
        if self.impact.is_some() || self.bad.last() == Some(&minute) {
            return;
        }
        self.bad.retain(|m| minute.since(*m) < 5 * MINUTE);
        self.bad.push(minute);
        if self.bad.len() >= 3 {
            self.impact = self.bad.first().copied();
        }
    }
}

/// Counts calls from the onset on against what is ordinary.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExcessMeter {
    calls: f64,
    expected: f64,
    pub(crate) excess: Option<EventTime>,
}

/// Standard normal quantile at 99 %.
const Z99: f64 = 2.326_347_874;

impl ExcessMeter {
    /// An interval that began at `at` is over.
    pub(crate) fn add(&mut self, at: EventTime, calls: f64, expected: f64) {
        self.calls += calls;
        self.expected += expected;
        // Ordinary calls are Poisson here; its 99 % quantile by the normal approximation with the continuity correction.
        let limit = self.expected + Z99 * self.expected.sqrt() + 0.5;
        if self.excess.is_none() && self.calls > limit {
            self.excess = Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impact_is_the_first_of_three_bad_minutes_in_five() {
        let check = |minutes: &[i64], want: Option<i64>| {
            let mut meter = ImpactMeter::default();
            for m in minutes {
                meter.saw_bad(EventTime::from_secs(m * 60 + 30));
            }
            assert_eq!(meter.impact.map(|t| t.secs() / 60), want, "{minutes:?}");
        };
        check(&[10, 11, 12], Some(10));
        check(&[10, 10, 10], None);
        check(&[10, 12, 14], Some(10));
        check(&[10, 12, 15], None);
        check(&[10, 12, 15, 16], Some(12));
    }
}
