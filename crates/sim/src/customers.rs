//! The customers: who they are follows from their number and the seed, so that nothing of them needs to be kept.

use std::collections::{BTreeMap, BTreeSet};

use forecall_ledger::{DirectoryRow, Secret};
use forecall_types::{
    ContactChannel, Customer, CustomerId, DomainName, ElementId, EventTime, Language, Purpose, RegionCode,
    ServiceName,
};
use forecall_wire::telemetry::PseudonymKey;

use crate::WorldError;
use crate::geography::{CELLS, CITIES, cell_id};
use crate::random::{For, Seed};

const NAMES: [(&str, &str); 12] = [
    ("مریم", "رضایی"),
    ("علی", "احمدی"),
    ("زهرا", "محمدی"),
    ("حسین", "کریمی"),
    ("فاطمه", "حسینی"),
    ("رضا", "موسوی"),
    ("نرگس", "جعفری"),
    ("محمد", "صادقی"),
    ("سارا", "رحیمی"),
    ("امیر", "قاسمی"),
    ("لیلا", "نوری"),
    ("کاوه", "شریفی"),
];

/// What customers are made of.
#[derive(Debug, Clone)]
pub(crate) struct People {
    seed: Seed,
    domain: DomainName,
    key: PseudonymKey,
    count: u32,
    as_of: EventTime,
}

impl People {
    pub(crate) const fn new(
        seed: Seed,
        domain: DomainName,
        key: PseudonymKey,
        count: u32,
        as_of: EventTime,
    ) -> Self {
        Self {
            seed,
            domain,
            key,
            count,
            as_of,
        }
    }

    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// A number as people dial it: 0900, an operator's code without subscribers, and seven digits.
    pub(crate) fn number(no: u32) -> String {
        format!("0900{:07}", no % 10_000_000)
    }

    pub(crate) fn id(&self, no: u32) -> CustomerId {
        self.key.customer(&self.domain, &Self::number(no))
    }

    /// Place in [`CITIES`].
    pub(crate) fn city(&self, no: u32) -> usize {
        let mut place = self.seed.below(For::City, u64::from(no), 0, 1_000);
        for (at, city) in CITIES.iter().enumerate() {
            if place < city.share {
                return at;
            }
            place -= city.share;
        }
        0
    }

    fn chance(&self, what: For, no: u32, which: u64, share: f64) -> bool {
        self.seed.uniform(what, u64::from(no), which) < share
    }

    pub(crate) fn uses_internet(&self, no: u32) -> bool {
        self.chance(For::Services, no, 0, 0.92)
    }

    pub(crate) fn customer(&self, no: u32) -> Result<Customer, WorldError> {
        let city = CITIES.get(self.city(no)).ok_or(WorldError::Script("a city"))?;
        let cells = u64::try_from(CELLS).unwrap_or(1);
        let cell = self.seed.below(For::Cell, u64::from(no), 1, cells);
        let cell = cell_id(city, usize::try_from(cell).unwrap_or(0));
        let services = [
            (self.uses_internet(no), "internet"),
            (self.chance(For::Services, no, 1, 0.75), "voice"),
            (self.chance(For::Services, no, 2, 0.3), "tv"),
            (self.chance(For::Services, no, 3, 0.2), "payment"),
        ];
        let consents = [
            (self.chance(For::Consent, no, 0, 0.96), Purpose::ServiceNotice),
            (self.chance(For::Consent, no, 1, 0.8), Purpose::PlannedWork),
            (true, Purpose::Safety),
            (self.chance(For::Consent, no, 2, 0.3), Purpose::Marketing),
        ];
        Ok(Customer {
            id: self.id(no),
            domain: self.domain.clone(),
            region: RegionCode::new(city.code)?,
            place: None,
            served_by: BTreeSet::from([ElementId::new(&cell)?]),
            services: services
                .iter()
                .filter(|(has, _)| *has)
                .map(|(_, name)| ServiceName::new(name))
                .collect::<Result<_, _>>()?,
            language: if self.chance(For::Language, no, 0, 0.85) {
                Language::Fa
            } else {
                Language::En
            },
            channels: self.channels(no),
            consents: consents
                .iter()
                .filter(|(has, _)| *has)
                .map(|(_, purpose)| *purpose)
                .collect(),
            priority: self.chance(For::Consent, no, 3, 0.005),
            at: self.as_of,
        })
    }

    /// Most have a mobile, half a mailbox; a few have neither.
    fn channels(&self, no: u32) -> Vec<ContactChannel> {
        let sms = self.chance(For::Channels, no, 0, 0.97);
        let email = self.chance(For::Channels, no, 1, 0.45);
        let email_first = self.chance(For::Channels, no, 2, 0.2);
        let order = if email_first {
            [(email, ContactChannel::Email), (sms, ContactChannel::Sms)]
        } else {
            [(sms, ContactChannel::Sms), (email, ContactChannel::Email)]
        };
        order
            .into_iter()
            .filter(|(has, _)| *has)
            .map(|(_, channel)| channel)
            .collect()
    }

    pub(crate) fn row(&self, no: u32) -> Result<DirectoryRow, WorldError> {
        let customer = self.customer(no)?;
        let names = u64::try_from(NAMES.len()).unwrap_or(1);
        let name_at =
            |which| usize::try_from(self.seed.below(For::Name, u64::from(no), which, names)).unwrap_or(0);
        let first = NAMES.get(name_at(0)).map_or("", |n| n.0);
        let last = NAMES.get(name_at(1)).map_or("", |n| n.1);
        let addresses = customer
            .channels
            .iter()
            .map(|channel| {
                let address = if *channel == ContactChannel::Email {
                    // Reserved by RFC 2606: reaches nobody.
                    format!("customer{no}@example.com")
                } else {
                    Self::number(no)
                };
                (*channel, Secret::new(address))
            })
            .collect::<BTreeMap<_, _>>();
        Ok(DirectoryRow {
            customer,
            name: Some(Secret::new(format!("{first} {last}"))),
            addresses,
        })
    }
}
