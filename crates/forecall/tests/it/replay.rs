use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const FILES: [&str; 11] = [
    "anomalies.jsonl",
    "call-forecasts.jsonl",
    "channels.csv",
    "config.lock.yaml",
    "incidents.jsonl",
    "manifest.json",
    "metrics.json",
    "notices.jsonl",
    "report.html",
    "scores.csv",
    "vmanomaly.csv",
];

pub(crate) fn replay(input: &Path, out: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_forecall"))
        .arg("replay")
        .args(["--input".as_ref(), input.as_os_str()])
        .args(["--out".as_ref(), out.as_os_str()])
        .args(more)
        .output()
        .unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Every file of a folder by name.
pub(crate) fn all(folder: &Path) -> BTreeMap<String, String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn what_was_announced_is_heard_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let (input, changes) = (folder.path().join("day.csv"), folder.path().join("changes.jsonl"));
    fs::write(&input, day()).unwrap();
    let announced = |lines: &str, more: &[&str]| {
        fs::write(&changes, lines).unwrap();
        let out = folder.path().join("out");
        let args = ["--context", changes.to_str().unwrap()];
        let run = replay(&input, &out, &[&args, more].concat());
        let said = text(&run.stderr);
        (run.status.success(), said, all(&out))
    };
    let opened = |files: &BTreeMap<String, String>| {
        let events = files["anomalies.jsonl"].lines();
        let events = events.map(|line| serde_json::from_str::<Value>(line).unwrap());
        let opened = events.filter(|e| e["type"] == "forecall.anomaly.opened.v1");
        opened.map(|e| e["data"].clone()).collect::<Vec<_>>()
    };
    let (ok, said, plain) = announced("", &[]);
    assert!(ok, "{said}");
    assert!(!opened(&plain).is_empty() && opened(&plain)[0].get("context").is_none());

    let shop =
        r#""from":"2026-03-01T16:30:00Z","until":"2026-03-01T18:00:00Z","match":{"service.name":"day"}}"#;
    let work = format!("{{\"kind\":\"maintenance\",\"id\":\"m1\",{shop}\n");
    let (ok, said, quiet) = announced(&work, &[]);
    assert!(ok, "{said}");
    assert_eq!(opened(&quiet), Vec::<Value>::new());
    // How rare each value was is told as ever, up to what was learnt otherwise.
    let first = |files: &BTreeMap<String, String>| {
        files["scores.csv"]
            .lines()
            .take(1_001)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(first(&quiet), first(&plain));
    let manifest: Value = serde_json::from_str(&quiet["manifest.json"]).unwrap();
    assert_eq!(manifest["inputs"].as_array().unwrap().len(), 2, "{manifest}");

    // Far beyond the wide band; of the later line of an id.
    let roll_out = format!("{{\"kind\":\"deployment\",\"id\":\"m1\",\"title\":\"Shop 2\",{shop}\n");
    let (ok, said, told) = announced(&(work.clone() + &roll_out), &[]);
    assert!(ok, "{said}");
    let told = opened(&told);
    let context = serde_json::json!([{
        "kind": "deployment", "id": "m1", "title": "Shop <*>",
        "from": "2026-03-01T16:30:00Z", "until": "2026-03-01T18:00:00Z",
    }]);
    assert_eq!(told[0]["context"], context);

    // What can't be read is told and counted.
    let bad = "{\"kind\":\"maintenance\"}\n{\"kind\":\"deployment\",\"id\":\"d\",\"match\":{\"a\":\"b\"}}\n";
    let (ok, said, _) = announced(bad, &["--strict"]);
    assert!(
        !ok && said.contains("changes.jsonl:1: missing_field: element 0: `/id` is missing"),
        "{said}"
    );
    assert!(
        said.contains("changes.jsonl:2: missing_field: it doesn't say when it begins"),
        "{said}"
    );
}

/// A day of a sample a minute around 20 with a small fixed pattern, 80 from minute 1,000 to 1,059.
pub(crate) fn day() -> String {
    let mut csv = "timestamp,value\n".to_owned();
    for minute in 0..1_440 {
        let value = if (1_000..1_060).contains(&minute) { 80 } else { 20 };
        let wobble = (minute * 7) % 5;
        writeln!(
            csv,
            "2026-03-01 {:02}:{:02}:00,{value}.{wobble}",
            minute / 60,
            minute % 60
        )
        .unwrap();
    }
    csv
}

fn scores(text: &str) -> Vec<Vec<String>> {
    csv::Reader::from_reader(text.as_bytes())
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect())
        .collect()
}

