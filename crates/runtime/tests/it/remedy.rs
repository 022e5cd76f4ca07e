//! Remedies on the in-process log, against a fake receiver on the loopback that checks the signature.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use forecall_bridge::SigningKey;
use forecall_config::Settings;
use forecall_ledger::Secret;
use forecall_log::{InProcess, Log, OutRecord, TopicPartition, Transaction, crash};
use forecall_observe::{Health, Metrics};
use forecall_runtime::{ManualClock, Pipeline, Roles, Storage, Surroundings, topic_specs};
use forecall_types::{
    Acknowledgement, Action, Command, DomainName, EventTime, Incident, IncidentChange, IncidentEvent,
    IncidentId, IncidentState, Remark, Remedy, RemedyMode, RemedyName, RemedyOutcome, RemedyStage, Scope,
    Severity, Silenced,
};
use forecall_wire::event::{
    Encoded, decode_command, decode_incident_event, encode_command, encode_incident_event,
};

use crate::fakes::{Fake, Reply};
use crate::incidents::{SIGNING, at, event, incident};

const INCIDENTS: &str = "forecall.incidents.v1";
const COMMANDS: &str = "forecall.commands.v1";
const RUNNER: Roles = Roles {
    remedy: true,
    ..Roles::NONE
};
const BOTH: Roles = Roles {
    correlate: true,
    remedy: true,
    ..Roles::NONE
};

/// A fake receiver: it takes what is signed, and says no to anything else.
fn fake_receiver(faults: impl IntoIterator<Item = Reply>) -> Fake {
    let key = SigningKey::read(&Secret::new(SIGNING)).unwrap();
    Fake::with_faults(faults, move |seen| {
        let header = |name: &str| seen.headers.get(name).cloned().unwrap_or_default();
        let seconds = header("webhook-timestamp").parse().unwrap_or_default();
        let signature = key.sign(&header("webhook-id"), seconds, seen.body.as_bytes());
        Reply::status(if header("webhook-signature") == signature {
            204
        } else {
            400
        })
    })
}

fn settings(fake: &Fake, more: &str) -> Settings {
    let url = fake.url();
    let text = format!(
        "
domain: isp
allow_literal_secrets: true
topics: {{ partitions: 1, dev: true, replication: 1 }}
topology:
  services: [ {{ name: internet, customer_facing: true }} ]
  regions: [ {{ code: IR-23, names: {{ en: Tehran }} }} ]
remedies:
  restart: {{ label: restarts the pool, when: {{ services: [internet] }}, to: {{ url: '{url}', secret: {SIGNING} }}{more} }}
"
    );
    Settings::from_yaml("test", &text).unwrap_or_else(|e| panic!("{e}"))
}

/// What may be called after a word.
const RUN: &str = ", mode: run, dry_run: false";

struct World {
    log: InProcess,
    clock: Arc<ManualClock>,
    metrics: Metrics,
    settings: Settings,
    roles: Roles,
    pipeline: Option<Pipeline>,
}

impl World {
    fn of(settings: Settings, roles: Roles) -> Self {
        let log = InProcess::default();
        log.create_topics(&topic_specs(&settings, &settings.topic_names()))
            .unwrap();
        let mut world = Self {
            log,
            clock: Arc::new(ManualClock::at(at(0))),
            metrics: Metrics::new(),
            settings,
            roles,
            pipeline: None,
        };
        world.log.set_time(at(0));
        world.start();
        world
    }

    fn start(&mut self) {
        let surroundings = Surroundings {
            log: Arc::new(self.log.clone()),
            clock: Arc::clone(&self.clock) as Arc<_>,
            metrics: self.metrics.clone(),
            health: Health::default(),
            slot: 0,
            scores: None,
            peers: None,
        };
        let pipeline = Pipeline::build(&self.settings, surroundings, self.roles, &Storage::Memory).unwrap();
        self.pipeline = Some(pipeline);
        self.settle();
    }

