use forecall_log::{OutRecord, TopicPartition};
use forecall_types::{CustomerId, HoldReason, Intent, NoticeId, NoticeText};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::error::Doing;
use crate::ledger::write_killed;
use crate::outbox::{insert_outbox, insert_receipt_of};
use crate::{Kept, Ledger, LedgerError, audit, kept, row};

/// The right to write for one partition. A later one of the same partition fences it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    partition: TopicPartition,
    number: i64,
}

impl Epoch {
    /// Whose.
    pub const fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Rises by one at each take-over, from 1.
    pub const fn number(&self) -> i64 {
        self.number
    }
}

/// Up to where a partition has been worked off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPosition {
    /// The first offset not yet worked off.
    pub next_offset: i64,
    /// What proves it, as text.
    pub checkpoint: String,
}

/// Of which notice nothing more goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// The notice.
    pub notice: NoticeId,
    /// Only to this person; `None`: to nobody.
    pub customer: Option<CustomerId>,
    /// Why.
    pub reason: HoldReason,
}

/// What one batch of outreach's log came to.
#[derive(Debug, Clone, Copy)]
pub struct LedgerCommit<'a> {
    /// Where reading goes on.
    pub position: &'a LedgerPosition,
    /// To be sent. One whose id is known already is left as it stands.
    pub intents: &'a [Intent],
    /// The words; written before the intents, which need them. The latest of a (notice, language, channel) holds.
    pub texts: &'a [(NoticeId, NoticeText)],
    /// What is still planned and mustn't go out: it fails for this reason, for good.
    pub cancels: &'a [Cancel],
    /// Notices, incidents and who isn't told, for whoever answers a customer. The latest of each holds.
    pub kept: &'a [Kept],
    /// To be published, in order.
    pub outbox: &'a [OutRecord],
    /// Turns the kill switch, if given.
    pub killed: Option<bool>,
}

impl LedgerCommit<'static> {
    /// A commit that does nothing: for `..LedgerCommit::nothing()`.
    pub const fn nothing() -> Self {
        const START: &LedgerPosition = &LedgerPosition {
            next_offset: 0,
            checkpoint: String::new(),
        };
        Self {
            position: START,
            intents: &[],
            texts: &[],
            cancels: &[],
            kept: &[],
            outbox: &[],
            killed: None,
        }
    }
}

/// What a commit changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Intents written.
    pub planned: u64,
    /// Intents that were there already.
    pub repeated: u64,
    /// Planned intents that now never go.
    pub cancelled: u64,
    /// Sequence number of the last record in the outbox, if any was added.
    pub outbox_last: Option<i64>,
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// All of it is in the ledger.
    Committed(Committed),
    /// None of it: somebody else owns the partition now.
    Fenced,
}

impl Ledger {
    /// Makes `owner` the owner of a partition: compare-and-set on the epoch. Earlier owners can't commit any more.
    ///
    /// # Errors
    /// Another process is outreach on this file, or the database refused.
    pub fn acquire(&mut self, partition: &TopicPartition, owner: &str) -> Result<Epoch, LedgerError> {
        self.hold_process_lock()?;
        let number = self
            .db
            .query_row(
                "INSERT INTO owners (topic, partition, epoch, owner) VALUES (?1, ?2, 1, ?3) \
                 ON CONFLICT DO UPDATE SET epoch = epoch + 1, owner = excluded.owner RETURNING epoch",
                params![&*partition.topic, partition.partition, owner],
                |row| row.get(0),
            )
            .doing("acquire a partition")?;
        Ok(Epoch {
            partition: partition.clone(),
            number,
        })
    }

    /// Where a partition stands; `None` before its first commit.
    ///
    /// # Errors
    /// The database refused.
    pub fn position(&self, partition: &TopicPartition) -> Result<Option<LedgerPosition>, LedgerError> {
        read_position(&self.db, partition)
    }

    /// Writes all of `commit` in one transaction, or none.
    ///
    /// # Errors
    /// An intent without its text, a position that goes back, or the database refused.
    pub fn commit(&mut self, epoch: &Epoch, commit: &LedgerCommit<'_>) -> Result<CommitOutcome, LedgerError> {
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin a commit")?;
        if !is_owner(&tx, epoch)? {
            return Ok(CommitOutcome::Fenced);
        }
        write_position(&tx, &epoch.partition, commit.position)?;
        insert_texts(&tx, commit.texts)?;
        let mut done = Committed::default();
        for intent in commit.intents {
            if insert_intent(&tx, intent)? {
                done.planned += 1;
            } else {
                done.repeated += 1;
            }
        }
        for one in commit.cancels {
            done.cancelled += cancel(&tx, one)?;
        }
        for one in commit.kept {
            kept::write(&tx, one)?;
        }
        for record in commit.outbox {
            done.outbox_last = Some(insert_outbox(&tx, epoch.partition.partition, record)?);
        }
        if let Some(on) = commit.killed {
            write_killed(&tx, on)?;
        }
        // A commit that only moves the position leaves no entry: it tells nobody anything.
        if done.planned + done.cancelled > 0 || !commit.texts.is_empty() || commit.killed.is_some() {
            audit::append(&tx, &self.vault, &entry(epoch, commit, &done))?;
        }
        tx.commit().doing("commit")?;
        Ok(CommitOutcome::Committed(done))
    }
}

