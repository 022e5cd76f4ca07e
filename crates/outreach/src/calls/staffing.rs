//! Agents from what is known of the calls: enough for the rate that is exceeded with chance 1 − confidence, not for the mean.
//!
//! A service level falls with the rate, so the fewest agents that meet it with a chance of at least the confidence are those
//! that meet it at that quantile of the *rate*; the count's own chance is already in Erlang's formulas.

use forecall_stats::erlang::{Offered, agents_needed, outcome, scheduled};
use forecall_stats::poisson::gamma_quantile;
use forecall_types::Staffing;
use serde::{Deserialize, Serialize};

use super::baseline::Moments;
use super::settings::CallSettings;

/// Calls the default handling time is worth.
const HANDLE_PRIOR_CALLS: f64 = 50.0;
/// The running mean forgets with this many calls: about a week of one agent's.
const HANDLE_MEMORY_CALLS: f64 = 2000.0;
/// A call handled longer than the mean times this counts as that long: a line left open says nothing.
const HANDLE_CLIP: f64 = 6.0;
/// Rates over which the expected service level is averaged: the middles of five fifths.
const RATE_LEVELS: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];

/// Running mean of the handling time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct HandleTime {
    calls: f64,
    mean_seconds: f64,
}

impl HandleTime {
    /// Takes in a handled call.
    pub fn update(&mut self, seconds: f64, settings: &CallSettings) {
        if !seconds.is_finite() || seconds <= 0.0 {
            return;
        }
        if self.calls <= 0.0 {
            *self = Self {
                calls: HANDLE_PRIOR_CALLS,
                mean_seconds: settings.default_handle_seconds(),
            };
        }
        self.calls = (self.calls + 1.0).min(HANDLE_MEMORY_CALLS);
        let seconds = seconds.min(HANDLE_CLIP * self.mean_seconds);
        self.mean_seconds += (seconds - self.mean_seconds) / self.calls;
    }

    /// Mean in seconds: the default until calls tell.
    pub fn seconds(&self, settings: &CallSettings) -> f64 {
        if self.calls > 0.0 {
            self.mean_seconds.max(1.0)
        } else {
            settings.default_handle_seconds()
        }
    }
}

/// Agents for calls with these moments in an interval of `interval_seconds`.
pub fn staff(
    calls: Moments,
    interval_seconds: f64,
    handle_seconds: f64,
    settings: &CallSettings,
) -> Staffing {
    let target = settings.target();
    // What varies beyond counting is what isn't known of the rate.
    let doubt = (calls.variance - calls.mean).max(0.0);
    let offered = |rate: f64| Offered::per_interval(rate, interval_seconds, handle_seconds);
    let enough = gamma_quantile(calls.mean, doubt, settings.confidence());
    let agents = agents_needed(offered(enough), target);
    let (mut level, mut busy) = (0.0, 0.0);
    for p in RATE_LEVELS {
        let o = outcome(offered(gamma_quantile(calls.mean, doubt, p)), agents, target);
        level += o.service_level / 5.0;
        busy += o.occupancy / 5.0;
    }
    Staffing {
        offered_load: offered(calls.mean).load(),
        agents,
        scheduled: scheduled(agents, settings.shrinkage),
        service_level: level.clamp(0.0, 1.0),
        occupancy: busy.clamp(0.0, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_about_the_rate_takes_more_agents() {
        let settings = CallSettings {
            occupancy_max: 1.0,
            confidence: 0.9,
            ..CallSettings::default()
        };
        // 100 erlangs at 240 s in half an hour: 750 calls.
        let with = |cv: f64| {
            let variance = 750.0 + (750.0 * cv) * (750.0 * cv);
            staff(
                Moments {
                    mean: 750.0,
                    variance,
                },
                1800.0,
                240.0,
                &settings,
            )
            .agents
        };
        let (sure, some, much) = (with(0.0), with(0.1), with(0.2));
        assert!(sure < some && some < much, "{sure} {some} {much}");
        // The quantile of the rate moves by 1.28 × 10 and 20 %: 112 and 124 agents in the literature's example.
        assert!(
            (10..=16).contains(&(some - sure)) && (22..=30).contains(&(much - sure)),
            "{sure} {some} {much}"
        );
    }

    #[test]
    fn no_calls_take_no_agents() {
        let none = staff(
            Moments {
                mean: 0.0,
                variance: 0.0,
            },
            1800.0,
            240.0,
            &CallSettings::default(),
        );
        assert_eq!((none.agents, none.scheduled), (0, 0));
        assert!(!none.service_level.is_nan());
    }

    #[test]
    fn handling_time_is_robust() {
        let settings = CallSettings::default();
        let mut handle = HandleTime::default();
        assert!((handle.seconds(&settings) - 240.0).abs() < 1e-9);
        for i in 0..3000 {
            handle.update(if i % 500 == 0 { 80_000.0 } else { 300.0 }, &settings);
        }
        assert!((handle.seconds(&settings) - 300.0).abs() < 10.0, "{handle:?}");
        handle.update(f64::NAN, &settings);
        assert!(!handle.seconds(&settings).is_nan());
    }
}
