//! The least rights: a broker with the standard authorizer, SASL_SSL (SCRAM) and mutual TLS. forecall runs with exactly what
//! `forecall doctor --acls` prints, and says clearly what is missing where one right is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::http;
use crate::installation::binary;
use crate::ports;
use crate::process::{Folder, Program, told, unique, wait_for};

const BROKER_START: Duration = Duration::from_secs(120);
const SHORT: Duration = Duration::from_secs(60);
const PASSWORD: &str = "e2e-scram-password";

/// A broker of this test's own.
struct SecureBroker {
    folder: PathBuf,
    /// SCRAM over TLS, certificates both ways, and the super user's back door.
    secure: u16,
    mutual: u16,
    inner: u16,
    _program: Program,
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

fn java(folder: &Path) -> Command {
    let mut command = Command::new(told("FORECALL_E2E_JAVA"));
    command
        .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp"])
        .arg(format!("{}/*", told("FORECALL_E2E_KAFKA_TOOLS")))
        .current_dir(folder);
    command
}

/// An authority, and certificates of the broker and of a client, by the `openssl` program.
fn certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        run(Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(folder));
    };
    const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!(
        "req -x509 {KEY} -keyout ca.key -out ca.pem -subj /CN=e2e-authority -days 2 -addext keyUsage=critical,keyCertSign"
    ));
    for (name, subject) in [("broker", "/CN=127.0.0.1"), ("client", "/CN=forecall-mutual")] {
        openssl(&format!(
            "req {KEY} -keyout {name}.key -out {name}.csr -subj {subject}"
        ));
        std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out {name}.pem"
        ));
    }
    let both = ["broker.key", "broker.pem"].map(|f| std::fs::read_to_string(folder.join(f)).unwrap());
    std::fs::write(folder.join("broker-both.pem"), both.concat()).unwrap();
}

impl SecureBroker {
    fn start(folder: &Path) -> Self {
        certificates(folder);
        let [secure, mutual, inner, controller] = [0; 4].map(|_| ports::free());
        let at = folder.display();
        let settings = format!(
            "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=SECURE://127.0.0.1:{secure},MUTUAL://127.0.0.1:{mutual},INNER://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SECURE://127.0.0.1:{secure},MUTUAL://127.0.0.1:{mutual},INNER://127.0.0.1:{inner}
listener.security.protocol.map=SECURE:SASL_SSL,MUTUAL:SSL,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INNER
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:ANONYMOUS
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.mutual.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={at}/broker-both.pem
ssl.truststore.type=PEM
ssl.truststore.location={at}/ca.pem
log.dirs={at}/log
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"
        );
        let file = folder.join("server.properties");
        std::fs::write(&file, settings).unwrap();
        run(java(folder)
            .args([
                "kafka.tools.StorageTool",
                "format",
                "-t",
                "Zm9yZWNhbGwtZGV2LTAwMQ",
                "-c",
            ])
            .arg(&file)
            .args([
                "--add-scram",
                &format!("SCRAM-SHA-512=[name=forecall,password={PASSWORD}]"),
            ]));
        let mut command = java(folder);
        command.arg("kafka.Kafka").arg(&file);
        let mut program = Program::start("secure-broker", &mut command, folder);
        wait_for("the secure broker", BROKER_START, || {
            program.check_running();
            let open = |port: u16| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
            (open(secure) && open(mutual) && open(inner)).then_some(())
        });
        Self {
            folder: folder.to_owned(),
            secure,
            mutual,
            inner,
            _program: program,
        }
    }

    /// Kafka's own tool, as the super user.
    fn acls(&self, verb: &str, principal: &str, rest: &[String]) {
        run(java(&self.folder)
            .args(["org.apache.kafka.tools.AclCommand", "--bootstrap-server"])
            .arg(format!("127.0.0.1:{}", self.inner))
            .args([verb, "--allow-principal", principal])
            .args((verb == "--remove").then_some("--force"))
            .args(rest));
    }
}

