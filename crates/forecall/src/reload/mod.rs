//! Other settings while the process runs: asked for by a signal, a watched file or an operator.
//!
//! A file is read and checked whole; what only a start can do is refused by name. Then the stages stop at a commit as they do at
//! the end, and are built anew under the new settings on the same memory; where that fails, under those of before.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use forecall_config::{Change, Settings, glance};
use forecall_console::Running;
use forecall_observe::{Metric, Metrics, set_log_level};
use forecall_runtime::{Clock, Ending, SystemClock};
use forecall_types::{EventTime, Fingerprint};
use tracing::{error, info, warn};

/// How often signals, stops and watched files are looked for.
const NAP: Duration = Duration::from_millis(100);
/// A stop waits for its commit, which may take as long as a broker is away; whoever asked is told by then.
const WAITED_MAX: Duration = Duration::from_secs(180);

/// What else is looked at before anything is stopped.
type Look = Box<dyn Fn(&Settings) -> anyhow::Result<()> + Send + Sync>;

/// Settings that were taken and wait for the stages to stop.
struct Taken {
    settings: Settings,
    told: SyncSender<Result<(), String>>,
}

struct Now {
    settings: Settings,
    /// Stops the stages of now.
    halt: Arc<AtomicBool>,
    taken: Option<Taken>,
}

/// Brings other settings to a running process.
pub(crate) struct Reloader {
    path: PathBuf,
    metrics: Metrics,
    look: Look,
    now: Mutex<Now>,
    /// One asks at a time.
    turn: Mutex<()>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reloader {
    /// For a process that runs under `settings`, read from `path`; `look` sees what a file alone can't tell.
    pub(crate) fn new(path: PathBuf, settings: Settings, metrics: Metrics, look: Look) -> Self {
        let now = Now {
            settings,
            halt: Arc::default(),
            taken: None,
        };
        let reloader = Self {
            path,
            metrics,
            look,
            now: Mutex::new(now),
            turn: Mutex::default(),
        };
        reloader.count(true);
        reloader
    }

    fn count(&self, is_taken: bool) {
        let value = if is_taken { 1.0 } else { 0.0 };
        self.metrics.set(Metric::ConfigLastReloadSuccessful, &[], value);
        if is_taken {
            let seconds = SystemClock.now().seconds_from(EventTime::default());
            self.metrics
                .set(Metric::ConfigLastReloadSuccessTimestampSeconds, &[], seconds);
        }
    }

    /// Reads the file anew and goes on under it; `why` is for the log. Says what came of it.
    ///
    /// # Errors
    /// Why the settings of before hold.
    pub(crate) fn reload(&self, why: &str, is_watched: bool) -> Result<String, String> {
        let _turn = locked(&self.turn);
        let told = self.try_reload(is_watched);
        self.count(told.is_ok());
        match &told {
            Ok(what) => info!(why, "{what}"),
            Err(reason) => error!(why, "the settings of before hold: {reason}"),
        }
        told
    }

    fn try_reload(&self, is_watched: bool) -> Result<String, String> {
        let settings = Settings::load(&self.path).map_err(|e| e.to_string())?;
        let change = locked(&self.now).settings.change_to(&settings);
        match change {
            Err(fixed) => {
                let lines: Vec<String> = fixed.iter().map(ToString::to_string).collect();
                Err(lines.join("\n"))
            }
            Ok(Change::Nothing) if is_watched => Ok("the settings are those of before".to_owned()),
            Ok(Change::Logs) => {
                set_log_level(&settings.logs.level).map_err(|e| e.to_string())?;
                let level = settings.logs.level.clone();
                locked(&self.now).settings = settings;
                Ok(format!("logs {level} from now on; the stages were left alone"))
            }
            // Whoever asks for it by a word means the files that it names as well: directory, certificates.
            Ok(Change::Nothing | Change::Stages) => self.begin_anew(settings),
        }
    }

    /// Has the stages stopped and built anew, and waits for it.
    fn begin_anew(&self, settings: Settings) -> Result<String, String> {
        (self.look)(&settings).map_err(|e| format!("{e:#}"))?;
        let digest = settings.digest;
        let (told, answer) = sync_channel(1);
        {
            let mut now = locked(&self.now);
            now.taken = Some(Taken { settings, told });
            now.halt.store(true, Ordering::SeqCst);
        }
        match answer.recv_timeout(WAITED_MAX) {
            Ok(Ok(())) => Ok(format!("the stages go on under the settings of digest {digest}")),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(format!(
                "the stages haven't stopped in {} s: a broker is away; they go on under the new settings when it is back",
                WAITED_MAX.as_secs()
            )),
        }
    }

    fn begin(&self, halt: &Arc<AtomicBool>, settings: &Settings) {
        let mut now = locked(&self.now);
        now.settings = settings.clone();
        now.halt = Arc::clone(halt);
        if now.taken.is_some() {
            // Asked for in the moment between two runs.
            halt.store(true, Ordering::SeqCst);
        }
    }

    fn take(&self) -> Option<Taken> {
        locked(&self.now).taken.take()
    }

    fn halt_if(&self, stop: &AtomicBool) {
        if stop.load(Ordering::SeqCst) {
            locked(&self.now).halt.store(true, Ordering::SeqCst);
        }
    }
}

impl Running for Reloader {
    fn reload(&self, by: &str) -> Result<String, String> {
        Self::reload(self, &format!("asked for by {by}"), false)
    }

