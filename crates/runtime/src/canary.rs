//! The canary: once a second a sample of a synthetic domain, a spike each minute, and a look at what comes out at the other
//! end. It goes through the very stages that real telemetry goes through; what is told to nobody is its notice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forecall_config::{CANARY_METRIC, CANARY_REGION, CANARY_SLOTS, Settings, canary_service};
use forecall_log::{
    Assignment, ChooseStart, Committed, GatherLimits, Handler, Log, Member, Membership, OutRecord, Outcome,
    RecordRef, Start, TopicPartition, TopicSpec, Transaction,
};
use forecall_observe::{Metric, Metrics};
use forecall_types::invariant::InvariantId;
use forecall_types::{EventTime, IncidentId, NoticeState, check_invariant};
use forecall_wire::event::{TopicId, decode_incident_event, decode_notice};
use serde_json::json;
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::drive::Drive;
use crate::host::HostError;

/// Between two spikes.
const EVERY_SECONDS: i64 = 60;
/// Second of a round at which the spike begins; it lasts to the round's end.
const SPIKE_FROM: i64 = 50;
/// Seconds of the next round in which the series is calm again, so that its anomaly closes: five calm samples do.
const CALM_AFTER: i64 = 10;
/// Sample while all is well, and in the spike: above the limit that the settings declare for this metric.
const CALM: f64 = 20.0;
const SPIKE: f64 = 2_000.0;
/// Incidents remembered until their notice comes; one a minute, so that this is hours.
const INCIDENTS_MAX: usize = 512;
/// As much of incidents and notices as one look takes.
const LIMITS: GatherLimits = GatherLimits {
    records_max: 1_000,
    bytes_max: 8 << 20,
    wait: Duration::ZERO,
};

/// The canary's topic as it should be made. `None`: it is off.
pub fn canary_topic(settings: &Settings) -> Option<TopicSpec> {
    let name = settings.canary_topic()?;
    let replication = if settings.topics.dev {
        1
    } else {
        settings.topics.replication
    };
    Some(TopicSpec {
        name,
        partitions: 1,
        replication: i32::try_from(replication).unwrap_or(i32::MAX),
        settings: vec![
            ("cleanup.policy".to_owned(), "delete".to_owned()),
            ("retention.ms".to_owned(), (3 * 24 * 3_600_000_u64).to_string()),
        ],
    })
}

/// Where reading goes on: at the end that stood at the start, later where it was.
struct Positions(Mutex<BTreeMap<TopicPartition, i64>>);

impl ChooseStart for Positions {
    fn choose(&self, partition: &TopicPartition, _: Option<&Committed>) -> Start {
        let positions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        positions
            .get(partition)
            .map_or(Start::Earliest, |offset| Start::Offset(*offset))
    }
}

/// What is known of the spikes under way.
#[derive(Debug, Default)]
struct Watch {
    /// When each service's spike began, until its notice is seen.
    begun: BTreeMap<u32, EventTime>,
    /// Service of each incident.
    incidents: BTreeMap<IncidentId, u32>,
    /// Incidents whose notice was seen before the incident itself: their topics are read in any order.
    early: BTreeMap<IncidentId, EventTime>,
}

/// What a look came to.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    /// From the first abnormal sample to the notice.
    after: Duration,
}

impl Watch {
    fn incident(&mut self, id: &IncidentId, slot: u32, now: EventTime) -> Option<Seen> {
        if self.incidents.len() >= INCIDENTS_MAX {
            self.incidents.clear();
        }
        self.incidents.insert(id.clone(), slot);
        self.early.remove(id)?;
        self.settle(slot, now)
    }

    fn notice(&mut self, id: &IncidentId, now: EventTime) -> Option<Seen> {
        match self.incidents.get(id) {
            Some(slot) => {
                let slot = *slot;
                self.settle(slot, now)
            }
            None => {
                if self.early.len() >= INCIDENTS_MAX {
                    self.early.clear();
                }
                self.early.insert(id.clone(), now);
                None
            }
        }
    }

    fn settle(&mut self, slot: u32, now: EventTime) -> Option<Seen> {
        let begun = self.begun.remove(&slot)?;
        Some(Seen {
            after: now.since(begun),
        })
    }
}

/// Writes samples, reads incidents and notices.
pub(crate) struct Canary {
    member: Box<dyn Member>,
    positions: Arc<Positions>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    topic: Arc<str>,
    incidents: String,
    notices: String,
    watch: Watch,
    /// The last second for which a sample was written.
    last: Option<i64>,
    /// The second of the start: rounds are counted from there.
    origin: Option<i64>,
}

