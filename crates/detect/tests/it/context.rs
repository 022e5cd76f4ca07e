//! What was announced: it widens bands, keeps maintenance still, and reaches every partition.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use forecall_detect::{DetectSettings, DetectStage, RekeyOutput, RekeySettings, RekeyStage};
use forecall_stage::{Effects, Pulse, Stage};
use forecall_types::{
    Anomaly, AnomalyState, Channel, ContextKind, ContextParts, ContextRecord, EventTime, Reading,
    RejectReason, SampleBatch, SamplesRecord, SourceTopic,
};
use proptest::prelude::*;

use super::{anomalies, domain, key, noise, record, run, source, stage};

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;

fn context(kind: ContextKind, id: &str, (from, until): (i64, i64), service: &str) -> ContextRecord {
    ContextRecord::new(ContextParts {
        kind,
        id: id.to_owned(),
        from: EventTime::from_secs(from),
        until: EventTime::from_secs(until),
        matches: BTreeMap::from([("service.name".to_owned(), service.to_owned())]),
        title: None,
    })
    .unwrap()
}

/// A record that announces, as it comes from a source of its own.
fn announced(at: i64, contexts: Vec<ContextRecord>) -> SamplesRecord {
    let mut announced = record(at, at, &[]);
    announced.origin.topic = Arc::from("changes");
    announced.contexts = contexts;
    announced
}

/// A sample every ten seconds: noise of ±5 about 100, and what `more` adds.
fn latency(seconds: std::ops::Range<i64>, more: impl Fn(i64) -> f64) -> Vec<SamplesRecord> {
    seconds
        .step_by(10)
        .map(|at| {
            let value = 100.0 + 5.0 * noise(at.unsigned_abs()) + more(at);
            record(
                at,
                at,
                &[(key("latency", "ms", "shop"), at, Reading::Gauge(value))],
            )
        })
        .collect()
}

/// Opened and closed anomalies, a line each.
fn lines(told: &[&Anomaly]) -> String {
    let mut text = String::new();
    for a in told.iter().filter(|a| a.state != AnomalyState::Updated) {
        let state = if a.state == AnomalyState::Opened {
            "opened"
        } else {
            "closed"
        };
        let ids: Vec<&str> = a.context.iter().map(|c| &*c.id).collect();
        let channel = a.channel.as_str();
        writeln!(text, "{} {state} {channel} [{}]", a.at.secs(), ids.join(" ")).unwrap();
    }
    text
}

fn told(before: &[SamplesRecord], records: &[SamplesRecord]) -> String {
    let mut stage = stage(DetectSettings::default());
    let (_, rejects) = run(&mut stage, before);
    assert!(rejects.is_empty(), "{rejects:?}");
    let (outputs, rejects) = run(&mut stage, records);
    assert!(rejects.is_empty(), "{rejects:?}");
    lines(&anomalies(&outputs))
}

/// A whole day has been seen: levels are trusted from then on.
const T0: i64 = 27 * HOUR;
const STEP_AT: i64 = T0 + 5 * MINUTE;

/// A level that moves five minutes into a deployment of fifteen, and stays.
fn stepped(by: f64, until: i64) -> Vec<SamplesRecord> {
    latency(0..until, move |at| if at >= STEP_AT { by } else { 0.0 })
}

fn deployment() -> SamplesRecord {
    let times = (T0, T0 + 15 * MINUTE);
    announced(0, vec![context(ContextKind::Deployment, "d1", times, "sh*")])
}

