use std::thread::JoinHandle;

use forecall_log::TopicPartition;
use forecall_observe::{Metric, Metrics};
use forecall_stage::{Checkpoint, Image, Snapshot, SnapshotHeader, Stage};
use forecall_types::Fingerprint;
use tracing::error;

use crate::host::hosted::Hosted;
use crate::host::{Adapter, Host, HostError};
use crate::snapshots::{SnapshotStore, Superseded};

/// How a snapshot was saved: of which partition, up to which offset.
pub(super) struct Saved {
    pub(super) partition: TopicPartition,
    pub(super) offset: i64,
    /// What it makes superfluous.
    pub(super) result: Result<Superseded, HostError>,
}

/// A save under way.
struct Running {
    partition: TopicPartition,
    offset: i64,
    thread: JoinHandle<Result<Superseded, HostError>>,
}

/// What is to be saved, and what may be removed after it.
pub(super) struct Job {
    header: SnapshotHeader,
    image: Image,
    superseded: Superseded,
}

impl Job {
    fn save(self, snapshots: &SnapshotStore, partition: &TopicPartition) -> Result<Superseded, HostError> {
        let state = self.image.write().map_err(|source| HostError::Save {
            stage: self.header.stage.clone(),
            partition: partition.to_string(),
            source,
        })?;
        let snapshot = Snapshot {
            header: self.header,
            state,
        };
        snapshots.save(partition, snapshot, &self.superseded)
    }
}

/// Writes snapshots beside the batches, one at a time: encoding, checksum and store hold nobody up.
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
    pub(super) fn save(&mut self, partition: &TopicPartition, job: Job) -> Option<Saved> {
        let offset = job.header.next_offset;
        let saved = |result| {
            Some(Saved {
                partition: partition.clone(),
                offset,
                result,
            })
        };
        if !self.in_background {
            return saved(job.save(&self.snapshots, partition));
        }
        let (snapshots, of) = (self.snapshots.clone(), partition.clone());
        let thread = std::thread::Builder::new()
            .name("snapshot".to_owned())
            .spawn(move || job.save(&snapshots, &of));
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
        let settings = self.hosting.settings;
        let mut owned = std::mem::take(&mut self.hosting.owned);
        let mut result = Ok(());
        for (partition, hosted) in &mut owned {
            if self.saver.is_busy() {
                break;
            }
            let is_due = all || now.since(hosted.saved_at) >= every;
            let Some(header) = Self::header(settings, partition, hosted).filter(|_| is_due) else {
                continue;
            };
            hosted.saved_at = now;
            let image = match hosted.stage.image() {
                Ok(image) => image,
                Err(source) => {
                    result = Err(HostError::Save {
                        stage: header.stage,
                        partition: partition.to_string(),
                        source,
                    });
                    break;
                }
            };
            let job = Job {
                superseded: hosted.removable(header.next_offset),
                header,
                image,
            };
            let mut saved = self.saver.save(partition, job);
            if all {
                saved = saved.or_else(|| self.saver.ended(true));
            }
            if let Some(saved) = saved
                && !Self::note(&self.hosting.metrics, hosted, saved)
                && all
            {
                // The others would wait for the same store, and whoever stops has little time.
                break;
            }
        }
        self.hosting.owned = owned;
        result
    }

    /// What a snapshot of the partition as it stands would be called; `None`: it stands at no committed position, or there is
    /// one already.
    /// What a memory is to be saved as; `None`: it isn't to be. What was adopted stands under another's checkpoint until its
    /// own first commit: under that one it would be taken for the other's.
    fn header(
        settings: Fingerprint,
        partition: &TopicPartition,
        hosted: &Hosted<A>,
    ) -> Option<SnapshotHeader> {
        let committed = hosted.committed.as_ref()?;
        let stands = !hosted.restoring && committed.next_offset == hosted.next_offset;
        if !stands || hosted.saved_offset == hosted.next_offset {
            return None;
        }
        let checkpoint = Checkpoint {
            version: A::Stage::VERSION,
            settings,
            digest: hosted.digest,
            counts: hosted.counts,
        };
        if committed.metadata.parse::<Checkpoint>().ok()? != checkpoint {
            return None;
        }
        Some(SnapshotHeader {
            stage: A::Stage::NAME.to_owned(),
            topic: partition.topic.to_string(),
            partition: partition.partition,
            next_offset: hosted.next_offset,
            checkpoint,
        })
    }

    fn note_saved(&mut self, saved: Option<Saved>) {
        let Some(saved) = saved else { return };
        match self.hosting.owned.get_mut(&saved.partition) {
            Some(hosted) => {
                Self::note(&self.hosting.metrics, hosted, saved);
            }
            // Given back meanwhile: what it supersedes is the next owner's to remove.
            None => Self::count(&self.hosting.metrics, &saved),
        }
    }

    /// Takes in how a save went; says whether it stands.
    fn note(metrics: &Metrics, hosted: &mut Hosted<A>, saved: Saved) -> bool {
        Self::count(metrics, &saved);
        let Ok(superseded) = saved.result else {
            return false;
        };
        hosted.saved_offset = saved.offset;
        let at = hosted.committed.as_ref().map_or(0, |c| c.next_offset);
        hosted.superseded = (superseded, at);
        true
    }

    fn count(metrics: &Metrics, saved: &Saved) {
        let (stage, partition) = (A::Stage::NAME, &saved.partition);
        let how = if saved.result.is_ok() { "saved" } else { "failed" };
        metrics.inc(Metric::SnapshotsTotal, &[stage, how], 1);
        if let Err(error) = &saved.result {
            // Without a snapshot a restart only takes longer; the next try is one interval away.
            error!(
                stage,
                %partition,
                error = ?chain(error),
                "failed to save a snapshot; it is tried again after `state.interval_seconds`"
            );
        }
    }
}

/// An error with what caused it, outermost first.
fn chain(error: &HostError) -> Vec<String> {
    let mut words = vec![error.to_string()];
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        words.push(cause.to_string());
        next = cause.source();
    }
    words
}
