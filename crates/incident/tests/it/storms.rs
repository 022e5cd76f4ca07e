//! Storms and merges: many incidents that are one trouble.

use expect_test::{Expect, expect};
use forecall_incident::{IncidentTunables, TeamEntry};

use crate::fixture::{settings_of, told_under};

/// Three are a storm here; one team answers for all.
#[allow(
    clippy::needless_pass_by_value,
    reason = "expect! is passed by value in all tests"
)]
fn check(fixture: &str, expect: Expect) {
    let team = TeamEntry {
        name: "noc".into(),
        services: Vec::new(),
        regions: Vec::new(),
        pages_a_day: 20,
        false_pages_max: 0.5,
    };
    let tunables = IncidentTunables {
        storm_incidents: 3,
        update_every_seconds: 7_200,
        ..IncidentTunables::default()
    };
    expect.assert_eq(&told_under(settings_of(tunables, vec![team]), fixture));
}

#[test]
fn of_those_that_come_at_once_one_pages_and_another_takes_its_place() {
    check(
        "ticks
        00:00
        00:05 open a1 internet/IR-10 loss=9 expected=0.2 score=9
        00:05 open a2 tv/IR-10 loss=9 expected=0.2 score=9
        00:05 open a3 tv/IR-23 loss=9 expected=0.2 score=9
        00:15 close! $1
        00:20 open a4 internet/IR-23 loss=9 expected=0.2 score=9
        00:30 close! $3
        00:32 close! $2
        00:34",
        expect![[r#"
            00:06:10 predicted $1/1 p=0.81 moderate degradation onset=00:05:00 storm noc=paged (page 1 of 20 in 24 hours) customers=4000
                  internet in IR-10: speaks for a storm of 3 incidents; loss at 9 %, expected 0.2 ± 0.1; onset expected 00:05 UTC
            00:06:10 predicted $2/1 p=0.81 moderate degradation onset=00:05:00 parent=$1 noc=held_back (part of storm $1)
                  tv in IR-10: part of storm $1; loss at 9 %, expected 0.2 ± 0.1; onset expected 00:05 UTC
            00:06:10 predicted $3/1 p=0.81 moderate degradation onset=00:05:00 parent=$1 noc=held_back (part of storm $1)
                  tv in IR-23: part of storm $1; loss at 9 %, expected 0.2 ± 0.1; onset expected 00:05 UTC
            00:07:00 confirmed $1/2 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 storm customers=4000
                  internet in IR-10: customers hit since 00:05 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1
            00:07:00 confirmed $3/2 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 parent=$1
                  tv in IR-23: customers hit since 00:05 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1
            00:07:00 confirmed $2/2 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 parent=$1
                  tv in IR-10: customers hit since 00:05 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1
            00:15:10 resolved $1/3 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 over=00:15:10 storm customers=4000
                  internet in IR-10: closed by noc; loss at 9 %, expected 0.2 ± 0.1
            00:15:10 updated $3/3 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 storm noc=paged (page 2 of 20 in 24 hours)
                  tv in IR-23: speaks for a storm of 2 incidents; loss at 9 %, expected 0.2 ± 0.1
            00:15:10 updated $2/3 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 parent=$3 noc=held_back (part of storm $3)
                  tv in IR-10: part of storm $3; loss at 9 %, expected 0.2 ± 0.1
            00:21:10 predicted $4/1 p=0.85 moderate degradation onset=00:20:00 parent=$3 noc=held_back (part of storm $3)
                  internet in IR-23: part of storm $3; loss at 9 %, expected 0.2 ± 0.1; onset expected 00:20 UTC
            00:22:00 confirmed $4/2 p=1.00 moderate degradation onset=00:20:00 hit=00:20:00 parent=$3
                  internet in IR-23: customers hit since 00:20 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1
            00:30:10 resolved $3/4 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 over=00:30:10 storm
                  tv in IR-23: closed by noc; loss at 9 %, expected 0.2 ± 0.1
            00:30:10 updated $4/3 p=1.00 moderate degradation onset=00:20:00 hit=00:20:00 parent=$2 noc=held_back (part of storm $2)
                  internet in IR-23: part of storm $2; loss at 9 %, expected 0.2 ± 0.1
            00:30:10 updated $2/4 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 storm noc=paged (page 3 of 20 in 24 hours)
                  tv in IR-10: speaks for a storm of 2 incidents; loss at 9 %, expected 0.2 ± 0.1
            00:32:10 resolved $2/5 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 over=00:32:10 storm
                  tv in IR-10: closed by noc; loss at 9 %, expected 0.2 ± 0.1
            00:32:10 updated $4/4 p=1.00 moderate degradation onset=00:20:00 hit=00:20:00 noc=paged (page 4 of 20 in 24 hours)
                  internet in IR-23: the storm is over: it speaks for itself; loss at 9 %, expected 0.2 ± 0.1
        "#]],
    );
}

#[test]
fn what_comes_apart_is_no_storm_and_a_silence_goes_before_one() {
    check(
        "ticks
        00:00
        00:01 declare internet/IR-10 severe
        00:01 silence until=05:00 regions=IR-23 services=tv id=s1
        01:30 declare tv/IR-10 severe
        03:00 declare internet/IR-23 severe
        03:02 declare tv/IR-23 severe
        03:03 open a1 internet/IR-10 loss=9 expected=0.2 score=9
        03:20",
        expect![[r#"
            00:01:10 confirmed $1/1 p=1.00 severe degradation hit=00:01:00 noc=paged (page 1 of 20 in 24 hours) customers=4000
                  internet in IR-10: declared by noc
            01:30:10 confirmed $2/1 p=1.00 severe degradation hit=01:30:00 noc=paged (page 2 of 20 in 24 hours)
                  tv in IR-10: declared by noc
            03:00:10 confirmed $3/1 p=1.00 severe degradation hit=03:00:00 noc=paged (page 3 of 20 in 24 hours)
                  internet in IR-23: declared by noc
            03:02:10 confirmed $4/1 p=1.00 severe degradation hit=03:02:00 silenced=s1 noc=held_back (silenced until 05:00 UTC by noc: the rack is moved)
                  tv in IR-23: declared by noc
            03:03:10 updated $1/2 p=1.00 severe degradation hit=00:01:00 customers=4000
                  internet in IR-10: new evidence; loss at 9 %, expected 0.2 ± 0.1
        "#]],
    );
}

#[test]
fn merged_incidents_go_on_as_one_with_the_pages_and_the_verdicts_of_both() {
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 loss=2.5 expected=0.2 score=9 slope=0.001
        00:10 declare tv/IR-10 severe
        00:12 merge $2 $1
        00:14 verdict right $2
        00:15 ack $2
        00:15 merge $2 $1
        00:15 merge $1 $1
        00:16 declare tv/IR-23 severe
        00:17 merge $3 $1
        00:18 plan internet/IR-23 from=01:00 until=02:00
        00:19 merge $3 $4
        00:20 close! $1
        00:21 verdict false_alarm $2
        00:22",
        expect![[r#"
            00:02:10 predicted $1/1 p=0.71 moderate degradation onset=00:42:40 noc=paged (page 1 of 20 in 24 hours) customers=4000
                  internet in IR-10: loss at 2.5 %, expected 0.2 ± 0.1, rising; onset expected 00:42 UTC
            00:07:00 updated $1/2 p=0.82 moderate degradation onset=00:42:40 customers=4000
                  internet in IR-10: probability 0.715 -> 0.817; loss at 2.5 %, expected 0.2 ± 0.1, rising; onset expected 00:42 UTC
            00:10:10 confirmed $2/1 p=1.00 severe degradation hit=00:10:00 noc=paged (page 2 of 20 in 24 hours)
                  tv in IR-10: declared by noc
            00:12:10 merged $2/2 p=1.00 severe degradation hit=00:10:00 into=$1
                  tv in IR-10: merged into $1 by noc
            00:12:10 confirmed $1/3 p=1.00 severe degradation onset=00:42:40 hit=00:10:00 customers=4000
                  internet, tv in IR-10: $2 is merged into it by noc; customers hit since 00:10 UTC (as $2 was); loss at 2.5 %, expected 0.2 ± 0.1, rising
            00:14:10 updated $1/4 p=1.00 severe degradation onset=00:42:40 hit=00:10:00 customers=4000
                  internet, tv in IR-10: verdict: right (predictions here are 0.25 more sure in log-odds, until 1970-01-15 00:14 UTC); loss at 2.5 %, expected 0.2 ± 0.1, rising
                  refused not_allowed: command c20 at log/0@20: incident $2 is merged into $1
                  refused not_allowed: command c21 at log/0@21: incident $2 is merged into $1
                  refused not_allowed: command c22 at log/0@22: an incident is one with itself already
            00:16:10 confirmed $3/1 p=1.00 severe degradation hit=00:16:00 noc=paged (page 3 of 20 in 24 hours)
                  tv in IR-23: declared by noc
                  refused not_allowed: command c26 at log/0@26: together they would name services in regions where neither is; declare those first
            00:18:10 announced $4/1 p=1.00 minor planned onset=01:00:00 eta=02:00:00 work=announced
                  internet in IR-23: planned work from 01:00 UTC to 02:00 UTC, announced by noc: fibre is spliced, CHG-4712
                  refused not_allowed: command c30 at log/0@30: planned work is closed, not merged
            00:20:10 resolved $1/5 p=1.00 severe degradation onset=00:42:40 hit=00:10:00 over=00:20:10 customers=4000
                  internet, tv in IR-10: closed by noc; loss at 2.5 %, expected 0.2 ± 0.1, rising
            00:21:10 updated $1/6 p=1.00 severe degradation onset=00:42:40 hit=00:10:00 over=00:20:10 customers=4000
                  internet, tv in IR-10: verdict: false alarm (loss up to score 10 won't count here, predictions here are 0.5 less sure in log-odds, until 1970-01-08 00:21 UTC)
        "#]],
    );
}

#[test]
fn the_page_of_what_was_merged_is_as_false_as_what_goes_on() {
    let team = TeamEntry {
        name: "noc".into(),
        services: Vec::new(),
        regions: Vec::new(),
        pages_a_day: 20,
        false_pages_max: 0.2,
    };
    let tunables = IncidentTunables {
        learn: false,
        ..IncidentTunables::default()
    };
    let story = "ticks
        00:00
        00:01 open a1 internet/IR-10 errors=9 expected=1 score=12
        00:03 open a2 internet/IR-23 errors=9 expected=1 score=12
        00:06 merge $1 $2
        00:07 retract $2
        00:10 open a3 tv/IR-10 errors=9 expected=1 score=12
        00:13";
    let told = told_under(settings_of(tunables, vec![team]), story);
    assert_eq!(told.matches("noc=paged").count(), 2, "{told}");
    assert!(
        told.contains("of 3 pages in 24 hours 2.37 would be false"),
        "{told}"
    );
}