#[test]
fn a_step_below_the_widened_band_is_not_told_and_is_the_new_normal_soon() {
    let records = stepped(16.0, T0 + 9 * HOUR);
    let without = told(&[], &records);
    assert!(
        without.contains("opened"),
        "it is told where nothing was announced: {without}"
    );
    assert_eq!(told(&[deployment()], &records), "");

    // Of another service nothing was announced.
    let times = (T0, T0 + 15 * MINUTE);
    let other = announced(0, vec![context(ContextKind::Deployment, "d1", times, "cart")]);
    assert_eq!(told(&[other], &stepped(16.0, T0 + 9 * HOUR)), without);
    // Nor is another domain's announcement one.
    let mut foreign = deployment();
    foreign.domain = forecall_types::DomainName::new("other").unwrap();
    assert_eq!(told(&[foreign], &stepped(16.0, T0 + 9 * HOUR)), without);
}

#[test]
fn a_step_far_beyond_the_widened_band_is_told_with_what_was_announced() {
    let records = stepped(400.0, T0 + 2 * HOUR);
    let said = told(&[deployment()], &records);
    let first = said.lines().next().unwrap_or_default();
    assert!(first.contains("opened") && first.ends_with("[d1]"), "{said}");
    let at: i64 = first.split(' ').next().unwrap().parse().unwrap();
    assert!((STEP_AT..STEP_AT + MINUTE).contains(&at), "{said}");
    // What was told is no new normal after half an hour: it goes on.
    assert!(!said.contains("closed"), "{said}");
}

#[test]
fn what_comes_after_a_deployment_is_judged_as_ever() {
    let late = |at: i64| if at >= T0 + 20 * MINUTE { 16.0 } else { 0.0 };
    let records = latency(0..T0 + 2 * HOUR, late);
    let without = told(&[], &records);
    assert!(without.contains("opened"), "{without}");
    assert_eq!(told(&[deployment()], &records), without);
}

#[test]
fn a_deployment_that_is_ended_or_replaced_widens_no_more() {
    let records = stepped(16.0, T0 + HOUR);
    let again = |from: i64, until: i64| {
        announced(
            1,
            vec![context(ContextKind::Deployment, "d1", (from, until), "shop")],
        )
    };
    let without = told(&[], &records);
    for (from, until) in [(0, 10), (T0, T0), (T0, T0 + 2 * MINUTE)] {
        assert_eq!(
            told(&[deployment(), again(from, until)], &records),
            without,
            "{from} {until}"
        );
    }
    assert_ne!(told(&[deployment(), again(T0, T0 + HOUR)], &records), without);
}

#[test]
fn within_maintenance_nothing_opens_and_what_is_open_goes_on_and_closes() {
    let work = |from, until| {
        announced(
            0,
            vec![context(ContextKind::Maintenance, "m1", (from, until), "shop")],
        )
    };
    let fault = |at: i64| {
        if (T0..T0 + 30 * MINUTE).contains(&at) {
            400.0
        } else {
            0.0
        }
    };
    let records = latency(0..T0 + 3 * HOUR, fault);
    let without = told(&[], &records);
    assert!(without.contains("opened"), "{without}");
    assert_eq!(told(&[work(T0, T0 + HOUR)], &records), "");

    // It is opened before, and closes within.
    let said = told(&[work(T0 + 10 * MINUTE, T0 + 2 * HOUR)], &records);
    assert_eq!(said.lines().count(), 2, "{said}");
    let plain = |text: &str| text.replace("[m1]", "[]");
    let first_life: Vec<String> = without.lines().take(2).map(plain).collect();
    assert_eq!(said.lines().map(plain).collect::<Vec<_>>(), first_life);
    let ends: Vec<bool> = said.lines().map(|line| line.ends_with(" [m1]")).collect();
    assert_eq!(ends, [false, true], "{said}");

    // What is left when it is over is told then.
    let said = told(&[work(T0, T0 + 10 * MINUTE)], &records);
    let at: i64 = said.split(' ').next().unwrap().parse().unwrap();
    assert!((T0 + 10 * MINUTE..T0 + 12 * MINUTE).contains(&at), "{said}");
}

