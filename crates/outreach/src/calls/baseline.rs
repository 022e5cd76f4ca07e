//! Calls of a queue in ordinary times: a state-space model on √(calls + ¼).
//!
//! √λ(day, slot) = (L + D + f) · w(weekday) · (c(slot) + g(weekday, slot)), with L a slow level, D a factor of the day, f a
//! fast factor within the day, all three in one Kalman filter that steps once an interval; the profile c, g and the
//! weekday's weight w are learned once a day (Weinberg, Brown & Stroud 2007 fit the same shape by MCMC; Brown et al. 2005
//! on the square root). Nothing is refitted: an interval costs the same on day 1000 as on day 1.

use forecall_stats::kalman::Kalman3;
use forecall_types::EventTime;
use serde::{Deserialize, Serialize};

use super::calendar::{Calendar, Place};
use super::profile::{DayShape, Profile};

/// An innovation beyond this many standard deviations counts as this many: an outlier moves the states a bounded way.
const CLIP: f64 = 4.0;
/// Standard deviation of a day's step of the slow level, as a share of it.
const LEVEL_STEP: f64 = 0.012;
/// Day factor: what is left of it the next day.
const DAY_KEEP: f64 = 0.6;
/// Fast factor: what is left of it after half an hour.
const FAST_KEEP_HALF_HOUR: f64 = 0.72;
/// Before a slot has been seen on any day the fast factor follows the last intervals: kept share, step ÷ level.
const COLD: (f64, f64) = (0.97, 0.18);
/// Variance of √ beyond that of counting is learned between these; 1 is Poisson.
const DISPERSION: (f64, f64) = (0.8, 4.0);
/// Calibration of the predictive variance: bounds, and weight of one interval at lead 1 and a day ahead.
const CALIBRATION: (f64, f64) = (0.5, 4.0);
const CALIBRATION_GAIN: f64 = 1.0 / 500.0;
/// Below this many days the noise isn't learned: a profile not yet known would pass for noise.
const NOISE_AFTER_DAYS: u32 = 7;
/// Prior days the noise estimates are worth.
const NOISE_PRIOR_DAYS: f64 = 10.0;
/// Leads at which the calibration has passed from the next interval to the day ahead.
const FAR_LEAD: f64 = 16.0;
/// A gap of more days than this moves the level no further: it is unknown anyway.
const GAP_DAYS_MAX: i64 = 60;

/// Mean and variance of a count.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Moments {
    /// Expected count.
    pub mean: f64,
    /// Its variance, at least that of counting.
    pub variance: f64,
}

/// How noisy a queue is, learned day by day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Noise {
    /// Four times the variance of √ around its rate: 1 is Poisson.
    dispersion: f64,
    /// Variance of the day factor ÷ level².
    day: f64,
    /// Variance of the fast factor ÷ level².
    fast: f64,
    /// Days it was learned from.
    days: f64,
}

/// The ordinary calls of one queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Level, day factor, fast factor; `None` before the first count.
    filter: Option<Kalman3>,
    last: Option<Place>,
    profile: Profile,
    noise: Noise,
    /// √(count + ¼) of the current day, by slot.
    today: Vec<Option<f64>>,
    /// What was expected of each slot when the day began: (mean, variance) of √.
    outlook: Vec<(f64, f64)>,
    /// The level as it was when the day began: the day's own deviation is measured from it.
    level_at_dawn: Option<f64>,
    /// Learned factor on the variance at lead 1 and a day ahead.
    calibration: (f64, f64),
}

impl Baseline {
    /// Nothing seen yet.
    pub fn new(calendar: &Calendar) -> Self {
        Self {
            filter: None,
            last: None,
            profile: Profile::new(calendar.slots()),
            noise: Noise {
                dispersion: 1.2,
                day: 0.035 * 0.035,
                fast: 0.02 * 0.02,
                days: 0.0,
            },
            today: vec![None; calendar.slots()],
            outlook: Vec::new(),
            level_at_dawn: None,
            calibration: (1.0, 1.0),
        }
    }

    /// Whether any count was taken in.
    pub const fn seen(&self) -> bool {
        self.filter.is_some()
    }

    /// Whether it was made for days cut like this calendar's.
    pub fn fits(&self, calendar: &Calendar) -> bool {
        self.today.len() == calendar.slots()
    }

    /// Whole days learned from.
    pub fn days(&self) -> u32 {
        self.profile.days()
    }

