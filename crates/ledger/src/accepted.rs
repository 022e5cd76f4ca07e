use forecall_types::{ContactChannel, CustomerId, EventTime, IncidentId, NoticeId};

use crate::error::Doing;
use crate::{Ledger, LedgerError, row};

/// One intent that a gateway has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Who, as a pseudonym.
    pub customer: CustomerId,
    /// Which notice.
    pub notice: NoticeId,
    /// Of which incident.
    pub incident: IncidentId,
    /// Over which channel.
    pub channel: ContactChannel,
    /// When the gateway took it.
    pub at: EventTime,
}

impl Ledger {
    /// The intents a gateway took after `since` (event time), in order of that time: who was told when.
    ///
    /// # Errors
    /// The database refused.
    pub fn accepted_since(&self, since: EventTime) -> Result<Vec<Accepted>, LedgerError> {
        const DOING: &str = "read what was accepted";
        let mut statement = self
            .db
            .prepare_cached(
                "SELECT customer, notice, incident, channel, accepted_at FROM intents \
                 WHERE accepted_at > ?1 ORDER BY accepted_at, id",
            )
            .doing(DOING)?;
        let rows = statement.query([since.nanos()]).doing(DOING)?;
        row::collect(rows, DOING, |row| {
            let corrupt = |_| LedgerError::Corrupt { what: "intent" };
            let text = |column: usize| row.get::<_, String>(column).map_err(corrupt);
            Ok(Accepted {
                customer: row::name(&text(0)?, "customer")?,
                notice: row::name(&text(1)?, "notice id")?,
                incident: row::name(&text(2)?, "incident id")?,
                channel: row::channel(&text(3)?)?,
                at: EventTime::from_nanos(row.get(4).map_err(corrupt)?),
            })
        })
    }
}
