//! Parquet in and out, columns called otherwise, and the scores that detectors are compared by.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use forecall_table::{Cell, Kind, Sheet, Table};
use serde_json::Value;

use crate::replay::{day, replay, text};

const BEGIN: i64 = 1_772_323_200;

/// The values of [`day`].
fn values() -> Vec<f64> {
    day()
        .lines()
        .skip(1)
        .map(|line| line.split_once(',').unwrap().1.parse().unwrap())
        .collect()
}

fn table(path: &Path, columns: &[(&str, Kind)], rows: impl Iterator<Item = Vec<Cell<'static>>>) {
    let mut sheet = Sheet::new(fs::File::create(path).unwrap(), columns).unwrap();
    for row in rows {
        sheet.row(&row).unwrap();
    }
    sheet.finish().unwrap();
}

fn nanos(minute: usize) -> i64 {
    (BEGIN + 60 * i64::try_from(minute).unwrap()) * 1_000_000_000
}

/// Columns 2 to 6 of `scores.csv`: all but the timestamp as it was written; the value as a number.
fn scores(folder: &Path) -> Vec<String> {
    let mut reader = csv::Reader::from_path(folder.join("scores.csv")).unwrap();
    let row = |row: csv::StringRecord| {
        let value: f64 = row[2].parse().unwrap();
        format!("{},{value},{},{},{}", &row[1], &row[3], &row[4], &row[5])
    };
    reader.records().map(|read| row(read.unwrap())).collect()
}

#[test]
fn a_table_tells_what_the_csv_of_the_same_tells() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("day.csv"), day()).unwrap();
    let columns = [("timestamp", Kind::Instant), ("value", Kind::Number)];
    let rows = values().into_iter().enumerate();
    table(
        &root.join("day.parquet"),
        &columns,
        rows.map(|(n, v)| vec![Cell::Instant(nanos(n)), Cell::Number(v)]),
    );
    for name in ["day.csv", "day.parquet"] {
        let run = replay(
            &root.join(name),
            &root.join(format!("{name}.out")),
            &["--parquet"],
        );
        assert!(run.status.success(), "{}", text(&run.stderr));
    }
    let (a, b) = (root.join("day.csv.out"), root.join("day.parquet.out"));
    assert_eq!(scores(&a), scores(&b));
    let events = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).unwrap();
    for name in ["anomalies.jsonl", "incidents.jsonl"] {
        let renamed = events(&b, name).replace("day.parquet", "day.csv");
        assert_eq!(events(&a, name), renamed, "{name}");
    }

    // What stands in the CSV stands in the table.
    let manifest: Value = serde_json::from_str(&events(&a, "manifest.json")).unwrap();
    let named: Vec<&str> = manifest["outputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["path"].as_str().unwrap())
        .collect();
    for name in [
        "scores",
        "channels",
        "anomalies",
        "incidents",
        "notices",
        "call-forecasts",
    ] {
        assert!(
            named.contains(&format!("{name}.parquet").as_str()),
            "{name} in {named:?}"
        );
    }
    let open = |name: &str| Table::open(fs::read(a.join(name)).unwrap().into()).unwrap();
    let written = open("scores.parquet");
    let mut lines = scores(&a).into_iter();
    let all: Vec<usize> = (0..written.columns().len()).collect();
    written
        .read(&all, &mut |row, cells| {
            assert_eq!(cells[0], Cell::Instant(nanos(usize::try_from(row).unwrap() - 1)));
            let rest: Vec<String> = cells[1..].iter().map(ToString::to_string).collect();
            assert_eq!(Some(rest.join(",")), lines.next());
        })
        .unwrap();
    assert_eq!(lines.next(), None);
    let incidents = open("incidents.parquet");
    let wanted = ["incident", "probability", "state", "services", "at", "data"];
    let wanted: Vec<usize> = wanted
        .iter()
        .map(|name| incidents.column(name).unwrap())
        .collect();
    let text = events(&a, "incidents.jsonl");
    let mut lines = text.lines();
    incidents
        .read(&wanted, &mut |_, cells| {
            let event: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
            let data = &event["data"];
            assert_eq!(cells[0], Cell::Text(data["id"].as_str().unwrap()));
            assert_eq!(cells[1], Cell::Number(data["probability"].as_f64().unwrap()));
            assert_eq!(cells[2], Cell::Text(data["state"].as_str().unwrap()));
            assert_eq!(cells[3], Cell::Text("day"));
            assert!(matches!(cells[4], Cell::Instant(at) if at > nanos(0)));
            let Cell::Text(json) = cells[5] else {
                panic!("{cells:?}")
            };
            assert_eq!(serde_json::from_str::<Value>(json).unwrap(), *data);
        })
        .unwrap();
    assert_eq!(lines.next(), None);

    // The same run, the same bytes; without the flag they go.
    let first = fs::read(a.join("scores.parquet")).unwrap();
    let again = replay(&root.join("day.csv"), &a, &["--parquet", "--chunk", "17"]);
    assert!(again.status.success());
    assert_eq!(fs::read(a.join("scores.parquet")).unwrap(), first);
    assert!(replay(&root.join("day.csv"), &a, &[]).status.success());
    assert!(!a.join("scores.parquet").exists());
}

