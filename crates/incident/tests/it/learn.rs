//! What came of predictions is counted, each once, and learnt from where that is wanted.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use forecall_incident::{CorrelateStage, IncidentTunables, LearntHealth};
use forecall_stage::Stage;
use forecall_types::IncidentChange;

use crate::fixture::{Run, settings_with};

fn learnt(fixture: &str) -> LearntHealth {
    let mut run = Run::new();
    for line in fixture.lines() {
        run.line(line);
    }
    run.stage.health().learnt
}

fn check(fixture: &str, expected: Expect) {
    let learnt = learnt(fixture);
    let mut text = String::new();
    for (i, bin) in learnt.bins.iter().enumerate() {
        if bin.came + bin.stayed_away > 0 {
            writeln!(
                text,
                "from 0.{i}: {} came, {} stayed away",
                bin.came, bin.stayed_away
            )
            .unwrap();
        }
    }
    writeln!(
        text,
        "{} unknown, {} waiting; {} outcomes, {} watched",
        learnt.unknown, learnt.waiting, learnt.outcomes, learnt.watches
    )
    .unwrap();
    expected.assert_eq(&text);
}

const RAMP: &str = "ticks
    00:00
    00:01 open a1 internet/IR-10 loss=1.0 expected=0.2 score=5 slope=0.003
    00:03 move a1 loss=1.5 score=7
    00:05 move a1 loss=2.2 score=9
    00:14 move a1 loss=5.5
    00:20 close a1 loss=0.2
    ";
const DECOY: &str = "ticks
    00:00
    00:01 open a1 internet/IR-10 cpu=0.99 expected=0.4 score=12
    00:02 open a2 internet/IR-10 queue=900 expected=100 score=10
    00:10 close a1
    00:11 close a2
    ";

#[test]
fn a_prediction_that_is_confirmed_has_come() {
    check(
        RAMP,
        expect![[r#"
        from 0.7: 1 came, 0 stayed away
        0 unknown, 0 waiting; 2 outcomes, 0 watched
    "#]],
    );
}

#[test]
fn one_that_ends_early_may_still_come_until_its_time_is_over() {
    check(
        &format!("{DECOY}00:30"),
        expect![[r#"
        0 unknown, 1 waiting; 0 outcomes, 1 watched
    "#]],
    );
    check(
        &format!("{DECOY}01:10"),
        expect![[r#"
            from 0.7: 0 came, 1 stayed away
            0 unknown, 0 waiting; 2 outcomes, 0 watched
        "#]],
    );
    // Another trouble of the scope, told by its own incident, within the time.
    let later = "00:40 open a3 internet/IR-10 loss=9 expected=0.2 score=9
        00:50";
    check(
        &format!("{DECOY}{later}"),
        expect![[r#"
        from 0.7: 1 came, 0 stayed away
        from 0.8: 1 came, 0 stayed away
        0 unknown, 0 waiting; 3 outcomes, 0 watched
    "#]],
    );
}

#[test]
fn what_a_person_declares_has_come_for_the_incident_that_held_the_scope_and_for_none_else() {
    check(
        &format!("{DECOY}00:12 declare internet+tv/IR-10 severe\n00:13"),
        expect![[r#"
        from 0.7: 1 came, 0 stayed away
        0 unknown, 0 waiting; 2 outcomes, 0 watched
    "#]],
    );
    check(
        &format!("{DECOY}00:12 declare internet/IR-23 severe\n00:13"),
        expect![[r#"
        0 unknown, 1 waiting; 0 outcomes, 1 watched
    "#]],
    );
}

#[test]
fn nobody_knows_what_would_have_come_where_somebody_acted() {
    check(
        &format!("{DECOY}00:12 step team_on_site\n01:10"),
        expect![[r#"
        1 unknown, 0 waiting; 0 outcomes, 0 watched
    "#]],
    );
}

#[test]
fn a_false_alarm_has_not_come_whenever_it_is_said() {
    check(
        &format!("{DECOY}00:12 verdict false_alarm\n00:13"),
        expect![[r#"
            from 0.7: 0 came, 1 stayed away
            0 unknown, 0 waiting; 1 outcomes, 1 watched
        "#]],
    );
    check(
        &format!("{RAMP}00:40 verdict false_alarm\n00:41 verdict false_alarm\n00:42"),
        expect![[r#"
        from 0.7: 0 came, 1 stayed away
        0 unknown, 0 waiting; 3 outcomes, 0 watched
    "#]],
    );
}

#[test]
fn a_scope_that_is_hit_without_a_prediction_is_learnt_from_all_the_same() {
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 loss=9 expected=0.2 score=3
        00:05",
        expect![[r#"
            0 unknown, 0 waiting; 1 outcomes, 0 watched
        "#]],
    );
}

/// The same decoy so many times, a quarter of a day apart, then asked what it was first told with.
fn decoys(learn: bool, count: i64) -> Vec<f64> {
    let tunables = IncidentTunables {
        learn,
        ..IncidentTunables::default()
    };
    let mut run = Run::new();
    run.stage = CorrelateStage::new(settings_with(tunables));
    run.line("ticks");
    run.line("00:00");
    for i in 0..count {
        let hour = i * 6;
        run.line(&format!(
            "{hour}:01 open c{i} internet/IR-10 cpu=0.99 expected=0.4 score=12"
        ));
        run.line(&format!(
            "{hour}:02 open q{i} internet/IR-10 queue=900 expected=100 score=10"
        ));
        run.line(&format!("{hour}:20 close c{i}"));
        run.line(&format!("{hour}:21 close q{i}"));
    }
    run.line(&format!("{}:00", count * 6));
    let predicted = run
        .events
        .iter()
        .filter(|e| e.change == IncidentChange::Predicted);
    predicted.map(|e| e.incident.probability.get()).collect()
}

#[test]
fn what_never_comes_is_told_less_and_less_and_then_no_more() {
    let (told, always) = (decoys(true, 60), decoys(false, 60));
    assert_eq!(always.len(), 60, "without learning each is told alike");
    assert!(told.len() > 2 && told.len() < 40, "{}", told.len());
    let steps = told.windows(2).map(|two| (two[0] - two[1]).abs());
    assert!(steps.fold(0.0, f64::max) < 0.08, "{told:?}");
}

#[test]
fn what_was_learnt_survives_a_restart_to_the_bit() {
    let mut run = Run::new();
    for line in format!("{RAMP}02:00").lines() {
        run.line(line);
    }
    let bytes = run.stage.save().unwrap();
    let again = CorrelateStage::load(settings_with(IncidentTunables::default()), &bytes).unwrap();
    assert_eq!(again.health(), run.stage.health());
    assert_eq!(again.save().unwrap(), bytes);
    assert!(run.stage.health().learnt.outcomes > 0);
}
