//! Who falls silent, by all that was measured: told once, by a naive oracle's word, and of nobody who only pauses.

use std::sync::Arc;

use forecall_detect::{DetectSettings, DetectStage, GateRule, RekeyOutput, RekeySettings, RekeyStage};
use forecall_stage::{Effects, Pulse, Stage};
use forecall_types::{
    Anomaly, AnomalyState, Channel, EventTime, Reading, SamplesRecord, SeriesKey, SourceTopic, Temporality,
};

use super::{anomalies, domain, key, noise, record, run, source, stage};

const HOUR: i64 = 3_600;

/// An hour of speaking is enough.
fn quick() -> DetectSettings {
    DetectSettings {
        silence_spoken_seconds: 3_600,
        ..DetectSettings::default()
    }
}

/// One line an anomaly of silence, as an operator would read it.
fn lines(told: &[&Anomaly]) -> Vec<String> {
    told.iter()
        .filter(|a| a.channel == Channel::Silence)
        .map(|a| {
            assert_eq!((a.samples, a.series.unit.as_ref()), (0, "s"));
            assert!(a.lineage.records() <= u64::from(a.state == AnomalyState::Closed));
            assert!(!a.window.is_empty() && a.window.iter().all(|(at, _)| *at <= a.from));
            let state = match a.state {
                AnomalyState::Opened => "opened",
                AnomalyState::Updated => "updated",
                AnomalyState::Closed => "closed",
            };
            format!(
                "{} {state}/{} {} {} since {}: {} s, usually {} s, at most {:.0} s, score {:.1}",
                a.at.secs(),
                a.revision,
                a.series.metric,
                a.series.resource.get("service.name").unwrap_or("?"),
                a.from.secs(),
                a.observed,
                a.expected,
                a.band.high,
                a.score.get()
            )
        })
        .collect()
}

/// A record every ten seconds in which anything is measured; `speaks` says which series is.
fn records(
    seconds: std::ops::Range<i64>,
    series: &[SeriesKey],
    speaks: impl Fn(usize, i64) -> bool,
) -> Vec<SamplesRecord> {
    seconds
        .step_by(10)
        .filter_map(|at| {
            let rows: Vec<_> = (0..series.len())
                .filter(|n| speaks(*n, at))
                .map(|n| {
                    let value = 10.0 + noise(at.unsigned_abs() * 31 + n as u64);
                    (series[n].clone(), at, Reading::Gauge(value))
                })
                .collect();
            (!rows.is_empty()).then(|| record(at, at, &rows))
        })
        .collect()
}

fn told_of(settings: DetectSettings, records: &[SamplesRecord]) -> Vec<String> {
    let mut stage = stage(settings);
    let (mut outputs, rejects) = run(&mut stage, records);
    assert!(rejects.is_empty(), "{rejects:?}");
    let before = outputs.len();
    let mut effects = Effects::default();
    stage.flush(&mut effects);
    outputs.extend(effects.drain().0);
    // The end of what there is to read is nobody's silence.
    assert!(lines(&anomalies(&outputs[before..])).is_empty());
    lines(&anomalies(&outputs))
}

fn anomalies_of(settings: DetectSettings, records: &[SamplesRecord]) -> Vec<Anomaly> {
    let (outputs, _) = run(&mut stage(settings), records);
    let told = anomalies(&outputs)
        .into_iter()
        .filter(|a| a.channel == Channel::Silence);
    told.cloned().collect()
}

/// A clock, and three series of an entity.
fn three() -> [SeriesKey; 4] {
    [
        key("clock", "", "clock"),
        key("cpu", "", "api"),
        key("disk", "", "api"),
        key("load", "", "api"),
    ]
}

