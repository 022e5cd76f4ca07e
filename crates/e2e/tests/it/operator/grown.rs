//! Logs of forecall's own that have grown, in the middle of an incident: compared with an installation that has not.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use serde_json::json;

use super::{REFUSED, SHORT, command, run, run_once_nobody_reads};
use crate::broker::{self, Read, Writer, committed, create_topics, read_all};
use crate::installation::Installation;
use crate::process::wait_for;

/// A host is measured each second; half of the hosts are in trouble from here on.
const TROUBLE: u64 = 120;
const HOSTS: u64 = 8;
/// Any time will do; the same one makes two installations comparable.
const BEGIN: u64 = 1_780_000_000;
const LONG: Duration = Duration::from_secs(90);

fn installation(name: &str) -> (Installation, String) {
    let house = Installation::new(name);
    let topic = house.input("probes");
    // One, so that its records have one order.
    create_topics(&[(&topic, 1)]);
    house.configure(
        5,
        &format!(
            "sources: [{{name: probes, topic: {topic}, format: flat_json, time_unit: seconds}}]
detect: {{lateness_seconds: 2, warm_up_samples: 40}}
topology: {{rules: [{{match: {{host.name: '*'}}, service: internet, region: IR-23}}]}}
objectives: [{{metric: probe.rtt, above: 100, for_seconds: 30}}]
"
        ),
    );
    (house, topic)
}

/// Samples without a key, as a collector writes them.
fn feed(topic: &str, seconds: std::ops::Range<u64>) {
    let writer = Writer::new();
    for second in seconds {
        for host in 0..HOSTS {
            let trouble = host % 2 == 0 && second >= TROUBLE;
            let sample = json!({
                "ts": BEGIN + second, "series": "probe.rtt",
                "value": 20 + (second * 7 + host) % 5 + if trouble { 300 } else { 0 },
                "labels": {"host.name": format!("h{host}")},
            });
            writer.put(topic, 0, sample.to_string().as_bytes());
        }
    }
    writer.flush();
}

/// Until `detect` has committed all that has come of so many seconds.
fn await_judged(house: &mut Installation, topic: &str, seconds: u64) {
    let group = |stage: &str| format!("{}.{stage}", house.name);
    let (rekey, detect, samples) = (group("rekey"), group("detect"), house.topic("samples"));
    wait_for("rekey's positions", LONG, || {
        house.check_running();
        let sum: i64 = committed(&rekey, topic).iter().sum();
        (u64::try_from(sum).unwrap() >= seconds * HOSTS).then_some(())
    });
    let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
    for record in read_all(&samples) {
        let end = ends.entry(record.partition).or_default();
        *end = (*end).max(record.offset + 1);
    }
    wait_for("detect's positions", LONG, || {
        house.check_running();
        let done = committed(&detect, &samples);
        let is_done = |(partition, end): (&i32, &i64)| done[usize::try_from(*partition).unwrap()] >= *end;
        ends.iter().all(is_done).then_some(())
    });
}

fn is_anomaly(record: &Read) -> bool {
    record
        .header("ce_type")
        .is_some_and(|t| t.starts_with("forecall.anomaly."))
}

/// Identity, revision and kind of all that was said of anomalies; nothing may be said twice.
fn anomalies(house: &Installation) -> BTreeSet<String> {
    let mut said = BTreeSet::new();
    for record in read_all(&house.topic("anomalies"))
        .iter()
        .filter(|r| is_anomaly(r))
    {
        let word = |name| record.header(name).unwrap_or_default();
        let what = format!("{} {}", word("ce_id"), word("ce_type"));
        assert!(said.insert(what.clone()), "told twice: {what}");
    }
    said
}

/// Ids of the incidents; their revisions follow each other without a gap.
fn incidents(house: &Installation) -> BTreeSet<String> {
    let mut revisions: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for record in read_all(&house.topic("incidents")) {
        let (id, revision) = record.header("ce_id").unwrap().split_once('/').unwrap();
        revisions
            .entry(id.to_owned())
            .or_default()
            .push(revision.parse().unwrap());
    }
    for (id, mut found) in revisions.clone() {
        found.sort_unstable();
        let wanted: Vec<u32> = (1..).take(found.len()).collect();
        assert_eq!(found, wanted, "{id}");
    }
    revisions.into_keys().collect()
}

