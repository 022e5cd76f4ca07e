//! What an operator says about the contact centre.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forecall_stats::erlang::Target;
use forecall_types::{QueueName, RegionCode, Scope, ServiceName, Severity};
use serde::{Deserialize, Serialize};

use super::calendar::{Calendar, Zone};
use super::surge::BIN;

/// What is particular to one queue.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSettings {
    /// Services whose trouble brings calls here; empty: all.
    pub services: BTreeSet<ServiceName>,
    /// Regions whose trouble brings calls here; empty: all.
    pub regions: BTreeSet<RegionCode>,
    /// Share of an incident's calls that come here, 0 to 1; not given: touched queues share alike.
    pub share: Option<f64>,
}

/// Chance that an affected customer calls, before this incident has shown its own: the mean of a Gamma prior.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Propensity {
    /// For minor trouble.
    pub minor: f64,
    /// For moderate trouble.
    pub moderate: f64,
    /// For severe trouble.
    pub severe: f64,
    /// For extreme trouble.
    pub extreme: f64,
}

impl Default for Propensity {
    fn default() -> Self {
        Self {
            minor: 0.005,
            moderate: 0.02,
            severe: 0.06,
            extreme: 0.10,
        }
    }
}

impl Propensity {
    pub(super) fn of(&self, severity: Severity) -> f64 {
        let p = match severity {
            Severity::Minor => self.minor,
            Severity::Moderate => self.moderate,
            Severity::Severe => self.severe,
            Severity::Extreme => self.extreme,
        };
        if p.is_nan() { 0.02 } else { p.clamp(1e-5, 1.0) }
    }
}

/// How calls are forecast and staffed. Every value has a default, so that a configuration may leave all of it out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallSettings {
    /// Time zone in which the queues' days run.
    pub zone: Zone,
    /// Length of an interval in minutes: 5 to 240, a multiple of 5 that divides the day.
    pub interval_minutes: u32,
    /// Intervals forecast ahead, the one in progress included; at most 96.
    pub horizon_intervals: u32,
    /// How long after its end an interval waits for late records, in seconds.
    pub settle_seconds: u32,
    /// Average handling time in seconds until records tell.
    pub handle_seconds: f64,
    /// Share of offered calls to answer in time.
    pub service_level: f64,
    /// In this many seconds.
    pub threshold_seconds: f64,
    /// Share of time agents are busy at most.
    pub occupancy_max: f64,
    /// Share of paid time agents are not available.
    pub shrinkage: f64,
    /// Mean patience of callers in seconds (Erlang A); none: they wait for ever (Erlang C, which asks for more agents).
    pub patience_seconds: Option<f64>,
    /// Chance with which the service level is to be met although the calls are not known exactly.
    pub confidence: f64,
    /// Chance that an affected customer calls, by severity.
    pub propensity: Propensity,
    /// Calls again while the trouble lasts, per call: below 1.
    pub repeat_share: f64,
    /// How long an incident lasts on from now on average, in minutes, while no end is promised.
    pub remaining_minutes: f64,
    /// What is particular to a queue; a queue not named here is touched by every incident of its domain.
    pub queues: BTreeMap<QueueName, QueueSettings>,
}

impl Default for CallSettings {
    fn default() -> Self {
        Self {
            zone: Zone::new("Asia/Tehran").unwrap_or_else(|_| Zone::utc()),
            interval_minutes: 30,
            horizon_intervals: 8,
            settle_seconds: 60,
            handle_seconds: 240.0,
            service_level: 0.8,
            threshold_seconds: 20.0,
            occupancy_max: 0.85,
            shrinkage: 0.3,
            patience_seconds: Some(180.0),
            confidence: 0.8,
            propensity: Propensity::default(),
            repeat_share: 0.15,
            remaining_minutes: 180.0,
            queues: BTreeMap::new(),
        }
    }
}

/// A setting outside its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{setting}` is {value}: it needs {range}")]
pub struct CallSettingOutOfRange {
    /// Its name.
    pub setting: &'static str,
    /// What it is.
    pub value: f64,
    /// What it may be.
    pub range: &'static str,
}

