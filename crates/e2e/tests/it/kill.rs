//! SIGKILL in the middle of a stream, twice: no record is lost, no incident doubled.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::broker::{Writer, committed, create_topics, read_all};
use crate::contract::Contract;
use crate::installation::Installation;
use crate::process::wait_for;

/// The whole test.
const WITHIN: Duration = Duration::from_secs(90);
/// From the last record to the end of what comes of it.
const REST_WITHIN: Duration = Duration::from_secs(45);

const PARTITIONS: i32 = 2;
/// Series, of one host each; those of even number stand on partition 0.
const HOSTS: u64 = 6;
/// Seconds of event time, a sample of each host in each.
const STEPS: u64 = 900;
/// Steps written at once.
const CHUNK: u64 = 10;
/// Between two chunks: the stream takes nine seconds.
const PAUSE: Duration = Duration::from_millis(100);
/// The host that has the trouble, and when.
const HIT: u64 = 2;
const TROUBLE: std::ops::Range<u64> = 400..560;
/// Steps after which the process is killed: with everything calm, and with the anomaly and the incident open.
const KILLS: [u64; 2] = [300, 480];
/// From handing a chunk to the producer to the kill: while the chunk is on its way to the broker and into the program.
const ON_ITS_WAY: Duration = Duration::from_millis(15);
/// The pause of the kill must not make a source idle: from then on time would go by the clock.
const IDLE_SECONDS: u32 = 600;
/// Records that can't be read: after these steps, on partition 1.
const MALFORMED: [u64; 3] = [100, 310, 500];

struct Stream {
    topic: String,
    writer: Writer,
    begin: u64,
}

impl Stream {
    /// Hands over the steps from `first` on to the end of their chunk; doesn't wait for the broker.
    fn put_chunk(&self, first: u64) {
        for step in first..first + CHUNK {
            for host in 0..HOSTS {
                let record = json!({
                    "ts": self.begin + step,
                    "series": "probe.rtt",
                    "value": value(host, step),
                    "labels": {"host.name": format!("h{host}")},
                });
                let partition = i32::from(host % 2 == 1);
                self.writer
                    .put(&self.topic, partition, record.to_string().as_bytes());
            }
            if MALFORMED.contains(&step) {
                self.writer.put(&self.topic, 1, &malformed(step));
            }
        }
    }
}

/// Around 20 ms with some noise; in trouble ten times as much. The same in every run.
fn value(host: u64, step: u64) -> f64 {
    let noise = (host * 7_919 + step * 104_729) % 1_009 * 2_654_435_761 % 1_000;
    let noise = f64::from(u32::try_from(noise).unwrap()) / 1_000.0;
    let level = if host == HIT && TROUBLE.contains(&step) {
        200.0
    } else {
        20.0
    };
    level + noise
}

fn malformed(step: u64) -> Vec<u8> {
    format!("{{\"ts\": {step}, \"series\":").into_bytes()
}

#[test]
fn a_killed_process_goes_on_as_if_nothing_had_happened() {
    let begun = Instant::now();
    let mut calm = Installation::new("calm");
    let mut killed = Installation::new("killed");
    // Both read one topic: what they make of it must then be equal to the last byte.
    let topic = calm.input("samples");
    create_topics(&[(&topic, PARTITIONS)]);
    for house in [&mut calm, &mut killed] {
        configure(house, &topic);
        house.start();
    }
    for house in [&mut calm, &mut killed] {
        house.await_ready();
    }
    println!("both are ready after {:?}", begun.elapsed());
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let stream = Stream {
        topic,
        writer: Writer::new(),
        begin: since.as_secs() - STEPS,
    };
    for first in (0..STEPS).step_by(usize::try_from(CHUNK).unwrap()) {
        stream.put_chunk(first);
        if KILLS.contains(&first) {
            std::thread::sleep(ON_ITS_WAY);
            killed.kill();
            println!(
                "killed at {:?}, committed: {:?}",
                begun.elapsed(),
                positions(&killed, &stream)
            );
            killed.start();
        }
        stream.writer.flush();
        std::thread::sleep(PAUSE);
    }
    let all = STEPS * HOSTS + u64::try_from(MALFORMED.len()).unwrap();
    for house in [&mut calm, &mut killed] {
        await_committed(house, &stream, REST_WITHIN, all);
        await_resolved(house);
    }
    println!("all is read after {:?}", begun.elapsed());
    for house in [&mut calm, &mut killed] {
        let stopped = house.metric("forecall_digest_mismatch_total", &[]);
        assert!(stopped < 0.5, "re-reading gave something else");
        house.stop();
        check_dead_letters(house, &stream);
    }
    assert_eq!(told(&calm), told(&killed), "the incidents' lives differ");
    let (wanted, found) = (anomalies(&calm), anomalies(&killed));
    assert!(
        wanted.keys().any(|series| series.contains("h2")),
        "the trouble is seen: {:?}",
        wanted.keys()
    );
    assert_eq!(wanted, found, "the anomalies differ");
    println!("all of it took {:?}", begun.elapsed());
    assert!(begun.elapsed() < WITHIN, "it took {:?}", begun.elapsed());
}

