//! How fast the parts of a baseline move: priors, or fitted to a queue's own past ([`fit`](super::super::fit)).

use serde::{Deserialize, Serialize};

/// Numbers a search moves.
pub(in crate::calls) const FREE: usize = 14;
/// The last so many of them show within a day.
pub(in crate::calls) const NEAR: usize = 3;

/// How fast the parts of a baseline move. Spreads and steps are standard deviations of the logarithm of the rate.
///
/// The defaults are what queues of a few dozen to a few thousand calls an hour have in common; they forecast without a fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    /// Step of the level from one day to the next.
    pub level_step: f64,
    /// Spread of what stays for weeks.
    pub slow_spread: f64,
    /// Spread of what stays for days.
    pub day_spread: f64,
    /// Share of it that is left the next day.
    pub day_keep: f64,
    /// Spread of what a day has for itself.
    pub own_spread: f64,
    /// Spread of the fast factor within a day.
    pub fast_spread: f64,
    /// Share of it that is left after half an hour.
    pub fast_keep: f64,
    /// Spread of a day's tilt and bend: mornings against evenings, noon against both.
    pub tilt_spread: f64,
    /// Share of them that is left the next day.
    pub tilt_keep: f64,
    /// Days of one kind (Mondays) that its shape remembers.
    pub memory: f64,
    /// How readily a kind of day is drawn to the others' shape; 1: as its noise says.
    pub shrink: f64,
    /// Over how many minutes the deviation from the others' shape is smoothed.
    pub smooth_minutes: f64,
    /// Spread of the first wave of the month.
    pub month_spread: f64,
    /// Four times the variance of the root of a count around the root of its rate: 1 is Poisson.
    pub dispersion: f64,
}

/// What shows within a day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Fast {
    /// Spread of the fast factor.
    pub(super) spread: f64,
    /// Share of it that an interval leaves.
    pub(super) keep: f64,
    /// Of counts.
    pub(super) dispersion: f64,
}

impl Parameters {
    pub(super) fn fast(&self, step_minutes: f64) -> Fast {
        Fast {
            spread: self.fast_spread,
            keep: libm::pow(self.fast_keep, step_minutes / 30.0),
            dispersion: self.dispersion,
        }
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            level_step: 0.005,
            slow_spread: 0.04,
            day_spread: 0.04,
            day_keep: 0.5,
            own_spread: 0.03,
            fast_spread: 0.05,
            fast_keep: 0.6,
            tilt_spread: 0.02,
            tilt_keep: 0.5,
            memory: 20.0,
            shrink: 1.0,
            smooth_minutes: 30.0,
            month_spread: 0.03,
            dispersion: 1.1,
        }
    }
}

impl Parameters {
    /// As numbers without bounds, for a search.
    pub(in crate::calls) fn free(&self) -> [f64; FREE] {
        let ln = libm::log;
        let logit = |share: f64| libm::log(share / (1.0 - share));
        [
            ln(self.level_step),
            ln(self.slow_spread),
            ln(self.day_spread),
            logit(self.day_keep),
            ln(self.own_spread),
            ln(self.tilt_spread),
            logit(self.tilt_keep),
            ln(self.memory),
            ln(self.shrink),
            ln(self.smooth_minutes),
            ln(self.month_spread),
            ln(self.fast_spread),
            logit(self.fast_keep),
            ln(self.dispersion),
        ]
    }

    /// Back from [`free`](Self::free), held to what makes sense.
    pub(in crate::calls) fn bound(free: [f64; FREE]) -> Self {
        let exp = |x: f64, low: f64, high: f64| libm::exp(x.clamp(-30.0, 30.0)).clamp(low, high);
        let share = |x: f64| (1.0 / (1.0 + libm::exp(-x.clamp(-30.0, 30.0)))).min(0.98);
        let [
            level,
            slow,
            day,
            keep,
            own,
            tilt,
            tilt_keep,
            memory,
            shrink,
            smooth,
            month,
            fast,
            fast_keep,
            dispersion,
        ] = free;
        Self {
            level_step: exp(level, 1e-4, 0.3),
            slow_spread: exp(slow, 1e-4, 1.0),
            day_spread: exp(day, 1e-3, 1.0),
            day_keep: share(keep),
            own_spread: exp(own, 1e-3, 1.0),
            fast_spread: exp(fast, 1e-3, 1.0),
            fast_keep: share(fast_keep),
            tilt_spread: exp(tilt, 1e-4, 0.5),
            tilt_keep: share(tilt_keep),
            memory: exp(memory, 3.0, 200.0),
            shrink: exp(shrink, 0.05, 20.0),
            smooth_minutes: exp(smooth, 1.0, 240.0),
            month_spread: exp(month, 1e-4, 0.3),
            dispersion: exp(dispersion, 0.5, 10.0),
        }
    }

    /// The numbers that show within a day.
    pub(in crate::calls) fn near(&self) -> [f64; NEAR] {
        let free = self.free();
        std::array::from_fn(|place| free.get(FREE - NEAR + place).copied().unwrap_or_default())
    }

    /// [`free`](Self::free) with other numbers for what shows within a day.
    pub(in crate::calls) fn with_near(&self, near: [f64; NEAR]) -> [f64; FREE] {
        let mut free = self.free();
        for (own, new) in free.iter_mut().skip(FREE - NEAR).zip(near) {
            *own = new;
        }
        free
    }

    /// Whether the number at this place of [`free`](Self::free) shows within a day, so that few days teach it.
    pub(in crate::calls) const fn is_near(place: usize) -> bool {
        place >= FREE - NEAR
    }
}
