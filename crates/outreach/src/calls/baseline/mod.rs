//! Calls of a queue in ordinary times: a state-space model on √(calls + ¼), in two steps.
//!
//! √λ(day, slot) = √(rate of the day · share of the slot) · (1 + ½ (D + f + tilt + bend)). The day's rate comes from a
//! regression that moves (`level`), the shares from shapes of each kind of day (`shapes`), and what differs today from a
//! filter that steps once an interval (`within`). Brown et al. 2005 on the square root; Weinberg, Brown & Stroud 2007 fit
//! such a model by MCMC; Shen & Huang 2008 on factors within the day. Bands are as wide as forecasts were off (`spread`).
//! Nothing is refitted: an interval costs the same on day 1000 as on day 1.
#![allow(
    clippy::indexing_slicing,
    reason = "vectors of one length; slots are held below it"
)]

mod law;
mod level;
mod look;
mod parameters;
mod shapes;
mod spread;
mod within;

use forecall_types::EventTime;
use serde::{Deserialize, Serialize};

use self::law::seen_root;
pub use self::law::{Law, Moments};
use self::level::{DayFacts, DayRate, Level};
pub use self::look::{DayLook, Look};
use self::parameters::Fast;
pub use self::parameters::Parameters;
pub(super) use self::parameters::{FREE, NEAR};
use self::shapes::{Noise, Shapes};
use self::spread::Spread;
use self::within::{BEND, DAY, FAST, TILT, Within};
use super::calendar::{Calendar, Place, month_share};

/// An innovation beyond this many standard deviations counts as this many: an outlier moves the states a bounded way.
const CLIP: f64 = 4.0;
/// An interval no day has shown yet follows the last ones: step of ln(rate) in half an hour.
const COLD_STEP: f64 = 0.36;
/// Doubt about ln(rate) on the first day.
const FIRST_DAY_SPREAD: f64 = 0.6;
/// Bands learn from so many days on: a shape not yet known would pass for noise.
const BANDS_AFTER_DAYS: u32 = 7;
/// Days a band remembers, about.
const BAND_DAYS: f64 = 25.0;
/// Roots below this (about 2 calls) teach no band: so few calls are never off by more than counting.
const BAND_ROOT_MIN: f64 = 1.4;
/// A gap of more days than this moves the level no further: it is unknown anyway.
const GAP_DAYS_MAX: i64 = 60;
/// With no call where at least this many were expected the doors were shut.
const SHUT_FROM: f64 = 8.0;
/// A day whose shape misses by more than this many times its variance is strange, and teaches the shape this share.
const ODD_SHAPE: f64 = 4.0;
const ODD_WEIGHT: f64 = 0.1;
/// Days before any is called odd.
const ODD_AFTER_DAYS: u32 = 7;
/// Days closed in a row after which opening again is no news.
const CLOSED_DAYS_MAX: i64 = 10;
/// A week ahead.
const WEEK: i64 = 7;

/// What was expected of a count, as mean and variance of its root: for [`fit`](super::fit).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    pub(super) root: f64,
    /// The interval before; when the day began; a week earlier.
    pub(super) expected: [Option<(f64, f64)>; 3],
}

/// The day in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Today {
    day: i64,
    facts: DayFacts,
    /// As expected when it began.
    rate: DayRate,
    /// Root of the rate.
    scale: f64,
    /// Scale and variance of ln(rate) as expected a week ago.
    week: Option<(f64, f64)>,
    /// Counts by slot, outliers held.
    counts: Vec<Option<f32>>,
    /// Fast factor, tilt and bend as expected when it began, with variances of the last two.
    dawn: [f64; 3],
    dawn_variance: [f64; 2],
}

