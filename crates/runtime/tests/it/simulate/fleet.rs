//! Processes that come, crash, wait, and come again, on one log that fails.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forecall_log::{LogError, crash};
use forecall_runtime::HostError;
use forecall_sim::fault::{Crashed, Dice, FaultyLog, FaultyStore};

/// One process: a host, or a pipeline of several.
pub(crate) trait Process: Send {
    /// Once around, without waiting.
    fn turn(&mut self) -> Result<bool, HostError>;
    /// Saves and leaves.
    fn stop(self: Box<Self>) -> Result<(), HostError>;
}

/// Starts the process of a slot.
pub(crate) type Start = Box<dyn Fn(usize) -> Result<Box<dyn Process>, HostError> + Send + Sync>;

pub(crate) struct Fleet {
    slots: Mutex<Vec<Option<Box<dyn Process>>>>,
    /// Processes whose slot another has taken: whatever they do must be refused.
    zombies: Mutex<Vec<Box<dyn Process>>>,
    start: Start,
    dice: Mutex<Dice>,
    in_interlude: AtomicBool,
    is_calm: AtomicBool,
    wrong: Mutex<Option<String>>,
    /// Whether the log may have dropped what is still needed, and what a process has said of it.
    may_lack: AtomicBool,
    lack: Mutex<Option<String>>,
    pub(crate) log: FaultyLog,
    pub(crate) store: FaultyStore,
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does what a process does; `None`: it has crashed at a drawn point.
fn unless_crashed<T>(act: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(done) => Some(done),
        Err(payload) if payload.is::<Crashed>() => None,
        Err(payload) => resume_unwind(payload),
    }
}

/// Whether a process has found that records it needs are gone.
fn is_lack(error: &HostError) -> bool {
    match error {
        HostError::Log(LogError::Fatal { what, .. }) => what.contains("nothing is skipped in silence"),
        HostError::DigestMismatch { .. } => true,
        _ => false,
    }
}

impl Fleet {
    pub(crate) fn new(
        slots: usize,
        start: Start,
        dice: Dice,
        log: FaultyLog,
        store: FaultyStore,
    ) -> Arc<Self> {
        let fleet = Arc::new(Self {
            slots: Mutex::new((0..slots).map(|_| None).collect()),
            zombies: Mutex::default(),
            start,
            dice: Mutex::new(dice),
            in_interlude: AtomicBool::new(false),
            is_calm: AtomicBool::new(false),
            wrong: Mutex::default(),
            may_lack: AtomicBool::new(false),
            lack: Mutex::default(),
            log,
            store,
        });
        let weak = Arc::downgrade(&fleet);
        fleet.log.set_interlude(Arc::new(move || {
            if let Some(fleet) = weak.upgrade() {
                fleet.interlude();
            }
        }));
        let log = fleet.log.clone();
        crash::listen(Some(Rc::new(move |_| log.maybe_crash())));
        fleet
    }

    /// From now on a process may end because the log has dropped what it needs.
    pub(crate) fn allow_lack(&self) {
        self.may_lack.store(true, Ordering::SeqCst);
    }

    /// What a process has said of records that are no longer there.
    pub(crate) fn lack(&self) -> Option<String> {
        lock(&self.lack).clone()
    }

    /// What a process must never say.
    pub(crate) fn wrong(&self) -> Option<String> {
        lock(&self.wrong).clone()
    }

    fn place(&self, len: usize) -> usize {
        lock(&self.dice).place(len)
    }

    fn hit(&self, per_mille: u32) -> bool {
        lock(&self.dice).hit(per_mille)
    }

    /// One thing happens to one process.
    pub(crate) fn act(&self) {
        let len = lock(&self.slots).len();
        let slot = self.place(len);
        let chance = self.place(100);
        match chance {
            0..75 => {
                self.turn(slot);
            }
            75..79 => drop(self.take(slot)),
            79..82 => self.stop(slot),
            82..84 if self.hit(500) => self.start(slot),
            84..88 => self.turn_zombie(),
            88..100 => self.start_all(),
            _ => {
                self.turn(slot);
            }
        }
    }

    /// Others run while one waits; not within itself.
    fn interlude(&self) {
        if self.in_interlude.swap(true, Ordering::SeqCst) {
            return;
        }
        for _ in 0..=self.place(4) {
            self.act();
        }
        self.in_interlude.store(false, Ordering::SeqCst);
    }

    fn take(&self, slot: usize) -> Option<Box<dyn Process>> {
        lock(&self.slots).get_mut(slot)?.take()
    }

