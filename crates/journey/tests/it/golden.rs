use expect_test::expect;
use forecall_journey::{JourneyStage, JourneyTunables};
use forecall_stage::Stage;

use crate::fixture::{Run, check, quiet, settings};

const PAID: &str = "paid_not_active: paid > active/600 unless refunded";

#[test]
fn what_does_not_come_in_time_is_told() {
    check(
        &[PAID],
        quiet(),
        "00:00 ali paid
         00:10 zahra paid internet/IR-10
         00:20 reza paid
         00:30 mina paid
         05:00 reza refunded
         05:30 mina active
         10:10 zahra active
         20:00 tick",
        expect![[r#"00:10:00 ali paid_not_active step 0 absent since 00:00:00 packages"#]],
    );
}

#[test]
fn an_event_waits_for_what_happened_before_it() {
    check(
        &[PAID],
        quiet(),
        "01:00 ali active
         00:30 ali paid
         01:00 reza refunded
         00:59 reza paid
         20:00 tick",
        expect![""],
    );
}

#[test]
fn an_event_counts_once() {
    check(
        &["two: paid > active/60 > called/60"],
        quiet(),
        "00:00 ali paid id=7
         00:00 ali paid id=7
         00:10 ali active
         05:00 reza active
         00:00 ali paid id=7
         20:00 tick",
        expect![[r#"
            refused duplicate: an event `paid`
            00:01:10 ali two step 1 absent since 00:00:00 packages
            refused late: an event `paid`"#]],
    );
}

#[test]
fn what_comes_late_ends_what_is_open_and_begins_nothing() {
    check(
        &[PAID],
        quiet(),
        "00:00 ali paid
         05:00 reza paid
         00:20 ali active
         00:20 mina paid
         04:00 reza refunded
         20:00 tick",
        expect!["refused late: an event `paid`"],
    );
}

#[test]
fn keys_tell_journeys_of_one_customer_apart() {
    check(
        &["courier: shipped > delivered/600 unless cancelled by_key"],
        quiet(),
        "00:00 ali shipped #1
         00:05 ali shipped #2
         00:06 ali shipped #2
         00:07 ali shipped #3
         00:08 ali shipped
         01:00 ali delivered #2
         01:05 ali cancelled #3
         20:00 tick",
        expect![[r#"
            00:10:00 ali courier #1 step 0 absent since 00:00:00 packages
            refused missing_field: an event of journeys with keys has no `key`"#]],
    );
}

#[test]
fn a_chain_tells_where_it_broke() {
    let chain = "order: ordered > packed/60 > shipped/120 > delivered/600";
    check(
        &[chain],
        quiet(),
        "00:00 ali ordered
         00:30 ali packed
         00:00 reza ordered
         00:30 reza packed
         01:00 reza shipped
         02:00 reza delivered
         02:00 mina ordered
         02:10 mina shipped
         40:00 tick",
        expect![[r#"
            00:02:30 ali order step 1 absent since 00:00:00 packages
            00:12:10 mina order step 2 absent since 00:02:00 packages"#]],
    );
}

#[test]
fn a_call_after_the_help_page_is_a_failure_at_once() {
    check(
        &["stuck: help fails_on call unless solved watch 600"],
        quiet(),
        "00:00 ali help
         00:00 reza help
         00:00 mina help
         02:00 ali call
         02:00 reza solved
         02:30 reza call
         11:00 mina call
         20:00 tick",
        expect![[r#"00:02:00 ali stuck step 0 struck since 00:00:00 packages"#]],
    );
}

#[test]
fn those_that_end_together_are_told_by_time_customer_and_rule() {
    check(
        &[
            "b: paid > active/60",
            "a: paid > active/60",
            "c: paid > active/59",
        ],
        quiet(),
        "00:00 ali paid
         00:00 reza paid
         20:00 tick",
        expect![[r#"
            00:00:59 reza c step 0 absent since 00:00:00 packages
            00:00:59 ali c step 0 absent since 00:00:00 packages
            00:01:00 reza b step 0 absent since 00:00:00 packages
            00:01:00 reza a step 0 absent since 00:00:00 packages
            00:01:00 ali b step 0 absent since 00:00:00 packages
            00:01:00 ali a step 0 absent since 00:00:00 packages"#]],
    );
}

#[test]
fn a_bound_that_is_reached_is_told() {
    let tunables = JourneyTunables {
        open_max: 2,
        open_customer_max: 1,
        waiting_max: 3,
        ..quiet()
    };
    check(
        &["paid: paid > active/60 by_key"],
        tunables,
        "00:00 ali paid #1
         00:01 ali paid #2
         00:02 reza paid #3
         00:03 mina paid #4
         00:03 mina active #4
         00:04 mina active #5
         20:00 tick
         24:10:00 tick",
        expect![[r#"
            refused series_limit: too many events wait for earlier ones: the oldest goes before its time
            refused series_limit: too many events wait for earlier ones: the oldest goes before its time
            refused series_limit: a journey isn't followed: too many open journeys of one customer
            refused series_limit: too many events wait for earlier ones: the oldest goes before its time
            00:01:00 ali paid #1 step 0 absent since 00:00:00 packages
            00:01:02 reza paid #3 step 0 absent since 00:00:02 packages
            refused series_limit: a journey isn't followed: too many open journeys
            24:00:00 MAP paid started 2 refused 2; reached 2 passed 0 absent 2 struck 0 excused 0 median - p90 - of 60 s"#]],
    );
}

#[test]
fn what_lies_in_the_future_or_comes_without_a_pseudonym_is_refused() {
    check(
        &[PAID],
        quiet(),
        "00:00 tick
         04:00 ali paid
         06:00 reza paid
         05:00 tick
         03:00 tick",
        expect![[r#"
            refused future: an event `paid`
            refused late: a tick more than 60 s behind the last one"#]],
    );
}

#[test]
fn a_day_is_a_map_of_its_journeys() {
    let mut lines = String::new();
    for i in 0..20 {
        lines += &format!("01:{i:02} c{i} paid\n");
    }
    for i in 0..15 {
        lines += &format!("02:{i:02} c{i} active\n");
    }
    lines += "02:30 c15 refunded\n23:59:00 tick\n24:05:01 tick\n";
    check(
        &[PAID, "unused: x > y/5"],
        quiet(),
        &lines,
        expect![[r#"
            00:11:16 c16 paid_not_active step 0 absent since 00:01:16 packages
            00:11:17 c17 paid_not_active step 0 absent since 00:01:17 packages
            00:11:18 c18 paid_not_active step 0 absent since 00:01:18 packages
            00:11:19 c19 paid_not_active step 0 absent since 00:01:19 packages
            24:00:00 MAP paid_not_active started 20 refused 0; reached 20 passed 15 absent 4 struck 0 excused 1 median 57 s p90 60 s of 600 s"#]],
    );
}

#[test]
fn other_rules_leave_what_they_know_and_tell_what_they_do_not() {
    let mut run = Run::new(settings(&["gone: paid > active/60", PAID], quiet()));
    run.lines("00:00 ali paid\n02:30 reza paid\n");
    let bytes = run.stage.save().unwrap();
    let now = settings(&["new: visited > paid/30", PAID], quiet());
    run.stage = JourneyStage::load(now, &bytes).unwrap();
    run.told.clear();
    run.lines("30:00 tick");
    expect![[r#"
        00:10:00 ali paid_not_active step 0 absent since 00:00:00 packages
        00:12:30 reza paid_not_active step 0 absent since 00:02:30 packages"#]]
    .assert_eq(&run.told.join("\n"));

    let mut run = Run::new(settings(&["gone: paid > active/600", PAID], quiet()));
    run.lines("00:00 ali paid\n02:30 reza paid\n");
    let bytes = run.stage.save().unwrap();
    run.stage = JourneyStage::load(settings(&[PAID], quiet()), &bytes).unwrap();
    run.lines("30:00 tick");
    expect![[r#"
        00:10:00 ali paid_not_active step 0 absent since 00:00:00 packages
        00:12:30 reza paid_not_active step 0 absent since 00:02:30 packages
        refused not_allowed: 1 open journeys are of rules or steps that are gone: nothing is told of them"#]]
    .assert_eq(&run.told.join("\n"));
}
