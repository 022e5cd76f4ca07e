//! Faults planted around the ledger: a checker that finds none of them proves nothing.

use std::sync::Arc;

use forecall_delivery::{Accepted, Capabilities, DeliverSettings, Gateway, Message, SendError};
use forecall_ledger::Prefer;
use forecall_log::{
    ChooseStart, Committed, Log, LogError, Member, Membership, RecordRef, TopicPartition, TopicSpec,
    TopicState, Transaction, Writer, crash,
};
use forecall_sim::fault::{FaultyGateway, FaultyLog};
use forecall_types::ContactChannel;

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChainPlant {
    /// Nothing: all as it is.
    None,
    /// In doubt a text message is sent again, against the rule.
    RuleIgnored,
    /// Every message is handed over twice.
    SentTwice,
    /// A message that was taken is said to have been refused.
    RefusedThoughTold,
    /// A message that was never handed over is said to have been taken.
    AcceptedUntold,
    /// The publisher forgets how far it came.
    PublisherForgets,
    /// The publisher's records and its position are two transactions.
    PublishedApart,
    /// The outbox is published without the last record of each batch.
    OutboxCut,
}

impl ChainPlant {
    pub(crate) const ALL: [Self; 7] = [
        Self::RuleIgnored,
        Self::SentTwice,
        Self::RefusedThoughTold,
        Self::AcceptedUntold,
        Self::PublisherForgets,
        Self::PublishedApart,
        Self::OutboxCut,
    ];

    pub(crate) fn worker(self, mut settings: DeliverSettings) -> DeliverSettings {
        if self == Self::RuleIgnored {
            settings.in_doubt.sms = Prefer::Double;
        }
        settings
    }

    pub(crate) fn gateway(self, inner: FaultyGateway) -> Box<dyn Gateway> {
        Box::new(Planted { plant: self, inner })
    }

    pub(crate) fn log(self, inner: FaultyLog) -> Arc<dyn Log> {
        match self {
            Self::PublisherForgets | Self::PublishedApart | Self::OutboxCut => {
                Arc::new(PlantedLog { plant: self, inner })
            }
            Self::None
            | Self::RuleIgnored
            | Self::SentTwice
            | Self::RefusedThoughTold
            | Self::AcceptedUntold => Arc::new(inner),
        }
    }
}

struct Planted {
    plant: ChainPlant,
    inner: FaultyGateway,
}

impl Gateway for Planted {
    fn channel(&self) -> ContactChannel {
        self.inner.channel()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send(&mut self, message: &Message<'_>) -> Result<Accepted, SendError> {
        match self.plant {
            ChainPlant::SentTwice => {
                self.inner.send(message)?;
                self.inner.send(message)
            }
            ChainPlant::RefusedThoughTold => {
                self.inner.send(message)?;
                Err(SendError::Permanent {
                    reason: "planted",
                    code: None,
                })
            }
            ChainPlant::AcceptedUntold => Ok(Accepted { provider_ref: None }),
            ChainPlant::None
            | ChainPlant::RuleIgnored
            | ChainPlant::PublisherForgets
            | ChainPlant::PublishedApart
            | ChainPlant::OutboxCut => self.inner.send(message),
        }
    }
}

struct PlantedLog {
    plant: ChainPlant,
    inner: FaultyLog,
}

impl Log for PlantedLog {
    fn join(
        &self,
        membership: &Membership,
        start: Arc<dyn ChooseStart>,
    ) -> Result<Box<dyn Member>, LogError> {
        self.inner.join(membership, start)
    }

    fn writer(&self, identity: &str) -> Result<Box<dyn Writer>, LogError> {
        Ok(Box::new(PlantedWriter {
            plant: self.plant,
            inner: self.inner.writer(identity)?,
        }))
    }

    fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<Committed>>, LogError> {
        let found = self.inner.committed(group, partitions)?;
        if self.plant == ChainPlant::PublisherForgets && group.ends_with(".publisher") {
            return Ok(vec![None; found.len()]);
        }
        Ok(found)
    }

    fn bounds(&self, topic: &str) -> Result<Vec<(i64, i64)>, LogError> {
        self.inner.bounds(topic)
    }

    fn create_topics(&self, topics: &[TopicSpec]) -> Result<Vec<String>, LogError> {
        self.inner.create_topics(topics)
    }

    fn describe(&self, topics: &[String]) -> Result<Vec<TopicState>, LogError> {
        self.inner.describe(topics)
    }

    fn read(
        &self,
        partition: &TopicPartition,
        from: i64,
        visit: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), LogError> {
        self.inner.read(partition, from, visit)
    }
}

struct PlantedWriter {
    plant: ChainPlant,
    inner: Box<dyn Writer>,
}

impl Writer for PlantedWriter {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), LogError> {
        self.inner.commit(transaction)
    }

    fn commit_for(&mut self, group: &str, transaction: &Transaction) -> Result<(), LogError> {
        let mut records = Transaction {
            records: transaction.records.clone(),
            positions: Vec::new(),
        };
        match self.plant {
            ChainPlant::PublishedApart => {
                self.inner.commit(&records)?;
                crash::point("outbox_published");
                records.records.clear();
                records.positions.clone_from(&transaction.positions);
                self.inner.commit_for(group, &records)
            }
            ChainPlant::OutboxCut => {
                records.records.pop();
                records.positions.clone_from(&transaction.positions);
                self.inner.commit_for(group, &records)
            }
            _ => self.inner.commit_for(group, transaction),
        }
    }
}
