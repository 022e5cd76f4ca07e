use expect_test::{Expect, expect};

use crate::fixture::told;

fn check(fixture: &str, expected: Expect) {
    expected.assert_eq(&told(fixture));
}

#[test]
fn a_ramp_is_predicted_then_confirmed_then_over() {
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 loss=1.0 expected=0.2 score=5 slope=0.003 cell=c1
        00:03 move a1 loss=1.5 score=7
        00:05 move a1 loss=2.2 score=9
        00:12 move a1 loss=4.5
        00:14 move a1 loss=5.5
        00:30 move a1 loss=60
        00:40 close a1 loss=0.2
        01:00",
        expect![[r#"
            00:03:40 predicted $1/1 p=0.73 moderate degradation onset=00:22:26 elements=c1 customers=4000
                  internet in IR-10: loss at 1.5 %, expected 0.2 ± 0.1, rising; onset expected 00:22 UTC
            00:05:10 updated $1/2 p=0.83 moderate degradation onset=00:20:33 elements=c1 customers=4000
                  internet in IR-10: probability 0.727 -> 0.833; loss at 2.2 %, expected 0.2 ± 0.1, rising; onset expected 00:20 UTC
            00:10:10 updated $1/3 p=0.90 moderate degradation onset=00:20:33 elements=c1 customers=4000
                  internet in IR-10: loss at 2.2 %, expected 0.2 ± 0.1, rising; onset expected 00:20 UTC
            00:15:10 updated $1/4 p=0.92 moderate degradation onset=00:14:00 elements=c1 customers=4000
                  internet in IR-10: loss at 5.5 %, expected 0.2 ± 0.1, rising; onset expected 00:14 UTC
            00:16:00 confirmed $1/5 p=1.00 moderate degradation onset=00:14:00 hit=00:14:00 elements=c1 customers=4000
                  internet in IR-10: customers hit since 00:14 UTC (loss above 5); loss at 5.5 %, expected 0.2 ± 0.1, rising
            00:21:00 updated $1/6 p=1.00 moderate degradation onset=00:14:00 hit=00:14:00 elements=c1 customers=4000
                  internet in IR-10: loss at 5.5 %, expected 0.2 ± 0.1, rising
            00:26:00 updated $1/7 p=1.00 moderate degradation onset=00:14:00 hit=00:14:00 elements=c1 customers=4000
                  internet in IR-10: loss at 5.5 %, expected 0.2 ± 0.1, rising
            00:30:10 updated $1/8 p=1.00 severe outage onset=00:14:00 hit=00:14:00 elements=c1 customers=4000
                  internet in IR-10: severity moderate -> severe; loss at 60 %, expected 0.2 ± 0.1
            00:35:10 updated $1/9 p=1.00 severe outage onset=00:14:00 hit=00:14:00 elements=c1 customers=4000
                  internet in IR-10: loss at 60 %, expected 0.2 ± 0.1
            00:50:00 resolved $1/10 p=1.00 severe outage onset=00:14:00 hit=00:14:00 over=00:40:00 elements=c1 customers=4000
                  internet in IR-10: all evidence gone since 00:40 UTC
        "#]],
    );
}

#[test]
fn a_band_ahead_tells_when_the_limit_is_passed() {
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 loss=1.0 expected=0.2 score=5 slope=0 ahead=1/1.5/2.5/4/7
        00:03 move a1 loss=1.5 score=7 ahead=1.5/2.5/4.5/7.5/13.5
        00:09 move a1 loss=1.5 ahead=1.5/1.5/1.5/1.5/1.5
        00:16",
        expect![[r#"
            00:02:10 predicted $1/1 p=0.95 moderate degradation onset=00:41:00 customers=4000
                  internet in IR-10: loss at 1 %, expected 0.2 ± 0.1; loss expected to pass 5 at 00:41 UTC (between 00:36 and 00:46 UTC)
            00:07:10 updated $1/2 p=0.95 moderate degradation onset=00:20:30 customers=4000
                  internet in IR-10: loss at 1.5 %, expected 0.2 ± 0.1; loss expected to pass 5 at 00:20 UTC (between 00:18 and 00:23 UTC)
            00:09:10 updated $1/3 p=0.59 moderate degradation onset=00:20:30 customers=4000
                  internet in IR-10: probability 0.95 -> 0.594; loss at 1.5 %, expected 0.2 ± 0.1; onset expected 00:20 UTC
            00:14:10 updated $1/4 p=0.65 moderate degradation onset=00:20:30 customers=4000
                  internet in IR-10: loss at 1.5 %, expected 0.2 ± 0.1; onset expected 00:20 UTC
        "#]],
    );
}

#[test]
fn a_decoy_is_withdrawn_when_its_evidence_goes() {
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 cpu=0.99 expected=0.4 score=12
        00:02 open a2 internet/IR-10 queue=900 expected=100 score=10
        00:10 close a1
        00:11 close a2
        00:30",
        expect![[r#"
            00:03:10 predicted $1/1 p=0.77 minor degradation onset=00:33:10 customers=4000
                  internet in IR-10: cpu at 0.99, expected 0.4 ± 0.2; queue at 900, expected 100 ± 50; onset expected 00:33 UTC
            00:07:10 updated $1/2 p=0.88 minor degradation onset=00:33:10 customers=4000
                  internet in IR-10: probability 0.774 -> 0.875; cpu at 0.99, expected 0.4 ± 0.2; queue at 900, expected 100 ± 50; onset expected 00:33 UTC
            00:10:10 updated $1/3 p=0.50 minor degradation onset=00:33:10 customers=4000
                  internet in IR-10: probability 0.875 -> 0.495; queue at 900, expected 100 ± 50; onset expected 00:33 UTC
            00:11:10 updated $1/4 p=0.05 minor degradation onset=00:33:10 customers=4000
                  internet in IR-10: probability 0.495 -> 0.0474; onset expected 00:33 UTC
            00:16:10 expired $1/5 p=0.05 minor degradation onset=00:33:10 customers=4000
                  internet in IR-10: evidence gone since 00:11 UTC
        "#]],
    );
}

#[test]
fn a_prediction_that_does_not_come_true_expires_and_is_not_made_again_of_the_same_evidence() {
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 errors=9 expected=1 score=7
        02:30
        02:31 open a2 internet/IR-10 loss=7 expected=0.1 score=9
        02:36",
        expect![[r#"
            00:10:30 predicted $1/1 p=0.63 moderate degradation onset=00:40:30 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:40 UTC
            00:15:30 updated $1/2 p=0.65 moderate degradation onset=00:40:30 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:40 UTC
            00:20:30 updated $1/3 p=0.65 moderate degradation onset=00:40:30 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:40 UTC
            00:25:30 updated $1/4 p=0.65 moderate degradation onset=00:40:30 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:40 UTC
            00:30:30 updated $1/5 p=0.65 moderate degradation onset=00:40:30 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:40 UTC
            00:35:30 updated $1/6 p=0.65 moderate degradation onset=00:40:30 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:40 UTC
            00:40:30 updated $1/7 p=0.65 moderate degradation onset=00:40:30 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:40 UTC
            00:45:30 updated $1/8 p=0.65 moderate degradation onset=00:40:30 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:40 UTC
            00:50:30 updated $1/9 p=0.65 moderate degradation onset=00:40:30 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:40 UTC
            00:55:30 updated $1/10 p=0.65 moderate degradation onset=00:40:30 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:40 UTC
            01:00:30 updated $1/11 p=0.65 moderate degradation onset=00:40:30 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:40 UTC
            01:05:30 updated $1/12 p=0.65 moderate degradation onset=00:40:30 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:40 UTC
            01:10:30 expired $1/13 p=0.65 moderate degradation onset=00:40:30 customers=4000
                  internet in IR-10: no impact within the horizon; errors at 9, expected 1 ± 0.5
            02:32:10 predicted $2/1 p=0.81 moderate degradation onset=02:31:00 customers=4000
                  internet in IR-10: loss at 7 %, expected 0.1 ± 0.05; errors at 9, expected 1 ± 0.5; onset expected 02:31 UTC
            02:33:00 confirmed $2/2 p=1.00 moderate degradation onset=02:31:00 hit=02:31:00 customers=4000
                  internet in IR-10: customers hit since 02:31 UTC (loss above 5); loss at 7 %, expected 0.1 ± 0.05; errors at 9, expected 1 ± 0.5
        "#]],
    );
}

#[test]
fn two_scopes_are_two_incidents_and_one_cause_below_two_services_is_one() {
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 loss=7 expected=0.2 score=9
        00:01 open a2 access/IR-23 loss=8 expected=0.2 score=9 cell=c7
        00:05",
        expect![[r#"
            00:02:10 predicted $1/1 p=0.81 moderate degradation onset=00:01:00 customers=4000
                  internet in IR-10: loss at 7 %, expected 0.2 ± 0.1; onset expected 00:01 UTC
            00:02:10 predicted $2/1 p=0.63 moderate degradation onset=00:01:00 elements=c7
                  internet, tv in IR-23: loss at 8 %, expected 0.2 ± 0.1; cause likely access (100 % of it); onset expected 00:01 UTC
            00:03:00 confirmed $2/2 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 by=supplier elements=c7
                  internet, tv in IR-23: responsibility supplier: as access has it; customers hit since 00:01 UTC (loss above 5); loss at 8 %, expected 0.2 ± 0.1; cause likely access (100 % of it)
            00:03:00 confirmed $1/2 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 customers=4000
                  internet in IR-10: customers hit since 00:01 UTC (loss above 5); loss at 7 %, expected 0.2 ± 0.1
        "#]],
    );
}

#[test]
fn unknown_places_open_nothing() {
    let told = told(
        "ticks
        00:00
        00:01 open a1 internet/IR-99 loss=99 expected=0.2 score=20
        00:01 open a2 core/IR-10 loss=99 expected=0.2 score=20
        00:20",
    );
    let lines: Vec<_> = told.lines().map(str::trim).collect();
    let wanted = [
        "refused unknown_scope: region IR-99 is not in the topology",
        "refused unknown_scope: service core is not in the topology",
    ];
    assert_eq!(lines, wanted);
}

#[test]
fn a_late_source_is_waited_for_and_what_comes_behind_still_counts() {
    check(
        "00:00 tick
        00:00 beat 0 00:00
        00:00 beat 1 00:00
        00:05 open a1 internet/IR-10 loss=7 expected=0.2 score=9
        00:20 beat 0 00:20
        # partition 1 stands at 00:00: nothing may be judged yet
        00:21 tick
        00:22 beat 1 00:22
        00:03 open a2 internet/IR-10 http.duration=90 expected=40 score=6
        00:30 beat 0 00:30
        00:30 beat 1 00:30",
        expect![[r#"
            00:06:10 predicted $1/1 p=0.81 moderate degradation onset=00:05:00 customers=4000
                  internet in IR-10: loss at 7 %, expected 0.2 ± 0.1; onset expected 00:05 UTC
            00:07:00 confirmed $1/2 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 customers=4000
                  internet in IR-10: customers hit since 00:05 UTC (loss above 5); loss at 7 %, expected 0.2 ± 0.1
            00:12:00 updated $1/3 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 customers=4000
                  internet in IR-10: loss at 7 %, expected 0.2 ± 0.1
            00:17:00 updated $1/4 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 customers=4000
                  internet in IR-10: loss at 7 %, expected 0.2 ± 0.1
            00:20:10 updated $1/5 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 customers=4000
                  internet in IR-10: new evidence; loss at 7 %, expected 0.2 ± 0.1; http.duration at 90, expected 40 ± 20
            00:25:10 updated $1/6 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 customers=4000
                  internet in IR-10: loss at 7 %, expected 0.2 ± 0.1; http.duration at 90, expected 40 ± 20
        "#]],
    );
}

#[test]
fn a_missing_heartbeat_holds_up_nobody_and_is_no_incident() {
    check(
        "00:00 tick
        00:00 beat 0 00:00
        00:00 beat 1 00:00
        00:01 open a1 internet/IR-10 loss=7 expected=0.2 score=9
        00:01 tick
        00:02 tick
        00:02 beat 0 00:02
        00:03 tick
        00:03 beat 0 00:03
        00:04 tick
        00:04 beat 0 00:04
        00:05 beat 0 00:05
        # ticks stand still within a minute back, and are refused beyond
        00:03 tick
        00:02 tick",
        expect![[r#"
                  refused late: no heartbeat of telemetry/1 in test, or it gets no further: it holds up nobody now
            00:02:10 predicted $1/1 p=0.81 moderate degradation onset=00:01:00 customers=4000
                  internet in IR-10: loss at 7 %, expected 0.2 ± 0.1; onset expected 00:01 UTC
            00:03:00 confirmed $1/2 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 customers=4000
                  internet in IR-10: customers hit since 00:01 UTC (loss above 5); loss at 7 %, expected 0.2 ± 0.1
                  refused late: a tick more than 60 s behind the last one
        "#]],
    );
}

#[test]
fn people_steer() {
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 errors=9 expected=1 score=12
        00:05 ack
        00:06 close!
        00:07 step team_on_site id=x
        00:08 step team_on_site id=x
        00:08 close a1
        00:20
        00:21 step team_on_site
        00:21 verdict right
        00:22",
        expect![[r#"
            00:02:10 predicted $1/1 p=0.63 moderate degradation onset=00:32:10 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:32 UTC
            00:05:10 updated $1/2 p=0.71 moderate degradation onset=00:32:10 phase=acknowledged customers=4000
                  internet in IR-10: acknowledged by noc; errors at 9, expected 1 ± 0.5; onset expected 00:32 UTC
                  refused not_allowed: command c9 at log/0@9: incident $1 is predicted: only a confirmed one can be closed; a prediction is retracted
            00:07:10 updated $1/3 p=0.76 moderate degradation onset=00:32:10 phase=mitigating customers=4000
                  internet in IR-10: step team_on_site (noc); errors at 9, expected 1 ± 0.5; onset expected 00:32 UTC
            00:08:10 updated $1/4 p=0.05 moderate degradation onset=00:32:10 phase=mitigating customers=4000
                  internet in IR-10: probability 0.758 -> 0.0474; onset expected 00:32 UTC
                  refused duplicate: command x at log/0@13: seen before
            00:13:10 averted $1/5 p=0.05 moderate degradation onset=00:32:10 customers=4000
                  internet in IR-10: evidence gone since 00:08 UTC
            00:21:10 updated $1/6 p=0.05 moderate degradation onset=00:32:10 customers=4000
                  internet in IR-10: verdict: right (predictions here are 0.25 more sure in log-odds, until 1970-01-15 00:21 UTC)
                  refused not_allowed: command c28 at log/0@28: incident $1 is averted
        "#]],
    );
}

#[test]
fn people_declare_and_close() {
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 errors=9 expected=1 score=12
        00:05 declare internet+tv/IR-10
        00:05 declare internet+tv/IR-23
        00:06 eta 00:40
        00:06 attribute $2
        00:07 close a1
        00:20 eta 00:19
        00:30 close!
        00:30 retract $3
        00:30 verdict false_alarm $2
        00:31 declare core/IR-10
        00:31 ack $9
        00:40 open a3 internet/IR-10 errors=9 expected=1 score=12
        00:45",
        expect![[r#"
            00:02:10 predicted $1/1 p=0.63 moderate degradation onset=00:32:10 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:32 UTC
            00:05:10 confirmed $1/2 p=1.00 severe degradation onset=00:32:10 hit=00:05:00 customers=4000
                  internet in IR-10: customers hit since 00:05 UTC (declared by noc); errors at 9, expected 1 ± 0.5
            00:05:10 confirmed $2/1 p=1.00 severe degradation hit=00:05:00
                  tv in IR-10: declared by noc
            00:05:10 confirmed $3/1 p=1.00 severe degradation hit=00:05:00
                  internet, tv in IR-23: declared by noc
            00:06:10 updated $2/2 p=1.00 severe degradation hit=00:05:00 by=own
                  tv in IR-10: responsibility own (noc)
            00:06:10 updated $1/3 p=1.00 severe degradation onset=00:32:10 hit=00:05:00 eta=00:40:00 customers=4000
                  internet in IR-10: expected to be over by 00:40 UTC (noc); errors at 9, expected 1 ± 0.5
                  refused not_allowed: command c27 at log/0@27: the time given is not after the command
            00:30:10 retracted $2/3 p=0.00 severe degradation hit=00:05:00 by=own
                  tv in IR-10: verdict: false alarm (predictions here are 0.5 less sure in log-odds, until 1970-01-08 00:30 UTC)
            00:30:10 resolved $1/4 p=1.00 severe degradation onset=00:32:10 hit=00:05:00 eta=00:40:00 over=00:30:10 customers=4000
                  internet in IR-10: closed by noc
            00:30:10 retracted $3/2 p=0.00 severe degradation hit=00:05:00
                  internet, tv in IR-23: retracted by noc
                  refused unknown_scope: command c42 at log/0@42: service core is not in the topology
                  refused not_allowed: command c43 at log/0@43: incident inc_0gkjegweqpckvzzb is not known
            00:41:10 reopened $1/5 p=0.63 moderate degradation onset=01:11:10 reopened=1 customers=4000
                  internet in IR-10: again; it was resolved at 00:30 UTC; errors at 9, expected 1 ± 0.5; onset expected 01:11 UTC
        "#]],
    );
}

#[test]
fn a_drawn_area_is_neither_widened_nor_moved_by_the_by() {
    check(
        "ticks
        00:00
        00:01 declare internet/IR-10@872cf5905ffffff
        00:02 declare internet/IR-10@872cf5905ffffff
        00:03 declare internet/IR-10@872cf5922ffffff
        00:04 declare internet/IR-10
        00:05 declare internet/IR-23
        00:06 merge $1 $2
        00:07",
        expect![[r#"
            00:01:10 confirmed $1/1 p=1.00 severe degradation hit=00:01:00 cells=872cf5905ffffff customers=4000
                  internet in IR-10: declared by noc
            00:02:10 updated $1/2 p=1.00 severe degradation hit=00:01:00 cells=872cf5905ffffff customers=4000
                  internet in IR-10: declared by noc
                  refused not_allowed: command c6 at log/0@6: incident $1 is open there for another area: declare without cells what is open without, or retract it first
                  refused not_allowed: command c8 at log/0@8: incident $1 is open there for another area: declare without cells what is open without, or retract it first
            00:05:10 confirmed $2/1 p=1.00 severe degradation hit=00:05:00
                  internet in IR-23: declared by noc
                  refused not_allowed: command c12 at log/0@12: one touches an area, the other whole regions: together it would be all of them
        "#]],
    );
}

#[test]
fn an_anomaly_that_is_over_and_comes_again_raises_nothing() {
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 loss=4 expected=1 score=12
        00:05 close a1
        00:20 open a2 tv/IR-23 cpu=2 expected=1 score=2
        00:41 again a1
        01:20",
        expect![[r#"
            00:02:10 predicted $1/1 p=0.63 moderate degradation onset=00:32:10 customers=4000
                  internet in IR-10: loss at 4 %, expected 1 ± 0.5; onset expected 00:32 UTC
            00:05:10 updated $1/2 p=0.05 moderate degradation onset=00:32:10 customers=4000
                  internet in IR-10: probability 0.632 -> 0.0474; onset expected 00:32 UTC
            00:10:10 expired $1/3 p=0.05 moderate degradation onset=00:32:10 customers=4000
                  internet in IR-10: evidence gone since 00:05 UTC
                  refused duplicate: anomaly a1 revision 1: it is over
        "#]],
    );
}

#[test]
fn a_false_alarm_is_not_raised_again_by_what_raised_it() {
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 loss=4 expected=1 score=12
        00:05 verdict false_alarm
        00:06 move a1 loss=9
        00:30",
        expect![[r#"
            00:02:10 predicted $1/1 p=0.63 moderate degradation onset=00:32:10 customers=4000
                  internet in IR-10: loss at 4 %, expected 1 ± 0.5; onset expected 00:32 UTC
            00:05:10 retracted $1/2 p=0.00 moderate degradation onset=00:32:10 customers=4000
                  internet in IR-10: verdict: false alarm (loss up to score 10 won't count here, predictions here are 0.5 less sure in log-odds, until 1970-01-08 00:05 UTC); loss at 4 %, expected 1 ± 0.5
        "#]],
    );
}

#[test]
fn silence_alone_says_nothing_of_customers() {
    // However many are silent, in whatever name: not even one whose metric has an objective, with an outage in it.
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 telemetry.silence=300 expected=10 score=20 silent cell=c1
        00:01 open a2 internet/IR-10 loss.silence=300 expected=10 score=20 silent cell=c2
        00:01 open a3 internet/IR-10 http.duration=300 expected=10 score=20 silent cell=c3
        00:01 open a4 internet/IR-10 errors.silence=300 expected=60 score=20 silent cell=c4
        00:01 open a5 tv/IR-10 loss=300 expected=60 score=20 silent cell=c5
        03:00",
        expect![[r#""#]],
    );
}

#[test]
fn silence_supports_what_was_told_and_keeps_it_open_where_it_was_told_by_the_silent() {
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 loss=7 expected=0.2 score=9 cell=c1
        00:08 open s1 internet/IR-10 telemetry.silence=300 expected=10 score=12 silent cell=c1
        00:09 open s2 internet/IR-10 cpu.silence=300 expected=10 score=12 silent cell=c2
        00:12 close a1
        00:40 close s1
        01:00",
        expect![[r#"
            00:02:10 predicted $1/1 p=0.81 moderate degradation onset=00:01:00 elements=c1 customers=4000
                  internet in IR-10: loss at 7 %, expected 0.2 ± 0.1; onset expected 00:01 UTC
            00:03:00 confirmed $1/2 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 elements=c1 customers=4000
                  internet in IR-10: customers hit since 00:01 UTC (loss above 5); loss at 7 %, expected 0.2 ± 0.1
            00:08:00 updated $1/3 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 elements=c1 customers=4000
                  internet in IR-10: loss at 7 %, expected 0.2 ± 0.1
            00:09:00 updated $1/4 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 elements=c1 customers=4000
                  internet in IR-10: new evidence; loss at 7 %, expected 0.2 ± 0.1; nothing measured since 00:08 UTC, usually every 10 s
            00:10:00 updated $1/5 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 elements=c1 customers=4000
                  internet in IR-10: new evidence; loss at 7 %, expected 0.2 ± 0.1; nothing measured since 00:08 UTC, usually every 10 s; nothing of cpu measured since 00:09 UTC, usually every 10 s
            00:15:00 updated $1/6 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 elements=c1 customers=4000
                  internet in IR-10: nothing measured since 00:08 UTC, usually every 10 s; nothing of cpu measured since 00:09 UTC, usually every 10 s
            00:20:00 updated $1/7 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 elements=c1 customers=4000
                  internet in IR-10: nothing measured since 00:08 UTC, usually every 10 s; nothing of cpu measured since 00:09 UTC, usually every 10 s
            00:25:00 updated $1/8 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 elements=c1 customers=4000
                  internet in IR-10: nothing measured since 00:08 UTC, usually every 10 s; nothing of cpu measured since 00:09 UTC, usually every 10 s
            00:30:00 updated $1/9 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 elements=c1 customers=4000
                  internet in IR-10: nothing measured since 00:08 UTC, usually every 10 s; nothing of cpu measured since 00:09 UTC, usually every 10 s
            00:35:00 updated $1/10 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 elements=c1 customers=4000
                  internet in IR-10: nothing measured since 00:08 UTC, usually every 10 s; nothing of cpu measured since 00:09 UTC, usually every 10 s
            00:40:00 updated $1/11 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 elements=c1 customers=4000
                  internet in IR-10: nothing measured since 00:08 UTC, usually every 10 s; nothing of cpu measured since 00:09 UTC, usually every 10 s
            00:50:00 resolved $1/12 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 over=00:40:00 elements=c1 customers=4000
                  internet in IR-10: all evidence gone since 00:40 UTC; nothing of cpu measured since 00:09 UTC, usually every 10 s
        "#]],
    );
}

#[test]
fn a_flood_of_silences_leaves_room_for_what_is_measured() {
    let mut run = crate::fixture::Run::new();
    run.line("ticks");
    run.line("00:00");
    for n in 0..400 {
        run.line(&format!(
            "00:01 open s{n} internet/IR-10 telemetry.silence=300 expected=10 score=20 silent cell=c{n}"
        ));
    }
    run.line("00:02 open a1 internet/IR-10 loss=7 expected=0.2 score=9 cell=x");
    run.line("00:06");
    let last = &run.events.last().unwrap().incident;
    assert_eq!(
        last.evidence
            .iter()
            .filter(|e| &*e.series.metric == "loss")
            .count(),
        1
    );
    let elements: Vec<&str> = last.scope.elements.iter().map(|e| e.as_str()).collect();
    assert_eq!(elements, ["x"], "nobody is hit where nothing is measured");
}

#[test]
fn what_comes_and_goes_is_one_incident_whose_end_takes_longer_each_time() {
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 loss=9 expected=0.2 score=9 cell=c1
        00:04 ack
        00:04 step team_on_site
        00:05 eta 00:30
        00:06 close a1 loss=0.2
        00:20 open a2 internet/IR-10 loss=9 expected=0.2 score=9 cell=c2
        00:26 close a2 loss=0.2
        00:45
        00:50 open a3 internet/IR-10 loss=9 expected=0.2 score=9
        00:55 close a3 loss=0.2
        01:40
        02:20 open a4 internet/IR-10 loss=9 expected=0.2 score=9
        02:24",
        expect![[r#"
            00:02:10 predicted $1/1 p=0.81 moderate degradation onset=00:01:00 elements=c1 customers=4000
                  internet in IR-10: loss at 9 %, expected 0.2 ± 0.1; onset expected 00:01 UTC
            00:03:00 confirmed $1/2 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 elements=c1 customers=4000
                  internet in IR-10: customers hit since 00:01 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1
            00:04:10 updated $1/3 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 phase=mitigating elements=c1 customers=4000
                  internet in IR-10: acknowledged by noc; step team_on_site (noc); loss at 9 %, expected 0.2 ± 0.1
            00:05:10 updated $1/4 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 eta=00:30:00 phase=mitigating elements=c1 customers=4000
                  internet in IR-10: expected to be over by 00:30 UTC (noc); loss at 9 %, expected 0.2 ± 0.1
            00:16:00 resolved $1/5 p=1.00 moderate degradation onset=00:01:00 hit=00:01:00 eta=00:30:00 over=00:06:00 elements=c1 customers=4000
                  internet in IR-10: all evidence gone since 00:06 UTC
            00:21:10 reopened $1/6 p=0.81 moderate degradation onset=00:20:00 reopened=1 elements=c2 customers=4000
                  internet in IR-10: again; it was resolved at 00:16 UTC; loss at 9 %, expected 0.2 ± 0.1; onset expected 00:20 UTC
            00:22:00 confirmed $1/7 p=1.00 moderate degradation onset=00:20:00 hit=00:20:00 reopened=1 elements=c2 customers=4000
                  internet in IR-10: customers hit since 00:20 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1
            00:46:00 resolved $1/8 p=1.00 moderate degradation onset=00:20:00 hit=00:20:00 over=00:26:00 reopened=1 elements=c2 customers=4000
                  internet in IR-10: all evidence gone since 00:26 UTC
            00:51:10 reopened $1/9 p=0.81 moderate degradation onset=00:50:00 reopened=2 customers=4000
                  internet in IR-10: again; it was resolved at 00:46 UTC; loss at 9 %, expected 0.2 ± 0.1; onset expected 00:50 UTC
            00:52:00 confirmed $1/10 p=1.00 moderate degradation onset=00:50:00 hit=00:50:00 reopened=2 customers=4000
                  internet in IR-10: customers hit since 00:50 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1
            01:35:00 resolved $1/11 p=1.00 moderate degradation onset=00:50:00 hit=00:50:00 over=00:55:00 reopened=2 customers=4000
                  internet in IR-10: all evidence gone since 00:55 UTC
            02:21:10 predicted $2/1 p=0.81 moderate degradation onset=02:20:00 customers=4000
                  internet in IR-10: loss at 9 %, expected 0.2 ± 0.1; onset expected 02:20 UTC
            02:22:00 confirmed $2/2 p=1.00 moderate degradation onset=02:20:00 hit=02:20:00 customers=4000
                  internet in IR-10: customers hit since 02:20 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1
        "#]],
    );
}

#[test]
fn a_prediction_may_come_back_and_what_is_reviewed_does_not() {
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 errors=9 expected=1 score=12
        00:04 review PRB-7
        00:05 step traffic_moved
        00:06 close a1
        00:14 open a2 internet/IR-10 errors=9 expected=1 score=12
        00:17 close a2
        00:40 review PRB-7
        00:40 review PRB-7 $2
        00:41 review PRB-8
        00:42 open a3 internet/IR-10 loss=9 expected=0.2 score=9
        00:46",
        expect![[r#"
            00:02:10 predicted $1/1 p=0.63 moderate degradation onset=00:32:10 customers=4000
                  internet in IR-10: errors at 9, expected 1 ± 0.5; onset expected 00:32 UTC
                  refused not_allowed: command c6 at log/0@6: incident $1 is predicted: it isn't over
            00:05:10 updated $1/2 p=0.71 moderate degradation onset=00:32:10 phase=mitigating customers=4000
                  internet in IR-10: step traffic_moved (noc); errors at 9, expected 1 ± 0.5; onset expected 00:32 UTC
            00:06:10 updated $1/3 p=0.05 moderate degradation onset=00:32:10 phase=mitigating customers=4000
                  internet in IR-10: probability 0.711 -> 0.0474; onset expected 00:32 UTC
            00:11:10 averted $1/4 p=0.05 moderate degradation onset=00:32:10 customers=4000
                  internet in IR-10: evidence gone since 00:06 UTC
            00:15:10 reopened $1/5 p=0.63 moderate degradation onset=00:45:10 reopened=1 customers=4000
                  internet in IR-10: again; it was averted at 00:11 UTC; errors at 9, expected 1 ± 0.5; onset expected 00:45 UTC
            00:17:10 updated $1/6 p=0.05 moderate degradation onset=00:45:10 reopened=1 customers=4000
                  internet in IR-10: probability 0.632 -> 0.0474; onset expected 00:45 UTC
            00:27:10 expired $1/7 p=0.05 moderate degradation onset=00:45:10 reopened=1 customers=4000
                  internet in IR-10: evidence gone since 00:17 UTC
            00:40:10 reviewed $1/8 p=0.05 moderate degradation onset=00:45:10 reopened=1 problem=PRB-7 customers=4000
                  internet in IR-10: reviewed by noc, problem PRB-7
                  refused not_allowed: command c48 at log/0@48: incident inc_0gkjegweqpckvzzb is not known
                  refused not_allowed: command c50 at log/0@50: incident $1 is reviewed
            00:43:10 predicted $2/1 p=0.81 moderate degradation onset=00:42:00 customers=4000
                  internet in IR-10: again, after $1 (reviewed); loss at 9 %, expected 0.2 ± 0.1; onset expected 00:42 UTC
            00:44:00 confirmed $2/2 p=1.00 moderate degradation onset=00:42:00 hit=00:42:00 customers=4000
                  internet in IR-10: customers hit since 00:42 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1
        "#]],
    );
}

#[test]
fn one_called_a_false_alarm_after_its_end_does_not_come_back() {
    let ids = |verdict: &str| {
        let mut run = crate::fixture::Run::new();
        let story = format!(
            "ticks
            00:01 open a1 internet/IR-10 loss=9 expected=0.2 score=9
            00:10 close a1 loss=0.2
            00:25 {verdict}
            00:30 open a2 internet/IR-10 loss=9 expected=0.2 score=9
            00:40 tick"
        );
        for line in story.lines() {
            run.line(line);
        }
        let ids = run.events.iter().map(|event| event.incident.id.clone());
        ids.collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(ids("verdict right"), 1, "it comes back");
    assert_eq!(ids("verdict false_alarm"), 2, "another one");
}

#[test]
fn a_way_to_a_limit_is_confirmed_by_the_limit_and_not_by_being_unusual() {
    let story = |channel: &str, more: &str| {
        let last = told(&format!(
            "ticks
            00:00
            00:01 open a1 internet/IR-10 errors=9 expected=1 score=12 {channel}
            {more}
            00:15"
        ));
        let states = ["confirmed", "predicted"];
        states.map(|state| last.contains(&format!(" {state} $1/")))
    };
    assert_eq!(story("", ""), [true, true], "a score that lasts");
    assert_eq!(story("limit", ""), [false, true]);
    let beyond = "00:05 open a2 internet/IR-10 loss=9 expected=0.2 score=1 limit";
    assert_eq!(story("limit", beyond), [true, true]);
}
