use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forecall_log::{ChooseStart, Committed, Start, TopicPartition, crash};
use forecall_stage::{Snapshot, Stage};
use tracing::{debug, error};

use crate::host::{HostError, Sink};
use crate::snapshots::SnapshotStore;

/// A record on which `step` panics so often is left out: the first time may have been another cause.
pub(crate) const PANICS_MAX: u32 = 2;

/// How a partition that has become ours gets its memory back.
#[derive(Debug)]
pub(crate) enum Plan {
    /// It comes back unchanged: what was parked still holds.
    Parked,
    /// From this snapshot, then by re-reading.
    Snapshot(Box<Snapshot>),
    /// From nothing, by re-reading all that is kept.
    Fresh,
    /// There is nothing to get back: the stage keeps no memory.
    Stateless,
    /// It can't be found out; the host stops with this.
    Failed(HostError),
}

/// A memory the host keeps of a partition it has lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parked {
    /// What was committed then: as long as it still is, nobody has gone on.
    pub(crate) committed: Option<Committed>,
    /// How far the memory is.
    pub(crate) next_offset: i64,
}

/// Chooses the start offset inside the rebalance and keeps what it chose for the host.
pub(crate) struct Planner {
    stage: &'static str,
    version: u32,
    stateless: bool,
    sink: Arc<dyn Sink>,
    snapshots: SnapshotStore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the host keeps of partitions it has lost.
    parked: BTreeMap<TopicPartition, Parked>,
    plans: BTreeMap<TopicPartition, (Option<Committed>, Plan)>,
}

impl Planner {
    /// For the stage `S`.
    pub(crate) fn new<S: Stage>(sink: Arc<dyn Sink>, snapshots: SnapshotStore) -> Self {
        Self {
            stage: S::NAME,
            version: S::VERSION,
            stateless: S::STATELESS,
            sink,
            snapshots,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the host keeps the memory of a lost partition.
    pub(crate) fn park(&self, partition: &TopicPartition, parked: Parked) {
        self.state().parked.insert(partition.clone(), parked);
    }

    /// Notes that the host keeps it no longer.
    pub(crate) fn forget(&self, partition: &TopicPartition) {
        self.state().parked.remove(partition);
    }

    /// Offsets of a partition that are left out.
    pub(crate) fn skips(&self, partition: &TopicPartition) -> Result<BTreeSet<i64>, HostError> {
        let panics = self.snapshots.panics(self.stage, partition)?;
        Ok(panics
            .into_iter()
            .filter(|(_, times)| *times >= PANICS_MAX)
            .map(|(offset, _)| offset)
            .collect())
    }

    /// What was chosen for a partition.
    pub(crate) fn take(&self, partition: &TopicPartition) -> (Option<Committed>, Plan) {
        let mut state = self.state();
        state.parked.remove(partition);
        state.plans.remove(partition).unwrap_or((None, Plan::Fresh))
    }

    fn plan(
        &self,
        partition: &TopicPartition,
        in_group: Option<&Committed>,
    ) -> (Option<Committed>, Plan, Start) {
        let committed = match self.sink.committed(partition, in_group) {
            Ok(committed) => committed,
            Err(error) => return (None, Plan::Failed(error), Start::Earliest),
        };
        let parked = self.state().parked.get(partition).cloned();
        if let Some(parked) = parked.filter(|p| p.committed == committed) {
            let start = Start::Offset(parked.next_offset);
            return (committed, Plan::Parked, start);
        }
        let Some(at) = &committed else {
            return (None, Plan::Fresh, Start::Earliest);
        };
        if self.stateless {
            let start = Start::Offset(at.next_offset);
            return (committed, Plan::Stateless, start);
        }
        match self
            .snapshots
            .newest(self.stage, self.version, partition, at.next_offset)
        {
            Ok(Some(snapshot)) => {
                crash::point("restore_begun");
                let start = Start::Offset(snapshot.header.next_offset);
                (committed, Plan::Snapshot(Box::new(snapshot)), start)
            }
            Ok(None) => (committed, Plan::Fresh, Start::Earliest),
            Err(error) => (committed, Plan::Failed(error), Start::Earliest),
        }
    }
}

impl ChooseStart for Planner {
    fn choose(&self, partition: &TopicPartition, in_group: Option<&Committed>) -> Start {
        debug!(stage = self.stage, %partition, "choosing where to begin");
        let (committed, plan, start) = self.plan(partition, in_group);
        if let Plan::Failed(reason) = &plan {
            error!(stage = self.stage, %partition, error = %reason, "the state can't be restored");
        }
        self.state().plans.insert(partition.clone(), (committed, plan));
        start
    }
}
