//! The usual shape of a queue's day, and how each weekday differs from it.

use serde::{Deserialize, Serialize};

use super::calendar::Place;

/// Share of a day's news that the common shape takes once it is old.
const SHAPE_GAIN: f64 = 0.06;
/// The same for a weekday's deviation and its weight: it is seen a fifth as often.
const WEEKDAY_GAIN: f64 = 0.1;
/// A day whose shape misses by more than this many times the expected square is no ordinary day (a holiday) …
const ODD_SHAPE: f64 = 4.0;
/// … and teaches this share of what another day would.
const ODD_WEIGHT: f64 = 0.1;
/// Share of a slot's news handed to each neighbour: shapes are smooth.
const SMOOTH: f64 = 0.2;
/// Variance of the shape at a slot never seen.
const UNSEEN_VARIANCE: f64 = 0.12;
/// With fewer counts a day has no shape.
const DAY_COUNTS_MIN: usize = 3;

/// The shape at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ShapeAt {
    /// Factor on the level.
    pub(super) value: f64,
    /// How well it is known.
    pub(super) variance: f64,
    /// No day has shown this slot yet.
    pub(super) unseen: bool,
}

/// What a day is judged by.
#[derive(Debug, Clone, Copy)]
pub(super) struct DayShape {
    pub(super) weekday: u8,
    pub(super) weekend: bool,
    pub(super) dispersion: f64,
    pub(super) fast: f64,
    pub(super) level: f64,
}

/// What a day has taught.
#[derive(Debug, Clone, Copy)]
pub(super) struct DayLesson {
    /// Scale of the day over the shape.
    pub(super) scale: f64,
    /// Factor for the level, because the weekday weights were brought back to a mean of 1.
    pub(super) rescale: f64,
    /// An ordinary day.
    pub(super) trusted: bool,
    /// Square of the day's deviation ÷ level².
    pub(super) day_variance: f64,
    /// Covariance of neighbouring residuals ÷ level².
    pub(super) fast_variance: f64,
    /// Dispersion of the residuals that neighbours don't share.
    pub(super) dispersion: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Slot {
    shape: f64,
    days: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Weekday {
    weight: f64,
    deviation: Vec<f64>,
    days: u32,
}

/// Shapes of workdays and weekends, and the seven weekdays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Profile {
    workday: Vec<Slot>,
    weekend: Vec<Slot>,
    weekdays: Vec<Weekday>,
    days: u32,
}

impl Profile {
    pub(super) fn new(slots: usize) -> Self {
        let flat = vec![Slot { shape: 1.0, days: 0 }; slots];
        let day = Weekday {
            weight: 1.0,
            deviation: vec![0.0; slots],
            days: 0,
        };
        Self {
            workday: flat.clone(),
            weekend: flat,
            weekdays: vec![day; 7],
            days: 0,
        }
    }

    pub(super) const fn days(&self) -> u32 {
        self.days
    }

    /// The shape of the kind of day, or of the other kind as long as this one was never seen.
    fn slots(&self, weekend: bool) -> &[Slot] {
        let (own, other) = if weekend {
            (&self.weekend, &self.workday)
        } else {
            (&self.workday, &self.weekend)
        };
        if own.iter().any(|s| s.days > 0) {
            own
        } else {
            other
        }
    }

    pub(super) fn at(&self, place: Place, weekend: bool) -> ShapeAt {
        let slots = self.slots(weekend);
        let slot = usize::from(place.slot);
        let seen = slots.get(slot).filter(|s| s.days > 0);
        let weekday = self.weekdays.get(usize::from(place.weekday));
        let weight = weekday.map_or(1.0, |d| d.weight);
        let Some(own) = seen else {
            let value = nearest(slots, slot).unwrap_or(1.0) * weight;
            return ShapeAt {
                value,
                variance: UNSEEN_VARIANCE * value * value,
                unseen: true,
            };
        };
        let deviation = weekday
            .and_then(|d| d.deviation.get(slot))
            .copied()
            .unwrap_or(0.0);
        let value = (own.shape + deviation).max(0.0) * weight;
        // One day shows a slot to within about 6 %; the mean of n days √n times better, down to what gains keep alive.
        let known = (1.0 / f64::from(own.days + 1)).max(0.1 * SHAPE_GAIN);
        ShapeAt {
            value,
            variance: 0.0036 * known * value * value,
            unseen: false,
        }
    }

    /// Learns from a day given as √ by slot; `None` where the day shows too little.
    pub(super) fn learn(&mut self, day: &[Option<f64>], by: DayShape) -> Option<DayLesson> {
        let seen: Vec<(usize, f64)> = day
            .iter()
            .enumerate()
            .filter_map(|(slot, z)| z.map(|z| (slot, z)))
            .collect();
        if seen.len() < DAY_COUNTS_MIN {
            return None;
        }
        let expected: Vec<f64> = seen.iter().map(|(slot, _)| self.unweighted(*slot, by)).collect();
        let cross: f64 = seen.iter().zip(&expected).map(|((_, z), s)| z * s).sum();
        let square: f64 = expected.iter().map(|s| s * s).sum();
        let scale = if square > 0.0 { cross / square } else { 0.0 };
        if !scale.is_finite() || scale <= 0.0 {
            return None;
        }
        let residuals: Vec<f64> = seen
            .iter()
            .zip(&expected)
            .map(|((_, z), s)| z - scale * s)
            .collect();
        let count = real(seen.len());
        let mean_square: f64 = residuals.iter().map(|e| e * e).sum::<f64>() / count;
        let fast_square = scale * scale * square / count;
        let odd = mean_square / (0.25 * by.dispersion + by.fast * fast_square);
        let trusted = self.days < 3 || odd < ODD_SHAPE;
        let news: Vec<(usize, f64)> = seen
            .iter()
            .zip(&residuals)
            .map(|((slot, _), e)| (*slot, e / scale))
            .collect();
        let weight = if trusted { 1.0 } else { ODD_WEIGHT };
        self.learn_shape(&news, by, weight);
        let (rescale, day_variance) = self.learn_weight(by, scale, weight);
        let shared: f64 = residuals
            .iter()
            .zip(residuals.iter().skip(1))
            .map(|(a, b)| a * b)
            .sum();
        let shared = (shared / (count - 1.0)).max(0.0);
        Some(DayLesson {
            scale,
            rescale,
            trusted,
            day_variance,
            fast_variance: if fast_square > 0.0 {
                shared / fast_square
            } else {
                0.0
            },
            dispersion: 4.0 * (mean_square - shared).max(0.0),
        })
    }

