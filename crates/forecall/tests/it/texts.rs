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
        r#"2026-01-01T04:03:00Z customer.texts.rate {"kind":"ticket"}"#,
    ];
    assert_eq!(opened, expected);
    let mut written = all(&folder.path().join("out"));
    written.insert("said".to_owned(), said);
    for (name, text) in &written {
        for secret in ["كسی‌خبر", "رمزواره", "9121234567", "۹۱۲۱۲۳۴۵۶۷"] {
            assert!(!text.contains(secret), "{secret} stands in {name}");
        }
    }
    let manifest: Value = serde_json::from_str(&written["manifest.json"]).unwrap();
    assert_eq!(manifest["rows_bad"], 0, "{manifest}");
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

/// OTLP requests in JSON, one a line and each of ten seconds, for two hours: a service that serves, and now and then fails.
fn logs(new_at: Option<usize>, surge: &std::ops::Range<usize>) -> String {
    let mut lines = String::new();
    for bin in 0..720_usize {
        let mut records = Vec::new();
        let mut say = |severity: u32, body: &str| {
            let at = 1_767_225_600_000_000_000 + u64::try_from(bin).unwrap() * 10_000_000_000;
            records.push(serde_json::json!({
                "timeUnixNano": at.to_string(), "severityNumber": severity, "body": {"stringValue": body},
            }));
        };
        for n in 0..5 {
            let request = bin * 5 + n;
            say(
                9,
                &format!(
                    "served request {request} for maryam{n}@example.com in {} ms",
                    20 + n
                ),
            );
        }
        if bin % 7 == 3 {
            say(
                13,
                &format!(
                    "slow answer from gateway {bin}, retry by 0912 123 4{:03}",
                    bin % 1_000
                ),
            );
        }
        let declined = if surge.contains(&bin) {
            3
        } else {
            usize::from(bin % 40 == 11)
        };
        for n in 0..declined {
            say(
                17,
                &format!("payment declined for card 6037-9911-2345-{n:04} of \"Maryam Rezaei\""),
            );
        }
        if new_at == Some(bin) {
            say(17, "disk quota exceeded while writing ledger");
        }
        let request = serde_json::json!({"resourceLogs": [{
            "resource": {"attributes": [
                {"key": "service.name", "value": {"stringValue": "shop"}},
                {"key": "region", "value": {"stringValue": "IR-23"}},
            ]},
            "scopeLogs": [{"logRecords": records}],
        }]});
        writeln!(lines, "{request}").unwrap();
    }
    lines
}

const LOGS: &str = "\
domain: isp
topics: { dev: true, replication: 1 }
sources:
  - topic: logs
    format: otlp_json
    templates: true
";

#[test]
fn a_new_error_and_a_surge_of_a_known_one_are_found_in_logs_and_calm_ones_open_nothing() {
    let folder = tempfile::tempdir().unwrap();
    replay_source(folder.path(), LOGS, "logs", &logs(None, &(0..0)));
    let of_templates = |opened: Vec<String>| -> Vec<String> {
        opened
            .into_iter()
            .filter(|line| line.contains("log.template"))
            .collect()
    };
    assert_eq!(of_templates(opened(folder.path())), Vec::<String>::new());

    let said = replay_source(folder.path(), LOGS, "logs", &logs(Some(400), &(600..630)));
    expect_test::expect![[r#"
        2026-01-01T01:06:40Z log.templates.new.rate {"severity":"error"}
        2026-01-01T01:40:00Z log.template.records.rate {"log.template":"pwbya2e121qk04ye","log.template.text":"payment declined for card <*> of <*>","severity":"ERROR"}
    "#]]
    .assert_eq(&(of_templates(opened(folder.path())).join("\n") + "\n"));
    let mut written = all(&folder.path().join("out"));
    written.insert("said".to_owned(), said);
    for (name, text) in &written {
        for secret in [
            "maryam",
            "Maryam",
            "example.com",
            "6037-9911",
            "60379911",
            "123 4",
            "2345-",
        ] {
            assert!(!text.contains(secret), "{secret} stands in {name}");
        }
    }
}
