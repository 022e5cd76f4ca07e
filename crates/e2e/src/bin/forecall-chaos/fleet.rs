//! The processes of a run: started, killed, frozen, and started again as a supervisor would.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::place::Place;
use crate::schedule::Crash;
use crate::worker::EXIT_FENCED;

/// An armed process that hasn't reached its crash point by then is killed, and the point tried again.
const ARMED_WAIT: Duration = Duration::from_secs(25);
/// A process that was frozen and has a twin must find out by then that its name is taken.
const ZOMBIE_WAIT: Duration = Duration::from_secs(60);
/// A stop isn't waited for longer than this while the broker is away.
const STOP_WAIT: Duration = Duration::from_secs(60);
/// A process that keeps ending by itself is started again this much later.
const RESTART_PAUSE: Duration = Duration::from_millis(300);

/// What has happened to the processes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tolls {
    /// SIGKILLs of processes, those at crash points included.
    pub(crate) kills: u64,
    pub(crate) hits: BTreeMap<&'static str, u64>,
    /// Crash points that were not reached in time.
    pub(crate) missed: u64,
    pub(crate) frozen: u64,
    /// Frozen processes with a twin that ended because their name was taken.
    pub(crate) fenced: u64,
    /// Their twins that ended because a zombie took the name back for a moment.
    pub(crate) twins: u64,
    /// Zombies that didn't end: nobody stopped a zombie.
    pub(crate) unfenced: u64,
    pub(crate) stopped: u64,
    /// Graceful stops while the broker was away, and how long the slowest took.
    pub(crate) stopped_alone: u64,
    pub(crate) slowest_stop: Duration,
    pub(crate) scaled: u64,
    /// Processes that ended by themselves: how, and what they said last.
    pub(crate) ended: Vec<String>,
}

/// One process.
struct Running {
    child: Child,
    log: PathBuf,
    began: Instant,
    armed: Option<Crash>,
    killed: bool,
    stopping: bool,
}

/// A place for a process, under one stable name.
struct Slot {
    number: u32,
    /// A process is wanted here.
    wanted: bool,
    running: Option<Running>,
    /// Crash points of the next starts.
    queue: VecDeque<Crash>,
    thaw_at: Option<Instant>,
    /// Something else is going on here until then.
    busy_until: Option<Instant>,
    start_at: Option<Instant>,
    /// Frozen processes whose name another one has.
    zombies: Vec<(Running, Instant)>,
}

pub(crate) struct Fleet {
    place: Place,
    logs: PathBuf,
    control: bool,
    /// The process that reaches the broker by a line that may fail, and its address.
    line: Option<(u32, String)>,
    slots: Vec<Slot>,
    starts: u32,
    pub(crate) tolls: Tolls,
    /// Missed points: they want another try.
    pub(crate) again: Vec<Crash>,
}

impl Fleet {
    /// As many places as there are ever processes; the last one is taken by [`scale`](Self::scale) only.
    pub(crate) fn new(place: &Place, logs: PathBuf, control: bool, slots: u32) -> Result<Self> {
        fs::create_dir_all(&logs).context("failed to make the folder of the logs")?;
        let slots = (0..slots).map(|number| Slot {
            number,
            wanted: number + 1 < slots,
            running: None,
            queue: VecDeque::new(),
            thaw_at: None,
            busy_until: None,
            start_at: None,
            zombies: Vec::new(),
        });
        Ok(Self {
            place: place.clone(),
            logs,
            control,
            line: None,
            slots: slots.collect(),
            starts: 0,
            tolls: Tolls::default(),
            again: Vec::new(),
        })
    }

    /// One of the processes reaches the broker by this address.
    pub(crate) fn through(mut self, address: Option<String>) -> Self {
        self.line = address.map(|address| (1, address));
        self
    }

    /// Whether the process with the line of its own is free; it is left alone for a while then.
    pub(crate) fn seize_line(&mut self, length: Duration) -> Result<bool> {
        let free = self.free();
        let number = self.line.as_ref().map(|(number, _)| *number);
        let Some(i) = self.slots.iter().position(|slot| Some(slot.number) == number) else {
            return Ok(true);
        };
        if free.contains(&i) {
            self.slot(i)?.busy_until = Some(Instant::now() + length);
            return Ok(true);
        }
        Ok(false)
    }

    fn spawn(&mut self, slot: u32, armed: Option<Crash>) -> Result<Running> {
        self.starts += 1;
        let log = self.logs.join(format!("{:04}-slot{slot}.log", self.starts));
        let file = File::create(&log).context("failed to make a log file")?;
        let mut command = Command::new(std::env::current_exe().context("failed to find this program")?);
        let bootstrap = match &self.line {
            Some((number, address)) if *number == slot => address,
            _ => &self.place.bootstrap,
        };
        command
            .env("NO_COLOR", "1")
            .args(["worker", "--bootstrap", bootstrap, "--run", &self.place.run])
            .arg("--state")
            .arg(&self.place.state)
            .args(["--slot", &slot.to_string()])
            .env_remove(forecall_log::crash::VARIABLE)
            .stdin(Stdio::piped())
            .stdout(file.try_clone()?)
            .stderr(file);
        if self.control {
            command.arg("--unsafe-no-transactions");
        }
        if let Some(crash) = &armed {
            command.env(forecall_log::crash::VARIABLE, crash.armed());
        }
        Ok(Running {
            child: command.spawn().context("failed to start a worker")?,
            log,
            began: Instant::now(),
            armed,
            killed: false,
            stopping: false,
        })
    }

