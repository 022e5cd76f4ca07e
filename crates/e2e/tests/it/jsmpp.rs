//! The SMPP gateway against jSMPP's simulator: bytes, parts, receipts, and a centre that falls and comes back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use forecall_delivery::{DeliverSettings, Deliverer, SmppGateway, SmppSettings};
use forecall_ledger::AuditVerdict;
use forecall_types::{ContactChannel, IntentState};

use crate::desk::{Desk, at};
use crate::ports;
use crate::process::{Folder, Program, told, unique, wait_for};

/// A Java program starts in two seconds on an idle machine.
const START: Duration = Duration::from_secs(60);
/// It sends receipts a second after the message, at most 100 a second.
const RECEIPTS: Duration = Duration::from_secs(30);

/// The simulator knows no address to listen on but all. The class by which its library makes sockets, in the place of theirs: what
/// listens here listens to this machine alone.
const LOOPBACK: &str = r#"package org.jsmpp.session.connection.socket;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import org.jsmpp.session.connection.ServerConnection;
import org.jsmpp.session.connection.ServerConnectionFactory;

public class ServerSocketConnectionFactory implements ServerConnectionFactory {
    public ServerConnection listen(int port) throws IOException {
        return listen(port, 0, 50);
    }

    public ServerConnection listen(int port, int timeout) throws IOException {
        return listen(port, timeout, 50);
    }

    public ServerConnection listen(int port, int timeout, int backlog) throws IOException {
        ServerSocket socket = new ServerSocket(port, backlog, InetAddress.getLoopbackAddress());
        socket.setSoTimeout(timeout);
        return new ServerSocketConnection(socket);
    }
}
"#;

/// Compiles it, and gives the folder of its class.
fn loopback(folder: &Path) -> PathBuf {
    let source = folder.join("ServerSocketConnectionFactory.java");
    std::fs::write(&source, LOOPBACK).unwrap();
    let classes = folder.join("classes");
    // Only Java's launcher knows what a star means.
    let jars = std::fs::read_dir(told("FORECALL_E2E_JSMPP")).unwrap();
    let jars: Vec<PathBuf> = jars.map(|jar| jar.unwrap().path()).collect();
    let done = Command::new(told("FORECALL_E2E_JAVA"))
        .args(["-m", "jdk.compiler/com.sun.tools.javac.Main", "-d"])
        .arg(&classes)
        .arg("-cp")
        .arg(std::env::join_paths(jars).unwrap())
        .arg(&source)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    classes
}

/// A running simulator, with a password of its own; what it is sent are made-up numbers.
struct Centre {
    program: Program,
    log: PathBuf,
}

impl Centre {
    fn start(folder: &Path, name: &str, port: u16) -> Self {
        let log = folder.join(format!("{name}-said.log"));
        let mut command = Command::new(told("FORECALL_E2E_JAVA"));
        command
            .args(["-Xmx96m", "-XX:TieredStopAtLevel=1"])
            // What it is sent comes back in its log, byte by byte.
            .arg("-Dfile.encoding=ISO-8859-1")
            .arg(format!("-Dorg.slf4j.simpleLogger.logFile={}", log.display()))
            .arg(format!("-Djsmpp.simulator.port={port}"))
            .args([
                "-Djsmpp.client.systemId=forecall",
                "-Djsmpp.client.password=testonly",
            ])
            .arg("-cp")
            .arg(format!(
                "{}:{}/*",
                loopback(folder).display(),
                told("FORECALL_E2E_JSMPP")
            ))
            .arg("org.jsmpp.examples.SMPPServerSimulator");
        let mut program = Program::start(name, &mut command, folder);
        wait_for("the simulator's start", START, || {
            program.check_running();
            let said = std::fs::read(&log).unwrap_or_default();
            String::from_utf8_lossy(&said)
                .contains("Listening on port")
                .then_some(())
        });
        Self { program, log }
    }

    /// How often these bytes stand in its log.
    fn got(&self, bytes: &[u8]) -> usize {
        let log = std::fs::read(&self.log).unwrap();
        log.windows(bytes.len()).filter(|window| *window == bytes).count()
    }
}

fn worker(desk: &Desk, port: u16) -> Deliverer {
    let smpp = SmppSettings {
        timeout: Duration::from_secs(5),
        ..SmppSettings::loopback(port, "forecall", "testonly", "+983000")
    };
    let gateway = SmppGateway::new(smpp).unwrap();
    Deliverer::new(desk.open(), vec![Box::new(gateway)], DeliverSettings::default()).unwrap()
}

/// Rounds, a second of the test's being one of the ledger's, until all stand there.
fn reach(worker: &mut Deliverer, begun: Instant, state: IntentState, count: u64) {
    wait_for("the receipts", RECEIPTS, || {
        let now = 20 + i64::try_from(begun.elapsed().as_secs()).unwrap();
        worker.run_once(at(now)).unwrap();
        let counts = worker.ledger().intent_counts().unwrap();
        (counts == BTreeMap::from([((ContactChannel::Sms, state), count)])).then_some(())
    });
}

#[test]
fn persian_texts_of_three_parts_reach_a_real_message_centre_and_its_receipts_us() {
    let folder = Folder::new(&unique("jsmpp"));
    let port = ports::free();
    let centre = Centre::start(folder.path(), "jsmpp", port);
    let text = "اختلال اینترنت شیراز؛ رفع تا ۱۸:۳۰. نیازی به تماس نیست، تیم فنی در محل است. ".repeat(2);
    let desk = Desk::with_text(ContactChannel::Sms, 30, &text, 3);
    let mut worker = worker(&desk, port);
    let begun = Instant::now();
    let report = worker.run_once(at(20)).unwrap();
    assert_eq!((report.leased, report.total(IntentState::Accepted)), (30, 30));
    reach(&mut worker, begun, IntentState::Delivered, 30);
    let units: Vec<u16> = text.encode_utf16().collect();
    assert_eq!(units.len().div_ceil(67), 3);
    for part in units.chunks(67) {
        let octets: Vec<u8> = part.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        assert_eq!(centre.got(&octets), 30);
    }
    let verdict = worker.ledger().verify_audit().unwrap();
    assert!(matches!(verdict, AuditVerdict::Whole { .. }), "{verdict:?}");
}

#[test]
fn a_message_centre_that_falls_and_comes_back_gets_each_message_once() {
    let folder = Folder::new(&unique("jsmpp-restart"));
    let port = ports::free();
    let mut centre = Centre::start(folder.path(), "jsmpp-1", port);
    let desk = Desk::new(ContactChannel::Sms, 20);
    let mut worker = worker(&desk, port);
    worker.ledger().set_killed(true, at(18)).unwrap();
    assert!(worker.run_once(at(18)).unwrap().down.is_empty());
    centre.program.kill();
    worker.ledger().set_killed(false, at(19)).unwrap();
    for now in [19, 20] {
        let report = worker.run_once(at(now)).unwrap();
        assert!(
            report.down.contains(&ContactChannel::Sms) && report.leased == 0,
            "{report:?}"
        );
    }
    let centre = Centre::start(folder.path(), "jsmpp-2", port);
    let begun = Instant::now();
    // No new line is tried for a quarter of a minute.
    assert_eq!(worker.run_once(at(36)).unwrap().total(IntentState::Accepted), 20);
    reach(&mut worker, begun, IntentState::Delivered, 20);
    let octets: Vec<u8> = "مشتری گرامی\n.\n..\nپایان"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    assert_eq!(centre.got(&octets), 20);
}
