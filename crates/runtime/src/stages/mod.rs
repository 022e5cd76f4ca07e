//! The adapters: each joins one pure stage to its topics.

mod correlate;
mod detect;
mod intake;
mod journeys;
mod journeys_intake;
mod outreach;
mod promises;
mod rekey;

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_config::Settings;
use forecall_log::{OutRecord, RecordRef, TopicPartition, partition_of_key};
use forecall_types::{DomainName, Position, Reject, RejectReason, SamplesRecord};
use forecall_wire::event::{DeadLetter, Encoded, TOPICS, TopicId, TopicNames};
use forecall_wire::telemetry::{Decoded, PseudonymKey, RawRecord, Source, Spellings, decode_reusing};

use crate::assemble::pseudonym_key;
use crate::host::HostError;

pub(crate) use correlate::CorrelateAdapter;
pub(crate) use detect::DetectAdapter;
pub(crate) use intake::{Intake, IntakeAdapter};
pub(crate) use journeys::JourneysAdapter;
pub(crate) use journeys_intake::JourneysIntakeAdapter;
pub(crate) use outreach::OutreachAdapter;
pub(crate) use rekey::{RekeyAdapter, source_of};

/// What every adapter needs to read sources and to name topics.
#[derive(Debug, Clone)]
pub(crate) struct Wiring {
    /// Sources by topic.
    pub(crate) sources: Arc<BTreeMap<String, Source>>,
    /// Domain of what isn't said to be of another.
    pub(crate) domain: DomainName,
    /// Names of forecall's own topics, made once: they are compared for every record.
    pub(crate) topics: Arc<BTreeMap<TopicId, Arc<str>>>,
    /// Over how many partitions of its own logs this process spreads keys: fixed at its start, whatever the topic does.
    pub(crate) used: BTreeMap<TopicId, i32>,
    /// Key of the pseudonyms, where a source is personal.
    pub(crate) pseudonyms: Option<Arc<PseudonymKey>>,
    /// Key of the hashes that stand for personal bytes in dead letters.
    pub(crate) hash_key: Option<Arc<[u8]>>,
}

impl Wiring {
    /// As the settings say; nothing is pinned yet.
    pub(crate) fn of(settings: &Settings, names: &TopicNames) -> Result<Self, HostError> {
        let sources = settings.sources.iter();
        let topics = TOPICS.iter();
        let hash_key = settings.ledger.pseudonym_key.as_ref();
        Ok(Self {
            sources: Arc::new(sources.map(|s| (s.topic.to_string(), s.clone())).collect()),
            domain: settings.domain.clone(),
            topics: Arc::new(topics.map(|t| (t.id, Arc::from(names.name(t.id)))).collect()),
            used: BTreeMap::new(),
            pseudonyms: pseudonym_key(settings)?,
            hash_key: hash_key.map(|key| Arc::from(key.expose().as_bytes())),
        })
    }

    /// Name of one of forecall's own topics.
    pub(crate) fn topic(&self, id: TopicId) -> Arc<str> {
        self.topics
            .get(&id)
            .map_or_else(|| Arc::from(id.topic().name), Arc::clone)
    }

    /// Whether a record stands on one of forecall's own topics.
    pub(crate) fn is_on(&self, topic: &str, id: TopicId) -> bool {
        self.topics.get(&id).is_some_and(|name| **name == *topic)
    }

    /// Whether no key falls on a partition of one of the own logs.
    pub(crate) fn is_unused(&self, partition: &TopicPartition) -> bool {
        self.used
            .iter()
            .any(|(id, used)| self.is_on(&partition.topic, *id) && partition.partition >= *used)
    }