/// The ordinary calls of one queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    parameters: Parameters,
    level: Option<Level>,
    /// The day at which the level stands.
    level_day: i64,
    shapes: Shapes,
    within: Within,
    last: Option<Place>,
    last_open: Option<i64>,
    /// Days before this one are over.
    now: i64,
    today: Option<Today>,
    /// Day, ln(rate) and variance as expected a week before.
    ahead: Vec<(i64, DayRate)>,
    /// Bands of the next interval, of a day ahead, of a week ahead.
    spread: [Spread; 3],
    /// As they stand for the day in progress, and what of them shows within it.
    tuned: Parameters,
    near: Fast,
    /// The same for all that is learned and forecast of whole days.
    far: Fast,
    /// Counts a day.
    per_day: f64,
}

fn days_between(from: i64, to: i64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "at most GAP_DAYS_MAX")]
    let days = (to - from).clamp(0, GAP_DAYS_MAX) as f64;
    days
}

fn scale_of(log: f64) -> f64 {
    libm::exp(0.5 * log.clamp(-20.0, 40.0))
}

/// The second shape beside the tilt: of mean 0 and variance 1 where the tilt has variance 1.
fn bend(tilt: f64) -> f64 {
    1.118 * (tilt * tilt - 1.0)
}

fn square(x: f64) -> f64 {
    x * x
}

impl Baseline {
    /// Nothing seen yet; moves as queues usually do.
    pub fn new(calendar: &Calendar) -> Self {
        Self::with_parameters(calendar, Parameters::default())
    }

    /// Nothing seen yet.
    pub fn with_parameters(calendar: &Calendar, parameters: Parameters) -> Self {
        Self {
            parameters,
            level: None,
            level_day: 0,
            shapes: Shapes::new(calendar.slots()),
            within: Within::default(),
            last: None,
            last_open: None,
            now: i64::MIN,
            today: None,
            ahead: Vec::new(),
            spread: [Spread::default(); 3],
            tuned: parameters,
            near: parameters.fast(calendar.step_minutes()),
            far: parameters.fast(calendar.step_minutes()),
            per_day: 20.0,
        }
    }

    /// How fast its parts move.
    pub const fn tuned(&self) -> Parameters {
        self.tuned
    }

    /// Moves within a day as these parameters say from now on; what was learned stays, and days are learned as before: what is fitted to the
    /// next interval says nothing of them.
    pub fn retune(&mut self, calendar: &Calendar, parameters: Parameters) {
        self.tuned = parameters;
        self.near = parameters.fast(calendar.step_minutes());
    }

    /// Whether any count was taken in.
    pub fn seen(&self) -> bool {
        self.level.is_some() || self.today.as_ref().is_some_and(|t| t.scale > 0.0)
    }

    /// Whether it was made for days cut like this calendar's.
    pub fn fits(&self, calendar: &Calendar) -> bool {
        self.shapes.slots() == calendar.slots()
    }

    /// Whole days learned from.
    pub const fn days(&self) -> u32 {
        self.shapes.days()
    }

    fn facts(&self, calendar: &Calendar, day: i64) -> DayFacts {
        // Only of days that are over it is known that they were closed.
        let was_shut = |open: i64| {
            (open + 1..day).any(|d| {
                let kind = calendar.kind(d);
                self.shapes.seen(kind) >= 2 && !self.shapes.is_shut(kind)
            })
        };
        DayFacts {
            kind: calendar.kind(day),
            month: month_share(day),
            reopened: day == self.now
                && self
                    .last_open
                    .is_some_and(|open| day - open <= CLOSED_DAYS_MAX && was_shut(open)),
        }
    }

    fn noise(&self, calendar: &Calendar, rate: f64) -> Noise {
        let p = &self.parameters;
        Noise {
            scale: rate.max(0.05),
            dispersion: p.dispersion,
            within: square(p.fast_spread) + square(p.tilt_spread),
            step_minutes: calendar.step_minutes(),
        }
    }