#[test]
fn an_entity_that_stops_is_told_once_and_when_it_speaks_again() {
    let all = records(0..4 * HOUR, &three(), |n, at| match n {
        0 => true,
        // The disk is measured once a minute.
        2 => at % 60 == 0 && !(7_200..9_000).contains(&at),
        _ => !(7_200..9_000).contains(&at),
    });
    assert_eq!(
        told_of(quick(), &all),
        [
            "7490 opened/1 telemetry.silence api since 7190: 300 s, usually 10 s, at most 10 s, score 12.0",
            "9000 closed/2 telemetry.silence api since 7190: 1810 s, usually 10 s, at most 10 s, score 12.0",
        ]
    );
    let mut cut = all;
    cut.truncate(800);
    assert_eq!(told_of(quick(), &cut).len(), 1);
    let off = DetectSettings {
        silence: false,
        ..quick()
    };
    assert!(told_of(off, &cut).is_empty());
    assert!(
        told_of(DetectSettings::default(), &cut).is_empty(),
        "it has not lived for a day"
    );
}

#[test]
fn a_series_that_stops_alone_is_told_for_itself_and_one_for_all() {
    let all = records(0..4 * HOUR, &three(), |n, at| match n {
        1 => at < 7_200,
        2 => !(7_400..10_000).contains(&at),
        _ => true,
    });
    assert_eq!(
        told_of(quick(), &all),
        ["7550 opened/1 cpu.silence api since 7190: 360 s, usually 10 s, at most 10 s, score 12.4"]
    );
}

#[test]
fn what_lasts_is_told_as_over_at_last() {
    let settings = DetectSettings {
        silence_close_seconds: 3_600,
        ..quick()
    };
    let all = records(0..6 * HOUR, &three(), |n, at| n == 0 || at < 7_200);
    let told = anomalies_of(settings, &all);
    assert_eq!(told.len(), 2);
    assert_eq!(told[1].state, AnomalyState::Closed);
    assert_eq!(told[1].at.secs(), 7_490 + 3_600);
    assert_eq!(told[1].lineage.records(), 0, "nothing has come");
}

#[test]
fn where_all_stop_nobody_is_silent() {
    let pause = 7_200..12_000;
    let all = records(0..4 * HOUR, &three(), |_, at| !pause.contains(&at));
    assert!(told_of(quick(), &all).is_empty());
    // Nor where one comes back only ten minutes after the others.
    let all = records(0..4 * HOUR, &three(), |n, at| {
        !pause.contains(&at) && (n == 0 || !(7_200..12_200).contains(&at))
    });
    assert!(told_of(quick(), &all).is_empty());
}

#[test]
fn what_pauses_by_habit_is_not_told() {
    let series = three();
    let days = |speaks: &dyn Fn(i64) -> bool| {
        let all = records(0..5 * 24 * HOUR, &series[..2], |n, at| {
            n == 0 && at % 60 == 0 || n == 1 && speaks(at)
        });
        told_of(DetectSettings::default(), &all)
    };
    assert!(days(&|at| at % 86_400 < HOUR).is_empty(), "an hour each night");
    assert!(days(&|at| at % 86_400 < 8 * HOUR).is_empty(), "eight hours a day");
    assert!(days(&|at| at % 3_000 < 600).is_empty(), "ten minutes in fifty");
    assert!(
        days(&|at| noise(at.unsigned_abs()) > 0.9).is_empty(),
        "now and then"
    );
    assert_eq!(days(&|at| at < 100_000).len(), 2, "and what stops is");
}

#[test]
fn a_rest_each_week_is_told_once() {
    let series = &three()[..2];
    let all = records(0..4 * 7 * 24 * HOUR, series, |n, at| {
        at % 60 == 0 && (n == 0 || at % (7 * 24 * HOUR) < 5 * 24 * HOUR)
    });
    let told = told_of(DetectSettings::default(), &all);
    assert_eq!(told.len(), 2, "{told:?}");
    // An hour's silence that is told leaves no trace, and is told again a week later.
    let all = records(0..4 * 7 * 24 * HOUR, series, |n, at| {
        at % 60 == 0 && (n == 0 || at % (7 * 24 * HOUR) < 7 * 24 * HOUR - HOUR)
    });
    let told = told_of(DetectSettings::default(), &all);
    assert_eq!(told.len(), 2 * 3 + 1, "{told:?}");
}

