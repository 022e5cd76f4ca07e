//! Figures, assertions, locked settings, the page, and how two runs differ.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::replay::{all, day, replay, text};

/// Trouble from 16:40 to 17:39, which [`day`] has, and one in the morning, which it has not.
const LABELS: &str = "start,end,service,region,kind
2026-03-01T16:40:00Z,2026-03-01T17:39:00Z,day,ZZ,cut
2026-03-01T06:00:00Z,2026-03-01T06:10:00Z,day,,nothing there
2026-04-01T06:00:00Z,2026-04-01T06:10:00Z,day,,outside
";

struct Place {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        fs::write(root.join("day.csv"), day()).unwrap();
        fs::write(root.join("labels.csv"), LABELS).unwrap();
        Self {
            _folder: folder,
            root,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn run(&self, out: &str, more: &[&str]) -> Output {
        let labels = self.path("labels.csv");
        let more = [&["--labels", labels.to_str().unwrap()], more].concat();
        replay(&self.path("day.csv"), &self.path(out), &more)
    }

    fn diff(&self, a: &str, b: &str, more: &[&str]) -> (Option<i32>, String, String) {
        let result = Command::new(env!("CARGO_BIN_EXE_forecall"))
            .args(["replay", "diff"])
            .args([self.path(a), self.path(b)])
            .args(more)
            .output()
            .unwrap();
        (result.status.code(), text(&result.stdout), text(&result.stderr))
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path(name)).unwrap()).unwrap()
    }
}

