//! The desk on a log in memory.

use std::collections::BTreeSet;

use forecall_config::Settings;
use forecall_log::{InProcess, Log as _, OutRecord, TopicSpec, Transaction};
use forecall_types::{
    Acknowledgement, Action, Adjustment, AnomalyId, EventTime, Evidence, Fingerprint, Incident,
    IncidentChange, IncidentEvent, IncidentId, IncidentState, Matchers, Probability, RegionCode, Remark,
    RemedyMode, RemedyName, RemedyStage, Responsibility, ServiceName, Verdict, WorkStage,
};
use forecall_wire::event::{
    Encoded, Payload, TopicId, TopicNames, decode_command, decode_feedback, decode_incident_event,
    encode_incident_event, encode_incident_state,
};
use forecall_wire::schema::examples;

use super::args::Filter;
use super::say::{Words, draft};
use super::steer::Steer;
use super::topic::{Strange, Topics};
use super::{adjustments, remedies, silences};
use super::{moment, show, why};
use crate::word::{Draft, Speaker, publish};

const CONFIG: &str = "
domain: isp
topology:
  services: [ { name: internet, customer_facing: true }, { name: tv, customer_facing: true } ]
  regions: [ { code: IR-10, names: { en: Isfahan, fa: اصفهان }, time_zone: Asia/Tehran } ]
";

fn settings() -> Settings {
    Settings::from_yaml("c.yaml", CONFIG).unwrap()
}

/// An incident with all there may be, made simpler.
fn sample() -> Incident {
    let example = examples(Payload::IncidentEvent).remove(0);
    let incident = decode_incident_event(&example.headers, &example.value)
        .unwrap()
        .incident;
    let mut piece = incident.evidence[0].clone();
    piece.active = true;
    piece.log_odds = None;
    let evidence = |name: &str, metric: &str, weight| Evidence {
        anomaly: AnomalyId::new(name).unwrap(),
        series: std::sync::Arc::new(piece.series.with_metric(metric, "")),
        weight,
        ..piece.clone()
    };
    let mut incident = Incident {
        id: id("a"),
        contributions: Vec::new(),
        revision: 1,
        state: IncidentState::Predicted,
        // Two pieces of 2.66 and 2.14 in log-odds, the second damped, and half for the second metric.
        probability: Probability::clamped(0.773_818_574_3),
        evidence: vec![
            evidence("a1", "cpu", 2.66 / 3.73),
            evidence("a2", "queue", 1.07 / 3.73),
        ],
        opened_at: EventTime::from_secs(1_795_000_000),
        at: EventTime::from_secs(1_795_000_000),
        onset_observed: None,
        resolved_at: None,
        acknowledged: None,
        eta: None,
        responsibility: Responsibility::Unknown,
        steps: Vec::new(),
        reason: "internet in IR-10: cpu at 0.99".to_owned(),
        version: "0.1.0".into(),
        settings: settings().digest.to_string().into(),
        simulated: false,
        ..incident
    };
    incident.scope.services = BTreeSet::from([ServiceName::new("internet").unwrap()]);
    incident.scope.regions = BTreeSet::from([RegionCode::new("IR-10").unwrap()]);
    incident
}

fn id(name: &str) -> IncidentId {
    IncidentId::derived(Fingerprint::of(name.as_bytes()))
}

struct Bed {
    log: InProcess,
    settings: Settings,
}

impl Bed {
    fn new() -> Self {
        let log = InProcess::default();
        let names = TopicNames::default();
        let topics = [
            TopicId::Incidents,
            TopicId::IncidentsState,
            TopicId::Commands,
            TopicId::Feedback,
        ];
        let specs = topics.map(|t| TopicSpec::new(&names.name(t), 3));
        log.create_topics(&specs).unwrap();
        Self {
            log,
            settings: settings(),
        }
    }

