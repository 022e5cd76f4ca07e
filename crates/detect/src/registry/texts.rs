//! Texts that many series share (names, resources, label sets), each kept once and counted.

use forecall_stage::Chunks;
use forecall_types::Fingerprint;
use serde::{Deserialize, Serialize};

use super::Full;
use super::index::{Index, SLOTS_MAX};
use super::runs::Runs;

/// Entries of 12 bytes in a chunk.
const CHUNK: usize = 1_024;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    from: u32,
    len: u32,
    /// Series that use it; 0: free.
    uses: u32,
}

/// Runs of bytes known by number.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Texts {
    bytes: Runs,
    entries: Chunks<Entry, CHUNK>,
    free: Vec<u32>,
    /// Bytes nobody uses any more.
    unused: usize,
    #[serde(skip)]
    index: Index,
}

impl Texts {
    fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(number).ok()?)
    }

    pub(super) fn get(&self, number: u32) -> &[u8] {
        self.entry(number)
            .and_then(|entry| {
                let from = usize::try_from(entry.from).ok()?;
                self.bytes.get(from, usize::try_from(entry.len).ok()?)
            })
            .unwrap_or_default()
    }

    /// Bytes in use.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() - self.unused
    }

    /// The number of a text, with one use more; a new one is kept.
    pub(super) fn take(&mut self, text: &[u8]) -> Result<u32, Full> {
        let id = Fingerprint::of(text).as_u128();
        let known = self.index.find(id, |number| self.get(number) == text);
        if let Some(number) = known {
            if let Some(entry) = entry_mut(&mut self.entries, number) {
                entry.uses += 1;
            }
            return Ok(number);
        }
        let entry = Entry {
            from: u32::try_from(self.bytes.len()).map_err(|_| Full)?,
            len: u32::try_from(text.len()).map_err(|_| Full)?,
            uses: 1,
        };
        let next = u32::try_from(self.entries.len()).map_err(|_| Full)?;
        let number = match self.free.pop() {
            Some(number) => number,
            None if next >= SLOTS_MAX => return Err(Full),
            None => next,
        };
        self.bytes.push(text);
        match entry_mut(&mut self.entries, number) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
        let (index, entries, bytes) = (&mut self.index, &self.entries, &self.bytes);
        index.insert(id, number, |n| id_of(entries, bytes, n));
        Ok(number)
    }

    /// One use less; what nobody uses is forgotten.
    pub(super) fn give_back(&mut self, number: u32) {
        let Some(entry) = entry_mut(&mut self.entries, number).filter(|entry| entry.uses > 0) else {
            return;
        };
        entry.uses -= 1;
        if entry.uses > 0 {
            return;
        }
        self.unused += usize::try_from(entry.len).unwrap_or(0);
        let (index, entries, bytes) = (&mut self.index, &self.entries, &self.bytes);
        if let Some(id) = id_of(entries, bytes, number) {
            index.remove(id, number, |n| id_of(entries, bytes, n));
        }
        self.free.push(number);
        // Moving up costs as much as was added since the last time.
        if self.unused > self.bytes.len() / 2 && self.unused > 4_096 {
            self.move_up();
        }
    }

    fn move_up(&mut self) {
        let mut bytes = Vec::with_capacity(self.bytes.len() - self.unused);
        for number in 0..self.entries.len() {
            let Ok(number) = u32::try_from(number) else {
                return;
            };
            let from = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            if self.entry(number).is_some_and(|entry| entry.uses > 0) {
                bytes.extend_from_slice(self.get(number));
            }
            if let Some(entry) = entry_mut(&mut self.entries, number) {
                if entry.uses == 0 {
                    entry.len = 0;
                }
                entry.from = from;
            }
        }
        (self.bytes, self.unused) = (Runs::from(bytes), 0);
    }

    /// What is saved of them, as it is now.
    pub(super) fn share(&mut self) -> Self {
        Self {
            bytes: self.bytes.share(),
            entries: self.entries.share(),
            free: self.free.clone(),
            unused: self.unused,
            index: Index::default(),
        }
    }

    /// Makes what isn't saved, after loading.
    pub(super) fn rebuild(&mut self) {
        self.index = Index::default();
        let (entries, bytes) = (&self.entries, &self.bytes);
        for (number, entry) in (0_u32..).zip(entries.iter()) {
            if entry.uses > 0
                && let Some(id) = id_of(entries, bytes, number)
            {
                self.index.insert(id, number, |n| id_of(entries, bytes, n));
            }
        }
    }
}

fn entry_mut(entries: &mut Chunks<Entry, CHUNK>, number: u32) -> Option<&mut Entry> {
    entries.get_mut(usize::try_from(number).ok()?)
}

fn id_of(entries: &Chunks<Entry, CHUNK>, bytes: &Runs, number: u32) -> Option<u128> {
    let entry = entries.get(usize::try_from(number).ok()?)?;
    let from = usize::try_from(entry.from).ok()?;
    let text = bytes.get(from, usize::try_from(entry.len).ok()?)?;
    Some(Fingerprint::of(text).as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_used_stays_and_what_is_not_goes(steps in proptest::collection::vec((0_u8..20, any::<bool>()), 0..200)) {
            let mut texts = Texts::default();
            let mut held: Vec<(u32, Vec<u8>)> = Vec::new();
            for (n, add) in steps {
                if add {
                    let text = vec![n; 700];
                    held.push((texts.take(&text).unwrap(), text));
                } else if !held.is_empty() {
                    let (number, _) = held.swap_remove(usize::from(n) % held.len());
                    texts.give_back(number);
                }
                for (number, text) in &held { prop_assert_eq!(texts.get(*number), text); }
                let mut distinct: Vec<_> = held.iter().map(|(_, t)| t).collect();
                distinct.sort();
                distinct.dedup();
                prop_assert_eq!(texts.bytes(), 700 * distinct.len());
            }
        }
    }
}
