//! In whatever order people speak, nobody is told past a consent, a STOP, the switch, an approval that is needed or a hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_outreach::{ApprovalSettings, OutreachOutput, OutreachSettings, RampSettings};
use forecall_types::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::Config;

use crate::world::*;

const NAMES: [&str; 8] = ["ali", "sara", "mina", "reza", "nima", "tara", "none", "tester"];
const TEAMS: [&str; 3] = ["noc", "duty", "field"];
type Text = Arc<str>;

/// What people have said, as one who only listens would note it down.
#[derive(Default)]
struct Heard {
    killed: bool,
    stopped: BTreeSet<CustomerId>,
    /// Teams that approved a text, and since which record.
    approved: BTreeMap<Text, BTreeSet<&'static str>>,
    sent: BTreeMap<Text, BTreeSet<&'static str>>,
    /// Stages that are held by incident; of what was said of their texts only later words count.
    held: BTreeMap<(IncidentId, NoticeStage), (BTreeSet<Text>, BTreeSet<Text>)>,
    /// Words, and who wrote them.
    words: BTreeMap<&'static str, &'static str>,
    /// Words that another team has read since, in a text that it approved.
    read: BTreeSet<&'static str>,
    given_by: BTreeMap<u64, BTreeSet<&'static str>>,
}

struct World {
    run: Run,
    heard: Heard,
    minute: i64,
    revision: u32,
    state: IncidentState,
    /// What the last word let go.
    lifted: Option<(IncidentId, NoticeStage)>,
}

const STEPS: [(&str, &str); 2] = [
    ("فیبر جوش خورد", "The fibre is spliced"),
    ("برق آمد", "Power is back"),
];

fn of_stage(stage: NoticeStage) -> bool {
    matches!(stage, NoticeStage::Predicted | NoticeStage::Confirmed)
}

impl World {
    fn new(night: bool) -> Self {
        let mut run = Run::new(settings(|s: &mut OutreachSettings| {
            s.approval = ApprovalSettings::default();
            s.ramp = Some(RampSettings {
                people_min: 3,
                shares: vec![Probability::clamped(0.3)],
                ..RampSettings::default()
            });
            s.drill_people = [CustomerId::new("cus_tester").unwrap()].into();
            s.compensation_budget = [(CompensationUnit::Toman, 1_000)].into();
        }));
        let all: Vec<Customer> = NAMES
            .iter()
            .map(|name| {
                let consents: BTreeSet<Purpose> = match *name {
                    "none" => [Purpose::Marketing].into(),
                    _ => [Purpose::ServiceNotice].into(),
                };
                Customer {
                    consents,
                    ..customer(name, &[ContactChannel::Sms])
                }
            })
            .collect();
        run.customers(&all);
        Self {
            run,
            heard: Heard::default(),
            minute: if night { 500 } else { 0 },
            revision: 0,
            state: IncidentState::Confirmed,
            lifted: None,
        }
    }

    fn notice(&self, which: u8) -> Option<Notice> {
        let count = self.run.notices.len();
        let index = usize::from(which).checked_rem(count)?;
        let mut all: Vec<&Notice> = self.run.notices.values().collect();
        all.sort_by_key(|n| (n.at, &n.id));
        all.get(index).copied().cloned()
    }

    fn event(&mut self, change: IncidentChange, state: IncidentState, eta: Option<i64>) {
        self.revision += 1;
        self.state = state;
        let now = Incident {
            eta: eta.map(|n| minute(self.minute + n)),
            ..incident(state, self.revision, minute(self.minute))
        };
        self.run.event(change, &now);
    }

    /// Says it; whether it was taken.
    fn command(&mut self, team: &str, action: Action) -> bool {
        let before = self.run.log.len();
        self.run.command_by(team, self.minute, action);
        !self.run.log.get(before..).unwrap_or_default().contains("refused")
    }

