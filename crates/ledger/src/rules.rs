use std::time::Duration;

use forecall_types::{ContactChannel, seconds};
use serde::{Deserialize, Serialize};

/// What to do with an intent whose worker died between call and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prefer {
    /// Rather never than twice: it becomes `unknown`.
    Miss,
    /// Rather twice than never: it is sent again.
    Double,
}

/// The rule of each channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StaleRules {
    /// Text message: can't be asked after, and costs.
    pub sms: Prefer,
    /// E-mail: a second one has the same Message-ID, and most mail programs show it once.
    pub email: Prefer,
    /// Push: the same tag replaces the first.
    pub push: Prefer,
    /// Chat.
    pub chat: Prefer,
    /// Webhook: the same idempotency key.
    pub webhook: Prefer,
    /// Before a text message in doubt goes again: so long a receipt is waited for that repeats our reference, in seconds.
    #[serde(with = "seconds")]
    pub receipt_wait: Duration,
    /// A text message that was taken and of which no receipt has come for so long becomes `unknown`, in seconds; 0: never. Only where
    /// the gateway sends receipts: others would make every message unknown.
    #[serde(with = "seconds")]
    pub receipts_within: Duration,
}

impl Default for StaleRules {
    fn default() -> Self {
        Self {
            sms: Prefer::Miss,
            email: Prefer::Double,
            push: Prefer::Double,
            chat: Prefer::Miss,
            webhook: Prefer::Double,
            receipt_wait: Duration::from_secs(60),
            receipts_within: Duration::ZERO,
        }
    }
}

impl StaleRules {
    /// How long a receipt is waited for before a message in doubt goes again.
    pub const fn wait(&self, channel: ContactChannel) -> Duration {
        match channel {
            ContactChannel::Sms => self.receipt_wait,
            ContactChannel::Email | ContactChannel::Push | ContactChannel::Chat | ContactChannel::Webhook => {
                Duration::ZERO
            }
        }
    }

    /// The same with another rule for one channel.
    #[must_use]
    pub fn with(mut self, channel: ContactChannel, prefer: Prefer) -> Self {
        *match channel {
            ContactChannel::Sms => &mut self.sms,
            ContactChannel::Email => &mut self.email,
            ContactChannel::Push => &mut self.push,
            ContactChannel::Chat => &mut self.chat,
            ContactChannel::Webhook => &mut self.webhook,
        } = prefer;
        self
    }

    /// The rule of a channel.
    pub const fn of(&self, channel: ContactChannel) -> Prefer {
        match channel {
            ContactChannel::Sms => self.sms,
            ContactChannel::Email => self.email,
            ContactChannel::Push => self.push,
            ContactChannel::Chat => self.chat,
            ContactChannel::Webhook => self.webhook,
        }
    }
}