fn configure(house: &Installation, topic: &str) {
    house.configure(
        IDLE_SECONDS,
        &format!(
            "sources:
  - {{name: probes, topic: {topic}, format: flat_json, keyed: true, time_unit: seconds}}
detect: {{lateness_seconds: 2}}
topology:
  rules: [{{service: internet, region: IR-23}}]
correlate: {{evaluate_every_seconds: 5, predict_for_seconds: 5, resolve_after_seconds: 60}}
objectives:
  - {{metric: probe.rtt, above: 100, for_seconds: 10}}
"
        ),
    );
}

fn positions(house: &Installation, stream: &Stream) -> Vec<i64> {
    committed(&format!("{}.detect", house.name), &stream.topic)
}

fn await_committed(house: &mut Installation, stream: &Stream, within: Duration, records: u64) {
    wait_for(
        &format!("{records} records read by {}", house.name),
        within,
        || {
            house.check_running();
            let read: i64 = positions(house, stream).iter().sum();
            (u64::try_from(read).unwrap() >= records).then_some(())
        },
    );
}

fn await_resolved(house: &mut Installation) {
    let topic = house.topic("incidents");
    let what = format!("the incident's end in {}", house.name);
    wait_for(&what, REST_WITHIN, || {
        house.check_running();
        let events = read_all(&topic);
        events
            .iter()
            .any(|e| e.header("ce_type") == Some("forecall.incident.resolved.v1"))
            .then_some(())
    });
}

fn check_dead_letters(house: &Installation, stream: &Stream) {
    let letters = read_all(&house.topic("dead-letters"));
    let mut found: Vec<_> = letters
        .iter()
        .map(|letter| {
            let place = ["topic", "partition", "offset"].map(|part| {
                letter
                    .header(&format!("forecall_source_{part}"))
                    .unwrap()
                    .to_owned()
            });
            (place, letter.value.clone().unwrap())
        })
        .collect();
    found.sort();
    let planted: BTreeSet<Vec<u8>> = MALFORMED.into_iter().map(malformed).collect();
    let mut wanted: Vec<_> = read_all(&stream.topic)
        .into_iter()
        .filter_map(|r| Some(([r.topic, r.partition.to_string(), r.offset.to_string()], r.value?)))
        .filter(|(_, value)| planted.contains(value))
        .collect();
    wanted.sort();
    assert_eq!(wanted.len(), MALFORMED.len());
    assert_eq!(found, wanted, "{}: each once, with its bytes", house.name);
}

/// What a subscriber has heard: one incident, opened once, no event twice; each event's kind, and all of it that doesn't hang
/// on offsets of the installation's own topics.
fn told(house: &Installation) -> Vec<(String, Value)> {
    let mut contract = Contract::default();
    let (mut ids, mut revisions, mut told) = (BTreeSet::new(), Vec::new(), Vec::new());
    for event in read_all(&house.topic("incidents")) {
        let mut value = contract.check(&event);
        let id = event.header("ce_id").unwrap().to_owned();
        assert!(
            ids.insert(id.clone()),
            "{}: {id} stands twice on the topic",
            house.name
        );
        revisions.push((value["id"].clone(), value["revision"].as_u64().unwrap()));
        let fields = value.as_object_mut().unwrap();
        // Both name topics of the installation's own.
        for own in ["lineage", "settings"] {
            assert!(fields.remove(own).is_some(), "each event has its {own}");
        }
        told.push((event.header("ce_type").unwrap().to_owned(), value));
    }
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    println!("{}: {kinds:?}", house.name);
    let opened: BTreeSet<String> = revisions.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(opened.len(), 1, "{}: {revisions:?}", house.name);
    let wanted: Vec<u64> = (1..).take(revisions.len()).collect();
    let found: Vec<u64> = revisions.into_iter().map(|(_, revision)| revision).collect();
    assert_eq!(found, wanted, "{}: revisions follow each other", house.name);
    told
}

/// What detect has said of each series, in order.
fn anomalies(house: &Installation) -> BTreeMap<String, Vec<Value>> {
    let mut contract = Contract::default();
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in read_all(&house.topic("anomalies")) {
        let value = contract.check(&event);
        if event.header("ce_type").unwrap().starts_with("forecall.anomaly.") {
            all.entry(value["series"].to_string()).or_default().push(value);
        }
    }
    all
}
