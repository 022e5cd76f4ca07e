//! The whole chain, from telemetry to people told, as processes on a log, a ledger, a store and gateways that fail.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use forecall_config::Settings;
use forecall_delivery::{DeliverError, DeliverSettings, Deliverer, Gateway};
use forecall_ledger::{Ledger, MasterKey};
use forecall_log::{InProcess, Log, TopicSpec, Transaction};
use forecall_observe::Health;
use forecall_runtime::{
    Clock, HostError, ManualClock, Pipeline, Roles, SnapshotStore, Storage, Surroundings, directory_topic,
    erase_from_directory, publish_directory, topic_specs,
};
use forecall_sim::fault::{Dice, FaultyGateway, FaultyLog, FaultyStore, GatewayBook, Pass};
use forecall_types::{ContactChannel, EventTime, IntentState};

use super::chain_check::check;
use super::chain_input::{CALLS, Chunk, TELEMETRY, chunks, person, resume};
use super::chain_plant::ChainPlant;
use super::fleet::{Fleet, Process, Start};
use super::house_input::START;
use super::tally_run::{Struck, metrics};

const KEY: &str = "1111111111111111111111111111111111111111111111111111111111111111";

const YAML: &str = r"
domain: telecom
group: sim
allow_literal_secrets: true
topics: { partitions: 2, dev: true, replication: 1 }
sources:
  - { topic: telemetry, format: flat_json, keyed: true }
  - { topic: calls, format: asterisk_queue_log, queues: { support: support } }
directory: { topic: people }
detect: { lateness_seconds: 60, warm_up_samples: 10 }
correlate: { heartbeat_missing_seconds: 86400 }
state: { interval_seconds: 60, tick_seconds: 30, idle_seconds: 600 }
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
  approval: { reach_above: 1000, probability_below: 0 }
  region_is_enough: true
  calls: { queues: { support: { services: [internet] } } }
ledger:
  master_key: '1111111111111111111111111111111111111111111111111111111111111111'
  pseudonym_key: '2222222222222222222222222222222222222222222222222222222222222222'
";

fn settings() -> Settings {
    Settings::from_yaml("chain", YAML).unwrap_or_else(|e| panic!("{e}"))
}

/// The worker that carries messages to the gateways, as a process of its own.
struct Worker {
    deliverer: Deliverer,
    clock: Arc<ManualClock>,
}

impl Process for Worker {
    fn turn(&mut self) -> Result<bool, HostError> {
        let report = self
            .deliverer
            .run_once(self.clock.now())
            .map_err(|error| match error {
                DeliverError::Ledger(error) => HostError::Ledger(error),
                error @ DeliverError::TwoGateways(_) => HostError::Settings(error.to_string()),
            })?;
        Ok(report
            .states
            .keys()
            .any(|(_, state)| *state != IntentState::Planned))
    }

    fn stop(self: Box<Self>) -> Result<(), HostError> {
        Ok(())
    }
}

/// A world: log, ledger, gateways, clock, and the processes among them.
pub(crate) struct Chain {
    pub(crate) settings: Settings,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) book: GatewayBook,
    clock: Arc<ManualClock>,
    gateways: Vec<FaultyGateway>,
    folder: tempfile::TempDir,
}

/// How many processes of a kind there are: detect with correlate, outreach (one, as SQLite asks for), deliver.
#[derive(Clone, Copy)]
struct Slots {
    detect: usize,
    deliver: usize,
}

/// What starts a process needs.
struct Site {
    settings: Settings,
    log: FaultyLog,
    snapshots: SnapshotStore,
    ledger: PathBuf,
    clock: Arc<ManualClock>,
    gateways: Vec<FaultyGateway>,
    record_group: usize,
    plant: ChainPlant,
}

impl Site {
    fn worker(&self, slot: usize) -> Result<Box<dyn Process>, HostError> {
        let ledger = open_ledger(&self.ledger)?;
        let settings = DeliverSettings {
            worker: format!("deliver-{slot}"),
            batch: 4,
            record_group: self.record_group,
            lease_for: Duration::from_secs(600),
            ..DeliverSettings::default()
        };
        let gateways = self
            .gateways
            .iter()
            .map(|g| self.plant.gateway(g.clone()))
            .collect::<Vec<Box<dyn Gateway>>>();
        let deliverer = Deliverer::new(ledger, gateways, self.plant.worker(settings))
            .map_err(|e| HostError::Settings(e.to_string()))?;
        Ok(Box::new(Worker {
            deliverer,
            clock: Arc::clone(&self.clock),
        }))
    }