/// What an installation says whose topics never grow.
fn never_grown(seconds: u64) -> BTreeSet<String> {
    let (mut house, topic) = installation("never-grown");
    house.start();
    house.await_ready();
    feed(&topic, 0..seconds);
    await_judged(&mut house, &topic, seconds);
    house.stop();
    let said = anomalies(&house);
    assert!(said.len() >= 4, "the run shows something: {said:?}");
    said
}

const fn migration(topic: &str) -> [&str; 7] {
    [
        "topics",
        "migrate",
        "--topic",
        topic,
        "--reason",
        "more hosts",
        "--drain",
    ]
}

fn migrate(house: &Installation, topic: &str) -> String {
    run_once_nobody_reads(house, &migration(topic))
}

fn killed_while_migrating(house: &Installation, topic: &str, point: &str) {
    wait_for("the session's end", SHORT, || {
        let output = command(house, &migration(topic))
            .env("FORECALL_CRASH", point)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        let is_killed = output.status.signal() == Some(9);
        assert!(
            is_killed || text.contains("stop all processes"),
            "{point}: {} {text}",
            output.status
        );
        is_killed.then_some(())
    });
}

#[test]
fn logs_that_grew_are_drained_and_divided_and_nothing_is_lost_or_told_twice() {
    let never = never_grown(200);
    let (mut house, topic) = installation("grown-logs");
    let logs = [
        house.topic("samples"),
        house.topic("anomalies"),
        house.topic("outreach.log"),
    ];
    house.start();
    house.await_ready();
    feed(&topic, 0..140);
    wait_for("an open anomaly", LONG, || {
        house.check_running();
        (!anomalies(&house).is_empty()).then_some(())
    });
    // In the middle of whatever it is doing.
    house.kill();
    for log in &logs {
        broker::grow(log, 5);
    }
    let (code, text) = run(&house, &["run"]);
    assert_eq!(code, REFUSED, "{text}");
    for log in &logs {
        let told = format!("topic {log}: it has grown from 2 to 5 partitions");
        assert!(text.contains(&told), "{told}: {text}");
    }
    let [samples, anomalies_log, outreach] = &logs;
    // Killed between any two steps, it is called again and goes on; the last one was all but done.
    for point in [
        "aside_saved:2",
        "division_moved:1",
        "division_saved:2",
        "layout_written:1",
    ] {
        killed_while_migrating(&house, samples, point);
    }
    let text = migrate(&house, anomalies_log);
    assert!(text.contains("goes on with the memory of 1 domain(s)"), "{text}");
    let text = migrate(&house, outreach);
    assert!(text.contains("2 of them in use as before"), "{text}");
    let (code, text) = run(
        &house,
        &["topics", "migrate", "--topic", samples, "--reason", "again"],
    );
    assert!(code == 0 && text.contains("nothing to do"), "{text}");

    house.start();
    house.await_ready();
    feed(&topic, 140..200);
    await_judged(&mut house, &topic, 200);
    wait_for("an incident", SHORT, || {
        (!incidents(&house).is_empty()).then_some(())
    });
    // A crash afterwards begins at the memory that was divided, or later, and comes to the committed digest.
    house.kill();
    house.start();
    house.await_ready();
    assert!(house.metric("forecall_digest_mismatch_total", &[]) < 0.5);
    let (code, text) = run(&house, &["audit"]);
    assert_eq!(code, 0, "the books go on over it: {text}");
    house.stop();
    assert_eq!(anomalies(&house), never);
    assert_eq!(incidents(&house).len(), 1, "one incident, told on");
    let spread: BTreeSet<i32> = read_all(samples).iter().map(|record| record.partition).collect();
    assert_eq!(spread.len(), 5, "the new partitions are in use");
    let kept: BTreeSet<i32> = read_all(outreach).iter().map(|record| record.partition).collect();
    assert!(
        kept.iter().all(|partition| *partition < 2),
        "and those of outreach are not: {kept:?}"
    );
}
