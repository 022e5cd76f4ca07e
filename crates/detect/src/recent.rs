//! The last samples of one series, in 196 bytes: 32 values and when they were measured.
//!
//! Values are kept as `f32`: what that loses (6 parts in 10⁸) lies far below the least scale a series is judged by (one
//! in 10⁶ of its level). Times are kept as steps of eight bits in a unit that fits; every even pace is kept exactly, of
//! an uneven one at most half a unit is lost, and the losses don't add up.

use forecall_types::EventTime;
use serde::{Deserialize, Serialize};

/// Samples kept: all that evidence shows.
pub const RECENT_LEN: usize = 32;

/// Units of a step in nanoseconds: the finest in which it fits eight bits is taken.
const UNITS: [i64; 8] = [
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
    60_000_000_000,
    600_000_000_000,
    3_600_000_000_000,
];

/// A ring of values in order of arrival.
pub type Values = [f32; RECENT_LEN];

/// The last values, and the steps between them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Recent {
    values: Values,
    /// By place in the ring: what lies between the sample before and this one.
    steps: [u16; RECENT_LEN],
    /// Next place.
    head: u8,
    len: u8,
}

/// As it is kept.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the nearest f32 is wanted, and what is beyond its range is cut"
)]
pub fn kept(value: f64) -> f32 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

fn get<T: Copy + Default>(list: &[T; RECENT_LEN], place: usize) -> T {
    list.get(place % RECENT_LEN).copied().unwrap_or_default()
}

fn set<T>(list: &mut [T; RECENT_LEN], place: usize, value: T) {
    if let Some(to) = list.get_mut(place % RECENT_LEN) {
        *to = value;
    }
}

const fn wrapped(place: u8) -> u8 {
    place % 32
}

impl Recent {
    /// How many values it holds.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether it holds none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a sample, given when the one before came; beyond [`RECENT_LEN`] the oldest goes.
    pub fn push(&mut self, value: f32, at: EventTime, before: Option<EventTime>) {
        let place = usize::from(self.head);
        set(&mut self.values, place, value);
        set(
            &mut self.steps,
            place,
            before.map_or(0, |before| step_code(before, at)),
        );
        self.head = wrapped(self.head + 1);
        self.len = if self.len() == RECENT_LEN {
            self.len
        } else {
            self.len + 1
        };
    }

    /// The newest value.
    pub fn newest(&self) -> Option<f32> {
        (self.len > 0).then(|| get(&self.values, usize::from(self.head) + RECENT_LEN - 1))
    }

    /// The values, oldest first.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = f32> + Clone + '_ {
        let (head, len) = (usize::from(self.head), self.len());
        (0..len).map(move |i| get(&self.values, head + RECENT_LEN - len + i))
    }

    /// When the last samples came, newest first, given when the newest did.
    pub fn times(&self, newest: EventTime) -> impl Iterator<Item = EventTime> + '_ {
        let (head, mut at) = (usize::from(self.head), newest);
        (0..self.len()).map(move |i| {
            let here = at;
            at = EventTime::from_nanos(
                at.nanos()
                    .saturating_sub(step_nanos(get(&self.steps, head + 2 * RECENT_LEN - 1 - i))),
            );
            here
        })
    }

    /// Mean seconds between the last samples; 0 for fewer than two.
    pub fn interval_seconds(&self) -> f64 {
        let head = usize::from(self.head);
        let steps = self.len().saturating_sub(1);
        let sum: f64 = (0..steps)
            .map(|i| step_nanos(get(&self.steps, head + 2 * RECENT_LEN - 1 - i)))
            .map(|nanos| EventTime::from_nanos(nanos).seconds_from(EventTime::default()))
            .sum();
        u32::try_from(steps)
            .ok()
            .filter(|n| *n > 0)
            .map_or(0.0, |n| sum / f64::from(n))
    }

    /// Seconds between the last samples, newest first: at most 31.
    pub fn gaps(&self) -> impl Iterator<Item = f64> + '_ {
        let head = usize::from(self.head);
        (0..self.len().saturating_sub(1))
            .map(move |i| step_nanos(get(&self.steps, head + 2 * RECENT_LEN - 1 - i)))
            .map(|nanos| EventTime::from_nanos(nanos).seconds_from(EventTime::default()))
    }

    /// Reads from each of its cache lines.
    pub fn touch(&self) -> u32 {
        let values = get(&self.values, 0).to_bits() ^ get(&self.values, 16).to_bits();
        values ^ u32::from(get(&self.steps, 0) ^ get(&self.steps, 31))
    }
}

/// Which unit (three bits) and how many of it (eight bits). Both ends are rounded, not the step: so the steps of one unit
/// add up to what lies between the first and the last.
fn step_code(before: EventTime, at: EventTime) -> u16 {
    let in_units = |unit: i64| {
        let whole = |t: EventTime| t.nanos().saturating_add(unit / 2).div_euclid(unit);
        whole(at).saturating_sub(whole(before))
    };
    for (code, unit) in (0_u16..).zip(UNITS) {
        if let Ok(count) = u8::try_from(in_units(unit).max(0)) {
            return code << 8 | u16::from(count);
        }
    }
    // More than ten days: the longest that is told.
    7 << 8 | 255
}

fn step_nanos(code: u16) -> i64 {
    let unit = UNITS.get(usize::from(code >> 8)).copied().unwrap_or(0);
    unit.saturating_mul(i64::from(code & 0xff))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_last_32(values in proptest::collection::vec(-50_i16..50, 1..100)) {
            let mut recent = Recent::default();
            for (i, value) in values.iter().enumerate() {
                recent.push(f32::from(*value), EventTime::default(), None);
                let last: Vec<f32> = values[..=i].iter().rev().take(RECENT_LEN).rev().map(|v| f32::from(*v)).collect();
                prop_assert_eq!(recent.newest(), last.last().copied());
                prop_assert_eq!(recent.values().collect::<Vec<_>>(), last);
            }
        }

        #[test]
        fn even_paces_are_exact_and_uneven_ones_nearly(start in 0_i64..1_000_000_000_000_000, pace in prop::sample::select(vec![100, 1_000, 10_000, 15_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 86_400_000]), jitter in proptest::collection::vec(0_i64..100, 2..60), even in any::<bool>()) {
            let (mut recent, mut times) = (Recent::default(), Vec::new());
            for (i, jitter) in (0_i64..).zip(&jitter) {
                let at = EventTime::from_millis(start / 1_000_000 + pace * i + if even { 0 } else { *jitter });
                recent.push(0.0, at, times.last().copied());
                times.push(at);
            }
            let unit = UNITS[usize::from(step_code(EventTime::from_millis(0), EventTime::from_millis(pace + 100)) >> 8)];
            let got: Vec<_> = recent.times(times[times.len() - 1]).collect();
            prop_assert_eq!(got.len(), times.len().min(RECENT_LEN));
            for (got, want) in got.iter().zip(times.iter().rev()) {
                let off = (got.nanos() - want.nanos()).abs();
                prop_assert!(if even { off == 0 } else { off <= 4 * unit }, "off by {off} at unit {unit}");
            }
        }
    }
}
