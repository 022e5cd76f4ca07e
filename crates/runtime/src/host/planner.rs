use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forecall_log::{ChooseStart, Committed, Start, TopicPartition, crash};
use forecall_stage::{Snapshot, Stage};
use forecall_types::EventTime;
use tracing::{debug, error};

use crate::host::hosted::Hosted;
use crate::host::{Adapter, HostError, Sink};
use crate::snapshots::SnapshotStore;

/// A record on which the stage panics so often is left out: the first time may have been another cause.
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

/// A partition given back comes back within a rebalance or two, or another process has it; its memory is worth keeping for
/// as long as a rolling restart takes.
const PARKED_FOR: Duration = Duration::from_secs(120);

/// Chooses the start offset inside the rebalance and keeps what it chose for the host.
pub(crate) struct Planner<A: Adapter> {
    sink: Arc<dyn Sink>,
    snapshots: SnapshotStore,
    state: Mutex<State<A>>,
}

struct State<A: Adapter> {
    /// Memories of partitions the host has lost, and since when: as long as nobody has committed anything there, they are the
    /// newest there are.
    parked: BTreeMap<TopicPartition, (EventTime, Hosted<A>)>,
    plans: BTreeMap<TopicPartition, (Option<Committed>, Plan)>,
}

impl<A: Adapter> Planner<A> {
    pub(crate) fn new(sink: Arc<dyn Sink>, snapshots: SnapshotStore) -> Self {
        Self {
            sink,
            snapshots,
            state: Mutex::new(State {
                parked: BTreeMap::new(),
                plans: BTreeMap::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the memory of a lost partition, in case it comes back unchanged.
    pub(super) fn park(&self, partition: &TopicPartition, since: EventTime, hosted: Hosted<A>) {
        self.state().parked.insert(partition.clone(), (since, hosted));
    }

    /// Forgets memories of partitions that haven't come back; not those that were just chosen.
    pub(crate) fn forget_parked(&self, now: EventTime) {
        let mut state = self.state();
        let State { parked, plans } = &mut *state;
        parked
            .retain(|partition, (since, _)| now.since(*since) < PARKED_FOR || plans.contains_key(partition));
    }

    /// Offsets of a partition that are left out.
    pub(crate) fn skips(&self, partition: &TopicPartition) -> Result<BTreeSet<i64>, HostError> {
        let panics = self.snapshots.panics(A::Stage::NAME, partition)?;
        Ok(panics
            .into_iter()
            .filter(|(_, times)| *times >= PANICS_MAX)
            .map(|(offset, _)| offset)
            .collect())
    }

    /// What was chosen for a partition, and the memory that was parked.
    pub(super) fn take(&self, partition: &TopicPartition) -> (Option<Committed>, Plan, Option<Hosted<A>>) {
        let mut state = self.state();
        let parked = state.parked.remove(partition).map(|(_, hosted)| hosted);
        let (committed, plan) = state.plans.remove(partition).unwrap_or((None, Plan::Fresh));
        (committed, plan, parked)
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
        let parked = self.state().parked.get(partition).and_then(|(_, hosted)| {
            // Nobody has gone on meanwhile.
            (hosted.committed == committed).then_some(hosted.next_offset)
        });
        if let Some(next_offset) = parked {
            return (committed, Plan::Parked, Start::Offset(next_offset));
        }
        let Some(at) = &committed else {
            return (None, Plan::Fresh, Start::Earliest);
        };
        if A::Stage::STATELESS {
            let start = Start::Offset(at.next_offset);
            return (committed, Plan::Stateless, start);
        }
        let (stage, version) = (A::Stage::NAME, A::Stage::VERSION);
        match self.snapshots.newest(stage, version, partition, at.next_offset) {
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

impl<A: Adapter> ChooseStart for Planner<A> {
    fn choose(&self, partition: &TopicPartition, in_group: Option<&Committed>) -> Start {
        debug!(stage = A::Stage::NAME, %partition, "choosing where to begin");
        let (committed, plan, start) = self.plan(partition, in_group);
        if let Plan::Failed(reason) = &plan {
            error!(stage = A::Stage::NAME, %partition, error = %reason, "the state can't be restored");
        }
        self.state().plans.insert(partition.clone(), (committed, plan));
        start
    }
}
