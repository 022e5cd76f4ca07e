//! How early all calls of an incident are known: made-up companies whose incidents differ, minute by minute.

use std::time::Duration;

use anyhow::Result;
use forecall_outreach::calls::surge::{
    BIN, Cohort, Drive, Learning, NoticeEffect, Seen, SurgeHistory, SurgeModel, SurgePriors,
};
use forecall_types::EventTime;
use serde_json::{Value, json};

use crate::random::Random;

/// Minutes after the beginning at which the total is asked for.
const ASKED: [u64; 7] = [0, 5, 10, 15, 20, 30, 60];
/// Incidents of one company, in their order.
const INCIDENTS: usize = 30;
/// The first ones are to learn from.
const LEARNED: usize = 10;
/// What the settings say of incidents like these.
const SETTINGS: f64 = 0.06;
/// Ordinary calls of five minutes.
const BASE: f64 = 30.0;
const SETTLE: u64 = 60;

/// What a company's incidents are like.
struct Company {
    propensity: f64,
    median: f64,
    repeats: f64,
}

struct Incident {
    /// Into its first five minutes, in seconds.
    offset: u64,
    known: f64,
    lasting: f64,
    /// Seconds from the beginning, of every call it brings.
    calls: Vec<f64>,
    /// The same of ordinary calls, from the first bin on.
    ordinary: Vec<f64>,
}

fn company(random: &mut Random) -> Company {
    Company {
        propensity: SETTINGS * (0.6 * random.normal()).exp(),
        median: 1_080.0 * (0.35 * random.normal()).exp(),
        repeats: 0.05 + 0.2 * random.unit(),
    }
}

fn incident(random: &mut Random, company: &Company) -> Incident {
    let people = (8_000.0 * (0.7 * random.normal()).exp()).clamp(2_000.0, 60_000.0);
    let share = (company.propensity * (0.5 * random.normal()).exp()).min(0.5);
    let median = company.median * (0.3 * random.normal()).exp();
    let lasting = 9_000.0 * (0.5 * random.normal()).exp();
    let mut calls = Vec::new();
    for _ in 0..random.binomial(people as u64, share) {
        let mut at = median * random.normal().exp();
        // Who hasn't called when it is over has no reason to; who has calls again while it lasts.
        while at < lasting {
            calls.push(at);
            if random.unit() >= company.repeats {
                break;
            }
            at += 1_800.0 * random.exponential();
        }
    }
    let offset = (300.0 * random.unit()) as u64;
    let mut ordinary = Vec::new();
    for bin in 0..40 {
        let rate = BASE * random.gamma(100.0);
        for _ in 0..random.poisson(rate) {
            ordinary.push(300.0 * (f64::from(bin) + random.unit()));
        }
    }
    Incident {
        offset,
        known: people * (0.2 * random.normal()).exp(),
        lasting,
        calls,
        ordinary,
    }
}

fn model(priors: SurgePriors) -> SurgeModel {
    SurgeModel {
        repeats: 0.15,
        remaining_seconds: 10_800.0,
        lasting: priors.lasting,
        notice: NoticeEffect::default(),
    }
}

fn start() -> EventTime {
    EventTime::from_secs(1_700_000_100)
}

fn drive(one: &Incident) -> Drive {
    Drive {
        affected: vec![Cohort {
            at: start().plus(Duration::from_secs(one.offset)),
            customers: one.known,
        }],
        told: Vec::new(),
        ended: None,
        eta: None,
        probability: 1.0,
    }
}

/// Calls of a bin, ordinary ones and those of the incident.
fn counted(one: &Incident, bin: u64) -> f64 {
    let (from, to) = (300.0 * bin as f64, 300.0 * (bin + 1) as f64);
    let own = one.calls.iter().map(|at| at + one.offset as f64);
    own.chain(one.ordinary.iter().copied())
        .filter(|at| (from..to).contains(at))
        .count() as f64
}

