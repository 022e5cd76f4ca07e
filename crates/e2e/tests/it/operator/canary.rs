//! The whole way is tried, and a stop is seen from outside.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{SHORT, await_ready, command, probed, run};
use crate::broker;
use crate::process::{Program, wait_for};

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
    let rest = "canary: {enabled: true}\ngateways: {sms: {file: sms.jsonl}}";
    let (house, _) = probed("canary", rest);
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