    /// Share of the fast factor that so many intervals leave, and what they add to its variance.
    fn fast_move(fast: Fast, steps: f64, is_cold: bool, calendar: &Calendar) -> (f64, f64) {
        if is_cold {
            let half_hours = (steps * calendar.step_minutes() / 30.0).min(48.0);
            return (1.0, square(COLD_STEP) * half_hours);
        }
        let keep = if (steps - 1.0).abs() < 1e-9 {
            fast.keep
        } else {
            libm::pow(fast.keep, steps)
        };
        (keep, square(fast.spread) * (1.0 - keep * keep))
    }

    /// Ends the day in progress if it lies before `day`, so that what is asked next rests on all of it.
    pub fn end_days_before(&mut self, calendar: &Calendar, day: i64) {
        self.now = self.now.max(day);
        if self.today.as_ref().is_some_and(|today| today.day < day)
            && let Some(today) = self.today.take()
        {
            self.finish(calendar, &today);
            for next in day..day + 2 {
                self.refresh(calendar, next);
            }
        }
    }

    /// Readies the shapes of the days from one to another, so that they hold all that was learned; without it a kind of
    /// day may lack what the last few days taught of the others.
    pub fn prepare(&mut self, calendar: &Calendar, from: i64, to: i64) {
        for day in from..=to.min(from + WEEK) {
            self.refresh(calendar, day);
        }
    }

    fn refresh(&mut self, calendar: &Calendar, day: i64) {
        let rate = self.level.as_ref().map_or(1.0, |level| {
            let facts = self.facts(calendar, day);
            let days = days_between(self.level_day, day);
            square(scale_of(level.outlook(facts, days, &self.parameters).log))
        });
        let noise = self.noise(calendar, rate);
        self.shapes.refresh(calendar.kind(day), noise, &self.parameters);
    }

    /// Begins a day.
    fn begin(&mut self, calendar: &Calendar, day: i64) {
        self.refresh(calendar, day);
        let facts = self.facts(calendar, day);
        let p = self.parameters;
        let rate = self
            .level
            .as_ref()
            .map(|level| level.outlook(facts, days_between(self.level_day, day), &p));
        let week = self.ahead.iter().find(|(d, _)| *d == day);
        let week = week.map(|(_, rate)| (scale_of(rate.log), rate.variance));
        self.ahead.retain(|(d, _)| *d > day);
        if let Some(level) = &self.level {
            let then = self.facts(calendar, day + WEEK);
            let days = days_between(self.level_day, day + WEEK);
            self.ahead.push((day + WEEK, level.outlook(then, days, &p)));
        }
        let keep = if self.level.is_some() { p.tilt_keep } else { 0.0 };
        let moved = square(p.tilt_spread) * (1.0 - keep * keep);
        let variance = rate.map_or(square(FIRST_DAY_SPREAD), |rate| rate.variance);
        let within = &mut self.within;
        within.fade(DAY, 0.0, variance);
        within.fade(TILT, keep, moved);
        within.fade(BEND, keep, moved);
        let (s, c) = (&within.state, &within.covariance);
        self.today = Some(Today {
            day,
            facts,
            rate: rate.unwrap_or(DayRate { log: 0.0, variance }),
            scale: rate.map_or(0.0, |rate| scale_of(rate.log)),
            week,
            counts: vec![None; self.shapes.slots()],
            dawn: [s[FAST], s[TILT], s[BEND]],
            dawn_variance: [c[TILT][TILT], c[BEND][BEND]],
        });
    }

    /// ln(rate) of a day as its counts so far show it, with the variance of that; `None` where they show nothing.
    fn observed(&self, today: &Today) -> Option<DayRate> {
        let p = &self.parameters;
        let shape = self.shapes.shape(today.facts.kind);
        let (mut sum, mut expected, mut counts, mut tilt) = (0.0, 0.0, 0.0, 0.0);
        for (slot, count) in today.counts.iter().enumerate() {
            let Some(count) = count else { continue };
            let mean = square(today.scale * f64::from(shape.root[slot]));
            sum += f64::from(*count);
            expected += mean;
            tilt += mean * f64::from(shape.tilt[slot]);
            counts += 1.0;
        }
        let is_nothing = counts < 1.0 || expected <= 0.0 || (sum < 0.5 && expected > SHUT_FROM);
        if is_nothing {
            return None;
        }
        let alike = (1.0 + self.far.keep) / (1.0 - self.far.keep).max(1e-3);
        let variance = square(p.own_spread)
            + p.dispersion / expected.max(0.5)
            + square(p.fast_spread) * (alike / counts).min(1.0)
            + square(p.tilt_spread * tilt / expected);
        Some(DayRate {
            log: today.rate.log + libm::log((sum + 0.5) / (expected + 0.5)),
            variance,
        })
    }

