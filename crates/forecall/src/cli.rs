use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::calls::CallsArgs;
use crate::capacity::CapacityArgs;
use crate::customers::CustomersArgs;
use crate::demo::DemoArgs;
use crate::incidents::IncidentsArgs;
use crate::journeys::JourneysArgs;
use crate::notices::NoticesArgs;
use crate::replay::ReplayCommand;
use crate::replay::bench::BenchCommand;
use crate::topology::TopologyArgs;

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
    /// Run the bridges alone: incidents to Alertmanager, webhooks, PagerDuty and Grafana.
    Bridge(RunArgs),
    /// Run the remedies alone: what was approved is called by signed webhooks, and nothing else.
    Remedy(RunArgs),
    /// Run recorded telemetry through the same code: scores, anomalies, incidents, notices (never sent), call forecasts.
    Replay(ReplayCommand),
    /// The shipped detector on labelled recordings: the Numenta Anomaly Benchmark, or any folder.
    Bench(BenchCommand),
    /// Check a configuration; nothing is started.
    #[command(after_help = "Example:\n  forecall check forecall.yaml --json")]
    Check(CheckArgs),
    /// forecall's own topics on the broker.
    Topics(TopicsArgs),
    /// Look at everything a start needs: broker, topics, rights, positions, clock, ledger, snapshots, gateways.
    #[command(
        after_help = "Example:\n  forecall doctor --config forecall.yaml\n\nEnds with 0: all well, 1: something is doubtful, 2: something is wrong. Nothing is changed, nothing is sent."
    )]
    Doctor(DoctorArgs),
    /// Recount the books from the topics: for every partition, records in = stepped + dead-lettered + refused.
    #[command(
        after_help = "Example:\n  forecall audit --config forecall.yaml\n\nEnds with 1 where something is left over. It may run beside the stages; it reads whole topics."
    )]
    Audit(AuditArgs),
    /// Take commands and verdicts over HTTP, alone; `run` does it beside the stages where the configuration has `api`.
    #[command(after_help = "Example:\n  forecall api --config forecall.yaml")]
    Api(RunArgs),
    /// Make a token for the HTTP interface: shown once, kept nowhere; the configuration knows its hash.
    #[command(
        after_help = "Examples:\n  forecall api-token --name noc --role operator\n  forecall api-token --name care --role viewer --scope customers"
    )]
    ApiToken(ApiTokenArgs),
    /// Predicted incidents: follow, list, show, explain; take on, steer and judge them.
    Incidents(IncidentsArgs),
    /// What customers are told: read, approve, hold, send, take back, rehearse; stop all of it.
    Notices(NoticesArgs),
    /// One customer for whoever answers them: told, not told and why, answered, promised; and who has looked.
    Customers(CustomersArgs),
    /// Journeys of customers: run the stage alone; the map of a day; one customer's failed journeys.
    Journeys(JourneysArgs),
    /// What depends on what: show what was said and what traces show, and say it.
    Topology(TopologyArgs),
    /// Calls: how good forecasts of a history would have been, what comes next, the agents it takes.
    Calls(CallsArgs),
    /// How many processes, partitions, bytes and agents it takes, from what was measured.
    #[command(
        after_help = "Examples:\n  forecall capacity --series 2000000 --every-seconds 15\n  forecall capacity --series 50000 --form json --keyed --calls-per-hour 1200 --aht 240 --json"
    )]
    Capacity(CapacityArgs),
    /// What the stages remember: list, verify, start one partition cold.
    Snapshots(SnapshotsArgs),
    /// Watch from outside that the canary still arrives, and raise the alarm when it doesn't.
    #[command(
        after_help = "Examples:\n  forecall dead-man --exec 'logger -p daemon.crit \"forecall: $FORECALL_DEAD_MAN $FORECALL_DEAD_MAN_REASON\"'\n  forecall dead-man --once --max-age 180 || page-the-duty        from cron"
    )]
    DeadMan(DeadManArgs),
    /// The customer directory's topic: publish a file to it, erase a customer.
    Directory(DirectoryArgs),
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
pub(crate) struct ApiTokenArgs {
    /// The team or program, as records will name it; never a person.
    #[arg(long)]
    pub(crate) name: String,
    /// What its bearer may do; each role may do what those before it may.
    #[arg(long, value_enum)]
    pub(crate) role: RoleName,
    /// What of customers its bearer may see; more than once for several.
    #[arg(long = "scope", value_enum)]
    pub(crate) scopes: Vec<ScopeName>,
    /// Answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Roles as they are written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Ask who it is.
    Viewer,
    /// Steer incidents, give verdicts, stop all messages.
    Operator,
    /// Approve what goes out to customers.
    Approver,
    /// Let messages go again after a stop.
    Admin,
}

impl From<RoleName> for forecall_config::ApiRole {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Viewer => Self::Viewer,
            RoleName::Operator => Self::Operator,
            RoleName::Approver => Self::Approver,
            RoleName::Admin => Self::Admin,
        }
    }
}

/// Scopes as they are written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeName {
    /// What one customer was told; each look is audited.
    Customers,
    /// What the telephone says.
    Ivr,
}

