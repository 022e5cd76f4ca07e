//! Keys and labels of a batch as others see them.

use std::sync::Arc;

use crate::{Fingerprint, Labels, SeriesKey};

/// A label set that was in a batch, in memory of its own: it is kept again without being put in order or hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLabels {
    pub(super) canonical: Box<[u8]>,
    pub(super) fingerprint: Fingerprint,
}

impl KnownLabels {
    /// Bytes it takes, besides itself.
    pub fn len(&self) -> usize {
        self.canonical.len()
    }

    /// Whether there are no labels.
    pub fn is_empty(&self) -> bool {
        self.canonical.is_empty()
    }
}

/// A series' key as it lies in a batch: nothing is copied until somebody wants a [`SeriesKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyView<'a> {
    /// Name of the metric.
    pub metric: &'a str,
    /// Its unit, empty when unknown.
    pub unit: &'a str,
    /// Labels of the resource.
    pub resource: LabelsView<'a>,
    /// Labels of the point.
    pub labels: LabelsView<'a>,
}

impl KeyView<'_> {
    /// The key itself, in memory of its own.
    pub fn to_key(self) -> SeriesKey {
        SeriesKey {
            metric: Arc::from(self.metric),
            unit: Arc::from(self.unit),
            resource: Labels::from_pairs(self.resource),
            labels: Labels::from_pairs(self.labels),
        }
    }

    pub(super) fn is(&self, key: &SeriesKey) -> bool {
        *self.metric == *key.metric
            && *self.unit == *key.unit
            && self.labels.eq(key.labels.iter())
            && self.resource.eq(key.resource.iter())
    }
}

/// Labels in their canonical bytes (see [`Labels::write_canonical`]): names and values in order of name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelsView<'a>(pub(super) &'a [u8]);

impl<'a> LabelsView<'a> {
    /// The canonical bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    fn text(&mut self) -> Option<&'a str> {
        let (len, rest) = self.0.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

impl<'a> Iterator for LabelsView<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.text()?, self.text()?))
    }
}
