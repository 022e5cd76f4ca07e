//! What a detector keeps only while something is unusual, so that a series that is well stays small.

use std::time::Duration;

use forecall_types::EventTime;
use serde::{Deserialize, Serialize};

use crate::channel::Far;
use crate::policy::Lifecycle;
use crate::recent::{RECENT_LEN, Values};

/// After ten time constants nothing is left of them.
const ALERTS_FORGOTTEN: Duration = Duration::from_secs(10 * 86_400);

/// What a series needs while something is, or lately was, unusual; let go when all is as it was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) life: Lifecycle,
    pub(crate) abnormal_since: Option<EventTime>,
    pub(crate) abnormal_samples: u32,
    /// Anomalies opened, fading with a time constant of a day.
    pub(crate) alerts: f64,
    pub(crate) alerted_at: Option<EventTime>,
    /// The last samples, normal or not, oldest first, while the baseline lacks one of them.
    pub(crate) window: Option<Window>,
    pub(crate) spike_far: Far,
    pub(crate) shift_far: Far,
}

/// The last values and how many of them in a row were normal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    values: Values,
    pub(crate) len: u8,
    pub(crate) normal_run: u8,
}

impl Window {
    /// Of these values, all normal.
    pub(crate) fn of(values: impl Iterator<Item = f32>) -> Self {
        let mut window = Self {
            values: [0.0; RECENT_LEN],
            len: 0,
            normal_run: 0,
        };
        values.for_each(|value| window.push(value, true));
        window
    }

    pub(crate) fn push(&mut self, value: f32, is_normal: bool) {
        self.values.copy_within(1.., 0);
        if let Some(last) = self.values.last_mut() {
            *last = value;
        }
        self.len = (self.len + 1).min(32);
        self.normal_run = if is_normal {
            (self.normal_run + 1).min(32)
        } else {
            0
        };
    }

    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = f32> + '_ {
        self.values
            .iter()
            .skip(RECENT_LEN - usize::from(self.len))
            .copied()
    }
}

impl Trouble {
    /// Counts an opened anomaly; those of the past fade within days.
    pub(crate) fn count_alert(&mut self, at: EventTime) -> f64 {
        if let Some(last) = self.alerted_at {
            self.alerts *= libm::exp(-at.seconds_from(last).max(0.0) / 86_400.0);
        }
        self.alerts += 1.0;
        self.alerted_at = Some(at);
        self.alerts
    }

    /// Whether nothing of it is needed any more.
    pub(crate) fn is_over(&self, at: EventTime) -> bool {
        self.window.is_none()
            && self.abnormal_since.is_none()
            && self.spike_far.is_empty()
            && self.shift_far.is_empty()
            && self.life.is_over(at)
            && self
                .alerted_at
                .is_none_or(|last| at.since(last) > ALERTS_FORGOTTEN)
    }
}