/// What `doctor --acls` prints, as arguments by operations and pattern, so that few virtual machines must start.
fn printed(house: &House) -> Vec<Vec<String>> {
    let (code, text) = house.run("secure", &["doctor", "--acls", "User:forecall"]);
    assert_eq!(code, 0, "{text}");
    let mut grouped: BTreeMap<(Vec<String>, String, bool), Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let after = |option: &str| -> Vec<String> {
            let pairs = words.windows(2).filter(|pair| pair[0] == option);
            pairs.map(|pair| pair[1].to_owned()).collect()
        };
        assert_eq!(after("--allow-principal"), ["User:forecall"], "{line}");
        for kind in ["--topic", "--group", "--transactional-id"] {
            for name in after(kind) {
                grouped
                    .entry((after("--operation"), kind.to_owned(), line.contains("prefixed")))
                    .or_default()
                    .push(name);
            }
        }
    }
    let grouped = grouped.into_iter().map(|((operations, kind, prefixed), names)| {
        let mut arguments = Vec::new();
        for operation in operations {
            arguments.extend(["--operation".to_owned(), operation]);
        }
        for name in names {
            arguments.extend([kind.clone(), name]);
        }
        if prefixed {
            arguments.extend(["--resource-pattern-type".to_owned(), "prefixed".to_owned()]);
        }
        arguments
    });
    grouped.collect()
}

/// One installation with a configuration a way in.
struct House {
    name: String,
    folder: Folder,
    http: u16,
}

