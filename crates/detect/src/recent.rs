//! The last samples of one series, in 192 bytes: 32 values, their order by size, and when they were measured.
//!
//! Values are kept as `f32`: what that loses (6 parts in 10⁸) lies far below the least scale a series is judged by (one
//! in 10⁶ of its level). Times are kept as steps of eight bits in a unit that fits; every even pace is kept exactly, of
//! an uneven one at most half a unit is lost, and the losses don't add up.

use forecall_types::EventTime;
use serde::{Deserialize, Serialize};

/// Values kept: enough for a steady median absolute deviation, few enough to follow the day, and all that evidence shows.
pub const RECENT_LEN: usize = 32;

const ORDER_BITS: u16 = 5;
const ORDER_MASK: u16 = (1 << ORDER_BITS) - 1;
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

/// The last values, their order, and the steps between the last samples.
///
/// The values may be fewer samples than the steps: a baseline learns from normal samples only, time goes on with all.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Recent {
    values: Values,
    /// Lower five bits, by size: which value. Upper eleven, by place in the ring of steps: the step.
    mixed: [u16; RECENT_LEN],
    /// Next place of a value.
    head: u8,
    len: u8,
    /// Next place of a step.
    step_head: u8,
    steps: u8,
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

    /// Adds a value; beyond [`RECENT_LEN`] the oldest goes.
    pub fn push(&mut self, value: f32) {
        let mut order = [0_u8; RECENT_LEN];
        for (to, from) in order.iter_mut().zip(&self.mixed) {
            *to = u8::try_from(from & ORDER_MASK).unwrap_or(0);
        }
        let (head, len) = (self.head, self.len());
        // Where the gap is that the oldest leaves; while there is room, behind the last.
        let mut gap = if len == RECENT_LEN {
            order.iter().position(|place| *place == head).unwrap_or(0)
        } else {
            len
        };
        let last = len.min(RECENT_LEN - 1);
        let value_at = |values: &Values, place: u8| get(values, usize::from(place));
        while gap < last && value_at(&self.values, get(&order, gap + 1)) < value {
            let moved = get(&order, gap + 1);
            set(&mut order, gap, moved);
            gap += 1;
        }
        while gap > 0 && value_at(&self.values, get(&order, gap - 1)) > value {
            let moved = get(&order, gap - 1);
            set(&mut order, gap, moved);
            gap -= 1;
        }
        set(&mut order, gap, head);
        for (to, from) in self.mixed.iter_mut().zip(order) {
            *to = *to & !ORDER_MASK | u16::from(from);
        }
        set(&mut self.values, usize::from(head), value);
        self.head = wrapped(head + 1);
        self.len = if len == RECENT_LEN { self.len } else { self.len + 1 };
    }

    /// Takes these values for its own, oldest first.
    pub fn replace(&mut self, values: impl Iterator<Item = f32>) {
        (self.head, self.len) = (0, 0);
        for value in values {
            self.push(value);
        }
    }

    /// The values, oldest first.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = f32> + Clone + '_ {
        let (head, len) = (usize::from(self.head), self.len());
        (0..len).map(move |i| get(&self.values, head + RECENT_LEN - len + i))
    }

    /// Median and median absolute deviation of the values; zeros for none.
    pub fn median_and_deviation(&self) -> (f64, f64) {
        let len = self.len();
        if len == 0 {
            return (0.0, 0.0);
        }
        let mut sorted = [0.0_f64; RECENT_LEN];
        for (to, mixed) in sorted.iter_mut().zip(&self.mixed) {
            *to = f64::from(get(&self.values, usize::from(mixed & ORDER_MASK)));
        }
        let (upper, is_even) = (len / 2, len.is_multiple_of(2));
        let lower = upper - usize::from(is_even);
        let middle = f64::midpoint(get(&sorted, lower), get(&sorted, upper));
        // The k values nearest to the median lie side by side: the least reach of k neighbours is the k-th deviation.
        let kth = |k: usize| {
            let (from, to) = (sorted.iter(), sorted.iter().take(len).skip(k));
            from.zip(to)
                .map(|(low, high)| (middle - low).max(high - middle))
                .fold(
                    f64::INFINITY,
                    |least, reach| if reach < least { reach } else { least },
                )
        };
        let deviation = if is_even {
            f64::midpoint(kth(lower), kth(upper))
        } else {
            kth(upper)
        };
        (middle, deviation)
    }

    /// Notes when a sample came, given when the one before did.
    pub fn step_to(&mut self, at: EventTime, before: Option<EventTime>) {
        let code = before.map_or(0, |before| step_code(before, at));
        let place = usize::from(self.step_head);
        let order = get(&self.mixed, place) & ORDER_MASK;
        set(&mut self.mixed, place, code << ORDER_BITS | order);
        self.step_head = wrapped(self.step_head + 1);
        self.steps = if usize::from(self.steps) == RECENT_LEN {
            self.steps
        } else {
            self.steps + 1
        };
    }

    /// How many samples have come, up to [`RECENT_LEN`].
    pub fn samples(&self) -> usize {
        usize::from(self.steps)
    }

    /// When the last samples came, newest first, given when the newest did.
    pub fn times(&self, newest: EventTime) -> impl Iterator<Item = EventTime> + '_ {
        let (head, mut at) = (usize::from(self.step_head), newest);
        (0..self.samples()).map(move |i| {
            let here = at;
            at = EventTime::from_nanos(
                at.nanos()
                    .saturating_sub(step_nanos(get(&self.mixed, head + 2 * RECENT_LEN - 1 - i))),
            );
            here
        })
    }

    /// Mean seconds between the last samples; 0 for fewer than two.
    pub fn interval_seconds(&self) -> f64 {
        let head = usize::from(self.step_head);
        let steps = self.samples().saturating_sub(1);
        let sum: f64 = (0..steps)
            .map(|i| step_nanos(get(&self.mixed, head + 2 * RECENT_LEN - 1 - i)))
            .map(|nanos| EventTime::from_nanos(nanos).seconds_from(EventTime::default()))
            .sum();
        u32::try_from(steps)
            .ok()
            .filter(|n| *n > 0)
            .map_or(0.0, |n| sum / f64::from(n))
    }

    /// Reads from each of its cache lines.
    pub fn touch(&self) -> u32 {
        let values = get(&self.values, 0).to_bits() ^ get(&self.values, 16).to_bits();
        values ^ u32::from(get(&self.mixed, 0) ^ get(&self.mixed, 31))
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

fn step_nanos(mixed: u16) -> i64 {
    let code = mixed >> ORDER_BITS;
    let unit = UNITS.get(usize::from(code >> 8)).copied().unwrap_or(0);
    unit.saturating_mul(i64::from(code & 0xff))
}

#[cfg(test)]
mod tests {
    use super::*;
    use forecall_stats::location_scale;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_last_32_and_their_median(values in proptest::collection::vec(-50_i16..50, 1..100)) {
            let mut recent = Recent::default();
            for (i, value) in values.iter().enumerate() {
                recent.push(f32::from(*value));
                let last: Vec<f64> = values[..=i].iter().rev().take(RECENT_LEN).rev().map(|v| f64::from(*v)).collect();
                prop_assert_eq!(recent.values().map(f64::from).collect::<Vec<_>>(), last.clone());
                let want = location_scale(&mut last.clone()).unwrap();
                let (middle, deviation) = recent.median_and_deviation();
                prop_assert!((middle - want.location).abs() < 1e-12);
                prop_assert!((deviation * forecall_stats::MAD_TO_SD - want.scale).abs() < 1e-9, "{deviation} {}", want.scale);
            }
        }

        #[test]
        fn even_paces_are_exact_and_uneven_ones_nearly(start in 0_i64..1_000_000_000_000_000, pace in prop::sample::select(vec![100, 1_000, 10_000, 15_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 86_400_000]), jitter in proptest::collection::vec(0_i64..100, 2..60), even in any::<bool>()) {
            let (mut recent, mut times) = (Recent::default(), Vec::new());
            for (i, jitter) in (0_i64..).zip(&jitter) {
                let at = EventTime::from_millis(start / 1_000_000 + pace * i + if even { 0 } else { *jitter });
                recent.step_to(at, times.last().copied());
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
