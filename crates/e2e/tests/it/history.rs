//! What a topic still holds, replayed; and the demo's day on a real broker.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::broker::{Writer, bootstrap, create_topics, read_all};
use crate::contract::Contract;
use crate::installation::{Installation, binary};
use crate::process::Program;

const IDLE_SECONDS: u32 = 60;
const HOSTS: u64 = 3;
const STEPS: u64 = 600;
/// The host that has the trouble, and when.
const HIT: u64 = 1;
const TROUBLE: std::ops::Range<u64> = 400..460;
const MALFORMED: &[u8] = b"{\"ts\": 1, \"series\":";
/// A day of the demo at full speed: on two busy cores it takes about a minute.
const DEMO_WITHIN: Duration = Duration::from_secs(150);

fn configure(house: &Installation, topic: &str) {
    house.configure(
        IDLE_SECONDS,
        &format!(
            "sources:
  - {{name: probes, topic: {topic}, format: flat_json, keyed: true, time_unit: seconds}}
topology:
  rules: [{{service: internet, region: IR-23}}]
"
        ),
    );
}

fn write(topic: &str) {
    let writer = Writer::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for step in 0..STEPS {
        for host in 0..HOSTS {
            let noise = (host * 7_919 + step * 104_729) % 1_009 * 2_654_435_761 % 1_000;
            let level = if host == HIT && TROUBLE.contains(&step) {
                90_000
            } else {
                20_000
            };
            let record = json!({
                "ts": now - STEPS + step,
                "series": "probe.rtt",
                "value": level + noise,
                "labels": {"host.name": format!("h{host}")},
            });
            let partition = i32::from(host % 2 == 1);
            writer.put(topic, partition, record.to_string().as_bytes());
        }
    }
    writer.put(topic, 0, MALFORMED);
    writer.flush();
}

fn replay(house: &Installation, name: &str, input: &str, chunk: &str) -> BTreeMap<String, Vec<u8>> {
    let out = house.folder.path().join(name);
    let folder = out.to_str().unwrap();
    house.finish(
        name,
        &[
            "replay", "--input", input, "--out", folder, "--chunk", chunk, "--config",
        ],
    );
    files(&out)
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn lines<'f>(files: &'f BTreeMap<String, Vec<u8>>, name: &str) -> Vec<&'f str> {
    std::str::from_utf8(&files[name]).unwrap().lines().collect()
}

#[test]
fn a_topic_is_replayed_to_the_same_bytes() {
    let house = Installation::new("history");
    let topic = house.input("samples");
    create_topics(&[(&topic, 2)]);
    configure(&house, &topic);
    write(&topic);
    let all = replay(&house, "all", &format!("kafka://{topic}"), "4000");
    let again = replay(
        &house,
        "again",
        &format!("kafka://{topic}?from=2026-01-01T00:00:00Z"),
        "97",
    );
    assert_eq!(
        all, again,
        "neither the range that holds all nor the chunks change a byte"
    );
    let manifest: Value = serde_json::from_slice(&all["manifest.json"]).unwrap();
    assert_eq!(manifest["rows_scored"], STEPS * HOSTS, "{manifest}");
    assert_eq!(manifest["rows_bad"], 1, "{manifest}");
    assert_eq!(
        lines(&all, "scores.csv").len() as u64,
        STEPS * HOSTS + 1,
        "and a header"
    );
    let opened: Vec<Value> = lines(&all, "anomalies.jsonl")
        .into_iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|event: &Value| event["type"] == "forecall.anomaly.opened.v1")
        .collect();
    let hit = format!("h{HIT}");
    assert!(
        opened
            .iter()
            .any(|event| event["data"]["series"].to_string().contains(&hit)),
        "the trouble is seen: {opened:?}"
    );
    let none = replay(
        &house,
        "none",
        &format!("kafka://{topic}?to=2026-01-01T00:00:00Z"),
        "4000",
    );
    assert_eq!(
        lines(&none, "scores.csv").len(),
        1,
        "only the header: nothing was taken then"
    );
}

#[test]
fn the_demo_runs_on_a_broker() {
    let house = Installation::new("demo");
    let out = house.folder.path().join("demo");
    let mut command = Command::new(binary());
    command
        .args([
            "demo",
            "--kafka",
            &bootstrap(),
            "--speed",
            "max",
            "--customers",
            "500",
        ])
        .args(["--hours", "14", "--plain", "--no-http", "--out"])
        .arg(&out);
    let mut demo = Program::start("demo", &mut command, house.folder.path());
    assert!(demo.wait(DEMO_WITHIN).success(), "{}", demo.output());
    let output = demo.output();
    println!("{output}");
    let topic = output
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .find(|word| word.ends_with("forecall.incidents.v1"))
        .unwrap_or_else(|| panic!("it says where its incidents are:\n{output}"));
    let mut contract = Contract::default();
    let mut kinds = Vec::new();
    for event in read_all(topic) {
        contract.check(&event);
        kinds.push(event.header("ce_type").unwrap().to_owned());
    }
    for kind in ["predicted", "confirmed", "resolved"] {
        let wanted = format!("forecall.incident.{kind}.v1");
        assert!(kinds.contains(&wanted), "{kinds:?}");
    }
}
