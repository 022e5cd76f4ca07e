//! Figures of forecasts that have come true.

use super::backtest::{Backtest, Forecast, LEVELS};

/// How a list of forecasts fared.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// Σ |actual − forecast| ÷ Σ actual; `None` where no call came.
    pub wmape: Option<f64>,
    /// Mean |actual − forecast|.
    pub mae: f64,
    /// That over the mean difference from a week earlier before the test.
    pub mase: Option<f64>,
    /// Forecasts scored.
    pub count: usize,
}

/// A band's share of what came, with how wide it is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Band {
    /// Share within, ends included.
    pub coverage: f64,
    /// Mean width in calls.
    pub width: f64,
}

/// All figures of a backtest.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scores {
    /// Of the mean.
    pub model: Score,
    /// The same, of the median.
    pub median: Score,
    /// The interval a week earlier.
    pub naive: Score,
    /// Mean of eight weeks.
    pub seasonal: Score,
    /// Twice the mean pinball loss over [`LEVELS`], in calls.
    pub crps: f64,
    /// The same over the 13 levels from 2.5 % to 97.5 %.
    pub crps_13: f64,
    /// The middle 80 %.
    pub band_80: Band,
    /// The middle 95 %.
    pub band_95: Band,
    /// Mean calls of an interval.
    pub mean_calls: f64,
}

fn pinball(actual: f64, quantile: f64, level: f64) -> f64 {
    let off = actual - quantile;
    if off >= 0.0 {
        level * off
    } else {
        (level - 1.0) * off
    }
}

fn plain(forecasts: &[Forecast], scale: Option<f64>, value: impl Fn(&Forecast) -> Option<f64>) -> Score {
    let (mut off, mut calls, mut count) = (0.0, 0.0, 0_usize);
    for forecast in forecasts {
        if let (Some(actual), Some(value)) = (forecast.actual, value(forecast)) {
            off += (actual - value).abs();
            calls += actual;
            count += 1;
        }
    }
    let mae = off / real(count.max(1));
    Score {
        wmape: (calls > 0.0).then(|| off / calls),
        mae,
        mase: scale.filter(|_| count > 0).map(|scale| mae / scale),
        count,
    }
}

#[allow(clippy::cast_precision_loss, reason = "numbers of forecasts")]
fn real(count: usize) -> f64 {
    count as f64
}

fn band(forecasts: &[Forecast], low: f64, high: f64) -> Band {
    let at = |forecast: &Forecast, level: f64| {
        let found = LEVELS
            .iter()
            .zip(forecast.quantiles)
            .find(|((l, _), _)| (l - level).abs() < 1e-9);
        found.map_or(f64::NAN, |(_, value)| value)
    };
    let (mut within, mut width, mut count) = (0.0, 0.0, 0.0);
    for forecast in forecasts {
        let Some(actual) = forecast.actual else { continue };
        let (from, to) = (at(forecast, low), at(forecast, high));
        within += f64::from(u8::from((from..=to).contains(&actual)));
        width += to - from;
        count += 1.0;
    }
    if count < 1.0 {
        return Band::default();
    }
    Band {
        coverage: within / count,
        width: width / count,
    }
}

/// Scores what a walk found.
pub fn score(backtest: &Backtest) -> Scores {
    let (forecasts, scale) = (&backtest.forecasts, backtest.scale);
    let mut losses = [0.0; LEVELS.len()];
    let (mut calls, mut count) = (0.0, 0.0);
    for forecast in forecasts {
        let Some(actual) = forecast.actual else { continue };
        calls += actual;
        count += 1.0;
        for ((loss, (level, _)), quantile) in losses.iter_mut().zip(LEVELS).zip(forecast.quantiles) {
            *loss += pinball(actual, quantile, level);
        }
    }
    let count = f64::max(count, 1.0);
    let crps = |skip: usize| {
        let inner: Vec<f64> = losses
            .iter()
            .skip(skip)
            .take(LEVELS.len() - 2 * skip)
            .copied()
            .collect();
        2.0 * inner.iter().sum::<f64>() / (count * real(inner.len()))
    };
    let median = |forecast: &Forecast| {
        let middle = forecast.quantiles.get(LEVELS.len() / 2);
        middle.copied()
    };
    Scores {
        model: plain(forecasts, scale, |f| Some(f.mean)),
        median: plain(forecasts, scale, median),
        naive: plain(forecasts, scale, |f| f.naive),
        seasonal: plain(forecasts, scale, |f| f.seasonal),
        crps: crps(0),
        crps_13: crps(1),
        band_80: band(forecasts, 0.1, 0.9),
        band_95: band(forecasts, 0.025, 0.975),
        mean_calls: calls / count,
    }
}
