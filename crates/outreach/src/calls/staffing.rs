//! Agents from what is known of the calls: enough for the rate that is exceeded with chance 1 − confidence, not for the mean.
//!
//! A service level falls with the rate, so the fewest agents that meet it with a chance of at least the confidence are those
//! that meet it at that quantile of the *rate*; the count's own chance is already in Erlang's formulas.

use forecall_stats::erlang::{Offered, Target, agents_needed, outcome, scheduled};
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
/// People who gave up that the settings' patience is worth; and the calls after which what was seen fades.
const PATIENCE_PRIOR: f64 = 50.0;
const PATIENCE_MEMORY_CALLS: f64 = 50_000.0;
/// Nobody waits longer: a record that says so is wrong.
const WAIT_MAX_SECONDS: f64 = 7200.0;
/// Rates over which the expected service level is averaged: the middles of five fifths.
const RATE_LEVELS: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];

/// Calls in conversation, were there agents for all: the load lags behind the arrivals, by a handling time (the modified offered load of
/// Jagerman 1975; Massey & Whitt 1994). Without it a surge is staffed too early and let go too early.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AtWork(f64);

impl AtWork {
    /// After calls have long come at this rate.
    pub fn steady(calls: f64, interval_seconds: f64, handle_seconds: f64) -> Self {
        Self(Offered::per_interval(calls, interval_seconds, handle_seconds).load())
    }

    /// Goes on over an interval with so many calls; says its mean load over that of calls which had come like this all along, held to ⅛ to 8.
    pub fn over(&mut self, calls: f64, interval_seconds: f64, handle_seconds: f64) -> f64 {
        let steady = Offered::per_interval(calls, interval_seconds, handle_seconds).load();
        let spans = interval_seconds / handle_seconds;
        let left = libm::exp(-spans);
        let off = self.0 - steady;
        self.0 = steady + off * left;
        let mean = steady + off * (1.0 - left) / spans;
        let ratio = mean / steady;
        if ratio.is_finite() {
            ratio.clamp(0.125, 8.0)
        } else {
            1.0
        }
    }
}

/// The callers' patience: all time waited over those who gave up, as of an exponential law whose ends are often not seen.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Patience {
    waited_seconds: f64,
    gave_up: f64,
}

impl Patience {
    /// Takes in a call that left the queue after so long, answered or not.
    pub fn update(&mut self, waited_seconds: f64, gave_up: bool) {
        if !waited_seconds.is_finite() || waited_seconds < 0.0 {
            return;
        }
        let keep = 1.0 - 1.0 / PATIENCE_MEMORY_CALLS;
        self.waited_seconds = keep * self.waited_seconds + waited_seconds.min(WAIT_MAX_SECONDS);
        self.gave_up = keep * self.gave_up + f64::from(u8::from(gave_up));
    }

    /// Its mean in seconds; the settings' counts as some who gave up. None: they wait for ever.
    pub fn seconds(&self, settings: &CallSettings) -> Option<f64> {
        let prior = settings.target().patience_seconds?;
        let seconds = (PATIENCE_PRIOR * prior + self.waited_seconds) / (PATIENCE_PRIOR + self.gave_up);
        Some(seconds.clamp(1.0, 1e6))
    }
}

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

/// How long an interval is, and how calls and callers are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// Length of the interval.
    pub interval_seconds: f64,
    /// Mean handling time.
    pub handle_seconds: f64,
    /// Mean patience; none: callers wait for ever.
    pub patience_seconds: Option<f64>,
    /// What is at work of the interval's calls and of those before, over what it would be, had they come like this all along
    /// ([`AtWork`]).
    pub at_work: f64,
}

/// Agents for calls with these moments.
pub fn staff(calls: Moments, work: Work, settings: &CallSettings) -> Staffing {
    let target = Target {
        patience_seconds: work.patience_seconds,
        ..settings.target()
    };
    // What varies beyond counting is what isn't known of the rate.
    let doubt = (calls.variance - calls.mean).max(0.0);
    let offered =
        |rate: f64| Offered::per_interval(rate * work.at_work, work.interval_seconds, work.handle_seconds);
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

    fn work(handle_seconds: f64, at_work: f64) -> Work {
        Work {
            interval_seconds: 1800.0,
            handle_seconds,
            patience_seconds: Some(180.0),
            at_work,
        }
    }

    #[test]
    fn patience_is_all_time_waited_over_those_who_gave_up() {
        let settings = CallSettings::default();
        let mut patience = Patience::default();
        assert_eq!(patience.seconds(&settings), Some(180.0));
        // Callers of 600 s of patience who are answered after 60 s at most: few give up, and those early.
        let mut uniform = 0.5_f64;
        for _ in 0..40_000 {
            uniform = (uniform * 997.0 + 0.123).fract();
            let patient = -600.0 * libm::log(1.0 - uniform);
            patience.update(patient.min(60.0), patient < 60.0);
        }
        let found = patience.seconds(&settings).unwrap();
        assert!((found - 580.0).abs() < 40.0, "{found}");
        let before = patience;
        patience.update(f64::NAN, true);
        assert_eq!(patience, before);
        let endless = CallSettings {
            patience_seconds: None,
            ..settings
        };
        assert_eq!(
            patience.seconds(&endless),
            None,
            "who is said to wait for ever does"
        );
    }

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
                work(240.0, 1.0),
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
    fn the_load_lags_behind_the_calls_by_a_handling_time() {
        // Twenty minutes a call, half hours: what a leap from 30 to 90 calls brings into conversation, by steps of a second.
        let (step, handle) = (1800.0, 1200.0);
        let mut own = AtWork::steady(30.0, step, handle);
        let mut by_steps: f64 = 30.0 / step * handle;
        for calls in [30.0, 90.0, 90.0, 30.0, 0.0] {
            let ratio = own.over(calls, step, handle);
            let mut sum = 0.0;
            for _ in 0..18_000 {
                by_steps += 0.1 * (calls / step - by_steps / handle);
                sum += by_steps / 18_000.0;
            }
            let steady: f64 = calls / step * handle;
            if steady > 0.0 {
                assert!(
                    (ratio - sum / steady).abs() < 1e-3,
                    "{calls}: {ratio} {}",
                    sum / steady
                );
            } else {
                assert!((ratio - 1.0).abs() < 1e-12, "no calls: nothing to scale");
            }
        }
        // Calls that have long come like this change nothing.
        let ratio = AtWork::steady(50.0, step, handle).over(50.0, step, handle);
        assert!((ratio - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_surge_of_long_calls_is_staffed_as_it_gets_to_work() {
        let settings = CallSettings::default();
        let agents = |at_work: f64| {
            let calls = Moments {
                mean: 90.0,
                variance: 120.0,
            };
            staff(calls, work(1200.0, at_work), &settings).agents
        };
        let mut own = AtWork::steady(30.0, 1800.0, 1200.0);
        let (first, second) = (own.over(90.0, 1800.0, 1200.0), own.over(90.0, 1800.0, 1200.0));
        assert!(agents(first) < agents(second) && agents(second) < agents(1.0));
    }

    #[test]
    fn no_calls_take_no_agents() {
        let none = staff(
            Moments {
                mean: 0.0,
                variance: 0.0,
            },
            work(240.0, 1.0),
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
