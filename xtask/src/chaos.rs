//! `chaos`: kills forecall's host again and again on a broker of its own, and compares what comes out with an oracle.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::kafka::{self, Throwaway};
use crate::metadata::cargo;
use crate::{java, process, repo, test};

/// What the harness is asked for: its own options, which it alone knows.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Options of the harness; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
    options: Vec<String>,
}

pub(crate) fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    process::listen_for_stop();
    eprintln!("xtask: building the harness");
    let build = [
        "build",
        "--release",
        "--package",
        "forecall-e2e",
        "--bin",
        "forecall-chaos",
    ];
    process::run_ok(cargo(root).args(build))?;
    let harness = || {
        let mut command = Command::new(test::binary(root).with_file_name("forecall-chaos"));
        command.current_dir(root).arg("run").args(&args.options);
        command
    };
    if process::asks_for_help(&args.options) {
        return process::code(&mut harness());
    }
    let java = java::prepare()?;
    let libs = kafka::libraries(root, &java)?;
    let broker = Throwaway::start(root, &java.java, &libs)?;
    let folder = repo::dev_dir(root).join(format!("chaos-{}", std::process::id()));
    let mut command = harness();
    command.args(["--proxy-port", &broker.proxy_port().to_string()]);
    command.args(["--proxy-to", &broker.second_port().to_string()]);
    command.args(["--bootstrap", &broker.bootstrap()]);
    command.arg("--folder").arg(folder);
    command.arg("--broker-pid-file").arg(broker.pid_file());
    // How the driver starts the broker again after it has killed it.
    let port = broker.port().to_string();
    command
        .arg("--")
        .arg(std::env::current_exe().context("can't find this program")?)
        .args(["kafka", "up", "--port", &port])
        .args(["--proxy", &broker.proxy_port().to_string(), "--folder"])
        .arg(broker.folder());
    process::code(&mut command)
}
