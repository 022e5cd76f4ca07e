//! The whole way on real input: collectd and OTLP on Kafka in; an incident, mails and a call forecast out.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::broker::{Read, Reader, Writer, create_topics, read_all, topics_of};
use crate::contract::Contract;
use crate::cpu_hog::CpuHog;
use crate::installation::Installation;
use crate::mail::{Letter, MailServer};
use crate::process::wait_for;
use crate::{collectd, telemetry};

/// The whole test.
const WITHIN: Duration = Duration::from_secs(150);
/// From the hog's start to a confirmed incident: a few readings, and the time it must last.
const INCIDENT_WITHIN: Duration = Duration::from_secs(75);
/// From there to everything else.
const AFTER_WITHIN: Duration = Duration::from_secs(30);
/// Soon enough to be seen within the test.
const IDLE_SECONDS: u32 = 5;
/// Readings before the hog. With so few, no deviation is as rare as the scores of a long history can say: the test's
/// configuration opens at lower ones.
const READINGS: usize = 40;
/// What customers are taken to feel: processors that have nothing left, or (where that is nothing new, because the machine
/// builds something) a run queue that only the hog makes so long.
const OBJECTIVES: &str = "
  - {metric: collectd.cpu.percent, above: 90, for_seconds: 3}
  - {metric: collectd.processes.ps_state, above: 16, for_seconds: 3}";

const MALFORMED: &[u8] = b"{\"host\":\"e2e-host\",\"values\":[1,\xff\x00 and then nothing";
/// One of the seeded numbers stands in it.
const MALFORMED_CALL: &[u8] = b"yesterday at noon 09121234567 called about something";

/// A customer of the directory.
struct Seeded {
    region: &'static str,
    language: &'static str,
    consents: &'static str,
    name: &'static str,
    phone: &'static str,
    email: &'static str,
}

/// Told, told, lives elsewhere, hasn't agreed.
const CUSTOMERS: [Seeded; 4] = [
    seeded(
        "IR-23",
        "fa",
        "service_notice",
        "Zohreh Seededi",
        "09121234567",
        "zohreh.fa@example.com",
    ),
    seeded(
        "IR-23",
        "en",
        "service_notice",
        "Peter Seedman",
        "09121234568",
        "peter.en@example.com",
    ),
    seeded(
        "IR-07",
        "fa",
        "service_notice",
        "Reza Seedvand",
        "09121234569",
        "reza.elsewhere@example.com",
    ),
    seeded(
        "IR-23",
        "en",
        "marketing",
        "Jane Seedless",
        "09121234570",
        "jane.no@example.com",
    ),
];

const fn seeded(
    region: &'static str,
    language: &'static str,
    consents: &'static str,
    name: &'static str,
    phone: &'static str,
    email: &'static str,
) -> Seeded {
    Seeded {
        region,
        language,
        consents,
        name,
        phone,
        email,
    }
}

/// The topics that the world around forecall writes.
struct Inputs {
    collectd: String,
    otlp: String,
    otlp_logs: String,
    otlp_json: String,
    calls: String,
}

impl Inputs {
    fn create(house: &Installation) -> Self {
        let inputs = Self {
            collectd: house.input("collectd"),
            otlp: house.input("otlp"),
            otlp_logs: house.input("otlp-logs"),
            otlp_json: house.input("otlp-json"),
            calls: house.input("calls"),
        };
        let Self {
            collectd,
            otlp,
            otlp_logs,
            otlp_json,
            calls,
        } = &inputs;
        create_topics(&[
            (collectd, 2),
            (otlp, 2),
            (otlp_logs, 1),
            (otlp_json, 1),
            (calls, 1),
        ]);
        inputs
    }
}

