//! Topics and what is put on them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;

use crate::world::{EPOCH, OTLP_POINTS, flat_json, otlp};

/// Partitions of what is measured.
pub(crate) const PARTITIONS: i32 = 12;
/// Longest wait for the broker.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(120);
/// Series of the flat JSON: 2,500 a partition.
const SERIES: u32 = 30_000;
const HOSTS: u32 = 200;

/// A topic that is full.
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) records: u64,
    pub(crate) samples: u64,
    pub(crate) bytes: u64,
    pub(crate) format: &'static str,
}

impl Topic {
    pub(crate) fn samples_per_record(&self) -> f64 {
        self.samples as f64 / self.records as f64
    }

    pub(crate) fn bytes_per_record(&self) -> f64 {
        self.bytes as f64 / self.records as f64
    }
}

pub(crate) fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

/// Makes topics that keep what they are given, whatever its time.
pub(crate) fn create(bootstrap: &str, topics: &[(&str, i32)]) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap)
        .create()
        .context("failed to make an admin client")?;
    let new: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|(name, partitions)| {
            NewTopic::new(name, *partitions, TopicReplication::Fixed(1))
                .set("retention.ms", "-1")
                .set("message.timestamp.type", "CreateTime")
        })
        .collect();
    let made = wait(admin.create_topics(&new, &AdminOptions::new()))?.context("failed to make topics")?;
    ensure!(made.iter().all(Result::is_ok), "{topics:?}: {made:?}");
    Ok(())
}

/// Removes topics, so that a long run doesn't fill the disk.
pub(crate) fn remove(bootstrap: &str, topics: &[&str]) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap)
        .create()
        .context("failed to make an admin client")?;
    wait(admin.delete_topics(topics, &AdminOptions::new()))?.context("failed to remove topics")?;
    Ok(())
}

/// Waits for a future of the admin client, which works in threads of its own.
fn wait<T>(future: impl Future<Output = T>) -> Result<T> {
    let mut future = std::pin::pin!(future);
    let begun = Instant::now();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    while begun.elapsed() < WAIT_MAX {
        if let std::task::Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Ok(done);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    anyhow::bail!("the broker gave no answer")
}

/// Puts records on topics, lz4, in large batches unless told otherwise.
pub(crate) struct Filler {
    producer: BaseProducer,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Filler {
    pub(crate) fn new(bootstrap: &str, linger_ms: u32) -> Result<Self> {
        let producer = client(bootstrap)
            .set("compression.type", "lz4")
            .set("linger.ms", linger_ms.to_string())
            .set("batch.size", "1000000")
            .set("queue.buffering.max.kbytes", "262144")
            .set("queue.buffering.max.messages", "1000000")
            .create()
            .context("failed to make a producer")?;
        Ok(Self {
            producer,
            records: 0,
            bytes: 0,
        })
    }

    /// Without a key: the partition is the producer's choice.
    pub(crate) fn put(&mut self, topic: &str, partition: u32, value: &[u8], at_millis: i64) -> Result<()> {
        let mut record = BaseRecord::<(), [u8]>::to(topic)
            .payload(value)
            .timestamp(at_millis)
            .partition(i32::try_from(partition)?);
        self.records += 1;
        self.bytes += value.len() as u64;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    self.producer.poll(Duration::from_millis(20));
                    record = back;
                }
                Err((error, _)) => return Err(error).context("failed to fill the topic"),
            }
        }
    }

    /// Takes the broker's answers.
    pub(crate) fn listen(&self) {
        self.producer.poll(Duration::ZERO);
    }

    pub(crate) fn finish(&self) -> Result<()> {
        self.producer.flush(WAIT_MAX).context("failed to fill the topic")
    }
}

/// Flat JSON, one sample a record, by entity.
pub(crate) fn flat(bootstrap: &str, name: &str, records: u32) -> Result<Topic> {
    create(bootstrap, &[(name, PARTITIONS)])?;
    let mut filler = Filler::new(bootstrap, 50)?;
    for number in 0..records {
        let (round, place) = (number / SERIES, number % SERIES);
        // The same order for the eye of the client, no order for the eye of the memory.
        let series = place.wrapping_mul(7_919) % SERIES;
        let at = EPOCH * 1_000 + i64::from(round) * 30_000 + i64::from(place) * 30_000 / i64::from(SERIES);
        let value = flat_json(series, round, at);
        filler.put(
            name,
            series / 10 % PARTITIONS.unsigned_abs(),
            value.as_bytes(),
            at,
        )?;
    }
    filler.finish()?;
    Ok(Topic {
        name: name.to_owned(),
        records: filler.records,
        samples: filler.records,
        bytes: filler.bytes,
        format: "flat_json",
    })
}

/// OTLP, one host a record: by host, or wherever a producer without a key puts it.
pub(crate) fn packed(bootstrap: &str, name: &str, records: u32, by_host: bool) -> Result<Topic> {
    create(bootstrap, &[(name, PARTITIONS)])?;
    let mut filler = Filler::new(bootstrap, 50)?;
    for number in 0..records {
        let (round, host) = (number / HOSTS, number % HOSTS);
        let at = EPOCH + i64::from(round) * 30 + i64::from(host) * 30 / i64::from(HOSTS);
        let value = otlp(host, round, at);
        // A round is no multiple of the partitions: one host comes to another one each time.
        let place = if by_host { host } else { number };
        filler.put(name, place % PARTITIONS.unsigned_abs(), &value, at * 1_000)?;
    }
    filler.finish()?;
    Ok(Topic {
        name: name.to_owned(),
        records: filler.records,
        samples: filler.records * u64::from(OTLP_POINTS),
        bytes: filler.bytes,
        format: "otlp_proto",
    })
}