/// The score is the spike's, or that of the other three together; vmanomaly's is above 1 exactly where it is above 3.
fn each_channel_is_told(files: &BTreeMap<String, String>, rows: &[Vec<String>]) {
    let channels = scores(&files["channels.csv"]);
    let view = scores(&files["vmanomaly.csv"]);
    assert_eq!(
        (channels.len(), view.len()),
        (rows.len(), rows.len()),
        "each sample was judged"
    );
    let number = |text: &str| text.parse::<f64>().unwrap();
    let by_place: BTreeMap<(&str, &str), &Vec<String>> =
        rows.iter().map(|r| ((r[0].as_str(), r[1].as_str()), r)).collect();
    let (mut warm, mut plain) = (0, 0);
    for (said, seen) in channels.iter().zip(&view) {
        let row = by_place[&(said[0].as_str(), said[1].as_str())];
        assert_eq!(seen[..3], [row[0].clone(), row[1].clone(), row[2].clone()]);
        if row[4].is_empty() {
            assert!(
                said[2..].iter().chain(&seen[3..]).all(String::is_empty),
                "nothing is known yet"
            );
            continue;
        }
        warm += 1;
        let score = |channel: usize| said[2 + 4 * channel].parse::<f64>().ok();
        let [spike, shift, novelty] = [0, 1, 3].map(|channel| score(channel).unwrap());
        let level = score(2).map_or(shift, |season| f64::midpoint(shift, season));
        let slow = (level + novelty).min(20.0);
        // The first judged sample has no shape yet.
        let shape = score(4).unwrap_or(spike);
        let fast = spike.min(shape) + 0.15 * (spike - shape).abs();
        // Wild values in a row may take the place of the shape.
        let most = spike.max(shape).max(slow);
        let got = number(&row[3]);
        assert!(
            got > fast.max(slow) - 1e-5 && got < most + 1e-5,
            "{said:?} {row:?}"
        );
        plain += usize::from((got - fast.max(slow)).abs() < 1e-5);
        assert!(number(&said[4]) <= number(&said[3]) && number(&said[3]) <= number(&said[5]));
        assert_eq!((&seen[4], &seen[5]), (&row[4], &row[5]));
        assert_eq!(number(&seen[6]) > 1.0, number(&row[3]) > 3.0);
    }
    assert!(warm > 2_800 && 100 * plain > 98 * warm, "{plain} of {warm}");
}

