//! What another file means to a process that runs.

#![allow(
    clippy::unwrap_used,
    reason = "a test may fail on the spot; clippy's own allowance ends at helpers outside #[test]"
)]

use expect_test::{Expect, expect};
use forecall_config::{Settings, glance};

const KEYS: &str = "allow_literal_secrets: true\n";

fn settings(text: &str) -> Settings {
    Settings::from_yaml("forecall.yaml", &format!("{KEYS}{text}")).unwrap()
}

fn told(before: &str, after: &str) -> String {
    match settings(before).change_to(&settings(after)) {
        Ok(change) => format!("{change:?}"),
        Err(fixed) => {
            let lines: Vec<String> = fixed.iter().map(ToString::to_string).collect();
            lines.join("\n")
        }
    }
}

fn check(before: &str, after: &str, expected: &Expect) {
    expected.assert_eq(&told(before, after));
}

#[test]
fn the_same_text_is_nothing_and_logs_alone_leave_the_stages_alone() {
    let base = "domain: isp\nlogs:\n  level: info\n# a word\ndetect:\n  silence: false\n";
    check(base, base, &expect!["Nothing"]);
    check(base, &base.replace("info", "debug"), &expect!["Logs"]);
    check(base, &base.replace("false", "true"), &expect!["Stages"]);
    check(
        base,
        &base.replace("info", "debug").replace("false", "true"),
        &expect!["Stages"],
    );
    check(
        base,
        "domain: isp\nlogs: {level: debug}\n# a word\ndetect:\n  silence: false\n",
        &expect!["Logs"],
    );
    check(
        "domain: isp\n",
        "domain: isp\nreload: {watch_seconds: 5}\n",
        &expect!["Stages"],
    );
}

#[test]
fn a_secret_that_changed_is_another_text_though_it_is_never_shown() {
    let key = |digit: char| format!("ledger: {{master_key: \"{}\"}}\n", digit.to_string().repeat(64));
    check(
        &key('a'),
        &key('b'),
        &expect![[
            r#"`ledger.master_key` can't change while it runs: what was made with the old key can't be read or matched with another: keys are never changed in place, see docs/sre.md"#
        ]],
    );
    let bridge = |secret: &str| {
        format!(
            "bridges:\n  noc:\n    to: {{webhook: {{url: \"https://h.example/x\", secret: \"whsec_{secret}\"}}}}\n"
        )
    };
    let (old, new) = (
        bridge("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"),
        bridge("OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2"),
    );
    check(&old, &new, &expect!["Stages"]);
    assert!(!format!("{:?}", settings(&old)).contains("MDEy"));
}

#[test]
fn what_only_a_start_can_do_is_named_and_nothing_else() {
    for (name, before, after) in [
        ("domain", "domain: a\n", "domain: b\n"),
        ("simulated", "simulated: false\n", "simulated: true\n"),
        ("group", "group: a\n", "group: b\n"),
        (
            "kafka",
            "kafka: {bootstrap_servers: \"a:9092\", security_protocol: plaintext}\n",
            "kafka: {bootstrap_servers: \"b:9092\", security_protocol: plaintext}\n",
        ),
        (
            "topics.prefix",
            "topics: {prefix: \"\"}\n",
            "topics: {prefix: x.}\n",
        ),
        (
            "topics.partitions",
            "topics: {partitions: 12}\n",
            "topics: {partitions: 24}\n",
        ),
        (
            "topics.replication",
            "topics: {replication: 3}\n",
            "topics: {replication: 4}\n",
        ),
        ("topics.dev", "topics: {dev: false}\n", "topics: {dev: true}\n"),
        ("ledger.path", "ledger: {path: a}\n", "ledger: {path: b}\n"),
        ("state.path", "state: {path: a}\n", "state: {path: b}\n"),
        (
            "http",
            "http: {listen: \"127.0.0.1:1\"}\n",
            "http: {listen: \"127.0.0.1:2\"}\n",
        ),
        ("logs.format", "logs: {format: text}\n", "logs: {format: json}\n"),
    ] {
        let named = told(before, after);
        let first = format!("`{name}` can't change while it runs: ");
        assert!(
            named.starts_with(&first) && named.lines().count() == 1,
            "{name}: {named}"
        );
        assert_eq!(told(before, before), "Nothing", "{name}");
    }
}

#[test]
fn a_glance_sees_the_file_that_a_link_leads_to_and_the_secrets_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("v1")).unwrap();
    std::fs::create_dir(at("v2")).unwrap();
    let secret = at("secret").display().to_string();
    let text = |domain: &str| format!("domain: {domain}\nledger: {{master_key: \"${{file:{secret}}}\"}}\n");
    std::fs::write(at("v1/forecall.yaml"), text("a")).unwrap();
    std::fs::write(at("v2/forecall.yaml"), text("b")).unwrap();
    std::fs::write(at("secret"), "1".repeat(64)).unwrap();
    // As Kubernetes mounts a ConfigMap: a link to a folder is replaced by another.
    std::os::unix::fs::symlink("v1", at("..data")).unwrap();
    std::os::unix::fs::symlink("..data/forecall.yaml", at("forecall.yaml")).unwrap();
    let look = || glance(&at("forecall.yaml")).unwrap();
    let first = look();
    assert_eq!(first, look());
    std::os::unix::fs::symlink("v2", at("..data_tmp")).unwrap();
    std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
    let second = look();
    assert_ne!(first, second);
    std::fs::write(at("secret"), "2".repeat(64)).unwrap();
    assert_ne!(second, look());
    std::fs::remove_file(at("secret")).unwrap();
    look();
    std::fs::remove_file(at("..data")).unwrap();
    assert_eq!(glance(&at("forecall.yaml")), None);
}
