//! What became of a transaction whose end nobody answered for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use forecall_log::{LogError, Transaction};
use rdkafka::consumer::Consumer as _;
use rdkafka::producer::Producer as _;

use crate::error::stopped;
use crate::transaction::{BACKOFF, InGroup, PATIENCE, Transactor};

/// Transactions in doubt so far, and those that are at present, in this process.
static TOTAL: AtomicU64 = AtomicU64::new(0);
static NOW: AtomicU64 = AtomicU64::new(0);

/// Transactions of this process whose end was in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubts {
    /// So far.
    pub total: u64,
    /// At present: their members stand still until a broker answers.
    pub now: u64,
}

/// How many transactions of this process were and are in doubt.
pub fn doubts() -> Doubts {
    Doubts {
        total: TOTAL.load(Ordering::Relaxed),
        now: NOW.load(Ordering::Relaxed),
    }
}

/// One that is in doubt.
struct Doubt;

impl Doubt {
    fn begin() -> Self {
        TOTAL.fetch_add(1, Ordering::Relaxed);
        NOW.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Doubt {
    fn drop(&mut self) {
        NOW.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Transactor {
    /// Finds out however often a broker doesn't answer: what is in doubt must not be forgotten, unless a stop is asked for;
    /// then the next start finds out. `Ok(true)`: it stands.
    pub(crate) fn settle_patiently(
        &mut self,
        transaction: &Transaction,
        group: Option<InGroup<'_>>,
        first: Instant,
    ) -> Result<bool, LogError> {
        let _doubt = Doubt::begin();
        self.heed_twin(group)?;
        let taken = self.producer.as_ref().and_then(|p| p.context().take().taken);
        let begun = Instant::now();
        loop {
            let (what, source) = match self.settle(transaction, group, taken.as_ref()) {
                Err(LogError::Retriable { what, source }) => (what, source),
                result => {
                    let seconds = begun.elapsed().as_secs_f64();
                    tracing::info!(identity = self.identity, seconds, ?result, "the doubt is settled");
                    return result;
                }
            };
            let stop = &self.connection.stop;
            if stop.is_asked() {
                return Err(stopped(format!(
                    "`{}` stops with a transaction in doubt, undecided here: {what}",
                    self.identity
                )));
            }
            if first.elapsed() >= PATIENCE {
                return Err(LogError::Fatal {
                    what: format!(
                        "`{}` could not find out in {} s whether its transaction stands; the next start does: {what}",
                        self.identity,
                        PATIENCE.as_secs()
                    ),
                    source,
                });
            }
            tracing::warn!(
                identity = self.identity,
                what,
                cause = ?source,
                seconds = begun.elapsed().as_secs_f64(),
                "a transaction is still in doubt"
            );
            stop.sleep(BACKOFF.1);
        }
    }

    /// After doubt: a new producer ends the transaction one way or the other; then whether it stands.
    fn settle(
        &mut self,
        transaction: &Transaction,
        group: Option<InGroup<'_>>,
        taken: Option<&(String, i32, i64)>,
    ) -> Result<bool, LogError> {
        self.renew()?;
        if let Some(group) = group.filter(|_| !transaction.positions.is_empty()) {
            let partitions: Vec<_> = transaction.positions.iter().map(|(p, _)| p.clone()).collect();
            // By a client of its own: the member's may still hold a connection that nobody answers on.
            let committed = self.connection.committed(group.name, &partitions)?;
            let stands = committed
                .iter()
                .zip(&transaction.positions)
                .all(|(found, (_, ours))| found.as_ref() == Some(ours));
            if !stands || transaction.records.is_empty() {
                return Ok(stands);
            }
        }
        // The same positions may have been committed before, so a record tells: either all of them can be read, or none.
        // Where not even one was taken by a broker, the commit can't have been asked for.
        match taken {
            Some((topic, partition, offset)) => self.connection.stands(topic, *partition, *offset),
            None => Ok(false),
        }
    }

    /// After a sleep longer than a transaction may take, another process may have our identity by right. To take it back would
    /// end that one; the group tells of it with the next heartbeats.
    fn heed_twin(&self, group: Option<InGroup<'_>>) -> Result<(), LogError> {
        let timeout = self.connection.settings.transaction_timeout();
        let (Some(group), true) = (group, self.begun_at.elapsed() >= timeout) else {
            return Ok(());
        };
        let beat = Duration::from_millis(self.connection.settings.heartbeat_interval_ms.into());
        let begun = Instant::now();
        // Two heartbeats: the one under way when we slept may still be answered as before.
        while begun.elapsed() < beat * 2 {
            if group.consumer.client().fatal_error().is_some() {
                return Err(self.fenced());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}
