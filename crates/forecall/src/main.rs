//! forecall tells customers before they call. This is the program; what it does is in the crates below it.
//!
//! It knows the command line, files and exit codes, and puts [`forecall_runtime::Pipeline`] on a log.

mod check;
mod cli;
mod codegen;
mod demo;
mod directory;
mod manual;
mod replay;
mod run;
mod stop;
mod topics;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

/// Another process has this one's slot: a supervisor must not start it again unchanged (`EX_CONFIG` of sysexits).
const EXIT_FENCED: u8 = 78;
/// The configuration or the command line is wrong.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run(args) => run::run(&args, run::Which::All),
        Command::Detect(args) => run::run(&args, run::Which::Detect),
        Command::Correlate(args) => run::run(&args, run::Which::Correlate),
        Command::Outreach(args) => run::run(&args, run::Which::Outreach),
        Command::Deliver(args) => run::run(&args, run::Which::Deliver),
        Command::Replay(args) => replay::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Topics(args) => topics::run(&args),
        Command::Demo(args) => demo::run(args),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { out } => manual::pages(out.as_deref()),
        Command::Codegen(args) => codegen::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(exit_code(&error))
        }
    }
}

#[allow(clippy::print_stderr, reason = "the last word of a program that failed")]
fn complain(error: &anyhow::Error) {
    eprintln!("forecall: {error:#}");
}

fn exit_code(error: &anyhow::Error) -> u8 {
    let fenced = error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(forecall_log::LogError::Fenced { .. }))
            || matches!(
                cause.downcast_ref(),
                Some(forecall_runtime::HostError::Log(
                    forecall_log::LogError::Fenced { .. }
                ))
            )
    });
    let usage = error
        .chain()
        .any(|cause| cause.is::<forecall_config::ConfigError>());
    match (fenced, usage) {
        (true, _) => EXIT_FENCED,
        (_, true) => EXIT_USAGE,
        _ => 1,
    }
}
