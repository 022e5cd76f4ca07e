//! What one customer was told, not told and answered: for whoever speaks with them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use forecall_types::{
    ContactChannel, Customer, CustomerId, EventTime, HoldReason, Incident, IncidentId, Intent, IntentState,
    NoticeId, NoticeText, ReplyKind,
};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;

use crate::directory::personal;
use crate::error::Doing;
use crate::{KeptNotice, Ledger, LedgerError, Masked, Secret, row};

/// Entries of one page: more than a screen shows.
pub const DESK_ENTRIES_MAX: usize = 100;
/// Notices of which nothing was let out are looked through so far back, …
const BLOCKED_WITHIN: Duration = Duration::from_secs(30 * 24 * 3_600);
/// … and so many of them: each is matched with the customer by its incident's scope.
const BLOCKED_MAX: usize = 64;

/// Where the next page begins: behind this entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    at: EventTime,
    key: String,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.nanos(), self.key)
    }
}

impl FromStr for Cursor {
    type Err = LedgerError;

    fn from_str(text: &str) -> Result<Self, LedgerError> {
        let bad = || LedgerError::Corrupt { what: "cursor" };
        let (at, key) = text.split_once('.').ok_or_else(bad)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if key.is_empty() || key.len() > 80 || !key.bytes().all(plain) {
            return Err(bad());
        }
        Ok(Self {
            at: EventTime::from_nanos(at.parse().map_err(|_| bad())?),
            key: key.to_owned(),
        })
    }
}

/// One message to this customer and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The message.
    pub intent: Intent,
    /// Its words.
    pub text: NoticeText,
    /// Where it stands.
    pub state: IntentState,
    /// Why it stands there, as a word; where there is one.
    pub reason: Option<String>,
    /// When a gateway took it.
    pub accepted_at: Option<EventTime>,
    /// When the next message on the same incident was taken for them.
    pub next_news_at: Option<EventTime>,
}

/// One line of a customer's story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeskEntry {
    /// A message, whatever became of it.
    Reached(Box<Reached>),
    /// A notice that didn't go to them.
    Withheld {
        /// The notice.
        notice: NoticeId,
        /// Why.
        reason: HoldReason,
        /// Since when.
        at: EventTime,
    },
    /// What they wrote.
    Answered {
        /// What it means.
        kind: ReplyKind,
        /// When.
        at: EventTime,
    },
}

impl DeskEntry {
    /// When it happened.
    pub fn at(&self) -> EventTime {
        match self {
            Self::Reached(reached) => reached.intent.at,
            Self::Withheld { at, .. } | Self::Answered { at, .. } => *at,
        }
    }

    fn key(&self) -> String {
        match self {
            Self::Reached(reached) => format!("i{}", reached.intent.id),
            Self::Withheld { notice, .. } => format!("w{notice}"),
            Self::Answered { kind, .. } => format!("r{}", kind.as_str()),
        }
    }
}

/// A page of a customer's story, and what it hangs on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeskPage {
    /// As the directory knows them; `None`: it doesn't, or no more.
    pub customer: Option<Customer>,
    /// Where they are reached, masked.
    pub addresses: BTreeMap<ContactChannel, String>,
    /// Newest first.
    pub entries: Vec<DeskEntry>,
    /// Where the next page begins; `None`: this is the last.
    pub next: Option<Cursor>,
    /// The notices that the entries name.
    pub notices: BTreeMap<NoticeId, KeptNotice>,
    /// The incidents of these notices.
    pub incidents: BTreeMap<IncidentId, Incident>,
    /// Incidents that are open, whomever they touch; with the first page only.
    pub open: Vec<Incident>,
    /// Notices of which nothing was let out of late, whomever they were for; with the first page only.
    pub blocked: Vec<KeptNotice>,
}

/// Who looks at whose story, and why: as the audit has it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The team or program.
    pub by: &'a str,
    /// Why, as one of a closed list of words.
    pub why: &'a str,
    /// Whose.
    pub customer: &'a CustomerId,
    /// When.
    pub at: EventTime,
}

