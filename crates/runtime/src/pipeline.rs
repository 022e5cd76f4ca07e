use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forecall_config::Settings;
use forecall_ledger::{DirectoryRow, Ledger};
use forecall_log::{Log, TopicSpec};
use forecall_observe::{Health, Metrics};
use forecall_types::{PeerScore, ScoredSample};
use forecall_wire::event::{TOPICS, TopicId, TopicNames};
use tracing::{error, info};

use crate::assemble::Assembly;
use crate::clock::Clock;
use crate::directory;
use crate::drive::Drive;
use crate::host::HostError;
use crate::snapshots::SnapshotStore;

/// Which stages run in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "a set of roles, each in or out")]
pub struct Roles {
    /// `rekey` and `detect`.
    pub detect: bool,
    /// `correlate` and its intake.
    pub correlate: bool,
    /// `journeys` and its intake.
    pub journeys: bool,
    /// `outreach`, its intake and the publisher.
    pub outreach: bool,
    /// `deliver`.
    pub deliver: bool,
    /// The bridges to targets outside.
    pub bridge: bool,
    /// The runners of remedies.
    pub remedy: bool,
}

impl Roles {
    /// All stages.
    pub const ALL: Self = Self {
        detect: true,
        correlate: true,
        journeys: true,
        outreach: true,
        deliver: true,
        bridge: true,
        remedy: true,
    };
    /// None, to add to.
    pub const NONE: Self = Self {
        detect: false,
        correlate: false,
        journeys: false,
        outreach: false,
        deliver: false,
        bridge: false,
        remedy: false,
    };
}

/// Where memory and ledger are kept.
#[derive(Debug, Clone)]
pub enum Storage {
    /// Snapshots in memory, the ledger in a temporary folder: demo, replay, tests.
    Memory,
    /// As [`Memory`](Self::Memory), but in places that outlive the pipeline: for tests of restarts.
    Shared {
        /// Where snapshots are kept.
        snapshots: SnapshotStore,
        /// The ledger's file.
        ledger: PathBuf,
    },
    /// Where the settings say.
    Settings,
}

/// What [`Pipeline::build`] needs beside the settings.
#[derive(Clone)]
pub struct Surroundings {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Metrics.
    pub metrics: Metrics,
    /// Health.
    pub health: Health,
    /// Number of this process among those of its kind: stable over restarts.
    pub slot: u32,
    /// Takes the score of each input row, where wanted.
    pub scores: Option<Arc<Mutex<Vec<ScoredSample>>>>,
    /// Takes what each member of a peer group was at each step, where wanted and settings say that it is kept.
    pub peers: Option<Arc<Mutex<Vec<PeerScore>>>>,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings")
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

/// The stages of one process, on a log.
pub struct Pipeline {
    drives: Vec<(&'static str, Box<dyn Drive>)>,
    surroundings: Surroundings,
    settings: Settings,
    ledger: Option<Arc<Mutex<Ledger>>>,
    /// Removed with the pipeline.
    _folder: Option<tempfile::TempDir>,
}

/// How a pipeline that was told to stop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All is committed and saved.
    Clean,
    /// The log didn't answer: a batch is undecided here. The next start finds out how it ended.
    Undecided,
}

impl Ending {
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Clean, Self::Clean) => Self::Clean,
            (Self::Undecided, _) | (_, Self::Undecided) => Self::Undecided,
        }
    }
}

/// Waited for records at most so long in one turn: bounds how late a tick or a stop is seen.
const TURN: Duration = Duration::from_millis(50);

/// Turns of one `settle` at most; a stage that feeds itself for ever is a bug that must not hang a demo.
const SETTLE_TURNS_MAX: usize = 10_000;