    /// Looks after all processes: takes note of those that ended, and starts what is wanted.
    pub(crate) fn tick(&mut self) -> Result<()> {
        for i in 0..self.slots.len() {
            self.tick_slot(i)?;
        }
        Ok(())
    }

    fn slot(&mut self, i: usize) -> Result<&mut Slot> {
        self.slots.get_mut(i).context("no such slot")
    }

    fn tick_slot(&mut self, i: usize) -> Result<()> {
        let slot = self.slot(i)?;
        let mut zombies = std::mem::take(&mut slot.zombies);
        if slot.thaw_at.is_some_and(|at| at <= Instant::now()) {
            slot.thaw_at = None;
            for (zombie, since) in &mut zombies {
                *since = Instant::now();
                signal(zombie, Signal::CONT)?;
            }
            if let Some(running) = &slot.running {
                signal(running, Signal::CONT)?;
            }
        }
        let (frozen, mut left) = (slot.thaw_at.is_some(), Vec::new());
        for (mut zombie, since) in zombies {
            match zombie.child.try_wait()? {
                Some(status) if status.code() == Some(EXIT_FENCED) || self.control => self.tolls.fenced += 1,
                Some(_) => {
                    self.tolls.fenced += 1;
                    self.tolls.ended.push(last_words(&zombie, "a zombie"));
                }
                None if !frozen && since.elapsed() > ZOMBIE_WAIT => {
                    self.tolls.unfenced += 1;
                    zombie.child.kill()?;
                    zombie.child.wait()?;
                }
                None => left.push((zombie, since)),
            }
        }
        self.slot(i)?.zombies = left;
        self.tick_running(i)
    }

    fn tick_running(&mut self, i: usize) -> Result<()> {
        let slot = self.slot(i)?;
        let (number, Some(running)) = (slot.number, &mut slot.running) else {
            let due = slot.wanted && slot.start_at.is_none_or(|at| at <= Instant::now());
            if due {
                let (number, armed) = (slot.number, slot.queue.pop_front());
                let running = self.spawn(number, armed)?;
                self.slot(i)?.running = Some(running);
            }
            return Ok(());
        };
        let Some(status) = running.child.try_wait()? else {
            if running.armed.is_some() && running.began.elapsed() > ARMED_WAIT && slot.thaw_at.is_none() {
                running.killed = true;
                running.child.kill()?;
                let missed = running.armed.take();
                self.tolls.kills += 1;
                self.tolls.missed += 1;
                self.again.extend(missed);
            }
            return Ok(());
        };
        let Some(running) = slot.running.take() else {
            return Ok(());
        };
        let by_kill = status.signal() == Some(Signal::KILL.as_raw());
        if by_kill && let Some(crash) = running.armed.as_ref().filter(|_| !running.killed) {
            let point = crash.point;
            self.tolls.kills += 1;
            *self.tolls.hits.entry(point).or_default() += 1;
        } else if status.code() == Some(EXIT_FENCED) && !slot.zombies.is_empty() {
            // Which of the two goes on is nobody's concern, as long as it is one.
            self.tolls.twins += 1;
            let missed = running.armed.clone();
            self.again.extend(missed);
        } else if !(running.killed && by_kill || running.stopping && status.success()) {
            slot.start_at = Some(Instant::now() + RESTART_PAUSE);
            let missed = running.armed.clone();
            let words = last_words(&running, &format!("slot {number} ({status})"));
            self.again.extend(missed);
            self.tolls.ended.push(words);
        }
        Ok(())
    }

    /// A broker was away: what is waited for has more time.
    pub(crate) fn forgive(&mut self) {
        for slot in &mut self.slots {
            if let Some(running) = &mut slot.running {
                running.began = Instant::now();
            }
        }
    }

    /// Processes to which something may be done now.
    fn free(&self) -> Vec<usize> {
        let is_free = |slot: &Slot| {
            slot.thaw_at.is_none()
                && slot.busy_until.is_none_or(|until| until <= Instant::now())
                && slot.queue.is_empty()
                && slot.zombies.is_empty()
                && slot
                    .running
                    .as_ref()
                    .is_some_and(|r| r.armed.is_none() && !r.stopping && !r.killed)
        };
        (0..)
            .zip(&self.slots)
            .filter(|(_, slot)| is_free(slot))
            .map(|(i, _)| i)
            .collect()
    }

    fn pick(&self, pick: u64) -> Option<usize> {
        let free = self.free();
        let place = usize::try_from(pick).unwrap_or(0).checked_rem(free.len())?;
        free.get(place).copied()
    }

