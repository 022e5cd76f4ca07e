//! `demo`: the binary's demo, built as it is shipped.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::metadata::cargo;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Given to `forecall demo` as they are.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    demo: Vec<String>,
}

/// Becomes the demo, so that it owns the terminal and Ctrl-C reaches it alone.
pub(crate) fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let mut command = cargo(root);
    command
        .args(["run", "--release", "--package", "forecall", "--", "demo"])
        .args(&args.demo);
    Err(command.exec()).context("can't start cargo")
}
