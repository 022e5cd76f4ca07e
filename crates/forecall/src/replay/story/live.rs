//! A story out of live topics: read outside any group, nothing is committed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use forecall_config::Settings;
use forecall_incident::explain::explain;
use forecall_incident::{CorrelateInput, CorrelateSettings, CorrelateStage};
use forecall_kafka::KafkaLog;
use forecall_log::{Log, LogError, RecordRef, TopicPartition, partition_of_key};
use forecall_runtime::pseudonym_key;
use forecall_stage::{Effects, Stage as _};
use forecall_types::{
    AnomalyId, CorrelateEntry, EventTime, Fingerprint, IncidentEvent, IncidentId, IncidentState,
    LineageRange, Position, Reading,
};
use forecall_wire::event::{TopicId, decode_correlate_entry, encode_incident_event};
use forecall_wire::telemetry::{Decoded, PseudonymKey, RawRecord, Source, decode};

use super::tell::state;
use super::{Cited, RECORDS_MAX, Revision, Sign, Story};
use crate::incidents::show::series;
use crate::incidents::topic::{Strange, Topics};
use crate::replay::time_text;
use crate::word;

/// A log of which a stretch can be read.
pub(super) trait Stretch: Log {
    /// Shows the committed records from `from` to `to`, both of them too, as far as they are kept.
    fn stretch(
        &self,
        partition: &TopicPartition,
        from: i64,
        to: i64,
        visit: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), LogError>;
}

impl Stretch for KafkaLog {
    fn stretch(
        &self,
        partition: &TopicPartition,
        from: i64,
        to: i64,
        visit: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), LogError> {
        self.read_to(partition, from, to, visit)
    }
}

pub(super) fn read(config: &Path, id: &IncidentId) -> anyhow::Result<Story> {
    let (settings, log) = word::connect(config)?;
    let key = pseudonym_key(&settings)?;
    let mut story = of(&log, &settings, key.as_deref(), id)?;
    story.from = format!("live topics by {}", config.display());
    Ok(story)
}

/// What re-creating gave.
#[derive(Default)]
struct Again {
    /// By revision: its bytes, and the record of the log that brought it.
    made: BTreeMap<u32, (Vec<u8>, String)>,
    signs: Vec<Sign>,
    entries: u64,
    unread: u64,
    /// The oldest offset that the log keeps.
    low: i64,
}

/// The story of an incident that stands on `log`.
pub(super) fn of(
    log: &dyn Stretch,
    settings: &Settings,
    key: Option<&PseudonymKey>,
    id: &IncidentId,
) -> anyhow::Result<Story> {
    let topics = Topics {
        log,
        names: settings.topic_names(),
        strange: Strange::default(),
    };
    let published = topics.revisions(id)?;
    let mut remarks = Vec::new();
    let digest = settings.digest.to_string();
    if let Some((event, _)) = published.iter().find(|(e, _)| *e.incident.settings != *digest) {
        remarks.push(format!(
            "revision {} was judged by other settings ({}) than this configuration has ({digest}): re-created, it may differ",
            event.incident.revision, event.incident.settings
        ));
    }
    let mut again = again(&topics, &settings.correlate, id, &published)?;
    let mut revisions = Vec::new();
    let mut is_confirmed = false;
    for (event, raw) in published {
        let i = &event.incident;
        let confirms = !is_confirmed && i.state == IncidentState::Confirmed;
        is_confirmed |= confirms;
        let why = if confirms || revisions.is_empty() {
            let heard = topics.heard_before(i)?.of(i);
            Some(explain(i, &heard, &settings.correlate))
        } else {
            None
        };
        let made = again.made.get(&i.revision);
        revisions.push(Revision {
            by: made.map(|(_, by)| by.clone()),
            same: made.map(|(bytes, _)| *bytes == raw),
            event,
            why,
        });
    }
    let named = Story::named(&revisions);
    again.signs.retain(|sign| named.iter().any(|id| sign.is(id)));
    cite(log, settings, key, &mut again.signs, &mut remarks)?;
    let (same, tried) = count(&revisions);
    let kept = if again.low > 0 {
        format!(
            "; the log begins at offset {}: what was told before it isn't remembered",
            again.low
        )
    } else {
        String::new()
    };
    let unread = if again.unread > 0 {
        format!("; {} records of the log can't be read", again.unread)
    } else {
        String::new()
    };
    Ok(Story {
        id: id.clone(),
        from: String::new(),
        recreated: format!(
            "re-created by {} records of {}: {same} of {} revisions came out to the byte{kept}{unread}",
            again.entries,
            topics.names.name(TopicId::Anomalies),
            revisions.len()
        ),
        differs: tried > same || tried < revisions.len(),
        revisions,
        signs: again.signs,
        words: Vec::new(),
        remarks,
    })
}

