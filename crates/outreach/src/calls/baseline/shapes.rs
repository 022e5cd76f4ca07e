//! How a day's calls spread over its intervals: one shape for each kind of day, drawn to those that look like it.
//!
//! Which days look alike is not told but measured (empirical Bayes): a kind of day lends another the worth of so many days
//! as the distance between the two says beyond their noise. A deviation from what is lent is smoothed and shrunk by its own
//! noise; an edge (doors that open and shut) is far above it and stays.
#![allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "vectors of one length, indexed below it; the formulas read as in the books"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "shares are kept in 32 bits, far finer than they are known; the numbers are of slots"
)]

use serde::{Deserialize, Serialize};

use super::parameters::Parameters;
use crate::calls::calendar::KINDS;

/// Smaller shares than this have the noise of this one.
const SHARE_MIN: f64 = 0.02;
/// Doubt (variance of ln rate) about an interval no day has shown.
const UNSEEN_DOUBT: f32 = 0.5;
/// A deviation of one interval is an edge from this many times its variance on.
const EDGE: f64 = 9.0;

/// So many days of one kind without one of another: that one is shut.
const WEEKS_TOLD: u32 = 3;

/// The shape of a kind of day as it is used.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Shape {
    /// Roots of the intervals' shares; their squares times the day's scale are the calls.
    pub(super) root: Vec<f32>,
    /// Variance of ln(share).
    pub(super) doubt: Vec<f32>,
    /// From −√3 in the morning to √3 in the evening, by calls.
    pub(super) tilt: Vec<f32>,
    /// No day has shown the interval.
    pub(super) unseen: Vec<bool>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kind {
    /// Fading sums of shares, and of days, by slot.
    sum: Vec<f32>,
    days: Vec<f32>,
    /// Days seen open.
    seen: u32,
    /// Days running on which it was shut.
    shut: u32,
    /// Fading number of days.
    weight: f64,
    /// Squared distance to the other kinds over its noise, less 1; 0 where they look alike.
    excess: [f32; KINDS],
    shape: Shape,
    is_stale: bool,
}

/// What tells noise from shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    /// Calls of an interval whose share is 1.
    pub(super) scale: f64,
    /// Variance of a count over its mean.
    pub(super) dispersion: f64,
    /// Variance of ln(rate) within a day.
    pub(super) within: f64,
    /// Minutes of an interval.
    pub(super) step_minutes: f64,
}

