//! What incidents that are over say of the next one: how many call, how soon, and how much incidents differ in both.

use forecall_types::EventTime;
use serde::{Deserialize, Serialize};

use super::{Learning, MEDIAN_RANGE, medians};

/// Shape of the Gamma prior of the propensity before any incident was seen: a coefficient of variation of 0.9.
const FIRST_SHAPE: f64 = 1.235;
/// Prior of the delay's median: lognormal around 18 minutes.
const FIRST_MEDIAN: (f64, f64) = (1080.0, 0.6);
/// How much incidents are taken to differ before they show it (standard deviations of logarithms), and the incidents it is worth.
const PROPENSITY_SPREAD: f64 = 0.8;
const MEDIAN_SPREAD: f64 = 0.45;
const SPREAD_WORTH: f64 = 4.0;
/// The settings' propensity is worth so many incidents.
const FIRST_WORTH: f64 = 1.0;
/// No more incidents than this count: what a company is like changes.
const INCIDENTS_MAX: f64 = 40.0;
/// An incident with fewer calls says nothing reliable of how they come.
const CALLS_FROM: f64 = 30.0;
/// Incidents that have to end before anything is said of how long they last; how much they differ before they show it.
const LASTING_FROM: f64 = 3.0;
const LASTING_SPREAD: f64 = 0.8;
const LASTING_FIRST: f64 = 7_200.0;
const LASTING_RANGE: (f64, f64) = (300.0, 7.0 * 86_400.0);
/// The mean of logarithms goes no further than a factor of twenty from the settings'.
const SCALE_MAX: f64 = 3.0;

/// What is thought of an incident before its first call.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SurgePriors {
    /// Typical propensity ÷ the settings'.
    pub scale: f64,
    /// Standard deviation of its logarithm; none: no incident was seen, a Gamma law.
    pub spread: Option<f64>,
    /// Median of the delay in seconds.
    pub median_seconds: f64,
    /// Standard deviation of its logarithm.
    pub median_spread: f64,
    /// How long incidents last; none: none was seen to its end.
    pub lasting: Option<Lasting>,
}

/// How long incidents last: a lognormal law.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lasting {
    /// Median in seconds.
    pub median_seconds: f64,
    /// Standard deviation of the logarithm.
    pub spread: f64,
}

impl Lasting {
    /// Chance that an incident lasts longer than so many seconds.
    fn beyond(self, seconds: f64) -> f64 {
        if seconds <= 0.0 {
            return 1.0;
        }
        let z = libm::log(seconds / self.median_seconds) / self.spread;
        0.5 * libm::erfc(z / std::f64::consts::SQRT_2)
    }

    /// The same of one that has lasted `so_far` seconds.
    pub(super) fn still(self, so_far: f64, seconds: f64) -> f64 {
        // Far beyond all that was seen the law says nothing: it goes on as long again.
        let known = self.beyond(so_far);
        if known < 1e-3 {
            return libm::exp(-(seconds - so_far).max(0.0) / so_far.max(1.0));
        }
        (self.beyond(seconds.max(so_far)) / known).clamp(0.0, 1.0)
    }
}

impl Default for SurgePriors {
    fn default() -> Self {
        Self {
            scale: 1.0,
            spread: None,
            median_seconds: FIRST_MEDIAN.0,
            median_spread: FIRST_MEDIAN.1,
            lasting: None,
        }
    }
}

impl SurgePriors {
    /// Logarithm of the prior's weight at `node` times the typical propensity, on a grid of logarithms.
    pub(super) fn of_propensity(&self, node: f64) -> f64 {
        match self.spread {
            // A density in p gains a factor p.
            None => FIRST_SHAPE * (libm::log(node) - node),
            Some(spread) => {
                let z = libm::log(node) / spread;
                -0.5 * z * z
            }
        }
    }
}

/// Running mean and spread of a logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Running {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Running {
    fn take(&mut self, x: f64, worth: f64) {
        // Old incidents fade once there are many.
        let kept = self.count.min(INCIDENTS_MAX - 1.0);
        self.squares *= kept / self.count.max(1.0);
        self.count = kept + 1.0;
        let off = x - self.mean;
        self.mean += off / (self.count + worth);
        self.squares += off * (x - self.mean);
    }

    /// Spread between incidents, doubt about their mean included.
    fn spread(&self, first: f64, worth: f64) -> f64 {
        let variance = (SPREAD_WORTH * first * first + self.squares) / (SPREAD_WORTH + self.count);
        libm::sqrt(variance * (1.0 + 1.0 / (self.count + worth)))
    }
}

/// What all incidents so far say. Learned in closed form, an incident at a time: the same incidents give the same priors.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SurgeHistory {
    propensity: Running,
    median: Running,
    lasting: Running,
}

impl SurgeHistory {
    /// Incidents that count.
    pub const fn incidents(&self) -> f64 {
        self.propensity.count
    }

    /// Takes in what was learned of an incident that is over; `prior` is the propensity the settings gave for it, `calls` those
    /// that it brought, `lasted_seconds` its time from the onset to the end.
    pub fn take(&mut self, learning: &Learning, prior: f64, calls: f64, lasted_seconds: f64) {
        if calls.is_nan() || calls < CALLS_FROM || prior.is_nan() || prior <= 0.0 {
            return;
        }
        let cells = learning.posterior();
        let all: f64 = cells.iter().map(|c| c.weight).sum();
        if all <= 0.0 {
            return;
        }
        let medians: Vec<f64> = medians().collect();
        let mean =
            |of: &dyn Fn(&super::Cell) -> f64| cells.iter().map(|c| c.weight * of(c)).sum::<f64>() / all;
        let propensity = mean(&|c| libm::log(c.propensity / prior)).clamp(-SCALE_MAX, SCALE_MAX);
        let median = mean(&|c| libm::log(medians.get(c.median).copied().unwrap_or(FIRST_MEDIAN.0)));
        self.propensity.take(propensity, FIRST_WORTH);
        self.median.take(median - libm::log(FIRST_MEDIAN.0), FIRST_WORTH);
        if lasted_seconds.is_finite() && lasted_seconds > 0.0 {
            let lasted = lasted_seconds.clamp(LASTING_RANGE.0, LASTING_RANGE.1);
            self.lasting.take(libm::log(lasted / LASTING_FIRST), 0.0);
        }
    }

    /// What is thought of the next one.
    pub fn priors(&self) -> SurgePriors {
        if self.propensity.count < 0.5 {
            return SurgePriors::default();
        }
        let median = FIRST_MEDIAN.0 * libm::exp(self.median.mean);
        SurgePriors {
            scale: libm::exp(self.propensity.mean),
            spread: Some(self.propensity.spread(PROPENSITY_SPREAD, FIRST_WORTH)),
            median_seconds: median.clamp(MEDIAN_RANGE.0, MEDIAN_RANGE.1),
            median_spread: self.median.spread(MEDIAN_SPREAD, FIRST_WORTH),
            lasting: (self.lasting.count >= LASTING_FROM).then(|| Lasting {
                median_seconds: LASTING_FIRST * libm::exp(self.lasting.mean),
                spread: self.lasting.spread(LASTING_SPREAD, 1.0),
            }),
        }
    }
}

impl Learning {
    /// Propensity as it is known now, on average.
    pub fn propensity(&self) -> f64 {
        self.posterior().iter().map(|c| c.weight * c.propensity).sum()
    }

    /// Start of the first bin that isn't taken in.
    pub const fn learned_to(&self) -> EventTime {
        self.learned_to
    }
}
