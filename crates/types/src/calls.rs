use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{CustomerId, DomainName, EventTime, QueueName, RegionCode};

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// It came in; how it goes isn't known yet.
    Offered,
    /// An agent took it.
    Answered,
    /// The caller gave up.
    Abandoned,
    /// It left the queue otherwise (time-out, overflow, call-back).
    Left,
}

/// One call to the contact centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The source's own id of the call, hashed; a later record of the same call replaces the earlier.
    pub id: Arc<str>,
    /// Domain.
    pub domain: DomainName,
    /// The queue.
    pub queue: QueueName,
    /// When it came in.
    pub arrived_at: EventTime,
    /// When this was known.
    pub at: EventTime,
    /// How it went.
    pub outcome: CallOutcome,
    /// Time in the queue.
    pub wait: Option<Duration>,
    /// Talk, hold and after-call work.
    pub handle: Option<Duration>,
    /// The caller, where the number is known: a pseudonym.
    pub customer: Option<CustomerId>,
    /// Where the caller is, where known.
    pub region: Option<RegionCode>,
}