impl House {
    fn new(broker: &SecureBroker, name: String, folder: Folder) -> Self {
        let http = ports::free();
        let at = folder.path().display();
        let tls = format!("ssl_ca_file: {at}/ca.pem");
        let ways = [
            ("inner", broker.inner, "security_protocol: plaintext".to_owned()),
            (
                "secure",
                broker.secure,
                format!(
                    "security_protocol: sasl_ssl, sasl_mechanism: SCRAM-SHA-512, sasl_username: forecall, \
                     sasl_password: \"${{env:FORECALL_E2E_SCRAM}}\", {tls}"
                ),
            ),
            (
                "mutual",
                broker.mutual,
                format!(
                    "security_protocol: ssl, {tls}, ssl_certificate_file: {at}/client.pem, ssl_key_file: {at}/client.key"
                ),
            ),
        ];
        for (way, port, rest) in ways {
            let mut text = String::new();
            write!(
                text,
                "domain: e2e
group: {name}
kafka: {{bootstrap_servers: \"127.0.0.1:{port}\", session_timeout_ms: 3000, heartbeat_interval_ms: 1000, {rest}}}
topics: {{prefix: \"{name}.\", partitions: 2, replication: 1, dev: true}}
sources:
  - {{topic: {name}.keyed, format: flat_json, keyed: true}}
  - {{topic: {name}.unkeyed, format: flat_json}}
ledger:
  path: {at}/ledger.sqlite
  master_key: \"${{env:FORECALL_E2E_MASTER_KEY}}\"
  pseudonym_key: \"${{env:FORECALL_E2E_PSEUDONYM_KEY}}\"
state: {{path: {at}/state, interval_seconds: 2}}
canary: {{enabled: true}}
http: {{listen: \"127.0.0.1:{http}\"}}
logs: {{format: json, level: info}}
"
            )
            .unwrap();
            folder.write(&format!("{way}.yaml"), &text);
        }
        Self { name, folder, http }
    }

    fn command(&self, way: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("FORECALL_CONFIG", self.folder.path().join(format!("{way}.yaml")))
            .env("FORECALL_E2E_SCRAM", PASSWORD)
            .env("FORECALL_E2E_MASTER_KEY", "5e".repeat(32))
            .env("FORECALL_E2E_PSEUDONYM_KEY", "a7".repeat(32));
        command
    }

    fn run(&self, way: &str, arguments: &[&str]) -> (i32, String) {
        let output = self.command(way, arguments).output().unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.code().unwrap_or(-1), text)
    }

    /// It starts, gets its partitions, reads, commits, writes, and ends in order.
    fn works(&self, way: &str, number: u32) {
        let mut program = Program::start(
            &format!("run-{way}-{number}"),
            &mut self.command(way, &["run"]),
            self.folder.path(),
        );
        let address = ([127, 0, 0, 1], self.http).into();
        wait_for("readiness", SHORT, || {
            program.check_running();
            http::get(address, "/-/ready").filter(|(status, _)| *status == 200)
        });
        wait_for("ticks, which are commits", SHORT, || {
            program.check_running();
            let (_, text) = http::get(address, "/metrics")?;
            // The canary writes to a re-keyed source: rekey and detect have read and committed.
            let read = ["rekey", "detect", "correlate", "outreach"].iter().all(|stage| {
                text.lines().any(|l| {
                    l.starts_with("forecall_records_total{") && l.contains(&format!("stage=\"{stage}\""))
                })
            });
            read.then_some(())
        });
        let status = program.terminate(SHORT);
        assert_eq!(status.code(), Some(0), "{}", program.output());
    }

    /// It doesn't start, and says why.
    fn refused(&self, what: &str, words: &[&str]) {
        let name = format!("run-without-{}", what.replace(' ', "-"));
        let mut program = Program::start(&name, &mut self.command("secure", &["run"]), self.folder.path());
        let status = program.wait(SHORT);
        let text = program.output();
        assert!(!status.success(), "without {what}: {text}");
        let last = text
            .lines()
            .rev()
            .find(|l| l.starts_with("forecall: "))
            .unwrap_or_default();
        println!("without {what}: {:?}: {last}", status.code());
        let told = text.split("forecall: ").last().unwrap_or_default();
        assert!(
            words.iter().all(|w| told.contains(w)),
            "without {what}: {words:?}: {told}"
        );
    }
}

#[test]
fn the_least_rights_are_enough_and_none_is_too_many() {
    let name = unique("acl");
    let folder = Folder::new(&name);
    let broker = SecureBroker::start(folder.path());
    let house = House::new(&broker, name, folder);
    let (code, text) = house.run("inner", &["topics", "create"]);
    assert_eq!(code, 0, "{text}");
    create_inputs(&broker, &house);
    house.refused(
        "any right",
        &["authorization failed", "give this user the rights"],
    );
    let rights = printed(&house);
    assert!(rights.len() >= 5, "{rights:?}");
    for right in &rights {
        broker.acls("--add", "User:forecall", right);
    }
    house.works("secure", 1);
    let (code, text) = house.run("secure", &["doctor"]);
    assert!(code <= 1, "nothing is wrong: {text}");
    // One of each kind away, and back.
    let prefix = format!("{}.", house.name);
    let anomalies = format!("{}.forecall.anomalies.v1", house.name);
    let keyed = format!("{}.keyed", house.name);
    let prefixed = ["--resource-pattern-type", "prefixed"];
    let cases: [(&str, Vec<&str>, &[&str]); 4] = [
        (
            "the right to read an input",
            vec!["--operation", "Read", "--topic", &keyed],
            &[&keyed],
        ),
        (
            "the right to write anomalies",
            vec!["--operation", "Write", "--topic", &anomalies],
            &["could not commit", "Topic authorization failed"],
        ),
        (
            "the right to its groups",
            [vec!["--operation", "Read", "--group", &prefix], prefixed.to_vec()].concat(),
            &["group"],
        ),
        (
            "the right to its transactions",
            [
                vec!["--operation", "Write", "--transactional-id", &prefix],
                prefixed.to_vec(),
            ]
            .concat(),
            &["ransactional"],
        ),
    ];
    for (what, right, words) in cases {
        let right: Vec<String> = right.into_iter().map(str::to_owned).collect();
        broker.acls("--remove", "User:forecall", &right);
        house.refused(what, words);
        broker.acls("--add", "User:forecall", &right);
    }
    // Another login, by certificate, with the same rights.
    for right in &rights {
        broker.acls("--add", "User:CN=forecall-mutual", right);
    }
    house.works("mutual", 2);
}

/// The topics of others, by the super user.
fn create_inputs(broker: &SecureBroker, house: &House) {
    for topic in ["keyed", "unkeyed"] {
        run(java(&broker.folder)
            .args(["org.apache.kafka.tools.TopicCommand", "--bootstrap-server"])
            .arg(format!("127.0.0.1:{}", broker.inner))
            .args([
                "--create",
                "--partitions",
                "2",
                "--replication-factor",
                "1",
                "--topic",
            ])
            .arg(format!("{}.{topic}", house.name)));
    }
}
