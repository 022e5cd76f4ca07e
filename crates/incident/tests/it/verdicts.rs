//! What verdicts change of how their scope is judged, and that it ends: by its time, by another word, by being taken back.

use expect_test::{Expect, expect};
use forecall_types::IncidentEvent;

use crate::fixture::{Run, told};

#[allow(
    clippy::needless_pass_by_value,
    reason = "expect! is passed by value in all tests"
)]
fn check(fixture: &str, expect: Expect) {
    expect.assert_eq(&told(fixture));
}

/// Incidents that were opened after the hour `from`, by a run of these lines.
fn opened(fixture: &str, from: i64) -> usize {
    let mut run = Run::new();
    for line in fixture.lines() {
        run.line(line);
    }
    let is_new = |e: &&IncidentEvent| e.incident.revision == 1 && e.incident.opened_at.secs() >= from * 3_600;
    run.events.iter().filter(is_new).count()
}

/// An incident in the first hour with the verdict on it, and the like of it or other trouble later.
fn after(verdict: &str, later: &str) -> usize {
    let first = "ticks
        00:00
        00:05 open a1 internet/IR-10 errors=40 expected=2 score=9
        00:20 move a1 errors=60 score=9
        00:30 close a1
        01:40";
    let from = later.trim_start().split(':').next().unwrap().parse().unwrap();
    opened(&format!("{first}\n{verdict}\n{later}"), from)
}

/// The same as in the first hour, a day later.
const SAME: &str = "24:05 open b1 internet/IR-10 errors=60 expected=2 score=9
        24:20 close b1
        26:00";

#[test]
fn without_a_verdict_the_same_is_told_again() {
    assert_eq!(after("", SAME), 1);
}

#[test]
fn what_was_expected_is_mute_at_its_time_up_to_what_it_was() {
    let verdict = "01:41 verdict expected";
    assert_eq!(after(verdict, SAME), 0);
    let worse = "24:05 open b1 internet/IR-10 errors=61.5 expected=2 score=9\n24:20 close b1\n26:00";
    assert_eq!(
        after(verdict, worse),
        1,
        "it is worse than it was, by more than the noise of 1"
    );
    let noise = "24:05 open b1 internet/IR-10 errors=60.9 expected=2 score=9\n24:20 close b1\n26:00";
    assert_eq!(after(verdict, noise), 0);
    let noon = "36:05 open b1 internet/IR-10 errors=60 expected=2 score=9\n36:20 close b1\n38:00";
    assert_eq!(after(verdict, noon), 1, "at noon nobody expects it");
    let elsewhere = "24:05 open b1 internet/IR-23 errors=60 expected=2 score=9\n24:20 close b1\n26:00";
    assert_eq!(after(verdict, elsewhere), 1, "it was said of the other region");
    let other = "24:05 open b1 internet/IR-10 errors=60 loss=4 expected=2 score=9\n24:20 close b1\n26:00";
    assert_eq!(
        after(verdict, &other.replace("errors=60 ", "")),
        1,
        "another metric"
    );
}

#[test]
fn a_false_alarm_asks_for_what_is_rarer_and_is_surer() {
    let verdict = "01:41 verdict false_alarm";
    assert_eq!(after(verdict, SAME), 0);
    let rarer = SAME.replace("score=9", "score=10.5");
    assert_eq!(after(verdict, &rarer), 1, "ten times rarer than it was");
    // Weak and lasting: without a verdict it is just told.
    let weak = "24:05 open b1 internet/IR-10 latency.errors=60 expected=2 score=7\n24:40 close b1\n26:00";
    assert_eq!(after("", weak), 1);
    assert_eq!(after(verdict, weak), 0, "the prior of the scope is lower");
}

#[test]
fn a_new_normal_is_of_those_series_alone_and_within_their_values() {
    let verdict = "01:41 verdict new_normal";
    assert_eq!(after(verdict, SAME), 0);
    let noon = "36:05 open b1 internet/IR-10 errors=45 expected=2 score=9\n36:20 close b1\n38:00";
    assert_eq!(after(verdict, noon), 0, "at any time of the day");
    let worse = "36:05 open b1 internet/IR-10 errors=65 expected=2 score=9\n36:20 close b1\n38:00";
    assert_eq!(after(verdict, worse), 1);
    let cell = "36:05 open b1 internet/IR-10 errors=45 expected=2 score=9 cell=c7\n36:20 close b1\n38:00";
    assert_eq!(after(verdict, cell), 1, "another series");
}

#[test]
fn what_lies_beyond_an_objective_is_never_mute() {
    let first = "ticks
        00:00
        00:05 open a1 internet/IR-10 loss=9 expected=2 score=9
        00:30 close a1
        01:40";
    let same = "24:05 open b1 internet/IR-10 loss=9 expected=2 score=9\n24:20 close b1\n26:00";
    for verdict in ["expected", "false_alarm", "new_normal"] {
        let run = format!("{first}\n01:41 verdict {verdict}\n{same}");
        assert_eq!(opened(&run, 24), 1, "{verdict}");
    }
}

