//! One incident, step by step.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::replay::{day, replay, text};

struct Place {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        fs::write(root.join("day.csv"), day()).unwrap();
        Self {
            _folder: folder,
            root,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn tell(&self, id: &str, more: &[&str]) -> (Option<i32>, String, String) {
        let told = Command::new(env!("CARGO_BIN_EXE_forecall"))
            .args(["replay", "--incident", id])
            .args(more)
            .current_dir(&self.root)
            .output()
            .unwrap();
        (told.status.code(), text(&told.stdout), text(&told.stderr))
    }
}

fn first_id(folder: &Path) -> String {
    let events = fs::read_to_string(folder.join("incidents.jsonl")).unwrap();
    let event: Value = serde_json::from_str(events.lines().next().unwrap()).unwrap();
    event["data"]["id"].as_str().unwrap().to_owned()
}

fn of_kind<'s>(story: &'s Value, kind: &str) -> Vec<&'s Value> {
    let steps = story["steps"].as_array().unwrap();
    steps.iter().filter(|step| step["kind"] == kind).collect()
}

#[test]
fn an_incident_is_told_from_its_records_to_its_last_word() {
    let place = Place::new();
    let run = replay(&place.path("day.csv"), &place.path("out"), &[]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let id = first_id(&place.path("out"));
    let (code, said, why) = place.tell(&id, &["--input", "out", "--html", "why.html"]);
    assert_eq!(code, Some(0), "{why}");
    for part in [
        &format!("{id}: "),
        "records\n  day{",
        "day.csv row 1001)",
        "anomaly\n  ",
        "probability\n  at 0.6 or above from here on",
        "foreseen: the probability stood at 0.6 or above for 60 s",
        "evidence came: day{",
        "log-odds: bias ",
        "state: predicted",
        "revisions 3 to 11, up to 2026-03-01T17:39:30Z: nothing has changed but the time",
        "From out; as the run wrote it",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let page = fs::read_to_string(place.path("why.html")).unwrap();
    assert!(
        page.contains("<svg") && page.contains("day.csv row 1001"),
        "{page}"
    );
    assert!(!page.contains("http") && !page.contains("<script"));

    let (code, told, _) = place.tell(&id, &["--input", "out", "--json"]);
    assert_eq!(code, Some(0));
    let told: Value = serde_json::from_str(&told).unwrap();
    let records = of_kind(&told, "records");
    let first = &records[0]["records"][0];
    assert_eq!(
        (&first["place"], &first["at"], &first["value"]),
        (
            &"day.csv row 1001".into(),
            &"2026-03-01T16:40:00Z".into(),
            &80.0.into()
        )
    );
    assert!(first["score"].as_f64().unwrap() > 3.0 && first["upper"].as_f64().unwrap() < 40.0);
    let revisions = of_kind(&told, "incident");
    assert_eq!(revisions[0]["revision"], 1);
    assert_eq!(revisions.last().unwrap()["state"], told["state"]);
    let crossed = of_kind(&told, "probability");
    assert!(crossed[0]["at"].as_str() < revisions[0]["at"].as_str());
    let steps = told["steps"].as_array().unwrap();
    let times: Vec<&str> = steps.iter().map(|s| s["at"].as_str().unwrap()).collect();
    assert_eq!(steps[0]["kind"], "records");
    assert!(times.is_sorted_by_key(|at| at.trim_end_matches('Z')));

    // Made again from the input it has the same id, and the same steps.
    let (code, again, why) = place.tell(&id, &["--input", "day.csv", "--json"]);
    assert_eq!(code, Some(0), "{why}");
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["steps"], told["steps"]);
    assert!(
        again["recreated"]
            .as_str()
            .unwrap()
            .starts_with("re-created: this run")
    );
    assert_eq!(again["from"], "day.csv");
    assert!(!place.path("again").exists());
    let (code, _, why) = place.tell(&id, &["--input", "day.csv", "--out", "again", "--json"]);
    assert_eq!(code, Some(0), "{why}");
    assert!(place.path("again/manifest.json").exists());
}

#[test]
fn what_can_not_be_told_is_refused_with_the_reason() {
    let place = Place::new();
    assert!(
        replay(&place.path("day.csv"), &place.path("out"), &[])
            .status
            .success()
    );
    let id = first_id(&place.path("out"));
    let (code, _, why) = place.tell("inc_nobody", &["--input", "out"]);
    assert_eq!(code, Some(1));
    assert!(
        why.contains("no incident is called inc_nobody; there are") && why.contains(&id),
        "{why}"
    );
    let (code, _, why) = place.tell(&id, &[]);
    assert_eq!(code, Some(1));
    assert!(why.contains("reads live topics: say --config"), "{why}");
    let (code, _, why) = place.tell(&id, &["--input", "out", "--assert", "recall>=0.5"]);
    assert_eq!(code, Some(2), "{why}");
    fs::write(place.path("out/anomalies.jsonl"), "").unwrap();
    let (code, _, why) = place.tell(&id, &["--input", "out"]);
    assert_eq!(code, Some(1));
    assert!(
        why.contains("anomalies.jsonl is not the file that its manifest names"),
        "{why}"
    );
    let bare = Command::new(env!("CARGO_BIN_EXE_forecall"))
        .args(["replay", "--input", "x"])
        .output()
        .unwrap();
    assert_eq!(bare.status.code(), Some(2));
}
