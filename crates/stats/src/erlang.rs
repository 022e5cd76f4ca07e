//! Agents and waiting: Erlang B, C and A.
//!
//! Erlang C is M/M/n; Erlang A is M/M/n+M, where callers lose patience after an exponential time (Palm 1957; Garnett,
//! Mandelbaum & Reiman 2002). The virtual wait of Erlang A has the density λ π₍ₙ₋₁₎ exp((λ/θ)(1 − e^(−θx)) − nμx)
//! (Baccelli & Hebuterne 1981), from which its service level is integrated. Times are seconds.

/// More agents than any one queue has; the bound of every search.
pub const AGENTS_MAX: u32 = 20_000;
/// Callers waiting beyond this are not counted: with less, the heaviest overload asked of us keeps 12 digits.
const WAITING_MAX: u32 = 400_000;
/// Panels of Simpson's rule over the answering time: 128 give 10 digits for thresholds of minutes.
const PANELS: u32 = 128;

/// Work offered to a queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offered {
    /// Calls a second.
    pub calls_per_second: f64,
    /// Average handling time in seconds: talk, hold and after-call work.
    pub handle_seconds: f64,
}

impl Offered {
    /// `calls` in an interval of `interval_seconds`. What is no number or not positive becomes 0 calls.
    pub fn per_interval(calls: f64, interval_seconds: f64, handle_seconds: f64) -> Self {
        let rate = calls / interval_seconds;
        Self {
            calls_per_second: if rate.is_finite() { rate.max(0.0) } else { 0.0 },
            handle_seconds: if handle_seconds.is_finite() {
                handle_seconds.max(0.0)
            } else {
                0.0
            },
        }
    }

    /// Offered load in erlangs.
    pub fn load(&self) -> f64 {
        self.calls_per_second * self.handle_seconds
    }
}

/// How callers fare with a number of agents.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Chance that a caller has to wait.
    pub wait: f64,
    /// Answered within the threshold ÷ offered.
    pub service_level: f64,
    /// Mean wait in seconds over all callers, those who gave up included; infinite in overload without patience.
    pub mean_wait_seconds: f64,
    /// Share of time an agent is busy.
    pub occupancy: f64,
    /// Gave up ÷ offered.
    pub abandoned: f64,
}

/// What is asked of a queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Share of offered calls to answer in time, 0 to 1.
    pub service_level: f64,
    /// In this many seconds.
    pub threshold_seconds: f64,
    /// Agents are busy at most this share of time, 0 to 1.
    pub occupancy_max: f64,
    /// Mean patience of callers in seconds; `None`: they wait for ever (Erlang C).
    pub patience_seconds: Option<f64>,
}

/// Chance that all of `agents` are busy where blocked calls are lost (Erlang B).
pub fn erlang_b(load: f64, agents: u32) -> f64 {
    if load.is_nan() || load <= 0.0 {
        return f64::from(u8::from(agents == 0));
    }
    let mut blocked = 1.0;
    for i in 1..=agents.min(AGENTS_MAX) {
        blocked = load * blocked / (f64::from(i) + load * blocked);
    }
    blocked
}

/// Erlang C. In overload (load ≥ agents) everybody waits and nobody is answered in time.
pub fn erlang_c(offered: Offered, agents: u32, threshold_seconds: f64) -> Outcome {
    let load = offered.load();
    if load <= 0.0 {
        return idle();
    }
    let n = f64::from(agents);
    if load >= n {
        return Outcome {
            wait: 1.0,
            service_level: 0.0,
            mean_wait_seconds: f64::INFINITY,
            occupancy: 1.0,
            abandoned: 0.0,
        };
    }
    let blocked = erlang_b(load, agents);
    let busy = load / n;
    let wait = blocked / (1.0 - busy * (1.0 - blocked));
    let in_time = libm::exp(-(n - load) * threshold_seconds.max(0.0) / offered.handle_seconds);
    Outcome {
        wait,
        service_level: (1.0 - wait * in_time).clamp(0.0, 1.0),
        mean_wait_seconds: wait * offered.handle_seconds / (n - load),
        occupancy: busy,
        abandoned: 0.0,
    }
}

