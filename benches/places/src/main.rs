//! How long it takes to find whom an incident touches: by region code, by polygons, by cells.
//!
//! `cargo xtask bench places` starts it. The answers are held against polygon after polygon for some of the customers.
#![allow(clippy::print_stdout, reason = "figures are told on the terminal")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use forecall_area::{Areas, Bounds, Point};
use forecall_outreach::{AreaSettings, OutreachSettings, People, RegionSettings};
use forecall_types::{
    Cell, Customer, CustomerId, DomainName, ElementId, EventTime, Language, RegionCode, Scope, ServiceName,
};

/// How long it takes to find whom an incident touches.
#[derive(Parser)]
#[command(name = "forecall-bench-places", max_term_width = 110)]
struct Cli {
    /// Customers.
    #[arg(long, default_value_t = 1_000_000)]
    customers: u32,
    /// Polygons: the square of a whole number.
    #[arg(long, default_value_t = 10_000)]
    polygons: u32,
    /// Times each question is asked; the slowest counts.
    #[arg(long, default_value_t = 5)]
    times: u32,
    /// Customers held against every polygon, one after the other.
    #[arg(long, default_value_t = 5_000)]
    compared: usize,
    /// Where random numbers begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

const WEST: f64 = 48.0;
const SOUTH: f64 = 29.0;
/// Degrees of the whole: some 700 by 900 km.
const SPAN: f64 = 8.0;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn region(text: &str) -> Result<RegionCode> {
    Ok(RegionCode::new(text)?)
}

/// A star of 24 corners in each field of a chequered square: neighbours overlap in places.
fn geojson(side: u32, dice: &mut Dice) -> String {
    let step = SPAN / f64::from(side);
    let mut features = Vec::new();
    for number in 0..side * side {
        let (row, column) = (f64::from(number / side), f64::from(number % side));
        let (lat, lng) = (SOUTH + (row + 0.5) * step, WEST + (column + 0.5) * step);
        let mut ring: Vec<String> = (0..24)
            .map(|corner| {
                let far = step * (0.35 + 0.3 * dice.share());
                let (sin, cos) = (f64::from(corner) * 15.0).to_radians().sin_cos();
                format!("[{:.6},{:.6}]", lng + far * cos, lat + far * sin)
            })
            .collect();
        ring.push(ring[0].clone());
        features.push(format!(
            r#"{{"type":"Feature","properties":{{"code":"IR-00-{number}"}},"geometry":{{"type":"Polygon","coordinates":[[{}]]}}}}"#,
            ring.join(",")
        ));
    }
    format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","))
}

fn customer(number: u32, place: Cell) -> Result<Customer> {
    Ok(Customer {
        id: CustomerId::new(&format!("cus_{number:016}"))?,
        domain: DomainName::new("isp")?,
        region: region("IR-00")?,
        place: Some(place),
        served_by: BTreeSet::from([ElementId::new(&format!("cell-{}", number % 20_000))?]),
        services: BTreeSet::from([ServiceName::new("internet")?]),
        language: Language::Fa,
        channels: Vec::new(),
        consents: BTreeSet::new(),
        priority: false,
        at: EventTime::MIN,
    })
}

fn scope(regions: BTreeSet<RegionCode>, cells: BTreeSet<Cell>) -> Result<Scope> {
    Ok(Scope {
        services: BTreeSet::from([ServiceName::new("internet")?]),
        regions,
        cells,
        ..Scope::default()
    })
}