/// One who falls silent from `from` to `until`, beside one who goes on.
fn silent(seconds: std::ops::Range<i64>, gaps: &[std::ops::Range<i64>]) -> Vec<SamplesRecord> {
    let gaps = gaps.to_vec();
    seconds
        .step_by(10)
        .map(|at| {
            let mut rows = vec![(
                key("load", "", "other"),
                at,
                Reading::Gauge(5.0 + noise(at.unsigned_abs())),
            )];
            if !gaps.iter().any(|gap| gap.contains(&at)) {
                let value = 9.0 + noise(at.unsigned_abs() + 7);
                rows.push((key("load", "", "shop"), at, Reading::Gauge(value)));
            }
            record(at, at, &rows)
        })
        .collect()
}

fn silences(contexts: Vec<ContextRecord>, records: &[SamplesRecord]) -> Vec<(i64, AnomalyState, usize)> {
    let mut stage = stage(DetectSettings {
        silence_spoken_seconds: 3_600,
        ..DetectSettings::default()
    });
    run(&mut stage, &[announced(0, contexts)]);
    let (outputs, _) = run(&mut stage, records);
    let told = anomalies(&outputs);
    let told = told.iter().filter(|a| a.channel == Channel::Silence);
    told.map(|a| (a.at.secs(), a.state, a.context.len())).collect()
}

#[test]
fn a_silence_within_maintenance_is_not_told_and_counts_from_its_end() {
    let work = |until| vec![context(ContextKind::Maintenance, "m1", (5 * HOUR, until), "shop")];
    let two_hours = 5 * HOUR + 10..7 * HOUR;
    let records = silent(0..9 * HOUR, std::slice::from_ref(&two_hours));
    let without = silences(Vec::new(), &records);
    assert_eq!(without.len(), 2, "{without:?}");
    let told_after = without[0].0 - 5 * HOUR;
    assert_eq!(silences(work(7 * HOUR), &records), []);

    // It goes on after the maintenance, and is told when as much has passed as without.
    let end = 5 * HOUR + 30 * MINUTE;
    let said = silences(work(end), &records);
    assert_eq!(said.len(), 2, "{said:?}");
    let late = said[0].0 - (end + told_after);
    assert!((-MINUTE..=10 * MINUTE).contains(&late), "{said:?} {without:?}");
    assert_eq!(
        (said[0].1, said[0].2),
        (AnomalyState::Opened, 1),
        "with what was announced"
    );

    // What was announced is no habit: the next silence is told as soon.
    let again = silent(0..9 * HOUR, &[two_hours, 8 * HOUR..9 * HOUR]);
    let said = silences(work(7 * HOUR), &again);
    assert_eq!(said.len(), 1, "{said:?}");
    let after = said[0].0 - 8 * HOUR;
    assert!((after - told_after).abs() <= 2 * MINUTE, "{after} {told_after}");
}

#[test]
fn a_silence_within_a_deployment_must_last_twice_as_long() {
    let roll_out = || {
        vec![context(
            ContextKind::Deployment,
            "d1",
            (5 * HOUR, 7 * HOUR),
            "shop",
        )]
    };
    let gap = 5 * HOUR + 10..6 * HOUR;
    let records = silent(0..7 * HOUR, std::slice::from_ref(&gap));
    let (without, with) = (silences(Vec::new(), &records), silences(roll_out(), &records));
    let after = |told: &[(i64, AnomalyState, usize)]| told[0].0 - 5 * HOUR;
    let (once, twice) = (after(&without), after(&with));
    assert!((twice - 2 * once).abs() <= MINUTE, "{once} {twice}");
}

