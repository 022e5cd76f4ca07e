//! The interface as its users meet it: over HTTP, with tokens, down to the records that stand on the log.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod desk;
mod public;
mod town;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use forecall_config::{ApiRole, ApiSettings, ApiToken};
use forecall_console::{Api, Interface, NewToken, Running, serve};
use forecall_log::{InProcess, Log, TopicPartition, TopicSpec};
use forecall_types::{Action, DomainName, EventTime, Verdict};
use forecall_wire::event::{TopicId, TopicNames, decode_command, decode_feedback};

const COMMANDS: &str = "forecall.commands.v1";
const FEEDBACK: &str = "forecall.feedback.v1";
const INCIDENT: &str = "inc_2d6f8h1j3k5m7p9r";

struct House {
    log: InProcess,
    server: Interface,
    tokens: BTreeMap<&'static str, String>,
}

impl House {
    fn new() -> Self {
        let log = InProcess::default();
        log.create_topics(&[TopicSpec::new(COMMANDS, 1), TopicSpec::new(FEEDBACK, 1)])
            .unwrap();
        let (mut tokens, mut known) = (BTreeMap::new(), BTreeMap::new());
        for (number, role) in (1_u8..).zip(ApiRole::ALL) {
            let new = NewToken::from_random([number; 32]);
            tokens.insert(role.as_str(), new.token);
            let sha256 = new.sha256.to_uppercase();
            known.insert(
                format!("the-{}", role.as_str()),
                ApiToken {
                    role,
                    sha256,
                    scopes: BTreeSet::new(),
                },
            );
        }
        let settings = ApiSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            tokens: known,
        };
        let server = serve(&settings, Self::api(log.clone())).unwrap();
        Self { log, server, tokens }
    }

    fn api(log: InProcess) -> Api {
        Api {
            log: Arc::new(log),
            topics: TopicNames::default(),
            domain: DomainName::new("isp").unwrap(),
            now: Arc::new(|| EventTime::from_secs(1_800_000_000)),
            identity: "forecall.api.0".into(),
            desk: None,
            running: Some(Arc::new(Beside)),
        }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        ask(self.server.local_addr(), method, path, headers, body)
    }

    fn say(&self, role: &str, path: &str, key: &str, body: &str) -> (u16, String) {
        let bearer = format!("Bearer {}", self.tokens[role]);
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
        self.ask("POST", path, &headers, body)
    }

    fn records(&self, topic: &str) -> usize {
        let bounds = self.log.bounds(topic).unwrap();
        bounds.iter().map(|(_, end)| usize::try_from(*end).unwrap()).sum()
    }
}

/// A process that takes settings from everybody but `approver`, and one level.
struct Beside;

impl Running for Beside {
    fn reload(&self, by: &str) -> Result<String, String> {
        if by == "the-approver" {
            return Err("forecall.yaml:3:1: unknown".to_owned());
        }
        Ok(format!("taken for {by}"))
    }

    fn log_level(&self, _: &str, level: &str) -> Result<(), String> {
        (level == "debug")
            .then_some(())
            .ok_or_else(|| format!("{level} is no level"))
    }
}

/// Status and body of an answer.
fn ask(
    address: std::net::SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: forecall\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    // An answer may come before all was sent: too large a body isn't read to its end.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let status = answer.split(' ').nth(1).unwrap_or("0").parse().unwrap();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, body.to_owned())
}

