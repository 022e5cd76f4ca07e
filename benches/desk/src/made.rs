//! A ledger as it stands after years.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use forecall_ledger::{CommitOutcome, DirectoryRow, Kept, Ledger, LedgerCommit, LedgerPosition, Secret};
use forecall_log::TopicPartition;
use forecall_types::{
    ContactChannel, Customer, CustomerId, DomainName, EventTime, Fingerprint, HoldReason, Incident,
    IncidentId, IncidentKind, IncidentState, Intent, IntentId, Language, Lineage, Notice, NoticeId,
    NoticeStage, NoticeState, NoticeText, Probability, Purpose, RegionCode, Responsibility, Scope,
    ServiceName, Severity,
};
use rusqlite::{Connection, params};

use crate::{Cli, Dice, start};

/// People one notice goes to.
const REACH: u32 = 20_000;
/// Notices of one incident.
const NOTICES: u32 = 5;
/// Incidents that are open at the end, all of them touching everybody.
const OPEN: u32 = 10;
/// Seconds between two notices.
const STEP: i64 = 3_600;

pub(crate) fn customer_id(number: u32) -> CustomerId {
    CustomerId::derived(Fingerprint::of(&number.to_le_bytes()))
}

pub(crate) fn now() -> EventTime {
    EventTime::from_secs(start().secs() + 100_000 * STEP)
}

fn notice_id(number: u32) -> NoticeId {
    NoticeId::derived(Fingerprint::of_parts(&[b"n", &number.to_le_bytes()]))
}

fn incident_id(number: u32) -> IncidentId {
    IncidentId::derived(Fingerprint::of_parts(&[b"i", &number.to_le_bytes()]))
}

fn domain() -> Result<DomainName> {
    Ok(DomainName::new("isp")?)
}

fn customer(number: u32) -> Result<DirectoryRow> {
    Ok(DirectoryRow {
        customer: Customer {
            id: customer_id(number),
            domain: domain()?,
            region: RegionCode::new("IR-23")?,
            place: None,
            served_by: BTreeSet::new(),
            services: BTreeSet::from([ServiceName::new("internet")?]),
            language: Language::Fa,
            channels: vec![ContactChannel::Sms],
            consents: BTreeSet::from([Purpose::ServiceNotice]),
            priority: false,
            at: start(),
        },
        name: None,
        addresses: BTreeMap::from([(ContactChannel::Sms, Secret::new(format!("+98912{number:07}")))]),
    })
}

fn incident(number: u32, open: bool, at: EventTime) -> Result<Incident> {
    Ok(Incident {
        id: incident_id(number),
        revision: 1,
        domain: domain()?,
        state: if open {
            IncidentState::Confirmed
        } else {
            IncidentState::Resolved
        },
        reopened: 0,
        phase: None,
        severity: Severity::Severe,
        kind: IncidentKind::Outage,
        work: None,
        scope: Scope {
            services: BTreeSet::from([ServiceName::new("internet")?]),
            regions: BTreeSet::from([RegionCode::new("IR-23")?]),
            ..Scope::default()
        },
        probability: Probability::ONE,
        contributions: Vec::new(),
        opened_at: at,
        at,
        onset_predicted: None,
        onset_interval: None,
        onset_observed: Some(at),
        resolved_at: (!open).then_some(at),
        evidence: Vec::new(),
        causes: Vec::new(),
        dimensions: Vec::new(),
        paging: Vec::new(),
        silenced: None,
        storm: false,
        parent: None,
        merged_into: None,
        split_from: None,
        adjustment: None,
        responsibility: Responsibility::Own,
        acknowledged: None,
        eta: None,
        steps: Vec::new(),
        remedies: Vec::new(),
        problem: None,
        reason: String::new(),
        version: Arc::from("1"),
        settings: Arc::from(""),
        lineage: Lineage::default(),
        simulated: false,
    })
}

fn notice(number: u32, at: EventTime) -> Result<Notice> {
    Ok(Notice {
        id: notice_id(number),
        revision: 1,
        domain: domain()?,
        incident: incident_id(number / NOTICES),
        incident_revision: 1,
        stage: if number.is_multiple_of(NOTICES) {
            NoticeStage::Confirmed
        } else {
            NoticeStage::Progress
        },
        state: NoticeState::Delivered,
        at,
        audience: u64::from(REACH),
        intents: u64::from(REACH),
        progress: BTreeMap::new(),
        withheld: BTreeMap::from([(HoldReason::NoConsent, 1)]),
        channels: BTreeMap::new(),
        texts: Vec::new(),
        text_fingerprint: Arc::from("0123456789abcdef0123456789abcdef"),
        no_call_needed: false,
        next_update: Some(EventTime::from_secs(at.secs() + STEP)),
        eta: Some(EventTime::from_secs(at.secs() + 2 * STEP)),
        hold_out: None,
        ramp: None,
        first_accepted_at: Some(at),
        reason: "20000 messages planned".into(),
        simulated: false,
    })
}

fn text() -> NoticeText {
    NoticeText {
        language: Language::Fa,
        channel: ContactChannel::Sms,
        subject: None,
        body: "فراتل: اینترنت منطقه ۵ تهران مختل است. رفع تا ۲۰:۳۰. خبر: ۱۹:۳۰.".into(),
        parts: 1,
    }
}