#[test]
fn the_bound_is_a_case_and_old_ones_give_way() {
    let mut stage = stage(DetectSettings::default());
    let many = |from: i64, n: usize| -> Vec<ContextRecord> {
        (0..n)
            .map(|i| {
                let times = (from, from + 900);
                context(ContextKind::Deployment, &format!("{from}-{i}"), times, "shop")
            })
            .collect()
    };
    // A cold start: what is long over gives way.
    let (_, rejects) = run(&mut stage, &[announced(1_000, many(0, 256))]);
    assert_eq!(rejects.len(), 0);
    let (_, rejects) = run(&mut stage, &[announced(100_000, many(100_000, 256))]);
    assert_eq!(rejects.len(), 0);
    let (_, rejects) = run(&mut stage, &[announced(100_001, many(100_100, 3))]);
    assert_eq!(rejects.len(), 3);
    assert!(
        rejects.iter().all(|r| r.reason == RejectReason::SeriesLimit),
        "{rejects:?}"
    );
    assert_eq!(
        rejects[0].detail,
        "a context record: 256 are known and none is over"
    );
    // One that is known already takes no further place.
    let (_, rejects) = run(&mut stage, &[announced(100_002, many(100_000, 256))]);
    assert_eq!(rejects.len(), 0);
    // Time passes: all are forgotten, two hours after their end.
    run(&mut stage, &latency(100_000..109_000, |_| 0.0));
    let (_, rejects) = run(&mut stage, &[announced(109_000, many(109_000, 256))]);
    assert_eq!(rejects.len(), 0);
}

fn rekey(partitions: u32) -> RekeyStage {
    let settings = RekeySettings {
        partitions,
        ..RekeySettings::default()
    };
    RekeyStage::new(Arc::new(settings), source(0), domain())
}

