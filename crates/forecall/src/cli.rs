use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::demo::DemoArgs;
use crate::replay::ReplayArgs;

/// If the customer has called, we were late.
///
/// forecall reads service telemetry from Kafka, predicts incidents, tells the customers who will be hit, and forecasts the
/// calls that come with and without the notice.
#[derive(Debug, Parser)]
#[command(name = "forecall", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  forecall demo                                   a day of a simulated operator, no Kafka needed
  forecall check forecall.yaml                    is the configuration right?
  forecall topics create --config forecall.yaml   forecall's own topics
  forecall run --config forecall.yaml             all stages in one process
  forecall detect --config forecall.yaml --slot 1 one stage, second process of it
  forecall replay --input history/ --out result/  the same code on old data";

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "made once a process")]
pub(crate) enum Command {
    /// Run all stages in one process.
    #[command(after_help = "Example:\n  FORECALL_MASTER_KEY=… forecall run --config forecall.yaml")]
    Run(RunArgs),
    /// Run `rekey` and `detect` alone; more processes of it share the partitions.
    Detect(RunArgs),
    /// Run `correlate` alone.
    Correlate(RunArgs),
    /// Run `outreach` and its publisher alone.
    Outreach(RunArgs),
    /// Run `deliver` alone, on the host that has the ledger.
    Deliver(RunArgs),
    /// Run recorded telemetry through the same code: scores, anomalies, incidents, notices (never sent), call forecasts.
    Replay(ReplayArgs),
    /// Check a configuration; nothing is started.
    #[command(after_help = "Example:\n  forecall check forecall.yaml --json")]
    Check(CheckArgs),
    /// forecall's own topics on the broker.
    Topics(TopicsArgs),
    /// A day of a simulated operator at 600 times speed: a fibre degrades, customers are told, calls are forecast.
    Demo(DemoArgs),
    /// Completions for a shell, to standard output.
    #[command(after_help = "Example:\n  forecall completions bash > /etc/bash_completion.d/forecall")]
    Completions {
        /// bash, zsh, fish, elvish or powershell.
        shell: Shell,
    },
    /// Manual pages, to a folder or to standard output.
    Man {
        /// Folder for one page a command.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Write the generated files of the repository (schemas, reference), or check them.
    #[command(hide = true)]
    Codegen(CodegenArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The configuration.
    #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
    pub(crate) config: PathBuf,
    /// Number of this process among those of its kind; stable over restarts (the ordinal of a StatefulSet).
    #[arg(long, default_value_t = 0, env = "FORECALL_SLOT")]
    pub(crate) slot: u32,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The configuration.
    #[arg(default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
    pub(crate) config: PathBuf,
    /// Answer as JSON: `{"ok":true}` or the problems.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TopicsArgs {
    #[command(subcommand)]
    pub(crate) command: TopicsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Create the topics that are missing.
    #[command(
        after_help = "Examples:\n  forecall topics create --config forecall.yaml\n  forecall topics create --config forecall.yaml --dry-run"
    )]
    Create {
        /// The configuration.
        #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
        config: PathBuf,
        /// Only say what would be created.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CodegenArgs {
    /// The repository.
    #[arg(long, default_value = ".")]
    pub(crate) root: PathBuf,
    /// Change nothing; fail if a file differs.
    #[arg(long)]
    pub(crate) check: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
