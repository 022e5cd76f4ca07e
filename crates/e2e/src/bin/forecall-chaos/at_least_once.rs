//! The control: the same stage by the classic recipe (publish, flush, then commit the position; memory in files now and
//! then). A verifier that doesn't fail it proves nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use forecall_log::{Headers, OutRecord, RecordRef, crash};
use forecall_stage::{Effects, Stage as _};
use forecall_types::EventTime;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use crate::adapter::{decode, letter, published};
use crate::place::{Place, SESSION, SNAPSHOT_EVERY};
use crate::tally::Tally;
use crate::worker::{BATCH_RECORDS_MAX, EXIT_FENCED, TURN};

/// Longest wait for the broker's answers to one batch.
const FLUSH_WAIT: Duration = Duration::from_secs(60);

/// Counts the rebalances: after each, memory is saved and read anew.
#[derive(Default)]
struct Rebalances(AtomicU64);

impl ClientContext for Rebalances {}

impl ConsumerContext for Rebalances {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The file that holds the memory of a partition.
pub(crate) fn state_file(place: &Place, partition: i32) -> PathBuf {
    place.state.join(format!("{}-{partition}.state", place.run))
}

struct Control<'p> {
    place: &'p Place,
    producer: BaseProducer,
    memory: BTreeMap<i32, Tally>,
}

impl Control<'_> {
    fn memory_of(&mut self, partition: i32) -> &mut Tally {
        let place = self.place;
        self.memory.entry(partition).or_insert_with(|| {
            std::fs::read(state_file(place, partition))
                .ok()
                .and_then(|bytes| Tally::load((), &bytes).ok())
                .unwrap_or_default()
        })
    }

    fn save(&self) -> anyhow::Result<()> {
        for (partition, tally) in &self.memory {
            let file = state_file(self.place, *partition);
            let new = file.with_extension(format!("new-{}", std::process::id()));
            std::fs::write(&new, tally.save()?).context("failed to write the memory")?;
            std::fs::rename(&new, &file).context("failed to rename the memory")?;
        }
        Ok(())
    }

    /// Steps one record; what comes of it.
    fn step(&mut self, record: &RecordRef<'_>, out: &mut Vec<OutRecord>) {
        let place = self.place;
        match decode(record.value) {
            Ok(Some(sale)) => {
                let mut effects = Effects::default();
                self.memory_of(record.partition).step(&sale, &mut effects);
                let (outputs, _refused) = effects.drain();
                out.extend(outputs.map(|closed| published(place, record.partition, closed)));
            }
            Ok(None) => {}
            Err(reject) => out.push(letter(place, record, &reject)),
        }
    }

    fn publish(&self, records: &[OutRecord]) -> anyhow::Result<()> {
        for record in records {
            let headers = record
                .headers
                .iter()
                .fold(OwnedHeaders::new(), |headers, (key, value)| {
                    headers.insert(Header {
                        key,
                        value: Some(value.as_slice()),
                    })
                });
            let mut out: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&record.topic).headers(headers);
            out.partition = record.partition;
            out.key = record.key.as_deref();
            out.payload = record.value.as_deref();
            self.producer
                .send(out)
                .map_err(|(error, _)| anyhow!(error))
                .context("failed to publish")?;
        }
        self.producer.flush(FLUSH_WAIT).context("failed to flush")
    }
}

pub(crate) fn run(place: &Place, slot: u32, stop: &AtomicBool) -> anyhow::Result<()> {
    let consumer = consumer(place, slot)?;
    let mut control = Control {
        place,
        producer: ClientConfig::new()
            .set("bootstrap.servers", &place.bootstrap)
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .create()
            .context("failed to make the producer")?,
        memory: BTreeMap::new(),
    };
    let (mut seen, mut saved_at) = (0, Instant::now());
    while !stop.load(Ordering::SeqCst) {
        let mut out = Vec::new();
        let mut read: BTreeMap<i32, i64> = BTreeMap::new();
        let begun = Instant::now();
        let mut records = 0;
        while records < BATCH_RECORDS_MAX && begun.elapsed() < TURN {
            let polled = consumer.poll(TURN.saturating_sub(begun.elapsed()));
            let rebalances = consumer.context().0.load(Ordering::SeqCst);
            if rebalances != seen {
                seen = rebalances;
                control.save()?;
                control.memory.clear();
            }
            if consumer.client().fatal_error().is_some() {
                tracing::error!("fenced: another process has this slot");
                std::process::exit(EXIT_FENCED);
            }
            let Some(Ok(message)) = polled else {
                continue;
            };
            let record = RecordRef {
                topic: message.topic(),
                partition: message.partition(),
                offset: message.offset(),
                appended_at: EventTime::from_millis(message.timestamp().to_millis().unwrap_or(0)),
                key: message.key(),
                value: message.payload(),
                headers: Headers::Read(&[]),
            };
            control.step(&record, &mut out);
            read.insert(message.partition(), message.offset() + 1);
            records += 1;
        }
        if read.is_empty() {
            continue;
        }
        crash::point("stepped");
        control.publish(&out)?;
        crash::point("produced");
        let mut positions = TopicPartitionList::new();
        for (partition, next) in &read {
            positions.add_partition_offset(&place.inputs(), *partition, Offset::Offset(*next))?;
        }
        crash::point("commit_called");
        if let Err(error) = consumer.commit(&positions, CommitMode::Sync) {
            tracing::warn!(%error, "the positions were not taken");
        }
        crash::point("committed");
        if saved_at.elapsed() >= SNAPSHOT_EVERY {
            saved_at = Instant::now();
            control.save()?;
        }
    }
    control.save()?;
    tracing::info!("stopped: positions are committed, memory saved");
    Ok(())
}

fn consumer(place: &Place, slot: u32) -> anyhow::Result<BaseConsumer<Rebalances>> {
    let consumer: BaseConsumer<Rebalances> = ClientConfig::new()
        .set("bootstrap.servers", &place.bootstrap)
        .set("group.id", place.group())
        .set("group.instance.id", place.instance(slot))
        .set("partition.assignment.strategy", "range")
        .set("session.timeout.ms", SESSION.as_millis().to_string())
        .set("heartbeat.interval.ms", (SESSION / 6).as_millis().to_string())
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .create_with_context(Rebalances::default())
        .context("failed to make the consumer")?;
    consumer
        .subscribe(&[&place.inputs()])
        .context("failed to subscribe")?;
    Ok(consumer)
}