/// What the audit keeps of a commit: counts, and a hash of every intent and text, so that none can be changed later.
fn entry(epoch: &Epoch, commit: &LedgerCommit<'_>, done: &Committed) -> serde_json::Value {
    let mut hash = Sha256::new();
    for (notice, text) in commit.texts {
        for part in [
            notice.as_str(),
            text.language.as_str(),
            text.channel.as_str(),
            text.subject.as_deref().unwrap_or_default(),
            &text.body,
        ] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
    }
    for intent in commit.intents {
        hash.update(intent.id.as_str().as_bytes());
        hash.update([0]);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let cancels: Vec<_> = commit
        .cancels
        .iter()
        .map(|one| (one.notice.as_str(), one.reason.as_str()))
        .collect();
    json!({
        "kind": "commit", "partition": epoch.partition.to_string(), "epoch": epoch.number,
        "next_offset": commit.position.next_offset, "planned": done.planned, "cancelled": done.cancelled,
        "cancels": cancels, "killed": commit.killed, "sha256": digest,
    })
}

fn is_owner(db: &Connection, epoch: &Epoch) -> Result<bool, LedgerError> {
    let current: Option<i64> = db
        .prepare_cached("SELECT epoch FROM owners WHERE topic = ?1 AND partition = ?2")
        .and_then(|mut s| {
            s.query_row(
                params![&*epoch.partition.topic, epoch.partition.partition],
                |row| row.get(0),
            )
            .optional()
        })
        .doing("read a partition's owner")?;
    Ok(current == Some(epoch.number))
}

fn read_position(db: &Connection, partition: &TopicPartition) -> Result<Option<LedgerPosition>, LedgerError> {
    db.prepare_cached("SELECT next_offset, checkpoint FROM positions WHERE topic = ?1 AND partition = ?2")
        .and_then(|mut s| {
            s.query_row(params![&*partition.topic, partition.partition], |row| {
                Ok(LedgerPosition {
                    next_offset: row.get(0)?,
                    checkpoint: row.get(1)?,
                })
            })
            .optional()
        })
        .doing("read a position")
}

fn write_position(
    db: &Connection,
    partition: &TopicPartition,
    position: &LedgerPosition,
) -> Result<(), LedgerError> {
    let stored = read_position(db, partition)?.map_or(i64::MIN, |p| p.next_offset);
    if position.next_offset < stored {
        return Err(LedgerError::PositionBack {
            partition: partition.to_string(),
            stored,
            given: position.next_offset,
        });
    }
    db.prepare_cached(
        "INSERT OR REPLACE INTO positions (topic, partition, next_offset, checkpoint) VALUES (?1, ?2, ?3, ?4)",
    )
    .and_then(|mut s| {
        s.execute(params![
            &*partition.topic,
            partition.partition,
            position.next_offset,
            position.checkpoint
        ])
    })
    .doing("write a position")?;
    Ok(())
}

fn insert_texts(db: &Connection, texts: &[(NoticeId, NoticeText)]) -> Result<(), LedgerError> {
    for (notice, text) in texts {
        db.prepare_cached(
            "INSERT INTO texts (notice, language, channel, subject, body, parts) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT DO UPDATE SET subject = excluded.subject, body = excluded.body, parts = excluded.parts",
        )
        .and_then(|mut s| {
            s.execute(params![
                notice.as_str(),
                text.language.as_str(),
                text.channel.as_str(),
                text.subject,
                text.body,
                text.parts
            ])
        })
        .doing("write a text")?;
    }
    Ok(())
}

/// Whether it is new.
fn insert_intent(db: &Connection, intent: &Intent) -> Result<bool, LedgerError> {
    let inserted = db
        .prepare_cached(
            "INSERT INTO intents (id, notice, incident, domain, customer, channel, language, state, planned_at, \
             expires_at, updated_at, urgent) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'planned', ?8, ?9, ?8, ?10) \
             ON CONFLICT (id) DO NOTHING",
        )
        .and_then(|mut s| {
            s.execute(params![
                intent.id.as_str(),
                intent.notice.as_str(),
                intent.incident.as_str(),
                intent.domain.as_str(),
                intent.customer.as_str(),
                intent.channel.as_str(),
                intent.language.as_str(),
                intent.at.nanos(),
                intent.expires_at.map(|t| t.nanos()),
                // Who has written waits for the answer; who is told unasked doesn't.
                intent.notice.is_answer(),
            ])
        });
    match inserted {
        Ok(rows) => Ok(rows == 1),
        Err(rusqlite::Error::SqliteFailure(e, _))
            if e.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY =>
        {
            Err(LedgerError::IntentWithoutText {
                intent: intent.id.clone(),
                notice: intent.notice.clone(),
            })
        }
        Err(source) => Err(LedgerError::Database {
            doing: "write an intent",
            source,
        }),
    }
}

/// Gives up what is still planned of a notice; a receipt of each says so. Returns how many.
fn cancel(db: &Connection, one: &Cancel) -> Result<u64, LedgerError> {
    let sql = format!(
        "UPDATE intents SET state = {}, reason = ?2 WHERE notice = ?1 AND state = 'planned' \
         AND (?3 IS NULL OR customer = ?3) RETURNING {}",
        row::ENDS,
        row::GIVEN_UP
    );
    let mut statement = db.prepare_cached(&sql).doing("cancel a notice")?;
    let rows = statement
        .query(params![
            one.notice.as_str(),
            one.reason.as_str(),
            one.customer.as_ref().map(|id| id.as_str())
        ])
        .doing("cancel a notice")?;
    let cancelled = row::collect(rows, "cancel a notice", row::given_up)?;
    for ended in &cancelled {
        insert_receipt_of(db, ended)?;
    }
    Ok(cancelled.len() as u64)
}
