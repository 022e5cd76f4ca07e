//! Is a notice's effect found where it is known? Made-up incidents with hold-outs, judged by the product's own analysis.

use anyhow::Result;
use forecall_outreach::calls::effect::{Arms, EffectAnalysis, Verdict};
use serde_json::{Value, json};

use crate::random::Random;

/// Share of the calls that notices keep away; negative: they bring more.
const REDUCTIONS: [f64; 4] = [-0.10, 0.0, 0.10, 0.35];
/// Homes of an area, which talk to each other.
const AREA: u64 = 12;
/// Held-out people who hear from told neighbours.
const HEARD: f64 = 0.3;

/// Who is assigned, and who talks to whom.
#[derive(Clone, Copy, PartialEq)]
enum Neighbours {
    /// Nobody passes anything on.
    Silent,
    /// News passes within areas, and areas are assigned as a whole; this share of held-out people hears it all the same.
    ByArea(f64),
    /// News passes within areas, and people are assigned one by one.
    ByPerson,
}

#[derive(Clone, Copy)]
struct World {
    name: &'static str,
    reduction: f64,
    held_out: f64,
    unmatched: f64,
    spread: f64,
    incidents: usize,
    neighbours: Neighbours,
}

const PLAIN: World = World {
    name: "all callers matched",
    reduction: 0.0,
    held_out: 0.1,
    unmatched: 0.0,
    spread: 0.15,
    incidents: 30,
    neighbours: Neighbours::Silent,
};

/// People and those with a contact, as far as callers are matched; and how much units vary.
struct Seen {
    arms: Vec<Arms>,
    dispersion: f64,
}

/// Sums for the dispersion of one run.
#[derive(Default)]
struct Spread {
    found: f64,
    plain: f64,
}

struct Incident {
    people: u64,
    share: f64,
    ratio: f64,
}

fn incident(random: &mut Random, world: World) -> Incident {
    let people = (4_000.0 * (0.7 * random.normal()).exp()).clamp(500.0, 40_000.0) as u64;
    let share = (0.05 * (0.6 * random.normal()).exp()).min(0.3);
    let mean = (1.0 - world.reduction).ln();
    let theta = mean + world.spread * random.normal();
    Incident {
        people,
        share,
        ratio: theta.exp(),
    }
}

fn by_person(random: &mut Random, world: World, one: &Incident, heard: f64) -> Arms {
    let held_out = random.binomial(one.people, world.held_out);
    let told = one.people - held_out;
    let informed = random.binomial(held_out, heard);
    let reached = (one.share * one.ratio).min(0.95);
    let matched = 1.0 - world.unmatched;
    let calls_told = random.binomial(told, reached);
    let calls_held = random.binomial(informed, reached) + random.binomial(held_out - informed, one.share);
    Arms {
        told,
        held_out,
        told_contacts: random.binomial(calls_told, matched),
        held_out_contacts: random.binomial(calls_held, matched),
    }
}

/// Areas are hit alike, so that neighbours call together.
fn by_area(random: &mut Random, world: World, one: &Incident, heard: f64, spread: &mut Spread) -> Arms {
    let mut arms = Arms::default();
    let mut units = Vec::new();
    for _ in 0..one.people.div_ceil(AREA) {
        let is_held = random.unit() < world.held_out;
        let share = (one.share * random.gamma(4.0)).min(0.6);
        let reached = (share * one.ratio).min(0.95);
        let informed = if is_held {
            random.binomial(AREA, heard)
        } else {
            AREA
        };
        let calls = random.binomial(informed, reached) + random.binomial(AREA - informed, share);
        let calls = random.binomial(calls, 1.0 - world.unmatched);
        if is_held {
            arms.held_out += AREA;
            arms.held_out_contacts += calls;
        } else {
            arms.told += AREA;
            arms.told_contacts += calls;
        }
        units.push((is_held, calls as f64));
    }
    let n = AREA as f64;
    for (is_held, calls) in units {
        let p = if is_held {
            arms.held_out_contacts as f64 / arms.held_out as f64
        } else {
            arms.told_contacts as f64 / arms.told as f64
        };
        spread.found += (calls - n * p).powi(2);
        spread.plain += n * p * (1.0 - p);
    }
    arms
}

fn draw(random: &mut Random, world: World) -> Seen {
    let mut spread = Spread::default();
    let arms = (0..world.incidents)
        .map(|_| {
            let one = incident(random, world);
            match world.neighbours {
                Neighbours::Silent => by_person(random, world, &one, 0.0),
                Neighbours::ByPerson => by_person(random, world, &one, HEARD),
                Neighbours::ByArea(heard) => by_area(random, world, &one, heard, &mut spread),
            }
        })
        .collect();
    let dispersion = if spread.plain > 0.0 {
        (spread.found / spread.plain).max(1.0)
    } else {
        1.0
    };
    Seen { arms, dispersion }
}

