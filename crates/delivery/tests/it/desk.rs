use std::collections::{BTreeMap, BTreeSet};

use forecall_ledger::{CommitOutcome, DirectoryRow, Ledger, LedgerCommit, LedgerPosition, MasterKey, Secret};
use forecall_log::TopicPartition;
use forecall_types::{ContactChannel, Customer, EventTime, Intent, Language, NoticeText, RegionCode};
use tempfile::TempDir;

pub(crate) fn at(secs: i64) -> EventTime {
    EventTime::from_secs(secs)
}

/// A ledger with `count` people and one intent for each on `channel`, planned at second 10, true until 100,000.
pub(crate) struct Desk {
    pub(crate) folder: TempDir,
}

impl Desk {
    pub(crate) fn new(channel: ContactChannel, count: u32) -> Self {
        Self::with_text(channel, count, "مشتری گرامی\n.\n..\nپایان", 1)
    }

    /// One person at each of these addresses.
    pub(crate) fn at_addresses(channel: ContactChannel, addresses: &[impl AsRef<str>]) -> Self {
        let people = addresses.iter().zip(0..).map(|(address, n)| {
            let mut row = person(n);
            row.addresses.insert(channel, Secret::new(address.as_ref()));
            row
        });
        let people: Vec<_> = people.collect();
        Self::made(channel, people, "مشتری گرامی\n<b>*خبر*</b> _&_\nپایان", 1)
    }

    pub(crate) fn with_text(channel: ContactChannel, count: u32, body: &str, parts: u32) -> Self {
        Self::made(channel, (0..count).map(person).collect(), body, parts)
    }

    fn made(channel: ContactChannel, people: Vec<DirectoryRow>, body: &str, parts: u32) -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let mut ledger = desk.open();
        let count = u32::try_from(people.len()).unwrap();
        ledger.import_customers(people).unwrap();
        let epoch = ledger.acquire(&TopicPartition::new("log", 0), "slot-0").unwrap();
        let intents: Vec<_> = (0..count).map(|n| intent(n, channel)).collect();
        let text = NoticeText {
            language: Language::Fa,
            channel,
            subject: Some("اختلال اینترنت".into()),
            body: body.into(),
            parts,
        };
        let commit = LedgerCommit {
            position: &LedgerPosition {
                next_offset: 1,
                checkpoint: String::new(),
            },
            intents: &intents,
            texts: &[("ntc_1".parse().unwrap(), text)],
            ..LedgerCommit::nothing()
        };
        let done = ledger.commit(&epoch, &commit).unwrap();
        assert!(matches!(done, CommitOutcome::Committed(_)));
        desk
    }

    /// One more person with a message, the `n`th.
    pub(crate) fn add(&self, channel: ContactChannel, n: u32) {
        self.open().import_customers([person(n)]).unwrap();
        self.plan(channel, n);
    }

    /// The `n`th message, to a person who is known.
    pub(crate) fn plan(&self, channel: ContactChannel, n: u32) {
        self.plan_until(channel, n, 100_000);
    }

    /// The same, true until then.
    pub(crate) fn plan_until(&self, channel: ContactChannel, n: u32, until: i64) {
        let mut ledger = self.open();
        let epoch = ledger.acquire(&TopicPartition::new("log", 0), "slot-0").unwrap();
        let commit = LedgerCommit {
            position: &LedgerPosition {
                next_offset: i64::from(n) + 2,
                checkpoint: String::new(),
            },
            intents: &[Intent {
                expires_at: Some(at(until)),
                corrects: false,
                ..intent(n, channel)
            }],
            ..LedgerCommit::nothing()
        };
        let done = ledger.commit(&epoch, &commit).unwrap();
        assert!(matches!(done, CommitOutcome::Committed(_)));
    }

    pub(crate) fn open(&self) -> Ledger {
        let path = self.folder.path().join("ledger.db");
        Ledger::open(&path, MasterKey::from_bytes([7; 32])).unwrap()
    }
}

fn intent(n: u32, channel: ContactChannel) -> Intent {
    Intent {
        id: format!("int_{n}").parse().unwrap(),
        notice: "ntc_1".parse().unwrap(),
        incident: "inc_1".parse().unwrap(),
        domain: "acme".parse().unwrap(),
        customer: format!("cus_{n}").parse().unwrap(),
        channel,
        language: Language::Fa,
        at: at(10),
        expires_at: Some(at(100_000)),
        corrects: false,
    }
}

pub(crate) fn person(n: u32) -> DirectoryRow {
    DirectoryRow {
        customer: Customer {
            id: format!("cus_{n}").parse().unwrap(),
            domain: "acme".parse().unwrap(),
            region: RegionCode::new("IR-23").unwrap(),
            place: None,
            served_by: BTreeSet::new(),
            services: BTreeSet::new(),
            language: Language::Fa,
            channels: vec![ContactChannel::Email],
            consents: BTreeSet::new(),
            priority: false,
            at: at(1),
        },
        name: None,
        addresses: BTreeMap::from([
            (ContactChannel::Sms, Secret::new(format!("+98912345{n:04}"))),
            (ContactChannel::Email, Secret::new(format!("a{n}@example.ir"))),
        ]),
    }
}