    /// Learns from a day that has ended.
    fn finish(&mut self, calendar: &Calendar, today: &Today) {
        let p = self.parameters;
        let Some(seen) = self.observed(today) else {
            if today.counts.iter().any(Option::is_some) {
                self.shapes.found_shut(today.facts.kind);
                self.forget_within();
            }
            return;
        };
        if let Some(level) = &mut self.level {
            level.advance(days_between(self.level_day, today.day), &p);
            level.update(today.facts, seen.log, seen.variance);
        } else {
            self.level = Some(Level::new(seen.log, &p));
        }
        self.level_day = today.day;
        let rate = square(scale_of(seen.log)).max(1e-6);
        let noise = self.noise(calendar, rate);
        let shape = self.shapes.shape(today.facts.kind);
        let (mut off, mut counts) = (0.0, 0.0);
        for (slot, count) in today.counts.iter().enumerate() {
            let Some(count) = count.filter(|_| !shape.unseen[slot]) else {
                continue;
            };
            let share = square(f64::from(shape.root[slot]));
            let mean = share * rate;
            let variance = noise.dispersion * mean.max(0.2)
                + square(mean) * (noise.within + f64::from(shape.doubt[slot]));
            off += square(f64::from(count) - mean) / variance;
            counts += 1.0;
        }
        let is_odd = self.shapes.days() >= ODD_AFTER_DAYS
            && self.shapes.seen(today.facts.kind) >= 2
            && off > ODD_SHAPE * counts;
        if is_odd {
            self.forget_within();
        }
        let weight = if is_odd { ODD_WEIGHT } else { 1.0 };
        self.shapes
            .learn(today.facts.kind, &today.counts, rate, weight, noise, &p);
        self.last_open = Some(today.day);
        let counted = today.counts.iter().flatten().fold(0.0, |n, _| n + 1.0);
        self.per_day += 0.1 * (counted - self.per_day);
    }

    /// What a strange day did says nothing of the next.
    fn forget_within(&mut self) {
        let own = square(self.parameters.tilt_spread);
        for state in [TILT, BEND] {
            self.within.fade(state, 0.0, own);
        }
    }

    /// Takes in the count of the interval that starts at `start`; `None` where it is missing or masked by an incident.
    /// Intervals come in order; one that isn't after the last is ignored.
    pub fn update(&mut self, calendar: &Calendar, start: EventTime, count: Option<f64>) {
        self.judge(calendar, calendar.place(start), count);
    }

    /// [`update`](Self::update), and what had been expected.
    pub(super) fn judge(&mut self, calendar: &Calendar, place: Place, count: Option<f64>) -> Option<Judged> {
        if self.last.is_some_and(|last| place <= last) {
            return None;
        }
        self.end_days_before(calendar, place.day);
        if self.today.is_none() {
            self.begin(calendar, place.day);
        }
        let steps = self.last.map_or(1.0, |last| {
            #[allow(clippy::cast_precision_loss, reason = "slots of GAP_DAYS_MAX days")]
            let slots = self.shapes.slots() as f64;
            days_between(last.day, place.day) * slots + f64::from(place.slot) - f64::from(last.slot)
        });
        self.last = Some(place);
        let slot = usize::from(place.slot);
        let today = self.today.as_ref()?;
        let is_cold = self.shapes.shape(today.facts.kind).unseen[slot];
        let (keep, added) = Self::fast_move(self.near, steps, is_cold, calendar);
        self.within.fade(FAST, keep, added);
        let today = self.today.as_mut()?;
        today.dawn[0] *= keep;
        let count = count.filter(|y| y.is_finite() && *y >= 0.0)?;
        if today.scale <= 0.0 {
            today.rate.log = libm::log(count + 0.5);
            today.scale = scale_of(today.rate.log);
        }
        self.learn(slot, (count + 0.25).sqrt())
    }

