//! What an operator does: a wrong topic is refused with the remedy, the books are recounted, a partition is reset, a topic
//! that has grown is taken on, a canary flies, and a dead man's switch sees a process that stands still.

mod books;
mod canary;
mod grown;
mod topics;

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::broker::{Writer, committed, create_topics};
use crate::installation::{Installation, binary};
use crate::process::{Program, wait_for};

const SHORT: Duration = Duration::from_secs(30);
const REFUSED: i32 = 78;

fn command(house: &Installation, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .current_dir(house.folder.path())
        .env("FORECALL_CONFIG", house.folder.path().join("forecall.yaml"))
        .env("FORECALL_E2E_MASTER_KEY", "5e".repeat(32))
        .env("FORECALL_E2E_PSEUDONYM_KEY", "a7".repeat(32));
    command
}

/// Runs the binary to its end: exit code and what it said.
fn run(house: &Installation, arguments: &[&str]) -> (i32, String) {
    let output = command(house, arguments).output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.code().unwrap_or(-1), text)
}

fn as_json(text: &str) -> Value {
    let line = text.lines().find(|line| line.starts_with('{'));
    serde_json::from_str(line.unwrap_or_else(|| panic!("no JSON: {text}"))).unwrap()
}

/// An installation that reads a keyed topic of two partitions, and that topic.
fn probed(name: &str, rest: &str) -> (Installation, String) {
    let house = Installation::new(name);
    let topic = configure(&house, rest);
    create_topics(&[(&topic, 2)]);
    (house, topic)
}

fn configure(house: &Installation, rest: &str) -> String {
    let topic = house.input("probes");
    house.configure(
        5,
        &format!(
            "sources: [{{name: probes, topic: {topic}, format: flat_json, keyed: true, time_unit: seconds}}]
detect: {{lateness_seconds: 2}}
topology: {{rules: [{{match: {{host.name: '*'}}, service: internet, region: IR-23}}]}}
objectives: [{{metric: probe.rtt, above: 100, for_seconds: 30}}]
{rest}"
        ),
    );
    topic
}

/// Calm samples of four hosts, and here and there a record that can't be read. Gives how many of each.
fn feed(topic: &str, steps: u64) -> (u64, u64) {
    let writer = Writer::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (mut good, mut bad) = (0, 0);
    for step in 0..steps {
        for host in 0..4 {
            let sample = json!({
                "ts": now - steps + step, "series": "probe.rtt", "value": 20 + (step * 7 + host) % 5,
                "labels": {"host.name": format!("h{host}")},
            });
            writer.put(topic, i32::from(host % 2 == 1), sample.to_string().as_bytes());
            good += 1;
        }
        if step % 10 == 0 {
            writer.put(topic, 0, b"{\"ts\":");
            bad += 1;
        }
    }
    writer.flush();
    (good, bad)
}

fn await_read(house: &mut Installation, topic: &str, records: u64) {
    let group = format!("{}.detect", house.name);
    wait_for("all records' positions", SHORT, || {
        house.check_running();
        let sum: i64 = committed(&group, topic).iter().sum();
        (u64::try_from(sum).unwrap() >= records).then_some(())
    });
}

/// Runs a command that is refused as long as the session of a member lasts that has just stopped.
fn run_once_nobody_reads(house: &Installation, arguments: &[&str]) -> String {
    wait_for("the session's end", SHORT, || {
        let (code, text) = run(house, arguments);
        assert!(code == 0 || text.contains("stop all processes"), "{text}");
        (code == 0).then_some(text)
    })
}

fn await_ready(program: &mut Program) {
    wait_for("its first partitions", Duration::from_secs(60), || {
        program.check_running();
        let text = program.output();
        ["\"detect\"", "\"correlate\"", "\"outreach\""]
            .iter()
            .all(|stage| {
                text.lines()
                    .any(|l| l.contains("readiness has changed") && l.contains(stage) && l.contains("true"))
            })
            .then_some(())
    });
}
