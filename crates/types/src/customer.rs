use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Cell, CustomerId, DomainName, ElementId, EventTime, RegionCode, ServiceName};

/// Elements one customer may be served by (cells, a line, a port, a host).
pub const SERVED_BY_MAX: usize = 8;

/// A language customers read. A missing translation fails the build, so this is an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Persian.
    #[default]
    Fa,
    /// English.
    En,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Fa, Self::En];

    /// BCP 47 tag.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fa => "fa",
            Self::En => "en",
        }
    }
}

/// A way to reach a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactChannel {
    /// Text message.
    Sms,
    /// E-mail.
    Email,
    /// Push to an app or browser.
    Push,
    /// Chat bot.
    Chat,
    /// Signed call to a customer's own system.
    Webhook,
}

impl ContactChannel {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sms, Self::Email, Self::Push, Self::Chat, Self::Webhook];

    /// The name used in events, settings and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Push => "push",
            Self::Chat => "chat",
            Self::Webhook => "webhook",
        }
    }
}

/// What a customer has agreed to hear; purposes stand apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// News of a disruption of one's own service.
    ServiceNotice,
    /// Planned work.
    PlannedWork,
    /// Danger to life.
    Safety,
    /// A question afterwards.
    Survey,
    /// Offers.
    Marketing,
}

/// One customer as logic sees them: no name, no number, no address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Pseudonym.
    pub id: CustomerId,
    /// Domain.
    pub domain: DomainName,
    /// Where the service is used.
    pub region: RegionCode,
    /// The cell they are in, where it is known: of resolution [`PLACE_RESOLUTION_MIN`](crate::PLACE_RESOLUTION_MIN) to
    /// [`PLACE_RESOLUTION_MAX`](crate::PLACE_RESOLUTION_MAX).
    pub place: Option<Cell>,
    /// What serves them, at most [`SERVED_BY_MAX`].
    pub served_by: BTreeSet<ElementId>,
    /// Services they use.
    pub services: BTreeSet<ServiceName>,
    /// Language they read.
    pub language: Language,
    /// Channels with an address, most wanted first.
    pub channels: Vec<ContactChannel>,
    /// What they agreed to.
    pub consents: BTreeSet<Purpose>,
    /// Medical or alarm dependence, disability, business agreement: never held out.
    pub priority: bool,
    /// When this was known; a later one replaces it.
    pub at: EventTime,
}

/// A change of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]

pub enum CustomerChange {
    /// New or changed.
    Upsert(Customer),
    /// Gone: nothing of them may be kept.
    Erased {
        /// Who.
        id: CustomerId,
        /// Domain.
        domain: DomainName,
    },
}
