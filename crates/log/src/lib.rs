//! The partitioned, transactional log that everything stands on, as a trait, and the in-process one.
//!
//! A stage reads a log as a [`Member`] of a group and commits what it publishes together with the positions it has read, in
//! one transaction. [`InProcess`] is the embedded default and the test bed: in memory, deterministic, with groups,
//! transactions and fencing. The crate knows nothing of Kafka, of formats, of stages, and reads no clock.
//!
//! ```
//! use forecall_log::{InProcess, Log, OutRecord, Transaction, TopicSpec};
//! let log = InProcess::default();
//! log.create_topics(&[TopicSpec::new("t", 1)])?;
//! let mut writer = log.writer("w")?;
//! writer.commit(&Transaction { records: vec![OutRecord::new("t", b"k".to_vec(), b"v".to_vec())], ..Default::default() })?;
//! assert_eq!(log.bounds("t")?, [(0, 1)]);
//! # Ok::<(), forecall_log::LogError>(())
//! ```

pub mod crash;
mod group;
mod in_process;
mod murmur;
mod partition;
mod record;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use in_process::InProcess;
pub use murmur::partition_of_key;
pub use record::{Header, HeaderSource, Headers, OutRecord, RecordRef, TopicPartition};

/// What a log can fail with. Bad records aren't errors; they are values.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is no such topic.
    #[error("topic `{topic}` does not exist; create it with `forecall topics create`")]
    NoTopic {
        /// The topic.
        topic: String,
    },
    /// Another process uses this identity.
    #[error("`{identity}` is in use by another process: give each process a `--slot` of its own")]
    Fenced {
        /// Transactional or instance id.
        identity: String,
    },
    /// The log can't go on; the process must end.
    #[error("{what}")]
    Fatal {
        /// What failed on which thing.
        what: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A stop was asked for while the log didn't answer. What was under way is undecided here, and the next start finds out
    /// how it ended.
    #[error("{what}")]
    Stopped {
        /// What was under way.
        what: String,
    },
    /// It may work later.
    #[error("{what}")]
    Retriable {
        /// What failed on which thing.
        what: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

/// A position that is committed, and what was written beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to be read.
    pub next_offset: i64,
    /// Text beside it (at most 128 ASCII characters): the checkpoint.
    pub metadata: String,
}

/// Where to begin reading a partition that has just become ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record kept.
    Earliest,
    /// At this offset.
    Offset(i64),
}

/// Chooses where to begin: the host looks for a snapshot and answers with its position. Called inside a rebalance, before
/// the first record.
pub trait ChooseStart: Send + Sync {
    /// For a partition that becomes ours, with what the group has committed there.
    fn choose(&self, partition: &TopicPartition, committed: Option<&Committed>) -> Start;
}

/// A partition that has become ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Which.
    pub partition: TopicPartition,
    /// What the group has committed there.
    pub committed: Option<Committed>,
    /// Where reading begins.
    pub start: Start,
}

/// What a member is told while it gathers.
pub trait Handler {
    /// A partition has become ours.
    fn assigned(&mut self, assignment: &Assignment);
    /// A partition is no longer ours: what was gathered from it and not committed is void. `lost`: another may own it already.
    fn revoked(&mut self, partition: &TopicPartition, lost: bool);
    /// The next record of a partition of ours.
    fn record(&mut self, record: &RecordRef<'_>);
}

/// When gathering ends.
#[derive(Debug, Clone, Copy)]
pub struct GatherLimits {
    /// After this many records.
    pub records_max: usize,
    /// After this many bytes of keys and values.
    pub bytes_max: usize,
    /// After this time, counted from the first call for a record.
    pub wait: Duration,
}

/// What is to be done as one: all or nothing.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    /// Records to publish, in order.
    pub records: Vec<OutRecord>,
    /// Positions read, of partitions of this member.
    pub positions: Vec<(TopicPartition, Committed)>,
}

/// A record that the log didn't take because it is longer than its topic allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLong {
    /// Where it should have gone.
    pub topic: Arc<str>,
    /// Key and value.
    pub bytes: usize,
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It stands.
    Committed,
    /// It doesn't: a partition in it is no longer ours. Its effects belong to the new owner.
    NotOwner,
}

/// Who joins which group to read what.
#[derive(Debug, Clone)]
pub struct Membership {
    /// Consumer group.
    pub group: String,
    /// Stable name of this member (`group.stage.slot.shard`): also the transactional id.
    pub instance: String,
    /// Topics read.
    pub topics: Vec<String>,
    /// Static membership: a restart within the session keeps its partitions, a stop doesn't hand them over.
    pub is_static: bool,
}

/// One reader of a group, and the writer that commits for it. Not shared between threads.
pub trait Member: Send {
    /// Gathers records until a limit is reached. Partitions come and go only in here.
    ///
    /// # Errors
    /// [`LogError::Fatal`] ends the process; [`LogError::Retriable`] may be called again.
    fn gather(&mut self, limits: &GatherLimits, handler: &mut dyn Handler) -> Result<(), LogError>;

    /// Begins a transaction: publishes and hands in positions, without waiting for the end.
    ///
    /// # Errors
    /// As [`await_commit`](Self::await_commit).
    fn begin_commit(&mut self, transaction: Transaction) -> Result<(), LogError>;

