use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use forecall_log::{Assignment, Committed, Handler, OutRecord, RecordRef, TopicPartition};
use forecall_observe::{Metric, Metrics};
use forecall_stage::{Checkpoint, Counts, Digest, Stage};
use forecall_types::{EventTime, Fingerprint, Reject, RejectReason, SourceTopic};
use tracing::{info, warn};

use crate::host::owned::Owned;
use crate::host::planner::{Plan, Planner};
use crate::host::progress::Progress;
use crate::host::{Adapter, HostError, InputOf, Part, what_it_said};
use crate::snapshots::Superseded;

/// One record gathered: decoded while its bytes were at hand.
pub(super) struct Gathered<A: Adapter> {
    pub(super) offset: i64,
    pub(super) payload: Fingerprint,
    pub(super) what: What<A>,
}

/// What a record came to.
pub(super) enum What<A: Adapter> {
    Input(InputOf<A>),
    Nothing,
    Refused(Reject, Option<OutRecord>),
    /// Decoding has panicked, with these words: told when it is its turn, after those before it.
    Panicked(String),
}

/// A partition of ours: its stage, how far it is, and what was gathered and not yet stepped.
pub(super) struct Hosted<A: Adapter> {
    pub(super) stage: A::Stage,
    pub(super) digest: Digest,
    /// What became of the records so far.
    pub(super) counts: Counts,
    /// Offset after the last record stepped.
    pub(super) next_offset: i64,
    /// What stands committed; below its position effects are muted.
    pub(super) committed: Option<Committed>,
    /// Still re-reading what was committed before.
    pub(super) restoring: bool,
    /// The settings under which the snapshot it began with was taken.
    pub(super) began_under: Option<Fingerprint>,
    pub(super) gathered: Vec<Gathered<A>>,
    /// Inputs that were stepped, for their memory: never more than were gathered at once.
    pub(super) spare: Vec<InputOf<A>>,
    /// What its records have taught the decoder.
    pub(super) memory: A::Memory,
    /// What the records since the committed position come to, not committed yet.
    pub(super) pending: Part,
    /// Since when effects of it are lost with a commit that didn't stand: this memory must not be gone on with.
    pub(super) tainted: Option<EventTime>,
    /// Its effects are in a batch that could not be committed yet: what is here is only the half of it.
    pub(super) is_held: bool,
    /// Offsets that are left out, because the stage has panicked on them twice.
    pub(super) skips: BTreeSet<i64>,
    /// When the last record came, or nobody looked for one, by the host's clock.
    pub(super) last_record_at: EventTime,
    /// The last pulse; whoever has just become the owner has not looked yet.
    pub(super) looked_at: Option<EventTime>,
    /// The step that its last pulse told of.
    pub(super) step_told: EventTime,
    /// What is to stand before its first effect does, or need not.
    pub(super) announced: bool,
    pub(super) last_tick: EventTime,
    pub(super) saved_at: EventTime,
    pub(super) saved_offset: i64,
    /// What the last snapshot made superfluous, and the position committed when that was told.
    pub(super) superseded: (Superseded, i64),
    /// Re-reading: since when, from where, and when it was told last.
    pub(super) progress: Progress,
}

impl<A: Adapter> Hosted<A> {
    /// Whether records were stepped beyond what is committed.
    pub(super) fn is_ahead(&self) -> bool {
        let at = self.committed.as_ref().map_or(0, |c| c.next_offset);
        !self.restoring && self.tainted.is_none() && self.next_offset > at
    }

    /// Old snapshots that may go with a save at `committed`: only once a commit has shown that nobody else owned the partition
    /// when they were looked at. A process that sleeps from then on removes nothing that anybody could still need.
    pub(super) fn removable(&mut self, committed: i64) -> Superseded {
        let (superseded, at) = std::mem::take(&mut self.superseded);
        if committed > at {
            return superseded;
        }
        Superseded::default()
    }
}