    fn step(&mut self, (what, which, who): (u8, u8, u8)) {
        let team = TEAMS[usize::from(who) % TEAMS.len()];
        let name = NAMES[usize::from(which) % NAMES.len()];
        match what % 16 {
            0 => self.event(IncidentChange::Confirmed, IncidentState::Confirmed, None),
            1 => self.event(IncidentChange::Updated, self.state, Some(20 + i64::from(which))),
            2 if self.state == IncidentState::Confirmed => {
                self.event(IncidentChange::Resolved, IncidentState::Resolved, None);
            }
            2 => self.event(IncidentChange::Reopened, IncidentState::Confirmed, None),
            3 | 4 => self.approve(which, team),
            5 => self.hold(which, team),
            6 | 7 => self.send(which, team),
            8 => {
                if let Some(notice) = self.notice(which)
                    && self.command(team, Action::TakeBack { notice: notice.id })
                {
                    for stage in [NoticeStage::Predicted, NoticeStage::Confirmed] {
                        let words = (self.of_texts(false), self.of_texts(true));
                        self.heard.held.insert((notice.incident.clone(), stage), words);
                    }
                }
            }
            9 => {
                let (fa, en) = STEPS[usize::from(which) % STEPS.len()];
                let said = Action::Say {
                    incident: IncidentId::new("inc_1").unwrap(),
                    fa: Remark::new(fa).unwrap(),
                    en: Remark::new(en).unwrap(),
                };
                if self.command(team, said) {
                    self.heard.words.insert(fa, team);
                    self.heard.read.remove(fa);
                }
            }
            10 => {
                let on = which % 3 == 0;
                self.heard.killed = on;
                self.command(team, Action::Kill { on });
            }
            11 => {
                let kind = if which % 2 == 0 {
                    ReplyKind::Stop
                } else {
                    ReplyKind::Untrue
                };
                if kind == ReplyKind::Stop {
                    self.heard
                        .stopped
                        .insert(CustomerId::new(&format!("cus_{name}")).unwrap());
                }
                self.run.reply(self.minute, name, kind);
            }
            12 => {
                let amount = u64::from(which % 2) * 50 + 50;
                let compensation = Compensation {
                    amount,
                    unit: CompensationUnit::Toman,
                };
                let incident = IncidentId::new("inc_1").unwrap();
                if self.command(
                    team,
                    Action::Compensate {
                        incident,
                        compensation,
                    },
                ) {
                    self.heard.given_by.retain(|other, _| *other == amount);
                    self.heard.given_by.entry(amount).or_default().insert(team);
                }
            }
            13 => {
                let scope = incident(IncidentState::Confirmed, 1, minute(0)).scope;
                let drill = Action::Drill {
                    scope,
                    severity: Severity::Severe,
                    minutes: 30,
                };
                self.command(team, drill);
            }
            14 => {
                let states = [IntentState::Accepted, IntentState::Delivered, IntentState::Failed];
                let state = states[usize::from(which) % states.len()];
                self.run.receipts(self.minute, state, |i| {
                    i.id.as_str().len() % 2 == usize::from(who % 2)
                });
            }
            _ => {
                self.minute += i64::from(which % 70);
                self.run.tick(self.minute);
            }
        }
    }

    fn of_texts(&self, sent: bool) -> BTreeSet<Text> {
        let said = if sent {
            &self.heard.sent
        } else {
            &self.heard.approved
        };
        said.keys().cloned().collect()
    }

    fn approve(&mut self, which: u8, team: &'static str) {
        let Some(notice) = self.notice(which) else { return };
        let text = Arc::clone(&notice.text_fingerprint);
        self.forget_before_hold(&text);
        let approved = self.heard.approved.entry(Arc::clone(&text)).or_default();
        approved.insert(team);
        let stands = |words: &&str| notice.texts.iter().any(|t| t.body.contains(*words));
        let words = self.heard.words.iter();
        let words = words.filter(|(words, writer)| **writer != team && stands(words));
        let read: Vec<&'static str> = words.map(|(words, _)| *words).collect();
        let said = Action::Approve {
            notice: notice.id.clone(),
            text,
        };
        if self.command(team, said) {
            self.heard.read.extend(read);
            self.lifted(&notice);
        }
    }

    fn send(&mut self, which: u8, team: &'static str) {
        let Some(notice) = self.notice(which) else { return };
        let text = Arc::clone(&notice.text_fingerprint);
        self.forget_before_hold(&text);
        let sent = self.heard.sent.entry(Arc::clone(&text)).or_default();
        sent.insert(team);
        let said = Action::Send {
            notice: notice.id.clone(),
            text,
        };
        if self.command(team, said) {
            self.lifted(&notice);
        }
    }

    /// A word on the very text ends a hold, also where nobody is told at once; the check of this step comes before.
    fn lifted(&mut self, notice: &Notice) {
        let is_same = self.run.notices[&notice.id].text_fingerprint == notice.text_fingerprint;
        self.lifted = is_same.then(|| (notice.incident.clone(), notice.stage));
    }

