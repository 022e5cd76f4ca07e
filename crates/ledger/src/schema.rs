use rusqlite::{Connection, TransactionBehavior};

use crate::LedgerError;
use crate::error::Doing;

/// One entry a version, never changed after a release: a new version appends. `user_version` counts those applied.
const MIGRATIONS: &[&str] = &[V1, V2, V3, V4, V5, V6];

/// An attempt whose answer was lost may have reached the person: no later refusal takes that back.
const V2: &str = "ALTER TABLE intents ADD COLUMN in_doubt INTEGER NOT NULL DEFAULT 0;";

/// What gateways say of their own accord: which parts they have named, and whose address it is that writes.
const V3: &str = "
ALTER TABLE intents ADD COLUMN heard_at INTEGER;
CREATE TABLE message_parts (
    provider_ref TEXT NOT NULL, intent TEXT NOT NULL, delivered INTEGER NOT NULL DEFAULT 0, at INTEGER NOT NULL,
    PRIMARY KEY (provider_ref, intent)
) WITHOUT ROWID, STRICT;
CREATE INDEX message_parts_by_intent ON message_parts (intent);
CREATE INDEX message_parts_by_age ON message_parts (at);
CREATE TABLE address_marks (
    mark BLOB NOT NULL, customer TEXT NOT NULL, PRIMARY KEY (mark, customer)
) WITHOUT ROWID, STRICT;
CREATE INDEX address_marks_by_customer ON address_marks (customer);
ALTER TABLE receipts_outbox ADD COLUMN reply TEXT;
";

/// What can't wait behind a whole audience; which words were brought before; and what has been accepted and waits for its receipt.
const V4: &str = "
ALTER TABLE intents ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0;
DROP INDEX intents_waiting;
CREATE INDEX intents_waiting ON intents (channel, urgent DESC, planned_at) WHERE state = 'planned';
CREATE INDEX intents_unreceipted ON intents (channel, accepted_at) WHERE state = 'accepted';
CREATE TABLE words_heard (mark BLOB PRIMARY KEY NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE INDEX words_heard_by_age ON words_heard (at);
";

/// Addresses at which nobody is any more, by keyed hash: a person who is erased leaves no other trace, and one who is imported again isn't
/// tried there again at once.
const V5: &str = "
CREATE TABLE addresses_gone (
    mark BLOB PRIMARY KEY NOT NULL, channel TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX addresses_gone_by_age ON addresses_gone (at);
";

/// What whoever answers a customer asks for: everything told to one person by time, what they were not told and why, what they wrote, and
/// the notices and incidents it hangs on.
const V6: &str = "
DROP INDEX intents_by_customer;
CREATE INDEX intents_by_customer ON intents (customer, planned_at);
CREATE TABLE notices (
    id TEXT PRIMARY KEY NOT NULL, incident TEXT NOT NULL, at INTEGER NOT NULL, out_at INTEGER, record TEXT NOT NULL
) STRICT;
CREATE INDEX notices_by_incident ON notices (incident);
CREATE INDEX notices_out ON notices (out_at) WHERE out_at IS NOT NULL;
CREATE INDEX notices_blocked ON notices (at) WHERE out_at IS NULL;
CREATE TABLE incidents (
    id TEXT PRIMARY KEY NOT NULL, at INTEGER NOT NULL, is_open INTEGER NOT NULL, record TEXT NOT NULL
) STRICT;
CREATE INDEX incidents_open ON incidents (at) WHERE is_open = 1;
CREATE TABLE withheld (
    customer TEXT NOT NULL, notice TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (customer, notice)
) WITHOUT ROWID, STRICT;
CREATE TABLE replies (
    customer TEXT NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (customer, at, kind)
) WITHOUT ROWID, STRICT;
";

const V1: &str = "
CREATE TABLE owners (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, epoch INTEGER NOT NULL, owner TEXT NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID, STRICT;

CREATE TABLE positions (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL, checkpoint TEXT NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID, STRICT;

CREATE TABLE texts (
    notice TEXT NOT NULL, language TEXT NOT NULL, channel TEXT NOT NULL,
    subject TEXT, body TEXT NOT NULL, parts INTEGER NOT NULL,
    PRIMARY KEY (notice, language, channel)
) WITHOUT ROWID, STRICT;

CREATE TABLE intents (
    id TEXT PRIMARY KEY NOT NULL,
    notice TEXT NOT NULL, incident TEXT NOT NULL, domain TEXT NOT NULL, customer TEXT NOT NULL,
    channel TEXT NOT NULL, language TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planned','sending','accepted','delivered','failed','unknown')),
    reason TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER,
    lease_until INTEGER, fence INTEGER, worker TEXT,
    provider_ref TEXT,
    planned_at INTEGER NOT NULL, accepted_at INTEGER, expires_at INTEGER, updated_at INTEGER NOT NULL,
    FOREIGN KEY (notice, language, channel) REFERENCES texts (notice, language, channel)
) STRICT;
CREATE INDEX intents_waiting ON intents (channel, planned_at) WHERE state = 'planned';
CREATE INDEX intents_sending ON intents (lease_until) WHERE state = 'sending';
CREATE INDEX intents_expiring ON intents (expires_at) WHERE state = 'planned' AND expires_at IS NOT NULL;
CREATE INDEX intents_accepted ON intents (accepted_at) WHERE accepted_at IS NOT NULL;
CREATE INDEX intents_by_notice ON intents (notice, state);
CREATE INDEX intents_by_customer ON intents (customer);
CREATE INDEX intents_by_provider ON intents (provider_ref) WHERE provider_ref IS NOT NULL;

CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, partition INTEGER NOT NULL,
    topic TEXT NOT NULL, to_partition INTEGER, key BLOB, value BLOB, headers BLOB NOT NULL
) STRICT;

CREATE TABLE receipts_outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    intent TEXT NOT NULL, notice TEXT NOT NULL, domain TEXT NOT NULL, state TEXT NOT NULL, at INTEGER NOT NULL
) STRICT;

CREATE TABLE customers (
    id TEXT PRIMARY KEY NOT NULL, at INTEGER NOT NULL, record TEXT NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE personal (customer TEXT PRIMARY KEY NOT NULL, ciphertext BLOB NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE person_keys (customer TEXT PRIMARY KEY NOT NULL, wrapped BLOB NOT NULL) WITHOUT ROWID, STRICT;

CREATE TABLE audit (seq INTEGER PRIMARY KEY, entry TEXT NOT NULL, hash BLOB NOT NULL) STRICT;

CREATE TABLE flags (name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID, STRICT;
INSERT INTO flags VALUES ('killed', x'00'), ('fence', x'0000000000000000');
";

/// Brings the file to this program's schema.
pub(crate) fn migrate(db: &mut Connection) -> Result<(), LedgerError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    // Immediate: two processes that open a new file at once must not both create it.
    let tx = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin the migration")?;
    let found: i64 = tx
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .doing("read its schema version")?;
    if found > known {
        return Err(LedgerError::SchemaTooNew { found, known });
    }
    for script in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        tx.execute_batch(script).doing("migrate its schema")?;
    }
    tx.pragma_update(None, "user_version", known)
        .doing("write its schema version")?;
    tx.commit().doing("commit the migration")
}