    /// SIGKILL, and the crash points of the next starts. `false`: no process is free.
    pub(crate) fn kill(&mut self, pick: u64, then: &[Crash]) -> Result<bool> {
        let Some(i) = self.pick(pick) else {
            return Ok(false);
        };
        let slot = self.slot(i)?;
        slot.queue.extend(then.iter().cloned());
        if let Some(running) = &mut slot.running {
            running.killed = true;
            running.child.kill()?;
        }
        self.tolls.kills += 1;
        Ok(true)
    }

    /// SIGSTOP; SIGCONT comes by itself.
    pub(crate) fn freeze(&mut self, pick: u64, length: Duration, twin: bool) -> Result<bool> {
        let Some(i) = self.pick(pick) else {
            return Ok(false);
        };
        let slot = self.slot(i)?;
        let Some(running) = &slot.running else {
            return Ok(false);
        };
        signal(running, Signal::STOP)?;
        slot.thaw_at = Some(Instant::now() + length);
        if twin && let Some(zombie) = slot.running.take() {
            // The next tick starts the twin.
            slot.zombies.push((zombie, Instant::now()));
        }
        self.tolls.frozen += 1;
        Ok(true)
    }

    /// SIGTERM; a new start follows.
    pub(crate) fn stop(&mut self, pick: u64) -> Result<bool> {
        let Some(i) = self.pick(pick) else {
            return Ok(false);
        };
        if let Some(running) = &mut self.slot(i)?.running {
            running.stopping = true;
            signal(running, Signal::TERM)?;
        }
        self.tolls.stopped += 1;
        Ok(true)
    }

    /// SIGTERM while the broker is away: how long it took is noted. `false`: no process is free.
    pub(crate) fn stop_alone(&mut self, pick: u64) -> Result<bool> {
        if !self.stop(pick)? {
            return Ok(false);
        }
        let asked = Instant::now();
        while self.is_stopping() && asked.elapsed() < STOP_WAIT {
            self.tick()?;
            std::thread::sleep(Duration::from_millis(20));
        }
        self.tolls.stopped_alone += 1;
        self.tolls.slowest_stop = self.tolls.slowest_stop.max(asked.elapsed());
        Ok(true)
    }

    fn is_stopping(&self) -> bool {
        let mut running = self.slots.iter().filter_map(|slot| slot.running.as_ref());
        running.any(|r| r.stopping)
    }

    /// The further process joins, or stops.
    pub(crate) fn scale(&mut self) -> Result<bool> {
        let i = self.slots.len() - 1;
        let is_free = self.free().contains(&i);
        let slot = self.slot(i)?;
        if slot.wanted && !is_free || !slot.wanted && slot.running.is_some() {
            return Ok(false);
        }
        slot.wanted = !slot.wanted;
        if let Some(running) = &mut slot.running {
            running.stopping = true;
            signal(running, Signal::TERM)?;
        }
        self.tolls.scaled += 1;
        Ok(true)
    }

    /// Nothing armed, frozen or queued any more, and every process wanted is there.
    pub(crate) fn is_calm(&self) -> bool {
        self.slots.iter().all(|slot| {
            slot.thaw_at.is_none()
                && slot.busy_until.is_none_or(|until| until <= Instant::now())
                && slot.queue.is_empty()
                && slot.zombies.is_empty()
                && slot.wanted == slot.running.is_some()
                && slot
                    .running
                    .as_ref()
                    .is_none_or(|r| r.armed.is_none() && !r.killed && !r.stopping)
        })
    }

    /// SIGTERM to all; all must end well.
    pub(crate) fn finish(&mut self, within: Duration) -> Result<()> {
        for slot in &mut self.slots {
            slot.wanted = false;
            if let Some(running) = &mut slot.running {
                running.stopping = true;
                signal(running, Signal::TERM)?;
            }
        }
        let asked = Instant::now();
        while self.slots.iter().any(|slot| slot.running.is_some()) {
            self.tick()?;
            if asked.elapsed() > within {
                bail!("the processes didn't stop in {} s", within.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// How many lines of all processes hold these words.
    pub(crate) fn lines_with(&self, words: &str) -> Result<u64> {
        let mut count = 0;
        for entry in fs::read_dir(&self.logs).context("failed to read the folder of the logs")? {
            let text = fs::read(entry?.path())?;
            let text = String::from_utf8_lossy(&text);
            count += text.lines().filter(|line| line.contains(words)).count();
        }
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let running = self.slots.iter_mut().flat_map(|slot| {
            let zombies = slot.zombies.iter_mut().map(|(zombie, _)| zombie);
            slot.running.iter_mut().chain(zombies)
        });
        for running in running {
            // It may have ended by itself.
            let _gone = running.child.kill();
            let _status = running.child.wait();
        }
    }
}

fn signal(running: &Running, signal: Signal) -> Result<()> {
    let id = i32::try_from(running.child.id()).context("no process id")?;
    let pid = Pid::from_raw(id).context("no process id")?;
    // Until it is waited for, the id is its own even if it has ended.
    kill_process(pid, signal).context("failed to send a signal")
}

/// The last lines that a process wrote.
fn last_words(running: &Running, who: &str) -> String {
    let text = fs::read(&running.log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default();
    format!("{who}, {}: {}", running.log.display(), last.join(" | "))
}