/// How many revisions came out alike, of how many that came out.
fn count(revisions: &[Revision]) -> (usize, usize) {
    let same = revisions.iter().filter(|r| r.same == Some(true)).count();
    (same, revisions.iter().filter(|r| r.same.is_some()).count())
}

/// Steps `correlate` through its log until it has told all that was published of the incident.
fn again(
    topics: &Topics<'_>,
    settings: &Arc<CorrelateSettings>,
    id: &IncidentId,
    published: &[(IncidentEvent, Vec<u8>)],
) -> anyhow::Result<Again> {
    let (Some((first, _)), Some((last, _))) = (published.first(), published.last()) else {
        return Ok(Again::default());
    };
    let name = topics.names.name(TopicId::Anomalies);
    let bounds = topics.log.bounds(&name)?;
    let mut partitions = topics.partitions(TopicId::Anomalies)?;
    let count = i32::try_from(partitions.len()).unwrap_or(i32::MAX);
    let own = partition_of_key(first.incident.domain.as_str().as_bytes(), count);
    // Where the topic has grown, the domain may still live on another.
    partitions.sort_by_key(|p| (p.partition != own, p.partition));
    let mut best = Again::default();
    for partition in &partitions {
        let mut one = stepped(topics.log, partition, settings, (id, last.incident.revision))?;
        one.low = usize::try_from(partition.partition)
            .ok()
            .and_then(|n| bounds.get(n))
            .map_or(0, |(low, _)| *low);
        if !one.made.is_empty() {
            return Ok(one);
        }
        if best.entries == 0 {
            best = one;
        }
    }
    Ok(best)
}

fn stepped(
    log: &dyn Log,
    partition: &TopicPartition,
    settings: &Arc<CorrelateSettings>,
    (id, last): (&IncidentId, u32),
) -> anyhow::Result<Again> {
    let mut again = Again::default();
    let mut stage = CorrelateStage::new(Arc::clone(settings));
    let mut effects = Effects::default();
    let mut places: BTreeMap<AnomalyId, usize> = BTreeMap::new();
    log.read(partition, 0, &mut |record| {
        if again.made.contains_key(&last) {
            return;
        }
        let entry = record
            .value
            .map(|v| decode_correlate_entry(record.headers.get(), v));
        let Some(Ok(entry)) = entry else {
            again.unread += 1;
            return;
        };
        again.entries += 1;
        let input = CorrelateInput {
            position: Position {
                topic: Arc::from(record.topic),
                partition: record.partition,
                offset: record.offset,
            },
            entry,
        };
        stage.step(&input, &mut effects);
        for event in effects.outputs().iter().filter(|e| e.incident.id == *id) {
            if let Ok(encoded) = encode_incident_event(event) {
                let by = format!("{} ({})", described(&input.entry), input.position);
                again.made.insert(event.incident.revision, (encoded.value, by));
            }
        }
        effects.clear();
        if let CorrelateEntry::Anomaly(anomaly) = input.entry {
            match places.get(&anomaly.id).and_then(|n| again.signs.get_mut(*n)) {
                Some(sign) => sign.hear(*anomaly),
                None => {
                    places.insert(anomaly.id.clone(), again.signs.len());
                    again.signs.push(Sign::new(*anomaly));
                }
            }
        }
    })?;
    Ok(again)
}

/// What a record of the log says, in few words.
fn described(entry: &CorrelateEntry) -> String {
    match entry {
        CorrelateEntry::Anomaly(a) => format!("anomaly {} {}", a.id, state(a.state)),
        CorrelateEntry::Heartbeat(beat) => format!(
            "word of {}/{} that nothing before {} is to come",
            beat.source.topic,
            beat.source.partition,
            time_text::write(beat.watermark.time())
        ),
        CorrelateEntry::Summary(summary) => format!("a step of the group {}", summary.group),
        CorrelateEntry::Service(service) => format!("what {} needs", service.service),
        CorrelateEntry::Tick(tick) => format!("the clock at {}", time_text::write(tick.at)),
        CorrelateEntry::Feedback(feedback) => format!("verdict {}", feedback.id),
        CorrelateEntry::Command(command) => format!("command {}", command.id),
    }
}

