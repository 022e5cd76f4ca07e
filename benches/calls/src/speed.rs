//! What an update, a forecast and a snapshot cost.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forecall_outreach::calls::baseline::Baseline;
use forecall_outreach::calls::calendar::{Calendar, Zone};
use forecall_outreach::calls::{CallModel, CallSettings, QUEUES_MAX};
use forecall_stage::{decode_state, encode_state};
use forecall_types::{CallOutcome, CallRecord, DomainName, EventTime, QueueName};
use serde_json::{Value, json};

const STEP: i64 = 300;
const SLOTS: i64 = 288;
/// 2025-01-06, a Monday.
const START: i64 = 1_736_121_600;
const DAYS: i64 = 365;
/// A day of a queue open 07:00 to 21:05, as the US bank's.
const POINTS: u16 = 169;
const ROUNDS: i64 = 2_000;
const PAIRS: usize = 5;

/// CPU time of this process.
pub(crate) fn cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/self/schedstat").context("failed to read the CPU time")?;
    let nanos = text.split_whitespace().next().and_then(|word| word.parse().ok());
    nanos
        .map(Duration::from_nanos)
        .context("/proc/self/schedstat holds no number")
}

/// Calls of an interval: two humps, a quiet weekend, some noise; the same in every run.
fn calls(day: i64, slot: i64) -> f64 {
    let x = slot as f64 / SLOTS as f64;
    let hump = |at: f64, width: f64| (-(x - at) * (x - at) / (2.0 * width * width)).exp();
    let week = [1.2, 1.0, 1.0, 0.95, 0.9, 0.5, 0.4][day.rem_euclid(7) as usize];
    let mean = week * (5.0 + 120.0 * hump(0.42, 0.08) + 80.0 * hump(0.68, 0.09));
    let mut mixed = (day * SLOTS + slot) as u64;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let uniform = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
    (mean + mean.sqrt() * 3.4 * (uniform - 0.5)).round().max(0.0)
}

fn at(day: i64, slot: i64) -> EventTime {
    EventTime::from_secs(START + day * SLOTS * STEP + slot * STEP)
}

fn replayed(calendar: &Calendar) -> Baseline {
    let mut model = Baseline::new(calendar);
    for day in 0..DAYS {
        for slot in 0..SLOTS {
            model.update(calendar, at(day, slot), Some(calls(day, slot)));
        }
    }
    model
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Many queues in one model, a tick a second, as a host has it: CPU seconds of an hour of it, calls taken in and forecasts made included.
fn many_queues() -> Result<(usize, f64)> {
    const WARM_HOURS: i64 = 26;
    let settings = CallSettings {
        zone: Zone::utc(),
        ..CallSettings::default()
    };
    let mut model = CallModel::new(Arc::new(settings));
    let domain = DomainName::new("tehran")?;
    let names: Vec<QueueName> = (0..QUEUES_MAX)
        .map(|n| QueueName::new(&format!("queue-{n}")))
        .collect::<Result<_, _>>()?;
    let mut out = Vec::new();
    let mut spent = Duration::ZERO;
    for hour in 0..=WARM_HOURS {
        let is_measured = hour == WARM_HOURS;
        let before = cpu()?;
        for second in 0..3600 {
            let at = EventTime::from_secs(START + 3600 * hour + second);
            // Each queue has six calls in half an hour, spread over it.
            for (number, queue) in names
                .iter()
                .enumerate()
                .skip((second % 300) as usize)
                .step_by(300)
            {
                model.on_call(&CallRecord {
                    id: Arc::from(format!("{hour}-{second}-{number}")),
                    domain: domain.clone(),
                    queue: queue.clone(),
                    arrived_at: at,
                    at,
                    outcome: CallOutcome::Answered,
                    wait: None,
                    handle: None,
                    customer: None,
                    region: None,
                });
            }
            if is_measured || second % 600 == 90 {
                model.on_tick(at, &mut out);
                std::hint::black_box(&out);
                out.clear();
            }
        }
        if is_measured {
            spent = cpu()?.saturating_sub(before);
        }
    }
    Ok((names.len(), spent.as_secs_f64()))
}

/// All costs, medians of a few runs.
pub(crate) fn costs() -> Result<Value> {
    let calendar = Calendar::new(Zone::utc(), Duration::from_secs(STEP as u64));
    // Making the counts is no part of the model's time.
    let mut year = Vec::new();
    let mut day_ahead = Vec::new();
    let mut model = Baseline::new(&calendar);
    for _ in 0..PAIRS {
        let before = cpu()?;
        let mut sum = 0.0;
        for day in 0..DAYS {
            for slot in 0..SLOTS {
                sum += calls(day, slot);
            }
        }
        std::hint::black_box(sum);
        let made = cpu()?;
        model = replayed(&calendar);
        year.push(
            (cpu()?.saturating_sub(made))
                .saturating_sub(made.saturating_sub(before))
                .as_secs_f64(),
        );
        let mut running = model.clone();
        let before = cpu()?;
        for round in 0..ROUNDS {
            let (day, slot) = (DAYS + round / SLOTS, round % SLOTS);
            running.update(&calendar, at(day, slot), Some(50.0));
            let place = calendar.place(at(day, slot));
            let tomorrow = running.look(&calendar).day(place.day + 1);
            let mut sum = 0.0;
            for slot in 84..84 + POINTS {
                sum += tomorrow.at(slot).moments().mean;
            }
            std::hint::black_box(sum);
        }
        day_ahead.push((cpu()?.saturating_sub(before)).as_secs_f64() / ROUNDS as f64);
    }
    let bytes = encode_state(&model)?;
    let mut restored: Baseline = decode_state(&bytes)?;
    for slot in 0..SLOTS {
        let start = at(DAYS, slot);
        let (one, other) = (
            model.forecast(&calendar, start),
            restored.forecast(&calendar, start),
        );
        ensure!(
            one.mean.to_bits() == other.mean.to_bits() && one.variance.to_bits() == other.variance.to_bits(),
            "a restored model forecasts otherwise"
        );
        model.update(&calendar, start, Some(40.0));
        restored.update(&calendar, start, Some(40.0));
    }
    let (queues, hour) = many_queues()?;
    Ok(json!({
        "queues": queues,
        "hour_of_all_queues_s": hour,
        "year_of_5_min_ms": 1e3 * median(year),
        "update_and_169_points_us": 1e6 * median(day_ahead),
        "snapshot_bytes": bytes.len(),
    }))
}

/// As a table.
pub(crate) fn table(costs: &Value) -> String {
    let get = |name: &str| costs.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    format!(
        "| cost | measured | goal |\n|---|---|---|\n| a year of 5-minute counts, replayed: CPU ms | {:.1} | 50 |\n| one update and a day's forecast of 169 points: CPU µs | {:.1} | 20 |\n| snapshot of a queue's baseline at 5 minutes: KiB | {:.1} | 64 |\n| {:.0} queues of half hours, six calls in each, a tick a second: CPU seconds of an hour, calls, learning, forecasts and staffing | {:.0} | 3600 |\n\nA model restored from its snapshot forecast the next day bit by bit as the one that went on.",
        get("year_of_5_min_ms"),
        get("update_and_169_points_us"),
        get("snapshot_bytes") / 1024.0,
        get("queues"),
        get("hour_of_all_queues_s")
    )
}
