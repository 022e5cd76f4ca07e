//! Hosting of one stage on a log: gather → step → one transaction, with snapshots and muted re-reading.

mod adapter;
mod commit;
mod hosted;
mod owned;
mod pause;
mod planner;
mod progress;
mod pulse;
mod saver;
mod sink;
mod stepper;
mod turn;

#[cfg(test)]
mod tests;

use std::any::Any;

use forecall_ledger::{DirectoryRow, LedgerError};
use forecall_log::{LogError, OutRecord};
use forecall_stage::SnapshotError;
use forecall_types::{CustomerId, EventTime, Intent, NoticeId, NoticeText};

pub use adapter::{Adapter, InputOf, OutputOf};
pub(crate) use commit::tell_too_long;
pub(crate) use pause::Pause;
pub(crate) use sink::lock;
pub use sink::{DirectorySink, LedgerSink, LogSink, Part, Sink, Work};
pub use turn::{Host, HostSettings, Place};

/// One thing to be done by the host, in order, all of a batch or none.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Publish a record.
    Publish(OutRecord),
    /// Write down that a message is to be sent.
    Intend(Intent),
    /// Keep the words of a notice.
    Word(NoticeId, NoticeText),
    /// Drop what of a notice hasn't been sent yet, to all or to one.
    Cancel(forecall_ledger::Cancel),
    /// Keep in the ledger what whoever answers a customer asks for.
    Keep(forecall_ledger::Kept),
    /// Turn the kill switch.
    Kill(bool),
    /// Keep a person's addresses in the ledger: from a directory topic.
    Know(Box<DirectoryRow>),
    /// Erase a person from the ledger.
    Forget(CustomerId, EventTime),
}

impl Effect {
    /// The record, where it is one.
    pub const fn as_published(&self) -> Option<&OutRecord> {
        match self {
            Self::Publish(record) => Some(record),
            Self::Intend(_)
            | Self::Word(..)
            | Self::Cancel(..)
            | Self::Keep(_)
            | Self::Kill(_)
            | Self::Know(_)
            | Self::Forget(..) => None,
        }
    }

    /// As [`as_published`](Self::as_published), taken out.
    pub fn published(self) -> Option<OutRecord> {
        match self {
            Self::Publish(record) => Some(record),
            Self::Intend(_)
            | Self::Word(..)
            | Self::Cancel(..)
            | Self::Keep(_)
            | Self::Kill(_)
            | Self::Know(_)
            | Self::Forget(..) => None,
        }
    }
}

/// Why a host stops.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Snapshots can't be read or written.
    #[error("{what}")]
    Snapshot {
        /// What failed on which snapshot.
        what: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A stage's memory can't be written.
    #[error("failed to save the state of {stage} for {partition}")]
    Save {
        /// The stage.
        stage: String,
        /// The partition.
        partition: String,
        /// The cause.
        #[source]
        source: SnapshotError,
    },
    /// Re-reading gave another result than the run that committed: the partition must not go on.
    #[error(
        "{stage} on {partition}: re-reading up to offset {offset} gave digest {found}, committed was {committed}; \
         the partition stops. Remedy: docs/runbooks/digest-mismatch.md"
    )]
    DigestMismatch {
        /// The stage.
        stage: &'static str,
        /// The partition.
        partition: String,
        /// The committed position.
        offset: i64,
        /// What re-reading gave.
        found: String,
        /// What was committed.
        committed: String,
    },
    /// Decoding, stepping or encoding panicked on a record: our bug. After the second time the record is left out.
    #[error(
        "{stage} on {partition}: the stage panicked at offset {offset} ({times} of 2): {what}. After a restart {next}. \
         Remedy: docs/runbooks/quarantine.md"
    )]
    StagePanicked {
        /// The stage.
        stage: &'static str,
        /// The partition.
        partition: String,
        /// Of the record.
        offset: i64,
        /// How often by now.
        times: u32,
        /// What the panic said.
        what: String,
        /// What will happen.
        next: &'static str,
    },
    /// The settings ask for what can't be done.
    #[error("{0}")]
    Settings(String),
    /// A thread of the pipeline panicked: our bug.
    #[error("the thread of `{0}` panicked; what it had not committed is read again after a restart")]
    Panicked(String),
}

/// The words of a panic, where it had any.
fn what_it_said(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

impl HostError {
    /// Whether the same may work later without anybody doing anything here: a database that is locked, full or away.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Ledger(error) => error.may_pass(),
            Self::Log(_)
            | Self::Snapshot { .. }
            | Self::Save { .. }
            | Self::DigestMismatch { .. }
            | Self::StagePanicked { .. }
            | Self::Settings(_)
            | Self::Panicked(_) => false,
        }
    }
}