#[test]
fn columns_may_be_called_otherwise_and_each_be_a_series() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let columns = [
        ("ts", Kind::Whole),
        ("cpu", Kind::Number),
        ("host", Kind::Text),
        ("loss", Kind::Number),
    ];
    let rows = values().into_iter().enumerate();
    // One has a hole; the other falls as the first rises.
    let row = |(n, v): (usize, f64)| {
        let hole = n == 5;
        vec![
            Cell::Whole(nanos(n) / 1_000_000),
            if hole { Cell::Empty } else { Cell::Number(v) },
            Cell::Text("a"),
            Cell::Number(100.0 - v),
        ]
    };
    table(&root.join("m.parquet"), &columns, rows.map(row));
    let out = root.join("out");
    let run = replay(
        &root.join("m.parquet"),
        &out,
        &["--columns", "timestamp=ts:ms,values=*", "--json"],
    );
    assert!(run.status.success(), "{}", text(&run.stderr));
    let said: Value = serde_json::from_str(&text(&run.stdout)).unwrap();
    assert_eq!(
        (&said["series"], &said["rows"], &said["rows_bad"]),
        (&2.into(), &2_879.into(), &0.into())
    );
    let mut series: BTreeMap<String, usize> = BTreeMap::new();
    for row in csv::Reader::from_path(out.join("scores.csv")).unwrap().records() {
        let row = row.unwrap();
        *series.entry(row[1].to_owned()).or_default() += 1;
        assert!(row[0].ends_with('Z'), "{row:?}");
    }
    assert_eq!(
        series,
        BTreeMap::from([
            (r#"m/cpu{host="a"}"#.to_owned(), 1_439),
            (r#"m/loss{host="a"}"#.to_owned(), 1_440),
        ])
    );
    let bad = replay(&root.join("m.parquet"), &out, &["--columns", "time=ts"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        text(&bad.stderr).contains("`time` is not known"),
        "{}",
        text(&bad.stderr)
    );
}

#[test]
fn a_table_that_is_broken_or_holds_something_else_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let good = root.join("good.parquet");
    let columns = [
        ("timestamp", Kind::Text),
        ("value", Kind::Text),
        ("on", Kind::Flag),
    ];
    let cells = [
        ("2026-03-01 00:00:00", "1"),
        ("soon", "2"),
        ("2026-03-01 00:02:00", "many"),
    ];
    table(
        &good,
        &columns,
        cells
            .iter()
            .map(|(at, v)| vec![Cell::Text(at), Cell::Text(v), Cell::Flag(true)]),
    );
    let out = root.join("out");
    let run = replay(&good, &out, &["--strict"]);
    let said = text(&run.stderr);
    assert_eq!(run.status.code(), Some(1));
    for part in [
        "good.parquet: row 2: the timestamp can't be read",
        "good.parquet: row 3: the value is not a finite number",
        "2 rows could not be read",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }

    let other = replay(&good, &out, &["--columns", "timestamp=on"]);
    assert!(
        text(&other.stderr).contains("good.parquet (its column `on` is to hold timestamps and holds flags)"),
        "{}",
        text(&other.stderr)
    );
    let missing = replay(&good, &out, &["--columns", "value=v"]);
    assert!(text(&missing.stderr).contains("good.parquet (its header has no column `v`)"));

    // Beside a good file, too: half a file is not left alone.
    let bytes = fs::read(&good).unwrap();
    fs::create_dir(root.join("in")).unwrap();
    fs::write(root.join("in/day.csv"), day()).unwrap();
    fs::write(root.join("in/half.parquet"), &bytes[..bytes.len() / 2]).unwrap();
    let run = replay(&root.join("in"), &out, &[]);
    assert_eq!(run.status.code(), Some(1));
    let said = text(&run.stderr);
    assert!(said.contains("half.parquet: it is cut short"), "{said}");
    fs::write(root.join("in/half.parquet"), day()).unwrap();
    let said = text(&replay(&root.join("in"), &out, &[]).stderr);
    assert!(said.contains("half.parquet: it is no Parquet file"), "{said}");
}

fn bench(args: &[&str]) -> (Option<i32>, String, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_forecall"))
        .arg("bench")
        .args(args)
        .output()
        .unwrap();
    (run.status.code(), text(&run.stdout), text(&run.stderr))
}

fn figure(report: &Value, name: &str) -> f64 {
    let all = report["figures"].as_array().unwrap();
    let one = all
        .iter()
        .find(|f| f["name"] == name)
        .unwrap_or_else(|| panic!("{name} in {report}"));
    one["value"]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} in {report}"))
}

