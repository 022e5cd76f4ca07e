//! The shipped binary as an operator runs it, followed by its own metrics.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::topic::{PARTITIONS, WAIT_MAX};
use crate::measure::cpu_of;

/// How often the metrics are looked at; forecall itself counts once a second.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Topics, groups and a folder of its own.
pub(crate) struct Installation {
    bootstrap: String,
    binary: PathBuf,
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// The part of the configuration that is this measurement's.
    rest: String,
    starts: u32,
}

impl Drop for Installation {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Installation {
    /// Writes the configuration and makes forecall's topics. `rest`: sources, and whatever differs from the defaults; in it
    /// `$FOLDER` is the folder.
    pub(crate) fn new(bootstrap: &str, binary: &Path, what: &str, rest: &str) -> Result<Self> {
        let name = format!("bench-{}-{what}", std::process::id());
        let folder = std::env::temp_dir().join(format!("forecall-{name}"));
        std::fs::create_dir_all(&folder)?;
        let mut house = Self {
            bootstrap: bootstrap.to_owned(),
            binary: binary.to_owned(),
            name,
            folder,
            rest: if rest.contains("state:") {
                rest.to_owned()
            } else {
                format!("{rest}state: {{path: $FOLDER/state}}\n")
            },
            starts: 0,
        };
        let (mut command, _) = house.command(&["topics", "create"])?;
        let made = command.output().context("failed to start forecall")?;
        ensure!(
            made.status.success(),
            "`forecall topics create` failed: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        Ok(house)
    }

    /// Name of one of forecall's own topics.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}.forecall.{name}.v1", self.name)
    }

    /// The binary with a configuration that has an address of its own, which is given too.
    fn command(&mut self, args: &[&str]) -> Result<(Command, String)> {
        self.starts += 1;
        let http = format!("127.0.0.1:{}", free_port()?);
        let (run, at, bootstrap) = (&self.name, self.folder.display(), &self.bootstrap);
        let rest = self.rest.replace("$FOLDER", &at.to_string());
        let text = format!(
            "domain: bench
group: {run}
kafka: {{bootstrap_servers: \"{bootstrap}\", security_protocol: plaintext}}
topics: {{prefix: \"{run}.\", partitions: {PARTITIONS}, replication: 1, dev: true}}
ledger:
  path: {at}/ledger.sqlite
  master_key: \"${{env:FORECALL_BENCH_MASTER_KEY}}\"
  pseudonym_key: \"${{env:FORECALL_BENCH_PSEUDONYM_KEY}}\"
http: {{listen: \"{http}\"}}
logs: {{format: json, level: \"info,forecall_runtime=debug\"}}
{rest}"
        );
        let config = self.folder.join(format!("forecall-{}.yaml", self.starts));
        std::fs::write(&config, text)?;
        let mut command = Command::new(&self.binary);
        command
            .args(args)
            .arg("--config")
            .arg(config)
            // Keys for nothing: no customer is in this data.
            .env("FORECALL_BENCH_MASTER_KEY", "5e".repeat(32))
            .env("FORECALL_BENCH_PSEUDONYM_KEY", "a7".repeat(32))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Ok((command, http))
    }

    /// Starts `forecall <stage>`.
    pub(crate) fn start(&mut self, stage: &str, slot: u32) -> Result<Process> {
        let (mut command, http) = self.command(&[stage, "--slot", &slot.to_string()])?;
        let log = self.folder.join(format!("log-{}", self.starts));
        let child = command
            .stderr(std::fs::File::create(&log)?)
            .spawn()
            .context("failed to start forecall")?;
        Ok(Process { child, http, log })
    }
}

/// A running forecall; killed when dropped.
pub(crate) struct Process {
    child: Child,
    http: String,
    log: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What `/metrics` said.
pub(crate) struct Metrics(String);

impl Metrics {
    /// The sum of a metric's values over all label sets that hold these pairs.
    pub(crate) fn sum(&self, metric: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        self.0
            .lines()
            .filter(|line| {
                line.strip_prefix(metric)
                    .is_some_and(|rest| rest.starts_with(['{', ' ']))
                    && wanted.iter().all(|label| line.contains(label))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Records that a stage has read.
    pub(crate) fn records(&self, stage: &str) -> u64 {
        self.sum("forecall_records_total", &[("stage", stage)]) as u64
    }
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL; nothing of it runs afterwards.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM: it commits what it has and ends, so that no transaction is left open.
    ///
    /// # Errors
    /// It did not end well, or not in two minutes.
    pub(crate) fn stop(mut self) -> Result<()> {
        let told = Command::new("kill")
            .args(["-TERM", &self.id().to_string()])
            .status()
            .context("failed to start kill")?;
        ensure!(told.success(), "forecall could not be told to stop");
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "forecall ended with {status}");
                return Ok(());
            }
            ensure!(begun.elapsed() < WAIT_MAX, "forecall did not stop");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Lines of its log that can be read as JSON.
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// What it says of itself; `None` while it doesn't answer yet.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn metrics(&mut self) -> Result<Option<Metrics>> {
        if let Some(status) = self.child.try_wait()? {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let end: Vec<_> = log.lines().rev().take(3).collect();
            anyhow::bail!("forecall ended with {status}: {}", end.join("\n"));
        }
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(&self.http)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        };
        Ok(ask().ok().map(Metrics))
    }
}

/// How far it was, when, and what CPU time the process had used.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) at: Instant,
    pub(crate) cpu: Duration,
    pub(crate) count: u64,
}

/// Follows a count over all of these processes until it is `done`; gives a mark for each change of it.
pub(crate) fn follow(
    processes: &mut [Process],
    count: impl Fn(&Metrics) -> u64,
    mut done: impl FnMut(&Metrics, &[Mark]) -> bool,
) -> Result<Vec<Mark>> {
    let (begun, mut marks) = (Instant::now(), Vec::<Mark>::new());
    loop {
        ensure!(
            begun.elapsed() < WAIT_MAX * 5,
            "forecall did not read the topic in ten minutes, see {:?}",
            processes.iter().map(|process| &process.log).collect::<Vec<_>>()
        );
        // What all of them say stands side by side: it is added up where it is read.
        let said = processes.iter_mut().map(|process| process.metrics());
        let all: Option<Vec<_>> = said.collect::<Result<_>>()?;
        if let Some(all) = all {
            let metrics = Metrics(all.into_iter().map(|metrics| metrics.0).collect());
            let now = count(&metrics);
            if now > marks.last().map_or(0, |mark| mark.count) {
                let mut cpu = Duration::ZERO;
                for process in &*processes {
                    cpu += cpu_of(Some(process.id()))?;
                }
                marks.push(Mark {
                    at: Instant::now(),
                    cpu,
                    count: now,
                });
            }
            if done(&metrics, &marks) {
                return Ok(marks);
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Counts, CPU and wall seconds while it was busy: between the first mark and the last but one, because forecall counts once
/// a second and was idle in a part of the last.
pub(crate) fn busy(marks: &[Mark]) -> Result<(f64, f64, f64)> {
    ensure!(
        marks.len() >= 3,
        "it was over in less than three seconds: give more --records"
    );
    let (first, last) = (marks[0], marks[marks.len() - 2]);
    Ok((
        (last.count - first.count) as f64,
        last.cpu.saturating_sub(first.cpu).as_secs_f64(),
        (last.at - first.at).as_secs_f64(),
    ))
}
