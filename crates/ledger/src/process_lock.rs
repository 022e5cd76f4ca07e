use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::LedgerError;

/// Held by the one process that is outreach on a ledger file. The system lets go of it when the process ends, however it
/// ends; so a crash leaves no stale lock.
#[derive(Debug)]
pub(crate) struct ProcessLock {
    _file: File,
}

/// Several partitions of one process share the lock; epochs keep those apart.
static HELD: Mutex<BTreeMap<PathBuf, Weak<ProcessLock>>> = Mutex::new(BTreeMap::new());

impl ProcessLock {
    pub(crate) fn path_of(ledger: &Path) -> PathBuf {
        let mut name = ledger.as_os_str().to_owned();
        name.push(".outreach.lock");
        PathBuf::from(name)
    }

    /// Takes the lock of this ledger, or shares the one this process holds.
    pub(crate) fn take(ledger: &Path) -> Result<Arc<Self>, LedgerError> {
        let path = Self::path_of(ledger);
        let open = |source| LedgerError::Open {
            path: path.clone(),
            source,
        };
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = held.get(&path).and_then(Weak::upgrade) {
            return Ok(lock);
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(open)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LedgerError::HeldByAnother { path }),
            Err(TryLockError::Error(source)) => return Err(open(source)),
        }
        let lock = Arc::new(Self { _file: file });
        held.insert(path, Arc::downgrade(&lock));
        Ok(lock)
    }
}