/// What is known `minutes` after the beginning; and the learning as it stands then.
fn learned(one: &Incident, priors: SurgePriors, until: u64) -> (Learning, Vec<(EventTime, Seen)>) {
    let mut learning = Learning::new(SETTINGS, priors, start(), 0);
    let drive = drive(one);
    let (mut bin, mut bins) = (0, Vec::new());
    while 300 * (bin + 1) + SETTLE <= until && bin < 40 {
        let seen = Seen {
            base: BASE,
            ratio: 1.3,
            count: counted(one, bin),
        };
        let from = start().plus(BIN * bin as u32);
        learning.learn(&drive, model(priors), from, seen);
        bins.push((from, seen));
        bin += 1;
    }
    (learning, bins)
}

#[derive(Default)]
struct Errors {
    first: [Vec<f64>; 7],
    priors: [Vec<f64>; 7],
    learned: [Vec<f64>; 7],
    rule: [Vec<f64>; 7],
    inside: [f64; 7],
    asked: f64,
}

fn off(said: f64, truth: f64) -> f64 {
    (said - truth).abs() / truth
}

/// What is said of the total after `minutes`, with some priors.
fn said(one: &Incident, priors: SurgePriors, minutes: u64) -> (f64, f64, [f64; 3]) {
    let until = one.offset + 60 * minutes;
    let (learning, bins) = learned(one, priors, until);
    let now = start().plus(BIN * bins.len() as u32);
    let total = learning.total(&drive(one), model(priors), now, &bins);
    let bare = learning.total(&drive(one), model(priors), start(), &[]);
    (bare.mean, total.quantiles[1], total.quantiles)
}

fn company_errors(random: &mut Random, errors: &mut Errors) {
    let company = company(random);
    let mut history = SurgeHistory::default();
    for number in 0..INCIDENTS {
        let one = incident(random, &company);
        let truth = one.calls.len() as f64;
        if truth >= 30.0 && number >= LEARNED {
            errors.asked += 1.0;
            let priors = history.priors();
            for (at, minutes) in ASKED.into_iter().enumerate() {
                let (bare, fresh, _) = said(&one, SurgePriors::default(), minutes);
                let (_, known, quantiles) = said(&one, priors, minutes);
                errors.first[at].push(off(bare, truth));
                errors.priors[at].push(off(fresh, truth));
                errors.learned[at].push(off(known, truth));
                errors.rule[at].push(off(one.known * SETTINGS, truth));
                errors.inside[at] += f64::from(u8::from((quantiles[0]..=quantiles[2]).contains(&truth)));
            }
        }
        let (learning, _) = learned(&one, history.priors(), one.offset + 12_000);
        let calls = learning.propensity() * one.known;
        history.take(&learning, SETTINGS, calls, one.lasting);
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints the table.
pub(crate) fn run(runs: u64, seed: u64, as_json: bool) -> Result<()> {
    let mut errors = Errors::default();
    for run in 0..runs {
        let mut random = Random::new(seed.wrapping_mul(3_000_017).wrapping_add(run));
        random.next();
        company_errors(&mut random, &mut errors);
    }
    let mut rows: Vec<Value> = Vec::new();
    if !as_json {
        println!(
            "seed {seed}, {runs} companies, {:.0} incidents judged, each after at least {LEARNED} of its company\n",
            errors.asked
        );
        println!(
            "| minutes after the beginning | customers × the settings' propensity | before: priors alone, the model's sum | priors alone, what came and what will | **and earlier incidents** | 80 % interval holds |\n|---|---|---|---|---|---|"
        );
    }
    for (at, minutes) in ASKED.into_iter().enumerate() {
        let medians = [
            median(&mut errors.rule[at]),
            median(&mut errors.first[at]),
            median(&mut errors.priors[at]),
            median(&mut errors.learned[at]),
        ];
        let inside = errors.inside[at] / errors.asked;
        let [rule, first, priors, learned] = medians;
        rows.push(json!({"minutes": minutes, "rule": rule, "before": first, "priors": priors, "learned": learned, "inside_80": inside}));
        if !as_json {
            println!(
                "| {minutes} | {:.1} % | {:.1} % | {:.1} % | **{:.1} %** | {:.1} % |",
                100.0 * rule,
                100.0 * first,
                100.0 * priors,
                100.0 * learned,
                100.0 * inside
            );
        }
    }
    if as_json {
        println!(
            "{:#}",
            json!({ "seed": seed, "companies": runs, "incidents": errors.asked, "rows": rows })
        );
    }
    Ok(())
}
