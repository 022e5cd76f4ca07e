//! What others forecast of the same days: `augurs` in this process, LightGBM, statsforecast and Prophet through Python where they are.
//!
//! All get one grid: the days on which the doors are open, each with the same intervals; a day that is missing stands as the one a
//! week before, so that the week keeps its length.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use augurs::ets::AutoETS;
use augurs::mstl::MSTLModel;
use augurs::prelude::*;
use forecall_outreach::calls::backtest::{Forecast, History};
use serde::Deserialize;
use serde_json::json;

use crate::speed;

/// Forecasts of one rival at one horizon.
#[derive(Debug, Deserialize)]
pub(crate) struct Rival {
    pub(crate) model: String,
    pub(crate) horizon: String,
    /// Places in the grid.
    targets: Vec<usize>,
    means: Vec<Vec<f64>>,
    pub(crate) cpu_seconds: f64,
}

/// The counts as a table of open days.
pub(crate) struct Grid {
    days: Vec<i64>,
    values: Vec<Vec<f64>>,
    first_slot: u16,
    step_seconds: u64,
    /// Open days in a week.
    week: usize,
    /// What was counted, by day and interval.
    counted: BTreeMap<(i64, u16), f64>,
    /// Places of the days that are tested.
    targets: Vec<usize>,
}

impl Grid {
    pub(crate) fn new(history: &History, test_days: usize) -> Result<Self> {
        let calendar = history.calendar();
        let counted: BTreeMap<(i64, u16), f64> = history
            .counts()
            .map(|(start, calls)| (calendar.place(start), calls))
            .map(|(place, calls)| ((place.day, place.slot), calls))
            .collect();
        let slots: BTreeSet<u16> = counted.keys().map(|(_, slot)| *slot).collect();
        let open: BTreeSet<i64> = counted.keys().map(|(day, _)| *day).collect();
        let weekdays: BTreeSet<i64> = open.iter().map(|day| day.rem_euclid(7)).collect();
        let (Some(first), Some(last)) = (open.first(), open.last()) else {
            anyhow::bail!("the history is empty");
        };
        let days: Vec<i64> = (*first..=*last)
            .filter(|day| weekdays.contains(&day.rem_euclid(7)))
            .collect();
        let mut values: Vec<Vec<f64>> = Vec::with_capacity(days.len());
        for (place, day) in days.iter().enumerate() {
            let before = place.checked_sub(weekdays.len()).and_then(|b| values.get(b));
            let row = slots.iter().enumerate().map(|(i, slot)| {
                let earlier = before.and_then(|row| row.get(i)).copied();
                counted
                    .get(&(*day, *slot))
                    .copied()
                    .or(earlier)
                    .unwrap_or_default()
            });
            values.push(row.collect());
        }
        let tested: Vec<i64> = open.iter().rev().take(test_days).copied().collect();
        let targets = days.iter().enumerate().filter(|(_, day)| tested.contains(day));
        let targets = targets.map(|(place, _)| place).collect();
        Ok(Self {
            values,
            first_slot: slots.first().copied().unwrap_or_default(),
            step_seconds: calendar.step().as_secs(),
            week: weekdays.len(),
            counted,
            targets,
            days,
        })
    }

    /// Of the tested days so many, spread evenly, for what takes long.
    fn few(&self, most: usize) -> Vec<usize> {
        let all = self.targets.len();
        let most = most.clamp(1, all.max(1));
        (0..most)
            .filter_map(|i| self.targets.get(i * all / most).copied())
            .collect()
    }

    fn slots(&self) -> usize {
        self.values.first().map_or(0, Vec::len)
    }

    /// Σ |actual − forecast| ÷ Σ actual of a rival, and of the same intervals of ours.
    pub(crate) fn wmape(&self, rival: &Rival, ours: &[Forecast], history: &History) -> (f64, f64, usize) {
        let calendar = history.calendar();
        let own: BTreeMap<(i64, u16), f64> = ours
            .iter()
            .map(|forecast| (calendar.place(forecast.target), forecast.mean))
            .map(|(place, mean)| ((place.day, place.slot), mean))
            .collect();
        let (mut theirs, mut mine, mut calls) = (0.0, 0.0, 0.0);
        for (target, means) in rival.targets.iter().zip(&rival.means) {
            let Some(day) = self.days.get(*target) else {
                continue;
            };
            for (slot, mean) in (self.first_slot..).zip(means) {
                if let (Some(actual), Some(own)) = (self.counted.get(&(*day, slot)), own.get(&(*day, slot))) {
                    theirs += (actual - mean).abs();
                    mine += (actual - own).abs();
                    calls += actual;
                }
            }
        }
        (theirs / calls, mine / calls, rival.targets.len())
    }
}

/// MSTL with ETS of `augurs`.
pub(crate) fn augurs(grid: &Grid, few: usize) -> Result<Vec<Rival>> {
    let slots = grid.slots();
    let mut all = Vec::new();
    for (horizon, lead) in [("1 day", 0), ("1 week", grid.week)] {
        let before = speed::cpu()?;
        let targets = grid.few(few);
        let mut means = Vec::new();
        for target in &targets {
            let known: Vec<f64> = grid
                .values
                .iter()
                .take(target - lead)
                .flatten()
                .copied()
                .collect();
            let trend = AutoETS::non_seasonal().into_trend_model();
            let model = MSTLModel::new(vec![slots, slots * grid.week], trend);
            let fitted = model.fit(&known).context("augurs can't fit this")?;
            let found = fitted.predict(slots * (lead + 1), None)?;
            means.push(
                found
                    .point
                    .iter()
                    .skip(slots * lead)
                    .map(|v| v.max(0.0))
                    .collect(),
            );
        }
        all.push(Rival {
            model: "augurs MSTL+ETS".to_owned(),
            horizon: horizon.to_owned(),
            targets,
            means,
            cpu_seconds: speed::cpu()?.saturating_sub(before).as_secs_f64(),
        });
    }
    Ok(all)
}

/// What Python's libraries forecast; those that aren't there are said on standard error.
pub(crate) fn python(grid: &Grid, program: &Path, few: usize) -> Result<Vec<Rival>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/rivals.py");
    let task = json!({
        "days": grid.days, "values": grid.values, "week": grid.week, "first_slot": grid.first_slot,
        "step_seconds": grid.step_seconds, "targets": grid.targets, "few": grid.few(few),
    });
    let mut child = Command::new(program)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start {}", program.display()))?;
    child
        .stdin
        .take()
        .context("no way to talk to Python")?
        .write_all(task.to_string().as_bytes())?;
    let answer = child.wait_with_output()?;
    ensure!(answer.status.success(), "{script} failed");
    let lines = String::from_utf8(answer.stdout)?;
    // Libraries talk between.
    let answers = lines.lines().filter(|line| line.starts_with('{'));
    answers
        .map(|line| serde_json::from_str(line).context("an answer that isn't one"))
        .collect()
}
