//! A small domain: one region within another, two services, customers by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use forecall_outreach::{
    BrandSettings, Need, OutreachInput, OutreachOutput, OutreachSettings, OutreachStage, RegionSettings,
    ServiceClass, ServiceSettings, Words,
};
use forecall_stage::{Effects, Stage};
use forecall_types::*;

/// 2026-11-22 14:00 in Tehran is minute 0.
pub(crate) fn minute(n: i64) -> EventTime {
    EventTime::from_secs(1_795_343_400 + n * 60)
}

pub(crate) fn domain() -> DomainName {
    DomainName::new("faratel").unwrap()
}

pub(crate) fn settings(change: impl FnOnce(&mut OutreachSettings)) -> Arc<OutreachSettings> {
    let code = |t: &str| RegionCode::new(t).unwrap();
    let service = |fa, en, class, breaks: &[Need]| ServiceSettings {
        name: Some(Words::new(fa, en)),
        class,
        breaks: breaks.iter().copied().collect(),
        advice: Some(Words::new("کارهای مهم را ذخیره کنید.", "Please save your work.")),
        ..ServiceSettings::default()
    };
    let mut settings = OutreachSettings {
        brand: BrandSettings {
            name: Words::new("فراتل", "Faratel"),
            ..BrandSettings::default()
        },
        regions: BTreeMap::from([
            (
                code("IR-23"),
                RegionSettings {
                    name: Some(Words::new("تهران", "Tehran")),
                    ..RegionSettings::default()
                },
            ),
            (
                code("IR-23-T5"),
                RegionSettings {
                    parent: Some(code("IR-23")),
                    name: Some(Words::new("منطقه ۵ تهران", "Tehran 5")),
                    ..RegionSettings::default()
                },
            ),
        ]),
        services: BTreeMap::from([
            (
                ServiceName::new("internet").unwrap(),
                service(
                    "اینترنت",
                    "Internet",
                    ServiceClass::Ordinary,
                    &[Need::MobileData, Need::FixedAccess],
                ),
            ),
            (
                ServiceName::new("voice").unwrap(),
                service("تماس", "Telephony", ServiceClass::Voice, &[Need::SmsCore]),
            ),
        ]),
        ..OutreachSettings::default()
    };
    settings.approval.reach_above = 1_000;
    settings.predicted.needs_approval = false;
    change(&mut settings);
    Arc::new(settings)
}

pub(crate) fn customer(name: &str, channels: &[ContactChannel]) -> Customer {
    Customer {
        id: CustomerId::new(&format!("cus_{name}")).unwrap(),
        domain: domain(),
        region: RegionCode::new("IR-23-T5").unwrap(),
        place: None,
        served_by: BTreeSet::new(),
        services: ["internet", "voice"]
            .iter()
            .map(|s| ServiceName::new(s).unwrap())
            .collect(),
        language: Language::Fa,
        channels: channels.to_vec(),
        consents: BTreeSet::from([Purpose::ServiceNotice]),
        priority: false,
        at: minute(-100),
    }
}

