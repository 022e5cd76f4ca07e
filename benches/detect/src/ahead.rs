//! The forecast of a series itself: how near it comes, and how often its band holds what comes, beside the last value and a line.

use std::path::Path;

use anyhow::Result;
use forecall_detect::policy::Origin;
use forecall_detect::rate::Part;
use forecall_detect::{DetectSettings, Detector};
use forecall_types::{Ahead, EventTime, SourcePartition};

use crate::bootstrap::Figure;
use crate::cost::cpu_nanos;
use crate::data::{self, Series};
use crate::table::Table;

/// Minutes ahead.
const HORIZONS: [i64; 2] = [15, 60];
/// Rows of a series before the first forecast.
const SETTLING_ROWS: usize = 300;
/// Forecasts are made from every so many rows.
const EVERY: usize = 7;
/// Samples of the rival's line: as many as evidence shows at least.
const LINE_SAMPLES: usize = 20;

/// Sums over the forecasts of one series at one horizon.
#[derive(Default)]
struct Sums {
    count: f64,
    ours: f64,
    naive: f64,
    line: f64,
    inside: f64,
    /// Interval score (Gneiting and Raftery 2007): the band's width, and ten times what lies outside.
    interval: f64,
}

/// A series' own detector, sample by sample.
pub(crate) struct Walk<'a> {
    detector: Detector,
    settings: &'a DetectSettings,
    source: SourcePartition,
    before: Option<EventTime>,
    offset: i64,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(metric: &str, unit: &str, settings: &'a DetectSettings) -> Self {
        Self {
            detector: Detector::new(metric, unit, Part::Same),
            settings,
            source: SourcePartition {
                topic: std::sync::Arc::from("bench"),
                partition: 0,
            },
            before: None,
            offset: 0,
        }
    }

    /// Takes in a sample; says whether it was one.
    pub(crate) fn step(&mut self, at: EventTime, value: f64) -> bool {
        if self.before.is_some_and(|last| at <= last) {
            return false;
        }
        let origin = Origin::Record(&self.source, self.offset);
        self.detector
            .step((at, self.before), value, origin, self.settings);
        (self.before, self.offset) = (Some(at), self.offset + 1);
        true
    }

    pub(crate) fn ahead(&self, unit: &str, ats: &[EventTime]) -> Option<Vec<Ahead>> {
        let forecast = self.detector.forecast(self.before?, unit, self.settings)?;
        Some(ats.iter().map(|at| forecast.at(*at)).collect())
    }
}

/// Least-squares line over the last samples.
fn line(points: &[(EventTime, f64)], at: EventTime) -> f64 {
    let last = &points[points.len().saturating_sub(LINE_SAMPLES)..];
    let origin = last[0].0;
    let of = |t: EventTime| t.seconds_from(origin);
    let slope = forecall_stats::slope(last.iter().map(|(t, v)| (of(*t), *v)));
    let n = last.len() as f64;
    let mean_t = last.iter().map(|(t, _)| of(*t)).sum::<f64>() / n;
    let mean_v = last.iter().map(|(_, v)| v).sum::<f64>() / n;
    mean_v + slope * (of(at) - mean_t)
}

fn score(one: &Series, settings: &DetectSettings) -> [Sums; 2] {
    let mut sums: [Sums; 2] = Default::default();
    let mut walk = Walk::new("value", "", settings);
    let points = &one.points;
    let pace = match (points.first(), points.last()) {
        (Some(a), Some(b)) => b.0.seconds_from(a.0) / points.len() as f64,
        _ => return sums,
    };
    for (row, (at, value)) in points.iter().enumerate() {
        if !walk.step(*at, *value) || row < SETTLING_ROWS || row % EVERY != 0 {
            continue;
        }
        for (minutes, sums) in HORIZONS.iter().zip(&mut sums) {
            let wanted = EventTime::from_secs(at.secs() + minutes * 60);
            let truth = points[row + 1..]
                .iter()
                .find(|(t, _)| t.seconds_from(wanted) > -0.5 * pace)
                .filter(|(t, _)| t.seconds_from(wanted) <= 0.5 * pace);
            let Some((then, truth)) = truth else { continue };
            let Some(ahead) = walk.ahead("", &[*then]) else {
                continue;
            };
            let ahead = ahead[0];
            sums.count += 1.0;
            sums.ours += (ahead.expected - truth).abs();
            sums.naive += (value - truth).abs();
            sums.line += (line(&points[..=row], *then) - truth).abs();
            sums.inside += f64::from(u8::from((ahead.lower..=ahead.upper).contains(truth)));
            sums.interval += ahead.upper - ahead.lower
                + 10.0 * ((truth - ahead.upper).max(0.0) + (ahead.lower - truth).max(0.0));
        }
    }
    sums
}

