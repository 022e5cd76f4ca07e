//! What the state is compared with: a hash map of structs, each with its collections, found by the series' name.
//!
//! [`Levels`] computes a median and its deviation of 32 values, two levels and two records of what is rare for a sample that
//! is well, in the straightforward way: other arithmetic than the detector's. [`Plain`] keeps 60 values, a mean and a
//! variance, and computes a z-score: the least anybody would write.

use std::collections::{HashMap, VecDeque};

use forecall_stats::{FadingMoments, LocationScale, TailHistogram, location_scale};

/// A way to keep series.
pub(crate) trait Naive: Default {
    /// Takes a sample; gives something that hangs on all of it.
    fn update(&mut self, at: i64, value: f64) -> f64;
}

/// Series by name.
#[derive(Default)]
pub(crate) struct ByName<S> {
    series: HashMap<String, S>,
}

impl<S: Naive> ByName<S> {
    pub(crate) fn update(&mut self, name: String, at: i64, value: f64) -> f64 {
        self.series.entry(name).or_default().update(at, value)
    }
}

#[derive(Default)]
struct Calibration {
    tail: TailHistogram,
    waiting: VecDeque<u8>,
}

impl Calibration {
    fn record(&mut self, sds: f64) {
        if self.waiting.len() == 32
            && let Some(bucket) = self.waiting.pop_front()
        {
            self.tail.add_bucket(bucket);
        }
        self.waiting.push_back(TailHistogram::bucket_of(sds));
    }
}

/// A detector of median and levels without what is done for speed and size.
#[derive(Default)]
pub(crate) struct Levels {
    window: VecDeque<(i64, f64)>,
    normal: VecDeque<f64>,
    baseline: LocationScale,
    slow_deviation: FadingMoments,
    spike: Calibration,
    level: FadingMoments,
    slow: FadingMoments,
    noise: FadingMoments,
    shift: Calibration,
    peak: f64,
    unrecorded: u32,
    seen: u32,
    open: Option<Box<u64>>,
}

impl Naive for Levels {
    fn update(&mut self, at: i64, value: f64) -> f64 {
        let floor = |level: f64| 1e-6 * level.abs() + 1e-9;
        let scale = self
            .baseline
            .scale
            .max(self.slow_deviation.mean() * 1.253)
            .max(floor(self.baseline.location));
        let deviation = value - self.baseline.location;
        let noise = (self.noise.mean() * 1.253).max(floor(self.slow.mean()));
        let reach = 16.0 * noise;
        let clipped = value.clamp(self.slow.mean() - reach, self.slow.mean() + reach);
        let mut level = self.level;
        level.add(clipped, 16);
        let shifted = (level.mean() - self.slow.mean()) / noise;
        let warm = self.seen >= 20;
        if self.window.len() == 64 {
            self.window.pop_front();
        }
        self.window.push_back((at, value));
        if warm {
            self.spike.record((deviation / scale).abs());
        }
        if self.seen > 0 {
            self.slow_deviation.add(deviation.abs().min(4.0 * scale), 1_000);
        }
        if self.normal.len() == 32 {
            self.normal.pop_front();
        }
        self.normal.push_back(value);
        let mut scratch = [0.0; 32];
        for (to, from) in scratch.iter_mut().zip(&self.normal) {
            *to = *from;
        }
        if let Some(baseline) = location_scale(&mut scratch[..self.normal.len()]) {
            self.baseline = baseline;
        }
        if self.level.count() >= 16 {
            self.noise.add((value - self.level.mean()).abs(), 1_000);
        }
        self.level.add(if warm { clipped } else { value }, 16);
        if warm {
            self.peak = self.peak.max(shifted.abs());
            self.unrecorded += 1;
            if self.unrecorded == 16 {
                self.shift.record(self.peak);
                (self.peak, self.unrecorded) = (0.0, 0);
            }
        }
        self.slow.add(value, 1_000);
        self.seen += 1;
        self.open.as_deref().map_or(shifted, |_| 0.0) + deviation / scale
    }
}

/// Sixty values, their mean and variance.
#[derive(Default)]
pub(crate) struct Plain {
    values: VecDeque<f64>,
    sum: f64,
    squares: f64,
    last_at: i64,
}

impl Naive for Plain {
    fn update(&mut self, at: i64, value: f64) -> f64 {
        if self.values.len() == 60
            && let Some(old) = self.values.pop_front()
        {
            self.sum -= old;
            self.squares -= old * old;
        }
        self.values.push_back(value);
        self.sum += value;
        self.squares += value * value;
        self.last_at = at;
        let n = self.values.len() as f64;
        let mean = self.sum / n;
        (value - mean) / (self.squares / n - mean * mean).max(1e-9).sqrt()
    }
}
