use std::str::FromStr;

use forecall_types::{
    ContactChannel, EventTime, HoldReason, Intent, IntentState, Language, NoticeText, ReplyKind,
};
use rusqlite::Row;

use crate::LedgerError;

/// A value of the database that must be one of an enum's.
fn one_of<T: Copy>(
    all: &[T],
    name: impl Fn(T) -> &'static str,
    text: &str,
    what: &'static str,
) -> Result<T, LedgerError> {
    all.iter()
        .copied()
        .find(|case| name(*case) == text)
        .ok_or(LedgerError::Corrupt { what })
}

pub(crate) fn channel(text: &str) -> Result<ContactChannel, LedgerError> {
    one_of(&ContactChannel::ALL, ContactChannel::as_str, text, "channel")
}

pub(crate) fn language(text: &str) -> Result<Language, LedgerError> {
    one_of(&Language::ALL, Language::as_str, text, "language")
}

pub(crate) fn state(text: &str) -> Result<IntentState, LedgerError> {
    one_of(&IntentState::ALL, IntentState::as_str, text, "state")
}

pub(crate) fn hold_reason(text: &str) -> Result<HoldReason, LedgerError> {
    one_of(&HoldReason::ALL, HoldReason::as_str, text, "reason")
}

pub(crate) fn reply_kind(text: &str) -> Result<ReplyKind, LedgerError> {
    one_of(&ReplyKind::ALL, ReplyKind::as_str, text, "reply")
}

/// A checked name, read back.
pub(crate) fn name<T: FromStr>(text: &str, what: &'static str) -> Result<T, LedgerError> {
    text.parse().map_err(|_| LedgerError::Corrupt { what })
}

pub(crate) fn text(row: &Row<'_>, column: &'static str) -> Result<String, LedgerError> {
    row.get(column).map_err(|_| LedgerError::Corrupt { what: column })
}

/// The columns [`intent`] reads.
pub(crate) const INTENT: &str = "i.id, i.notice, i.incident, i.domain, i.customer, i.channel, i.language, \
     i.planned_at, i.expires_at";

/// The intent of a row that holds [`INTENT`].
pub(crate) fn intent(row: &Row<'_>) -> Result<Intent, LedgerError> {
    let time = |column: &'static str| {
        row.get::<_, Option<i64>>(column)
            .map(|nanos| nanos.map(EventTime::from_nanos))
            .map_err(|_| LedgerError::Corrupt { what: column })
    };
    Ok(Intent {
        id: name(&text(row, "id")?, "intent id")?,
        notice: name(&text(row, "notice")?, "notice id")?,
        incident: name(&text(row, "incident")?, "incident id")?,
        domain: name(&text(row, "domain")?, "domain")?,
        customer: name(&text(row, "customer")?, "customer")?,
        channel: channel(&text(row, "channel")?)?,
        language: language(&text(row, "language")?)?,
        at: time("planned_at")?.ok_or(LedgerError::Corrupt { what: "planned_at" })?,
        expires_at: time("expires_at")?,
    })
}

/// The columns [`notice_text`] reads, beside those of the intent.
pub(crate) const TEXT: &str = "t.subject, t.body, t.parts";

/// The text of a row that holds [`TEXT`].
pub(crate) fn notice_text(row: &Row<'_>, of: &Intent) -> Result<NoticeText, LedgerError> {
    let corrupt = |_| LedgerError::Corrupt { what: "text" };
    Ok(NoticeText {
        language: of.language,
        channel: of.channel,
        subject: row.get("subject").map_err(corrupt)?,
        body: row.get("body").map_err(corrupt)?,
        parts: row.get("parts").map_err(corrupt)?,
    })
}

/// Runs over the rows of a query, each through a function that may fail in our own way.
pub(crate) fn collect<T>(
    mut rows: rusqlite::Rows<'_>,
    doing: &'static str,
    read: impl Fn(&Row<'_>) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    let mut all = Vec::new();
    while let Some(row) = rows
        .next()
        .map_err(|source| LedgerError::Database { doing, source })?
    {
        all.push(read(row)?);
    }
    Ok(all)
}

/// A planned intent that is given up.
pub(crate) struct GivenUp {
    pub(crate) intent: String,
    pub(crate) notice: String,
    pub(crate) domain: String,
    pub(crate) state: IntentState,
    pub(crate) at: EventTime,
}

/// Where a planned intent ends that is given up: an attempt whose answer was lost may have reached the person.
pub(crate) const ENDS: &str = "CASE in_doubt WHEN 0 THEN 'failed' ELSE 'unknown' END";

/// The columns [`given_up`] reads.
pub(crate) const GIVEN_UP: &str = "id, notice, domain, state, updated_at";

/// The row of [`GIVEN_UP`].
pub(crate) fn given_up(row: &Row<'_>) -> Result<GivenUp, LedgerError> {
    let at: i64 = row
        .get("updated_at")
        .map_err(|_| LedgerError::Corrupt { what: "updated_at" })?;
    Ok(GivenUp {
        intent: text(row, "id")?,
        notice: text(row, "notice")?,
        domain: text(row, "domain")?,
        state: state(&text(row, "state")?)?,
        at: EventTime::from_nanos(at),
    })
}
