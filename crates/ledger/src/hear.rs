//! What gateways say of their own accord: a receipt after the answer, and the words of a subscriber.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    ContactChannel, Customer, EventTime, Fingerprint, IntentId, IntentState, Reply, ReplyKind,
};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde_json::json;

use crate::error::Doing;
use crate::outbox::{insert_receipt, insert_reply};
use crate::vault::Vault;
use crate::{Ledger, LedgerError, Secret, audit, may_move, row};

/// Networks try a message for at most three days; a receipt that comes after a week comes to nobody.
const PARTS_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Words brought again after this are taken for new ones. A centre gives up what it can't bring after three days or less.
pub const WORDS_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);
/// What is in doubt and older than this has no receipt under way.
const DOUBT_KEPT: Duration = Duration::from_secs(3 * 24 * 3_600);

/// What a gateway says without being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// What became of a message.
    Receipt(LaterWord),
    /// A subscriber has written.
    Words(Words),
}

/// What became of a message, or of one of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaterWord {
    /// Over which channel.
    pub channel: ContactChannel,
    /// The gateway's name for it.
    pub provider_ref: Option<String>,
    /// Our short reference, where the gateway repeats it.
    pub reference: Option<u16>,
    /// To whom it went.
    pub address: Option<Secret>,
    /// What.
    pub fate: Fate,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The gateway has it; it is not settled.
    Taken,
    /// It has arrived, the gateway says.
    Delivered,
    /// It will not arrive; a word why, from a closed list.
    Failed(&'static str),
}

/// What a subscriber has written: never the words themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Over which channel.
    pub channel: ContactChannel,
    /// Who, as an address. It goes no further than to the look-up of the pseudonym.
    pub address: Secret,
    /// What it means.
    pub kind: ReplyKind,
    /// The same for the same message, however often it is brought.
    pub mark: u128,
    /// Within so long the same mark is the same message, brought again; later, somebody has written the same once more. At most
    /// [`WORDS_KEPT`].
    pub same_within: Duration,
}

/// What came of what was heard. Each stands in exactly one of these, but a reply once for each customer of its address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// Intents that have reached a state by it.
    pub states: BTreeMap<(ContactChannel, IntentState), u64>,
    /// Among them: those whose answer was lost. A message that would have been sent again, or was given up as unknown.
    pub cleared: u64,
    /// Receipts that change nothing: of one part of several, or known already.
    pub repeated: u64,
    /// Receipts of no message we know, or in doubt of more than one.
    pub unmatched: u64,
    /// Replies handed on.
    pub replies: BTreeMap<(ContactChannel, ReplyKind), u64>,
    /// Words that were brought before.
    pub brought_again: u64,
    /// Words of an address that no customer has.
    pub strangers: u64,
}

/// Our short reference of a message: 16 bits of the hash of its intent's id, the same at each attempt. Two of 256 messages share one
/// with a chance of two fifths, so it names a message only together with its address, and only among those in doubt.
pub fn short_reference(intent: &IntentId) -> u16 {
    let hash = Fingerprint::of_parts(&[b"short reference", intent.as_str().as_bytes()]).as_u128();
    u16::try_from(hash & 0xffff).unwrap_or_default()
}

/// What a receipt was found to speak of.
struct Found {
    id: IntentId,
    notice: String,
    domain: String,
    state: IntentState,
    in_doubt: bool,
    parts: u32,
}

impl Found {
    /// Whether its answer is not known.
    const fn is_open(&self) -> bool {
        match self.state {
            IntentState::Sending | IntentState::Unknown => true,
            IntentState::Planned => self.in_doubt,
            IntentState::Accepted | IntentState::Delivered | IntentState::Failed => false,
        }
    }
}

impl Ledger {
    /// Writes down what gateways say of their own accord, all in one transaction: receipts move intents on, replies go to outreach's
    /// log with the pseudonyms of whoever has the address. The same again changes nothing.
    ///
    /// # Errors
    /// The database refused; then none is written.
    pub fn hear(&mut self, incoming: &[Incoming], at: EventTime) -> Result<Heard, LedgerError> {
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin hearing")?;
        let mut heard = Heard::default();
        for one in incoming {
            match one {
                Incoming::Receipt(word) => receipt(&tx, &self.vault, word, at, &mut heard)?,
                Incoming::Words(words) => reply(&tx, &self.vault, words, at, &mut heard)?,
            }
        }
        tx.execute(
            "DELETE FROM message_parts WHERE at < ?1",
            [before(at, PARTS_KEPT)],
        )
        .doing("forget old parts")?;
        tx.execute("DELETE FROM words_heard WHERE at < ?1", [before(at, WORDS_KEPT)])
            .doing("forget old words")?;
        tx.commit().doing("commit what was heard")?;
        Ok(heard)
    }
}

