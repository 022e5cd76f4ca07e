use std::time::Duration;

use serde::{Deserialize, Serialize};

const NANOS_PER_SEC: i64 = 1_000_000_000;

/// A moment of *event* time: nanoseconds since 1970-01-01T00:00:00Z.
///
/// Logic compares event times; only the runtime reads a clock. Arithmetic saturates: the type covers the years 1677 to
/// 2262, and a time beyond them can't come from a record (see [`EventTime::from_unix_seconds`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTime(i64);

impl EventTime {
    /// The earliest time: before any record.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest time: after any record.
    pub const MAX: Self = Self(i64::MAX);

    /// From nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From whole seconds since the epoch, saturating.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(NANOS_PER_SEC))
    }

    /// From milliseconds since the epoch, saturating.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// From fractional seconds since the epoch; `None` for NaN, infinities and times outside the type's range.
    pub fn from_unix_seconds(secs: f64) -> Option<Self> {
        // 9.2e9 s is the year 2261: the last whole year the type holds.
        if !secs.is_finite() || secs.abs() > 9.2e9 {
            return None;
        }
        // Whole and fractional part apart, so that a present-day time keeps its microseconds.
        let whole = secs.trunc();
        #[allow(
            clippy::cast_possible_truncation,
            reason = "|whole| <= 9.2e9 and |fraction| < 1e9 by the checks above"
        )]
        let (whole, nanos) = (whole as i64, ((secs - whole) * 1e6).round() as i64 * 1_000);
        Some(Self(whole * NANOS_PER_SEC + nanos))
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SEC)
    }

    /// How long `self` is after `earlier`; zero if it isn't.
    pub fn since(self, earlier: Self) -> Duration {
        let nanos = i128::from(self.0) - i128::from(earlier.0);
        Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }

    /// Seconds from `origin` to `self`, negative when `self` is earlier.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a difference in seconds needs no more than 53 bits"
    )]
    pub fn seconds_from(self, origin: Self) -> f64 {
        (i128::from(self.0) - i128::from(origin.0)) as f64 / 1e9
    }

    /// `self + span`, saturating.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)),
        )
    }

    /// `self - span`, saturating.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)),
        )
    }

    /// The start of the interval of length `step`, counted from the epoch, that holds `self`. A zero step gives `self`.
    #[must_use]
    pub fn floor(self, step: Duration) -> Self {
        let step = i64::try_from(step.as_nanos()).unwrap_or(i64::MAX);
        if step == 0 {
            self
        } else {
            Self(self.0.saturating_sub(self.0.rem_euclid(step)))
        }
    }
}

/// "Nothing earlier is expected": an event-time bound that never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Watermark(EventTime);

impl Default for Watermark {
    fn default() -> Self {
        Self(EventTime::MIN)
    }
}

impl Watermark {
    /// A watermark at `at`.
    pub const fn at(at: EventTime) -> Self {
        Self(at)
    }

    /// The bound itself.
    pub const fn time(self) -> EventTime {
        self.0
    }

    /// Whether a sample of this time comes too late.
    pub fn is_late(self, at: EventTime) -> bool {
        at < self.0
    }

    /// Moves forward to `at`; an earlier `at` changes nothing. Returns whether it moved.
    pub fn advance(&mut self, at: EventTime) -> bool {
        let moves = at > self.0;
        if moves {
            self.0 = at;
        }
        moves
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fractional_seconds_keep_their_microseconds() {
        assert_eq!(
            EventTime::from_unix_seconds(1_795_325_651.334).unwrap().nanos(),
            1_795_325_651_334_000_000
        );
        assert_eq!(EventTime::from_unix_seconds(-0.5).unwrap().nanos(), -500_000_000);
        for bad in [f64::NAN, f64::INFINITY, 1e10] {
            assert_eq!(EventTime::from_unix_seconds(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_watermark_never_goes_back(times in proptest::collection::vec(any::<i64>(), 0..50)) {
            let mut mark = Watermark::default();
            let mut highest = i64::MIN;
            for t in times {
                mark.advance(EventTime::from_nanos(t));
                highest = highest.max(t);
                prop_assert_eq!(mark.time().nanos(), highest);
            }
        }

        #[test]
        fn floor_is_the_start_of_the_interval(t in -1_000_000_000_000_i64..1_000_000_000_000, step in 1_u64..10_000) {
            let floor = EventTime::from_nanos(t).floor(Duration::from_nanos(step)).nanos();
            prop_assert!(floor <= t && t - floor < i64::try_from(step).unwrap());
            prop_assert_eq!(floor.rem_euclid(i64::try_from(step).unwrap()), 0);
        }
    }
}
