//! What an operator does: a wrong topic is refused with the remedy, the books are recounted, a partition is reset, a canary
//! flies, and a dead man's switch sees a process that stands still.

use std::pin::pin;
use std::process::Command;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use serde_json::{Value, json};

use crate::broker::{self, Writer, committed, create_topics};
use crate::installation::{Installation, binary};
use crate::process::{Program, wait_for};

const SHORT: Duration = Duration::from_secs(30);
/// A look at the topics while it runs comes every 30 s.
const LOOK: Duration = Duration::from_secs(90);
const REFUSED: i32 = 78;

fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", broker::bootstrap())
        .create()
        .unwrap()
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(SHORT))
}

/// Its own thread completes an answer: looking now and then is enough.
fn answered<T>(what: &str, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    wait_for(what, SHORT, || {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    })
}

fn create_with(topic: &str, partitions: i32, settings: &[(&str, &str)]) {
    let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for (name, value) in settings {
        new = new.set(name, value);
    }
    let results = answered("a topic", admin().create_topics(&[new], &options())).unwrap();
    results.into_iter().for_each(|result| drop(result.unwrap()));
}

fn alter(topic: &str, name: &str, value: &str) {
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
    let results = answered("a topic's setting", admin().alter_configs(&[change], &options())).unwrap();
    results.into_iter().for_each(|result| drop(result.unwrap()));
}

fn grow(topic: &str, partitions: usize) {
    let results = answered(
        "new partitions",
        admin().create_partitions(&[NewPartitions::new(topic, partitions)], &options()),
    );
    results
        .unwrap()
        .into_iter()
        .for_each(|result| drop(result.unwrap()));
}

fn command(house: &Installation, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .current_dir(house.folder.path())
        .env("FORECALL_CONFIG", house.folder.path().join("forecall.yaml"))
        .env("FORECALL_E2E_MASTER_KEY", "5e".repeat(32))
        .env("FORECALL_E2E_PSEUDONYM_KEY", "a7".repeat(32));
    command
}

/// Runs the binary to its end: exit code and what it said.
fn run(house: &Installation, arguments: &[&str]) -> (i32, String) {
    let output = command(house, arguments).output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.code().unwrap_or(-1), text)
}

fn as_json(text: &str) -> Value {
    let line = text.lines().find(|line| line.starts_with('{'));
    serde_json::from_str(line.unwrap_or_else(|| panic!("no JSON: {text}"))).unwrap()
}

fn configure(house: &Installation, rest: &str) -> String {
    let topic = house.input("probes");
    house.configure(
        5,
        &format!(
            "sources: [{{name: probes, topic: {topic}, format: flat_json, keyed: true, time_unit: seconds}}]
detect: {{lateness_seconds: 2}}
topology: {{rules: [{{match: {{host.name: '*'}}, service: internet, region: IR-23}}]}}
objectives: [{{metric: probe.rtt, above: 100, for_seconds: 30}}]
{rest}"
        ),
    );
    topic
}

/// Calm samples of four hosts, and here and there a record that can't be read. Gives how many of each.
fn feed(topic: &str, steps: u64) -> (u64, u64) {
    let writer = Writer::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (mut good, mut bad) = (0, 0);
    for step in 0..steps {
        for host in 0..4 {
            let sample = json!({
                "ts": now - steps + step, "series": "probe.rtt", "value": 20 + (step * 7 + host) % 5,
                "labels": {"host.name": format!("h{host}")},
            });
            writer.put(topic, i32::from(host % 2 == 1), sample.to_string().as_bytes());
            good += 1;
        }
        if step % 10 == 0 {
            writer.put(topic, 0, b"{\"ts\":");
            bad += 1;
        }
    }
    writer.flush();
    (good, bad)
}

fn await_read(house: &mut Installation, topic: &str, records: u64) {
    let group = format!("{}.detect", house.name);
    wait_for("all records' positions", SHORT, || {
        house.check_running();
        let sum: i64 = committed(&group, topic).iter().sum();
        (u64::try_from(sum).unwrap() >= records).then_some(())
    });
}