    fn learn(&mut self, slot: usize, z: f64) -> Option<Judged> {
        let p = self.parameters;
        let today = self.today.as_mut()?;
        let shape = self.shapes.shape(today.facts.kind);
        let (share, tilt) = (f64::from(shape.root[slot]), f64::from(shape.tilt[slot]));
        let (doubt, bend) = (f64::from(shape.doubt[slot]), bend(tilt));
        let base = today.scale * share;
        let s = &self.within.state;
        let eta = s[DAY] + s[FAST] + tilt * s[TILT] + bend * s[BEND];
        let (mean, slope, counting) = seen_root(base * (1.0 + 0.5 * eta));
        let half = 0.5 * base * slope;
        let expected = self.within.expect([half, half, half * tilt, half * bend]);
        let total = expected.variance + self.near.dispersion * counting.max(0.02) + half * half * doubt;
        let bound = CLIP * total.sqrt();
        let held = (z - mean).clamp(-bound, bound);
        self.within.update(&expected, total, held);
        #[allow(
            clippy::cast_possible_truncation,
            reason = "counts of calls: 24 bits are enough"
        )]
        let kept = (square(mean + held) - 0.25).max(0.0) as f32;
        today.counts[slot] = Some(kept);
        let fast = square(p.fast_spread);
        let earlier = |scale: f64, eta: f64, variance: f64, turned: [f64; 2]| {
            let base = scale * share;
            let (mean, slope, counting) = seen_root(base * (1.0 + 0.5 * eta));
            let turned = tilt * tilt * turned[0] + bend * bend * turned[1];
            let states = square(0.5 * base * slope) * (variance + fast + turned + doubt);
            (mean, states + p.dispersion * counting.max(0.02))
        };
        let eta = today.dawn[0] + tilt * today.dawn[1] + bend * today.dawn[2];
        let day = earlier(today.scale, eta, today.rate.variance, today.dawn_variance);
        let turned = [square(p.tilt_spread); 2];
        let week = today
            .week
            .map(|(scale, variance)| earlier(scale, 0.0, variance, turned));
        let judged = Judged {
            root: z,
            expected: [Some((mean, total)), Some(day), week],
        };
        if self.shapes.days() >= BANDS_AFTER_DAYS && mean > BAND_ROOT_MIN {
            let gain = 1.0 / (BAND_DAYS * self.per_day.max(1.0));
            for (spread, expected) in self.spread.iter_mut().zip(judged.expected) {
                if let Some((mean, variance)) = expected {
                    spread.learn((z - mean) / variance.sqrt(), gain);
                }
            }
        }
        Some(judged)
    }

    /// What is known now, to be asked of many intervals.
    pub fn look<'a>(&'a self, calendar: &'a Calendar) -> Look<'a> {
        Look {
            baseline: self,
            calendar,
        }
    }

    /// The law of one interval.
    pub fn law(&self, calendar: &Calendar, start: EventTime) -> Law {
        let place = calendar.place(start);
        self.look(calendar).day(place.day).at(place.slot)
    }

    /// Mean and variance of the count of the interval that starts at `start`; wide where little is known.
    pub fn forecast(&self, calendar: &Calendar, start: EventTime) -> Moments {
        self.law(calendar, start).moments()
    }

    /// Factors on the expected deviation that bands have at present: next interval, day ahead, week ahead.
    pub(super) fn factors(&self) -> [f64; 3] {
        self.spread.map(|spread| spread.factor())
    }
}