#[test]
fn real_telemetry_becomes_an_incident_mails_and_a_call_forecast() {
    let begun = Instant::now();
    let mut house = Installation::new("real");
    let inputs = Inputs::create(&house);
    let mails = MailServer::start(house.folder.path());
    configure(&house, &inputs, mails.smtp_port);
    let mut collectd = collectd::start(&inputs.collectd, &house.folder);
    house.start();
    house.await_ready();
    println!("ready after {:?}", begun.elapsed());
    write_inputs(&inputs);
    await_readings(&inputs.collectd);
    collectd.check_running();

    let hog = CpuHog::start(house.folder.path());
    let incident = confirmed(&mut house, &inputs.collectd);
    println!("confirmed after {:?}", begun.elapsed());
    check_mails(&mails);
    drop(hog);
    let forecasts = house.topic("call-forecasts");
    Reader::new(&forecasts).find("a forecast", AFTER_WITHIN, |_| true);
    check_notice(&house, &incident);
    check_dead_letters(&house, &inputs);
    let metrics = check_metrics(&mut house, &inputs);
    house.stop();
    check_contract(&house);
    check_no_personal_data(&house, &inputs, &metrics);
    println!("all of it took {:?}", begun.elapsed());
    assert!(begun.elapsed() < WITHIN, "it took {:?}", begun.elapsed());
}