    /// What is said now of a text counts for what is held, too.
    fn forget_before_hold(&mut self, text: &Text) {
        for (approved, sent) in self.heard.held.values_mut() {
            approved.remove(text);
            sent.remove(text);
        }
    }

    fn hold(&mut self, which: u8, team: &'static str) {
        let Some(notice) = self.notice(which) else { return };
        let reason = Remark::new("wait").unwrap();
        if self.command(
            team,
            Action::Hold {
                notice: notice.id,
                reason,
            },
        ) {
            let words = (self.of_texts(false), self.of_texts(true));
            self.heard.held.insert((notice.incident, notice.stage), words);
        }
    }

    /// Each message that was planned in this step, against what was heard.
    fn check(&mut self, from: usize) {
        let planned: Vec<Intent> = self.run.outputs[from..]
            .iter()
            .filter_map(|o| match o {
                OutreachOutput::Intent(intent) => Some(intent.clone()),
                _ => None,
            })
            .collect();
        for intent in planned {
            let notice = self.run.notices[&intent.notice].clone();
            let (text, stage) = (&notice.text_fingerprint, notice.stage);
            assert!(!self.heard.killed, "the switch is on");
            assert_ne!(intent.customer.as_str(), "cus_none", "no consent");
            assert!(
                !self.heard.stopped.contains(&intent.customer),
                "they want no more"
            );
            let approved = self.heard.approved.get(text).cloned().unwrap_or_default();
            if of_stage(stage) {
                assert!(!approved.is_empty(), "an opening that nobody approved");
            }
            let body: String = notice.texts.iter().map(|t| t.body.as_str()).collect();
            for words in self.heard.words.keys().filter(|words| body.contains(**words)) {
                let is_read = self.heard.read.contains(words);
                assert!(is_read, "words that nobody else has read: {}", self.run.log);
            }
            if notice.simulated {
                assert_eq!(intent.customer.as_str(), "cus_tester", "a rehearsal");
            }
            if body.contains("برای جبران") {
                assert!(self.heard.given_by.values().any(|teams| teams.len() >= 2));
            }
            let key = (intent.incident.clone(), stage);
            if let Some((approved_before, sent_before)) = self.heard.held.get(&key) {
                let said = |all: &BTreeMap<Text, _>, before: &BTreeSet<Text>| {
                    all.contains_key(text) && !before.contains(text)
                };
                let sent: BTreeMap<Text, _> = self.heard.sent.keys().map(|t| (t.clone(), ())).collect();
                let approved: BTreeMap<Text, _> =
                    self.heard.approved.keys().map(|t| (t.clone(), ())).collect();
                assert!(
                    said(&approved, approved_before) || said(&sent, sent_before),
                    "held, and nobody let it go"
                );
            }
        }
        // What went, or was let go, is held no more.
        if let Some(lifted) = self.lifted.take() {
            self.heard.held.remove(&lifted);
        }
        for output in &self.run.outputs[from..] {
            if let OutreachOutput::Intent(intent) = output {
                let stage = self.run.notices[&intent.notice].stage;
                self.heard.held.remove(&(intent.incident.clone(), stage));
            }
        }
    }
}

fn walk(steps: &[(u8, u8, u8)], night: bool) -> World {
    let mut world = World::new(night);
    for step in steps {
        let from = world.run.outputs.len();
        world.step(*step);
        world.check(from);
    }
    world
}

proptest! {
    #![proptest_config(Config { cases: 512, ..Config::default() })]
    #[test]
    fn no_order_of_words_reaches_whom_it_must_not(
        steps in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..60),
        night in any::<bool>(),
    ) {
        walk(&steps, night);
    }
}

/// The walks do tell people: else the property would hold of a stage that is dumb.
#[test]
fn the_walks_reach_people() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 20..60);
    let (mut intents, mut held, mut drills, mut corrections) = (0, 0, 0, 0);
    for _ in 0..200 {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        let world = walk(&steps, false);
        intents += world.run.intents.len();
        let notices = || world.run.notices.values();
        held += notices()
            .filter(|n| n.withheld.contains_key(&HoldReason::Person))
            .count();
        drills += notices().filter(|n| n.simulated && n.intents > 0).count();
        corrections += notices()
            .filter(|n| n.stage == NoticeStage::Retraction && n.intents > 0)
            .count();
    }
    assert!(
        intents > 300 && held > 50 && drills > 5 && corrections > 10,
        "{intents} {held} {drills} {corrections}"
    );
}
