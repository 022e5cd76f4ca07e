//! Several hosts of the tally on a failing log, and what must have come of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use forecall_log::{
    Committed, InProcess, Log, Membership, OutRecord, TopicPartition, TopicSpec, Transaction,
};
use forecall_observe::Metrics;
use forecall_runtime::host::{Host, HostSettings, LogSink, Place, Sink};
use forecall_runtime::{ManualClock, SnapshotStore};
use forecall_sim::fault::{Dice, Fault, FaultyLog, FaultyStore};
use forecall_stage::{Checkpoint, Counts};
use forecall_types::EventTime;

use super::difference::same;
use super::fleet::{Fleet, Start};
use super::plant::Plant;
use super::tally::{REMEMBERED, TallyAdapter};

/// What came of a seed: how often each fault struck.
pub(crate) type Struck = BTreeMap<Fault, u64>;

/// One set of metrics for all: they are not looked at here, and made anew they cost more than a whole seed.
pub(crate) fn metrics() -> Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(Metrics::new).clone()
}

const GROUP: &str = "g";

struct Input {
    dice: Dice,
    partitions: i32,
    written: u64,
    /// All that was ever written, by partition: the log may drop it.
    values: BTreeMap<i32, Vec<Option<Vec<u8>>>>,
}

impl Input {
    /// The next value: mostly new numbers, some seen before, some that mean nothing, some that are refused.
    fn value(&mut self) -> Option<Vec<u8>> {
        let text = match self.dice.below(40) {
            0 => return None,
            1 => "late".to_owned(),
            2 | 3 => "not a number".to_owned(),
            4..8 => self.written.saturating_sub(self.dice.below(12)).to_string(),
            _ => {
                self.written += 1 + self.dice.below(3);
                self.written.to_string()
            }
        };
        Some(text.into_bytes())
    }

    fn write(&mut self, log: &InProcess, count: u64) {
        let records = (0..count).map(|_| {
            let partition = self.dice.place(usize::try_from(self.partitions).unwrap());
            let partition = i32::try_from(partition).unwrap();
            let value = self.value();
            self.values.entry(partition).or_default().push(value.clone());
            OutRecord {
                topic: Arc::from("in"),
                partition: Some(partition),
                key: None,
                value,
                headers: Vec::new(),
            }
        });
        let transaction = Transaction {
            records: records.collect(),
            positions: Vec::new(),
        };
        log.writer("producer").unwrap().commit(&transaction).unwrap();
    }
}

/// Runs one seed. What is wrong afterwards is the error.
pub(crate) fn run(seed: u64, plant: Plant) -> Result<Struck, String> {
    play(seed, plant, false)
}

/// As [`run`], on a log that drops old records, read or not: then a process may end saying so, but nothing may be wrong or
/// left out up to where it came.
pub(crate) fn run_on_a_short_memory(seed: u64, plant: Plant) -> Result<Struck, String> {
    play(seed, plant, true)
}

fn play(seed: u64, plant: Plant, forgets: bool) -> Result<Struck, String> {
    let mut dice = Dice::new(seed);
    let (log, store) = (FaultyLog::new(dice.fork()), FaultyStore::new(dice.fork()));
    let partitions = i32::try_from(dice.between(1, 5)).unwrap();
    log.inner()
        .create_topics(&[
            TopicSpec::new("in", partitions),
            TopicSpec::new("out", partitions),
            TopicSpec::new("spread", 3),
            TopicSpec::new("dead", 1),
        ])
        .unwrap();
    let clock = Arc::new(ManualClock::at(EventTime::from_secs(0)));
    let settings = HostSettings {
        batch_records_max: *[1, 7, 5_000].get(dice.place(3)).unwrap(),
        snapshot_every: Duration::from_secs(5),
        snapshot_in_background: false,
        commit_every: Duration::from_secs(dice.below(3)),
        commit_busy: Duration::from_secs(dice.below(3)),
        ..HostSettings::default()
    };
    let snapshots = SnapshotStore::on(Arc::new(store.clone()), GROUP).unwrap();
    let slots = usize::try_from(dice.between(1, 3)).unwrap();
    let start = start(log.clone(), snapshots, Arc::clone(&clock), settings, plant);
    let fleet = Fleet::new(slots, start, dice.fork(), log.clone(), store);
    if forgets {
        fleet.allow_lack();
    }
    if plant == Plant::SkipsInSilence {
        fleet.log.skip_in_silence();
    }
    let mut input = Input {
        dice: dice.fork(),
        partitions,
        written: 0,
        values: BTreeMap::new(),
    };
    let mut now = 0;
    for _ in 0..dice.between(60, 240) {
        match dice.below(10) {
            0 => input.write(log.inner(), dice.between(1, 24)),
            1 => {
                now += i64::try_from(dice.between(1, 8)).unwrap();
                clock.advance_to(EventTime::from_secs(now));
            }
            2 if forgets => {
                let partition = input.dice.place(usize::try_from(partitions).unwrap());
                let partition = i32::try_from(partition).unwrap();
                // A group that has committed nothing begins with what is there.
                if committed(log.inner(), partition).is_some() {
                    log.maybe_forget(&TopicPartition::new("in", partition));
                }
            }
            _ => fleet.act(),
        }
        if let Some(wrong) = fleet.wrong() {
            return Err(wrong);
        }
        if fleet.lack().is_some() {
            return verify(log.inner(), &input, true).map(|()| log.struck());
        }
    }
    let mut struck = log.struck();
    struck.extend(fleet.store.struck());
    fleet.calm();
    input.write(log.inner(), 20);
    // Positions without effects may wait to be committed: time goes on.
    for later in 1..=3 {
        fleet.settle();
        clock.advance_to(EventTime::from_secs(now + 5 * later));
    }
    fleet.settle();
    match fleet.wrong() {
        Some(wrong) => Err(wrong),
        None => verify(log.inner(), &input, fleet.lack().is_some()).map(|()| struck),
    }
}