    fn topics(&self) -> Topics<'_> {
        Topics {
            log: &self.log,
            names: TopicNames::default(),
            strange: Strange::default(),
        }
    }

    fn put(&self, topic: TopicId, encoded: Encoded, is_tombstone: bool) {
        let record = OutRecord {
            topic: TopicNames::default().name(topic).into(),
            partition: None,
            key: Some(encoded.key),
            value: (!is_tombstone).then_some(encoded.value),
            headers: encoded.headers,
        };
        let transaction = Transaction {
            records: vec![record],
            ..Transaction::default()
        };
        self.log.writer("w").unwrap().commit(&transaction).unwrap();
    }

    /// As correlate does: the event, the state, and a tombstone after the end.
    fn publish(&self, change: IncidentChange, incident: &Incident) {
        let event = IncidentEvent {
            change,
            incident: incident.clone(),
        };
        self.put(TopicId::Incidents, encode_incident_event(&event).unwrap(), false);
        let state = encode_incident_state(incident).unwrap();
        self.put(TopicId::IncidentsState, state.clone(), false);
        if !incident.state.is_open() {
            self.put(TopicId::IncidentsState, state, true);
        }
    }

    fn say(&self, words: Words, key: Option<&str>) -> anyhow::Result<Draft> {
        self.say_as("noc", words, key)
    }

    fn say_as(&self, by: &str, words: Words, key: Option<&str>) -> anyhow::Result<Draft> {
        let at = EventTime::from_secs(1_795_000_600);
        draft(words, &Speaker { by, key, at }, &self.topics(), &self.settings)
    }

    fn key(&self, words: Words) -> String {
        match self.say(words, None).unwrap() {
            Draft::Record { key, .. } => key,
            Draft::Needless(why) => panic!("{why}"),
        }
    }

    fn refusal(&self, words: Words) -> String {
        self.say(words, None).unwrap_err().to_string()
    }
}

fn ids(incidents: &[Incident]) -> Vec<&IncidentId> {
    incidents.iter().map(|i| &i.id).collect()
}

#[test]
fn what_is_open_is_listed_and_all_is_on_request() {
    let bed = Bed::new();
    let (a, mut b) = (sample(), sample());
    bed.publish(IncidentChange::Predicted, &a);
    b.id = id("b");
    b.opened_at = EventTime::from_secs(1_795_000_100);
    b.scope.services = BTreeSet::from([ServiceName::new("tv").unwrap()]);
    bed.publish(IncidentChange::Predicted, &b);
    let mut canary = sample();
    canary.id = id("canary");
    canary.domain = forecall_types::DomainName::new(forecall_types::DomainName::CANARY).unwrap();
    bed.publish(IncidentChange::Predicted, &canary);
    let topics = bed.topics();
    assert_eq!(ids(&topics.open(&Filter::default()).unwrap()), [&a.id, &b.id]);
    let tv = Filter {
        service: Some(ServiceName::new("tv").unwrap()),
        ..Filter::default()
    };
    assert_eq!(ids(&topics.open(&tv).unwrap()), [&b.id]);
    b.revision = 2;
    b.state = IncidentState::Expired;
    bed.publish(IncidentChange::Expired, &b);
    assert_eq!(ids(&topics.open(&Filter::default()).unwrap()), [&a.id]);
    let all = topics.all(&Filter::default()).unwrap();
    assert_eq!(ids(&all), [&a.id, &b.id]);
    assert_eq!(all[1].state, IncidentState::Expired);
    let with_canary = Filter {
        canary: true,
        ..Filter::default()
    };
    assert_eq!(topics.all(&with_canary).unwrap().len(), 3);
}

#[test]
fn a_follower_misses_nothing_and_sees_nothing_twice() {
    let bed = Bed::new();
    let topics = bed.topics();
    let mut incident = sample();
    bed.publish(IncidentChange::Predicted, &incident);
    let (mut from_now, mut from_the_beginning) =
        (topics.follow(true).unwrap(), topics.follow(false).unwrap());
    let seen = |follow: &mut super::topic::Follow| {
        let mut seen = Vec::new();
        topics
            .news(follow, EventTime::MIN, &mut |event, _| {
                seen.push(event.incident.revision)
            })
            .unwrap();
        seen
    };
    assert_eq!(seen(&mut from_now), [0_u32; 0]);
    assert_eq!(seen(&mut from_the_beginning), [1]);
    for revision in 2..5 {
        incident.revision = revision;
        bed.publish(IncidentChange::Updated, &incident);
    }
    assert_eq!(seen(&mut from_now), [2, 3, 4]);
    assert_eq!(seen(&mut from_now), [0_u32; 0]);
    assert_eq!(seen(&mut from_the_beginning), [2, 3, 4]);
}

