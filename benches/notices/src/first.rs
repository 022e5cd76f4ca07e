//! From the record of an incident to the first text message, many times, each a region of a few people.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::centre::{Centre, Manner};
use crate::dice::Dice;
use crate::house::{House, now};
use crate::{Cli, machine, people};

/// People of a region.
const EACH: usize = 5;

pub(crate) fn run(cli: &Cli) -> Result<Value> {
    let (runs, count) = (cli.runs, cli.runs * EACH);
    let manner = Manner {
        receipts: true,
        echo: true,
        ..Manner::default()
    };
    let centre = Centre::start(manner, count)?;
    let at = now();
    let rows = (0..count).map(|n| people::person(n, &format!("IR-23-T{}", n / EACH), at));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let house = House::start(cli.folder()?, (centre.port, cli.window), runs, rows)?;
    centre.book().firsts = Some(HashMap::new());
    let mut dice = Dice::new(cli.seed);
    let (load, mut times) = (machine::load(), Vec::with_capacity(runs));
    for run in 0..runs {
        // At any moment between two looks of the stages, and long enough to be at rest.
        std::thread::sleep(Duration::from_micros(60_000 + dice.below(60_000)));
        let begun = house.confirm(people::outage(run, &format!("IR-23-T{run}"), now())?)?;
        let first = house.wait("a first text message", || {
            let book = centre.book();
            let firsts = book.firsts.as_ref().context("firsts are noted")?;
            Ok((run * EACH..(run + 1) * EACH)
                .filter_map(|place| firsts.get(&place))
                .min()
                .copied())
        })?;
        times.push(first.saturating_duration_since(begun).as_secs_f64() * 1e3);
    }
    drop(house.stop()?);
    times.sort_by(f64::total_cmp);
    // A share of a length.
    let at = |share: f64| {
        times
            .get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1)))
            .copied()
    };
    Ok(json!({
        "runs": runs, "load": load, "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "most_ms": at(1.0),
    }))
}
