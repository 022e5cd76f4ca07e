//! Customers' events in, failed journeys, waves and maps out, on the in-process log.

use std::sync::Arc;

use forecall_config::Settings;
use forecall_log::{InProcess, Log, OutRecord, TopicPartition, TopicSpec, Transaction};
use forecall_observe::{Health, Metrics};
use forecall_runtime::{
    ManualClock, Pipeline, Roles, SnapshotStore, Storage, Surroundings, pseudonym_key, topic_specs,
};
use forecall_types::{CustomerId, EventTime, FailedJourney, JourneyMap, JourneyWave};
use forecall_wire::event::{DeadLetterRead, JourneyEvent, decode_incident_event, decode_journey_event};

/// 2026-01-05 08:00 UTC.
const START: i64 = 1_767_600_000;
const SOURCES: i32 = 2;
const ROLES: Roles = Roles {
    journeys: true,
    correlate: true,
    ..Roles::NONE
};

fn settings(partitions: u32) -> Settings {
    let yaml = format!(
        "
domain: telecom
allow_literal_secrets: true
topics: {{ partitions: {partitions}, dev: true, replication: 1 }}
sources:
  - {{ topic: shop, format: customer_events }}
journeys:
  rules:
    - name: paid_not_active
      start: [payment.accepted]
      steps: [{{ expect: [package.activated], within_seconds: 600 }}]
      unless: [payment.refunded]
      by_key: true
      service: packages
topology:
  services: [ {{ name: packages, customer_facing: true }} ]
  regions: [ {{ code: IR-23, names: {{ en: Tehran }} }}, {{ code: IR-10, names: {{ en: Isfahan }} }} ]
objectives:
  - {{ metric: forecall.journey.failed, above: 0.5 }}
ledger:
  master_key: {}
  pseudonym_key: {}
",
        "1".repeat(64),
        "2".repeat(64),
    );
    Settings::from_yaml("test", &yaml).unwrap_or_else(|e| panic!("{e}"))
}

struct Bed {
    log: InProcess,
    clock: Arc<ManualClock>,
    settings: Settings,
    metrics: Metrics,
    storage: Storage,
    pipeline: Option<Pipeline>,
    now: i64,
    _folder: tempfile::TempDir,
}

impl Bed {
    fn new(partitions: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(partitions);
        let log = InProcess::default();
        log.create_topics(&[TopicSpec::new("shop", SOURCES)]).unwrap();
        log.create_topics(&topic_specs(&settings, &settings.topic_names()))
            .unwrap();
        log.set_time(EventTime::from_secs(START));
        let storage = Storage::Shared {
            snapshots: SnapshotStore::in_memory(&settings.group).unwrap(),
            ledger: folder.path().join("ledger.sqlite"),
        };
        let mut bed = Self {
            log,
            clock: Arc::new(ManualClock::at(EventTime::from_secs(START))),
            settings,
            metrics: Metrics::new(),
            storage,
            pipeline: None,
            now: START,
            _folder: folder,
        };
        bed.start();
        bed
    }

    fn start(&mut self) {
        let surroundings = Surroundings {
            log: Arc::new(self.log.clone()),
            clock: Arc::clone(&self.clock) as Arc<_>,
            metrics: self.metrics.clone(),
            health: Health::default(),
            slot: 0,
            scores: None,
            peers: None,
        };
        self.pipeline = Some(Pipeline::build(&self.settings, surroundings, ROLES, &self.storage).unwrap());
    }

    fn stop(&mut self) {
        self.pipeline.take().unwrap().stop().unwrap();
    }

    fn put_at(&self, partition: i32, value: &str) {
        let record = OutRecord {
            partition: Some(partition),
            ..OutRecord::new("shop", b"k".to_vec(), value.as_bytes().to_vec())
        };
        self.log
            .writer("shop")
            .unwrap()
            .commit(&Transaction {
                records: vec![record],
                positions: vec![],
            })
            .unwrap();
    }

    /// Something happens now to the customer of that number.
    fn event(&self, kind: &str, number: u32, region: &str) {
        let value = format!(
            r#"{{"id":"{kind}-{number}","at":{},"kind":"{kind}","customer":"0912{number:07}","key":"order-{number}","region":"{region}"}}"#,
            self.now
        );
        // As a shop writes that keys by kind: payments and activations of one order don't meet.
        self.put_at(i32::from(kind != "payment.accepted"), &value);
    }

