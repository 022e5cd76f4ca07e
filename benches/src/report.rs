//! Figures as a table or as JSON.

use std::process::Command;

use anyhow::{Context, Result};

use crate::measure::Median;

/// Figures so far.
#[derive(Default)]
pub(crate) struct Report {
    json: bool,
    lines: Vec<serde_json::Value>,
}

impl Report {
    pub(crate) const fn new(json: bool) -> Self {
        Self {
            json,
            lines: Vec::new(),
        }
    }

    /// Adds a figure and, unless JSON is wanted, prints it.
    pub(crate) fn add(&mut self, figure: &str, unit: &str, value: Median) {
        if !self.json {
            println!("| {figure} | {value} | {unit} |");
        }
        self.lines
            .push(serde_json::json!({"figure": figure, "unit": unit, "value": value.json()}));
    }

    /// Prints a heading, unless JSON is wanted.
    pub(crate) fn heading(&self, text: &str) {
        if !self.json {
            println!("\n{text}\n\n| figure | median (95 % interval) | unit |\n|---|---|---|");
        }
    }

    /// Prints a remark, unless JSON is wanted.
    pub(crate) fn remark(&self, text: &str) {
        if !self.json {
            println!("{text}");
        }
    }

    pub(crate) fn finish(self) {
        if self.json {
            println!("{}", serde_json::Value::from(self.lines));
        }
    }
}

/// Measures in a process of its own, so that nothing is left of the one before.
pub(crate) fn child(args: &[&str]) -> Result<serde_json::Value> {
    let exe = std::env::current_exe().context("failed to find this program")?;
    let out = Command::new(exe)
        .arg("measure")
        .args(args)
        .output()
        .context("failed to start a measurement")?;
    anyhow::ensure!(
        out.status.success(),
        "measuring {args:?} failed: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    serde_json::from_slice(&out.stdout).context("a measurement gave no JSON")
}
