//! When some are told later, so that the effect of telling is measured.

use std::sync::Arc;

use forecall_types::{EventTime, ServiceName};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::settings::Zone;

/// A hold-out: a share of those who may be told hear later, at random. It delays and never silences.
///
/// It must be declared by somebody who answers for it, for a purpose, up to a day (R6). Nobody is ever held out of messages on danger
/// to life, planned work, corrections and ends, in a storm, where a service is critical (`class`), or who is marked `priority`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldOutSettings {
    /// Who answers for it: a role or team.
    pub owner: Arc<str>,
    /// What is to be learned by it.
    pub purpose: Arc<str>,
    /// The last day of it, `2027-03-31`, by the general zone.
    pub until: LastDay,
    /// Share of those who may be told, above 0, at most 0.1.
    pub share: HoldOutShare,
    /// How long they wait, in minutes, 5 to 120.
    #[serde(default)]
    pub delay_minutes: HoldOutDelay,
    /// Services about which nobody is held out, beside the critical ones.
    #[serde(default)]
    pub never: Vec<ServiceName>,
}

impl HoldOutSettings {
    /// Whether it goes on at `at`.
    pub(crate) fn holds(&self, at: EventTime, zone: &Zone) -> bool {
        zone.local(at).date() <= self.until.0
    }
}

/// A day, as `2027-03-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LastDay(Date);

/// The text is no day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a day; 2027-03-31 is")]
pub struct NotADay(String);

impl TryFrom<String> for LastDay {
    type Error = NotADay;
    fn try_from(text: String) -> Result<Self, NotADay> {
        let wrong = || NotADay(text.chars().take(64).collect());
        text.parse().map(Self).map_err(|_| wrong())
    }
}

impl From<LastDay> for String {
    fn from(day: LastDay) -> Self {
        day.0.to_string()
    }
}

/// A share above 0, at most a tenth: more people must not wait for the truth.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct HoldOutShare(f64);

/// The number is no share that may be held out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("a hold-out of {0}: it must be above 0, at most 0.1")]
pub struct NotAHoldOutShare(f64);

impl HoldOutShare {
    /// The share.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for HoldOutShare {
    type Error = NotAHoldOutShare;
    fn try_from(share: f64) -> Result<Self, NotAHoldOutShare> {
        if share > 0.0 && share <= 0.1 {
            Ok(Self(share))
        } else {
            Err(NotAHoldOutShare(share))
        }
    }
}

impl From<HoldOutShare> for f64 {
    fn from(share: HoldOutShare) -> Self {
        share.0
    }
}

/// Minutes that the held-out wait, 5 to 120.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct HoldOutDelay(u32);

/// The number is no delay that people may be left waiting for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a delay of {0} minutes: it must be 5 to 120")]
pub struct NotADelay(u32);

impl Default for HoldOutDelay {
    fn default() -> Self {
        Self(30)
    }
}

impl HoldOutDelay {
    /// Minutes.
    pub const fn minutes(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for HoldOutDelay {
    type Error = NotADelay;
    fn try_from(minutes: u32) -> Result<Self, NotADelay> {
        if (5..=120).contains(&minutes) {
            Ok(Self(minutes))
        } else {
            Err(NotADelay(minutes))
        }
    }
}

impl From<HoldOutDelay> for u32 {
    fn from(delay: HoldOutDelay) -> Self {
        delay.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_named() {
        let why = |share: f64| HoldOutShare::try_from(share).err().map(|e| e.to_string());
        assert_eq!(
            why(0.2).as_deref(),
            Some("a hold-out of 0.2: it must be above 0, at most 0.1")
        );
        assert!(why(0.0).is_some() && why(f64::NAN).is_some() && why(0.1).is_none());
        let day = LastDay::try_from("2027-02-30".to_owned()).unwrap_err();
        assert_eq!(day.to_string(), "`2027-02-30` is not a day; 2027-03-31 is");
        assert_eq!(
            HoldOutDelay::try_from(600).unwrap_err().to_string(),
            "a delay of 600 minutes: it must be 5 to 120"
        );
    }
}
