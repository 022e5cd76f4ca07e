//! The shipped pipeline, outreach and deliver, on the log in memory and a ledger on disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use forecall_config::Settings;
use forecall_ledger::{DirectoryRow, Ledger, MasterKey};
use forecall_log::{InProcess, Log as _, OutRecord, TopicPartition, Transaction};
use forecall_observe::{Health, Metrics};
use forecall_runtime::{
    Clock as _, Ending, HostError, Pipeline, Roles, Storage, Surroundings, SystemClock, topic_specs,
};
use forecall_types::{Action, Command, EventTime, Incident, IncidentChange, IncidentEvent, Notice};
use forecall_wire::event::{Encoded, TopicId, decode_notice, encode_command, encode_incident_event};

use crate::people;

const KEY: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const OUTREACH_LOG: &str = "forecall.outreach.log.v1";
/// As long as anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(900);

pub(crate) fn master() -> Result<MasterKey> {
    Ok(MasterKey::from_hex(KEY)?)
}

/// The settings of a company whose message centre listens at `port`, with so many regions of its own.
fn settings(folder: &Path, port: u16, window: u16, regions: usize) -> Result<Settings> {
    let regions: String = (0..regions)
        .map(|n| {
            format!("    IR-23-T{n}: {{ parent: IR-23, name: {{ fa: منطقه {n}, en: District {n} }} }}\n")
        })
        .collect();
    let yaml = format!(
        r"
domain: isp
group: bench
allow_literal_secrets: true
topics: {{ partitions: 1, dev: true, replication: 1 }}
state: {{ path: {folder}/state }}
ledger:
  path: {folder}/ledger.sqlite
  master_key: '{KEY}'
  pseudonym_key: '2222222222222222222222222222222222222222222222222222222222222222'
outreach:
  regions:
    IR-23: {{ name: {{ fa: تهران, en: Tehran }} }}
{regions}
  services: {{ internet: {{ name: {{ fa: اینترنت, en: Internet }} }} }}
  approval: {{ reach_above: 10000000, probability_below: 0 }}
  quiet: {{ from: '00:00', until: '00:00' }}
gateways:
  sms:
    smpp:
      host: 127.0.0.1
      port: {port}
      tls: none
      system_id: forecall
      password: testonly
      from: '+983000'
      window: {window}
delivery:
  batch: {batch}
  rates: {{ sms: {{ per_minute: 60000000, burst: 1000000 }} }}
",
        folder = folder.display(),
        batch = crate::alone::BATCH,
    );
    Settings::from_yaml("bench", &yaml).map_err(|error| anyhow::anyhow!("{error}"))
}

/// It runs until it is [stopped](House::stop).
pub(crate) struct House {
    settings: Settings,
    log: InProcess,
    folder: tempfile::TempDir,
    stop: Arc<AtomicBool>,
    running: JoinHandle<Result<Ending, HostError>>,
    notices_read: i64,
    commands: u32,
}