impl Noise {
    /// Variance of what one day shows of a share.
    pub(super) fn of_day(&self, share: f64) -> f64 {
        let share = share.max(SHARE_MIN);
        share * (self.dispersion / self.scale + self.within * share)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Shapes {
    kinds: Vec<Kind>,
    days: u32,
}

impl Shapes {
    pub(super) fn new(slots: usize) -> Self {
        let shape = Shape {
            root: vec![1.0; slots],
            doubt: vec![UNSEEN_DOUBT; slots],
            tilt: vec![0.0; slots],
            unseen: vec![true; slots],
        };
        let none = Kind {
            sum: vec![0.0; slots],
            days: vec![0.0; slots],
            seen: 0,
            shut: 0,
            weight: 0.0,
            excess: [0.0; KINDS],
            shape,
            is_stale: false,
        };
        Self {
            kinds: vec![none; KINDS],
            days: 0,
        }
    }

    pub(super) fn slots(&self) -> usize {
        self.kinds[0].sum.len()
    }

    /// Days learned from.
    pub(super) const fn days(&self) -> u32 {
        self.days
    }

    /// Days of this kind seen open.
    pub(super) fn seen(&self, kind: usize) -> u32 {
        self.kinds[kind].seen
    }

    /// The doors were shut all day.
    pub(super) fn found_shut(&mut self, kind: usize) {
        self.kinds[kind].shut = self.kinds[kind].shut.saturating_add(1);
    }

    /// On such days the doors are shut: the last two were, or all there were.
    pub(super) fn is_shut(&self, kind: usize) -> bool {
        let kind = &self.kinds[kind];
        kind.shut > u32::from(kind.seen > 0)
    }

    /// Whether a day of this kind has shown the slot. A weekday that two weeks didn't show is shut; before, and on holidays
    /// never seen, the other kinds tell.
    pub(super) fn is_open(&self, kind: usize, slot: usize) -> bool {
        let has_shown = |kind: &Kind| kind.days.get(slot).is_some_and(|days| *days > 0.0);
        let own = &self.kinds[kind];
        let is_young = self.kinds.iter().all(|kind| kind.seen < WEEKS_TOLD);
        if own.seen > 0 || !(is_young || kind == KINDS - 1) {
            has_shown(own)
        } else {
            self.kinds.iter().any(has_shown)
        }
    }

    pub(super) fn shape(&self, kind: usize) -> &Shape {
        &self.kinds[kind].shape
    }

    /// Learns from a day's counts, which are `scale` times its shares.
    pub(super) fn learn(
        &mut self,
        kind: usize,
        day: &[Option<f32>],
        scale: f64,
        weight: f64,
        noise: Noise,
        p: &Parameters,
    ) {
        let fade = 1.0 - 1.0 / p.memory;
        let own = &mut self.kinds[kind];
        for (slot, count) in day.iter().enumerate() {
            let Some(count) = count else { continue };
            own.sum[slot] = (f64::from(own.sum[slot]) * fade + weight * f64::from(*count) / scale) as f32;
            own.days[slot] = (f64::from(own.days[slot]) * fade + weight) as f32;
        }
        own.seen = own.seen.saturating_add(1);
        own.shut = 0;
        own.weight = own.weight * fade + 1.0;
        self.days = self.days.saturating_add(1);
        for other in 0..KINDS {
            if other != kind && self.kinds[other].seen > 0 {
                let excess = self.excess(kind, other, noise);
                self.kinds[kind].excess[other] = excess;
                self.kinds[other].excess[kind] = excess;
            }
        }
        for kind in &mut self.kinds {
            kind.is_stale = true;
        }
    }

    fn excess(&self, one: usize, other: usize, noise: Noise) -> f32 {
        let (one, other) = (&self.kinds[one], &self.kinds[other]);
        let (mut sum, mut count) = (0.0, 0.0);
        for slot in 0..self.slots() {
            let (a, b) = (f64::from(one.days[slot]), f64::from(other.days[slot]));
            if a > 0.0 && b > 0.0 {
                let (x, y) = (f64::from(one.sum[slot]) / a, f64::from(other.sum[slot]) / b);
                sum += (x - y) * (x - y) * a * b / (noise.of_day(0.5 * (x + y)) * (a + b));
                count += 1.0;
            }
        }
        if count > 0.0 {
            (sum / count - 1.0).max(0.0) as f32
        } else {
            0.0
        }
    }

    /// Makes the shape of a kind anew, where days have been learned since.
    pub(super) fn refresh(&mut self, kind: usize, noise: Noise, p: &Parameters) {
        if self.kinds[kind].is_stale {
            let shape = self.made(kind, noise, p);
            self.kinds[kind].shape = shape;
            self.kinds[kind].is_stale = false;
        }
    }

    fn made(&self, kind: usize, noise: Noise, p: &Parameters) -> Shape {
        let slots = self.slots();
        let own = &self.kinds[kind];
        let (pool, pool_days) = self.pool(kind);
        let mut shape = Shape {
            root: vec![1.0; slots],
            doubt: vec![UNSEEN_DOUBT; slots],
            tilt: vec![0.0; slots],
            unseen: pool_days.iter().map(|days| *days <= 0.0).collect(),
        };
        // Deviation of the kind's own mean from the pool; weight 0 where the kind has none.
        let (mut off, mut variance) = (vec![0.0; slots], vec![0.0; slots]);
        let mut known = vec![0.0; slots];
        for slot in 0..slots {
            let days = f64::from(own.days[slot]);
            if days > 0.0 {
                off[slot] = f64::from(own.sum[slot]) / days - pool[slot];
                let apart = (1.0 / days - 1.0 / pool_days[slot]).max(1e-9);
                variance[slot] = noise.of_day(pool[slot]) * apart;
                known[slot] = 1.0;
            }
        }
        let reach = ((p.smooth_minutes / noise.step_minutes).round().max(0.0) as usize).min(slots);
        let width = (2 * reach + 1) as f64;
        let smooth = boxed(&boxed(&off, &known, reach), &known, reach);
        // Two boxes make a triangle, whose mean keeps this share of the variance.
        let left = (2.0 * width * width + 1.0) / (3.0 * width * width * width);
        let mean_variance = boxed(&variance, &known, reach);
        let strength: Vec<f64> = (0..slots)
            .map(|slot| {
                if known[slot] > 0.0 {
                    smooth[slot] * smooth[slot] / (left * mean_variance[slot])
                } else {
                    0.0
                }
            })
            .collect();
        let strength = boxed(&strength, &known, 2 * reach + 1);
        let mut total = 0.0;
        for slot in 0..slots {
            let mut share = pool[slot];
            if shape.unseen[slot] {
                let value = nearest(&pool, &pool_days, slot).unwrap_or(1.0);
                shape.root[slot] = value.sqrt() as f32;
                continue;
            }
            if known[slot] > 0.0 {
                share += (1.0 - p.shrink / strength[slot].max(1e-9)).max(0.0) * smooth[slot];
                let rest = off[slot] - smooth[slot];
                let sharp = rest * rest / variance[slot];
                if sharp > EDGE {
                    share += rest * (1.0 - EDGE / sharp);
                }
            }
            let share = share.max(0.0);
            shape.root[slot] = share.sqrt() as f32;
            let floor = share.max(SHARE_MIN);
            let doubt = noise.of_day(share) / (floor * floor * pool_days[slot].max(0.5));
            shape.doubt[slot] = doubt.min(f64::from(UNSEEN_DOUBT)) as f32;
            total += share;
        }
        let mut before = 0.0;
        for slot in 0..slots {
            let root = f64::from(shape.root[slot]);
            let share = if shape.unseen[slot] { 0.0 } else { root * root };
            if total > 0.0 {
                shape.tilt[slot] = (((before + 0.5 * share) / total - 0.5) * 12.0_f64.sqrt()) as f32;
            }
            before += share;
        }
        shape
    }

    /// Shares by slot from all kinds, each by what it is worth for this one; and the days that makes.
    fn pool(&self, kind: usize) -> (Vec<f64>, Vec<f64>) {
        let slots = self.slots();
        let own = &self.kinds[kind];
        let (mut sum, mut days) = (vec![0.0; slots], vec![0.0; slots]);
        for (number, other) in self.kinds.iter().enumerate() {
            if other.seen == 0 {
                continue;
            }
            let worth = if number == kind || own.seen == 0 {
                1.0
            } else {
                1.0 / (1.0 + f64::from(own.excess[number]) * (1.0 + other.weight / own.weight.max(1.0)))
            };
            for slot in 0..slots {
                sum[slot] += worth * f64::from(other.sum[slot]);
                days[slot] += worth * f64::from(other.days[slot]);
            }
        }
        for slot in 0..slots {
            if days[slot] > 0.0 {
                sum[slot] /= days[slot];
            }
        }
        (sum, days)
    }
}

/// Mean over `reach` slots to both sides, of those with a weight.
fn boxed(values: &[f64], weight: &[f64], reach: usize) -> Vec<f64> {
    let slots = values.len();
    let (mut sums, mut weights) = (Vec::with_capacity(slots + 1), Vec::with_capacity(slots + 1));
    let (mut sum, mut count) = (0.0, 0.0);
    sums.push(sum);
    weights.push(count);
    for slot in 0..slots {
        sum += values[slot] * weight[slot];
        count += weight[slot];
        sums.push(sum);
        weights.push(count);
    }
    (0..slots)
        .map(|slot| {
            let (from, to) = (slot.saturating_sub(reach), (slot + reach + 1).min(slots));
            let count = weights[to] - weights[from];
            if count > 0.0 {
                (sums[to] - sums[from]) / count
            } else {
                0.0
            }
        })
        .collect()
}

/// The share of the seen slot nearest on the clock.
fn nearest(pool: &[f64], days: &[f64], slot: usize) -> Option<f64> {
    let around = |i: usize| {
        let d = i.abs_diff(slot);
        d.min(pool.len() - d)
    };
    (0..pool.len())
        .filter(|i| days[*i] > 0.0)
        .min_by_key(|i| around(*i))
        .map(|i| pool[i])
}