/// Reads the records of every lineage where they stand, by offset.
fn cite(
    log: &dyn Stretch,
    settings: &Settings,
    key: Option<&PseudonymKey>,
    signs: &mut [Sign],
    remarks: &mut Vec<String>,
) -> anyhow::Result<()> {
    for sign in signs {
        let Some(of) = sign.first().map(|first| Arc::clone(&first.series)) else {
            continue;
        };
        let (mut found, mut seen) = (Vec::new(), 0_u64);
        for range in sign.lineage.ranges() {
            let Some(source) = settings.sources.iter().find(|s| *s.topic == *range.topic) else {
                sign.missing = format!("no source of this configuration reads {}", range.topic);
                continue;
            };
            let mut take = |record: &RecordRef<'_>| {
                seen += 1;
                if found.len() < RECORDS_MAX {
                    found.extend(samples(source, key, record, of.fingerprint()));
                }
            };
            let partition = TopicPartition::new(&range.topic, range.partition);
            if let Err(error) = log.stretch(&partition, range.from, range.to, &mut take) {
                remarks.push(format!("{} can't be read: {error}", shown(range)));
            }
        }
        let wanted = sign.lineage.records();
        if wanted == 0 {
            "no sample was abnormal: it tells of samples that didn't come, or of a group"
                .clone_into(&mut sign.missing);
        } else if sign.missing.is_empty() && seen < wanted && !sign.lineage.is_coarse() {
            sign.missing = format!(
                "{} of {wanted} records are no longer kept by the topic",
                wanted - seen
            );
        } else if sign.missing.is_empty() && found.is_empty() {
            sign.missing = format!(
                "none of {seen} records holds a value of {} itself: it is made of others",
                series(&of)
            );
        }
        found.sort_by_key(|one: &Cited| one.at);
        sign.records = found;
    }
    Ok(())
}

fn shown(range: &LineageRange) -> String {
    format!("{}/{} {}–{}", range.topic, range.partition, range.from, range.to)
}