pub(crate) fn incident(state: IncidentState, revision: u32, at: EventTime) -> Incident {
    Incident {
        id: IncidentId::new("inc_1").unwrap(),
        revision,
        domain: domain(),
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
        probability: if state == IncidentState::Predicted {
            Probability::clamped(0.95)
        } else {
            Probability::ONE
        },
        opened_at: minute(0),
        at,
        onset_predicted: Some(minute(30)),
        onset_interval: None,
        onset_observed: (state != IncidentState::Predicted).then(|| minute(30)),
        resolved_at: (state == IncidentState::Resolved).then_some(at),
        evidence: Vec::new(),
        contributions: Vec::new(),
        dimensions: Vec::new(),
        causes: Vec::new(),
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

/// Service and region of what an anomaly speaks for.
fn place(anomaly: &Anomaly) -> String {
    let part = |name| anomaly.series.resource.get(name).unwrap_or_default();
    format!("{} {}", part("service.name"), part("region"))
}

/// The stage with what it has said.
pub(crate) struct Run {
    pub(crate) stage: OutreachStage,
    pub(crate) settings: Arc<OutreachSettings>,
    pub(crate) fed: Vec<OutreachEntry>,
    pub(crate) notices: BTreeMap<NoticeId, Notice>,
    pub(crate) intents: Vec<Intent>,
    pub(crate) outputs: Vec<OutreachOutput>,
    pub(crate) withheld: Vec<Withheld>,
    pub(crate) log: String,
    commands: u32,
    replies: u32,
}

impl Run {
    pub(crate) fn new(settings: Arc<OutreachSettings>) -> Self {
        Self {
            stage: OutreachStage::new(Arc::clone(&settings)),
            settings,
            fed: Vec::new(),
            notices: BTreeMap::new(),
            intents: Vec::new(),
            outputs: Vec::new(),
            withheld: Vec::new(),
            log: String::new(),
            commands: 0,
            replies: 0,
        }
    }

    pub(crate) fn feed(&mut self, entry: OutreachEntry) {
        self.fed.push(entry.clone());
        let position = Position {
            topic: "log".into(),
            partition: 0,
            offset: 0,
        };
        let mut effects = Effects::default();
        self.stage.step(&OutreachInput { position, entry }, &mut effects);
        for reject in effects.rejects() {
            writeln!(self.log, "  refused ({}): {}", reject.reason, reject.detail).unwrap();
        }
        for output in effects.outputs() {
            self.hear(output);
        }
    }

    fn hear(&mut self, output: &OutreachOutput) {
        self.outputs.push(output.clone());
        match output {
            OutreachOutput::Kill { on } => writeln!(self.log, "  kill switch: {on}").unwrap(),
            OutreachOutput::Notice(n) => {
                let counts = |pairs: Vec<(&str, u64)>| -> String {
                    pairs.iter().map(|(name, n)| format!(" {name}={n}")).collect()
                };
                let progress = counts(n.progress.iter().map(|(s, n)| (s.as_str(), *n)).collect());
                let withheld = counts(n.withheld.iter().map(|(r, n)| (r.as_str(), *n)).collect());
                writeln!(
                    self.log,
                    "  {} r{} {}: audience {}{progress}{}{withheld} ({})",
                    n.stage.as_str(),
                    n.revision,
                    n.state.as_str(),
                    n.audience,
                    if withheld.is_empty() { "" } else { " |" },
                    n.reason
                )
                .unwrap();
                if n.revision == 1 {
                    let text = n
                        .texts
                        .iter()
                        .find(|t| (t.language, t.channel) == (Language::Fa, ContactChannel::Sms));
                    writeln!(self.log, "    {}", text.unwrap().body).unwrap();
                }
                let before = self.notices.insert(n.id.clone(), n.as_ref().clone());
                assert_eq!(
                    n.revision,
                    before.map_or(0, |n| n.revision) + 1,
                    "revisions rise by one"
                );
            }
            OutreachOutput::Intent(i) => {
                writeln!(self.log, "    -> {} {}", i.customer, i.channel.as_str()).unwrap();
                assert!(
                    self.intents.iter().all(|old| old.id != i.id),
                    "an intent is planned once"
                );
                assert!(
                    self.notices.contains_key(&i.notice),
                    "the notice stands before its intents"
                );
                self.intents.push(i.clone());
            }
            OutreachOutput::Answer { intent, text } => {
                let part = if text.parts == 1 { "" } else { "s" };
                writeln!(
                    self.log,
                    "  -> {} {} ({} part{part}): {}",
                    intent.customer,
                    text.channel.as_str(),
                    text.parts,
                    text.body
                )
                .unwrap();
                assert!(intent.notice.is_answer() && intent.expires_at > Some(intent.at));
                self.intents.push(intent.clone());
            }
            OutreachOutput::StillDown(a) => {
                let state = match a.state {
                    AnomalyState::Opened => "opened",
                    AnomalyState::Updated => "updated",
                    AnomalyState::Closed => "closed",
                };
                writeln!(
                    self.log,
                    "  evidence {state} r{}: {} people at {}, score {:.1}",
                    a.revision,
                    a.samples,
                    place(a),
                    a.score.get()
                )
                .unwrap();
            }
            OutreachOutput::CancelIntents {
                notice,
                customer,
                reason,
            } => {
                let stage = self.notices[notice].stage.as_str();
                let whom = customer
                    .as_ref()
                    .map_or_else(String::new, |id| format!(" to {id}"));
                writeln!(self.log, "    cancel {stage}{whom}: {}", reason.as_str()).unwrap();
            }
            OutreachOutput::Withheld(w) => {
                let counted = self.notices[&w.notice].withheld.get(&w.reason);
                let named: BTreeSet<_> = w.customers.iter().collect();
                assert_eq!(named.len(), w.customers.len(), "nobody is named twice");
                assert_eq!(
                    counted,
                    Some(&u64::try_from(named.len()).unwrap()),
                    "who isn't told is counted"
                );
                self.withheld.push(w.clone());
            }
            OutreachOutput::Forecast(_) | OutreachOutput::Incident(_) => {}
        }
    }

    pub(crate) fn customers(&mut self, customers: &[Customer]) {
        for customer in customers {
            self.feed(OutreachEntry::Customer(CustomerChange::Upsert(customer.clone())));
        }
    }

    pub(crate) fn say(&mut self, what: &str) {
        writeln!(self.log, "{what}").unwrap();
    }

    pub(crate) fn event(&mut self, change: IncidentChange, incident: &Incident) {
        let at = (incident.at.secs() - minute(0).secs()) / 60;
        self.say(&format!("+{at} min: {}", change.as_str()));
        self.feed(OutreachEntry::Incident(Box::new(IncidentEvent {
            change,
            incident: incident.clone(),
        })));
    }

    pub(crate) fn tick(&mut self, n: i64) {
        self.say(&format!("+{n} min: tick"));
        self.feed(OutreachEntry::Tick(Tick { at: minute(n) }));
    }

    pub(crate) fn command(&mut self, n: i64, action: Action) {
        self.commands += 1;
        self.command_as(&format!("c{}", self.commands), n, action);
    }

    /// A command of a given team.
    pub(crate) fn command_by(&mut self, team: &str, n: i64, action: Action) {
        self.commands += 1;
        let id = format!("c{}", self.commands);
        self.command_of(&id, team, n, action);
    }

    /// A command under a given id.
    pub(crate) fn command_as(&mut self, id: &str, n: i64, action: Action) {
        self.command_of(id, "noc", n, action);
    }

    fn command_of(&mut self, id: &str, team: &str, n: i64, action: Action) {
        self.say(&format!("+{n} min: command"));
        self.feed(OutreachEntry::Command(Command {
            id: Arc::from(id),
            domain: domain(),
            at: minute(n),
            by: Arc::from(team),
            action,
        }));
    }

    /// A customer writes.
    pub(crate) fn reply(&mut self, n: i64, who: &str, kind: ReplyKind) {
        self.say(&format!("+{n} min: {who} writes {}", kind.as_str()));
        self.replies += 1;
        self.feed(OutreachEntry::Reply(Reply {
            id: Arc::from(format!("rep_{}", self.replies)),
            customer: CustomerId::new(&format!("cus_{who}")).unwrap(),
            at: minute(n),
            kind,
        }));
    }

    /// The gateway's answer on every intent that isn't at its end.
    pub(crate) fn receipts(&mut self, n: i64, state: IntentState, which: impl Fn(&Intent) -> bool) {
        self.say(&format!("+{n} min: {}", state.as_str()));
        let intents: Vec<Intent> = self.intents.iter().filter(|i| which(i)).cloned().collect();
        for intent in intents {
            self.feed(OutreachEntry::Receipt(Receipt {
                intent: intent.id,
                notice: intent.notice,
                domain: domain(),
                state,
                at: minute(n),
            }));
        }
    }
}