#[test]
fn what_comes_and_goes_is_not_told_by_its_label() {
    let mut series = three();
    for key in &mut series[1..] {
        key.resource.set("k8s.pod.name", "api-7f9c");
    }
    let all = records(0..4 * HOUR, &series, |n, at| n == 0 || at < 7_200);
    assert!(told_of(quick(), &all).is_empty());
    for key in &mut series[1..] {
        key.resource.set("k8s.pod.name", "");
    }
    let all = records(0..4 * HOUR, &series, |n, at| n == 0 || at < 7_200);
    assert_eq!(told_of(quick(), &all).len(), 1);
}

#[test]
fn events_are_signs_of_life_but_their_absence_is_none_of_death() {
    let (clock, cpu, sales) = (
        key("clock", "", "c"),
        key("cpu", "", "api"),
        key("sales", "", "api"),
    );
    let all: Vec<_> = (0..1_440_i64)
        .map(|i| {
            let at = 10 * i;
            let mut rows = vec![(clock.clone(), at, Reading::Gauge(1.0))];
            if at < 7_200 {
                rows.push((cpu.clone(), at, Reading::Gauge(1.0)));
            }
            if at < 10_800 {
                rows.push((sales.clone(), at, Reading::Events { count: 3 }));
            }
            record(at, at, &rows)
        })
        .collect();
    let told = told_of(quick(), &all);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("cpu.silence api since 7190"), "{told:?}");
}

#[test]
fn a_sample_that_is_late_is_a_sign_of_life() {
    let series = three();
    let mut all = records(0..3 * HOUR, &series, |n, at| n == 0 || at < 7_200);
    for at in (7_300..10_700).step_by(100) {
        let late = record(
            100_000 + at,
            at + 60,
            &[1, 2, 3].map(|n: usize| (series[n].clone(), at, Reading::Gauge(1.0))),
        );
        let place = all.partition_point(|r| r.appended_at.secs() <= at + 60);
        all.insert(place, late);
    }
    let (outputs, rejects) = run(&mut stage(quick()), &all);
    assert_eq!(rejects.len(), 3 * 34);
    assert!(lines(&anomalies(&outputs)).is_empty());
}

/// Two topics through `rekey`: one stops as a whole, in the other one entity does. Its readers go on pulsing.
#[test]
fn a_topic_that_stops_is_not_judged_by_another_that_goes_on() {
    let settings = Arc::new(RekeySettings {
        partitions: 1,
        ..RekeySettings::default()
    });
    let topics = ["a", "b"].map(|topic| SourceTopic {
        topic: Arc::from(topic),
        partitions: 1,
    });
    let mut readers = [0, 1].map(|n: usize| {
        let mut source = source(0);
        source.topic = Arc::clone(&topics[n].topic);
        RekeyStage::new(Arc::clone(&settings), source, domain())
    });
    let mut detect = stage(quick());
    let mut told = Vec::new();
    for at in (0..4 * HOUR).step_by(10) {
        for (n, reader) in readers.iter_mut().enumerate() {
            let mut rekeyed = Effects::default();
            let is_up = n == 1 || at < 7_200;
            let mut rows = Vec::new();
            if is_up {
                rows.push((key("m", "", ["a1", "b1"][n]), at, Reading::Gauge(1.0)));
            }
            if is_up && at < 9_000 {
                rows.push((key("m", "", ["a2", "b2"][n]), at, Reading::Gauge(1.0)));
            }
            if is_up {
                let mut one = record(at, at, &rows);
                one.origin.topic = Arc::clone(&topics[n].topic);
                reader.step(&one, &mut rekeyed);
            }
            let pulse = Pulse {
                at: EventTime::from_secs(at),
                next_offset: at + 1,
                caught_up: true,
                idle: !is_up,
                looked_at: Some(EventTime::from_secs(at)),
                topics: &topics,
            };
            reader.pulse(pulse, &mut rekeyed);
            for record in rekeyed.drain().0.filter_map(RekeyOutput::samples) {
                let mut effects = Effects::default();
                detect.step(&record.record, &mut effects);
                told.extend(effects.drain().0);
            }
        }
    }
    assert!(detect.watermark().time().secs() > 4 * HOUR - 60, "time goes on");
    let told = lines(&anomalies(&told));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("telemetry.silence b2 since 8990"), "{told:?}");
}

