use std::collections::BTreeSet;
use std::sync::Arc;

use forecall_log::{
    Assignment, ChooseStart, GatherLimits, Handler, Log as _, LogError, Member, Membership, Outcome,
    RecordRef, TopicPartition, Transaction,
};

use super::Fault;
use super::log::{FaultyLog, fatal, passing};

/// A member of the log in memory, with the faults of its log.
pub(super) struct FaultyMember {
    log: FaultyLog,
    membership: Membership,
    start: Arc<dyn ChooseStart>,
    /// `None` only while it is dropped.
    inner: Option<Box<dyn Member>>,
    owned: BTreeSet<TopicPartition>,
    /// Paused by its host.
    paused: BTreeSet<TopicPartition>,
    commit: Commit,
}

/// How far a commit is.
enum Commit {
    None,
    /// Applied, or refused for good.
    Applied(Outcome),
    /// To be applied in the second half.
    Late(Transaction),
    /// Decided against: the process is told that it failed.
    Lost,
    /// Decided for: the process is told that it failed all the same.
    Stands,
}

/// Tells its host of what comes, and notes which partitions are there.
struct Told<'a> {
    owned: &'a mut BTreeSet<TopicPartition>,
    handler: &'a mut dyn Handler,
    lost: bool,
}

impl Handler for Told<'_> {
    fn assigned(&mut self, assignment: &Assignment) {
        self.owned.insert(assignment.partition.clone());
        self.handler.assigned(assignment);
    }

    fn revoked(&mut self, partition: &TopicPartition, lost: bool) {
        self.owned.remove(partition);
        self.handler.revoked(partition, lost || self.lost);
    }

    fn record(&mut self, record: &RecordRef<'_>) {
        self.handler.record(record);
    }
}

/// What a call of a member that is being dropped would say; nobody can call it.
fn gone() -> LogError {
    passing("the member is gone")
}

impl FaultyMember {
    pub(super) fn join(
        log: FaultyLog,
        membership: Membership,
        start: Arc<dyn ChooseStart>,
    ) -> Result<Self, LogError> {
        let inner = log.inner().join(&membership, Arc::clone(&start))?;
        Ok(Self {
            log,
            membership,
            start,
            inner: Some(inner),
            owned: BTreeSet::new(),
            paused: BTreeSet::new(),
            commit: Commit::None,
        })
    }

    fn inner(&mut self) -> Result<&mut dyn Member, LogError> {
        match &mut self.inner {
            Some(inner) => Ok(inner.as_mut()),
            None => Err(gone()),
        }
    }

    /// Whether another process has taken the identity: then nothing here may work again.
    fn is_fenced(&mut self) -> bool {
        // The member below refuses even an empty transaction where its identity is taken.
        let probe = self
            .inner()
            .and_then(|inner| inner.begin_commit(Transaction::default()));
        matches!(probe, Err(LogError::Fenced { .. }))
    }

    /// Loses the connection and joins anew.
    fn break_off(&mut self, handler: &mut dyn Handler) -> Result<(), LogError> {
        for partition in std::mem::take(&mut self.owned) {
            handler.revoked(&partition, true);
        }
        self.paused.clear();
        self.inner = Some(self.log.inner().join(&self.membership, Arc::clone(&self.start))?);
        Ok(())
    }

    fn gather_some(&mut self, limits: &GatherLimits, handler: &mut dyn Handler) -> Result<(), LogError> {
        let mut limits = *limits;
        limits.records_max = limits.records_max.min(self.log.gather_max());
        let mut held = Vec::new();
        if self.log.strikes(Fault::GatherIsSmall) {
            let most = u64::try_from(limits.records_max).unwrap_or(u64::MAX).min(9);
            limits.records_max = usize::try_from(self.log.between(1, most)).unwrap_or(1);
            let free: Vec<_> = self.owned.difference(&self.paused).cloned().collect();
            held = free.into_iter().filter(|_| self.log.between(0, 1) == 1).collect();
        }
        for partition in &held {
            self.inner()?.pause(partition, true)?;
        }
        let lost = self.log.between(0, 3) == 0;
        let mut owned = std::mem::take(&mut self.owned);
        let mut told = Told {
            owned: &mut owned,
            handler,
            lost,
        };
        let result = self.inner().and_then(|inner| inner.gather(&limits, &mut told));
        self.owned = owned;
        self.paused.retain(|p| self.owned.contains(p));
        held.retain(|p| self.owned.contains(p));
        for partition in &held {
            self.inner()?.pause(partition, false)?;
        }
        result
    }

