use std::sync::Arc;

use expect_test::expect;
use forecall_journey::{JourneyRuleEntry, JourneySettings, JourneyTunables};

use crate::fixture::{Run, rule};

fn error(rules: &[JourneyRuleEntry], tunables: JourneyTunables) -> String {
    JourneySettings::new(rules, tunables).map_or_else(|e| e.to_string(), |_| "fine".to_owned())
}

#[test]
fn what_is_wrong_is_named() {
    let good = || rule("paid: paid > active/60");
    let with = |change: fn(&mut JourneyRuleEntry)| {
        let mut rule = good();
        change(&mut rule);
        vec![rule]
    };
    let cases = [
        vec![good()],
        vec![good(), good()],
        vec![good(); 257],
        with(|r| r.name = String::new()),
        with(|r| r.service = String::new()),
        with(|r| r.start.clear()),
        with(|r| r.steps.clear()),
        with(|r| r.watch_seconds = Some(5)),
        with(|r| r.steps[0].within_seconds = 0),
        with(|r| r.steps[0].within_seconds = 8_000_000),
        with(|r| r.steps[0].expect.clear()),
        with(|r| r.unless.push("paid".to_owned())),
        with(|r| r.unless.push(" ".to_owned())),
        with(|r| r.steps = vec![r.steps[0].clone(); 9]),
        with(|r| r.start = (0..17).map(|i| i.to_string()).collect()),
        with(|r| r.usual_share = Some(f64::NAN)),
    ];
    let told: Vec<String> = cases
        .iter()
        .map(|rules| error(rules, JourneyTunables::default()))
        .collect();
    expect![[r#"
        fine
        two journeys are named `paid`
        journeys: 257 rules, at most 256
        journey ``: `` is not a name of a journey: it is empty
        journey `paid`: `` is not a service name: it is empty
        paid: `start` names no kind of event
        paid: it can't fail: give it `steps`, or `fails_on` and `watch_seconds`
        paid: `watch_seconds` is for rules without steps
        paid: a time allowed is 1 second to 90 days
        paid: a time allowed is 1 second to 90 days
        paid: a step expects nothing
        paid: `paid` stands in two places; what it means would be unclear
        journey `paid`: ` ` is not a kind of a customer's event: it begins or ends with white space
        paid: 9 steps, at most 8
        paid: 17 kinds of event in one list, at most 16
        paid: `usual_share` is a share"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn numbers_out_of_range_are_named() {
    let with = |change: fn(&mut JourneyTunables)| {
        let mut tunables = JourneyTunables::default();
        change(&mut tunables);
        error(&[], tunables)
    };
    let told = [
        with(|_| {}),
        with(|t| t.open_max = 16_777_215),
        with(|t| t.waiting_max = 0),
        with(|t| t.waves.customers_min = 65),
        with(|t| t.waves.share_min = f64::NAN),
        with(|t| t.waves.close_score = 7.0),
        with(|t| t.waves.memory_days = 0.0),
    ];
    expect![[r#"
        fine
        journeys: open_max is 1 to 16,777,214
        journeys: waiting_max is 1 to 4,194,304
        journeys: waves.customers_min is 1 to 64
        journeys: waves.share_min is a share
        journeys: waves.close_score is 0.1 to waves.open_score
        journeys: waves.memory_days is 0.01 to 3,650"#]]
    .assert_eq(&told.join("\n"));
}

#[derive(serde::Deserialize)]
struct Examples {
    rules: Vec<JourneyRuleEntry>,
}

/// The rules that the documentation shows.
fn examples() -> Vec<JourneyRuleEntry> {
    let text = include_str!("../../../../docs/journeys.md");
    let yaml = text
        .split("```yaml\n# journeys:\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    serde_saphyr::from_str::<Examples>(yaml).unwrap().rules
}

#[test]
fn the_rules_shown_tell_what_they_say() {
    let settings = JourneySettings::new(&examples(), crate::fixture::quiet()).unwrap();
    let mut run = Run::new(Arc::new(settings));
    run.lines(
        "00:00:00 ali payment.accepted #1
         00:00:00 reza payment.accepted #2
         00:00:00 sara help.viewed
         00:00:00 mina ticket.opened #3
         00:00:00 omid repair.received #4
         00:00:00 nima order.shipped #5
         00:00:00 lale package.used_80_percent
         00:05:00 reza package.activated #2
         00:10:00 sara call.started
         10:00:00 omid repair.part_ordered #4
         20:00:00 lale package.exhausted
         200:00:00 tick",
    );
    run.told.retain(|line| !line.contains("MAP"));
    expect![[r#"
        00:10:00 sara help_then_call step 0 struck since 00:00:00 support
        00:10:00 ali paid_not_active #1 step 0 absent since 00:00:00 packages
        04:00:00 mina ticket_unanswered #3 step 0 absent since 00:00:00 support
        20:00:00 lale package_ends step 0 struck since 00:00:00 packages
        48:00:00 nima courier_late #5 step 0 absent since 00:00:00 delivery
        130:00:00 omid repair_waits #4 step 1 absent since 00:00:00 repairs"#]]
    .assert_eq(&run.told.join("\n"));
}