fn start(
    log: FaultyLog,
    snapshots: SnapshotStore,
    clock: Arc<ManualClock>,
    settings: HostSettings,
    plant: Plant,
) -> Start {
    Box::new(move |slot| {
        let membership = Membership {
            group: GROUP.to_owned(),
            instance: format!("m{slot}"),
            topics: vec!["in".to_owned()],
            is_static: true,
        };
        let sink: Arc<dyn Sink> = plant.sink().unwrap_or_else(|| Arc::new(LogSink));
        let place = Place {
            sink,
            snapshots: snapshots.clone(),
            clock: Arc::clone(&clock) as Arc<_>,
            metrics: metrics(),
            settings,
        };
        let adapter = TallyAdapter {
            forgetful: plant == Plant::ForgetfulSnapshot,
        };
        Ok(Box::new(Host::join(&log, &membership, adapter, place)?))
    })
}

/// What the outputs must be: computed anew from the input, without any of the code under test.
#[derive(Default)]
struct Oracle {
    out: Vec<String>,
    spread: Vec<String>,
    dead: BTreeSet<String>,
    counts: Counts,
}

fn oracle(values: &[Option<Vec<u8>>], partition: i32) -> Oracle {
    let mut oracle = Oracle::default();
    let (mut chain, mut seen) = (0_u64, VecDeque::new());
    for (offset, value) in values.iter().enumerate() {
        oracle.counts.records += 1;
        let Some(value) = value else { continue };
        let value = String::from_utf8_lossy(value);
        match (value.as_ref(), value.parse::<u64>()) {
            ("late", _) => oracle.counts.refused += 1,
            (_, Err(_)) => {
                oracle.counts.dead_letters += 1;
                oracle.dead.insert(format!("{partition}@{offset}"));
            }
            (_, Ok(number)) if seen.contains(&number) => oracle.counts.parts_refused += 1,
            (_, Ok(number)) => {
                seen.push_back(number);
                seen = seen.split_off(seen.len().saturating_sub(REMEMBERED));
                chain = chain.wrapping_mul(31).wrapping_add(number);
                for _ in 0..number % 3 {
                    let text = format!("{partition}:{chain}");
                    if number % 5 == 0 {
                        oracle.spread.push(text.clone());
                    }
                    oracle.out.push(text);
                }
            }
        }
    }
    oracle
}

fn read(log: &InProcess, topic: &str, partition: i32, mut with: impl FnMut(i64, String, Option<String>)) {
    log.read(&TopicPartition::new(topic, partition), 0, &mut |r| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        with(r.offset, r.key.map(text).unwrap_or_default(), r.value.map(text));
    })
    .unwrap();
}

/// Where a process has `stopped` because records are gone, what was committed counts; else all.
fn verify(log: &InProcess, input: &Input, stopped: bool) -> Result<(), String> {
    let mut dead = Vec::new();
    read(log, "dead", 0, |_, place, _| dead.push(place));
    dead.sort();
    let mut spread: Vec<String> = Vec::new();
    (0..3).for_each(|p| read(log, "spread", p, |_, _, value| spread.extend(value)));
    let mut wanted_dead = Vec::new();
    for partition in 0..input.partitions {
        let mut values = input.values.get(&partition).cloned().unwrap_or_default();
        if stopped {
            values.truncate(committed(log, partition).map_or(0, |c| usize::try_from(c.next_offset).unwrap()));
        }
        let wanted = oracle(&values, partition);
        let mut out = Vec::new();
        read(log, "out", partition, |_, _, value| out.extend(value));
        same(&format!("out/{partition}"), &out, &wanted.out)?;
        let prefix = format!("{partition}:");
        let mut mine: Vec<String> = spread
            .iter()
            .filter(|t| t.starts_with(&prefix))
            .cloned()
            .collect();
        let mut spread_wanted = wanted.spread;
        mine.sort();
        spread_wanted.sort();
        same(&format!("spread of {partition}"), &mine, &spread_wanted)?;
        wanted_dead.extend(wanted.dead);
        conserved(log, partition, wanted.counts)?;
    }
    wanted_dead.sort();
    same("dead letters", &dead, &wanted_dead)
}

fn committed(log: &InProcess, partition: i32) -> Option<Committed> {
    let place = TopicPartition::new("in", partition);
    log.committed(GROUP, &[place]).unwrap().remove(0)
}

/// Records in = stepped + dead-lettered + refused, as the committed checkpoint says it.
fn conserved(log: &InProcess, partition: i32, wanted: Counts) -> Result<(), String> {
    let Some(committed) = committed(log, partition) else {
        return if wanted.records == 0 {
            Ok(())
        } else {
            Err(format!("in/{partition}: nothing is committed"))
        };
    };
    let point: Checkpoint = committed.metadata.parse().map_err(|e| format!("{e}"))?;
    if u64::try_from(committed.next_offset) != Ok(wanted.records) || point.counts != wanted {
        return Err(format!(
            "in/{partition}: committed {} with {:?}, wanted {wanted:?}",
            committed.next_offset, point.counts
        ));
    }
    Ok(())
}