#[test]
fn a_folder_gives_every_file_and_the_same_bytes_again() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    fs::create_dir_all(input.join("north")).unwrap();
    fs::write(input.join("north/load.csv"), day()).unwrap();
    fs::write(input.join("calm.csv"), day().replace(",80.", ",20.")).unwrap();
    fs::write(input.join("notes.json"), "{}").unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let first = replay(&input, &a, &["--vmanomaly"]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    assert!(text(&first.stderr).contains("left alone: notes.json"));
    assert!(
        text(&first.stdout).contains("2880 rows of 2 series from 2 inputs"),
        "{}",
        text(&first.stdout)
    );
    // Another number of rows at once changes nothing.
    assert!(
        replay(&input, &b, &["--chunk", "7", "--vmanomaly"])
            .status
            .success()
    );
    let (a, b) = (all(&a), all(&b));
    assert_eq!(a.keys().collect::<Vec<_>>(), FILES);
    assert_eq!(a, b);

    let rows = scores(&a["scores.csv"]);
    let wanted = format!(
        "{}{}",
        day().replace(",80.", ",20."),
        day().replace("timestamp,value\n", "")
    );
    let shown: Vec<String> = rows.iter().map(|r| format!("{},{}", r[0], r[2])).collect();
    assert_eq!(
        shown,
        wanted.lines().skip(1).collect::<Vec<_>>(),
        "in input order, texts as they stand"
    );
    assert_eq!(
        (rows[0][1].as_str(), rows[1_440][1].as_str()),
        ("calm", "north/load")
    );
    assert!(rows.iter().all(|r| !r[3].is_empty()), "every row is scored");
    assert!(
        rows[0][4].is_empty() && !rows[1_439][4].is_empty(),
        "bounds come after the warm-up"
    );
    let score = |row: usize| rows[row][3].parse::<f64>().unwrap();
    assert!(score(1_440 + 1_001) > 5.0 && score(1_440 + 900) < 3.0);

    each_channel_is_told(&a, &rows);

    let anomalies: Vec<Value> = a["anomalies.jsonl"]
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(anomalies[0]["type"], "forecall.anomaly.opened.v1");
    assert!(
        anomalies
            .iter()
            .all(|e| e["id"].is_string() && e["data"].is_object())
    );
    assert!(a["anomalies.jsonl"].contains("north/load") && !a["anomalies.jsonl"].contains("calm"));
    assert!(
        a["incidents.jsonl"].contains("\"ZZ\""),
        "{}",
        a["incidents.jsonl"]
    );
    let manifest: Value = serde_json::from_str(&a["manifest.json"]).unwrap();
    assert_eq!(
        (&manifest["rows"], &manifest["rows_bad"]),
        (&Value::from(2_880), &Value::from(0))
    );
    assert_eq!(manifest["inputs"][1]["path"], "north/load.csv");
    assert_eq!(manifest["complete"], true);
}

#[test]
fn bad_rows_and_repeated_times_keep_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("x.csv");
    fs::write(
        &input,
        "timestamp,value\n2026-03-01 00:02:00,3\n2026-03-01 00:01:00,1\nyesterday,2\n2026-03-01 00:01:00,7\n2026-03-01 00:03:00,NaN\n2026-03-01 00:04:00\n",
    )
    .unwrap();
    let out = folder.path().join("out");
    let result = replay(&input, &out, &["--json"]);
    assert!(result.status.success(), "{}", text(&result.stderr));
    let stderr = text(&result.stderr);
    for line in [
        "x.csv:4: the timestamp",
        "x.csv:6: the value",
        "x.csv:7: the value",
    ] {
        assert!(stderr.contains(line), "{line} in {stderr}");
    }
    let summary: Value = serde_json::from_slice(&result.stdout).unwrap();
    assert_eq!(
        (&summary["rows"], &summary["rows_bad"]),
        (&Value::from(6), &Value::from(3))
    );
    let rows = scores(&all(&out)["scores.csv"]);
    let shown: Vec<String> = rows
        .iter()
        .map(|r| format!("{}|{}|{}|{}", r[0], r[1], r[2], !r[3].is_empty()))
        .collect();
    assert_eq!(
        shown,
        [
            "2026-03-01 00:02:00|x|3|true",
            "2026-03-01 00:01:00|x|1|true",
            "yesterday|x|2|false",
            "2026-03-01 00:01:00|x|7|true",
            "2026-03-01 00:03:00|x|NaN|false",
            "2026-03-01 00:04:00|x||false",
        ]
    );
    let strict = replay(&input, &out, &["--strict"]);
    assert_eq!(strict.status.code(), Some(1));
    assert!(text(&strict.stderr).contains("3 rows could not be read"));
}

