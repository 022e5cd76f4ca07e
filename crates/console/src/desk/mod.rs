//! For whoever answers a customer: what this one was told, not told and why, what they wrote, what was promised and whether it was kept.

pub(crate) mod ivr;
pub(crate) mod route;
mod screen;
mod words;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forecall_ledger::{Cursor, Ledger, LedgerError, View};
use forecall_outreach::{OutreachSettings, People};
use forecall_types::{CustomerId, EventTime, HoldReason, Incident, IncidentState, NoticeStage};
use forecall_wire::screen::CustomerNotices;

/// A look waits so long for outreach's own transaction, then says that it can't be had: who is on the telephone doesn't wait longer.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// A customer's id, as the operator writes it.
const ID_CHARS_MAX: usize = 128;
/// Entries of a page where nobody says how many.
pub(crate) const ENTRIES: usize = 25;

/// Why somebody's story is looked at: a closed list, so that no name or number gets into the audit.
pub const WHYS: [&str; 6] = ["call", "chat", "ticket", "complaint", "callback", "check"];

/// Makes the pseudonym of an id as the operator writes it.
pub type Pseudonym = Arc<dyn Fn(&str) -> CustomerId + Send + Sync>;

/// Why a story isn't shown.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The reason isn't one.
    #[error("say why: one of call, chat, ticket, complaint, callback and check")]
    Why,
    /// The id can't be one.
    #[error("a customer's id is 1 to 128 characters, or their pseudonym")]
    Id,
    /// The page can't be asked for so.
    #[error("`from` is what the page before gave as `next`")]
    From,
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The team or program that looks.
    pub by: &'a str,
    /// Why: one of [`WHYS`].
    pub why: &'a str,
    /// Where the page begins: what the page before gave as `next`.
    pub from: Option<&'a str>,
    /// Entries at most.
    pub max: Option<usize>,
    /// Now.
    pub at: EventTime,
}

/// Shows customers' stories out of a ledger, each look audited before it.
pub struct Desk {
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) settings: Arc<OutreachSettings>,
    pseudonym: Pseudonym,
}

impl Desk {
    /// On a connection of its own.
    ///
    /// # Errors
    /// The database refused.
    pub fn new(
        ledger: Ledger,
        settings: Arc<OutreachSettings>,
        pseudonym: Pseudonym,
    ) -> Result<Self, LedgerError> {
        ledger.wait_at_most(WAIT_MAX)?;
        Ok(Self {
            ledger: Mutex::new(ledger),
            settings,
            pseudonym,
        })
    }

    /// Who is meant: a pseudonym as it is, anything else by the directory's key.
    ///
    /// # Errors
    /// It can't be an id.
    pub fn who(&self, given: &str) -> Result<CustomerId, DeskError> {
        let given = given.trim();
        if given.is_empty() || given.chars().count() > ID_CHARS_MAX {
            return Err(DeskError::Id);
        }
        match given.parse::<CustomerId>() {
            Ok(id) if id.number().is_some() => Ok(id),
            Ok(_) | Err(_) => Ok((self.pseudonym)(given)),
        }
    }

    /// A page of somebody's story. The look stands in the audit chain before it is shown.
    ///
    /// # Errors
    /// What is asked for isn't right, or the ledger refused: then nothing is shown.
    pub fn story(&self, customer: &CustomerId, look: &Look<'_>) -> Result<CustomerNotices, DeskError> {
        if !WHYS.contains(&look.why) {
            return Err(DeskError::Why);
        }
        let from = look.from.map(str::parse::<Cursor>).transpose();
        let from = from.map_err(|_| DeskError::From)?;
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.note_view(&View {
            by: look.by,
            why: look.why,
            customer,
            at: look.at,
        })?;
        let page = ledger.desk(customer, from.as_ref(), look.max.unwrap_or(ENTRIES), look.at)?;
        let mut people = People::new(Arc::clone(&self.settings));
        if let Some(customer) = &page.customer {
            // One customer is below every bound; one who can't be taken is touched by nothing.
            let _ = people.take(customer);
        }
        let touches = |incident: &Incident| {
            !incident.simulated
                && page
                    .customer
                    .as_ref()
                    .is_some_and(|c| c.domain == incident.domain)
                && people.reach(&incident.scope) > 0
        };
        let mut story = screen::screen(customer, &page, &touches, look.at);
        let mut open: Vec<&Incident> = page.open.iter().filter(|i| touches(i)).collect();
        open.sort_by_key(|i| std::cmp::Reverse((i.state == IncidentState::Confirmed, i.severity, i.at)));
        for incident in open {
            let told = ledger.was_told(customer, &incident.id)?;
            let why = if told {
                None
            } else {
                why_not(&ledger, customer, incident)?
            };
            story.now.push(screen::trouble(incident, told, why));
        }
        Ok(story)
    }
}

/// Why a customer wasn't told of an open incident: a reason of their own, else what keeps its opening from everybody.
fn why_not(
    ledger: &Ledger,
    customer: &CustomerId,
    incident: &Incident,
) -> Result<Option<HoldReason>, LedgerError> {
    if let Some((notice, reason)) = ledger.why_not_told(customer, &incident.id)? {
        return Ok(Some(screen::reason_now(reason, ledger.notice(&notice)?.as_ref())));
    }
    let opens = |stage| matches!(stage, NoticeStage::Predicted | NoticeStage::Confirmed);
    let notices = ledger.notices_of(&incident.id)?;
    let mut newest_first = notices.iter().rev().filter(|kept| opens(kept.notice.stage));
    Ok(newest_first.find_map(screen::block_of))
}
