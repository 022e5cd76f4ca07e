use std::collections::BTreeMap;
use std::time::Duration;

use forecall_types::{ContactChannel, EventTime, Intent, IntentId, IntentState, NoticeText};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde_json::json;

use crate::error::Doing;
use crate::hear::insert_part;
use crate::ledger::is_killed;
use crate::outbox::insert_receipt;
use crate::vault::Vault;
use crate::{Ledger, LedgerError, audit, may_move, row};

/// What a worker asks for.
#[derive(Debug, Clone, Copy)]
pub struct LeaseRequest<'a> {
    /// Who asks; stands in the audit.
    pub worker: &'a str,
    /// Now.
    pub now: EventTime,
    /// After this time without an answer the worker is taken for dead.
    pub lease_for: Duration,
    /// At most so many of each channel. A channel that isn't named gets nothing.
    pub channels: &'a [(ContactChannel, usize)],
}

/// An intent that this worker alone may send now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The intent.
    pub intent: Intent,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The answer of an earlier attempt was lost: the person may have been told already.
    pub in_doubt: bool,
    /// To be given back with the answer. A later lease has a higher one.
    pub fence: i64,
    /// The words.
    pub text: NoticeText,
}

/// What came of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The intent.
    pub intent: IntentId,
    /// The fence it was leased with.
    pub fence: i64,
    /// What.
    pub kind: OutcomeKind,
    /// When.
    pub at: EventTime,
}

/// The ways a try can end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutcomeKind {
    /// It stands here now; a receipt says so.
    State {
        /// Where.
        to: IntentState,
        /// The gateway's name for it.
        provider_ref: Option<String>,
        /// A word why, from a closed list; no personal data.
        reason: Option<&'static str>,
    },
    /// Refused for now: tried again, not before this.
    Postponed {
        /// When at the earliest.
        not_before: EventTime,
        /// A word why, from a closed list.
        reason: &'static str,
        /// The answer was lost: the person may have been told.
        in_doubt: bool,
    },
    /// Not tried at all: back to where it was, the attempt not counted.
    Returned,
    /// Not taken, and through no fault of its own: not before this, the attempt not counted.
    Deferred {
        /// When at the earliest.
        not_before: EventTime,
        /// A word why, from a closed list.
        reason: &'static str,
    },
}

/// How a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordOutcome {
    /// It is in the ledger (or was already).
    Recorded,
    /// Nothing changed: the intent has been leased again since.
    Fenced,
}

impl Ledger {
    /// Leases planned intents: not expired, due, answers to replies first, then the oldest. When this returns, `sending` and the fence are durable, so
    /// that a crash from now on is found. Nothing while the kill switch is on.
    ///
    /// # Errors
    /// The database refused.
    pub fn lease(&mut self, request: &LeaseRequest<'_>) -> Result<Vec<Leased>, LedgerError> {
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin a lease")?;
        if is_killed(&tx) {
            return Ok(Vec::new());
        }
        let mut leased = Vec::new();
        for (channel, max) in request.channels {
            leased.extend(due(&tx, *channel, *max, request.now)?);
        }
        let mut fence = read_fence(&tx)?;
        let until = request.now.plus(request.lease_for).nanos();
        for lease in &mut leased {
            fence += 1;
            lease.fence = fence;
            lease.attempt += 1;
            tx.prepare_cached(
                "UPDATE intents SET state = 'sending', attempt = ?2, fence = ?3, lease_until = ?4, worker = ?5, \
                 updated_at = ?6 WHERE id = ?1",
            )
            .and_then(|mut s| {
                s.execute(params![
                    lease.intent.id.as_str(),
                    lease.attempt,
                    fence,
                    until,
                    request.worker,
                    request.now.nanos()
                ])
            })
            .doing("lease an intent")?;
            let entry = json!({"kind": "sending", "intent": lease.intent.id.as_str(), "attempt": lease.attempt,
                "fence": fence, "worker": request.worker, "at": request.now.nanos()});
            audit::append(&tx, &self.vault, &entry)?;
        }
        if !leased.is_empty() {
            tx.execute(
                "UPDATE flags SET value = ?1 WHERE name = 'fence'",
                [fence.to_be_bytes().to_vec()],
            )
            .doing("write the fence")?;
        }
        tx.commit().doing("commit a lease")?;
        Ok(leased)
    }

    /// Writes down what came of one intent, with its receipt.
    ///
    /// # Errors
    /// No such intent, a move the table of states forbids, or the database refused.
    pub fn record(&mut self, outcome: &Outcome) -> Result<RecordOutcome, LedgerError> {
        let done = self.record_all(std::slice::from_ref(outcome))?;
        Ok(done.first().copied().unwrap_or(RecordOutcome::Fenced))
    }

    /// Writes down what came of several, in one transaction. Until it returns, a crash leaves all of them in doubt.
    ///
    /// # Errors
    /// As [`Ledger::record`]; then none is written.
    pub fn record_all(&mut self, outcomes: &[Outcome]) -> Result<Vec<RecordOutcome>, LedgerError> {
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin a record")?;
        let done = outcomes
            .iter()
            .map(|outcome| record_one(&tx, &self.vault, outcome))
            .collect::<Result<Vec<_>, _>>()?;
        tx.commit().doing("commit a record")?;
        Ok(done)
    }

