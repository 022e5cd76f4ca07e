//! Where snapshots are kept: immutable objects named by group, topic, partition, next offset and digest.

mod admin;
mod objects;
mod s3;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use forecall_config::{Settings, StateStore};
use forecall_log::{TopicPartition, crash};
use forecall_stage::Snapshot;
use forecall_types::Fingerprint;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use tracing::warn;

pub use self::admin::SnapshotEntry;
use self::objects::Objects;
use crate::host::HostError;

/// Snapshots kept per partition: the newest, one to fall back on when it is damaged, and one for the moment between.
const SNAPSHOTS_KEPT: usize = 3;

/// A store of snapshots on anything `object_store` knows; a local folder by default.
#[derive(Debug, Clone)]
pub struct SnapshotStore {
    objects: Objects,
    group: String,
}

/// Snapshots that three newer whole ones have made superfluous, as they lay there when the newest was written. Only who has
/// committed something since then, and so was the partition's owner all the while, may remove them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Superseded(Vec<ObjectPath>);

fn failed(what: String, source: impl std::error::Error + Send + Sync + 'static) -> HostError {
    HostError::Snapshot {
        what,
        source: Box::new(source),
    }
}

impl SnapshotStore {
    /// Where the settings say.
    ///
    /// # Errors
    /// The folder can't be made or opened; the store's client can't be set up. The store itself isn't asked.
    pub fn of(settings: &Settings) -> Result<Self, HostError> {
        match &settings.state.store {
            None => Self::local(&settings.state.path, &settings.group),
            Some(StateStore::S3(s3)) => {
                let objects = Objects::remote(s3::open(s3)?, s3::name(s3), s3.create_only)?;
                Ok(Self {
                    objects,
                    group: settings.group.clone(),
                })
            }
        }
    }

    /// As [`of`](Self::of), for who only looks: `None` where the folder isn't there yet, which is never made.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn existing(settings: &Settings) -> Result<Option<Self>, HostError> {
        let is_there = settings.state.store.is_some() || settings.state.path.is_dir();
        is_there.then(|| Self::of(settings)).transpose()
    }

    /// In a local folder, which is made if missing.
    ///
    /// # Errors
    /// The folder can't be made or opened.
    pub fn local(folder: &Path, group: &str) -> Result<Self, HostError> {
        let shown = folder.display();
        std::fs::create_dir_all(folder)
            .map_err(|e| failed(format!("failed to create the snapshot folder {shown}"), e))?;
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|e| failed(format!("failed to open the snapshot folder {shown}"), e))?
            .with_fsync(true);
        Ok(Self {
            objects: Objects::new(Arc::new(store), shown.to_string())?,
            group: group.to_owned(),
        })
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
        Ok(Self {
            objects: Objects::new(store, "memory".to_owned())?,
            group: group.to_owned(),
        })
    }

    /// What a person calls the place: a folder, or `s3://bucket`.
    pub fn place(&self) -> &str {
        self.objects.place()
    }

    fn folder(&self, stage: &str, p: &TopicPartition) -> ObjectPath {
        ObjectPath::from(format!("{}/{stage}/{}/{}", self.group, p.topic, p.partition))
    }

    /// Names and sizes of a partition's snapshots, oldest first: the offset leads the name, zero-padded.
    fn names(&self, stage: &str, p: &TopicPartition) -> Result<Vec<(ObjectPath, u64)>, HostError> {
        let mut names: Vec<_> = self.objects.list(&self.folder(stage, p))?.objects;
        names.sort();
        Ok(names)
    }

    /// Writes one, which never changes another; then removes `superseded`, of a save before. Gives what this one supersedes.
    ///
    /// # Errors
    /// The store can't be written; nothing is removed then.
    pub fn save(
        &self,
        partition: &TopicPartition,
        snapshot: Snapshot,
        superseded: &Superseded,
    ) -> Result<Superseded, HostError> {
        let header = &snapshot.header;
        let stage = header.stage.clone();
        let name = format!("{:020}-{}.snap", header.next_offset, header.checkpoint.digest);
        let path = self.folder(&stage, partition).join(name);
        let bytes = snapshot
            .into_bytes()
            .map_err(|e| failed(format!("failed to encode the snapshot of {partition}"), e))?;
        crash::point("snapshot_begun");
        self.objects.create(&path, bytes)?;
        crash::point("snapshot_written");
        // Only what has been read back whole may take the place of an older one. A store across the network has compared the
        // bytes with the sum they were signed with.
        if !self.objects.is_remote()
            && self
                .objects
                .get(&path, None)?
                .is_none_or(|read| Snapshot::decode(&read).is_err())
        {
            return Err(HostError::Settings(format!(
                "the snapshot {path} was written, but can't be read back whole: is the disk full or failing?"
            )));
        }
        let names = self.names(&stage, partition)?;
        let surplus = names.len().saturating_sub(SNAPSHOTS_KEPT);
        let mut surplus: Vec<ObjectPath> = names.into_iter().take(surplus).map(|(name, _)| name).collect();
        surplus.retain(|old| {
            let goes = superseded.0.contains(old);
            if goes && let Err(error) = self.objects.delete(old) {
                // A snapshot too many does no harm; a later save names it again.
                warn!(%error, snapshot = %old, "failed to remove an old snapshot");
            }
            !goes
        });
        crash::point("snapshot_pruned");
        Ok(Superseded(surplus))
    }

    /// The newest whole snapshot at or before `next_offset` that this version of the stage wrote: another version's
    /// memory is not read but made anew from the log. Damaged ones are passed over, with a warning.
    ///
    /// # Errors
    /// The store can't be read, which is never taken for "there is none".
    pub fn newest(
        &self,
        stage: &str,
        version: u32,
        partition: &TopicPartition,
        next_offset: i64,
    ) -> Result<Option<Snapshot>, HostError> {
        for (name, size) in self.names(stage, partition)?.into_iter().rev() {
            let Some(bytes) = self.objects.get(&name, Some(size))? else {
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

    /// Beside the snapshots of a partition: at which offsets the stage has panicked, and how often. It outlives every snapshot,
    /// because whoever reads the partition again must leave out the same records.
    fn panics_path(&self, stage: &str, p: &TopicPartition) -> ObjectPath {
        ObjectPath::from(format!(
            "{}/{stage}/{}/{}-panics.json",
            self.group, p.topic, p.partition
        ))
    }

    /// At which offsets of a partition the stage has panicked, and how often.
    ///
    /// # Errors
    /// The store can't be read, or what stands there is damaged: then nothing is assumed.
    pub fn panics(&self, stage: &str, partition: &TopicPartition) -> Result<BTreeMap<i64, u32>, HostError> {
        let path = self.panics_path(stage, partition);
        let Some(bytes) = self.objects.get(&path, None)? else {
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
        self.objects.replace(
            &path,
            format!("{}\n{json}", Fingerprint::of(json.as_bytes())).into_bytes(),
        )?;
        Ok(times)
    }
}
