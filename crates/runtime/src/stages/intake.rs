use forecall_ledger::{AddressSeal, DirectoryRow};
use forecall_log::{OutRecord, RecordRef, TopicPartition};
use forecall_stage::{Effects, SnapshotError, Stage};
use forecall_types::{
    Command, CorrelateEntry, CustomerChange, CustomerId, EventTime, Fingerprint, OutreachEntry, Reject,
    RejectReason,
};
use forecall_wire::event::{
    DirectoryRecord, TopicId, decode_command, decode_directory_record, decode_feedback,
    decode_incident_event, decode_service, encode_correlate_entry, encode_outreach_entry,
};
use forecall_wire::telemetry::{Decoded, decode};

use crate::host::{Adapter, Effect};
use crate::stages::{Wiring, unwritable, value};

/// For whose log records are sequenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intake {
    /// Commands on incidents, feedback and what services need, for `correlate`.
    Correlate,
    /// Incidents, calls, customers, replies and commands on notices, for `outreach`.
    Outreach,
}

/// One record that belongs in a stage's log.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// For `correlate`.
    Correlate(Box<CorrelateEntry>),
    /// For `outreach`.
    Outreach(Box<OutreachEntry>),
    /// A person's addresses, for the ledger alone.
    Know(Box<DirectoryRow>),
    /// A person to be erased from the ledger.
    Forget(CustomerId, EventTime),
}

/// What one record came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken {
    entries: Vec<Entry>,
    /// Parts that were refused while the others are good.
    rejects: Vec<Reject>,
}

impl From<Entry> for Taken {
    fn from(entry: Entry) -> Self {
        Self {
            entries: vec![entry],
            rejects: Vec::new(),
        }
    }
}

/// Puts the records of several topics in one order: that of the stage's own log. It decides nothing.
pub(crate) struct IntakeStage;

impl Stage for IntakeStage {
    type Settings = ();
    type Input = Taken;
    type Output = Entry;
    const NAME: &'static str = "intake";
    const VERSION: u32 = 1;
    const STATELESS: bool = true;

    fn step(&mut self, input: &Taken, effects: &mut Effects<Entry>) {
        for entry in &input.entries {
            effects.emit(entry.clone());
        }
        for reject in &input.rejects {
            effects.reject(reject.reason, reject.detail.clone());
        }
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        Ok(Vec::new())
    }

    fn load((): (), _: &[u8]) -> Result<Self, SnapshotError> {
        Ok(Self)
    }
}

/// Joins [`IntakeStage`] to its topics.
pub(crate) struct IntakeAdapter {
    /// Sources and topics.
    pub(crate) wiring: Wiring,
    /// For whose log.
    pub(crate) intake: Intake,
    /// Topic of the customer directory, where one is declared, and what opens its addresses.
    pub(crate) directory: Option<(String, AddressSeal)>,
}

impl IntakeAdapter {
    /// A record of the directory topic: the person for outreach's log, without addresses, and those for the ledger.
    fn person(&self, record: &RecordRef<'_>, seal: &AddressSeal) -> Result<Option<Taken>, Reject> {
        // A tombstone of the compacted topic: the customer's erasure came as a record of its own before it.
        let Some(bytes) = record.value else {
            return Ok(None);
        };
        let DirectoryRecord {
            customer,
            ciphertexts,
        } = decode_directory_record(record.headers.get(), bytes)?;
        let ledger = match &customer {
            CustomerChange::Upsert(customer) => {
                let opened = ciphertexts.iter().map(|(channel, sealed)| {
                    let address = seal.open(&customer.id, *channel, sealed).map_err(|_| {
                        let detail =
                            "address_ciphertext: it isn't sealed for this customer by this ledger's key";
                        Reject::new(RejectReason::BadValue, detail)
                    })?;
                    Ok((*channel, address))
                });
                Entry::Know(Box::new(DirectoryRow {
                    customer: customer.clone(),
                    name: None,
                    addresses: opened.collect::<Result<_, Reject>>()?,
                }))
            }
            CustomerChange::Erased { id, .. } => Entry::Forget(id.clone(), record.appended_at),
        };
        Ok(Some(Taken {
            entries: vec![
                ledger,
                Entry::Outreach(Box::new(OutreachEntry::Customer(customer))),
            ],
            rejects: Vec::new(),
        }))
    }

