use std::thread::JoinHandle;

use forecall_log::TopicPartition;
use forecall_observe::{Metric, Metrics};
use forecall_stage::{Snapshot, SnapshotHeader, Stage};
use tracing::error;

use crate::host::hosted::Hosted;
use crate::host::{Adapter, Host, HostError};
use crate::snapshots::SnapshotStore;

/// How a snapshot was saved: of which partition, up to which offset.
pub(super) struct Saved {
    pub(super) partition: TopicPartition,
    pub(super) offset: i64,
    pub(super) result: Result<(), HostError>,
}

/// A save under way.
struct Running {
    partition: TopicPartition,
    offset: i64,
    thread: JoinHandle<Result<(), HostError>>,
}

/// Writes snapshots beside the batches, one at a time: checksum, file and disk hold nobody up.
pub(super) struct Saver {
    snapshots: SnapshotStore,
    /// Without it a save is over when it returns: for drivers that want every run to be the same.
    in_background: bool,
    running: Option<Running>,
}

impl Saver {
    pub(super) const fn new(snapshots: SnapshotStore, in_background: bool) -> Self {
        Self {
            snapshots,
            in_background,
            running: None,
        }
    }

    /// Whether a save is under way, so that the next must wait for a later turn.
    pub(super) const fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Begins to save; where there is no background, or no thread for it, gives how it went.
    pub(super) fn save(&mut self, partition: &TopicPartition, snapshot: Snapshot) -> Option<Saved> {
        let offset = snapshot.header.next_offset;
        let saved = |result| {
            Some(Saved {
                partition: partition.clone(),
                offset,
                result,
            })
        };
        if !self.in_background {
            return saved(self.snapshots.save(partition, &snapshot));
        }
        let (snapshots, of) = (self.snapshots.clone(), partition.clone());
        let thread = std::thread::Builder::new()
            .name("snapshot".to_owned())
            .spawn(move || snapshots.save(&of, &snapshot));
        match thread {
            Ok(thread) => {
                self.running = Some(Running {
                    partition: partition.clone(),
                    offset,
                    thread,
                });
                None
            }
            Err(error) => saved(Err(HostError::Settings(format!(
                "failed to start the thread that saves snapshots: {error}"
            )))),
        }
    }

    /// The save that has ended, or (`wait`) the one under way once it has.
    pub(super) fn ended(&mut self, wait: bool) -> Option<Saved> {
        let Running {
            partition,
            offset,
            thread,
        } = self.running.take_if(|r| wait || r.thread.is_finished())?;
        let result = thread
            .join()
            .unwrap_or_else(|_| Err(HostError::Panicked("snapshot".to_owned())));
        Some(Saved {
            partition,
            offset,
            result,
        })
    }
}

impl<A: Adapter> Host<A> {
    /// Begins to save a partition whose time has come; or saves all.
    pub(super) fn save_due(&mut self, all: bool) -> Result<(), HostError> {
        if A::Stage::STATELESS {
            return Ok(());
        }
        let ended = self.saver.ended(all);
        self.note_saved(ended);
        let now = self.clock.now();
        let every = self.settings.snapshot_every;
        let mut owned = std::mem::take(&mut self.hosting.owned);
        let mut result = Ok(());
        for (partition, hosted) in &mut owned {
            if self.saver.is_busy() {
                break;
            }
            let is_due = all || now.since(hosted.saved_at) >= every;
            let Some(header) = Self::header(partition, hosted).filter(|_| is_due) else {
                continue;
            };
            hosted.saved_at = now;
            match hosted.stage.save() {
                Ok(state) => {
                    let mut saved = self.saver.save(partition, Snapshot { header, state });
                    if all {
                        saved = saved.or_else(|| self.saver.ended(true));
                    }
                    if Self::count_saved(&self.hosting.metrics, saved.as_ref()) {
                        hosted.saved_offset = hosted.next_offset;
                    }
                }
                Err(source) => {
                    result = Err(HostError::Save {
                        stage: A::Stage::NAME,
                        partition: partition.to_string(),
                        source,
                    });
                    break;
                }
            }
        }
        self.hosting.owned = owned;
        result
    }

    /// What a snapshot of the partition as it stands would be called; `None`: it stands at no committed position, or there is
    /// one already.
    fn header(partition: &TopicPartition, hosted: &Hosted<A>) -> Option<SnapshotHeader> {
        let committed = hosted.committed.as_ref()?;
        let stands = !hosted.restoring && committed.next_offset == hosted.next_offset;
        if !stands || hosted.saved_offset == hosted.next_offset {
            return None;
        }
        Some(SnapshotHeader {
            stage: A::Stage::NAME.to_owned(),
            topic: partition.topic.to_string(),
            partition: partition.partition,
            next_offset: hosted.next_offset,
            checkpoint: committed.metadata.parse().ok()?,
        })
    }

    fn note_saved(&mut self, saved: Option<Saved>) {
        if Self::count_saved(&self.hosting.metrics, saved.as_ref())
            && let Some(saved) = saved
            && let Some(hosted) = self.hosting.owned.get_mut(&saved.partition)
        {
            hosted.saved_offset = saved.offset;
        }
    }

    /// Counts a save; says whether it stands.
    fn count_saved(metrics: &Metrics, saved: Option<&Saved>) -> bool {
        let Some(saved) = saved else {
            return false;
        };
        let (stage, partition) = (A::Stage::NAME, &saved.partition);
        let how = if saved.result.is_ok() { "saved" } else { "failed" };
        metrics.inc(Metric::SnapshotsTotal, &[stage, how], 1);
        if let Err(error) = &saved.result {
            // Without a snapshot a restart only takes longer; the next try is one interval away.
            error!(stage, %partition, %error, "failed to save a snapshot");
        }
        saved.result.is_ok()
    }
}
