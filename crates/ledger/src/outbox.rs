use std::sync::Arc;

use forecall_log::OutRecord;
use forecall_types::{DomainName, EventTime, IntentState, Receipt, Reply};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Doing;
use crate::{Ledger, LedgerError, row};

/// Adds a record at the end of the outbox and gives its sequence number.
pub(crate) fn insert_outbox(db: &Connection, partition: i32, record: &OutRecord) -> Result<i64, LedgerError> {
    let headers =
        postcard::to_stdvec(&record.headers).map_err(|_| LedgerError::Corrupt { what: "headers" })?;
    db.prepare_cached(
        "INSERT INTO outbox (partition, topic, to_partition, key, value, headers) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .and_then(|mut s| {
        s.insert(params![
            partition,
            &*record.topic,
            record.partition,
            record.key,
            record.value,
            headers
        ])
    })
    .doing("write to the outbox")
}

/// Adds a receipt for outreach's log.
pub(crate) fn insert_receipt(
    db: &Connection,
    intent: &str,
    notice: &str,
    domain: &str,
    state: IntentState,
    at: EventTime,
) -> Result<(), LedgerError> {
    db.prepare_cached(
        "INSERT INTO receipts_outbox (intent, notice, domain, state, at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .and_then(|mut s| s.execute(params![intent, notice, domain, state.as_str(), at.nanos()]))
    .doing("write a receipt")?;
    Ok(())
}

/// Adds a reply for outreach's log, behind the receipts.
pub(crate) fn insert_reply(db: &Connection, domain: &DomainName, reply: &Reply) -> Result<(), LedgerError> {
    let text = serde_json::to_string(reply).map_err(|_| LedgerError::Corrupt { what: "reply" })?;
    db.prepare_cached(
        "INSERT INTO receipts_outbox (intent, notice, domain, state, at, reply) VALUES ('', '', ?1, '', ?2, ?3)",
    )
    .and_then(|mut s| s.execute(params![domain.as_str(), reply.at.nanos(), text]))
    .doing("write a reply")?;
    // Kept beyond the outbox: whoever is called by this person sees that they have written.
    db.prepare_cached("INSERT OR IGNORE INTO replies (customer, at, kind) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| {
            s.execute(params![
                reply.customer.as_str(),
                reply.at.nanos(),
                reply.kind.as_str()
            ])
        })
        .doing("keep a reply")?;
    Ok(())
}

/// What comes back on notices, for outreach's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A gateway's.
    Receipt(Receipt),
    /// A customer's, and in which domain: a reply doesn't say it.
    Reply(DomainName, Reply),
}

/// The receipt of an intent that was given up before it was tried again.
pub(crate) fn insert_receipt_of(db: &Connection, ended: &row::GivenUp) -> Result<(), LedgerError> {
    insert_receipt(
        db,
        &ended.intent,
        &ended.notice,
        &ended.domain,
        ended.state,
        ended.at,
    )
}

/// SQLite counts in signed numbers; nobody asks for more at once.
fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

/// The highest number a table has ever given, whatever was trimmed since.
fn last(db: &Connection, table: &str) -> Result<i64, LedgerError> {
    let found = db
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = ?1")
        .and_then(|mut s| s.query_row([table], |row| row.get(0)).optional())
        .doing("read the last sequence number")?;
    Ok(found.unwrap_or(0))
}

impl Ledger {
    /// Sequence number of the newest record ever put into the outbox; 0 before the first.
    ///
    /// # Errors
    /// The database refused.
    pub fn outbox_last(&self) -> Result<i64, LedgerError> {
        last(&self.db, "outbox")
    }

    /// Sequence number of the newest receipt ever written; 0 before the first.
    ///
    /// # Errors
    /// The database refused.
    pub fn receipts_last(&self) -> Result<i64, LedgerError> {
        last(&self.db, "receipts_outbox")
    }

