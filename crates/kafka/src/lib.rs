//! The partitioned, transactional log on Apache Kafka: [`forecall_log::Log`] by [`KafkaLog`].
//!
//! The only crate that knows the Kafka client library (librdkafka). It joins groups as a static member with the `range`
//! assignor, reads committed records only, and commits what is published together with the positions read in one
//! transaction; a second process under the same name is fenced; doubt about a commit is resolved by a new producer and the
//! committed positions; a partition that stops giving records makes the member join anew. It knows nothing of formats and
//! of stages, never resets a position in silence, and never falls back to an open line.
//!
//! ```no_run
//! use forecall_kafka::{KafkaLog, KafkaSettings};
//! use forecall_log::{Log, TopicSpec};
//! let log = KafkaLog::connect(KafkaSettings::plaintext("localhost:9092"))?;
//! log.create_topics(&[TopicSpec::new("t", 1)])?;
//! assert_eq!(log.bounds("t")?.len(), 1);
//! # Ok::<(), forecall_log::LogError>(())
//! ```

mod client_config;
mod connection;
mod context;
mod doubt;
mod error;
mod groups;
mod member;
mod producer;
mod reader;
mod settings;
mod stop;
mod topics;
mod transaction;
mod watchdog;
mod writer;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use forecall_log::{
    ChooseStart, Committed, Log, LogError, Member, Membership, RecordRef, TopicPartition, TopicSpec,
    TopicState, Writer,
};

pub use doubt::{Doubts, doubts};
pub use groups::GroupMember;
pub use member::watchdog_count;
pub use settings::{Compression, KafkaSettings, MembershipKind, SaslMechanism, Secret, SecurityProtocol};

use connection::Connection;
use reader::Pace;
use stop::Stop;

/// A Kafka cluster as a log. A commit is answered a few milliseconds before its records can be read: the broker sets the
/// marker in each partition afterwards. So "the end" of [`Log::read`] and [`Log::bounds`] is the end of what is decided.
///
/// Clones share one client for questions; each member and writer has clients of its own.
#[derive(Clone)]
pub struct KafkaLog(Arc<Connection>);

impl KafkaLog {
    /// Connects, and waits until a broker has answered.
    ///
    /// # Errors
    /// [`LogError::Fatal`]: settings that don't go together, a login that is refused. [`LogError::Retriable`] naming the
    /// address: no broker answers within `connect_timeout_ms`.
    pub fn connect(settings: KafkaSettings) -> Result<Self, LogError> {
        Self::connect_until(settings, Arc::default())
    }

    /// As [`connect`](Self::connect), for a process that is told to stop by this flag: once it is set, nothing is waited for
    /// longer than 3 s, but for a call of the client library that is under way (at most `transaction_timeout_ms`). What is
    /// undecided by then fails with [`LogError::Stopped`]: the next start settles it.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_until(settings: KafkaSettings, stop: Arc<AtomicBool>) -> Result<Self, LogError> {
        let connection = Connection::open(settings, Stop::new(stop))?;
        Ok(Self(Arc::new(connection)))
    }

    /// Who reads in a group at present; nobody, where there is no such group.
    ///
    /// # Errors
    /// [`LogError::Fatal`]: it isn't allowed to ask. [`LogError::Retriable`].
    pub fn members(&self, group: &str) -> Result<Vec<GroupMember>, LogError> {
        groups::members(&self.0, group)
    }

    /// As [`Log::read`], but no further than `to`, which is shown too: a few records of a long partition.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn read_to(
        &self,
        partition: &TopicPartition,
        from: i64,
        to: i64,
        visit: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), LogError> {
        reader::read_while(&self.0, partition, from, &mut |record| {
            if record.offset > to {
                return Pace::Stop;
            }
            visit(record);
            if record.offset >= to { Pace::Stop } else { Pace::On }
        })
    }
}

impl std::fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KafkaLog")
            .field(&self.0.settings.bootstrap_servers)
            .finish()
    }
}

impl Log for KafkaLog {
    fn join(
        &self,
        membership: &Membership,
        start: Arc<dyn ChooseStart>,
    ) -> Result<Box<dyn Member>, LogError> {
        let member = member::KafkaMember::join(Arc::clone(&self.0), membership, start)?;
        Ok(Box::new(member))
    }

    fn writer(&self, identity: &str) -> Result<Box<dyn Writer>, LogError> {
        Ok(Box::new(writer::KafkaWriter::new(Arc::clone(&self.0), identity)?))
    }

    fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<Committed>>, LogError> {
        self.0.committed(group, partitions)
    }

    fn bounds(&self, topic: &str) -> Result<Vec<(i64, i64)>, LogError> {
        (0..self.0.partition_count(topic)?)
            .map(|p| self.0.ends(&TopicPartition::new(topic, p)))
            .collect()
    }

    fn create_topics(&self, topics: &[TopicSpec]) -> Result<Vec<String>, LogError> {
        topics::create(&self.0, topics)
    }

    fn describe(&self, topics: &[String]) -> Result<Vec<TopicState>, LogError> {
        topics::describe(&self.0, topics)
    }

    fn read(
        &self,
        partition: &TopicPartition,
        from: i64,
        visit: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), LogError> {
        reader::read_while(&self.0, partition, from, &mut |record| {
            visit(record);
            Pace::On
        })
    }
}
