//! Writes the input at a steady rate while the run lasts, and watches the outputs come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::input::Input;
use crate::place::{METADATA_EVERY, PARTITIONS, PARTITIONS_GROWN, Place};
use crate::topics::follow;

/// Records are written in bursts of this length of time.
const BURST: Duration = Duration::from_millis(20);
/// A broker that is down for longer than this isn't coming back.
const FLUSH_WAIT: Duration = Duration::from_secs(120);

/// The thread that writes.
pub(crate) struct Feeder {
    thread: JoinHandle<Result<()>>,
    shared: Arc<Shared>,
}

struct Shared {
    stop: AtomicBool,
    written: AtomicU64,
    partitions: AtomicI32,
}

impl Feeder {
    pub(crate) fn start(place: &Place, seed: u64, rate: u64) -> Result<Self> {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &place.bootstrap)
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("message.timeout.ms", FLUSH_WAIT.as_millis().to_string())
            .set(
                "topic.metadata.refresh.interval.ms",
                METADATA_EVERY.as_millis().to_string(),
            )
            .create()
            .context("failed to make the feeder")?;
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            written: AtomicU64::new(0),
            partitions: AtomicI32::new(PARTITIONS),
        });
        let topic = place.inputs();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || feed(&producer, &topic, seed, rate, &theirs));
        Ok(Self { thread, shared })
    }

    /// Partitions were added: they have their share from now on.
    pub(crate) fn spread_over(&self, partitions: i32) {
        self.shared.partitions.store(partitions, Ordering::SeqCst);
    }

    /// Partitions written to.
    pub(crate) fn partitions(&self) -> i32 {
        self.shared.partitions.load(Ordering::SeqCst)
    }

    /// Records written so far.
    pub(crate) fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// Stops writing; all of it stands then.
    pub(crate) fn finish(self) -> Result<()> {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| anyhow!("the feeder panicked"))?
    }
}

fn feed(producer: &BaseProducer, topic: &str, seed: u64, rate: u64, shared: &Shared) -> Result<()> {
    let mut input = Input::new(seed, rate);
    let (begun, written) = (Instant::now(), &shared.written);
    while !shared.stop.load(Ordering::SeqCst) {
        input.spread_over(shared.partitions.load(Ordering::SeqCst));
        let due = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX) * rate / 1_000;
        while written.load(Ordering::Relaxed) < due {
            let fed = input.next();
            loop {
                let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic)
                    .partition(fed.partition)
                    .key(fed.key.as_bytes());
                record.payload = fed.value.as_deref();
                match producer.send(record) {
                    Ok(()) => break,
                    // Of an added partition the client may not have heard yet.
                    Err((
                        KafkaError::MessageProduction(
                            RDKafkaErrorCode::QueueFull | RDKafkaErrorCode::UnknownPartition,
                        ),
                        _,
                    )) => {
                        producer.poll(BURST);
                    }
                    Err((error, _)) => return Err(error).context("failed to feed"),
                }
            }
            written.fetch_add(1, Ordering::Relaxed);
        }
        producer.poll(BURST);
    }
    producer.flush(FLUSH_WAIT).context("the input was not taken")
}

/// The longest times without a new committed output on any one partition.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stall {
    /// Of all.
    pub(crate) longest: Duration,
    pub(crate) partition: i32,
    /// Of those in which the broker was there all the time.
    pub(crate) longest_served: Duration,
}

impl Stall {
    fn judge(&mut self, partition: i32, gap: Duration, served: bool) {
        if gap > self.longest {
            (self.longest, self.partition) = (gap, partition);
        }
        if served && gap > self.longest_served {
            self.longest_served = gap;
        }
    }
}

/// The thread that watches.
pub(crate) struct Watch {
    thread: JoinHandle<Stall>,
    stop: Arc<AtomicBool>,
    broken: Arc<AtomicU64>,
}

impl Watch {
    pub(crate) fn start(place: &Place) -> Result<Self> {
        let consumer = follow(place, &place.outputs(), PARTITIONS_GROWN)?;
        let (stop, broken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, breaks) = (Arc::clone(&stop), Arc::clone(&broken));
        let thread = std::thread::spawn(move || {
            let (mut last, mut stall): (BTreeMap<i32, (Instant, u64)>, _) =
                (BTreeMap::new(), Stall::default());
            while !stopped.load(Ordering::SeqCst) {
                // Errors are the broker's restarts: the client library sees to them.
                if let Some(Ok(message)) = consumer.poll(BURST) {
                    let (partition, breaks) = (message.partition(), breaks.load(Ordering::SeqCst));
                    if let Some((before, then)) = last.insert(partition, (Instant::now(), breaks)) {
                        stall.judge(partition, before.elapsed(), then == breaks);
                    }
                }
            }
            // A partition that gave nothing any more is the worst case.
            for (partition, (before, then)) in last {
                stall.judge(partition, before.elapsed(), then == breaks.load(Ordering::SeqCst));
            }
            drop(consumer.unassign());
            stall
        });
        Ok(Self { thread, stop, broken })
    }

    /// The broker is about to be killed, or is back.
    pub(crate) fn tell_broken(&self) {
        self.broken.fetch_add(1, Ordering::SeqCst);
    }

    /// To be called while the input still flows.
    pub(crate) fn finish(self) -> Result<Stall> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| anyhow!("the watch panicked"))
    }
}