/// What the host keeps of its partitions, and the handler the log talks to.
pub(super) struct Hosting<A: Adapter> {
    pub(super) adapter: Arc<A>,
    pub(super) planner: Arc<Planner<A>>,
    /// Digest of the adapter's settings, taken once: some settings are large.
    pub(super) settings: Fingerprint,
    pub(super) metrics: Metrics,
    pub(super) now: EventTime,
    pub(super) owned: Owned<Hosted<A>>,
    /// Topics of the group, for stages that name them.
    pub(super) topics: Vec<SourceTopic>,
    /// Partitions came or went since the topics were counted.
    pub(super) has_changed: bool,
    /// A partition was given back since this was looked at last.
    pub(super) has_lost: bool,
    /// Which of those given back had effects in a batch that is held.
    pub(super) lost_held: BTreeSet<TopicPartition>,
    /// First failure of a rebalance; the host stops with it.
    pub(super) failed: Option<HostError>,
    /// Bytes that were handed over since the host looked last.
    pub(super) bytes_gathered: usize,
    /// Records and bytes by topic, since they were counted last.
    pub(super) read: BTreeMap<Arc<str>, (u64, u64)>,
}

impl<A: Adapter> Hosting<A> {
    pub(super) fn new(adapter: Arc<A>, planner: Arc<Planner<A>>, metrics: Metrics) -> Self {
        Self {
            settings: adapter.settings_digest(),
            adapter,
            planner,
            metrics,
            now: EventTime::MIN,
            owned: Owned::default(),
            topics: Vec::new(),
            has_changed: true,
            has_lost: false,
            lost_held: BTreeSet::new(),
            failed: None,
            bytes_gathered: 0,
            read: BTreeMap::new(),
        }
    }

    /// What gauges tell of a partition that is no longer ours is another's to tell.
    pub(super) fn forget_gauges(&self, partition: &TopicPartition) {
        let number = partition.partition.to_string();
        let of = [
            ("stage", A::Stage::NAME),
            ("topic", &*partition.topic),
            ("partition", number.as_str()),
        ];
        for metric in [Metric::LagRecords].iter().chain(self.adapter.gauges()) {
            self.metrics.forget(*metric, &of);
        }
        self.adapter.gone(partition);
    }

    /// Records that wait to be stepped.
    pub(super) fn gathered(&self) -> usize {
        self.owned.values().map(|hosted| hosted.gathered.len()).sum()
    }

    fn fresh(&self, partition: &TopicPartition, committed: Option<Committed>) -> Hosted<A> {
        Hosted {
            stage: self.adapter.create(partition),
            digest: Digest::default(),
            counts: Counts::default(),
            next_offset: 0,
            restoring: committed.as_ref().is_some_and(|c| c.next_offset > 0),
            began_under: None,
            committed,
            gathered: Vec::new(),
            spare: Vec::new(),
            memory: A::Memory::default(),
            pending: Part::default(),
            tainted: None,
            is_held: false,
            skips: BTreeSet::new(),
            last_record_at: self.now,
            looked_at: None,
            step_told: EventTime::MIN,
            announced: false,
            last_tick: EventTime::MIN,
            saved_at: self.now,
            saved_offset: 0,
            superseded: (Superseded::default(), 0),
            progress: Progress::default(),
        }
    }

    fn take_over(&mut self, partition: &TopicPartition) -> Result<(Hosted<A>, &'static str), HostError> {
        let (committed, plan, parked) = self.planner.take(partition);
        match plan {
            Plan::Failed(error) => Err(error),
            Plan::Parked => match parked {
                Some(hosted) => Ok((hosted, "parked")),
                None => Ok((self.fresh(partition, committed), "fresh")),
            },
            Plan::Fresh => Ok((self.fresh(partition, committed), "fresh")),
            Plan::Stateless => {
                let mut hosted = self.fresh(partition, committed);
                hosted.restoring = false;
                if let Some(at) = &hosted.committed {
                    hosted.next_offset = at.next_offset;
                    // Where another tool has set the position, the chain begins anew.
                    let point: Option<Checkpoint> = at.metadata.parse().ok();
                    (hosted.digest, hosted.counts) = point.map(|p| (p.digest, p.counts)).unwrap_or_default();
                }
                Ok((hosted, "stateless"))
            }
            Plan::Snapshot(snapshot) => {
                let mut hosted = self.fresh(partition, committed);
                match self.adapter.load(partition, &snapshot.state) {
                    Ok(stage) => {
                        hosted.stage = stage;
                        hosted.digest = snapshot.header.checkpoint.digest;
                        hosted.counts = snapshot.header.checkpoint.counts;
                        hosted.next_offset = snapshot.header.next_offset;
                        hosted.saved_offset = snapshot.header.next_offset;
                        hosted.began_under = Some(snapshot.header.checkpoint.settings);
                        hosted.restoring = hosted
                            .committed
                            .as_ref()
                            .is_some_and(|c| c.next_offset > hosted.next_offset);
                        if !hosted.restoring && hosted.began_under != Some(self.settings) {
                            // Nothing is to be read again: from here on it goes by these settings.
                            self.metrics.inc(Metric::AdoptedTotal, &[A::Stage::NAME], 1);
                            info!(stage = A::Stage::NAME, %partition, "adopted: its memory goes on under other settings");
                        }
                        Ok((hosted, "snapshot"))
                    }
                    Err(source) => Err(HostError::Save {
                        stage: A::Stage::NAME.to_owned(),
                        partition: partition.to_string(),
                        source,
                    }),
                }
            }
        }
    }
}