#[test]
fn it_ends_by_its_time_by_another_word_and_by_being_taken_back() {
    let verdict = "01:41 verdict expected";
    for back in ["withdrawn", "right"] {
        let back = format!("{verdict}\n02:00 verdict {back}");
        assert_eq!(after(&back, SAME), 1, "{back}");
    }
    // 30 days are 720 hours.
    let at = |hour: u32| {
        format!(
            "{hour}:05 open b1 internet/IR-10 errors=60 expected=2 score=9\n{hour}:20 close b1\n{}:00",
            hour + 2
        )
    };
    assert_eq!(after(verdict, &at(696)), 0);
    assert_eq!(after(verdict, &at(744)), 1, "it is over");
    // Said of two incidents of one scope it holds for twice as long.
    let twice = "24:05 declare internet/IR-10 severe\n24:10 close! $2\n24:20 verdict false_alarm $2";
    let week = |hours: u32| at(24 * 7 + hours);
    assert_eq!(
        after("01:41 verdict false_alarm", &week(24)),
        1,
        "7 days have passed"
    );
    assert_eq!(
        after(&format!("01:41 verdict false_alarm\n{twice}"), &week(24)),
        1,
        "nothing was measured of the second"
    );
}

#[test]
fn a_verdict_says_what_it_changes_and_what_it_holds_back() {
    check(
        "ticks
        00:00
        00:05 open a1 internet/IR-10 errors=40 expected=2 score=9
        00:12 verdict expected
        00:14 open a2 internet/IR-10 jitter.errors=7 expected=1 score=9
        00:16 verdict withdrawn
        00:18",
        expect![[r#"
            00:11:10 predicted $1/1 p=0.63 moderate degradation onset=00:41:10 customers=4000
                  internet in IR-10: errors at 40, expected 2 ± 1; onset expected 00:41 UTC
            00:12:10 updated $1/2 p=0.05 moderate degradation onset=00:41:10 customers=4000
                  internet in IR-10: verdict: expected (errors up to 41 won't count here from 23:05 to 06:05 UTC, until 1970-01-31 00:12 UTC); errors at 40 (by the verdict on $1) not counted; onset expected 00:41 UTC
            00:14:10 updated $1/3 p=0.46 moderate degradation onset=00:41:10 customers=4000
                  internet in IR-10: probability 0.0474 -> 0.455; jitter.errors at 7, expected 1 ± 0.5; errors at 40 (by the verdict on $1) not counted; onset expected 00:41 UTC
            00:16:10 updated $1/4 p=0.95 moderate degradation onset=00:41:10 customers=4000
                  internet in IR-10: verdict: withdrawn; errors at 40, expected 2 ± 1; jitter.errors at 7, expected 1 ± 0.5; onset expected 00:41 UTC
        "#]],
    );
}

#[test]
fn the_onset_and_the_end_are_what_people_found_out() {
    check(
        "ticks
        00:00
        00:05 open a1 internet/IR-10 errors=40 expected=2 score=9
        00:12 verdict right onset=00:05
        00:20 close a1
        00:40
        00:41 verdict right onset=00:04 ended=00:20
        00:42 verdict right onset=00:21 ended=00:20
        00:43 verdict false_alarm onset=00:10
        00:44 verdict right onset=00:50
        00:46",
        expect![[r#"
            00:11:10 predicted $1/1 p=0.63 moderate degradation onset=00:41:10 customers=4000
                  internet in IR-10: errors at 40, expected 2 ± 1; onset expected 00:41 UTC
                  refused not_allowed: feedback f14 at log/0@14: it is predicted: declare it, if customers are hit
            00:16:10 updated $1/2 p=0.73 moderate degradation onset=00:41:10 customers=4000
                  internet in IR-10: errors at 40, expected 2 ± 1; onset expected 00:41 UTC
            00:20:10 updated $1/3 p=0.05 moderate degradation onset=00:41:10 customers=4000
                  internet in IR-10: probability 0.731 -> 0.0474; onset expected 00:41 UTC
            00:25:10 expired $1/4 p=0.05 moderate degradation onset=00:41:10 customers=4000
                  internet in IR-10: evidence gone since 00:20 UTC
            00:41:10 updated $1/5 p=0.05 moderate degradation onset=00:41:10 hit=00:04:00 over=00:20:00 customers=4000
                  internet in IR-10: verdict: right, customers hit since 00:04 UTC, over at 00:20 UTC (predictions here are 0.25 more sure in log-odds, until 1970-01-15 00:41 UTC)
                  refused not_allowed: feedback f47 at log/0@47: the onset is after the end
                  refused not_allowed: feedback f49 at log/0@49: where there was no trouble there is no onset and no end
                  refused not_allowed: feedback f51 at log/0@51: the onset or the end given is after the verdict
        "#]],
    );
}
