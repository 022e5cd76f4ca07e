//! Follows forecall's incidents: what is open now, then every change, each once.
//!
//! ```sh
//! cargo run -p forecall-e2e --example subscriber -- localhost:9092 my-service
//! ```
//!
//! At the first start it learns what is open from the compacted topic of states; later starts go on where the group stood. It
//! knows nothing of forecall but the topics and their JSON, needs `rdkafka`, `serde_json` and `anyhow`, and prints one line
//! a change: put your own effect into `act`. A third argument is the installation's `topics.prefix`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;

const WAIT: Duration = Duration::from_secs(10);

/// What has been done for each incident, told by its highest revision. Keep yours where your effects are kept, so that both
/// are written together.
type Seen = BTreeMap<String, u64>;

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The effect. What it doesn't know it lets be: other states, kinds and severities may come.
fn act(what: &str, incident: &Value) -> Result<()> {
    let is_simulated = incident.get("simulated").and_then(Value::as_bool).unwrap_or(true);
    if is_simulated || text(incident, "/domain") == "forecall.canary" {
        return Ok(());
    }
    let (id, state) = (text(incident, "/id"), text(incident, "/state"));
    let probability = incident
        .get("probability")
        .and_then(Value::as_f64)
        .unwrap_or_default();
    let regions = incident.pointer("/scope/regions").unwrap_or(&Value::Null);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}\t{id}\t{state}\t{probability:.2}\t{regions}").context("failed to write")
}

/// Whole states: one that was missed costs nothing, one that comes again does nothing.
fn take(seen: &mut Seen, what: &str, incident: &Value) -> Result<()> {
    let id = text(incident, "/id");
    let revision = incident
        .get("revision")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    if revision > seen.get(id).copied().unwrap_or_default() {
        act(what, incident)?;
        seen.insert(id.to_owned(), revision);
    }
    Ok(())
}

fn event_type<'m>(record: &'m BorrowedMessage<'_>) -> &'m str {
    let headers = record.headers().into_iter().flat_map(|h| h.iter());
    let mut types = headers.filter(|h| h.key == "ce_type");
    let value = types.next().and_then(|h| h.value).unwrap_or_default();
    std::str::from_utf8(value).unwrap_or_default()
}

/// For each partition of a topic: its oldest offset and the one after its newest.
fn bounds(consumer: &BaseConsumer, topic: &str) -> Result<Vec<(i32, i64, i64)>> {
    let metadata = consumer.fetch_metadata(Some(topic), WAIT)?;
    let found = metadata.topics().iter().find(|t| t.name() == topic);
    let partitions = found.map(|t| t.partitions()).unwrap_or_default();
    anyhow::ensure!(!partitions.is_empty(), "there is no topic {topic}");
    partitions
        .iter()
        .map(|p| {
            let (low, high) = consumer.fetch_watermarks(topic, p.id(), WAIT)?;
            Ok((p.id(), low, high))
        })
        .collect()
}

/// Reads the compacted topic to its end: the newest state of each incident that is open.
fn bootstrap(consumer: &BaseConsumer, topic: &str) -> Result<Vec<Value>> {
    let bounds = bounds(consumer, topic)?;
    let mut list = TopicPartitionList::new();
    for (partition, ..) in &bounds {
        list.add_partition_offset(topic, *partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut newest: BTreeMap<Vec<u8>, Value> = BTreeMap::new();
    let mut rest: BTreeSet<i32> = bounds.iter().map(|(p, ..)| *p).collect();
    while !rest.is_empty() {
        let record = match consumer.poll(Duration::from_millis(200)) {
            None => continue,
            // The library tells the end: offsets can't, since the last one may be a mark of a transaction, which is no record.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                rest.remove(&partition);
                continue;
            }
            Some(record) => record?,
        };
        let key = record.key().unwrap_or_default().to_vec();
        match record.payload() {
            Some(value) if event_type(&record) == "forecall.incident.state.v1" => {
                newest.insert(key, serde_json::from_slice(value)?);
            }
            Some(_) => {}
            None => drop(newest.remove(&key)),
        }
    }
    Ok(newest.into_values().collect())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let brokers = arguments.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let group = arguments
        .next()
        .unwrap_or_else(|| "forecall-subscriber".to_owned());
    let prefix = arguments.next().unwrap_or_default();
    let events = format!("{prefix}forecall.incidents.v1");
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .set("group.id", &group)
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        // Records that are gone are an error, not a silent jump: bootstrap again.
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .create()?;
    let mut seen = Seen::new();

    // The ends of the events first, then the states: what changes meanwhile comes twice, and the revision tells.
    let ends = bounds(&consumer, &events)?;
    for incident in bootstrap(&consumer, &format!("{prefix}forecall.incidents.state.v1"))? {
        take(&mut seen, "open", &incident)?;
    }
    let mut list = TopicPartitionList::new();
    for (partition, ..) in &ends {
        list.add_partition(&events, *partition);
    }
    let mut start = TopicPartitionList::new();
    for place in consumer.committed_offsets(list, WAIT)?.elements() {
        let end = ends.iter().find(|(p, ..)| *p == place.partition());
        let offset = match (place.offset(), end) {
            (Offset::Offset(next), _) => Offset::Offset(next),
            (_, Some((_, _, high))) => Offset::Offset(*high),
            _ => Offset::Beginning,
        };
        start.add_partition_offset(&events, place.partition(), offset)?;
    }
    consumer.assign(&start)?;
    loop {
        let record = match consumer.poll(Duration::from_millis(500)) {
            None | Some(Err(KafkaError::PartitionEOF(_))) => continue,
            Some(record) => record?,
        };
        if let Some(value) = record.payload()
            && event_type(&record).starts_with("forecall.incident.")
        {
            let incident: Value = serde_json::from_slice(value)?;
            take(&mut seen, text(&incident, "/change"), &incident)?;
        }
        // After the effect: a crash between both repeats it, and the revision makes that harmless.
        consumer.commit_message(&record, CommitMode::Sync)?;
    }
}
