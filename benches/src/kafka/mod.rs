//! On a real broker: the shipped binary, or its host with other settings, beside what it is compared with.

mod bare;
mod bombs;
mod commit;
mod host;
mod latency;
mod load;
mod plain;
mod product;
mod rate;
mod reader;
mod recovery;
mod rekey;
mod topic;

use std::path::Path;

use anyhow::Result;

use crate::RunArgs;
use crate::report::Report;

pub(crate) use bare::consume;
pub(crate) use host::{HostArgs, host};
pub(crate) use load::{LoadArgs, load};

/// What the measurements share.
pub(crate) struct Bench<'a> {
    pub(crate) bootstrap: &'a str,
    pub(crate) binary: &'a Path,
    pub(crate) args: &'a RunArgs,
}

impl Bench<'_> {
    /// A name no other run has.
    fn topic(&self, what: &str) -> String {
        format!("bench-{}-{what}", std::process::id())
    }
}

type Row = (
    &'static str,
    &'static str,
    fn(&mut Report, &Bench<'_>) -> Result<()>,
);

/// Name, heading, and what measures it. `kafka` means all whose names begin so.
const ROWS: [Row; 6] = [
    (
        "kafka-rate",
        "Decode and detect from a real broker, beside a bare consumer",
        rate::run,
    ),
    ("kafka-rekey", "Records without a key, through rekey", rekey::run),
    ("kafka-commit", "What transactions cost", commit::run),
    ("kafka-latency", "From record to incident", latency::run),
    ("kafka-recovery", "After SIGKILL", recovery::run),
    ("bombs", "A flood of names beside the telemetry", bombs::run),
];

/// Whether any of these names needs a broker, or none is given, which means all.
pub(crate) fn wanted(names: &[String], row: &str) -> bool {
    names.is_empty()
        || names
            .iter()
            .any(|name| name == row || name == "kafka" && row.starts_with("kafka-"))
}

/// Measures the rows asked for.
pub(crate) fn run(report: &mut Report, args: &RunArgs) -> Result<()> {
    for (name, heading, measure) in ROWS.iter().filter(|(name, ..)| wanted(&args.names, name)) {
        let (Some(bootstrap), Some(binary)) = (&args.bootstrap, &args.binary) else {
            report.remark(&format!("\n{name}: left out; it needs --bootstrap and --binary"));
            continue;
        };
        let bench = Bench {
            bootstrap,
            binary,
            args,
        };
        report.heading(heading);
        measure(report, &bench)?;
    }
    Ok(())
}