impl From<ScopeName> for forecall_config::ApiScope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Customers => Self::Customers,
            ScopeName::Ivr => Self::Ivr,
        }
    }
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
    /// Take on the new partitions of a keyed topic or a log of forecall's that has grown.
    #[command(
        after_help = "Example:\n  forecall topics migrate --topic forecall.samples.v1 --reason 'twice the base stations' --drain --config forecall.yaml\n\nAll processes that use the topic must be stopped. What it does with which topic: docs/runbooks/grown-topic.md."
    )]
    Migrate {
        /// The configuration.
        #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
        config: PathBuf,
        /// The topic that has grown.
        #[arg(long)]
        topic: String,
        /// Why; kept in the ledger's audit chain.
        #[arg(long)]
        reason: String,
        /// Read what is left on the old partitions first, and publish what comes of it.
        #[arg(long)]
        drain: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The configuration.
    #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
    pub(crate) config: PathBuf,
    /// Answer as JSON: `{"ok":…,"findings":[…]}`.
    #[arg(long)]
    pub(crate) json: bool,
    /// Only print the commands that give this login (`User:forecall`) the rights it needs, and no more.
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) acls: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// The configuration.
    #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
    pub(crate) config: PathBuf,
    /// Answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Only this.
    #[arg(long, value_enum)]
    pub(crate) only: Option<AuditPart>,
}

/// What an audit looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AuditPart {
    /// Records in = stepped + dead-lettered + refused, for every partition.
    Records,
    /// The hash chain of the ledger.
    Ledger,
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotsArgs {
    #[command(subcommand)]
    pub(crate) command: SnapshotsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotsCommand {
    /// Name all snapshots of this host.
    List {
        /// The configuration.
        #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
        config: PathBuf,
        /// Answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compare the checksum of each; 1 if one is damaged.
    Verify {
        /// The configuration.
        #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
        config: PathBuf,
        /// Answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let a stage start cold on one partition: it forgets what it knows and goes on at the committed position.
    #[command(
        after_help = "Example:\n  forecall snapshots reset --stage correlate --partition 3 --reason 'digest mismatch, ticket 4711'\n\nAll processes of the stage must be stopped. The reset is noted beside the committed position and in the ledger's audit chain."
    )]
    Reset {
        /// The configuration.
        #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
        config: PathBuf,
        /// rekey, detect, journeys, correlate or outreach.
        #[arg(long)]
        stage: String,
        /// The topic, where the stage reads several.
        #[arg(long)]
        topic: Option<String>,
        /// The partition.
        #[arg(long)]
        partition: i32,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DeadManArgs {
    /// Where the process of outreach serves its metrics.
    #[arg(
        long,
        default_value = "http://127.0.0.1:9464/metrics",
        env = "FORECALL_DEAD_MAN_URL"
    )]
    pub(crate) url: String,
    /// Seconds without a sign of life after which it is dead. The canary gives one a minute.
    #[arg(long, default_value_t = 180)]
    pub(crate) max_age: u64,
    /// Seconds between two looks.
    #[arg(long, default_value_t = 15)]
    pub(crate) every: u64,
    /// The metric that holds the Unix time of the last sign of life.
    #[arg(long, default_value = "forecall_canary_last_success_timestamp_seconds")]
    pub(crate) metric: String,
    /// A command for `sh`, run at each death and return: FORECALL_DEAD_MAN is `dead` or `alive`, FORECALL_DEAD_MAN_REASON
    /// says why. Without it the watch ends with 1 at the first death.
    #[arg(long)]
    pub(crate) exec: Option<String>,
    /// Look once: 0 alive, 1 dead.
    #[arg(long, conflicts_with = "exec")]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DirectoryArgs {
    #[command(subcommand)]
    pub(crate) command: DirectoryCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DirectoryCommand {
    /// Publish the customers of a CSV file to `directory.topic`, under pseudonyms, their addresses encrypted.
    #[command(
        after_help = "Example:\n  forecall directory publish customers.csv --config forecall.yaml\n\nThe file's columns are in docs/reference/directory.md. Publishing again replaces; it removes nobody."
    )]
    Publish {
        /// The file.
        file: PathBuf,
        /// The configuration.
        #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
        config: PathBuf,
    },
    /// Publish that a customer is gone: ledger and stages forget them, compaction removes their record.
    #[command(after_help = "Example:\n  forecall directory erase 4711 --config forecall.yaml")]
    Erase {
        /// The customer's id, as it stands in the file.
        id: String,
        /// The configuration.
        #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
        config: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CodegenArgs {
    /// The repository.
    #[arg(long, default_value = ".")]
    pub(crate) root: PathBuf,
    /// Change nothing; fail if a file differs, or if a schema breaks what its released form has promised.
    #[arg(long)]
    pub(crate) check: bool,
    /// Make the present schemas the released ones, where they keep what was promised.
    #[arg(long, conflicts_with = "check")]
    pub(crate) publish: bool,
}

/// Holds options to their ranges, each with its name, its value and both ends.
///
/// # Errors
/// One lies outside, or is no number.
pub(crate) fn check_ranges(options: &[(&str, f64, f64, f64)]) -> anyhow::Result<()> {
    for (option, value, low, high) in options {
        anyhow::ensure!(
            (low..=high).contains(&value),
            "{option} is {value}: it needs {low} to {high}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
