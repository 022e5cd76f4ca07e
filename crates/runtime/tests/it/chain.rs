use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_config::Settings;
use forecall_ledger::{DirectoryRow, Secret};
use forecall_log::{InProcess, Log, OutRecord, TopicPartition, TopicSpec, Transaction};
use forecall_observe::{Health, Metrics};
use forecall_runtime::{ManualClock, Pipeline, Roles, Storage, Surroundings, pseudonym_key, topic_specs};
use forecall_types::{ContactChannel, Customer, EventTime, Language, Purpose, RegionCode, ServiceName};
use forecall_wire::event::{DeadLetterRead, decode_call_forecast, decode_incident_event, decode_notice};

pub(super) const START: i64 = 1_767_600_000; // 2026-01-05 08:00 UTC, 11:30 in Tehran: no quiet hours

pub(super) fn settings(folder: &std::path::Path) -> Settings {
    let yaml = format!(
        r"
domain: telecom
allow_literal_secrets: true
topics: {{ partitions: 1, dev: true, replication: 1 }}
sources:
  - {{ topic: telemetry, format: flat_json, keyed: KEYED }}
  - {{ topic: calls, format: asterisk_queue_log, queues: {{ support: support }} }}
topology:
  services: [ {{ name: internet, customer_facing: true }} ]
  regions: [ {{ code: IR-10, names: {{ fa: اصفهان, en: Isfahan }} }} ]
objectives:
  - {{ metric: latency, above: 200, for_seconds: 60 }}
outreach:
  regions: {{ IR-10: {{ name: {{ fa: اصفهان, en: Isfahan }} }} }}
  services: {{ internet: {{ name: {{ fa: اینترنت, en: Internet }} }} }}
  approval: {{ reach_above: 1000, probability_below: 0 }}
  region_is_enough: true
  calls: {{ queues: {{ support: {{ services: [internet] }} }} }}
gateways:
  email: {{ file: '{}/mail.jsonl' }}
ledger:
  master_key: {}
  pseudonym_key: {}
",
        folder.display(),
        "1".repeat(64),
        "2".repeat(64),
    );
    Settings::from_yaml("test", &yaml.replace("KEYED", "true")).unwrap_or_else(|e| panic!("{e}"))
}

pub(super) const CUSTOMERS: u64 = 400;

pub(super) fn row(settings: &Settings, i: u64) -> DirectoryRow {
    let key = pseudonym_key(settings).unwrap().unwrap();
    DirectoryRow {
        customer: Customer {
            id: key.customer(&settings.domain, &format!("+98912{i:07}")),
            domain: settings.domain.clone(),
            region: RegionCode::new("IR-10").unwrap(),
            place: None,
            served_by: [].into(),
            services: [ServiceName::new("internet").unwrap()].into(),
            language: if i.is_multiple_of(4) {
                Language::En
            } else {
                Language::Fa
            },
            channels: vec![ContactChannel::Email],
            consents: [Purpose::ServiceNotice].into(),
            priority: false,
            at: EventTime::from_secs(START),
        },
        name: None,
        addresses: BTreeMap::from([(
            ContactChannel::Email,
            Secret::new(format!("someone{i}@example.com")),
        )]),
    }
}

pub(super) struct Bed {
    log: InProcess,
    clock: Arc<ManualClock>,
    pub(super) metrics: Metrics,
    pub(super) pipeline: Pipeline,
    pub(super) folder: tempfile::TempDir,
    now: i64,
}

impl Bed {
    fn new() -> Self {
        Self::of(Roles::ALL, &Storage::Memory)
    }

    pub(super) fn of(roles: Roles, storage: &Storage) -> Self {
        Self::with(roles, storage, |_| {}, row)
    }

