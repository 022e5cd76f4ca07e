use expect_test::{Expect, expect};
use forecall_config::Settings;

/// What is said of a file that ends with this section.
fn check(section: &str, expected: Expect) {
    let text = format!("{HEAD}{section}");
    let shown = match Settings::from_yaml("f.yaml", &text) {
        Ok(settings) => {
            let warnings: Vec<&str> = settings.warnings.iter().map(|w| w.what.as_str()).collect();
            format!("taken; {}", warnings.join("; "))
        }
        Err(error) => error
            .to_string()
            .lines()
            .filter(|line| line.starts_with("f.yaml"))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    expected.assert_eq(&shown);
}

const HEAD: &str = "allow_literal_secrets: true
ledger: {pseudonym_key: a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7}
topology: {services: [{name: packages, customer_facing: true}]}
";
const SOURCE: &str = "sources: [{topic: shop.events, format: customer_events}]\n";

#[test]
fn rules_are_read_beside_what_holds_for_all() {
    check(
        &format!(
            "{SOURCE}journeys:
  lateness_seconds: 30
  waves: {{failed_min: 20}}
  rules:
    - name: paid_not_active
      start: [payment.accepted]
      steps: [{{expect: [package.activated], within_seconds: 600}}]
      unless: [payment.refunded]
      by_key: true
      service: packages
"
        ),
        expect!["taken; "],
    );
}

#[test]
fn a_wrong_rule_is_named_with_its_line() {
    let rules = |rules: &str| format!("{SOURCE}journeys:\n  rules:\n{rules}");
    check(
        &rules(
            "    - {name: a, start: [x], steps: [{expect: [y], within_seconds: 5}], service: packages}\n    - {name: b, start: [], steps: [{expect: [y], within_seconds: 5}], service: packages}\n",
        ),
        expect!["f.yaml:8:5: journeys: b: `start` names no kind of event"],
    );
    check(
        &rules("    - name: a\n      start: [x]\n      service: packages\n"),
        expect!["f.yaml:7:5: journeys: a: it can't fail: give it `steps`, or `fails_on` and `watch_seconds`"],
    );
    check(
        &rules(
            "    - name: a\n      start: [x]\n      steps: [{expect: [x], within_seconds: 5}]\n      service: packages\n",
        ),
        expect!["f.yaml:7:5: journeys: a: `x` stands in two places; what it means would be unclear"],
    );
    check(
        &rules("    - name: a\n      start: [x]\n      steps: [{expect: [y], within_seconds: 5}]\n"),
        expect![
            "f.yaml:7:5: journeys: journey `a`: `` is not a service name: it is empty; every rule has a `name` and the `service` it is about"
        ],
    );
    check(
        &rules(
            "    - name: a\n      start: [x]\n      steps: [{expect: [y], within_seconds: 5}]\n      service: shop\n",
        ),
        expect![
            "f.yaml:10:16: journeys: `a` is about service `shop`, which `topology.services` doesn't declare: a wave of it would make no incident"
        ],
    );
    check(
        &format!("{SOURCE}journeys:\n  lateness_seconds: 90000\n"),
        expect!["f.yaml:6:21: journeys.lateness_seconds is at most a day"],
    );
    check(
        &rules("    - name: a\n      begin: [x]\n"),
        expect![[
            r#"f.yaml:8:7: unknown field `begin`, expected one of name, start, steps, unless, fails_on, watch_seconds, by_key, service, usual_share"#
        ]],
    );
}

#[test]
fn rules_and_sources_belong_together() {
    let rule = "{name: a, start: [x], steps: [{expect: [y], within_seconds: 5}], service: packages}";
    check(
        &format!("journeys: {{rules: [{rule}]}}\n"),
        expect![
            "taken; journeys: there are rules and no source of `format: customer_events`: nothing is watched"
        ],
    );
    check(
        SOURCE,
        expect![
            "taken; sources: topic `shop.events` holds customers' events, and `journeys.rules` has no rule: it isn't read"
        ],
    );
    check(
        &format!(
            "journeys: {{rules: [{rule}]}}\nsources: [{{topic: t, format: customer_events, keyed: true}}]\n"
        ),
        expect![
            "f.yaml:5:10: sources: topic `t` is `keyed: true`, which is for telemetry: customers' events are always put in order by customer"
        ],
    );
    check(
        &format!(
            "journeys: {{rules: [{rule}]}}\nsources: [{{topic: t, format: customer_events, personal: false}}]\n"
        ),
        expect![
            "f.yaml:5:10: sources: topic `t` is `personal: false`, but customers' events say what happened to whom: leave it out"
        ],
    );
    check(
        &format!(
            "journeys: {{rules: [{rule}]}}\nsources: [{{topic: t, format: flat_json, events: {{id: /x}}}}]\n"
        ),
        expect!["f.yaml:5:10: sources: topic `t` has `events:`; say `format: customer_events` too"],
    );
}

#[test]
fn customers_events_need_the_key_of_pseudonyms() {
    let text = "sources: [{topic: shop.events, format: customer_events}]\n";
    let error = Settings::from_yaml("f.yaml", text).unwrap_err().to_string();
    assert!(error.contains("`ledger.pseudonym_key` is needed"), "{error}");
}