impl Pipeline {
    /// Joins the groups of the stages asked for.
    ///
    /// # Errors
    /// The log, the ledger or the snapshot store can't be opened; a topic is missing.
    pub fn build(
        settings: &Settings,
        surroundings: Surroundings,
        roles: Roles,
        storage: &Storage,
    ) -> Result<Self, HostError> {
        let folder = match storage {
            Storage::Memory => Some(
                tempfile::tempdir()
                    .map_err(|e| HostError::Settings(format!("failed to make a temporary folder: {e}")))?,
            ),
            Storage::Shared { .. } | Storage::Settings => None,
        };
        let ledger_path: PathBuf = match (storage, &folder) {
            (Storage::Shared { ledger, .. }, _) => ledger.clone(),
            (_, Some(folder)) => folder.path().join("ledger.sqlite"),
            (_, None) => settings.ledger.path.clone(),
        };
        let snapshots = match storage {
            Storage::Memory => SnapshotStore::in_memory(&settings.group)?,
            Storage::Shared { snapshots, .. } => snapshots.clone(),
            Storage::Settings => SnapshotStore::of(settings)?,
        };
        let in_memory = !matches!(storage, Storage::Settings);
        let mut assembly = Assembly::new(settings, &surroundings, ledger_path, snapshots, in_memory)?;
        let mut drives: Vec<(&'static str, Box<dyn Drive>)> = Vec::new();
        if roles.detect {
            drives.extend(assembly.detect()?);
        }
        if roles.journeys {
            drives.extend(assembly.journeys()?);
        }
        if roles.correlate {
            drives.extend(assembly.correlate()?);
        }
        if roles.outreach {
            drives.extend(assembly.outreach()?);
        }
        if roles.deliver {
            drives.push(("deliver", assembly.deliver()?));
        }
        if roles.bridge {
            drives.extend(assembly.bridges()?);
        }
        if roles.remedy {
            drives.extend(assembly.remedies()?);
        }
        for (name, _) in &drives {
            surroundings.health.set_ready(name, false);
        }
        let ledger = assembly.opened_ledger();
        Ok(Self {
            drives,
            surroundings,
            settings: settings.clone(),
            ledger,
            _folder: folder,
        })
    }

    /// Brings customers into the ledger and into outreach's log, unless this very directory (`version`) is there already.
    /// Gives the number of customers published.
    ///
    /// # Errors
    /// The ledger or the log refuses.
    pub fn import_directory(&mut self, rows: Vec<DirectoryRow>, version: &str) -> Result<u64, HostError> {
        let Some(ledger) = &self.ledger else {
            return Err(HostError::Settings(
                "this process hosts neither outreach nor deliver: no ledger".to_owned(),
            ));
        };
        directory::import(&self.settings, &self.surroundings, ledger, rows, version)
    }

    /// The ledger, where this process has one.
    pub fn ledger(&self) -> Option<&Arc<Mutex<Ledger>>> {
        self.ledger.as_ref()
    }

    /// Turns every stage once, in order, without waiting. Says whether anything moved.
    ///
    /// # Errors
    /// The first failure of a stage.
    pub fn turn(&mut self) -> Result<bool, HostError> {
        let mut moved = false;
        for (_, drive) in &mut self.drives {
            moved |= drive.turn(Duration::ZERO)?;
        }
        Ok(moved)
    }

    /// Finishes, saves and leaves, stage by stage.
    ///
    /// # Errors
    /// The first failure of a stage.
    pub fn stop(self) -> Result<(), HostError> {
        self.drives.into_iter().try_for_each(|(_, drive)| drive.stop())
    }

    /// Turns every stage until nothing moves: for a driver that sets the clock. Deterministic on the in-process log.
    ///
    /// # Errors
    /// The first failure of a stage.
    pub fn settle(&mut self) -> Result<(), HostError> {
        for _ in 0..SETTLE_TURNS_MAX {
            if !self.turn()? {
                return Ok(());
            }
        }
        Err(HostError::Settings(format!(
            "the stages did not come to rest in {SETTLE_TURNS_MAX} turns"
        )))
    }

    /// Whether time alone changes nothing of what the stages say, up to the next record: ticks and heartbeats on the way there
    /// would tell nothing. To be asked when they have [settled](Self::settle).
    pub fn is_at_rest(&self) -> bool {
        self.drives.iter().all(|(_, drive)| drive.is_at_rest())
    }

    /// The end of a finite input: stage by stage, what is held back comes out and is worked off.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub fn finish(&mut self) -> Result<(), HostError> {
        self.settle()?;
        for place in 0..self.drives.len() {
            if let Some((_, drive)) = self.drives.get_mut(place) {
                drive.flush()?;
            }
            self.settle()?;
        }
        Ok(())
    }

