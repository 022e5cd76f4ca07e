//! Whose number it is that writes: a keyed hash of each, beside the sealed addresses.

use forecall_types::{ContactChannel, CustomerId};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::directory::personal;
use crate::error::Doing;
use crate::vault::Vault;
use crate::{Ledger, LedgerError, Secret, row};

/// Up to which customer people were looked at who were known before there were marks; empty: all.
const FLAG: &str = "marks_made";
/// People marked in one transaction: some 10 µs each, so that nobody waits long for the database.
const AT_ONCE: usize = 5_000;

/// Writes the mark of a person's number for text messages, or takes it away. Other channels have no way back.
pub(crate) fn write(
    db: &Connection,
    vault: &Vault,
    customer: &CustomerId,
    number: Option<&Secret>,
) -> Result<(), LedgerError> {
    const DOING: &str = "mark an address";
    db.prepare_cached("DELETE FROM address_marks WHERE customer = ?1")
        .and_then(|mut s| s.execute([customer.as_str()]))
        .doing(DOING)?;
    if let Some(number) = number {
        let mark = vault.address_mark(ContactChannel::Sms, number);
        db.prepare_cached("INSERT INTO address_marks (mark, customer) VALUES (?1, ?2)")
            .and_then(|mut s| s.execute(params![mark.as_slice(), customer.as_str()]))
            .doing(DOING)?;
    }
    Ok(())
}

impl Ledger {
    /// Makes the marks of people who came into the ledger before there were marks: a STOP of theirs must not be lost until somebody
    /// imports the directory again. Done once in a ledger's life; whoever opens it meanwhile does a share and waits for the rest.
    pub(crate) fn make_marks(&mut self) -> Result<(), LedgerError> {
        while self.mark_some()? {}
        Ok(())
    }

    /// Marks the next people; `false`: all have been looked at.
    fn mark_some(&mut self) -> Result<bool, LedgerError> {
        const DOING: &str = "mark the addresses of people known before";
        if looked_at(&self.db)?.is_some_and(|to| to.is_empty()) {
            return Ok(false);
        }
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing(DOING)?;
        // Read again: another process may have gone on meanwhile.
        let after = match looked_at(&tx)? {
            Some(to) if to.is_empty() => return Ok(false),
            Some(to) => String::from_utf8(to).map_err(|_| LedgerError::Corrupt { what: FLAG })?,
            None => String::new(),
        };
        let people = people_after(&tx, &after)?;
        for customer in &people {
            // What doesn't open is found where it is needed, and mustn't keep everybody else from being heard.
            if let Ok(Some(personal)) = personal(&tx, &self.vault, customer) {
                let number = personal
                    .addresses
                    .get(&ContactChannel::Sms)
                    .cloned()
                    .map(Secret::new);
                write(&tx, &self.vault, customer, number.as_ref())?;
            }
        }
        let is_all = people.len() < AT_ONCE;
        let to = people.last().filter(|_| !is_all).map_or("", |id| id.as_str());
        tx.execute(
            "INSERT OR REPLACE INTO flags (name, value) VALUES (?1, ?2)",
            params![FLAG, to.as_bytes()],
        )
        .doing(DOING)?;
        tx.commit().doing(DOING)?;
        Ok(!is_all)
    }
}

/// Up to which customer people have been looked at; empty: all of them.
fn looked_at(db: &Connection) -> Result<Option<Vec<u8>>, LedgerError> {
    db.query_row("SELECT value FROM flags WHERE name = ?1", [FLAG], |row| {
        row.get(0)
    })
    .optional()
    .doing("read how far addresses are marked")
}

fn people_after(db: &Connection, after: &str) -> Result<Vec<CustomerId>, LedgerError> {
    const DOING: &str = "find people known before";
    let mut statement = db
        .prepare("SELECT customer FROM personal WHERE customer > ?1 ORDER BY customer LIMIT ?2")
        .doing(DOING)?;
    let most = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
    let rows = statement.query(params![after, most]).doing(DOING)?;
    row::collect(rows, DOING, |row| {
        let id: Result<String, _> = row.get(0);
        row::name(&id.unwrap_or_default(), "customer")
    })
}
