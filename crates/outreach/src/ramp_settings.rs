//! How an opening reaches many people step by step, and when it stops itself.

use forecall_types::Probability;
use serde::{Deserialize, Serialize};

/// An opening goes to a small share first, then to more, then to all; it stops itself where something is wrong, and only a person's
/// approval lets it go on. Warnings of danger to life, and what follows an opening, go at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RampSettings {
    /// Shares of the people told step by step, rising, each above 0 and below 1 (default 0.01, 0.1); then everybody.
    pub shares: Vec<Probability>,
    /// How long a step is looked at, in minutes, before the next (default 5); also until half of its messages have an answer.
    pub wait_minutes: u32,
    /// Fewer people than this are told at once (default 1,000).
    pub people_min: u64,
    /// Share of failures that is borne (default 0.05): it stops where the share is above it beyond doubt (95 %).
    pub failed_max: Probability,
    /// So many failures in a row stop it (default 5).
    pub failed_in_a_row: u32,
    /// Share of those reached who may answer STOP (default 0.02): it stops where the share is above it beyond doubt.
    pub stops_max: Probability,
    /// Share of those reached who may answer that it isn't true (default 0.02): it stops where the share is above it beyond doubt.
    pub untrue_max: Probability,
}

impl Default for RampSettings {
    fn default() -> Self {
        Self {
            shares: vec![Probability::clamped(0.01), Probability::clamped(0.1)],
            wait_minutes: 5,
            people_min: 1_000,
            failed_max: Probability::clamped(0.05),
            failed_in_a_row: 5,
            stops_max: Probability::clamped(0.02),
            untrue_max: Probability::clamped(0.02),
        }
    }
}

/// Steps at most: more is a trickle.
pub const RAMP_STEPS_MAX: usize = 8;

impl RampSettings {
    /// What serde can't check: the setting at fault and what it must be; `None`: all is well.
    pub fn mistake(&self) -> Option<(&'static str, &'static str)> {
        let values = || self.shares.iter().map(|share| share.get());
        let rises = values().zip(values().skip(1)).all(|(one, next)| one < next);
        let inside = values().all(|share| share > 0.0 && share < 1.0);
        if self.shares.is_empty() || self.shares.len() > RAMP_STEPS_MAX || !rises || !inside {
            return Some((
                "shares",
                "must be 1 to 8 shares that rise, each above 0 and below 1",
            ));
        }
        if !(1..=1_440).contains(&self.wait_minutes) {
            return Some(("wait_minutes", "must lie between 1 and 1440"));
        }
        if self.failed_in_a_row == 0 {
            return Some(("failed_in_a_row", "must be at least 1"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_named() {
        let of = |shares: &[f64]| RampSettings {
            shares: shares.iter().map(|s| Probability::clamped(*s)).collect(),
            ..RampSettings::default()
        };
        assert_eq!(RampSettings::default().mistake(), None);
        for wrong in [
            &[][..],
            &[0.1, 0.1],
            &[0.5, 0.2],
            &[0.0, 0.5],
            &[0.5, 1.0],
            &[0.1; 9],
        ] {
            assert_eq!(
                of(wrong).mistake().map(|(name, _)| name),
                Some("shares"),
                "{wrong:?}"
            );
        }
        let long = RampSettings {
            wait_minutes: 0,
            ..RampSettings::default()
        };
        assert_eq!(long.mistake().map(|(name, _)| name), Some("wait_minutes"));
    }
}
