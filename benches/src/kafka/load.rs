//! A load that doesn't wait for anybody: each record has its time, and is sent then or as soon after as can be. In a process
//! of its own.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use forecall_bench_input::next;

use super::host::{PROBE, at_end_of_input, now_millis};
use super::topic::{Filler, PARTITIONS};
use crate::world::flat_json;

/// What is sent.
#[derive(clap::Args)]
pub(crate) struct LoadArgs {
    #[arg(long)]
    bootstrap: String,
    #[arg(long)]
    topic: String,
    /// Records a second, 0: as many as can be.
    #[arg(long)]
    rate: u32,
    /// Series, in turn.
    #[arg(long)]
    series: u32,
    /// Ends after so long, or when the standard input ends.
    #[arg(long, default_value_t = 3_600)]
    seconds: u32,
    /// Besides, so many probes, each measured five times a second.
    #[arg(long, default_value_t = 0)]
    probes: u32,
    /// The first probe goes wrong after so long …
    #[arg(long, default_value_t = 15)]
    calm_seconds: u32,
    /// … and a further one every so many milliseconds.
    #[arg(long, default_value_t = 500)]
    gap_ms: u32,
}

/// Milliseconds between two samples of a probe.
const PROBE_EVERY: i64 = 200;
/// Sent in one go while the load is as much as can be.
const BURST: u64 = 1_000;

/// A sample of a probe: its region is its own, so that its trouble is an incident of its own.
fn probe(number: u32, at: i64, is_wrong: bool) -> String {
    let mut seed = u64::from(number) << 44 ^ at.unsigned_abs();
    let noise = next(&mut seed) % 1_000;
    let level = if is_wrong { 400 } else { 20 };
    format!(
        "{{\"ts\":{at},\"series\":\"{PROBE}.rtt\",\"value\":{level}.{noise:03},\"unit\":\"ms\",\"labels\":{{\"service.name\":\"internet\",\"host.name\":\"probe-{number}\",\"region\":\"IR-23-P{number}\"}}}}"
    )
}

pub(crate) fn load(args: &LoadArgs) -> Result<()> {
    let mut filler = Filler::new(&args.bootstrap, 5)?;
    let stop = at_end_of_input();
    let begun = now_millis();
    let end = begun + i64::from(args.seconds) * 1_000;
    let (mut sent, mut probed) = (0_u64, begun);
    while !stop.load(Ordering::SeqCst) {
        let now = now_millis().min(end);
        let due = match args.rate {
            0 => sent + BURST,
            rate => (now - begun).unsigned_abs() * u64::from(rate) / 1_000,
        };
        while sent < due {
            let at = match args.rate {
                0 => now,
                rate => begun + i64::try_from(sent * 1_000 / u64::from(rate))?,
            };
            // While probes are due between two records they go between them: time must rise on each partition.
            while probed <= at {
                probes(args, &mut filler, probed, begun)?;
                probed += PROBE_EVERY / 20;
            }
            let series = u32::try_from(sent % u64::from(args.series))?;
            let round = u32::try_from(sent / u64::from(args.series) % 1_000)?;
            let value = flat_json(series, round, at);
            filler.put(
                &args.topic,
                series / 10 % PARTITIONS.unsigned_abs(),
                value.as_bytes(),
                at,
            )?;
            sent += 1;
        }
        filler.listen();
        if now >= end {
            break;
        }
        if args.rate > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    filler.finish()
}

/// The probes whose turn it is: a twentieth of them every ten milliseconds.
fn probes(args: &LoadArgs, filler: &mut Filler, at: i64, begun: i64) -> Result<()> {
    let turn = (at - begun) / (PROBE_EVERY / 20) % 20;
    for number in (0..args.probes).filter(|number| i64::from(number % 20) == turn) {
        let wrong_from = begun + i64::from(args.calm_seconds) * 1_000 + i64::from(number * args.gap_ms);
        let value = probe(number, at, at >= wrong_from);
        filler.put(
            &args.topic,
            number % PARTITIONS.unsigned_abs(),
            value.as_bytes(),
            at,
        )?;
    }
    Ok(())
}
