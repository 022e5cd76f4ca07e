//! Snapshots and books; and the doctor.

use serde_json::Value;

use super::{SHORT, as_json, await_read, feed, probed, run, run_once_nobody_reads};
use crate::broker::committed;
use crate::installation::Installation;
use crate::process::wait_for;

/// Snapshots are listed whole; one flipped bit is told by name.
fn damage_is_told(house: &Installation) {
    let (code, text) = run(house, &["snapshots", "list", "--json"]);
    assert_eq!(code, 0, "{text}");
    let listed = as_json(&text);
    let of = |stage: &str| -> Vec<&Value> {
        let all = listed["snapshots"].as_array().unwrap();
        all.iter()
            .filter(|s| s["stage"] == stage && s["partition"] == 0)
            .collect()
    };
    assert!(!of("detect").is_empty() && !of("correlate").is_empty(), "{text}");
    assert_eq!(run(house, &["snapshots", "verify"]).0, 0);
    // One flipped bit is told, and the start takes the one before.
    let name = of("detect").last().unwrap()["name"].as_str().unwrap().to_owned();
    let path = house.folder.path().join("state").join(&name);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    let (code, text) = run(house, &["snapshots", "verify"]);
    assert!(
        code == 1 && text.contains("1 damaged") && text.contains(&name),
        "{text}"
    );
}

#[test]
fn the_books_balance_and_a_partition_can_be_reset() {
    let (mut house, topic) = probed("books", "");
    house.start();
    house.await_ready();
    let (good, bad) = feed(&topic, 60);
    await_read(&mut house, &topic, good + bad);
    // Beside the running stages.
    let (code, text) = run(&house, &["audit", "--json"]);
    let books = as_json(&text);
    assert_eq!(code, 0, "{text}");
    let rows = books["partitions"].as_array().unwrap();
    let sum = |field: &str| -> u64 {
        rows.iter()
            .filter(|r| r["topic"] == topic.as_str())
            .map(|r| r[field].as_u64().or(r["counted"][field].as_u64()).unwrap())
            .sum()
    };
    assert_eq!(
        (sum("records"), sum("letters"), sum("stepped")),
        (good + bad, bad, good),
        "{text}"
    );
    assert!(rows.iter().all(|r| r["verdict"] == "holds"), "{text}");
    assert_eq!(books["ledger"]["whole"], true, "{text}");
    let (code, text) = run(
        &house,
        &[
            "snapshots",
            "reset",
            "--stage",
            "detect",
            "--partition",
            "0",
            "--reason",
            "no",
        ],
    );
    assert!(
        code == 1 && text.contains("stop all processes of detect"),
        "{text}"
    );
    house.stop();

    damage_is_told(&house);
    let before = committed(&format!("{}.detect", house.name), &topic);
    let reset = [
        "snapshots",
        "reset",
        "--stage",
        "detect",
        "--partition",
        "0",
        "--reason",
        "a torn disk",
    ];
    let text = run_once_nobody_reads(&house, &reset);
    assert!(text.contains("starts cold"), "{text}");
    assert_eq!(
        run(&house, &["snapshots", "verify"]).0,
        0,
        "the damaged one is gone"
    );
    assert_eq!(
        committed(&format!("{}.detect", house.name), &topic),
        before,
        "the position stays"
    );
    house.start();
    house.await_ready();
    let (good_too, bad_too) = feed(&topic, 20);
    await_read(&mut house, &topic, good + bad + good_too + bad_too);
    let (code, text) = run(&house, &["audit"]);
    assert_eq!(code, 0, "the books go on over the reset: {text}");
    assert!(text.contains("whole: 1 entries"), "{text}");
    // A crash after it comes back to the same.
    house.kill();
    house.start();
    house.await_ready();
    assert!(house.metric("forecall_digest_mismatch_total", &[]) < 0.5);
    house.stop();
}

#[test]
fn the_doctor_finds_nothing_wrong_where_nothing_is() {
    let (mut house, _) = probed("doctor", "gateways: {sms: {file: sms.jsonl}}");
    let (code, text) = run(&house, &["doctor"]);
    assert_eq!(code, 0, "before the start: {text}");
    house.start();
    house.await_ready();
    wait_for("a tick to measure the clock by", SHORT, || {
        let (code, text) = run(&house, &["doctor"]);
        assert_eq!(code, 0, "beside it: {text}");
        assert!(text.contains("all stages run on 127.0.0.1"), "{text}");
        text.contains("s off the broker").then_some(())
    });
    house.stop();
    let path = house.folder.path().join("forecall.yaml");
    let config = std::fs::read_to_string(&path).unwrap();
    let dead = config.replace(
        "sms: {file: sms.jsonl}",
        "email: {smtp: {host: 127.0.0.1, port: 1, tls: none, from: a@b.ir}}",
    );
    std::fs::write(&path, dead).unwrap();
    let (code, text) = run(&house, &["doctor"]);
    assert!(code == 2 && text.contains("nobody listens"), "{text}");
    std::fs::write(
        &path,
        config.replace("idle_seconds: 5}", "idle_seconds: 5, hosts: 2}"),
    )
    .unwrap();
    for arguments in [["doctor"].as_slice(), &["run"], &["check", "forecall.yaml"]] {
        let (code, text) = run(&house, arguments);
        assert!(
            code == 2 && text.contains("state.path is a local folder"),
            "{text}"
        );
    }
}