    fn pipeline(&self, slot: usize, roles: Roles) -> Result<Box<dyn Process>, HostError> {
        let around = Surroundings {
            log: self.plant.log(self.log.clone()),
            clock: Arc::clone(&self.clock) as Arc<_>,
            metrics: metrics(),
            health: Health::default(),
            slot: u32::try_from(slot).unwrap(),
            scores: None,
            peers: None,
        };
        let storage = Storage::Shared {
            snapshots: self.snapshots.clone(),
            ledger: self.ledger.clone(),
        };
        Ok(Box::new(Pipeline::build(
            &self.settings,
            around,
            roles,
            &storage,
        )?))
    }
}

pub(crate) fn open_ledger(path: &std::path::Path) -> Result<Ledger, HostError> {
    let ledger = Ledger::open(path, MasterKey::from_hex(KEY)?)?;
    ledger.forgo_durability()?;
    Ok(ledger)
}

impl Chain {
    fn new(mut dice: Dice, slots: Slots, plant: ChainPlant) -> Self {
        let settings = settings();
        let folder = tempfile::tempdir().unwrap();
        let (log, store) = (FaultyLog::new(dice.fork()), FaultyStore::new(dice.fork()));
        let mut topics = vec![TopicSpec::new(TELEMETRY, 2), TopicSpec::new(CALLS, 1)];
        topics.extend(directory_topic(&settings));
        topics.extend(topic_specs(&settings, &settings.topic_names()));
        log.inner().create_topics(&topics).unwrap();
        let clock = Arc::new(ManualClock::at(EventTime::from_secs(START)));
        let book = GatewayBook::default();
        let pass: Pass = {
            let (log, clock) = (log.inner().clone(), Arc::clone(&clock));
            Arc::new(move |seconds| pass(&log, &clock, seconds))
        };
        let gateways: Vec<_> = [ContactChannel::Sms, ContactChannel::Email]
            .map(|channel| {
                FaultyGateway::new(channel, dice.fork(), book.clone(), log.clone(), Arc::clone(&pass))
            })
            .into();
        let site = Site {
            settings: settings.clone(),
            log: log.clone(),
            snapshots: SnapshotStore::on(Arc::new(store.clone()), &settings.group).unwrap(),
            ledger: folder.path().join("ledger.sqlite"),
            clock: Arc::clone(&clock),
            gateways: gateways.clone(),
            record_group: *[1, 3].get(dice.place(2)).unwrap(),
            plant,
        };
        let start: Start = Box::new(move |slot| {
            if slot < slots.detect {
                let roles = Roles {
                    detect: true,
                    correlate: true,
                    ..Roles::NONE
                };
                site.pipeline(slot, roles)
            } else if slot == slots.detect {
                let roles = Roles {
                    outreach: true,
                    ..Roles::NONE
                };
                site.pipeline(slot, roles)
            } else {
                site.worker(slot)
            }
        });
        let fleet = Fleet::new(slots.detect + 1 + slots.deliver, start, dice.fork(), log, store);
        Self {
            settings,
            fleet,
            book,
            clock,
            gateways,
            folder,
        }
    }

    pub(crate) fn log(&self) -> &InProcess {
        self.fleet.log.inner()
    }

    pub(crate) fn ledger(&self) -> Ledger {
        open_ledger(&self.folder.path().join("ledger.sqlite")).unwrap()
    }

    fn at(&self, secs: i64) {
        self.log().set_time(EventTime::from_secs(secs));
        self.clock.advance_to(EventTime::from_secs(secs));
    }

