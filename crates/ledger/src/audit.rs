use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::error::Doing;
use crate::vault::Vault;
use crate::{Ledger, LedgerError};

/// SHA-256.
type Hash = [u8; 32];

/// What a walk over the chain found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditVerdict {
    /// Every entry follows from the one before, and the last is the one that was signed.
    Whole {
        /// Entries.
        entries: u64,
    },
    /// The first entry that was changed, removed or slipped in.
    BrokenAt {
        /// Its number, from 1.
        seq: i64,
    },
    /// The chain holds, but its end isn't the one signed with the master key: somebody wrote it anew.
    HeadForged,
}

/// Number and hash of the last entry.
struct Head {
    seq: i64,
    hash: Hash,
}

impl Head {
    fn bytes(&self) -> Vec<u8> {
        [self.seq.to_be_bytes().as_slice(), &self.hash].concat()
    }

    /// The stored head and its signature. Without one the chain is at its start.
    fn read(db: &Connection) -> Result<(Self, Option<Hash>), LedgerError> {
        let corrupt = || LedgerError::Corrupt { what: "audit head" };
        let stored: Option<Vec<u8>> = db
            .prepare_cached("SELECT value FROM flags WHERE name = 'audit_head'")
            .and_then(|mut s| s.query_row([], |row| row.get(0)).optional())
            .doing("read the audit's head")?;
        let Some(stored) = stored else {
            let start = Self {
                seq: 0,
                hash: [0; 32],
            };
            return Ok((start, None));
        };
        let (seq, rest) = stored.split_first_chunk::<8>().ok_or_else(corrupt)?;
        let (hash, rest) = rest.split_first_chunk::<32>().ok_or_else(corrupt)?;
        let signature: Hash = rest.try_into().map_err(|_| corrupt())?;
        let head = Self {
            seq: i64::from_be_bytes(*seq),
            hash: *hash,
        };
        Ok((head, Some(signature)))
    }
}

fn link(previous: &Hash, entry: &str) -> Hash {
    Sha256::new()
        .chain_update(previous)
        .chain_update(entry.as_bytes())
        .finalize()
        .into()
}

/// Adds an entry within the transaction that does what it says. It follows the *signed* head, not the last row: rows cut
/// off the end leave a gap that stays.
pub(crate) fn append(db: &Connection, vault: &Vault, entry: &serde_json::Value) -> Result<(), LedgerError> {
    let (head, _) = Head::read(db)?;
    let entry = entry.to_string();
    let next = Head {
        seq: head.seq + 1,
        hash: link(&head.hash, &entry),
    };
    db.prepare_cached("INSERT INTO audit (seq, entry, hash) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute(params![next.seq, entry, next.hash]))
        .doing("write the audit")?;
    let bytes = next.bytes();
    let signed = [bytes.as_slice(), &vault.sign(&bytes)].concat();
    db.prepare_cached("INSERT OR REPLACE INTO flags (name, value) VALUES ('audit_head', ?1)")
        .and_then(|mut s| s.execute([signed]))
        .doing("write the audit's head")?;
    Ok(())
}

impl Ledger {
    /// Shows every entry in order, as it was written. Whether the chain holds is another question:
    /// [`verify_audit`](Self::verify_audit).
    ///
    /// # Errors
    /// The database refused, or an entry isn't JSON.
    pub fn read_audit(&self, visit: &mut dyn FnMut(&serde_json::Value)) -> Result<(), LedgerError> {
        let mut statement = self
            .db
            .prepare("SELECT entry FROM audit ORDER BY seq")
            .doing("read the audit")?;
        let mut rows = statement.query([]).doing("read the audit")?;
        while let Some(row) = rows.next().doing("read the audit")? {
            let text: String = row.get(0).doing("read the audit")?;
            let entry =
                serde_json::from_str(&text).map_err(|_| LedgerError::Corrupt { what: "audit entry" })?;
            visit(&entry);
        }
        Ok(())
    }

    /// Walks the whole chain: SHA-256 over the hash before and the entry, then the signature of the end.
    ///
    /// # Errors
    /// The database refused. A broken chain is no error but a verdict.
    pub fn verify_audit(&self) -> Result<AuditVerdict, LedgerError> {
        let (head, signature) = Head::read(&self.db)?;
        let mut statement = self
            .db
            .prepare("SELECT seq, entry, hash FROM audit ORDER BY seq")
            .doing("read the audit")?;
        let mut rows = statement.query([]).doing("read the audit")?;
        let mut last = Head {
            seq: 0,
            hash: [0; 32],
        };
        while let Some(row) = rows.next().doing("read the audit")? {
            let expected = last.seq + 1;
            let read: rusqlite::Result<(i64, String, Hash)> =
                (|| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))();
            // A column of another type or length is a change too.
            let Ok((seq, entry, hash)) = read else {
                return Ok(AuditVerdict::BrokenAt { seq: expected });
            };
            if seq != expected || hash != link(&last.hash, &entry) {
                return Ok(AuditVerdict::BrokenAt { seq: expected });
            }
            last = Head { seq, hash };
        }
        let is_signed = match signature {
            Some(signature) => signature == self.vault.sign(&head.bytes()),
            None => head.seq == 0,
        };
        Ok(if last.seq < head.seq {
            AuditVerdict::BrokenAt { seq: last.seq + 1 }
        } else if !is_signed || last.seq != head.seq || last.hash != head.hash {
            AuditVerdict::HeadForged
        } else {
            AuditVerdict::Whole {
                entries: u64::try_from(last.seq).unwrap_or(0),
            }
        })
    }
}
