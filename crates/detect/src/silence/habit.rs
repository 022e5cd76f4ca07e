//! How regularly a series speaks, and how rare a silence of so long is for it.

use forecall_stats::surprise;
use forecall_types::Band;

use crate::settings::DetectSettings;
use crate::{Detector, policy};

/// Steepness of the tail of gaps: as that of the other channels' records.
const STEEPNESS: (f64, f64) = (1.5, 6.0);
/// Samples from which a detector counts no further.
const SEEN_MAX: u32 = 65_535;
/// The score at the edge of a range.
const BAND_SCORE: f64 = 3.0;

/// A gap in quarter octaves of seconds, rounded up: what a series keeps of its longest. 0: none.
pub(crate) fn code_of(gap_seconds: f64) -> u8 {
    let code = (4.0 * libm::log2(gap_seconds.max(1.0))).ceil().clamp(1.0, 255.0);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 1 to 255"
    )]
    let code = code as u8;
    code
}

pub(crate) fn seconds_of(code: u8) -> f64 {
    if code == 0 {
        0.0
    } else {
        libm::exp2(f64::from(code) / 4.0)
    }
}

/// The gaps between a series' samples: half of them are as long as the usual one, the longest of `n` is beyond all others.
///
/// Between these two points, and on beyond the longest, their chance falls as a power of their length (Pareto's law), within the
/// bounds of [`STEEPNESS`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Habit {
    /// The usual gap: median of the last 31, in seconds.
    pub(crate) interval: f64,
    /// The longest known, in seconds.
    longest: f64,
    /// Surprise of a gap longer than the longest.
    at_longest: f64,
    steepness: f64,
}

impl Habit {
    /// Of a series that has proved regular; `learnt`: the longest silence it is known to keep, 0 where none is known.
    pub(crate) fn of(detector: &Detector, learnt: f64, settings: &DetectSettings) -> Option<Self> {
        let mut gaps: Vec<f64> = detector.gaps().collect();
        gaps.sort_unstable_by(f64::total_cmp);
        let interval = *gaps.get(gaps.len() / 2)?;
        let (seen, longest) = (detector.seen(), gaps.last().copied()?.max(learnt));
        let spoken = f64::from(seen) * interval;
        let is_old = spoken >= f64::from(settings.silence_spoken_seconds) || seen >= SEEN_MAX;
        (interval > 0.0 && seen >= settings.silence_min_samples && is_old)
            .then(|| Self::new(interval, longest, seen))
    }

    fn new(interval: f64, longest: f64, seen: u32) -> Self {
        // None of `seen` gaps was longer: the chance is (0 + 1/2) / (n + 1), as for the other records.
        let at_longest = surprise(0.5 / (f64::from(seen) + 1.0));
        let octaves = libm::log2(longest / interval).max(1e-9);
        let steepness = at_longest / std::f64::consts::LOG10_2 / octaves;
        Self {
            interval,
            longest: longest.max(interval),
            at_longest,
            steepness: steepness.clamp(STEEPNESS.0, STEEPNESS.1),
        }
    }

    /// Surprise of so long a silence.
    pub(crate) fn score(&self, silent_seconds: f64) -> f64 {
        let beyond = libm::log10((silent_seconds / self.longest).max(1e-9));
        (self.at_longest + self.steepness * beyond).clamp(0.0, 20.0)
    }

    /// The silence that scores so much, where that is longer than the longest known.
    fn silence_at(&self, score: f64) -> f64 {
        let decades = (score - self.at_longest).max(0.0) / self.steepness;
        self.longest * libm::exp10(decades)
    }

    /// The silence that is told, in seconds.
    pub(crate) fn limit(&self, settings: &DetectSettings) -> f64 {
        let score = settings.silence_score - policy::credit(self.interval, settings);
        let intervals = f64::from(settings.silence_min_intervals) * self.interval;
        self.silence_at(score)
            .max(intervals)
            .max(f64::from(settings.silence_min_seconds))
    }

    /// The range of its gaps.
    pub(crate) fn band(&self) -> Band {
        Band {
            low: 0.0,
            high: self.silence_at(BAND_SCORE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_no_shorter_than_its_gap_and_hardly_longer() {
        for gap in [1.0, 299.0, 300.0, 4_096.0, 90_000.0, 6e8] {
            let back = seconds_of(code_of(gap));
            assert!(back >= gap * 0.999_999 && back < gap * 1.19, "{gap} {back}");
        }
        assert!(seconds_of(0) < 1.0);
    }

    /// What is told of a series of this pace, longest gap and number of samples.
    fn limit(interval: f64, longest: f64, seen: u32) -> f64 {
        let settings = DetectSettings::default();
        let habit = Habit::new(interval, longest, seen);
        let limit = habit.limit(&settings);
        let score = habit.score(limit);
        let wanted = settings.silence_score - policy::credit(interval, &settings);
        assert!(score >= wanted - 1e-9, "{score}");
        let high = habit.band().high;
        assert!(high < limit && (habit.score(high) - 3.0).abs() < 1e-9 || high <= habit.longest);
        limit
    }

    #[test]
    fn the_more_it_pauses_the_longer_it_may_be_silent() {
        let near = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 0.02, "{got} {want}");
        near(limit(1.0, 1.0, 9_000), 300.0);
        near(limit(60.0, 60.0, 2_000), 1_200.0);
        near(limit(10.0, 20.0, 200), 300.0);
        near(limit(10.0, 200.0, 9_000), 683.0);
        // An hour's work each night, then 23 of silence: days.
        assert!(limit(10.0, 82_800.0, 2_000) > 6.0 * 86_400.0);
    }
}