/// The values of a series that a record holds.
fn samples(
    source: &Source,
    key: Option<&PseudonymKey>,
    record: &RecordRef<'_>,
    of: Fingerprint,
) -> Vec<Cited> {
    let raw = RawRecord {
        topic: record.topic,
        partition: record.partition,
        offset: record.offset,
        appended_at: record.appended_at,
        key: record.key,
        value: record.value,
        headers: record.headers.get(),
    };
    let Ok(Decoded::Samples(read)) = decode(source, key, &raw) else {
        return Vec::new();
    };
    let rows = read.batch.rows().iter().filter(|row| row.series == of);
    let value = |at: EventTime, value: f64| Cited {
        place: format!("{}/{}@{}", record.topic, record.partition, record.offset),
        at,
        value,
        score: None,
        band: None,
    };
    rows.filter_map(|row| match read.batch.reading(row)? {
        Reading::Gauge(v) | Reading::Sum { value: v, .. } => Some(value(row.at, v)),
        #[allow(clippy::cast_precision_loss, reason = "a count of things shown to people")]
        Reading::Events { count } => Some(value(row.at, count as f64)),
        Reading::Histogram { .. } | Reading::Summary { .. } => None,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use forecall_log::{InProcess, OutRecord, TopicSpec, Transaction};
    use forecall_wire::telemetry::Format;

    use super::*;
    use crate::replay::house::House;
    use crate::replay::house::tests::rows;
    use crate::replay::{TOPIC, read_samples, settings};

    impl Stretch for InProcess {
        fn stretch(
            &self,
            partition: &TopicPartition,
            from: i64,
            to: i64,
            visit: &mut dyn FnMut(&RecordRef<'_>),
        ) -> Result<(), LogError> {
            self.read(partition, from, &mut |record| {
                if record.offset <= to {
                    visit(record);
                }
            })
        }
    }

    /// A run on the log in memory, as it would stand on live topics.
    fn lived() -> (House, Settings) {
        let mut settings = settings(None, 10).unwrap();
        let (start, grid) = (EventTime::from_secs(1_704_067_200), Duration::from_secs(10));
        read_samples(&mut settings, grid).unwrap();
        assert!(matches!(settings.sources[0].format, Format::Samples));
        let mut house = House::open(&settings, &[TopicSpec::new(TOPIC, 1)], start, grid).unwrap();
        house
            .feed(rows(&settings), 4_000, &AtomicBool::new(false), &mut |_, _| {})
            .unwrap();
        house.finish().unwrap();
        (house, settings)
    }

    fn ids(house: &House, settings: &Settings) -> Vec<IncidentId> {
        let mut ids = Vec::new();
        house
            .read(&settings.topic_names().name(TopicId::Incidents), &mut |record| {
                let id = IncidentId::new(std::str::from_utf8(record.key.unwrap()).unwrap()).unwrap();
                if !ids.contains(&id) {
                    ids.push(id);
                }
            })
            .unwrap();
        ids
    }

    #[test]
    fn a_live_incident_comes_out_again_to_the_byte_and_names_its_records() {
        let (house, settings) = lived();
        let all = ids(&house, &settings);
        assert!(!all.is_empty());
        let mut cited = 0;
        for id in &all {
            let story = of(house.log(), &settings, None, id).unwrap();
            assert!(!story.differs, "{}", story.recreated);
            assert!(story.revisions.iter().all(|r| r.same == Some(true)));
            let opened = &story.revisions[0];
            assert!(opened.why.is_some() && opened.by.as_ref().unwrap().contains(".anomalies.v1/0@"));
            assert!(!story.signs.is_empty());
            for sign in &story.signs {
                let wanted: u64 = sign.lineage.records();
                assert_eq!(u64::try_from(sign.records.len()).unwrap(), wanted);
                assert_eq!(sign.missing.is_empty(), wanted > 0, "{}", sign.missing);
                cited += wanted;
                let (from, to) = sign.span().unwrap();
                for one in &sign.records {
                    assert!((from..=to).contains(&one.at) && one.value > 0.9, "{one:?}");
                    assert!(one.place.starts_with("replay/0@"));
                }
            }
        }
        assert!(cited > 20, "{cited}");
        let nobody = IncidentId::new("inc_nobody").unwrap();
        let error = of(house.log(), &settings, None, &nobody).unwrap_err();
        assert!(
            error.to_string().contains("holds nothing of inc_nobody"),
            "{error}"
        );
    }

    #[test]
    fn what_differs_or_is_gone_is_said() {
        let (house, mut settings) = lived();
        let id = ids(&house, &settings).remove(0);
        // Another threshold: it is told later, or never.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deaf.yaml");
        std::fs::write(&path, "domain: replay\ncorrelate: { predict_threshold: 0.999 }\n").unwrap();
        let deaf = crate::replay::settings(Some(&path), 10).unwrap();
        let own = std::mem::replace(&mut settings.correlate, deaf.correlate);
        let story = of(house.log(), &settings, None, &id).unwrap();
        assert!(story.differs, "{}", story.recreated);
        // Another setting that decides nothing here: the same is told, in the name of other settings.
        std::fs::write(&path, "domain: replay\ncorrelate: { predict_threshold: 0.601 }\n").unwrap();
        settings.correlate = crate::replay::settings(Some(&path), 10).unwrap().correlate;
        let story = of(house.log(), &settings, None, &id).unwrap();
        assert!(
            story.differs && story.revisions[0].same == Some(false),
            "{}",
            story.recreated
        );

        // The source's topic has nothing at these offsets.
        settings.correlate = own;
        settings.sources.clear();
        let story = of(house.log(), &settings, None, &id).unwrap();
        assert!(!story.differs);
        let said = "no source of this configuration reads replay";
        let cited = story.signs.iter().filter(|sign| sign.lineage.records() > 0);
        assert!(
            cited.clone().count() > 0
                && cited
                    .into_iter()
                    .all(|s| s.missing == said && s.records.is_empty())
        );

        // A record that somebody added to the log: it can't be read, and that is said.
        let anomalies = settings.topic_names().name(TopicId::Anomalies);
        let mut record = OutRecord::new(&anomalies, Vec::new(), b"{}".to_vec());
        record.partition = Some(0);
        let mut writer = house.log().writer("test").unwrap();
        writer
            .commit(&Transaction {
                records: vec![record],
                positions: Vec::new(),
            })
            .unwrap();
        let story = of(house.log(), &settings, None, &id).unwrap();
        assert!(!story.differs, "it stands behind the last revision");
    }
}
