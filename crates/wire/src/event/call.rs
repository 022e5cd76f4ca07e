//! Calls to the contact centre, as `outreach` reads them: pseudonymous.

use super::scalar::{Name, Region, Seconds, Time};
use super::shape::{published, published_enum};

published_enum! {
    /// How a call went.
    CallOutcome {
        /// It came in; how it goes isn't known yet.
        Offered,
        /// An agent took it.
        Answered,
        /// The caller gave up.
        Abandoned,
        /// It left the queue otherwise (time-out, overflow, call-back).
        Left,
    }
}

published! {
    /// One call to the contact centre.
    #[derive(Eq)]
    Call of CallRecord {
        /// The source's own id of the call, hashed; a later record of the same call replaces the earlier.
        id: String = id,
        /// Domain.
        domain: Name = domain,
        /// The queue.
        queue: Name = queue,
        /// When it came in.
        arrived_at: Time = arrived_at,
        /// When this was known.
        at: Time = at,
        /// How it went.
        outcome: CallOutcome = outcome,
        /// Time in the queue, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_seconds: Option<Seconds> = wait,
        /// Talk, hold and after-call work, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handle_seconds: Option<Seconds> = handle,
        /// The caller, where the number is known: a pseudonym.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        customer: Option<Name> = customer,
        /// Where the caller is, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<Region> = region,
    }
}
