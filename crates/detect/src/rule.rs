use std::collections::BTreeMap;
use std::fmt;

use forecall_types::{Channel, Direction, SeriesKey, fits};
use serde::{Deserialize, Serialize};

use crate::gates::{check_pattern, check_patterns, labels_fit};
use crate::{DetectSettings, DetectSettingsError, MetricKind};

/// What holds for some series instead of what `detect` says for all. What is left out is as there. Only the first rule that
/// matches a series counts for it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateRule {
    /// Name of the metric as an anomaly tells it (`….rate`, `….p95`), in which `*` stands for any run of characters.
    pub metric: Option<String>,
    /// Its unit as an anomaly tells it, likewise; empty: series without one.
    pub unit: Option<String>,
    /// Labels of the series → value, likewise: all must match. A label of the point goes before one of the resource.
    pub r#match: BTreeMap<String, String>,
    /// `false` leaves the series out: nothing is learnt and nothing opens.
    pub detect: Option<bool>,
    /// What the metric measures, in place of what its name and unit say.
    pub kind: Option<MetricKind>,
    /// Which way is looked at, in place of what the kind says.
    pub direction: Option<Watched>,
    /// The channels that are heard.
    pub channels: Option<Channels>,
    /// As in `detect`.
    pub open_score: Option<f64>,
    /// As in `detect`.
    pub open_samples: Option<u32>,
    /// As in `detect`.
    pub open_of_samples: Option<u32>,
    /// As in `detect`.
    pub open_at_once_score: Option<f64>,
    /// As in `detect`.
    pub open_seconds_min: Option<u32>,
    /// As in `detect`.
    pub slow_credit_max: Option<f64>,
    /// As in `detect`.
    pub close_score: Option<f64>,
    /// As in `detect`.
    pub close_samples: Option<u32>,
    /// As in `detect`.
    pub close_seconds: Option<u32>,
    /// As in `detect`.
    pub refractory_seconds: Option<u32>,
    /// As in `detect`.
    pub refractory_samples: Option<u32>,
    /// As in `detect`.
    pub deviation_min_share: Option<f64>,
    /// As in `detect`.
    pub deviation_min_sds: Option<f64>,
    /// As in `detect`.
    pub deviation_min: Option<f64>,
    /// As in `detect`.
    pub spike_extra_score: Option<f64>,
    /// As in `detect`.
    pub habituation_score: Option<f64>,
    /// As in `detect`.
    pub new_normal_seconds: Option<u32>,
    /// As in `detect`, for the channels it names.
    pub alarms_a_month: Option<AlarmRates>,
}

/// How many anomalies a channel may open by chance, a series and month: 0.001 to 1,000; one that is left out 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlarmRates {
    /// Of those it tells.
    pub spike: Option<f64>,
    /// Likewise.
    pub shape: Option<f64>,
    /// Likewise.
    pub shift: Option<f64>,
    /// Likewise.
    pub season: Option<f64>,
    /// Likewise.
    pub novelty: Option<f64>,
}

impl AlarmRates {
    const fn fields(&self) -> [(&'static str, Option<f64>); 5] {
        [
            ("alarms_a_month.spike", self.spike),
            ("alarms_a_month.shape", self.shape),
            ("alarms_a_month.shift", self.shift),
            ("alarms_a_month.season", self.season),
            ("alarms_a_month.novelty", self.novelty),
        ]
    }

    /// Where this says nothing, what the other says.
    fn or(self, other: Self) -> Self {
        Self {
            spike: self.spike.or(other.spike),
            shape: self.shape.or(other.shape),
            shift: self.shift.or(other.shift),
            season: self.season.or(other.season),
            novelty: self.novelty.or(other.novelty),
        }
    }

    /// How much lower a channel opens for it: ten times as many by chance lie one score lower.
    pub(crate) fn credit(&self, channel: Channel) -> f64 {
        let rate = match channel {
            Channel::Spike => self.spike,
            Channel::Shape => self.shape,
            Channel::Shift => self.shift,
            Channel::Season => self.season,
            Channel::Novelty => self.novelty,
            Channel::Silence | Channel::Peer | Channel::Limit => None,
        };
        rate.map_or(0.0, libm::log10)
    }

    /// The most that any channel is let off; 0 where none is.
    pub(crate) fn most_credit(&self) -> f64 {
        self.fields()
            .into_iter()
            .filter_map(|(_, rate)| rate)
            .fold(0.0, |most, rate| libm::log10(rate).max(most))
    }

    /// The first that is out of bounds.
    pub(crate) fn wrong(&self) -> Option<&'static str> {
        let is_wrong = |rate: f64| !(0.001..=1_000.0).contains(&rate);
        let (name, _) = self
            .fields()
            .into_iter()
            .find(|(_, rate)| rate.is_some_and(is_wrong))?;
        Some(name)
    }
}

/// Which way deviations count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watched {
    /// Only above what was expected.
    Up,
    /// Only below.
    Down,
    /// Both ways.
    Both,
}

impl Watched {
    /// The way that is bad; `None` where both are.
    pub(crate) const fn bad(self) -> Option<Direction> {
        match self {
            Self::Up => Some(Direction::Up),
            Self::Down => Some(Direction::Down),
            Self::Both => None,
        }
    }
}

/// A channel that judges samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelName {
    /// A value far from the last ones.
    Spike,
    /// Steps from value to value that are larger than usual.
    Shape,
    /// A level far from the slow mean.
    Shift,
    /// A level unusual for this hour; where it isn't heard, no profile of the day is learnt.
    Season,
    /// A value beyond all that was seen.
    Novelty,
}

