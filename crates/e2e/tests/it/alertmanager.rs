//! A real Alertmanager takes what a bridge brings: one alert an incident, however it changes; it resolves, and says so.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use forecall_kafka::{KafkaLog, KafkaSettings};
use forecall_log::{Log as _, OutRecord, Transaction};
use forecall_types::{EventTime, Incident, IncidentEvent};
use forecall_wire::event::encode_incident_event;
use serde_json::Value;

use crate::fakes::{Fake, Reply};
use crate::incidents::life;
use crate::installation::Installation;
use crate::process::{Program, told, wait_for};
use crate::{broker, http, ports};

/// Far above what a start or a delivery takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running Alertmanager that notifies a webhook at once.
struct Alertmanager {
    _program: Program,
    address: SocketAddr,
}

impl Alertmanager {
    fn start(folder: &Path, receiver: &str) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let config = folder.join("alertmanager.yml");
        // A resolve time-out of a minute: what isn't repeated would be over within the test.
        std::fs::write(
            &config,
            format!(
                "global: {{resolve_timeout: 1m}}\n\
                 route: {{receiver: hook, group_by: [incident], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
                 receivers: [{{name: hook, webhook_configs: [{{url: \"{receiver}\", send_resolved: true}}]}}]\n"
            ),
        )
        .unwrap();
        let mut command = Command::new(told("FORECALL_E2E_ALERTMANAGER"));
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.path={}",
                folder.join("alertmanager").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=");
        let mut program = Program::start("alertmanager", &mut command, folder);
        wait_for("Alertmanager's start", PATIENCE, || {
            program.check_running();
            http::get(address, "/-/ready").filter(|(status, _)| *status == 200)
        });
        Self {
            _program: program,
            address,
        }
    }

    /// Its active alerts.
    fn alerts(&self) -> Vec<Value> {
        let (status, text) = http::get(self.address, "/api/v2/alerts?active=true").unwrap_or_default();
        if status == 200 {
            // HTTP/1.0 has no chunks.
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
        } else {
            Vec::new()
        }
    }
}

fn now() -> EventTime {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    EventTime::from_secs(i64::try_from(since.as_secs()).unwrap())
}

struct House {
    installation: Installation,
    log: KafkaLog,
    begun: EventTime,
}

impl House {
    /// Publishes an event as of this moment.
    fn publish(&self, event: &IncidentEvent) {
        let event = IncidentEvent {
            change: event.change,
            incident: Incident {
                opened_at: self.begun,
                at: now(),
                resolved_at: event.incident.resolved_at.map(|_| now()),
                ..event.incident.clone()
            },
        };
        let encoded = encode_incident_event(&event).unwrap();
        let record = OutRecord {
            headers: encoded.headers,
            ..OutRecord::new(&self.installation.topic("incidents"), encoded.key, encoded.value)
        };
        let transaction = Transaction {
            records: vec![record],
            positions: Vec::new(),
        };
        let identity = format!("{}.world", self.installation.name);
        self.log.writer(&identity).unwrap().commit(&transaction).unwrap();
    }

    fn bridge(&self, number: u32) -> Program {
        let mut command = self.installation.command(&["bridge", "--slot", "0", "--config"]);
        let folder = self.installation.folder.path();
        Program::start(&format!("bridge-{number}"), &mut command, folder)
    }
}

fn statuses(receiver: &Fake) -> Vec<String> {
    let seen = receiver.seen().into_iter();
    seen.map(|seen| seen.json()["status"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn alertmanager_knows_an_incident_by_its_labels_and_resolves_it() {
    let receiver = Fake::start(|_| Reply::status(200));
    let installation = Installation::new("alertmanager");
    let alertmanager = Alertmanager::start(installation.folder.path(), &receiver.url());
    installation.configure(
        30,
        &format!(
            "bridges: {{duty: {{to: {{alertmanager: {{url: \"http://{}\", repeat_seconds: 5}}}}}}}}",
            alertmanager.address
        ),
    );
    let house = House {
        installation,
        log: KafkaLog::connect(KafkaSettings::plaintext(&broker::bootstrap())).unwrap(),
        begun: now(),
    };
    let life = life(&format!("inc_{}", std::process::id()));

    let mut program = house.bridge(1);
    house.publish(&life[0]);
    let first = wait_for("the alert", PATIENCE, || alertmanager.alerts().pop());
    assert_eq!(first["labels"]["severity"], "warning");
    assert_eq!(first["labels"]["domain"], "isp");
    assert_eq!(first["annotations"]["state"], "predicted");

    // Worse, in more regions: the same alert.
    house.publish(&life[1]);
    let impact = |alert: &Value| {
        alert["annotations"]["impact"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let second = wait_for("the change", PATIENCE, || {
        alertmanager.alerts().into_iter().find(|a| impact(a) == "extreme")
    });
    assert_eq!(second["fingerprint"], first["fingerprint"]);
    assert_eq!(second["labels"], first["labels"]);
    assert_eq!(alertmanager.alerts().len(), 1);

    // Killed and started again, it still knows the labels, and repeats: beyond four repeats the alert would be over.
    program.kill();
    let mut program = house.bridge(2);
    house.publish(&life[2]);
    let third = wait_for("the change after the restart", PATIENCE, || {
        let mut alerts = alertmanager.alerts().into_iter();
        alerts.find(|a| a["annotations"]["acknowledged_by"] == "network duty")
    });
    assert_eq!(third["fingerprint"], first["fingerprint"]);
    std::thread::sleep(Duration::from_secs(25));
    assert_eq!(alertmanager.alerts().len(), 1, "it is repeated");
    assert!(
        statuses(&receiver).iter().all(|s| s == "firing"),
        "{:?}",
        statuses(&receiver)
    );

    house.publish(&life[3]);
    wait_for("the end", PATIENCE, || {
        alertmanager.alerts().is_empty().then_some(())
    });
    wait_for("the notification of the end", PATIENCE, || {
        statuses(&receiver).last().filter(|s| *s == "resolved").cloned()
    });
    assert!(program.terminate(PATIENCE).success());
    let notified = receiver.seen();
    assert!(
        notified
            .iter()
            .all(|seen| seen.json()["groupLabels"]["incident"] == life[0].incident.id.as_str())
    );
}
