mod views;

pub use views::{KeyView, KnownLabels, LabelsView};

use crate::{EventTime, Fingerprint, Labels, Reading, Reject, SeriesKey, Temporality};

/// One row of a [`SampleBatch`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRow {
    /// Identity of the series.
    pub series: Fingerprint,
    /// Identity of the entity.
    pub entity: Fingerprint,
    /// When it was measured.
    pub at: EventTime,
    /// Index into the batch's keys: what to intern when the series is new.
    key: u32,
    reading: RowReading,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum RowReading {
    Gauge(f64),
    Sum {
        value: f64,
        temporality: Temporality,
        monotonic: bool,
        start: Option<EventTime>,
    },
    Histogram {
        from: u32,
        bounds: u32,
        sum: Option<f64>,
        temporality: Temporality,
        start: Option<EventTime>,
    },
    Summary {
        from: u32,
        len: u32,
        sum: f64,
        count: u64,
        start: Option<EventTime>,
    },
    Events {
        count: u64,
    },
}

/// A run of a batch's text; good for the batch that gave it, until it is cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    from: u32,
    len: u32,
}

/// A label set in a batch's text, and its fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelSpan {
    span: Span,
    fingerprint: Fingerprint,
}

/// A series' key in a batch; good until the batch is cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyIndex(u32);

#[derive(Debug, Clone, Copy)]
struct KeySpans {
    metric: Span,
    unit: Span,
    resource: Span,
    labels: Span,
    series: Fingerprint,
    entity: Fingerprint,
}

/// What one record held, by column, and reused from record to record: the points, the series they belong to, and the
/// points that were refused. Names and labels lie in one run of bytes, so that a batch used again allocates nothing.
#[derive(Debug, Clone, Default)]
pub struct SampleBatch {
    /// In one place: a record goes through many hands, and what is handed on stays small.
    columns: Box<Columns>,
}

#[derive(Debug, Clone, Default)]
struct Columns {
    rows: Vec<SampleRow>,
    keys: Vec<KeySpans>,
    text: Vec<u8>,
    scratch: Vec<u8>,
    bounds: Vec<f64>,
    counts: Vec<u64>,
    quantiles: Vec<(f64, f64)>,
    rejects: Vec<Reject>,
}

fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