/// What all runs of a world say.
#[derive(Default)]
struct Found {
    runs: f64,
    sum: f64,
    squares: f64,
    covered: f64,
    always: f64,
    works: f64,
    harms: f64,
    ever_works: f64,
    ever_missed: f64,
    test_works: f64,
    held_contacts: f64,
    spread: f64,
}

fn judge(world: World, runs: u64, seed: u64, peek: bool) -> Result<Found> {
    let mut found = Found::default();
    for run in 0..runs {
        let mut random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(run));
        // The first draws of neighbouring seeds are alike.
        random.next();
        let seen = draw(&mut random, world);
        let mut analysis = EffectAnalysis::with_dispersion(seen.dispersion);
        let (mut ever, mut missed, mut tested) = (false, false, false);
        let mut sum = Arms::default();
        for arms in &seen.arms {
            analysis.add(*arms)?;
            if peek {
                let (interval, verdict) = analysis.look();
                ever |= verdict == Verdict::Works;
                missed |= !holds(interval.low, interval.high, world.reduction);
                sum = sum.plus(*arms);
                tested |= sum.held_out_contacts >= 50 && z(sum) > 1.96;
            }
        }
        let reading = analysis.read();
        let error = reading.reduction.quantiles[1] - world.reduction;
        let [low, _, high] = reading.reduction.quantiles;
        found.runs += 1.0;
        found.sum += error;
        found.squares += error * error;
        found.covered += f64::from(u8::from((low..=high).contains(&world.reduction)));
        let always = reading.always_valid;
        found.always += f64::from(u8::from(holds(always.low, always.high, world.reduction)));
        found.works += f64::from(u8::from(reading.verdict == Verdict::Works));
        found.harms += f64::from(u8::from(reading.verdict == Verdict::Harms));
        found.ever_works += f64::from(u8::from(ever));
        found.ever_missed += f64::from(u8::from(missed));
        found.test_works += f64::from(u8::from(tested));
        found.spread += reading.spread;
        found.held_contacts += reading.arms.held_out_contacts as f64;
    }
    Ok(found)
}

fn holds(low: Option<f64>, high: Option<f64>, truth: f64) -> bool {
    low.is_none_or(|low| low <= truth) && high.is_none_or(|high| high >= truth)
}

/// The usual test of two shares.
fn z(arms: Arms) -> f64 {
    let (n, m) = (arms.told as f64, arms.held_out as f64);
    let all = (arms.told_contacts + arms.held_out_contacts) as f64 / (n + m);
    let off = arms.held_out_contacts as f64 / m - arms.told_contacts as f64 / n;
    off / (all * (1.0 - all) * (1.0 / n + 1.0 / m)).sqrt()
}

