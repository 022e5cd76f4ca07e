//! Bridges on the in-process log, against fakes of their targets on the loopback.

use std::sync::Arc;
use std::time::Duration;

use forecall_config::Settings;
use forecall_log::{InProcess, Log, OutRecord, TopicPartition, Transaction};
use forecall_observe::{Health, Metrics};
use forecall_runtime::{ManualClock, Pipeline, Roles, Storage, Surroundings, topic_specs};
use forecall_types::{DomainName, EventTime, Incident, IncidentChange, IncidentEvent, RejectReason};
use forecall_wire::event::{DeadLetterRead, encode_incident_event};
use serde_json::Value;

use crate::fakes::{Fake, ROUTING_KEY, Reply, fake_pager_duty};
use crate::incidents::{at, event, incident, life};

const INCIDENTS: &str = "forecall.incidents.v1";
const GROUP: &str = "forecall.bridge.duty";

fn settings(bridge: &str) -> Settings {
    let text = format!(
        "domain: isp\nallow_literal_secrets: true\ntopics: {{ partitions: 1, dev: true, replication: 1 }}\nbridges:\n  duty: {bridge}\n"
    );
    Settings::from_yaml("test", &text).unwrap_or_else(|e| panic!("{e}"))
}

fn pager(fake: &Fake, more: &str) -> Settings {
    let url = fake.url();
    settings(&format!(
        "{{ to: {{ pager_duty: {{ url: '{url}', routing_key: {ROUTING_KEY} }} }}{more} }}"
    ))
}

struct World {
    log: InProcess,
    clock: Arc<ManualClock>,
    metrics: Metrics,
    settings: Settings,
    pipeline: Option<Pipeline>,
}

impl World {
    fn of(settings: Settings) -> Self {
        let log = InProcess::default();
        log.create_topics(&topic_specs(&settings, &settings.topic_names()))
            .unwrap();
        let mut world = Self {
            log,
            clock: Arc::new(ManualClock::at(at(0))),
            metrics: Metrics::new(),
            settings,
            pipeline: None,
        };
        world.log.set_time(at(0));
        world.start();
        world
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
        let roles = Roles {
            bridge: true,
            ..Roles::NONE
        };
        let pipeline = Pipeline::build(&self.settings, surroundings, roles, &Storage::Memory).unwrap();
        self.pipeline = Some(pipeline);
        self.settle();
    }

    fn settle(&mut self) {
        self.pipeline.as_mut().unwrap().settle().unwrap();
    }

    fn later(&mut self, to: EventTime) {
        self.clock.advance_to(to);
        self.log.set_time(to);
        self.settle();
    }

    fn publish(&self, events: &[IncidentEvent]) {
        let records = events.iter().map(|event| {
            let encoded = encode_incident_event(event).unwrap();
            OutRecord {
                headers: encoded.headers,
                ..OutRecord::new(INCIDENTS, encoded.key, encoded.value)
            }
        });
        let transaction = Transaction {
            records: records.collect(),
            positions: Vec::new(),
        };
        self.log.writer("world").unwrap().commit(&transaction).unwrap();
    }

    /// The committed position; 0: none.
    fn position(&self) -> i64 {
        let place = TopicPartition::new(INCIDENTS, 0);
        let committed = self.log.committed(GROUP, &[place]).unwrap();
        committed[0].as_ref().map_or(0, |c| c.next_offset)
    }

    fn letters(&self) -> Vec<DeadLetterRead> {
        let mut letters = Vec::new();
        let place = TopicPartition::new("forecall.dead-letters.v1", 0);
        self.log
            .read(&place, 0, &mut |record| {
                letters.push(DeadLetterRead::decode(record.headers.get(), record.value.unwrap()).unwrap());
            })
            .unwrap();
        letters
    }

    fn counted(&self, line: &str) -> bool {
        self.metrics.text().lines().any(|l| l.contains(line))
    }
}

/// Action and incident of each event that came.
fn actions(fake: &Fake) -> Vec<(String, String)> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    let events = fake.seen().into_iter().map(|seen| seen.json());
    events
        .map(|event| (text(&event, "event_action"), text(&event, "dedup_key")))
        .collect()
}

fn named(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect()
}

#[test]
fn a_life_is_told_in_order_and_once() {
    let fake = fake_pager_duty([]);
    let mut world = World::of(pager(&fake, ""));
    world.publish(&life("inc_1"));
    world.settle();
    let expected = named(&[
        ("trigger", "inc_1"),
        ("trigger", "inc_1"),
        ("trigger", "inc_1"),
        ("acknowledge", "inc_1"),
        ("resolve", "inc_1"),
    ]);
    assert_eq!(actions(&fake), expected);
    assert_eq!(world.position(), 4);
    world.pipeline.take().unwrap().stop().unwrap();
    world.start();
    assert_eq!(fake.seen().len(), 5, "nothing is told twice");
    assert!(
        world.counted("forecall_bridge_events_total{bridge=\"duty\",outcome=\"delivered\"} 4"),
        "{}",
        world.metrics.text()
    );
    assert!(world.letters().is_empty());
}