    /// Takes in the count of the interval that starts at `start`; `None` where it is missing or masked by an incident.
    /// Intervals come in order; one that isn't after the last is ignored.
    pub fn update(&mut self, calendar: &Calendar, start: EventTime, count: Option<f64>) {
        let place = calendar.place(start);
        if self.last.is_some_and(|last| place <= last) {
            return;
        }
        self.advance(calendar, place);
        self.last = Some(place);
        let Some(z) = count
            .filter(|y| y.is_finite() && *y >= 0.0)
            .map(|y| (y + 0.25).sqrt())
        else {
            return;
        };
        let weekend = calendar.is_weekend(place.weekday);
        let p = self.profile.at(place, weekend);
        if self.filter.is_none() {
            let level = z / p.value.max(0.05);
            let spread = 0.3 * level + 0.5;
            self.filter = Some(Kalman3::new(
                [level, 0.0, 0.0],
                [spread * spread, self.noise.day * level * level, 0.0],
            ));
        }
        let dispersion = self.noise.dispersion;
        if let Some(filter) = &mut self.filter {
            let row = [p.value; 3];
            let expected = filter.expect(row);
            let level = filter.state[0] + filter.state[1];
            let noise = 0.25 * dispersion + p.variance * level * level;
            let total = expected.variance + noise;
            let bound = CLIP * total.sqrt();
            let difference = z - expected.mean;
            filter.update(row, difference.clamp(-bound, bound), noise);
            self.calibrate(usize::from(place.slot), z, difference * difference / total);
        }
        if let Some(seen) = self.today.get_mut(usize::from(place.slot)) {
            *seen = Some(z);
        }
    }

    fn calibrate(&mut self, slot: usize, z: f64, near: f64) {
        if self.profile.days() < NOISE_AFTER_DAYS {
            return;
        }
        // Squares are clipped like the innovations, else one holiday would widen every band for weeks.
        let cap = CLIP * CLIP;
        let learn = |old: f64, ratio: f64| {
            (old + CALIBRATION_GAIN * (ratio.min(cap) - old)).clamp(CALIBRATION.0, CALIBRATION.1)
        };
        self.calibration.0 = learn(self.calibration.0, near);
        if let Some((mean, variance)) = self.outlook.get(slot) {
            let far = (z - mean) * (z - mean) / (variance + 0.25 * self.noise.dispersion);
            self.calibration.1 = learn(self.calibration.1, far);
        }
    }

    /// Moves the states from the last interval to `place`.
    fn advance(&mut self, calendar: &Calendar, place: Place) {
        let Some(last) = self.last else {
            return;
        };
        if place.day == last.day {
            let cold = self.profile.at(place, calendar.is_weekend(place.weekday)).unseen;
            let steps = f64::from(place.slot) - f64::from(last.slot);
            let (keep, variance) = self.fast_move(calendar, steps, cold);
            if let Some(filter) = &mut self.filter {
                filter.predict([1.0, 1.0, keep], [0.0, 0.0, variance]);
            }
            return;
        }
        self.finish_day(calendar, last);
        let days = (place.day - last.day).clamp(1, GAP_DAYS_MAX);
        for _ in 0..days {
            self.next_day();
        }
        self.level_at_dawn = self.filter.map(|f| f.state[0]);
        self.today.fill(None);
        self.outlook.clear();
        let slots = u16::try_from(self.today.len()).unwrap_or(u16::MAX);
        let outlook: Vec<(f64, f64)> = (0..slots)
            .map(|slot| self.root_at(calendar, Place { slot, ..place }, None))
            .collect();
        self.outlook = outlook;
    }

    /// Kept share and added variance of the fast factor over `steps` intervals.
    fn fast_move(&self, calendar: &Calendar, steps: f64, cold: bool) -> (f64, f64) {
        let level = self.filter.map_or(1.0, |f| f.state[0]);
        let half_hours = steps.max(0.0) * calendar.step().as_secs_f64() / 1800.0;
        if cold {
            let step = COLD.1 * level;
            return (libm::pow(COLD.0, half_hours), step * step * half_hours);
        }
        let keep = libm::pow(FAST_KEEP_HALF_HOUR, half_hours);
        (keep, self.noise.fast * level * level * (1.0 - keep * keep))
    }

    fn next_day(&mut self) {
        let noise = self.noise;
        if let Some(filter) = &mut self.filter {
            let level = filter.state[0];
            let square = level * level;
            filter.predict(
                [1.0, DAY_KEEP, 0.0],
                [
                    LEVEL_STEP * LEVEL_STEP * square,
                    noise.day * square * (1.0 - DAY_KEEP * DAY_KEEP),
                    0.0,
                ],
            );
            filter.forget(2, noise.fast * square);
        }
    }