fn action(json: &str) -> String {
    format!(r#"{{"action":{json}}}"#)
}

#[test]
fn every_route_answers_each_role_as_the_table_says() {
    let house = House::new();
    let acknowledge = action(&format!(r#"{{"kind":"acknowledge","incident":"{INCIDENT}"}}"#));
    let approve = action(
        r#"{"kind":"approve","notice":"ntc_2d6f8h1j3k5m7p9r","text":"0123456789abcdef0123456789abcdef"}"#,
    );
    let (stop, go) = (
        action(r#"{"kind":"kill","on":true}"#),
        action(r#"{"kind":"kill","on":false}"#),
    );
    let right = format!(r#"{{"incident":"{INCIDENT}","verdict":"right"}}"#);
    // Nobody, somebody with a token unknown, viewer, operator, approver, admin.
    let table: [(&str, &str, &str, [u16; 6]); 12] = [
        ("GET", "/v1/whoami", "", [401, 401, 200, 200, 200, 200]),
        (
            "POST",
            "/v1/commands",
            &acknowledge,
            [401, 401, 403, 202, 202, 202],
        ),
        ("POST", "/v1/commands", &stop, [401, 401, 403, 202, 202, 202]),
        ("POST", "/v1/commands", &approve, [401, 401, 403, 403, 202, 202]),
        ("POST", "/v1/commands", &go, [401, 401, 403, 403, 403, 202]),
        ("POST", "/v1/feedback", &right, [401, 401, 403, 202, 202, 202]),
        ("GET", "/v1/commands", "", [401, 401, 405, 405, 405, 405]),
        ("GET", "/metrics", "", [401, 401, 404, 404, 404, 404]),
        ("POST", "/-/reload", "", [401, 401, 403, 200, 422, 200]),
        ("GET", "/-/reload", "", [401, 401, 405, 405, 405, 405]),
        (
            "POST",
            "/-/log-level",
            r#"{"level":"debug"}"#,
            [401, 401, 403, 200, 200, 200],
        ),
        (
            "POST",
            "/-/log-level",
            r#"{"level":"loud"}"#,
            [401, 401, 403, 422, 422, 422],
        ),
    ];
    let unknown = NewToken::from_random([9; 32]).token;
    let mut count = 0;
    for (method, path, body, statuses) in table {
        let tokens = [None, Some(&unknown)].into_iter();
        let tokens = tokens.chain(ApiRole::ALL.map(|role| Some(&house.tokens[role.as_str()])));
        for (token, status) in tokens.zip(statuses) {
            count += 1;
            let key = format!("k{count}");
            let bearer = token.map(|token| format!("Bearer {token}"));
            let mut headers = vec![("idempotency-key", key.as_str())];
            headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
            let (got, told) = house.ask(method, path, &headers, body);
            assert_eq!(got, status, "{method} {path} {body} by {token:?}: {told}");
        }
    }
    assert_eq!(
        (house.records(COMMANDS), house.records(FEEDBACK)),
        (3 + 3 + 2 + 1, 3)
    );
}

#[test]
fn what_was_said_stands_on_its_topic_with_who_said_it_and_when() {
    let house = House::new();
    let body = format!(
        r#"{{"domain":"tv","action":{{"kind":"eta","incident":"{INCIDENT}","eta":"2027-01-15T09:00:00Z"}}}}"#
    );
    assert_eq!(
        house.say("operator", "/v1/commands", "a1", &body),
        (202, r#"{"id":"the-operator:a1"}"#.to_owned())
    );
    let right = format!(
        r#"{{"incident":"{INCIDENT}","verdict":"right","onset":"2027-01-15T07:00:00Z","ended":"2027-01-15T07:30:00+00:00"}}"#
    );
    assert_eq!(house.say("admin", "/v1/feedback", "a1", &right).0, 202);
    let names = TopicNames::default();
    let mut seen = 0;
    for (topic, is_command) in [(TopicId::Commands, true), (TopicId::Feedback, false)] {
        let partition = TopicPartition::new(&names.name(topic), 0);
        house
            .log
            .read(&partition, 0, &mut |record| {
                seen += 1;
                assert_eq!(record.key, Some(INCIDENT.as_bytes()));
                let value = record.value.unwrap();
                if is_command {
                    let command = decode_command(record.headers.get(), value).unwrap();
                    assert_eq!((&*command.id, &*command.by), ("the-operator:a1", "the-operator"));
                    assert_eq!(command.domain.as_str(), "tv");
                    assert_eq!(command.at, EventTime::from_secs(1_800_000_000));
                    assert!(matches!(command.action, Action::Eta { .. }));
                } else {
                    let feedback = decode_feedback(record.headers.get(), value).unwrap();
                    assert_eq!(
                        (&*feedback.id, feedback.verdict),
                        ("the-admin:a1", Verdict::Right)
                    );
                    let at = |secs| Some(EventTime::from_secs(secs));
                    let truth = (feedback.onset, feedback.ended);
                    assert_eq!(truth, (at(1_799_996_400), at(1_799_998_200)));
                    assert_eq!(feedback.domain.as_str(), "isp");
                }
            })
            .unwrap();
    }
    assert_eq!(seen, 2);
}

#[test]
fn a_repeat_is_said_once_and_a_key_serves_one_thing() {
    let house = House::new();
    let (stop, go) = (
        action(r#"{"kind":"kill","on":true}"#),
        action(r#"{"kind":"kill","on":false}"#),
    );
    assert_eq!(house.say("admin", "/v1/commands", "k", &stop).0, 202);
    assert_eq!(house.say("admin", "/v1/commands", "k", &stop).0, 200);
    let (status, told) = house.say("admin", "/v1/commands", "k", &go);
    assert_eq!(status, 409, "{told}");
    // Another's keys are another's.
    assert_eq!(house.say("operator", "/v1/commands", "k", &stop).0, 202);
    assert_eq!(house.records(COMMANDS), 2);
}

#[test]
fn what_is_malformed_is_refused_with_the_place_and_nothing_is_written() {
    let house = House::new();
    for (path, key, body, status, told) in [
        ("/v1/commands", "k", "{", 400, "not JSON at line 1"),
        ("/v1/commands", "k", "{}", 400, "a field is missing"),
        (
            "/v1/commands",
            "k",
            r#"{"action":{"kind":"dance"}}"#,
            400,
            "action: ",
        ),
        (
            "/v1/commands",
            "k",
            r#"{"action":{"kind":"kill","on":true},"by":"me"}"#,
            400,
            "unknown",
        ),
        (
            "/v1/commands",
            "",
            r#"{"action":{"kind":"kill","on":true}}"#,
            400,
            "Idempotency-Key",
        ),
        (
            "/v1/commands",
            "a key",
            r#"{"action":{"kind":"kill","on":true}}"#,
            400,
            "Idempotency-Key",
        ),
        (
            "/v1/feedback",
            "k",
            r#"{"incident":" ","verdict":"right"}"#,
            400,
            "incident: ",
        ),
        (
            "/v1/feedback",
            "k",
            r#"{"incident":"inc_1","verdict":"maybe"}"#,
            400,
            "another type",
        ),
        (
            "/v1/feedback",
            "k",
            r#"{"incident":"inc_1","verdict":"right","onset":"yesterday"}"#,
            400,
            "onset: ",
        ),
    ] {
        let (got, answer) = house.say("admin", path, key, body);
        assert_eq!(got, status, "{body}: {answer}");
        assert!(answer.contains(told), "{body}: {answer}");
    }
    let large = action(&format!(
        r#"{{"kind":"kill","on":true,"x":"{}"}}"#,
        "x".repeat(70_000)
    ));
    assert_eq!(house.say("admin", "/v1/commands", "k", &large).0, 413);
    assert_eq!((house.records(COMMANDS), house.records(FEEDBACK)), (0, 0));
}

#[test]
fn it_stays_on_this_machine_and_needs_its_topics() {
    let settings = |listen: &str| ApiSettings {
        listen: listen.parse().unwrap(),
        tokens: BTreeMap::new(),
    };
    let log = InProcess::default();
    let error = serve(&settings("127.0.0.1:0"), House::api(log.clone())).unwrap_err();
    assert!(format!("{error:?}").contains("forecall.commands.v1"), "{error:?}");
    log.create_topics(&[TopicSpec::new(COMMANDS, 1), TopicSpec::new(FEEDBACK, 1)])
        .unwrap();
    let error = serve(&settings("0.0.0.0:0"), House::api(log)).unwrap_err();
    assert!(error.to_string().contains("not a loopback address"), "{error}");
}

#[test]
fn other_settings_change_who_may_speak_and_not_where() {
    let house = House::new();
    let address = house.server.local_addr();
    let (old, new) = (&house.tokens["operator"], NewToken::from_random([77; 32]));
    let who = |token: &str| {
        let bearer = format!("Bearer {token}");
        house
            .ask("GET", "/v1/whoami", &[("authorization", &bearer)], "")
            .0
    };
    assert_eq!((who(old), who(&new.token)), (200, 401));
    let token = ApiToken {
        role: ApiRole::Viewer,
        sha256: new.sha256.clone(),
        scopes: BTreeSet::new(),
    };
    let settings = ApiSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        tokens: [("noc".to_owned(), token)].into(),
    };
    house.server.change(&settings, None);
    assert_eq!((who(old), who(&new.token)), (401, 200));
    assert_eq!(house.server.local_addr(), address);
}

#[test]
fn what_the_process_says_of_new_settings_is_told() {
    let house = House::new();
    let told = |role: &str| house.say(role, "/-/reload", "k", "");
    assert_eq!(
        told("operator"),
        (200, r#"{"status":"taken for the-operator"}"#.to_owned())
    );
    assert_eq!(
        told("approver"),
        (422, r#"{"error":"forecall.yaml:3:1: unknown"}"#.to_owned())
    );
}
