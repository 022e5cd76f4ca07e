//! Snapshots on an S3-compatible server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use forecall_config::Settings;
use forecall_log::TopicPartition;
use forecall_runtime::{HostError, SnapshotStore, Superseded};
use forecall_stage::{Checkpoint, Counts, Digest, Snapshot, SnapshotHeader};
use forecall_types::Fingerprint;
use serde_json::json;

use crate::broker::{Writer, committed, create_topics};
use crate::installation::Installation;
use crate::objects::{ObjectServer, SECRET};
use crate::process::{Folder, unique, wait_for};

const WITHIN: Duration = Duration::from_secs(60);
const VERSION: u32 = 7;

fn store(server: &ObjectServer, secret: &str, bucket: &str) -> SnapshotStore {
    let text = format!(
        "allow_literal_secrets: true\ngroup: g\nstate: {{hosts: 2, {}}}\n",
        server.store(secret)
    );
    let text = text.replace("bucket: forecall", &format!("bucket: {bucket}"));
    SnapshotStore::of(&Settings::from_yaml("s3.yaml", &text).unwrap()).unwrap()
}

fn place() -> TopicPartition {
    TopicPartition::new("in", 3)
}

fn snapshot(next_offset: i64, state: &[u8]) -> Snapshot {
    Snapshot {
        header: SnapshotHeader {
            stage: "sum".into(),
            topic: place().topic.to_string(),
            partition: place().partition,
            next_offset,
            checkpoint: Checkpoint {
                version: VERSION,
                settings: Fingerprint::of(b"s"),
                digest: Digest::default(),
                counts: Counts::default(),
            },
        },
        state: state.to_vec(),
    }
}

fn newest(store: &SnapshotStore, at: i64) -> Option<(i64, Vec<u8>)> {
    let found = store.newest("sum", VERSION, &place(), at).unwrap();
    found.map(|s| (s.header.next_offset, s.state))
}

