//! Traces and metrics in, one incident for a fault in a chain out, with the way from its cause; no topology is declared.

use std::sync::Arc;

use forecall_config::Settings;
use forecall_log::{InProcess, Log, OutRecord, TopicPartition, TopicSpec, Transaction};
use forecall_observe::{Health, Metrics};
use forecall_runtime::{ManualClock, Pipeline, Roles, Storage, Surroundings, topic_specs};
use forecall_types::{EventTime, IncidentEvent};
use forecall_wire::event::{decode_incident_event, decode_service};

const START: i64 = 1_767_600_000;
/// From what customers use down to the database.
const CHAIN: [&str; 3] = ["web", "cart", "db"];

fn settings() -> Settings {
    let yaml = r#"
domain: shop
topics: { partitions: 1, dev: true, replication: 1 }
sources:
  - { topic: telemetry, format: flat_json }
  - { topic: traces, format: otlp_traces }
objectives:
  - { metric: "*duration", above: 200, for_seconds: 60 }
"#;
    Settings::from_yaml("test", yaml).unwrap_or_else(|e| panic!("{e}"))
}

struct Bed {
    log: InProcess,
    clock: Arc<ManualClock>,
    pipeline: Pipeline,
    now: i64,
    spans: u64,
}

impl Bed {
    fn new() -> Self {
        let settings = settings();
        let log = InProcess::default();
        log.create_topics(&[TopicSpec::new("telemetry", 1), TopicSpec::new("traces", 1)])
            .unwrap();
        log.create_topics(&topic_specs(&settings, &settings.topic_names()))
            .unwrap();
        log.set_time(EventTime::from_secs(START));
        let clock = Arc::new(ManualClock::at(EventTime::from_secs(START)));
        let surroundings = Surroundings {
            log: Arc::new(log.clone()),
            clock: Arc::clone(&clock) as Arc<_>,
            metrics: Metrics::new(),
            health: Health::default(),
            slot: 0,
            scores: None,
            peers: None,
        };
        let roles = Roles {
            detect: true,
            correlate: true,
            ..Roles::NONE
        };
        let pipeline = Pipeline::build(&settings, surroundings, roles, &Storage::Memory).unwrap();
        Self {
            log,
            clock,
            pipeline,
            now: START,
            spans: 0,
        }
    }

    fn put(&self, topic: &str, values: &[String]) {
        let record = |value: &String| OutRecord::new(topic, b"k".to_vec(), value.clone().into_bytes());
        let records = values.iter().map(record).collect();
        let transaction = Transaction {
            records,
            positions: vec![],
        };
        self.log.writer("world").unwrap().commit(&transaction).unwrap();
    }

    /// A request through the whole chain: what is called is told before who called it.
    fn request(&mut self) {
        let span = |service: &str, id: u64, parent: u64, kind: u8, at: i64| {
            format!(
                r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{service}"}}}}]}},"scopeSpans":[{{"spans":[
                {{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"{id:016x}","parentSpanId":"{parent:016x}","kind":{kind},"startTimeUnixNano":"{at}000000000"}}]}}]}}]}}"#
            )
        };
        let mut records = Vec::new();
        for pair in CHAIN.windows(2) {
            let [caller, callee] = pair else { continue };
            let client = self.spans + 1;
            records.push(span(callee, client + 1, client, 2, self.now));
            records.push(span(caller, client, client + 1_000_000, 3, self.now));
            self.spans += 2;
        }
        self.put("traces", &records);
    }

    /// Half a minute; how long each of the chain takes, in milliseconds.
    fn step(&mut self, takes: [f64; 3]) {
        self.now += 30;
        let at = EventTime::from_secs(self.now);
        self.log.set_time(at);
        self.clock.advance_to(at);
        let wobble = f64::from(u32::try_from(self.now % 7).unwrap()) * 0.7;
        let samples: Vec<String> = CHAIN
            .iter()
            .zip(takes)
            .map(|(service, takes)| {
                format!(
                    r#"{{"ts":{},"series":"{service}.duration","value":{},"labels":{{"service.name":"{service}","region":"IR-10"}}}}"#,
                    self.now,
                    takes + wobble
                )
            })
            .collect();
        self.put("telemetry", &samples);
        self.pipeline.settle().unwrap();
    }

    fn read<T>(&self, topic: &str, with: impl Fn(&[(&str, &[u8])], &[u8]) -> T) -> Vec<T> {
        let mut found = Vec::new();
        self.log
            .read(&TopicPartition::new(topic, 0), 0, &mut |r| {
                if let Some(value) = r.value {
                    found.push(with(r.headers.get(), value));
                }
            })
            .unwrap();
        found
    }

    fn incidents(&self) -> Vec<IncidentEvent> {
        self.read("forecall.incidents.v1", |h, v| {
            decode_incident_event(h, v).unwrap()
        })
    }
}

/// The services of each incident, and the way of the cause in its last event.
fn told(traced: bool) -> Vec<(Vec<String>, String)> {
    let mut bed = Bed::new();
    for i in 0..120 {
        if traced && i < 8 {
            bed.request();
        }
        bed.step([90.0, 60.0, 20.0]);
    }
    if traced {
        let said = bed.read("forecall.topology.v1", |h, v| decode_service(h, v).unwrap());
        let pairs: Vec<String> = said
            .iter()
            .map(|s| {
                let needs: Vec<&str> = s.depends_on.iter().map(|n| n.as_str()).collect();
                format!("{} > {}", s.service, needs.join("+"))
            })
            .collect();
        assert_eq!(pairs, ["web > cart", "cart > db"], "each once");
    }
    for _ in 0..40 {
        bed.step([490.0, 460.0, 420.0]);
    }
    let mut last = std::collections::BTreeMap::new();
    for event in bed.incidents() {
        last.insert(event.incident.id.clone(), event.incident);
    }
    last.into_values()
        .map(|incident| {
            let services = incident.scope.services.iter().map(ToString::to_string);
            let path = incident.causes.first().map(|cause| {
                let path: Vec<&str> = cause.path.iter().map(AsRef::as_ref).collect();
                path.join(" > ")
            });
            (services.collect(), path.unwrap_or_default())
        })
        .collect()
}

#[test]
fn traces_alone_make_one_incident_of_a_fault_in_a_chain() {
    assert_eq!(told(false).len(), 3, "nothing is known of who needs whom");
    assert_eq!(
        told(true),
        [(vec!["web".to_owned()], "db > cart > web".to_owned())]
    );
}
