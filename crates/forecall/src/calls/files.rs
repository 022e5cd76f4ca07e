//! What a backtest and a forecast write.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use forecall_outreach::calls::backtest::{Backtest, Forecast, LEVELS, Score, Scores};
use forecall_outreach::calls::table::Table;
use serde_json::{Value, json};

const HEADER: &str = "origin,target,mean,q01,q025,q05,q10,q20,q30,q40,q50,q60,q70,q80,q90,q95,q975,q99";

/// What was asked for.
pub(super) struct About {
    pub(super) history: String,
    pub(super) interval: Duration,
    pub(super) horizon: &'static str,
    pub(super) test_days: usize,
}

/// Forecasts as CSV, times as the history writes them.
pub(super) fn csv(table: &Table, forecasts: &[Forecast]) -> String {
    let mut text = String::with_capacity(HEADER.len() + forecasts.len() * 200);
    text.push_str(HEADER);
    text.push('\n');
    for forecast in forecasts {
        text.push_str(&table.text(forecast.origin));
        text.push(',');
        text.push_str(&table.text(forecast.target));
        for value in std::iter::once(forecast.mean).chain(forecast.quantiles) {
            // A String takes all that is written to it.
            let _ = write!(text, ",{value:.4}");
        }
        text.push('\n');
    }
    text
}

fn figures(score: &Score) -> Value {
    json!({
        "wmape": score.wmape, "wmape_percent": score.wmape.map(|share| 100.0 * share), "mae": score.mae,
        "mase": score.mase, "intervals": score.count,
    })
}

/// All figures; what can't be told (no calls, no week before) is null.
pub(super) fn metrics(about: &About, table: &Table, found: &Backtest, scores: &Scores) -> Value {
    json!({
        "history": about.history,
        "interval_minutes": about.interval.as_secs() / 60,
        "horizon": about.horizon,
        "test_days": about.test_days,
        "train_days": found.train_days,
        "intervals": scores.model.count,
        "intervals_incomplete": table.incomplete,
        "mean_calls": scores.mean_calls,
        "wmape": scores.model.wmape,
        "wmape_percent": scores.model.wmape.map(|share| 100.0 * share),
        "mase": scores.model.mase,
        "mae": scores.model.mae,
        "crps": scores.crps,
        "crps_is": "2 x mean pinball loss over levels",
        "levels": LEVELS.map(|(level, _)| level),
        "coverage_80": scores.band_80.coverage,
        "coverage_95": scores.band_95.coverage,
        "width_80": scores.band_80.width,
        "width_95": scores.band_95.width,
        "median": figures(&scores.median),
        "seasonal_naive": figures(&scores.naive),
        "seasonal_mean_8_weeks": figures(&scores.seasonal),
        "parameters": serde_json::to_value(found.parameters).unwrap_or(Value::Null),
    })
}

pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
}
