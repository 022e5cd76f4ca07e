//! One run from the first record to the verdict, with forecall's host or with the control.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use forecall_e2e::proxy::Proxy;
use forecall_kafka::KafkaLog;
use forecall_log::crash::POINTS;
use forecall_log::{Log as _, TopicPartition, TopicSpec};
use forecall_runtime::SnapshotStore;
use forecall_stage::{Checkpoint, Stage as _};

use crate::at_least_once::state_file;
use crate::broker::Broker;
use crate::feeder::{Feeder, Stall, Watch};
use crate::fleet::{Fleet, Tolls};
use crate::oracle::{self, Truth};
use crate::place::{HELD, PARTITIONS, PARTITIONS_GROWN, Place, SESSION, SNAPSHOT_EVERY};
use crate::schedule::{self, Crash, Fault, Step, Wanted};
use crate::tally::Tally;
use crate::topics::{self, Lag};
use crate::verdict::Verdict;

/// Processes, the one that comes and goes included.
const SLOTS: u32 = 4;
/// How often the processes are looked at.
const TICK: Duration = Duration::from_millis(20);
/// From the last record to the last commit, and for any process to get free.
const CALM_WAIT: Duration = Duration::from_secs(180);
/// The processes have joined and read before the first fault.
const WARM_UP: Duration = Duration::from_secs(4);
/// A missed crash point is tried again this often.
const TRIES_MAX: usize = 3;
/// The points that the control passes.
const CONTROL_POINTS: [&str; 4] = ["stepped", "produced", "commit_called", "committed"];

/// What is to be run.
pub(crate) struct Campaign<'a> {
    pub(crate) place: Place,
    pub(crate) logs: &'a Path,
    pub(crate) control: bool,
    pub(crate) kills: u64,
    pub(crate) seed: u64,
    pub(crate) rate: u64,
    pub(crate) broker: &'a Broker,
    pub(crate) broker_kills: u64,
    /// The line that may fail.
    pub(crate) proxy: Option<&'a Proxy>,
    pub(crate) stop: &'a AtomicBool,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) tolls: Tolls,
    pub(crate) brokers_killed: u64,
    /// Ends of transactions that were held on the line, and transactions whose end was in doubt.
    pub(crate) held: u64,
    pub(crate) doubts: u64,
    /// Batches of members that were no longer the owners, dropped.
    pub(crate) dropped: u64,
    /// Restores whose digest was compared and found right, and wrong.
    pub(crate) restored: u64,
    pub(crate) mismatched: u64,
    /// Partitions of the input at the end, and records on those that were added.
    pub(crate) partitions: i32,
    pub(crate) added_records: u64,
    pub(crate) records: u64,
    pub(crate) outputs: u64,
    pub(crate) letters: u64,
    pub(crate) refused: u64,
    pub(crate) hash: String,
    pub(crate) verdict: Verdict,
    pub(crate) stall: Stall,
    pub(crate) seconds: u64,
}

