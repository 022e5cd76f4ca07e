use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_log::{Assignment, Committed, Handler, OutRecord, RecordRef, TopicPartition};
use forecall_observe::{Metric, Metrics};
use forecall_stage::{Digest, Stage};
use forecall_types::{EventTime, Fingerprint, Reject};
use tracing::{info, warn};

use crate::host::planner::{Plan, Planner};
use crate::host::{Adapter, HostError, InputOf};

/// One record gathered: decoded while its bytes were at hand.
pub(super) struct Gathered<A: Adapter> {
    pub(super) offset: i64,
    pub(super) payload: Fingerprint,
    pub(super) what: What<A>,
}

/// What a record came to.
pub(super) enum What<A: Adapter> {
    Input(Box<InputOf<A>>),
    Nothing,
    Refused(Reject, Option<OutRecord>),
}

/// A partition of ours: its stage, how far it is, and what was gathered and not yet stepped.
pub(super) struct Hosted<A: Adapter> {
    pub(super) stage: A::Stage,
    pub(super) digest: Digest,
    /// Offset after the last record stepped.
    pub(super) next_offset: i64,
    /// What stands committed; below its position effects are muted.
    pub(super) committed: Option<Committed>,
    /// Still re-reading what was committed before.
    pub(super) restoring: bool,
    pub(super) gathered: Vec<Gathered<A>>,
    /// When the last record came, by the host's clock.
    pub(super) last_record_at: EventTime,
    pub(super) last_tick: EventTime,
    pub(super) saved_at: EventTime,
    pub(super) saved_offset: i64,
}

/// What the host keeps of its partitions, and the handler the log talks to.
pub(super) struct Hosting<A: Adapter> {
    pub(super) adapter: Arc<A>,
    pub(super) planner: Arc<Planner>,
    /// Digest of the adapter's settings, taken once: some settings are large.
    pub(super) settings: Fingerprint,
    pub(super) metrics: Metrics,
    pub(super) now: EventTime,
    pub(super) owned: BTreeMap<TopicPartition, Hosted<A>>,
    parked: BTreeMap<TopicPartition, Hosted<A>>,
    /// First failure of a rebalance; the host stops with it.
    pub(super) failed: Option<HostError>,
    /// Records and bytes by topic, since they were counted last.
    pub(super) read: BTreeMap<Arc<str>, (u64, u64)>,
}

impl<A: Adapter> Hosting<A> {
    pub(super) fn new(adapter: Arc<A>, planner: Arc<Planner>, metrics: Metrics) -> Self {
        Self {
            settings: adapter.settings_digest(),
            adapter,
            planner,
            metrics,
            now: EventTime::MIN,
            owned: BTreeMap::new(),
            parked: BTreeMap::new(),
            failed: None,
            read: BTreeMap::new(),
        }
    }

    fn fresh(&self, partition: &TopicPartition, committed: Option<Committed>) -> Hosted<A> {
        Hosted {
            stage: self.adapter.create(partition),
            digest: Digest::default(),
            next_offset: 0,
            restoring: committed.as_ref().is_some_and(|c| c.next_offset > 0),
            committed,
            gathered: Vec::new(),
            last_record_at: self.now,
            last_tick: EventTime::MIN,
            saved_at: self.now,
            saved_offset: 0,
        }
    }

    fn take_over(&mut self, partition: &TopicPartition) -> Result<(Hosted<A>, &'static str), HostError> {
        let (committed, plan) = self.planner.take(partition);
        let parked = self.parked.remove(partition);
        match plan {
            Plan::Failed(error) => Err(error),
            Plan::Parked => match parked {
                Some(hosted) => Ok((hosted, "parked")),
                None => Ok((self.fresh(partition, committed), "fresh")),
            },
            Plan::Fresh => Ok((self.fresh(partition, committed), "fresh")),
            Plan::Snapshot(snapshot) => {
                let mut hosted = self.fresh(partition, committed);
                match self.adapter.load(partition, &snapshot.state) {
                    Ok(stage) => {
                        hosted.stage = stage;
                        hosted.digest = snapshot.header.checkpoint.digest;
                        hosted.next_offset = snapshot.header.next_offset;
                        hosted.saved_offset = snapshot.header.next_offset;
                        hosted.restoring = hosted
                            .committed
                            .as_ref()
                            .is_some_and(|c| c.next_offset > hosted.next_offset);
                        Ok((hosted, "snapshot"))
                    }
                    Err(source) => Err(HostError::Save {
                        stage: A::Stage::NAME,
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
            Ok((hosted, how)) => {
                let (from, to) = (
                    hosted.next_offset,
                    hosted.committed.as_ref().map_or(0, |c| c.next_offset),
                );
                info!(stage = A::Stage::NAME, %partition, how, from, to, "partition taken over");
                self.metrics.inc(Metric::RestoresTotal, &[A::Stage::NAME, how], 1);
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
        hosted.gathered.clear();
        // What was stepped and not committed has changed the stage: only a memory that stands exactly at the committed
        // position is worth keeping.
        let stands = hosted
            .committed
            .as_ref()
            .is_some_and(|c| c.next_offset == hosted.next_offset);
        if let (true, false, Some(at)) = (stands, hosted.restoring, hosted.committed.clone()) {
            self.planner.park(partition, at);
            self.parked.insert(partition.clone(), hosted);
        }
    }

    fn record(&mut self, record: &RecordRef<'_>) {
        let partition = TopicPartition::new(record.topic, record.partition);
        let Some(hosted) = self.owned.get_mut(&partition) else {
            warn!(stage = A::Stage::NAME, %partition, "a record of a partition that isn't ours was left alone");
            return;
        };
        let (records, bytes) = self.read.entry(Arc::clone(&partition.topic)).or_default();
        *records += 1;
        *bytes += u64::try_from(record.len()).unwrap_or(u64::MAX);
        let what = match self.adapter.decode(record) {
            Ok(Some(input)) => What::Input(Box::new(input)),
            Ok(None) => What::Nothing,
            Err(reject) => {
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