#[test]
fn figures_hold_what_the_labels_say_and_assertions_end_with_3() {
    let place = Place::new();
    let wanted = "recall>=0.5, precision>=1,delay_p50<=10m,labels>=2";
    let good = place.run(
        "out",
        &["--assert", wanted, "--assert", "false_alarms_per_day<=0"],
    );
    assert_eq!(
        good.status.code(),
        Some(0),
        "{}{}",
        text(&good.stdout),
        text(&good.stderr)
    );
    let metrics = place.json("out/metrics.json");
    let figure = |name: &str| metrics["figures"][name].clone();
    assert_eq!(figure("recall")["value"], 0.5, "{metrics}");
    assert_eq!(figure("recall")["of"], 2.0);
    assert_eq!(figure("recall")["of_what"], "labels");
    assert_eq!(metrics["labels_outside"], 1);
    assert_eq!(metrics["complete"], true);
    assert_eq!(figure("incidents")["value"], 1.0);
    assert_eq!(figure("anomaly_recall")["value"], 0.5);
    let days = metrics["days"].as_f64().unwrap();
    assert!((days - 1_439.0 / 1_440.0).abs() < 1e-9, "{days}");
    assert!(!metrics["curves"]["anomalies"].as_array().unwrap().is_empty());

    let bad = place.run("out", &["--assert", "recall>=80%,pages_per_day<=5"]);
    assert_eq!(bad.status.code(), Some(3));
    let said = text(&bad.stdout);
    assert!(
        said.contains("FAILS  recall>=80%  it is 0.5\nholds  pages_per_day<=5  it is 1.0007"),
        "{said}"
    );
    let verdicts = place.json("out/metrics.json")["assertions"].clone();
    assert_eq!(verdicts[0]["holds"], false);
    assert!(
        place.path("out/report.html").exists(),
        "what fails is written all the same"
    );

    // What is of nothing fails, and says so; a name nobody knows is told before anything is read.
    let none = replay(
        &place.path("day.csv"),
        &place.path("out"),
        &["--assert", "recall>=0"],
    );
    assert_eq!(none.status.code(), Some(3));
    assert!(text(&none.stdout).contains("FAILS  recall>=0  recall is of 0 labels (none given)"));
    let unknown = place.run("new", &["--assert", "recal>=0"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("no figure is called `recal`; there are incidents, "));
    assert!(!place.path("new").exists());
    fs::write(place.path("labels.csv"), "start,end\n5,soon\n").unwrap();
    let labels = place.run("new", &[]);
    assert_eq!(labels.status.code(), Some(1));
    assert!(text(&labels.stderr).contains("labels.csv: line 2: the end `soon` is no time"));
}

#[test]
fn the_same_run_gives_the_same_bytes_and_its_manifest_names_them() {
    let place = Place::new();
    assert!(place.run("a", &[]).status.success());
    // What an earlier run left goes.
    fs::create_dir(place.path("b")).unwrap();
    fs::write(place.path("b/ahead.csv"), "old").unwrap();
    assert!(place.run("b", &["--chunk", "13"]).status.success());
    let (a, b) = (all(&place.path("a")), all(&place.path("b")));
    assert_eq!(a, b);
    let manifest = place.json("a/manifest.json");
    let named: BTreeMap<String, u64> = manifest["outputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| {
            (
                o["path"].as_str().unwrap().to_owned(),
                o["bytes"].as_u64().unwrap(),
            )
        })
        .collect();
    let there: BTreeMap<String, u64> = a
        .iter()
        .filter(|(name, _)| *name != "manifest.json")
        .map(|(name, text)| (name.clone(), text.len() as u64))
        .collect();
    assert_eq!(named, there);
    assert_eq!(manifest["from"], "2026-03-01T00:00:00Z");
    assert_eq!(manifest["to"], "2026-03-01T23:59:00Z");
    assert!(manifest["stages"]["detect"].as_u64().unwrap() > 0);
    assert_eq!(manifest["labels"]["file"], "labels.csv");

    let page = &a["report.html"];
    for part in [
        "<!doctype html>",
        "Content-Security-Policy",
        "\"name\":\"day\"",
        "const WORDS",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for word in ["http://", "https://", "src=", "@import", "2026-11"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(place.run("b", &["--no-report"]).status.success());
    assert!(!place.path("b/report.html").exists());
}

#[test]
fn locked_settings_are_a_configuration_that_tells_the_same() {
    let place = Place::new();
    let config = "domain: shop
allow_literal_secrets: true
ledger: { path: /nowhere/x.db, master_key: 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff }
detect: { lateness_seconds: 30 }
correlate: { predict_threshold: 0.55 }
";
    fs::write(place.path("a.yaml"), config).unwrap();
    let with = |config: &Path, out: &str| {
        let result = place.run(out, &["--config", config.to_str().unwrap()]);
        assert!(result.status.success(), "{}", text(&result.stderr));
        all(&place.path(out))
    };
    let a = with(&place.path("a.yaml"), "a");
    assert!(
        a["config.lock.yaml"].contains("predict_threshold: 0.55"),
        "{}",
        a["config.lock.yaml"]
    );
    assert!(a["config.lock.yaml"].contains("simulated: true"));
    assert!(a.values().all(|text| !text.contains("ddeeff")));
    let b = with(&place.path("a/config.lock.yaml"), "b");
    for name in [
        "scores.csv",
        "channels.csv",
        "anomalies.jsonl",
        "config.lock.yaml",
        "metrics.json",
    ] {
        assert_eq!(a[name], b[name], "{name}");
    }
    // Every incident names the digest of the settings' text.
    let bare = |text: &str| {
        text.lines()
            .map(|line| {
                let mut event: Value = serde_json::from_str(line).unwrap();
                event["data"]["settings"].take();
                event
            })
            .collect::<Vec<_>>()
    };
    assert!(!a["incidents.jsonl"].is_empty());
    assert_eq!(bare(&a["incidents.jsonl"]), bare(&b["incidents.jsonl"]));
    let (code, said, why) = place.diff("a", "b", &[]);
    assert_eq!(code, Some(0), "{said}{why}");
    assert!(said.ends_with("nothing is told otherwise\n"), "{said}");
}

#[test]
fn two_runs_are_compared_and_why_they_differ_is_told() {
    let place = Place::new();
    fs::write(
        place.path("deaf.yaml"),
        "domain: replay\ncorrelate: { predict_threshold: 0.999 }\n",
    )
    .unwrap();
    fs::write(
        place.path("calm.yaml"),
        "domain: replay\ndetect: { channels: [spike], open_at_once_score: 20 }\n",
    )
    .unwrap();
    fs::write(place.path("same.yaml"), "# nothing\ndomain: replay\n").unwrap();
    for name in ["deaf", "calm", "same"] {
        let config = place.path(&format!("{name}.yaml"));
        let run = place.run(name, &["--config", config.to_str().unwrap()]);
        assert!(run.status.success(), "{}", text(&run.stderr));
    }
    let (code, said, why) = place.diff("same", "deaf", &[]);
    assert_eq!(code, Some(1), "{said}{why}");
    for part in [
        "correlate.predict_threshold: 0.6 → 0.999",
        "incidents: 0 came, 1 went, 0 moved, 0 alike",
        "day / ZZ",
        "its anomalies are told alike: the settings of incidents made the difference",
        "anomalies: alike",
        "recall: 0.5 → 0",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let page = place.path("diff.html");
    let (code, told, _) = place.diff("deaf", "same", &["--json", "--html", page.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&told["came"], &told["incidents"][0]["change"]),
        (&1.into(), &"came".into())
    );
    let page = fs::read_to_string(page).unwrap();
    assert!(
        page.contains("1 incidents came") && page.contains("predict_threshold"),
        "{page}"
    );
    assert!(!page.contains("http") && !page.contains("<script"));

    let (code, said, _) = place.diff("same", "calm", &[]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("first anomaly told otherwise: 2026-03-01T16:4"),
        "{said}"
    );
    assert!(said.contains("only in the first run"), "{said}");
}

#[test]
fn folders_that_can_not_be_compared_are_refused() {
    let place = Place::new();
    assert!(place.run("a", &[]).status.success());
    let before = fs::read_to_string(place.path("day.csv")).unwrap();
    fs::write(place.path("day.csv"), before.replace(",80.", ",81.")).unwrap();
    assert!(place.run("b", &[]).status.success());
    let (code, _, why) = place.diff("a", "b", &[]);
    assert_eq!(code, Some(2), "{why}");
    assert!(
        why.contains("the inputs of the two runs are not the same; --force"),
        "{why}"
    );
    let (code, said, _) = place.diff("a", "b", &["--force"]);
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with("note: the inputs of the two runs are not the same\n"),
        "{said}"
    );

    let (code, _, why) = place.diff("a", "nowhere", &[]);
    assert_eq!(code, Some(2));
    assert!(why.contains("nowhere/manifest.json"), "{why}");
    fs::write(place.path("b/incidents.jsonl"), "").unwrap();
    let (code, _, why) = place.diff("b", "b", &[]);
    assert_eq!(code, Some(2));
    assert!(
        why.contains("b/incidents.jsonl is not the file that its manifest names"),
        "{why}"
    );
}

#[test]
fn what_is_stopped_is_partial_and_says_so() {
    let place = Place::new();
    let mut rows = "timestamp,value\n".to_owned();
    for minute in 0..400_000_i64 {
        writeln!(
            rows,
            "{},{}.{}",
            1_772_323_200 + 60 * minute,
            minute % 10,
            minute % 7
        )
        .unwrap();
    }
    fs::write(place.path("long.csv"), rows).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_forecall"))
        .args(["replay", "--assert", "incidents<=0", "--input"])
        .arg(place.path("long.csv"))
        .arg("--out")
        .arg(place.path("out"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // It has begun to judge once it writes what channels say.
    for _ in 0..600 {
        let written = fs::metadata(place.path("out/channels.csv.part"));
        if written.is_ok_and(|file| file.len() > 0) {
            break;
        }
        sleep(Duration::from_millis(50));
    }
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let end = child.wait_with_output().unwrap();
    assert_eq!(end.status.code(), Some(1), "{}", text(&end.stderr));
    assert!(text(&end.stderr).contains("are valid and partial"));
    let (manifest, metrics) = (place.json("out/manifest.json"), place.json("out/metrics.json"));
    assert_eq!(
        (&manifest["complete"], &metrics["complete"]),
        (&false.into(), &false.into())
    );
    assert_eq!(metrics["assertions"], Value::from(Vec::<Value>::new()));
    let (scored, rows) = (
        manifest["rows_scored"].as_u64().unwrap(),
        manifest["rows"].as_u64().unwrap(),
    );
    assert!(0 < scored && scored < rows, "{scored} of {rows}");
    // Days are those that were looked at.
    let days = metrics["days"].as_f64().unwrap();
    assert!(days > 0.0 && days < 200.0, "{days}");
    assert!(
        fs::read_to_string(place.path("out/report.html"))
            .unwrap()
            .contains("\"complete\":false")
    );
    assert!(!place.path("out/channels.csv.part").exists());
    let (code, said, why) = place.diff("out", "out", &[]);
    assert_eq!(code, Some(0), "{why}");
    assert!(said.contains("was stopped before its end"), "{said}");
}
