//! What must have come of a disturbed run: the same as undisturbed, and what the stages themselves make of their logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_config::Settings;
use forecall_detect::{DetectOutput, DetectStage};
use forecall_incident::{CorrelateInput, CorrelateStage};
use forecall_log::{InProcess, Log, TopicPartition};
use forecall_stage::{Checkpoint, Effects, Stage};
use forecall_types::{CorrelateEntry, SamplesRecord, SourcePartition};
use forecall_wire::event::{
    DeadLetterRead, decode_correlate_entry, decode_incident_event, encode_correlate_entry,
    encode_incident_event,
};
use forecall_wire::telemetry::samples;

use super::difference::same;
use super::house::partitions;
use super::house_input::{RAW, TELEMETRY};
use super::house_read::{
    ANOMALIES, DEAD, INCIDENTS, SAMPLES, all, anomalies, bare, read, refused, rekeyed, text, told,
};

/// All of it: `found` is the disturbed log, `wanted` the undisturbed one.
pub(crate) fn compare(settings: &Settings, found: &InProcess, wanted: &InProcess) -> Result<(), String> {
    conserved(settings, found)?;
    let refused = |log| ["telemetry", SAMPLES].map(|topic| refused(settings, log, topic));
    if refused(found) != refused(wanted) {
        return Err(format!(
            "points refused: {:?}, undisturbed {:?}",
            refused(found),
            refused(wanted)
        ));
    }
    for (partition, source) in pairs(partitions(settings)) {
        let what = format!("{SAMPLES}/{partition} of {RAW}/{source}");
        let list = |log| rekeyed(log, partition, source);
        same(&what, &list(found), &list(wanted))?;
    }
    for partition in 0..partitions(settings) {
        let what = format!("anomalies of {TELEMETRY}/{partition}");
        let list = |log| anomalies(log, |a| a.is_from(TELEMETRY, partition));
        same(&what, &list(found), &list(wanted))?;
        let what = format!("anomalies of {SAMPLES}/{partition}");
        let again = detect_again(settings, found, partition);
        let known: BTreeSet<String> = again.iter().cloned().collect();
        let list = anomalies(found, |a| a.is_of(RAW));
        let here: Vec<String> = list.into_iter().filter(|a| known.contains(a)).collect();
        same(&what, &here, &again)?;
    }
    same("anomalies of the re-keyed", &bare(found, RAW), &bare(wanted, RAW))?;
    same("incidents", &told(found), &told(wanted))?;
    incidents_stand(settings, found)?;
    lives_are_whole(found)?;
    letters_once(found, wanted)?;
    Ok(())
}

fn pairs(count: i32) -> impl Iterator<Item = (i32, i32)> {
    (0..count).flat_map(move |p| (0..count).map(move |s| (p, s)))
}

/// The anomalies that detect makes of a partition of the re-keyed topic, without any host.
fn detect_again(settings: &Settings, log: &InProcess, partition: i32) -> Vec<String> {
    let source = SourcePartition {
        topic: Arc::from(SAMPLES),
        partition,
    };
    let mut stage = DetectStage::new(Arc::clone(&settings.detect), source);
    let mut effects = Effects::default();
    for record in read(log, SAMPLES, partition) {
        let record: SamplesRecord = samples::decode(&record.value.unwrap()).unwrap();
        stage.step(&record, &mut effects);
    }
    effects
        .drain()
        .0
        .filter_map(|output| match output {
            DetectOutput::Anomaly(a) => {
                let encoded = encode_correlate_entry(&CorrelateEntry::Anomaly(a)).unwrap();
                Some(text(&encoded.value))
            }
            DetectOutput::Scored(_) | DetectOutput::Summary(_) | DetectOutput::Heartbeat(_) => None,
        })
        .collect()
}

/// The incidents published are those that correlate makes of its log, without any host: same bytes, same order.
fn incidents_stand(settings: &Settings, log: &InProcess) -> Result<(), String> {
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for partition in 0..partitions(settings) {
        let mut stage = CorrelateStage::new(Arc::clone(&settings.correlate));
        let mut effects = Effects::default();
        for record in read(log, ANOMALIES, partition) {
            let entry = decode_correlate_entry(&record.headers, &record.value.unwrap()).unwrap();
            let input = CorrelateInput {
                position: record.position,
                entry,
            };
            stage.step(&input, &mut effects);
        }
        for event in effects.drain().0 {
            let bytes = encode_incident_event(&event).unwrap().value;
            let life = wanted.entry(event.incident.id.to_string()).or_default();
            life.push(text(&bytes));
        }
    }
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in all(log, INCIDENTS) {
        let value = record.value.unwrap();
        let event = decode_incident_event(&record.headers, &value).unwrap();
        let life = found.entry(event.incident.id.to_string()).or_default();
        life.push(text(&value));
    }
    if wanted.is_empty() {
        return Err("no incident at all: the input tries nothing".to_owned());
    }
    let ids: BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
    for id in ids {
        let list = |of: &BTreeMap<String, Vec<String>>| of.get(id).cloned().unwrap_or_default();
        same(&format!("incident {id}"), &list(&found), &list(&wanted))?;
    }
    Ok(())
}