fn run(cli: &Cli) -> Result<()> {
    let mut dice = Dice(cli.seed);
    let side = f64::from(cli.polygons).sqrt().round() as u32;
    let text = geojson(side, &mut dice);
    let bounds = Bounds::new(WEST - 1.0, SOUTH - 1.0, WEST + SPAN + 1.0, SOUTH + SPAN + 1.0)?;
    let before = cpu()?;
    let areas = Areas::read([("made", text.as_bytes())], bounds)?;
    println!("{} polygons of 24 corners ({} MiB of GeoJSON) read: {:.2} CPU s", side * side, text.len() >> 20, (cpu()? - before).as_secs_f64());
    let parent = |_| RegionSettings { parent: region("IR-00").ok(), ..RegionSettings::default() };
    let settings = OutreachSettings {
        regions: areas.codes().map(|code| (code.clone(), parent(code))).collect::<BTreeMap<_, _>>(),
        areas: AreaSettings { read: Arc::new(areas), ..AreaSettings::default() },
        ..OutreachSettings::default()
    };
    let settings = Arc::new(settings);
    let (before, held) = (cpu()?, resident_bytes()?);
    let mut people = People::new(Arc::clone(&settings));
    let mut places = Vec::new();
    for number in 0..cli.customers {
        let place = Point::from_degrees(SOUTH + SPAN * dice.share(), WEST + SPAN * dice.share())?;
        let place = place.cell(9).context("no cell")?;
        places.push(place);
        let taken = people.take(&customer(number, place)?);
        ensure!(taken.is_ok(), "customer {number} is not taken: {taken:?}");
    }
    let held = resident_bytes()?.saturating_sub(held + 8 * places.len() as u64);
    println!(
        "{} customers taken: {:.1} CPU s; {} B each in RAM",
        cli.customers,
        (cpu()? - before).as_secs_f64(),
        held / u64::from(cli.customers.max(1))
    );
    let one = format!("IR-00-{}", side * side / 2);
    let areas = &settings.areas.read;
    let every = |step: usize| areas.codes().step_by(step).cloned().collect::<BTreeSet<_>>();
    let cells: BTreeSet<Cell> = places.iter().take(2_048).filter_map(|place| place.at_resolution(8)).collect();
    let questions = [
        ("one polygon", scope(BTreeSet::from([region(&one)?]), BTreeSet::new())?),
        ("a hundredth of the polygons", scope(every(100), BTreeSet::new())?),
        ("all polygons", scope(every(1), BTreeSet::new())?),
        ("the region by its code: everybody", scope(BTreeSet::from([region("IR-00")?]), BTreeSet::new())?),
        ("the region, 2,048 cells of it", scope(BTreeSet::from([region("IR-00")?]), cells)?),
        ("no region", scope(BTreeSet::new(), BTreeSet::new())?),
        ("an unknown region", scope(BTreeSet::from([region("XX-99")?]), BTreeSet::new())?),
    ];
    println!("\n| scope | touched | CPU ms, slowest of {} |\n|---|---|---|", cli.times);
    for (name, scope) in &questions {
        let (mut slowest, mut reach) = (Duration::ZERO, 0);
        for _ in 0..cli.times {
            let before = cpu()?;
            reach = people.reach(scope);
            slowest = slowest.max(cpu()? - before);
        }
        println!("| {name} | {reach} | {:.1} |", slowest.as_secs_f64() * 1e3);
        let touched: BTreeSet<CustomerId> = people.touched(scope).into_iter().collect();
        for (number, place) in places.iter().enumerate().take(cli.compared) {
            let centre = Point::centre_of(*place);
            let is_whole = scope.regions.contains(&region("IR-00")?);
            let mut named = scope.regions.iter().filter_map(|code| areas.get(code));
            let in_region = is_whole || named.any(|area| area.contains(centre));
            let wider = |cell: &Cell| place.at_resolution(cell.resolution()) == Some(*cell);
            let wanted = in_region && (scope.cells.is_empty() || scope.cells.iter().any(wider));
            let id = CustomerId::new(&format!("cus_{number:016}"))?;
            ensure!(touched.contains(&id) == wanted, "{name}: {id} in {place} is {wanted} by the slow way");
        }
    }
    println!("\nThe same, polygon after polygon and cell after cell, for {} customers. {} MiB in RAM.", cli.compared, resident_bytes()? >> 20);
    Ok(())
}

fn cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/self/schedstat").context("failed to read the CPU time")?;
    let nanos = text.split(' ').next().context("no CPU time")?.parse()?;
    Ok(Duration::from_nanos(nanos))
}

fn resident_bytes() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").context("failed to read the memory map")?;
    let line = text.lines().find(|line| line.starts_with("Rss:")).context("no Rss in it")?;
    let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib * 1024)
}
