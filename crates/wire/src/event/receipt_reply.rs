//! What comes back on a notice: the gateway's answer, and the customer's.

use super::notice::IntentState;
use super::scalar::{Name, Time};
use super::shape::{published, published_enum};

published! {
    /// The gateway's answer on one message.
    #[derive(Eq)]
    Receipt of Receipt {
        /// The message, by its intent.
        intent: Name = intent,
        /// Its notice.
        notice: Name = notice,
        /// Domain.
        domain: Name = domain,
        /// Where it stands now.
        state: IntentState = state,
        /// When the gateway said so.
        at: Time = at,
    }
}

published_enum! {
    /// What a reply means.
    ReplyKind {
        /// No more notices, please.
        Stop,
        /// How does it stand?
        Status,
        /// It still doesn't work.
        StillDown,
        /// What was written isn't true.
        Untrue,
        /// Anything else.
        Other,
    }
}

published! {
    /// What a customer answered, after normalisation: never the words themselves.
    #[derive(Eq)]
    Reply of Reply {
        /// Idempotency key.
        id: String = id,
        /// Who, as a pseudonym.
        customer: Name = customer,
        /// When.
        at: Time = at,
        /// What.
        kind: ReplyKind = kind,
    }
}