    fn unweighted(&self, slot: usize, by: DayShape) -> f64 {
        let slots = self.slots(by.weekend);
        let shape = slots
            .get(slot)
            .filter(|s| s.days > 0)
            .map(|s| s.shape)
            .or_else(|| nearest(slots, slot))
            .unwrap_or(1.0);
        let deviation = self
            .weekdays
            .get(usize::from(by.weekday))
            .and_then(|d| d.deviation.get(slot))
            .copied()
            .unwrap_or(0.0);
        (shape + deviation).max(0.0)
    }

    /// Moves shape and deviation by their shares of the news; neighbours that were seen the same day take a part.
    fn learn_shape(&mut self, news: &[(usize, f64)], by: DayShape, weight: f64) {
        let base: Vec<f64> = news
            .iter()
            .map(|(slot, _)| self.shape_of(*slot, by.weekend))
            .collect();
        let fresh = self.own(by.weekend).iter().all(|s| s.days == 0);
        let own = if by.weekend {
            &mut self.weekend
        } else {
            &mut self.workday
        };
        if let Some(weekday) = self.weekdays.get_mut(usize::from(by.weekday)) {
            let deviation_gain = weight * (1.0 / f64::from(weekday.days + 2)).max(WEEKDAY_GAIN);
            for (i, (slot, e)) in news.iter().enumerate() {
                let Some(at) = own.get_mut(*slot) else {
                    continue;
                };
                let beside = |j: Option<usize>| {
                    j.and_then(|j| news.get(j))
                        .filter(|(other, _)| other.abs_diff(*slot) == 1)
                        .map_or(*e, |n| n.1)
                };
                let smooth =
                    (1.0 - 2.0 * SMOOTH) * e + SMOOTH * (beside(i.checked_sub(1)) + beside(Some(i + 1)));
                let gain = (1.0 / f64::from(at.days + 1)).max(SHAPE_GAIN);
                if at.days == 0 {
                    // First sight: taken whole, unsmoothed; there is nothing yet to be smoothed around.
                    at.shape = (base.get(i).copied().unwrap_or(1.0) + e).max(0.01);
                } else {
                    at.shape = (at.shape + weight * gain * smooth).max(0.01);
                    if !fresh && let Some(g) = weekday.deviation.get_mut(*slot) {
                        *g += deviation_gain * (1.0 - weight * gain) * smooth;
                    }
                }
                at.days = at.days.saturating_add(1);
            }
        }
        self.days = self.days.saturating_add(1);
    }

    fn own(&self, weekend: bool) -> &[Slot] {
        if weekend { &self.weekend } else { &self.workday }
    }

    fn shape_of(&self, slot: usize, weekend: bool) -> f64 {
        let slots = self.slots(weekend);
        slots
            .get(slot)
            .filter(|s| s.days > 0)
            .map(|s| s.shape)
            .or_else(|| nearest(slots, slot))
            .unwrap_or(1.0)
    }

    /// Moves the weekday's weight toward what the day showed and brings the mean weight back to 1. Returns the factor
    /// by which the level has to follow, and the squared deviation of the day.
    fn learn_weight(&mut self, by: DayShape, scale: f64, weight: f64) -> (f64, f64) {
        let Some(day) = self.weekdays.get_mut(usize::from(by.weekday)) else {
            return (1.0, 0.0);
        };
        if by.level.is_nan() || by.level <= 0.0 || self.days <= 1 {
            day.days = day.days.saturating_add(1);
            return (1.0, 0.0);
        }
        let shown = scale / by.level;
        let off = shown / day.weight - 1.0;
        let gain = weight * (1.0 / f64::from(day.days + 2)).max(WEEKDAY_GAIN);
        day.weight = (day.weight + gain * (shown - day.weight)).clamp(0.02, 20.0);
        day.days = day.days.saturating_add(1);
        let known: Vec<f64> = self
            .weekdays
            .iter()
            .filter(|d| d.days > 0)
            .map(|d| d.weight)
            .collect();
        let mean = known.iter().sum::<f64>() / real(known.len().max(1));
        for day in self.weekdays.iter_mut().filter(|d| d.days > 0) {
            day.weight /= mean;
        }
        (mean, off * off)
    }
}

/// The shape of the seen slot nearest to `slot` on the clock.
fn nearest(slots: &[Slot], slot: usize) -> Option<f64> {
    let around = |i: usize| {
        let d = i.abs_diff(slot);
        d.min(slots.len() - d)
    };
    slots
        .iter()
        .enumerate()
        .filter(|(_, s)| s.days > 0)
        .min_by_key(|(i, _)| around(*i))
        .map(|(_, s)| s.shape)
}

#[allow(clippy::cast_precision_loss, reason = "numbers of slots and weekdays")]
fn real(n: usize) -> f64 {
    n as f64
}
