//! The stages of the house (rekey, detect, intake, correlate) as processes on a failing log, and the same input undisturbed.

use std::path::PathBuf;
use std::sync::Arc;

use forecall_config::Settings;
use forecall_log::{InProcess, Log, OutRecord, TopicSpec, Transaction};
use forecall_observe::Health;
use forecall_runtime::{
    HostError, ManualClock, Pipeline, Roles, SnapshotStore, Storage, Surroundings, topic_specs,
};
use forecall_sim::fault::{Dice, FaultyLog, FaultyStore};
use forecall_types::EventTime;

use super::fleet::{Fleet, Process, Start};
use super::house_check::compare;
use super::house_input::{Chunk, RAW, START, TELEMETRY, chunks};
use super::tally_run::{Struck, metrics};

const YAML: &str = r"
domain: telecom
group: sim
allow_literal_secrets: true
topics: { partitions: 2, dev: true, replication: 1 }
sources:
  - { topic: telemetry, format: flat_json, keyed: true }
  - { topic: raw, format: flat_json, domain: metro }
detect: { lateness_seconds: 90, warm_up_samples: 10 }
correlate: { heartbeat_missing_seconds: 86400 }
state: { interval_seconds: 60, tick_seconds: 10, idle_seconds: 600 }
topology:
  services: [ { name: internet, customer_facing: true } ]
  regions:
    - { code: IR-10, names: { fa: اصفهان, en: Isfahan } }
    - { code: IR-07, names: { fa: فارس, en: Fars } }
objectives:
  - { metric: latency, above: 200, for_seconds: 60 }
outreach:
  regions: { IR-10: { name: { fa: اصفهان, en: Isfahan } }, IR-07: { name: { fa: فارس, en: Fars } } }
  services: { internet: { name: { fa: اینترنت, en: Internet } } }
ledger:
  master_key: '1111111111111111111111111111111111111111111111111111111111111111'
  pseudonym_key: '2222222222222222222222222222222222222222222222222222222222222222'
";

pub(crate) fn settings() -> Settings {
    settings_with(&[])
}

/// Partitions of every topic.
pub(crate) fn partitions(settings: &Settings) -> i32 {
    i32::try_from(settings.topics.partitions).unwrap()
}