    /// Runs every stage on a thread of its own until `stop` is set or one fails; then all finish, save and leave.
    ///
    /// # Errors
    /// The first failure of a stage.
    pub fn run(self, stop: &Arc<AtomicBool>) -> Result<Ending, HostError> {
        let health = self.surroundings.health.clone();
        let mut threads = Vec::new();
        for (name, drive) in self.drives {
            let (stop, health) = (Arc::clone(stop), health.clone());
            let thread = std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || {
                    let result = drive_until(drive, name, &stop, &health);
                    if let Err(failure) = &result {
                        error!(stage = name, error = %failure, "the stage has stopped");
                        health.fail(name, &failure.to_string());
                    }
                    // One stage down takes the others along: a supervisor restarts the whole.
                    stop.store(true, Ordering::SeqCst);
                    result
                })
                .map_err(|e| HostError::Settings(format!("failed to start the thread of {name}: {e}")))?;
            threads.push((name, thread));
        }
        let mut all = Ok(Ending::Clean);
        for (name, thread) in threads {
            let result = thread.join().unwrap_or_else(|_| {
                stop.store(true, Ordering::SeqCst);
                Err(HostError::Panicked(name.to_owned()))
            });
            all = match (all, result) {
                (Ok(before), Ok(ending)) => Ok(before.and(ending)),
                (Err(first), _) | (Ok(_), Err(first)) => Err(first),
            };
        }
        all
    }
}

fn drive_until(
    mut drive: Box<dyn Drive>,
    name: &'static str,
    stop: &AtomicBool,
    health: &Health,
) -> Result<Ending, HostError> {
    let mut ready = false;
    // A thread that panics must not leave the others running for nobody.
    struct Bell<'s>(&'s AtomicBool);
    impl Drop for Bell<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let bell = Bell(stop);
    while !stop.load(Ordering::SeqCst) {
        match drive.turn(TURN) {
            Ok(_) => {}
            Err(HostError::Log(forecall_log::LogError::Retriable { what, source })) => {
                tracing::warn!(stage = name, what, cause = ?source, "will be tried again");
                std::thread::sleep(TURN);
            }
            Err(error) => return undecided(name, error),
        }
        if drive.is_ready() != ready {
            ready = !ready;
            health.set_ready(name, ready);
            info!(stage = name, ready, "readiness has changed");
        }
    }
    let ending = match drive.stop() {
        Ok(()) => Ok(Ending::Clean),
        Err(error) => undecided(name, error),
    };
    drop(bell);
    ending
}

/// A stop that the log held up is an end, not a failure.
fn undecided(name: &str, error: HostError) -> Result<Ending, HostError> {
    match error {
        HostError::Log(forecall_log::LogError::Stopped { what }) => {
            tracing::warn!(
                stage = name,
                what,
                "stopped before the log had answered: the next start settles it"
            );
            Ok(Ending::Undecided)
        }
        error => Err(error),
    }
}

/// forecall's own topics, as the settings want them.
pub fn topic_specs(settings: &Settings, names: &TopicNames) -> Vec<TopicSpec> {
    let replication = if settings.topics.dev {
        1
    } else {
        settings.topics.replication
    };
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    TOPICS
        .iter()
        .filter(|topic| !topic.reserved)
        .map(|topic| TopicSpec {
            name: names.name(topic.id),
            partitions: count(settings.topics.partitions.min(topic.partitions)),
            replication: count(replication),
            settings: vec![
                ("cleanup.policy".to_owned(), topic.cleanup.as_str().to_owned()),
                (
                    "retention.ms".to_owned(),
                    (u64::from(topic.retention_hours) * 3_600_000).to_string(),
                ),
                ("max.message.bytes".to_owned(), topic.record_bytes_max.to_string()),
            ]
            .into_iter()
            // Ticks stand there: the broker's own time beside the tick's shows a clock that is off.
            .chain(
                matches!(topic.id, TopicId::Anomalies | TopicId::OutreachLog)
                    .then(|| ("message.timestamp.type".to_owned(), "LogAppendTime".to_owned())),
            )
            .collect(),
        })
        .collect()
}
