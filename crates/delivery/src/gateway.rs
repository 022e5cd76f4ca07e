use std::time::Duration;

use forecall_ledger::{Contact, Incoming};
use forecall_types::{ContactChannel, EventTime, Intent, NoticeText};

/// What is handed to a gateway.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The deed; its id is the reference the gateway gets, the same at each attempt.
    pub intent: &'a Intent,
    /// The words.
    pub text: &'a NoticeText,
    /// Where to.
    pub contact: &'a Contact,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Now.
    pub at: EventTime,
}

/// What a gateway can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// It takes our reference and knows a repeat by it.
    pub client_reference: bool,
    /// It says later whether the message has arrived. Without, `accepted` is the last that is known.
    pub receipts: bool,
}

/// The gateway has taken it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The gateway's name for it; of a message in several parts their names, parted by spaces.
    pub provider_ref: Option<String>,
}

/// The gateway hasn't taken it, or we don't know. Reasons come from a closed list; no variant holds an address or what a
/// server wrote, because servers like to repeat the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// This message will never be taken.
    #[error("refused for good: {reason}{}", shown(*code))]
    Permanent {
        /// A word why.
        reason: &'static str,
        /// The protocol's reply code.
        code: Option<u16>,
    },
    /// A part of it was taken, and another will never be: the person may have read the part, and it is over with the whole.
    #[error("a part of it was refused for good: {reason}{}", shown(*code))]
    Partly {
        /// A word why.
        reason: &'static str,
        /// The protocol's reply code.
        code: Option<u16>,
    },
    /// This message isn't taken now.
    #[error("refused for now: {reason}{}", shown(*code))]
    Temporary {
        /// A word why.
        reason: &'static str,
        /// The protocol's reply code.
        code: Option<u16>,
    },
    /// No message would be taken now: the gateway can't be reached, refuses us, or its settings are wrong.
    #[error("the gateway is down: {reason}{}", shown(*code))]
    Down {
        /// A word why.
        reason: &'static str,
        /// The protocol's reply code.
        code: Option<u16>,
    },
    /// Nobody is at this address any more: it is over with the message, and nothing goes there for a while.
    #[error("nobody is there: {reason}{}", shown(*code))]
    Gone {
        /// A word why.
        reason: &'static str,
        /// The protocol's reply code.
        code: Option<u16>,
    },
    /// The place this message goes to takes none now; others may. It costs no attempt.
    #[error("the place is busy: {reason}, not before {retry_after:?}")]
    Busy {
        /// A word why.
        reason: &'static str,
        /// When to come again.
        retry_after: Duration,
    },
    /// Too fast.
    #[error("too fast: not before {retry_after:?}")]
    Throttled {
        /// When to come again.
        retry_after: Duration,
    },
    /// It may have been taken; the answer was lost.
    #[error("the answer was lost: {reason}")]
    Indefinite {
        /// A word why.
        reason: &'static str,
    },
}

fn shown(code: Option<u16>) -> String {
    code.map_or_else(String::new, |code| format!(" ({code})"))
}

/// Carries messages of one channel. Blocking; one thread uses it at a time.
pub trait Gateway: Send {
    /// Its channel.
    fn channel(&self) -> ContactChannel;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Sends one message.
    ///
    /// # Errors
    /// Not taken, or not known: see [`SendError`].
    fn send(&mut self, message: &Message<'_>) -> Result<Accepted, SendError>;

    /// Whether messages go to as many places as there are people. Then a failure says nothing of the next message.
    fn has_many_places(&self) -> bool {
        false
    }

    /// How many messages may be handed over at once; so many are in doubt after a crash, and go after the kill switch was turned.
    fn window(&self) -> usize {
        1
    }

    /// Sends several, at most [`window`](Self::window). There is an answer for each, in their order.
    fn send_all(&mut self, messages: &[Message<'_>]) -> Vec<Result<Accepted, SendError>> {
        messages.iter().map(|message| self.send(message)).collect()
    }

    /// What the gateway has said of its own accord. The same is handed out again until [`acknowledge`](Self::acknowledge) is called.
    ///
    /// # Errors
    /// It can't be heard: [`SendError::Down`].
    fn receive(&mut self, _now: EventTime) -> Result<Vec<Incoming>, SendError> {
        Ok(Vec::new())
    }

    /// What [`receive`](Self::receive) gave last is written down.
    fn acknowledge(&mut self) {}

    /// The batch is over: connections may be closed.
    fn rest(&mut self) {}
}
