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
        expect![[r#"
            00:06:10 predicted $1/1 p=0.63 moderate degradation onset=00:05:00 noc=paged (page 1 of 5 in 24 hours) customers=4000
                  internet, tv in IR-10: loss at 9 %, expected 0.2 ± 0.1; cause likely access (100 % of it); onset expected 00:05 UTC
            00:07:00 confirmed $1/2 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 by=supplier customers=4000
                  internet, tv in IR-10: responsibility supplier: as access has it; customers hit since 00:05 UTC (loss above 5); loss at 9 %, expected 0.2 ± 0.1; cause likely access (100 % of it)
            00:10:10 updated $1/3 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 phase=acknowledged by=supplier customers=4000
                  internet, tv in IR-10: acknowledged by noc; loss at 9 %, expected 0.2 ± 0.1; cause likely access (100 % of it)
            00:11:10 split $2/1 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 phase=acknowledged by=supplier
                  tv in IR-10: split from $1 by noc; loss at 9 %, expected 0.2 ± 0.1; cause likely access (100 % of it)
            00:11:10 updated $1/4 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 phase=acknowledged by=supplier customers=4000
                  internet in IR-10: tv in IR-10 is split from it by noc, as $2; loss at 9 %, expected 0.2 ± 0.1; cause likely access (100 % of it)
                  refused not_allowed: command c16 at log/0@16: it doesn't touch tv
                  refused not_allowed: command c18 at log/0@18: it doesn't touch internet
            00:14:10 updated $2/2 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 phase=acknowledged by=supplier
                  tv in IR-10: new evidence; loss at 9 %, expected 0.2 ± 0.1; loss at 9 %, expected 0.2 ± 0.1; cause likely access (67 % of it)
            00:19:10 updated $2/3 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 phase=acknowledged by=supplier
                  tv in IR-10: loss at 9 %, expected 0.2 ± 0.1; cause likely access (67 % of it)
            00:24:10 updated $2/4 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 phase=acknowledged by=supplier
                  tv in IR-10: loss at 9 %, expected 0.2 ± 0.1; cause likely access (67 % of it)
            00:25:00 resolved $1/5 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 over=00:15:00 by=supplier customers=4000
                  internet in IR-10: all evidence gone since 00:15 UTC; cause likely access (100 % of it)
            00:29:10 updated $2/5 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 phase=acknowledged by=supplier
                  tv in IR-10: loss at 9 %, expected 0.2 ± 0.1; cause likely access (67 % of it)
            00:34:10 updated $2/6 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 phase=acknowledged by=supplier
                  tv in IR-10: loss at 9 %, expected 0.2 ± 0.1; cause likely access (67 % of it)
            00:39:10 updated $2/7 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 phase=acknowledged by=supplier
                  tv in IR-10: loss at 9 %, expected 0.2 ± 0.1; cause likely access (67 % of it)
            00:50:00 resolved $2/8 p=1.00 moderate degradation onset=00:05:00 hit=00:05:00 over=00:40:00 by=supplier
                  tv in IR-10: all evidence gone since 00:40 UTC; cause likely access (67 % of it)
        "#]],
    );
}
