//! Topics that aren't what forecall needs.

use std::time::Duration;

use super::{REFUSED, SHORT, as_json, await_ready, command, configure, probed, run, run_once_nobody_reads};
use crate::broker;
use crate::installation::Installation;
use crate::process::{Program, wait_for};

/// A look at the topics while it runs comes every 30 s.
const LOOK: Duration = Duration::from_secs(90);

#[test]
fn a_wrong_topic_is_refused_with_the_remedy() {
    let house = Installation::new("refused");
    // Made by somebody who thought that it is a table.
    broker::create_with(&house.topic("anomalies"), 2, &[("cleanup.policy", "compact")]);
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
    broker::create_with(&topic, 2, &[("retention.ms", "7999")]);
    broker::alter(&house.topic("incidents.state"), "cleanup.policy", "delete");
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
    let (mut house, topic) = probed("grown", "");
    let mut first = Program::start("first", &mut command(&house, &["run"]), house.folder.path());
    await_ready(&mut first);
    // While it runs: found at the next look.
    broker::grow(&topic, 3);
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
    let text = run_once_nobody_reads(&house, &migrate);
    assert!(text.contains("those warm up anew"), "said plainly: {text}");
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
