//! What others alert by, each with the settings that it may be given: those that do best on the worlds for choosing are used.

use super::score::Alert;
use super::world::{ERRORS, LATENCY, MEASURED, METRICS, MINUTES, SCOPES, World};

/// A way to alert, with one choice of its settings.
pub(crate) struct Rival {
    pub(crate) method: &'static str,
    pub(crate) settings: String,
    pub(crate) alerts: Vec<Alert>,
}

/// An alert that was raised isn't raised again for so long after it went: as a pager groups it.
const QUIET: usize = 30;

/// As Alertmanager groups by service and region: one alert as long as any condition holds.
fn raised(world: usize, scope: usize, holds: impl Fn(usize) -> bool, into: &mut Vec<Alert>) {
    let mut last: Option<usize> = None;
    for minute in 0..MINUTES {
        if !holds(minute) {
            continue;
        }
        if last.is_none_or(|l| minute - l > QUIET) {
            into.push(Alert {
                world,
                minute,
                scopes: vec![scope],
            });
        }
        last = Some(minute);
    }
}

/// Whether a condition has held for so many minutes.
fn lasting(condition: &[bool], minutes: usize) -> Vec<bool> {
    let mut run = 0;
    condition
        .iter()
        .map(|holds| {
            run = if *holds { run + 1 } else { 0 };
            run > minutes
        })
        .collect()
}

fn any(all: &[Vec<bool>]) -> Vec<bool> {
    (0..MINUTES).map(|m| all.iter().any(|one| one[m])).collect()
}

/// Share of requests that fail or are slower than the objective, of log-normal times whose p95 is known.
fn bad_share(values: &[Vec<f64>], minute: usize) -> f64 {
    let off = (MEASURED[LATENCY].limit / values[LATENCY][minute].max(1e-6)).ln() / 0.5 + 1.645;
    let slow = 0.5 * libm_erfc(off / std::f64::consts::SQRT_2);
    (values[ERRORS][minute] + slow).min(1.0)
}

