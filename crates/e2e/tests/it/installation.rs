//! forecall as an operator has it: a configuration, the binary, its metrics.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::Value;

use crate::broker;
use crate::http;
use crate::process::{Folder, Program, unique, wait_for};

/// The start joins six groups and waits for their assignments.
const START: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_secs(30);

/// The program: `FORECALL_E2E_BIN`, or what the build of this test has left beside it.
pub(crate) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("FORECALL_E2E_BIN") {
        return path.into();
    }
    // This test is <target>/release/deps/it-….
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().and_then(Path::parent).unwrap().join("forecall");
    assert!(
        binary.is_file(),
        "{} is missing: run `cargo xtask test`",
        binary.display()
    );
    binary
}

/// One installation of forecall: its topics, groups, ledger and state are nobody else's.
pub(crate) struct Installation {
    pub(crate) name: String,
    program: Option<Program>,
    starts: u32,
    pub(crate) folder: Folder,
}

impl Installation {
    /// With topics of its own below the prefix `<name>.`, not started yet.
    pub(crate) fn new(test: &str) -> Self {
        let name = unique(test);
        Self {
            folder: Folder::new(&name),
            name,
            program: None,
            starts: 0,
        }
    }

    /// The name of an input topic of this installation.
    pub(crate) fn input(&self, name: &str) -> String {
        format!("{}.in.{name}", self.name)
    }

    /// The name of one of forecall's own topics: `incidents` is `forecall.incidents.v1`.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}.forecall.{name}.v1", self.name)
    }

    /// Writes the configuration: what is the same in every test, and `rest`; then forecall makes its topics.
    pub(crate) fn configure(&self, idle_seconds: u32, rest: &str) {
        let (name, folder, kafka) = (&self.name, self.folder.path().display(), broker::bootstrap());
        let text = format!(
            "domain: e2e
group: {name}
kafka: {{bootstrap_servers: \"{kafka}\", security_protocol: plaintext}}
topics: {{prefix: \"{name}.\", partitions: 2, replication: 1, dev: true}}
ledger:
  path: {folder}/ledger.sqlite
  master_key: \"${{env:FORECALL_E2E_MASTER_KEY}}\"
  pseudonym_key: \"${{env:FORECALL_E2E_PSEUDONYM_KEY}}\"
state: {{path: {folder}/state, interval_seconds: 2, tick_seconds: 1, idle_seconds: {idle_seconds}}}
http: {{listen: \"127.0.0.1:0\"}}
logs: {{format: json, level: info}}
{rest}"
        );
        self.folder.write("forecall.yaml", &text);
        self.finish("topics-create", &["topics", "create", "--config"]);
    }

    /// Runs the binary with these arguments, the last of which is `--config`, to its end; gives what it printed.
    pub(crate) fn finish(&self, name: &str, arguments: &[&str]) -> String {
        let mut program = Program::start(name, &mut self.command(arguments), self.folder.path());
        assert!(program.wait(SHORT).success(), "{}", program.output());
        program.output()
    }

    /// The binary with these arguments and the configuration after them.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .arg(self.folder.path().join("forecall.yaml"))
            .current_dir(self.folder.path())
            .env("FORECALL_E2E_MASTER_KEY", "5e".repeat(32))
            .env("FORECALL_E2E_S3_SECRET", crate::objects::SECRET)
            .env("FORECALL_E2E_PSEUDONYM_KEY", "a7".repeat(32));
        command
    }

    /// Starts `forecall run`, slot 0; doesn't wait.
    pub(crate) fn start(&mut self) {
        self.starts += 1;
        let mut command = self.command(&["run", "--slot", "0", "--config"]);
        let name = format!("run-{}", self.starts);
        self.program = Some(Program::start(&name, &mut command, self.folder.path()));
    }

    fn program(&mut self) -> &mut Program {
        self.program.as_mut().expect("it is started")
    }

    /// All it has said since the start; from earlier starts too.
    pub(crate) fn output(&self) -> String {
        (1..=self.starts)
            .map(|start| self.folder.path().join(format!("run-{start}.log")))
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    }

    /// Waits until it says that it is ready.
    pub(crate) fn await_ready(&mut self) {
        let name = self.name.clone();
        let mut last = String::new();
        wait_for(&format!("readiness of {name}"), START, || {
            let answer = self.get("/-/ready");
            if let Some((status, text)) = answer {
                if status == 200 {
                    return Some(());
                }
                if last != text {
                    println!("{name}: not ready: {text}");
                    last = text;
                }
            }
            None
        });
    }

    fn get(&mut self, path: &str) -> Option<(u16, String)> {
        self.program().check_running();
        let address = address(&self.program().output())?;
        http::get(address, path)
    }

    /// What `/metrics` says.
    pub(crate) fn metrics(&mut self) -> String {
        wait_for("metrics", SHORT, || {
            self.get("/metrics")
                .filter(|(status, _)| *status == 200)
                .map(|(_, text)| text)
        })
    }

    /// Sum of a metric over the label sets that hold all of `labels`, each written `name="value"`.
    pub(crate) fn metric(&mut self, name: &str, labels: &[&str]) -> f64 {
        sum(&self.metrics(), name, labels)
    }

    /// Its process id.
    pub(crate) fn id(&mut self) -> u32 {
        self.program().id()
    }

    /// Fails if it has ended.
    pub(crate) fn check_running(&mut self) {
        self.program().check_running();
    }

    /// The status it ends with by itself.
    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        self.program().wait(within)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.program().kill();
    }

    /// SIGTERM: it must end in order.
    pub(crate) fn stop(&mut self) {
        let status = self.program().terminate(Duration::from_secs(20));
        assert_eq!(status.code(), Some(0), "{} ended with {status}", self.name);
    }
}

/// Where metrics are served, from the line that says so.
fn address(output: &str) -> Option<SocketAddr> {
    let lines = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut addresses = lines.filter(|line| line["message"] == "metrics and health are served");
    addresses.next()?["address"].as_str()?.parse().ok()
}

fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    text.lines()
        .filter_map(|line| line.strip_prefix(name))
        .filter(|rest| rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label)))
        .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[test]
fn metrics_are_summed_by_labels() {
    let text = "# HELP a x\na_total{s=\"x\",t=\"1\"} 2\na_total{s=\"x\",t=\"2\"} 3\na_total{s=\"y\"} 5\na_total_b 7\n";
    assert!((sum(text, "a_total", &["s=\"x\""]) - 5.0).abs() < 1e-9);
    assert!((sum(text, "a_total", &[]) - 10.0).abs() < 1e-9);
}