const fn idle() -> Outcome {
    Outcome {
        wait: 0.0,
        service_level: 1.0,
        mean_wait_seconds: 0.0,
        occupancy: 0.0,
        abandoned: 0.0,
    }
}

/// Erlang A with mean patience `patience_seconds`. Stable at any load; with 0 agents everybody gives up.
pub fn erlang_a(offered: Offered, agents: u32, patience_seconds: f64, threshold_seconds: f64) -> Outcome {
    let load = offered.load();
    if load <= 0.0 {
        return idle();
    }
    if patience_seconds.is_nan() || patience_seconds > 1e9 {
        return erlang_c(offered, agents, threshold_seconds);
    }
    let patience = patience_seconds.max(1e-3);
    if agents == 0 {
        return Outcome {
            wait: 1.0,
            service_level: 0.0,
            mean_wait_seconds: patience,
            occupancy: 1.0,
            abandoned: 1.0,
        };
    }
    let n = f64::from(agents);
    let arrivals = offered.calls_per_second;
    let served = n / offered.handle_seconds;
    let leave = 1.0 / patience;
    // Everything relative to the chance of n − 1 busy agents; rescaled before it overflows.
    let mut unit = 1.0;
    let mut free = 1.0 / erlang_b(load, agents - 1).max(1e-300);
    let (mut tail, mut waiting) = (0.0, 0.0);
    let mut weight = arrivals / served;
    for queued in 0..WAITING_MAX {
        let queued = f64::from(queued);
        tail += weight;
        waiting += queued * weight;
        if tail > 1e200 {
            for value in [&mut unit, &mut free, &mut tail, &mut waiting, &mut weight] {
                *value *= 1e-200;
            }
        }
        let ratio = arrivals / (served + (queued + 1.0) * leave);
        if ratio < 1.0 && weight * (queued + 1.0) < 1e-17 * tail {
            break;
        }
        weight *= ratio;
    }
    let total = free + tail;
    let abandoned = (leave * waiting / total / arrivals).clamp(0.0, 1.0);
    let wait = tail / total;
    let density = libm::log(arrivals) + libm::log(unit / total);
    let at_most = answered_after_wait(arrivals, served, leave, density, threshold_seconds.max(0.0));
    Outcome {
        wait,
        service_level: (1.0 - wait + at_most).clamp(0.0, 1.0 - abandoned),
        mean_wait_seconds: abandoned * patience,
        occupancy: (load * (1.0 - abandoned) / n).clamp(0.0, 1.0),
        abandoned,
    }
}

/// Chance of waiting, staying, and being answered within `threshold`: Simpson's rule over the virtual wait.
fn answered_after_wait(arrivals: f64, served: f64, leave: f64, ln_density: f64, threshold: f64) -> f64 {
    if threshold <= 0.0 {
        return 0.0;
    }
    let step = threshold / f64::from(PANELS);
    let height = |i: u32| {
        let x = step * f64::from(i);
        libm::exp(ln_density - arrivals / leave * libm::expm1(-leave * x) - served * x - leave * x)
    };
    let inner: f64 = (1..PANELS)
        .map(|i| height(i) * if i % 2 == 1 { 4.0 } else { 2.0 })
        .sum();
    (height(0) + inner + height(PANELS)) * step / 3.0
}

/// Erlang A where patience is known, Erlang C where it isn't.
pub fn outcome(offered: Offered, agents: u32, target: Target) -> Outcome {
    match target.patience_seconds {
        Some(patience) => erlang_a(offered, agents, patience, target.threshold_seconds),
        None => erlang_c(offered, agents, target.threshold_seconds),
    }
}

