//! Where snapshots are kept: immutable objects named by group, topic, partition, next offset and digest.

use std::path::Path;
use std::sync::Arc;

use forecall_log::TopicPartition;
use forecall_stage::Snapshot;
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
    store: Arc<dyn ObjectStore>,
    group: String,
    runtime: Arc<tokio::runtime::Runtime>,
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

    fn on(store: Arc<dyn ObjectStore>, group: &str) -> Result<Self, HostError> {
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

    fn folder(&self, stage: &str, p: &TopicPartition) -> ObjectPath {
        ObjectPath::from(format!("{}/{stage}/{}/{}", self.group, p.topic, p.partition))
    }

    /// Names of a partition's snapshots, oldest first: the offset leads the name, zero-padded.
    fn names(&self, stage: &str, p: &TopicPartition) -> Result<Vec<ObjectPath>, HostError> {
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
        self.runtime
            .block_on(self.store.put(&path, PutPayload::from(bytes)))
            .map_err(|e| failed(format!("failed to write the snapshot {path}"), e))?;
        let names = self.names(stage, partition)?;
        for old in names.iter().take(names.len().saturating_sub(SNAPSHOTS_KEPT)) {
            // A snapshot too many does no harm; the next save tries again.
            if let Err(error) = self.runtime.block_on(self.store.delete(old)) {
                warn!(%error, snapshot = %old, "failed to remove an old snapshot");
            }
        }
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
            let bytes = self
                .runtime
                .block_on(async { self.store.get(&name).await?.bytes().await })
                .map_err(|e| failed(format!("failed to read the snapshot {name}"), e))?;
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
}
