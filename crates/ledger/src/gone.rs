//! Addresses at which nobody is any more: a push subscription that was given up, a chat that has blocked the bot.

use std::time::Duration;

use forecall_types::{ContactChannel, EventTime};
use rusqlite::{TransactionBehavior, params};
use serde_json::json;

use crate::error::Doing;
use crate::{Ledger, LedgerError, Secret, audit};

/// An address at which nobody is any more, as the gateway says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoneAddress {
    /// Of which channel.
    pub channel: ContactChannel,
    /// The address.
    pub address: Secret,
    /// A word why, from a closed list.
    pub reason: &'static str,
    /// When it was said.
    pub at: EventTime,
}

impl Ledger {
    /// Writes down that nobody is at these addresses: only a keyed hash of each stays. What was written more than `keep_for` before is
    /// forgotten.
    ///
    /// # Errors
    /// The database refused; then none is written.
    pub fn set_aside(&mut self, gone: &[GoneAddress], keep_for: Duration) -> Result<(), LedgerError> {
        const DOING: &str = "write down that an address is gone";
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing(DOING)?;
        for one in gone {
            let mark = self.vault.address_mark(one.channel, &one.address);
            tx.prepare_cached(
                "INSERT INTO addresses_gone (mark, channel, reason, at) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (mark) DO UPDATE SET reason = excluded.reason, at = max(at, excluded.at)",
            )
            .and_then(|mut s| {
                s.execute(params![
                    mark.as_slice(),
                    one.channel.as_str(),
                    one.reason,
                    one.at.nanos()
                ])
            })
            .doing(DOING)?;
            tx.prepare_cached("DELETE FROM addresses_gone WHERE at < ?1")
                .and_then(|mut s| s.execute([one.at.minus(keep_for).nanos()]))
                .doing(DOING)?;
            let entry = json!({"kind": "address_gone", "channel": one.channel.as_str(), "reason": one.reason,
                "at": one.at.nanos()});
            audit::append(&tx, &self.vault, &entry)?;
        }
        tx.commit().doing(DOING)
    }

    /// Whether it was said since `since` that nobody is at this address.
    ///
    /// # Errors
    /// The database refused.
    pub fn is_set_aside(
        &self,
        channel: ContactChannel,
        address: &Secret,
        since: EventTime,
    ) -> Result<bool, LedgerError> {
        let mark = self.vault.address_mark(channel, address);
        self.db
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM addresses_gone WHERE mark = ?1 AND at >= ?2)")
            .and_then(|mut s| s.query_row(params![mark.as_slice(), since.nanos()], |row| row.get(0)))
            .doing("ask whether an address is gone")
    }
}