#[test]
fn long_csv_and_jsonl_name_their_series() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    fs::create_dir(&input).unwrap();
    fs::write(
        input.join("a.csv"),
        "timestamp,series,value,region,cell\n1772323200,delay,1.50,IR-23,7\n1772323200,delay,2,IR-10,\n1772323260,loss,0,,\n",
    )
    .unwrap();
    fs::write(
        input.join("b.jsonl"),
        "{\"ts\":1772323200000,\"series\":\"calls\",\"value\":4,\"labels\":{\"region\":\"IR-23\"}}\n\n{\"ts\":1,\"series\":\"calls\"}\n",
    )
    .unwrap();
    fs::write(input.join("c.csv"), "when,what\n1,2\n").unwrap();
    let out = folder.path().join("out");
    let result = replay(&input, &out, &[]);
    assert!(result.status.success(), "{}", text(&result.stderr));
    let stderr = text(&result.stderr);
    assert!(stderr.contains("b.jsonl:3: `value`"), "{stderr}");
    assert!(
        stderr.contains("c.csv (its header has no column `timestamp`)"),
        "{stderr}"
    );
    let rows = scores(&all(&out)["scores.csv"]);
    let shown: Vec<String> = rows
        .iter()
        .map(|r| format!("{}|{}|{}|{}", r[0], r[1], r[2], !r[3].is_empty()))
        .collect();
    assert_eq!(
        shown,
        [
            r#"1772323200|delay{cell="7",region="IR-23"}|1.50|true"#,
            r#"1772323200|delay{region="IR-10"}|2|true"#,
            "1772323260|loss|0|true",
            r#"1772323200000|calls{region="IR-23"}|4|true"#,
            "1|calls||false",
        ]
    );
}

#[test]
fn what_can_not_be_read_at_all_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.txt"), "").unwrap();
    for (input, zone, why) in [
        ("x.txt", "UTC", "neither *.csv nor *.jsonl"),
        ("none.csv", "UTC", "failed to read none.csv"),
        (".", "UTC", "holds no *.csv, *.jsonl or *.parquet"),
        (".", "Nowhere", "no time zone is called Nowhere"),
    ] {
        let result = replay(
            &folder.path().join(input),
            &folder.path().join("out"),
            &["--zone", zone],
        );
        assert_eq!(result.status.code(), Some(1), "{input}");
        assert!(
            text(&result.stderr).contains(why),
            "{why} in {}",
            text(&result.stderr)
        );
    }
    let result = Command::new(env!("CARGO_BIN_EXE_forecall"))
        .args(["replay", "--input", "kafka://m", "--out", "nowhere"])
        .output()
        .unwrap();
    assert!(text(&result.stderr).contains("a topic needs --config"));
}

#[test]
fn what_is_expected_later_is_written_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("load.csv"), folder.path().join("out"));
    fs::write(&input, day()).unwrap();
    let result = replay(&input, &out, &["--no-channels", "--ahead", "5,60"]);
    assert!(result.status.success(), "{}", text(&result.stderr));
    let rows = scores(&all(&out)["ahead.csv"]);
    // All but the first seven samples, for both spans.
    assert_eq!(rows.len(), 2 * (1_440 - 7));
    assert_eq!(rows[1][..3], ["2026-03-01 00:07:00", "load", "3600"]);
    let numbers = |row: &[String]| -> Vec<f64> { row[3..].iter().map(|n| n.parse().unwrap()).collect() };
    for row in &rows {
        let [expected, lower, upper] = numbers(row)[..] else {
            panic!("{row:?}")
        };
        assert!(lower <= expected && expected <= upper, "{row:?}");
    }
    let calm = numbers(&rows[2 * 900]);
    assert!(
        (calm[0] - 20.2).abs() < 0.3 && calm[2] - calm[1] < 3.0,
        "{calm:?}"
    );
    let far = replay(&input, &out, &["--ahead", &["1"; 17].join(",")]);
    assert!(!far.status.success());
}
