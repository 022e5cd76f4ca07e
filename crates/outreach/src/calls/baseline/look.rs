//! Looking ahead: what the baseline expects of days and intervals to come.
#![allow(
    clippy::indexing_slicing,
    reason = "vectors of one length; slots are held below it"
)]

use std::borrow::Cow;

use super::law::Law;
use super::level::{DayRate, Level};
use super::within::{BEND, DAY, FAST, TILT};
use super::{Baseline, bend, days_between};
use crate::calls::calendar::{Calendar, Place};

/// What a queue never seen is expected to bring: next to nothing, with great doubt.
const UNKNOWN: (f64, f64) = (0.5, 1.0);
/// Bands go over from those of the next interval to those of a day ahead within so many minutes …
const NEAR_MINUTES: f64 = 480.0;
/// … and to those of a week ahead between these days.
const FAR_DAYS: (f64, f64) = (1.0, 6.0);

/// What is known now, ready to be asked of any day.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    pub(super) baseline: &'a Baseline,
    pub(super) calendar: &'a Calendar,
}

/// One day, ready to be asked of any interval.
#[derive(Debug, Clone, Copy)]
pub struct DayLook<'a> {
    look: Look<'a>,
    day: i64,
    kind: usize,
    /// Root of the day's rate; 0 where nothing is known.
    scale: f64,
    /// Variance of ln(rate).
    variance: f64,
    is_today: bool,
    is_shut: bool,
}

impl<'a> Look<'a> {
    /// A day, by its days since 1970-01-01; one that is over is looked at as if it came again.
    pub fn day(self, day: i64) -> DayLook<'a> {
        let baseline = self.baseline;
        let kind = self.calendar.kind(day);
        let is_shut = baseline.shapes.is_shut(kind);
        let made = |scale, variance| DayLook {
            look: self,
            day,
            kind,
            scale,
            variance,
            is_today: false,
            is_shut,
        };
        if let Some(today) = baseline.today.as_ref().filter(|t| t.day == day) {
            let has_calls = today.counts.iter().flatten().any(|count| *count > 0.0);
            return DayLook {
                is_today: true,
                is_shut: is_shut && !has_calls,
                ..made(today.scale, today.rate.variance)
            };
        }
        let Some((level, level_day)) = self.level() else {
            return made(0.0, 0.0);
        };
        let facts = baseline.facts(self.calendar, day);
        let DayRate { log, variance } =
            level.outlook(facts, days_between(level_day, day), &baseline.parameters);
        made(super::scale_of(log), variance)
    }

    /// The level, with what today has shown so far, and the day at which it stands.
    fn level(self) -> Option<(Cow<'a, Level>, i64)> {
        let baseline = self.baseline;
        let known = baseline
            .level
            .as_ref()
            .map(|level| (Cow::Borrowed(level), baseline.level_day));
        let Some(today) = &baseline.today else {
            return known;
        };
        let Some(seen) = baseline.observed(today) else {
            return known;
        };
        let level = match known {
            None => Level::new(seen.log, &baseline.parameters),
            Some((level, level_day)) => {
                let mut own = level.into_owned();
                own.advance(days_between(level_day, today.day), &baseline.parameters);
                own.update(today.facts, seen.log, seen.variance);
                own
            }
        };
        Some((Cow::Owned(level), today.day))
    }
}

impl DayLook<'_> {
    /// Whether days of this kind have shown the interval; closed hours that a feed leaves out have not.
    pub fn is_open(&self, slot: u16) -> bool {
        let shapes = &self.look.baseline.shapes;
        shapes.is_open(self.kind, usize::from(slot)) && !self.is_shut
    }

    /// The law of the calls of an interval.
    pub fn at(&self, slot: u16) -> Law {
        let baseline = self.look.baseline;
        let fast = if self.is_today {
            baseline.near
        } else {
            baseline.far
        };
        let dispersion = fast.dispersion;
        let i = usize::from(slot).min(baseline.shapes.slots() - 1);
        let law = |(root, doubt): (f64, f64)| Law {
            root,
            doubt,
            dispersion,
            spread: self.spread(slot),
            is_shut: self.is_shut,
        };
        let Some(last) = baseline.last.filter(|_| self.scale > 0.0) else {
            return law(UNKNOWN);
        };
        let shape = baseline.shapes.shape(self.kind);
        let base = self.scale * f64::from(shape.root[i]);
        let tilt = f64::from(shape.tilt[i]);
        let bend = bend(tilt);
        let steps = self.steps(last, slot);
        let within = &baseline.within;
        let (keep, added) = Baseline::fast_move(fast, steps, shape.unseen[i], self.look.calendar);
        let half = 0.5 * base;
        let doubt = f64::from(shape.doubt[i]) + added;
        let (eta, variance) = if self.is_today {
            let s = &within.state;
            let eta = s[DAY] + keep * s[FAST] + tilt * s[TILT] + bend * s[BEND];
            (eta, within.expect([1.0, keep, tilt, bend]).variance)
        } else {
            let days = days_between(last.day, self.day);
            let kept = libm::pow(baseline.parameters.tilt_keep, days);
            let moved =
                (1.0 - kept * kept) * baseline.parameters.tilt_spread * baseline.parameters.tilt_spread;
            let (s, c) = (&within.state, &within.covariance);
            let eta = keep * s[FAST] + kept * (tilt * s[TILT] + bend * s[BEND]);
            let variance = self.variance
                + keep * keep * c[FAST][FAST]
                + tilt * tilt * (kept * kept * c[TILT][TILT] + moved)
                + bend * bend * (kept * kept * c[BEND][BEND] + moved);
            (eta, variance)
        };
        law((
            (base * (1.0 + 0.5 * eta)).max(0.0),
            half * half * (variance + doubt),
        ))
    }

    #[allow(clippy::cast_precision_loss, reason = "slots and days")]
    fn steps(&self, last: Place, slot: u16) -> f64 {
        let days = (self.day - last.day).clamp(0, 400) as f64;
        (days * self.look.baseline.shapes.slots() as f64 + f64::from(slot) - f64::from(last.slot)).max(0.0)
    }

    fn spread(&self, slot: u16) -> super::Spread {
        let [near, day, week] = &self.look.baseline.spread;
        let Some(last) = self.look.baseline.last else {
            return *day;
        };
        let minutes = (self.steps(last, slot) - 1.0) * self.look.calendar.step_minutes();
        let days = days_between(last.day, self.day);
        if days > FAR_DAYS.0 {
            let share = (days - FAR_DAYS.0) / (FAR_DAYS.1 - FAR_DAYS.0);
            day.toward(week, share.min(1.0))
        } else {
            near.toward(day, (minutes / NEAR_MINUTES).clamp(0.0, 1.0))
        }
    }
}