    /// Time goes on, in seconds.
    fn pass(&mut self, seconds: i64) {
        let until = self.now + seconds;
        while self.now < until {
            self.now += 1;
            let at = EventTime::from_secs(self.now);
            self.log.set_time(at);
            self.clock.advance_to(at);
            if let Some(pipeline) = &mut self.pipeline {
                pipeline.settle().unwrap();
            }
        }
    }

    fn read<T>(&self, topic: &str, mut with: impl FnMut(&[(&str, &[u8])], &[u8], &[u8]) -> T) -> Vec<T> {
        let mut found = Vec::new();
        for number in 0..self.log.bounds(topic).unwrap().len() {
            let place = TopicPartition::new(topic, i32::try_from(number).unwrap());
            self.log
                .read(&place, 0, &mut |r| {
                    let value = r.value.unwrap_or_default();
                    found.push(with(r.headers.get(), r.key.unwrap_or_default(), value));
                })
                .unwrap();
        }
        found
    }

    fn told(&self) -> (Vec<FailedJourney>, Vec<JourneyWave>, Vec<JourneyMap>) {
        let (mut failed, mut waves, mut maps) = (Vec::new(), Vec::new(), Vec::new());
        self.read(
            "forecall.journeys.v1",
            |headers, key, value| match decode_journey_event(headers, value).unwrap() {
                JourneyEvent::Failed(f) => {
                    assert_eq!(key, f.customer.as_str().as_bytes(), "the key is the pseudonym");
                    failed.push(f);
                }
                JourneyEvent::Wave(w) => waves.push(w),
                JourneyEvent::Map(m) => maps.push(m),
            },
        );
        (failed, waves, maps)
    }

    fn customer(&self, number: u32) -> CustomerId {
        let key = pseudonym_key(&self.settings).unwrap().unwrap();
        key.customer(&self.settings.domain, &format!("+98912{number:07}"))
    }

