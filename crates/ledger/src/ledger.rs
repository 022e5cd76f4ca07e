use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use forecall_types::EventTime;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use serde_json::json;

use crate::error::Doing;
use crate::process_lock::ProcessLock;
use crate::vault::Vault;
use crate::{LedgerError, MasterKey, audit, schema};

/// A writer waits this long for another's transaction. The longest is an import of a large directory (some 10 s for a
/// million people).
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Statements kept prepared: all of this crate's, of which there are fewer than 50.
const STATEMENTS_KEPT: usize = 64;

/// A connection to the ledger. One per thread; blocking.
#[derive(Debug)]
pub struct Ledger {
    pub(crate) db: Connection,
    pub(crate) vault: Vault,
    path: PathBuf,
    lock: Option<Arc<ProcessLock>>,
}

impl Ledger {
    /// Opens or makes the ledger at `path` and brings its schema up to date. Opening is free for all (`deliver` runs
    /// beside outreach); [`Ledger::acquire`] is what only one process may do.
    ///
    /// # Errors
    /// The file can't be used, comes from a newer program, or was made with another master key.
    pub fn open(path: &Path, master: MasterKey) -> Result<Self, LedgerError> {
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
        // The lock and SQLite's own files hang on the path: two names of one file must not be two locks.
        let folder = folder.unwrap_or(Path::new(".")).canonicalize();
        let folder = folder.map_err(|source| LedgerError::Open {
            path: path.to_owned(),
            source,
        })?;
        let path = folder.join(path.file_name().unwrap_or(path.as_os_str()));
        let mut db = Connection::open(&path).doing("open")?;
        db.busy_timeout(BUSY_TIMEOUT).doing("set its busy time-out")?;
        // FULL: after power loss a committed intent is still there. secure_delete: a deleted key leaves no bytes.
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;",
        )
        .doing("set its pragmas")?;
        db.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        schema::migrate(&mut db)?;
        let vault = Vault::new(&master);
        let mut ledger = Self {
            db,
            vault,
            path,
            lock: None,
        };
        ledger.check_key()?;
        ledger.make_marks()?;
        Ok(ledger)
    }

    /// Stops waiting for the disk at each commit: for a ledger that dies with its process (demo, replay). After a power
    /// cut nothing of it may be left.
    ///
    /// # Errors
    /// The database refused.
    pub fn forgo_durability(&self) -> Result<(), LedgerError> {
        self.db
            .execute_batch("PRAGMA synchronous = OFF")
            .doing("set the durability")
    }

    /// Waits at most so long for another's transaction, instead of 30 s.
    ///
    /// # Errors
    /// The database refused.
    pub fn wait_at_most(&self, time: Duration) -> Result<(), LedgerError> {
        self.db.busy_timeout(time).doing("set its busy time-out")
    }

    /// Keeps everybody else from writing until this connection is dropped: what a backup, or a tool that hangs, does.
    ///
    /// # Errors
    /// The database refused.
    pub fn block_writers(&self) -> Result<(), LedgerError> {
        self.db
            .execute_batch("BEGIN IMMEDIATE")
            .doing("block other writers")
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn check_key(&mut self) -> Result<(), LedgerError> {
        let check = self.vault.key_check().to_vec();
        let tx = self.write()?;
        let stored: Option<Vec<u8>> = tx
            .query_row("SELECT value FROM flags WHERE name = 'key_check'", [], |row| {
                row.get(0)
            })
            .optional()
            .doing("read its key check")?;
        match stored {
            Some(stored) if stored == check => return Ok(()),
            Some(_) => return Err(LedgerError::WrongKey),
            None => tx
                .execute(
                    "INSERT INTO flags (name, value) VALUES ('key_check', ?1)",
                    [check],
                )
                .doing("write its key check")?,
        };
        tx.commit().doing("commit its key check")
    }

    /// Takes the lock that makes this process the outreach of the file. [`Ledger::acquire`] does it too; who publishes the outbox
    /// must have it before.
    ///
    /// # Errors
    /// Another process is outreach on this file.
    pub fn hold_process_lock(&mut self) -> Result<(), LedgerError> {
        if self.lock.is_none() {
            self.lock = Some(ProcessLock::take(&self.path)?);
        }
        Ok(())
    }

    /// A transaction that writes. Immediate: it waits at its start and not in its middle, where waiting would deadlock.
    pub(crate) fn write(&mut self) -> Result<Transaction<'_>, LedgerError> {
        self.db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin a transaction")
    }

    /// Turns the kill switch: while on, nothing is leased.
    ///
    /// # Errors
    /// The database refused.
    pub fn set_killed(&mut self, on: bool, at: EventTime) -> Result<(), LedgerError> {
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin a transaction")?;
        write_killed(&tx, on)?;
        let entry = json!({"kind": "kill_switch", "on": on, "at": at.nanos()});
        audit::append(&tx, &self.vault, &entry)?;
        tx.commit().doing("turn the kill switch")
    }

    /// Writes an operator's deed that changes no other table into the audit chain, such as the reset of a partition.
    ///
    /// # Errors
    /// The database refused.
    pub fn note(&mut self, deed: &serde_json::Value) -> Result<(), LedgerError> {
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin a transaction")?;
        audit::append(&tx, &self.vault, deed)?;
        tx.commit().doing("note a deed")
    }

    /// Whether the kill switch is on. Whatever can't be read as *off* is on.
    pub fn killed(&self) -> bool {
        is_killed(&self.db)
    }
}

pub(crate) fn write_killed(db: &Connection, on: bool) -> Result<(), LedgerError> {
    db.execute(
        "INSERT OR REPLACE INTO flags (name, value) VALUES ('killed', ?1)",
        [vec![u8::from(on)]],
    )
    .doing("turn the kill switch")?;
    Ok(())
}

pub(crate) fn is_killed(db: &Connection) -> bool {
    let read = db
        .prepare_cached("SELECT value FROM flags WHERE name = 'killed'")
        .and_then(|mut s| s.query_row([], |row| row.get::<_, Vec<u8>>(0)));
    !matches!(read.as_deref(), Ok([0]))
}
