use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forecall_log::{
    ChooseStart, Committed, InProcess, Log, LogError, Member, Membership, RecordRef, Start, TopicPartition,
    TopicSpec, TopicState, Transaction, Writer,
};

use super::member::FaultyMember;
use super::{Dice, Fault, Faults};

/// Runs the others while one waits.
pub(super) type Interlude = Arc<dyn Fn() + Send + Sync>;

/// The log in memory, with faults drawn from a seed.
///
/// Deterministic where one thread drives it. Faults strike what members and writers do; what is read outside any group is
/// true always.
#[derive(Clone)]
pub struct FaultyLog(Arc<Shared>);

struct Shared {
    inner: InProcess,
    state: Mutex<State>,
    interlude: Mutex<Option<Interlude>>,
}

struct State {
    faults: Faults,
    /// Records a gathering gives at most, whatever is asked for.
    gather_max: usize,
    /// Members that hold partitions and read nothing, and for how many gatherings still.
    holders: Vec<(u64, Box<dyn Member>)>,
    /// Whether readers are put on what is kept without a word.
    skips: bool,
}

/// What unwinds where a process is ended at a point.
#[derive(Debug, Clone, Copy)]
pub struct Crashed;

impl std::fmt::Debug for FaultyLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyLog").finish_non_exhaustive()
    }
}

impl FaultyLog {
    /// On an empty log.
    pub fn new(dice: Dice) -> Self {
        Self(Arc::new(Shared {
            inner: InProcess::default(),
            state: Mutex::new(State {
                faults: Faults::drawn(dice),
                gather_max: usize::MAX,
                holders: Vec::new(),
                skips: false,
            }),
            interlude: Mutex::default(),
        }))
    }

    /// The log below: for the driver, which writes input and reads output without faults.
    pub fn inner(&self) -> &InProcess {
        &self.0.inner
    }

    /// No gathering gives more than this: how small the batches are that a host gets to see.
    pub fn gather_at_most(&self, records: usize) {
        self.state().gather_max = records;
    }

    pub(super) fn gather_max(&self) -> usize {
        self.state().gather_max
    }

    /// What runs the others while one waits in the middle of a commit. It is not called from within itself.
    pub fn set_interlude(&self, interlude: Interlude) {
        *self.0.interlude.lock().unwrap_or_else(PoisonError::into_inner) = Some(interlude);
    }

    /// Lets faults strike, or holds them back for a while.
    pub fn arm(&self, is_armed: bool) {
        self.state().faults.is_armed = is_armed;
    }