    /// The records after `seq` (0 for all) in order, at most `max`, each with its sequence number. Numbers may have
    /// gaps, but never come twice.
    ///
    /// # Errors
    /// The database refused, or a record can't be read back.
    pub fn outbox_after(&self, seq: i64, max: usize) -> Result<Vec<(i64, OutRecord)>, LedgerError> {
        let mut statement = self
            .db
            .prepare_cached(
                "SELECT seq, topic, to_partition, key, value, headers FROM outbox WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            )
            .doing("read the outbox")?;
        let rows = statement
            .query(params![seq, limit(max)])
            .doing("read the outbox")?;
        row::collect(rows, "read the outbox", |row| {
            let corrupt = |_| LedgerError::Corrupt { what: "outbox" };
            let topic: String = row.get(1).map_err(corrupt)?;
            let headers: Vec<u8> = row.get(5).map_err(corrupt)?;
            let record = OutRecord {
                topic: Arc::from(topic),
                partition: row.get(2).map_err(corrupt)?,
                key: row.get(3).map_err(corrupt)?,
                value: row.get(4).map_err(corrupt)?,
                headers: postcard::from_bytes(&headers)
                    .map_err(|_| LedgerError::Corrupt { what: "headers" })?,
            };
            Ok((row.get(0).map_err(corrupt)?, record))
        })
    }

    /// Removes the records up to and with `up_to`: they are published for certain. Returns how many.
    ///
    /// # Errors
    /// The database refused.
    pub fn outbox_trim(&mut self, up_to: i64) -> Result<usize, LedgerError> {
        self.db
            .execute("DELETE FROM outbox WHERE seq <= ?1", [up_to])
            .doing("trim the outbox")
    }

    /// The receipts after `seq` (0 for all) in order, among at most `max` answers, each with its sequence number.
    ///
    /// # Errors
    /// The database refused, or an answer can't be read back.
    pub fn receipts_after(&self, seq: i64, max: usize) -> Result<Vec<(i64, Receipt)>, LedgerError> {
        let answers = self.answers_after(seq, max)?;
        Ok(answers
            .into_iter()
            .filter_map(|(seq, answer)| match answer {
                Answer::Receipt(receipt) => Some((seq, receipt)),
                Answer::Reply(..) => None,
            })
            .collect())
    }

    /// The receipts and replies after `seq` (0 for all) in order, at most `max`, each with its sequence number.
    ///
    /// # Errors
    /// The database refused, or one can't be read back.
    pub fn answers_after(&self, seq: i64, max: usize) -> Result<Vec<(i64, Answer)>, LedgerError> {
        let mut statement = self
            .db
            .prepare_cached(
                "SELECT seq, intent, notice, domain, state, at, reply FROM receipts_outbox WHERE seq > ?1 \
                 ORDER BY seq LIMIT ?2",
            )
            .doing("read the receipts")?;
        let rows = statement
            .query(params![seq, limit(max)])
            .doing("read the receipts")?;
        row::collect(rows, "read the receipts", |row| {
            let corrupt = |_| LedgerError::Corrupt { what: "receipt" };
            let text = |column: usize| row.get::<_, String>(column).map_err(corrupt);
            if let Some(reply) = row.get::<_, Option<String>>(6).map_err(corrupt)? {
                let reply =
                    serde_json::from_str(&reply).map_err(|_| LedgerError::Corrupt { what: "reply" })?;
                let answer = Answer::Reply(row::name(&text(3)?, "domain")?, reply);
                return Ok((row.get(0).map_err(corrupt)?, answer));
            }
            let receipt = Receipt {
                intent: row::name(&text(1)?, "intent id")?,
                notice: row::name(&text(2)?, "notice id")?,
                domain: row::name(&text(3)?, "domain")?,
                state: row::state(&text(4)?)?,
                at: EventTime::from_nanos(row.get(5).map_err(corrupt)?),
            };
            Ok((row.get(0).map_err(corrupt)?, Answer::Receipt(receipt)))
        })
    }

    /// Removes the receipts up to and with `up_to`: they are in outreach's log for certain. Returns how many.
    ///
    /// # Errors
    /// The database refused.
    pub fn receipts_trim(&mut self, up_to: i64) -> Result<usize, LedgerError> {
        self.db
            .execute("DELETE FROM receipts_outbox WHERE seq <= ?1", [up_to])
            .doing("trim the receipts")
    }
}