    pub(crate) fn raw<'a>(source: &Source, record: &RecordRef<'a>) -> RawRecord<'a> {
        // Taking headers apart costs as much as a tenth of a sample; most formats don't look at them.
        let looks = source.format.looks_at_headers();
        RawRecord {
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            appended_at: record.appended_at,
            key: record.key,
            value: record.value,
            headers: if looks { record.headers.get() } else { &[] },
        }
    }

    pub(crate) fn position(record: &RecordRef<'_>) -> Position {
        Position {
            topic: Arc::from(record.topic),
            partition: record.partition,
            offset: record.offset,
        }
    }

    pub(crate) fn source(&self, topic: &str) -> Result<&Source, Reject> {
        self.sources.get(topic).ok_or_else(|| {
            Reject::new(
                RejectReason::UnknownScope,
                format!("no source is declared for topic {topic}"),
            )
        })
    }

    /// The domain of a topic's records.
    pub(crate) fn domain_of(&self, topic: &str) -> DomainName {
        let source = self.sources.get(topic);
        source.map_or(&self.domain, |source| &source.domain).clone()
    }

    /// Whether a topic's records measure nothing: what was announced, who calls whom.
    pub(crate) fn measures_nothing(&self, topic: &str) -> bool {
        let source = self.sources.get(topic);
        source.is_some_and(|source| !source.format.measures())
    }

    /// The domains of what `detect` reads on a topic.
    pub(crate) fn domains_on(&self, topic: &str) -> impl Iterator<Item = &DomainName> {
        let is_rekeyed = self.is_on(topic, TopicId::Samples);
        let measures = |source: &&Source| source.format.measures();
        let sources = self.sources.values().filter(measures);
        sources
            .filter(move |source| {
                if is_rekeyed {
                    !source.keyed
                } else {
                    *source.topic == *topic
                }
            })
            .map(|source| &source.domain)
    }

    /// The points of a telemetry record, in the memory of one that is no longer needed.
    pub(crate) fn samples(
        &self,
        record: &RecordRef<'_>,
        spare: Option<SamplesRecord>,
        spellings: &mut Spellings,
    ) -> Result<Option<SamplesRecord>, Reject> {
        let source = self.source(record.topic)?;
        let raw = Self::raw(source, record);
        Ok(
            match decode_reusing(source, self.pseudonyms.as_deref(), &raw, spare, spellings)? {
                Decoded::Samples(samples) => Some(samples),
                Decoded::Calls(_) | Decoded::CustomerEvents(_) | Decoded::Nothing => None,
            },
        )
    }

    /// The dead letter of a record: personal sources leave length and keyed hash, no bytes.
    pub(crate) fn dead_letter(&self, record: &RecordRef<'_>, reject: &Reject) -> OutRecord {
        let source = self.sources.get(record.topic);
        // forecall's own logs are pseudonymous, but where customers are known a record that can't be read may be anything.
        // The checked settings hold a key wherever a source is personal.
        let personal = self
            .hash_key
            .as_deref()
            .filter(|_| source.is_none_or(|s| s.personal));
        let limit = source.map_or(1 << 20, |s| s.limits.record_bytes_max);
        let letter = DeadLetter {
            reject,
            position: &Self::position(record),
            appended_at: record.appended_at,
            key: record.key,
            value: record.value,
            headers: record.headers.get(),
            record_bytes_max: limit,
            personal,
        }
        .encode();
        self.out(TopicId::DeadLetters, letter)
    }

    pub(crate) fn out(&self, topic: TopicId, encoded: Encoded) -> OutRecord {
        let used = self.used.get(&topic);
        OutRecord {
            topic: self.topic(topic),
            partition: used.map(|used| partition_of_key(&encoded.key, *used)),
            key: Some(encoded.key),
            value: Some(encoded.value),
            headers: encoded.headers,
        }
    }
}

/// What can't be written is a reject of the output, never a retry.
pub(crate) fn unwritable(error: &forecall_wire::event::EncodeError) -> Reject {
    Reject::new(RejectReason::TooLarge, error.to_string())
}

/// The domain and the value of a record that must have one.
pub(crate) fn value<'a>(record: &RecordRef<'a>) -> Result<&'a [u8], Reject> {
    record
        .value
        .ok_or_else(|| Reject::new(RejectReason::MissingField, "the record has no value"))
}

#[cfg(test)]
mod tests {
    use forecall_detect::RekeySettings;
    use forecall_observe::Metrics;

    use super::*;
    use crate::host::Adapter as _;

