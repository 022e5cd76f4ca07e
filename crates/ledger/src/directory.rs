use std::collections::BTreeMap;

use forecall_types::{ContactChannel, Customer, CustomerId, EventTime};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::Doing;
use crate::outbox::insert_receipt_of;
use crate::vault::Vault;
use crate::{Ledger, LedgerError, Secret, audit, marks, row};

/// What an erased person's intents stand under.
const ERASED: &str = "cus_erased";

/// One person of the directory: the part logic sees, and the part only `deliver` sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryRow {
    /// Without name or address.
    pub customer: Customer,
    /// How to address them.
    pub name: Option<Secret>,
    /// Where they are reached.
    pub addresses: BTreeMap<ContactChannel, Secret>,
}

/// A person's address on one channel. Debug shows nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The address.
    pub address: Secret,
    /// The name.
    pub name: Option<Secret>,
}

/// What an import changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Written.
    pub written: u64,
    /// Left as they were: the ledger knows of a later time.
    pub older: u64,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Personal {
    name: Option<String>,
    pub(crate) addresses: BTreeMap<ContactChannel, String>,
}

/// What is sealed of a person, opened; `None`: there is nobody.
pub(crate) fn personal(
    db: &Connection,
    vault: &Vault,
    customer: &CustomerId,
) -> Result<Option<Personal>, LedgerError> {
    let stored: Option<(Vec<u8>, Vec<u8>)> = db
        .prepare_cached(
            "SELECT wrapped, ciphertext FROM person_keys k JOIN personal p ON p.customer = k.customer \
             WHERE k.customer = ?1",
        )
        .and_then(|mut s| {
            s.query_row([customer.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
        .doing("read a contact")?;
    let Some((wrapped, ciphertext)) = stored else {
        return Ok(None);
    };
    let plain = vault.open(customer, &wrapped, &ciphertext)?;
    let personal = serde_json::from_slice(&plain).map_err(|_| LedgerError::Corrupt { what: "contact" })?;
    Ok(Some(personal))
}

impl Ledger {
    /// Writes people into the directory, all of them or none. A person that is there already is replaced, unless the
    /// ledger knows them from a later time.
    ///
    /// # Errors
    /// The database refused, or the system has no random numbers for keys.
    pub fn import_customers(
        &mut self,
        rows: impl IntoIterator<Item = DirectoryRow>,
    ) -> Result<Imported, LedgerError> {
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin an import")?;
        let mut imported = Imported::default();
        for row in rows {
            if import_one(&tx, &self.vault, &row)? {
                imported.written += 1;
            } else {
                imported.older += 1;
            }
        }
        let entry = json!({"kind": "import", "written": imported.written, "older": imported.older});
        audit::append(&tx, &self.vault, &entry)?;
        tx.commit().doing("commit an import")?;
        Ok(imported)
    }

    /// Where a person is reached on a channel; `None` if not, or no longer. For `deliver` alone.
    ///
    /// # Errors
    /// The database refused, or the personal data was changed by somebody without the key.
    pub fn contact(
        &self,
        customer: &CustomerId,
        channel: ContactChannel,
    ) -> Result<Option<Contact>, LedgerError> {
        let Some(mut personal) = personal(&self.db, &self.vault, customer)? else {
            return Ok(None);
        };
        Ok(personal.addresses.remove(&channel).map(|address| Contact {
            address: Secret::new(address),
            name: personal.name.map(Secret::new),
        }))
    }

    /// Erases a person: their key, their data, their record, and their pseudonym on every intent. What was still planned
    /// for them fails, with a receipt. Returns whether there was anybody. Publishing `CustomerChange::Erased` is the
    /// caller's part.
    ///
    /// # Errors
    /// The database refused.
    pub fn erase(&mut self, customer: &CustomerId, at: EventTime) -> Result<bool, LedgerError> {
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin an erasure")?;
        let mut found = 0;
        for sql in [
            "DELETE FROM person_keys WHERE customer = ?1",
            "DELETE FROM personal WHERE customer = ?1",
            "DELETE FROM customers WHERE id = ?1",
            "DELETE FROM address_marks WHERE customer = ?1",
            "DELETE FROM withheld WHERE customer = ?1",
            "DELETE FROM replies WHERE customer = ?1",
        ] {
            found += tx.execute(sql, [customer.as_str()]).doing("erase a customer")?;
        }
        let failed = fail_planned(&tx, customer, at)?;
        tx.execute(
            "UPDATE intents SET customer = ?2 WHERE customer = ?1",
            [customer.as_str(), ERASED],
        )
        .doing("erase a customer")?;
        // The entry doesn't say who: it would outlive them.
        let entry = json!({"kind": "erase", "found": found > 0, "failed": failed, "at": at.nanos()});
        audit::append(&tx, &self.vault, &entry)?;
        tx.commit().doing("commit an erasure")?;
        self.clear_wal()?;
        Ok(found > 0)
    }

    /// Empties the write-ahead log, which may still hold the deleted key (wrapped).
    fn clear_wal(&self) -> Result<(), LedgerError> {
        let busy: i64 = self
            .db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .doing("empty its write-ahead log")?;
        if busy != 0 {
            tracing::warn!(
                "an erased person's wrapped key stays in the write-ahead log until the next checkpoint"
            );
        }
        Ok(())
    }

    /// The part of the directory logic sees, by pseudonym: those after `after`, at most `max`.
    ///
    /// # Errors
    /// The database refused, or a record can't be read back.
    pub fn customers_after(
        &self,
        after: Option<&CustomerId>,
        max: usize,
    ) -> Result<Vec<Customer>, LedgerError> {
        let mut statement = self
            .db
            .prepare_cached("SELECT record FROM customers WHERE id > ?1 ORDER BY id LIMIT ?2")
            .doing("read the customers")?;
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let rows = statement
            .query(params![after.map_or("", |id| id.as_str()), max])
            .doing("read the customers")?;
        row::collect(rows, "read the customers", |row| {
            let corrupt = LedgerError::Corrupt { what: "customer" };
            let record: String = row
                .get(0)
                .map_err(|_| LedgerError::Corrupt { what: "customer" })?;
            serde_json::from_str(&record).map_err(|_| corrupt)
        })
    }

    /// All customers, in order of their pseudonyms, read a page at a time.
    pub fn customers(&self) -> impl Iterator<Item = Result<Customer, LedgerError>> + '_ {
        /// 1,000 records of at most some 2 KiB are 2 MiB.
        const PAGE: usize = 1_000;
        let mut after: Option<CustomerId> = None;
        let mut page = Vec::new().into_iter();
        let mut ended = false;
        std::iter::from_fn(move || {
            if let Some(customer) = page.next() {
                return Some(Ok(customer));
            }
            if ended {
                return None;
            }
            match self.customers_after(after.as_ref(), PAGE) {
                Ok(next) => {
                    ended = next.len() < PAGE;
                    after = next.last().map(|c: &Customer| c.id.clone());
                    page = next.into_iter();
                    page.next().map(Ok)
                }
                Err(error) => {
                    ended = true;
                    Some(Err(error))
                }
            }
        })
    }
}

/// Whether it was written.
fn import_one(db: &Connection, vault: &Vault, row: &DirectoryRow) -> Result<bool, LedgerError> {
    let customer = &row.customer;
    let record = serde_json::to_string(customer).map_err(|_| LedgerError::Corrupt { what: "customer" })?;
    let written = db
        .prepare_cached(
            "INSERT INTO customers (id, at, record) VALUES (?1, ?2, ?3) \
             ON CONFLICT DO UPDATE SET at = excluded.at, record = excluded.record WHERE excluded.at >= customers.at",
        )
        .and_then(|mut s| s.execute(params![customer.id.as_str(), customer.at.nanos(), record]))
        .doing("write a customer")?;
    if written == 0 {
        return Ok(false);
    }
    let personal = Personal {
        name: row.name.as_ref().map(|n| n.expose().to_owned()),
        addresses: row
            .addresses
            .iter()
            .map(|(channel, address)| (*channel, address.expose().to_owned()))
            .collect(),
    };
    let plain = serde_json::to_vec(&personal).map_err(|_| LedgerError::Corrupt { what: "contact" })?;
    let sealed = vault.seal(&customer.id, &plain)?;
    for (sql, bytes) in [
        (
            "INSERT OR REPLACE INTO personal (customer, ciphertext) VALUES (?1, ?2)",
            sealed.ciphertext,
        ),
        (
            "INSERT OR REPLACE INTO person_keys (customer, wrapped) VALUES (?1, ?2)",
            sealed.wrapped_key,
        ),
    ] {
        db.prepare_cached(sql)
            .and_then(|mut s| s.execute(params![customer.id.as_str(), bytes]))
            .doing("write a contact")?;
    }
    marks::write(db, vault, &customer.id, row.addresses.get(&ContactChannel::Sms))?;
    Ok(true)
}

fn fail_planned(db: &Connection, customer: &CustomerId, at: EventTime) -> Result<usize, LedgerError> {
    let sql = format!(
        "UPDATE intents SET state = {}, reason = 'erased', updated_at = ?2 \
         WHERE customer = ?1 AND state = 'planned' RETURNING {}",
        row::ENDS,
        row::GIVEN_UP
    );
    let mut statement = db
        .prepare_cached(&sql)
        .doing("fail an erased customer's intents")?;
    let rows = statement
        .query(params![customer.as_str(), at.nanos()])
        .doing("fail an erased customer's intents")?;
    let failed = row::collect(rows, "fail an erased customer's intents", row::given_up)?;
    for ended in &failed {
        insert_receipt_of(db, ended)?;
    }
    Ok(failed.len())
}
