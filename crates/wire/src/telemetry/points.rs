use std::sync::Arc;

use forecall_types::{
    ContextRecord, DomainName, EventTime, LabelSpan, Labels, Position, Reading, Reject, RejectReason,
    SampleBatch, SamplesRecord, SeriesKey, SourceMark, Span, SpanLink,
};

use super::few::{Few, LabelText};
use super::json::bad_value;
use super::spellings::{Mark, Spellings};
use super::{Decoded, RawRecord, Source};

/// First words of label names that tell the entity, by the semantic conventions of OpenTelemetry, and forecall's own.
const RESOURCE_ROOTS: [&str; 8] = [
    "service",
    "host",
    "cloud",
    "k8s",
    "container",
    "deployment",
    "geo",
    "forecall",
];
/// Names of one word that tell the entity: plain ones, and Prometheus' two target labels.
const RESOURCE_NAMES: [&str; 5] = ["service", "host", "region", "job", "instance"];

/// Whether a label of a flat format (Prometheus, Telegraf, Influx, flat JSON) belongs to the entity, not to the point.
pub fn is_resource_label(name: &str) -> bool {
    match name.split_once('.') {
        Some((root, _)) => RESOURCE_ROOTS.contains(&root),
        None => RESOURCE_NAMES.contains(&name),
    }
}

/// Gathers the points of one record and keeps them within the source's limits.
pub(super) struct Points<'a> {
    source: &'a Source,
    batch: SampleBatch,
    seen: usize,
    contexts: Vec<ContextRecord>,
    links: Vec<SpanLink>,
    /// Domain, topic and marks of the record whose memory is used again.
    names: Option<(DomainName, Arc<str>, Vec<SourceMark>)>,
    spellings: &'a mut Spellings,
}

impl<'a> Points<'a> {
    pub(super) fn new(
        source: &'a Source,
        spare: Option<SamplesRecord>,
        spellings: &'a mut Spellings,
    ) -> Self {
        let (mut batch, names) = match spare {
            Some(spare) => (spare.batch, Some((spare.domain, spare.origin.topic, spare.marks))),
            None => (SampleBatch::default(), None),
        };
        batch.clear();
        Self {
            source,
            batch,
            seen: 0,
            contexts: Vec::new(),
            links: Vec::new(),
            names,
            spellings,
        }
    }

    /// Adds what was announced.
    pub(super) fn announce(&mut self, context: ContextRecord) {
        self.contexts.push(context);
    }

    /// Adds what a span tells of a call.
    pub(super) fn link(&mut self, link: SpanLink) {
        self.links.push(link);
    }

    /// Forgets all points and refusals.
    pub(super) fn begin_again(&mut self) {
        self.batch.clear();
        self.seen = 0;
    }

    /// How far it is: rows, and points counted.
    pub(super) fn mark(&self) -> (usize, usize) {
        (self.batch.rows().len(), self.seen)
    }

    /// Forgets the rows since a mark.
    pub(super) fn back_to(&mut self, (rows, seen): (usize, usize)) {
        self.batch.truncate_rows(rows);
        self.seen = seen;
    }

    /// Keeps a name or a unit for [`push_kept`](Self::push_kept).
    pub(super) fn keep_text(&mut self, text: &str) -> Span {
        self.batch.keep_text(text)
    }

    fn allows(&self, pairs: &[(&str, LabelText<'_>)]) -> bool {
        let limits = &self.source.limits;
        pairs.len() <= limits.labels_max
            && pairs.iter().all(|(name, value)| {
                name.len() <= limits.label_name_bytes_max
                    && value.as_ref().len() <= limits.label_value_bytes_max
            })
    }

    /// Keeps labels of a point; `None` when they pass a limit.
    pub(super) fn keep_labels<const N: usize>(&mut self, pairs: &mut Few<'_, N>) -> Option<LabelSpan> {
        self.allows(pairs.pairs())
            .then(|| self.batch.keep_labels(pairs.pairs_mut()))
    }

    /// Keeps labels of a resource, with the source's defaults where missing; `None` when they pass a limit.
    pub(super) fn keep_resource<'b, const N: usize>(&mut self, pairs: &mut Few<'b, N>) -> Option<LabelSpan>
    where
        'a: 'b,
    {
        if !self.allows(pairs.pairs()) {
            return None;
        }
        for (name, value) in self.source.resource_defaults.iter() {
            // Of a name given twice the last counts, and an empty value is none.
            let given = pairs.pairs().iter().rev().find(|(n, _)| *n == name);
            if given.is_none_or(|(_, value)| value.as_ref().is_empty()) {
                pairs.push(name, LabelText::Text(value))?;
            }
        }
        Some(self.batch.keep_labels(pairs.pairs_mut()))
    }

    /// The mark of labels as they are written, see [`Spellings::mark`].
    pub(super) fn mark_of(&mut self, context: u128, spelling: &[u8]) -> Option<Mark> {
        self.spellings.mark(context, spelling)
    }

    /// Keeps labels of resource and point that were written so before.
    pub(super) fn keep_spelled(&mut self, mark: Mark) -> Option<(Option<LabelSpan>, LabelSpan)> {
        let (resource, labels) = self.spellings.find(mark)?;
        let resource = resource.map(|resource| self.batch.keep_known(resource));
        Some((resource, self.batch.keep_known(labels)))
    }

    /// Remembers what a spelling was found to mean, if it comes again.
    pub(super) fn learn(&mut self, mark: Mark, resource: Option<LabelSpan>, labels: LabelSpan) {
        if !self.spellings.meet_again(mark) {
            return;
        }
        let resource = resource.map(|resource| self.batch.known_labels(resource));
        let labels = self.batch.known_labels(labels);
        self.spellings.learn(mark, resource, labels);
    }

    /// Adds a point whose key was kept by parts: metric, unit, resource, labels.
    pub(super) fn push_kept(
        &mut self,
        (metric, unit, resource, labels): (Span, Span, LabelSpan, LabelSpan),
        at: EventTime,
        reading: Reading<'_>,
    ) {
        let key = self.batch.keep_key(metric, unit, resource, labels);
        self.batch.push_row(key, at, reading);
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
        if self.batch.rows().is_empty() && self.contexts.is_empty() && self.links.is_empty() {
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
        // A name that is the same is not counted up and down for each record.
        let (domain, topic, mut marks) = match self.names {
            Some((domain, topic, marks)) => (Some(domain), Some(topic), marks),
            None => (None, None, Vec::new()),
        };
        marks.clear();
        let topic =
            topic
                .filter(|topic| **topic == *record.topic)
                .unwrap_or_else(|| match &self.source.topic {
                    topic if **topic == *record.topic => Arc::clone(topic),
                    _ => Arc::from(record.topic),
                });
        Ok(Decoded::Samples(SamplesRecord {
            domain: domain
                .filter(|domain| *domain == self.source.domain)
                .unwrap_or_else(|| self.source.domain.clone()),
            origin: Position {
                topic,
                partition: record.partition,
                offset: record.offset,
            },
            appended_at: record.appended_at,
            batch: self.batch,
            marks,
            contexts: self.contexts,
            links: self.links,
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
