//! A real Prometheus takes our rules, and answers every query of our dashboards about a forecall that runs.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::installation::binary;
use crate::process::{Folder, Program, told, unique, wait_for};
use crate::{http, ports};

/// Far above what a start or a scrape takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A day of the demo at its usual speed takes 144 s; its first trouble comes within this time.
const DEMO_WITHIN: Duration = Duration::from_secs(140);
const RULE_TESTS_WITHIN: Duration = Duration::from_secs(300);
/// What stands for Grafana's variables, with a scrape a second.
const VARIABLES: [(&str, &str); 8] = [
    ("$__rate_interval", "15s"),
    ("$__range", "5m"),
    ("$job", ".+"),
    ("$instance", ".+"),
    ("$stage", ".+"),
    ("$queue", ".+"),
    ("$domain", ".+"),
    ("$for", ".+"),
];
/// Metrics that the demo can't have, each with why. A query of others must answer with series.
const ABSENT: [(&str, &str); 22] = [
    ("forecall_adopted_total", "nothing was there before"),
    ("forecall_bridge_", "the demo has no bridge"),
    ("forecall_canary_", "the demo has no canary"),
    ("forecall_config_last_reload", "it reads no file"),
    (
        "forecall_delivery_errors_total",
        "its gateways are files: none fails",
    ),
    ("forecall_digest_mismatch_total", "never, it is hoped"),
    ("forecall_gateway_down", "set when a gateway fails or comes back"),
    ("forecall_gateway_heard_total", "files say nothing"),
    ("forecall_intents_settled_total", "every message has its answer"),
    ("state=~\"failed|unknown\"", "none fails"),
    ("forecall_journey", "the demo has no rules of journeys"),
    ("forecall_label_overflow_total", "no bound is reached"),
    ("forecall_pages_total", "no team has a budget"),
    ("forecall_prediction_brier", "absent before the first outcome"),
    ("forecall_predictions_settled", "the same"),
    ("forecall_remedies_total", "no rule of remedies"),
    ("forecall_remedy_calls_total", "the same"),
    ("forecall_topic_findings", "the demo has no broker"),
    ("forecall_transaction", "the same"),
    ("forecall_watchdog_restarts_total", "the same"),
    (
        "forecall_incidents_total",
        "whether one comes back or is averted is the day's chance",
    ),
    (
        "forecall_record_to_incident_seconds",
        "between two incidents a share is 0/0",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn promtool(arguments: &[&str]) -> String {
    let output = Command::new(told("FORECALL_E2E_PROMTOOL"))
        .args(arguments)
        .current_dir(root().join("deploy/prometheus"))
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

#[test]
fn prometheus_takes_our_rules() {
    let said = promtool(&["check", "rules", "alerts.yaml", "recording.yaml"]);
    assert_eq!(said.matches("SUCCESS").count(), 2, "{said}");
    promtool(&["check", "config", "prometheus.example.yaml"]);
}

#[test]
fn each_alert_fires_on_what_it_is_for() {
    let folder = Folder::new(&unique("rules"));
    let mut command = Command::new(told("FORECALL_E2E_PROMTOOL"));
    command
        .args(["test", "rules", "tests/alerts.yaml"])
        .current_dir(root().join("deploy/prometheus"));
    let mut program = Program::start("promtool", &mut command, folder.path());
    assert!(program.wait(RULE_TESTS_WITHIN).success(), "{}", program.output());
}

/// A Prometheus that scrapes one address each second.
struct Prometheus {
    program: Program,
    address: SocketAddr,
}

impl Prometheus {
    fn start(folder: &Folder, target: SocketAddr) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let rules = root().join("deploy/prometheus");
        let config = folder.write(
            "prometheus.yaml",
            &format!(
                "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
                 rule_files: [\"{0}/alerts.yaml\", \"{0}/recording.yaml\"]\n\
                 scrape_configs: [{{job_name: forecall, static_configs: [{{targets: [\"{target}\"]}}]}}, \
                 {{job_name: forecall-series, metrics_path: /metrics/anomaly, static_configs: [{{targets: [\"{target}\"]}}], \
                 metric_relabel_configs: [{{target_label: job, replacement: forecall}}]}}]\n",
                rules.display()
            ),
        );
        let mut command = Command::new(told("FORECALL_E2E_PROMETHEUS"));
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"));
        let mut program = Program::start("prometheus", &mut command, folder.path());
        wait_for("Prometheus' start", PATIENCE, || {
            program.check_running();
            http::get(address, "/-/ready").filter(|(status, _)| *status == 200)
        });
        Self { program, address }
    }

    /// How many series the query gives; the error says what Prometheus said.
    fn ask(&self, query: &str) -> Result<usize, String> {
        let path = format!("/api/v1/query?query={}", percent(query));
        let (status, text) = http::get(self.address, &path).ok_or("no answer")?;
        let answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        match answer["data"]["result"].as_array() {
            Some(series) if status == 200 => Ok(series.len()),
            _ => Err(text),
        }
    }
}

/// Each byte but letters and digits as `%XX` (RFC 3986, 2.1).
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        encoded
    })
}

