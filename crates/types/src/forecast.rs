use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{DomainName, EventTime, IncidentId, QueueName};

/// The probabilities at which a forecast states its quantiles.
pub const FORECAST_LEVELS: [f64; 9] = [0.025, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.975];

/// A predictive distribution by its mean and its quantiles at [`FORECAST_LEVELS`], which rise.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// Expected value.
    pub mean: f64,
    /// Values at [`FORECAST_LEVELS`].
    pub values: [f64; FORECAST_LEVELS.len()],
}

/// Agents needed, with the reasons.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Staffing {
    /// Offered load in erlangs at the mean.
    pub offered_load: f64,
    /// Agents on the phone.
    pub agents: u32,
    /// Agents to schedule, shrinkage added.
    pub scheduled: u32,
    /// Expected share answered in time, of all offered.
    pub service_level: f64,
    /// Expected share of time agents are busy.
    pub occupancy: f64,
}

/// One scenario of an interval: calls and the agents they take.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CallScenario {
    /// Arrivals in the interval.
    pub arrivals: Quantiles,
    /// Agents for them.
    pub staffing: Staffing,
}

/// Calls expected in one interval of one queue, with and without the notices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallForecast {
    /// Domain.
    pub domain: DomainName,
    /// The queue.
    pub queue: QueueName,
    /// Event time at which it was made.
    pub made_at: EventTime,
    /// 1 for the first forecast of this interval, then one more each time.
    pub revision: u32,
    /// Start of the interval.
    pub from: EventTime,
    /// Length of the interval.
    pub step: Duration,
    /// Calls without any incident.
    pub baseline: Quantiles,
    /// With the incidents, had nobody been told.
    pub without_notice: CallScenario,
    /// With the incidents and the notices as sent and planned.
    pub with_notice: CallScenario,
    /// Calls the notices avoid: 10 %, 50 % and 90 % quantile; negative: they cause more than they avoid.
    pub avoided: [f64; 3],
    /// Whether the effect of a notice was measured by a hold-out here or is still the prior.
    pub effect_measured: bool,
    /// Incidents that add calls here.
    pub incidents: Vec<IncidentId>,
    /// Name and version of the model.
    pub model: Arc<str>,
}
