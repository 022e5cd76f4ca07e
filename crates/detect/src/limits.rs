//! Limits that series had better not reach.

use std::collections::BTreeMap;

use forecall_types::{SeriesKey, fits};
use serde::{Deserialize, Serialize};

use crate::gates::{check_pattern, check_patterns, labels_fit};
use crate::{DetectSettings, DetectSettingsError};

/// Limits in one configuration; each new series is tried against them in order.
pub const LIMITS_MAX: usize = 256;

/// A limit that a series had better not reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitEntry {
    /// Name of the metric as an anomaly tells it (`….rate`, `….p95`), in which `*` stands for any run of characters.
    pub metric: String,
    /// Labels of the series → value, likewise: all must match. A label of the point goes before one of the resource.
    #[serde(default)]
    pub r#match: BTreeMap<String, String>,
    /// It is passed above this value.
    #[serde(default)]
    pub above: Option<f64>,
    /// It is passed below this value; one of the two.
    #[serde(default)]
    pub below: Option<f64>,
    /// Seconds within which it must be likely to be passed; 60 to 86,400.
    #[serde(default = "within_seconds")]
    pub within_seconds: u32,
    /// Chance of that, by the band ahead, that counts as abnormal; 0.05 to 0.95.
    #[serde(default = "chance")]
    pub chance: f64,
}

const fn within_seconds() -> u32 {
    3_600
}

const fn chance() -> f64 {
    0.5
}

impl LimitEntry {
    /// One above which it is passed, within the usual span and at the usual chance.
    pub fn above(metric: &str, limit: f64) -> Self {
        Self {
            metric: metric.to_owned(),
            r#match: BTreeMap::new(),
            above: Some(limit),
            below: None,
            within_seconds: within_seconds(),
            chance: chance(),
        }
    }

    /// One below which it is passed.
    pub fn below(metric: &str, limit: f64) -> Self {
        Self {
            above: None,
            below: Some(limit),
            ..Self::above(metric, limit)
        }
    }

    /// 1 where values above have passed it, −1 where values below have.
    pub(crate) const fn sign(&self) -> f64 {
        if self.below.is_some() { -1.0 } else { 1.0 }
    }

    pub(crate) fn value(&self) -> f64 {
        self.above.or(self.below).unwrap_or(f64::INFINITY)
    }

    pub(crate) fn is_of(&self, series: &SeriesKey) -> bool {
        fits(&self.metric, &series.metric) && labels_fit(&self.r#match, series)
    }

    fn check(&self) -> Result<(), DetectSettingsError> {
        check_pattern("metric", &self.metric)?;
        check_patterns(&self.r#match)?;
        let is_finite = |limit: Option<f64>| limit.is_none_or(f64::is_finite);
        let is_one = self.above.is_some() != self.below.is_some();
        let (field, why) = if !is_one || !is_finite(self.above) || !is_finite(self.below) {
            ("above", "or `below`, one of them, must be a number")
        } else if !(60..=86_400).contains(&self.within_seconds) {
            ("within_seconds", "must lie between 60 and 86400")
        } else if !(0.05..=0.95).contains(&self.chance) {
            ("chance", "must lie between 0.05 and 0.95")
        } else {
            return Ok(());
        };
        Err(DetectSettingsError::new(field, why))
    }
}

impl DetectSettings {
    /// The limits that are heeded.
    pub(crate) fn heeded(&self) -> &[LimitEntry] {
        self.limits.as_deref().unwrap_or_default()
    }
}

pub(crate) fn check_limits(limits: &[LimitEntry]) -> Result<(), DetectSettingsError> {
    if limits.len() > LIMITS_MAX {
        let why = format!("holds {}, at most {LIMITS_MAX}", limits.len());
        return Err(DetectSettingsError::new("limits", &why));
    }
    for (number, limit) in limits.iter().enumerate() {
        limit.check().map_err(|error| error.within("limits", number))?;
    }
    Ok(())
}