pub(crate) fn fill(cli: &Cli, mut ledger: Ledger, path: &Path) -> Result<()> {
    ledger.forgo_durability()?;
    let customers = cli.rows / cli.each.max(1);
    for first in (0..customers).step_by(100_000) {
        let rows: Result<Vec<_>> = (first..customers.min(first + 100_000)).map(customer).collect();
        ledger.import_customers(rows?)?;
    }
    let notices = cli.rows.div_ceil(REACH);
    let incidents = notices.div_ceil(NOTICES);
    let (mut kept, mut texts) = (Vec::new(), Vec::new());
    for number in 0..incidents {
        let at = EventTime::from_secs(start().secs() + i64::from(number * NOTICES) * STEP);
        kept.push(Kept::incident(&incident(number, number + OPEN >= incidents, at)?));
    }
    for number in 0..notices {
        let at = EventTime::from_secs(start().secs() + i64::from(number) * STEP);
        kept.push(Kept::notice(&notice(number, at)?));
        texts.push((notice_id(number), text()));
    }
    commit(
        &mut ledger,
        1,
        LedgerCommit {
            kept: &kept,
            texts: &texts,
            ..LedgerCommit::nothing()
        },
    )?;
    drop(ledger);
    rows(cli, path, notices, customers)
}

fn rows(cli: &Cli, path: &Path, notices: u32, customers: u32) -> Result<()> {
    let mut db = Connection::open(path)?;
    db.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA temp_store = FILE;")?;
    let names = ["intents_accepted", "intents_by_notice", "intents_by_customer"];
    let mut scripts = Vec::new();
    for name in names {
        let sql: String = db.query_row("SELECT sql FROM sqlite_master WHERE name = ?1", [name], |row| {
            row.get(0)
        })?;
        scripts.push(sql);
        db.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    let mut dice = Dice(cli.seed ^ 7);
    for number in 0..notices {
        let tx = db.transaction()?;
        let at = start().secs() + i64::from(number) * STEP;
        let nanos = |secs: i64| secs * 1_000_000_000;
        {
            let mut insert = tx.prepare_cached(
                "INSERT OR IGNORE INTO intents (id, notice, incident, domain, customer, channel, language, state, attempt, \
                 provider_ref, planned_at, accepted_at, expires_at, updated_at) VALUES (?1, ?2, ?3, 'isp', ?4, 'sms', 'fa', \
                 'delivered', 1, NULL, ?5, ?6, ?7, ?6)",
            )?;
            let mut withhold = tx.prepare_cached(
                "INSERT OR IGNORE INTO withheld (customer, notice, reason, at) VALUES (?1, ?2, 'no_consent', ?3)",
            )?;
            let mut reply = tx.prepare_cached(
                "INSERT OR IGNORE INTO replies (customer, at, kind) VALUES (?1, ?2, 'status')",
            )?;
            let (notice, incident) = (notice_id(number), incident_id(number / NOTICES));
            for person in 0..REACH.min(cli.rows - number * REACH) {
                let who = customer_id(dice.below(customers));
                let id = IntentId::derived(Fingerprint::of_parts(&[
                    notice.as_str().as_bytes(),
                    &person.to_le_bytes(),
                ]));
                insert.execute(params![
                    id.as_str(),
                    notice.as_str(),
                    incident.as_str(),
                    who.as_str(),
                    nanos(at),
                    nanos(at + 5),
                    nanos(at + STEP)
                ])?;
                if person % 10 == 0 {
                    withhold.execute(params![
                        customer_id(dice.below(customers)).as_str(),
                        notice.as_str(),
                        nanos(at)
                    ])?;
                }
                if person % 100 == 0 {
                    reply.execute(params![who.as_str(), nanos(at + 60)])?;
                }
            }
        }
        tx.commit()?;
    }
    for script in scripts {
        db.execute_batch(&script)?;
    }
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))?;
    Ok(())
}

fn commit(ledger: &mut Ledger, offset: i64, commit: LedgerCommit<'_>) -> Result<()> {
    let epoch = ledger.acquire(&TopicPartition::new("forecall.outreach.log.v1", 0), "bench")?;
    let position = LedgerPosition {
        next_offset: offset,
        checkpoint: String::new(),
    };
    let done = ledger.commit(
        &epoch,
        &LedgerCommit {
            position: &position,
            ..commit
        },
    )?;
    ensure!(matches!(done, CommitOutcome::Committed(_)), "fenced");
    Ok(())
}

/// What outreach commits beside the looks: 500 messages to as many people.
pub(crate) fn batch(ledger: &mut Ledger, number: u32) -> Result<()> {
    let notice = NoticeId::derived(Fingerprint::of_parts(&[b"beside", &number.to_le_bytes()]));
    let intents: Result<Vec<Intent>> = (0..500_u32)
        .map(|person| {
            Ok(Intent {
                id: IntentId::derived(Fingerprint::of_parts(&[
                    notice.as_str().as_bytes(),
                    &person.to_le_bytes(),
                ])),
                notice: notice.clone(),
                incident: incident_id(0),
                domain: domain()?,
                customer: customer_id(person),
                channel: ContactChannel::Sms,
                language: Language::Fa,
                at: now(),
                expires_at: None,
            })
        })
        .collect();
    let texts = [(notice, text())];
    commit(
        ledger,
        2 + i64::from(number),
        LedgerCommit {
            intents: &intents?,
            texts: &texts,
            ..LedgerCommit::nothing()
        },
    )
}