/// All queries of all dashboards, with where they stand.
fn queries() -> Vec<(String, String)> {
    let folder = root().join("deploy/grafana/dashboards");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let board: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let title = board["title"].as_str().unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let place = format!("{title} / {}", panel["title"].as_str().unwrap());
                found.push((place, target["expr"].as_str().unwrap().to_owned()));
            }
        }
        for annotation in board["annotations"]["list"].as_array().unwrap() {
            let place = format!("{title} / annotation {}", annotation["name"].as_str().unwrap());
            found.push((place, annotation["expr"].as_str().unwrap().to_owned()));
        }
        for variable in board["templating"]["list"].as_array().unwrap() {
            let Some(query) = variable["query"]["query"].as_str() else {
                continue;
            };
            // Grafana's own function: the values of a label are those that a count groups by.
            let inner = query
                .strip_prefix("label_values(")
                .and_then(|q| q.strip_suffix(')'))
                .unwrap();
            let (selector, label) = inner.rsplit_once(", ").unwrap();
            let place = format!("{title} / variable {label}");
            found.push((place, format!("count by ({label}) ({selector})")));
        }
    }
    found
}

fn put_in(query: &str) -> String {
    VARIABLES.iter().fold(query.to_owned(), |query, (name, value)| {
        query.replace(name, value)
    })
}

#[test]
fn every_query_of_the_dashboards_is_answered() {
    let folder = Folder::new(&unique("prometheus"));
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
    let prometheus = Prometheus::start(&folder, target);
    let mut command = Command::new(binary());
    command
        .args([
            "demo",
            "--plain",
            "--customers",
            "2000",
            "--http",
            &target.to_string(),
            "--out",
        ])
        .arg(folder.path().join("out"));
    let mut demo = Program::start("demo", &mut command, folder.path());
    // From then on there are incidents, notices, messages and call forecasts to ask about.
    wait_for("messages of the demo's first trouble", DEMO_WITHIN, || {
        demo.check_running();
        let sent = prometheus.ask("sum(rate(forecall_intents_total[15s])) > 0");
        (sent == Ok(1)).then_some(())
    });

    let mut wrong = Vec::new();
    for (place, query) in queries() {
        match prometheus.ask(&put_in(&query)) {
            Err(said) => wrong.push(format!("{place}: {said}: {query}")),
            Ok(0) => match ABSENT.iter().find(|(metric, _)| query.contains(metric)) {
                Some((_, why)) => println!("empty, as expected: {place}: {why}"),
                None => wrong.push(format!("{place}: no data: {query}")),
            },
            Ok(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    demo.kill();
    let mut program = prometheus.program;
    assert!(program.terminate(PATIENCE).success());
}