impl Ledger {
    /// Writes a look at somebody's story into the audit chain; it must come before the story is shown. Whose it was stands there as a
    /// keyed hash, which [`view_mark`](Self::view_mark) makes.
    ///
    /// # Errors
    /// The database refused: then nothing may be shown.
    pub fn note_view(&mut self, view: &View<'_>) -> Result<(), LedgerError> {
        let mark = self.view_mark(view.customer);
        self.note(&json!({
            "kind": "view", "by": view.by, "why": view.why, "customer": mark, "at": view.at.nanos(),
        }))
    }

    /// By what the audit names this customer.
    pub fn view_mark(&self, customer: &CustomerId) -> String {
        let mark = self.vault.view_mark(customer);
        mark.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A customer's story from `from` on, newest first, at most `max` entries of it (and [`DESK_ENTRIES_MAX`]). `now` bounds how far back
    /// notices are looked through that reached nobody.
    ///
    /// # Errors
    /// The database refused, or a record can't be read back.
    pub fn desk(
        &self,
        customer: &CustomerId,
        from: Option<&Cursor>,
        max: usize,
        now: EventTime,
    ) -> Result<DeskPage, LedgerError> {
        const DOING: &str = "read a customer's story";
        // One look: what is shown together was true together.
        let look = self.db.unchecked_transaction().doing(DOING)?;
        let max = max.clamp(1, DESK_ENTRIES_MAX);
        let mut page = DeskPage {
            customer: self.customer(customer)?,
            addresses: self.masked_addresses(customer)?,
            ..DeskPage::default()
        };
        // One more than is shown says whether there is another page.
        let mut entries = self.reached(customer, from, max + 1)?;
        entries.extend(self.withheld(customer, from, max + 1)?);
        entries.extend(self.answered(customer, from, max + 1)?);
        entries.sort_by_cached_key(|entry| std::cmp::Reverse((entry.at(), entry.key())));
        let is_more = entries.len() > max;
        entries.truncate(max);
        page.next = entries.last().filter(|_| is_more).map(|entry| Cursor {
            at: entry.at(),
            key: entry.key(),
        });
        for entry in &mut entries {
            self.complete(customer, entry, &mut page)?;
        }
        page.entries = entries;
        if from.is_none() {
            page.open = self.open_incidents()?;
            page.blocked = self.notices_blocked(now.minus(BLOCKED_WITHIN), BLOCKED_MAX)?;
        }
        for incident in page.blocked.iter().map(|kept| &kept.notice.incident) {
            self.keep_incident(incident, &mut page.incidents)?;
        }
        look.finish().doing(DOING)?;
        Ok(page)
    }

    /// Adds what an entry hangs on.
    fn complete(
        &self,
        customer: &CustomerId,
        entry: &mut DeskEntry,
        page: &mut DeskPage,
    ) -> Result<(), LedgerError> {
        let notice = match entry {
            DeskEntry::Reached(reached) => {
                let intent = &reached.intent;
                reached.next_news_at =
                    self.next_news(customer.as_str(), intent.incident.as_str(), intent.at)?;
                &reached.intent.notice
            }
            DeskEntry::Withheld { notice, .. } => notice,
            DeskEntry::Answered { .. } => return Ok(()),
        };
        if page.notices.contains_key(notice) {
            return Ok(());
        }
        if let Some(kept) = self.notice(notice)? {
            self.keep_incident(&kept.notice.incident, &mut page.incidents)?;
            page.notices.insert(notice.clone(), kept);
        }
        Ok(())
    }

    fn keep_incident(
        &self,
        id: &IncidentId,
        into: &mut BTreeMap<IncidentId, Incident>,
    ) -> Result<(), LedgerError> {
        if !into.contains_key(id)
            && let Some(incident) = self.incident(id)?
        {
            into.insert(id.clone(), incident);
        }
        Ok(())
    }

    /// A customer as the directory knows them.
    ///
    /// # Errors
    /// The database refused, or the record can't be read back.
    pub fn customer(&self, id: &CustomerId) -> Result<Option<Customer>, LedgerError> {
        let record: Option<String> = self
            .db
            .prepare_cached("SELECT record FROM customers WHERE id = ?1")
            .and_then(|mut s| s.query_row([id.as_str()], |row| row.get(0)).optional())
            .doing("read a customer")?;
        let read = record.map(|record| serde_json::from_str(&record));
        read.transpose()
            .map_err(|_| LedgerError::Corrupt { what: "customer" })
    }

    /// Who has this text-message number, as pseudonyms.
    ///
    /// # Errors
    /// The database refused.
    pub fn customers_of_number(&self, number: &Secret) -> Result<Vec<CustomerId>, LedgerError> {
        const DOING: &str = "find whose number it is";
        let mark = self.vault.address_mark(ContactChannel::Sms, number);
        let mut statement = self
            .db
            .prepare_cached("SELECT customer FROM address_marks WHERE mark = ?1 ORDER BY customer")
            .doing(DOING)?;
        let rows = statement.query([mark.as_slice()]).doing(DOING)?;
        row::collect(rows, DOING, |row| {
            row::name(&row::text(row, "customer")?, "customer")
        })
    }

    /// Whether a message on this incident was taken for this customer.
    ///
    /// # Errors
    /// The database refused.
    pub fn was_told(&self, customer: &CustomerId, incident: &IncidentId) -> Result<bool, LedgerError> {
        self.db
            .prepare_cached(
                "SELECT 1 FROM intents WHERE customer = ?1 AND incident = ?2 AND state IN ('accepted', 'delivered') \
                 AND notice NOT LIKE ?3 LIMIT 1",
            )
            .and_then(|mut s| {
                s.exists(params![customer.as_str(), incident.as_str(), format!("{}%", NoticeId::ANSWER)])
            })
            .doing("find whether a customer was told")
    }

    /// Why the latest notice of an incident didn't go to this customer, for a reason of their own; `None`: nothing is known.
    ///
    /// # Errors
    /// The database refused.
    pub fn why_not_told(
        &self,
        customer: &CustomerId,
        incident: &IncidentId,
    ) -> Result<Option<(NoticeId, HoldReason)>, LedgerError> {
        const DOING: &str = "find why a customer was not told";
        let mut statement = self
            .db
            .prepare_cached(
                "SELECT w.notice, w.reason FROM notices n JOIN withheld w ON w.customer = ?1 AND w.notice = n.id \
                 WHERE n.incident = ?2 ORDER BY w.at DESC LIMIT 1",
            )
            .doing(DOING)?;
        let rows = statement
            .query(params![customer.as_str(), incident.as_str()])
            .doing(DOING)?;
        let found = row::collect(rows, DOING, |row| {
            let notice = row::name(&row::text(row, "notice")?, "notice id")?;
            Ok((notice, row::hold_reason(&row::text(row, "reason")?)?))
        })?;
        Ok(found.into_iter().next())
    }

    fn masked_addresses(&self, id: &CustomerId) -> Result<BTreeMap<ContactChannel, String>, LedgerError> {
        let personal = personal(&self.db, &self.vault, id)?;
        let addresses = personal.into_iter().flat_map(|personal| personal.addresses);
        Ok(addresses
            .map(|(channel, address)| {
                let masked = Masked::new(channel, &Secret::new(address)).to_string();
                (channel, masked)
            })
            .collect())
    }

    fn reached(
        &self,
        customer: &CustomerId,
        from: Option<&Cursor>,
        max: usize,
    ) -> Result<Vec<DeskEntry>, LedgerError> {
        const DOING: &str = "read what a customer was told";
        let sql = format!(
            "SELECT {}, {}, i.state, i.reason, i.accepted_at FROM intents i JOIN texts t \
             ON t.notice = i.notice AND t.language = i.language AND t.channel = i.channel \
             WHERE i.customer = ?1 AND i.planned_at <= ?2 AND (i.planned_at < ?2 OR 'i' || i.id < ?3) \
             ORDER BY i.planned_at DESC, i.id DESC LIMIT ?4",
            row::INTENT,
            row::TEXT
        );
        self.page(DOING, &sql, (customer, from, max), read_reached)
    }

    /// At most so many rows of a customer behind a cursor, by a query that takes these and how many.
    fn page(
        &self,
        doing: &'static str,
        sql: &str,
        (customer, from, max): (&CustomerId, Option<&Cursor>, usize),
        read: impl Fn(&Row<'_>) -> Result<DeskEntry, LedgerError>,
    ) -> Result<Vec<DeskEntry>, LedgerError> {
        let mut statement = self.db.prepare_cached(sql).doing(doing)?;
        let (at, key) = bound(from);
        let rows = statement
            .query(params![customer.as_str(), at, key, limit(max)])
            .doing(doing)?;
        row::collect(rows, doing, read)
    }

    fn withheld(
        &self,
        customer: &CustomerId,
        from: Option<&Cursor>,
        max: usize,
    ) -> Result<Vec<DeskEntry>, LedgerError> {
        const DOING: &str = "read what a customer was not told";
        // Who has been told by the same notice since is told: what stands in the way then is gone.
        let sql = "SELECT w.notice, w.reason, w.at FROM withheld w WHERE w.customer = ?1 AND w.at <= ?2 \
                 AND (w.at < ?2 OR 'w' || w.notice < ?3) AND NOT EXISTS (SELECT 1 FROM intents i \
                 WHERE i.customer = ?1 AND i.planned_at >= w.at AND i.notice = w.notice) \
                 ORDER BY w.at DESC, w.notice DESC LIMIT ?4";
        self.page(DOING, sql, (customer, from, max), |row| {
            Ok(DeskEntry::Withheld {
                notice: row::name(&row::text(row, "notice")?, "notice id")?,
                reason: row::hold_reason(&row::text(row, "reason")?)?,
                at: time(row, "at")?.ok_or(LedgerError::Corrupt { what: "at" })?,
            })
        })
    }

    fn answered(
        &self,
        customer: &CustomerId,
        from: Option<&Cursor>,
        max: usize,
    ) -> Result<Vec<DeskEntry>, LedgerError> {
        const DOING: &str = "read what a customer answered";
        let sql = "SELECT at, kind FROM replies WHERE customer = ?1 AND at <= ?2 AND (at < ?2 OR 'r' || kind < ?3) \
                 ORDER BY at DESC, kind DESC LIMIT ?4";
        self.page(DOING, sql, (customer, from, max), |row| {
            Ok(DeskEntry::Answered {
                kind: row::reply_kind(&row::text(row, "kind")?)?,
                at: time(row, "at")?.ok_or(LedgerError::Corrupt { what: "at" })?,
            })
        })
    }
}

/// Behind which time and key a page begins. Without a cursor, at the end of time.
fn bound(from: Option<&Cursor>) -> (i64, &str) {
    from.map_or((i64::MAX, ""), |cursor| (cursor.at.nanos(), &cursor.key))
}

/// SQLite counts in signed numbers; nobody asks for more at once.
fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

fn time(row: &Row<'_>, column: &'static str) -> Result<Option<EventTime>, LedgerError> {
    row.get::<_, Option<i64>>(column)
        .map(|nanos| nanos.map(EventTime::from_nanos))
        .map_err(|_| LedgerError::Corrupt { what: column })
}

fn read_reached(row: &Row<'_>) -> Result<DeskEntry, LedgerError> {
    let intent = row::intent(row)?;
    Ok(DeskEntry::Reached(Box::new(Reached {
        text: row::notice_text(row, &intent)?,
        state: row::state(&row::text(row, "state")?)?,
        reason: row
            .get("reason")
            .map_err(|_| LedgerError::Corrupt { what: "reason" })?,
        accepted_at: time(row, "accepted_at")?,
        next_news_at: None,
        intent,
    })))
}
