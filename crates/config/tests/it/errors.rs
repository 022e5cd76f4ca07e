use expect_test::{Expect, expect};
use forecall_config::Settings;

use crate::example::example;

fn check(text: &str, expected: Expect) {
    let shown = match Settings::from_yaml("f.yaml", text) {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    };
    for secret in ["hunter2", "hunter"] {
        assert!(!shown.contains(secret), "a secret is shown: {shown}");
    }
    expected.assert_eq(&shown);
}

#[test]
fn a_wrong_type_is_shown_under_its_column() {
    check(
        "domain: telecom\ntopics:\n  partitions: many\n",
        expect![[r#"
        f.yaml:3:15: invalid u32
            3 |   partitions: many
              |               ^"#]],
    );
    check(
        "state: {tick_seconds: 1, idle_seconds: [2]}\n",
        expect![[r#"
        f.yaml:1:40: expected string scalar
            1 | state: {tick_seconds: 1, idle_seconds: [2]}
              |                                        ^"#]],
    );
}

#[test]
fn an_unknown_key_gets_a_hint() {
    check(
        "topics:\n  replicaton: 3\n",
        expect![[r#"
            f.yaml:2:3: unknown field `replicaton`, expected one of prefix, partitions, replication, dev; did you mean `replication`?
                2 |   replicaton: 3
                  |   ^"#]],
    );
    check(
        "sorces: []\n",
        expect![[r#"
            f.yaml:1:1: unknown field `sorces`, expected one of domain, simulated, allow_literal_secrets, group, kafka, topics, sources, detect, journeys, topology, correlate, objectives, teams, outreach, directory, delivery, gateways, bridges, remedies, ledger, state, canary, http, api, feeds, anomaly_metrics, logs, reload; did you mean `sources`?
                1 | sorces: []
                  | ^"#]],
    );
    check(
        "sources:\n  - topic: t\n    format: otlp_protobuf\n",
        expect![[r#"
            f.yaml:3:13: unknown variant `otlp_protobuf`, expected one of auto, otlp_proto, otlp_json, otlp_traces, prometheus_json, collectd_json, telegraf_json, influx_line, flat_json, mapping, customer_texts, context, customer_events, asterisk_queue_log, amazon_connect; did you mean `otlp_proto`?
                3 |     format: otlp_protobuf
                  |             ^"#]],
    );
}

#[test]
fn missing_variables_are_all_named() {
    check(
        "ledger:\n  master_key: ${env:FORECALL_TEST_UNSET_A}\n  pseudonym_key: \"${env:FORECALL_TEST_UNSET_B}\"\n",
        expect![[r#"
            f.yaml:2:15: the environment variable `FORECALL_TEST_UNSET_A` is not set; set it, or write `${env:FORECALL_TEST_UNSET_A:-default}`
                2 |   master_key: ${env:FORECALL_TEST_UNSET_A}
                  |               ^
            f.yaml:3:19: the environment variable `FORECALL_TEST_UNSET_B` is not set; set it, or write `${env:FORECALL_TEST_UNSET_B:-default}`
                3 |   pseudonym_key: "${env:FORECALL_TEST_UNSET_B}"
                  |                   ^"#]],
    );
}

#[test]
fn a_literal_secret_is_refused_and_never_shown() {
    check(
        "kafka:\n  sasl_password: hunter2\n",
        expect![[r#"
        f.yaml:2:18: `sasl_password` is a secret and must not stand in the file: write `sasl_password: ${env:NAME}` or `sasl_password: ${file:/run/secrets/sasl_password}`
            2 |   sasl_password: ***
              |                  ^"#]],
    );
    check(
        "ledger:\n  master_key: >-\n    hunter2\n",
        expect![[r#"
        f.yaml:2:15: `master_key` is a secret and must not stand in the file: write `master_key: ${env:NAME}` or `master_key: ${file:/run/secrets/master_key}`
            2 |   master_key: ***
              |               ^"#]],
    );
    check(
        "ledger:\n  master_key:\n    hunter2\n",
        expect![[r#"
        f.yaml:3:5: `master_key` is a secret and must not stand in the file: write `master_key: ${env:NAME}` or `master_key: ${file:/run/secrets/master_key}`
            3 |     ***
              |     ^"#]],
    );
    // A spelling that only the parsed value gives away.
    check(
        "ledger: {\"master\\u005fkey\": hunter2}\n",
        expect![[r#"
        f.yaml: ledger.master_key is not 64 hexadecimal digits (`openssl rand -hex 32` makes them)
        f.yaml: `ledger.master_key` is a secret: it must be one reference, `${env:NAME}` or `${file:/path}`, and nothing else"#]],
    );
    // Allowed, but wrong for another reason.
    check(
        "allow_literal_secrets: true\nledger: {master_key: hunter2}\n",
        expect![[r#"
            f.yaml:2:9: ledger.master_key is not 64 hexadecimal digits (`openssl rand -hex 32` makes them)
                2 | ledger: {master_key: ***
                  |         ^"#]],
    );
    check(
        "allow_literal_secrets: true\nledger: {master_key: {a: hunter2}}\n",
        expect![[r#"
            f.yaml:2:22: expected string scalar
                2 | ledger: {master_key: ***
                  |                      ^"#]],
    );
}

#[test]
fn what_came_from_outside_is_never_shown() {
    check(
        "topics:\n  partitions: ${env:FORECALL_TEST_UNSET:-hunter2}\n",
        expect![[r#"
            f.yaml:2:15: invalid u32
                2 |   partitions: ${env:FORECALL_TEST_UNSET:-***}
                  |               ^"#]],
    );
    check(
        "outreach:\n  zone: ${env:FORECALL_TEST_UNSET:-hunter2}\n",
        expect![[r#"
            f.yaml:2:9: `***` is not a time zone; a name such as Asia/Tehran is
                2 |   zone: ${env:FORECALL_TEST_UNSET:-***}
                  |         ^"#]],
    );
    check(
        "http:\n  listen: \"${env:FORECALL_TEST_UNSET:-hunter2}:1\"\n",
        expect![[r#"
            f.yaml:2:11: invalid socket address syntax
                2 |   listen: "${env:FORECALL_TEST_UNSET:-***}:1"
                  |           ^"#]],
    );
    check(
        "ledger: ${env:FORECALL_TEST_UNSET:-hunter2}\n",
        expect![[r#"
        f.yaml:1:9: expected mapping start
            1 | ledger: ${env:FORECALL_TEST_UNSET:-***}
              |         ^"#]],
    );
    check(
        "sources:\n- topic: t\n  format: ${env:FORECALL_TEST_UNSET:-hunter2}\n",
        expect![[r#"
            f.yaml:3:11: unknown variant `***`, expected one of auto, otlp_proto, otlp_json, otlp_traces, prometheus_json, collectd_json, telegraf_json, influx_line, flat_json, mapping, customer_texts, context, customer_events, asterisk_queue_log, amazon_connect
                3 |   format: ${env:FORECALL_TEST_UNSET:-***}
                  |           ^"#]],
    );
    check(
        "${env:FORECALL_TEST_UNSET:-hunter2}: 1\n",
        expect![[r#"
            f.yaml:1:1: unknown field `***`, expected one of domain, simulated, allow_literal_secrets, group, kafka, topics, sources, detect, journeys, topology, correlate, objectives, teams, outreach, directory, delivery, gateways, bridges, remedies, ledger, state, canary, http, api, feeds, anomaly_metrics, logs, reload
                1 | ${env:FORECALL_TEST_UNSET:-***}: 1
                  | ^"#]],
    );
}

#[test]
fn several_problems_are_all_listed_in_the_order_of_the_file() {
    check(
        "topics:\n  replication: 1\n  partitions: 0\nsources:\n  - topic: a\n  - topic: a\n  - topic: calls\n    format: asterisk_queue_log\n\
         state: {tick_seconds: 0}\ncorrelate:\n  horizon_seconds: 0\nhttp:\n  listen: 0.0.0.0:9464\n",
        expect![[r#"
            f.yaml:2:16: topics.replication is 1: fewer than 3 copies need `topics.dev: true`, and 1 is the least
                2 |   replication: 1
                  |                ^
            f.yaml:3:15: topics.partitions is 0: it must lie between 1 and 1000
                3 |   partitions: 0
                  |               ^
            f.yaml:6:12: sources: topic `a` stands twice: one entry reads one topic
                6 |   - topic: a
                  |            ^
            f.yaml:7:12: sources: topic `calls` holds personal data (calls, texts and customers' events do), so `ledger.pseudonym_key` is needed: 64 hexadecimal digits
                7 |   - topic: calls
                  |            ^
            f.yaml:9:8: state.tick_seconds is 0: it must be at least 1
                9 | state: {tick_seconds: 0}
                  |        ^
            f.yaml:11:20: correlate: horizon_seconds is 0: it must be 1 to 604800
               11 |   horizon_seconds: 0
                  |                    ^
            f.yaml:13:11: http.listen: 0.0.0.0:9464 is not a loopback address; set `http.allow_remote: true` if other machines may read the metrics
               13 |   listen: 0.0.0.0:9464
                  |           ^"#]],
    );
}

#[test]
fn parts_that_do_not_go_together_name_both() {
    let text = example()
        .replace("regions: [IR-23]", "regions: [IR-99]")
        .replace("    IR-10:\n      name:", "    IR-11:\n      name:")
        .replace("    fixed-internet:\n      name:", "    fixed-net:\n      name:")
        .replace("\"9851\": IR-09", "\"9851\": IR-98")
        .replace("tls: starttls", "tls: none")
        .replace("format: mapping\n", "format: mapping\n    keyed: true\n")
        .replace("time: /opened_at", "time: opened_at")
        .replace("security_protocol: sasl_ssl", "security_protocol: ssl");
    check(
        &text,
        expect![[r#"
            f.yaml:18:19: kafka: `sasl_mechanism` is not used with `security_protocol: ssl`
               18 |   sasl_mechanism: SCRAM-SHA-512
                  |                   ^
            f.yaml:55:5: sources.3.regions names region `IR-98`, which `topology.regions` doesn't declare
               55 |     regions:
                  |     ^
            f.yaml:60:3: sources: topic `crm.tickets`: mapping: `time`: `opened_at` is not a JSON pointer: it is empty or begins with /
               60 |   - topic: crm.tickets
                  |   ^
            f.yaml:173:5: outreach.services.fixed-net names service `fixed-net`, which `topology.services` doesn't declare
              173 |     fixed-net:
                  |     ^
            f.yaml:183:5: outreach.regions.IR-11 names region `IR-11`, which `topology.regions` doesn't declare
              183 |     IR-11:
                  |     ^
            f.yaml:233:18: outreach.calls.queues.tehran-desk.regions names region `IR-99`, which `topology.regions` doesn't declare
              233 |         regions: [IR-99]
                  |                  ^
            f.yaml:269:12: gateways.email.smtp.tls is `none`: that is for this machine itself; `smtp.example.ir` needs `starttls` or `implicit`
              269 |       tls: none
                  |            ^"#]],
    );
}

#[test]
fn the_directory_needs_its_keys() {
    check(
        "directory: {file: d.csv, country_code: \"+98\"}\n",
        expect![[r#"
        f.yaml:1:12: directory: `ledger.pseudonym_key` is needed: 64 hexadecimal digits by ${env:NAME} or ${file:/path}
            1 | directory: {file: d.csv, country_code: "+98"}
              |            ^
        f.yaml:1:12: directory: `ledger.master_key` is needed: 64 hexadecimal digits by ${env:NAME} or ${file:/path}
            1 | directory: {file: d.csv, country_code: "+98"}
              |            ^
        f.yaml:1:12: directory.country_code: 1 to 3 digits without plus, such as 98
            1 | directory: {file: d.csv, country_code: "+98"}
              |            ^"#]],
    );
    check(
        "ledger:\n  master_key: ${env:FORECALL_TEST_UNSET:-hunter2}\n  pseudonym_key: ${env:FORECALL_TEST_UNSET:-hunter2}\ndirectory: {}\n",
        expect![[r#"
            f.yaml:2:15: ledger.master_key is not 64 hexadecimal digits (`openssl rand -hex 32` makes them)
                2 |   master_key: ${env:FORECALL_TEST_UNSET:-***}
                  |               ^
            f.yaml:3:18: ledger.pseudonym_key is not 64 hexadecimal digits (`openssl rand -hex 32` makes them)
                3 |   pseudonym_key: ${env:FORECALL_TEST_UNSET:-***}
                  |                  ^
            f.yaml:4:12: directory: it needs a `file` or a `topic`
                4 | directory: {}
                  |            ^"#]],
    );
}

#[test]
fn a_channel_without_a_gateway_is_a_warning() {
    let text = example().replace("  sms:\n    file: /var/lib/forecall/sms.jsonl\n", "");
    let settings = Settings::from_yaml("f.yaml", &text).unwrap();
    let shown: Vec<String> = settings
        .warnings
        .iter()
        .map(|w| format!("{:?} {}", w.place, w.what))
        .collect();
    expect!["Some((263, 1)) `outreach.channels` uses `sms`, but `gateways` has no `sms`: what goes there stays unsent and raises an alarm"].assert_eq(&shown.join("\n"));
}

#[test]
fn what_is_announced_is_always_re_keyed() {
    check(
        "sources:\n  - topic: changes\n    format: context\n    keyed: true\n",
        expect![[r#"
            f.yaml:2:3: sources: topic `changes` is `keyed: true`, but what is announced goes to all entities: `format: context` is always re-keyed
                2 |   - topic: changes
                  |   ^"#]],
    );
    check(
        "sources:\n  - topic: changes\n    context: {id: /number}\n",
        expect![[r#"
            f.yaml:2:3: sources: topic `changes` has `context:`; say `format: context` too
                2 |   - topic: changes
                  |   ^"#]],
    );
    check(
        "sources:\n  - topic: changes\n    format: context\n    context: {kinds: {rollout: party}}\n",
        expect![[r#"
            f.yaml:2:3: sources: topic `changes`: context: `kinds` says `party`, which is none of deployment, config_change, load_test, maintenance
                2 |   - topic: changes
                  |   ^"#]],
    );
}

#[test]
fn who_does_not_hear_what_is_announced_is_a_warning() {
    let warnings = |others: &str| {
        let text = format!("sources:\n  - {{topic: changes, format: context}}\n{others}");
        let settings = Settings::from_yaml("f.yaml", &text).unwrap();
        let told = settings.warnings.into_iter().map(|w| w.what);
        told.collect::<Vec<_>>().join("\n")
    };
    let spread = "  - {topic: a, format: flat_json}\n";
    let keyed = "  - {topic: b, format: flat_json, keyed: true}\n";
    let foreign = "  - {topic: c, format: flat_json, domain: other}\n";
    assert_eq!(warnings(spread), "");
    assert_eq!(
        warnings(&[spread, keyed].concat()),
        "sources: topic `changes` announces, but topics that are `keyed: true` don't hear it: b; `keyed: false` lets them hear it"
    );
    for deaf in [keyed, foreign, ""] {
        assert_eq!(
            warnings(deaf),
            "sources: topic `changes` announces, but no source of domain default hears it; `keyed: false` lets them hear it"
        );
    }
}

#[test]
fn memory_that_would_be_lost_is_refused() {
    check(
        "state:\n  hosts: 2\n  interval_seconds: 64801\n",
        expect![[r#"
            f.yaml:2:10: state.hosts is 2 and state.path is a local folder: a partition that moves to another host would leave its memory behind. Run these stages on one host, set `state.store`, or put `state.path` on a file system they share and leave `hosts` at 1
                2 |   hosts: 2
                  |          ^
            f.yaml:3:21: state.interval_seconds is 64801: forecall's own topics keep 72 h, which must be at least 4 intervals: 64800 at most
                3 |   interval_seconds: 64801
                  |                     ^"#]],
    );
    check("state: {interval_seconds: 64800}\n", expect!["no error"]);
}

#[test]
fn an_object_store_is_spoken_to_in_the_open_only_on_this_machine() {
    let with = |endpoint: &str| {
        format!(
            "state:\n  hosts: 3\n  store:\n    s3:\n      bucket: b\n      access_key_id: me\n      \
             secret_access_key: ${{env:KEY:-k}}\n      endpoint: {endpoint}\n"
        )
    };
    check(&with("http://127.0.0.1:9000"), expect!["no error"]);
    check(&with("https://store.example.ir"), expect!["no error"]);
    check(
        &with("http://store.example.ir:9000"),
        expect![[r#"
        f.yaml:8:17: state.store.s3.endpoint is plain HTTP: that is for this machine itself (127.0.0.1, ::1); `store.example.ir:9000` needs `https://`
            8 |       endpoint: http://store.example.ir:9000
              |                 ^"#]],
    );
    check(
        &with("http://127.0.0.1:80@store.example.ir"),
        expect![[r#"
        f.yaml:8:17: state.store.s3.endpoint is plain HTTP: that is for this machine itself (127.0.0.1, ::1); `store.example.ir` needs `https://`
            8 |       endpoint: http://127.0.0.1:80@store.example.ir
              |                 ^"#]],
    );
    check(
        &with("store.example.ir"),
        expect![[r#"
        f.yaml:8:17: state.store.s3.endpoint must be `https://host` or `https://host:port`
            8 |       endpoint: store.example.ir
              |                 ^"#]],
    );
    check(
        "state:\n  store:\n    s3:\n      bucket: \"\"\n      access_key_id: me\n      secret_access_key: hush\n",
        expect![[r#"
            f.yaml:6:26: `secret_access_key` is a secret and must not stand in the file: write `secret_access_key: ${env:NAME}` or `secret_access_key: ${file:/run/secrets/secret_access_key}`
                6 |       secret_access_key: ***
                  |                          ^"#]],
    );
}

#[test]
fn the_canary_is_alone_in_its_domain_and_on_its_topic() {
    check(
        "domain: forecall.canary\nsources:\n  - topic: forecall.canary.v1\n    domain: forecall.canary\ncanary: {enabled: true}\n",
        expect![[r#"
            f.yaml:1:9: domain: `forecall.canary` is the canary's, of whom nobody is told
                1 | domain: forecall.canary
                  |         ^
            f.yaml:3:12: sources: topic `forecall.canary.v1` is the canary's: forecall adds it by itself
                3 |   - topic: forecall.canary.v1
                  |            ^
            f.yaml:4:13: sources.0.domain: `forecall.canary` is the canary's, of whom nobody is told
                4 |     domain: forecall.canary
                  |             ^"#]],
    );
    let with =
        |rest: &str| Settings::from_yaml("f.yaml", &format!("canary: {{enabled: true}}\n{rest}")).unwrap();
    let settings = with("sources: [{topic: t, keyed: true}]\ntopics: {prefix: x.}\n");
    assert_eq!(settings.canary_topic().as_deref(), Some("x.forecall.canary.v1"));
    let canary = settings.sources.last().unwrap();
    assert!(canary.keyed && canary.domain.is_canary() && !canary.personal);
    assert!(
        !with("sources: [{topic: t}]\n").sources.last().unwrap().keyed,
        "it goes the way the others go"
    );
    assert_eq!(with("").warnings, []);
    assert_eq!(with("detect: {warm_up_samples: 50}\n").warnings.len(), 1);
    assert_eq!(Settings::from_yaml("f.yaml", "").unwrap().canary_topic(), None);
}

#[test]
fn calendars_are_read_and_their_errors_placed() {
    check(
        "detect:\n  time_zone: Asia/Tehran\n  rest_days: [4, 5]\n  holidays:\n    - 2026-03-21\n    - jalali: 01-01\n    - {gregorian: 12-25}\n    - 19000\n\
         \u{20} calendars:\n    - match: {region: \"DE-*\"}\n      time_zone: Europe/Berlin\n      holidays: []\n",
        expect!["no error"],
    );
    check(
        "detect:\n  time_zone: Asia/Teheran\n",
        expect![[r#"
        f.yaml:2:14: `Asia/Teheran` is not a time zone; a name such as Asia/Tehran is
            2 |   time_zone: Asia/Teheran
              |              ^"#]],
    );
    check(
        "detect:\n  holidays: [2026-02-30]\n",
        expect![[r#"
        f.yaml:2:14: a holiday is a date such as `2026-03-21` or `jalali: 01-01` or `gregorian: 12-25`
            2 |   holidays: [2026-02-30]
              |              ^"#]],
    );
    check(
        "detect:\n  holidays:\n    - jalali: 07-31\n",
        expect![[r#"
        f.yaml:3:5: holiday 1: no year has such a day
            3 |     - jalali: 07-31
              |     ^"#]],
    );
    check(
        "detect:\n  time_zone: UTC\n  utc_offset_hours: 3.5\n",
        expect![[r#"
            f.yaml:3:21: detect: `utc_offset_hours` contradicts `time_zone`: leave it out
                3 |   utc_offset_hours: 3.5
                  |                     ^"#]],
    );
    check(
        "detect:\n  calendars:\n    - match: {region: IR-23}\n      time_zone: UTC\n    - match: {region: IR-10}\n      rest_days: [0]\n",
        expect![[r#"
            f.yaml:6:18: detect: entry 2 of `calendars`: `rest_days` must lie between 1 (Monday) and 7 (Sunday)
                6 |       rest_days: [0]
                  |                  ^"#]],
    );
    check(
        "detect:\n  calendars:\n    - match: {region: IR-23}\n      timezone: UTC\n",
        expect![[r#"
            f.yaml:4:7: unknown field `timezone`, expected one of match, time_zone, rest_days, holidays; did you mean `time_zone`?
                4 |       timezone: UTC
                  |       ^"#]],
    );
}

#[test]
fn rules_are_read_and_their_errors_placed() {
    check(
        "detect:\n  deviation_min: 0.5\n  channels: [spike, shift]\n  rules:\n    - metric: \"*.p95\"\n      unit: ms\n      match: {service.name: checkout}\n\
         \u{20}     deviation_min: 50\n      open_seconds_min: 120\n    - {match: {env: staging*}, detect: false}\n\
         \u{20}   - {metric: queue.depth, kind: saturation, direction: both, channels: [shift, novelty]}\n",
        expect!["no error"],
    );
    check(
        "detect:\n  rules:\n    - metric: x\n      open_scor: 3\n",
        expect![[r#"
            f.yaml:4:7: unknown field `open_scor`, expected one of metric, unit, match, detect, kind, direction, channels, open_score, open_samples, open_of_samples, open_at_once_score, open_seconds_min, slow_credit_max, close_score, close_samples, close_seconds, refractory_seconds, refractory_samples, deviation_min_share, deviation_min_sds, deviation_min, spike_extra_score, habituation_score, new_normal_seconds, alarms_a_month; did you mean `open_score`?
                4 |       open_scor: 3
                  |       ^"#]],
    );
    check(
        "detect:\n  rules:\n    - metric: x\n      kind: delay\n",
        expect![[r#"
            f.yaml:4:13: unknown variant `delay`, expected one of latency, errors, saturation, traffic, availability, other
                4 |       kind: delay
                  |             ^"#]],
    );
    check(
        "detect:\n  rules:\n    - metric: x\n      channels: [spike, spike]\n",
        expect![[r#"
            f.yaml:4:17: `channels` names one twice
                4 |       channels: [spike, spike]
                  |                 ^"#]],
    );
    check(
        "detect:\n  rules:\n    - metric: x\n      detect: false\n    - metric: y\n      open_samples: 4\n",
        expect![[r#"
            f.yaml:6:21: detect: entry 2 of `rules`: `open_samples` must lie between 1 and `open_of_samples`
                6 |       open_samples: 4
                  |                     ^"#]],
    );
    check(
        "detect:\n  rules:\n    - match: {env: \"\"}\n      detect: false\n",
        expect![[r#"
            f.yaml:3:14: detect: entry 1 of `rules`: `match` holds an empty pattern, which nothing fits; `*` fits all
                3 |     - match: {env: ""}
                  |              ^"#]],
    );
    check(
        "detect:\n  rules:\n    - metric: x\n      open_of_samples: 1\n",
        expect![[r#"
            f.yaml:3:5: detect: entry 1 of `rules`: with what holds for all, `open_samples` must lie between 1 and `open_of_samples`
                3 |     - metric: x
                  |     ^"#]],
    );
}

#[test]
fn the_interface_over_http_stays_on_this_machine_and_knows_hashes_only() {
    check(
        "api:\n  listen: 0.0.0.0:9465\n  tokens:\n    noc: { role: operator, sha256: \"hunter2\" }\n",
        expect![[r#"
            f.yaml:2:11: api.listen: 0.0.0.0:9465 is reachable from other machines, and the interface speaks plain HTTP: listen on 127.0.0.1 and let a proxy with TLS on this machine stand before it
                2 |   listen: 0.0.0.0:9465
                  |           ^
            f.yaml:3:3: api.tokens.noc.sha256 must be 64 hex digits: the hash that `forecall api-token` shows, never the token
                3 |   tokens:
                  |   ^"#]],
    );
    check(
        "api:\n  tokens: {}\n",
        expect![[r#"
        f.yaml:2:11: api.tokens: there are 0; 1 to 64 may be: `forecall api-token` makes one
            2 |   tokens: ***
              |           ^"#]],
    );
    check(
        "api:\n  tokens:\n    Noc Team: { role: boss, sha256: \"\" }\n",
        expect![[r#"
            f.yaml:3:23: unknown variant `boss`, expected one of viewer, operator, approver, admin
                3 |     Noc Team: { role: boss, sha256: "" }
                  |                       ^"#]],
    );
}

#[test]
fn public_feeds_stay_on_this_machine_and_have_names_that_last() {
    let complaint = |text: &str| Settings::from_yaml("f.yaml", text).unwrap_err().to_string();
    let remote = complaint(
        "feeds:\n  listen: 0.0.0.0:9466\n  url: http://status.example.ir/\n  sender: \"noc, tehran\"\n",
    );
    for part in [
        "0.0.0.0:9466 is reachable",
        "feeds.url: an address `https://",
        "feeds.sender: 1 to 64",
    ] {
        assert!(remote.contains(part), "{part} in {remote}");
    }
    let taken = complaint(
        "http:\n  listen: 127.0.0.1:9466\nfeeds:\n  url: https://status.example.ir/?a\n  sender: \"\"\n",
    );
    for part in [
        "is that of `http.listen`",
        "feeds.url: an address",
        "feeds.sender: 1 to 64",
    ] {
        assert!(taken.contains(part), "{part} in {taken}");
    }
    let good = "feeds:\n  url: https://status.example.ir\n  sender: noc@example.ir\n";
    let feeds = Settings::from_yaml("f.yaml", good).unwrap().feeds.unwrap();
    assert!(feeds.listen.ip().is_loopback() && !feeds.exercise);
}

#[test]
fn gateways_for_text_messages_are_held_to_what_they_need() {
    check(
        "gateways:\n  email:\n    smpp: {host: 127.0.0.1, tls: none, system_id: s, password: \"${env:FORECALL_TEST_UNSET:-hunter2}\", from: \"3000\"}\n  sms:\n    http:\n      url: http://api.example.ir/send\n      secret: \"${env:FORECALL_TEST_UNSET:-hunter2}\"\n      form: {to: \"{to}\", who: \"{name}\"}\n",
        expect![[r#"
            f.yaml:3:11: gateways.email.smpp: it carries `sms` only
                3 |     smpp: {host: 127.0.0.1, tls: none, system_id: s, password: "${env:FORECALL_TEST_UNSET:-***}", from: "3000"}
                  |           ^
            f.yaml:6:12: gateways.sms.http.url is plain HTTP to another machine: write `https://`, or `insecure: true` for a network of your own
                6 |       url: http://api.example.ir/send
                  |            ^
            f.yaml:7:15: gateways.sms.http.secret and `{secret}` go together
                7 |       secret: "${env:FORECALL_TEST_UNSET:-***}"
                  |               ^
            f.yaml:8:13: gateways.sms.http.form.who holds `{name}`, which stands for nothing
                8 |       form: {to: "{to}", who: "{name}"}
                  |             ^
            f.yaml:8:13: gateways.sms.http.form holds no `{text}`, nor do json and query
                8 |       form: {to: "{to}", who: "{name}"}
                  |             ^"#]],
    );
    check(
        "gateways:\n  sms:\n    smpp:\n      host: smsc.example.ir\n      tls: none\n      system_id: forecall-at-the-isp\n      password: \"${env:FORECALL_TEST_UNSET:-hunter2hunter2}\"\n      from: A name that is too long\n      window: 5000\n",
        expect![[r#"
            f.yaml:5:12: gateways.sms.smpp.tls is `none`: that is for this machine itself; another one needs `implicit`, or `private_network: true` for a line of your own
                5 |       tls: none
                  |            ^
            f.yaml:6:18: gateways.sms.smpp.system_id is not 1 to 15 ASCII characters
                6 |       system_id: forecall-at-the-isp
                  |                  ^
            f.yaml:7:17: gateways.sms.smpp.password is not at most 8 ASCII characters
                7 |       password: "${env:FORECALL_TEST_UNSET:-***}"
                  |                 ^
            f.yaml:8:13: gateways.sms.smpp.from is neither a number nor a name of at most 11 ASCII characters
                8 |       from: A name that is too long
                  |             ^
            f.yaml:9:15: gateways.sms.smpp.window is not between 1 and 1000
                9 |       window: 5000
                  |               ^"#]],
    );
}

#[test]
fn gateways_of_other_channels_are_held_to_what_they_need() {
    let secret = "\"${env:FORECALL_TEST_UNSET:-hunter2}\"";
    check(
        &format!(
            "gateways:\n  sms:\n    webhook: {{secret: {secret}, allow_addresses: [inside]}}\n  webhook:\n    bot: {{base_url: http://api.example.ir, token: {secret}}}\n"
        ),
        expect![[r#"
            f.yaml:3:14: gateways.sms.webhook: it carries `webhook` only
                3 |     webhook: {secret: "${env:FORECALL_TEST_UNSET:-***}", allow_addresses: [inside]}
                  |              ^
            f.yaml:3:14: gateways.sms.webhook.secret is not `whsec_` and base64 of 24 to 64 bytes
                3 |     webhook: {secret: "${env:FORECALL_TEST_UNSET:-***}", allow_addresses: [inside]}
                  |              ^
            f.yaml:3:14: gateways.sms.webhook.allow_addresses: `inside` is neither an address nor a network (`10.1.0.0/16`)
                3 |     webhook: {secret: "${env:FORECALL_TEST_UNSET:-***}", allow_addresses: [inside]}
                  |              ^
            f.yaml:5:10: gateways.webhook.bot: it carries `chat` only
                5 |     bot: {base_url: http://api.example.ir, token: "${env:FORECALL_TEST_UNSET:-***}"}
                  |          ^
            f.yaml:5:10: gateways.webhook.bot.base_url is plain HTTP to another machine: write `https://`, or `insecure: true` for a network of your own
                5 |     bot: {base_url: http://api.example.ir, token: "${env:FORECALL_TEST_UNSET:-***}"}
                  |          ^
            f.yaml:5:10: gateways.webhook.bot.token is no token of a bot (`123456:ABC-…`)
                5 |     bot: {base_url: http://api.example.ir, token: "${env:FORECALL_TEST_UNSET:-***}"}
                  |          ^"#]],
    );
    check(
        &format!(
            "gateways:\n  chat:\n    web_push: {{private_key: {secret}, subject: noc}}\n  push:\n    fcm: {{credentials: {secret}, window: 0}}\n"
        ),
        expect![[r#"
            f.yaml:3:15: gateways.chat.web_push: it carries `push` only
                3 |     web_push: {private_key: "${env:FORECALL_TEST_UNSET:-***}", subject: noc}
                  |               ^
            f.yaml:3:15: gateways.chat.web_push.private_key is not base64url of a private key of P-256 (32 bytes)
                3 |     web_push: {private_key: "${env:FORECALL_TEST_UNSET:-***}", subject: noc}
                  |               ^
            f.yaml:3:15: gateways.chat.web_push.subject is neither `mailto:…` nor `https://…`
                3 |     web_push: {private_key: "${env:FORECALL_TEST_UNSET:-***}", subject: noc}
                  |               ^
            f.yaml:5:10: gateways.push.fcm.credentials is not the JSON of a service account (`project_id`, `client_email`, `token_uri`, `private_key`)
                5 |     fcm: {credentials: "${env:FORECALL_TEST_UNSET:-***}", window: 0}
                  |          ^
            f.yaml:5:10: gateways.push.fcm.window is not between 1 and 64
                5 |     fcm: {credentials: "${env:FORECALL_TEST_UNSET:-***}", window: 0}
                  |          ^"#]],
    );
    // None may stand in the file itself.
    check(
        "gateways:\n  push:\n    fcm: {credentials: hunter2}\n  chat:\n    web_push: {private_key: hunter2, subject: x}\n  webhook:\n    webhook:\n      previous_secret: hunter2\n",
        expect![[r#"
            f.yaml:3:24: `credentials` is a secret and must not stand in the file: write `credentials: ${env:NAME}` or `credentials: ${file:/run/secrets/credentials}`
                3 |     fcm: {credentials: ***
                  |                        ^
            f.yaml:5:29: `private_key` is a secret and must not stand in the file: write `private_key: ${env:NAME}` or `private_key: ${file:/run/secrets/private_key}`
                5 |     web_push: {private_key: ***
                  |                             ^
            f.yaml:8:24: `previous_secret` is a secret and must not stand in the file: write `previous_secret: ${env:NAME}` or `previous_secret: ${file:/run/secrets/previous_secret}`
                8 |       previous_secret: ***
                  |                        ^"#]],
    );
}
