use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{EventTime, Fingerprint};

/// Labels a series may carry; more is refused at decoding (`TooLarge`). OpenTelemetry's own default limit is 128.
pub const LABELS_MAX: usize = 128;
/// Bytes of one label value kept; OpenTelemetry resource attributes in the field stay far below.
pub const LABEL_VALUE_BYTES_MAX: usize = 1_024;

/// Label names and values: sorted by name, names unique (the last one given wins), empty values left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(Arc<str>, Arc<str>)>", into = "Vec<(Arc<str>, Arc<str>)>")]
pub struct Labels(Vec<(Arc<str>, Arc<str>)>);

impl Labels {
    /// From pairs in any order.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs = pairs
            .into_iter()
            .map(|(n, v)| (Arc::from(n.as_ref()), Arc::from(v.as_ref())))
            .collect();
        Self::from_shared(pairs)
    }

    fn from_shared(mut pairs: Vec<(Arc<str>, Arc<str>)>) -> Self {
        // A stable sort, reversed before and after, so that of equal names the last given comes first and stays.
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, kept| later.0 == kept.0);
        pairs.retain(|(_, value)| !value.is_empty());
        Self(pairs)
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .binary_search_by(|(n, _)| n.as_ref().cmp(name))
            .ok()
            .and_then(|i| self.0.get(i))
            .map(|(_, v)| v.as_ref())
    }

    /// Adds or replaces a label; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) {
        let mut pairs = std::mem::take(&mut self.0);
        pairs.push((Arc::from(name), Arc::from(value)));
        *self = Self::from_shared(pairs);
    }

    /// Name and value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_ref(), v.as_ref()))
    }

    /// How many labels.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the canonical bytes: for each label name and value, each after its length.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        for (name, value) in self.iter() {
            for part in [name, value] {
                out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend_from_slice(part.as_bytes());
            }
        }
    }

    /// Fingerprint of the canonical bytes: an entity is known by that of its resource labels.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut bytes = Vec::new();
        self.write_canonical(&mut bytes);
        Fingerprint::of(&bytes)
    }
}

impl From<Vec<(Arc<str>, Arc<str>)>> for Labels {
    fn from(pairs: Vec<(Arc<str>, Arc<str>)>) -> Self {
        Self::from_shared(pairs)
    }
}

impl From<Labels> for Vec<(Arc<str>, Arc<str>)> {
    fn from(labels: Labels) -> Self {
        labels.0
    }
}

/// What a series is: one metric of one entity, told apart by the point's own labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesKey {
    /// Name of the metric, by OpenTelemetry semantic conventions where there is one.
    pub metric: Arc<str>,
    /// Unit (UCUM), empty when unknown. Not part of the identity.
    pub unit: Arc<str>,
    /// Labels of the resource: the entity.
    pub resource: Labels,
    /// Labels of the point.
    pub labels: Labels,
}

impl SeriesKey {
    /// Identity: metric, resource and labels, without the unit.
    pub fn fingerprint(&self) -> Fingerprint {
        series_fingerprint(&self.metric, self.resource.fingerprint(), &self.labels)
    }

    /// Identity of the entity.
    pub fn entity(&self) -> Fingerprint {
        self.resource.fingerprint()
    }

    /// The same entity and labels under another metric name (a histogram's quantile, a counter's rate).
    #[must_use]
    pub fn with_metric(&self, metric: &str, unit: &str) -> Self {
        Self {
            metric: Arc::from(metric),
            unit: Arc::from(unit),
            ..self.clone()
        }
    }
}

/// Identity of a series from its parts; see [`SeriesKey::fingerprint`].
pub fn series_fingerprint(metric: &str, entity: Fingerprint, labels: &Labels) -> Fingerprint {
    let mut bytes = Vec::with_capacity(64);
    labels.write_canonical(&mut bytes);
    Fingerprint::of_parts(&[metric.as_bytes(), &entity.as_u128().to_le_bytes(), &bytes])
}

/// Whether a sum or histogram counts since its start or since the last point (OpenTelemetry's aggregation temporality).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Temporality {
    /// Since the start time.
    Cumulative,
    /// Since the last point.
    Delta,
}

/// What one point says. Values are finite: decoders refuse NaN and infinities (`BadValue`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading<'a> {
    /// A value as it stands.
    Gauge(f64),
    /// A sum.
    Sum {
        /// The sum.
        value: f64,
        /// Since the start or since the last point.
        temporality: Temporality,
        /// Whether it only grows between restarts.
        monotonic: bool,
        /// When the count began; a later start than the last point's means a restart.
        start: Option<EventTime>,
    },
    /// A histogram with explicit bounds; `counts` has one more element than `bounds`.
    Histogram {
        /// Upper bounds of all buckets but the last, rising.
        bounds: &'a [f64],
        /// Observations per bucket.
        counts: &'a [u64],
        /// Sum of the observations, where known.
        sum: Option<f64>,
        /// Since the start or since the last point.
        temporality: Temporality,
        /// When the count began.
        start: Option<EventTime>,
    },
    /// Quantiles computed at the source: (quantile, value), with cumulative count and sum.
    Summary {
        /// Pairs (quantile 0 to 1, value).
        quantiles: &'a [(f64, f64)],
        /// Cumulative sum of observations.
        sum: f64,
        /// Cumulative number of observations.
        count: u64,
        /// When the count began.
        start: Option<EventTime>,
    },
    /// `count` things happened at this time (log records, app events): becomes a rate.
    Events {
        /// How many.
        count: u64,
    },
}

/// One source partition, as marks and heartbeats name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourcePartition {
    /// Topic, or the folder of a replay.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
}

/// How far one source partition has come: carried into every partition of the re-keyed topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMark {
    /// Which source partition.
    pub source: SourcePartition,
    /// The latest event time read from it, future-dated points left out; `None`: none was read yet. Lateness isn't taken off.
    pub newest: Option<EventTime>,
    /// What its reader says of it from time to time; `None` beside samples, whose coming says that it isn't silent.
    pub pulse: Option<SourcePulse>,
}

/// What the reader of a source partition says, whether or not anything comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePulse {
    /// All that stands in the partition has been read.
    pub caught_up: bool,
    /// Nothing comes at present, and whatever was appended before this time has been read: so long nobody need wait for the
    /// partition. It holds for as long as it is said anew: a reader that is down says nothing.
    pub silent_until: Option<EventTime>,
    /// All topics that are re-keyed: each of their partitions is waited for until it is heard of. Empty where not known.
    pub topics: Vec<SourceTopic>,
}

/// A topic and how many partitions it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTopic {
    /// Its name.
    pub topic: Arc<str>,
    /// How many partitions.
    pub partitions: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_the_last_of_a_name_wins() {
        let labels = Labels::from_pairs([("b", "1"), ("a", "2"), ("b", "3"), ("c", "")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
        assert_eq!(labels.get("b"), Some("3"));
    }
}
