//! How wide the bands have to be: quantiles of what the forecasts were off by, tracked as they come.
#![allow(clippy::indexing_slicing, reason = "arrays of one length, indexed below it")]

use serde::{Deserialize, Serialize};

const POINTS: usize = 5;
/// Levels tracked.
const LEVELS: [f64; POINTS] = [0.025, 0.1, 0.5, 0.9, 0.975];
/// Where the normal law has them.
const NORMAL: [f64; POINTS] = [-1.959_964, -1.281_552, 0.0, 1.281_552, 1.959_964];
/// Step of each: about 1 ÷ the normal density there, so that all are learned equally fast; the outermost slower.
const STEP: [f64; POINTS] = [6.0, 4.0, 2.5, 4.0, 6.0];
/// Where each is held.
const HELD: [(f64, f64); POINTS] = [(-5.0, -0.6), (-3.0, -0.4), (-0.0, 0.0), (0.4, 3.0), (0.6, 5.0)];

/// Quantiles of residuals in units of their expected deviation; they begin as the normal law's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread([f64; POINTS]);

impl Default for Spread {
    fn default() -> Self {
        Self(NORMAL)
    }
}

impl Spread {
    /// Takes in a residual; `gain` is the weight of one (Robbins & Monro 1951).
    pub(super) fn learn(&mut self, residual: f64, gain: f64) {
        if residual.is_nan() {
            return;
        }
        for k in 0..POINTS {
            let below = f64::from(u8::from(residual < self.0[k]));
            let moved = self.0[k] + gain * STEP[k] * (LEVELS[k] - below);
            self.0[k] = moved.clamp(HELD[k].0, HELD[k].1);
        }
    }

    /// Where a point of the normal law comes to lie: straight lines between the tracked points.
    pub(super) fn at(&self, normal: f64) -> f64 {
        let own = &self.0;
        if normal <= NORMAL[0] {
            return own[0] * normal / NORMAL[0];
        }
        if normal >= NORMAL[POINTS - 1] {
            return own[POINTS - 1] * normal / NORMAL[POINTS - 1];
        }
        let mut k = 0;
        while normal > NORMAL[k + 1] {
            k += 1;
        }
        own[k] + (own[k + 1] - own[k]) * (normal - NORMAL[k]) / (NORMAL[k + 1] - NORMAL[k])
    }

    /// Factor on the standard deviation: the width of the middle 80 % over the normal law's.
    pub(super) fn factor(&self) -> f64 {
        (self.0[3] - self.0[1]) / (NORMAL[3] - NORMAL[1])
    }

    /// Part of the way to another.
    pub(super) fn toward(&self, other: &Self, share: f64) -> Self {
        let mut mixed = self.0;
        for (own, other) in mixed.iter_mut().zip(other.0) {
            *own += share * (other - *own);
        }
        Self(mixed)
    }
}
