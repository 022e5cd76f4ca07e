//! The least that reading a topic can cost: a consumer that only counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{ClientContext, Offset, Statistics, TopicPartitionList};

use super::topic::client;
use crate::measure::cpu_of;

/// `queued.max.messages.kbytes` and `fetch.queue.backoff.ms` as forecall sets them by default.
const QUEUED_KBYTES: &str = "65536";
const FETCH_BACKOFF_MS: &str = "10";

/// Bytes that came over the line, packed as they are.
#[derive(Default)]
struct Received(AtomicU64);

impl ClientContext for Received {
    fn stats(&self, statistics: Statistics) {
        let bytes = u64::try_from(statistics.rx_bytes).unwrap_or(0);
        self.0.fetch_max(bytes, Ordering::Relaxed);
    }
}

impl ConsumerContext for Received {}

/// All partitions of a topic from their beginning to their end. `weigh`: the line's bytes are counted too.
pub(crate) fn consume(bootstrap: &str, topic: &str, weigh: bool) -> Result<serde_json::Value> {
    let consumer: BaseConsumer<Received> = client(bootstrap)
        .set("group.id", "forecall-benches-bare")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.queue.backoff.ms", FETCH_BACKOFF_MS)
        .set("queued.max.messages.kbytes", QUEUED_KBYTES)
        .set("statistics.interval.ms", if weigh { "200" } else { "0" })
        .create_with_context(Received::default())
        .context("failed to make a consumer")?;
    let partitions: usize = consumer
        .fetch_metadata(Some(topic), Duration::from_secs(30))
        .context("failed to ask for the topic")?
        .topics()
        .iter()
        .map(|topic| topic.partitions().len())
        .sum();
    let mut all = TopicPartitionList::new();
    for partition in 0..partitions {
        all.add_partition_offset(topic, i32::try_from(partition)?, Offset::Beginning)?;
    }
    consumer.assign(&all).context("failed to begin")?;
    let (mut records, mut bytes, mut ended) = (0_u64, 0_u64, 0_usize);
    let mut begun = None;
    while ended < partitions {
        match consumer.poll(Duration::from_secs(10)) {
            Some(Ok(message)) => {
                if begun.is_none() {
                    begun = Some((Instant::now(), cpu_of(None)?));
                }
                records += 1;
                bytes += (message.payload_len() + message.key_len()) as u64;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => return Err(error).context("failed to read"),
            None => anyhow::bail!("nothing came for ten seconds"),
        }
    }
    let (wall, cpu) = begun.context("the topic is empty")?;
    let spent = (wall.elapsed(), cpu_of(None)?.saturating_sub(cpu));
    if weigh {
        // The next statistics, and one more to be sure that they were taken after the end.
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_millis(500) {
            let _nothing_more = consumer.poll(Duration::from_millis(100));
        }
    }
    Ok(serde_json::json!({
        "records": records,
        "bytes": bytes,
        "line_bytes": consumer.context().0.load(Ordering::Relaxed),
        "wall": spent.0.as_secs_f64(),
        "cpu": spent.1.as_secs_f64(),
    }))
}