impl CallSettings {
    /// Whether every value lies in its range. Unchecked settings don't fail later: they are held to the range.
    ///
    /// # Errors
    /// The first one that doesn't.
    pub fn check(&self) -> Result<(), CallSettingOutOfRange> {
        let share = |p: f64| (0.0..=1.0).contains(&p);
        let inner = |p: f64| p > 0.0 && p < 1.0;
        let minutes = self.interval_minutes;
        let p = &self.propensity;
        let rows = [
            (
                "interval_minutes",
                f64::from(minutes),
                good_interval(minutes),
                "5 to 240, a multiple of 5 that divides the day",
            ),
            (
                "horizon_intervals",
                f64::from(self.horizon_intervals),
                (1..=96).contains(&self.horizon_intervals),
                "1 to 96",
            ),
            (
                "handle_seconds",
                self.handle_seconds,
                (1.0..=7200.0).contains(&self.handle_seconds),
                "1 to 7200",
            ),
            (
                "service_level",
                self.service_level,
                inner(self.service_level),
                "more than 0 and less than 1",
            ),
            (
                "threshold_seconds",
                self.threshold_seconds,
                (0.0..=3600.0).contains(&self.threshold_seconds),
                "0 to 3600",
            ),
            (
                "occupancy_max",
                self.occupancy_max,
                (0.1..=1.0).contains(&self.occupancy_max),
                "0.1 to 1",
            ),
            (
                "shrinkage",
                self.shrinkage,
                (0.0..=0.95).contains(&self.shrinkage),
                "0 to 0.95",
            ),
            (
                "patience_seconds",
                self.patience_seconds.unwrap_or(1.0),
                self.patience_seconds.is_none_or(|s| (1.0..=1e6).contains(&s)),
                "1 to 1000000",
            ),
            (
                "confidence",
                self.confidence,
                inner(self.confidence),
                "more than 0 and less than 1",
            ),
            (
                "repeat_share",
                self.repeat_share,
                (0.0..=0.9).contains(&self.repeat_share),
                "0 to 0.9",
            ),
            (
                "remaining_minutes",
                self.remaining_minutes,
                (1.0..=100_000.0).contains(&self.remaining_minutes),
                "1 to 100000",
            ),
            ("propensity.minor", p.minor, share(p.minor), "0 to 1"),
            ("propensity.moderate", p.moderate, share(p.moderate), "0 to 1"),
            ("propensity.severe", p.severe, share(p.severe), "0 to 1"),
            ("propensity.extreme", p.extreme, share(p.extreme), "0 to 1"),
        ];
        let queues = self
            .queues
            .values()
            .filter_map(|q| q.share)
            .map(|s| ("queues.*.share", s, share(s), "0 to 1"));
        match rows.into_iter().chain(queues).find(|row| !row.2) {
            None => Ok(()),
            Some((setting, value, _, range)) => Err(CallSettingOutOfRange {
                setting,
                value,
                range,
            }),
        }
    }

    /// Length of an interval; half an hour where the setting is out of range.
    pub fn step(&self) -> Duration {
        let minutes = if good_interval(self.interval_minutes) {
            self.interval_minutes
        } else {
            30
        };
        BIN * (minutes / 5)
    }

    pub(super) fn calendar(&self) -> Calendar {
        Calendar::new(self.zone.clone(), self.step())
    }

    pub(super) fn horizon(&self) -> u32 {
        self.horizon_intervals.clamp(1, 96)
    }

    pub(super) fn target(&self) -> Target {
        Target {
            service_level: guarded(self.service_level, 0.01, 0.999, 0.8),
            threshold_seconds: guarded(self.threshold_seconds, 0.0, 3600.0, 20.0),
            occupancy_max: guarded(self.occupancy_max, 0.1, 1.0, 0.85),
            patience_seconds: self.patience_seconds.map(|s| guarded(s, 1.0, 1e6, 180.0)),
        }
    }

    pub(super) fn confidence(&self) -> f64 {
        guarded(self.confidence, 0.01, 0.999, 0.8)
    }

    pub(super) fn repeats(&self) -> f64 {
        guarded(self.repeat_share, 0.0, 0.9, 0.15)
    }

    pub(super) fn remaining_seconds(&self) -> f64 {
        60.0 * guarded(self.remaining_minutes, 1.0, 100_000.0, 180.0)
    }

    pub(super) fn default_handle_seconds(&self) -> f64 {
        guarded(self.handle_seconds, 1.0, 7200.0, 240.0)
    }

    /// Whether trouble of this scope brings calls to the queue.
    pub(super) fn touches(&self, queue: &QueueName, scope: &Scope) -> bool {
        self.queues.get(queue).is_none_or(|q| {
            (q.services.is_empty() || !q.services.is_disjoint(&scope.services))
                && (q.regions.is_empty() || !q.regions.is_disjoint(&scope.regions))
        })
    }

    /// The share stated for a queue.
    pub(super) fn share(&self, queue: &QueueName) -> Option<f64> {
        let share = self.queues.get(queue).and_then(|q| q.share)?;
        (0.0..=1.0).contains(&share).then_some(share)
    }
}

fn good_interval(minutes: u32) -> bool {
    (5..=240).contains(&minutes) && minutes.is_multiple_of(5) && 1440_u32.is_multiple_of(minutes)
}

pub(super) fn guarded(value: f64, low: f64, high: f64, otherwise: f64) -> f64 {
    if value.is_nan() {
        otherwise
    } else {
        value.clamp(low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_range_and_nonsense_is_named() {
        assert_eq!(CallSettings::default().check(), Ok(()));
        let bad = CallSettings {
            interval_minutes: 7,
            ..CallSettings::default()
        };
        assert_eq!(
            bad.check().unwrap_err().to_string(),
            "`interval_minutes` is 7: it needs 5 to 240, a multiple of 5 that divides the day"
        );
        assert_eq!(bad.step(), Duration::from_secs(1800));
        let nan = CallSettings {
            shrinkage: f64::NAN,
            ..CallSettings::default()
        };
        assert!(nan.check().is_err());
    }
}
