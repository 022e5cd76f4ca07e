//! `dashboards --look`: each dashboard drawn by a page of our own from what a real Prometheus answers about a demo that runs, so that
//! somebody has looked at it. Grafana draws them otherwise; what is asked, and what comes, is the same.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::{FOLDER, all};
use crate::{apt, process, prometheus, test};

const PICTURES: &str = "docs/images/dashboards";
const PAGE: &str = include_str!("page.html");
/// A day of the demo takes 144 s, on a busy machine more; its first trouble is over before it ends.
const WATCHED_MAX: Duration = Duration::from_secs(420);
/// A trouble has come and gone: there is something to see on each board.
const SEEN: &str = r#"sum(forecall_incidents_total{change="resolved"}) > 0"#;
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two points of a line.
const STEP_SECONDS: u64 = 1;
/// What stands for Grafana's variables, with a scrape a second.
const VARIABLES: [(&str, &str); 8] = [
    ("$__rate_interval", "10s"),
    ("$__range", "2m"),
    ("$job", ".+"),
    ("$instance", ".+"),
    ("$stage", ".+"),
    ("$queue", ".+"),
    ("$domain", ".+"),
    ("$for", ".+"),
];
/// Of the drill-down's metrics one is chosen, as a person would.
const CHOSEN: (&str, &str) = ("$for", "access.packet_loss");