    fn command(&self, command: Command) -> Option<Entry> {
        match (self.intake, command.action.is_on_incident()) {
            (Intake::Correlate, true) => Some(Entry::Correlate(Box::new(CorrelateEntry::Command(command)))),
            (Intake::Outreach, false) => Some(Entry::Outreach(Box::new(OutreachEntry::Command(command)))),
            (Intake::Correlate, false) | (Intake::Outreach, true) => None,
        }
    }
}

impl Adapter for IntakeAdapter {
    type Stage = IntakeStage;
    type Memory = ();

    fn settings_digest(&self) -> Fingerprint {
        Fingerprint::of(format!("{:?}", self.intake).as_bytes())
    }

    fn create(&self, _: &TopicPartition) -> IntakeStage {
        IntakeStage
    }

    fn load(&self, _: &TopicPartition, _: &[u8]) -> Result<IntakeStage, SnapshotError> {
        Ok(IntakeStage)
    }

    fn decode(&self, record: &RecordRef<'_>) -> Result<Option<Taken>, Reject> {
        let (headers, topic) = (record.headers.get(), record.topic);
        let outreach = |entry| Entry::Outreach(Box::new(entry));
        if self.wiring.is_on(topic, TopicId::Commands) {
            return Ok(self
                .command(decode_command(headers, value(record)?)?)
                .map(Taken::from));
        }
        if self.wiring.is_on(topic, TopicId::Feedback) {
            let feedback = CorrelateEntry::Feedback(decode_feedback(headers, value(record)?)?);
            return Ok(Some(Entry::Correlate(Box::new(feedback)).into()));
        }
        if self.wiring.is_on(topic, TopicId::Topology) {
            // A tombstone is what compaction leaves: that a service is gone was said by a record before it.
            let Some(bytes) = record.value else {
                return Ok(None);
            };
            let service = CorrelateEntry::Service(Box::new(decode_service(headers, bytes)?));
            return Ok(Some(Entry::Correlate(Box::new(service)).into()));
        }
        if self.wiring.is_on(topic, TopicId::Incidents) {
            let event = decode_incident_event(headers, value(record)?)?;
            return Ok(Some(outreach(OutreachEntry::Incident(Box::new(event))).into()));
        }
        if let Some((_, seal)) = self.directory.as_ref().filter(|(name, _)| name == topic) {
            return self.person(record, seal);
        }
        let source = self.wiring.source(topic)?;
        Ok(
            match decode(
                source,
                self.wiring.pseudonyms.as_deref(),
                &Wiring::raw(source, record),
            )? {
                Decoded::Calls(batch) => Some(Taken {
                    entries: batch
                        .calls
                        .into_iter()
                        .map(|call| outreach(OutreachEntry::Call(call)))
                        .collect(),
                    rejects: batch.rejects,
                }),
                Decoded::Samples(_) | Decoded::CustomerEvents(_) | Decoded::Nothing => None,
            },
        )
    }

    fn encode(&self, _: &TopicPartition, output: Entry, into: &mut Vec<Effect>) -> Result<(), Reject> {
        let record = match output {
            Entry::Know(row) => {
                into.push(Effect::Know(row));
                return Ok(());
            }
            Entry::Forget(customer, at) => {
                into.push(Effect::Forget(customer, at));
                return Ok(());
            }
            Entry::Correlate(entry) => {
                let encoded = encode_correlate_entry(&entry).map_err(|e| unwritable(&e))?;
                self.wiring.out(TopicId::Anomalies, encoded)
            }
            Entry::Outreach(entry) => {
                let encoded = encode_outreach_entry(&entry).map_err(|e| unwritable(&e))?;
                self.wiring.out(TopicId::OutreachLog, encoded)
            }
        };
        into.push(Effect::Publish(record));
        Ok(())
    }

    /// It knows no time.
    fn is_at_rest(&self, _: &IntakeStage) -> bool {
        true
    }

    fn dead_letter(&self, record: &RecordRef<'_>, reject: &Reject) -> Option<OutRecord> {
        Some(self.wiring.dead_letter(record, reject))
    }
}
