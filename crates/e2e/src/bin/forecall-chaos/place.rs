//! Where a run takes place: names of its topics and its group, and how its clients behave.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use forecall_kafka::KafkaSettings;

/// Partitions of the input at first.
pub(crate) const PARTITIONS: i32 = 8;
/// Partitions of the input once some were added, and of the outputs from the beginning.
pub(crate) const PARTITIONS_GROWN: i32 = 10;
/// How soon clients see added partitions; five minutes otherwise.
pub(crate) const METADATA_EVERY: Duration = Duration::from_secs(2);
/// A dead member's partitions go to others after this long; the broker that `xtask` starts allows it.
pub(crate) const SESSION: Duration = Duration::from_secs(3);
/// The broker aborts a dead member's transaction after this long (and looks for such every ten seconds).
pub(crate) const TRANSACTION: Duration = Duration::from_secs(5);
/// How long the line to the broker fails: longer than any call of a worker waits.
pub(crate) const HELD: Duration = TRANSACTION.saturating_add(Duration::from_secs(3));
/// Short, so that snapshots are written, pruned and restored all the time.
pub(crate) const SNAPSHOT_EVERY: Duration = Duration::from_secs(2);

/// Address, names and folder of one run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// Address of the broker.
    #[arg(long)]
    pub(crate) bootstrap: String,
    /// Name of the run: its topics and its group begin with it.
    #[arg(long)]
    pub(crate) run: String,
    /// Folder of the snapshots.
    #[arg(long)]
    pub(crate) state: PathBuf,
}

impl Place {
    pub(crate) fn inputs(&self) -> String {
        format!("{}.in", self.run)
    }

    pub(crate) fn outputs(&self) -> String {
        format!("{}.out", self.run)
    }

    pub(crate) fn letters(&self) -> String {
        format!("{}.dead", self.run)
    }

    pub(crate) fn group(&self) -> String {
        format!("{}.tally", self.run)
    }

    pub(crate) fn instance(&self, slot: u32) -> String {
        format!("{}.{slot}.0", self.group())
    }

    pub(crate) fn settings(&self) -> KafkaSettings {
        let ms = |d: Duration| u32::try_from(d.as_millis()).unwrap_or(u32::MAX);
        KafkaSettings {
            session_timeout_ms: ms(SESSION),
            heartbeat_interval_ms: ms(SESSION / 6),
            transaction_timeout_ms: ms(TRANSACTION),
            connect_timeout_ms: 60_000,
            extra: BTreeMap::from([(
                "topic.metadata.refresh.interval.ms".to_owned(),
                METADATA_EVERY.as_millis().to_string(),
            )]),
            ..KafkaSettings::plaintext(&self.bootstrap)
        }
    }
}
