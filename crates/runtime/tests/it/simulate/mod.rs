//! The runtime in a world that fails: many seeds, each a run of several processes with drawn faults, and afterwards a
//! slow second opinion on everything that was published.
//!
//! A seed that fails is printed with the command that runs it again.

mod chain;
mod chain_check;
mod chain_input;
mod chain_plant;
mod difference;
mod fleet;
mod house;
mod house_check;
mod house_input;
mod house_read;
mod late_start;
mod plant;
mod same_bytes;
mod tally;
mod tally_run;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use forecall_sim::fault::Fault;

use chain_plant::ChainPlant;
use plant::Plant;

/// Seeds within which every planted fault must be found.
const SEEDS_IN_CI: u64 = 200;

type Scenario = fn(u64) -> Result<BTreeMap<Fault, u64>, String>;

/// Each with the seeds that every run of the tests tries: as many as fit into half a minute of CPU time in all.
const SCENARIOS: [(&str, Scenario, u64); 4] = [
    ("tally", |seed| tally_run::run(seed, Plant::None), 500),
    (
        "retention",
        |seed| tally_run::run_on_a_short_memory(seed, Plant::None),
        500,
    ),
    ("house", house::run, 80),
    ("chain", |seed| chain::run(seed, ChainPlant::None), 120),
];

/// What many seeds came to.
#[derive(Default)]
struct Report {
    failed: Vec<(u64, String)>,
    struck: BTreeMap<Fault, u64>,
}

fn one(scenario: Scenario, seed: u64) -> Result<BTreeMap<Fault, u64>, String> {
    catch_unwind(AssertUnwindSafe(|| scenario(seed))).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

/// Tries seeds on all cores; each seed is a world of its own.
fn many(scenario: Scenario, first: u64, count: u64) -> Report {
    let report = Mutex::new(Report::default());
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= count {
                        return;
                    }
                    let seed = first.wrapping_add(n);
                    let result = one(scenario, seed);
                    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                    match result {
                        Ok(struck) => {
                            for (fault, times) in struck {
                                *report.struck.entry(fault).or_default() += times;
                            }
                        }
                        Err(what) => report.failed.push((seed, what)),
                    }
                }
            });
        }
    });
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.failed.sort();
    report
}

fn command(scenario: &str, seed: u64) -> String {
    format!("cargo xtask simulate --scenario {scenario} --seeds 1 --seed {seed}")
}

fn told(scenario: &str, report: &Report) -> String {
    report
        .failed
        .iter()
        .take(5)
        .map(|(seed, what)| format!("seed {seed}: {what}\n  again: {}\n", command(scenario, *seed)))
        .collect()
}

#[test]
fn some_seeds_of_every_scenario() {
    let mut struck = BTreeMap::new();
    for (name, scenario, count) in SCENARIOS {
        let report = many(scenario, 1, count);
        assert!(
            report.failed.is_empty(),
            "{name}: {} of {count} seeds failed\n{}",
            report.failed.len(),
            told(name, &report)
        );
        struck.extend(report.struck);
    }
    for fault in Fault::ALL {
        assert!(struck.contains_key(&fault), "{fault:?} never struck");
    }
}

#[allow(clippy::print_stderr, reason = "by which seed a planted fault is found")]
fn is_found(plant: impl std::fmt::Debug, run: impl Fn(u64) -> Result<BTreeMap<Fault, u64>, String>) {
    let found = (1..=SEEDS_IN_CI).find_map(|seed| Some((seed, run(seed).err()?)));
    match found {
        Some((seed, what)) => eprintln!("{plant:?}: found by seed {seed}: {what}"),
        None => panic!("{plant:?} was not found in {SEEDS_IN_CI} seeds"),
    }
}

#[test]
fn every_planted_fault_is_found() {
    for plant in Plant::ALL {
        is_found(plant, |seed| tally_run::run(seed, plant));
    }
    is_found(Plant::SkipsInSilence, |seed| {
        tally_run::run_on_a_short_memory(seed, Plant::SkipsInSilence)
    });
}

#[test]
fn every_fault_planted_around_the_ledger_is_found() {
    for plant in ChainPlant::ALL {
        is_found(plant, |seed| chain::run(seed, plant));
    }
}

/// Run by `cargo xtask simulate`, which sets what to run by the environment.
#[test]
#[ignore = "as many seeds as one likes: cargo xtask simulate"]
fn as_many_seeds_as_asked_for() {
    let number = |name: &str, or: u64| {
        std::env::var(name).map_or(or, |text| {
            text.parse()
                .unwrap_or_else(|_| panic!("{name} is no number: {text}"))
        })
    };
    let (first, count) = (
        number("FORECALL_SIM_SEED", 1),
        number("FORECALL_SIM_SEEDS", 1_000),
    );
    let only = std::env::var("FORECALL_SIM_SCENARIO").ok();
    let mut failed = 0;
    for (name, scenario, _) in SCENARIOS {
        if only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let begun = Instant::now();
        let report = many(scenario, first, count);
        failed += report.failed.len();
        print!("{}", told(name, &report));
        println!(
            "{name}: {count} seeds from {first}, {} failed, {:.1} s",
            report.failed.len(),
            begun.elapsed().as_secs_f64()
        );
        for (fault, times) in &report.struck {
            println!("  {:<16} {times}", format!("{fault:?}"));
        }
    }
    assert!(failed == 0, "{failed} seeds failed");
}
