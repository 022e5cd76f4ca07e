//! What benchmarks are fed with: numbers by seed, the same in every run, and times as recordings write them.

use anyhow::{Context, Result};
use forecall_types::EventTime;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// splitmix64.
pub const fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Within 0 to 1, never 0.
pub fn uniform(state: &mut u64) -> f64 {
    ((next(state) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

/// Below `n`.
pub fn below(state: &mut u64, n: usize) -> usize {
    (uniform(state) * n as f64) as usize
}

/// Normal, mean 0, deviation 1 (Box and Muller 1958).
pub fn normal(state: &mut u64) -> f64 {
    (-2.0 * uniform(state).ln()).sqrt() * (std::f64::consts::TAU * uniform(state)).cos()
}

/// An order of so many.
pub fn shuffle<T>(items: &mut [T], state: &mut u64) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(state, i + 1));
    }
}

/// `2014-04-01 00:05:00` in UTC, with a `T` or without; what follows the seconds isn't looked at.
///
/// # Errors
/// The text doesn't begin so.
pub fn time(text: &str) -> Result<EventTime> {
    let read = text.get(..19).and_then(|part| part.parse::<DateTime>().ok());
    let zoned = read.and_then(|civil| civil.to_zoned(TimeZone::UTC).ok());
    let seconds = zoned
        .with_context(|| format!("`{text}` is no time"))?
        .timestamp()
        .as_second();
    Ok(EventTime::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_recordings_write_them() {
        for text in [
            "2014-04-01 00:05:00",
            "2014-04-01T00:05:00Z",
            "2014-04-01 00:05:00.607158889 +0000 UTC m=+0.1",
        ] {
            assert_eq!(time(text).unwrap(), EventTime::from_secs(1_396_310_700), "{text}");
        }
        for text in [
            "",
            "2014-04-01",
            "2014-13-01 00:05:00",
            "2014-04-01 24:05:00",
            "yesterday, at noon, about",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed: u64| {
            let mut state = seed;
            let mut items: Vec<u32> = (0..9).collect();
            shuffle(&mut items, &mut state);
            (
                items,
                next(&mut state),
                uniform(&mut state),
                below(&mut state, 5),
                normal(&mut state),
            )
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let (mut items, ..) = draw(3);
        items.sort_unstable();
        assert_eq!(items, (0..9).collect::<Vec<_>>());
    }
}