/// A program that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Draws all of them.
pub(super) fn look(root: &Path) -> Result<()> {
    let programs = prometheus::prepare()?;
    let browser = browser()?;
    let folder = std::env::temp_dir().join(format!("forecall-look-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let done = drawn(root, &folder, &programs.server, &browser);
    let _ = fs::remove_dir_all(&folder);
    done
}

fn browser() -> Result<PathBuf> {
    if process::on_path("chromium").is_none() {
        apt::install(&["chromium", "fonts-dejavu-core"], "Chromium")?;
    }
    process::on_path("chromium").context("no `chromium` found: install the package chromium")
}

fn drawn(root: &Path, folder: &Path, server: &Path, browser: &Path) -> Result<()> {
    let (target, address) = (free()?, free()?);
    let _prometheus = start_prometheus(server, folder, target, address)?;
    let mut demo = Command::new(test::binary(root));
    demo.args([
        "demo",
        "--plain",
        "--customers",
        "20000",
        "--http",
        &target.to_string(),
        "--out",
    ])
    .arg(folder.join("out"));
    let begun = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let _demo = started(&mut demo, folder, "demo")?;
    println!("xtask: a demo runs until its first trouble is over");
    let end = Instant::now() + WATCHED_MAX;
    let is_seen = || -> Result<bool> {
        let answer: Value =
            serde_json::from_str(&get(address, &format!("/api/v1/query?query={}", percent(SEEN)))?)?;
        let series = answer.pointer("/data/result").and_then(Value::as_array);
        Ok(series.is_some_and(|series| !series.is_empty()))
    };
    while !is_seen()? {
        process::check_stop()?;
        if Instant::now() > end {
            bail!("no trouble of the demo is over in {} s", WATCHED_MAX.as_secs());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    fs::create_dir_all(root.join(PICTURES))?;
    for board in all() {
        let uid = board.uid();
        let text = fs::read_to_string(root.join(format!("{FOLDER}/{uid}.json")))?;
        let board: Value = serde_json::from_str(&text)?;
        let answers = answers(&board, address, (begun, now))?;
        let data =
            json!({"board": board, "answers": answers, "from": begun, "to": now, "step": STEP_SECONDS});
        let page = folder.join(format!("{uid}.html"));
        // What stands in a script must not end it.
        let data = data.to_string().replace("</", "<\\/");
        fs::write(&page, PAGE.replace("= DATA;", &format!("= {data};")))?;
        let picture = root.join(format!("{PICTURES}/{}.png", uid.trim_start_matches("forecall-")));
        take(browser, &page, &picture, height(&board))?;
        println!("{}", picture.display());
    }
    Ok(())
}

fn height(board: &Value) -> u64 {
    let of = |panel: &Value, side: &str| panel.pointer(side).and_then(Value::as_u64).unwrap_or(0);
    let panels = board["panels"].as_array().into_iter().flatten();
    let bottoms = panels.map(|panel| of(panel, "/gridPos/y") + of(panel, "/gridPos/h"));
    bottoms.max().unwrap_or(0) * 38 + 80
}

fn started(command: &mut Command, folder: &Path, name: &str) -> Result<Running> {
    let log = fs::File::create(folder.join(format!("{name}.log")))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("can't start {name}: {command:?}"))?;
    Ok(Running(child))
}

fn start_prometheus(
    server: &Path,
    folder: &Path,
    target: SocketAddr,
    address: SocketAddr,
) -> Result<Running> {
    let config = folder.join("prometheus.yaml");
    fs::write(
        &config,
        format!(
            "global: {{scrape_interval: 1s}}\n\
             scrape_configs: [{{job_name: forecall, static_configs: [{{targets: [\"{target}\"]}}]}}, \
             {{job_name: forecall-series, metrics_path: /metrics/anomaly, static_configs: [{{targets: [\"{target}\"]}}], \
             metric_relabel_configs: [{{target_label: job, replacement: forecall}}]}}]\n"
        ),
    )?;
    let mut command = Command::new(server);
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={address}"));
    let running = started(&mut command, folder, "prometheus")?;
    let end = Instant::now() + PATIENCE;
    while get(address, "/-/ready").is_err() {
        if Instant::now() > end {
            bail!(
                "Prometheus doesn't answer: {}",
                process::tail(&folder.join("prometheus.log"))
            );
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(running)
}

/// What Prometheus answers to each query of a dashboard.
fn answers(board: &Value, address: SocketAddr, (from, to): (u64, u64)) -> Result<Map<String, Value>> {
    let mut found = Map::new();
    for panel in board["panels"].as_array().into_iter().flatten() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let Some(query) = target["expr"].as_str() else {
                continue;
            };
            let asked = put_in(query, panel["title"].as_str().unwrap_or_default());
            let path = if target["instant"] == true {
                format!("/api/v1/query?query={}&time={to}", percent(&asked))
            } else {
                format!(
                    "/api/v1/query_range?query={}&start={from}&end={to}&step={STEP_SECONDS}",
                    percent(&asked)
                )
            };
            let answer: Value = serde_json::from_str(&get(address, &path)?)?;
            let Some(series) = answer.pointer("/data/result") else {
                bail!("{asked}: {answer}");
            };
            found.insert(query.to_owned(), series.clone());
        }
    }
    Ok(found)
}

fn put_in(query: &str, panel: &str) -> String {
    let query = if panel.starts_with("Measured") || panel == "Score" {
        // One series, as whoever drills down ends with.
        let (name, value) = CHOSEN;
        let one = query.replace(name, value);
        one.replace("}", r#",cell_id="IR-10-ISF-c1"}"#)
    } else {
        query.to_owned()
    };
    VARIABLES
        .iter()
        .fold(query, |query, (name, value)| query.replace(name, value))
}

fn take(browser: &Path, page: &Path, picture: &Path, height: u64) -> Result<()> {
    let mut command = Command::new(browser);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
        ])
        .arg(format!("--window-size=1600,{height}"))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!(
            "--user-data-dir={}",
            page.with_extension("profile").display()
        ))
        .arg(format!("file://{}", page.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    process::run_ok(&mut command)
}

fn free() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

/// The body of a GET over HTTP/1.0.
fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no answer")?;
    if head.split(' ').nth(1) != Some("200") {
        bail!("{path}: {text}");
    }
    Ok(body.to_owned())
}

/// Each byte but letters and digits as `%XX` (RFC 3986, 2.1).
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}
