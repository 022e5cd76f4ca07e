//! The same log without transactions: publish, flush, then commit the positions. What exactness costs is measured against it;
//! after a crash it would double what it has published, so it is no part of the product.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use forecall_kafka::KafkaLog;
use forecall_log::{
    ChooseStart, Committed, GatherLimits, Handler, Log, LogError, Member, Membership, Outcome, RecordRef,
    TopicPartition, TopicSpec, TopicState, Transaction, Writer,
};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::topic::client;

const FLUSH_WAIT: Duration = Duration::from_secs(60);

/// Reads by forecall's own member; commits without a transaction.
pub(crate) struct Plain {
    log: KafkaLog,
    bootstrap: String,
}

impl Plain {
    pub(crate) fn new(log: KafkaLog, bootstrap: &str) -> anyhow::Result<Self> {
        Ok(Self {
            log,
            bootstrap: bootstrap.to_owned(),
        })
    }
}

fn failed(what: &str, source: impl std::error::Error + Send + Sync + 'static) -> LogError {
    LogError::Fatal {
        what: what.to_owned(),
        source: Some(Box::new(source)),
    }
}

struct PlainMember {
    inner: Box<dyn Member>,
    producer: BaseProducer,
    /// Of a group of its own, which has no members: the positions cost a request as any do, and are nobody's.
    positions: BaseConsumer,
}

impl PlainMember {
    fn publish(&self, transaction: &Transaction) -> Result<(), LogError> {
        for record in &transaction.records {
            let mut out: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&record.topic);
            out.partition = record.partition;
            out.key = record.key.as_deref();
            out.payload = record.value.as_deref();
            self.producer
                .send(out)
                .map_err(|(error, _)| failed("failed to publish", error))?;
        }
        self.producer
            .flush(FLUSH_WAIT)
            .map_err(|error| failed("failed to flush", error))?;
        let mut list = TopicPartitionList::new();
        for (partition, committed) in &transaction.positions {
            list.add_partition_offset(
                &partition.topic,
                partition.partition,
                Offset::Offset(committed.next_offset),
            )
            .map_err(|error| failed("no position", error))?;
        }
        if list.count() > 0 {
            self.positions
                .commit(&list, CommitMode::Sync)
                .map_err(|error| failed("the positions were not taken", error))?;
        }
        Ok(())
    }
}

impl Member for PlainMember {
    fn gather(&mut self, limits: &GatherLimits, handler: &mut dyn Handler) -> Result<(), LogError> {
        self.inner.gather(limits, handler)
    }

    fn begin_commit(&mut self, transaction: Transaction) -> Result<(), LogError> {
        self.publish(&transaction)
    }

    fn await_commit(&mut self) -> Result<Outcome, LogError> {
        Ok(Outcome::Committed)
    }

    fn end_offset(&self, partition: &TopicPartition) -> Option<i64> {
        self.inner.end_offset(partition)
    }

    fn partition_counts(&self) -> Result<Vec<(String, i32)>, LogError> {
        self.inner.partition_counts()
    }

    fn pause(&mut self, partition: &TopicPartition, paused: bool) -> Result<(), LogError> {
        self.inner.pause(partition, paused)
    }

    fn leave(self: Box<Self>) -> Result<(), LogError> {
        self.inner.leave()
    }
}

impl Log for Plain {
    fn join(
        &self,
        membership: &Membership,
        start: Arc<dyn ChooseStart>,
    ) -> Result<Box<dyn Member>, LogError> {
        let make = || -> anyhow::Result<(BaseProducer, BaseConsumer)> {
            let producer = client(&self.bootstrap)
                .set("enable.idempotence", "true")
                .set("compression.type", "lz4")
                .set("linger.ms", "5")
                .create()
                .context("failed to make the producer")?;
            let positions = client(&self.bootstrap)
                .set("group.id", format!("{}.plain", membership.group))
                .create()
                .context("failed to make the consumer")?;
            Ok((producer, positions))
        };
        let (producer, positions) = make().map_err(|error| LogError::Fatal {
            what: format!("{error:#}"),
            source: None,
        })?;
        Ok(Box::new(PlainMember {
            inner: self.log.join(membership, start)?,
            producer,
            positions,
        }))
    }

    fn writer(&self, identity: &str) -> Result<Box<dyn Writer>, LogError> {
        self.log.writer(identity)
    }

    fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<Committed>>, LogError> {
        self.log.committed(group, partitions)
    }

    fn bounds(&self, topic: &str) -> Result<Vec<(i64, i64)>, LogError> {
        self.log.bounds(topic)
    }

    fn create_topics(&self, topics: &[TopicSpec]) -> Result<Vec<String>, LogError> {
        self.log.create_topics(topics)
    }

    fn describe(&self, topics: &[String]) -> Result<Vec<TopicState>, LogError> {
        self.log.describe(topics)
    }

    fn read(
        &self,
        partition: &TopicPartition,
        from: i64,
        visit: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), LogError> {
        self.log.read(partition, from, visit)
    }
}