    /// Waits until the transaction begun is decided. After doubt (a time-out) the member finds out from the committed
    /// positions which way it went, and repeats the same effects where it is still the owner.
    ///
    /// # Errors
    /// [`LogError::Fenced`]: another process has this member's identity. [`LogError::Fatal`].
    fn await_commit(&mut self) -> Result<Outcome, LogError>;

    /// Records left out of the transactions committed since this was asked last: a topic refused them for their length. To
    /// try them again would stop the stage for ever.
    fn take_too_long(&mut self) -> Vec<TooLong> {
        Vec::new()
    }

    /// Offset after the newest stable record of a partition of ours, where known without asking.
    fn end_offset(&self, partition: &TopicPartition) -> Option<i64>;

    /// How many partitions each topic of the membership has now.
    ///
    /// # Errors
    /// [`LogError::NoTopic`], [`LogError::Retriable`].
    fn partition_counts(&self) -> Result<Vec<(String, i32)>, LogError>;

    /// Stops (`true`) or resumes reading a partition; back-pressure of one stage.
    ///
    /// # Errors
    /// [`LogError::Retriable`].
    fn pause(&mut self, partition: &TopicPartition, paused: bool) -> Result<(), LogError>;

    /// Leaves: stops reading; a static member keeps its claim for the session time-out.
    ///
    /// # Errors
    /// [`LogError::Retriable`].
    fn leave(self: Box<Self>) -> Result<(), LogError>;
}

/// A writer without a reader: publishes in transactions under a fenced identity.
pub trait Writer: Send {
    /// Publishes all or nothing. `positions` must be empty but for a group whose positions this writer keeps alone.
    ///
    /// # Errors
    /// [`LogError::Fenced`], [`LogError::Fatal`], [`LogError::Retriable`] (nothing was published).
    fn commit(&mut self, transaction: &Transaction) -> Result<(), LogError>;

    /// Publishes and hands in positions of `group`, of which nobody is a member.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    fn commit_for(&mut self, group: &str, transaction: &Transaction) -> Result<(), LogError>;
}

/// What a topic should be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Name.
    pub name: String,
    /// Partitions.
    pub partitions: i32,
    /// Copies kept.
    pub replication: i32,
    /// Further settings of the topic (`cleanup.policy`, `retention.ms`).
    pub settings: Vec<(String, String)>,
}

impl TopicSpec {
    /// One copy, no further settings.
    pub fn new(name: &str, partitions: i32) -> Self {
        Self {
            name: name.to_owned(),
            partitions,
            replication: 1,
            settings: Vec::new(),
        }
    }
}

/// A topic as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// Name.
    pub name: String,
    /// Partitions.
    pub partitions: i32,
    /// Copies kept: the fewest of any partition.
    pub replication: i32,
    /// The settings in force, the log's defaults among them.
    pub settings: BTreeMap<String, String>,
}

impl TopicState {
    /// How long records are kept, in milliseconds; `None`: for ever, or not known.
    pub fn retention_ms(&self) -> Option<u64> {
        self.settings.get("retention.ms")?.parse().ok()
    }

    /// Whether old records of a key are dropped, and whether old records are.
    pub fn is_cleaned_by(&self, policy: &str) -> bool {
        let policies = self.settings.get("cleanup.policy");
        policies.is_some_and(|p| p.split(',').any(|p| p.trim() == policy))
    }
}

/// A partitioned, transactional log.
pub trait Log: Send + Sync {
    /// Joins a group.
    ///
    /// # Errors
    /// [`LogError::NoTopic`], [`LogError::Fatal`].
    fn join(&self, membership: &Membership, start: Arc<dyn ChooseStart>)
    -> Result<Box<dyn Member>, LogError>;

    /// A writer under `identity` (a transactional id); an older one of the same identity is fenced.
    ///
    /// # Errors
    /// [`LogError::Fatal`], [`LogError::Retriable`].
    fn writer(&self, identity: &str) -> Result<Box<dyn Writer>, LogError>;

    /// What a group has committed.
    ///
    /// # Errors
    /// [`LogError::Retriable`].
    fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<Committed>>, LogError>;

    /// For each partition of a topic: the oldest offset kept and the one after the newest.
    ///
    /// # Errors
    /// [`LogError::NoTopic`], [`LogError::Retriable`].
    fn bounds(&self, topic: &str) -> Result<Vec<(i64, i64)>, LogError>;

    /// Creates the topics that don't exist; says which were created.
    ///
    /// # Errors
    /// [`LogError::Fatal`] naming the topic that exists with fewer or more partitions.
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<Vec<String>, LogError>;

    /// How the topics stand, in the order asked for; those that don't exist are left out.
    ///
    /// # Errors
    /// [`LogError::Fatal`]: it isn't allowed to ask. [`LogError::Retriable`].
    fn describe(&self, topics: &[String]) -> Result<Vec<TopicState>, LogError>;

    /// Reads from `from` (or the oldest kept) to the end that stands at the call, outside any group.
    ///
    /// # Errors
    /// [`LogError::NoTopic`], [`LogError::Retriable`].
    fn read(
        &self,
        partition: &TopicPartition,
        from: i64,
        visit: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), LogError>;
}