    /// Intents planned and not yet tried or to be tried again, of a channel.
    ///
    /// # Errors
    /// The database refused.
    pub fn waiting(&self, channel: ContactChannel) -> Result<u64, LedgerError> {
        let count: i64 = self
            .db
            .prepare_cached("SELECT count(*) FROM intents WHERE state = 'planned' AND channel = ?1")
            .and_then(|mut s| s.query_row([channel.as_str()], |row| row.get(0)))
            .doing("count what waits")?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// All intents by channel and state. Walks the table: for reports and metrics, not for each batch.
    ///
    /// # Errors
    /// The database refused.
    pub fn intent_counts(&self) -> Result<BTreeMap<(ContactChannel, IntentState), u64>, LedgerError> {
        let mut statement = self
            .db
            .prepare_cached("SELECT channel, state, count(*) FROM intents GROUP BY channel, state")
            .doing("count the intents")?;
        let rows = statement.query([]).doing("count the intents")?;
        let counts = row::collect(rows, "count the intents", |row| {
            let corrupt = |_| LedgerError::Corrupt { what: "count" };
            let text = |column: usize| row.get::<_, String>(column).map_err(corrupt);
            let count: i64 = row.get(2).map_err(corrupt)?;
            let key = (row::channel(&text(0)?)?, row::state(&text(1)?)?);
            Ok((key, u64::try_from(count).unwrap_or(0)))
        })?;
        Ok(counts.into_iter().collect())
    }
}

fn due(
    db: &Connection,
    channel: ContactChannel,
    max: usize,
    now: EventTime,
) -> Result<Vec<Leased>, LedgerError> {
    let sql = format!(
        "SELECT {}, {}, i.attempt, i.in_doubt FROM intents i \
         JOIN texts t ON t.notice = i.notice AND t.language = i.language AND t.channel = i.channel \
         WHERE i.state = 'planned' AND i.channel = ?1 AND (i.not_before IS NULL OR i.not_before <= ?2) \
         AND (i.expires_at IS NULL OR i.expires_at > ?2) ORDER BY i.urgent DESC, i.planned_at, i.rowid LIMIT ?3",
        row::INTENT,
        row::TEXT
    );
    let mut statement = db.prepare_cached(&sql).doing("find what is due")?;
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let rows = statement
        .query(params![channel.as_str(), now.nanos(), max])
        .doing("find what is due")?;
    row::collect(rows, "find what is due", |row| {
        let intent = row::intent(row)?;
        Ok(Leased {
            text: row::notice_text(row, &intent)?,
            attempt: row
                .get("attempt")
                .map_err(|_| LedgerError::Corrupt { what: "attempt" })?,
            in_doubt: row
                .get("in_doubt")
                .map_err(|_| LedgerError::Corrupt { what: "in_doubt" })?,
            fence: 0,
            intent,
        })
    })
}

fn read_fence(db: &Connection) -> Result<i64, LedgerError> {
    let stored: Vec<u8> = db
        .query_row("SELECT value FROM flags WHERE name = 'fence'", [], |row| {
            row.get(0)
        })
        .doing("read the fence")?;
    stored
        .try_into()
        .map(i64::from_be_bytes)
        .map_err(|_| LedgerError::Corrupt { what: "fence" })
}

/// What a recording needs to know of the intent.
struct Stored {
    notice: String,
    domain: String,
    state: IntentState,
    fence: Option<i64>,
    channel: ContactChannel,
    /// A receipt has come.
    heard: bool,
}

fn stored(db: &Connection, intent: &IntentId) -> Result<Stored, LedgerError> {
    type Row = (String, String, String, Option<i64>, String, bool);
    let row: Option<Row> = db
        .prepare_cached(
            "SELECT notice, domain, state, fence, channel, heard_at IS NOT NULL FROM intents WHERE id = ?1",
        )
        .and_then(|mut s| {
            s.query_row([intent.as_str()], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?))
            })
            .optional()
        })
        .doing("read an intent")?;
    let (notice, domain, state, fence, channel, heard) =
        row.ok_or_else(|| LedgerError::UnknownIntent(intent.clone()))?;
    Ok(Stored {
        notice,
        domain,
        state: row::state(&state)?,
        fence,
        channel: row::channel(&channel)?,
        heard,
    })
}