#[test]
fn what_fails_is_tried_again_and_its_position_waits() {
    let fake = fake_pager_duty([Reply::status(500), Reply::Close, Reply::status(403)]);
    let mut world = World::of(pager(&fake, ""));
    world.publish(&[event(IncidentChange::Predicted, incident("inc_1"))]);
    world.settle();
    assert_eq!((fake.seen().len(), world.position()), (1, 0));
    world.settle();
    assert_eq!(fake.seen().len(), 1, "it waits");
    assert!(world.counted("forecall_bridge_failing{bridge=\"duty\"} 1"));
    for (minute, tries) in [(1, 2), (2, 3)] {
        world.later(at(minute));
        assert_eq!((fake.seen().len(), world.position()), (tries, 0));
    }
    world.later(at(3));
    assert_eq!((fake.seen().len(), world.position()), (4, 1));
    assert!(world.counted("forecall_bridge_failing{bridge=\"duty\"} 0"));
    assert!(world.counted("forecall_bridge_retries_total{bridge=\"duty\",class=\"server\"} 1"));
    assert!(world.letters().is_empty());
}

#[test]
fn a_process_that_dies_meanwhile_leaves_it_to_the_next() {
    let fake = fake_pager_duty([Reply::status(500)]);
    let mut world = World::of(pager(&fake, ""));
    world.publish(&[event(IncidentChange::Predicted, incident("inc_1"))]);
    world.settle();
    drop(world.pipeline.take());
    world.start();
    assert_eq!(
        actions(&fake),
        named(&[("trigger", "inc_1"), ("trigger", "inc_1")])
    );
    assert_eq!(world.position(), 1);
}

#[test]
fn what_is_given_up_is_on_the_dead_letter_topic_and_the_next_one_follows() {
    let fake = fake_pager_duty([Reply::status(503), Reply::status(503), Reply::status(503)]);
    let mut world = World::of(pager(&fake, ", retry: { tries_max: 3 }"));
    world.publish(&[
        event(IncidentChange::Predicted, incident("inc_1")),
        event(IncidentChange::Predicted, incident("inc_2")),
    ]);
    world.settle();
    world.later(at(1));
    assert!(world.letters().is_empty());
    world.later(at(2));
    let letters = world.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reject.reason, RejectReason::Undelivered);
    assert_eq!(
        letters[0].reject.detail,
        "bridge duty (pager_duty): server (HTTP 503); 3 tries in 120 s"
    );
    assert_eq!(
        (letters[0].position.topic.as_ref(), letters[0].position.offset),
        (INCIDENTS, 0)
    );
    assert!(String::from_utf8_lossy(&letters[0].bytes).contains("inc_1"));
    assert_eq!(actions(&fake).last().unwrap().1, "inc_2");
    assert_eq!(world.position(), 2);
}

#[test]
fn time_ends_tries_too_and_each_event_has_one() {
    let fake = fake_pager_duty(vec![Reply::status(500); 5]);
    let mut world = World::of(pager(&fake, ", retry: { give_up_seconds: 90 }"));
    world.publish(&[
        event(IncidentChange::Predicted, incident("inc_1")),
        event(IncidentChange::Predicted, incident("inc_2")),
    ]);
    world.settle();
    world.later(at(2));
    assert_eq!(fake.seen().len(), 3, "two tries of the first, one of the second");
    assert_eq!((world.letters().len(), world.position()), (2, 2));
}

#[test]
fn a_refusal_is_final() {
    let fake = fake_pager_duty([Reply::status(400)]);
    let mut world = World::of(pager(&fake, ""));
    world.publish(&[event(IncidentChange::Predicted, incident("inc_1"))]);
    world.settle();
    assert_eq!(
        (fake.seen().len(), world.letters().len(), world.position()),
        (1, 1, 1)
    );
}

#[test]
fn the_target_says_when() {
    let fake = fake_pager_duty([Reply::after(429, 1_000)]);
    let mut world = World::of(pager(&fake, ""));
    world.publish(&[event(IncidentChange::Predicted, incident("inc_1"))]);
    world.settle();
    world.later(at(0).plus(Duration::from_secs(999)));
    assert_eq!(fake.seen().len(), 1);
    world.later(at(0).plus(Duration::from_secs(1_000)));
    assert_eq!(fake.seen().len(), 2);
    assert_eq!(
        (world.letters().len(), world.position()),
        (0, 1),
        "though ten minutes are over"
    );
}

