//! What ends without anything being sent: leases that ran out, what is no longer true, receipts that never came.

use std::time::Duration;

use forecall_types::{EventTime, Intent, IntentState};
use rusqlite::{Connection, TransactionBehavior, params};
use serde_json::json;

use crate::error::Doing;
use crate::lease::record_one;
use crate::outbox::insert_receipt_of;
use crate::vault::Vault;
use crate::{Ledger, LedgerError, Outcome, OutcomeKind, Prefer, StaleRules, audit, row};

/// What was settled without sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    /// Given up: it can't be found out whether they went.
    pub unknown: u64,
    /// To be sent again, perhaps a second time.
    pub replanned: u64,
    /// No longer true when they could have gone: failed.
    pub expired: u64,
    /// Taken, and no receipt came in time: unknown.
    pub unreceipted: u64,
}

impl Ledger {
    /// Settles what can't wait: leases that ran out in `sending` by each channel's rule, planned intents that are no
    /// longer true, and text messages whose receipt is overdue. All are counted, and those that end have a receipt.
    ///
    /// # Errors
    /// The database refused.
    pub fn settle(&mut self, now: EventTime, rules: &StaleRules) -> Result<Settled, LedgerError> {
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin settling")?;
        let mut settled = Settled::default();
        for (intent, fence) in stale(&tx, now)? {
            let kind = match rules.of(intent.channel) {
                Prefer::Miss => {
                    settled.unknown += 1;
                    OutcomeKind::State {
                        to: IntentState::Unknown,
                        provider_ref: None,
                        reason: Some("lease_ran_out"),
                    }
                }
                Prefer::Double => {
                    settled.replanned += 1;
                    OutcomeKind::Postponed {
                        not_before: now.plus(rules.wait(intent.channel)),
                        reason: "lease_ran_out",
                        in_doubt: true,
                    }
                }
            };
            let outcome = Outcome {
                intent: intent.id,
                fence,
                kind,
                at: now,
            };
            record_one(&tx, &self.vault, &outcome)?;
        }
        settled.expired = expire(&tx, &self.vault, now)?;
        if !rules.receipts_within.is_zero() {
            settled.unreceipted = give_up_receipts(&tx, &self.vault, now, rules.receipts_within)?;
        }
        tx.commit().doing("commit settling")?;
        Ok(settled)
    }
}

fn stale(db: &Connection, now: EventTime) -> Result<Vec<(Intent, i64)>, LedgerError> {
    let sql = format!(
        "SELECT {}, i.fence FROM intents i WHERE i.state = 'sending' AND i.lease_until <= ?1",
        row::INTENT
    );
    let mut statement = db.prepare_cached(&sql).doing("find stale leases")?;
    let rows = statement.query([now.nanos()]).doing("find stale leases")?;
    row::collect(rows, "find stale leases", |row| {
        let fence = row
            .get("fence")
            .map_err(|_| LedgerError::Corrupt { what: "fence" })?;
        Ok((row::intent(row)?, fence))
    })
}

fn expire(db: &Connection, vault: &Vault, now: EventTime) -> Result<u64, LedgerError> {
    let sql = format!(
        "UPDATE intents SET state = {}, reason = 'stale', updated_at = ?1 \
         WHERE state = 'planned' AND expires_at <= ?1 RETURNING {}",
        row::ENDS,
        row::GIVEN_UP
    );
    let mut statement = db.prepare_cached(&sql).doing("expire intents")?;
    let rows = statement.query([now.nanos()]).doing("expire intents")?;
    let expired = row::collect(rows, "expire intents", row::given_up)?;
    for ended in &expired {
        insert_receipt_of(db, ended)?;
        let entry = json!({"kind": ended.state.as_str(), "intent": ended.intent, "reason": "stale",
            "at": ended.at.nanos()});
        audit::append(db, vault, &entry)?;
    }
    Ok(expired.len() as u64)
}

/// Receipts given up in one round: an hour's messages may fall due together, and other processes wait for the database meanwhile.
const GIVEN_UP_AT_ONCE: i64 = 1_000;

/// Text messages that were taken `within` ago or earlier and have no receipt that settles them. A later one still does.
fn give_up_receipts(
    db: &Connection,
    vault: &Vault,
    now: EventTime,
    within: Duration,
) -> Result<u64, LedgerError> {
    const DOING: &str = "give up receipts";
    let sql = format!(
        "UPDATE intents SET state = 'unknown', reason = 'no_receipt', updated_at = ?1 WHERE id IN \
         (SELECT id FROM intents WHERE state = 'accepted' AND channel = 'sms' AND accepted_at <= ?2 \
         ORDER BY accepted_at LIMIT ?3) RETURNING {}",
        row::GIVEN_UP
    );
    let mut statement = db.prepare_cached(&sql).doing(DOING)?;
    let since = now.minus(within);
    let rows = statement
        .query(params![now.nanos(), since.nanos(), GIVEN_UP_AT_ONCE])
        .doing(DOING)?;
    let ended = row::collect(rows, DOING, row::given_up)?;
    for one in &ended {
        insert_receipt_of(db, one)?;
        let entry = json!({"kind": one.state.as_str(), "intent": one.intent, "reason": "no_receipt",
            "at": one.at.nanos()});
        audit::append(db, vault, &entry)?;
    }
    Ok(ended.len() as u64)
}