#[test]
fn a_silence_that_was_given_up_is_not_told_again_by_a_slower_series() {
    // The disk is measured every half hour: its limit is passed long after the entity's silence is given up.
    let all = records(0..40 * HOUR, &three(), |n, at| match n {
        0 => true,
        2 => at % 1_800 == 0 && at < 20 * HOUR,
        _ => at < 20 * HOUR,
    });
    let settings = DetectSettings {
        silence_min_samples: 32,
        ..quick()
    };
    let told = anomalies_of(settings, &all);
    let ids: Vec<String> = told.iter().map(|a| format!("{}/{}", a.id, a.revision)).collect();
    let mut once = ids.clone();
    once.sort();
    once.dedup();
    assert_eq!((ids.len(), once.len()), (2, 2), "{ids:?}");
}

#[test]
fn a_machine_that_stops_with_its_events_is_told_as_one() {
    let (cpu, log) = (key("cpu", "", "api"), key("log.records", "{record}", "api"));
    let clock = key("clock", "", "clock");
    let all: Vec<SamplesRecord> = (0..6 * HOUR)
        .step_by(10)
        .map(|at| {
            let mut rows = vec![(clock.clone(), at, Reading::Gauge(10.0 + noise(at.unsigned_abs())))];
            if at < 4 * HOUR {
                rows.push((
                    cpu.clone(),
                    at,
                    Reading::Gauge(10.0 + noise(at.unsigned_abs() + 7)),
                ));
                rows.push((log.clone(), at, Reading::Events { count: 3 }));
            }
            record(at, at, &rows)
        })
        .collect();
    let told: Vec<(String, i64)> = anomalies_of(quick(), &all)
        .iter()
        .filter(|a| a.state == AnomalyState::Opened)
        .map(|a| (a.series.metric.to_string(), a.from.secs()))
        .collect();
    assert_eq!(told, [("telemetry.silence".to_owned(), 4 * HOUR - 10)]);
}

#[test]
fn increments_that_do_not_come_are_not_missed() {
    let (clock, sent) = (key("clock", "", "clock"), key("sent", "By", "api"));
    let all: Vec<SamplesRecord> = (0..6 * HOUR)
        .step_by(10)
        .map(|at| {
            let mut rows = vec![(clock.clone(), at, Reading::Gauge(10.0 + noise(at.unsigned_abs())))];
            if at < 4 * HOUR {
                let sum = Reading::Sum {
                    value: 50.0,
                    temporality: Temporality::Delta,
                    monotonic: true,
                    start: Some(EventTime::from_secs(at - 10)),
                };
                rows.push((sent.clone(), at, sum));
            }
            record(at, at, &rows)
        })
        .collect();
    assert_eq!(anomalies_of(quick(), &all), []);
}

#[test]
fn what_a_rule_leaves_out_is_not_missed_either() {
    let all = records(0..4 * HOUR, &three(), |n, at| n == 0 || at < 2 * HOUR);
    let (before, after) = all.split_at(700);
    let mut known = stage(quick());
    run(&mut known, before);
    let rule = GateRule {
        r#match: [("service.name".to_owned(), "api".to_owned())].into(),
        detect: Some(false),
        ..GateRule::default()
    };
    let saved = known.save().unwrap();
    let told = |rules: Vec<GateRule>| {
        let settings = DetectSettings { rules, ..quick() };
        let mut stage = DetectStage::load(Arc::new(settings), &saved).unwrap();
        lines(&anomalies(&run(&mut stage, after).0)).len()
    };
    assert_eq!((told(Vec::new()), told(vec![rule])), (1, 0));
}
