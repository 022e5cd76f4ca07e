use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forecall_ledger::{CommitOutcome, Epoch, Ledger, LedgerCommit, LedgerPosition};
use forecall_log::{Committed, LogError, Member, OutRecord, Outcome, TopicPartition, Transaction, crash};

use crate::host::{Effect, HostError};

/// What a batch comes to: effects and positions that stand or fall together.
#[derive(Debug, Default)]
pub struct Work {
    /// Records that are no effect of a step: ticks for the stage's own log, heartbeats.
    pub own: Vec<OutRecord>,
    /// By partition.
    pub parts: BTreeMap<TopicPartition, Part>,
}

/// What the records of one partition come to.
#[derive(Debug, Default)]
pub struct Part {
    /// Effects of the steps, in order.
    pub effects: Vec<Effect>,
    /// Dead letters.
    pub letters: Vec<OutRecord>,
    /// The position read to; `None` where only effects without records came (a flush).
    pub position: Option<Committed>,
}

impl Work {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.parts.is_empty()
    }
}

/// Where a host commits to.
pub trait Sink: Send + Sync {
    /// What is committed for a partition: the truth that reading goes on from. `in_group` is what the log's group says.
    ///
    /// # Errors
    /// The truth can't be read; nothing is assumed.
    fn committed(
        &self,
        partition: &TopicPartition,
        in_group: Option<&Committed>,
    ) -> Result<Option<Committed>, HostError>;

    /// Commits a batch as one. After an error that [may pass](HostError::may_pass), what is left in `work` is what isn't done
    /// yet, and may be tried again.
    ///
    /// # Errors
    /// The log's or the ledger's.
    fn commit(&self, member: &mut dyn Member, work: &mut Work) -> Result<Outcome, HostError>;
}

/// Commits to the log: outputs and positions in one transaction.
#[derive(Debug, Default, Clone, Copy)]
pub struct LogSink;

impl Sink for LogSink {
    fn committed(
        &self,
        _: &TopicPartition,
        in_group: Option<&Committed>,
    ) -> Result<Option<Committed>, HostError> {
        Ok(in_group.cloned())
    }

    fn commit(&self, member: &mut dyn Member, work: &mut Work) -> Result<Outcome, HostError> {
        let mut transaction = Transaction {
            records: Vec::new(),
            positions: Vec::new(),
        };
        for (partition, part) in std::mem::take(&mut work.parts) {
            transaction
                .records
                .extend(part.effects.into_iter().filter_map(Effect::published));
            transaction.records.extend(part.letters);
            transaction
                .positions
                .extend(part.position.map(|position| (partition, position)));
        }
        // Last: a heartbeat says that nothing earlier than its watermark follows it, and the effects of this batch are earlier.
        transaction.records.append(&mut work.own);
        member.begin_commit(transaction)?;
        Ok(member.await_commit()?)
    }
}

/// Commits to the log, after names and addresses of a directory topic have gone to the ledger: a person is never in
/// outreach's log before they can be reached. A crash between the two repeats the ledger's half, which changes nothing then.
pub struct DirectorySink {
    ledger: Arc<Mutex<Ledger>>,
}

impl DirectorySink {
    /// On this ledger.
    pub const fn new(ledger: Arc<Mutex<Ledger>>) -> Self {
        Self { ledger }
    }

    fn keep(&self, work: &mut Work) -> Result<(), HostError> {
        let mut ledger = lock(&self.ledger);
        for part in work.parts.values_mut() {
            let mut known = Vec::new();
            for effect in &part.effects {
                match effect {
                    Effect::Know(row) => known.push(row.as_ref().clone()),
                    Effect::Forget(customer, at) => {
                        ledger.import_customers(std::mem::take(&mut known))?;
                        ledger.erase(customer, *at)?;
                    }
                    Effect::Publish(_)
                    | Effect::Intend(_)
                    | Effect::Word(..)
                    | Effect::Cancel(..)
                    | Effect::Keep(_)
                    | Effect::Kill(_) => {}
                }
            }
            if !known.is_empty() {
                ledger.import_customers(known)?;
            }
            // Only now: a try that failed half-way is repeated from its beginning.
            part.effects
                .retain(|effect| !matches!(effect, Effect::Know(_) | Effect::Forget(..)));
        }
        Ok(())
    }
}