impl SampleBatch {
    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.columns.rows.clear();
        self.columns.keys.clear();
        self.columns.text.clear();
        self.columns.bounds.clear();
        self.columns.counts.clear();
        self.columns.quantiles.clear();
        self.columns.rejects.clear();
    }

    /// Keeps a metric's name or a unit.
    pub fn keep_text(&mut self, text: &str) -> Span {
        let from = index(self.columns.text.len());
        self.columns.text.extend_from_slice(text.as_bytes());
        Span {
            from,
            len: index(text.len()),
        }
    }

    /// Keeps labels as [`Labels::from_pairs`] would: sorts the pairs by name; of one name the last given stays; one with
    /// an empty value is left out.
    pub fn keep_labels<N: AsRef<str>, V: AsRef<str>>(&mut self, pairs: &mut [(N, V)]) -> LabelSpan {
        pairs.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        let from = self.columns.text.len();
        for (i, (name, value)) in pairs.iter().enumerate() {
            let (name, value) = (name.as_ref(), value.as_ref());
            let is_given_again = pairs.get(i + 1).is_some_and(|(next, _)| next.as_ref() == name);
            if is_given_again || value.is_empty() {
                continue;
            }
            for part in [name, value] {
                self.columns
                    .text
                    .extend_from_slice(&index(part.len()).to_le_bytes());
                self.columns.text.extend_from_slice(part.as_bytes());
            }
        }
        self.label_span(from)
    }

    /// Labels of this batch, to be kept again in another or later.
    pub fn known_labels(&self, labels: LabelSpan) -> KnownLabels {
        KnownLabels {
            canonical: bytes(&self.columns.text, labels.span).into(),
            fingerprint: labels.fingerprint,
        }
    }

    /// Keeps labels that were kept before.
    pub fn keep_known(&mut self, labels: &KnownLabels) -> LabelSpan {
        let span = Span {
            from: index(self.columns.text.len()),
            len: index(labels.canonical.len()),
        };
        self.columns.text.extend_from_slice(&labels.canonical);
        LabelSpan {
            span,
            fingerprint: labels.fingerprint,
        }
    }

    fn label_span(&self, from: usize) -> LabelSpan {
        let bytes = self.columns.text.get(from..).unwrap_or_default();
        LabelSpan {
            span: Span {
                from: index(from),
                len: index(bytes.len()),
            },
            fingerprint: Fingerprint::of(bytes),
        }
    }

    /// Keeps the key of a series.
    pub fn keep_key(&mut self, metric: Span, unit: Span, resource: LabelSpan, labels: LabelSpan) -> KeyIndex {
        let series = {
            let (metric, labels) = (
                bytes(&self.columns.text, metric),
                bytes(&self.columns.text, labels.span),
            );
            // As `series_fingerprint` does, in memory used again.
            self.columns.scratch.clear();
            for part in [metric, &resource.fingerprint.as_u128().to_le_bytes(), labels] {
                self.columns
                    .scratch
                    .extend_from_slice(&u64::from(index(part.len())).to_le_bytes());
                self.columns.scratch.extend_from_slice(part);
            }
            Fingerprint::of(&self.columns.scratch)
        };
        self.columns.keys.push(KeySpans {
            metric,
            unit,
            resource: resource.span,
            labels: labels.span,
            series,
            entity: resource.fingerprint,
        });
        KeyIndex(index(self.columns.keys.len() - 1))
    }

    /// Adds a point of a key kept before; a key of another batch adds nothing.
    pub fn push_row(&mut self, key: KeyIndex, at: EventTime, reading: Reading<'_>) {
        let Some(spans) = usize::try_from(key.0).ok().and_then(|i| self.columns.keys.get(i)) else {
            return;
        };
        let (series, entity) = (spans.series, spans.entity);
        let reading = self.keep(reading);
        self.columns.rows.push(SampleRow {
            series,
            entity,
            at,
            key: key.0,
            reading,
        });
    }

    /// Adds a point without a unit. See [`push_key`](Self::push_key).
    pub fn push(
        &mut self,
        metric: &str,
        resource: &Labels,
        labels: &Labels,
        at: EventTime,
        reading: Reading<'_>,
    ) {
        let (metric, unit) = (self.keep_text(metric), self.keep_text(""));
        let (resource, labels) = (self.copy_labels(resource), self.copy_labels(labels));
        let key = self.keep_key(metric, unit, resource, labels);
        self.push_row(key, at, reading);
    }

    fn copy_labels(&mut self, labels: &Labels) -> LabelSpan {
        let from = self.columns.text.len();
        labels.write_canonical(&mut self.columns.text);
        self.label_span(from)
    }

    /// Adds a point of `key`.
    pub fn push_key(&mut self, key: &SeriesKey, at: EventTime, reading: Reading<'_>) {
        // Points of one series mostly follow each other: the last key serves again.
        let last = self.columns.keys.last().filter(|last| self.view(last).is(key));
        let kept = if last.is_some() {
            KeyIndex(index(self.columns.keys.len() - 1))
        } else {
            let (metric, unit) = (self.keep_text(&key.metric), self.keep_text(&key.unit));
            let (resource, labels) = (self.copy_labels(&key.resource), self.copy_labels(&key.labels));
            self.keep_key(metric, unit, resource, labels)
        };
        self.push_row(kept, at, reading);
    }

    /// Adds a point of another batch; a row of none adds nothing.
    pub fn push_from(&mut self, other: &Self, row: &SampleRow) {
        let Some((spans, reading)) = other.spans(row).zip(other.reading(row)) else {
            return;
        };
        let last = self.columns.keys.last().copied();
        let same_entity = last.filter(|l| l.entity == spans.entity);
        let same = same_entity.filter(|l| {
            l.series == spans.series
                && bytes(&self.columns.text, l.unit) == bytes(&other.columns.text, spans.unit)
        });
        if same.is_none() {
            let resource = match same_entity {
                Some(last) => last.resource,
                None => self.copy_span(other, spans.resource),
            };
            let copied = KeySpans {
                metric: self.copy_span(other, spans.metric),
                unit: self.copy_span(other, spans.unit),
                resource,
                labels: self.copy_span(other, spans.labels),
                ..*spans
            };
            self.columns.keys.push(copied);
        }
        self.push_row(KeyIndex(index(self.columns.keys.len() - 1)), row.at, reading);
    }

    fn copy_span(&mut self, other: &Self, span: Span) -> Span {
        let from = index(self.columns.text.len());
        self.columns
            .text
            .extend_from_slice(bytes(&other.columns.text, span));
        Span { from, len: span.len }
    }

    fn keep(&mut self, reading: Reading<'_>) -> RowReading {
        match reading {
            Reading::Gauge(value) => RowReading::Gauge(value),
            Reading::Sum {
                value,
                temporality,
                monotonic,
                start,
            } => RowReading::Sum {
                value,
                temporality,
                monotonic,
                start,
            },
            Reading::Histogram {
                bounds,
                counts,
                sum,
                temporality,
                start,
            } => {
                // Bounds and counts share one index; a missing count is 0 and a surplus one is dropped by the decoder.
                let from = index(self.columns.counts.len());
                self.columns.bounds.resize(self.columns.counts.len(), 0.0);
                self.columns.bounds.extend_from_slice(bounds);
                self.columns.bounds.push(f64::INFINITY);
                self.columns
                    .counts
                    .extend((0..=bounds.len()).map(|i| counts.get(i).copied().unwrap_or(0)));
                RowReading::Histogram {
                    from,
                    bounds: index(bounds.len()),
                    sum,
                    temporality,
                    start,
                }
            }
            Reading::Summary {
                quantiles,
                sum,
                count,
                start,
            } => {
                let from = index(self.columns.quantiles.len());
                self.columns.quantiles.extend_from_slice(quantiles);
                RowReading::Summary {
                    from,
                    len: index(quantiles.len()),
                    sum,
                    count,
                    start,
                }
            }
            Reading::Events { count } => RowReading::Events { count },
        }
    }

    /// Forgets all rows but the first so many.
    pub fn truncate_rows(&mut self, rows: usize) {
        self.columns.rows.truncate(rows);
    }

    /// Notes a point that was refused; the good ones of the record stay.
    pub fn reject(&mut self, reject: Reject) {
        self.columns.rejects.push(reject);
    }

    /// The points, in the record's order.
    pub fn rows(&self) -> &[SampleRow] {
        &self.columns.rows
    }

    /// The points refused.
    pub fn rejects(&self) -> &[Reject] {
        &self.columns.rejects
    }

    fn spans(&self, row: &SampleRow) -> Option<&KeySpans> {
        self.columns.keys.get(usize::try_from(row.key).ok()?)
    }

    fn view(&self, spans: &KeySpans) -> KeyView<'_> {
        // What was kept came from texts.
        let text = |span| std::str::from_utf8(bytes(&self.columns.text, span)).unwrap_or_default();
        KeyView {
            metric: text(spans.metric),
            unit: text(spans.unit),
            resource: LabelsView(bytes(&self.columns.text, spans.resource)),
            labels: LabelsView(bytes(&self.columns.text, spans.labels)),
        }
    }

    /// The series of a row of this batch as it lies there. `None` only for a row of another batch.
    pub fn key_view(&self, row: &SampleRow) -> Option<KeyView<'_>> {
        self.spans(row).map(|spans| self.view(spans))
    }

    /// The series of a row of this batch. `None` only for a row of another batch.
    pub fn key(&self, row: &SampleRow) -> Option<SeriesKey> {
        self.key_view(row).map(KeyView::to_key)
    }

    /// What a row of this batch says. `None` only for a row of another batch.
    pub fn reading(&self, row: &SampleRow) -> Option<Reading<'_>> {
        let index = |n: u32| usize::try_from(n).ok();
        Some(match row.reading {
            RowReading::Gauge(value) => Reading::Gauge(value),
            RowReading::Sum {
                value,
                temporality,
                monotonic,
                start,
            } => Reading::Sum {
                value,
                temporality,
                monotonic,
                start,
            },
            RowReading::Histogram {
                from,
                bounds,
                sum,
                temporality,
                start,
            } => {
                let (from, len) = (index(from)?, index(bounds)?);
                Reading::Histogram {
                    bounds: self.columns.bounds.get(from..from + len)?,
                    counts: self.columns.counts.get(from..=from + len)?,
                    sum,
                    temporality,
                    start,
                }
            }
            RowReading::Summary {
                from,
                len,
                sum,
                count,
                start,
            } => {
                let (from, len) = (index(from)?, index(len)?);
                Reading::Summary {
                    quantiles: self.columns.quantiles.get(from..from + len)?,
                    sum,
                    count,
                    start,
                }
            }
            RowReading::Events { count } => Reading::Events { count },
        })
    }
}