fn before(at: EventTime, span: Duration) -> i64 {
    at.nanos()
        .saturating_sub(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
}

fn receipt(
    db: &Connection,
    vault: &Vault,
    word: &LaterWord,
    at: EventTime,
    heard: &mut Heard,
) -> Result<(), LedgerError> {
    let Some((name, found)) = found_of(db, vault, word, at)? else {
        heard.unmatched += 1;
        return Ok(());
    };
    let to = match word.fate {
        Fate::Taken => IntentState::Accepted,
        Fate::Failed(_) => IntentState::Failed,
        Fate::Delivered if all_delivered(db, &name, &found)? => IntentState::Delivered,
        Fate::Delivered => IntentState::Accepted,
    };
    let is_step_back = to == IntentState::Accepted && !found.is_open();
    if found.state == to || is_step_back || !(may_move(found.state, to) || found.is_open()) {
        heard.repeated += 1;
        return Ok(());
    }
    move_on(db, vault, &found, to, word.fate, at)?;
    heard.cleared += u64::from(found.is_open());
    *heard.states.entry((word.channel, to)).or_default() += 1;
    Ok(())
}

/// The message a receipt speaks of, and the name of its part. Centres use a name again within days, so it counts most together with
/// the number, then our own reference with the number, then the name alone, where nothing speaks against it.
fn found_of(
    db: &Connection,
    vault: &Vault,
    word: &LaterWord,
    at: EventTime,
) -> Result<Option<(String, Found)>, LedgerError> {
    let mark = word
        .address
        .as_ref()
        .map(|address| vault.address_mark(word.channel, address));
    if let (Some(name), Some(mark)) = (&word.provider_ref, &mark)
        && let Some(found) = named_at(db, word.channel, name, mark)?
    {
        return Ok(Some(found));
    }
    if let (Some(reference), Some(mark)) = (word.reference, &mark)
        && let Some(found) = by_reference(db, word.channel, reference, mark, at)?
    {
        let name = word.provider_ref.clone().unwrap_or_else(|| "echo".to_owned());
        insert_part(db, &name, &found.id, at)?;
        return Ok(Some((name, found)));
    }
    let Some(name) = &word.provider_ref else {
        return Ok(None);
    };
    // A number may have changed since, but then it isn't another customer's.
    if let Some(mark) = &mark
        && is_somebodys(db, mark)?
    {
        return Ok(None);
    }
    let found = newest_named(db, word.channel, name, None)?;
    Ok(found
        .filter(|found| word.reference.is_none_or(|r| r == short_reference(&found.id)))
        .map(|found| (name.clone(), found)))
}

/// Notes the name of a part that the gateway has taken.
pub(crate) fn insert_part(
    db: &Connection,
    name: &str,
    intent: &IntentId,
    at: EventTime,
) -> Result<(), LedgerError> {
    db.prepare_cached("INSERT OR IGNORE INTO message_parts (provider_ref, intent, at) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute(params![name, intent.as_str(), at.nanos()]))
        .doing("note a part")?;
    Ok(())
}

/// The newest message with a part of this name that went to this number. Some centres name a message in hexadecimal digits and their
/// receipts the same number in decimal ones, or the other way round.
fn named_at(
    db: &Connection,
    channel: ContactChannel,
    name: &str,
    mark: &[u8; 32],
) -> Result<Option<(String, Found)>, LedgerError> {
    let mut names = vec![name.to_owned()];
    if let Ok(number) = name.parse::<u64>() {
        names.extend([
            format!("{number:x}"),
            format!("{number:X}"),
            format!("{number:08X}"),
        ]);
    }
    if let Ok(number) = u64::from_str_radix(name, 16) {
        names.push(number.to_string());
    }
    for name in names {
        if let Some(found) = newest_named(db, channel, &name, Some(mark))? {
            return Ok(Some((name, found)));
        }
    }
    Ok(None)
}

/// The newest message with a part of this name, of this number if one is given.
fn newest_named(
    db: &Connection,
    channel: ContactChannel,
    name: &str,
    mark: Option<&[u8; 32]>,
) -> Result<Option<Found>, LedgerError> {
    const DOING: &str = "find a message by its name";
    let condition = match mark {
        Some(_) => "EXISTS (SELECT 1 FROM address_marks m WHERE m.customer = i.customer AND m.mark = ?3)",
        None => "?3 IS NULL",
    };
    let sql = format!(
        "SELECT {FOUND} FROM message_parts p JOIN intents i ON i.id = p.intent \
         JOIN texts t ON t.notice = i.notice AND t.language = i.language AND t.channel = i.channel \
         WHERE p.provider_ref = ?1 AND i.channel = ?2 AND {condition} ORDER BY p.at DESC LIMIT 1"
    );
    let mut statement = db.prepare_cached(&sql).doing(DOING)?;
    let rows = statement
        .query(params![name, channel.as_str(), mark.map(<[u8; 32]>::as_slice)])
        .doing(DOING)?;
    Ok(row::collect(rows, DOING, found)?.pop())
}

/// Whether a customer has this number.
fn is_somebodys(db: &Connection, mark: &[u8; 32]) -> Result<bool, LedgerError> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM address_marks WHERE mark = ?1)")
        .and_then(|mut s| s.query_row([mark.as_slice()], |row| row.get(0)))
        .doing("find whose number it is")
}