const CHANNELS: [ChannelName; 5] = [
    ChannelName::Spike,
    ChannelName::Shape,
    ChannelName::Shift,
    ChannelName::Season,
    ChannelName::Novelty,
];

/// Channels that are heard, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<ChannelName>", into = "Vec<ChannelName>")]
pub struct Channels(u8);

/// A channel stands twice in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`channels` names one twice")]
pub struct NamedTwice;

impl Channels {
    /// All there are.
    pub const ALL: Self = Self(0b1_1111);

    /// Whether a channel is heard.
    pub const fn has(self, channel: ChannelName) -> bool {
        self.0 & Self::bit(channel) != 0
    }

    /// Whether nothing is heard.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn bit(channel: ChannelName) -> u8 {
        match channel {
            ChannelName::Spike => 1,
            ChannelName::Shift => 2,
            ChannelName::Season => 4,
            ChannelName::Novelty => 8,
            ChannelName::Shape => 16,
        }
    }
}

impl TryFrom<Vec<ChannelName>> for Channels {
    type Error = NamedTwice;
    fn try_from(names: Vec<ChannelName>) -> Result<Self, NamedTwice> {
        names.into_iter().try_fold(Self(0), |heard, name| {
            if heard.has(name) {
                return Err(NamedTwice);
            }
            Ok(Self(heard.0 | Self::bit(name)))
        })
    }
}

impl From<Channels> for Vec<ChannelName> {
    fn from(heard: Channels) -> Self {
        CHANNELS.into_iter().filter(|name| heard.has(*name)).collect()
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Vec::from(*self), f)
    }
}

impl GateRule {
    /// Whether it is about a series.
    pub(crate) fn is_of(&self, series: &SeriesKey) -> bool {
        let fits_in = |pattern: &Option<String>, text: &str| pattern.as_ref().is_none_or(|p| fits(p, text));
        fits_in(&self.metric, &series.metric)
            && fits_in(&self.unit, &series.unit)
            && labels_fit(&self.r#match, series)
    }

    /// What holds for its series.
    pub(crate) fn apply(&self, settings: &mut DetectSettings) {
        macro_rules! take {
            ($($field:ident)*) => { $( settings.$field = self.$field.unwrap_or(settings.$field); )* };
        }
        take!(channels open_score open_samples open_of_samples open_at_once_score open_seconds_min slow_credit_max);
        take!(close_score close_samples close_seconds refractory_seconds refractory_samples);
        take!(deviation_min_share deviation_min_sds spike_extra_score habituation_score new_normal_seconds);
        settings.deviation_min = self.deviation_min.or(settings.deviation_min);
        settings.direction = self.direction.or(settings.direction);
        settings.alarms_a_month = self
            .alarms_a_month
            .unwrap_or_default()
            .or(settings.alarms_a_month);
    }

    /// Without what says which series it is about.
    fn effects(&self) -> Self {
        Self {
            metric: None,
            unit: None,
            r#match: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// Whether it chooses series, says something of them, and goes with the general settings.
    pub(crate) fn check(&self, general: &DetectSettings) -> Result<(), DetectSettingsError> {
        let wrong = |field, why| Err(DetectSettingsError::new(field, why));
        if self.metric.is_none() && self.unit.is_none() && self.r#match.is_empty() {
            return wrong(
                "metric",
                "is missing, and so are `unit` and `match`: what holds for all series stands in `detect` itself",
            );
        }
        if let Some(pattern) = &self.metric {
            check_pattern("metric", pattern)?;
        }
        if let Some(pattern) = self.unit.as_deref().filter(|unit| !unit.is_empty()) {
            check_pattern("unit", pattern)?;
        }
        check_patterns(&self.r#match)?;
        let effects = self.effects();
        // A rule that only exempts its series from those behind it.
        let exempts = Self {
            detect: Some(true),
            ..Self::default()
        };
        if effects == Self::default() {
            return wrong(
                "metric",
                "and the like choose series, but nothing is said of them; `detect: true` leaves them as they are",
            );
        }
        let out = Self {
            detect: Some(false),
            ..Self::default()
        };
        if effects.detect == Some(false) && effects != out {
            return wrong("detect", "is false, so nothing else has a meaning beside it");
        }
        if effects == exempts {
            return Ok(());
        }
        let mut settings = general.clone();
        self.apply(&mut settings);
        settings.check_fields().map_err(|error| {
            if self.says(&error.path) {
                return error;
            }
            // What is at fault stands elsewhere, and only this rule makes it one.
            DetectSettingsError {
                path: String::new(),
                what: format!("with what holds for all, {}", error.what),
            }
        })
    }

    /// Whether a field of the settings is one it sets.
    fn says(&self, field: &str) -> bool {
        macro_rules! any {
            ($($name:ident)*) => { $( (field == stringify!($name) && self.$name.is_some()) )||* };
        }
        if field.starts_with("alarms_a_month") {
            return self.alarms_a_month.is_some();
        }
        any!(channels open_score open_samples open_of_samples open_at_once_score open_seconds_min slow_credit_max
            close_score close_samples close_seconds refractory_seconds refractory_samples deviation_min_share
            deviation_min_sds deviation_min spike_extra_score habituation_score new_normal_seconds direction)
    }

    /// Whether it chooses the same series by the same words.
    pub(crate) fn chooses_as(&self, other: &Self) -> bool {
        (&self.metric, &self.unit, &self.r#match) == (&other.metric, &other.unit, &other.r#match)
    }
}