impl<A: Adapter> Handler for Hosting<A> {
    fn assigned(&mut self, assignment: &Assignment) {
        let partition = &assignment.partition;
        match self.take_over(partition) {
            Ok((mut hosted, how)) => {
                match self.planner.skips(partition) {
                    Ok(skips) => hosted.skips = skips,
                    Err(error) => {
                        self.failed = self.failed.take().or(Some(error));
                        return;
                    }
                }
                let (from, to) = (
                    hosted.next_offset,
                    hosted.committed.as_ref().map_or(0, |c| c.next_offset),
                );
                info!(stage = A::Stage::NAME, %partition, how, from, to, "partition taken over");
                self.metrics.inc(Metric::RestoresTotal, &[A::Stage::NAME, how], 1);
                // While another had it, or nobody, we didn't look.
                (hosted.last_record_at, hosted.looked_at) = (self.now, None);
                hosted.announced = !self.adapter.names_topics();
                self.has_changed = true;
                self.owned.insert(partition.clone(), hosted);
            }
            Err(error) => self.failed = self.failed.take().or(Some(error)),
        }
    }

    fn revoked(&mut self, partition: &TopicPartition, lost: bool) {
        let Some(mut hosted) = self.owned.remove(partition) else {
            return;
        };
        info!(stage = A::Stage::NAME, %partition, lost, "partition given back");
        self.forget_gauges(partition);
        (self.has_lost, self.has_changed) = (true, true);
        hosted.gathered.clear();
        if hosted.is_held {
            self.lost_held.insert(partition.clone());
            return;
        }
        // What was stepped and not committed is kept with its effects: if the partition comes back and nobody has committed
        // anything meanwhile, this memory is still the newest there is.
        if hosted.tainted.is_none() && !hosted.restoring && hosted.next_offset > 0 {
            self.planner.park(partition, self.now, hosted);
        }
    }

    fn record(&mut self, record: &RecordRef<'_>) {
        let Some((partition, hosted)) = self.owned.find(record.topic, record.partition) else {
            let partition = TopicPartition::new(record.topic, record.partition);
            warn!(stage = A::Stage::NAME, %partition, "a record of a partition that isn't ours was left alone");
            return;
        };
        self.bytes_gathered += record.len();
        if !self.read.contains_key(record.topic) {
            self.read.insert(Arc::clone(&partition.topic), (0, 0));
        }
        if let Some((records, bytes)) = self.read.get_mut(record.topic) {
            *records += 1;
            *bytes += u64::try_from(record.len()).unwrap_or(u64::MAX);
        }
        let decoded = if hosted.skips.contains(&record.offset) {
            Ok(Err(Reject::new(
                RejectReason::Quarantined,
                "the stage has panicked on it twice",
            )))
        } else {
            let (spare, memory) = (hosted.spare.pop(), &mut hosted.memory);
            catch_unwind(AssertUnwindSafe(|| {
                self.adapter.decode_reusing(record, spare, memory)
            }))
        };
        let what = match decoded {
            Err(panic) => What::Panicked(what_it_said(panic.as_ref())),
            Ok(Ok(Some(input))) => What::Input(input),
            Ok(Ok(None)) => What::Nothing,
            Ok(Err(reject)) => {
                let letter = reject
                    .reason
                    .is_dead_letter()
                    .then(|| self.adapter.dead_letter(record, &reject))
                    .flatten();
                What::Refused(reject, letter)
            }
        };
        hosted.last_record_at = self.now;
        hosted.gathered.push(Gathered {
            offset: record.offset,
            payload: Digest::payload(record.key, record.value),
            what,
        });
    }
}