    /// Nothing fails from now on, and nobody holds partitions without reading.
    pub fn calm(&self) {
        let holders = {
            let mut state = self.state();
            state.faults.calm();
            std::mem::take(&mut state.holders)
        };
        drop(holders);
        *self.0.interlude.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How often each fault has struck.
    pub fn struck(&self) -> BTreeMap<Fault, u64> {
        self.state().faults.struck()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the process that is being turned, now and then: to be told of every crash point. It unwinds with [`Crashed`].
    pub fn maybe_crash(&self) {
        if self.strikes(Fault::Crash) {
            // Past the panic hook: it is no panic of the program.
            std::panic::resume_unwind(Box::new(Crashed));
        }
    }

    /// Drops the oldest records of a partition up to a drawn place, now and then.
    pub fn maybe_forget(&self, partition: &TopicPartition) {
        if !self.strikes(Fault::Retention) {
            return;
        }
        let bounds = self.0.inner.bounds(&partition.topic).unwrap_or_default();
        let bounds = usize::try_from(partition.partition)
            .ok()
            .and_then(|p| bounds.get(p).copied());
        if let Some((first, end)) = bounds {
            let more = self.between(0, u64::try_from(end - first).unwrap_or(0));
            let to = first.saturating_add(i64::try_from(more).unwrap_or(0));
            self.0.inner.forget(partition, to);
        }
    }

    /// From now on a reader whose place is gone is put on the oldest record kept, without a word: what forecall's own settings
    /// of a broker forbid. A checker that doesn't find it proves nothing.
    pub fn skip_in_silence(&self) {
        self.state().skips = true;
    }

    pub(super) fn strikes(&self, fault: Fault) -> bool {
        self.state().faults.strikes(fault)
    }

    pub(super) fn between(&self, from: u64, to: u64) -> u64 {
        self.state().faults.dice.between(from, to)
    }

    /// Lets others run, where that is on.
    pub(super) fn maybe_interlude(&self) {
        if self.strikes(Fault::Interlude) {
            self.interlude();
        }
    }

    /// Lets others run.
    pub(super) fn interlude(&self) {
        let interlude = self
            .0
            .interlude
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(interlude) = interlude {
            interlude();
        }
    }

    /// Keeps a member that reads nothing for some gatherings.
    pub(super) fn hold(&self, member: Box<dyn Member>) {
        let mut state = self.state();
        let gatherings = state.faults.dice.between(1, 30);
        state.holders.push((gatherings, member));
    }

    /// One more gathering: those whose time is over go; now and then another comes.
    pub(super) fn shake(&self, membership: &Membership) -> Result<(), LogError> {
        let gone: Vec<_> = {
            let mut state = self.state();
            for (left, _) in &mut state.holders {
                *left = left.saturating_sub(1);
            }
            state.holders.extract_if(.., |(left, _)| *left == 0).collect()
        };
        drop(gone);
        if !self.strikes(Fault::Rebalance) {
            return Ok(());
        }
        // First or last in the order of names: other partitions change hands.
        let name = ["!phantom", "~phantom"]
            .get(usize::try_from(self.between(0, 1)).unwrap_or(0))
            .copied();
        let phantom = Membership {
            instance: format!(
                "{}.{}",
                name.unwrap_or("~phantom"),
                self.between(0, u64::from(u32::MAX))
            ),
            ..membership.clone()
        };
        self.hold(self.0.inner.join(&phantom, Arc::new(FromCommitted))?);
        Ok(())
    }
}

/// Chooses as `choice` does, but never a place that is gone.
struct Skipping {
    choice: Arc<dyn ChooseStart>,
    log: InProcess,
}

impl ChooseStart for Skipping {
    fn choose(&self, partition: &TopicPartition, committed: Option<&Committed>) -> Start {
        let start = self.choice.choose(partition, committed);
        let bounds = self.log.bounds(&partition.topic).unwrap_or_default();
        let first = usize::try_from(partition.partition)
            .ok()
            .and_then(|p| bounds.get(p))
            .map_or(0, |(first, _)| *first);
        match start {
            Start::Offset(offset) if offset < first => Start::Offset(first),
            other => other,
        }
    }
}

struct FromCommitted;

impl ChooseStart for FromCommitted {
    fn choose(&self, _: &TopicPartition, committed: Option<&Committed>) -> Start {
        committed.map_or(Start::Earliest, |c| Start::Offset(c.next_offset))
    }
}

/// What a fault says when it may pass.
pub(super) fn passing(what: &str) -> LogError {
    LogError::Retriable {
        what: format!("drawn: {what}"),
        source: None,
    }
}

/// What a fault says that ends the process.
pub(super) fn fatal(what: &str) -> LogError {
    LogError::Fatal {
        what: format!("drawn: {what}"),
        source: None,
    }
}

impl Log for FaultyLog {
    fn join(
        &self,
        membership: &Membership,
        start: Arc<dyn ChooseStart>,
    ) -> Result<Box<dyn Member>, LogError> {
        let skips = self.state().skips;
        let start = if skips {
            Arc::new(Skipping {
                choice: start,
                log: self.0.inner.clone(),
            })
        } else {
            start
        };
        Ok(Box::new(FaultyMember::join(
            self.clone(),
            membership.clone(),
            start,
        )?))
    }

    fn writer(&self, identity: &str) -> Result<Box<dyn Writer>, LogError> {
        Ok(Box::new(FaultyWriter {
            log: self.clone(),
            inner: self.0.inner.writer(identity)?,
        }))
    }

    fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<Committed>>, LogError> {
        if self.strikes(Fault::QuestionFails) {
            return Err(passing("positions can't be asked"));
        }
        self.0.inner.committed(group, partitions)
    }

    fn bounds(&self, topic: &str) -> Result<Vec<(i64, i64)>, LogError> {
        if self.strikes(Fault::QuestionFails) {
            return Err(passing("bounds can't be asked"));
        }
        self.0.inner.bounds(topic)
    }

    fn create_topics(&self, topics: &[TopicSpec]) -> Result<Vec<String>, LogError> {
        self.0.inner.create_topics(topics)
    }

    fn describe(&self, topics: &[String]) -> Result<Vec<TopicState>, LogError> {
        self.0.inner.describe(topics)
    }

    fn read(
        &self,
        partition: &TopicPartition,
        from: i64,
        visit: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), LogError> {
        self.0.inner.read(partition, from, visit)
    }
}

struct FaultyWriter {
    log: FaultyLog,
    inner: Box<dyn Writer>,
}

impl FaultyWriter {
    fn write(&mut self, write: impl FnOnce(&mut dyn Writer) -> Result<(), LogError>) -> Result<(), LogError> {
        self.log.maybe_interlude();
        if self.log.strikes(Fault::QuestionFails) {
            return Err(passing("nothing was written"));
        }
        if self.log.strikes(Fault::WriteLost) {
            return Err(fatal("nobody knows whether it was written; it wasn't"));
        }
        write(self.inner.as_mut())?;
        if self.log.strikes(Fault::WriteStands) {
            return Err(fatal("nobody knows whether it was written; it was"));
        }
        Ok(())
    }
}

impl Writer for FaultyWriter {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), LogError> {
        self.write(|inner| inner.commit(transaction))
    }

    fn commit_for(&mut self, group: &str, transaction: &Transaction) -> Result<(), LogError> {
        self.write(|inner| inner.commit_for(group, transaction))
    }
}