/// What everybody does: incidents without notices before, with notices after; calls per customer of both.
fn before_after(world: World, runs: u64, seed: u64) -> (f64, f64, f64, f64) {
    let (mut sum, mut squares, mut covered, mut works) = (0.0, 0.0, 0.0, 0.0);
    for run in 0..runs {
        let mut random = Random::new(seed.wrapping_mul(7_000_003).wrapping_add(run));
        random.next();
        let mut side = |is_told: bool| {
            let (mut people, mut calls) = (0.0, 0.0);
            for _ in 0..world.incidents {
                let one = incident(&mut random, world);
                let share = if is_told { one.share * one.ratio } else { one.share };
                people += one.people as f64;
                calls += random.binomial(one.people, share.min(0.95)) as f64;
            }
            (people, calls)
        };
        let (before, after) = (side(false), side(true));
        let ratio = (after.1 / after.0) / (before.1 / before.0);
        let error = 1.0 - ratio - world.reduction;
        let width = 1.96 * (1.0 / after.1 + 1.0 / before.1).sqrt();
        let (low, high) = (1.0 - ratio * width.exp(), 1.0 - ratio * (-width).exp());
        sum += error;
        squares += error * error;
        covered += f64::from(u8::from((low..=high).contains(&world.reduction)));
        works += f64::from(u8::from(low > 0.0));
    }
    let n = runs as f64;
    (
        sum / n,
        (squares / n - (sum / n).powi(2)).sqrt(),
        covered / n,
        works / n,
    )
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn points(share: f64) -> String {
    format!("{:+.1}", 100.0 * share)
}

fn worlds() -> Vec<World> {
    let mut all = Vec::new();
    for (name, unmatched, neighbours) in [
        ("all callers matched", 0.0, Neighbours::Silent),
        ("30 % unmatched", 0.3, Neighbours::Silent),
        ("50 % unmatched", 0.5, Neighbours::Silent),
        (
            "neighbours tell, areas assigned, 30 % unmatched",
            0.3,
            Neighbours::ByArea(0.0),
        ),
    ] {
        for reduction in REDUCTIONS {
            all.push(World {
                name,
                reduction,
                unmatched,
                neighbours,
                ..PLAIN
            });
        }
    }
    for reduction in REDUCTIONS {
        all.push(World {
            name: "hold-out of 5 %",
            reduction,
            held_out: 0.05,
            ..PLAIN
        });
    }
    for (name, spread) in [("incidents alike", 0.0), ("incidents differ by 0.3", 0.3)] {
        for reduction in [0.0, 0.35] {
            all.push(World {
                name,
                reduction,
                spread,
                ..PLAIN
            });
        }
    }
    for (name, neighbours) in [
        (
            "neighbours tell, people assigned (not to be done)",
            Neighbours::ByPerson,
        ),
        (
            "the same, areas assigned, 5 % hear all the same",
            Neighbours::ByArea(0.05),
        ),
    ] {
        all.push(World {
            name,
            reduction: 0.35,
            neighbours,
            ..PLAIN
        });
    }
    all
}

/// Prints the tables.
pub(crate) fn run(runs: u64, seed: u64, world: Option<&str>, as_json: bool) -> Result<()> {
    let wanted = world;
    let mut rows: Vec<Value> = Vec::new();
    let mut say = |line: String, value: Value| {
        if !as_json {
            println!("{line}");
        }
        rows.push(value);
    };
    if !as_json {
        println!("seed {seed}, {runs} runs a row, 30 incidents, incidents differ by 0.15\n");
        println!(
            "| world | true reduction | differ by, found | held-out contacts | bias, points | SD | 95 % holds | always-valid holds | works | harms |\n|---|---|---|---|---|---|---|---|---|---|"
        );
    }
    for (number, world) in (0_u64..).zip(worlds()) {
        if wanted.is_some_and(|wanted| !world.name.contains(wanted)) {
            continue;
        }
        // Rows with draws of their own.
        let f = judge(world, runs, seed + 100 * number, false)?;
        let n = f.runs;
        let bias = f.sum / n;
        let sd = (f.squares / n - bias * bias).sqrt();
        say(
            format!(
                "| {} | {} | {:.2} | {:.0} | {} | {:.1} | {} | {} | {} | {} |",
                world.name,
                percent(world.reduction),
                f.spread / n,
                f.held_contacts / n,
                points(bias),
                100.0 * sd,
                percent(f.covered / n),
                percent(f.always / n),
                percent(f.works / n),
                percent(f.harms / n)
            ),
            json!({"world": world.name, "reduction": world.reduction, "bias": bias, "sd": sd, "cover": f.covered / n,
                "always_valid_cover": f.always / n, "works": f.works / n, "harms": f.harms / n}),
        );
    }
    if wanted.is_some() {
        return Ok(());
    }
    if !as_json {
        println!(
            "\nLooked at after each of 100 incidents:\n\n| true reduction | incidents differ by | ever \"works\" | a test of 5 % at each look, ever \"works\" | always-valid interval ever wrong |\n|---|---|---|---|---|"
        );
    }
    for (reduction, spread) in [(0.0, 0.0), (0.0, 0.15), (0.0, 0.3), (-0.1, 0.15)] {
        let world = World {
            reduction,
            spread,
            incidents: 100,
            ..PLAIN
        };
        let f = judge(world, runs, seed + 1, true)?;
        let n = f.runs;
        say(
            format!(
                "| {} | {spread} | {} | {} | {} |",
                percent(reduction),
                percent(f.ever_works / n),
                percent(f.test_works / n),
                percent(f.ever_missed / n)
            ),
            json!({"reduction": reduction, "spread": spread, "ever_works": f.ever_works / n,
                "test_ever_works": f.test_works / n, "ever_wrong": f.ever_missed / n}),
        );
    }
    if !as_json {
        println!(
            "\nBefore and after, 30 incidents each, no hold-out:\n\n| true reduction | bias, points | SD | its 95 % holds | \"works\" |\n|---|---|---|---|---|"
        );
    }
    for reduction in REDUCTIONS {
        let world = World { reduction, ..PLAIN };
        let (bias, sd, cover, works) = before_after(world, runs, seed + 2);
        say(
            format!(
                "| {} | {} | {:.1} | {} | {} |",
                percent(reduction),
                points(bias),
                100.0 * sd,
                percent(cover),
                percent(works)
            ),
            json!({"before_after": true, "reduction": reduction, "bias": bias, "sd": sd, "cover": cover, "works": works}),
        );
    }
    if as_json {
        println!("{:#}", json!({ "seed": seed, "runs": runs, "rows": rows }));
    }
    Ok(())
}
