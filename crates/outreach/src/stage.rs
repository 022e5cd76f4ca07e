//! The stage: records of the outreach log in, notices, intents and call forecasts out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_stage::{Effects, SnapshotError, Stage, decode_state, encode_state};
use forecall_types::{
    Anomaly, CallForecast, CustomerChange, CustomerId, DomainName, EventTime, HoldReason, Incident, Intent,
    Notice, NoticeId, NoticeText, OutreachEntry, Position, RejectReason, Reply, ReplyKind, Withheld,
};
use serde::{Deserialize, Serialize};

use crate::calls::effect::Arms;
use crate::calls::{CallModel, CallState};
use crate::notice::{Domain, Office};
use crate::settings::OutreachSettings;
use crate::words::Wording;

/// Domains on one partition of the log. They are tenants: more go on further partitions.
pub const DOMAINS_MAX: usize = 256;
/// Pseudonyms that opted out, kept whether or not the directory knows them: as many as a partition's largest directory.
pub const OPT_OUTS_MAX: usize = 2_000_000;

/// One record of the outreach log.
#[derive(Debug, Clone, PartialEq)]
pub struct OutreachInput {
    /// Where it stands.
    pub position: Position,
    /// What it says.
    pub entry: OutreachEntry,
}

/// What is to be written down or published.
#[derive(Debug, Clone, PartialEq)]
pub enum OutreachOutput {
    /// A revision of a notice; it stands before the intents it plans.
    Notice(Box<Notice>),
    /// An incident as outreach knows it now: for whoever answers a customer.
    Incident(Box<Incident>),
    /// People a notice doesn't go to, or not yet, for a reason of their own; it stands behind the notice. Said again where they change.
    Withheld(Withheld),
    /// One message to one person.
    Intent(Intent),
    /// Intents of this notice that haven't been tried must not be. Each is then answered with a receipt `failed`; one
    /// that had left already is answered as usual.
    CancelIntents {
        /// The notice.
        notice: NoticeId,
        /// Only those of this person; `None`: of all.
        customer: Option<CustomerId>,
        /// Why: the kill switch, later news, or that they want no more.
        reason: HoldReason,
    },
    /// What answers one customer's reply: one message, in words that are its own.
    Answer {
        /// The message.
        intent: Intent,
        /// Its words, under the intent's notice id.
        text: NoticeText,
    },
    /// More customers than by chance write that it still fails where they were told that it works: evidence for `correlate`, by
    /// service and region, without a person in it.
    StillDown(Box<Anomaly>),
    /// The kill switch was turned: `deliver` sends nothing while it is on.
    Kill {
        /// Whether it is on.
        on: bool,
    },
    /// Calls expected in an interval.
    Forecast(Box<CallForecast>),
}

/// Whom to tell what of which incident, and the calls to expect. Its state is all the log has told it.
pub struct OutreachStage {
    settings: Arc<OutreachSettings>,
    wording: Wording,
    domains: BTreeMap<DomainName, Domain>,
    opted_out: BTreeSet<CustomerId>,
    calls: CallModel,
}

/// What a snapshot holds.
#[derive(Serialize)]
struct Saved<'a> {
    domains: &'a BTreeMap<DomainName, Domain>,
    opted_out: &'a BTreeSet<CustomerId>,
    calls: &'a CallState,
}

#[derive(Deserialize)]
struct Loaded {
    domains: BTreeMap<DomainName, Domain>,
    opted_out: BTreeSet<CustomerId>,
    calls: CallState,
}

impl OutreachStage {
    /// Knows nobody yet.
    pub fn new(settings: Arc<OutreachSettings>) -> Self {
        Self {
            calls: CallModel::new(Arc::clone(&settings.calls)),
            settings,
            wording: Wording::default(),
            domains: BTreeMap::new(),
            opted_out: BTreeSet::new(),
        }
    }