/// Abramowitz and Stegun 7.1.26: within 1.5e-7.
fn libm_erfc(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let poly = t
        * (0.254_829_592
            + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let tail = poly * (-x * x).exp();
    if x >= 0.0 { tail } else { 2.0 - tail }
}

/// Mean over the last minutes, itself included.
fn mean_over(values: &[f64], minutes: usize) -> Vec<f64> {
    let mut sums = vec![0.0];
    for value in values {
        sums.push(sums[sums.len() - 1] + value);
    }
    (0..values.len())
        .map(|m| {
            let from = (m + 1).saturating_sub(minutes);
            (sums[m + 1] - sums[from]) / (m + 1 - from) as f64
        })
        .collect()
}

/// The three pairs of windows of the SRE workbook; what may be chosen is the objective.
fn burn_rate(values: &[Vec<f64>], budget: f64) -> Vec<bool> {
    let bad: Vec<f64> = (0..MINUTES).map(|m| bad_share(values, m)).collect();
    let over = |factor: f64, long: usize, short: usize| -> Vec<bool> {
        let (long, short) = (mean_over(&bad, long), mean_over(&bad, short));
        let beyond = |v: f64| v > factor * budget;
        (0..MINUTES)
            .map(|m| beyond(long[m]) && beyond(short[m]))
            .collect()
    };
    any(&[over(14.4, 60, 5), over(6.0, 360, 30), over(1.0, 4_320, 360)])
}

/// Prometheus' `predict_linear(metric[window], ahead)` against each limit.
fn predict_linear(values: &[Vec<f64>], (window, ahead, lasts): (usize, usize, usize)) -> Vec<bool> {
    let all: Vec<Vec<bool>> = (0..METRICS)
        .filter(|m| MEASURED[*m].limit.is_finite())
        .map(|m| {
            let (sign, limit) = (MEASURED[m].sign, MEASURED[m].limit);
            let line = line_ahead(&values[m], window, ahead);
            let beyond: Vec<bool> = line.iter().map(|v| (v - limit) * sign > 0.0).collect();
            lasting(&beyond, lasts)
        })
        .collect();
    any(&all)
}

/// The least-squares line of the last minutes, so many ahead.
fn line_ahead(values: &[f64], window: usize, ahead: usize) -> Vec<f64> {
    let n = window as f64;
    let mean_t = (n - 1.0) / 2.0;
    let sxx = n * (n * n - 1.0) / 12.0;
    let (mut sum, mut weighted) = (0.0, 0.0);
    let mut out = Vec::with_capacity(values.len());
    for (minute, value) in values.iter().enumerate() {
        // Times count from the oldest of the window.
        if minute >= window {
            let oldest = values[minute - window];
            sum -= oldest;
            weighted -= sum;
            weighted += (n - 1.0) * value;
            sum += value;
        } else {
            weighted += minute as f64 * value;
            sum += value;
        }
        if minute + 1 < window {
            out.push(f64::NAN);
            continue;
        }
        let slope = (weighted - mean_t * sum) / sxx;
        out.push(sum / n + slope * (n - 1.0 - mean_t + ahead as f64));
    }
    out
}

fn thresholds(values: &[Vec<f64>], (share, lasts): (f64, usize)) -> Vec<bool> {
    let all: Vec<Vec<bool>> = (0..METRICS)
        .filter(|m| MEASURED[*m].limit.is_finite())
        .map(|m| {
            let metric = &MEASURED[m];
            let beyond: Vec<bool> = values[m]
                .iter()
                .map(|v| {
                    if metric.sign > 0.0 {
                        *v > share * metric.limit
                    } else {
                        // The nearer to 1, the later: from four hours before the end.
                        *v < (1.0 - share) * 4.0 * 3_600.0
                    }
                })
                .collect();
            lasting(&beyond, lasts)
        })
        .collect();
    any(&all)
}

/// All methods with all their settings on one world.
pub(crate) fn run(number: usize, world: &World, rivals: &mut Vec<Rival>) {
    let mut add = |method: &'static str, settings: String, condition: &dyn Fn(&[Vec<f64>]) -> Vec<bool>| {
        let mut alerts = Vec::new();
        for scope in 0..SCOPES {
            let holds = condition(&world.values[scope]);
            raised(number, scope, |m| holds[m], &mut alerts);
        }
        match rivals
            .iter_mut()
            .find(|r| r.method == method && r.settings == settings)
        {
            Some(rival) => rival.alerts.extend(alerts),
            None => rivals.push(Rival {
                method,
                settings,
                alerts,
            }),
        }
    };
    for budget in [0.002, 0.0025, 0.003, 0.004, 0.005, 0.01, 0.02] {
        add("burn rate", format!("budget {budget}"), &|v| burn_rate(v, budget));
    }
    for window in [15, 30, 60, 120] {
        for ahead in [20, 30, 45, 60] {
            for lasts in [0, 5, 10, 20] {
                let name = format!("[{window}m], {ahead} min ahead, for {lasts} min");
                add("predict_linear", name, &|v| {
                    predict_linear(v, (window, ahead, lasts))
                });
            }
        }
    }
    for share in [0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0] {
        for lasts in [0, 3, 5, 15] {
            let name = format!("{share} of the limit for {lasts} min");
            add("fixed thresholds", name, &|v| thresholds(v, (share, lasts)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_goes_on() {
        let values: Vec<f64> = (0..50).map(|i| 3.0 + 2.0 * f64::from(i)).collect();
        let ahead = line_ahead(&values, 15, 10);
        assert!(ahead[13].is_nan());
        for minute in 14..50 {
            let expected = 3.0 + 2.0 * (minute as f64 + 10.0);
            assert!(
                (ahead[minute] - expected).abs() < 1e-9,
                "{minute}: {}",
                ahead[minute]
            );
        }
    }

    #[test]
    fn what_holds_on_is_one_alert() {
        let mut alerts = Vec::new();
        let holds = |m: usize| (100..130).contains(&m) || m == 150 || m == 500;
        raised(0, 3, holds, &mut alerts);
        let minutes: Vec<usize> = alerts.iter().map(|a| a.minute).collect();
        assert_eq!(minutes, [100, 500]);
    }

    #[test]
    fn a_means_window_and_a_tail() {
        assert_eq!(mean_over(&[2.0, 4.0, 9.0], 2), [2.0, 3.0, 6.5]);
        assert!((libm_erfc(0.0) - 1.0).abs() < 1e-6 && (libm_erfc(1.0) - 0.157_299).abs() < 1e-5);
        assert_eq!(
            lasting(&[true, true, true, false, true], 1),
            [false, true, true, false, false]
        );
    }
}
