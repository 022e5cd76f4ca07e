//! Input made to hurt, beside telemetry that matters: memory stays bounded, nothing of it is lost in silence, and what is
//! said of the telemetry is what is said without it.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::broker::{Writer, create_topics, read_all};
use crate::installation::Installation;
use crate::process::wait_for;

const PARTITIONS: i32 = 2;
/// Series that matter, of one host each; those of even number stand on partition 0.
const HOSTS: u64 = 6;
const STEPS: u64 = 400;
/// The host that has the trouble, and when: in the middle of the flood.
const HIT: u64 = 2;
const TROUBLE: std::ops::Range<u64> = 300..360;
/// Steps in which new names come, and how many in each.
const FLOOD: std::ops::Range<u64> = 100..350;
const NAMES_A_STEP: u64 = 400;
const NAMES: u64 = (FLOOD.end - FLOOD.start) * NAMES_A_STEP;
const SERIES_MAX: u64 = 1_000;
const IDLE_SECONDS: u32 = 600;
const WITHIN: Duration = Duration::from_secs(60);
/// What the process may take beyond one that reads the same telemetry without the bombs. The largest part of it are records
/// of ten MiB that the client library unpacks before anybody can refuse them.
const MEMORY_MIB: f64 = 384.0;

/// Unpacked size of a record that is a few hundred bytes on the broker.
const ZEROS: usize = 10 << 20;
const ZERO_RECORDS: u64 = 16;

fn configure(house: &Installation, samples: &str, packed: &str) {
    house.configure(
        IDLE_SECONDS,
        &format!(
            "sources:
  - {{name: probes, topic: {samples}, format: flat_json, keyed: true, time_unit: seconds}}
  - {{name: packed, topic: {packed}, format: otlp_proto, keyed: true}}
detect: {{lateness_seconds: 2, series_max: {SERIES_MAX}}}
topology:
  rules: [{{service: internet, region: IR-23}}]
"
        ),
    );
}

fn sample(series: &str, host: &str, at: u64, value: u64) -> String {
    json!({"ts": at, "series": series, "value": value, "labels": {"host.name": host}}).to_string()
}

/// The telemetry that matters; with `bombs` the flood of names between its records.
fn write(topic: &str, begin: u64, bombs: bool) {
    let writer = Writer::new();
    for step in 0..STEPS {
        for host in 0..HOSTS {
            let noise = (host * 7_919 + step * 104_729) % 1_009 * 2_654_435_761 % 1_000;
            let level = if host == HIT && TROUBLE.contains(&step) {
                90_000
            } else {
                20_000
            };
            let record = sample("probe.rtt", &format!("h{host}"), begin + step, level + noise);
            writer.put(topic, i32::from(host % 2 == 1), record.as_bytes());
        }
        if bombs && FLOOD.contains(&step) {
            for name in 0..NAMES_A_STEP {
                let record = sample("bomb", &format!("b{step}-{name}"), begin + step, name);
                writer.put(topic, i32::from(name % 2 == 1), record.as_bytes());
            }
            // The producer's queue holds no more than so many.
            writer.flush();
        }
    }
    writer.flush();
}

/// Records that hurt to read: what each is, and its bytes.
fn deep() -> Vec<Vec<u8>> {
    let mut nested = b"{\"ts\":1,\"series\":\"x\",\"value\":1,\"labels\":".to_vec();
    nested.extend(b"{\"a\":".repeat(150_000));
    let mut closed = nested.clone();
    closed.extend(b"1".iter().chain(&b"}".repeat(150_001)));
    vec![b"[".repeat(900_000), nested, closed]
}

/// Unknown fields in OTLP: many tiny ones, and groups in groups.
fn unknown_fields() -> Vec<Vec<u8>> {
    vec![
        // Field 1,000, a varint; a length of zero; a group that never ends.
        [0xc0, 0x3e, 0x01].repeat(300_000),
        [0xc2, 0x3e, 0x00].repeat(300_000),
        [0xc3, 0x3e].repeat(400_000),
        // Within the resource metrics (field 1), two bytes each.
        [0x0a, 0x00].repeat(450_000),
    ]
}

