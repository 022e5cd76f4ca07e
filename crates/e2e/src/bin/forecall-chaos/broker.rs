//! The broker's process, where the driver may kill it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// Tries to start the broker again.
const STARTS_MAX: u32 = 3;

/// Where the broker's process id stands, and the command that starts it again and waits until it is ready.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Broker {
    /// File with the process id of the broker; without it the broker is left alone.
    #[arg(long, requires = "broker_up", help_heading = "Given by `cargo xtask chaos`")]
    broker_pid_file: Option<PathBuf>,
    /// Command that starts the broker again and waits until it is ready.
    #[arg(last = true, help_heading = "Given by `cargo xtask chaos`")]
    broker_up: Vec<String>,
}

impl Broker {
    pub(crate) fn may_be_killed(&self) -> bool {
        self.broker_pid_file.is_some()
    }

    /// SIGKILL.
    pub(crate) fn kill(&self) -> Result<()> {
        let Some(file) = &self.broker_pid_file else {
            return Ok(());
        };
        let id: i32 = std::fs::read_to_string(file)
            .context("the broker's process id could not be read")?
            .trim()
            .parse()
            .context("the broker's process id is no number")?;
        // A recycled id must not cost another program its life.
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        ensure!(
            String::from_utf8_lossy(&line).contains("kafka.Kafka"),
            "process {id} is no broker"
        );
        kill_process(Pid::from_raw(id).context("no process id")?, Signal::KILL)
            .context("failed to kill the broker")
    }

    /// Starts it again, and waits until it is ready.
    pub(crate) fn start(&self) -> Result<()> {
        let Some((program, arguments)) = self.broker_up.split_first() else {
            return Ok(());
        };
        // On a machine that is busy beyond measure it may not be ready in time; then it is not left running.
        for _ in 0..STARTS_MAX {
            let status = Command::new(program)
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .status()
                .context("failed to start the broker again")?;
            if status.success() {
                return Ok(());
            }
        }
        bail!("the broker didn't start again in {STARTS_MAX} tries")
    }
}
