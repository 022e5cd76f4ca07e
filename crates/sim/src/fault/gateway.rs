use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forecall_delivery::{Accepted, Capabilities, Gateway, Message, SendError};
use forecall_types::{ContactChannel, CustomerId, IntentId, NoticeId};

use super::log::FaultyLog;
use super::{Dice, Fault, Faults};

/// Longest time a slow gateway takes: beyond the time after which a worker is taken for dead.
const SLOW_SECONDS_MAX: u64 = 1_800;

/// Why, where the answer was lost: what the ledger is told.
pub const MUTE: &str = "drawn_mute";

/// One message that a gateway has taken: a person was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The deed.
    pub intent: IntentId,
    /// Of which notice.
    pub notice: NoticeId,
    /// Who.
    pub customer: CustomerId,
    /// How.
    pub channel: ContactChannel,
    /// Which attempt.
    pub attempt: u32,
}

/// All that gateways have taken, whatever became of their answers. It outlives every process.
#[derive(Debug, Clone, Default)]
pub struct GatewayBook(Arc<Mutex<Vec<Taken>>>);

impl GatewayBook {
    /// What was taken, in order.
    pub fn taken(&self) -> Vec<Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Lets so many seconds pass.
pub type Pass = Arc<dyn Fn(u64) + Send + Sync>;

/// A gateway that refuses, throttles, is slow, and loses its answers, by a seed. Clones are one gateway.
#[derive(Clone)]
pub struct FaultyGateway {
    channel: ContactChannel,
    faults: Arc<Mutex<Faults>>,
    book: GatewayBook,
    log: FaultyLog,
    pass: Pass,
}

impl FaultyGateway {
    /// Writes what it takes into `book`; others run on `log` while it is slow, and `pass` lets the time pass.
    pub fn new(channel: ContactChannel, dice: Dice, book: GatewayBook, log: FaultyLog, pass: Pass) -> Self {
        Self {
            channel,
            faults: Arc::new(Mutex::new(Faults::drawn(dice))),
            book,
            log,
            pass,
        }
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strikes(&self, fault: Fault) -> bool {
        self.faults().strikes(fault)
    }

    /// Nothing fails from now on.
    pub fn calm(&self) {
        self.faults().calm();
    }

    /// How often each fault has struck.
    pub fn struck(&self) -> BTreeMap<Fault, u64> {
        self.faults().struck()
    }

    fn refusal(&self) -> Option<SendError> {
        let (reason, code) = ("drawn", None);
        if self.strikes(Fault::GatewayDown) {
            return Some(SendError::Down { reason, code });
        }
        if self.strikes(Fault::GatewayThrottles) {
            let retry_after = Duration::from_secs(self.faults().dice.between(1, 120));
            return Some(SendError::Throttled { retry_after });
        }
        if self.strikes(Fault::GatewayBusy) {
            return Some(SendError::Temporary { reason, code });
        }
        self.strikes(Fault::GatewayRefuses)
            .then_some(SendError::Permanent { reason, code })
    }
}

impl Gateway for FaultyGateway {
    fn channel(&self) -> ContactChannel {
        self.channel
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            client_reference: false,
            receipts: false,
        }
    }

    fn send(&mut self, message: &Message<'_>) -> Result<Accepted, SendError> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        if self.strikes(Fault::GatewayIsSlow) {
            let seconds = self.faults().dice.between(1, SLOW_SECONDS_MAX);
            (self.pass)(seconds);
            self.log.interlude();
        }
        let is_mute = self.strikes(Fault::GatewayIsMute);
        if is_mute && self.faults().dice.hit(500) {
            return Err(SendError::Indefinite { reason: MUTE });
        }
        let mut book = self.book.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.push(Taken {
            intent: message.intent.id.clone(),
            notice: message.intent.notice.clone(),
            customer: message.intent.customer.clone(),
            channel: self.channel,
            attempt: message.attempt,
        });
        if is_mute {
            return Err(SendError::Indefinite { reason: MUTE });
        }
        Ok(Accepted { provider_ref: None })
    }
}