/// Puts all that hurts on the topics, but for the flood; gives how many records each got.
fn drop_bombs(samples: &str, packed: &str) -> (u64, u64) {
    let zeros = Writer::packing(ZEROS);
    for _ in 0..ZERO_RECORDS {
        zeros.put(samples, 0, &vec![0; ZEROS]);
    }
    zeros.flush();
    let writer = Writer::new();
    let (deep, unknown) = (deep(), unknown_fields());
    for (number, record) in (0..).zip(&deep) {
        writer.put(samples, number % PARTITIONS, record);
    }
    for record in &unknown {
        writer.put(packed, 0, record);
    }
    writer.flush();
    let count = |records: &[Vec<u8>]| u64::try_from(records.len()).unwrap();
    (ZERO_RECORDS + count(&deep), count(&unknown))
}

fn read(house: &mut Installation, topic: &str) -> f64 {
    house.metric(
        "forecall_records_total",
        &["stage=\"detect\"", &format!("topic=\"{topic}\"")],
    )
}

#[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn await_read(house: &mut Installation, topic: &str, records: u64) {
    let wanted = records as f64;
    wait_for(&format!("{records} records of {topic}"), WITHIN, || {
        (read(house, topic) > wanted - 0.5).then_some(())
    });
}

fn peak_mib(house: &mut Installation) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", house.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
    kib / 1_024.0
}

/// What was said of the telemetry that matters, but where its records stood.
fn told(house: &Installation) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    for read in read_all(&house.topic("anomalies")) {
        let is_anomaly = read
            .header("ce_type")
            .is_some_and(|t| t.starts_with("forecall.anomaly."));
        if !is_anomaly {
            continue;
        }
        let mut event: Value = serde_json::from_slice(read.value.as_deref().unwrap()).unwrap();
        let series = event["series"].to_string();
        assert!(
            series.contains("probe.rtt"),
            "a name of the flood is told: {series}"
        );
        let fields = event.as_object_mut().unwrap();
        fields.remove("lineage");
        told.insert(event.to_string());
    }
    told
}

#[test]
#[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn bombs_cost_bounded_memory_and_change_nothing_of_what_is_told() {
    let begin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - STEPS;
    let mut calm = Installation::new("unbombed");
    let mut bombed = Installation::new("bombed");
    let mut peaks = Vec::new();
    for (house, bombs) in [(&mut calm, false), (&mut bombed, true)] {
        let (samples, packed) = (house.input("samples"), house.input("packed"));
        create_topics(&[(&samples, PARTITIONS), (&packed, 1)]);
        configure(house, &samples, &packed);
        house.start();
        house.await_ready();
        let (mut samples_sent, mut packed_sent) = (STEPS * HOSTS, 0);
        if bombs {
            let (to_samples, to_packed) = drop_bombs(&samples, &packed);
            samples_sent += to_samples + NAMES;
            packed_sent += to_packed;
        }
        write(&samples, begin, bombs);
        await_read(house, &samples, samples_sent);
        await_read(house, &packed, packed_sent);
        peaks.push(peak_mib(house));
    }
    println!(
        "memory at most: {:.0} MiB without, {:.0} MiB with bombs",
        peaks[0], peaks[1]
    );
    assert!(peaks[1] < peaks[0] + MEMORY_MIB, "{peaks:?} MiB");
    // Each name of the flood is held or refused and counted: no more series were held than may be.
    let held = SERIES_MAX * u64::try_from(PARTITIONS).unwrap() - HOSTS;
    let refused = bombed.metric(
        "forecall_rejects_total",
        &["stage=\"detect\"", "reason=\"series_limit\""],
    );
    assert!((refused - (NAMES - held) as f64).abs() < 0.5, "{refused} refused");
    let too_large = bombed.metric(
        "forecall_rejects_total",
        &["stage=\"detect\"", "reason=\"too_large\""],
    );
    assert!(too_large > ZERO_RECORDS as f64 - 0.5, "{too_large} too large");
    for house in [&mut calm, &mut bombed] {
        house.stop();
    }
    let letters = read_all(&bombed.topic("dead-letters"));
    assert!(
        letters.len() as u64 >= ZERO_RECORDS + 3,
        "{} dead letters",
        letters.len()
    );
    let (wanted, found) = (told(&calm), told(&bombed));
    assert!(!wanted.is_empty(), "the trouble is seen");
    assert_eq!(wanted, found, "the bombs changed what is told");
}
