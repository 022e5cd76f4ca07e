use expect_test::expect;
use forecall_journey::{JourneyStage, JourneyTunables};
use forecall_stage::Stage;

use crate::fixture::{Run, check, settings};

const PAID: &str = "paid: paid > active/600";

/// From minute to minute six customers of a region pay; those from `broken` to `mended` wait in vain.
fn lines(minutes: u32, broken: u32, mended: u32, region: &str) -> Vec<(u32, String)> {
    let clock = |s: u32| format!("{:02}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60);
    let mut lines = Vec::new();
    for minute in 0..minutes {
        for i in 0..6 {
            let at = minute * 60 + i * 10;
            lines.push((at, format!("{} {region}{at} paid packages/{region}", clock(at))));
            if !(broken..mended).contains(&minute) {
                lines.push((at + 30, format!("{} {region}{at} active", clock(at + 30))));
            }
        }
    }
    lines.sort();
    lines
}

fn run(lines: &[(u32, String)]) -> Run {
    let mut run = Run::new(settings(&[PAID], JourneyTunables::default()));
    for (_, line) in lines {
        run.line(line);
    }
    run
}

#[test]
fn many_that_fail_alike_are_one_wave() {
    let mut all = lines(90, 30, 50, "IR-10");
    all.extend(lines(90, 90, 90, "IR-23"));
    all.sort();
    let run = run(&all);
    expect![[r#"
        00:40:00 IR-101800 paid step 0 absent since 00:30:00 packages/IR-10
        00:40:10 IR-101810 paid step 0 absent since 00:30:10 packages/IR-10
        00:40:20 IR-101820 paid step 0 absent since 00:30:20 packages/IR-10
        00:40:30 IR-101830 paid step 0 absent since 00:30:30 packages/IR-10
        00:40:40 IR-101840 paid step 0 absent since 00:30:40 packages/IR-10
        00:40:50 IR-101850 paid step 0 absent since 00:30:50 packages/IR-10
        00:41:00 IR-101860 paid step 0 absent since 00:31:00 packages/IR-10
        00:41:10 IR-101870 paid step 0 absent since 00:31:10 packages/IR-10
        00:41:20 IR-101880 paid step 0 absent since 00:31:20 packages/IR-10
        00:41:30 WAVE opened r1 paid step 0 packages/IR-10 from 00:39:00: 10 of 16 due, usual 0.009, score 16.8, withheld 1
        00:43:00 WAVE updated r2 paid step 0 packages/IR-10 from 00:39:00: 19 of 55 due, usual 0.009, score 20.0, withheld 10
        00:44:40 WAVE updated r3 paid step 0 packages/IR-10 from 00:39:00: 29 of 59 due, usual 0.009, score 20.0, withheld 20
        00:48:00 WAVE updated r4 paid step 0 packages/IR-10 from 00:39:00: 49 of 55 due, usual 0.009, score 20.0, withheld 40
        00:54:40 WAVE updated r5 paid step 0 packages/IR-10 from 00:39:00: 59 of 59 due, usual 0.009, score 20.0, withheld 80
        01:10:00 WAVE closed r6 paid step 0 packages/IR-10 from 00:39:00: 0 of 60 due, usual 0.009, score 0.0, withheld 111"#]].assert_eq(&run.told.join("\n"));
}

#[test]
fn where_thousands_are_due_few_are_told_by_themselves() {
    let mut text = String::new();
    for i in 0..20_000 {
        text += &format!("00:{:02}:{:02} c{i} paid\n", i / 1_000, i % 1_000 * 60 / 1_000);
        if i < 10_000 {
            text += &format!("00:{:02}:{:02} c{i} active\n", i / 1_000, i % 1_000 * 60 / 1_000);
        }
    }
    let mut run = Run::new(settings(&[PAID], JourneyTunables::default()));
    run.lines(&text);
    run.line("00:50:00 tick");
    let singles = run.told.iter().filter(|line| line.contains("absent")).count();
    let withheld = run.told.last().unwrap();
    assert_eq!(singles, 9);
    assert!(
        withheld.contains("closed") && withheld.ends_with("withheld 9991"),
        "{withheld}"
    );
}

#[test]
fn a_wave_goes_on_after_a_restart() {
    let all = lines(90, 30, 50, "IR-10");
    let whole = run(&all).told;
    for cut in [100, 400, 450, 600, 640, 700] {
        let mut run = run(&all[..cut]);
        run.stage = JourneyStage::load(
            settings(&[PAID], JourneyTunables::default()),
            &run.stage.save().unwrap(),
        )
        .unwrap();
        for (_, line) in &all[cut..] {
            run.line(line);
        }
        assert_eq!(run.told, whole, "{cut}");
    }
}

#[test]
fn one_customer_is_no_wave() {
    let mut text = String::new();
    for i in 0..40 {
        text += &format!("00:{i:02} ali paid #{}\n", i + 1);
    }
    text += "30:00 tick";
    let tunables = JourneyTunables {
        open_customer_max: 100,
        ..JourneyTunables::default()
    };
    let mut run = Run::new(settings(&["paid: paid > active/600 by_key"], tunables));
    run.lines(&text);
    assert_eq!(run.told.len(), 40);
    assert!(
        run.told.iter().all(|line| line.contains("absent")),
        "{:?}",
        run.told
    );
}

#[test]
fn what_is_usual_is_no_wave() {
    // Half of all fail from the beginning, as declared.
    let mut all: Vec<(u32, String)> = lines(60, 60, 60, "IR-10");
    all.retain(|(at, line)| !line.ends_with("active") || at % 20 == 10);
    let mut run = Run::new(settings(
        &["paid: paid > active/600 usual 0.5"],
        JourneyTunables::default(),
    ));
    for (_, line) in &all {
        run.line(line);
    }
    assert!(run.told.len() > 100 && !run.told.iter().any(|line| line.contains("WAVE")));
}

#[test]
fn a_wave_that_stays_becomes_usual() {
    let mut tunables = JourneyTunables::default();
    tunables.waves.hours_max = 1;
    let mut run = Run::new(settings(&[PAID], tunables));
    for (_, line) in lines(300, 30, 300, "IR-10") {
        run.line(&line);
    }
    let waves: Vec<&String> = run.told.iter().filter(|line| line.contains("WAVE")).collect();
    assert!(
        waves.iter().filter(|line| line.contains("opened")).count() == 1,
        "{waves:#?}"
    );
    assert!(
        waves.last().is_some_and(|line| line.contains("closed")),
        "{waves:#?}"
    );
}

#[test]
fn a_wave_of_a_rule_that_is_gone_is_closed() {
    let all = lines(45, 30, 60, "IR-10");
    let mut run = run(&all);
    run.stage = JourneyStage::load(
        settings(&[], JourneyTunables::default()),
        &run.stage.save().unwrap(),
    )
    .unwrap();
    run.told.clear();
    run.line("46:00 tick");
    expect![[r#"
        00:44:00 WAVE closed r3 paid step 0 packages/IR-10 from 00:39:00: 0 of 0 due, usual 0.009, score 0.0, withheld 14
        refused not_allowed: 60 open journeys are of rules or steps that are gone: nothing is told of them"#]].assert_eq(&run.told.join("\n"));
}

#[test]
fn calls_after_the_help_page_are_a_wave_at_once() {
    let mut text = String::new();
    for i in 0..40 {
        text += &format!("00:{i:02} c{i} help tv/IR-10\n");
    }
    for i in 0..20 {
        text += &format!("01:{i:02} c{i} call\n");
    }
    text += "05:00 tick\n07:00 tick\n40:00 tick";
    let rule = "stuck: help fails_on call watch 600";
    check(
        &[rule],
        JourneyTunables::default(),
        &text,
        expect![[r#"
        00:01:00 c0 stuck step 0 struck since 00:00:00 tv/IR-10
        00:01:01 c1 stuck step 0 struck since 00:00:01 tv/IR-10
        00:01:02 c2 stuck step 0 struck since 00:00:02 tv/IR-10
        00:01:03 c3 stuck step 0 struck since 00:00:03 tv/IR-10
        00:01:04 c4 stuck step 0 struck since 00:00:04 tv/IR-10
        00:01:05 c5 stuck step 0 struck since 00:00:05 tv/IR-10
        00:01:06 c6 stuck step 0 struck since 00:00:06 tv/IR-10
        00:01:07 c7 stuck step 0 struck since 00:00:07 tv/IR-10
        00:01:08 c8 stuck step 0 struck since 00:00:08 tv/IR-10
        00:01:09 WAVE opened r1 stuck step 0 tv/IR-10 from 00:-8:00: 10 of 10 due, usual 0.020, score 17.0, withheld 1
        00:01:18 WAVE updated r2 stuck step 0 tv/IR-10 from 00:-8:00: 19 of 19 due, usual 0.020, score 20.0, withheld 10
        00:12:00 WAVE closed r3 stuck step 0 tv/IR-10 from 00:-8:00: 0 of 20 due, usual 0.020, score 0.0, withheld 11"#]],
    );
}