    fn settle(&mut self) {
        self.pipeline.as_mut().unwrap().settle().unwrap();
    }

    fn later(&mut self, to: EventTime) {
        self.clock.advance_to(to);
        self.log.set_time(to);
        self.settle();
    }

    fn write(&self, topic: &str, encoded: Encoded) {
        let record = OutRecord {
            headers: encoded.headers,
            ..OutRecord::new(topic, encoded.key, encoded.value)
        };
        let transaction = Transaction {
            records: vec![record],
            positions: Vec::new(),
        };
        self.log.writer("world").unwrap().commit(&transaction).unwrap();
    }

    fn publish(&self, events: &[IncidentEvent]) {
        for event in events {
            self.write(INCIDENTS, encode_incident_event(event).unwrap());
        }
    }

    fn say(&self, id: &str, action: Action) {
        let command = Command {
            id: id.into(),
            domain: DomainName::new("isp").unwrap(),
            at: forecall_runtime::Clock::now(&*self.clock),
            by: "noc".into(),
            action,
        };
        self.write(COMMANDS, encode_command(&command).unwrap());
    }

    fn read<T>(&self, topic: &str, mut of: impl FnMut(&[(&str, &[u8])], &[u8]) -> T) -> Vec<T> {
        let mut all = Vec::new();
        self.log
            .read(&TopicPartition::new(topic, 0), 0, &mut |record| {
                all.push(of(record.headers.get(), record.value.unwrap()));
            })
            .unwrap();
        all
    }

    /// What the runner has told.
    fn results(&self) -> Vec<(String, RemedyOutcome, Option<u32>)> {
        let commands = self.read(COMMANDS, |headers, value| decode_command(headers, value).unwrap());
        let results = commands.into_iter().filter_map(|command| match command.action {
            Action::RemedyResult {
                incident,
                outcome,
                status,
                ..
            } => Some((incident.to_string(), outcome, status)),
            _ => None,
        });
        results.collect()
    }

    fn incidents(&self) -> Vec<Incident> {
        self.read(INCIDENTS, |headers, value| {
            decode_incident_event(headers, value).unwrap().incident
        })
    }
}

/// The ids of the calls that came, each with the status of a signature that is right.
fn calls(fake: &Fake) -> Vec<String> {
    let ids = fake
        .seen()
        .into_iter()
        .map(|seen| seen.headers["webhook-id"].clone());
    ids.collect()
}

/// An incident whose remedy this very revision approves, by the rule as `settings` have it.
fn approved(id: &str, settings: &Settings) -> Incident {
    let rule = RemedyName::new("restart").unwrap();
    let digest = settings
        .remedies
        .get(&rule)
        .map_or_else(|| Arc::from("none"), |target| Arc::clone(&target.digest));
    Incident {
        state: IncidentState::Confirmed,
        remedies: vec![Remedy {
            rule,
            label: Remark::new("restarts the pool").unwrap(),
            mode: RemedyMode::Run,
            dry_run: false,
            digest,
            stage: RemedyStage::Approved,
            revision: 1,
            at: at(0),
            by: "noc".into(),
            until: Some(at(30)),
            approved: Some(Acknowledgement {
                at: at(0),
                by: "noc".into(),
            }),
            outcome: None,
            status: None,
            why: "by noc".to_owned(),
        }],
        ..incident(id)
    }
}

fn updated(incident: Incident) -> IncidentEvent {
    event(IncidentChange::Updated, incident)
}

/// The next revision, which still says `approved`.
fn next(incident: &Incident) -> Incident {
    Incident {
        revision: incident.revision + 1,
        at: at(1),
        ..incident.clone()
    }
}

fn result(id: &str, outcome: RemedyOutcome, status: Option<u32>) -> (String, RemedyOutcome, Option<u32>) {
    (id.to_owned(), outcome, status)
}

