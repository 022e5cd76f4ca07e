use forecall_types::{
    EventTime, Labels, Position, Reading, Reject, RejectReason, SampleBatch, SamplesRecord, SeriesKey,
};

use super::json::bad_value;
use super::{Decoded, RawRecord, Source};

/// Prefixes of label names that tell the entity, by the semantic conventions of OpenTelemetry, and forecall's own.
const RESOURCE_PREFIXES: [&str; 8] = [
    "service.",
    "host.",
    "cloud.",
    "k8s.",
    "container.",
    "deployment.",
    "geo.",
    "forecall.",
];
/// Names without a prefix that tell the entity: plain ones, and Prometheus' two target labels.
const RESOURCE_NAMES: [&str; 5] = ["service", "host", "region", "job", "instance"];

/// Whether a label of a flat format (Prometheus, Telegraf, Influx, flat JSON) belongs to the entity, not to the point.
pub fn is_resource_label(name: &str) -> bool {
    RESOURCE_NAMES.contains(&name) || RESOURCE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Gathers the points of one record and keeps them within the source's limits.
pub(super) struct Points<'a> {
    source: &'a Source,
    batch: SampleBatch,
    seen: usize,
}

impl<'a> Points<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        Self {
            source,
            batch: SampleBatch::default(),
            seen: 0,
        }
    }

    pub(super) fn source(&self) -> &'a Source {
        self.source
    }

    /// Counts `more` points before they are looked at.
    pub(super) fn expect(&mut self, more: usize) -> Result<(), Reject> {
        self.seen = self.seen.saturating_add(more);
        let max = self.source.limits.points_max;
        if self.seen > max {
            return Err(Reject::new(
                RejectReason::TooLarge,
                format!("more than {max} points"),
            ));
        }
        Ok(())
    }

    /// Labels of a point, within the limits.
    pub(super) fn labels<N: AsRef<str>, V: AsRef<str>>(&self, pairs: &[(N, V)]) -> Result<Labels, Reject> {
        let limits = &self.source.limits;
        let too_large = |what: String| Err(Reject::new(RejectReason::TooLarge, what));
        if pairs.len() > limits.labels_max {
            return too_large(format!(
                "{} labels, {} are allowed",
                pairs.len(),
                limits.labels_max
            ));
        }
        for (name, value) in pairs {
            if name.as_ref().len() > limits.label_name_bytes_max {
                return too_large(format!(
                    "a label's name is longer than {} bytes",
                    limits.label_name_bytes_max
                ));
            }
            if value.as_ref().len() > limits.label_value_bytes_max {
                return too_large(format!(
                    "a label's value is longer than {} bytes",
                    limits.label_value_bytes_max
                ));
            }
        }
        Ok(Labels::from_pairs(
            pairs.iter().map(|(n, v)| (n.as_ref(), v.as_ref())),
        ))
    }

    /// Labels of a resource: those given, and the source's defaults where missing.
    pub(super) fn resource<N: AsRef<str>, V: AsRef<str>>(&self, pairs: &[(N, V)]) -> Result<Labels, Reject> {
        let mut labels = self.labels(pairs)?;
        for (name, value) in self.source.resource_defaults.iter() {
            if labels.get(name).is_none() {
                labels.set(name, value);
            }
        }
        Ok(labels)
    }

    /// Labels of a flat format, told apart into resource and point.
    pub(super) fn split(&self, pairs: Vec<(String, String)>) -> Result<(Labels, Labels), Reject> {
        let (resource, point): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|(name, _)| is_resource_label(name));
        Ok((self.resource(&resource)?, self.labels(&point)?))
    }

    /// A metric's name, within the limits.
    pub(super) fn metric<'n>(&self, name: &'n str) -> Result<&'n str, Reject> {
        let max = self.source.limits.metric_name_bytes_max;
        if name.is_empty() {
            return Err(Reject::new(RejectReason::MissingField, "a metric has no name"));
        }
        if name.len() > max {
            return Err(Reject::new(
                RejectReason::TooLarge,
                format!("a metric's name is longer than {max} bytes"),
            ));
        }
        Ok(name)
    }

    /// Keeps a point, or refuses it if it holds a number that isn't finite.
    pub(super) fn push(&mut self, key: &SeriesKey, at: EventTime, reading: Reading<'_>) {
        if is_finite(&reading) {
            self.batch.push_key(key, at, reading);
        } else {
            self.batch.reject(bad_value("value"));
        }
    }

    /// Notes a refused point.
    pub(super) fn refuse(&mut self, reject: Reject) {
        self.batch.reject(reject);
    }

    /// What the record was. A record of which no point could be read is refused as a whole, so that its bytes are kept
    /// as a dead letter; one whose values were merely NaN is not: sources write NaN for "no value just now".
    pub(super) fn finish(self, record: &RawRecord<'_>) -> Result<Decoded, Reject> {
        let rejects = self.batch.rejects();
        if self.batch.rows().is_empty() {
            if rejects.is_empty() {
                return Ok(Decoded::Nothing);
            }
            if let Some(first) = rejects.iter().find(|r| r.reason != RejectReason::BadValue) {
                let detail = match rejects.len() {
                    1 => first.detail.clone(),
                    n => format!("{} (and {} more refusals)", first.detail, n - 1),
                };
                return Err(Reject::new(first.reason, detail));
            }
        }
        Ok(Decoded::Samples(SamplesRecord {
            domain: self.source.domain.clone(),
            origin: Position {
                topic: record.topic.into(),
                partition: record.partition,
                offset: record.offset,
            },
            appended_at: record.appended_at,
            batch: self.batch,
            marks: Vec::new(),
        }))
    }
}

/// Whether every number of a reading is finite, and bounds rise.
pub(super) fn is_finite(reading: &Reading<'_>) -> bool {
    match reading {
        Reading::Gauge(value) | Reading::Sum { value, .. } => value.is_finite(),
        Reading::Histogram { bounds, sum, .. } => {
            bounds.iter().all(|b| b.is_finite())
                && bounds.windows(2).all(|pair| pair.first() < pair.last())
                && sum.is_none_or(f64::is_finite)
        }
        Reading::Summary { quantiles, sum, .. } => {
            sum.is_finite()
                && quantiles
                    .iter()
                    .all(|(q, v)| (0.0..=1.0).contains(q) && v.is_finite())
        }
        Reading::Events { .. } => true,
    }
}