#[test]
fn rekey_carries_it_everywhere_and_nobody_waits_for_it() {
    let mut changes = rekey(5).without_points(true);
    let mut effects = Effects::default();
    changes.step(&deployment(), &mut effects);
    let out: Vec<_> = effects.drain().0.filter_map(RekeyOutput::samples).collect();
    assert_eq!(
        out.iter().map(|r| r.partition).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    for rekeyed in &out {
        assert_eq!(rekeyed.record.contexts, deployment().contexts);
        assert_eq!(rekeyed.record.origin, deployment().origin);
        assert!(rekeyed.record.marks.is_empty() && rekeyed.record.batch.rows().is_empty());
    }
    let topics = [SourceTopic {
        topic: Arc::from("telemetry"),
        partitions: 1,
    }];
    let pulse = |stage: &RekeyStage| {
        let mut effects = Effects::default();
        let pulse = Pulse {
            at: EventTime::from_secs(900),
            next_offset: 4,
            caught_up: true,
            idle: false,
            looked_at: None,
            topics: &topics,
        };
        stage.pulse(pulse, &mut effects);
        effects.drain().0.count()
    };
    assert_eq!(pulse(&changes), 0, "it says nothing of how far it is");
    assert_eq!(pulse(&rekey(5)), 5);

    // Samples beside it go by the marks of their own source alone.
    let mut detect = stage(DetectSettings::default());
    let mut telemetry = rekey(1);
    let mut one = rekey(1).without_points(true);
    let mut through = |stage: &mut RekeyStage, record: &SamplesRecord| {
        let mut effects = Effects::default();
        stage.step(record, &mut effects);
        let records: Vec<SamplesRecord> = effects
            .drain()
            .0
            .filter_map(RekeyOutput::samples)
            .map(|r| r.record)
            .collect();
        run(&mut detect, &records);
        detect.watermark()
    };
    let samples = latency(0..100, |_| 0.0);
    let marks: Vec<_> = samples.iter().map(|s| through(&mut telemetry, s)).collect();
    let after = through(&mut one, &deployment());
    assert_eq!(
        Some(&after),
        marks.last(),
        "it neither moves nor holds the watermark"
    );
    let next = through(&mut telemetry, &latency(100..200, |_| 0.0)[9]);
    assert!(next > after);
}

#[test]
fn it_survives_a_snapshot_and_a_division() {
    let settings = || Arc::new(DetectSettings::default());
    let records = stepped(16.0, T0 + 3 * HOUR);
    let (before, after) = records.split_at(9_700);
    let mut stage = DetectStage::new(settings(), source(0));
    run(&mut stage, &[deployment()]);
    run(&mut stage, before);
    let mut image = stage.clone();
    let image = image.image().unwrap().write().unwrap();
    assert_eq!(image, stage.save().unwrap());
    let loaded = DetectStage::load(settings(), &image).unwrap();
    let into = vec![source(0), source(1), source(2)];
    let divided = DetectStage::divide(&settings(), std::slice::from_ref(&loaded), into, |_| 2);
    for mut stage in [stage, loaded, divided.stages[2].clone()] {
        let (outputs, _) = run(&mut stage, after);
        assert_eq!(lines(&anomalies(&outputs)), "");
    }
    let mut without = DetectStage::new(settings(), source(0));
    run(&mut without, before);
    assert_ne!(lines(&anomalies(&run(&mut without, after).0)), "");
    // Every new partition knows it.
    let size = |stage: &DetectStage| stage.save().unwrap().len();
    let empty = size(&DetectStage::new(settings(), source(0)));
    assert!(divided.stages.iter().all(|stage| size(stage) > empty + 20));
}

/// The same, whatever is announced of others.
fn outputs(contexts: Vec<ContextRecord>, jumps: &[(i64, f64)]) -> Vec<Anomaly> {
    let more = |at: i64| {
        let jump = jumps.iter().rfind(|(from, _)| at >= *from);
        jump.map_or(0.0, |(_, by)| *by)
    };
    let mut stage = stage(DetectSettings::default());
    let mut effects = Effects::default();
    stage.step(&announced(0, contexts), &mut effects);
    for record in &latency(0..5 * HOUR, more) {
        stage.step(record, &mut effects);
    }
    let outputs: Vec<_> = effects.drain().0.collect();
    anomalies(&outputs).into_iter().cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn nothing_opens_within_maintenance_and_others_are_as_without(
        jumps in prop::collection::vec((2 * HOUR..5 * HOUR, -60.0_f64..500.0), 0..4),
        (from, minutes) in (2 * HOUR..4 * HOUR, 1_i64..90),
    ) {
        let mut jumps = jumps;
        jumps.sort_by_key(|(at, _)| *at);
        let times = (from, from + minutes * MINUTE);
        let without = outputs(Vec::new(), &jumps);
        let of = |service: &str| outputs(vec![context(ContextKind::Maintenance, "m", times, service)], &jumps);
        prop_assert_eq!(&of("cart"), &without);
        let (from, until) = (EventTime::from_secs(times.0), EventTime::from_secs(times.1));
        for anomaly in of("shop") {
            let opened = anomaly.state == AnomalyState::Opened;
            prop_assert!(!opened || anomaly.at < from || anomaly.at >= until, "{:?}", anomaly);
        }
    }

    /// The wide band lets through nothing that the ordinary one doesn't, but for what opens later.
    #[test]
    fn a_wide_band_opens_no_more(by in -60.0_f64..300.0, at in 2 * HOUR..4 * HOUR) {
        let jumps = [(at, by), (at + 10, 0.0)];
        let opened = |all: Vec<Anomaly>| all.iter().filter(|a| a.state == AnomalyState::Opened).count();
        let wide = vec![context(ContextKind::LoadTest, "l", (at, at + HOUR), "shop")];
        let (wide, ordinary) = (opened(outputs(wide, &jumps)), opened(outputs(Vec::new(), &jumps)));
        prop_assert!(wide <= ordinary, "{wide} {ordinary}");
    }
}

/// What is refused as a whole is no announcement: an empty batch without any changes nothing.
#[test]
fn a_record_without_anything_changes_nothing() {
    let mut stage = stage(DetectSettings::default());
    run(&mut stage, &latency(0..100, |_| 0.0));
    let before = stage.save().unwrap();
    let mut nothing = announced(100, Vec::new());
    nothing.batch = SampleBatch::default();
    nothing.origin.topic = Arc::from("telemetry");
    run(&mut stage, &[nothing]);
    assert_eq!(stage.save().unwrap(), before);
}
