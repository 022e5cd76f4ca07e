//! Remedies: what is proposed, what a word makes of it, and what never happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use expect_test::{Expect, expect};
use forecall_incident::{
    CorrelateSettings, CorrelateStage, IncidentTunables, RemedyKind, RemedyLimit, RemedyParts, RemedyRule,
    RemedySeverity, RemedyState, RemedyWhen,
};
use forecall_stage::Stage;
use forecall_types::{
    Action, CorrelateEntry, EventTime, IncidentId, Remark, Remedy, RemedyMode, RemedyName, RemedyStage,
};
use proptest::prelude::*;

use crate::fixture::{Run, settings_for, told_under};

pub(crate) fn parts(name: &str, mode: RemedyMode) -> RemedyParts {
    RemedyParts {
        name: RemedyName::new(name).unwrap(),
        label: Remark::new("restarts the pool").unwrap(),
        when: RemedyWhen {
            services: vec!["internet*".into()],
            // Most stories are told of what people declare.
            declared: true,
            ..RemedyWhen::default()
        },
        mode,
        dry_run: false,
        limit: RemedyLimit {
            calls: 1,
            within: Duration::from_secs(3_600),
        },
        expires_after: Duration::from_secs(1_800),
        digest: "d1".into(),
    }
}

pub(crate) fn under(rules: Vec<RemedyParts>) -> Arc<CorrelateSettings> {
    let rules = rules.into_iter().map(|parts| RemedyRule::new(parts).unwrap());
    let tunables = IncidentTunables {
        learn: false,
        update_every_seconds: 7_200,
        ..IncidentTunables::default()
    };
    settings_for(tunables, Vec::new(), rules.collect())
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "expect! is passed by value in all tests"
)]
pub(crate) fn check(rules: Vec<RemedyParts>, fixture: &str, expect: Expect) {
    expect.assert_eq(&told_under(under(rules), fixture));
}

pub(crate) fn ask() -> Vec<RemedyParts> {
    vec![parts("ask", RemedyMode::Run)]
}

pub(crate) fn auto() -> Vec<RemedyParts> {
    vec![parts("auto", RemedyMode::Unattended)]
}

#[test]
fn a_word_has_it_called_and_what_came_of_it_is_told() {
    check(
        ask(),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:08 approve ask $1
        00:08 approve ask $1
        00:09 result done ask $1
        00:10 result server ask $1
        00:12",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:08:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by noc
                  refused not_allowed: command c11 at log/0@11: remedy ask of $1 is approved
            00:09:10 updated $1/3 p=1.00 severe degradation hit=00:05:00 ask=done customers=4000
                  internet in IR-10: remedy ask done: called: done
                  refused not_allowed: command c15 at log/0@15: incident $1 has no remedy ask that was to be called
        "#]],
    );
}

#[test]
fn a_no_is_final() {
    check(
        ask(),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:08 reject ask $1
        00:09 approve ask $1
        00:10 result done ask $1
        00:12",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:08:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=rejected customers=4000
                  internet in IR-10: remedy ask rejected: by noc
                  refused not_allowed: command c12 at log/0@12: remedy ask of $1 is rejected
                  refused not_allowed: command c14 at log/0@14: incident $1 has no remedy ask that was to be called
        "#]],
    );
}

#[test]
fn what_nobody_approves_lapses_and_so_does_what_nobody_tells_of() {
    check(
        ask(),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:30 declare internet/IR-23 severe
        00:34 approve ask $2
        00:40 approve ask $1
        01:20 result done ask $2
        01:25",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:30:10 confirmed $2/1 p=1.00 severe degradation hit=00:30:00 ask=proposed
                  internet in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:34:10 updated $2/2 p=1.00 severe degradation hit=00:30:00 ask=approved
                  internet in IR-23: remedy ask approved (restarts the pool): by noc
            00:35:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=lapsed customers=4000
                  internet in IR-10: remedy ask lapsed: nobody approved it in time
                  refused not_allowed: command c44 at log/0@44: remedy ask of $1 is lapsed
            01:04:10 updated $2/3 p=1.00 severe degradation hit=00:30:00 ask=lapsed
                  internet in IR-23: remedy ask lapsed: nobody told in time what came of it
            01:20:10 updated $2/4 p=1.00 severe degradation hit=00:30:00 ask=done
                  internet in IR-23: remedy ask done: called: done
        "#]],
    );
}

