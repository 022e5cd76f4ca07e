//! Sees what is committed on topics, and when.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::host::now_millis;
use super::topic::{WAIT_MAX, client};

/// A record as it was seen.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) topic: String,
    /// By the clock of this machine, in milliseconds.
    pub(crate) at: i64,
    /// When the broker took it, or its producer made it: as the topic is set.
    pub(crate) stamp: i64,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) value: Vec<u8>,
}

/// Reads from the present end of some topics on, in a thread.
pub(crate) struct Reader {
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Where a partition ends; of a topic made just now that takes a moment to be known.
fn end_of(consumer: &BaseConsumer, topic: &str, partition: i32) -> Result<i64> {
    let begun = Instant::now();
    loop {
        match consumer.fetch_watermarks(topic, partition, Duration::from_secs(30)) {
            Ok((_, end)) => return Ok(end),
            Err(error) if begun.elapsed() > WAIT_MAX => {
                return Err(error)
                    .with_context(|| format!("failed to ask for the end of {topic}/{partition}"));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

impl Reader {
    pub(crate) fn start(bootstrap: &str, topics: &[&str]) -> Result<Self> {
        let consumer: BaseConsumer = client(bootstrap)
            .set("group.id", "forecall-benches-reader")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .create()
            .context("failed to make a reader")?;
        let mut all = TopicPartitionList::new();
        for topic in topics {
            let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(30))?;
            for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
                let end = end_of(&consumer, topic, partition.id())?;
                all.add_partition_offset(topic, partition.id(), Offset::Offset(end))?;
            }
        }
        consumer.assign(&all).context("failed to begin to read")?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, until) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::SeqCst) {
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else {
                    continue;
                };
                let headers = message.headers().map_or_else(Vec::new, |headers| {
                    headers
                        .iter()
                        .map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec()))
                        .collect()
                });
                let record = Seen {
                    topic: message.topic().to_owned(),
                    at: now_millis(),
                    stamp: message.timestamp().to_millis().unwrap_or(0),
                    headers,
                    value: message.payload().unwrap_or_default().to_vec(),
                };
                theirs.lock().unwrap_or_else(PoisonError::into_inner).push(record);
            }
        });
        Ok(Self {
            seen,
            stop,
            thread: Some(thread),
        })
    }

    /// What has been seen since this was asked last.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
