//! `forecall capacity`: what an installation takes, from what was measured.

mod model;
mod page;
#[cfg(test)]
mod tests;

use std::io::Write as _;

use clap::{Args, ValueEnum};

use model::{Load, Plan};

use crate::cli::check_ranges;

#[derive(Debug, Args)]
pub(crate) struct CapacityArgs {
    /// Series that are told at the same time, as scored: a histogram is several.
    #[arg(long)]
    series: f64,
    /// Seconds between two samples of a series.
    #[arg(long, default_value_t = 15.0)]
    every_seconds: f64,
    /// How the telemetry is written.
    #[arg(long, value_enum, default_value_t = Form::Otlp)]
    form: Form,
    /// The telemetry is keyed by entity (`keyed: true`): nothing is re-keyed.
    #[arg(long)]
    keyed: bool,
    /// Cores of each process.
    #[arg(long, default_value_t = 2.0)]
    cores: f64,
    /// Memory of each process, in GiB.
    #[arg(long, default_value_t = 4.0)]
    memory_gib: f64,
    /// Domains: each has heartbeats of its own.
    #[arg(long, default_value_t = 1.0)]
    domains: f64,
    /// Copies of each partition in Kafka.
    #[arg(long, default_value_t = 3.0)]
    replication: f64,
    /// Calls in the busiest hour.
    #[arg(long, default_value_t = 0.0)]
    calls_per_hour: f64,
    /// Average handling time in seconds.
    #[arg(long, default_value_t = 240.0)]
    aht: f64,
    /// Customers of the largest trouble.
    #[arg(long, default_value_t = 0.0)]
    customers_hit: f64,
    /// Messages a second that the gateway takes.
    #[arg(long, default_value_t = 100.0)]
    messages_per_second: f64,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

/// What one point takes on its way, by the form of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// OTLP in protobuf, many points a record.
    Otlp,
    /// Flat JSON, one sample a record.
    Json,
}

/// `forecall capacity …`
pub(crate) fn run(args: &CapacityArgs) -> anyhow::Result<()> {
    let plan = Plan::of(&load(args)?);
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", page::json(&plan))?;
    } else {
        write!(out, "{}", page::text(&plan))?;
    }
    Ok(())
}

fn load(args: &CapacityArgs) -> anyhow::Result<Load> {
    check_ranges(&[
        ("--series", args.series, 1.0, 1e10),
        ("--every-seconds", args.every_seconds, 0.001, 86_400.0),
        ("--cores", args.cores, 0.1, 1_024.0),
        ("--memory-gib", args.memory_gib, 1.0, 4_096.0),
        ("--domains", args.domains, 1.0, 256.0),
        ("--replication", args.replication, 1.0, 9.0),
        ("--calls-per-hour", args.calls_per_hour, 0.0, 1e7),
        ("--aht", args.aht, 1.0, 7_200.0),
        ("--customers-hit", args.customers_hit, 0.0, 1e10),
        ("--messages-per-second", args.messages_per_second, 0.001, 1e6),
    ])?;
    Ok(Load {
        series: args.series,
        points_per_second: args.series / args.every_seconds,
        is_otlp: args.form == Form::Otlp,
        is_keyed: args.keyed,
        cores: args.cores,
        memory_gib: args.memory_gib,
        domains: args.domains,
        replication: args.replication,
        calls_per_hour: args.calls_per_hour,
        aht: args.aht,
        customers_hit: args.customers_hit,
        messages_per_second: args.messages_per_second,
    })
}
