//! Customers' events on a real Kafka: who paid and got nothing is told of by pseudonym, a wave is one incident, and no number leaves.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::broker::{Reader, Writer, create_topics, read_all, topics_of};
use crate::contract::Contract;
use crate::installation::Installation;
use crate::process::wait_for;

/// Seconds until a package must be active.
const WITHIN: u32 = 6;
/// Customers of the wave; they lie on both partitions of the log.
const CROWD: u32 = 60;
const SOON: Duration = Duration::from_secs(60);

fn phone(number: u32) -> String {
    format!("0912{:07}", 5_550_000 + number)
}

fn put(writer: &Writer, topic: &str, kind: &str, number: u32, region: &str) {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let value = format!(
        r#"{{"id":"{kind}-{number}","at":{},"kind":"{kind}","customer":"{}","key":"order-{number}","region":"{region}"}}"#,
        since.as_millis(),
        phone(number),
    );
    // Payments and activations of one order stand on different partitions.
    writer.put(topic, i32::from(kind != "payment.accepted"), value.as_bytes());
}

fn configure(house: &Installation, shop: &str) {
    house.configure(
        2,
        &format!(
            "sources: [{{topic: {shop}, format: customer_events}}]
journeys:
  lateness_seconds: 2
  waves: {{failed_min: 6}}
  rules:
    - name: paid_not_active
      start: [payment.accepted]
      steps: [{{expect: [package.activated], within_seconds: {WITHIN}}}]
      unless: [payment.refunded]
      by_key: true
      service: packages
topology: {{services: [{{name: packages, customer_facing: true}}]}}
objectives: [{{metric: forecall.journey.failed, above: 0.5}}]
correlate: {{evaluate_every_seconds: 1, predict_for_seconds: 1}}
"
        ),
    );
}

fn is(event: &crate::broker::Read, event_type: &str) -> bool {
    event.header("ce_type") == Some(event_type)
}

fn value(event: &crate::broker::Read) -> Value {
    serde_json::from_slice(event.value.as_deref().unwrap_or_default()).unwrap_or_default()
}

#[test]
fn customers_who_paid_and_got_nothing_are_told_of_and_many_are_one_incident() {
    let mut house = Installation::new("journeys");
    let shop = house.input("shop");
    create_topics(&[(&shop, 2)]);
    configure(&house, &shop);
    house.start();
    house.await_ready();
    let writer = Writer::new();
    // Bad ones first: they must leave no bytes behind.
    writer.put(&shop, 0, format!("{{\"customer\":\"{}\"", phone(1)).as_bytes());
    for number in 1..=3 {
        put(&writer, &shop, "payment.accepted", number, "IR-10");
    }
    put(&writer, &shop, "package.activated", 2, "IR-10");
    put(&writer, &shop, "payment.refunded", 3, "IR-10");
    writer.flush();
    let topic = house.topic("journeys");
    let mut told = Reader::new(&topic);
    let failed = told.find("a failed journey", SOON, |e| is(e, "forecall.journey.failed.v1"));
    let journey = Contract::default().check(&failed);
    assert_eq!(journey["rule"], "paid_not_active");
    assert_eq!(journey["failure"], "absent");
    assert_eq!(journey["region"], "IR-10");
    let pseudonym = journey["customer"].as_str().unwrap().to_owned();
    assert_eq!(failed.key, pseudonym.as_bytes(), "the key is the pseudonym");

    // Killed, and started again: nobody is told twice, and what is open goes on.
    for number in 100..100 + CROWD {
        put(&writer, &shop, "payment.accepted", number, "IR-23");
    }
    writer.flush();
    std::thread::sleep(Duration::from_secs(2));
    house.kill();
    house.start();
    house.await_ready();
    let wave = told.find("a wave", SOON, |e| is(e, "forecall.journey-wave.opened.v1"));
    let wave = Contract::default().check(&wave);
    assert_eq!(wave["region"], "IR-23");
    let incidents = house.topic("incidents");
    let mut events = Reader::new(&incidents);
    let incident = wait_for("a confirmed incident", SOON, || {
        house.check_running();
        let mut seen = events.look().iter();
        seen.find(|e| is(e, "forecall.incident.confirmed.v1")).cloned()
    });
    let incident = Contract::default().check(&incident);
    assert_eq!(incident["scope"]["services"], serde_json::json!(["packages"]));
    assert_eq!(incident["scope"]["regions"], serde_json::json!(["IR-23"]));
    wait_for("the waves of both partitions as evidence", SOON, || {
        let newest = events
            .look()
            .iter()
            .map(value)
            .max_by_key(|v| v["revision"].as_u64());
        newest.filter(|v| v["evidence"].as_array().is_some_and(|all| all.len() == 2))
    });
    let ids: BTreeSet<String> = events
        .seen
        .iter()
        .map(|e| value(e)["id"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(ids.len(), 1, "one trouble, one incident: {ids:?}");

    let shown = house.finish("show", &["journeys", "show", &pseudonym, "--config"]);
    assert!(shown.contains("failed journeys: 1"), "{shown}");
    let map = house.finish("map", &["journeys", "map", "--config"]);
    assert!(
        map.contains("paid_not_active") || map.contains("no map yet"),
        "{map}"
    );
    let failed = house.metric("forecall_journeys_failed_total", &["rule=\"paid_not_active\""]);
    assert!(failed >= 1.0, "{}", house.metrics());
    let metrics = house.metrics();
    house.stop();
    check_told_once(&house, &pseudonym);
    check_no_number(&house, &shop, &metrics);
}

fn check_told_once(house: &Installation, pseudonym: &str) {
    let all = read_all(&house.topic("journeys"));
    let mut contract = Contract::default();
    let mut customers = Vec::new();
    for event in &all {
        contract.check(event);
        if is(event, "forecall.journey.failed.v1") {
            customers.push(value(event)["customer"].as_str().unwrap().to_owned());
        }
    }
    let of_first = customers.iter().filter(|c| *c == pseudonym).count();
    assert_eq!(of_first, 1);
    let distinct: BTreeSet<&String> = customers.iter().collect();
    assert_eq!(distinct.len(), customers.len(), "nobody is told of twice");
    assert!(
        customers.len() <= 1 + usize::try_from(CROWD).unwrap() / 2,
        "the wave withholds: {} are told singly",
        customers.len()
    );
}

/// No customer's number, nor an order's, stands anywhere but on the topic that the shop wrote.
fn check_no_number(house: &Installation, shop: &str, metrics: &str) {
    let crowd = 100..100 + CROWD;
    let mut seeds: Vec<String> = (1..=3)
        .chain(crowd)
        .map(|n| phone(n).trim_start_matches('0').to_owned())
        .collect();
    seeds.push("order-1".to_owned());
    let check = |place: &str, bytes: &[u8]| {
        let holds = |seed: &String| bytes.windows(seed.len()).any(|w| w == seed.as_bytes());
        assert!(!seeds.iter().any(holds), "{place} holds a seeded number");
    };
    let mut looked_at = 0;
    for topic in topics_of(&format!("{}.", house.name)) {
        if topic == shop {
            continue;
        }
        for record in read_all(&topic) {
            looked_at += 1;
            check(&topic, &record.bytes());
        }
    }
    assert!(looked_at > 50, "{looked_at} records");
    check("the log output", house.output().as_bytes());
    check("/metrics", metrics.as_bytes());
    let state = house.folder.path().join("state");
    let mut folders = vec![state];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                check("a snapshot", &std::fs::read(&path).unwrap());
            }
        }
    }
}
