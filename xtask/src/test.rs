//! `test`: everything the tests need, then all of them, then what was started is stopped.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::kafka::{self, Throwaway};
use crate::metadata::cargo;
use crate::{alertmanager, collectd, greenmail, java, jsmpp, process, prometheus, s3proxy};

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
    _broker: Throwaway,
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
    jsmpp: PathBuf,
    s3proxy: PathBuf,
    collectd: PathBuf,
    alertmanager: PathBuf,
    prometheus: prometheus::Programs,
}

impl Needs {
    fn prepare(root: &Path) -> Result<Self> {
        println!(
            "xtask: the end-to-end tests need Java, Maven, the jars of Kafka, GreenMail, jSMPP and S3Proxy, collectd, Alertmanager and Prometheus"
        );
        let java = java::prepare()?;
        Ok(Self {
            kafka: kafka::libraries(root, &java)?,
            greenmail: greenmail::prepare(root, &java)?,
            jsmpp: jsmpp::prepare(root, &java)?,
            s3proxy: s3proxy::prepare(root, &java)?,
            collectd: collectd::prepare()?,
            alertmanager: alertmanager::prepare()?,
            prometheus: prometheus::prepare()?,
            java: java.java,
        })
    }
}

impl Servers {
    fn start(root: &Path) -> Result<Self> {
        let needs = Needs::prepare(root)?;
        let broker = Throwaway::start(root, &needs.java, &needs.kafka)?;
        let variables = vec![
            ("FORECALL_E2E_KAFKA", PathBuf::from(broker.bootstrap())),
            ("FORECALL_E2E_KAFKA_LINE", PathBuf::from(broker.line())),
            ("FORECALL_E2E_KAFKA_TOOLS", needs.kafka),
            ("FORECALL_E2E_GREENMAIL", needs.greenmail),
            ("FORECALL_E2E_JSMPP", needs.jsmpp),
            ("FORECALL_E2E_S3PROXY", needs.s3proxy),
            ("FORECALL_E2E_JAVA", needs.java),
            ("FORECALL_E2E_COLLECTD", needs.collectd),
            ("FORECALL_E2E_ALERTMANAGER", needs.alertmanager),
            ("FORECALL_E2E_PROMETHEUS", needs.prometheus.server),
            ("FORECALL_E2E_PROMTOOL", needs.prometheus.promtool),
            ("FORECALL_E2E_BIN", binary(root)),
        ];
        Ok(Self {
            _broker: broker,
            variables,
        })
    }
}