#[test]
fn a_benchmark_is_scored_and_what_it_lacks_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("data/real")).unwrap();
    fs::create_dir_all(root.join("labels")).unwrap();
    fs::write(root.join("data/real/day.csv"), day()).unwrap();
    let windows = |window: &str| {
        let text = format!(r#"{{"real/day.csv": [[{window}]], "real/gone.csv": []}}"#);
        fs::write(root.join("labels/combined_windows.json"), text).unwrap();
    };
    windows(r#""2026-03-01 16:40:00.000000", "2026-03-01 17:39:00.000000""#);
    let data = root.to_str().unwrap();
    let (code, said, why) = bench(&["nab", "--data", data, "--json"]);
    assert_eq!(code, Some(0), "{why}");
    let report: Value = serde_json::from_str(&said).unwrap();
    let head = report["about"].to_string();
    assert!(head.contains("1 files, 1 windows, 1440 rows"), "{head}");
    assert!(
        head.contains("1 of the 2 files named are here, NAB has 58"),
        "{head}"
    );
    for profile in ["standard", "low FP", "low FN"] {
        assert!(figure(&report, &format!("{profile}, swept")) > 99.0, "{report}");
        assert!(
            figure(&report, &format!("{profile}, as shipped")) > 90.0,
            "{report}"
        );
    }
    assert!(figure(&report, "range recall, as shipped") > 0.9, "{report}");
    assert!(figure(&report, "VUS-PR") > 0.5, "{report}");

    windows(r#""2026-03-01 16:40:30", "2026-03-01 17:39:00""#);
    let (code, _, why) = bench(&["nab", "--data", data]);
    assert_eq!(code, Some(1));
    assert!(
        why.contains("real/day.csv: a window doesn't begin and end with rows of the file"),
        "{why}"
    );
    let (code, _, why) = bench(&["nab", "--data", root.join("data").to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(why.contains("--data is a copy of NAB"), "{why}");
}

#[test]
fn any_labelled_folder_is_scored_by_a_column_or_a_file_alike() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("in")).unwrap();
    let mut labelled = String::from("timestamp,value,label\n");
    for (n, line) in day().lines().skip(1).enumerate() {
        labelled += &format!("{line},{}\n", u8::from((1_000..1_060).contains(&n)));
    }
    fs::write(root.join("in/day.csv"), labelled).unwrap();
    fs::write(
        root.join("labels.csv"),
        "start,end\n2026-03-01T16:40:00Z,2026-03-01T17:39:00Z\n",
    )
    .unwrap();
    let (data, labels) = (root.join("in"), root.join("labels.csv"));
    let data = ["folder", "--json", "--data", data.to_str().unwrap()];
    let by = |more: &[&str]| {
        let (code, said, why) = bench(&[&data, more].concat());
        assert_eq!(code, Some(0), "{why}");
        serde_json::from_str::<Value>(&said).unwrap()
    };
    let a = by(&["--label-column", "label"]);
    let b = by(&["--labels", labels.to_str().unwrap()]);
    assert_eq!(a, b);
    assert!(
        a["about"][0]
            .as_str()
            .unwrap()
            .ends_with("1 series, 1440 rows, 60 of them labelled")
    );
    assert!((figure(&a, "event recall, as shipped") - 1.0).abs() < 1e-12);
    assert!(figure(&a, "range recall, score of 3 or more") > 0.5, "{a}");
    let (code, _, why) = bench(&data);
    assert_eq!(code, Some(2), "{why}");
    let (code, _, why) = bench(&[&data[..], &["--label-column", "truth"]].concat());
    assert_eq!(code, Some(1));
    assert!(why.contains("no column `truth`"), "{why}");
}