    fn log_level(&self, by: &str, level: &str) -> Result<(), String> {
        set_log_level(level).map_err(|e| e.to_string())?;
        warn!(by, level, "logs at another level until settings are read anew");
        Ok(())
    }
}

/// Looks for `SIGHUP` and, where it is watched, at the file, until `stop`.
pub(crate) fn listen(reloader: Arc<Reloader>, hup: Arc<AtomicBool>, stop: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut watch = Watch::default();
        while !stop.load(Ordering::SeqCst) {
            std::thread::sleep(NAP);
            if hup.swap(false, Ordering::SeqCst) {
                // What becomes of it is logged and counted.
                let _ = reloader.reload("SIGHUP", false);
            }
            let seconds = locked(&reloader.now).settings.reload.watch_seconds;
            if watch.finds_another(&reloader.path, seconds) {
                let _ = reloader.reload("the file has changed", true);
            }
        }
    });
}

/// Looks at a file now and then.
#[derive(Default)]
struct Watch {
    looked: Option<Instant>,
    /// What stood there when it was last taken, and at the last look.
    known: Option<Fingerprint>,
    seen: Option<Fingerprint>,
}

impl Watch {
    /// Whether another text than the known one stands there, for two looks: one that is just being written isn't taken.
    fn finds_another(&mut self, path: &Path, every_seconds: u32) -> bool {
        let every = Duration::from_secs(u64::from(every_seconds));
        if every_seconds == 0 || self.looked.is_some_and(|at| at.elapsed() < every) {
            return false;
        }
        self.looked = Some(Instant::now());
        self.sees(glance(path))
    }

    fn sees(&mut self, found: Option<Fingerprint>) -> bool {
        let Some(found) = found else {
            self.seen = None;
            return false;
        };
        let is_settled = self.seen.replace(found) == Some(found);
        // The first one is taken for another: it may have changed since it was read.
        let is_another = is_settled && self.known != Some(found);
        if is_another {
            self.known = Some(found);
        }
        is_another
    }
}

/// What a process is made of under some settings.
pub(crate) trait House {
    /// Its stages, ready to run.
    type Stages;

    /// Builds the stages.
    fn build(&mut self, settings: &Settings) -> anyhow::Result<Self::Stages>;

    /// Runs them until `halt` is set or one fails.
    fn run(&mut self, stages: Self::Stages, halt: &Arc<AtomicBool>) -> anyhow::Result<Ending>;

    /// Told the settings that hold from now on, after they were taken.
    fn taken(&mut self, settings: &Settings);
}

/// Runs the stages until `stop`; whenever other settings were taken they are stopped and built anew.
pub(crate) fn run_house<H: House>(
    house: &mut H,
    settings: Settings,
    reloader: &Reloader,
    stop: &AtomicBool,
) -> anyhow::Result<Ending> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // A stop is brought to the stages of now.
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                reloader.halt_if(stop);
                std::thread::sleep(NAP);
            }
        });
        let ending = run_all(house, settings, reloader, stop);
        is_over.store(true, Ordering::SeqCst);
        ending
    })
}

fn run_all<H: House>(
    house: &mut H,
    mut settings: Settings,
    reloader: &Reloader,
    stop: &AtomicBool,
) -> anyhow::Result<Ending> {
    let mut stages = house.build(&settings)?;
    loop {
        let halt = Arc::new(AtomicBool::new(false));
        reloader.begin(&halt, &settings);
        let ending = house.run(stages, &halt)?;
        let Some(taken) = reloader.take() else {
            return Ok(ending);
        };
        if stop.load(Ordering::SeqCst) {
            let _ = taken.told.send(Err("the process stops".to_owned()));
            return Ok(ending);
        }
        let outcome = match house.build(&taken.settings) {
            Ok(built) => {
                (stages, settings) = (built, taken.settings);
                set_log_level(&settings.logs.level)?;
                Ok(())
            }
            Err(why) => {
                let why = format!("{why:#}");
                stages = house.build(&settings).with_context(|| {
                    anyhow!("neither under the new settings ({why}) nor under those of before could the stages be built")
                })?;
                Err(why)
            }
        };
        if outcome.is_ok() {
            house.taken(&settings);
        }
        // Whoever asked may have gone.
        let _ = taken.told.send(outcome);
    }
}

#[cfg(test)]
mod tests;
