//! The customer directory as records: pseudonyms, and addresses as ciphertext that only delivery can read.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forecall_types as types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scalar::{Hexagon, Name, Region, Time};
use super::shape::{Shape, bad, published, published_enum, within};

/// One encrypted address: far longer than any phone number, e-mail address or push endpoint with its keys.
pub const CIPHERTEXT_BYTES_MAX: usize = 4 * 1024;

published_enum! {
    /// A language customers read (BCP 47).
    Language {
        /// Persian.
        Fa,
        /// English.
        En,
    }
}

published_enum! {
    /// A way to reach a customer.
    ContactChannel {
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
}

published_enum! {
    /// What a customer has agreed to hear; purposes stand apart.
    Purpose {
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
}

published! {
    /// One customer: no name, no number, no address.
    #[derive(Eq)]
    Customer of Customer {
        /// Pseudonym.
        id: Name = id,
        /// Domain.
        domain: Name = domain,
        /// Where the service is used.
        region: Region = region,
        /// The cell they are in (H3, resolution 5 to 9; a finer one is read as the one of resolution 9 that holds it).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<Hexagon> = place,
        /// What serves them (cells, a line, a port, a host), at most 8.
        #[serde(default)]
        served_by: BTreeSet<Name> = served_by,
        /// Services they use.
        #[serde(default)]
        services: BTreeSet<Name> = services,
        /// Language they read.
        language: Language = language,
        /// Channels with an address, most wanted first.
        #[serde(default)]
        channels: Vec<ContactChannel> = channels,
        /// What they agreed to.
        #[serde(default)]
        consents: BTreeSet<Purpose> = consents,
        /// Medical or alarm dependence, disability, business agreement: never held out.
        #[serde(default)]
        priority: bool = priority,
        /// When this was known; a later one replaces it.
        at: Time = at,
    }
}

/// A customer with encrypted addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Upserted {
    /// The customer.
    #[serde(flatten)]
    pub customer: Customer,
    /// Encrypted addresses by channel, in base 64. Only a directory topic has them, never a log of forecall's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub address_ciphertext: BTreeMap<ContactChannel, String>,
}

/// A customer who is gone: nothing of them may be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Erased {
    /// Pseudonym.
    pub id: Name,
    /// Domain.
    pub domain: Name,
}

/// A change of the directory, told apart by `change`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum CustomerChange {
    /// New or changed.
    Upserted(Upserted),
    /// Gone.
    Erased(Erased),
}

/// What a directory topic or file says of one customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryRecord {
    /// What logic sees.
    pub customer: types::CustomerChange,
    /// Encrypted addresses by channel: for the ledger alone. Empty for an erasure.
    pub ciphertexts: BTreeMap<types::ContactChannel, Vec<u8>>,
}

impl Shape<DirectoryRecord> for CustomerChange {
    fn put(inner: &DirectoryRecord) -> Self {
        match &inner.customer {
            types::CustomerChange::Upsert(customer) => Self::Upserted(Upserted {
                customer: Shape::put(customer),
                address_ciphertext: inner
                    .ciphertexts
                    .iter()
                    .map(|(channel, bytes)| (Shape::put(channel), STANDARD.encode(bytes)))
                    .collect(),
            }),
            types::CustomerChange::Erased { id, domain } => Self::Erased(Erased {
                id: Shape::put(id),
                domain: Shape::put(domain),
            }),
        }
    }

    fn take(self) -> Result<DirectoryRecord, types::Reject> {
        match self {
            Self::Upserted(upserted) => {
                let mut ciphertexts = BTreeMap::new();
                for (channel, text) in upserted.address_ciphertext {
                    let bytes = STANDARD
                        .decode(text)
                        .map_err(|_| bad("address_ciphertext: it is not base 64"))?;
                    if bytes.len() > CIPHERTEXT_BYTES_MAX {
                        return Err(bad("address_ciphertext: it is longer than 4 KiB"));
                    }
                    ciphertexts.insert(channel.take()?, bytes);
                }
                let mut customer: types::Customer = upserted.customer.take()?;
                // A place is personal: none is kept finer than that, whatever was sent.
                customer.place = customer
                    .place
                    .map(|c| c.no_finer_than(types::PLACE_RESOLUTION_MAX));
                if customer
                    .place
                    .is_some_and(|c| c.resolution() < types::PLACE_RESOLUTION_MIN)
                {
                    return Err(bad("place: the cell is coarser than resolution 5"));
                }
                if customer.served_by.len() > types::SERVED_BY_MAX {
                    return Err(bad("served_by: there are more than 8"));
                }
                Ok(DirectoryRecord {
                    customer: types::CustomerChange::Upsert(customer),
                    ciphertexts,
                })
            }
            Self::Erased(erased) => Ok(DirectoryRecord {
                customer: types::CustomerChange::Erased {
                    id: erased.id.take().map_err(|r| within("id", r))?,
                    domain: erased.domain.take().map_err(|r| within("domain", r))?,
                },
                ciphertexts: BTreeMap::new(),
            }),
        }
    }
}
