use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use forecall_log::{ChooseStart, Committed, Start, TopicPartition};
use forecall_stage::Snapshot;
use tracing::error;

use crate::host::{HostError, Sink};
use crate::snapshots::SnapshotStore;

/// How a partition that has become ours gets its memory back.
#[derive(Debug)]
pub(crate) enum Plan {
    /// It comes back unchanged: what was parked still holds.
    Parked,
    /// From this snapshot, then by re-reading.
    Snapshot(Box<Snapshot>),
    /// From nothing, by re-reading all that is kept.
    Fresh,
    /// It can't be found out; the host stops with this.
    Failed(HostError),
}

/// Chooses the start offset inside the rebalance and keeps what it chose for the host.
pub(crate) struct Planner {
    stage: &'static str,
    version: u32,
    sink: Arc<dyn Sink>,
    snapshots: SnapshotStore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Position and checkpoint text of what the host keeps of partitions it has lost.
    parked: BTreeMap<TopicPartition, Committed>,
    plans: BTreeMap<TopicPartition, (Option<Committed>, Plan)>,
}

impl Planner {
    pub(crate) fn new(
        stage: &'static str,
        version: u32,
        sink: Arc<dyn Sink>,
        snapshots: SnapshotStore,
    ) -> Self {
        Self {
            stage,
            version,
            sink,
            snapshots,
            state: Mutex::default(),
        }
    }

    /// Notes that the host keeps the memory of a lost partition, committed up to here.
    pub(crate) fn park(&self, partition: &TopicPartition, at: Committed) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .parked
            .insert(partition.clone(), at);
    }

    /// What was chosen for a partition.
    pub(crate) fn take(&self, partition: &TopicPartition) -> (Option<Committed>, Plan) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
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
        let Some(at) = &committed else {
            return (None, Plan::Fresh, Start::Earliest);
        };
        let parked = self
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .parked
            .get(partition)
            .cloned();
        if parked.as_ref() == Some(at) {
            let start = Start::Offset(at.next_offset);
            return (committed, Plan::Parked, start);
        }
        match self
            .snapshots
            .newest(self.stage, self.version, partition, at.next_offset)
        {
            Ok(Some(snapshot)) => {
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
        let (committed, plan, start) = self.plan(partition, in_group);
        if let Plan::Failed(reason) = &plan {
            error!(stage = self.stage, %partition, error = %reason, "the state can't be restored");
        }
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .plans
            .insert(partition.clone(), (committed, plan));
        start
    }
}