/// With some of their text replaced.
pub(crate) fn settings_with(changes: &[(&str, &str)]) -> Settings {
    let text = changes.iter().fold(YAML.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    Settings::from_yaml("house", &text).unwrap_or_else(|e| panic!("{e}"))
}

impl Process for Pipeline {
    fn turn(&mut self) -> Result<bool, HostError> {
        Self::turn(self)
    }

    fn stop(self: Box<Self>) -> Result<(), HostError> {
        Self::stop(*self)
    }
}

/// A world: a log, a clock, and the processes on it.
pub(crate) struct World {
    pub(crate) fleet: Arc<Fleet>,
    clock: Arc<ManualClock>,
}

impl World {
    /// `detect` and `correlate`: how many processes there are of each.
    pub(crate) fn new(settings: &Settings, mut dice: Dice, (detect, correlate): (usize, usize)) -> Self {
        let (log, store) = (FaultyLog::new(dice.fork()), FaultyStore::new(dice.fork()));
        let inputs = [TELEMETRY, RAW].map(|topic| TopicSpec::new(topic, partitions(settings)));
        log.inner().create_topics(&inputs).unwrap();
        log.inner()
            .create_topics(&topic_specs(settings, &settings.topic_names()))
            .unwrap();
        let clock = Arc::new(ManualClock::at(EventTime::from_secs(START)));
        let snapshots = SnapshotStore::on(Arc::new(store.clone()), &settings.group).unwrap();
        let start = Self::start(
            settings.clone(),
            log.clone(),
            snapshots,
            Arc::clone(&clock),
            detect,
        );
        let fleet = Fleet::new(detect + correlate, start, dice.fork(), log, store);
        Self { fleet, clock }
    }

    fn start(
        settings: Settings,
        log: FaultyLog,
        snapshots: SnapshotStore,
        clock: Arc<ManualClock>,
        detect: usize,
    ) -> Start {
        Box::new(move |slot| {
            let roles = Roles {
                detect: slot < detect,
                correlate: slot >= detect,
                ..Roles::NONE
            };
            let around = Surroundings {
                log: Arc::new(log.clone()),
                clock: Arc::clone(&clock) as Arc<_>,
                metrics: metrics(),
                health: Health::default(),
                slot: u32::try_from(slot).unwrap(),
                scores: None,
                peers: None,
            };
            let storage = Storage::Shared {
                snapshots: snapshots.clone(),
                ledger: PathBuf::new(),
            };
            Ok(Box::new(Pipeline::build(&settings, around, roles, &storage)?))
        })
    }

    pub(crate) fn log(&self) -> &InProcess {
        self.fleet.log.inner()
    }

    pub(crate) fn at(&self, secs: i64) {
        self.log().set_time(EventTime::from_secs(secs));
        self.clock.advance_to(EventTime::from_secs(secs));
    }

    pub(crate) fn write(&self, chunk: &Chunk) {
        self.at(chunk.at);
        put(self.log(), chunk.records.clone());
    }

    /// The end: time goes on until everything open is over.
    pub(crate) fn finish(&self, from: i64) -> Result<(), String> {
        for step in 0..30 {
            self.at(from + 30 * step);
            self.fleet.settle();
        }
        self.fleet.wrong().map_or(Ok(()), Err)
    }

    /// The same input with nothing going wrong.
    pub(crate) fn undisturbed(settings: &Settings, chunks: &[Chunk]) -> Result<Self, String> {
        Self::quiet(settings, chunks, (1, 1), usize::MAX)
    }

    /// As that, but every `every`th turn of all is a process's last one; another comes in its place.
    pub(crate) fn killed(
        settings: &Settings,
        chunks: &[Chunk],
        every: usize,
        offset: usize,
    ) -> Result<Self, String> {
        let world = Self::new(settings, Dice::new(0), (1, 1));
        world.fleet.log.gather_at_most(5);
        world.fleet.calm();
        let mut turns = offset;
        for chunk in chunks {
            world.write(chunk);
            for turn in 0..8 {
                world.fleet.turn(turn % 2);
                turns += 1;
                if turns.is_multiple_of(every) {
                    world.fleet.kill(turn % 2);
                    world.fleet.start_if_down(turn % 2);
                }
            }
        }
        world.finish(chunks.last().map_or(START, |c| c.at))?;
        Ok(world)
    }

    /// As that, with so many processes and batches of so many records at most.
    pub(crate) fn quiet(
        settings: &Settings,
        chunks: &[Chunk],
        slots: (usize, usize),
        batch: usize,
    ) -> Result<Self, String> {
        let world = Self::new(settings, Dice::new(0), slots);
        world.fleet.log.gather_at_most(batch);
        world.fleet.calm();
        for chunk in chunks {
            world.write(chunk);
            world.fleet.settle();
        }
        world.finish(chunks.last().map_or(START, |c| c.at))?;
        Ok(world)
    }
}

fn put(log: &InProcess, records: Vec<OutRecord>) {
    let transaction = Transaction {
        records,
        positions: Vec::new(),
    };
    log.writer("world").unwrap().commit(&transaction).unwrap();
}

/// Runs one seed. What is wrong afterwards is the error.
pub(crate) fn run(seed: u64) -> Result<Struck, String> {
    let mut dice = Dice::new(seed);
    let chunks = chunks(&mut dice.fork(), false);
    let settings = settings();
    let slots = (dice.place(2) + 1, dice.place(2) + 1);
    let world = World::new(&settings, dice.fork(), slots);
    let batch = [1, 7, 5_000].get(dice.place(3)).copied().unwrap();
    world.fleet.log.gather_at_most(batch);
    world.fleet.arm(false);
    world.fleet.start_all();
    world.fleet.arm(true);
    for chunk in &chunks {
        world.write(chunk);
        for _ in 0..dice.between(0, 12) {
            world.fleet.act();
            if let Some(wrong) = world.fleet.wrong() {
                return Err(wrong);
            }
        }
    }
    let mut struck = world.fleet.log.struck();
    struck.extend(world.fleet.store.struck());
    world.fleet.calm();
    world.finish(chunks.last().map_or(START, |c| c.at))?;
    let undisturbed = World::undisturbed(&settings, &chunks)?;
    compare(&settings, world.log(), undisturbed.log()).map(|()| struck)
}
