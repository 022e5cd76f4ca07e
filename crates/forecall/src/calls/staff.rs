//! `forecall calls staff`: agents for calls that are known, by Erlang.

use std::io::Write;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use forecall_stats::erlang::{AGENTS_MAX, Offered, Target, agents_needed, outcome, scheduled};
use serde_json::json;

use crate::cli::check_ranges;

#[derive(Debug, Args)]
pub(super) struct StaffArgs {
    /// Calls offered in an interval.
    #[arg(long)]
    calls: f64,
    /// Length of an interval: 30m, 15m, 1h …
    #[arg(long, default_value = "30m", value_parser = super::interval)]
    interval: Duration,
    /// Average handling time in seconds: talk, hold and after-call work.
    #[arg(long)]
    aht: f64,
    /// Per cent of the offered calls that are to be answered in time.
    #[arg(long, default_value_t = 80.0)]
    service_level: f64,
    /// In this many seconds.
    #[arg(long, default_value_t = 20.0)]
    within: f64,
    /// Per cent of time agents may be busy at most.
    #[arg(long, default_value_t = 85.0)]
    occupancy_max: f64,
    /// Per cent of paid time agents are not available.
    #[arg(long, default_value_t = 30.0)]
    shrinkage: f64,
    /// Mean patience of callers in seconds (Erlang A), or `none`: they wait for ever (Erlang C).
    #[arg(long, default_value = "180", value_parser = patience)]
    patience: Patience,
    /// What this many agents reach, instead of how many it takes.
    #[arg(long)]
    agents: Option<u32>,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Patience(Option<f64>);

fn patience(text: &str) -> Result<Patience, String> {
    if text == "none" {
        return Ok(Patience(None));
    }
    let seconds = text.parse::<f64>().ok().filter(|s| (1.0..=1e6).contains(s));
    seconds
        .map(|seconds| Patience(Some(seconds)))
        .ok_or_else(|| format!("`{text}` is no patience: write seconds from 1 to 1000000, or none"))
}

pub(super) fn run(args: &StaffArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    check_ranges(&[
        ("--calls", args.calls, 0.0, 1e7),
        ("--aht", args.aht, 1.0, 7200.0),
        ("--service-level", args.service_level, 1.0, 99.9),
        ("--within", args.within, 0.0, 3600.0),
        ("--occupancy-max", args.occupancy_max, 10.0, 100.0),
        ("--shrinkage", args.shrinkage, 0.0, 95.0),
    ])?;
    let offered = Offered::per_interval(args.calls, args.interval.as_secs_f64(), args.aht);
    let target = Target {
        service_level: args.service_level / 100.0,
        threshold_seconds: args.within,
        occupancy_max: args.occupancy_max / 100.0,
        patience_seconds: args.patience.0,
    };
    let agents = args.agents.unwrap_or_else(|| agents_needed(offered, target));
    if agents > AGENTS_MAX {
        bail!("--agents is {agents}: it needs 0 to {AGENTS_MAX}");
    }
    let reached = outcome(offered, agents, target);
    let paid = scheduled(agents, args.shrinkage / 100.0);
    let answered = 1.0 - reached.abandoned;
    // Of those answered; nobody answered is no data.
    let of_answered = (answered > 0.0).then(|| (reached.service_level / answered).min(1.0));
    let is_met = reached.service_level >= target.service_level && reached.occupancy <= target.occupancy_max;
    let wait = Some(reached.mean_wait_seconds).filter(|wait| wait.is_finite());
    let model = if args.patience.0.is_some() {
        "Erlang A"
    } else {
        "Erlang C"
    };
    if args.json {
        let answer = json!({
            "model": model, "offered_load_erlangs": offered.load(), "agents": agents, "scheduled": paid,
            "wait_probability": reached.wait, "service_level_of_offered": reached.service_level,
            "service_level_of_answered": of_answered, "within_seconds": args.within,
            "mean_wait_seconds": wait, "occupancy": reached.occupancy, "abandoned_of_offered": reached.abandoned,
            "target_met": is_met,
        });
        writeln!(out, "{answer:#}")?;
        return Ok(());
    }
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    writeln!(out, "{model}, {:.2} erlangs offered", offered.load())?;
    writeln!(out, "  {:<46} {agents:>10}", "agents on the phone")?;
    writeln!(
        out,
        "  {:<46} {paid:>10}",
        format!("scheduled, at {} % shrinkage", args.shrinkage)
    )?;
    writeln!(out, "  {:<46} {:>10}", "callers who wait", percent(reached.wait))?;
    let within = format!("answered within {} s, of all offered", args.within);
    writeln!(out, "  {within:<46} {:>10}", percent(reached.service_level))?;
    let within = format!("answered within {} s, of those answered", args.within);
    writeln!(
        out,
        "  {within:<46} {:>10}",
        of_answered.map_or_else(|| "no data".to_owned(), percent)
    )?;
    let wait = wait.map_or_else(|| "no end".to_owned(), |wait| format!("{wait:.1} s"));
    writeln!(out, "  {:<46} {wait:>10}", "mean wait of all callers")?;
    writeln!(out, "  {:<46} {:>10}", "occupancy", percent(reached.occupancy))?;
    writeln!(
        out,
        "  {:<46} {:>10}",
        "give up, of all offered",
        percent(reached.abandoned)
    )?;
    if !is_met {
        writeln!(out, "the target is not met")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_those_of_the_tables() {
        // Two independent implementations agree on this row: 14 agents, 20 scheduled, P(wait) .174132.
        let args = StaffArgs {
            calls: 100.0,
            interval: Duration::from_secs(1800),
            aht: 180.0,
            service_level: 80.0,
            within: 20.0,
            occupancy_max: 85.0,
            shrinkage: 30.0,
            patience: Patience(None),
            agents: None,
            json: true,
        };
        let mut out = Vec::new();
        run(&args, &mut out).unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            (answer["agents"].as_u64(), answer["scheduled"].as_u64()),
            (Some(14), Some(20))
        );
        let near = |name: &str, value: f64| {
            let found = answer[name].as_f64().unwrap();
            assert!((found - value).abs() < 5e-5, "{name} {found}");
        };
        near("wait_probability", 0.174_132);
        near("service_level_of_offered", 0.888_350);
        near("mean_wait_seconds", 7.8359);
        near("occupancy", 0.714_286);
        // Too few agents without patience: nobody's wait has an end.
        let mut out = Vec::new();
        run(
            &StaffArgs {
                agents: Some(9),
                json: false,
                ..args
            },
            &mut out,
        )
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("no end") && text.contains("the target is not met"),
            "{text}"
        );
    }
}
