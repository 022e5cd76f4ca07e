//! A part of an incident that turns out to be trouble of its own.

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
fn a_part_goes_on_by_its_own_evidence_and_pages_nobody_anew() {
    check(
        "ticks
        00:00
        00:05 open a1 access/IR-10 loss=9 expected=0.2 score=9
        00:10 ack $1
        00:11 split services=tv $1
        00:12 split services=tv $1
        00:13 split services=internet regions=IR-10 $2
        00:14 open a2 tv/IR-10 loss=9 expected=0.2 score=9
        00:15 close a1
        00:40 close a2
        00:55",
        expect![[r#""#]],
    );
}
