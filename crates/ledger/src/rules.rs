use forecall_types::ContactChannel;
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
}

impl Default for StaleRules {
    fn default() -> Self {
        Self {
            sms: Prefer::Miss,
            email: Prefer::Double,
            push: Prefer::Double,
            chat: Prefer::Miss,
            webhook: Prefer::Double,
        }
    }
}

impl StaleRules {
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
