//! A plain producer and a plain consumer, as any other program on the broker would use them. Nothing of forecall's own.

use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::process::{POLL_EVERY, told, wait_for};

/// Far above what the broker takes for anything asked of it here.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the broker is.
pub(crate) fn bootstrap() -> String {
    told("FORECALL_E2E_KAFKA")
}

fn settings() -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", bootstrap());
    settings
}

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Vec<u8>,
    /// `None`: a tombstone.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl Read {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map(|headers| {
            headers
                .iter()
                .map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec()))
                .collect()
        });
        Self {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().unwrap_or_default().to_vec(),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
        }
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(n, _)| n == name)?;
        std::str::from_utf8(value).ok()
    }

    /// All bytes of it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.key.clone();
        bytes.extend(self.value.iter().flatten());
        for (name, value) in &self.headers {
            bytes.extend(name.as_bytes());
            bytes.extend(value);
        }
        bytes
    }
}

fn admin() -> AdminClient<DefaultClientContext> {
    settings().create().unwrap()
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE))
}

fn answered<T>(what: &str, future: impl Future<Output = T>) -> T {
    forecall_e2e::answered(PATIENCE, future).unwrap_or_else(|| panic!("no answer about {what}"))
}

fn create(new: &[NewTopic<'_>]) {
    let results = answered("new topics", admin().create_topics(new, &options())).unwrap();
    results.into_iter().for_each(|result| drop(result.unwrap()));
}

/// Creates topics with one copy.
pub(crate) fn create_topics(topics: &[(&str, i32)]) {
    let new: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|(name, partitions)| NewTopic::new(name, *partitions, TopicReplication::Fixed(1)))
        .collect();
    create(&new);
    for (name, partitions) in topics {
        await_partitions(name, *partitions);
    }
}

fn await_partitions(topic: &str, partitions: i32) {
    wait_for(&format!("topic {topic}"), PATIENCE, || {
        (usize::try_from(partitions) == Ok(partitions_of(topic))).then_some(())
    });
}

/// Creates a topic with settings of its own.
pub(crate) fn create_with(topic: &str, partitions: i32, settings: &[(&str, &str)]) {
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    create(&[settings
        .iter()
        .fold(new, |new, (name, value)| new.set(name, value))]);
}

/// Changes a setting of a topic.
pub(crate) fn alter(topic: &str, name: &str, value: &str) {
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
    let results = answered("a setting", admin().alter_configs(&[change], &options())).unwrap();
    results.into_iter().for_each(|result| drop(result.unwrap()));
}

/// Adds partitions to a topic, up to this number.
pub(crate) fn grow(topic: &str, partitions: i32) {
    let wanted = [NewPartitions::new(topic, usize::try_from(partitions).unwrap())];
    let results = answered("new partitions", admin().create_partitions(&wanted, &options())).unwrap();
    results.into_iter().for_each(|result| drop(result.unwrap()));
    await_partitions(topic, partitions);
}

/// Names of the topics that begin with this.
pub(crate) fn topics_of(prefix: &str) -> Vec<String> {
    let consumer: BaseConsumer = settings().create().unwrap();
    let metadata = consumer.fetch_metadata(None, PATIENCE).unwrap();
    let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
    names.filter(|name| name.starts_with(prefix)).collect()
}

fn partitions_of(topic: &str) -> usize {
    let consumer: BaseConsumer = settings().create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    metadata
        .topics()
        .iter()
        .map(|topic| topic.partitions().len())
        .sum()
}

/// Next offsets that a group has committed, by partition; 0 where it has none.
pub(crate) fn committed(group: &str, topic: &str) -> Vec<i64> {
    let consumer: BaseConsumer = settings().set("group.id", group).create().unwrap();
    let mut asked = TopicPartitionList::new();
    let count = i32::try_from(partitions_of(topic)).unwrap();
    asked.add_partition_range(topic, 0, count - 1);
    let answer = consumer.committed_offsets(asked, PATIENCE).unwrap();
    let elements = answer.elements();
    elements
        .iter()
        .map(|e| e.offset().to_raw().unwrap_or(0).max(0))
        .collect()
}