    /// Learns from the day that has ended.
    fn finish_day(&mut self, calendar: &Calendar, last: Place) {
        let Some(filter) = &mut self.filter else {
            return;
        };
        let noise = self.noise;
        let shape = DayShape {
            weekday: last.weekday,
            weekend: calendar.is_weekend(last.weekday),
            dispersion: noise.dispersion,
            fast: noise.fast,
            level: self.level_at_dawn.unwrap_or(filter.state[0]),
        };
        let first = self.profile.days() == 0;
        let Some(learned) = self.profile.learn(&self.today, shape) else {
            return;
        };
        if first {
            // The first day has no profile: its mean is the level, its wanderings are the profile just learned.
            let spread = 0.1 * learned.scale;
            let day = noise.day * learned.scale * learned.scale;
            *filter = Kalman3::new([learned.scale, 0.0, 0.0], [spread * spread, day, 0.0]);
        }
        filter.scale(learned.rescale);
        if self.profile.days() > NOISE_AFTER_DAYS && learned.trusted {
            let n = &mut self.noise;
            n.days += 1.0;
            let gain = (1.0 / (n.days + NOISE_PRIOR_DAYS)).max(0.03);
            let toward = |old: f64, new: f64| old + gain * (new.clamp(old / 9.0, old * 9.0) - old);
            n.day = toward(n.day, learned.day_variance).clamp(1e-5, 0.25);
            n.fast = toward(n.fast, learned.fast_variance / FAST_KEEP_HALF_HOUR).clamp(1e-5, 0.25);
            n.dispersion = toward(n.dispersion, learned.dispersion).clamp(DISPERSION.0, DISPERSION.1);
        }
    }

    /// Mean and variance of √λ at `place`; `from` is the last interval taken in, `None` at the start of `place`'s day.
    fn root_at(&self, calendar: &Calendar, place: Place, from: Option<Place>) -> (f64, f64) {
        let p = self.profile.at(place, calendar.is_weekend(place.weekday));
        let Some(mut filter) = self.filter else {
            return (0.5, 1.0);
        };
        let level = filter.state[0];
        match from {
            Some(last) if place.day == last.day => {
                let steps = f64::from(place.slot) - f64::from(last.slot);
                let (keep, variance) = self.fast_move(calendar, steps, p.unseen);
                filter.predict([1.0, 1.0, keep], [0.0, 0.0, variance]);
            }
            Some(last) => {
                #[allow(clippy::cast_precision_loss, reason = "at most GAP_DAYS_MAX")]
                let days = (place.day - last.day).clamp(1, GAP_DAYS_MAX) as f64;
                let keep = libm::pow(DAY_KEEP, days);
                let square = level * level;
                filter.predict(
                    [1.0, keep, 0.0],
                    [
                        LEVEL_STEP * LEVEL_STEP * square * days,
                        self.noise.day * square * (1.0 - keep * keep),
                        self.noise.fast * square,
                    ],
                );
            }
            None => {}
        }
        let root = filter.expect([p.value; 3]);
        let level = filter.state[0] + filter.state[1];
        (root.mean.max(0.0), root.variance + p.variance * level * level)
    }

    /// Mean and variance of the count of the interval that starts at `start`; wide where little is known.
    pub fn forecast(&self, calendar: &Calendar, start: EventTime) -> Moments {
        let place = calendar.place(start);
        let (m, v) = self.root_at(calendar, place, self.last);
        let s2 = self.noise.dispersion;
        // √(y + ¼) is unbiased from about 2 calls on; below, its bias for Poisson counts is fitted by this.
        let bias = 0.25 * libm::exp(-2.2 * (m * m - 0.25).max(0.0));
        let mean = (m * m + v - bias).max(1e-3);
        let variance = s2 * mean + 4.0 * m * m * v + 2.0 * v * v;
        let far = self.last.map_or(1.0, |last| {
            if last.day == place.day {
                ((f64::from(place.slot) - f64::from(last.slot) - 1.0) / FAR_LEAD).clamp(0.0, 1.0)
            } else {
                1.0
            }
        });
        let factor = self.calibration.0 + far * (self.calibration.1 - self.calibration.0);
        Moments {
            mean: if mean.is_finite() { mean } else { 1e-3 },
            variance: if variance.is_finite() {
                (variance * factor).max(mean)
            } else {
                mean
            },
        }
    }
}