impl Canary {
    /// Joins a group of its own that reads incidents and notices from their ends on.
    ///
    /// # Errors
    /// A topic is missing, or the log can't be joined.
    pub(crate) fn join(
        settings: &Settings,
        log: &dyn Log,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        slot: u32,
    ) -> Result<Self, HostError> {
        let names = settings.topic_names();
        let topic = settings
            .canary_topic()
            .ok_or_else(|| HostError::Settings("the canary is off".to_owned()))?;
        log.bounds(&topic)?;
        let read = [TopicId::Incidents, TopicId::Notices].map(|id| names.name(id));
        let mut ends = BTreeMap::new();
        for name in &read {
            for (number, (_, end)) in (0_i32..).zip(log.bounds(name)?) {
                ends.insert(TopicPartition::new(name, number), end);
            }
        }
        let positions = Arc::new(Positions(Mutex::new(ends)));
        let group = format!("{}.canary", settings.group);
        let membership = Membership {
            instance: format!("{group}.{slot}.0"),
            group,
            topics: read.to_vec(),
            is_static: true,
        };
        let member = log.join(&membership, Arc::clone(&positions) as Arc<_>)?;
        let [incidents, notices] = read;
        Ok(Self {
            member,
            positions,
            clock,
            metrics,
            topic: Arc::from(topic),
            incidents,
            notices,
            watch: Watch::default(),
            last: None,
            origin: None,
        })
    }

    /// The samples of one second.
    fn samples(&mut self, second: i64) -> OutRecord {
        let origin = *self.origin.get_or_insert(second);
        let at = (second - origin).rem_euclid(EVERY_SECONDS);
        let round = second - at;
        let slot = slot_of(round);
        let spiking = at >= SPIKE_FROM;
        if at == SPIKE_FROM {
            let begun = EventTime::from_secs(second);
            if self.watch.begun.insert(slot, begun).is_some() {
                warn!(slot, "the canary's notice of an hour ago has never come");
                self.metrics.inc(Metric::CanaryTotal, &["missed"], 1);
            }
            self.metrics.inc(Metric::CanaryTotal, &["begun"], 1);
        }
        let mut points = vec![point(second, slot, if spiking { SPIKE } else { calm(second) })];
        if at < CALM_AFTER && round > origin {
            points.push(point(second, slot_of(round - EVERY_SECONDS), calm(second)));
        }
        let key = canary_service(slot).into_bytes();
        let value = serde_json::Value::Array(points).to_string().into_bytes();
        OutRecord::new(&self.topic, key, value)
    }

    fn look(&mut self, wait: Duration, now: EventTime) -> Result<Vec<Seen>, HostError> {
        let mut reader = Reader {
            positions: &self.positions,
            incidents: &self.incidents,
            notices: &self.notices,
            metrics: &self.metrics,
            watch: &mut self.watch,
            now,
            seen: Vec::new(),
        };
        self.member
            .gather(&GatherLimits { wait, ..LIMITS }, &mut reader)?;
        Ok(reader.seen)
    }
}

/// Whose turn it is: by the time of the spike, so that a start anew doesn't take the service of a minute ago.
fn slot_of(round: i64) -> u32 {
    let minute = (round + SPIKE_FROM).div_euclid(EVERY_SECONDS);
    u32::try_from(minute.rem_euclid(i64::from(CANARY_SLOTS))).unwrap_or(0)
}

/// Around 20, with a little noise: a series that never moves is no likeness of a real one.
fn calm(second: i64) -> f64 {
    let noise = (second * 7_919).rem_euclid(11);
    #[allow(clippy::cast_precision_loss, reason = "0 to 10")]
    let noise = noise as f64;
    CALM + noise / 10.0
}

fn point(second: i64, slot: u32, value: f64) -> serde_json::Value {
    json!({
        "ts": second,
        "series": CANARY_METRIC,
        "value": value,
        "labels": {"service.name": canary_service(slot), "region": CANARY_REGION},
    })
}

/// Reads what comes out at the end.
struct Reader<'a> {
    positions: &'a Positions,
    incidents: &'a str,
    notices: &'a str,
    metrics: &'a Metrics,
    watch: &'a mut Watch,
    now: EventTime,
    seen: Vec<Seen>,
}

