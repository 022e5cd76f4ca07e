//! When a series is expected to reach its limit: by the band ahead, else by its slope.

use std::time::Duration;

use forecall_types::{Anomaly, EventTime};

use crate::group::Tracked;
use crate::settings::{CorrelateSettings, Objective};
use crate::way::{Passes, Way};

/// 80 % of a normal distribution lie within this many standard errors.
const INTERVAL_80: f64 = 1.281_551_565_545;

/// When a series is expected to reach its limit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Onset {
    pub(crate) at: EventTime,
    pub(crate) earliest: EventTime,
    pub(crate) latest: EventTime,
    /// What passes which limit then; `None` where that isn't known from a band ahead.
    pub(crate) passes: Option<Passes>,
}

/// By the band ahead where it is told: when its edges and what is expected pass the limit. Else by the slope.
pub(crate) fn onset(tracked: &Tracked, at: EventTime, settings: &CorrelateSettings) -> Option<Onset> {
    let a = &tracked.anomaly;
    let objective = settings.objective(a)?;
    if objective.gap(a.observed) <= 0.0 {
        let since = tracked.beyond_since.unwrap_or(a.at);
        return Some(Onset {
            at: since,
            earliest: since,
            latest: since,
            passes: None,
        });
    }
    match Way::of(objective, a, settings.horizon()) {
        Some(way) => way.onset(at),
        None => onset_by_slope(objective, a, at, settings),
    }
}

/// Extrapolates by the least-squares slope; the 80 % interval comes from the slope's standard error over the window.
fn onset_by_slope(
    objective: &Objective,
    a: &Anomaly,
    at: EventTime,
    settings: &CorrelateSettings,
) -> Option<Onset> {
    let gap = objective.gap(a.observed);
    let pace = a.slope * objective.sign;
    if pace.is_nan() || pace <= 0.0 {
        return None;
    }
    let horizon = settings.horizon().as_secs_f64();
    let error = slope_error(&a.window).unwrap_or(0.0) * INTERVAL_80;
    let after = |pace: f64| {
        let seconds = if pace > 0.0 {
            (gap / pace).min(2.0 * horizon)
        } else {
            2.0 * horizon
        };
        // Whole seconds: nobody reads more, and events stay alike.
        let span = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        a.at.plus(Duration::from_secs(span.as_secs()))
    };
    let expected = after(pace);
    (expected.seconds_from(at) <= horizon).then(|| Onset {
        at: expected,
        earliest: after(pace + error),
        latest: after(pace - error),
        passes: None,
    })
}

/// Standard error of the least-squares slope; `None` below three points or without a spread in time.
fn slope_error(window: &[(EventTime, f64)]) -> Option<f64> {
    let (origin, _) = *window.first()?;
    let count = u32::try_from(window.len()).ok().filter(|&n| n >= 3)?;
    let n = f64::from(count);
    let points: Vec<(f64, f64)> = window.iter().map(|(t, v)| (t.seconds_from(origin), *v)).collect();
    let mean_t = points.iter().map(|p| p.0).sum::<f64>() / n;
    let mean_v = points.iter().map(|p| p.1).sum::<f64>() / n;
    let sxx: f64 = points.iter().map(|p| (p.0 - mean_t) * (p.0 - mean_t)).sum();
    let sxy: f64 = points.iter().map(|p| (p.0 - mean_t) * (p.1 - mean_v)).sum();
    if sxx.is_nan() || sxx <= 0.0 {
        return None;
    }
    let slope = sxy / sxx;
    let rest: f64 = points
        .iter()
        .map(|p| {
            let off = p.1 - mean_v - slope * (p.0 - mean_t);
            off * off
        })
        .sum();
    let error = (rest / (n - 2.0) / sxx).sqrt();
    error.is_finite().then_some(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_no_slope_error_and_a_scattered_one_has() {
        let line = |noise: f64| {
            (0..10_u32)
                .map(|i| {
                    let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
                    (
                        EventTime::from_secs(i64::from(i) * 60),
                        f64::from(i) + sign * noise,
                    )
                })
                .collect::<Vec<_>>()
        };
        assert!(slope_error(&line(0.0)).unwrap() < 1e-9);
        assert!(slope_error(&line(0.5)).unwrap() > 1e-4);
        assert_eq!(slope_error(&line(0.0)[..2]), None);
        assert_eq!(
            slope_error(&[(EventTime::from_secs(0), 1.0); 5]),
            None,
            "no spread in time"
        );
    }
}
