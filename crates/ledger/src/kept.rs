//! What is kept beside the intents: notices and incidents as they stand, and who isn't told.

use forecall_types::{EventTime, Incident, IncidentId, Lineage, Notice, NoticeId, Withheld};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Doing;
use crate::{Ledger, LedgerError, row};

/// Open incidents shown at most, the newest first: a bad storm has some hundred.
pub const OPEN_INCIDENTS_MAX: usize = 512;

/// Something outreach has decided that whoever answers a customer asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// A notice as it stands. Its texts come with the commit, apart.
    Notice(Box<Notice>),
    /// An incident as it stands, without what it was inferred from.
    Incident(Box<Incident>),
    /// People a notice didn't go to.
    Withheld(Withheld),
}

impl Kept {
    /// Of an incident what customers may be told of.
    pub fn incident(incident: &Incident) -> Self {
        Self::Incident(Box::new(Incident {
            contributions: Vec::new(),
            evidence: Vec::new(),
            causes: Vec::new(),
            dimensions: Vec::new(),
            paging: Vec::new(),
            remedies: Vec::new(),
            lineage: Lineage::default(),
            ..incident.clone()
        }))
    }

    /// Of a notice all but its texts.
    pub fn notice(notice: &Notice) -> Self {
        Self::Notice(Box::new(Notice {
            texts: Vec::new(),
            ..notice.clone()
        }))
    }
}

/// A notice as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptNotice {
    /// Without its texts, unless they were asked for.
    pub notice: Notice,
    /// When its first message was planned; `None`: nothing of it was let out.
    pub out_at: Option<EventTime>,
}

pub(crate) fn write(db: &Connection, kept: &Kept) -> Result<(), LedgerError> {
    match kept {
        Kept::Notice(notice) => write_notice(db, notice),
        Kept::Incident(incident) => {
            let record =
                serde_json::to_string(incident).map_err(|_| LedgerError::Corrupt { what: "incident" })?;
            let (at, open) = (incident.at.nanos(), incident.state.is_open());
            db.prepare_cached(
                "INSERT INTO incidents (id, at, is_open, record) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO \
                 UPDATE SET at = excluded.at, is_open = excluded.is_open, record = excluded.record",
            )
            .and_then(|mut s| s.execute(params![incident.id.as_str(), at, open, record]))
            .doing("keep an incident")
            .map(drop)
        }
        Kept::Withheld(withheld) => write_withheld(db, withheld),
    }
}

fn write_notice(db: &Connection, notice: &Notice) -> Result<(), LedgerError> {
    let record = serde_json::to_string(notice).map_err(|_| LedgerError::Corrupt { what: "notice" })?;
    let out_at = (notice.intents > 0).then_some(notice.at.nanos());
    db.prepare_cached(
        "INSERT INTO notices (id, incident, at, out_at, record) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO \
         UPDATE SET at = excluded.at, out_at = coalesce(notices.out_at, excluded.out_at), record = excluded.record",
    )
    .and_then(|mut s| {
        s.execute(params![
            notice.id.as_str(),
            notice.incident.as_str(),
            notice.at.nanos(),
            out_at,
            record
        ])
    })
    .doing("keep a notice")
    .map(drop)
}

fn write_withheld(db: &Connection, withheld: &Withheld) -> Result<(), LedgerError> {
    const DOING: &str = "keep who isn't told";
    let mut statement = db
        .prepare_cached(
            "INSERT INTO withheld (customer, notice, reason, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE \
             SET reason = excluded.reason WHERE reason <> excluded.reason",
        )
        .doing(DOING)?;
    let (notice, reason) = (withheld.notice.as_str(), withheld.reason.as_str());
    for customer in &withheld.customers {
        let values = params![customer.as_str(), notice, reason, withheld.at.nanos()];
        statement.execute(values).doing(DOING)?;
    }
    Ok(())
}

/// The columns [`read_notice`] reads.
const NOTICE: &str = "record, out_at";

fn read_notice(row: &Row<'_>) -> Result<KeptNotice, LedgerError> {
    const CORRUPT: LedgerError = LedgerError::Corrupt { what: "notice" };
    let out_at: Option<i64> = row.get("out_at").map_err(|_| CORRUPT)?;
    Ok(KeptNotice {
        notice: serde_json::from_str(&row::text(row, "record")?).map_err(|_| CORRUPT)?,
        out_at: out_at.map(EventTime::from_nanos),
    })
}

fn read_incident(row: &Row<'_>) -> Result<Incident, LedgerError> {
    let record = row::text(row, "record")?;
    serde_json::from_str(&record).map_err(|_| LedgerError::Corrupt { what: "incident" })
}