/// The one message with this short reference and number that is in doubt, or was until a receipt of another of its parts came; `None`
/// if there is none, or more than one.
fn by_reference(
    db: &Connection,
    channel: ContactChannel,
    reference: u16,
    mark: &[u8; 32],
    at: EventTime,
) -> Result<Option<Found>, LedgerError> {
    const DOING: &str = "find a message in doubt";
    let sql = format!(
        "SELECT {FOUND} FROM intents i \
         JOIN texts t ON t.notice = i.notice AND t.language = i.language AND t.channel = i.channel \
         JOIN address_marks m ON m.customer = i.customer AND m.mark = ?3 \
         WHERE i.channel = ?1 AND i.updated_at >= ?2 \
         AND (i.state IN ('sending', 'unknown') OR (i.state = 'planned' AND i.in_doubt = 1) \
         OR (i.state = 'accepted' AND i.heard_at IS NOT NULL \
         AND (SELECT count(*) FROM message_parts p WHERE p.intent = i.id) < t.parts))"
    );
    let mut statement = db.prepare_cached(&sql).doing(DOING)?;
    let rows = statement
        .query(params![channel.as_str(), before(at, DOUBT_KEPT), mark.as_slice()])
        .doing(DOING)?;
    let mut fitting = row::collect(rows, DOING, found)?;
    fitting.retain(|found| short_reference(&found.id) == reference);
    Ok(match fitting.len() {
        1 => fitting.pop(),
        _ => None,
    })
}

/// The columns [`found`] reads.
const FOUND: &str = "i.id, i.notice, i.domain, i.state, i.in_doubt, t.parts";

fn found(row: &rusqlite::Row<'_>) -> Result<Found, LedgerError> {
    let corrupt = |_| LedgerError::Corrupt { what: "intent" };
    let text = |column: usize| row.get::<_, String>(column).map_err(corrupt);
    Ok(Found {
        id: row::name(&text(0)?, "intent id")?,
        notice: text(1)?,
        domain: text(2)?,
        state: row::state(&text(3)?)?,
        in_doubt: row.get(4).map_err(corrupt)?,
        parts: row.get(5).map_err(corrupt)?,
    })
}

/// Marks a part as delivered and says whether all are. Of a message whose answer was lost only those parts are known that receipts
/// have named: then it takes as many as its text has.
fn all_delivered(db: &Connection, name: &str, found: &Found) -> Result<bool, LedgerError> {
    const DOING: &str = "count delivered parts";
    db.prepare_cached("UPDATE message_parts SET delivered = 1 WHERE provider_ref = ?1 AND intent = ?2")
        .and_then(|mut s| s.execute(params![name, found.id.as_str()]))
        .doing(DOING)?;
    let (all, delivered): (u32, u32) = db
        .prepare_cached("SELECT count(*), coalesce(sum(delivered), 0) FROM message_parts WHERE intent = ?1")
        .and_then(|mut s| s.query_row([found.id.as_str()], |row| Ok((row.get(0)?, row.get(1)?))))
        .doing(DOING)?;
    Ok(delivered == all && all >= found.parts)
}

