//! What an operator asks of the snapshot store: what there is, whether it is whole, whether it can be written.

use forecall_log::TopicPartition;
use forecall_stage::{Snapshot, SnapshotHeader};
use object_store::path::Path as ObjectPath;

use crate::host::HostError;
use crate::snapshots::SnapshotStore;

/// One snapshot as it lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotEntry {
    /// Where it lies in the store.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// What it is of, if its checksum holds; else why it can't be used.
    pub header: Result<SnapshotHeader, String>,
}

impl SnapshotStore {
    /// Every stage and partition that has a folder, in order.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn partitions(&self) -> Result<Vec<(String, TopicPartition)>, HostError> {
        let mut found = Vec::new();
        for stage in self.below(&ObjectPath::from(self.group.as_str()))? {
            for topic in self.below(&stage)? {
                for partition in self.below(&topic)? {
                    let word = |path: &ObjectPath| path.parts().next_back().map(|p| p.as_ref().to_owned());
                    if let (Some(stage), Some(topic), Some(number)) =
                        (word(&stage), word(&topic), word(&partition))
                        && let Ok(number) = number.parse()
                    {
                        found.push((stage, TopicPartition::new(&topic, number)));
                    }
                }
            }
        }
        found.sort();
        Ok(found)
    }

    fn below(&self, folder: &ObjectPath) -> Result<Vec<ObjectPath>, HostError> {
        Ok(self.objects.list(folder)?.folders)
    }

    /// The snapshots of a partition, oldest first, each read and its checksum compared.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn entries(&self, stage: &str, partition: &TopicPartition) -> Result<Vec<SnapshotEntry>, HostError> {
        let mut entries = Vec::new();
        for (name, size) in self.names(stage, partition)? {
            // One that was removed since it was listed is no longer there.
            let Some(bytes) = self.objects.get(&name, Some(size))? else {
                continue;
            };
            let header = match Snapshot::decode(&bytes) {
                Ok(snapshot) => Ok(snapshot.header),
                Err(error) => Err(error.to_string()),
            };
            entries.push(SnapshotEntry {
                name: name.to_string(),
                bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
                header,
            });
        }
        Ok(entries)
    }

    /// Removes all snapshots of a partition; gives how many.
    ///
    /// # Errors
    /// One can't be removed.
    pub fn remove_all(&self, stage: &str, partition: &TopicPartition) -> Result<usize, HostError> {
        let names = self.names(stage, partition)?;
        for (name, _) in &names {
            self.objects.delete(name)?;
        }
        Ok(names.len())
    }

    /// Writes a small object, reads it back, tries to write another of its name, and removes it.
    ///
    /// # Errors
    /// The store can't be listed, written or read, gives something else back, or lets itself be overwritten.
    pub fn probe(&self) -> Result<(), HostError> {
        const WORDS: &[u8] = b"forecall doctor was here";
        let path = ObjectPath::from(format!("{}/.probe-{}", self.group, std::process::id()));
        let wrong = |what: &str| Err(HostError::Settings(format!("{path} in {}: {what}", self.place())));
        self.below(&ObjectPath::from(self.group.as_str()))?;
        // Of a probe that was cut off, perhaps.
        self.objects.delete(&path)?;
        self.objects.create(&path, WORDS.to_vec())?;
        let read = self.objects.get(&path, None)?;
        let overwritten = self.objects.create(&path, b"by a zombie".to_vec()).is_ok();
        let kept = self.objects.get(&path, None)?;
        self.objects.delete(&path)?;
        if read.as_deref() != Some(WORDS) {
            return wrong("other bytes came back than were written");
        }
        if overwritten || kept.as_deref() != Some(WORDS) {
            return wrong(
                "an object was overwritten, so a process that has lost its partition could do so too: the store doesn't know \
                 `If-None-Match`. Set `create_only: false`, or take another store",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshots::Superseded;
    use forecall_stage::{Checkpoint, Counts, Digest};
    use forecall_types::Fingerprint;

    #[test]
    fn what_lies_there_is_listed_and_verified() {
        let folder = tempfile::tempdir().unwrap();
        let store = SnapshotStore::local(folder.path(), "g").unwrap();
        let place = TopicPartition::new("forecall.anomalies.v1", 3);
        for next_offset in [5, 12] {
            let header = SnapshotHeader {
                stage: "correlate".into(),
                topic: place.topic.to_string(),
                partition: place.partition,
                next_offset,
                checkpoint: Checkpoint {
                    version: 1,
                    settings: Fingerprint::of(b"s"),
                    digest: Digest::default(),
                    counts: Counts::default(),
                },
            };
            store
                .save(
                    &place,
                    Snapshot {
                        header,
                        state: vec![1, 2, 3],
                    },
                    &Superseded::default(),
                )
                .unwrap();
        }
        store.probe().unwrap();
        assert_eq!(
            store.partitions().unwrap(),
            [("correlate".to_owned(), place.clone())]
        );
        let entries = store.entries("correlate", &place).unwrap();
        let offsets: Vec<_> = entries
            .iter()
            .map(|e| e.header.as_ref().map(|h| h.next_offset))
            .collect();
        assert_eq!(offsets, [Ok(5), Ok(12)]);
        // One bit of the newest.
        let path = folder.path().join(&entries[1].name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let entries = store.entries("correlate", &place).unwrap();
        assert!(
            entries[0].header.is_ok() && entries[1].header.is_err(),
            "{entries:?}"
        );
        assert_eq!(store.remove_all("correlate", &place).unwrap(), 2);
        assert!(store.entries("correlate", &place).unwrap().is_empty());
    }
}
