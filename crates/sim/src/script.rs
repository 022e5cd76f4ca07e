//! The script of the day: what goes wrong where and when, in minutes after local midnight.

use crate::geography::{DECOY, TROUBLED};

/// The fibre begins to fail: 10:40.
pub(crate) const ONSET: f64 = 640.0;
/// Minutes from there to the limit that customers feel.
pub(crate) const CREEP: f64 = 30.0;
/// It is mended: 12:50.
pub(crate) const REPAIRED: f64 = 770.0;
/// The decoy begins: 16:20.
pub(crate) const DECOY_FROM: f64 = 980.0;
/// Minutes in which the decoy rises, and in which it stays up.
const DECOY_RISE: f64 = 18.0;
const DECOY_STAY: f64 = 4.0;
/// Minutes in which it falls back.
const DECOY_FALL: f64 = 5.0;
/// How far on the way to the limit the decoy comes.
const DECOY_SHARE: f64 = 0.6;
/// The trouble grows on beyond the limit to this many times the way there.
const WORST: f64 = 3.0;

/// How far a city is on the way from normal (0) to the limit that customers feel (1) and beyond, `minute` minutes after
/// midnight. The creep is somewhat convex, as losses on a failing splice are.
pub(crate) fn level(city: &str, minute: f64) -> f64 {
    let creep = |minutes: f64, span: f64| libm::pow((minutes / span).max(0.0), 1.3);
    if city == TROUBLED && (ONSET..REPAIRED).contains(&minute) {
        return creep(minute - ONSET, CREEP).min(WORST);
    }
    if city == TROUBLED && (REPAIRED..REPAIRED + 2.0).contains(&minute) {
        // Traffic comes back in two minutes.
        return WORST * (1.0 - (minute - REPAIRED) / 2.0) * 0.3;
    }
    if city == DECOY {
        let since = minute - DECOY_FROM;
        let top = DECOY_RISE + DECOY_STAY;
        if (0.0..DECOY_RISE).contains(&since) {
            return DECOY_SHARE * creep(since, DECOY_RISE);
        }
        if (DECOY_RISE..top).contains(&since) {
            return DECOY_SHARE;
        }
        if (top..top + DECOY_FALL).contains(&since) {
            return DECOY_SHARE * (1.0 - (since - top) / DECOY_FALL);
        }
    }
    0.0
}

/// Load of the network, 0.1 to 1, by minute of the day: low at five, high at half past nine in the evening.
pub(crate) fn load(minute: f64, weekend: bool) -> f64 {
    let angle = |peak: f64| std::f64::consts::TAU * (minute - peak) / 1_440.0;
    let day = 0.52 + 0.33 * libm::cos(angle(1_210.0)) + 0.1 * libm::cos(2.0 * angle(1_290.0));
    (if weekend { day * 1.08 } else { day }).clamp(0.1, 1.0)
}

/// What a batch job adds to the core's CPU share at night, 02:00 to 02:50: seen, and below what matters.
pub(crate) fn batch_job(minute: f64) -> f64 {
    if (120.0..170.0).contains(&minute) {
        0.025
    } else {
        0.0
    }
}

/// What a deployment in the capital adds to the error ratio there, 03:30 to 03:36: below what matters.
pub(crate) fn deployment(minute: f64) -> f64 {
    if (210.0..216.0).contains(&minute) {
        0.003
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trouble_crosses_the_limit_and_the_decoy_does_not() {
        assert!(level(TROUBLED, ONSET - 1.0).abs() < 1e-12);
        assert!(level(TROUBLED, ONSET + CREEP - 1.0) < 1.0);
        assert!(level(TROUBLED, ONSET + CREEP + 1.0) > 1.0);
        assert!(level(TROUBLED, REPAIRED + 3.0).abs() < 1e-12);
        let worst = (0..1440_u32)
            .map(|m| level(DECOY, f64::from(m)))
            .fold(0.0, f64::max);
        assert!((worst - DECOY_SHARE).abs() < 1e-12);
        assert!(level("IR-23-TEH", ONSET + 60.0).abs() < 1e-12);
    }

    #[test]
    fn load_stays_in_its_range() {
        for m in 0..1440_u32 {
            let l = load(f64::from(m), true);
            assert!((0.1..=1.0).contains(&l), "{m} {l}");
        }
    }
}
