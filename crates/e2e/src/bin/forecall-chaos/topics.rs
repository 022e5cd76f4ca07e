//! The topics, read and written by a plain client: nothing of forecall's own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use forecall_e2e::answered;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::oracle::Stands;
use crate::place::Place;
use crate::verdict::Letter;

/// Far above what a broker takes for one answer; a restarted one needs the most.
const PATIENCE: Duration = Duration::from_secs(60);

fn consumer(place: &Place, group: &str) -> Result<BaseConsumer> {
    ClientConfig::new()
        .set("bootstrap.servers", &place.bootstrap)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()
        .context("failed to make a consumer")
}

/// Reads what is committed of a topic, from its beginning on.
pub(crate) fn follow(place: &Place, topic: &str, partitions: i32) -> Result<BaseConsumer> {
    let consumer = consumer(place, &format!("{}.verifier", place.run))?;
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list).context("failed to read a topic")?;
    Ok(consumer)
}

/// All that stands committed on a topic.
fn read(
    place: &Place,
    topic: &str,
    partitions: i32,
    visit: &mut dyn FnMut(&BorrowedMessage<'_>) -> Result<()>,
) -> Result<()> {
    let consumer = follow(place, topic, partitions)?;
    let (mut ends, mut progress) = (0, Instant::now());
    while ends < partitions {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                progress = Instant::now();
                visit(&message)?;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ends += 1,
            Some(Err(_)) | None => {
                ensure!(
                    progress.elapsed() < PATIENCE,
                    "{topic} could not be read to its end"
                );
            }
        }
    }
    Ok(())
}

/// Adds partitions to the input, up to this number.
pub(crate) fn grow_inputs(place: &Place, partitions: i32) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &place.bootstrap)
        .create()
        .context("failed to make a client")?;
    let topic = place.inputs();
    let wanted = [NewPartitions::new(&topic, usize::try_from(partitions)?)];
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let results = answered(PATIENCE, admin.create_partitions(&wanted, &options))
        .context("nobody answered about new partitions")?
        .context("partitions could not be added")?;
    for result in results {
        if let Err((topic, code)) = result {
            bail!("no partitions were added to {topic}: {code}");
        }
    }
    Ok(())
}

/// The input, by partition.
pub(crate) fn inputs(place: &Place, partitions: i32) -> Result<Vec<Vec<Stands>>> {
    let mut all: Vec<Vec<Stands>> = (0..partitions).map(|_| Vec::new()).collect();
    read(place, &place.inputs(), partitions, &mut |message| {
        if let Some(list) = usize::try_from(message.partition())
            .ok()
            .and_then(|p| all.get_mut(p))
        {
            list.push(Stands {
                offset: message.offset(),
                value: message.payload().map(<[u8]>::to_vec),
            });
        }
        Ok(())
    })?;
    Ok(all)
}

/// Key and value of the outputs, by partition.
pub(crate) fn outputs(place: &Place, partitions: i32) -> Result<Vec<Vec<(String, String)>>> {
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let mut all: Vec<Vec<(String, String)>> = (0..partitions).map(|_| Vec::new()).collect();
    read(place, &place.outputs(), partitions, &mut |message| {
        if let Some(list) = usize::try_from(message.partition())
            .ok()
            .and_then(|p| all.get_mut(p))
        {
            list.push((text(message.key()), text(message.payload())));
        }
        Ok(())
    })?;
    Ok(all)
}

/// The dead letters, in the order in which they stand.
pub(crate) fn letters(place: &Place) -> Result<Vec<Letter>> {
    let mut all = Vec::new();
    read(place, &place.letters(), 1, &mut |message| {
        let mut number = BTreeMap::new();
        for header in message.headers().iter().flat_map(|headers| headers.iter()) {
            let value = header.value.and_then(|v| std::str::from_utf8(v).ok());
            if let Some(value) = value.and_then(|v| v.parse::<i64>().ok()) {
                number.insert(header.key.to_owned(), value);
            }
        }
        let get = |name: &str| {
            number
                .get(name)
                .copied()
                .with_context(|| format!("a dead letter has no `{name}`"))
        };
        all.push((
            i32::try_from(get("forecall_source_partition")?)?,
            get("forecall_source_offset")?,
            message.payload().unwrap_or_default().to_vec(),
        ));
        Ok(())
    })?;
    Ok(all)
}

/// Looks how far a group is.
pub(crate) struct Lag {
    consumer: BaseConsumer,
    topic: String,
    partitions: i32,
}

impl Lag {
    pub(crate) fn new(place: &Place, partitions: i32) -> Result<Self> {
        Ok(Self {
            consumer: consumer(place, &place.group())?,
            topic: place.inputs(),
            partitions,
        })
    }

    /// Committed positions and what stands beside them, by partition.
    pub(crate) fn committed(&self) -> Result<Vec<(i64, String)>> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(&self.topic, 0, self.partitions - 1);
        let answer = self
            .consumer
            .committed_offsets(asked, PATIENCE)
            .context("the group's positions could not be read")?;
        Ok((0..self.partitions)
            .map(|partition| {
                let element = answer.find_partition(&self.topic, partition);
                let next = element.as_ref().and_then(|e| e.offset().to_raw()).unwrap_or(0);
                (
                    next.max(0),
                    element.map_or(String::new(), |e| e.metadata().to_owned()),
                )
            })
            .collect())
    }

    /// Records of the input that the group has not committed.
    pub(crate) fn records(&self) -> Result<i64> {
        let committed = self.committed()?;
        let mut lag = 0;
        for (partition, (next, _)) in (0..self.partitions).zip(committed) {
            let (_, end) = self
                .consumer
                .fetch_watermarks(&self.topic, partition, PATIENCE)
                .context("the ends of the input could not be read")?;
            if next > end {
                bail!("partition {partition} is committed to {next}, its end is {end}");
            }
            lag += end - next;
        }
        Ok(lag)
    }
}