/// The fewest agents that meet `target`; 0 for no work, [`AGENTS_MAX`] where even they don't.
pub fn agents_needed(offered: Offered, target: Target) -> u32 {
    let load = offered.load();
    if load <= 0.0 {
        return 0;
    }
    let meets = |agents: u32| {
        let o = outcome(offered, agents, target);
        o.service_level >= target.service_level && o.occupancy <= target.occupancy_max.max(0.01)
    };
    // Both demands are monotone in agents: gallop up, then bisect.
    let (mut low, mut high) = (0_u32, count_up(load).max(1));
    while high < AGENTS_MAX && !meets(high) {
        low = high;
        high = high.saturating_add((high / 8).max(1)).min(AGENTS_MAX);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if meets(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// Agents to schedule so that `agents` are on the phone when the share `shrinkage` of paid time is lost.
pub fn scheduled(agents: u32, shrinkage: f64) -> u32 {
    let kept = 1.0
        - if shrinkage.is_nan() {
            0.0
        } else {
            shrinkage.clamp(0.0, 0.95)
        };
    // 10⁻⁹ keeps 70 / 0.7 at 100.
    count_up(f64::from(agents) / kept - 1e-9)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to [0, 2^32)"
)]
fn count_up(value: f64) -> u32 {
    value.ceil().clamp(0.0, 4_294_967_295.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(got: f64, want: f64, digits: i32) {
        assert!(
            (got - want).abs() <= 0.5001 * libm::pow(10.0, f64::from(-digits)),
            "{got} is not {want}"
        );
    }

    #[test]
    fn erlang_c_equals_the_reference() {
        // calls, minutes, handling, max occupancy | load, agents, scheduled, P(wait), SL, ASA, occupancy
        let rows = [
            (
                100.0, 30.0, 180.0, 0.85, 10.0, 14, 20, 0.174_132, 0.888_350, 7.8359, 0.714_286,
            ),
            (
                240.0, 30.0, 300.0, 1.0, 40.0, 46, 66, 0.265_791, 0.821_835, 13.2895, 0.869_565,
            ),
            (
                10.0, 15.0, 240.0, 1.0, 2.6667, 5, 8, 0.161_635, 0.866_927, 16.6253, 0.533_333,
            ),
            (
                2000.0, 30.0, 180.0, 0.92, 200.0, 218, 312, 0.143_229, 0.980_616, 1.4323, 0.917_431,
            ),
        ];
        for (calls, minutes, handle, occupancy_max, load, agents, rostered, wait, level, asa, busy) in rows {
            let offered = Offered::per_interval(calls, minutes * 60.0, handle);
            let target = Target {
                service_level: 0.8,
                threshold_seconds: 20.0,
                occupancy_max,
                patience_seconds: None,
            };
            near(offered.load(), load, 4);
            assert_eq!(agents_needed(offered, target), agents);
            assert_eq!(scheduled(agents, 0.3), rostered);
            let got = erlang_c(offered, agents, 20.0);
            near(got.wait, wait, 6);
            near(got.service_level, level, 6);
            near(got.mean_wait_seconds, asa, 4);
            near(got.occupancy, busy, 6);
        }
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table")]
    fn erlang_c_equals_pyworkforce() {
        // pyworkforce 0.5.1, ErlangC.required_positions: calls, minutes of handling and of an interval, seconds, service level, largest
        // occupancy, shrinkage | agents, scheduled, service level, occupancy, P(wait).
        let rows = [
            (
                55.0,
                6.5,
                15.0,
                30.0,
                0.9,
                0.9,
                0.0,
                31,
                31,
                0.935_042_904,
                0.768_817_204,
                0.112_731_518,
            ),
            (
                1.0,
                2.0,
                60.0,
                20.0,
                0.8,
                0.85,
                0.1,
                1,
                2,
                0.971_626_750,
                0.033_333_333,
                0.033_333_333,
            ),
            (
                730.0,
                8.25,
                30.0,
                60.0,
                0.7,
                0.88,
                0.35,
                229,
                353,
                0.998_964_893,
                0.876_637_555,
                0.031_777_138,
            ),
            (
                18.0,
                12.0,
                60.0,
                120.0,
                0.95,
                0.75,
                0.25,
                7,
                10,
                0.951_064_420,
                0.514_285_714,
                0.086_243_217,
            ),
            (
                4200.0,
                4.1,
                60.0,
                10.0,
                0.85,
                0.95,
                0.33,
                303,
                453,
                0.867_199_848,
                0.947_194_719,
                0.254_487_542,
            ),
            (
                333.0,
                2.75,
                15.0,
                15.0,
                0.99,
                0.8,
                0.2,
                77,
                97,
                0.992_515_915,
                0.792_857_143,
                0.031_905_513,
            ),
        ];
        for (
            calls,
            handle,
            minutes,
            within,
            level,
            busiest,
            shrinkage,
            agents,
            rostered,
            served,
            busy,
            wait,
        ) in rows
        {
            let offered = Offered::per_interval(calls, minutes * 60.0, handle * 60.0);
            let target = Target {
                service_level: level,
                threshold_seconds: within,
                occupancy_max: busiest,
                patience_seconds: None,
            };
            assert_eq!(agents_needed(offered, target), agents, "{calls}");
            assert_eq!(scheduled(agents, shrinkage), rostered, "{calls}");
            let got = erlang_c(offered, agents, within);
            near(got.service_level, served, 9);
            near(got.occupancy, busy, 9);
            near(got.wait, wait, 9);
        }
    }

    #[test]
    fn erlang_a_equals_the_reference() {
        let rows = [
            (
                100.0, 180.0, 120.0, 11, 0.094_155, 0.382_816, 11.2986, 0.823_495, 0.742_209, 0.819_355,
            ),
            (
                240.0, 300.0, 180.0, 40, 0.070_897, 0.460_538, 12.7614, 0.929_103, 0.710_381, 0.764_587,
            ),
            (
                1000.0, 240.0, 180.0, 130, 0.050_925, 0.583_277, 9.1665, 0.973_410, 0.779_021, 0.820_821,
            ),
        ];
        for (calls, handle, patience, agents, gone, wait, mean, busy, of_offered, of_answered) in rows {
            let got = erlang_a(
                Offered::per_interval(calls, 1800.0, handle),
                agents,
                patience,
                20.0,
            );
            near(got.abandoned, gone, 6);
            near(got.wait, wait, 6);
            near(got.mean_wait_seconds, mean, 4);
            near(got.occupancy, busy, 6);
            near(got.service_level, of_offered, 6);
            near(got.service_level / (1.0 - got.abandoned), of_answered, 6);
        }
    }

    #[test]
    fn endless_patience_is_erlang_c() {
        let offered = Offered::per_interval(100.0, 1800.0, 180.0);
        let (a, c) = (erlang_a(offered, 14, 1e5, 20.0), erlang_c(offered, 14, 20.0));
        assert!((a.wait - c.wait).abs() < 1e-3 && (a.service_level - c.service_level).abs() < 1e-3);
    }

    #[test]
    fn overload_and_nonsense_are_numbers() {
        let heavy = Offered::per_interval(1e6, 1800.0, 600.0);
        let got = erlang_a(heavy, 10, 300.0, 20.0);
        assert!(got.abandoned > 0.99 && got.service_level < 0.01 && got.wait > 0.999);
        let none = Offered::per_interval(f64::NAN, 0.0, 180.0);
        assert!((erlang_a(none, 5, 60.0, 20.0).service_level - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn more_agents_serve_better(calls in 1.0_f64..3000.0, handle in 30.0_f64..900.0, n in 1_u32..400, patience in 20.0_f64..2000.0) {
            let offered = Offered::per_interval(calls, 1800.0, handle);
            let (less, more) = (erlang_a(offered, n, patience, 20.0), erlang_a(offered, n + 1, patience, 20.0));
            prop_assert!(more.service_level >= less.service_level - 1e-9);
            prop_assert!(more.abandoned <= less.abandoned + 1e-9);
            prop_assert!(less.service_level >= 0.0 && less.service_level + less.abandoned <= 1.0 + 1e-9);
        }
    }
}
