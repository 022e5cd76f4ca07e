use serde::{Deserialize, Serialize};

use crate::{CustomerId, EventTime, HoldReason, NoticeId};

/// People a notice didn't go to, or not yet, all for one reason of their own. Where nothing of a notice goes, its own counts say why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// The notice.
    pub notice: NoticeId,
    /// Why.
    pub reason: HoldReason,
    /// Who, as pseudonyms.
    pub customers: Vec<CustomerId>,
    /// Since when.
    pub at: EventTime,
}