/// Reads one topic from its beginning on, what is committed only, and keeps all of it.
pub(crate) struct Reader {
    consumer: BaseConsumer,
    topic: String,
    pub(crate) seen: Vec<Read>,
    ends: usize,
}

impl Reader {
    pub(crate) fn new(topic: &str) -> Self {
        let consumer: BaseConsumer = settings()
            // Needed by the client library; nothing is committed.
            .set("group.id", "forecall-e2e-reader")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        let mut partitions = TopicPartitionList::new();
        for partition in 0..partitions_of(topic) {
            let partition = i32::try_from(partition).unwrap();
            partitions
                .add_partition_offset(topic, partition, Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&partitions).unwrap();
        Self {
            consumer,
            topic: topic.to_owned(),
            seen: Vec::new(),
            ends: 0,
        }
    }

    /// Takes what has come, waiting a moment for the first.
    pub(crate) fn look(&mut self) -> &[Read] {
        let begun = Instant::now();
        while begun.elapsed() < POLL_EVERY {
            match self.consumer.poll(POLL_EVERY) {
                Some(Ok(message)) => self.seen.push(Read::of(&message)),
                Some(Err(KafkaError::PartitionEOF(_))) => self.ends += 1,
                Some(Err(error)) => panic!("{}: {error}", self.topic),
                None => {}
            }
        }
        &self.seen
    }

    /// Looks until a record is seen that fits.
    pub(crate) fn find(&mut self, what: &str, within: Duration, fits: impl Fn(&Read) -> bool) -> Read {
        let name = format!("{what} on {}", self.topic);
        wait_for(&name, within, || {
            self.look().iter().find(|read| fits(read)).cloned()
        })
    }
}

/// All that stands on a topic now.
pub(crate) fn read_all(topic: &str) -> Vec<Read> {
    let mut reader = Reader::new(topic);
    let partitions = partitions_of(topic);
    wait_for(&format!("the end of {topic}"), PATIENCE, || {
        reader.look();
        (reader.ends >= partitions).then_some(())
    });
    reader.seen
}

/// Writes records.
pub(crate) struct Writer(BaseProducer);

impl Writer {
    pub(crate) fn new() -> Self {
        Self(settings().set("linger.ms", "1").create().unwrap())
    }

    /// Packs its records with zstd; they may be so long.
    pub(crate) fn packing(bytes_max: usize) -> Self {
        let limit = (bytes_max + 1_024).to_string();
        let mut settings = settings();
        settings
            .set("compression.type", "zstd")
            .set("message.max.bytes", limit);
        Self(settings.create().unwrap())
    }

    /// To one partition.
    pub(crate) fn put(&self, topic: &str, partition: i32, value: &[u8]) {
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(partition).payload(value);
        if let Err((error, _)) = self.0.send(record) {
            panic!("{topic}: {error}");
        }
    }

    /// Until all is taken.
    pub(crate) fn flush(&self) {
        self.0.flush(PATIENCE).unwrap();
    }
}

/// Somebody else's transaction that has written one record, `older`, and is not over.
pub(crate) struct OpenTransaction(BaseProducer);

impl OpenTransaction {
    pub(crate) fn begin(identity: &str, topic: &str) -> Self {
        let producer: BaseProducer = settings()
            .set("transactional.id", identity)
            .set("transaction.timeout.ms", "60000")
            .create()
            .unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        producer
            .send(BaseRecord::to(topic).key("k").payload("older").partition(0))
            .unwrap_or_else(|(error, _)| panic!("{error}"));
        producer.flush(PATIENCE).unwrap();
        Self(producer)
    }

    pub(crate) fn commit(self) {
        self.0.commit_transaction(PATIENCE).unwrap();
    }
}