pub(crate) fn record_one(
    db: &Connection,
    vault: &Vault,
    outcome: &Outcome,
) -> Result<RecordOutcome, LedgerError> {
    let stored = stored(db, &outcome.intent)?;
    if stored.fence != Some(outcome.fence) {
        return Ok(RecordOutcome::Fenced);
    }
    let (to, reason) = match outcome.kind {
        OutcomeKind::State { to, reason, .. } => (to, reason),
        OutcomeKind::Postponed { reason, .. } | OutcomeKind::Deferred { reason, .. } => {
            (IntentState::Planned, Some(reason))
        }
        OutcomeKind::Returned => (IntentState::Planned, Some("not_tried")),
    };
    note_parts(db, outcome, &stored)?;
    let is_open = matches!(
        stored.state,
        IntentState::Sending | IntentState::Planned | IntentState::Unknown
    );
    if stored.heard && !is_open && to != IntentState::Delivered {
        // A receipt was faster than the answer, and knows more.
        return Ok(RecordOutcome::Recorded);
    }
    if stored.state == IntentState::Unknown && to == IntentState::Planned {
        return late(db, vault, outcome, reason.unwrap_or("not_tried"));
    }
    if stored.state == to {
        // The same answer a second time, after doubt whether the first was written.
        return Ok(RecordOutcome::Recorded);
    }
    if !may_move(stored.state, to) || to == IntentState::Sending {
        return Err(LedgerError::IllegalMove {
            intent: outcome.intent.clone(),
            from: stored.state,
            to,
        });
    }
    write_outcome(db, outcome, to)?;
    if to != IntentState::Planned {
        insert_receipt(
            db,
            outcome.intent.as_str(),
            &stored.notice,
            &stored.domain,
            to,
            outcome.at,
        )?;
    }
    let entry = json!({"kind": to.as_str(), "intent": outcome.intent.as_str(), "fence": outcome.fence,
        "reason": reason, "at": outcome.at.nanos()});
    audit::append(db, vault, &entry)?;
    Ok(RecordOutcome::Recorded)
}

/// The gateway's names for the parts of a text message, parted by spaces: its receipts come by them.
fn note_parts(db: &Connection, outcome: &Outcome, stored: &Stored) -> Result<(), LedgerError> {
    let OutcomeKind::State {
        to: IntentState::Accepted,
        provider_ref: Some(names),
        ..
    } = &outcome.kind
    else {
        return Ok(());
    };
    if stored.channel == ContactChannel::Sms {
        for name in names.split(' ') {
            insert_part(db, name, &outcome.intent, outcome.at)?;
        }
    }
    Ok(())
}

/// The lease ran out, the message was given up as unknown, and now its worker says that it wasn't taken: that is its end. To plan
/// it again is too late, but another channel may be tried. Where the worker doesn't know either, nothing is new.
fn late(
    db: &Connection,
    vault: &Vault,
    outcome: &Outcome,
    reason: &'static str,
) -> Result<RecordOutcome, LedgerError> {
    if matches!(outcome.kind, OutcomeKind::Postponed { in_doubt: true, .. }) {
        return Ok(RecordOutcome::Recorded);
    }
    let ended = Outcome {
        kind: OutcomeKind::State {
            to: IntentState::Failed,
            provider_ref: None,
            reason: Some(reason),
        },
        ..outcome.clone()
    };
    record_one(db, vault, &ended)
}

fn write_outcome(db: &Connection, outcome: &Outcome, to: IntentState) -> Result<(), LedgerError> {
    let (id, at) = (outcome.intent.as_str(), outcome.at.nanos());
    match &outcome.kind {
        OutcomeKind::State {
            provider_ref, reason, ..
        } => {
            let accepted = matches!(to, IntentState::Accepted | IntentState::Delivered).then_some(at);
            // The fence stays: the gateway's later word comes with it.
            db.prepare_cached(
                "UPDATE intents SET state = ?2, reason = ?3, provider_ref = coalesce(?4, provider_ref), \
                 accepted_at = coalesce(accepted_at, ?5), lease_until = NULL, updated_at = ?6 WHERE id = ?1",
            )
            .and_then(|mut s| s.execute(params![id, to.as_str(), reason, provider_ref, accepted, at]))
        }
        OutcomeKind::Postponed {
            not_before,
            reason,
            in_doubt,
        } => db
            .prepare_cached(
                "UPDATE intents SET state = 'planned', reason = ?2, not_before = ?3, lease_until = NULL, \
                 fence = NULL, worker = NULL, updated_at = ?4, in_doubt = max(in_doubt, ?5) WHERE id = ?1",
            )
            .and_then(|mut s| s.execute(params![id, reason, not_before.nanos(), at, in_doubt])),
        OutcomeKind::Returned => db
            .prepare_cached(
                "UPDATE intents SET state = 'planned', attempt = attempt - 1, lease_until = NULL, fence = NULL, \
                 worker = NULL, updated_at = ?2 WHERE id = ?1",
            )
            .and_then(|mut s| s.execute(params![id, at])),
        OutcomeKind::Deferred { not_before, reason } => db
            .prepare_cached(
                "UPDATE intents SET state = 'planned', attempt = attempt - 1, reason = ?2, not_before = ?3, \
                 lease_until = NULL, fence = NULL, worker = NULL, updated_at = ?4 WHERE id = ?1",
            )
            .and_then(|mut s| s.execute(params![id, reason, not_before.nanos(), at])),
    }
    .doing("record an outcome")?;
    Ok(())
}