    #[test]
    fn what_is_announced_goes_everywhere_and_nobody_waits_for_it() {
        use forecall_stage::{Pulse, Stage as _};
        use forecall_types::EventTime;
        use forecall_wire::telemetry::samples;

        let text =
            "sources: [ { topic: t, format: flat_json }, { topic: c, format: context, domain: isp } ]\n";
        let settings = Settings::from_yaml("test", text).unwrap_or_else(|e| panic!("{e}"));
        let wiring = Wiring::of(&settings, &settings.topic_names()).unwrap();
        let samples_topic = wiring.topic(TopicId::Samples);
        let domains: Vec<&DomainName> = wiring.domains_on(&samples_topic).collect();
        assert_eq!(domains, [&settings.domain], "that of what is measured");
        let rekey = RekeyAdapter {
            wiring,
            settings: Arc::new(RekeySettings {
                partitions: 3,
                future_seconds: 60,
            }),
        };
        assert!(rekey.is_waited_for("t") && !rekey.is_waited_for("c"));
        let value = br#"{"kind":"deployment","id":"d","match":{"service.name":"shop"}}"#;
        let record = RecordRef {
            topic: "c",
            partition: 0,
            offset: 5,
            appended_at: EventTime::from_secs(60),
            key: None,
            value: Some(value),
            headers: forecall_log::Headers::Read(&[]),
        };
        let read = rekey.decode(&record).unwrap().unwrap();
        let partition = TopicPartition::new("c", 0);
        let mut stage = rekey.create(&partition);
        let stage_of_before = rekey.load(&partition, &stage.save().unwrap()).unwrap();
        let pulse = || Pulse {
            at: EventTime::from_secs(61),
            next_offset: 6,
            caught_up: true,
            idle: true,
            looked_at: None,
            topics: &[],
        };
        for stage in [&stage, &stage_of_before] {
            let mut said = forecall_stage::Effects::default();
            stage.pulse(pulse(), &mut said);
            assert!(said.outputs().is_empty());
        }
        let mut effects = forecall_stage::Effects::default();
        stage.step(&read, &mut effects);
        let mut written = Vec::new();
        for output in effects.drain().0 {
            rekey.encode(&partition, output, &mut written).unwrap();
        }
        let partitions: Vec<_> = written
            .into_iter()
            .filter_map(crate::host::Effect::published)
            .map(|out| {
                let carried = samples::decode(&out.value.unwrap()).unwrap();
                assert_eq!(
                    (carried.contexts, carried.marks),
                    (read.contexts.clone(), Vec::new())
                );
                out.partition
            })
            .collect();
        assert_eq!(partitions, [Some(0), Some(1), Some(2)]);
    }

    /// The lag is the host's own; what else tells of a partition is in the list of the stage that sets it.
    #[test]
    fn every_gauge_of_a_partition_is_forgotten_with_it() {
        use forecall_observe::Metric;

        let lists = [
            detect::DETECT_GAUGES,
            correlate::CORRELATE_GAUGES,
            journeys::JOURNEYS_GAUGES,
            outreach::OUTREACH_GAUGES,
        ];
        let mut known: Vec<Metric> = lists.concat();
        known.push(Metric::LagRecords);
        for metric in Metric::ALL {
            let is_of_partitions = metric.labels().contains(&"partition");
            assert_eq!(known.contains(metric), is_of_partitions, "{}", metric.name());
        }
    }

    #[test]
    fn another_way_of_reading_a_source_makes_another_digest_of_the_settings() {
        let digests = |source: &str| {
            let settings = Settings::from_yaml("test", &format!("sources: [ {{ {source} }} ]\n"))
                .unwrap_or_else(|e| panic!("{e}"));
            let wiring = Wiring::of(&settings, &settings.topic_names()).unwrap();
            let detect = DetectAdapter {
                wiring: wiring.clone(),
                settings: Arc::clone(&settings.detect),
                metrics: Metrics::new(),
                shown: Arc::default(),
                scores: None,
            };
            let rekey = RekeyAdapter {
                wiring,
                settings: Arc::new(RekeySettings {
                    partitions: 4,
                    future_seconds: 60,
                }),
            };
            (detect.settings_digest(), rekey.settings_digest())
        };
        let first = digests("topic: t, format: otlp_proto, keyed: true");
        assert_eq!(first, digests("topic: t, format: otlp_proto, keyed: true"));
        for other in [
            "topic: t, format: flat_json, keyed: true",
            "topic: t, format: otlp_proto, keyed: false",
            "topic: other, format: otlp_proto, keyed: true",
        ] {
            let other = digests(other);
            assert!(other.0 != first.0 && other.1 != first.1);
        }
    }
}