impl Reader<'_> {
    fn incident(&mut self, record: &RecordRef<'_>, value: &[u8]) {
        let Ok(event) = decode_incident_event(record.headers.get(), value) else {
            return;
        };
        if !event.incident.domain.is_canary() {
            return;
        }
        let names = &event.incident.scope.services;
        let slot = (0..CANARY_SLOTS).find(|slot| names.iter().any(|n| n.as_str() == canary_service(*slot)));
        if let Some(slot) = slot {
            let seen = self.watch.incident(&event.incident.id, slot, self.now);
            self.seen.extend(seen);
        }
    }

    fn notice(&mut self, record: &RecordRef<'_>, value: &[u8]) {
        let Ok(notice) = decode_notice(record.headers.get(), value) else {
            return;
        };
        if !notice.domain.is_canary() {
            return;
        }
        let told = notice.intents > 0;
        check_invariant!(
            InvariantId::N3,
            !told,
            "notice {} of the canary has intents",
            notice.id
        );
        if told {
            error!(notice = %notice.id, "a canary has planned messages: tell us, and turn it off");
            self.metrics.inc(Metric::CanaryTotal, &["told"], 1);
        } else if notice.state == NoticeState::Suppressed {
            let seen = self.watch.notice(&notice.incident, self.now);
            self.seen.extend(seen);
        }
    }
}

impl Handler for Reader<'_> {
    fn assigned(&mut self, _: &Assignment) {}

    fn revoked(&mut self, _: &TopicPartition, _: bool) {}

    fn record(&mut self, record: &RecordRef<'_>) {
        let place = TopicPartition::new(record.topic, record.partition);
        self.positions
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(place, record.offset + 1);
        let Some(value) = record.value else { return };
        if record.topic == self.incidents {
            self.incident(record, value);
        } else if record.topic == self.notices {
            self.notice(record, value);
        }
    }
}

impl Drive for Canary {
    fn turn(&mut self, wait: Duration) -> Result<bool, HostError> {
        let now = self.clock.now();
        for seen in self.look(wait, now)? {
            self.metrics.inc(Metric::CanaryTotal, &["seen"], 1);
            self.metrics
                .observe(Metric::CanarySeconds, &[], seen.after.as_secs_f64());
            let at = now.seconds_from(EventTime::default());
            self.metrics
                .set(Metric::CanaryLastSuccessTimestampSeconds, &[], at);
            info!(after = ?seen.after, "the canary's notice was drafted and suppressed");
        }
        let second = now
            .floor(Duration::from_secs(1))
            .nanos()
            .div_euclid(1_000_000_000);
        if self.last.is_some_and(|last| second <= last) {
            return Ok(false);
        }
        self.last = Some(second);
        let transaction = Transaction {
            records: vec![self.samples(second)],
            positions: Vec::new(),
        };
        self.member.begin_commit(transaction)?;
        match self.member.await_commit()? {
            Outcome::Committed | Outcome::NotOwner => Ok(true),
        }
    }