impl House {
    /// Starts it with these people, and waits until outreach knows them all.
    pub(crate) fn start(
        folder: tempfile::TempDir,
        (port, window): (u16, u16),
        regions: usize,
        rows: Vec<DirectoryRow>,
    ) -> Result<Self> {
        let settings = settings(folder.path(), port, window, regions)?;
        let log = InProcess::default();
        log.set_time(SystemClock.now());
        log.create_topics(&topic_specs(&settings, &settings.topic_names()))?;
        let around = Surroundings {
            log: Arc::new(log.clone()),
            clock: Arc::new(SystemClock),
            metrics: Metrics::new(),
            health: Health::default(),
            slot: 0,
            scores: None,
            peers: None,
        };
        let roles = Roles {
            outreach: true,
            deliver: true,
            ..Roles::NONE
        };
        let mut pipeline = Pipeline::build(&settings, around, roles, &Storage::Settings)?;
        pipeline.import_directory(rows, "1")?;
        let stop = Arc::new(AtomicBool::new(false));
        let (time, until) = (log.clone(), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !until.load(Ordering::SeqCst) {
                time.set_time(SystemClock.now());
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let ending = Arc::clone(&stop);
        let running = std::thread::spawn(move || pipeline.run(&ending));
        let house = Self {
            settings,
            log,
            folder,
            stop,
            running,
            notices_read: 0,
            commands: 0,
        };
        house.wait_until_read()?;
        Ok(house)
    }

    /// Waits until outreach has read its log to where it ends now.
    pub(crate) fn wait_until_read(&self) -> Result<()> {
        let ledger = self.ledger()?;
        let place = TopicPartition::new(OUTREACH_LOG, 0);
        let end = self.log.bounds(OUTREACH_LOG)?.first().map_or(0, |(_, end)| *end);
        self.wait("outreach to read its log", || {
            Ok(ledger
                .position(&place)?
                .is_some_and(|at| at.next_offset >= end)
                .then_some(()))
        })
    }

    /// Looks every few milliseconds, and not for ever.
    pub(crate) fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let begun = Instant::now();
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            ensure!(
                !self.running.is_finished(),
                "the pipeline has ended while waiting for {what}"
            );
            ensure!(begun.elapsed() < PATIENCE, "waited too long for {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn ledger(&self) -> Result<Ledger> {
        Ok(Ledger::open(&self.settings.ledger.path, master()?)?)
    }

    fn publish(&self, topic: TopicId, encoded: Encoded) -> Result<Instant> {
        let record = OutRecord {
            topic: Arc::from(self.settings.topic_names().name(topic)),
            partition: None,
            key: Some(encoded.key),
            value: Some(encoded.value),
            headers: encoded.headers,
        };
        let transaction = Transaction {
            records: vec![record],
            positions: Vec::new(),
        };
        self.log.writer("bench")?.commit(&transaction)?;
        Ok(Instant::now())
    }

    /// An incident is confirmed. Gives when its record stood.
    pub(crate) fn confirm(&self, incident: Incident) -> Result<Instant> {
        let event = IncidentEvent {
            change: IncidentChange::Confirmed,
            incident,
        };
        self.publish(TopicId::Incidents, encode_incident_event(&event)?)
    }

    /// A person says something. Gives when the record stood.
    pub(crate) fn command(&mut self, action: Action) -> Result<Instant> {
        self.commands += 1;
        let command = Command {
            id: Arc::from(format!("cmd-{}", self.commands)),
            domain: people::domain()?,
            at: now(),
            by: Arc::from("noc"),
            action,
        };
        self.publish(TopicId::Commands, encode_command(&command)?)
    }

    /// The next notice for which `wanted` holds, and when it was seen: it stands in the ledger before it is published.
    pub(crate) fn notice(
        &mut self,
        what: &str,
        wanted: impl Fn(&Notice) -> bool,
    ) -> Result<(Notice, Instant)> {
        let place = TopicPartition::new(&self.settings.topic_names().name(TopicId::Notices), 0);
        let (log, from) = (self.log.clone(), self.notices_read);
        let mut read = from;
        let found = self.wait(what, || {
            let (mut found, mut failed) = (None, None);
            log.read(&place, read, &mut |record| {
                if found.is_some() {
                    return;
                }
                read = record.offset + 1;
                match decode_notice(record.headers.get(), record.value.unwrap_or_default()) {
                    Ok(notice) if wanted(&notice) => found = Some((notice, Instant::now())),
                    Ok(_) => {}
                    Err(error) => failed = Some(error.detail),
                }
            })?;
            if let Some(error) = failed {
                bail!("a notice can't be read: {error}");
            }
            Ok(found)
        })?;
        self.notices_read = read;
        Ok(found)
    }

    pub(crate) fn stop(self) -> Result<tempfile::TempDir> {
        self.stop.store(true, Ordering::SeqCst);
        let ended = self
            .running
            .join()
            .map_err(|_| anyhow::anyhow!("the pipeline panicked"))?;
        ended.context("the pipeline failed")?;
        Ok(self.folder)
    }
}

pub(crate) fn now() -> EventTime {
    SystemClock.now()
}