impl Sink for DirectorySink {
    fn committed(
        &self,
        partition: &TopicPartition,
        in_group: Option<&Committed>,
    ) -> Result<Option<Committed>, HostError> {
        LogSink.committed(partition, in_group)
    }

    fn commit(&self, member: &mut dyn Member, work: &mut Work) -> Result<Outcome, HostError> {
        self.keep(work)?;
        crash::point("directory_kept");
        LogSink.commit(member, work)
    }
}

/// Commits to the ledger: intents, outbox (dead letters among it) and position of a partition in one database transaction; ticks
/// go to the log.
pub struct LedgerSink {
    ledger: Arc<Mutex<Ledger>>,
    owner: String,
    epochs: Mutex<BTreeMap<TopicPartition, Epoch>>,
}

impl LedgerSink {
    /// Commits as `owner` (the stable name of the member).
    pub fn new(ledger: Arc<Mutex<Ledger>>, owner: &str) -> Self {
        Self {
            ledger,
            owner: owner.to_owned(),
            epochs: Mutex::default(),
        }
    }

    fn epochs(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, Epoch>> {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit_part(&self, partition: &TopicPartition, part: &Part) -> Result<Outcome, HostError> {
        let Some(epoch) = self.epochs().get(partition).cloned() else {
            return Ok(Outcome::NotOwner);
        };
        let Some(position) = &part.position else {
            return Ok(Outcome::Committed);
        };
        let position = LedgerPosition {
            next_offset: position.next_offset,
            checkpoint: position.metadata.clone(),
        };
        let (mut intents, mut texts, mut cancels, mut kept, mut outbox) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut killed = None;
        for effect in &part.effects {
            match effect {
                Effect::Publish(record) => outbox.push(record.clone()),
                Effect::Intend(intent) => intents.push(intent.clone()),
                Effect::Word(notice, text) => texts.push((notice.clone(), text.clone())),
                Effect::Cancel(cancel) => cancels.push(cancel.clone()),
                Effect::Keep(one) => kept.push(one.clone()),
                Effect::Kill(on) => killed = Some(*on),
                // The directory comes in by the intake, before its records reach this stage's log.
                Effect::Know(_) | Effect::Forget(..) => {}
            }
        }
        outbox.extend(part.letters.iter().cloned());
        let commit = LedgerCommit {
            position: &position,
            intents: &intents,
            texts: &texts,
            cancels: &cancels,
            kept: &kept,
            outbox: &outbox,
            killed,
        };
        Ok(match lock(&self.ledger).commit(&epoch, &commit)? {
            CommitOutcome::Committed(_) => Outcome::Committed,
            // Another process took the partition in the ledger while the log still says it is ours: one slot, two processes.
            CommitOutcome::Fenced => {
                return Err(HostError::Log(LogError::Fenced {
                    identity: self.owner.clone(),
                }));
            }
        })
    }
}

/// The ledger; its own transactions make a half-done change after a panic impossible.
pub(crate) fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink for LedgerSink {
    fn committed(
        &self,
        partition: &TopicPartition,
        _: Option<&Committed>,
    ) -> Result<Option<Committed>, HostError> {
        let mut ledger = lock(&self.ledger);
        let epoch = ledger.acquire(partition, &self.owner)?;
        let position = ledger.position(partition)?;
        self.epochs().insert(partition.clone(), epoch);
        Ok(position.map(|p| Committed {
            next_offset: p.next_offset,
            metadata: p.checkpoint,
        }))
    }

    fn commit(&self, member: &mut dyn Member, work: &mut Work) -> Result<Outcome, HostError> {
        if !work.own.is_empty() {
            member.begin_commit(Transaction {
                records: std::mem::take(&mut work.own),
                positions: Vec::new(),
            })?;
            if member.await_commit()? == Outcome::NotOwner {
                return Ok(Outcome::NotOwner);
            }
            crash::point("ticks_written");
        }
        while let Some((partition, part)) = work.parts.first_key_value() {
            if self.commit_part(partition, part)? == Outcome::NotOwner {
                return Ok(Outcome::NotOwner);
            }
            crash::point("ledger_committed");
            work.parts.pop_first();
        }
        Ok(Outcome::Committed)
    }
}