#[test]
fn what_is_no_event_is_counted() {
    let bed = Bed::new();
    let topics = bed.topics();
    let mut odd = encode_incident_event(&IncidentEvent {
        change: IncidentChange::Predicted,
        incident: sample(),
    })
    .unwrap();
    odd.value = b"{}".to_vec();
    bed.put(TopicId::Incidents, odd, false);
    assert!(topics.all(&Filter::default()).unwrap().is_empty());
    assert_eq!(topics.strange.count(), 1);
    let error = topics.history(&id("a")).unwrap_err().to_string();
    assert!(
        error.starts_with("forecall.incidents.v1 holds nothing of inc_"),
        "{error}"
    );
}

fn text(write: impl FnOnce(&mut dyn std::io::Write) -> anyhow::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn story() -> Bed {
    let bed = Bed::new();
    let mut incident = sample();
    bed.publish(IncidentChange::Predicted, &incident);
    incident.revision = 2;
    incident.state = IncidentState::Confirmed;
    incident.probability = Probability::ONE;
    incident.acknowledged = Some(Acknowledgement {
        at: incident.at,
        by: "noc".into(),
    });
    incident.reason = "internet in IR-10: customers hit since 14:07 UTC (declared by noc)".to_owned();
    bed.publish(IncidentChange::Confirmed, &incident);
    bed
}

fn check(text: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
}

#[test]
fn an_incident_is_shown_to_people() {
    let bed = story();
    let history = bed.topics().history(&id("a")).unwrap();
    check(
        &text(|out| show::one(&history, false, out)),
        &[
            "confirmed, moderate degradation, p = 1.00",
            "scope        internet in IR-10",
            "taken on     by noc, ",
            "   71 %  cpu",
            "   29 %  queue",
            "predicted p=0.77 internet in IR-10: cpu at 0.99",
        ],
    );
    let open = bed.topics().open(&Filter::default()).unwrap();
    let table = text(|out| show::list(&open, false, out));
    assert_eq!(table.lines().count(), 2, "{table}");
    check(
        &table,
        &["taken on by", " confirmed ", " noc ", "internet in IR-10"],
    );
    let json: serde_json::Value = serde_json::from_str(&text(|out| show::list(&open, true, out))).unwrap();
    assert_eq!(json["incidents"][0]["acknowledged_by"], "noc");
    assert_eq!(json["incidents"][0]["regions"], serde_json::json!(["IR-10"]));
}

#[test]
fn the_json_of_show_is_the_event_and_its_revisions() {
    let bed = story();
    let history = bed.topics().history(&id("a")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text(|out| show::one(&history, true, out))).unwrap();
    assert_eq!(json["incident"]["change"], "confirmed");
    assert_eq!(json["revisions"][0]["change"], "predicted");
    assert_eq!(json["revisions"].as_array().unwrap().len(), 2);
}

#[test]
fn an_incident_is_explained() {
    let bed = story();
    let told = why::of(&bed.topics(), &id("a"), &bed.settings).unwrap();
    check(
        &text(|out| why::tell(&told, out)),
        &[
            "Predicted: the probability 0.774 stood at 0.6 or above for 60 s.",
            "-3.00         without any evidence",
            "+2.66    63 %  cpu",
            "[without it p = 0.297, and nothing predicted]",
            "+1.07    25 %  queue",
            "+0.50         2 different metrics",
            "+1.23         together: p = 0.774",
            "It would not have fired without cpu",
            "(p = 0.297; no smaller set would do).",
            "Confirmed by a person's word (noc).",
        ],
    );
    let json = why::json(&told);
    assert_eq!(
        json["revisions"][0]["sum"]["without"]["anomalies"],
        serde_json::json!(["a1"])
    );
    assert_eq!(
        json["revisions"][1]["ground"],
        serde_json::json!({"kind": "declared", "by": "noc"})
    );
    assert_eq!(json["revisions"][1]["sum"], serde_json::Value::Null);
    assert_eq!(json["settings_here"], serde_json::Value::Null);
}

#[test]
fn other_settings_and_a_lost_beginning_are_said() {
    let bed = Bed::new();
    let mut incident = sample();
    incident.revision = 7;
    incident.settings = "of another day".into();
    bed.publish(IncidentChange::Updated, &incident);
    let told = why::of(&bed.topics(), &id("a"), &bed.settings).unwrap();
    assert!(told.is_cut);
    assert_eq!(told.other_settings, Some(bed.settings.digest.to_string()));
    let text = text(|out| why::tell(&told, out));
    assert!(
        text.contains("no longer kept") && text.contains("not those"),
        "{text}"
    );
}

#[test]
fn the_same_words_have_the_same_key_and_others_another() {
    let bed = Bed::new();
    let mut incident = sample();
    bed.publish(IncidentChange::Predicted, &incident);
    let eta = |minutes: i64| Words::Eta(id("a"), EventTime::from_secs(1_795_000_600 + 60 * minutes));
    assert_eq!(bed.key(eta(30)), bed.key(eta(30)));
    assert_ne!(bed.key(eta(30)), bed.key(eta(45)));
    assert_ne!(
        bed.key(Words::Acknowledge(id("a"))),
        bed.key(Words::Retract(id("a")))
    );
    let first = bed.key(eta(30));
    // Thirty, then forty-five, then thirty again: the last is no repeat of the first.
    incident.revision = 2;
    incident.eta = Some(EventTime::from_secs(1_795_000_600 + 60 * 45));
    bed.publish(IncidentChange::Updated, &incident);
    assert_ne!(bed.key(eta(30)), first);
    assert!(matches!(bed.say(eta(45), None).unwrap(), Draft::Needless(_)));
    assert!(matches!(bed.say(eta(45), Some("again")).unwrap(), Draft::Record { key, .. } if key == "again"));
    // And to and fro once more.
    let second = bed.key(eta(30));
    incident.revision = 3;
    incident.eta = Some(EventTime::from_secs(1_795_000_600 + 60 * 60));
    bed.publish(IncidentChange::Updated, &incident);
    assert_ne!(bed.key(eta(30)), second);
    // What is done once in a life is another thing after it has come back.
    let (step, retract) = (
        || bed.key(Words::Step(id("a"), "team_on_site".to_owned())),
        || bed.key(Words::Retract(id("a"))),
    );
    let before = (step(), retract());
    (incident.revision, incident.reopened) = (4, incident.reopened + 1);
    bed.publish(IncidentChange::Reopened, &incident);
    assert_ne!(step(), before.0);
    assert_ne!(retract(), before.1);
}

#[test]
fn words_become_records_that_the_stages_read() {
    let bed = Bed::new();
    bed.publish(IncidentChange::Predicted, &sample());
    let words = Words::Attribute(id("a"), Responsibility::Supplier);
    let Draft::Record { key, record, .. } = bed.say(words, None).unwrap() else {
        panic!("nothing to say");
    };
    publish(&bed.log, &bed.settings, ("incidents", &key), record.clone()).unwrap();
    let command = decode_command(&record.headers, record.value.as_deref().unwrap()).unwrap();
    assert_eq!(
        (&*command.id, &*command.by, &command.domain),
        (key.as_str(), "noc", &sample().domain)
    );
    assert_eq!(record.key.as_deref(), Some(id("a").as_str().as_bytes()));
    let written: i64 = bed
        .log
        .bounds("forecall.commands.v1")
        .unwrap()
        .iter()
        .map(|b| b.1)
        .sum();
    assert_eq!(written, 1);
    let onset = Some(EventTime::from_secs(1_794_999_000));
    let words = Words::Verdict(id("a"), Verdict::Right, (onset, None));
    let Draft::Record { record, .. } = bed.say(words, None).unwrap() else {
        panic!("nothing to say");
    };
    let feedback = decode_feedback(&record.headers, record.value.as_deref().unwrap()).unwrap();
    assert_eq!((feedback.verdict, feedback.incident), (Verdict::Right, id("a")));
    assert_eq!((feedback.onset, feedback.ended), (onset, None));
    assert_eq!(&*record.topic, "forecall.feedback.v1");
}

#[test]
fn words_that_can_not_be_obeyed_are_refused_with_the_reason() {
    let bed = Bed::new();
    let mut incident = sample();
    bed.publish(IncidentChange::Predicted, &incident);
    let told = |words: Words| bed.refusal(words).replace(id("a").as_str(), "$1");
    assert_eq!(
        told(Words::Close(id("a"))),
        "$1 is predicted: only a confirmed one can be closed; a prediction, and work that has not started, is retracted"
    );
    assert_eq!(
        told(Words::Review(id("a"), "PRB-1042".parse().unwrap())),
        "$1 is predicted: only one that is over, and was not reviewed yet, can be reviewed"
    );
    assert_eq!(
        told(Words::Step(id("a"), "pray".to_owned())),
        "no words are known for the step `pray`: `outreach.steps` has cause_found, part_replaced, team_on_site, traffic_rerouted"
    );
    assert!(told(Words::Eta(id("a"), EventTime::from_secs(0))).contains("an ETA lies ahead"));
    let then = Some(EventTime::from_secs(1));
    assert_eq!(
        told(Words::Verdict(id("a"), Verdict::FalseAlarm, (then, None))),
        "--onset and --ended go with right and expected: else there was no trouble"
    );
    assert_eq!(
        told(Words::Verdict(id("a"), Verdict::Right, (None, then))),
        "$1 is predicted: close it, then say when it ended"
    );
    let mut scope = incident.scope.clone();
    scope.services = BTreeSet::from([ServiceName::new("telex").unwrap()]);
    assert_eq!(
        told(Words::Declare(scope, forecall_types::Severity::Severe)),
        "the topology has no service `telex`; what customers use: internet, tv"
    );
    incident.revision = 2;
    incident.state = IncidentState::Expired;
    bed.publish(IncidentChange::Expired, &incident);
    assert_eq!(
        bed.refusal(Words::Acknowledge(id("a")))
            .replace(id("a").as_str(), "$1"),
        "$1 is expired: only an open incident takes that"
    );
    // A verdict is taken afterwards, too.
    assert!(
        bed.say(Words::Verdict(id("a"), Verdict::Right, (None, None)), None)
            .is_ok()
    );
    assert!(
        bed.say(Words::Verdict(id("a"), Verdict::Right, (None, None)), Some(" "))
            .is_err()
    );
}

fn silence(until: i64) -> Words {
    Words::Steer(Steer::Silence(
        Matchers {
            services: BTreeSet::from(["inter*".into()]),
            labels: [("host.name".into(), "edge-1".into())].into(),
            ..Matchers::default()
        },
        EventTime::from_secs(1_795_000_600 + until),
        Remark::new("the rack is moved").unwrap(),
    ))
}

#[test]
fn silences_are_listed_until_they_are_over_or_ended() {
    let bed = Bed::new();
    let publish_it = |words: Words, key: &str| {
        let Draft::Record { key, record, .. } = bed.say(words, Some(key)).unwrap() else {
            panic!("nothing to say");
        };
        publish(&bed.log, &bed.settings, ("incidents", &key), record).unwrap();
    };
    publish_it(silence(7_200), "move-rack");
    publish_it(silence(60), "short");
    // The first under a key counts.
    publish_it(silence(9_000), "move-rack");
    let listed = |at: i64| {
        let now = EventTime::from_secs(1_795_000_600 + at);
        let all = silences::in_force(&bed.topics(), None, now).unwrap();
        text(|out| silences::list(&all, false, out))
    };
    let names = |listed: String| -> Vec<String> {
        let rows = listed.lines().skip(1);
        rows.map(|row| row.split_whitespace().next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(listed(0)), ["short", "move-rack"]);
    assert!(
        listed(0).contains("noc          service=inter* host.name=edge-1: the rack is moved"),
        "{}",
        listed(0)
    );
    assert_eq!(names(listed(60)), ["move-rack"]);
    assert_eq!(names(listed(7_200)), Vec::<String>::new());
    let id = || "move-rack".parse().unwrap();
    publish_it(Words::Steer(Steer::Unsilence(id())), "end");
    assert_eq!(names(listed(60)), Vec::<String>::new());
    assert_eq!(
        bed.refusal(Words::Steer(Steer::Unsilence(id()))),
        "no silence move-rack is in force: `forecall incidents silences` names those that are"
    );
}

#[test]
fn verdicts_in_force_are_listed_the_first_to_end_first() {
    let bed = Bed::new();
    let mut incident = sample();
    let adjustment = incident.adjustment.clone().unwrap();
    let until = adjustment.until;
    bed.publish(IncidentChange::Updated, &incident);
    for (name, later) in [("b", -60), ("c", 60), ("d", 0)] {
        incident.id = id(name);
        incident.adjustment = (later != 0).then(|| Adjustment {
            until: EventTime::from_secs(until.secs() + later),
            ..adjustment.clone()
        });
        bed.publish(IncidentChange::Updated, &incident);
    }
    let all = bed.topics().all(&Filter::default()).unwrap();
    let list = |now: i64, json| {
        let now = EventTime::from_secs(until.secs() + now);
        let all = adjustments::in_force(all.clone(), now);
        text(|out| adjustments::list(&all, now, json, out))
    };
    let found: Vec<String> = list(-61, false)
        .lines()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    let [a, b, c] = ["a", "b", "c"].map(|name| id(name).to_string());
    assert_eq!(found, [b, a, c.clone()]);
    check(
        &list(-61, false),
        &[
            "expected",
            "internet in IR-10: cell.packet_loss up to 1.3 won't count here from 01:00 to 05:00 UTC",
        ],
    );
    let json: serde_json::Value = serde_json::from_str(&list(0, true)).unwrap();
    assert_eq!(json["adjustments"].as_array().unwrap().len(), 1);
    assert_eq!(json["adjustments"][0]["incident"], c);
    assert_eq!(json["adjustments"][0]["exceptions"][0]["value_max"], 1.3);
    assert_eq!(list(61, false), "No verdict changes anything now.\n");
}

#[test]
fn what_steers_and_can_not_be_is_refused_with_the_reason() {
    let bed = Bed::new();
    let mut other = sample();
    bed.publish(IncidentChange::Predicted, &other);
    other.id = id("b");
    other.domain = "elsewhere".parse().unwrap();
    bed.publish(IncidentChange::Predicted, &other);
    let told = |steer| {
        let refused = bed.refusal(Words::Steer(steer));
        refused
            .replace(id("a").as_str(), "$1")
            .replace(id("b").as_str(), "$2")
    };
    let plan = |from: i64, until: i64| {
        let time = |secs| EventTime::from_secs(1_795_000_600 + secs);
        let label = Remark::new("fibre is spliced").unwrap();
        Steer::Plan(sample().scope, (time(from), time(until)), label)
    };
    assert_eq!(told(plan(60, 60)), "the work would be over before it begins");
    assert!(told(plan(-90, -60)).contains("planned work lies ahead"));
    assert!(told(plan(0, 31 * 86_400)).contains("30 days at most"));
    assert!(told(plan(91 * 86_400, 91 * 86_400 + 60)).contains("90 days ahead at most"));
    assert!(bed.say(Words::Steer(plan(3_600, 7_200)), None).is_ok());
    assert_eq!(
        told(Steer::Merge(id("a"), id("a"))),
        "$1 is one with itself already"
    );
    assert_eq!(
        told(Steer::Merge(id("a"), id("b"))),
        "they are of different domains"
    );
    let everything = Steer::Silence(
        Matchers::default(),
        EventTime::from_secs(1_795_000_700),
        Remark::new("quiet").unwrap(),
    );
    assert!(told(everything).contains("say what is to be silent"));
    assert!(bed.refusal(silence(0)).contains("a silence lies ahead"));
    assert!(bed.refusal(silence(31 * 86_400)).contains("30 days at most"));
    assert!(bed.say(silence(600), None).is_ok());
}

/// With a remedy that came to this stage with its revision.
fn with_remedy(mode: RemedyMode, stage: RemedyStage) -> Incident {
    let mut incident = sample();
    let remedy = &mut incident.remedies[0];
    remedy.mode = mode;
    remedy.stage = stage;
    remedy.at = incident.at;
    remedy.until = Some(EventTime::from_secs(incident.at.secs() + 1_800));
    remedy.why = "waits for a word".to_owned();
    incident
}

#[test]
fn remedies_are_listed_and_a_word_on_one_is_a_command() {
    let bed = Bed::new();
    bed.publish(
        IncidentChange::Predicted,
        &with_remedy(RemedyMode::Run, RemedyStage::Proposed),
    );
    let mut other = with_remedy(RemedyMode::Propose, RemedyStage::Proposed);
    other.id = id("b");
    bed.publish(IncidentChange::Predicted, &other);
    let all = bed.topics().all(&Filter::default()).unwrap();
    let listed = |waiting| text(|out| remedies::list(&all, waiting, false, out));
    assert_eq!(listed(false).lines().count(), 3, "{}", listed(false));
    let row = listed(true)
        .lines()
        .nth(1)
        .unwrap()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert_eq!(
        row.replace(id("a").as_str(), "$1"),
        "$1 restart-edge proposed 2026-11-18T11:06:40Z 2026-11-18T11:36:40Z waits for a word"
    );
    let json: serde_json::Value =
        serde_json::from_str(&text(|out| remedies::list(&all, true, true, out))).unwrap();
    assert_eq!(json["remedies"][0]["stage"], "proposed");
    let shown = text(|out| show::one(&bed.topics().history(&id("a")).unwrap(), false, out));
    assert!(
        shown.contains("remedy       restart-edge proposed since"),
        "{shown}"
    );
    let rule = || RemedyName::new("restart-edge").unwrap();
    let said = |approve| Words::Steer(Steer::Remedy(id("a"), rule(), approve));
    let Draft::Record { record, .. } = bed.say(said(true), None).unwrap() else {
        panic!("nothing to say")
    };
    let headers: Vec<(&str, &[u8])> = record
        .headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_slice()))
        .collect();
    let command = decode_command(&headers, record.value.as_deref().unwrap()).unwrap();
    assert_eq!(
        command.action,
        Action::Remedy {
            incident: id("a"),
            rule: rule(),
            approve: true
        }
    );
    assert!(bed.say(said(false), None).is_ok());
    let refused = bed.refusal(Words::Steer(Steer::Remedy(id("b"), rule(), true)));
    assert_eq!(
        refused,
        "remedy restart-edge is only proposed: its rule is never called"
    );
    let mut done = with_remedy(RemedyMode::Run, RemedyStage::Done);
    done.revision = 2;
    bed.publish(IncidentChange::Updated, &done);
    for approve in [true, false] {
        assert!(bed.refusal(said(approve)).contains("is done (waits for a word)"));
    }
    let unknown = Words::Steer(Steer::Remedy(id("a"), RemedyName::new("x").unwrap(), true));
    assert!(
        bed.refusal(unknown)
            .contains("has no remedy x; it has: restart-edge")
    );
    let off = |on| bed.say(Words::Steer(Steer::Remedies(on)), None).unwrap();
    assert_ne!(off(false), off(true), "to and fro are two words");
}

