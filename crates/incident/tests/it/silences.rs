//! Silences: what they hold back, and what they don't.

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
fn what_is_silenced_opens_and_pages_nobody_until_the_silence_is_over() {
    check(
        "ticks
        00:00
        00:00 silence until=00:20 services=internet id=s1
        00:05 open a1 internet/IR-10 loss=9 expected=0.2 score=9
        00:21 move a1 loss=9 score=9
        00:25",
        expect![[r#"
            00:06:10 predicted $1/1 p=0.81 moderate degradation onset=00:05:00 silenced=s1 noc=held_back (silenced until 00:20 UTC by noc: the rack is moved) customers=4000
                  internet in IR-10: loss at 9 %, expected 0.2 ± 0.1; onset expected 00:05 UTC
            00:07:00 confirmed $1/2 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 silenced=s1 customers=4000
                  internet in IR-10: customers hit since 00:05 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1
            00:12:00 updated $1/3 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 silenced=s1 customers=4000
                  internet in IR-10: loss at 9 %, expected 0.2 ± 0.1
            00:17:00 updated $1/4 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 silenced=s1 customers=4000
                  internet in IR-10: loss at 9 %, expected 0.2 ± 0.1
            00:20:00 updated $1/5 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 noc=paged (page 1 of 5 in 24 hours) customers=4000
                  internet in IR-10: no longer silenced; loss at 9 %, expected 0.2 ± 0.1
            00:25:00 updated $1/6 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 customers=4000
                  internet in IR-10: loss at 9 %, expected 0.2 ± 0.1
        "#]],
    );
}

#[test]
fn a_word_ends_a_silence_and_puts_an_open_incident_under_one() {
    check(
        "ticks
        00:00
        00:01 declare tv/IR-10 severe
        00:03 silence until=12:00 services=t* regions=IR-10 id=s1
        00:05 unsilence s1
        00:06 unsilence s1
        00:08",
        expect![[r#"
            00:01:10 confirmed $1/1 p=1.00 severe degradation hit=00:01:00 noc=paged (page 1 of 5 in 24 hours)
                  tv in IR-10: declared by noc
            00:03:10 updated $1/2 p=1.00 severe degradation hit=00:01:00 silenced=s1
                  tv in IR-10: silenced until 12:00 UTC by noc: the rack is moved
            00:05:10 updated $1/3 p=1.00 severe degradation hit=00:01:00
                  tv in IR-10: no longer silenced
                  refused not_allowed: command c10 at log/0@10: no silence s1 is in force
        "#]],
    );
}

#[test]
fn a_silence_covers_all_of_an_incident_or_nothing() {
    check(
        "ticks
        00:00
        00:00 silence until=12:00 regions=IR-10 cell.id=c1* metrics=loss id=s1
        00:01 silence until=02:00 regions=IR-10 cell.id=c1* id=s2
        00:05 open a1 internet/IR-10 loss=9 expected=0.2 score=9 cell=c12
        00:10 open a2 internet/IR-10 errors=9 expected=0.2 score=9 cell=c12
        00:15 open a3 internet/IR-10 errors=9 expected=0.2 score=9 cell=c2
        00:20",
        expect![[r#"
            00:06:10 predicted $1/1 p=0.81 moderate degradation onset=00:05:00 silenced=s1 noc=held_back (silenced until 12:00 UTC by noc: the rack is moved) elements=c12 customers=4000
                  internet in IR-10: loss at 9 %, expected 0.2 ± 0.1; onset expected 00:05 UTC
            00:07:00 confirmed $1/2 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 silenced=s1 elements=c12 customers=4000
                  internet in IR-10: customers hit since 00:05 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1
            00:10:10 updated $1/3 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 silenced=s2 noc=held_back (silenced until 02:00 UTC by noc: the rack is moved) elements=c12 customers=4000
                  internet in IR-10: silenced until 02:00 UTC by noc: the rack is moved; loss at 9 %, expected 0.2 ± 0.1; errors at 9, expected 0.2 ± 0.1
            00:15:10 updated $1/4 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 noc=paged (page 1 of 5 in 24 hours) elements=c12,c2 customers=4000
                  internet in IR-10: no longer silenced; loss at 9 %, expected 0.2 ± 0.1; errors at 9, expected 0.2 ± 0.1; errors at 9, expected 0.2 ± 0.1
        "#]],
    );
}

#[test]
fn silences_that_cannot_be_are_refused() {
    check(
        "ticks
        00:00
        00:09 declare tv/IR-10 severe
        00:10 silence until=00:10 services=tv id=s1
        00:10 silence until=960:00 services=tv id=s2
        00:10 silence until=01:00 id=s3
        00:12",
        expect![[r#"
            00:09:10 confirmed $1/1 p=1.00 severe degradation hit=00:09:00 noc=paged (page 1 of 5 in 24 hours)
                  tv in IR-10: declared by noc
                  refused not_allowed: command s1 at log/0@12: it is over already
                  refused not_allowed: command s2 at log/0@13: it lasts more than 30 days
                  refused not_allowed: command s3 at log/0@14: it says nothing of what is to be silent
        "#]],
    );
}

#[test]
fn nobody_is_called_when_a_silence_ends_and_customers_are_not_hit_any_more() {
    check(
        "ticks
        00:00 silence until=00:20 services=internet id=s1
        00:05 open a1 internet/IR-10 loss=9 expected=0.2 score=9
        00:18 move a1 internet/IR-10 loss=0.4 expected=0.2 score=3
        00:22
        00:23 move a1 internet/IR-10 loss=8 expected=0.2 score=9
        00:30",
        expect![[r#"
            00:06:10 predicted $1/1 p=0.81 moderate degradation onset=00:05:00 silenced=s1 noc=held_back (silenced until 00:20 UTC by noc: the rack is moved) customers=4000
                  internet in IR-10: loss at 9 %, expected 0.2 ± 0.1; onset expected 00:05 UTC
            00:07:00 confirmed $1/2 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 silenced=s1 customers=4000
                  internet in IR-10: customers hit since 00:05 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1
            00:12:00 updated $1/3 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 silenced=s1 customers=4000
                  internet in IR-10: loss at 9 %, expected 0.2 ± 0.1
            00:17:00 updated $1/4 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 silenced=s1 customers=4000
                  internet in IR-10: loss at 9 %, expected 0.2 ± 0.1
            00:20:00 updated $1/5 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 noc=held_back (what hit customers has passed) customers=4000
                  internet in IR-10: no longer silenced; loss at 0.4 %, expected 0.2 ± 0.1
            00:25:00 updated $1/6 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 noc=paged (page 1 of 5 in 24 hours) customers=4000
                  internet in IR-10: loss at 8 %, expected 0.2 ± 0.1
            00:30:00 updated $1/7 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 customers=4000
                  internet in IR-10: loss at 8 %, expected 0.2 ± 0.1
        "#]],
    );
}

#[test]
fn what_has_an_objective_hits_customers_beyond_it_however_unusual_it_is_within() {
    check(
        "ticks
        00:05 open a1 internet/IR-10 loss=4.5 expected=0.2 score=19
        00:40",
        expect![[r#"
            00:06:10 predicted $1/1 p=0.63 moderate degradation onset=00:36:10 noc=paged (page 1 of 5 in 24 hours) customers=4000
                  internet in IR-10: loss at 4.5 %, expected 0.2 ± 0.1; onset expected 00:36 UTC
            00:10:10 updated $1/2 p=0.73 moderate degradation onset=00:36:10 customers=4000
                  internet in IR-10: probability 0.632 -> 0.735; loss at 4.5 %, expected 0.2 ± 0.1; onset expected 00:36 UTC
            00:15:10 updated $1/3 p=0.83 moderate degradation onset=00:36:10 customers=4000
                  internet in IR-10: loss at 4.5 %, expected 0.2 ± 0.1; onset expected 00:36 UTC
            00:20:10 updated $1/4 p=0.83 moderate degradation onset=00:36:10 customers=4000
                  internet in IR-10: loss at 4.5 %, expected 0.2 ± 0.1; onset expected 00:36 UTC
            00:25:10 updated $1/5 p=0.83 moderate degradation onset=00:36:10 customers=4000
                  internet in IR-10: loss at 4.5 %, expected 0.2 ± 0.1; onset expected 00:36 UTC
            00:30:10 updated $1/6 p=0.83 moderate degradation onset=00:36:10 customers=4000
                  internet in IR-10: loss at 4.5 %, expected 0.2 ± 0.1; onset expected 00:36 UTC
            00:35:10 updated $1/7 p=0.83 moderate degradation onset=00:36:10 customers=4000
                  internet in IR-10: loss at 4.5 %, expected 0.2 ± 0.1; onset expected 00:36 UTC
        "#]],
    );
}