#[test]
fn a_wrong_topic_is_refused_with_the_remedy() {
    let house = Installation::new("refused");
    // Made by somebody who thought that it is a table.
    create_with(&house.topic("anomalies"), 2, &[("cleanup.policy", "compact")]);
    let topic = configure(&house, "");
    let (code, text) = run(&house, &["run"]);
    assert_eq!(code, REFUSED, "{text}");
    for words in [
        "the start is refused",
        "cleanup.policy is `compact`",
        "--add-config cleanup.policy=delete",
        &format!("topic {topic}: it does not exist"),
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn short_retention_and_a_deleted_state_are_refused() {
    let house = Installation::new("retention");
    let topic = configure(&house, "");
    create_with(&topic, 2, &[("retention.ms", "7999")]);
    alter(&house.topic("incidents.state"), "cleanup.policy", "delete");
    // The broker answers before it shows what it has done.
    wait_for("both to be refused", SHORT, || {
        let (code, text) = run(&house, &["run"]);
        assert_eq!(code, REFUSED, "{text}");
        let words = [
            "less than 4 snapshot intervals of 2 s",
            "retention.ms=8000",
            "incidents.state.v1: cleanup.policy is `delete`",
        ];
        words.iter().all(|words| text.contains(words)).then_some(())
    });
    let (code, text) = run(&house, &["doctor", "--json"]);
    assert_eq!(code, 2, "{text}");
    let wrong = as_json(&text)["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["severity"] == "wrong")
        .count();
    assert_eq!(wrong, 2, "{text}");
}

#[test]
fn a_keyed_topic_that_grows_stops_its_group_and_is_taken_on_by_hand() {
    let mut house = Installation::new("grown");
    let topic = house.input("probes");
    create_topics(&[(&topic, 2)]);
    configure(&house, "");
    let mut first = Program::start("first", &mut command(&house, &["run"]), house.folder.path());
    await_ready(&mut first);
    // While it runs: found at the next look.
    grow(&topic, 3);
    let status = first.wait(LOOK);
    assert_eq!(status.code(), Some(REFUSED), "{}", first.output());
    assert!(
        first.output().contains("has grown from 2 to 3 partitions"),
        "{}",
        first.output()
    );
    // And at every start from then on.
    let (code, text) = run(&house, &["detect"]);
    assert_eq!(code, REFUSED, "{text}");
    assert!(text.contains("forecall topics migrate"), "{text}");
    // By hand: refused while its members still have their session, or at once.
    let migrate = ["topics", "migrate", "--topic", &topic, "--reason", "more probes"];
    wait_for("the session's end", SHORT, || {
        let (code, text) = run(&house, &migrate);
        assert!(code == 0 || text.contains("stop all processes"), "{text}");
        (code == 0).then_some(())
    });
    let (code, text) = run(
        &house,
        &[
            "topics",
            "migrate",
            "--topic",
            &house.topic("samples"),
            "--reason",
            "x",
        ],
    );
    assert_ne!(code, 0, "not in use: {text}");
    house.start();
    house.await_ready();
    house.stop();
    let (code, text) = run(&house, &["audit", "--only", "ledger"]);
    assert!(
        code == 0 && text.contains("whole: 1 entries"),
        "the migration is in the chain: {text}"
    );
}

fn await_ready(program: &mut Program) {
    wait_for("its first partitions", Duration::from_secs(60), || {
        program.check_running();
        let text = program.output();
        ["\"detect\"", "\"correlate\"", "\"outreach\""]
            .iter()
            .all(|stage| {
                text.lines()
                    .any(|l| l.contains("readiness has changed") && l.contains(stage) && l.contains("true"))
            })
            .then_some(())
    });
}

/// Snapshots are listed whole; one flipped bit is told by name.
fn damage_is_told(house: &Installation) {
    let (code, text) = run(house, &["snapshots", "list", "--json"]);
    assert_eq!(code, 0, "{text}");
    let listed = as_json(&text);
    let of = |stage: &str| -> Vec<&Value> {
        let all = listed["snapshots"].as_array().unwrap();
        all.iter()
            .filter(|s| s["stage"] == stage && s["partition"] == 0)
            .collect()
    };
    assert!(!of("detect").is_empty() && !of("correlate").is_empty(), "{text}");
    assert_eq!(run(house, &["snapshots", "verify"]).0, 0);
    // One flipped bit is told, and the start takes the one before.
    let name = of("detect").last().unwrap()["name"].as_str().unwrap().to_owned();
    let path = house.folder.path().join("state").join(&name);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    let (code, text) = run(house, &["snapshots", "verify"]);
    assert!(
        code == 1 && text.contains("1 damaged") && text.contains(&name),
        "{text}"
    );
}

#[test]
fn the_books_balance_and_a_partition_can_be_reset() {
    let mut house = Installation::new("books");
    let topic = house.input("probes");
    create_topics(&[(&topic, 2)]);
    configure(&house, "");
    house.start();
    house.await_ready();
    let (good, bad) = feed(&topic, 60);
    await_read(&mut house, &topic, good + bad);
    // Beside the running stages.
    let (code, text) = run(&house, &["audit", "--json"]);
    let books = as_json(&text);
    assert_eq!(code, 0, "{text}");
    let rows = books["partitions"].as_array().unwrap();
    let sum = |field: &str| -> u64 {
        rows.iter()
            .filter(|r| r["topic"] == topic.as_str())
            .map(|r| r[field].as_u64().or(r["counted"][field].as_u64()).unwrap())
            .sum()
    };
    assert_eq!(
        (sum("records"), sum("letters"), sum("stepped")),
        (good + bad, bad, good),
        "{text}"
    );
    assert!(rows.iter().all(|r| r["verdict"] == "holds"), "{text}");
    assert_eq!(books["ledger"]["whole"], true, "{text}");
    let (code, text) = run(
        &house,
        &[
            "snapshots",
            "reset",
            "--stage",
            "detect",
            "--partition",
            "0",
            "--reason",
            "no",
        ],
    );
    assert!(
        code == 1 && text.contains("stop all processes of detect"),
        "{text}"
    );
    house.stop();

    damage_is_told(&house);
    let before = committed(&format!("{}.detect", house.name), &topic);
    let reset = [
        "snapshots",
        "reset",
        "--stage",
        "detect",
        "--partition",
        "0",
        "--reason",
        "a torn disk",
    ];
    wait_for("the session's end", SHORT, || {
        let (code, text) = run(&house, &reset);
        assert!(code == 0 || text.contains("stop all processes"), "{text}");
        (code == 0 && text.contains("starts cold")).then_some(())
    });
    assert_eq!(
        run(&house, &["snapshots", "verify"]).0,
        0,
        "the damaged one is gone"
    );
    assert_eq!(
        committed(&format!("{}.detect", house.name), &topic),
        before,
        "the position stays"
    );
    house.start();
    house.await_ready();
    let (good_too, bad_too) = feed(&topic, 20);
    await_read(&mut house, &topic, good + bad + good_too + bad_too);
    let (code, text) = run(&house, &["audit"]);
    assert_eq!(code, 0, "the books go on over the reset: {text}");
    assert!(text.contains("whole: 1 entries"), "{text}");
    // A crash after it comes back to the same.
    house.kill();
    house.start();
    house.await_ready();
    assert!(house.metric("forecall_digest_mismatch_total", &[]) < 0.5);
    house.stop();
}

#[test]
fn the_doctor_finds_nothing_wrong_where_nothing_is() {
    let mut house = Installation::new("doctor");
    let topic = house.input("probes");
    create_topics(&[(&topic, 2)]);
    configure(&house, "gateways: {sms: {file: sms.jsonl}}");
    let (code, text) = run(&house, &["doctor"]);
    assert_eq!(code, 0, "before the start: {text}");
    house.start();
    house.await_ready();
    wait_for("a tick to measure the clock by", SHORT, || {
        let (code, text) = run(&house, &["doctor"]);
        assert_eq!(code, 0, "beside it: {text}");
        assert!(text.contains("all stages run on 127.0.0.1"), "{text}");
        text.contains("s off the broker").then_some(())
    });
    house.stop();
    let path = house.folder.path().join("forecall.yaml");
    let config = std::fs::read_to_string(&path).unwrap();
    let dead = config.replace(
        "sms: {file: sms.jsonl}",
        "email: {smtp: {host: 127.0.0.1, port: 1, tls: none, from: a@b.ir}}",
    );
    std::fs::write(&path, dead).unwrap();
    let (code, text) = run(&house, &["doctor"]);
    assert!(code == 2 && text.contains("nobody listens"), "{text}");
    std::fs::write(
        &path,
        config.replace("idle_seconds: 5}", "idle_seconds: 5, hosts: 2}"),
    )
    .unwrap();
    for arguments in [["doctor"].as_slice(), &["run"], &["check", "forecall.yaml"]] {
        let (code, text) = run(&house, arguments);
        assert!(
            code == 2 && text.contains("state.path is a local folder"),
            "{text}"
        );
    }
}

fn signal(program: &mut Program, name: &str) {
    let sent = Command::new("sh")
        .args([
            "-c",
            "kill -s \"$1\" \"$2\"",
            "sh",
            name,
            &program.id().to_string(),
        ])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[test]
fn the_canary_arrives_untold_and_a_dead_man_sees_a_stopped_process() {
    let house = Installation::new("canary");
    let topic = house.input("probes");
    create_topics(&[(&topic, 2)]);
    configure(
        &house,
        "canary: {enabled: true}\ngateways: {sms: {file: sms.jsonl}}",
    );
    let path = house.folder.path().join("forecall.yaml");
    let config = std::fs::read_to_string(&path).unwrap();
    let port = crate::ports::free();
    std::fs::write(&path, config.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"))).unwrap();
    let mut forecall = Program::start("forecall", &mut command(&house, &["run"]), house.folder.path());
    await_ready(&mut forecall);
    let url = format!("http://127.0.0.1:{port}/metrics");
    // Ticks come each second: a stop shows in seconds, not minutes. The same program watches the canary in production.
    let alarm = house.folder.path().join("alarm");
    let mut watch = Program::start(
        "dead-man",
        command(
            &house,
            &["dead-man", "--url", &url, "--max-age", "15", "--every", "1"],
        )
        .args(["--metric", "forecall_last_tick_timestamp_seconds", "--exec"])
        .arg(format!("echo $FORECALL_DEAD_MAN >> {}", alarm.display())),
        house.folder.path(),
    );
    let once = |metric: &str, age: &str| {
        run(
            &house,
            &[
                "dead-man",
                "--once",
                "--url",
                &url,
                "--max-age",
                age,
                "--metric",
                metric,
            ],
        )
    };
    const CANARY: &str = "forecall_canary_last_success_timestamp_seconds";
    let (code, text) = once(CANARY, "180");
    assert!(
        code == 1 && text.contains("isn't among the metrics yet"),
        "{text}"
    );
    wait_for("the first canary", Duration::from_secs(120), || {
        forecall.check_running();
        (once(CANARY, "180").0 == 0).then_some(())
    });
    // So far it was well, for much longer than fifteen seconds.
    assert!(!alarm.exists(), "{}", watch.output());
    signal(&mut forecall, "STOP");
    let told = |lines: &str| {
        wait_for(lines, SHORT, || {
            let text = std::fs::read_to_string(&alarm).unwrap_or_default();
            (text == lines).then_some(())
        })
    };
    told("dead\n");
    assert_eq!(once(CANARY, "180").0, 1, "it doesn't answer");
    signal(&mut forecall, "CONT");
    told("dead\nalive\n");
    watch.kill();
    let (_, metrics) = crate::http::get(format!("127.0.0.1:{port}").parse().unwrap(), "/metrics").unwrap();
    assert!(!metrics.contains("result=\"told\""), "{metrics}");
    let status = forecall.terminate(SHORT);
    assert_eq!(status.code(), Some(0), "{}", forecall.output());
    for notice in broker::read_all(&house.topic("notices")) {
        let text = String::from_utf8(notice.value.unwrap()).unwrap();
        let event: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&event["domain"], &event["state"]),
            (&json!("forecall.canary"), &json!("suppressed")),
            "{text}"
        );
    }
    let sent = std::fs::read_to_string(house.folder.path().join("sms.jsonl")).unwrap_or_default();
    assert_eq!(sent, "", "nobody is told");
}
