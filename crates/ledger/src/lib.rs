//! The one truth of outreach, on SQLite: what was read, whom we mean to tell, what has left, and who people are.
//!
//! One database transaction holds intents, texts, outgoing events and the position they come from, guarded by the
//! owner's epoch; so nothing is told twice because a process died between two stores. `deliver` leases intents with a
//! fencing number that is durable before a gateway is called. Names and addresses lie here only, each person's under a
//! key of their own: deleting that key is deleting them. What has been done stands in a hash chain.
//!
//! The crate knows no clock (time is an argument), no gateway, no policy and no topic's shape: records of the outbox are
//! bytes. One file serves one host and one outreach process; `deliver` may run beside it.
//!
//! ```
//! use forecall_ledger::{Ledger, LedgerCommit, LedgerPosition, MasterKey, CommitOutcome};
//! use forecall_log::TopicPartition;
//! # let folder = tempfile::tempdir().unwrap();
//! let mut ledger = Ledger::open(&folder.path().join("ledger.db"), MasterKey::generate()?)?;
//! let log = TopicPartition::new("forecall.outreach.log.v1", 0);
//! let epoch = ledger.acquire(&log, "slot-0")?;
//! let position = LedgerPosition { next_offset: 17, checkpoint: "f1".into() };
//! let done = ledger.commit(&epoch, &LedgerCommit { position: &position, ..LedgerCommit::nothing() })?;
//! assert!(matches!(done, CommitOutcome::Committed(_)));
//! assert_eq!(ledger.position(&log)?, Some(position));
//! # Ok::<(), forecall_ledger::LedgerError>(())
//! ```

mod accepted;
mod audit;
mod commit;
mod desk;
mod directory;
mod directory_csv;
mod error;
mod gone;
mod hear;
mod kept;
mod lease;
mod ledger;
mod marks;
mod mask;
mod outbox;
mod process_lock;
mod row;
mod rules;
mod schema;
mod secret;
mod settle;
mod transition;
mod vault;

pub use accepted::Accepted;
pub use audit::AuditVerdict;
pub use commit::{Cancel, CommitOutcome, Committed, Epoch, LedgerCommit, LedgerPosition};
pub use desk::{Cursor, DESK_ENTRIES_MAX, DeskEntry, DeskPage, Reached, View};
pub use directory::{Contact, DirectoryRow, Imported};
pub use directory_csv::{BadRow, DirectoryError, DirectorySettings, read_directory};
pub use error::LedgerError;
pub use gone::GoneAddress;
pub use hear::{Fate, Heard, Incoming, LaterWord, WORDS_KEPT, Words, short_reference};
pub use kept::{Kept, KeptNotice, OPEN_INCIDENTS_MAX};
pub use lease::{LeaseRequest, Leased, Outcome, OutcomeKind, RecordOutcome};
pub use ledger::Ledger;
pub use mask::Masked;
pub use outbox::Answer;
pub use rules::{Prefer, StaleRules};
pub use secret::Secret;
pub use settle::Settled;
pub use transition::may_move;
pub use vault::{AddressSeal, MasterKey, PseudonymKey};