    /// With other settings and other people.
    pub(super) fn with(
        roles: Roles,
        storage: &Storage,
        change: impl FnOnce(&mut Settings),
        row: impl Fn(&Settings, u64) -> DirectoryRow,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path());
        change(&mut settings);
        settings.ledger.path = folder.path().join("ledger.sqlite");
        settings.state.path = folder.path().join("state");
        let log = InProcess::default();
        log.create_topics(&[TopicSpec::new("telemetry", 1), TopicSpec::new("calls", 1)])
            .unwrap();
        log.create_topics(&topic_specs(&settings, &settings.topic_names()))
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
        let mut pipeline = Pipeline::build(&settings, surroundings, roles, storage).unwrap();
        let rows: Vec<_> = (0..CUSTOMERS).map(|i| row(&settings, i)).collect();
        assert_eq!(pipeline.import_directory(rows.clone(), "v1").unwrap(), CUSTOMERS);
        assert_eq!(
            pipeline.import_directory(rows, "v1").unwrap(),
            0,
            "the same file again changes nothing"
        );
        Self {
            log,
            clock,
            metrics,
            pipeline,
            folder,
            now: START,
        }
    }

    fn put(&self, topic: &str, values: &[String]) {
        let records = values
            .iter()
            .map(|v| OutRecord::new(topic, b"k".to_vec(), v.clone().into_bytes()))
            .collect();
        self.log
            .writer("world")
            .unwrap()
            .commit(&Transaction {
                records,
                positions: vec![],
            })
            .unwrap();
    }

    /// Half a minute of telemetry from three cells.
    pub(super) fn step(&mut self, latency: f64) {
        self.now += 30;
        let at = EventTime::from_secs(self.now);
        self.log.set_time(at);
        self.clock.advance_to(at);
        let wobble = f64::from(u32::try_from(self.now % 7).unwrap()) * 0.7;
        let samples: Vec<String> = (0..3)
            .map(|cell| {
                let value = latency + wobble + f64::from(cell);
                format!(
                    r#"{{"ts":{},"series":"latency","value":{value},"labels":{{"service.name":"internet","region":"IR-10","host.name":"c{cell}"}}}}"#,
                    self.now
                )
            })
            .collect();
        self.put("telemetry", &samples);
        self.pipeline.settle().unwrap();
    }

    pub(super) fn read<T>(&self, id: &str, with: impl Fn(&[(&str, &[u8])], &[u8]) -> T) -> Vec<T> {
        let mut found = Vec::new();
        self.log
            .read(&TopicPartition::new(id, 0), 0, &mut |r| {
                if let Some(value) = r.value {
                    found.push(with(r.headers.get(), value));
                }
            })
            .unwrap();
        found
    }

    pub(super) fn incidents(&self) -> Vec<forecall_types::IncidentEvent> {
        self.read("forecall.incidents.v1", |h, v| {
            decode_incident_event(h, v).unwrap()
        })
    }
}

#[test]
fn a_ramp_becomes_one_incident_a_told_customer_and_a_forecast() {
    let mut bed = Bed::new();
    bed.put("telemetry", &["{ not json".to_owned()]);
    for _ in 0..120 {
        bed.step(40.0);
    }
    for i in 0..40 {
        bed.step(40.0 + 10.0 * f64::from(i));
    }
    let calls: Vec<String> = (0..20)
        .map(|i| {
            format!(
                "{}|{}.{i}|support|NONE|ENTERQUEUE||09120000001|1",
                bed.now - 60 + i,
                bed.now
            )
        })
        .collect();
    bed.put("calls", &calls);
    for _ in 0..30 {
        bed.step(430.0);
    }
    for _ in 0..80 {
        bed.step(40.0);
    }
    let changes: Vec<_> = bed.incidents().iter().map(|e| e.change.as_str()).collect();
    let ids: std::collections::BTreeSet<_> = bed.incidents().iter().map(|e| e.incident.id.clone()).collect();
    assert_eq!(ids.len(), 1, "one trouble, one incident: {changes:?}");
    let seen: Vec<_> = changes.iter().filter(|c| **c != "updated").collect();
    assert_eq!(seen, [&"predicted", &"confirmed", &"resolved"], "{changes:?}");

    let notices = bed.read("forecall.notices.v1", |h, v| decode_notice(h, v).unwrap());
    let stages: std::collections::BTreeSet<_> = notices
        .iter()
        .filter(|n| n.intents > 0)
        .map(|n| n.stage.as_str())
        .collect();
    assert!(
        stages.contains("confirmed") && stages.contains("resolved"),
        "{stages:?} {notices:#?}"
    );
    let mails = std::fs::read_to_string(bed.folder.path().join("mail.jsonl")).unwrap();
    assert!(mails.contains("اصفهان"), "{mails}");
    assert!(mails.contains("Isfahan"));
    assert!(!mails.contains("someone1@"), "a sink shows no address");
    let confirmed: Vec<_> = notices
        .iter()
        .filter(|n| n.stage.as_str() == "confirmed")
        .collect();
    assert_eq!(
        confirmed.last().map(|n| n.intents),
        Some(CUSTOMERS),
        "each is told once"
    );

    let forecasts = bed.read("forecall.call-forecasts.v1", |h, v| {
        decode_call_forecast(h, v).unwrap()
    });
    assert!(
        forecasts.iter().any(|f| !f.incidents.is_empty()),
        "{} forecasts",
        forecasts.len()
    );

    let dead = bed.read("forecall.dead-letters.v1", |h, v| {
        DeadLetterRead::decode(h, v).unwrap()
    });
    assert_eq!(dead.len(), 1);
    for id in forecall_types::invariant::InvariantId::ALL {
        assert_eq!(forecall_types::invariant::violations(id), 0, "{}", id.as_str());
    }
    assert_eq!(
        dead.first().map(|d| d.position.topic.to_string()),
        Some("telemetry".to_owned())
    );
}
