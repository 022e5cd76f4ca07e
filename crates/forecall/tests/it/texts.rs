//! Files of a declared source through all stages: what customers write.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::replay::all;

const CONFIG: &str = "\
domain: isp
simulated: true
allow_literal_secrets: true
topics: { dev: true, replication: 1 }
ledger: { pseudonym_key: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef }
sources:
  - topic: crm.texts
    format: customer_texts
";

pub(crate) fn replay_source(folder: &Path, config: &str, source: &str, lines: &str) -> String {
    let (input, settings, out) = (folder.join("in.jsonl"), folder.join("c.yaml"), folder.join("out"));
    fs::write(&input, lines).unwrap();
    fs::write(&settings, config).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_forecall"))
        .arg("replay")
        .args(["--input".as_ref(), input.as_os_str()])
        .args(["--config".as_ref(), settings.as_os_str()])
        .args(["--out".as_ref(), out.as_os_str()])
        .args(["--source", source])
        .output()
        .unwrap();
    let said = String::from_utf8([run.stdout, run.stderr].concat()).unwrap();
    assert!(run.status.success(), "{said}");
    said
}

/// One line for each anomaly that was opened: time, metric, labels.
pub(crate) fn opened(folder: &Path) -> Vec<String> {
    let anomalies = fs::read_to_string(folder.join("out/anomalies.jsonl")).unwrap();
    let mut opened: Vec<String> = anomalies
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|event: &Value| event["type"] == "forecall.anomaly.opened.v1")
        .map(|event| {
            let data = &event["data"];
            let (at, series) = (data["at"].as_str().unwrap(), &data["series"]);
            format!("{at} {} {}", series["metric"].as_str().unwrap(), series["labels"])
        })
        .collect();
    opened.sort();
    opened
}

/// Six hours of a few texts a minute; from the fifth hour on, for twenty minutes, six more a minute that say «کسی خبر نداد».
fn day(has_wave: bool) -> String {
    let calm = [
        "ممنون، عالی بود",
        "How do I change my plan?",
        "بسته‌ی یک‌ماهه می‌خواستم",
        "Thanks!",
        "آدرس دفتر شما کجاست؟",
    ];
    let mut lines = String::new();
    for second in 0..21_600_usize {
        let at = 1_767_225_600 + second;
        let mut write = |text: &str| {
            let text = format!("{text} شماره‌ی من ۰۹۱۲۱۲۳۴۵۶۷ — رمزواره 09121234567");
            writeln!(
                lines,
                r#"{{"time":{at},"service":"internet","region":"IR-23","kind":"ticket","text":"{text}"}}"#
            )
            .unwrap();
        };
        if second % 23 == 0 {
            write(calm[(second / 23) % calm.len()]);
        }
        // Now and then one complains.
        if second % 4_000 == 1_234 {
            write("هيچ كسي خبر نداد");
        }
        if has_wave && (14_400..15_600).contains(&second) && second % 10 == 3 {
            write("از صبح هيچ كسی‌خبر نداد");
        }
    }
    lines
}

#[test]
fn a_wave_of_nobody_told_us_opens_an_anomaly_and_nothing_personal_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let said = replay_source(folder.path(), CONFIG, "crm.texts", &day(true));
    let opened = opened(folder.path());
    let expected = [
        r#"2026-01-01T04:00:00Z customer.topics.rate {"topic":"no_information"}"#,
        r#"2026-01-01T04:01:00Z customer.texts.rate {"kind":"ticket"}"#,
    ];
    assert_eq!(opened, expected);
    let mut written = all(&folder.path().join("out"));
    written.insert("said".to_owned(), said);
    for (name, text) in &written {
        for secret in ["خبر", "رمزواره", "9121234567", "۹۱۲۱۲۳۴۵۶۷"] {
            assert!(!text.contains(secret), "{secret} stands in {name}");
        }
    }
    assert!(
        written["manifest.json"].contains("\"rows_bad\": 0"),
        "{}",
        written["manifest.json"]
    );
}

#[test]
fn calm_texts_open_nothing_and_bad_lines_are_told_without_their_words() {
    let folder = tempfile::tempdir().unwrap();
    let bad =
        "{\"time\":1767225600,\"phone\":\"09121234567\"}\n{\"text\":\"رمزواره\"}\nرمزواره 09121234567\n";
    let said = replay_source(folder.path(), CONFIG, "crm.texts", &(day(false) + bad));
    assert_eq!(opened(folder.path()), Vec::<String>::new());
    for why in [
        "`/text` is missing",
        "a point has no time",
        "not JSON at line 1 column 1",
    ] {
        assert!(said.contains(why), "{why}: {said}");
    }
    assert!(
        !said.contains("رمزواره") && !said.contains("9121234567"),
        "{said}"
    );
}