    fn apply(&mut self, transaction: Transaction) -> Result<Outcome, LogError> {
        // As a real log: what hands in no position is not checked against the group, only against the identity.
        if transaction.positions.is_empty() {
            if self.is_fenced() {
                return Err(LogError::Fenced {
                    identity: self.membership.instance.clone(),
                });
            }
            let mut writer = self.log.inner().writer("without positions")?;
            return writer.commit(&transaction).map(|()| Outcome::Committed);
        }
        let inner = self.inner()?;
        inner.begin_commit(transaction)?;
        inner.await_commit()
    }
}

impl Member for FaultyMember {
    fn gather(&mut self, limits: &GatherLimits, handler: &mut dyn Handler) -> Result<(), LogError> {
        self.log.shake(&self.membership)?;
        if self.log.strikes(Fault::GatherFails) {
            return Err(passing("nothing could be read"));
        }
        if self.log.strikes(Fault::MemberBreaks) && !self.is_fenced() {
            self.break_off(handler)?;
            return Err(passing("the connection is gone"));
        }
        if self.log.strikes(Fault::GatherIsDeaf) {
            return Ok(());
        }
        self.gather_some(limits, handler)?;
        if self.log.strikes(Fault::GatherFailsLate) {
            return Err(passing("no more could be read"));
        }
        // Others may run, and take over, before what was gathered is committed.
        self.log.maybe_interlude();
        Ok(())
    }

    fn begin_commit(&mut self, transaction: Transaction) -> Result<(), LogError> {
        self.log.maybe_interlude();
        if self.log.strikes(Fault::CommitRefused) {
            return Err(passing("the commit could not be begun"));
        }
        self.commit = if self.log.strikes(Fault::CommitLost) {
            Commit::Lost
        } else if self.log.strikes(Fault::CommitStands) {
            match self.apply(transaction)? {
                Outcome::Committed => Commit::Stands,
                Outcome::NotOwner => Commit::Lost,
            }
        } else if self.log.strikes(Fault::CommitLate) {
            Commit::Late(transaction)
        } else {
            Commit::Applied(self.apply(transaction)?)
        };
        Ok(())
    }

    fn await_commit(&mut self) -> Result<Outcome, LogError> {
        self.log.maybe_interlude();
        match std::mem::replace(&mut self.commit, Commit::None) {
            Commit::None => Ok(Outcome::Committed),
            Commit::Applied(outcome) => Ok(outcome),
            Commit::Late(transaction) => self.apply(transaction),
            Commit::Lost => Err(fatal("nobody knows whether the commit stands; it doesn't")),
            Commit::Stands => Err(fatal("nobody knows whether the commit stands; it does")),
        }
    }

    fn end_offset(&self, partition: &TopicPartition) -> Option<i64> {
        self.inner.as_ref()?.end_offset(partition)
    }

    fn partition_counts(&self) -> Result<Vec<(String, i32)>, LogError> {
        let inner = self.inner.as_ref();
        inner.map_or_else(
            || Err(passing("the connection is gone")),
            |inner| inner.partition_counts(),
        )
    }

    fn pause(&mut self, partition: &TopicPartition, paused: bool) -> Result<(), LogError> {
        if paused {
            self.paused.insert(partition.clone());
        } else {
            self.paused.remove(partition);
        }
        self.inner()?.pause(partition, paused)
    }

    fn leave(mut self: Box<Self>) -> Result<(), LogError> {
        match self.inner.take() {
            // A static member keeps its claim until its session ends.
            Some(inner) if self.log.strikes(Fault::Corpse) => {
                self.log.hold(inner);
                Ok(())
            }
            Some(inner) => inner.leave(),
            None => Ok(()),
        }
    }
}

impl Drop for FaultyMember {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && self.log.strikes(Fault::Corpse)
        {
            self.log.hold(inner);
        }
    }
}