    fn write(&self, chunk: &Chunk) {
        // A slow gateway may have taken more time than there was.
        self.at(chunk.at);
        put(self.log(), chunk.records.clone());
        let rows: Vec<_> = chunk
            .persons
            .iter()
            .map(|n| person(&self.settings, *n, chunk.at))
            .collect();
        if !rows.is_empty() {
            publish_directory(&self.settings, self.log(), &rows).unwrap();
        }
        if let Some(gone) = chunk.erased {
            let id = person(&self.settings, gone, chunk.at).customer.id;
            erase_from_directory(&self.settings, self.log(), id).unwrap();
        }
    }

    /// Nothing fails any more: time goes on until every message has come to an end.
    fn finish(&self) -> Result<(), String> {
        self.fleet.calm();
        self.gateways.iter().for_each(FaultyGateway::calm);
        put(
            self.log(),
            vec![resume(&self.settings, self.clock.now().nanos() / 1_000_000_000)],
        );
        for step in 0..60 {
            self.fleet.settle();
            if let Some(wrong) = self.fleet.wrong() {
                return Err(wrong);
            }
            if step > 20 && self.is_at_rest() {
                break;
            }
            pass(self.log(), &self.clock, if step < 20 { 60 } else { 600 });
        }
        // Once more, so that the last receipts are read and what they bring is published.
        for _ in 0..3 {
            pass(self.log(), &self.clock, 30);
            self.fleet.settle();
        }
        self.fleet.wrong().map_or(Ok(()), Err)
    }

    fn is_at_rest(&self) -> bool {
        let counts = self.ledger().intent_counts().unwrap();
        counts
            .keys()
            .all(|(_, state)| !matches!(state, IntentState::Planned | IntentState::Sending))
    }

    /// Everything anew but log and ledger, and no snapshot at all: what stands is made again from its logs, and must be the same.
    fn again(&self) -> Result<(), String> {
        let slots = Slots {
            detect: 1,
            deliver: 0,
        };
        let site = Site {
            settings: self.settings.clone(),
            log: self.fleet.log.clone(),
            snapshots: SnapshotStore::in_memory(&self.settings.group).unwrap(),
            ledger: self.folder.path().join("ledger.sqlite"),
            clock: Arc::clone(&self.clock),
            gateways: Vec::new(),
            record_group: 1,
            plant: ChainPlant::None,
        };
        for (slot, outreach) in [(0, false), (slots.detect, true)] {
            let roles = Roles {
                detect: !outreach,
                correlate: !outreach,
                outreach,
                ..Roles::NONE
            };
            let mut process = site.pipeline(slot, roles).map_err(|e| e.to_string())?;
            for _ in 0..100 {
                if !process.turn().map_err(|e| format!("made again: {e}"))? {
                    break;
                }
            }
        }
        Ok(())
    }
}

fn pass(log: &InProcess, clock: &ManualClock, seconds: u64) {
    let now = clock.now().plus(Duration::from_secs(seconds));
    log.set_time(now);
    clock.advance_to(now);
}

fn put(log: &InProcess, records: Vec<forecall_log::OutRecord>) {
    let transaction = Transaction {
        records,
        positions: Vec::new(),
    };
    log.writer("world").unwrap().commit(&transaction).unwrap();
}

/// Runs one seed. What is wrong afterwards is the error.
pub(crate) fn run(seed: u64, plant: ChainPlant) -> Result<Struck, String> {
    let mut dice = Dice::new(seed);
    let slots = Slots {
        detect: dice.place(2) + 1,
        deliver: dice.place(2) + 1,
    };
    let chain = Chain::new(dice.fork(), slots, plant);
    let chunks = chunks(&chain.settings, &mut dice.fork());
    let fleet = &chain.fleet;
    fleet.arm(false);
    fleet.start_all();
    for (i, chunk) in chunks.iter().enumerate() {
        chain.write(chunk);
        if i == 0 {
            fleet.settle();
            fleet.arm(true);
            continue;
        }
        for _ in 0..dice.between(0, 14) {
            fleet.act();
            if let Some(wrong) = fleet.wrong() {
                return Err(wrong);
            }
        }
    }
    let mut struck = fleet.log.struck();
    struck.extend(fleet.store.struck());
    struck.extend(chain.gateways.iter().flat_map(FaultyGateway::struck));
    chain.finish()?;
    check(&chain)?;
    chain.again()?;
    Ok(struck)
}
