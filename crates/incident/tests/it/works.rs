//! Planned work, from its announcement to its end.

use expect_test::{Expect, expect};

use crate::fixture::paged;

#[allow(
    clippy::needless_pass_by_value,
    reason = "expect! is passed by value in all tests"
)]
fn check(fixture: &str, expect: Expect) {
    expect.assert_eq(&paged(fixture));
}

#[test]
fn work_that_goes_as_announced_calls_nobody_and_ends_by_itself() {
    check(
        "ticks
        00:00
        00:01 plan internet/IR-10 from=02:00 until=03:00
        02:10 open a1 internet/IR-10 loss=60 expected=0.2 score=15
        02:40 close a1 loss=0.2
        03:20",
        expect![[r#"
            00:01:10 announced $1/1 p=1.00 minor planned onset=02:00:00 eta=03:00:00 work=announced customers=4000
                  internet in IR-10: planned work from 02:00 UTC to 03:00 UTC, announced by noc: fibre is spliced, CHG-4712
            01:00:00 updated $1/2 p=1.00 minor planned onset=02:00:00 eta=03:00:00 work=announced customers=4000
                  internet in IR-10: planned work starts at 02:00 UTC: fibre is spliced, CHG-4712
            02:00:00 started $1/3 p=1.00 moderate planned onset=02:00:00 eta=03:00:00 work=started customers=4000
                  internet in IR-10: planned work has started, until 03:00 UTC: fibre is spliced, CHG-4712
            02:10:10 updated $1/4 p=1.00 moderate planned onset=02:00:00 eta=03:00:00 work=started customers=4000
                  internet in IR-10: new evidence; loss at 60 %, expected 0.2 ± 0.1
            02:15:10 updated $1/5 p=1.00 moderate planned onset=02:00:00 eta=03:00:00 work=started customers=4000
                  internet in IR-10: loss at 60 %, expected 0.2 ± 0.1
            02:20:10 updated $1/6 p=1.00 moderate planned onset=02:00:00 eta=03:00:00 work=started customers=4000
                  internet in IR-10: loss at 60 %, expected 0.2 ± 0.1
            02:25:10 updated $1/7 p=1.00 moderate planned onset=02:00:00 eta=03:00:00 work=started customers=4000
                  internet in IR-10: loss at 60 %, expected 0.2 ± 0.1
            02:30:10 updated $1/8 p=1.00 moderate planned onset=02:00:00 eta=03:00:00 work=started customers=4000
                  internet in IR-10: loss at 60 %, expected 0.2 ± 0.1
            02:35:10 updated $1/9 p=1.00 moderate planned onset=02:00:00 eta=03:00:00 work=started customers=4000
                  internet in IR-10: loss at 60 %, expected 0.2 ± 0.1
            03:00:00 ended $1/10 p=1.00 moderate planned onset=02:00:00 eta=03:00:00 over=03:00:00 work=ended customers=4000
                  internet in IR-10: planned work is over: its time has passed and nothing is abnormal
        "#]],
    );
}

#[test]
fn work_that_overruns_pages_and_ends_when_its_signs_have_gone() {
    check(
        "ticks
        00:00
        00:01 plan internet/IR-10 from=00:10 until=00:30
        00:12 open a1 internet/IR-10 loss=60 expected=0.2 score=15
        00:40 close a1 loss=0.2
        00:55
        00:56 review PRB-1
        01:00",
        expect![[r#"
            00:01:10 announced $1/1 p=1.00 minor planned onset=00:10:00 eta=00:30:00 work=announced customers=4000
                  internet in IR-10: planned work from 00:10 UTC to 00:30 UTC, announced by noc: fibre is spliced, CHG-4712
            00:10:00 started $1/2 p=1.00 moderate planned onset=00:10:00 eta=00:30:00 work=started customers=4000
                  internet in IR-10: planned work has started, until 00:30 UTC: fibre is spliced, CHG-4712
            00:12:10 updated $1/3 p=1.00 moderate planned onset=00:10:00 eta=00:30:00 work=started customers=4000
                  internet in IR-10: new evidence; loss at 60 %, expected 0.2 ± 0.1
            00:17:10 updated $1/4 p=1.00 moderate planned onset=00:10:00 eta=00:30:00 work=started customers=4000
                  internet in IR-10: loss at 60 %, expected 0.2 ± 0.1
            00:22:10 updated $1/5 p=1.00 moderate planned onset=00:10:00 eta=00:30:00 work=started customers=4000
                  internet in IR-10: loss at 60 %, expected 0.2 ± 0.1
            00:27:10 updated $1/6 p=1.00 moderate planned onset=00:10:00 eta=00:30:00 work=started customers=4000
                  internet in IR-10: loss at 60 %, expected 0.2 ± 0.1
            00:30:00 overrun $1/7 p=1.00 moderate planned onset=00:10:00 eta=00:30:00 work=overrun noc=paged (page 1 of 5 in 24 hours) customers=4000
                  internet in IR-10: planned work was to be over at 00:30 UTC: it takes longer; loss at 60 %, expected 0.2 ± 0.1
            00:35:00 updated $1/8 p=1.00 moderate planned onset=00:10:00 eta=00:30:00 work=overrun customers=4000
                  internet in IR-10: loss at 60 %, expected 0.2 ± 0.1
            00:40:00 updated $1/9 p=1.00 moderate planned onset=00:10:00 eta=00:30:00 work=overrun customers=4000
                  internet in IR-10: loss at 60 %, expected 0.2 ± 0.1
            00:50:00 ended $1/10 p=1.00 moderate planned onset=00:10:00 eta=00:30:00 over=00:40:00 work=ended customers=4000
                  internet in IR-10: planned work is over: nothing has been abnormal since 00:40 UTC
            00:56:10 reviewed $1/11 p=1.00 moderate planned onset=00:10:00 eta=00:30:00 over=00:40:00 problem=PRB-1 work=ended customers=4000
                  internet in IR-10: reviewed by noc, problem PRB-1
        "#]],
    );
}

#[test]
fn work_is_cancelled_before_it_starts_and_closed_after_that() {
    check(
        "ticks
        00:00
        00:01 plan internet/IR-10 from=00:10 until=00:30
        00:02 close!
        00:03 eta 00:05
        00:03 eta 00:40
        00:04 retract
        00:05 plan tv/IR-10 from=00:06 until=00:30
        00:07 retract $2
        00:08 close! $2
        00:10 plan tv/IR-10 from=00:20 until=00:15
        00:10 plan tv/IR-10 from=00:02 until=00:10
        00:10 plan tv/IR-10 from=3000:00 until=3000:10
        00:12",
        expect![[r#"
            00:01:10 announced $1/1 p=1.00 minor planned onset=00:10:00 eta=00:30:00 work=announced customers=4000
                  internet in IR-10: planned work from 00:10 UTC to 00:30 UTC, announced by noc: fibre is spliced, CHG-4712
                  refused not_allowed: command c4 at log/0@4: incident $1 is announced: work that has not started is retracted
            00:03:10 updated $1/2 p=1.00 minor planned onset=00:10:00 eta=00:40:00 work=announced customers=4000
                  internet in IR-10: expected to be over by 00:40 UTC (noc)
                  refused not_allowed: command c6 at log/0@6: the work would be over before it begins
            00:04:10 cancelled $1/3 p=0.00 minor planned onset=00:10:00 eta=00:40:00 work=cancelled customers=4000
                  internet in IR-10: retracted by noc
            00:05:10 announced $2/1 p=1.00 minor planned onset=00:06:00 eta=00:30:00 work=announced
                  tv in IR-10: planned work from 00:06 UTC to 00:30 UTC, announced by noc: fibre is spliced, CHG-4712
            00:06:00 started $2/2 p=1.00 moderate planned onset=00:06:00 eta=00:30:00 work=started
                  tv in IR-10: planned work has started, until 00:30 UTC: fibre is spliced, CHG-4712
                  refused not_allowed: command c14 at log/0@14: incident $2 is started: work that has started is closed
            00:08:10 ended $2/3 p=1.00 moderate planned onset=00:06:00 eta=00:30:00 over=00:08:10 work=ended
                  tv in IR-10: closed by noc
                  refused not_allowed: command c19 at log/0@19: it ends before it begins
                  refused not_allowed: command c20 at log/0@20: it is over already
                  refused not_allowed: command c21 at log/0@21: it is more than 90 days ahead
        "#]],
    );
}

#[test]
fn what_was_open_before_the_work_stays_an_incident_and_what_is_beside_it_becomes_one() {
    check(
        "ticks
        00:00
        00:01 declare internet/IR-10 severe
        00:02 plan internet+tv/IR-10 from=00:05 until=01:00
        00:10 open a1 tv/IR-10 loss=9 expected=0.2 score=9
        00:12 open a2 internet/IR-23 loss=9 expected=0.2 score=9
        00:15 close! $1
        00:20 open a3 internet/IR-10 errors=9 expected=0.2 score=9
        00:26
        00:30 close! $2
        00:31 open a4 tv/IR-10 loss=80 expected=0.2 score=15
        00:36",
        expect![[r#"
            00:01:10 confirmed $1/1 p=1.00 severe degradation hit=00:01:00 noc=paged (page 1 of 5 in 24 hours) customers=4000
                  internet in IR-10: declared by noc
            00:02:10 announced $2/1 p=1.00 minor planned onset=00:05:00 eta=01:00:00 work=announced customers=4000
                  internet, tv in IR-10: planned work from 00:05 UTC to 01:00 UTC, announced by noc: fibre is spliced, CHG-4712
            00:05:00 started $2/2 p=1.00 moderate planned onset=00:05:00 eta=01:00:00 work=started customers=4000
                  internet, tv in IR-10: planned work has started, until 01:00 UTC: fibre is spliced, CHG-4712
            00:10:10 updated $2/3 p=1.00 moderate planned onset=00:05:00 eta=01:00:00 work=started customers=4000
                  internet, tv in IR-10: new evidence; loss at 9 %, expected 0.2 ± 0.1
            00:13:10 predicted $3/1 p=0.81 moderate degradation onset=00:12:00 noc=paged (page 2 of 5 in 24 hours)
                  internet in IR-23: loss at 9 %, expected 0.2 ± 0.1; onset expected 00:12 UTC
            00:14:00 confirmed $3/2 p=1.00 moderate degradation onset=00:12:00 hit=00:12:00
                  internet in IR-23: customers hit since 00:12 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1
            00:15:10 resolved $1/2 p=1.00 severe degradation hit=00:01:00 over=00:15:10 customers=4000
                  internet in IR-10: closed by noc
            00:15:10 updated $2/4 p=1.00 moderate planned onset=00:05:00 eta=01:00:00 work=started customers=4000
                  internet, tv in IR-10: loss at 9 %, expected 0.2 ± 0.1
            00:19:00 updated $3/3 p=1.00 moderate degradation onset=00:12:00 hit=00:12:00
                  internet in IR-23: loss at 9 %, expected 0.2 ± 0.1
            00:20:10 updated $2/5 p=1.00 moderate planned onset=00:05:00 eta=01:00:00 work=started customers=4000
                  internet, tv in IR-10: new evidence; loss at 9 %, expected 0.2 ± 0.1; errors at 9, expected 0.2 ± 0.1
            00:24:00 updated $3/4 p=1.00 moderate degradation onset=00:12:00 hit=00:12:00
                  internet in IR-23: loss at 9 %, expected 0.2 ± 0.1
            00:25:10 updated $2/6 p=1.00 moderate planned onset=00:05:00 eta=01:00:00 work=started customers=4000
                  internet, tv in IR-10: loss at 9 %, expected 0.2 ± 0.1; errors at 9, expected 0.2 ± 0.1
            00:29:00 updated $3/5 p=1.00 moderate degradation onset=00:12:00 hit=00:12:00
                  internet in IR-23: loss at 9 %, expected 0.2 ± 0.1
            00:30:10 ended $2/7 p=1.00 moderate planned onset=00:05:00 eta=01:00:00 over=00:30:10 work=ended customers=4000
                  internet, tv in IR-10: closed by noc; loss at 9 %, expected 0.2 ± 0.1; errors at 9, expected 0.2 ± 0.1
            00:32:10 predicted $4/1 p=0.90 severe outage onset=00:31:00 noc=paged (page 3 of 5 in 24 hours)
                  tv in IR-10: after planned work $2 (resolved); loss at 80 %, expected 0.2 ± 0.1; onset expected 00:31 UTC
            00:33:00 confirmed $4/2 p=1.00 severe outage onset=00:31:00 hit=00:31:00
                  tv in IR-10: customers hit since 00:31 UTC (loss above 5); loss at 80 %, expected 0.2 ± 0.1
            00:34:00 updated $3/6 p=1.00 moderate degradation onset=00:12:00 hit=00:12:00
                  internet in IR-23: loss at 9 %, expected 0.2 ± 0.1
        "#]],
    );
}
