//! What a detector keeps only while something is unusual, so that a series that is well stays small.

use forecall_types::EventTime;
use serde::{Deserialize, Serialize};

use crate::DetectSettings;
use crate::channel::Far;
use crate::policy::Lifecycle;
use crate::settings::seconds;

/// After so many time constants next to nothing is left of past anomalies.
const FORGOTTEN_AFTER: u32 = 5;

/// What a series needs while something is, or lately was, unusual; let go when all is as it was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) life: Lifecycle,
    pub(crate) abnormal_since: Option<EventTime>,
    pub(crate) abnormal_samples: u32,
    /// Anomalies opened, fading within `habituation_seconds`.
    pub(crate) alerts: f64,
    pub(crate) alerted_at: Option<EventTime>,
    pub(crate) spike_far: Far,
    pub(crate) shift_far: Far,
}

impl Trouble {
    /// Anomalies opened lately; those of the past fade.
    pub(crate) fn alerts_at(&self, at: EventTime, settings: &DetectSettings) -> f64 {
        let memory = f64::from(settings.habituation_seconds.max(1));
        self.alerted_at.map_or(0.0, |last| {
            self.alerts * libm::exp(-at.seconds_from(last).max(0.0) / memory)
        })
    }

    /// Counts an opened anomaly.
    pub(crate) fn count_alert(&mut self, at: EventTime, settings: &DetectSettings) -> f64 {
        self.alerts = self.alerts_at(at, settings) + 1.0;
        self.alerted_at = Some(at);
        self.alerts
    }

    /// Whether nothing of it is needed any more.
    pub(crate) fn is_over(&self, at: EventTime, settings: &DetectSettings) -> bool {
        let forgotten = seconds(settings.habituation_seconds.saturating_mul(FORGOTTEN_AFTER));
        self.abnormal_since.is_none()
            && self.spike_far.is_empty()
            && self.shift_far.is_empty()
            && self.life.is_over(at)
            && self.alerted_at.is_none_or(|last| at.since(last) > forgotten)
    }
}
