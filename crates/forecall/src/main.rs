//! forecall tells customers before they call. This is the program; what it does is in the crates below it.
//!
//! It knows the command line, files and exit codes, and puts [`forecall_runtime::Pipeline`] on a log.

mod acls;
mod api;
mod audit;
mod calls;
mod capacity;
mod check;
mod cli;
mod codegen;
mod customers;
mod dead_man;
mod demo;
mod directory;
mod doctor;
mod incidents;
mod journeys;
mod manual;
mod migrate;
mod notices;
mod reload;
mod replay;
mod run;
mod snapshots;
mod stop;
mod topic_watch;
mod topics;
mod topology;
mod word;

use std::process::ExitCode;

use clap::Parser;
use forecall_backtest::BadAssertion;
use forecall_config::ConfigError;
use forecall_ledger::LedgerError;
use forecall_log::LogError;
use forecall_runtime::{HostError, Refused};

use crate::cli::{Cli, Command};

// The table in docs/sre.md is this one.
/// The configuration or the command line is wrong.
const EXIT_USAGE: u8 = 2;
/// What was read again gave another result (`EX_DATAERR` of sysexits): a person must look before it goes on.
const EXIT_STATE: u8 = 65;
/// The Kafka client can't go on (`EX_SOFTWARE`): a new process may.
const EXIT_CLIENT: u8 = 70;
/// Another process has this one's slot, or a topic is wrong (`EX_CONFIG`): a supervisor must not start it again unchanged.
const EXIT_REFUSED: u8 = 78;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run(args) => done(run::run(&args, run::Which::All)),
        Command::Detect(args) => done(run::run(&args, run::Which::Detect)),
        Command::Correlate(args) => done(run::run(&args, run::Which::Correlate)),
        Command::Outreach(args) => done(run::run(&args, run::Which::Outreach)),
        Command::Deliver(args) => done(run::run(&args, run::Which::Deliver)),
        Command::Bridge(args) => done(run::run(&args, run::Which::Bridge)),
        Command::Remedy(args) => done(run::run(&args, run::Which::Remedy)),
        Command::Replay(command) => replay::run(command),
        Command::Bench(command) => replay::bench::run(command),
        Command::Check(args) => done(check::run(&args)),
        Command::Topics(args) => done(topics::run(&args)),
        Command::Notices(args) => notices::run(args),
        Command::Customers(args) => customers::run(&args),
        Command::Topology(args) => topology::run(args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Api(args) => done(api::run(&args)),
        Command::ApiToken(args) => done(api::token(&args)),
        Command::Incidents(args) => incidents::run(args),
        Command::Journeys(args) => journeys::run(&args),
        Command::Calls(args) => calls::run(&args),
        Command::Capacity(args) => done(capacity::run(&args)),
        Command::Snapshots(args) => snapshots::run(&args),
        Command::DeadMan(args) => dead_man::run(&args),
        Command::Directory(args) => done(directory::run(&args)),
        Command::Demo(args) => done(demo::run(args)),
        Command::Completions { shell } => done(manual::completions(shell)),
        Command::Man { out } => done(manual::pages(out.as_deref())),
        Command::Codegen(args) => done(codegen::run(&args)),
    };
    match result {
        Ok(code) => code,
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

fn done(result: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    result.map(|()| ExitCode::SUCCESS)
}

fn exit_code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(code_of).unwrap_or(1)
}

/// The code of one error of the chain, where it has one.
fn code_of(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if cause.is::<ConfigError>() || cause.is::<BadAssertion>() {
        return Some(EXIT_USAGE);
    }
    if cause.is::<Refused>() {
        return Some(EXIT_REFUSED);
    }
    if let Some(error) = cause.downcast_ref::<LogError>() {
        return of_log(error);
    }
    match cause.downcast_ref::<HostError>()? {
        HostError::Log(error) => of_log(error),
        HostError::Ledger(LedgerError::HeldByAnother { .. }) => Some(EXIT_REFUSED),
        HostError::DigestMismatch { .. } => Some(EXIT_STATE),
        _ => None,
    }
}

fn of_log(error: &LogError) -> Option<u8> {
    match error {
        LogError::Fenced { .. } | LogError::NoTopic { .. } => Some(EXIT_REFUSED),
        LogError::Fatal { .. } => Some(EXIT_CLIENT),
        LogError::Retriable { .. } | LogError::Stopped { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_can_tell_the_ends_apart() {
        let code = |error: HostError| exit_code(&anyhow::Error::from(error).context("while running"));
        let fatal = || LogError::Fatal {
            what: "the client can't go on".into(),
            source: None,
        };
        let fenced = || LogError::Fenced {
            identity: "forecall.detect.0".into(),
        };
        assert_eq!(code(HostError::Log(fatal())), EXIT_CLIENT);
        assert_eq!(exit_code(&fatal().into()), EXIT_CLIENT);
        assert_eq!(code(HostError::Log(fenced())), EXIT_REFUSED);
        assert_eq!(exit_code(&Refused(Vec::new()).into()), EXIT_REFUSED);
        assert_eq!(
            code(HostError::DigestMismatch {
                stage: "detect",
                partition: "t/0".into(),
                offset: 1,
                found: "a".into(),
                committed: "b".into()
            }),
            EXIT_STATE
        );
        assert_eq!(code(HostError::Panicked("detect".into())), 1);
        assert_eq!(exit_code(&anyhow::anyhow!("anything else")), 1);
    }
}