#[test]
fn nobody_speaks_as_forecall_itself() {
    let bed = Bed::new();
    let off = || Words::Steer(Steer::Remedies(false));
    for by in ["rule", "Rule", "remedy runner"] {
        let refused = bed.say_as(by, off(), None).unwrap_err().to_string();
        assert!(refused.contains("what forecall calls itself"), "{refused}");
    }
    assert!(bed.say_as("rules", off(), None).is_ok());
}

#[test]
fn planned_work_is_shown_as_far_as_it_has_come() {
    let bed = Bed::new();
    let example = &examples(Payload::IncidentEvent)[1];
    let mut event = decode_incident_event(&example.headers, &example.value).unwrap();
    bed.publish(event.change, &event.incident);
    let id = event.incident.id.clone();
    let shown = text(|out| show::one(&bed.topics().history(&id).unwrap(), false, out));
    assert!(shown.contains("announced by core-network, 20"), "{shown}");
    assert!(
        bed.refusal(Words::Close(id.clone()))
            .contains("is announced: only a confirmed one can be closed")
    );
    assert!(bed.say(Words::Retract(id.clone()), None).is_ok());
    let work = event.incident.work.as_mut().unwrap();
    work.stage = WorkStage::Started;
    event.incident.state = IncidentState::Confirmed;
    event.incident.revision += 1;
    bed.publish(IncidentChange::Started, &event.incident);
    assert!(
        bed.refusal(Words::Retract(id.clone()))
            .contains("is started: work that has started is closed")
    );
    assert!(bed.say(Words::Close(id), None).is_ok());
}

#[test]
fn a_moment_is_a_time_or_a_span() {
    let now = EventTime::from_secs(1_000_000);
    let secs = |text, is_ahead| moment(text, is_ahead, now).unwrap().secs();
    assert_eq!(secs("45m", true), 1_002_700);
    assert_eq!(secs("2h", false), 992_800);
    assert_eq!(secs("1h 30m", true), 1_005_400);
    assert_eq!(secs("1970-01-02T00:00:00+01:00", true), 82_800);
    for bad in ["soon", "-5m", ""] {
        assert!(moment(bad, true, now).is_err(), "{bad}");
    }
}
