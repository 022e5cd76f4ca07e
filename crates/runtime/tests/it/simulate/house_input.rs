//! Telemetry of some cells, of which a few degrade and recover: late, doubled, out of order, malformed, from the future.

use std::sync::Arc;

use forecall_log::OutRecord;
use forecall_sim::fault::Dice;

/// 2026-01-05 08:00 UTC.
pub(crate) const START: i64 = 1_767_600_000;
/// Partitions of each topic, where nothing else is said.
pub(crate) const PARTITIONS: i32 = 2;
/// Keyed by entity.
pub(crate) const TELEMETRY: &str = "telemetry";
/// Any partition for any entity.
pub(crate) const RAW: &str = "raw";

const STEPS: i64 = 120;
/// In one of four seeds the telemetry breaks off in the middle of the trouble: what is known of it then is told all the same.
const BROKEN_OFF: i64 = 84;
const STEP_SECONDS: i64 = 30;
const TEN_YEARS: i64 = 10 * 365 * 86_400;

/// What is written at one time.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) at: i64,
    pub(crate) records: Vec<OutRecord>,
}

fn record(topic: &str, partition: i32, text: String) -> OutRecord {
    OutRecord {
        topic: Arc::from(topic),
        partition: Some(partition),
        key: None,
        value: Some(text.into_bytes()),
        headers: Vec::new(),
    }
}

fn sample(cell: i32, region: &str, at: i64, value: f64) -> String {
    format!(
        r#"{{"ts":{at},"series":"latency","value":{value},"labels":{{"service.name":"internet","region":"{region}","host.name":"c{cell}"}}}}"#
    )
}

/// Milliseconds: level with noise; the troubled ones climb from step 60 and are well again from step 90.
fn latency(dice: &mut Dice, step: i64, is_troubled: bool) -> f64 {
    let noise = f64::from(u32::try_from(dice.below(4_000)).unwrap()) / 1_000.0;
    let climb = if is_troubled && (60..90).contains(&step) {
        (f64::from(i32::try_from(step - 59).unwrap()) * 15.0).min(400.0)
    } else {
        0.0
    };
    40.0 + noise + climb
}

/// The whole input. Neat: each sample once, at its time, and nothing else; else the same samples in some disorder.
pub(crate) fn chunks(dice: &mut Dice, is_neat: bool) -> Vec<Chunk> {
    chunks_on(PARTITIONS, dice, is_neat)
}

/// As that, on topics of so many partitions.
pub(crate) fn chunks_on(partitions: i32, dice: &mut Dice, is_neat: bool) -> Vec<Chunk> {
    let (mut values, mut chance) = (dice.fork(), dice.fork());
    let steps = if dice.hit(250) { BROKEN_OFF } else { STEPS };
    let mut chunks: Vec<Chunk> = (0..steps + 3)
        .map(|step| Chunk {
            at: START + STEP_SECONDS * step + 1,
            records: Vec::new(),
        })
        .collect();
    let mut put = |step: i64, delay: u64, record: OutRecord| {
        let place = usize::try_from(step).unwrap() + usize::try_from(delay).unwrap();
        if let Some(chunk) = chunks.get_mut(place) {
            chunk.records.push(record);
        }
    };
    for step in 0..steps {
        let at = START + STEP_SECONDS * step;
        for cell in 0..7 {
            let (topic, region) = if cell < 4 {
                (TELEMETRY, "IR-10")
            } else {
                (RAW, "IR-07")
            };
            let raw_partition = i32::try_from(values.below(u64::try_from(partitions).unwrap())).unwrap();
            let partition = if topic == RAW {
                raw_partition
            } else {
                cell % partitions
            };
            let value = latency(&mut values, step, cell != 3 && cell != 6);
            let text = sample(cell, region, at, value);
            if is_neat {
                put(step, 0, record(topic, partition, text));
                continue;
            }
            // Nine in ten come at once, the others up to a minute later.
            let delay = if chance.hit(900) { 0 } else { chance.between(1, 2) };
            put(step, delay, record(topic, partition, text.clone()));
            if chance.hit(40) {
                put(step, chance.between(delay, 2), record(topic, partition, text));
            }
            if chance.hit(15) {
                put(step, 0, record(topic, partition, "{ not json".to_owned()));
            }
            let odd = match chance.below(150) {
                0 => at + TEN_YEARS,
                // So late that no watermark of a run lies before it. Only where the watermark hangs on what was read before
                // alone: of the re-keyed there is none before every reader was heard of, and then nothing is late.
                1 if step > 60 && topic == TELEMETRY => at - 3_600,
                _ => continue,
            };
            put(
                step,
                0,
                record(topic, partition, sample(cell, region, odd, 900.0)),
            );
        }
    }
    chunks
}