fn most(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

impl Ledger {
    /// A notice as it stands, without its texts.
    ///
    /// # Errors
    /// The database refused, or the record can't be read back.
    pub fn notice(&self, id: &NoticeId) -> Result<Option<KeptNotice>, LedgerError> {
        const DOING: &str = "read a notice";
        let sql = format!("SELECT {NOTICE} FROM notices WHERE id = ?1");
        let mut statement = self.db.prepare_cached(&sql).doing(DOING)?;
        let rows = statement.query([id.as_str()]).doing(DOING)?;
        Ok(row::collect(rows, DOING, read_notice)?.pop())
    }

    /// An incident as it stands.
    ///
    /// # Errors
    /// The database refused, or the record can't be read back.
    pub fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, LedgerError> {
        const DOING: &str = "read an incident";
        let mut statement = self
            .db
            .prepare_cached("SELECT record FROM incidents WHERE id = ?1")
            .doing(DOING)?;
        let rows = statement.query([id.as_str()]).doing(DOING)?;
        Ok(row::collect(rows, DOING, read_incident)?.pop())
    }

    /// The incidents that are open, the newest first, at most [`OPEN_INCIDENTS_MAX`].
    ///
    /// # Errors
    /// The database refused, or a record can't be read back.
    pub fn open_incidents(&self) -> Result<Vec<Incident>, LedgerError> {
        const DOING: &str = "read the open incidents";
        let mut statement = self
            .db
            .prepare_cached("SELECT record FROM incidents WHERE is_open = 1 ORDER BY at DESC, id LIMIT ?1")
            .doing(DOING)?;
        let rows = statement.query([most(OPEN_INCIDENTS_MAX)]).doing(DOING)?;
        row::collect(rows, DOING, read_incident)
    }

    /// The notices of an incident, without their texts, in the order in which they were let out, those that weren't at the end.
    ///
    /// # Errors
    /// The database refused, or a record can't be read back.
    pub fn notices_of(&self, incident: &IncidentId) -> Result<Vec<KeptNotice>, LedgerError> {
        const DOING: &str = "read an incident's notices";
        let sql = format!(
            "SELECT {NOTICE} FROM notices WHERE incident = ?1 ORDER BY out_at IS NULL, coalesce(out_at, at), id"
        );
        let mut statement = self.db.prepare_cached(&sql).doing(DOING)?;
        let rows = statement.query([incident.as_str()]).doing(DOING)?;
        row::collect(rows, DOING, read_notice)
    }

    /// The notices of an incident that were let out, with their texts, in order.
    ///
    /// # Errors
    /// The database refused, or a record can't be read back.
    pub fn thread_out(&self, incident: &IncidentId) -> Result<Vec<KeptNotice>, LedgerError> {
        let mut notices = self.notices_of(incident)?;
        notices.retain(|kept| kept.out_at.is_some());
        for kept in &mut notices {
            kept.notice.texts = self.texts_of(&kept.notice.id)?;
        }
        Ok(notices)
    }

    /// Notices that were let out since `since`, without their texts, the newest first, at most `max`.
    ///
    /// # Errors
    /// The database refused, or a record can't be read back.
    pub fn notices_out(&self, since: EventTime, max: usize) -> Result<Vec<KeptNotice>, LedgerError> {
        const DOING: &str = "read what was let out";
        let sql =
            format!("SELECT {NOTICE} FROM notices WHERE out_at >= ?1 ORDER BY out_at DESC, id DESC LIMIT ?2");
        let mut statement = self.db.prepare_cached(&sql).doing(DOING)?;
        let rows = statement.query(params![since.nanos(), most(max)]).doing(DOING)?;
        row::collect(rows, DOING, read_notice)
    }

    fn texts_of(&self, notice: &NoticeId) -> Result<Vec<forecall_types::NoticeText>, LedgerError> {
        const DOING: &str = "read a notice's texts";
        let mut statement = self
            .db
            .prepare_cached(
                "SELECT language, channel, subject, body, parts FROM texts WHERE notice = ?1 ORDER BY language, channel",
            )
            .doing(DOING)?;
        let rows = statement.query([notice.as_str()]).doing(DOING)?;
        row::collect(rows, DOING, |row| {
            let corrupt = |_| LedgerError::Corrupt { what: "text" };
            Ok(forecall_types::NoticeText {
                language: row::language(&row::text(row, "language")?)?,
                channel: row::channel(&row::text(row, "channel")?)?,
                subject: row.get("subject").map_err(corrupt)?,
                body: row.get("body").map_err(corrupt)?,
                parts: row.get("parts").map_err(corrupt)?,
            })
        })
    }

    /// Notices of which nothing was let out although people were touched, since `since`, the newest first, at most `max`.
    pub(crate) fn notices_blocked(
        &self,
        since: EventTime,
        max: usize,
    ) -> Result<Vec<KeptNotice>, LedgerError> {
        const DOING: &str = "read what was not let out";
        let sql = format!(
            "SELECT {NOTICE} FROM notices WHERE out_at IS NULL AND at >= ?1 ORDER BY at DESC, id LIMIT ?2"
        );
        let mut statement = self.db.prepare_cached(&sql).doing(DOING)?;
        let rows = statement.query(params![since.nanos(), most(max)]).doing(DOING)?;
        row::collect(rows, DOING, read_notice)
    }

    /// When the next message on the same incident after `after` was accepted for this person, by whichever came first.
    pub(crate) fn next_news(
        &self,
        customer: &str,
        incident: &str,
        after: EventTime,
    ) -> Result<Option<EventTime>, LedgerError> {
        self.db
            .prepare_cached(
                "SELECT accepted_at FROM intents WHERE customer = ?1 AND planned_at > ?2 AND incident = ?3 \
                 AND accepted_at IS NOT NULL ORDER BY planned_at LIMIT 1",
            )
            .and_then(|mut s| {
                s.query_row(params![customer, after.nanos(), incident], |row| {
                    row.get::<_, i64>(0)
                })
                .optional()
            })
            .map(|nanos| nanos.map(EventTime::from_nanos))
            .doing("find the next news")
    }
}
