//! All calls of one incident, as they can be told while it runs.

use std::time::Duration;

use forecall_types::EventTime;

use super::{BIN, Drive, Intervals, Learning, SURGE_DISPERSION, Seen, SurgeModel};

/// Calls later than this after now are no longer counted: the delay's tail holds less than 1 %.
const AHEAD: Duration = Duration::from_secs(8 * 3600);

/// How far what is still to come may be off by itself: how long it lasts and how often people call again isn't in the cells.
const REST_DOUBT: f64 = 0.25;

/// All calls of an incident.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SurgeTotal {
    /// Those that came: counted less ordinary ones, never less than nothing.
    pub so_far: f64,
    /// Expected in all, notices as they were sent.
    pub mean: f64,
    /// 10 %, 50 % and 90 %.
    pub quantiles: [f64; 3],
    /// The same expected, had nobody been told.
    pub without_notice: f64,
    /// Avoided from now on, 10 %, 50 % and 90 %: from the same draws.
    pub avoided: [f64; 3],
}

impl Learning {
    /// Calls the incident brought in bins that are over: of what was counted beyond the ordinary, as much as belongs to the incident
    /// rather than to the scatter of ordinary calls; and how far that may be off (variance).
    fn came(&self, drive: &Drive, model: SurgeModel, bins: &[(EventTime, Seen)]) -> (f64, f64) {
        bins.iter().fold((0.0, 0.0), |(sum, variance), (from, seen)| {
            let expected = self.expected_bin(drive, model, *from);
            let (own, ordinary) = (SURGE_DISPERSION * expected, seen.base * seen.ratio);
            let share = if own > 0.0 { own / (own + ordinary) } else { 0.0 };
            let off = seen.count - seen.base - expected;
            if off.is_finite() && share.is_finite() {
                (sum + expected + share * off, variance + share * ordinary)
            } else {
                (sum, variance)
            }
        })
    }

    /// All calls of the incident: those of `bins`, which are over and were learned, and those from `now` on, the end of the last one.
    pub fn total(
        &self,
        drive: &Drive,
        model: SurgeModel,
        now: EventTime,
        bins: &[(EventTime, Seen)],
    ) -> SurgeTotal {
        let (so_far, doubt) = self.came(drive, model, bins);
        let steps = u32::try_from(AHEAD.as_secs() / BIN.as_secs()).unwrap_or(u32::MAX);
        let ahead = Intervals {
            from: now,
            count: 1,
            bins: steps,
        };
        let so_far = so_far.max(0.0);
        let forecasts = self.forecast(drive, model, now, ahead);
        let Some(rest) = forecasts.first() else {
            return SurgeTotal {
                so_far,
                mean: so_far,
                quantiles: [so_far; 3],
                without_notice: so_far,
                avoided: [0.0; 3],
            };
        };
        // What is drawn around each point: counts scatter by themselves.
        let to_come = rest.with.mean().max(0.0);
        let unknown = REST_DOUBT * to_come;
        let own = libm::sqrt(SURGE_DISPERSION * to_come + doubt + unknown * unknown);
        let widened = |level: f64, z: f64| {
            let middle = rest.with.quantile(0.5);
            let far = rest.with.quantile(level) - middle;
            let off = libm::sqrt(far * far + own * own * z * z);
            so_far + (middle + if z < 0.0 { -off } else { off }).max(0.0)
        };
        SurgeTotal {
            so_far,
            mean: so_far + rest.with.mean(),
            quantiles: [
                widened(0.1, -1.281_55),
                so_far + rest.with.quantile(0.5),
                widened(0.9, 1.281_55),
            ],
            without_notice: so_far + rest.without.mean(),
            avoided: [0.1, 0.5, 0.9].map(|level| rest.avoided.quantile(level)),
        }
    }
}
