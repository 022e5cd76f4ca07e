//! `codegen`: `schemas/` and `docs/reference/` are written by the binary from its own types, dashboards by this one.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::metadata::cargo;
use crate::{dashboards, process};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail when a file differs from what would be written, or a schema breaks what its released form has promised.
    #[arg(long)]
    check: bool,
    /// Also make the present schemas the released ones (`schemas/released/`), where they keep what was promised.
    #[arg(long, conflicts_with = "check")]
    publish: bool,
}

/// Passes on the binary's exit code.
pub(crate) fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let mut command = cargo(root);
    command.args(["run", "--release", "--quiet", "--package", "forecall", "--"]);
    let status = process::run(with_arguments(&mut command, root, args))?;
    let code = status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1);
    if code != 0 {
        return Ok(ExitCode::from(code));
    }
    // After the reference of metrics, which they are checked against.
    dashboards::run(
        root,
        &dashboards::Args {
            check: args.check,
            look: false,
        },
    )
}

/// Checks with a binary that is built already.
pub(crate) fn check_with(binary: &Path, root: &Path) -> Result<()> {
    let args = Args {
        check: true,
        publish: false,
    };
    process::run_ok(with_arguments(&mut Command::new(binary), root, &args))
}

fn with_arguments<'a>(command: &'a mut Command, root: &Path, args: &Args) -> &'a mut Command {
    command.args(["codegen", "--root"]).arg(root);
    if args.check {
        command.arg("--check");
    }
    if args.publish {
        command.arg("--publish");
    }
    command
}