impl Campaign<'_> {
    pub(crate) fn run(&self) -> Result<Outcome> {
        let begun = Instant::now();
        self.create_topics()?;
        let mut fleet = Fleet::new(&self.place, self.logs.to_path_buf(), self.control, SLOTS)?
            .through(self.proxy.map(Proxy::address));
        let feeder = Feeder::start(&self.place, self.seed, self.rate)?;
        let watch = Watch::start(&self.place)?;
        self.tend(&mut fleet, &feeder, WARM_UP, |_| false)?;
        let mut brokers_killed = 0;
        for step in self.schedule() {
            self.tend(&mut fleet, &feeder, Duration::from_millis(step.pause_ms), |_| {
                false
            })?;
            let breaks = matches!(step.fault, Fault::Broker { .. });
            brokers_killed += u64::from(breaks);
            if breaks {
                watch.tell_broken();
            }
            self.inflict(&mut fleet, &feeder, &step)?;
            if breaks {
                watch.tell_broken();
            }
        }
        for _ in 0..TRIES_MAX {
            self.await_calm(&mut fleet, &feeder)?;
            for crash in std::mem::take(&mut fleet.again) {
                self.inflict(&mut fleet, &feeder, &again(crash))?;
            }
        }
        self.await_calm(&mut fleet, &feeder)?;
        // A moment of calm, so that a partition that stands still for good shows.
        self.tend(&mut fleet, &feeder, SESSION, |_| false)?;
        let stall = watch.finish()?;
        let partitions = feeder.partitions();
        feeder.finish()?;
        self.drain(&mut fleet, partitions)?;
        fleet.finish(CALM_WAIT)?;
        let mut outcome = self.judge(&fleet, partitions)?;
        (outcome.brokers_killed, outcome.stall) = (brokers_killed, stall);
        outcome.seconds = begun.elapsed().as_secs();
        Ok(outcome)
    }

    fn create_topics(&self) -> Result<()> {
        let log = KafkaLog::connect(self.place.settings()).context("failed to reach the broker")?;
        log.create_topics(&[
            TopicSpec::new(&self.place.inputs(), PARTITIONS),
            TopicSpec::new(&self.place.outputs(), PARTITIONS_GROWN),
            TopicSpec::new(&self.place.letters(), 1),
        ])
        .context("failed to create the topics")?;
        std::fs::create_dir_all(&self.place.state).context("failed to make the folder of the snapshots")
    }

    fn schedule(&self) -> Vec<Step> {
        schedule::draw(&Wanted {
            seed: self.seed,
            kills: self.kills,
            points: if self.control { &CONTROL_POINTS } else { &POINTS },
            broker_kills: self.broker_kills,
            line: self.proxy.is_some(),
            // The control's client is a plain one: it would see them after five minutes.
            grow: !self.control,
            session_ms: u64::try_from(SESSION.as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn await_calm(&self, fleet: &mut Fleet, feeder: &Feeder) -> Result<()> {
        if self.tend(fleet, feeder, CALM_WAIT, Fleet::is_calm)? {
            return Ok(());
        }
        bail!(
            "the processes didn't come to rest in {} s: {:?}; the logs are in {}",
            CALM_WAIT.as_secs(),
            fleet.tolls,
            self.logs.display()
        )
    }

    /// Looks after the processes for a while, or until something holds; says whether it does.
    fn tend(
        &self,
        fleet: &mut Fleet,
        feeder: &Feeder,
        length: Duration,
        until: impl Fn(&Fleet) -> bool,
    ) -> Result<bool> {
        let (begun, mut told) = (Instant::now(), Instant::now());
        loop {
            if self.stop.load(Ordering::SeqCst) {
                bail!("stopped by a signal");
            }
            fleet.tick()?;
            if until(fleet) {
                return Ok(true);
            }
            if begun.elapsed() >= length {
                return Ok(false);
            }
            if told.elapsed() > Duration::from_secs(1) {
                told = Instant::now();
                self.tell(fleet, feeder);
            }
            std::thread::sleep(TICK);
        }
    }

    fn tell(&self, fleet: &Fleet, feeder: &Feeder) {
        if std::io::stderr().is_terminal() {
            let what = if self.control { "control" } else { "chaos" };
            eprint!(
                "\r{what}: {} of {} kills, {} records   ",
                fleet.tolls.kills,
                self.kills,
                feeder.written()
            );
        }
    }

    /// Does it as soon as a process is free for it.
    fn inflict(&self, fleet: &mut Fleet, feeder: &Feeder, step: &Step) -> Result<()> {
        let begun = Instant::now();
        loop {
            let done = match &step.fault {
                Fault::Kill { then } => fleet.kill(step.pick, then)?,
                Fault::Freeze { for_ms, twin } => {
                    fleet.freeze(step.pick, Duration::from_millis(*for_ms), *twin)?
                }
                Fault::Scale => fleet.scale()?,
                Fault::Stop => fleet.stop(step.pick)?,
                Fault::Line { trick } => {
                    let seized = fleet.seize_line(HELD + SESSION)?;
                    if let Some(proxy) = self.proxy.filter(|_| seized) {
                        proxy.arm(*trick);
                    }
                    seized
                }
                Fault::Grow => {
                    topics::grow_inputs(&self.place, PARTITIONS_GROWN)?;
                    feeder.spread_over(PARTITIONS_GROWN);
                    true
                }
                Fault::Broker { down_ms, stop } => {
                    self.broker.kill()?;
                    // Where nobody is free for it, the broker was away all the same.
                    let _stopped = *stop && fleet.stop_alone(step.pick)?;
                    std::thread::sleep(Duration::from_millis(*down_ms));
                    self.broker.start()?;
                    fleet.forgive();
                    true
                }
            };
            if done {
                return Ok(());
            }
            if begun.elapsed() > CALM_WAIT {
                bail!("no process got free for {step:?}; {:?}", fleet.tolls);
            }
            self.tend(fleet, feeder, TICK, |_| false)?;
        }
    }

    /// Waits until everything is committed, and a snapshot interval longer.
    fn drain(&self, fleet: &mut Fleet, partitions: i32) -> Result<()> {
        let lag = Lag::new(&self.place, partitions)?;
        let begun = Instant::now();
        loop {
            fleet.tick()?;
            let records = lag.records()?;
            if records == 0 {
                break;
            }
            if begun.elapsed() > CALM_WAIT || self.stop.load(Ordering::SeqCst) {
                bail!(
                    "{records} records are not committed {} s after the last was written; the logs are in {}",
                    begun.elapsed().as_secs(),
                    self.logs.display()
                );
            }
            std::thread::sleep(TICK * 10);
        }
        let calm = Instant::now();
        while calm.elapsed() < SNAPSHOT_EVERY + Duration::from_secs(1) {
            fleet.tick()?;
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    fn judge(&self, fleet: &Fleet, partitions: i32) -> Result<Outcome> {
        let mut verdict = Verdict::default();
        let truths: Vec<Truth> = topics::inputs(&self.place, partitions)?
            .iter()
            .map(|r| oracle::truth(r))
            .collect();
        let outputs = topics::outputs(&self.place, partitions)?;
        let committed = Lag::new(&self.place, partitions)?.committed()?;
        verdict.letters(&truths, &topics::letters(&self.place)?);
        let store = SnapshotStore::local(&self.place.state, &self.place.run)?;
        for (partition, ((truth, found), at)) in (0..).zip(truths.iter().zip(&outputs).zip(&committed)) {
            verdict.outputs(partition, &truth.outputs, found);
            let state = if self.control {
                std::fs::read(state_file(&self.place, partition))
                    .ok()
                    .and_then(|bytes| Tally::load((), &bytes).ok())
            } else {
                self.counted(&mut verdict, partition, truth, at);
                self.snapshot(&store, partition, at)?
            };
            let text = state.map(|tally| tally.text());
            verdict.state(partition, &truth.state, text.as_deref());
        }
        let sum = |count: fn(&Truth) -> u64| truths.iter().map(count).sum();
        let mut tolls = fleet.tolls.clone();
        // The same reason many times over is one reason.
        let mut reasons = BTreeSet::new();
        tolls.ended.retain(|words| reasons.insert(words.clone()));
        Ok(Outcome {
            tolls,
            brokers_killed: 0,
            held: self.proxy.map_or(0, Proxy::held),
            doubts: fleet.lines_with("a transaction is in doubt")?,
            dropped: fleet.lines_with("a batch was dropped")?,
            restored: fleet.lines_with("restored: the digest is the committed one")?,
            mismatched: fleet.lines_with("re-reading up to offset")?,
            partitions,
            added_records: (0..)
                .zip(&truths)
                .filter(|(partition, _)| *partition >= PARTITIONS)
                .map(|(_, truth)| truth.records)
                .sum(),
            records: sum(|t| t.records),
            outputs: sum(|t| u64::try_from(t.outputs.len()).unwrap_or(u64::MAX)),
            letters: sum(|t| u64::try_from(t.letters.len()).unwrap_or(u64::MAX)),
            refused: sum(|t| t.refused),
            hash: oracle::hash(&truths),
            verdict,
            stall: Stall::default(),
            seconds: 0,
        })
    }

    /// The memory in the newest snapshot, if that is one of the committed position and its digest.
    fn snapshot(
        &self,
        store: &SnapshotStore,
        partition: i32,
        (next, metadata): &(i64, String),
    ) -> Result<Option<Tally>> {
        let place = TopicPartition::new(&self.place.inputs(), partition);
        let newest = store.newest(Tally::NAME, Tally::VERSION, &place, *next)?;
        Ok(newest
            .filter(|s| s.header.next_offset == *next && s.header.checkpoint.to_string() == *metadata)
            .and_then(|s| Tally::load((), &s.state).ok()))
    }

    /// Every record is accounted for in what stands beside the committed position.
    fn counted(&self, verdict: &mut Verdict, partition: i32, truth: &Truth, (_, metadata): &(i64, String)) {
        let letters = u64::try_from(truth.letters.len()).unwrap_or(u64::MAX);
        let found = metadata.parse::<Checkpoint>().map(|point| point.counts).ok();
        let good = found.is_some_and(|counts| {
            (
                counts.records,
                counts.dead_letters,
                counts.refused,
                counts.parts_refused,
            ) == (truth.records, letters, 0, truth.refused)
        });
        if !good {
            verdict.wrong_counts += 1;
            verdict.example(format!(
                "counters of partition {partition}: {found:?} instead of {} records, {letters} letters, {} refused",
                truth.records, truth.refused
            ));
        }
    }
}

fn again(crash: Crash) -> Step {
    Step {
        pause_ms: 0,
        pick: 0,
        fault: Fault::Kill { then: vec![crash] },
    }
}
