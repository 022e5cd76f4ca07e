use expect_test::{Expect, expect};
use forecall_config::Settings;
use forecall_types::RemedyName;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn text_of(remedy: &str) -> String {
    format!("allow_literal_secrets: true\nremedies:\n  restart: {remedy}\n")
}

fn check(remedy: &str, expected: Expect) {
    let shown = match Settings::from_yaml("f.yaml", &text_of(remedy)) {
        Ok(settings) => {
            let warnings: Vec<&str> = settings.warnings.iter().map(|w| w.what.as_str()).collect();
            format!(
                "taken; called: {}; {}",
                settings.remedies.len(),
                warnings.join("; ")
            )
        }
        // The first line of each problem.
        Err(error) => error
            .to_string()
            .lines()
            .filter(|line| line.starts_with("f.yaml"))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    assert!(!shown.contains("hunter2") && !shown.contains(KEY), "{shown}");
    expected.assert_eq(&shown);
}

fn to(url: &str, more: &str) -> String {
    format!(
        "{{label: restarts the pool, when: {{services: ['*']}}, to: {{url: '{url}', secret: {KEY}}}{more}}}"
    )
}

#[test]
fn nothing_is_called_unless_two_words_say_so() {
    check(&to("https://h.example/x", ""), expect!["taken; called: 0; "]);
    check(
        "{label: restarts the pool, when: {regions: [IR-23]}}",
        expect!["taken; called: 0; "],
    );
    check(
        "{label: restarts the pool, when: {regions: [IR-23], declared: true}}",
        expect!["taken; called: 0; "],
    );
    for (more, dry_run) in [(", mode: run", true), (", mode: run, dry_run: false", false)] {
        let text = text_of(&to("https://h.example/x", more));
        let settings = Settings::from_yaml("f.yaml", &text).unwrap_or_else(|e| panic!("{e}"));
        let target = &settings.remedies[&RemedyName::new("restart").unwrap()];
        assert_eq!(target.to.dry_run, dry_run);
    }
    check(
        &to("https://h.example/x", ", mode: unattended, dry_run: false"),
        expect![
            "taken; called: 1; remedies.restart is `unattended` and no dry run: it is called without anybody being asked"
        ],
    );
}

#[test]
fn it_is_called_where_nobody_can_read_or_change_it() {
    check(
        &to("http://h.example/x", ", mode: run"),
        expect![
            "f.yaml:3:12: remedies.restart.to.url is plain HTTP: that is for this machine itself (127.0.0.1, ::1); `h.example` needs `https://`"
        ],
    );
    check(
        &to("http://127.0.0.1:8080/x", ", mode: run"),
        expect!["taken; called: 1; "],
    );
    check(
        &to("https://user:hunter2@h.example/x", ", mode: run"),
        expect![
            "f.yaml:3:12: remedies.restart.to.url must be `https://host` or `https://host:port`, with a path where it has one, and no login in it"
        ],
    );
    check(
        &format!(
            "{{label: x, when: {{services: [a]}}, mode: run, to: {{url: 'http://h.example', secret: {KEY}, insecure: true}}}}"
        ),
        expect![
            "f.yaml:3:12: remedies.restart.to.insecure: a remedy acts, so plain HTTP to another machine is not taken"
        ],
    );
    check(
        "{label: x, when: {services: [a]}, mode: run, to: {url: 'https://h.example', secret: hunter2}}",
        expect![
            "f.yaml:3:12: remedies.restart.to.secret: the secret is not `whsec_` and base64 of 24 to 64 bytes"
        ],
    );
}

#[test]
fn what_cannot_be_is_told() {
    check(
        "{label: x, when: {services: [a]}, mode: run}",
        expect!["f.yaml:3:12: remedies.restart: `mode: run` needs `to`, the receiver that is called"],
    );
    check(
        "{label: x, when: {}}",
        expect!["f.yaml:3:12: remedies.restart: `when` needs `services` or `regions`; `*` is any"],
    );
    check(
        "{label: ask a@b.ir, when: {services: [a]}}",
        expect!["f.yaml:3:12: remedies.restart.label: it looks as if it held an e-mail address"],
    );
    check(
        "{label: x, when: {services: [a]}, approvals: 0}",
        expect![
            "f.yaml:3:46: unknown field `approvals`, expected one of label, when, mode, dry_run, limit, expires_seconds, to, retry"
        ],
    );
    check(
        &to(
            "https://h.example",
            ", limit: {calls: 0}, expires_seconds: 5, retry: {tries_max: 0}",
        ),
        expect![[r#"
            f.yaml:3:12: remedies.restart.retry.tries_max is 0: it must lie between 1 and 1000
            f.yaml:3:12: remedies.restart: `limit.calls` must be 1 to 100"#]],
    );
}

#[test]
fn a_literal_secret_is_refused() {
    let text =
        "remedies:\n  restart: {label: x, when: {services: [a]}, to: {url: 'https://h', secret: hunter2}}\n";
    let error = Settings::from_yaml("f.yaml", text).unwrap_err().to_string();
    assert!(error.contains("is a secret"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn another_address_is_another_rule() {
    let digest = |url| {
        let text = text_of(&to(url, ", mode: run"));
        let settings = Settings::from_yaml("f.yaml", &text).unwrap_or_else(|e| panic!("{e}"));
        settings.remedies[&RemedyName::new("restart").unwrap()]
            .digest
            .clone()
    };
    assert_eq!(digest("https://h.example/a"), digest("https://h.example/a"));
    assert_ne!(digest("https://h.example/a"), digest("https://h.example/b"));
}
