//! What stands on the topics of the house after a run, in a form that can be compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_config::Settings;
use forecall_log::{InProcess, Log, TopicPartition};
use forecall_stage::Checkpoint;
use forecall_types::{Anomaly, CorrelateEntry, Lineage, Position};
use forecall_wire::event::{decode_correlate_entry, decode_incident_event};
use forecall_wire::telemetry::samples;

use super::house::partitions;

pub(crate) const SAMPLES: &str = "forecall.samples.v1";
pub(crate) const ANOMALIES: &str = "forecall.anomalies.v1";
pub(crate) const INCIDENTS: &str = "forecall.incidents.v1";
pub(crate) const DEAD: &str = "forecall.dead-letters.v1";

/// A record read back.
pub(crate) struct Read {
    pub(crate) position: Position,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) value: Option<Vec<u8>>,
}

pub(crate) fn read(log: &InProcess, topic: &str, partition: i32) -> Vec<Read> {
    let mut records = Vec::new();
    let place = TopicPartition::new(topic, partition);
    log.read(&place, 0, &mut |r| {
        records.push(Read {
            position: Position {
                topic: Arc::from(topic),
                partition,
                offset: r.offset,
            },
            headers: r
                .headers
                .get()
                .iter()
                .map(|(n, v)| ((*n).to_owned(), v.to_vec()))
                .collect(),
            value: r.value.map(<[u8]>::to_vec),
        });
    })
    .unwrap();
    records
}

pub(crate) fn all(log: &InProcess, topic: &str) -> Vec<Read> {
    let partitions = i32::try_from(log.bounds(topic).unwrap().len()).unwrap();
    (0..partitions).flat_map(|p| read(log, topic, p)).collect()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What one source partition gave to one partition of the re-keyed topic; what its reader says from time to time left out.
pub(crate) fn rekeyed(log: &InProcess, partition: i32, source: i32) -> Vec<String> {
    read(log, SAMPLES, partition)
        .into_iter()
        .filter_map(|r| {
            let record = samples::decode(&r.value?).unwrap();
            let mine = record.origin.partition == source && record.marks.iter().all(|m| m.pulse.is_none());
            mine.then(|| format!("{record:?}"))
        })
        .collect()
}

/// An anomaly as published.
pub(crate) struct Told(Box<Anomaly>);

impl Told {
    pub(crate) fn is_of(&self, topic: &str) -> bool {
        let range = self.0.lineage.ranges().first();
        range.is_some_and(|r| *r.topic == *topic)
    }

    pub(crate) fn is_from(&self, topic: &str, partition: i32) -> bool {
        let range = self.0.lineage.ranges().first();
        range.is_some_and(|r| *r.topic == *topic && r.partition == partition)
    }
}

pub(crate) fn anomalies(log: &InProcess, of: impl Fn(&Told) -> bool) -> Vec<String> {
    all(log, ANOMALIES)
        .into_iter()
        .filter_map(|r| {
            let value = r.value?;
            match decode_correlate_entry(&r.headers, &value).unwrap() {
                CorrelateEntry::Anomaly(anomaly) => of(&Told(anomaly)).then(|| text(&value)),
                _ => None,
            }
        })
        .collect()
}

/// The anomalies of a topic, without where their records stood: of two doubles, the one that comes first is
/// taken, and that is chance where they stand in two partitions.
pub(crate) fn bare(log: &InProcess, topic: &str) -> Vec<String> {
    let mut list: Vec<String> = all(log, ANOMALIES)
        .into_iter()
        .filter_map(|r| match decode_correlate_entry(&r.headers, &r.value?).unwrap() {
            CorrelateEntry::Anomaly(mut anomaly) if Told(anomaly.clone()).is_of(topic) => {
                anomaly.lineage = Lineage::default();
                Some(format!("{anomaly:?}"))
            }
            _ => None,
        })
        .collect();
    list.sort();
    list
}

/// What was told of incidents, without where the records stood.
pub(crate) fn told(log: &InProcess) -> Vec<String> {
    let mut lives: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in all(log, INCIDENTS) {
        let mut event = decode_incident_event(&record.headers, &record.value.unwrap()).unwrap();
        event.incident.lineage = Lineage::default();
        let life = lives.entry(event.incident.id.to_string()).or_default();
        life.push(format!("{event:?}"));
    }
    lives.into_values().flatten().collect()
}

/// Points that detect refused in a topic: late, doubled, from the future.
pub(crate) fn refused(settings: &Settings, log: &InProcess, topic: &str) -> u64 {
    let group = format!("{}.detect", settings.group);
    let places: Vec<_> = (0..partitions(settings))
        .map(|p| TopicPartition::new(topic, p))
        .collect();
    let committed = log.committed(&group, &places).unwrap();
    let counts = |c: forecall_log::Committed| c.metadata.parse::<Checkpoint>().unwrap().counts;
    committed
        .into_iter()
        .flatten()
        .map(|c| counts(c).parts_refused)
        .sum()
}