/// Ratios of sums over series: the geometric mean.
fn ratio(all: &[(f64, f64)]) -> Figure {
    let logs: Vec<f64> = all
        .iter()
        .filter(|(_, naive)| *naive > 0.0)
        .map(|(own, naive)| (own / naive).max(1e-6).ln())
        .collect();
    let mean = Figure::mean(&logs);
    Figure {
        value: mean.value.exp(),
        interval: mean.interval.map(|(low, high)| (low.exp(), high.exp())),
    }
}

pub(crate) fn run(data: Option<&Path>, settings: &DetectSettings, table: &mut Table) -> Result<()> {
    if let Some(data) = data {
        for (set, all) in [
            ("ahead, NAB", data::nab(data)?),
            ("ahead, mscloud", data::mscloud(data)?),
        ] {
            let scored: Vec<[Sums; 2]> = all.iter().map(|one| score(one, settings)).collect();
            for (i, minutes) in HORIZONS.iter().enumerate() {
                let of: Vec<&Sums> = scored.iter().map(|s| &s[i]).filter(|s| s.count >= 20.0).collect();
                if of.is_empty() {
                    continue;
                }
                let measure = format!("error / last value's, {minutes} min");
                let pairs = |own: fn(&Sums) -> f64| of.iter().map(|s| (own(s), s.naive)).collect::<Vec<_>>();
                table.add(set, &measure, "forecall", ratio(&pairs(|s| s.ours)));
                table.add(set, &measure, "line of 20", ratio(&pairs(|s| s.line)));
                table.add(
                    set,
                    &format!("interval score / last value's error, {minutes} min"),
                    "forecall",
                    ratio(&pairs(|s| s.interval)),
                );
                let inside: Vec<f64> = of.iter().map(|s| s.inside / s.count).collect();
                table.add(
                    set,
                    &format!("share within the 80 % band, {minutes} min ({} series)", of.len()),
                    "forecall",
                    Figure::mean(&inside),
                );
            }
        }
    }
    crate::ramps::run(settings, table);
    let took = Figure::exact(cost(settings)?);
    table.add(
        "ahead",
        "CPU microseconds a forecast of five times",
        "forecall",
        took,
    );
    Ok(())
}

/// CPU microseconds of what an anomaly tells: five times.
fn cost(settings: &DetectSettings) -> Result<f64> {
    const TURNS: u32 = 4_000;
    let mut walk = Walk::new("value", "", settings);
    for i in 0..2_000_u32 {
        let wave = (f64::from(i) / 1_440.0 * std::f64::consts::TAU).sin();
        walk.step(
            EventTime::from_secs(i64::from(i) * 60),
            50.0 + 10.0 * wave + f64::from(i * 7_919 % 97) / 20.0,
        );
    }
    let at = walk.before.unwrap_or_default();
    let ats = [0, 5, 15, 30, 60].map(|minutes| EventTime::from_secs(at.secs() + 60 * minutes));
    let begun = cpu_nanos()?;
    for _ in 0..TURNS {
        std::hint::black_box(walk.ahead("", std::hint::black_box(&ats)));
    }
    Ok((cpu_nanos()? - begun) as f64 / 1e3 / f64::from(TURNS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_on_and_a_noisy_level_is_foretold_better_than_by_its_last_value() {
        let points: Vec<(EventTime, f64)> = (0..40)
            .map(|i| (EventTime::from_secs(i * 60), i as f64))
            .collect();
        assert!((line(&points, EventTime::from_secs(100 * 60)) - 100.0).abs() < 1e-9);
        let mut state = 1;
        let points = (0..2_000)
            .map(|i| {
                (
                    EventTime::from_secs(i * 60),
                    10.0 + forecall_bench_input::uniform(&mut state),
                )
            })
            .collect();
        let one = Series {
            group: String::new(),
            name: String::new(),
            points,
            labels: Vec::new(),
            windows: Vec::new(),
        };
        for sums in score(&one, &DetectSettings::default()) {
            assert!(
                sums.count > 200.0 && sums.ours < 0.8 * sums.naive,
                "{} {}",
                sums.ours,
                sums.naive
            );
            assert!((0.6..0.95).contains(&(sums.inside / sums.count)));
        }
    }
}