    /// All bytes of all of forecall's own topics.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for spec in topic_specs(&self.settings, &self.settings.topic_names()) {
            self.read(&spec.name, |headers, key, value| {
                bytes.extend(key);
                bytes.extend(value);
                for (_, value) in headers {
                    bytes.extend(*value);
                }
            });
        }
        bytes
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn who_paid_and_got_nothing_is_told_of_once_and_by_pseudonym() {
    let mut bed = Bed::new(3);
    bed.put_at(0, r#"{"id":"1","kind":"payment.accepted"}"#);
    bed.put_at(1, "09120000001 is not JSON");
    for number in 1..=3 {
        bed.event("payment.accepted", number, "IR-23");
    }
    bed.event("page.viewed", 4, "IR-23");
    bed.pass(300);
    bed.event("package.activated", 1, "IR-23");
    bed.event("payment.refunded", 3, "IR-23");
    bed.pass(300);
    assert_eq!(
        bed.told(),
        (vec![], vec![], vec![]),
        "ten minutes aren't over for everybody"
    );
    bed.pass(70);
    let (failed, waves, maps) = bed.told();
    assert_eq!((waves, maps), (vec![], vec![]));
    let [failed] = failed.as_slice() else {
        panic!("one failed: {failed:#?}")
    };
    assert_eq!(failed.customer, bed.customer(2));
    assert_eq!(failed.failed_at, EventTime::from_secs(START + 600));
    assert_eq!(failed.rule.as_str(), "paid_not_active");
    bed.pass(600);
    assert_eq!(bed.told().0.len(), 1);

    let dead = bed.read("forecall.dead-letters.v1", |headers, _, value| {
        DeadLetterRead::decode(headers, value).unwrap()
    });
    let reasons: Vec<&str> = dead.iter().map(|d| d.reject.reason.as_str()).collect();
    assert_eq!(reasons, ["missing_field", "malformed"]);
    assert!(dead.iter().all(|d| d.personal && d.bytes.is_empty()));
    let log = bed.read("forecall.journeys.log.v1", |headers, _, value| {
        (headers.to_vec().len(), value.len())
    });
    assert!(log.len() > 100, "marks keep time going: {}", log.len());
    let bytes = bed.bytes();
    assert!(
        holds(&bytes, bed.customer(2).as_str()),
        "there is something to find"
    );
    for number in ["9120000001", "9120000002", "9120000003", "9120000004", "order-2"] {
        assert!(!holds(&bytes, number), "{number} stands on a topic");
    }
    assert!(
        !holds(&bytes, "page.viewed"),
        "what no rule asks for is kept nowhere"
    );
    for name in [
        "forecall_journeys_open",
        "forecall_journeys_failed_total",
        "forecall_watermark_delay_seconds",
    ] {
        let text = bed.metrics.text();
        assert!(text.contains(name), "{name} in {text}");
    }
}

#[test]
fn a_wave_over_several_partitions_is_one_incident_at_its_place() {
    let mut bed = Bed::new(3);
    for number in 0..90 {
        bed.event(
            "payment.accepted",
            number,
            if number < 75 { "IR-23" } else { "IR-10" },
        );
    }
    bed.pass(1);
    for number in 75..90 {
        bed.event("package.activated", number, "IR-10");
    }
    bed.pass(760);
    let (failed, waves, _) = bed.told();
    let opened: Vec<_> = waves.iter().filter(|w| w.revision == 1).collect();
    assert!(
        opened.len() >= 2,
        "the customers lie on several partitions: {waves:#?}"
    );
    let ids: std::collections::BTreeSet<_> = opened.iter().map(|w| &w.id).collect();
    assert_eq!(ids.len(), opened.len(), "each wave has an id of its own");
    assert!(
        failed.len() < 75 && !failed.is_empty(),
        "{} are told singly",
        failed.len()
    );
    let withheld: u64 = ids
        .iter()
        .map(|id| {
            waves
                .iter()
                .filter(|w| w.id == **id)
                .map(|w| w.withheld)
                .max()
                .unwrap()
        })
        .sum();
    assert!(withheld > 0);

    let incidents = bed.read("forecall.incidents.v1", |headers, _, value| {
        decode_incident_event(headers, value).unwrap()
    });
    let ids: std::collections::BTreeSet<_> = incidents.iter().map(|e| e.incident.id.clone()).collect();
    assert_eq!(ids.len(), 1, "one trouble, one incident: {incidents:#?}");
    let newest = &incidents.last().unwrap().incident;
    assert_eq!(newest.state.as_str(), "confirmed", "{}", newest.reason);
    let regions: Vec<&str> = newest.scope.regions.iter().map(|r| r.as_str()).collect();
    assert_eq!(regions, ["IR-23"]);
    assert_eq!(
        newest.evidence.len(),
        opened.len(),
        "each partition's wave is evidence"
    );
    bed.pass(4_000);
    let last = bed.read("forecall.incidents.v1", |headers, _, value| {
        decode_incident_event(headers, value).unwrap()
    });
    assert_eq!(last.last().unwrap().incident.state.as_str(), "resolved");
}

#[test]
fn who_was_served_while_forecall_was_down_has_not_failed() {
    let mut bed = Bed::new(2);
    for number in 0..4 {
        bed.event("payment.accepted", number, "IR-23");
    }
    bed.pass(30);
    bed.stop();
    bed.pass(200);
    // More than is read at once stands before what counts.
    for number in 1_000..1_900 {
        bed.event("package.activated", number, "IR-23");
    }
    for number in 0..3 {
        bed.event("package.activated", number, "IR-23");
    }
    // Down until long after all deadlines.
    bed.pass(3_000);
    bed.start();
    bed.pass(5);
    let (failed, _, _) = bed.told();
    let who: Vec<_> = failed.iter().map(|f| f.customer.clone()).collect();
    assert_eq!(who, [bed.customer(3)]);
    assert_eq!(failed[0].failed_at, EventTime::from_secs(START + 600));
}

#[test]
fn a_day_ends_with_a_map_from_each_partition() {
    let mut bed = Bed::new(2);
    for number in 0..20 {
        bed.event("payment.accepted", number, "IR-23");
    }
    bed.pass(57);
    for number in 0..17 {
        bed.event("package.activated", number, "IR-23");
    }
    bed.pass(700);
    // On to the next day; nobody needs each second of it.
    let midnight = START - START.rem_euclid(86_400) + 86_400;
    bed.now = midnight + 60;
    bed.pass(10);
    let (_, _, maps) = bed.told();
    assert_eq!(maps.len(), 2, "{maps:#?}");
    let mut whole = maps[0].clone();
    forecall_journey::add_map(&mut whole, &maps[1]);
    assert_eq!(whole.started, 20);
    let step = &whole.steps[0];
    assert_eq!((step.reached, step.passed, step.absent), (20, 17, 3));
    let median = step.median_seconds.unwrap();
    assert!((50.0..=63.0).contains(&median), "{median}");
}
