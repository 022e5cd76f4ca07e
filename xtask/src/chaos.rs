//! `chaos`: kills forecall's host again and again on a broker of its own, and compares what comes out with an oracle.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::kafka::{self, Throwaway};
use crate::metadata::cargo;
use crate::{java, process, repo, test};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// SIGKILLs of processes, those at crash points included.
    #[arg(long, default_value_t = 200)]
    kills: u64,
    /// SIGKILLs of the broker; otherwise one for every fifty of the processes.
    #[arg(long)]
    broker_kills: Option<u64>,
    /// SIGKILLs of the control, which uses no transactions and must fail.
    #[arg(long, default_value_t = 12)]
    control_kills: u64,
    /// Draws the schedule and the input.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Records a second.
    #[arg(long, default_value_t = 600)]
    rate: u64,
    /// Keep the logs where all is in order too.
    #[arg(long)]
    keep: bool,
    /// Tell the result as JSON.
    #[arg(long)]
    json: bool,
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
    let java = java::prepare()?;
    let libs = kafka::libraries(root, &java)?;
    let broker = Throwaway::start_proxied(root, &java.java, &libs)?;
    let folder = repo::dev_dir(root).join(format!("chaos-{}", std::process::id()));
    let mut command = std::process::Command::new(test::binary(root).with_file_name("forecall-chaos"));
    command.current_dir(root).arg("run");
    for (name, number) in [
        ("--kills", args.kills),
        ("--control-kills", args.control_kills),
        ("--seed", args.seed),
        ("--rate", args.rate),
        ("--proxy-port", broker.proxy_port().into()),
        ("--proxy-to", broker.second_port().into()),
    ] {
        command.args([name, &number.to_string()]);
    }
    if let Some(count) = args.broker_kills {
        command.args(["--broker-kills", &count.to_string()]);
    }
    if args.json {
        command.arg("--json");
    }
    if args.keep {
        command.arg("--keep");
    }
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
    let status = process::run(&mut command)?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
