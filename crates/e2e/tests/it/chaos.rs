//! The short version of `cargo xtask chaos`: every crash point once on the shared broker (which stays alive), and a control
//! that must fail.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::broker::bootstrap;
use crate::process::{Folder, unique};

/// All of it, on two busy cores.
const WITHIN: Duration = Duration::from_secs(180);
/// Each of the thirteen crash points, and three kills at random.
const KILLS: u64 = 16;

#[test]
fn killed_at_every_point_nothing_is_lost_or_doubled_and_the_control_fails() {
    let begun = Instant::now();
    let folder = Folder::new(&unique("chaos"));
    let output = Command::new(env!("CARGO_BIN_EXE_forecall-chaos"))
        .args(["run", "--json", "--seed", "1", "--control-kills", "6"])
        .args(["--kills", &KILLS.to_string(), "--bootstrap", &bootstrap()])
        .arg("--folder")
        .arg(folder.path().join("run"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}", output.status);
    let report: Value = serde_json::from_str(&told).unwrap();
    let run = &report["run"];
    for count in [
        "missing",
        "doubled",
        "out_of_order",
        "different",
        "letters_missing",
        "letters_doubled",
        "letters_different",
        "wrong_states",
        "wrong_counts",
    ] {
        assert_eq!(run["verdict"][count], 0, "{count}");
    }
    assert!(run["kills"].as_u64().unwrap() >= KILLS);
    assert_eq!(run["crash_points"].as_object().unwrap().len(), 13);
    assert_eq!((&run["mismatched"], &run["unfenced"]), (&0.into(), &0.into()));
    assert!(run["outputs"].as_u64().unwrap() > 500 && run["dead_letters"].as_u64().unwrap() > 50);
    assert_eq!(report["control"]["exact"], false, "the control must fail");
    println!("all of it took {:?}", begun.elapsed());
    assert!(begun.elapsed() < WITHIN, "it took {:?}", begun.elapsed());
}