    fn stop(self: Box<Self>) -> Result<(), HostError> {
        Ok(self.member.leave()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ManualClock, Pipeline, Roles, Storage, Surroundings, topic_specs};
    use forecall_log::InProcess;
    use forecall_observe::Health;
    use forecall_types::{CustomerChange, DomainName, OutreachEntry};
    use forecall_wire::event::encode_outreach_entry;

    const START: i64 = 1_795_300_000;

    /// An installation like any other, whose rules and limits would take the canary's samples for their own, and a customer
    /// of the canary's domain, whom somebody has smuggled in.
    fn run(keyed: bool, minutes: i64) -> (String, Vec<forecall_types::Notice>) {
        let folder = tempfile::tempdir().unwrap();
        let yaml = format!(
            "
domain: isp
allow_literal_secrets: true
topics: {{partitions: 3, replication: 1, dev: true}}
sources: [{{topic: probes, format: flat_json, keyed: {keyed}}}]
topology:
  services: [{{name: internet, customer_facing: true}}]
  regions: [{{code: IR-23, names: {{en: Tehran}}}}]
  rules: [{{service: internet, region: IR-23}}]
objectives: [{{metric: '*', above: 1000000}}]
outreach: {{approval: {{reach_above: 1000, probability_below: 0}}, region_is_enough: true}}
gateways: {{sms: {{file: '{}/sms.jsonl'}}}}
canary: {{enabled: true}}
ledger:
  master_key: {}
  pseudonym_key: {}
",
            folder.path().display(),
            "1".repeat(64),
            "2".repeat(64),
        );
        let settings = Settings::from_yaml("canary.yaml", &yaml).unwrap_or_else(|e| panic!("{e}"));
        let log = InProcess::default();
        log.create_topics(&topic_specs(&settings, &settings.topic_names()))
            .unwrap();
        log.create_topics(&[TopicSpec::new("probes", 1), canary_topic(&settings).unwrap()])
            .unwrap();
        let clock = Arc::new(ManualClock::at(EventTime::from_secs(START)));
        log.set_time(EventTime::from_secs(START));
        let metrics = Metrics::new();
        let surroundings = Surroundings {
            log: Arc::new(log.clone()),
            clock: Arc::clone(&clock) as Arc<_>,
            metrics: metrics.clone(),
            health: Health::default(),
            slot: 0,
            scores: None,
            peers: None,
        };
        let mut pipeline = Pipeline::build(&settings, surroundings, Roles::ALL, &Storage::Memory).unwrap();
        smuggle(&log);
        for second in START..START + minutes * 60 {
            log.set_time(EventTime::from_secs(second));
            clock.advance_to(EventTime::from_secs(second));
            for _ in 0..3 {
                pipeline.turn().unwrap();
            }
        }
        assert!(
            !folder.path().join("sms.jsonl").exists()
                || std::fs::read(folder.path().join("sms.jsonl")).unwrap().is_empty()
        );
        let mut notices = Vec::new();
        for partition in 0..3 {
            log.read(
                &TopicPartition::new("forecall.notices.v1", partition),
                0,
                &mut |record| {
                    notices.push(decode_notice(record.headers.get(), record.value.unwrap()).unwrap());
                },
            )
            .unwrap();
        }
        (metrics.text(), notices)
    }

    fn smuggle(log: &InProcess) {
        let customer: forecall_types::Customer = serde_json::from_value(json!({
            "id": "cus_0000000000000000", "domain": DomainName::CANARY, "region": CANARY_REGION, "served_by": [],
            "services": (0..CANARY_SLOTS).map(canary_service).collect::<Vec<_>>(), "language": "fa", "channels": ["sms"],
            "consents": ["service_notice"], "priority": false, "at": 0,
        }))
        .unwrap();
        let entry = OutreachEntry::Customer(CustomerChange::Upsert(customer));
        let encoded = encode_outreach_entry(&entry).unwrap();
        let record = OutRecord {
            topic: Arc::from("forecall.outreach.log.v1"),
            partition: None,
            key: Some(encoded.key),
            value: Some(encoded.value),
            headers: encoded.headers,
        };
        log.writer("smuggler")
            .unwrap()
            .commit(&Transaction {
                records: vec![record],
                positions: vec![],
            })
            .unwrap();
    }

    fn metric(text: &str, line: &str) -> f64 {
        text.lines()
            .find_map(|l| l.strip_prefix(line)?.trim().parse().ok())
            .unwrap_or(0.0)
    }

    #[test]
    fn each_minute_a_notice_is_drafted_and_suppressed_and_nobody_is_told() {
        for keyed in [true, false] {
            let (text, notices) = run(keyed, 12);
            let count =
                |result: &str| metric(&text, &format!("forecall_canary_total{{result=\"{result}\"}}"));
            assert!(
                (count("begun") - 11.0).abs() < 1.5,
                "keyed {keyed}: {}",
                count("begun")
            );
            assert!(
                count("seen") >= count("begun") - 2.0,
                "keyed {keyed}: {} of {}",
                count("seen"),
                count("begun")
            );
            assert!(count("missed") + count("told") < 0.5, "keyed {keyed}");
            let last = metric(&text, "forecall_canary_last_success_timestamp_seconds");
            #[allow(clippy::cast_precision_loss, reason = "seconds")]
            let end = (START + 12 * 60) as f64;
            assert!(end - last < 120.0, "keyed {keyed}: {last}");
            assert!(!notices.is_empty());
            for notice in notices {
                assert!(notice.domain.is_canary(), "nothing else has happened: {notice:?}");
                assert_eq!(
                    (notice.state, notice.intents),
                    (NoticeState::Suppressed, 0),
                    "{notice:?}"
                );
                assert_eq!(notice.audience, 0, "the smuggled customer isn't known");
            }
        }
    }

    #[test]
    fn a_notice_may_be_seen_before_its_incident() {
        let id = |name: &str| IncidentId::new(name).unwrap();
        let at = EventTime::from_secs;
        let mut watch = Watch::default();
        watch.begun.insert(7, at(100));
        assert_eq!(watch.notice(&id("inc_a"), at(110)), None);
        let seen = watch.incident(&id("inc_a"), 7, at(112)).unwrap();
        assert_eq!(seen.after, Duration::from_secs(12));
        assert_eq!(
            watch.notice(&id("inc_a"), at(500)),
            None,
            "its end isn't another success"
        );
        watch.begun.insert(7, at(3_700));
        watch.incident(&id("inc_b"), 7, at(3_710));
        assert_eq!(
            watch.notice(&id("inc_b"), at(3_711)).unwrap().after,
            Duration::from_secs(11)
        );
    }
}