    /// Turns a slot's process, if it is up. Says whether anything moved.
    pub(crate) fn turn(&self, slot: usize) -> bool {
        let Some(mut process) = self.take(slot) else {
            return false;
        };
        let Some(result) = unless_crashed(|| process.turn()) else {
            return true;
        };
        match result {
            Ok(moved) => {
                self.put(slot, process);
                moved
            }
            // As the thread of a real process does: the same host is turned again.
            Err(HostError::Log(LogError::Retriable { what, .. })) if what.contains("drawn") => {
                self.put(slot, process);
                true
            }
            Err(error) => {
                self.judge(&error);
                true
            }
        }
    }

    fn put(&self, slot: usize, process: Box<dyn Process>) {
        let mut slots = lock(&self.slots);
        match slots.get_mut(slot) {
            Some(place) if place.is_none() => *place = Some(process),
            // Another was started in this slot meanwhile.
            _ => lock(&self.zombies).push(process),
        }
    }

    fn start(&self, slot: usize) {
        let Some(started) = unless_crashed(|| (self.start)(slot)) else {
            return;
        };
        match started {
            Ok(process) => {
                let before = lock(&self.slots)
                    .get_mut(slot)
                    .and_then(|place| place.replace(process));
                lock(&self.zombies).extend(before);
            }
            Err(error) => self.judge(&error),
        }
    }

    pub(crate) fn start_if_down(&self, slot: usize) {
        if lock(&self.slots).get(slot).is_some_and(Option::is_none) {
            self.start(slot);
        }
    }

    pub(crate) fn start_all(&self) {
        let len = lock(&self.slots).len();
        (0..len).for_each(|slot| self.start_if_down(slot));
    }

    /// Ends a slot's process as it stands.
    pub(crate) fn kill(&self, slot: usize) {
        drop(self.take(slot));
    }

    pub(crate) fn stop(&self, slot: usize) {
        if let Some(process) = self.take(slot)
            && let Some(Err(error)) = unless_crashed(|| process.stop())
        {
            self.judge(&error);
        }
    }

    fn turn_zombie(&self) {
        let zombie = lock(&self.zombies).pop();
        if let Some(mut zombie) = zombie {
            match unless_crashed(|| zombie.turn()) {
                Some(Ok(_)) => lock(&self.zombies).insert(0, zombie),
                Some(Err(error)) => self.judge(&error),
                None => {}
            }
        }
    }

    /// A process has ended: by what was drawn, or by what must never be.
    fn judge(&self, error: &HostError) {
        if self.may_lack.load(Ordering::SeqCst) && is_lack(error) {
            lock(&self.lack).get_or_insert_with(|| error.to_string());
            return;
        }
        let drawn = match error {
            HostError::Log(LogError::Fenced { .. }) => true,
            // So long a deafness is drawn too; a restart is the remedy.
            HostError::Log(error) => ["drawn", "have another owner"]
                .iter()
                .any(|known| error.to_string().contains(known)),
            HostError::Snapshot { source, .. } => source.to_string().contains("drawn"),
            _ => false,
        };
        if !drawn || self.is_calm.load(Ordering::SeqCst) {
            lock(&self.wrong).get_or_insert_with(|| format!("a process ended: {error}"));
        }
    }

    /// Lets faults strike, or holds them back for a while.
    pub(crate) fn arm(&self, is_armed: bool) {
        self.log.arm(is_armed);
        self.store.arm(is_armed);
    }

    /// Nothing fails from now on; every slot has one process.
    pub(crate) fn calm(&self) {
        // Zombies have their last word while it may still do harm.
        let zombies = lock(&self.zombies).len();
        for _ in 0..zombies {
            self.turn_zombie();
        }
        self.log.calm();
        self.store.calm();
        lock(&self.zombies).clear();
        let len = lock(&self.slots).len();
        for slot in 0..len {
            // One that was fenced and doesn't know it yet finds out.
            self.turn(slot);
            self.turn(slot);
            self.start_if_down(slot);
        }
        self.is_calm.store(true, Ordering::SeqCst);
    }

    /// Turns all until nothing moves.
    pub(crate) fn settle(&self) {
        let len = lock(&self.slots).len();
        for _ in 0..10_000 {
            let mut moved = false;
            for slot in 0..len {
                moved |= self.turn(slot);
            }
            if !moved || self.wrong().is_some() || self.lack().is_some() {
                return;
            }
        }
        lock(&self.wrong).get_or_insert_with(|| "the processes did not come to rest".to_owned());
    }
}
