//! `test`: everything the tests need, then all of them, then what was started is stopped.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::kafka::{self, Broker};
use crate::metadata::cargo;
use crate::{collectd, greenmail, java, process};

/// Folders of brokers that belong to a run of this command; the rest of the name is its process id.
const RUN_PREFIX: &str = "test-";
/// Below the range from which systems take the ports of outgoing connections (32768 on Linux), so that none of these
/// takes ours between the look and the broker's start.
const PORT_FIRST: u16 = 20_000;
const PORTS: u16 = 10_000;

#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Run only tests whose name contains this.
    filter: Option<String>,
    /// Leave out the end-to-end package: needs no server and nothing but Rust, a C/C++ compiler, make and perl.
    #[arg(long)]
    fast: bool,
    /// Only fetch and install what the tests need, then end.
    #[arg(long, conflicts_with_all = ["fast", "filter"])]
    prepare: bool,
    /// As `ci` builds: the lock file as it is, nothing incremental.
    #[arg(skip)]
    ci: bool,
}

impl Args {
    /// All tests, as `ci` runs them.
    pub(crate) fn for_ci() -> Self {
        Self {
            ci: true,
            ..Self::default()
        }
    }
}

/// Everything the end-to-end tests are told, as environment variables; the broker stops when this is dropped.
struct Servers {
    broker: Broker,
    folder: PathBuf,
    variables: Vec<(&'static str, PathBuf)>,
}

pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    process::listen_for_stop();
    if args.fast {
        println!("xtask: all tests but the end-to-end package");
        return process::run_ok(tests(root, args).args(["--exclude", "forecall-e2e"]));
    }
    if args.prepare {
        return Needs::prepare(root).map(|_ready| println!("xtask: everything the tests need is there"));
    }
    // Compile first: a mistake shows before anything is fetched, and the broker needn't run meanwhile. All targets,
    // so that the binary and the tests are built with one set of features, once.
    println!("xtask: building the binary and all tests");
    process::run_ok(&mut workspace(root, args, &["build", "--all-targets"]))?;
    let servers = Servers::start(root)?;
    let mut command = tests(root, args);
    command.envs(servers.variables.iter().map(|(name, value)| (name, value)));
    println!("xtask: running all tests");
    process::run_ok(&mut command)
}

/// The binary that a build of the workspace leaves.
pub(crate) fn binary(root: &Path) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    target.join("release/forecall")
}

fn tests(root: &Path, args: &Args) -> Command {
    let mut command = workspace(root, args, &["test", "--no-fail-fast"]);
    command.args(&args.filter);
    command
}

fn workspace(root: &Path, args: &Args, verb: &[&str]) -> Command {
    let mut command = cargo(root);
    command.args(verb).args(["--release", "--workspace"]);
    if args.ci {
        command.arg("--locked").env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// What the end-to-end tests need on this machine.
struct Needs {
    java: PathBuf,
    kafka: PathBuf,
    greenmail: PathBuf,
    collectd: PathBuf,
}

impl Needs {
    fn prepare(root: &Path) -> Result<Self> {
        println!("xtask: the end-to-end tests need Java, Maven, Kafka's and GreenMail's jars, and collectd");
        let java = java::prepare()?;
        Ok(Self {
            kafka: kafka::libraries(root, &java)?,
            greenmail: greenmail::prepare(root, &java)?,
            collectd: collectd::prepare()?,
            java: java.java,
        })
    }
}

impl Servers {
    fn start(root: &Path) -> Result<Self> {
        let needs = Needs::prepare(root)?;
        remove_left_over(root)?;
        let port = free_port()?;
        let folder = kafka::folder(root).join(format!("{RUN_PREFIX}{}", std::process::id()));
        let broker = Broker::new(folder.clone(), port);
        println!("xtask: starting Kafka on {}", broker.bootstrap());
        broker.up(&needs.java, &needs.kafka)?;
        let variables = vec![
            ("FORECALL_E2E_KAFKA", PathBuf::from(broker.bootstrap())),
            ("FORECALL_E2E_KAFKA_TOOLS", needs.kafka),
            ("FORECALL_E2E_GREENMAIL", needs.greenmail),
            ("FORECALL_E2E_JAVA", needs.java),
            ("FORECALL_E2E_COLLECTD", needs.collectd),
            ("FORECALL_E2E_BIN", binary(root)),
        ];
        Ok(Self {
            broker,
            folder,
            variables,
        })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        println!("xtask: stopping Kafka on {}", self.broker.bootstrap());
        if let Err(error) = stop(&self.broker, &self.folder) {
            eprintln!("xtask: {error:#}");
        }
    }
}

fn stop(broker: &Broker, folder: &Path) -> Result<()> {
    broker.down()?;
    fs::remove_dir_all(folder).with_context(|| format!("can't remove {}", folder.display()))
}

/// Stops and removes what a run that was killed could not: brokers whose own `xtask` is gone.
fn remove_left_over(root: &Path) -> Result<()> {
    let folder = kafka::folder(root);
    for entry in fs::read_dir(&folder).with_context(|| format!("can't read {}", folder.display()))? {
        let path = entry.context("can't read a folder entry")?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let Some(owner) = name.strip_prefix(RUN_PREFIX).and_then(|id| id.parse().ok()) else {
            continue;
        };
        if !is_xtask(owner) {
            println!("xtask: removing what a killed run left in {}", path.display());
            // The port matters for starting only; stopping goes by the folder's pid file.
            stop(&Broker::new(path.clone(), 0), &path)?;
        }
    }
    Ok(())
}

/// Whether this is another run's process; a folder with our own id is a recycled one.
fn is_xtask(pid: u32) -> bool {
    pid != std::process::id()
        && process::cmdline(pid)
            .and_then(|words| words.into_iter().next())
            .is_some_and(|word| word.ends_with("xtask"))
}

/// A port that is free together with the next one, which the controller takes.
fn free_port() -> Result<u16> {
    // Two runs at once begin at different places.
    let begin = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap_or_default();
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    (0..PORTS)
        .step_by(2)
        .map(|offset| PORT_FIRST + (begin + offset) % PORTS)
        .find(|port| is_free(*port) && is_free(*port + 1))
        .context("no two neighbouring loopback ports are free between 20000 and 30000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_has_a_free_neighbour() {
        let port = free_port().unwrap();
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    }

    #[test]
    fn we_are_no_other_run() {
        assert!(!is_xtask(std::process::id()));
        assert!(!is_xtask(u32::MAX));
    }
}