fn bytes(text: &[u8], span: Span) -> &[u8] {
    let range = usize::try_from(span.from)
        .ok()
        .zip(usize::try_from(span.len).ok())
        .map(|(from, len)| from..from + len);
    range.and_then(|range| text.get(range)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn labels_are_kept_as_their_own_type_keeps_them(mut pairs in proptest::collection::vec(("[a-c]", "[xy]{0,2}"), 0..6)) {
            let labels = Labels::from_pairs(pairs.clone());
            let mut batch = SampleBatch::default();
            let kept = batch.keep_labels(&mut pairs);
            prop_assert_eq!(kept.fingerprint, labels.fingerprint());
            let view = LabelsView(bytes(&batch.columns.text, kept.span));
            prop_assert_eq!(Labels::from_pairs(view), labels);
        }

        #[test]
        fn a_copied_row_is_the_same(rows in proptest::collection::vec(("[mn]", "[ab]", "[xy]?"), 0..12)) {
            let mut batch = SampleBatch::default();
            for (metric, entity, label) in &rows {
                batch.push(metric, &Labels::from_pairs([("e", entity)]), &Labels::from_pairs([("l", label)]), EventTime::MIN, Reading::Gauge(1.0));
            }
            let mut copy = SampleBatch::default();
            for row in batch.rows() { copy.push_from(&batch, row); }
            prop_assert_eq!(copy.rows().len(), batch.rows().len());
            for (a, b) in batch.rows().iter().zip(copy.rows()) {
                prop_assert_eq!((a.series, a.entity, batch.key(a)), (b.series, b.entity, copy.key(b)));
                prop_assert_eq!(copy.key(b).unwrap().fingerprint(), b.series);
            }
        }
    }

    #[test]
    fn a_batch_gives_back_what_was_pushed() {
        let mut batch = SampleBatch::default();
        let resource = Labels::from_pairs([("service.name", "pay")]);
        let readings = [
            Reading::Gauge(1.5),
            Reading::Histogram {
                bounds: &[1.0, 2.0],
                counts: &[3, 4, 5],
                sum: Some(9.0),
                temporality: Temporality::Delta,
                start: None,
            },
            Reading::Summary {
                quantiles: &[(0.5, 1.0), (0.9, 2.0)],
                sum: 3.0,
                count: 2,
                start: None,
            },
            Reading::Histogram {
                bounds: &[],
                counts: &[7],
                sum: None,
                temporality: Temporality::Cumulative,
                start: None,
            },
            Reading::Events { count: 2 },
        ];
        for (i, reading) in readings.iter().enumerate() {
            batch.push(
                &format!("m{i}"),
                &resource,
                &Labels::default(),
                EventTime::from_secs(1),
                *reading,
            );
        }
        let got: Vec<_> = batch
            .rows()
            .iter()
            .map(|row| batch.reading(row).unwrap())
            .collect();
        assert_eq!(got, readings);
    }

    proptest! {
        #[test]
        fn a_row_has_the_fingerprint_of_its_key(metrics in proptest::collection::vec("[a-c]", 1..30)) {
            let mut batch = SampleBatch::default();
            let resource = Labels::from_pairs([("host.name", "h")]);
            for metric in &metrics {
                batch.push(metric, &resource, &Labels::default(), EventTime::MIN, Reading::Gauge(0.0));
            }
            for row in batch.rows() {
                prop_assert_eq!(batch.key(row).unwrap().fingerprint(), row.series);
                prop_assert_eq!(batch.key(row).unwrap().entity(), row.entity);
            }
        }
    }
}
