//! Where a series goes from here: a band ahead of its last sample.

use std::time::Duration;

use forecall_stats::{MAD_TO_SD, Outlook, Past, median};
use forecall_types::{Ahead, EventTime};

use super::{Detector, as_written};
use crate::channel::{SPIKE_MEMORY, STEP_TO_SD, Season, scale_floor};
use crate::nature::Floor;
use crate::recent::kept;
use crate::{ChannelName, DetectSettings};

/// Of values that lie anywhere in a range alike the standard deviation is this share of it.
const SPAN_TO_SD: f64 = 0.288_675_134_594_812;
/// Shares of the values that lie below the lower and the upper end of the band: 80 of 100 lie within.
const LOWER: f64 = 0.1;
const UPPER: f64 = 0.9;
/// Moments at which the profile is asked for its mean.
const NODES: u32 = 16;
/// Minutes after its sample for which an anomaly tells where the series goes: the quarter of an hour in which something can be done, and
/// as far as predictions reach.
const TOLD_MINUTES: [u64; 5] = [0, 5, 15, 30, 60];
/// Of all that is gone up and down, so much is gone from the first to the last value of a line.
const LINE_SHARE: f64 = 0.9;
/// Where so much of a line's way is left once the usual day is taken off, the day doesn't explain it.
const LINE_UNEXPLAINED: f64 = 0.5;
/// Samples before a forecast is made.
const SAMPLES_MIN: usize = 8;

/// The forecast of a series from its last sample on.
#[derive(Debug, Clone)]
pub struct Forecast<'d> {
    outlook: Outlook,
    /// Of the last sample.
    from: EventTime,
    /// Seconds between samples.
    pace: f64,
    /// The profile of its day, where that tells something, and what it says of the last sample's time.
    season: Option<(&'d Season, f64)>,
    settings: &'d DetectSettings,
    bounds: (f64, f64),
    /// Half of the least width.
    floor: f64,
}

impl Detector {
    /// The forecast from the newest sample on, which came at `newest`; `None` for a series that has hardly begun.
    /// `unit` tells what its values can't be.
    pub fn forecast<'d>(
        &'d self,
        newest: EventTime,
        unit: &str,
        settings: &'d DetectSettings,
    ) -> Option<Forecast<'d>> {
        let recent = &self.spike.recent;
        let pace = recent.interval_seconds();
        if recent.len() < SAMPLES_MIN || pace <= 0.0 {
            return None;
        }
        let mut points = [(0.0, 0.0); crate::recent::RECENT_LEN];
        let newest_first = points.iter_mut().rev();
        for (point, (at, value)) in newest_first.zip(recent.times(newest).zip(recent.values().rev())) {
            *point = (at.seconds_from(newest) / pace, f64::from(value));
        }
        let points = points.get(points.len().saturating_sub(recent.len())..)?;
        let line = noise_on_a_line(points);
        let raw = path(points);
        let mut season = self.profile(newest, settings);
        let mut within = [(0.0, 0.0); crate::recent::RECENT_LEN];
        let within = within.get_mut(..points.len())?;
        for (point, (steps, value)) in within.iter_mut().zip(points) {
            let span = Duration::try_from_secs_f64(-steps * pace).unwrap_or_default();
            *point = (*steps, value - usual(season, newest.minus(span), settings));
        }
        if line.is_some() && path(within) > LINE_UNEXPLAINED * raw {
            // A way that its day doesn't know, as a counter's that runs down to some hour of it.
            season = None;
            within.copy_from_slice(points);
        }
        let mut past = self.past(season, &|at| usual(season, at, settings), (newest, pace));
        if let Some(noise) = line.filter(|_| season.is_none()) {
            past.noise = past.noise.min(noise.max(scale_floor(self.shift.slow())));
        }
        let before = [within.first().map_or(0.0, |point| point.0)];
        let steps = before.into_iter().chain(within.iter().map(|point| point.0));
        let points = steps
            .zip(within.iter())
            .map(|(before, (at, value))| (at - before, *value));
        let outlook = Outlook::of(points, &past)?;
        Some(Forecast {
            outlook,
            from: newest,
            pace,
            season,
            settings,
            bounds: self.bounds(unit),
            floor: scale_floor(self.shift.slow()),
        })
    }

    /// What an anomaly tells of the times after its sample.
    pub(super) fn told_ahead(&self, at: EventTime, unit: &str, settings: &DetectSettings) -> Vec<Ahead> {
        let Some(forecast) = self.forecast(at, unit, settings) else {
            return Vec::new();
        };
        let after = |minutes: u64| at.plus(Duration::from_secs(60 * minutes));
        TOLD_MINUTES
            .iter()
            .map(|minutes| forecast.at(after(*minutes)))
            .collect()
    }

    /// The profile of the day, where it tells more than the slow mean, and what it says of `at`.
    fn profile(&self, at: EventTime, settings: &DetectSettings) -> Option<(&Season, f64)> {
        let is_heard = settings.season && settings.channels.has(ChannelName::Season);
        let season = &self.views.as_deref().filter(|_| is_heard)?.season;
        let now = season.expected(settings.place(at))?;
        season.pays(at).then_some((season, now))
    }

    fn past(
        &self,
        season: Option<(&Season, f64)>,
        usual: &dyn Fn(EventTime) -> f64,
        (newest, pace): (EventTime, f64),
    ) -> Past {
        let slow = self.shift.slow();
        let noise = (self.shift.noise() * STEP_TO_SD).max(scale_floor(slow));
        let baseline = self.spike.baseline(noise);
        let (home, spread) = match season {
            Some((season, now)) => (now, season.left()),
            None => (slow, baseline.scale().max(SPAN_TO_SD * self.novelty.span())),
        };
        let memory = f64::from(self.seen().min(u32::from(SPIKE_MEMORY)));
        // What the profile says of the same values, faded alike.
        let faded: f64 = (0..NODES)
            .map(|i| -libm::log((f64::from(i) + 0.5) / f64::from(NODES)) * memory * pace)
            .map(|seconds| usual(newest.minus(Duration::try_from_secs_f64(seconds).unwrap_or_default())))
            .sum::<f64>()
            / f64::from(NODES);
        Past {
            noise,
            home,
            spread: spread.max(noise),
            mean: baseline.location() - if season.is_some() { faded } else { 0.0 },
            memory,
        }
    }

    /// What its values can't leave, by their unit and by what was seen of them.
    fn bounds(&self, unit: &str) -> (f64, f64) {
        let (low, high) = self.novelty.range();
        let floor = self.shift.nature.floor();
        let most = match unit {
            "1" if floor == Floor::Share || high <= 1.0 => 1.0,
            "%" if floor == Floor::PerCent || high <= 100.0 => 100.0,
            _ => f64::INFINITY,
        };
        // Degrees and decibels have no end at zero; what else was never below it won't be.
        let least = if low < 0.0 || matches!(unit, "Cel" | "[degF]" | "dB" | "dBm") {
            f64::NEG_INFINITY
        } else {
            0.0
        };
        (least, if high > most { f64::INFINITY } else { most })
    }
}

