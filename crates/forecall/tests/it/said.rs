//! What people say is heard in a replay, and changes the same as it did live.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::replay::{all, replay, text};

/// Three days of a sample a minute around 20 with a small fixed pattern; on the second and the third 80 from minute 1,000 to 1,059.
fn days() -> String {
    let mut csv = "timestamp,value\n".to_owned();
    for minute in 0..4_320_u32 {
        let is_bad = minute >= 1_440 && (1_000..1_060).contains(&(minute % 1_440));
        let (value, wobble) = (if is_bad { 80 } else { 20 }, (minute * 7) % 5);
        let (day, hour, minute) = (1 + minute / 1_440, minute / 60 % 24, minute % 60);
        writeln!(csv, "2026-03-{day:02} {hour:02}:{minute:02}:00,{value}.{wobble}").unwrap();
    }
    csv
}

fn incidents(files: &BTreeMap<String, String>) -> Vec<Value> {
    let lines = files["incidents.jsonl"].lines();
    lines
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["data"].clone())
        .collect()
}

fn ids(events: &[Value]) -> BTreeSet<&str> {
    events.iter().map(|e| e["id"].as_str().unwrap()).collect()
}

#[test]
fn a_verdict_mutes_the_next_evening_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (input, said) = (folder.path().join("errors.csv"), folder.path().join("said.jsonl"));
    fs::write(&input, days()).unwrap();
    let run = |words: &str| {
        fs::write(&said, words).unwrap();
        let out = folder.path().join("out");
        let run = replay(&input, &out, &["--said", said.to_str().unwrap()]);
        assert!(run.status.success(), "{}", text(&run.stderr));
        all(&out)
    };
    let plain = run("");
    let events = incidents(&plain);
    assert_eq!(ids(&events).len(), 2, "one an evening");
    let first = events[0]["id"].as_str().unwrap();
    let verdict = |word: &str, hour: u32| {
        format!("{{\"incident\":\"{first}\",\"at\":\"2026-03-02T{hour}:00:00Z\",\"verdict\":\"{word}\"}}\n")
    };
    let told = run(&verdict("expected", 21));
    let events = incidents(&told);
    assert_eq!(ids(&events), BTreeSet::from([first]));
    let adjustment = &events.last().unwrap()["adjustment"];
    assert_eq!(adjustment["verdict"], "expected");
    assert_eq!(adjustment["until"], "2026-04-01T21:00:10Z");
    assert_eq!(adjustment["exceptions"][0]["metric"], "errors");
    assert_eq!(run(&verdict("expected", 21)), told, "again, to the byte");
    let withdrawn = run(&(verdict("expected", 21) + &verdict("withdrawn", 22)));
    assert_eq!(ids(&incidents(&withdrawn)).len(), 2);
    let manifest: Value = serde_json::from_str(&withdrawn["manifest.json"]).unwrap();
    assert_eq!(manifest["inputs"][1]["rows"], 2);
}
