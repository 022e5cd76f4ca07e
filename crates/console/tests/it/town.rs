//! A small operator: the real stage of outreach, its outputs in a real ledger, a gateway that takes everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forecall_console::{Desk, Pseudonym};
use forecall_ledger::{
    Cancel, CommitOutcome, DirectoryRow, Epoch, Incoming, Kept, LeaseRequest, Ledger, LedgerCommit,
    LedgerPosition, MasterKey, Outcome, OutcomeKind, Secret, Words as Written,
};
use forecall_log::TopicPartition;
use forecall_outreach::{
    BrandSettings, Need, OutreachInput, OutreachOutput, OutreachSettings, OutreachStage, RegionSettings,
    ServiceClass, ServiceSettings, Words,
};
use forecall_stage::{Effects, Stage};
use forecall_types::*;
use tempfile::TempDir;

/// 2026-11-22 14:00 in Tehran is minute 0.
pub(crate) fn minute(n: i64) -> EventTime {
    EventTime::from_secs(1_795_343_400 + n * 60)
}

pub(crate) fn customer_id(raw: &str) -> CustomerId {
    CustomerId::derived(Fingerprint::of(raw.as_bytes()))
}

pub(crate) fn settings(change: impl FnOnce(&mut OutreachSettings)) -> Arc<OutreachSettings> {
    let code = |t: &str| RegionCode::new(t).unwrap();
    let named = |fa, en, parent: Option<&str>| RegionSettings {
        parent: parent.map(code),
        name: Some(Words::new(fa, en)),
        ..RegionSettings::default()
    };
    let mut settings = OutreachSettings {
        brand: BrandSettings {
            name: Words::new("فراتل", "Faratel"),
            ..BrandSettings::default()
        },
        regions: BTreeMap::from([
            (code("IR-23"), named("تهران", "Tehran", None)),
            (
                code("IR-23-T5"),
                named("منطقه ۵ تهران", "Tehran 5", Some("IR-23")),
            ),
            (code("IR-10"), named("اصفهان", "Isfahan", None)),
        ]),
        services: BTreeMap::from([(
            ServiceName::new("internet").unwrap(),
            ServiceSettings {
                name: Some(Words::new("اینترنت", "Internet")),
                class: ServiceClass::Ordinary,
                breaks: BTreeSet::from([Need::FixedAccess, Need::MobileData]),
                ..ServiceSettings::default()
            },
        )]),
        ..OutreachSettings::default()
    };
    settings.approval.reach_above = 1_000;
    change(&mut settings);
    Arc::new(settings)
}

pub(crate) fn incident(state: IncidentState, revision: u32, at: EventTime) -> Incident {
    Incident {
        id: IncidentId::new("inc_2d6f8h1j3k5m7p9r").unwrap(),
        revision,
        domain: DomainName::new("isp").unwrap(),
        state,
        reopened: 0,
        phase: None,
        severity: Severity::Severe,
        kind: IncidentKind::Degradation,
        scope: Scope {
            services: BTreeSet::from([ServiceName::new("internet").unwrap()]),
            regions: BTreeSet::from([RegionCode::new("IR-23").unwrap()]),
            ..Scope::default()
        },
        probability: Probability::ONE,
        opened_at: minute(0),
        at,
        onset_predicted: None,
        onset_interval: None,
        onset_observed: Some(minute(0)),
        resolved_at: (state == IncidentState::Resolved).then_some(at),
        evidence: Vec::new(),
        contributions: Vec::new(),
        dimensions: Vec::new(),
        causes: vec![Cause {
            node: Arc::from("core-router-secret"),
            path: Vec::new(),
            share: 1.0,
        }],
        paging: Vec::new(),
        silenced: None,
        storm: false,
        parent: None,
        merged_into: None,
        split_from: None,
        adjustment: None,
        remedies: Vec::new(),
        work: None,
        responsibility: Responsibility::Own,
        acknowledged: None,
        eta: None,
        steps: Vec::new(),
        problem: None,
        reason: String::new(),
        version: Arc::from("1"),
        settings: Arc::from(""),
        lineage: Lineage::default(),
        simulated: false,
    }
}

fn partition() -> TopicPartition {
    TopicPartition::new("forecall.outreach.log.v1", 0)
}

pub(crate) struct Town {
    pub(crate) folder: TempDir,
    pub(crate) settings: Arc<OutreachSettings>,
    pub(crate) notices: BTreeMap<NoticeId, Notice>,
    stage: OutreachStage,
    ledger: Ledger,
    epoch: Epoch,
    offset: i64,
}