/// How far the profile of the day lies from what it says of the last sample's time; 0 without one.
fn usual(season: Option<(&Season, f64)>, at: EventTime, settings: &DetectSettings) -> f64 {
    season
        .and_then(|(season, last)| Some(season.expected(settings.place(at))? - last))
        .unwrap_or(0.0)
}

/// What is gone from each value to the next.
fn steps(points: &[(f64, f64)]) -> impl Iterator<Item = f64> + '_ {
    let pairs = points.windows(2);
    pairs.filter_map(|pair| Some((pair.last()?.1 - pair.first()?.1).abs()))
}

/// All that is gone, up and down.
fn path(points: &[(f64, f64)]) -> f64 {
    steps(points).sum()
}

/// Standard deviation of values about a line that they follow almost step by step, oldest first: `None` where they don't. Steps
/// between neighbours, by which noise is known else, would take the way itself for noise.
fn noise_on_a_line(points: &[(f64, f64)]) -> Option<f64> {
    let (first, last) = (points.first()?, points.last()?);
    let mut steps: Vec<f64> = steps(points).collect();
    let gone = (last.1 - first.1).abs();
    let path: f64 = steps.iter().sum();
    let count = f64::from(u32::try_from(steps.len()).ok()?);
    // One step up, or a few, are no line.
    let is_line = gone >= LINE_SHARE * path && median(&mut steps)? * count >= 0.5 * gone && gone > 0.0;
    if !is_line {
        return None;
    }
    // Off the chord between its neighbours each value lies by noise alone, of its own and of theirs.
    let mut off: Vec<f64> = points
        .windows(3)
        .filter_map(|three| {
            let [a, b, c] = three else { return None };
            let share = (b.0 - a.0) / (c.0 - a.0);
            let noises = 1.0 + share * share + (1.0 - share) * (1.0 - share);
            Some((b.1 - a.1 - share * (c.1 - a.1)).abs() / noises.sqrt())
        })
        .filter(|off| off.is_finite())
        .collect();
    median(&mut off).map(|median| median * MAD_TO_SD)
}

impl Forecast<'_> {
    /// What is expected at a time, and where 80 of 100 values lie then.
    pub fn at(&self, at: EventTime) -> Ahead {
        let steps = at.seconds_from(self.from) / self.pace;
        let values = self.outlook.after(steps);
        let usual = usual(self.season, at, self.settings);
        let (least, most) = self.bounds;
        let within = |value: f64| as_written(kept((value + usual).max(least).min(most)));
        let expected = values.quantile(0.5);
        Ahead {
            at,
            expected: within(expected),
            lower: within(values.quantile(LOWER).min(expected - self.floor)),
            upper: within(values.quantile(UPPER).max(expected + self.floor)),
        }
    }
}
