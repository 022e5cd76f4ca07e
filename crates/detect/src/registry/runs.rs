//! Bytes that are only ever added to, in runs that a snapshot can hold on to without a copy.

use std::sync::Arc;

use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Runs shorter than this are joined when a snapshot is taken, so that a list of texts growing for weeks has few of them.
const JOINED_MAX: usize = 1 << 20;

/// One run of bytes, as far as its reader knows. What was added at once lies in one run.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs {
    /// What snapshots may hold, each with its first place.
    shared: Vec<(usize, Arc<Vec<u8>>)>,
    /// Place of the first byte of `last`.
    begin: usize,
    /// What was added since the last snapshot.
    last: Vec<u8>,
}

impl From<Vec<u8>> for Runs {
    fn from(last: Vec<u8>) -> Self {
        Self {
            shared: Vec::new(),
            begin: 0,
            last,
        }
    }
}

impl Runs {
    pub(super) const fn len(&self) -> usize {
        self.begin + self.last.len()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.last.extend_from_slice(bytes);
    }

    /// Bytes that were added at once, or a part of them.
    pub(super) fn get(&self, from: usize, len: usize) -> Option<&[u8]> {
        let (begin, run) = if from >= self.begin {
            (self.begin, &self.last)
        } else {
            let place = self.shared.partition_point(|(begin, _)| *begin <= from);
            let (begin, run) = self.shared.get(place.checked_sub(1)?)?;
            (*begin, &**run)
        };
        run.get(from - begin..from - begin + len)
    }

    /// As it is now, whatever is added.
    pub(super) fn share(&mut self) -> Self {
        if !self.last.is_empty() {
            let (mut begin, mut run) = (self.begin, std::mem::take(&mut self.last));
            self.begin += run.len();
            if let Some((first, before)) = self.shared.pop_if(|(_, r)| r.len() + run.len() <= JOINED_MAX) {
                let mut joined = Arc::unwrap_or_clone(before);
                joined.append(&mut run);
                (begin, run) = (first, joined);
            }
            self.shared.push((begin, Arc::new(run)));
        }
        self.clone()
    }
}

// On the wire one list of bytes: how it lies in runs hangs on when snapshots were taken.
impl Serialize for Runs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        let shared = self.shared.iter().flat_map(|(_, run)| run.iter());
        for byte in shared.chain(&self.last) {
            list.serialize_element(byte)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Runs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_lies_in_one_run_whenever_it_was_shared() {
        let (mut runs, mut model, mut places) = (Runs::default(), Vec::new(), Vec::new());
        let mut images: Vec<(Runs, Vec<u8>)> = Vec::new();
        // Long ones make runs that aren't joined any more.
        for n in 0..60_usize {
            let text = vec![u8::try_from(n).unwrap(); if n % 7 == 0 { 600_000 } else { n }];
            places.push((runs.len(), text.len()));
            runs.push(&text);
            model.extend(text);
            if n % 3 == 0 {
                images.push((runs.share(), model.clone()));
            }
            for (from, len) in &places {
                assert_eq!(runs.get(*from, *len), model.get(*from..*from + *len), "{from}");
            }
        }
        assert!(runs.shared.len() < 12, "{}", runs.shared.len());
        assert_eq!(runs.get(model.len(), 1), None);
        for (image, model) in images.iter().step_by(5) {
            assert_eq!(
                forecall_stage::encode_state(image).unwrap(),
                forecall_stage::encode_state(model).unwrap()
            );
        }
    }
}
