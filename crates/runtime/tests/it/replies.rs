//! From what customers write back to what they hear, and to what `correlate` hears of it: the whole chain, over HTTP on both sides.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use forecall_config::{GatewaySettings, Settings};
use forecall_ledger::{DirectoryRow, Secret};
use forecall_runtime::{Roles, Storage};
use forecall_types::{AnomalyState, ContactChannel, Customer};
use forecall_wire::event::decode_correlate_entry;

use crate::chain::{Bed, CUSTOMERS, row};
use crate::fake_gateway::FakeGateway;

const TOKEN: &str = "0123456789abcdef";

fn number(i: u64) -> String {
    format!("+98912{i:07}")
}

/// People who are reached by text message.
fn texted(settings: &Settings, i: u64) -> DirectoryRow {
    let row = row(settings, i);
    DirectoryRow {
        customer: Customer {
            channels: vec![ContactChannel::Sms],
            ..row.customer
        },
        addresses: BTreeMap::from([(ContactChannel::Sms, Secret::new(number(i)))]),
        ..row
    }
}

/// A customer writes; the status that the provider gets.
fn writes(port: u16, i: u64, message: &str, id: &str) -> JoinHandle<u16> {
    let from = number(i);
    let body = format!(
        "from={}&message={message}&messageid={id}",
        from.trim_start_matches('+')
    );
    let text = format!(
        "POST /replies?token={TOKEN} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    })
}

struct Town {
    bed: Bed,
    gateway: FakeGateway,
    port: u16,
}

impl Town {
    fn new() -> Self {
        let gateway = FakeGateway::start(&[]);
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let http = serde_json::from_value(serde_json::json!({
            "url": format!("http://127.0.0.1:{}/send", gateway.port),
            "json": r#"{"to": "{to}", "text": "{text}"}"#,
            "id": "/sid",
            "callbacks": {
                "listen": format!("127.0.0.1:{port}"),
                "token": TOKEN,
                "reply": {"from": "from", "text": "message", "id": "messageid"},
            },
        }));
        let http = GatewaySettings::Http(http.unwrap());
        let change = |settings: &mut Settings| {
            settings.gateways.insert(ContactChannel::Sms, http);
        };
        let bed = Bed::with(Roles::ALL, &Storage::Memory, change, texted);
        Self { bed, gateway, port }
    }

    /// Texts sent to a number so far.
    fn sent_to(&self, number: &str) -> Vec<String> {
        let asked = self.gateway.asked();
        let bodies = asked.iter().map(|asked| {
            let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
            (
                body["to"].as_str().unwrap().to_owned(),
                body["text"].as_str().unwrap().to_owned(),
            )
        });
        bodies
            .filter(|(to, _)| to == number)
            .map(|(_, text)| text)
            .collect()
    }

    /// What a customer hears who writes, and how long that took.
    fn ask(&mut self, i: u64, message: &str, id: &str) -> (String, Duration) {
        let before = self.sent_to(&number(i)).len();
        let begin = Instant::now();
        let asked = writes(self.port, i, message, id);
        while self.sent_to(&number(i)).len() == before && begin.elapsed() < Duration::from_secs(10) {
            self.bed.pipeline.settle().unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        let took = begin.elapsed();
        assert_eq!(asked.join().unwrap(), 200);
        let mut heard = self.sent_to(&number(i)).split_off(before);
        assert_eq!(heard.len(), 1, "{heard:?}");
        (heard.remove(0), took)
    }
}

#[test]
fn whoever_writes_is_answered_within_two_seconds_and_many_bring_an_incident_back() {
    let mut town = Town::new();
    for _ in 0..120 {
        town.bed.step(40.0);
    }
    let (heard, took) = town.ask(1, "2", "a");
    assert!(heard.contains("از اختلالی برای شما خبر نداریم"), "{heard}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    for i in 0..40 {
        town.bed.step(40.0 + 10.0 * f64::from(i));
    }
    for _ in 0..30 {
        town.bed.step(430.0);
    }
    assert_eq!(
        town.bed.incidents().last().unwrap().incident.state.as_str(),
        "confirmed"
    );
    let (heard, took) = town.ask(1, "%D9%88%D8%B6%D8%B9%DB%8C%D8%AA", "b");
    assert!(heard.contains("اینترنت اصفهان مختل است"), "{heard}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    while town.bed.incidents().last().unwrap().incident.state.as_str() != "resolved" {
        town.bed.step(40.0);
    }
    // All closings have gone: the gateway's pace leaves room for answers.
    for _ in 0..4 {
        town.bed.step(40.0);
    }
    // One of eight of those who were told: four times and more what is usual.
    for i in 0..CUSTOMERS / 8 {
        let (heard, _) = town.ask(i, "1", &format!("c{i}"));
        assert!(heard.contains("ثبت شد") || heard.contains("Noted"), "{heard}");
    }
    for _ in 0..30 {
        town.bed.step(40.0);
    }
    let changes: Vec<_> = town.bed.incidents().iter().map(|e| e.change.as_str()).collect();
    assert!(changes.contains(&"reopened"), "{changes:?}");
    let evidence: Vec<_> = town
        .bed
        .read("forecall.anomalies.v1", |h, v| {
            String::from_utf8_lossy(v)
                .contains("still_failing")
                .then(|| decode_correlate_entry(h, v).unwrap())
        })
        .into_iter()
        .flatten()
        .collect();
    let states: Vec<_> = evidence
        .iter()
        .filter_map(|entry| match entry {
            forecall_types::CorrelateEntry::Anomaly(anomaly) => Some(anomaly.state),
            _ => None,
        })
        .collect();
    assert_eq!(states.first(), Some(&AnomalyState::Opened));
    assert!(!format!("{evidence:?}").contains("cus_"));
    let (heard, _) = town.ask(3, "stop", "d");
    assert!(heard.contains("همچنان می‌آید"), "{heard}");
    println!("last answer after {took:?}");
}
