//! What an operator asks of the snapshot store: what there is, whether it is whole, whether it can be written.

use forecall_log::TopicPartition;
use forecall_stage::{Snapshot, SnapshotHeader};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStoreExt, PutPayload};

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

fn failed(what: String, source: impl std::error::Error + Send + Sync + 'static) -> HostError {
    HostError::Snapshot {
        what,
        source: Box::new(source),
    }
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
        let listing = self
            .runtime
            .block_on(self.store.list_with_delimiter(Some(folder)))
            .map_err(|e| failed(format!("failed to list {folder}"), e))?;
        Ok(listing.common_prefixes)
    }

    /// The snapshots of a partition, oldest first, each read and its checksum compared.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn entries(&self, stage: &str, partition: &TopicPartition) -> Result<Vec<SnapshotEntry>, HostError> {
        let mut entries = Vec::new();
        for name in self.names(stage, partition)? {
            let bytes = self
                .runtime
                .block_on(async { self.store.get(&name).await?.bytes().await })
                .map_err(|e| failed(format!("failed to read the snapshot {name}"), e))?;
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
        for name in &names {
            self.runtime
                .block_on(self.store.delete(name))
                .map_err(|e| failed(format!("failed to remove the snapshot {name}"), e))?;
        }
        Ok(names.len())
    }

    /// Writes a small object, reads it back and removes it.
    ///
    /// # Errors
    /// The store can't be written, read, or gives something else back.
    pub fn probe(&self) -> Result<(), HostError> {
        const WORDS: &[u8] = b"forecall doctor was here";
        let path = ObjectPath::from(format!("{}/.probe-{}", self.group, std::process::id()));
        let read = self
            .runtime
            .block_on(async {
                self.store.put(&path, PutPayload::from_static(WORDS)).await?;
                let read = self.store.get(&path).await?.bytes().await?;
                self.store.delete(&path).await?;
                Ok::<_, object_store::Error>(read)
            })
            .map_err(|e| failed(format!("failed to write, read and remove {path}"), e))?;
        if read.as_ref() == WORDS {
            return Ok(());
        }
        Err(HostError::Settings(format!(
            "{path} came back with other bytes than were written"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
                    &Snapshot {
                        header,
                        state: vec![1, 2, 3],
                    },
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