fn move_on(
    db: &Connection,
    vault: &Vault,
    found: &Found,
    to: IntentState,
    fate: Fate,
    at: EventTime,
) -> Result<(), LedgerError> {
    let reason = match fate {
        Fate::Failed(reason) => Some(reason),
        Fate::Taken | Fate::Delivered => None,
    };
    let accepted = (to != IntentState::Failed).then_some(at.nanos());
    db.prepare_cached(
        "UPDATE intents SET state = ?2, reason = ?3, accepted_at = coalesce(accepted_at, ?4), heard_at = ?5, \
         lease_until = NULL, updated_at = ?5 WHERE id = ?1",
    )
    .and_then(|mut s| {
        s.execute(params![
            found.id.as_str(),
            to.as_str(),
            reason,
            accepted,
            at.nanos()
        ])
    })
    .doing("move an intent on")?;
    insert_receipt(db, found.id.as_str(), &found.notice, &found.domain, to, at)?;
    let entry = json!({"kind": to.as_str(), "intent": found.id.as_str(), "by": "receipt", "reason": reason,
        "at": at.nanos()});
    audit::append(db, vault, &entry)
}

fn reply(
    db: &Connection,
    vault: &Vault,
    words: &Words,
    at: EventTime,
    heard: &mut Heard,
) -> Result<(), LedgerError> {
    const DOING: &str = "find who has written";
    let mark = vault.address_mark(words.channel, &words.address);
    let mut statement = db
        .prepare_cached(
            "SELECT c.record FROM address_marks m JOIN customers c ON c.id = m.customer WHERE m.mark = ?1 ORDER BY c.id",
        )
        .doing(DOING)?;
    let rows = statement.query([mark.as_slice()]).doing(DOING)?;
    let customers: Vec<Customer> = row::collect(rows, DOING, |row| {
        let record: Result<String, _> = row.get(0);
        let customer = record.ok().and_then(|record| serde_json::from_str(&record).ok());
        customer.ok_or(LedgerError::Corrupt { what: "customer" })
    })?;
    if customers.is_empty() {
        heard.strangers += 1;
        return Ok(());
    }
    if was_heard(db, vault, words, at)? {
        heard.brought_again += 1;
        return Ok(());
    }
    for customer in customers {
        // Keyed: whoever reads the topic can't try numbers until one fits.
        let mark = vault.reply_mark(&customer.id, words.mark);
        let id = Fingerprint::of_parts(&[&mark, &at.nanos().to_le_bytes()]);
        let reply = Reply {
            id: Arc::from(format!("rep_{}", id.base32(20))),
            customer: customer.id,
            at,
            kind: words.kind,
        };
        insert_reply(db, &customer.domain, &reply)?;
        *heard.replies.entry((words.channel, words.kind)).or_default() += 1;
    }
    Ok(())
}

/// Whether these words were brought before; notes them, and when.
fn was_heard(db: &Connection, vault: &Vault, words: &Words, at: EventTime) -> Result<bool, LedgerError> {
    const DOING: &str = "note what was written";
    let mark = vault.words_mark(&vault.address_mark(words.channel, &words.address), words.mark);
    let since = before(at, words.same_within.min(WORDS_KEPT));
    let before: Option<i64> = db
        .prepare_cached("SELECT at FROM words_heard WHERE mark = ?1")
        .and_then(|mut s| s.query_row([mark.as_slice()], |row| row.get(0)).optional())
        .doing(DOING)?;
    let is_again = before.is_some_and(|before| before >= since);
    if !is_again {
        // Not at each repeat: who asks every minute would never be answered again.
        db.prepare_cached("INSERT OR REPLACE INTO words_heard (mark, at) VALUES (?1, ?2)")
            .and_then(|mut s| s.execute(params![mark.as_slice(), at.nanos()]))
            .doing(DOING)?;
    }
    Ok(is_again)
}
