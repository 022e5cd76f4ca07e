//! Remedies: what holds a call back although somebody wants it, and who may want it.

use std::collections::BTreeSet;

use expect_test::expect;
use forecall_incident::{CorrelateStage, RemedyParts, RemedySeverity, RemedyState, RemedyWhen};
use forecall_stage::Stage;
use forecall_types::{RemedyMode, RemedyStage};

use crate::fixture::Run;
use crate::remedies::{ask, check, parts, under};

/// A rule of likely predictions that waits for a word.
fn likely() -> Vec<RemedyParts> {
    vec![RemedyParts {
        when: RemedyWhen {
            services: vec!["internet".into()],
            probability_min: 0.6,
            states: BTreeSet::from([RemedyState::Predicted]),
            ..RemedyWhen::default()
        },
        ..parts("ask", RemedyMode::Run)
    }]
}

/// A rule that asks nobody, of what is measured.
fn measured(severity_min: Option<RemedySeverity>) -> Vec<RemedyParts> {
    vec![RemedyParts {
        when: RemedyWhen {
            services: vec!["internet".into()],
            severity_min,
            ..RemedyWhen::default()
        },
        ..parts("auto", RemedyMode::Unattended)
    }]
}

#[test]
fn an_approval_is_of_the_incident_as_it_is_now() {
    check(
        likely(),
        "ticks
        00:00
        00:05 open a1 internet/IR-10 errors=9 expected=1 score=12
        00:09 move a1 errors=9 score=8.5
        00:10 approve ask $1
        00:11 move a1 errors=9 score=12
        00:12 approve ask $1
        00:13",
        expect![[r#"
            00:06:10 predicted $1/1 p=0.63 moderate degradation onset=00:36:10 ask=proposed customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:36 UTC; remedy ask proposed (restarts the pool): waits for a word
                  refused not_allowed: command c13 at log/0@13: remedy ask is not for incident $1 as it is now: its probability is 0.579
            00:11:10 updated $1/2 p=0.76 moderate degradation onset=00:36:10 customers=4000
                  internet in IR-10: probability 0.632 -> 0.758; errors at 9, expected 1 ± 0.5; onset expected 00:36 UTC
            00:12:10 updated $1/3 p=0.78 moderate degradation onset=00:36:10 ask=approved customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:36 UTC; remedy ask approved (restarts the pool): by noc
        "#]],
    );
}

#[test]
fn what_no_longer_fits_as_its_scope_grows_is_not_approved() {
    let only_here = RemedyParts {
        when: RemedyWhen {
            regions: vec!["IR-23".into()],
            ..RemedyWhen::default()
        },
        ..parts("ask", RemedyMode::Run)
    };
    check(
        vec![only_here],
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:05 declare internet/IR-23 severe
        00:07 merge $1 $2
        00:09 approve ask $2
        00:10",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 customers=4000
                  internet in IR-10: declared by noc
            00:05:10 confirmed $2/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  internet in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:07:10 merged $1/2 p=1.00 severe degradation hit=00:05:00 into=$2 customers=4000
                  internet in IR-10: merged into $2 by noc
            00:07:10 updated $2/2 p=1.00 severe degradation hit=00:05:00 customers=4000
                  internet in IR-10, IR-23: $1 is merged into it by noc
                  refused not_allowed: command c13 at log/0@13: remedy ask is not for incident $2 as it is now: it has other regions
        "#]],
    );
}

#[test]
fn what_is_withheld_lapses_with_its_rule() {
    for (changed, name) in [(true, "changed"), (false, "gone")] {
        let mut run = Run::under(under(ask()));
        for line in [
            "ticks",
            "00:00",
            "00:01 silence until=02:00 services=internet id=s1",
            "00:05 declare internet/IR-10 severe",
            "00:07",
        ] {
            run.line(line);
        }
        let stage = |run: &Run| run.events.last().unwrap().incident.remedies[0].stage;
        assert_eq!(stage(&run), RemedyStage::Withheld);
        let mut rules = ask();
        if changed {
            rules[0].digest = "d2".into();
        } else {
            rules.clear();
        }
        run.stage = CorrelateStage::load(under(rules), &run.stage.save().unwrap()).unwrap();
        run.line("00:08 unsilence s1");
        run.line("00:10");
        let remedy = &run.events.last().unwrap().incident.remedies[0];
        let found = (remedy.stage, &*remedy.why);
        assert_eq!(found, (RemedyStage::Lapsed, "its rule has changed"), "{name}");
    }
}

#[test]
fn what_is_withheld_lapses_with_its_incident() {
    check(
        ask(),
        "ticks
        00:00
        00:01 silence until=02:00 services=internet id=s1
        00:05 declare internet/IR-10 severe
        00:07 close! $1
        00:08",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 silenced=s1 ask=withheld customers=4000
                  internet in IR-10: declared by noc; remedy ask withheld: silenced by noc
            00:07:10 resolved $1/2 p=1.00 severe degradation hit=00:05:00 over=00:07:10 silenced=s1 ask=lapsed customers=4000
                  internet in IR-10: closed by noc; remedy ask lapsed: the incident is resolved
        "#]],
    );
}

#[test]
fn a_rule_that_asks_nobody_waits_for_what_is_measured() {
    check(
        measured(None),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:08 open a1 internet/IR-10 loss=9 expected=0.2 score=9
        00:12",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 auto=withheld customers=4000
                  internet in IR-10: declared by noc; remedy auto withheld: only a person says so: its rule asks for what is measured
            00:08:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 customers=4000
                  internet in IR-10: new evidence; loss at 9 %, expected 0.2 ± 0.1
            00:10:00 updated $1/3 p=1.00 severe degradation hit=00:05:00 auto=approved customers=4000
                  internet in IR-10: loss at 9 %, expected 0.2 ± 0.1; remedy auto approved (restarts the pool): its rule asks nobody
        "#]],
    );
    // A prediction that a person confirms is no more than a prediction.
    check(
        measured(None),
        "ticks
        00:00
        00:05 open a1 internet/IR-10 errors=9 expected=1 score=12
        00:07 declare internet/IR-10 severe
        00:08",
        expect![[r#"
            00:06:10 predicted $1/1 p=0.63 moderate degradation onset=00:36:10 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:36 UTC
            00:07:10 confirmed $1/2 p=1.00 severe degradation onset=00:36:10 hit=00:07:00 auto=withheld customers=4000
                  internet in IR-10: customers hit since 00:07 UTC (declared by noc); errors at 9, expected 1 ± 0.5; remedy auto withheld: only a person says so: its rule asks for what is measured
        "#]],
    );
}

#[test]
fn how_bad_it_is_by_a_person_s_word_calls_nobody_either() {
    check(
        measured(Some(RemedySeverity::Severe)),
        "ticks
        00:00
        00:05 open a1 internet/IR-10 loss=9 expected=0.2 score=9
        00:09 declare internet/IR-10 severe
        00:11 move a1 loss=60 score=9
        00:15",
        expect![[r#"
            00:06:10 predicted $1/1 p=0.81 moderate degradation onset=00:05:00 customers=4000
                  internet in IR-10: loss at 9 %, expected 0.2 ± 0.1; onset expected 00:05 UTC
            00:07:00 confirmed $1/2 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 customers=4000
                  internet in IR-10: customers hit since 00:05 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1
            00:09:10 updated $1/3 p=1.00 severe degradation onset=00:05:00 hit=00:05:00 auto=withheld customers=4000
                  internet in IR-10: declared by noc; loss at 9 %, expected 0.2 ± 0.1; remedy auto withheld: only a person says so: its rule asks for what is measured
            00:11:10 updated $1/4 p=1.00 severe outage onset=00:05:00 hit=00:05:00 auto=approved customers=4000
                  internet in IR-10: loss at 60 %, expected 0.2 ± 0.1; remedy auto approved (restarts the pool): its rule asks nobody
        "#]],
    );
}

#[test]
fn nobody_goes_by_a_name_that_is_forecall_s_own() {
    check(
        ask(),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:06 approve ask $1 by=rule
        00:06 approve ask $1 by=Rule
        00:06 remedies off by=remedy_runner
        00:07 approve ask $1 by=rules
        00:08 result done ask $1 by=rule
        00:09 result done ask $1 by=remedy_runner
        00:10",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
                  refused not_allowed: command c10 at log/0@10: `remedy runner` is what forecall calls itself
                  refused not_allowed: command c8 at log/0@8: `rule` is what forecall calls itself
                  refused not_allowed: command c9 at log/0@9: `Rule` is what forecall calls itself
            00:07:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by rules
                  refused not_allowed: command c14 at log/0@14: `rule` is what forecall calls itself
            00:09:10 updated $1/3 p=1.00 severe degradation hit=00:05:00 ask=done customers=4000
                  internet in IR-10: remedy ask done: called: done
        "#]],
    );
}

#[test]
fn what_came_of_it_is_heard_whatever_its_runner_s_clock_says() {
    for at in ["31:10", "40:00", "00:01", "31:09"] {
        let mut run = Run::under(under(ask()));
        for line in [
            "ticks",
            "31:00",
            "31:05 declare internet/IR-10 severe",
            "31:07 approve ask $1",
            &format!("31:10 result done ask $1 at={at}"),
            "31:11",
        ] {
            run.line(line);
        }
        let remedy = &run.events.last().unwrap().incident.remedies[0];
        assert_eq!(remedy.stage, RemedyStage::Done, "{at}");
    }
    // A person's word dated so is refused, as ever.
    check(
        ask(),
        "ticks
        31:00
        31:05 declare internet/IR-10 severe
        31:07 approve ask $1 at=40:00
        31:09",
        expect![[r#"
            31:05:10 confirmed $1/1 p=1.00 severe degradation hit=31:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
                  refused future: command c9
        "#]],
    );
}