#[test]
fn it_lapses_with_its_incident_and_a_call_under_way_is_told_all_the_same() {
    check(
        vec![RemedyParts {
            limit: RemedyLimit {
                calls: 2,
                ..RemedyLimit::default()
            },
            ..parts("ask", RemedyMode::Run)
        }],
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:05 declare internet/IR-23 severe
        00:08 approve ask $1
        00:09 close! $1
        00:09 retract $2
        00:10 result server ask $1
        00:11 result done ask $1
        00:11 approve ask $2
        00:12",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:05:10 confirmed $2/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  internet in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:08:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by noc
            00:09:10 resolved $1/3 p=1.00 severe degradation hit=00:05:00 over=00:09:10 ask=lapsed customers=4000
                  internet in IR-10: closed by noc; remedy ask lapsed: the incident is resolved
            00:09:10 retracted $2/2 p=0.00 severe degradation hit=00:05:00 ask=lapsed
                  internet in IR-23: retracted by noc; remedy ask lapsed: the incident is retracted
            00:10:10 updated $1/4 p=1.00 severe degradation hit=00:05:00 over=00:09:10 ask=failed customers=4000
                  internet in IR-10: remedy ask failed: called and not taken: server (HTTP 503)
                  refused not_allowed: command c18 at log/0@18: incident $1 has no remedy ask that was to be called
                  refused not_allowed: command c19 at log/0@19: incident $2 is retracted
        "#]],
    );
}

#[test]
fn a_limit_holds_a_word_back_and_frees_in_event_time() {
    check(
        ask(),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:06 approve ask $1
        00:45 declare internet/IR-23 severe
        00:50 approve ask $2
        01:06 approve ask $2
        01:07 approve ask $2
        01:10",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:06:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by noc
            00:36:10 updated $1/3 p=1.00 severe degradation hit=00:05:00 ask=lapsed customers=4000
                  internet in IR-10: remedy ask lapsed: nobody told in time what came of it
            00:45:10 confirmed $2/1 p=1.00 severe degradation hit=00:45:00 ask=proposed
                  internet in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
                  refused not_allowed: command c54 at log/0@54: remedy ask: all 1 calls within 3600 s are spent; the next is free at 01:06 UTC
            01:06:10 updated $2/2 p=1.00 severe degradation hit=00:45:00 ask=approved
                  internet in IR-23: remedy ask approved (restarts the pool): by noc
                  refused not_allowed: command c73 at log/0@73: remedy ask of $2 is approved
        "#]],
    );
}

#[test]
fn a_rule_that_asks_nobody_waits_for_its_limit() {
    check(
        auto(),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:10 declare internet/IR-23 severe
        00:11 result done auto $1
        01:10",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 auto=approved customers=4000
                  internet in IR-10: declared by noc; remedy auto approved (restarts the pool): its rule asks nobody
            00:10:10 confirmed $2/1 p=1.00 severe degradation hit=00:10:00 auto=withheld
                  internet in IR-23: declared by noc; remedy auto withheld: all 1 calls within 3600 s are spent; the next is free at 01:05 UTC
            00:11:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 auto=done customers=4000
                  internet in IR-10: remedy auto done: called: done
            01:05:10 updated $2/2 p=1.00 severe degradation hit=00:10:00 auto=approved
                  internet in IR-23: remedy auto approved (restarts the pool): its rule asks nobody
        "#]],
    );
}