impl Town {
    /// Ali may be told by text message, Bita hasn't agreed, Cyrus lives elsewhere, Dara can only be reached over what fails.
    pub(crate) fn new(change: impl FnOnce(&mut OutreachSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open(&folder);
        let epoch = ledger.acquire(&partition(), "town").unwrap();
        let settings = settings(change);
        let mut town = Self {
            stage: OutreachStage::new(Arc::clone(&settings)),
            folder,
            settings,
            notices: BTreeMap::new(),
            ledger,
            epoch,
            offset: 0,
        };
        for (raw, region, number, agrees) in [
            ("ali", "IR-23-T5", Some("+989121234567"), true),
            ("bita", "IR-23-T5", Some("+989121234568"), false),
            ("cyrus", "IR-10", Some("+989121234569"), true),
            ("dara", "IR-23-T5", None, true),
        ] {
            town.settle(raw, region, number, agrees);
        }
        town
    }

    fn settle(&mut self, raw: &str, region: &str, number: Option<&str>, agrees: bool) {
        let channel = match number {
            Some(_) => ContactChannel::Sms,
            None => ContactChannel::Email,
        };
        let customer = Customer {
            id: customer_id(raw),
            domain: DomainName::new("isp").unwrap(),
            region: RegionCode::new(region).unwrap(),
            place: None,
            served_by: BTreeSet::new(),
            services: BTreeSet::from([ServiceName::new("internet").unwrap()]),
            language: Language::Fa,
            channels: vec![channel],
            consents: agrees.then_some(Purpose::ServiceNotice).into_iter().collect(),
            priority: false,
            at: minute(-100),
        };
        let address = number.unwrap_or("dara@example.ir");
        let row = DirectoryRow {
            customer: customer.clone(),
            name: None,
            addresses: BTreeMap::from([(channel, Secret::new(address))]),
        };
        self.ledger.import_customers([row]).unwrap();
        self.feed(OutreachEntry::Customer(CustomerChange::Upsert(customer)));
    }

    pub(crate) fn feed(&mut self, entry: OutreachEntry) {
        self.offset += 1;
        let position = Position {
            topic: "outreach".into(),
            partition: 0,
            offset: self.offset,
        };
        let mut effects = Effects::default();
        self.stage.step(&OutreachInput { position, entry }, &mut effects);
        let (mut intents, mut texts, mut cancels, mut kept) = (vec![], vec![], vec![], vec![]);
        let mut killed = None;
        for output in effects.outputs() {
            match output.clone() {
                OutreachOutput::Notice(notice) => {
                    texts.extend(notice.texts.iter().map(|t| (notice.id.clone(), t.clone())));
                    kept.push(Kept::notice(&notice));
                    self.notices.insert(notice.id.clone(), *notice);
                }
                OutreachOutput::Incident(incident) => kept.push(Kept::incident(&incident)),
                OutreachOutput::Withheld(withheld) => kept.push(Kept::Withheld(withheld)),
                OutreachOutput::Intent(intent) => intents.push(intent),
                OutreachOutput::Answer { intent, text } => {
                    texts.push((intent.notice.clone(), text));
                    intents.push(intent);
                }
                OutreachOutput::CancelIntents {
                    notice,
                    customer,
                    reason,
                } => cancels.push(Cancel {
                    notice,
                    customer,
                    reason,
                }),
                OutreachOutput::Kill { on } => killed = Some(on),
                OutreachOutput::StillDown(_) | OutreachOutput::Forecast(_) => {}
            }
        }
        let commit = LedgerCommit {
            position: &LedgerPosition {
                next_offset: self.offset,
                checkpoint: String::new(),
            },
            intents: &intents,
            texts: &texts,
            cancels: &cancels,
            kept: &kept,
            killed,
            ..LedgerCommit::nothing()
        };
        let done = self.ledger.commit(&self.epoch, &commit).unwrap();
        assert!(matches!(done, CommitOutcome::Committed(_)));
    }

    pub(crate) fn happens(&mut self, incident: Incident, change: IncidentChange) {
        self.feed(OutreachEntry::Incident(Box::new(IncidentEvent {
            change,
            incident,
        })));
    }

    pub(crate) fn tick(&mut self, at: EventTime) {
        self.feed(OutreachEntry::Tick(Tick { at }));
    }

    /// The gateway takes what waits; its receipts come back.
    pub(crate) fn deliver(&mut self, at: EventTime) -> usize {
        let channels = [(ContactChannel::Sms, 100)];
        let leased = self
            .ledger
            .lease(&LeaseRequest {
                worker: "town",
                now: at,
                lease_for: Duration::from_secs(60),
                channels: &channels,
            })
            .unwrap();
        for one in &leased {
            let outcome = Outcome {
                intent: one.intent.id.clone(),
                fence: one.fence,
                kind: OutcomeKind::State {
                    to: IntentState::Accepted,
                    provider_ref: None,
                    reason: None,
                },
                at,
            };
            self.ledger.record(&outcome).unwrap();
            self.feed(OutreachEntry::Receipt(Receipt {
                intent: one.intent.id.clone(),
                notice: one.intent.notice.clone(),
                domain: one.intent.domain.clone(),
                state: IntentState::Accepted,
                at,
            }));
        }
        leased.len()
    }

    /// Ali writes.
    pub(crate) fn writes(&mut self, kind: ReplyKind, at: EventTime) {
        let words = Written {
            channel: ContactChannel::Sms,
            address: Secret::new("+989121234567"),
            kind,
            mark: 7,
            same_within: Duration::from_secs(60),
        };
        self.ledger.hear(&[Incoming::Words(words)], at).unwrap();
    }

    pub(crate) fn erase(&mut self, raw: &str, at: EventTime) {
        assert!(self.ledger.erase(&customer_id(raw), at).unwrap());
    }

    pub(crate) fn desk(&self) -> Arc<Desk> {
        let pseudonym: Pseudonym = Arc::new(customer_id);
        let desk = Desk::new(open(&self.folder), Arc::clone(&self.settings), pseudonym);
        Arc::new(desk.unwrap())
    }

    pub(crate) fn ledger(&self) -> Ledger {
        open(&self.folder)
    }
}

fn open(folder: &TempDir) -> Ledger {
    let master = MasterKey::from_bytes([7; 32]);
    let ledger = Ledger::open(&folder.path().join("ledger.db"), master).unwrap();
    ledger.forgo_durability().unwrap();
    ledger
}

/// Time that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct Clock(Arc<Mutex<EventTime>>);

impl Clock {
    pub(crate) fn at(at: EventTime) -> Self {
        Self(Arc::new(Mutex::new(at)))
    }

    pub(crate) fn set(&self, at: EventTime) {
        *self.0.lock().unwrap() = at;
    }

    pub(crate) fn now(&self) -> EventTime {
        *self.0.lock().unwrap()
    }
}