    /// The domain of that name with what it needs for a record, and the call model; `None`, with a reject, if there are
    /// too many domains.
    fn domain<'a>(
        &'a mut self,
        name: &DomainName,
        effects: &'a mut Effects<OutreachOutput>,
    ) -> Option<(&'a mut Domain, Office<'a>, &'a mut CallModel)> {
        if !self.domains.contains_key(name) && self.domains.len() >= DOMAINS_MAX {
            effects.reject(RejectReason::TooLarge, "too many domains on one partition");
            return None;
        }
        let domain = self.domains.entry(name.clone()).or_default();
        let office = Office {
            settings: &self.settings,
            wording: &self.wording,
            opted_out: &self.opted_out,
            effects,
        };
        Some((domain, office, &mut self.calls))
    }

    /// Domains whose hold-out has ended itself, because it showed harm, and was not declared anew since.
    pub fn hold_outs_ended(&self) -> usize {
        let declared = self.settings.hold_out.as_ref();
        let has_ended =
            |domain: &&Domain| declared.is_some_and(|declared| domain.hold_out_has_ended(declared));
        self.domains.values().filter(has_ended).count()
    }

    /// Whether ticks change nothing of what it says, up to its next record: no incident is open, no message or receipt waits,
    /// and no queue is forecast.
    pub fn is_at_rest(&self) -> bool {
        self.calls.is_at_rest() && self.domains.values().all(Domain::is_at_rest)
    }

    fn on_customer(&mut self, change: &CustomerChange, effects: &mut Effects<OutreachOutput>) {
        let name = match change {
            CustomerChange::Upsert(customer) => &customer.domain,
            CustomerChange::Erased { id, domain } => {
                self.opted_out.remove(id);
                domain
            }
        };
        if name.is_canary() {
            effects.reject(RejectReason::NotAllowed, "the canary's domain has no customers");
            return;
        }
        if let Some((domain, office, _)) = self.domain(name, effects) {
            domain.on_customer(change, office.effects);
        }
    }

    fn on_reply(&mut self, reply: &Reply, effects: &mut Effects<OutreachOutput>) {
        if reply.kind == ReplyKind::Stop {
            if self.opted_out.len() < OPT_OUTS_MAX || self.opted_out.contains(&reply.customer) {
                self.opted_out.insert(reply.customer.clone());
            } else {
                return effects.reject(RejectReason::TooLarge, "the list of opt-outs is full");
            }
        }
        for (name, domain) in &mut self.domains {
            let mut office = Office {
                settings: &self.settings,
                wording: &self.wording,
                opted_out: &self.opted_out,
                effects,
            };
            domain.on_reply(name, reply, &mut office);
        }
    }

    fn on_tick(&mut self, at: EventTime, effects: &mut Effects<OutreachOutput>) {
        for domain in self.domains.values_mut() {
            let mut office = Office {
                settings: &self.settings,
                wording: &self.wording,
                opted_out: &self.opted_out,
                effects,
            };
            domain.on_tick(at, &mut office);
        }
        let mut forecasts = Vec::new();
        self.calls.on_tick(at, &mut forecasts);
        for forecast in forecasts {
            effects.emit(OutreachOutput::Forecast(Box::new(forecast)));
        }
    }

    fn take_in(&mut self, input: &OutreachInput, effects: &mut Effects<OutreachOutput>) {
        match &input.entry {
            OutreachEntry::Incident(event) => {
                if let Some((domain, mut office, calls)) = self.domain(&event.incident.domain, effects)
                    && let Some(affected) = domain.on_incident(event, &mut office)
                    // It brings no calls.
                    && !event.incident.domain.is_canary()
                {
                    calls.on_incident(event, affected);
                    let incident = Box::new(event.incident.clone());
                    office.effects.emit(OutreachOutput::Incident(incident));
                }
            }
            OutreachEntry::Call(call) => {
                if let Some((domain, _, calls)) = self.domain(&call.domain, effects) {
                    if let Some(customer) = &call.customer {
                        domain.saw(customer, call.at);
                    }
                    calls.on_call(call);
                }
            }
            OutreachEntry::Customer(change) => self.on_customer(change, effects),
            OutreachEntry::Reply(reply) => self.on_reply(reply, effects),
            OutreachEntry::Receipt(receipt) => {
                if let Some((domain, mut office, calls)) = self.domain(&receipt.domain, effects)
                    && let Some(incident) = domain.on_receipt(receipt, &mut office)
                {
                    calls.on_told(&incident, receipt.at, 1);
                }
            }
            OutreachEntry::Command(command) => {
                if let Some((domain, mut office, _)) = self.domain(&command.domain, effects) {
                    domain.on_command(command, &mut office);
                }
            }
            OutreachEntry::Tick(tick) => self.on_tick(tick.at, effects),
        }
    }

    /// What hold-outs found, as notices tell it, is what the call forecasts think of the next notice.
    fn hear_trials(&mut self, outputs: &[OutreachOutput]) {
        for output in outputs {
            let OutreachOutput::Notice(notice) = output else {
                continue;
            };
            if let Some(trial) = &notice.hold_out {
                let arms = Arms {
                    told: trial.told,
                    held_out: trial.held_out,
                    told_contacts: trial.told_contacts,
                    held_out_contacts: trial.held_out_contacts,
                };
                self.calls.on_trial(&notice.domain, &notice.incident, arms);
            }
        }
    }
}

impl Stage for OutreachStage {
    type Settings = Arc<OutreachSettings>;
    type Input = OutreachInput;
    type Output = OutreachOutput;

    const NAME: &'static str = "outreach";
    const VERSION: u32 = 8;

    fn step(&mut self, input: &OutreachInput, effects: &mut Effects<OutreachOutput>) {
        let before = effects.outputs().len();
        self.take_in(input, effects);
        self.hear_trials(effects.outputs().get(before..).unwrap_or_default());
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        encode_state(&Saved {
            domains: &self.domains,
            opted_out: &self.opted_out,
            calls: self.calls.state(),
        })
    }

    fn load(settings: Arc<OutreachSettings>, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let loaded: Loaded = decode_state(bytes)?;
        Ok(Self {
            calls: CallModel::restore(Arc::clone(&settings.calls), loaded.calls),
            settings,
            wording: Wording::default(),
            domains: loaded.domains,
            opted_out: loaded.opted_out,
        })
    }
}