fn configure(house: &Installation, inputs: &Inputs, smtp_port: u16) {
    // The first two come by a topic, the others by a file.
    let mut files = ["id,region,services,language,channels,consents,name,sms,email\n"; 2].map(str::to_owned);
    for (number, c) in CUSTOMERS.iter().enumerate() {
        files[number / 2].push_str(&format!(
            "customer-{number},{},internet,{},email,{},{},{},{}\n",
            c.region, c.language, c.consents, c.name, c.phone, c.email
        ));
    }
    let [by_topic, by_file] = files;
    let by_topic = house.folder.write("by-topic.csv", &by_topic);
    let by_file = house.folder.write("customers.csv", &by_file);
    let topic = house.input("customers");
    let Inputs {
        collectd,
        otlp,
        otlp_logs,
        otlp_json,
        calls,
    } = inputs;
    house.configure(
        IDLE_SECONDS,
        &format!(
            "sources:
  - {{name: collectd, topic: {collectd}, format: collectd_json}}
  - {{name: otlp, topic: {otlp}, format: otlp_proto}}
  - {{name: otlp-logs, topic: {otlp_logs}, format: auto}}
  - {{name: otlp-json, topic: {otlp_json}, format: otlp_json}}
  - {{name: calls, topic: {calls}, format: asterisk_queue_log, queues: {{support: support}}}}
detect:
  lateness_seconds: 2
  window_seconds: 120
  update_seconds: 2
  refractory_seconds: 5
  open_score: 2.5
  open_at_once_score: 4
  close_score: 1.5
  learn_below_score: 2
topology:
  rules: [{{service: internet, region: IR-23}}]
correlate:
  evaluate_every_seconds: 1
  predict_for_seconds: 1
  update_every_seconds: 10
objectives:{OBJECTIVES}
outreach:
  quiet: {{from: \"00:00\", until: \"00:00\"}}
  approval: {{reach_above: 1000000}}
  services: {{internet: {{name: {{fa: اینترنت, en: internet}}}}}}
  regions: {{IR-23: {{name: {{fa: تهران, en: Tehran}}}}}}
  calls: {{interval_minutes: 5}}
directory: {{file: \"{}\", topic: {topic}}}
gateways:
  email: {{smtp: {{host: 127.0.0.1, port: {smtp_port}, tls: none, from: \"Forecall <notices@example.org>\"}}}}
",
            by_file.display()
        ),
    );
    let published = house.finish(
        "publish",
        &["directory", "publish", by_topic.to_str().unwrap(), "--config"],
    );
    assert!(published.contains("2 customers published"), "{published}");
}

fn write_inputs(inputs: &Inputs) {
    let writer = Writer::new();
    writer.put(&inputs.collectd, 0, MALFORMED);
    writer.put(&inputs.otlp, 0, &telemetry::proto_of_now(telemetry::METRICS));
    writer.put(&inputs.otlp, 1, &telemetry::proto_of_now(telemetry::METRICS));
    writer.put(&inputs.otlp_logs, 0, &telemetry::proto_of_now(telemetry::LOGS));
    writer.put(
        &inputs.otlp_json,
        0,
        telemetry::json_of_now(telemetry::METRICS_JSON).as_bytes(),
    );
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    for call in 0..12 {
        // Over the last forty minutes: a forecast needs intervals that have ended.
        let at = since.as_secs() - 2_400 + 200 * call;
        let phone = CUSTOMERS[0].phone;
        let lines = format!(
            "{at}|call-{call}|support|NONE|ENTERQUEUE||{phone}|1\n{}|call-{call}|support|Agent/7|CONNECT|4|x|2\n",
            at + 4
        );
        writer.put(&inputs.calls, 0, lines.as_bytes());
    }
    writer.put(&inputs.calls, 0, MALFORMED_CALL);
    writer.flush();
}

fn holds(record: &Read, text: &[u8]) -> bool {
    record.value.as_deref().is_some_and(|value| contains(value, text))
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// Waits until collectd has sent enough for the detector to know what is normal.
fn await_readings(topic: &str) {
    let mut reader = Reader::new(topic);
    wait_for("collectd's readings", Duration::from_secs(60), || {
        let readings = reader.look().iter().filter(|r| holds(r, b"\"plugin\":\"cpu\""));
        (readings.count() >= READINGS).then_some(())
    });
}

/// The confirmed incident, as a subscriber sees it.
fn confirmed(house: &mut Installation, telemetry: &str) -> Value {
    let topic = house.topic("incidents");
    let mut reader = Reader::new(&topic);
    let event = wait_for("a confirmed incident", INCIDENT_WITHIN, || {
        house.check_running();
        let mut events = reader.look().iter();
        events
            .find(|e| e.header("ce_type") == Some("forecall.incident.confirmed.v1"))
            .cloned()
    });
    let incident = Contract::default().check(&event);
    let id = incident["id"].as_str().unwrap().to_owned();
    assert_eq!(event.key, id.as_bytes(), "the key is the incident");
    assert_eq!(event.header("ce_subject"), Some(id.as_str()));
    assert_eq!(incident["state"], "confirmed");
    assert_eq!(incident["scope"]["services"], serde_json::json!(["internet"]));
    assert_eq!(incident["scope"]["regions"], serde_json::json!(["IR-23"]));
    assert_eq!(incident["simulated"], false);
    assert!(
        incident["lineage"]
            .to_string()
            .contains(&format!("\"{telemetry}\"")),
        "the lineage names the records it came from: {}",
        incident["lineage"]
    );
    incident
}

fn is_persian(text: &str) -> bool {
    text.chars().any(|c| ('\u{600}'..='\u{6ff}').contains(&c))
}

fn check_mails(mails: &MailServer) {
    let [persian, english, elsewhere, refused] = &CUSTOMERS;
    let first = |c: &Seeded| -> Letter {
        wait_for(&format!("the mail in {}", c.language), AFTER_WITHIN, || {
            mails.letters(c.email).into_iter().next()
        })
    };
    for customer in [persian, english] {
        let letter = first(customer);
        assert!(letter.to.contains(customer.email), "To: {}", letter.to);
        for text in [&letter.subject, &letter.body] {
            assert!(!text.trim().is_empty(), "{}", letter.source);
            assert_eq!(is_persian(text), customer.language == "fa", "{text}");
        }
        println!("{}: {}\n{}", customer.language, letter.subject, letter.body);
    }
    for customer in [elsewhere, refused] {
        assert_eq!(
            mails.letters(customer.email).len(),
            0,
            "{} isn't told",
            customer.name
        );
    }
}

/// The notice of it is published, in words of both languages.
fn check_notice(house: &Installation, incident: &Value) {
    let id = incident["id"].as_str().unwrap();
    let topic = house.topic("notices");
    let notice = Reader::new(&topic).find("the notice", AFTER_WITHIN, |event| {
        let value: Value =
            serde_json::from_slice(event.value.as_deref().unwrap_or_default()).unwrap_or_default();
        value["incident"] == *id && value["stage"] == "confirmed"
    });
    Contract::default().check(&notice);
}

fn check_dead_letters(house: &Installation, inputs: &Inputs) {
    let topic = house.topic("dead-letters");
    let of = |source: &str| {
        let mut reader = Reader::new(&topic);
        reader.find("the dead letter", AFTER_WITHIN, |letter| {
            letter.header("forecall_source_topic") == Some(source)
        })
    };
    for (source, bytes, personal) in [
        (&inputs.collectd, MALFORMED, false),
        (&inputs.calls, MALFORMED_CALL, true),
    ] {
        let letter = of(source);
        let original = read_all(source)
            .into_iter()
            .find(|r| r.value.as_deref() == Some(bytes))
            .unwrap();
        let number = |name: &str| letter.header(name).and_then(|text| text.parse().ok());
        assert_eq!(
            number("forecall_source_partition"),
            Some(i64::from(original.partition))
        );
        assert_eq!(number("forecall_source_offset"), Some(original.offset));
        assert_eq!(
            number("forecall_original_length"),
            i64::try_from(bytes.len()).ok()
        );
        assert_eq!(
            letter.header("forecall_personal"),
            Some(if personal { "true" } else { "false" })
        );
        let kept: &[u8] = if personal { b"" } else { bytes };
        assert_eq!(letter.value.as_deref(), Some(kept), "{source}");
    }
    let all = read_all(&topic);
    let sources: Vec<_> = all
        .iter()
        .filter_map(|l| l.header("forecall_source_topic"))
        .collect();
    assert_eq!(sources.len(), 2, "nothing else was refused: {sources:?}");
}

fn check_metrics(house: &mut Installation, inputs: &Inputs) -> String {
    let metrics = house.metrics();
    let topics = [
        (&inputs.collectd, 100.0),
        (&inputs.otlp, 2.0),
        (&inputs.otlp_logs, 1.0),
        (&inputs.otlp_json, 1.0),
        (&inputs.calls, 13.0),
    ];
    for (topic, least) in topics {
        let count = house.metric("forecall_records_total", &[&format!("topic=\"{topic}\"")]);
        assert!(count >= least, "{count} records of {topic}\n{metrics}");
    }
    for (name, labels, least) in [
        ("forecall_incidents_total", &["change=\"confirmed\""][..], 1.0),
        ("forecall_notices_total", &["stage=\"confirmed\""], 1.0),
        ("forecall_call_forecasts_total", &["queue=\"support\""], 1.0),
        ("forecall_dead_letters_total", &[], 2.0),
        ("forecall_record_to_incident_seconds_count", &[], 1.0),
    ] {
        let count = house.metric(name, labels);
        assert!(count >= least, "{name} {labels:?} is {count}\n{metrics}");
    }
    let violations = house.metric("forecall_invariant_violations_total", &[]);
    assert!(violations < 0.5, "{violations} invariants are broken\n{metrics}");
    metrics
}

/// Every event on every topic keeps the contract.
fn check_contract(house: &Installation) {
    let mut contract = Contract::default();
    let samples = house.topic("samples");
    for topic in topics_of(&format!("{}.forecall.", house.name)) {
        let records = read_all(&topic);
        println!("{topic}: {} records", records.len());
        // The samples are in an internal form; a tombstone of a state topic has no value.
        for record in records.iter().filter(|r| r.topic != samples && r.value.is_some()) {
            contract.check(record);
        }
    }
}

/// Neither address nor number nor name of a customer leaves the ledger, and there they are encrypted.
fn check_no_personal_data(house: &Installation, inputs: &Inputs, metrics: &str) {
    let mut seeds: Vec<String> = Vec::new();
    for c in &CUSTOMERS {
        // However the number is written.
        let national = c.phone.trim_start_matches('0').to_owned();
        seeds.extend([c.email.to_owned(), c.name.to_owned(), national]);
    }
    let check = |place: &str, bytes: &[u8]| {
        for seed in &seeds {
            assert!(
                !contains(bytes, seed.as_bytes()),
                "{place} holds a seeded address, number or name"
            );
        }
    };
    for topic in topics_of(&format!("{}.", house.name)) {
        // What the switchboard itself wrote.
        if topic == inputs.calls {
            continue;
        }
        for record in read_all(&topic) {
            check(&topic, &record.bytes());
        }
    }
    check("the log output", house.output().as_bytes());
    check("/metrics", metrics.as_bytes());
    for file in std::fs::read_dir(house.folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("ledger.sqlite")
        {
            check("the ledger", &std::fs::read(&path).unwrap());
        }
    }
}
