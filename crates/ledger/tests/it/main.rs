//! The ledger as its users see it: through its public door, with crashes and tampering done from outside.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test's own functions may fail as its tests do"
)]

mod desk;
mod directory;
mod hear;
mod outreach;
mod sending;
mod tampering;

use std::path::PathBuf;

use forecall_ledger::{CommitOutcome, Committed, Epoch, Ledger, LedgerCommit, LedgerPosition, MasterKey};
use forecall_log::TopicPartition;
use forecall_types::{ContactChannel, EventTime, Intent, Language, NoticeId, NoticeText};
use tempfile::TempDir;

/// A ledger file in a folder of its own.
struct Desk {
    _folder: TempDir,
    path: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            path: folder.path().join("ledger.db"),
            _folder: folder,
        }
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.path, MasterKey::from_bytes([7; 32])).unwrap()
    }

    /// The file as somebody with an editor for databases sees it.
    fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(&self.path).unwrap()
    }
}

fn log() -> TopicPartition {
    TopicPartition::new("forecall.outreach.log.v1", 0)
}

fn at(secs: i64) -> EventTime {
    EventTime::from_secs(secs)
}

fn notice(n: u32) -> NoticeId {
    format!("ntc_{n}").parse().unwrap()
}

fn text(channel: ContactChannel) -> NoticeText {
    NoticeText {
        language: Language::Fa,
        channel,
        subject: Some("اختلال".into()),
        body: "مشتری گرامی".into(),
        parts: 1,
    }
}

/// An intent of notice 1, planned at second 10, expiring at 1000.
fn intent(id: &str, channel: ContactChannel) -> Intent {
    Intent {
        id: id.parse().unwrap(),
        notice: notice(1),
        incident: "inc_1".parse().unwrap(),
        domain: "acme".parse().unwrap(),
        customer: format!("cus_{id}").parse().unwrap(),
        channel,
        language: Language::Fa,
        at: at(10),
        expires_at: Some(at(1000)),
    }
}

fn position(next_offset: i64) -> LedgerPosition {
    LedgerPosition {
        next_offset,
        checkpoint: format!("f1 {next_offset}"),
    }
}

/// Commits intents with their texts at an offset.
fn plan(ledger: &mut Ledger, epoch: &Epoch, offset: i64, intents: &[Intent]) -> Committed {
    let texts: Vec<_> = intents
        .iter()
        .map(|i| (i.notice.clone(), text(i.channel)))
        .collect();
    let outcome = ledger.commit(
        epoch,
        &LedgerCommit {
            position: &position(offset),
            intents,
            texts: &texts,
            ..LedgerCommit::nothing()
        },
    );
    match outcome.unwrap() {
        CommitOutcome::Committed(done) => done,
        CommitOutcome::Fenced => panic!("fenced"),
    }
}

/// A ledger with these intents planned.
fn planned(desk: &Desk, intents: &[Intent]) -> Ledger {
    let mut ledger = desk.open();
    let epoch = ledger.acquire(&log(), "slot-0").unwrap();
    plan(&mut ledger, &epoch, 1, intents);
    ledger
}