#[test]
fn a_silence_holds_it_back_until_its_end() {
    check(
        [ask(), auto()].concat(),
        "ticks
        00:00
        00:01 silence until=00:20 services=internet id=s1
        00:05 declare internet/IR-10 severe
        00:10 approve ask $1
        00:22 silence until=00:40 services=internet id=a0
        00:22 approve ask $1
        00:45 approve ask $1
        00:46",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 silenced=s1 ask=withheld auto=withheld customers=4000
                  internet in IR-10: declared by noc; remedy ask withheld: silenced by noc; remedy auto withheld: silenced by noc
                  refused not_allowed: command c13 at log/0@13: remedy ask of $1 is withheld
            00:20:00 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=proposed auto=approved customers=4000
                  internet in IR-10: no longer silenced; remedy ask proposed (restarts the pool): waits for a word; remedy auto approved (restarts the pool): its rule asks nobody
            00:22:10 updated $1/3 p=1.00 severe degradation hit=00:05:00 silenced=a0 customers=4000
                  internet in IR-10: silenced until 00:40 UTC by noc: the rack is moved
                  refused not_allowed: command c27 at log/0@27: incident $1: silenced by noc
            00:40:00 updated $1/4 p=1.00 severe degradation hit=00:05:00 customers=4000
                  internet in IR-10: no longer silenced
            00:45:10 updated $1/5 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by noc
        "#]],
    );
}

#[test]
fn what_comes_back_is_not_done_again() {
    check(
        [ask(), auto()].concat(),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:06 result done auto $1
        00:10 close! $1
        00:20 declare internet/IR-10 severe
        00:22 reject ask $1
        00:23 close! $1
        00:30 declare internet/IR-10 severe
        00:32",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed auto=approved customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word; remedy auto approved (restarts the pool): its rule asks nobody
            00:06:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 auto=done customers=4000
                  internet in IR-10: remedy auto done: called: done
            00:10:10 resolved $1/3 p=1.00 severe degradation hit=00:05:00 over=00:10:10 ask=lapsed customers=4000
                  internet in IR-10: closed by noc; remedy ask lapsed: the incident is resolved
            00:20:10 reopened $1/4 p=1.00 severe degradation hit=00:20:00 reopened=1 ask=proposed customers=4000
                  internet in IR-10: again; it was resolved at 00:10 UTC; declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:22:10 updated $1/5 p=1.00 severe degradation hit=00:20:00 reopened=1 ask=rejected customers=4000
                  internet in IR-10: remedy ask rejected: by noc
            00:23:10 resolved $1/6 p=1.00 severe degradation hit=00:20:00 over=00:23:10 reopened=1 customers=4000
                  internet in IR-10: closed by noc
            00:30:10 reopened $1/7 p=1.00 severe degradation hit=00:30:00 reopened=2 customers=4000
                  internet in IR-10: again; it was resolved at 00:23 UTC; declared by noc
        "#]],
    );
}

#[test]
fn what_was_merged_is_not_done_twice() {
    check(
        ask(),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:06 declare internet/IR-23 severe
        00:07 approve ask $1
        00:08 result done ask $1
        00:09 merge $1 $2
        00:10 approve ask $2
        00:12",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:06:10 confirmed $2/1 p=1.00 severe degradation hit=00:06:00 ask=proposed
                  internet in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:07:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by noc
            00:08:10 updated $1/3 p=1.00 severe degradation hit=00:05:00 ask=done customers=4000
                  internet in IR-10: remedy ask done: called: done
            00:09:10 merged $1/4 p=1.00 severe degradation hit=00:05:00 into=$2 customers=4000
                  internet in IR-10: merged into $2 by noc
            00:09:10 updated $2/2 p=1.00 severe degradation hit=00:05:00 ask=lapsed customers=4000
                  internet in IR-10, IR-23: $1 is merged into it by noc; remedy ask lapsed: $1, merged into it, has had it
                  refused not_allowed: command c16 at log/0@16: remedy ask of $2 is lapsed
        "#]],
    );
}