#[test]
fn a_word_has_the_receiver_called_once_and_the_incident_tells_what_came_of_it() {
    let fake = fake_receiver([]);
    let mut world = World::of(settings(&fake, RUN), BOTH);
    let scope = Scope {
        services: ["internet".parse().unwrap()].into(),
        regions: [forecall_types::RegionCode::new("IR-23").unwrap()].into(),
        ..Scope::default()
    };
    let severity = Severity::Severe;
    world.say("c1", Action::Declare { scope, severity });
    world.later(at(1));
    world.later(at(2));
    let opened = world.incidents();
    let proposed = &opened.last().unwrap().remedies[0];
    assert_eq!((proposed.stage, proposed.revision), (RemedyStage::Proposed, 1));
    world.later(at(5));
    assert!(fake.seen().is_empty(), "nobody is called without a word");
    let id: IncidentId = opened[0].id.clone();
    let word = Action::Remedy {
        incident: id.clone(),
        rule: RemedyName::new("restart").unwrap(),
        approve: true,
    };
    world.say("c2", word.clone());
    world.say("c3", word);
    for minute in 6..12 {
        world.later(at(minute));
    }
    assert_eq!(calls(&fake), [format!("{id}/restart")]);
    let body = fake.seen()[0].json();
    assert_eq!(body["type"], "forecall.remedy.v1");
    assert_eq!(body["data"]["rule"], "restart");
    assert_eq!(body["data"]["approved_by"], "noc");
    assert_eq!(body["data"]["incident"]["id"], id.as_str());
    let remedy = world.incidents().last().unwrap().remedies[0].clone();
    assert_eq!(
        (remedy.stage, remedy.outcome),
        (RemedyStage::Done, Some(RemedyOutcome::Done))
    );
    assert_eq!(*remedy.approved.unwrap().by, *"noc");
    let text = world.metrics.text();
    for line in [
        "forecall_remedies_total{rule=\"restart\",stage=\"proposed\"} 1",
        "forecall_remedies_total{rule=\"restart\",stage=\"approved\"} 1",
        "forecall_remedies_total{rule=\"restart\",stage=\"done\"} 1",
        "forecall_remedy_calls_total{outcome=\"done\",rule=\"restart\"} 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    world.pipeline.take().unwrap().stop().unwrap();
    world.start();
    assert_eq!(fake.seen().len(), 1, "nor after a restart");
}

#[test]
fn by_default_nobody_is_called() {
    let fake = fake_receiver([]);
    // No mode, no dry_run: a rule with an address, and nothing else.
    let by_default = settings(&fake, "");
    assert!(by_default.remedies.is_empty());
    let world = World::of(by_default, RUNNER);
    world.publish(&[updated(approved("inc_1", &world.settings))]);
    let mut world = world;
    world.settle();
    // A mode alone: a dry run.
    let mut rehearsal = World::of(settings(&fake, ", mode: run"), RUNNER);
    rehearsal.publish(&[updated(approved("inc_1", &rehearsal.settings))]);
    rehearsal.settle();
    assert_eq!(
        rehearsal.results(),
        [result("inc_1", RemedyOutcome::Rehearsed, None)]
    );
    assert!(world.results().is_empty() && fake.seen().is_empty());
}

#[test]
fn one_that_was_proposed_as_a_dry_run_stays_one() {
    let fake = fake_receiver([]);
    let mut world = World::of(settings(&fake, RUN), RUNNER);
    let mut one = approved("inc_1", &world.settings);
    one.remedies[0].dry_run = true;
    world.publish(&[updated(one)]);
    world.settle();
    assert_eq!(world.results(), [result("inc_1", RemedyOutcome::Rehearsed, None)]);
    assert!(fake.seen().is_empty());
}

#[test]
fn only_the_revision_that_approved_it_is_acted_on() {
    let fake = fake_receiver([]);
    let mut world = World::of(settings(&fake, RUN), RUNNER);
    let one = approved("inc_1", &world.settings);
    world.publish(&[
        updated(one.clone()),
        updated(next(&one)),
        updated(next(&next(&one))),
    ]);
    world.settle();
    world.later(at(5));
    drop(world.pipeline.take());
    world.start();
    assert_eq!(calls(&fake), ["inc_1/restart"]);
    assert_eq!(world.results(), [result("inc_1", RemedyOutcome::Done, None)]);
}

#[test]
fn a_crash_between_call_and_commit_calls_again_under_the_same_id() {
    let fake = fake_receiver([]);
    let mut world = World::of(settings(&fake, RUN), RUNNER);
    world.publish(&[updated(approved("inc_1", &world.settings))]);
    crash::listen(Some(Rc::new(|point| {
        if point == crash::POINT_OF_REMEDIES {
            std::panic::resume_unwind(Box::new("the power is cut"));
        }
    })));
    let mut pipeline = world.pipeline.take().unwrap();
    let died = catch_unwind(AssertUnwindSafe(|| pipeline.settle()));
    crash::listen(None);
    drop(pipeline);
    assert!(died.is_err());
    assert!(world.results().is_empty(), "it was called, and nothing stands");
    world.start();
    assert_eq!(calls(&fake), ["inc_1/restart", "inc_1/restart"]);
    assert_eq!(world.results(), [result("inc_1", RemedyOutcome::Done, None)]);
    let seen = fake.seen();
    assert_eq!(seen[0].body, seen[1].body, "the same bytes");
}

#[test]
fn nothing_is_called_of_simulations_and_canaries_nor_while_silenced_or_over() {
    let fake = fake_receiver([]);
    let mut world = World::of(settings(&fake, RUN), RUNNER);
    let of = |id: &str| approved(id, &world.settings);
    let silenced = Silenced {
        id: "s".parse().unwrap(),
        until: at(60),
        by: "noc".into(),
        reason: Remark::new("the rack is moved").unwrap(),
    };
    let cases = [
        Incident {
            simulated: true,
            ..of("inc_simulated")
        },
        Incident {
            domain: DomainName::new(DomainName::CANARY).unwrap(),
            ..of("inc_canary")
        },
        Incident {
            silenced: Some(silenced.clone()),
            ..of("inc_silenced")
        },
        Incident {
            parent: Some(IncidentId::new("inc_parent").unwrap()),
            ..of("inc_part")
        },
        Incident {
            state: IncidentState::Retracted,
            ..of("inc_retracted")
        },
    ];
    let (ended, quiet) = (of("inc_ended"), of("inc_quiet"));
    let over = Incident {
        state: IncidentState::Resolved,
        ..next(&ended)
    };
    let hushed = Incident {
        silenced: Some(silenced),
        ..next(&quiet)
    };
    world.publish(&cases.map(updated));
    // What comes later is read before anybody is called.
    world.publish(&[updated(ended), updated(quiet), updated(over), updated(hushed)]);
    world.settle();
    assert!(fake.seen().is_empty(), "{:?}", calls(&fake));
    let unwanted = |id| result(id, RemedyOutcome::Unwanted, None);
    let ids = [
        "inc_silenced",
        "inc_part",
        "inc_retracted",
        "inc_ended",
        "inc_quiet",
    ];
    assert_eq!(world.results(), ids.map(unwanted));
}

/// Events of others, more than the runner reads at once or keeps.
fn others(count: usize) -> Vec<IncidentEvent> {
    let of = |n: usize| updated(incident(&format!("inc_other_{n}")));
    (0..count).map(of).collect()
}

#[test]
fn what_stands_far_behind_the_approval_is_known_before_anybody_is_called() {
    // One look takes 64 records; 1,024 are kept.
    for between in [10, 100, 1_500] {
        let fake = fake_receiver([]);
        let mut world = World::of(settings(&fake, RUN), RUNNER);
        let (ended, rejected, wanted) = ("inc_ended", "inc_rejected", "inc_wanted");
        let of = |id: &str| approved(id, &world.settings);
        let over = Incident {
            state: IncidentState::Resolved,
            ..next(&of(ended))
        };
        let mut no = next(&of(rejected));
        no.remedies[0].stage = RemedyStage::Rejected;
        no.remedies[0].revision = 2;
        world.publish(&[updated(of(ended)), updated(of(rejected)), updated(of(wanted))]);
        world.publish(&others(between));
        world.publish(&[updated(over), updated(no), updated(next(&of(wanted)))]);
        world.settle();
        let results = world.results();
        assert_eq!(
            results,
            [
                result(ended, RemedyOutcome::Unwanted, None),
                result(rejected, RemedyOutcome::Unwanted, None),
                result(wanted, RemedyOutcome::Done, None),
            ],
            "{between} between"
        );
        assert_eq!(calls(&fake), ["inc_wanted/restart"]);
    }
}

#[test]
fn what_comes_between_two_tries_is_known_however_much_comes() {
    let fake = fake_receiver([Reply::status(429)]);
    let mut world = World::of(settings(&fake, RUN), RUNNER);
    let one = approved("inc_1", &world.settings);
    world.publish(&[updated(one.clone())]);
    world.settle();
    world.publish(&others(1_500));
    let mut no = next(&one);
    no.remedies[0].stage = RemedyStage::Lapsed;
    world.publish(&[updated(no)]);
    world.later(at(3));
    assert_eq!(calls(&fake).len(), 1);
    assert_eq!(world.results(), [result("inc_1", RemedyOutcome::Unwanted, None)]);
}

#[test]
fn a_second_word_after_the_first_was_taken_back_is_another_one() {
    let fake = fake_receiver([]);
    let mut world = World::of(settings(&fake, RUN), RUNNER);
    let first = approved("inc_1", &world.settings);
    let mut back = next(&first);
    back.remedies[0].stage = RemedyStage::Withheld;
    back.remedies[0].revision = 2;
    let mut second = next(&back);
    second.remedies[0].stage = RemedyStage::Approved;
    second.remedies[0].revision = 3;
    world.publish(&[
        updated(first),
        updated(back),
        updated(second.clone()),
        updated(next(&second)),
    ]);
    world.settle();
    assert_eq!(calls(&fake), ["inc_1/restart"], "not for the first as well");
    assert_eq!(
        world.results(),
        [
            result("inc_1", RemedyOutcome::Unwanted, None),
            result("inc_1", RemedyOutcome::Done, None)
        ]
    );
    let commands = world.read(COMMANDS, |headers, value| decode_command(headers, value).unwrap());
    let ids: Vec<&str> = commands.iter().map(|command| &*command.id).collect();
    assert_eq!(ids, ["remedy inc_1/restart 1", "remedy inc_1/restart 3"]);
}

#[test]
fn a_good_status_with_a_broken_body_is_done() {
    let cut = "HTTP/1.1 200 x\r\nContent-Length: 100\r\n\r\nok".to_owned();
    let fake = fake_receiver([Reply::Raw(cut)]);
    let mut world = World::of(settings(&fake, RUN), RUNNER);
    world.publish(&[updated(approved("inc_1", &world.settings))]);
    world.settle();
    assert_eq!(calls(&fake), ["inc_1/restart"]);
    assert_eq!(world.results(), [result("inc_1", RemedyOutcome::Done, None)]);
}

#[test]
fn nothing_is_called_too_late_or_by_another_rule() {
    let fake = fake_receiver([]);
    let mut world = World::of(settings(&fake, RUN), RUNNER);
    let mut other = approved("inc_other", &world.settings);
    other.remedies[0].digest = "another".into();
    world.publish(&[updated(other)]);
    world.settle();
    let late = approved("inc_late", &world.settings);
    world.clock.advance_to(at(30));
    world.publish(&[updated(late)]);
    world.settle();
    assert_eq!(
        world.results(),
        [
            result("inc_other", RemedyOutcome::Changed, None),
            result("inc_late", RemedyOutcome::Late, None)
        ]
    );
    assert!(fake.seen().is_empty());
}

#[test]
fn only_what_surely_did_nothing_is_tried_again() {
    let faults = [
        Reply::status(503),
        Reply::Close,
        Reply::status(400),
        Reply::status(429),
        Reply::status(401),
    ];
    let fake = fake_receiver(faults);
    let mut world = World::of(settings(&fake, RUN), RUNNER);
    for id in ["inc_1", "inc_2", "inc_3", "inc_4"] {
        world.publish(&[updated(approved(id, &world.settings))]);
    }
    world.settle();
    world.later(at(0).plus(Duration::from_secs(90)));
    world.later(at(3));
    assert_eq!(
        calls(&fake),
        [
            "inc_1/restart",
            "inc_2/restart",
            "inc_3/restart",
            "inc_4/restart",
            "inc_4/restart",
            "inc_4/restart"
        ]
    );
    assert_eq!(
        world.results(),
        [
            result("inc_1", RemedyOutcome::Server, Some(503)),
            result("inc_2", RemedyOutcome::Broken, None),
            result("inc_3", RemedyOutcome::Refused, Some(400)),
            result("inc_4", RemedyOutcome::Done, None),
        ]
    );
}

#[test]
fn tries_end_with_their_time() {
    let fake = fake_receiver(vec![Reply::status(429); 40]);
    let mut world = World::of(
        settings(&fake, &format!("{RUN}, retry: {{ tries_max: 2 }}")),
        RUNNER,
    );
    world.publish(&[updated(approved("inc_1", &world.settings))]);
    world.settle();
    assert!(world.results().is_empty());
    // What ends meanwhile isn't tried any more.
    world.later(at(1));
    assert_eq!(
        world.results(),
        [result("inc_1", RemedyOutcome::Throttled, Some(429))]
    );
    let one = approved("inc_2", &world.settings);
    world.publish(&[updated(one.clone())]);
    world.settle();
    let over = Incident {
        state: IncidentState::Averted,
        ..next(&one)
    };
    world.publish(&[updated(over)]);
    world.later(at(3));
    assert_eq!(calls(&fake).len(), 3);
    assert_eq!(world.results()[1], result("inc_2", RemedyOutcome::Unwanted, None));
}

#[test]
fn a_rule_that_is_new_calls_nothing_of_before() {
    let fake = fake_receiver([]);
    let mut world = World::of(settings(&fake, RUN), Roles::NONE);
    world.publish(&[updated(approved("inc_1", &world.settings))]);
    world.roles = RUNNER;
    world.start();
    world.publish(&[updated(approved("inc_2", &world.settings))]);
    world.settle();
    assert_eq!(calls(&fake), ["inc_2/restart"]);
}

#[test]
fn a_receiver_says_when_and_tries_end_with_their_span_and_with_the_approval() {
    // Each answer asks for two minutes.
    let told = |more: &str, until: EventTime| {
        let fake = fake_receiver(vec![Reply::after(429, 120); 20]);
        let mut world = World::of(settings(&fake, &format!("{RUN}{more}")), RUNNER);
        let mut one = approved("inc_1", &world.settings);
        one.remedies[0].until = Some(until);
        world.publish(&[updated(one)]);
        world.settle();
        let mut counts = vec![calls(&fake).len()];
        for minute in 1..8 {
            world.later(at(minute));
            counts.push(calls(&fake).len());
        }
        (counts, world.results())
    };
    let throttled = vec![result("inc_1", RemedyOutcome::Throttled, Some(429))];
    assert_eq!(
        told(", retry: { give_up_seconds: 300 }", at(30)),
        (vec![1, 1, 2, 2, 3, 3, 3, 3], throttled.clone())
    );
    assert_eq!(told("", at(3)), (vec![1, 1, 2, 2, 2, 2, 2, 2], throttled));
    let still = told("", at(30));
    assert_eq!(still, (vec![1, 1, 2, 2, 3, 3, 4, 4], Vec::new()));
}