#[test]
fn simulations_canaries_and_what_cannot_be_read_go_nowhere() {
    let fake = fake_pager_duty([]);
    let mut world = World::of(pager(&fake, ""));
    let simulated = Incident {
        simulated: true,
        ..incident("inc_1")
    };
    let canary = Incident {
        domain: DomainName::new(DomainName::CANARY).unwrap(),
        ..incident("inc_2")
    };
    world.publish(&[
        event(IncidentChange::Predicted, simulated),
        event(IncidentChange::Predicted, canary),
    ]);
    let unreadable = OutRecord::new(INCIDENTS, b"k".to_vec(), b"{".to_vec());
    let transaction = Transaction {
        records: vec![unreadable],
        positions: Vec::new(),
    };
    world.log.writer("world").unwrap().commit(&transaction).unwrap();
    world.settle();
    assert!(fake.seen().is_empty());
    assert_eq!((world.letters().len(), world.position()), (1, 3));
}

#[test]
fn a_dry_run_asks_nobody_and_goes_on() {
    let fake = fake_pager_duty([]);
    let mut world = World::of(pager(&fake, ", dry_run: true"));
    world.publish(&life("inc_1"));
    world.settle();
    assert!(fake.seen().is_empty());
    assert_eq!(world.position(), 4);
}

#[test]
fn a_new_bridge_tells_what_is_open_and_no_history() {
    let fake = fake_pager_duty([Reply::status(500)]);
    let mut world = World::of(pager(&fake, ", dry_run: true"));
    drop(world.pipeline.take());
    // Another name, another group: it has no position.
    let url = fake.url();
    world.settings = settings(&format!(
        "{{ dry_run: true, to: {{ pager_duty: {{ url: '{url}', routing_key: {ROUTING_KEY} }} }} }}\n  night: \
         {{ to: {{ pager_duty: {{ url: '{url}', routing_key: {ROUTING_KEY} }} }} }}"
    ));
    world.publish(&life("inc_over"));
    world.publish(&life("inc_open")[..2]);
    world.publish(&life("inc_taken")[..3]);
    world.start();
    // It dies before all is told: its position doesn't stand.
    drop(world.pipeline.take());
    let place = TopicPartition::new(INCIDENTS, 0);
    let of_night = || {
        world
            .log
            .committed("forecall.bridge.night", std::slice::from_ref(&place))
            .unwrap()
    };
    assert_eq!(of_night()[0], None);
    world.start();
    let expected = named(&[
        ("trigger", "inc_open"),
        ("trigger", "inc_open"),
        ("trigger", "inc_taken"),
        ("acknowledge", "inc_taken"),
    ]);
    assert_eq!(actions(&fake), expected);
    world.publish(&life("inc_open")[3..]);
    world.settle();
    assert_eq!(
        actions(&fake).last().unwrap(),
        &("resolve".to_owned(), "inc_open".to_owned())
    );
}

#[test]
fn an_alert_keeps_its_labels_over_a_restart_and_is_repeated_until_its_end() {
    let fake = Fake::start(|_| Reply::status(200));
    let mut world = World::of(settings(&format!(
        "{{ to: {{ alertmanager: {{ url: '{}' }} }} }}",
        fake.url()
    )));
    let life = life("inc_1");
    world.publish(&life[..1]);
    world.settle();
    let told = fake.seen().len();
    world.later(at(1));
    world.later(at(2));
    assert_eq!(fake.seen().len(), told + 2, "a repeat a minute");
    world.pipeline.take().unwrap().stop().unwrap();
    world.start();
    world.publish(&life[1..3]);
    world.settle();
    world.later(at(63));
    let before = fake.seen().len();
    world.publish(&life[3..]);
    world.settle();
    assert_eq!(fake.seen().len(), before + 1);
    world.later(at(70));
    assert_eq!(fake.seen().len(), before + 1, "what is over is not repeated");
    let alerts: Vec<Value> = fake.seen().iter().map(|seen| seen.json()[0].clone()).collect();
    assert!(
        alerts.iter().all(|a| a["labels"] == alerts[0]["labels"]),
        "{alerts:#?}"
    );
    assert_eq!(alerts[0]["labels"]["severity"], "warning");
    let last = alerts.last().unwrap();
    assert_eq!(last["annotations"]["impact"], "extreme");
    assert_eq!(last["endsAt"], "2026-03-01T09:00:00Z");
    assert_eq!(world.position(), 4);
}
