//! Where snapshots are kept: immutable objects named by group, topic, partition, next offset and digest.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use forecall_log::{TopicPartition, crash};
use forecall_stage::Snapshot;
use forecall_types::Fingerprint;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use tracing::warn;

use crate::host::HostError;

/// Snapshots kept per partition: the newest, one to fall back on when it is damaged, and one for the moment between.
const SNAPSHOTS_KEPT: usize = 3;

/// A store of snapshots on anything `object_store` knows; a local folder by default.
#[derive(Debug, Clone)]
pub struct SnapshotStore {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) group: String,
    pub(crate) runtime: Arc<tokio::runtime::Runtime>,
}

fn failed(what: String, source: impl std::error::Error + Send + Sync + 'static) -> HostError {
    HostError::Snapshot {
        what,
        source: Box::new(source),
    }
}

impl SnapshotStore {
    /// In a local folder, which is made if missing.
    ///
    /// # Errors
    /// The folder can't be made or opened.
    pub fn local(folder: &Path, group: &str) -> Result<Self, HostError> {
        std::fs::create_dir_all(folder).map_err(|e| {
            failed(
                format!("failed to create the snapshot folder {}", folder.display()),
                e,
            )
        })?;
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|e| {
                failed(
                    format!("failed to open the snapshot folder {}", folder.display()),
                    e,
                )
            })?
            .with_fsync(true);
        Self::on(Arc::new(store), group)
    }

    /// In memory: the demo, replays and tests.
    ///
    /// # Errors
    /// The helper thread can't be started.
    pub fn in_memory(group: &str) -> Result<Self, HostError> {
        Self::on(Arc::new(InMemory::new()), group)
    }

    /// On any store.
    ///
    /// # Errors
    /// The helper thread can't be started.
    pub fn on(store: Arc<dyn ObjectStore>, group: &str) -> Result<Self, HostError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| failed("failed to start the snapshot store".to_owned(), e))?;
        Ok(Self {
            store,
            group: group.to_owned(),
            runtime: Arc::new(runtime),
        })
    }

    pub(crate) fn folder(&self, stage: &str, p: &TopicPartition) -> ObjectPath {
        ObjectPath::from(format!("{}/{stage}/{}/{}", self.group, p.topic, p.partition))
    }

    /// Names of a partition's snapshots, oldest first: the offset leads the name, zero-padded.
    pub(crate) fn names(&self, stage: &str, p: &TopicPartition) -> Result<Vec<ObjectPath>, HostError> {
        let listing = self
            .runtime
            .block_on(self.store.list_with_delimiter(Some(&self.folder(stage, p))))
            .map_err(|e| failed(format!("failed to list the snapshots of {stage} for {p}"), e))?;
        let mut names: Vec<_> = listing.objects.into_iter().map(|o| o.location).collect();
        names.sort();
        Ok(names)
    }

    /// Writes one and removes all but the newest three.
    ///
    /// # Errors
    /// The store can't be written.
    pub fn save(&self, partition: &TopicPartition, snapshot: &Snapshot) -> Result<(), HostError> {
        let stage = snapshot.header.stage.as_str();
        let bytes = snapshot
            .encode()
            .map_err(|e| failed(format!("failed to encode the snapshot of {partition}"), e))?;
        let name = format!(
            "{:020}-{}.snap",
            snapshot.header.next_offset, snapshot.header.checkpoint.digest
        );
        let path = self.folder(stage, partition).join(name);
        crash::point("snapshot_begun");
        self.put(&path, bytes)?;
        crash::point("snapshot_written");
        // Only what has been read back whole may take the place of an older one.
        if self
            .get(&path)?
            .is_none_or(|read| Snapshot::decode(&read).is_err())
        {
            return Err(HostError::Settings(format!(
                "the snapshot {path} was written, but can't be read back whole: is the disk full or failing?"
            )));
        }
        let names = self.names(stage, partition)?;
        for old in names.iter().take(names.len().saturating_sub(SNAPSHOTS_KEPT)) {
            // A snapshot too many does no harm; the next save tries again.
            if let Err(error) = self.runtime.block_on(self.store.delete(old)) {
                warn!(%error, snapshot = %old, "failed to remove an old snapshot");
            }
        }
        crash::point("snapshot_pruned");
        Ok(())
    }

    /// The newest whole snapshot at or before `next_offset` that this version of the stage wrote: another version's
    /// memory is not read but made anew from the log. Damaged ones are passed over, with a warning.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn newest(
        &self,
        stage: &str,
        version: u32,
        partition: &TopicPartition,
        next_offset: i64,
    ) -> Result<Option<Snapshot>, HostError> {
        for name in self.names(stage, partition)?.into_iter().rev() {
            let Some(bytes) = self.get(&name)? else {
                warn!(snapshot = %name, "passing over a snapshot that is gone");
                continue;
            };
            match Snapshot::decode(&bytes) {
                Ok(snapshot)
                    if snapshot.header.stage == stage
                        && snapshot.header.checkpoint.version == version
                        && snapshot.header.topic == *partition.topic
                        && snapshot.header.partition == partition.partition
                        && snapshot.header.next_offset <= next_offset =>
                {
                    return Ok(Some(snapshot));
                }
                Ok(_) => {}
                Err(error) => warn!(%error, snapshot = %name, "passing over a damaged snapshot"),
            }
        }
        Ok(None)
    }

    /// Beside the snapshots of a partition: at which offsets `step` has panicked, and how often. It outlives every snapshot,
    /// because whoever reads the partition again must leave out the same records.
    fn panics_path(&self, stage: &str, p: &TopicPartition) -> ObjectPath {
        ObjectPath::from(format!(
            "{}/{stage}/{}/{}-panics.json",
            self.group, p.topic, p.partition
        ))
    }

    /// The bytes of an object; `None`: it isn't there.
    fn get(&self, path: &ObjectPath) -> Result<Option<Vec<u8>>, HostError> {
        match self
            .runtime
            .block_on(async { self.store.get(path).await?.bytes().await })
        {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(failed(format!("failed to read {path}"), e)),
        }
    }

    fn put(&self, path: &ObjectPath, bytes: Vec<u8>) -> Result<(), HostError> {
        self.runtime
            .block_on(self.store.put(path, PutPayload::from(bytes)))
            .map_err(|e| failed(format!("failed to write {path}"), e))?;
        Ok(())
    }

    /// At which offsets of a partition `step` has panicked, and how often.
    ///
    /// # Errors
    /// The store can't be read, or what stands there is damaged: then nothing is assumed.
    pub fn panics(&self, stage: &str, partition: &TopicPartition) -> Result<BTreeMap<i64, u32>, HostError> {
        let path = self.panics_path(stage, partition);
        let Some(bytes) = self.get(&path)? else {
            return Ok(BTreeMap::new());
        };
        let damaged = || {
            HostError::Settings(format!(
                "{path} is damaged: it says which records are left out, so nothing is assumed. \
                 Remedy: docs/runbooks/quarantine.md"
            ))
        };
        // A line with the checksum, then JSON.
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged())?;
        let (sum, json) = text.split_once('\n').ok_or_else(damaged)?;
        if sum != Fingerprint::of(json.as_bytes()).to_string() {
            return Err(damaged());
        }
        serde_json::from_str(json).map_err(|_| damaged())
    }

    /// Notes a panic; gives how many there were at this offset.
    ///
    /// # Errors
    /// The store can't be read or written.
    pub fn note_panic(&self, stage: &str, partition: &TopicPartition, offset: i64) -> Result<u32, HostError> {
        let mut panics = self.panics(stage, partition)?;
        let times = panics.entry(offset).or_default();
        *times += 1;
        let times = *times;
        let path = self.panics_path(stage, partition);
        let json =
            serde_json::to_string(&panics).map_err(|e| failed(format!("failed to write {path}"), e))?;
        self.put(
            &path,
            format!("{}\n{json}", Fingerprint::of(json.as_bytes())).into_bytes(),
        )?;
        Ok(times)
    }
}
