//! The page of a backtest: one file that needs nothing else.

use std::fmt::Write as _;

use forecall_outreach::calls::backtest::{Backtest, Forecast, LEVELS, Score, Scores};
use forecall_outreach::calls::table::{Table, in_words};

use super::files::About;
use super::page::{STYLE, WIDTH, escaped};

/// Intervals shown: more are no longer told apart.
const SHOWN_MAX: usize = 700;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 50.0;

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// A picture's scale: places along x by number, along y by value.
struct Scale {
    count: f64,
    low: f64,
    high: f64,
}

impl Scale {
    #[allow(clippy::cast_precision_loss, reason = "hundreds of points")]
    fn x(&self, number: usize) -> f64 {
        LEFT + (WIDTH - LEFT - 10.0) * (number as f64 + 0.5) / self.count
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        HEIGHT - 30.0 - (HEIGHT - 45.0) * share.clamp(0.0, 1.0)
    }
}

fn quantile(forecast: &Forecast, level: f64) -> f64 {
    let found = LEVELS
        .iter()
        .zip(forecast.quantiles)
        .find(|((l, _), _)| (l - level).abs() < 1e-9);
    found.map_or(forecast.mean, |(_, value)| value)
}

fn area(scale: &Scale, shown: &[Forecast], low: f64, high: f64, class: &str) -> String {
    let mut points = String::new();
    for (number, forecast) in shown.iter().enumerate() {
        let _ = write!(
            points,
            "{:.1},{:.1} ",
            scale.x(number),
            scale.y(quantile(forecast, high))
        );
    }
    for (number, forecast) in shown.iter().enumerate().rev() {
        let _ = write!(
            points,
            "{:.1},{:.1} ",
            scale.x(number),
            scale.y(quantile(forecast, low))
        );
    }
    format!("<polygon class=\"{class}\" points=\"{points}\"/>")
}

fn axes(scale: &Scale, table: &Table, shown: &[Forecast]) -> String {
    let mut svg = String::new();
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let value = scale.low + part * (scale.high - scale.low);
        let y = scale.y(value);
        let _ = write!(
            svg,
            "<line class=\"ax\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke-opacity=\".35\"/><text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>",
            LEFT - 6.0,
            y + 4.0
        );
    }
    let stride = (shown.len() / 7).max(1);
    for (number, forecast) in shown.iter().enumerate().step_by(stride) {
        let text = table.text(forecast.target);
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
            scale.x(number),
            HEIGHT - 10.0,
            escaped(text.get(..16).unwrap_or(&text))
        );
    }
    svg
}

#[allow(clippy::cast_precision_loss, reason = "hundreds of points")]
fn bands(table: &Table, shown: &[Forecast]) -> String {
    let highest = shown
        .iter()
        .map(|f| quantile(f, 0.975).max(f.actual.unwrap_or(0.0)))
        .fold(1.0, f64::max);
    let scale = Scale {
        count: shown.len().max(1) as f64,
        low: 0.0,
        high: highest * 1.03,
    };
    let mut line = String::new();
    let mut dots = String::new();
    for (number, forecast) in shown.iter().enumerate() {
        let x = scale.x(number);
        let _ = write!(line, "{x:.1},{:.1} ", scale.y(forecast.mean));
        if let Some(actual) = forecast.actual {
            let _ = write!(
                dots,
                "<circle class=\"a\" cx=\"{x:.1}\" cy=\"{:.1}\" r=\"1.6\"/>",
                scale.y(actual)
            );
        }
    }
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"forecasts, bands and what came\">{}{}{}<polyline class=\"m\" points=\"{line}\"/>{dots}</svg>",
        axes(&scale, table, shown),
        area(&scale, shown, 0.025, 0.975, "b95"),
        area(&scale, shown, 0.1, 0.9, "b80"),
    )
}

#[allow(clippy::cast_precision_loss, reason = "hundreds of points")]
fn residuals(table: &Table, shown: &[Forecast]) -> String {
    let off: Vec<f64> = shown
        .iter()
        .map(|f| f.actual.map_or(0.0, |actual| actual - f.mean))
        .collect();
    let most = off.iter().fold(1.0_f64, |most, e| most.max(e.abs()));
    let scale = Scale {
        count: shown.len().max(1) as f64,
        low: -most,
        high: most,
    };
    let mut dots = String::new();
    for (number, e) in off.iter().enumerate() {
        let _ = write!(
            dots,
            "<circle class=\"r\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"1.5\"/>",
            scale.x(number),
            scale.y(*e)
        );
    }
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"what came less what was expected\">{}{dots}</svg>",
        axes(&scale, table, shown)
    )
}

/// Share of what came at or below each quantile, and what it should be.
#[allow(clippy::cast_precision_loss, reason = "numbers of forecasts")]
fn coverage(forecasts: &[Forecast]) -> String {
    let mut rows = String::new();
    for (level, _) in LEVELS {
        let came: Vec<bool> = forecasts
            .iter()
            .filter_map(|f| Some(f.actual? <= quantile(f, level)))
            .collect();
        let below = came.iter().filter(|b| **b).count();
        let share = if came.is_empty() {
            "no data".to_owned()
        } else {
            percent(below as f64 / came.len() as f64)
        };
        let _ = write!(rows, "<tr><td>{}</td><td>{share}</td></tr>", percent(level));
    }
    format!("<table><tr><th>quantile</th><th>came at or below it</th></tr>{rows}</table>")
}

fn row(name: &str, score: &Score) -> String {
    let or = |value: Option<String>| value.unwrap_or_else(|| "no data".to_owned());
    format!(
        "<tr><td>{name}</td><td>{}</td><td>{}</td><td>{:.2}</td><td>{}</td></tr>",
        or(score.wmape.map(percent)),
        or(score.mase.map(|mase| format!("{mase:.3}"))),
        score.mae,
        score.count
    )
}

/// The whole page.
pub(super) fn page(about: &About, table: &Table, found: &Backtest, scores: &Scores) -> String {
    let from = found.forecasts.len().saturating_sub(SHOWN_MAX);
    let shown = found.forecasts.split_at(from).1;
    let last = format!("the last {} of {} intervals", shown.len(), found.forecasts.len());
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Calls: backtest</title><style>{STYLE}</style>\
<h1>Calls: backtest</h1><p>{} in intervals of {}, {} ahead, the last {} days; {} days before them to learn from.</p>\
<table><tr><th></th><th>wMAPE</th><th>MASE</th><th>mean error, calls</th><th>intervals</th></tr>{}{}{}</table>\
<p>CRPS {:.3} calls (twice the mean pinball loss over 15 levels). Within the 80 % band {} (mean width {:.1} calls), within the \
95 % band {} ({:.1}).</p><h2>Forecasts</h2><p>{last}. Line: expected. Bands: 80 % and 95 %. Dots: what came.</p>{}\
<h2>What came less what was expected</h2>{}<h2>Are the quantiles what they say?</h2>{}</html>\n",
        escaped(&about.history),
        in_words(about.interval),
        about.horizon,
        about.test_days,
        found.train_days,
        row("forecall", &scores.model),
        row("the week before", &scores.naive),
        row("mean of eight weeks", &scores.seasonal),
        scores.crps,
        percent(scores.band_80.coverage),
        scores.band_80.width,
        percent(scores.band_95.coverage),
        scores.band_95.width,
        bands(table, shown),
        residuals(table, shown),
        coverage(&found.forecasts),
    )
}