#[test]
fn the_switch_takes_back_what_waits() {
    check(
        [ask(), auto()].concat(),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:08 remedies off
        00:09 approve ask $1
        00:10 declare internet/IR-23 severe
        00:12 remedies on
        00:14",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed auto=approved customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word; remedy auto approved (restarts the pool): its rule asks nobody
            00:08:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=lapsed auto=lapsed customers=4000
                  internet in IR-10: remedy ask lapsed: remedies are switched off by noc; remedy auto lapsed: remedies are switched off by noc
                  refused not_allowed: command c12 at log/0@12: remedy ask of $1 is lapsed
            00:10:10 confirmed $2/1 p=1.00 severe degradation hit=00:10:00 ask=withheld auto=withheld
                  internet in IR-23: declared by noc; remedy ask withheld: remedies are switched off by noc; remedy auto withheld: remedies are switched off by noc
            00:12:10 updated $2/2 p=1.00 severe degradation hit=00:10:00 ask=proposed auto=withheld
                  internet in IR-23: remedy ask proposed (restarts the pool): waits for a word; remedy auto withheld: all 1 calls within 3600 s are spent; the next is free at 01:05 UTC
        "#]],
    );
}

#[test]
fn only_what_fits_is_proposed_and_what_only_proposes_takes_no_word() {
    let when = |change: &dyn Fn(&mut RemedyWhen)| {
        let mut when = RemedyWhen {
            regions: vec!["IR-1*".into()],
            ..RemedyWhen::default()
        };
        change(&mut when);
        when
    };
    let rule = |name: &str, change: &dyn Fn(&mut RemedyWhen)| RemedyParts {
        when: when(change),
        ..parts(name, RemedyMode::Propose)
    };
    check(
        vec![
            rule("extreme", &|w| w.severity_min = Some(RemedySeverity::Extreme)),
            rule("likely", &|w| {
                w.probability_min = 0.95;
                w.states = BTreeSet::from([RemedyState::Predicted]);
            }),
            rule("outage", &|w| w.kinds = BTreeSet::from([RemedyKind::Outage])),
            rule("predicted", &|w| {
                w.states = BTreeSet::from([RemedyState::Predicted])
            }),
            rule("region", &|_| {}),
        ],
        "ticks
        00:00
        00:05 open a1 internet/IR-10 loss=9 expected=0.2 score=9
        00:09 approve region $1
        00:10 plan internet/IR-10 from=00:11 until=00:20
        00:10 declare tv/IR-23 severe
        00:12",
        expect![[r#"
            00:06:10 predicted $1/1 p=0.81 moderate degradation onset=00:05:00 predicted=proposed customers=4000
                  internet in IR-10: loss at 9 %, expected 0.2 ± 0.1; onset expected 00:05 UTC; remedy predicted proposed (restarts the pool): only proposed: its rule is never called
            00:07:00 confirmed $1/2 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 region=proposed customers=4000
                  internet in IR-10: customers hit since 00:05 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1; remedy region proposed (restarts the pool): only proposed: its rule is never called
                  refused not_allowed: command c11 at log/0@11: remedy region is only proposed: its rule is never called
            00:10:10 announced $2/1 p=1.00 minor planned onset=00:11:00 eta=00:20:00 work=announced customers=4000
                  internet in IR-10: planned work from 00:11 UTC to 00:20 UTC, announced by noc: fibre is spliced, CHG-4712
            00:10:10 confirmed $3/1 p=1.00 severe degradation hit=00:10:00
                  tv in IR-23: declared by noc
            00:11:00 started $2/2 p=1.00 moderate planned onset=00:11:00 eta=00:20:00 work=started customers=4000
                  internet in IR-10: planned work has started, until 00:20 UTC: fibre is spliced, CHG-4712
        "#]],
    );
}

#[test]
fn what_no_rule_may_be_is_refused() {
    let wrong = |change: &dyn Fn(&mut RemedyParts)| {
        let mut parts = parts("ask", RemedyMode::Run);
        change(&mut parts);
        RemedyRule::new(parts).unwrap_err()
    };
    expect!["`when` needs `services` or `regions`; `*` is any"]
        .assert_eq(wrong(&|p| p.when = RemedyWhen::default()));
    expect!["`when.probability_min` must be 0 to 1"].assert_eq(wrong(&|p| p.when.probability_min = f64::NAN));
    expect!["`limit.calls` must be 1 to 100"].assert_eq(wrong(&|p| p.limit.calls = 0));
    expect!["`expires_seconds` must be 60 to 604800"]
        .assert_eq(wrong(&|p| p.expires_after = Duration::from_secs(1)));
}

#[test]
fn an_approval_is_of_the_rule_as_it_was() {
    let mut run = Run::under(under(ask()));
    for line in ["ticks", "00:00", "00:05 declare internet/IR-10 severe", "00:07"] {
        run.line(line);
    }
    let mut changed = ask();
    changed[0].digest = "d2".into();
    run.stage = CorrelateStage::load(under(changed), &run.stage.save().unwrap()).unwrap();
    for line in ["00:08 approve ask $1", "00:10"] {
        run.line(line);
    }
    let remedy = &run.events.last().unwrap().incident.remedies[0];
    assert_eq!(
        (remedy.stage, &*remedy.why),
        (RemedyStage::Lapsed, "its rule has changed")
    );
}

#[test]
fn nothing_is_proposed_of_the_canary() {
    let mut run = Run::under(under(auto()));
    run.line("ticks");
    run.line("00:00");
    let mut of_canary = Run::under(under(auto()));
    of_canary.line("00:05 declare internet/IR-10 severe");
    let Some(CorrelateEntry::Command(command)) = of_canary.entries.pop() else {
        panic!("it is a command")
    };
    let canary = forecall_types::DomainName::new(forecall_types::DomainName::CANARY).unwrap();
    run.line("00:05");
    run.step(CorrelateEntry::Command(forecall_types::Command {
        domain: canary,
        ..command
    }));
    run.line("00:10");
    assert_eq!(run.events.len(), 1, "it was opened");
    assert!(run.events[0].incident.remedies.is_empty());
    assert_eq!(run.stage.health().open, 0, "it is nobody's trouble");
    run.line("00:12 declare internet/IR-10 severe");
    run.line("00:15");
    assert_eq!(run.stage.health().open, 1);
}

/// Words of people and results in any order, of incidents in two places, over five hours.
fn lines() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec((0_u32..300, 0_u32..12, 0_usize..3, 1_u32..6), 1..80).prop_map(|mut picks| {
        picks.sort();
        let mut lines = Vec::new();
        for (n, (minute, what, rule, incident)) in picks.into_iter().enumerate() {
            let time = format!("{:02}:{:02}", minute / 60, minute % 60);
            let region = ["IR-10", "IR-23"][n % 2];
            let rule = ["ask", "auto", "only"][rule];
            lines.push(match what {
                0..=2 => format!("{time} declare internet/{region} severe"),
                3 | 4 => format!("{time} approve {rule} ${incident}"),
                5 => format!("{time} reject {rule} ${incident}"),
                6 => format!("{time} result done {rule} ${incident}"),
                7 => format!("{time} result late {rule} ${incident}"),
                8 => format!("{time} close! ${incident}"),
                9 => format!("{time} silence until=06:00 regions={region} id=s{n}"),
                10 => format!("{time} remedies {}", if n % 3 == 0 { "off" } else { "on" }),
                _ => format!("{time} merge ${incident} ${}", incident + 1),
            });
        }
        lines
    })
}

fn all() -> Arc<CorrelateSettings> {
    under([ask(), auto(), vec![parts("only", RemedyMode::Propose)]].concat())
}

/// Whether one stage may follow another: an oracle of its own, not the table of the code.
fn may_follow(before: Option<&Remedy>, after: &Remedy) -> bool {
    use RemedyStage::*;
    match (before.map(|r| r.stage), after.stage) {
        (None | Some(Withheld), Withheld | Proposed) => true,
        (None | Some(Withheld), Approved) => after.mode == RemedyMode::Unattended,
        (Some(Withheld), Lapsed) => true,
        (Some(Proposed), Approved | Rejected | Lapsed) => true,
        // A word and what came of it, or took it back, within one step: the event tells the last of them.
        (Some(Proposed), Withheld | Done | Failed | Rehearsed) => after
            .approved
            .as_ref()
            .is_some_and(|approved| approved.at == after.at),
        // Withheld: it was taken back by a merge.
        (Some(Approved), Withheld | Rejected | Lapsed | Done | Failed | Rehearsed) => true,
        (Some(Withheld), Done | Failed | Rehearsed) => before.is_some_and(|r| r.approved.is_some()),
        (Some(Lapsed | Rejected), Done | Failed | Rehearsed | Lapsed | Rejected) => {
            before.is_some_and(|r| r.approved.is_some() && r.outcome.is_none())
        }
        // What was never to be called is forgotten when its incident comes back.
        (Some(Lapsed), Withheld | Proposed) => before.is_some_and(|r| r.approved.is_none()),
        (Some(Lapsed), Approved) => {
            after.mode == RemedyMode::Unattended && before.is_some_and(|r| r.approved.is_none())
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_is_called_without_the_word_it_needs(lines in lines()) {
        let mut run = Run::under(all());
        run.line("ticks");
        run.line("00:00");
        lines.iter().for_each(|line| run.line(line));
        run.line("07:00");
        let mut words: BTreeMap<(IncidentId, RemedyName), Vec<EventTime>> = BTreeMap::new();
        for entry in &run.entries {
            if let CorrelateEntry::Command(command) = entry
                && let Action::Remedy { incident, rule, approve: true } = &command.action
            {
                words.entry((incident.clone(), rule.clone())).or_default().push(command.at);
            }
        }
        let mut last: BTreeMap<(IncidentId, RemedyName), Remedy> = BTreeMap::new();
        let mut calls: BTreeMap<RemedyName, Vec<EventTime>> = BTreeMap::new();
        let mut merged: BTreeMap<IncidentId, BTreeSet<IncidentId>> = BTreeMap::new();
        for event in &run.events {
            let i = &event.incident;
            if let Some(into) = &i.merged_into {
                let mut all = merged.get(&i.id).cloned().unwrap_or_default();
                all.insert(i.id.clone());
                merged.entry(into.clone()).or_default().extend(all);
            }
            for remedy in &i.remedies {
                let key = (i.id.clone(), remedy.rule.clone());
                let before = last.insert(key.clone(), remedy.clone());
                if before.as_ref() == Some(remedy) {
                    continue;
                }
                prop_assert_eq!(remedy.revision, i.revision, "what is new says so");
                prop_assert!(may_follow(before.as_ref(), remedy), "{:?} -> {:?}", before, remedy);
                prop_assert!(remedy.mode != RemedyMode::Propose || remedy.approved.is_none());
                if remedy.stage != RemedyStage::Approved {
                    continue;
                }
                prop_assert!(before.is_none_or(|r| r.approved.is_none()), "once for an incident and rule");
                // Nor where one that is the same trouble by now was called, or may have been.
                for other in merged.get(&i.id).into_iter().flatten() {
                    let of_other = last.get(&(other.clone(), remedy.rule.clone()));
                    let may_have_been = of_other.is_some_and(|r| {
                        r.approved.is_some() && r.outcome.is_none_or(|o| o.stage() != RemedyStage::Lapsed)
                    });
                    prop_assert!(!may_have_been, "{} after {:?}", i.id, of_other);
                }
                let approved = remedy.approved.as_ref().unwrap();
                if remedy.mode == RemedyMode::Run {
                    let said = words.get(&key);
                    let is_said = said.is_some_and(|said| said.iter().any(|at| *at <= approved.at));
                    prop_assert!(is_said && *approved.by == *"noc");
                }
                calls.entry(remedy.rule.clone()).or_default().push(approved.at);
            }
        }
        for times in calls.values() {
            for pair in times.windows(2) {
                prop_assert!(pair[1].since(pair[0]) >= Duration::from_secs(3_600), "{:?}", times);
            }
        }
    }

    #[test]
    fn remedies_live_on_over_a_restart(lines in lines(), cut in 0_usize..80) {
        let go = |cut: Option<usize>| {
            let mut run = Run::under(all());
            run.line("ticks");
            run.line("00:00");
            for (n, line) in lines.iter().enumerate() {
                if cut == Some(n) {
                    run.stage = CorrelateStage::load(all(), &run.stage.save().unwrap()).unwrap();
                }
                run.line(line);
            }
            run.line("07:00");
            (run.events, run.stage.save().unwrap())
        };
        prop_assert_eq!(go(None), go(Some(cut)));
    }
}