/// Revisions rise by one, and a scope has one open incident at most.
fn lives_are_whole(log: &InProcess) -> Result<(), String> {
    let mut revisions: BTreeMap<String, u32> = BTreeMap::new();
    for partition in 0..i32::try_from(log.bounds(INCIDENTS).unwrap().len()).unwrap() {
        for record in read(log, INCIDENTS, partition) {
            let incident = decode_incident_event(&record.headers, &record.value.unwrap())
                .unwrap()
                .incident;
            let last = revisions.entry(incident.id.to_string()).or_default();
            if incident.revision != *last + 1 {
                return Err(format!(
                    "incident {}: revision {} after {last}",
                    incident.id, incident.revision
                ));
            }
            *last = incident.revision;
        }
    }
    one_owner(log)
}

/// By the spans from the event that opened (or re-opened) an incident to the one that closed it: those of one scope don't overlap.
fn one_owner(log: &InProcess) -> Result<(), String> {
    let mut spans: BTreeMap<String, (String, i64, i64)> = BTreeMap::new();
    for record in all(log, INCIDENTS) {
        let incident = decode_incident_event(&record.headers, &record.value.unwrap())
            .unwrap()
            .incident;
        let scope = format!(
            "{} {:?} {:?}",
            incident.domain, incident.scope.services, incident.scope.regions
        );
        let at = incident.at.secs();
        let span = spans
            .entry(format!("{}, re-opened {} times", incident.id, incident.reopened))
            .or_insert((scope.clone(), at, i64::MAX));
        span.0 = scope;
        if !incident.state.is_open() {
            span.2 = span.2.min(at);
        }
    }
    let spans: Vec<_> = spans.into_iter().collect();
    for (i, (id, (scope, from, to))) in spans.iter().enumerate() {
        for (other, (of, begin, end)) in spans.iter().skip(i + 1) {
            if scope == of && from < end && begin < to {
                return Err(format!("incidents {id} and {other} are open at once for {scope}"));
            }
        }
    }
    Ok(())
}

/// Each record that can't be read is a dead letter once.
fn letters_once(found: &InProcess, wanted: &InProcess) -> Result<(), String> {
    let list = |log| {
        let mut places: Vec<String> = all(log, DEAD)
            .into_iter()
            .map(|r| {
                let letter = DeadLetterRead::decode(&r.headers, &r.value.unwrap()).unwrap();
                letter.position.to_string()
            })
            .collect();
        places.sort();
        places
    };
    same("dead letters", &list(found), &list(wanted))
}

/// Every record of every partition is counted once, by the stage that read it.
fn conserved(settings: &Settings, log: &InProcess) -> Result<(), String> {
    let mut letters: BTreeMap<(String, i32), u64> = BTreeMap::new();
    for record in all(log, DEAD) {
        let letter = DeadLetterRead::decode(&record.headers, &record.value.unwrap()).unwrap();
        let place = (letter.position.topic.to_string(), letter.position.partition);
        *letters.entry(place).or_default() += 1;
    }
    let reads = [
        ("rekey", RAW),
        ("detect", TELEMETRY),
        ("detect", SAMPLES),
        ("correlate", ANOMALIES),
    ];
    for (stage, topic) in reads {
        let group = format!("{}.{stage}", settings.group);
        for (partition, (_, end)) in (0..).zip(log.bounds(topic).unwrap()) {
            let place = TopicPartition::new(topic, partition);
            let committed = log
                .committed(&group, std::slice::from_ref(&place))
                .unwrap()
                .remove(0);
            let Some(committed) = committed else {
                if end == 0 {
                    continue;
                }
                return Err(format!("{place}: nothing is committed"));
            };
            let counts = committed.metadata.parse::<Checkpoint>().unwrap().counts;
            let wanted = letters.get(&(topic.to_owned(), partition)).copied().unwrap_or(0);
            let read = u64::try_from(committed.next_offset).unwrap();
            if counts.records != read || counts.dead_letters != wanted {
                return Err(format!("{place}: {counts:?} at {read}, {wanted} dead letters"));
            }
        }
    }
    Ok(())
}
