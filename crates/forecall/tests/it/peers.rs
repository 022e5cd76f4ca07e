//! Declared peers, from the configuration to the evidence of an incident.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const CONFIG: &str = "
domain: isp
topology:
  services: [ { name: internet, customer_facing: true } ]
  regions: [ { code: IR-10, names: { en: Isfahan } } ]
";

const PEERS: &str = "
detect:
  peers:
    - name: cells
      match: { forecall.cell: '*' }
      by: [ region ]
      metrics: [ packet.loss, jitter ]
";

/// Eight cells over four hours: all swing alike, each about its own mean. From minute 180 on, where they are at their height and begin
/// to fall, cell 3 stays up there: by itself it does what it always did.
fn rows() -> String {
    let mut csv = "timestamp,series,value,service.name,region,forecall.cell\n".to_owned();
    for minute in 0..240_i32 {
        for cell in 0..8_i32 {
            let seen = if cell == 3 { minute.min(180) } else { minute };
            let swing = 1.0 + 0.8 * (std::f64::consts::TAU * f64::from(seen) / 80.0).sin();
            let wobble = 1.0 + 0.01 * f64::from((minute * 7 + cell * 3) % 5 - 2);
            let value = f64::from(cell % 4 + 1) * swing * wobble;
            let time = format!("2026-03-01 {:02}:{:02}:00", minute / 60, minute % 60);
            for (metric, factor) in [("packet.loss", 0.1), ("jitter", 2.0)] {
                let value = value * factor;
                writeln!(csv, "{time},{metric},{value:.4},internet,IR-10,c{cell}").unwrap();
            }
        }
    }
    csv
}

fn replay(folder: &Path, config: &str, name: &str) -> (Vec<Value>, Vec<Value>) {
    let (input, settings, out) = (
        folder.join("in.csv"),
        folder.join(format!("{name}.yaml")),
        folder.join(name),
    );
    fs::write(&input, rows()).unwrap();
    fs::write(&settings, config).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_forecall"))
        .arg("replay")
        .args(["--input".as_ref(), input.as_os_str()])
        .args(["--config".as_ref(), settings.as_os_str()])
        .args(["--out".as_ref(), out.as_os_str()])
        .output()
        .unwrap();
    let said = String::from_utf8([run.stdout, run.stderr].concat()).unwrap();
    assert!(run.status.success(), "{said}");
    let events = |file: &str| {
        let text = fs::read_to_string(out.join(file)).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    (events("anomalies.jsonl"), events("incidents.jsonl"))
}

#[test]
fn a_cell_unlike_its_peers_becomes_an_incident() {
    let folder = tempfile::tempdir().unwrap();
    let (alone, none) = replay(folder.path(), CONFIG, "alone");
    assert!(none.is_empty(), "{none:?}");
    let (anomalies, incidents) = replay(folder.path(), &format!("{CONFIG}{PEERS}"), "peers");
    assert_eq!(anomalies, alone, "detect says the same with peers");
    let evidence = incidents[0]["data"]["evidence"].as_array().unwrap();
    let mut named: Vec<String> = evidence
        .iter()
        .map(|e| {
            let cell = &e["series"]["resource"]["forecall.cell"];
            format!(
                "{} {} {cell}",
                e["channel"].as_str().unwrap(),
                e["series"]["metric"].as_str().unwrap()
            )
        })
        .collect();
    named.sort();
    assert_eq!(named, ["peer jitter \"c3\"", "peer packet.loss \"c3\""]);
    // The same bytes again.
    assert_eq!(
        replay(folder.path(), &format!("{CONFIG}{PEERS}"), "again"),
        (anomalies, incidents)
    );
}
