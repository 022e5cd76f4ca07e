//! Calls expected in one interval of one queue, with and without the notices.

use forecall_types::{FORECAST_LEVELS, Quantiles, Reject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scalar::{Name, Number, Seconds, Share, Time};
use super::shape::{Shape, bad, published};

/// A value that is not exceeded with a given probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quantile {
    /// The probability.
    pub p: Share,
    /// The value.
    pub value: Number,
}

/// A predictive distribution by its mean and its quantiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// Expected value.
    pub mean: Number,
    /// Quantiles at 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95 and 0.975, in this order.
    pub quantiles: Vec<Quantile>,
}

impl Shape<Quantiles> for Distribution {
    fn put(inner: &Quantiles) -> Self {
        let quantiles = FORECAST_LEVELS
            .iter()
            .zip(&inner.values)
            .map(|(p, value)| Quantile {
                p: Shape::put(&forecall_types::Probability::clamped(*p)),
                value: Number(*value),
            });
        Self {
            mean: Number(inner.mean),
            quantiles: quantiles.collect(),
        }
    }
    fn take(self) -> Result<Quantiles, Reject> {
        let mut quantiles = Quantiles {
            mean: self.mean.0,
            ..Quantiles::default()
        };
        if self.quantiles.len() != FORECAST_LEVELS.len() {
            return Err(bad("quantiles: there are not nine"));
        }
        let slots = quantiles.values.iter_mut().zip(FORECAST_LEVELS);
        for ((slot, level), read) in slots.zip(self.quantiles) {
            let p: forecall_types::Probability = read.p.take()?;
            if p.get().to_bits() != level.to_bits() {
                return Err(bad("quantiles: a level is not the one that stands here"));
            }
            *slot = read.value.0;
        }
        Ok(quantiles)
    }
}

/// Calls that the notices avoid, by three quantiles; negative: they cause more than they avoid.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Avoided {
    /// 10 % quantile.
    pub p10: Number,
    /// Median.
    pub p50: Number,
    /// 90 % quantile.
    pub p90: Number,
}

impl Shape<[f64; 3]> for Avoided {
    fn put(inner: &[f64; 3]) -> Self {
        let [p10, p50, p90] = inner.map(Number);
        Self { p10, p50, p90 }
    }
    fn take(self) -> Result<[f64; 3], Reject> {
        Ok([self.p10.0, self.p50.0, self.p90.0])
    }
}

published! {
    /// Agents needed, with the reasons.
    Staffing of Staffing {
        /// Offered load in erlangs at the mean.
        offered_load_erlangs: Number = offered_load,
        /// Agents on the phone.
        agents: u32 = agents,
        /// Agents to schedule, shrinkage added.
        scheduled: u32 = scheduled,
        /// Expected share answered in time, of all offered.
        service_level: Number = service_level,
        /// Expected share of time agents are busy.
        occupancy: Number = occupancy,
    }
}

published! {
    /// One scenario of an interval: calls and the agents they take.
    CallScenario of CallScenario {
        /// Arrivals in the interval.
        arrivals: Distribution = arrivals,
        /// Agents for them.
        staffing: Staffing = staffing,
    }
}

published! {
    /// Calls expected in one interval of one queue, with and without the notices.
    CallForecast of CallForecast {
        /// Domain.
        domain: Name = domain,
        /// The queue.
        queue: Name = queue,
        /// Event time at which it was made.
        made_at: Time = made_at,
        /// 1 for the first forecast of this interval, then one more each time.
        revision: u32 = revision,
        /// Start of the interval.
        from: Time = from,
        /// Length of the interval in seconds.
        step_seconds: Seconds = step,
        /// Calls without any incident.
        baseline: Distribution = baseline,
        /// With the incidents, had nobody been told.
        without_notice: CallScenario = without_notice,
        /// With the incidents and the notices as sent and planned.
        with_notice: CallScenario = with_notice,
        /// Calls the notices avoid.
        avoided: Avoided = avoided,
        /// Whether the effect of a notice was measured by a hold-out here (true) or is still the prior (false).
        effect_measured: bool = effect_measured,
        /// Incidents that add calls here.
        #[serde(default)]
        incidents: Vec<Name> = incidents,
        /// Name and version of the model.
        model: String = model,
    }
}
