//! How many calls a day brings: a small regression that moves, one step a day.
//!
//! ln(rate of the day) = home + slow + day + kind + month + reopened + what the day has for itself. Home wanders, slow and
//! day fade (AR(1)), the others are coefficients that begin near 0 and are learned: a Kalman filter with one row a day, in
//! which a strange day weighs little (Masreliez 1975: the tails of the innovation are cut), and three strange days running,
//! all the same way, are a new level.
#![allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "arrays of one length, indexed below it; the formulas read as in the books"
)]

use serde::{Deserialize, Serialize};

use super::parameters::Parameters;
use crate::calls::calendar::KINDS;

const HOME: usize = 0;
const SLOW: usize = 1;
const DAY: usize = 2;
const KIND: usize = 3;
const MONTH: usize = KIND + KINDS;
const WAVES: usize = 3;
const REOPENED: usize = MONTH + 2 * WAVES;
const STATES: usize = REOPENED + 1;

/// Share of the slow part that is left the next day: half of it is gone in three weeks.
const SLOW_KEEP: f64 = 0.97;
/// Spread of a kind of day before it was seen, and its step a day.
const KIND_SPREAD: f64 = 0.5;
const KIND_STEP: f64 = 0.004;
/// Spread of the effect of having been closed.
const REOPENED_SPREAD: f64 = 0.08;
/// Doubt about the level after the first day.
const FIRST_SPREAD: f64 = 0.5;
/// A day off by more than this many standard deviations is strange …
const STRANGE: f64 = 2.5;
/// … and so many running, all the same way, are a new level: holidays seldom last as long.
const SHIFT_DAYS: f64 = 3.0;

type Row = [f64; STATES];

/// What is known of a day before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct DayFacts {
    /// Weekday or holiday, below [`KINDS`].
    pub(super) kind: usize,
    /// How far the month has come, 0 to 1.
    pub(super) month: f64,
    /// The first day after one on which the doors were shut although on such days they usually aren't.
    pub(super) reopened: bool,
}

impl DayFacts {
    fn row(self) -> Row {
        let mut row = [0.0; STATES];
        row[HOME] = 1.0;
        row[SLOW] = 1.0;
        row[DAY] = 1.0;
        row[KIND + self.kind.min(KINDS - 1)] = 1.0;
        let angle = std::f64::consts::TAU * self.month;
        let mut turns = 0.0;
        for wave in 0..WAVES {
            turns += angle;
            row[MONTH + 2 * wave] = libm::cos(turns);
            row[MONTH + 2 * wave + 1] = libm::sin(turns);
        }
        row[REOPENED] = f64::from(u8::from(self.reopened));
        row
    }
}

/// Mean and variance of ln(rate) of a day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct DayRate {
    pub(super) log: f64,
    pub(super) variance: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Level {
    mean: Row,
    covariance: [Row; STATES],
    /// Strange days running, with the sign of their way.
    run: f64,
}

fn square(x: f64) -> f64 {
    x * x
}

impl Level {
    /// From what the first day showed.
    pub(super) fn new(first: f64, p: &Parameters) -> Self {
        let mut mean = [0.0; STATES];
        mean[HOME] = first;
        let mut covariance = [[0.0; STATES]; STATES];
        covariance[HOME][HOME] = square(FIRST_SPREAD);
        covariance[SLOW][SLOW] = square(p.slow_spread);
        covariance[DAY][DAY] = square(p.day_spread);
        for kind in KIND..KIND + KINDS {
            covariance[kind][kind] = square(KIND_SPREAD);
        }
        let mut spread = p.month_spread;
        for wave in 0..WAVES {
            for state in [MONTH + 2 * wave, MONTH + 2 * wave + 1] {
                covariance[state][state] = square(spread);
            }
            // Spreads of 1, ½ and ⅓: the month's way is smooth.
            spread = if wave == 0 {
                spread / 2.0
            } else {
                spread * 2.0 / 3.0
            };
        }
        covariance[REOPENED][REOPENED] = square(REOPENED_SPREAD);
        Self {
            mean,
            covariance,
            run: 0.0,
        }
    }

    fn expect(&self, row: &Row) -> (DayRate, Row) {
        let (mut log, mut variance) = (0.0, 0.0);
        let mut gain = [0.0; STATES];
        for i in 0..STATES {
            let mut sum = 0.0;
            for j in 0..STATES {
                sum += self.covariance[i][j] * row[j];
            }
            gain[i] = sum;
            log += row[i] * self.mean[i];
            variance += row[i] * sum;
        }
        let variance = variance.max(0.0);
        (DayRate { log, variance }, gain)
    }

    /// A day that lies `days` after the one the states stand at.
    pub(super) fn outlook(&self, facts: DayFacts, days: f64, p: &Parameters) -> DayRate {
        let mut row = facts.row();
        let (slow, day) = (libm::pow(SLOW_KEEP, days), libm::pow(p.day_keep, days));
        row[SLOW] = slow;
        row[DAY] = day;
        let (rate, _) = self.expect(&row);
        let added = days * (square(p.level_step) + square(KIND_STEP))
            + square(p.slow_spread) * (1.0 - square(slow))
            + square(p.day_spread) * (1.0 - square(day))
            + square(p.own_spread);
        DayRate {
            variance: rate.variance + added,
            ..rate
        }
    }

    /// Moves the states `days` on.
    pub(super) fn advance(&mut self, days: f64, p: &Parameters) {
        let (slow, day) = (libm::pow(SLOW_KEEP, days), libm::pow(p.day_keep, days));
        for (state, keep) in [(SLOW, slow), (DAY, day)] {
            self.mean[state] *= keep;
            for j in 0..STATES {
                self.covariance[state][j] *= keep;
                self.covariance[j][state] *= keep;
            }
        }
        self.covariance[HOME][HOME] += days * square(p.level_step);
        self.covariance[SLOW][SLOW] += square(p.slow_spread) * (1.0 - square(slow));
        self.covariance[DAY][DAY] += square(p.day_spread) * (1.0 - square(day));
        for kind in KIND..KIND + KINDS {
            self.covariance[kind][kind] += days * square(KIND_STEP);
        }
    }

    /// Takes in what the day was: `observed` with a variance of `noise`, what the day has for itself included.
    pub(super) fn update(&mut self, facts: DayFacts, observed: f64, noise: f64) {
        let row = facts.row();
        let (expected, _) = self.expect(&row);
        let raw = observed - expected.log;
        let off = raw / (expected.variance + noise).sqrt();
        if !off.is_finite() {
            return;
        }
        let mut noise = noise;
        if off.abs() > STRANGE {
            let one = off.signum();
            self.run = if self.run * one > 0.0 { self.run + one } else { one };
            if self.run.abs() >= SHIFT_DAYS {
                self.covariance[HOME][HOME] += square(raw);
                self.run = 0.0;
            } else {
                noise = square(raw / STRANGE) - expected.variance;
            }
        } else {
            self.run = 0.0;
        }
        let (expected, gain) = self.expect(&row);
        let total = expected.variance + noise;
        for i in 0..STATES {
            self.mean[i] += gain[i] * raw / total;
        }
        for i in 0..STATES {
            for j in 0..STATES {
                self.covariance[i][j] -= gain[i] * gain[j] / total;
            }
        }
    }
}