fn chain(error: HostError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

#[test]
fn an_object_store_keeps_what_it_was_given_and_says_when_it_cannot() {
    let folder = Folder::new(&unique("objects"));
    let mut server = ObjectServer::start(folder.path());
    let owner = store(&server, SECRET, "forecall");
    owner.probe().unwrap();
    assert_eq!(newest(&owner, 100), None);
    let none = Superseded::default();
    for at in [10, 20, 30] {
        let superseded = owner.save(&place(), snapshot(at, &[1; 5_000]), &none).unwrap();
        assert_eq!(superseded, none);
    }
    assert_eq!(newest(&owner, 100), Some((30, vec![1; 5_000])));
    assert_eq!(
        newest(&owner, 29).map(|(at, _)| at),
        Some(20),
        "never ahead of what stands"
    );

    // A zombie that came to something else, and one that came to the same.
    let zombie = store(&server, SECRET, "forecall");
    let refused = zombie
        .save(&place(), snapshot(30, &[2; 5_000]), &none)
        .unwrap_err();
    assert!(chain(refused).contains("already, with other bytes"));
    zombie.save(&place(), snapshot(30, &[1; 5_000]), &none).unwrap();
    assert_eq!(newest(&owner, 100), Some((30, vec![1; 5_000])));

    // Four: the oldest is named, and goes only with the save of one who has shown that it owns the partition.
    let superseded = owner.save(&place(), snapshot(40, b"x"), &none).unwrap();
    zombie.save(&place(), snapshot(25, b"z"), &none).unwrap();
    assert_eq!(
        server.files(".snap").len(),
        5,
        "nothing went without being shown to"
    );
    owner.save(&place(), snapshot(50, b"y"), &superseded).unwrap();
    let left: Vec<String> = server
        .files(".snap")
        .iter()
        .map(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .get(17..20)
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(left, ["020", "025", "030", "040", "050"]);

    // One bit of the newest, the second torn, the third gone.
    let files = server.files(".snap");
    let [.., third, second, first] = files.as_slice() else {
        panic!("{files:?}")
    };
    let mut bytes = std::fs::read(first).unwrap();
    bytes[30] ^= 1;
    std::fs::write(first, bytes).unwrap();
    assert_eq!(newest(&owner, 100).map(|(at, _)| at), Some(40));
    let bytes = std::fs::read(second).unwrap();
    std::fs::write(second, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(newest(&owner, 100).map(|(at, _)| at), Some(30));
    std::fs::remove_file(third).unwrap();
    assert_eq!(newest(&owner, 100).map(|(at, _)| at), Some(25));
    let damaged = owner.entries("sum", &place()).unwrap();
    assert_eq!(damaged.iter().filter(|e| e.header.is_err()).count(), 2);

    // What can't be read is never "there is none".
    for (wrong, what) in [
        (store(&server, "another", "forecall"), "a wrong secret"),
        (store(&server, SECRET, "elsewhere"), "no such bucket"),
    ] {
        assert!(wrong.newest("sum", VERSION, &place(), 100).is_err(), "{what}");
        assert!(wrong.probe().is_err(), "{what}");
    }
    server.kill();
    let error = chain(owner.newest("sum", VERSION, &place(), 100).unwrap_err());
    assert!(
        error.contains("failed to list") && error.contains("s3://forecall/snapshots"),
        "{error}"
    );
    assert!(owner.save(&place(), snapshot(60, b"z"), &none).is_err());
    assert!(owner.panics("sum", &place()).is_err());
    server.again();
    assert_eq!(newest(&owner, 100).map(|(at, _)| at), Some(25));
    assert_eq!(owner.remove_all("sum", &place()).unwrap(), 4);
    assert_eq!(newest(&owner, 100), None);
}

/// One sample a second of six hosts.
fn write(writer: &Writer, topic: &str, begin: u64, steps: std::ops::Range<u64>) {
    for step in steps {
        for host in 0..6_u64 {
            let record = json!({
                "ts": begin + step, "series": "probe.rtt", "value": 20 + (step * 7 + host) % 5,
                "labels": {"host.name": format!("h{host}")},
            });
            writer.put(topic, i32::from(host % 2 == 1), record.to_string().as_bytes());
        }
    }
    writer.flush();
}

fn configure(house: &Installation, server: &ObjectServer, topic: &str) {
    house.configure(
        600,
        &format!(
            "sources:\n  - {{name: probes, topic: {topic}, format: flat_json, keyed: true, time_unit: seconds}}\n\
             detect: {{lateness_seconds: 2}}\ntopology:\n  rules: [{{service: internet, region: IR-23}}]\n"
        ),
    );
    let path = house.folder.path().join("forecall.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let own = format!("path: {}/state", house.folder.path().display());
    assert!(text.contains(&own));
    let there = format!("hosts: 2, {}", server.store("${env:FORECALL_E2E_S3_SECRET}"));
    std::fs::write(&path, text.replace(&own, &there)).unwrap();
}

fn await_read(house: &mut Installation, topic: &str, records: i64) {
    wait_for(&format!("{records} records read"), WITHIN, || {
        house.check_running();
        let read: i64 = committed(&format!("{}.detect", house.name), topic).iter().sum();
        (read >= records).then_some(())
    });
}

const SAVED: [&str; 2] = ["stage=\"detect\"", "result=\"saved\""];
const FAILED: [&str; 2] = ["stage=\"detect\"", "result=\"failed\""];

#[test]
fn a_killed_process_gets_its_memory_back_from_an_object_store_and_outlives_its_failure() {
    let mut house = Installation::new("s3");
    let mut server = ObjectServer::start(house.folder.path());
    let topic = house.input("samples");
    create_topics(&[(&topic, 2)]);
    configure(&house, &server, &topic);
    let doctor = house.finish("doctor", &["doctor", "--config"]);
    assert!(
        doctor.contains("s3://forecall/snapshots at 127.0.0.1"),
        "{doctor}"
    );
    house.start();
    house.await_ready();
    let begin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 400;
    let writer = Writer::new();
    write(&writer, &topic, begin, 0..100);
    await_read(&mut house, &topic, 600);
    let count = |house: &mut Installation, labels: &[&str]| house.metric("forecall_snapshots_total", labels);
    wait_for("a snapshot of each partition", WITHIN, || {
        (count(&mut house, &SAVED) > 1.5).then_some(())
    });
    house.kill();

    // Whoever starts now has nothing of its own: only the store knows.
    assert!(!house.folder.path().join("state").exists());
    write(&writer, &topic, begin, 100..120);
    house.start();
    house.await_ready();
    await_read(&mut house, &topic, 720);
    let restored = house.metric(
        "forecall_restores_total",
        &["stage=\"detect\"", "how=\"snapshot\""],
    );
    assert!(restored > 1.5, "both partitions: {restored}");
    assert!(house.metric("forecall_digest_mismatch_total", &[]) < 0.5);

    server.kill();
    write(&writer, &topic, begin, 120..140);
    await_read(&mut house, &topic, 840);
    let saved = count(&mut house, &SAVED);
    wait_for("a save that fails", WITHIN, || {
        (count(&mut house, &FAILED) > 0.5).then_some(())
    });
    write(&writer, &topic, begin, 140..160);
    await_read(&mut house, &topic, 960);
    server.again();
    wait_for("a save after the store is back", WITHIN, || {
        (count(&mut house, &SAVED) > saved + 0.5).then_some(())
    });
    let listed = house.finish("list", &["snapshots", "list", "--config"]);
    assert!(
        listed.contains("detect") && listed.contains("0 damaged"),
        "{listed}"
    );
    house.stop();

    // A process whose store is away doesn't begin from nothing.
    server.kill();
    let before = committed(&format!("{}.detect", house.name), &topic);
    house.start();
    let status = house.wait(WITHIN);
    assert_eq!(status.code(), Some(1), "{}", house.output());
    assert!(house.output().contains("the state can't be restored"));
    assert_eq!(committed(&format!("{}.detect", house.name), &topic), before);
}
