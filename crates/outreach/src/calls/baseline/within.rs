//! What moves within a day: a factor of the whole day, a fast one, and the day's tilt and bend. One step an interval.
#![allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "arrays of one length, indexed below it; the formulas read as in the books"
)]

use serde::{Deserialize, Serialize};

/// Day, fast, tilt, bend.
pub(super) const STATES: usize = 4;
/// The day's own factor.
pub(super) const DAY: usize = 0;
/// The fast factor.
pub(super) const FAST: usize = 1;
/// Mornings against evenings.
pub(super) const TILT: usize = 2;
/// Noon against both.
pub(super) const BEND: usize = 3;

/// A Kalman filter whose states move alone, with one number observed at a time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Within {
    pub(super) state: [f64; STATES],
    pub(super) covariance: [[f64; STATES]; STATES],
}

/// What a row of the states is expected to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Expected {
    pub(super) variance: f64,
    gain: [f64; STATES],
}

impl Within {
    pub(super) fn expect(&self, row: [f64; STATES]) -> Expected {
        let mut gain = [0.0; STATES];
        let mut variance = 0.0;
        for i in 0..STATES {
            for j in 0..STATES {
                gain[i] += self.covariance[i][j] * row[j];
            }
            variance += gain[i] * row[i];
        }
        Expected {
            variance: variance.max(0.0),
            gain,
        }
    }

    /// Takes in that the row differs from what was expected by `difference`, where the whole variance is `total`.
    pub(super) fn update(&mut self, expected: &Expected, total: f64, difference: f64) {
        let inverse = 1.0 / total;
        if !inverse.is_finite() || !difference.is_finite() {
            return;
        }
        for i in 0..STATES {
            let gain = expected.gain[i] * inverse;
            self.state[i] += gain * difference;
            for j in 0..STATES {
                self.covariance[i][j] -= gain * expected.gain[j];
            }
        }
    }

    /// One state keeps this share of itself and moves by a step of this variance.
    pub(super) fn fade(&mut self, state: usize, keep: f64, added: f64) {
        self.state[state] *= keep;
        for i in 0..STATES {
            self.covariance[state][i] *= keep;
            self.covariance[i][state] *= keep;
        }
        self.covariance[state][state] += added;
    }
}
