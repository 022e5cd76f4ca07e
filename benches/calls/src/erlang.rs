//! Agents beside those of pyworkforce, over made-up settings.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use forecall_stats::erlang::{Offered, Target, agents_needed, erlang_c, scheduled};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::random::Random;

#[derive(Debug, Deserialize)]
struct Theirs {
    raw_positions: u32,
    positions: u32,
    service_level: f64,
    occupancy: f64,
    waiting_probability: f64,
}

/// One setting: calls, minutes of handling and of an interval, seconds, shares.
struct Ask {
    calls: f64,
    handle: f64,
    interval: u32,
    within: f64,
    level: f64,
    occupancy: f64,
    shrinkage: f64,
}

impl Ask {
    fn drawn(random: &mut Random) -> Self {
        let mut between = |low: f64, high: f64| low + (high - low) * random.unit();
        Self {
            calls: between(0.0, 7.5).exp().round(),
            handle: between(1.0, 15.0),
            interval: if between(0.0, 1.0) < 0.5 { 15 } else { 30 },
            within: between(5.0, 120.0),
            level: between(0.5, 0.98),
            occupancy: between(0.7, 1.0),
            shrinkage: between(0.0, 0.4),
        }
    }

    fn json(&self) -> Value {
        json!({
            "calls": self.calls, "handle": self.handle, "interval": self.interval, "within": self.within / 60.0,
            "level": self.level, "occupancy": self.occupancy, "shrinkage": self.shrinkage,
        })
    }
}

/// Asks both, and tells how often and how far they differ.
pub(crate) fn run(python: &Path, count: u64, seed: u64) -> Result<()> {
    let mut random = Random::new(seed);
    let asks: Vec<Ask> = (0..count).map(|_| Ask::drawn(&mut random)).collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/erlang.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start {}", python.display()))?;
    let task: Vec<Value> = asks.iter().map(Ask::json).collect();
    let mut to = child.stdin.take().context("no way to talk to Python")?;
    to.write_all(json!(task).to_string().as_bytes())?;
    drop(to);
    let answer = child.wait_with_output()?;
    ensure!(answer.status.success(), "{script} failed: is pyworkforce there?");
    let lines = String::from_utf8(answer.stdout)?;
    let (mut agents, mut paid, mut off) = (0_u32, 0_u32, 0.0_f64);
    let mut seen = 0;
    for (ask, line) in asks.iter().zip(lines.lines()) {
        let theirs: Theirs = serde_json::from_str(line)?;
        let offered = Offered::per_interval(ask.calls, 60.0 * f64::from(ask.interval), 60.0 * ask.handle);
        let target = Target {
            service_level: ask.level,
            threshold_seconds: ask.within,
            occupancy_max: ask.occupancy,
            patience_seconds: None,
        };
        let needed = agents_needed(offered, target);
        let own = erlang_c(offered, theirs.raw_positions, ask.within);
        agents += u32::from(needed != theirs.raw_positions);
        paid += u32::from(scheduled(needed, ask.shrinkage) != theirs.positions);
        for (ours, value) in [
            (own.service_level, theirs.service_level),
            (own.occupancy, theirs.occupancy),
            (own.wait, theirs.waiting_probability),
        ] {
            off = off.max((ours - value).abs());
        }
        seen += 1;
    }
    ensure!(seen == asks.len(), "{seen} answers to {} questions", asks.len());
    println!(
        "{seen} settings, seed {seed}: agents differ in {agents}, scheduled in {paid}; service level, occupancy and P(wait) by at most {off:.1e}"
    );
    ensure!(agents == 0 && paid == 0 && off < 1e-9, "not as pyworkforce");
    Ok(())
}
