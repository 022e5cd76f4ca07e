//! Gates of some series: which rule is whose, and what each does.

use std::sync::Arc;

use forecall_detect::calendar::{CalendarEntry, Zone};
use forecall_detect::{
    AlarmRates, ChannelName, Channels, DetectOutput, DetectSettings, DetectStage, GateRule, MetricKind,
    Watched,
};
use forecall_stage::Stage;
use forecall_types::{Channel, Direction, Labels, Reading, SamplesRecord, SeriesKey, Temporality};

use super::{anomalies, noise, record, run, stage};

const PACE: i64 = 10;
/// The second from which `TROUBLE` counts.
const BEGINS: i64 = 400 * PACE;

fn series(metric: &str, host: &str) -> SeriesKey {
    SeriesKey {
        metric: Arc::from(metric),
        unit: Arc::from("ms"),
        resource: Labels::from_pairs([("service.name", "shop"), ("host", host)]),
        labels: Labels::default(),
    }
}

/// About 100, and `trouble` more by the second since it begins; of each key the same.
fn records(
    keys: &[SeriesKey],
    seconds: std::ops::Range<i64>,
    trouble: impl Fn(i64) -> f64,
) -> Vec<SamplesRecord> {
    let times = seconds.step_by(usize::try_from(PACE).unwrap());
    times
        .map(|second| {
            let extra = if second < BEGINS {
                0.0
            } else {
                trouble(second - BEGINS)
            };
            let value = 100.0 + noise(second.unsigned_abs()) + extra;
            let rows: Vec<_> = keys
                .iter()
                .map(|key| (key.clone(), second, Reading::Gauge(value)))
                .collect();
            record(second / PACE, second, &rows)
        })
        .collect()
}

fn hosts() -> Vec<SeriesKey> {
    ["a", "b", "c"].map(|host| series("page.weight", host)).to_vec()
}

fn with(rules: Vec<GateRule>) -> DetectSettings {
    DetectSettings {
        rules,
        ..DetectSettings::default()
    }
}

fn but(rule: &GateRule, change: impl FnOnce(&mut GateRule)) -> GateRule {
    let mut rule = rule.clone();
    change(&mut rule);
    rule
}

fn of_host(host: &str) -> GateRule {
    GateRule {
        r#match: [("host".to_owned(), host.to_owned())].into(),
        ..GateRule::default()
    }
}

/// Which series opened something: host and metric, direction, channel, seconds since trouble began.
fn told(outputs: &[DetectOutput]) -> Vec<(String, Direction, Channel, i64)> {
    anomalies(outputs)
        .into_iter()
        .filter(|anomaly| anomaly.revision == 1)
        .map(|anomaly| {
            let host = anomaly.series.resource.get("host").unwrap();
            let name = format!("{host} {}", anomaly.series.metric);
            (
                name,
                anomaly.direction,
                anomaly.channel,
                anomaly.at.secs() - BEGINS,
            )
        })
        .collect()
}

/// Hosts that open something in so many seconds of trouble.
fn opened(rules: Vec<GateRule>, seconds: i64, trouble: impl Fn(i64) -> f64) -> String {
    let mut stage = stage(with(rules));
    let (outputs, rejects) = run(&mut stage, &records(&hosts(), 0..BEGINS + seconds, trouble));
    assert!(rejects.is_empty());
    let mut hosts: Vec<String> = told(&outputs)
        .into_iter()
        .filter_map(|told| Some(told.0.split_once(' ')?.0.to_owned()))
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts.concat()
}

#[test]
fn each_gate_holds_for_the_series_its_rule_chooses() {
    let step = |_| 40.0;
    let fall = |_| -40.0;
    let lone = |second| if second == 100 { 60.0 } else { 0.0 };
    let small = |second| if second == 100 { 20.0 } else { 0.0 };
    let rule = of_host("b");
    let heard = |names: &[ChannelName]| Some(Channels::try_from(names.to_vec()).unwrap());
    type Trouble<'a> = &'a dyn Fn(i64) -> f64;
    let cases: Vec<(GateRule, Trouble<'_>, &str)> = vec![
        (but(&rule, |r| r.detect = Some(false)), &step, "ac"),
        (but(&rule, |r| r.detect = Some(true)), &step, "abc"),
        (but(&rule, |r| r.deviation_min = Some(50.0)), &step, "ac"),
        (but(&rule, |r| r.deviation_min = Some(30.0)), &step, "abc"),
        (but(&rule, |r| r.deviation_min_share = Some(0.5)), &step, "ac"),
        (but(&rule, |r| r.deviation_min_sds = Some(90.0)), &step, "ac"),
        (but(&rule, |r| r.direction = Some(Watched::Down)), &step, "ac"),
        (but(&rule, |r| r.direction = Some(Watched::Both)), &step, "abc"),
        // Milliseconds are a latency: bad when they rise.
        (but(&rule, |r| r.direction = Some(Watched::Both)), &fall, "b"),
        (but(&rule, |r| r.kind = Some(MetricKind::Other)), &fall, "b"),
        (but(&rule, |r| r.kind = Some(MetricKind::Traffic)), &step, "ac"),
        (
            but(&rule, |r| {
                (r.open_score, r.open_at_once_score) = (Some(20.0), Some(20.0))
            }),
            &step,
            "ac",
        ),
        (
            but(&rule, |r| {
                r.channels = heard(&[ChannelName::Shift, ChannelName::Novelty])
            }),
            &lone,
            "ac",
        ),
        (
            but(&rule, |r| r.channels = heard(&[ChannelName::Spike])),
            &lone,
            "abc",
        ),
        (but(&rule, |r| r.open_seconds_min = Some(60)), &lone, "ac"),
        (
            but(&rule, |r| {
                r.alarms_a_month = Some(AlarmRates {
                    spike: Some(0.001),
                    shape: Some(0.001),
                    ..AlarmRates::default()
                });
            }),
            &lone,
            "ac",
        ),
        // Another channel's rate changes nothing.
        (
            but(&rule, |r| {
                r.alarms_a_month = Some(AlarmRates {
                    shift: Some(0.001),
                    ..AlarmRates::default()
                });
            }),
            &lone,
            "abc",
        ),
        (
            but(&rule, |r| {
                r.alarms_a_month = Some(AlarmRates {
                    spike: Some(1_000.0),
                    shape: Some(1_000.0),
                    ..AlarmRates::default()
                });
            }),
            &small,
            "b",
        ),
        // The shape confirms a wild value; only where it isn't heard more is asked.
        (but(&rule, |r| r.spike_extra_score = Some(20.0)), &lone, "abc"),
        (
            but(&rule, |r| {
                r.channels = heard(&[ChannelName::Spike]);
                r.spike_extra_score = Some(20.0);
            }),
            &lone,
            "ac",
        ),
    ];
    for (rule, trouble, wanted) in cases {
        let shown = format!("{rule:?}");
        assert_eq!(opened(vec![rule], 600, trouble), wanted, "{shown}");
    }
}

#[test]
fn however_many_may_open_by_chance_what_is_usual_opens_nothing() {
    let rates = AlarmRates {
        spike: Some(1_000.0),
        shape: Some(1_000.0),
        shift: Some(1_000.0),
        season: Some(1_000.0),
        novelty: Some(1_000.0),
    };
    let settings = DetectSettings {
        alarms_a_month: rates,
        ..DetectSettings::default()
    };
    let mut stage = stage(settings);
    let constant: Vec<_> = (0..500_i64)
        .map(|i| {
            record(
                i,
                i * 600,
                &[(series("page.weight", "a"), i * 600, Reading::Gauge(7.5))],
            )
        })
        .collect();
    let (outputs, _) = run(&mut stage, &constant);
    assert_eq!(told(&outputs), []);
}

#[test]
fn a_level_that_is_not_heard_opens_nothing_in_counts_either() {
    let wave = |channels: Option<Channels>| {
        let rule = GateRule {
            channels,
            ..of_host("a")
        };
        let mut stage = stage(with(vec![rule]));
        let counts: Vec<_> = (0..460_i64)
            .map(|i| {
                // One in five minutes; then three every minute, none of which is rare by itself.
                let count = if i < 400 {
                    f64::from(u8::from(i % 5 == 0))
                } else {
                    3.0
                };
                let mut key = series("errors", "a");
                key.unit = Arc::from("{error}");
                record(i, i * 60, &[(key, i * 60, Reading::Gauge(count))])
            })
            .collect();
        let (outputs, _) = run(&mut stage, &counts);
        told(&outputs).into_iter().map(|told| told.2).collect::<Vec<_>>()
    };
    let by = |channel: ChannelName| wave(Some(Channels::try_from(vec![channel]).unwrap()));
    let slow = |opened: &[Channel]| {
        opened
            .iter()
            .any(|c| matches!(c, Channel::Shift | Channel::Season))
    };
    assert!(
        slow(&wave(Some(Channels::ALL))),
        "{:?}",
        wave(Some(Channels::ALL))
    );
    assert!(!slow(&by(ChannelName::Shape)) && !slow(&by(ChannelName::Novelty)));
}

#[test]
fn of_the_rules_that_match_only_the_first_counts() {
    let step = |_| 40.0;
    let all = GateRule {
        metric: Some("page.*".to_owned()),
        deviation_min: Some(50.0),
        ..GateRule::default()
    };
    let exempt = GateRule {
        detect: Some(true),
        ..of_host("c")
    };
    assert_eq!(opened(vec![all.clone()], 600, step), "");
    assert_eq!(opened(vec![exempt.clone(), all.clone()], 600, step), "c");
    assert_eq!(opened(vec![all.clone(), exempt], 600, step), "");
    let other_unit = GateRule {
        unit: Some("s".to_owned()),
        ..all
    };
    assert_eq!(opened(vec![other_unit], 600, step), "abc");
}

#[test]
fn what_must_last_opens_late_and_tells_since_when() {
    let rules = vec![GateRule {
        open_seconds_min: Some(120),
        ..of_host("b")
    }];
    let mut stage = stage(with(rules.clone()));
    let records = records(&hosts(), 0..BEGINS + 400, |second| {
        40.0 + f64::from(i32::try_from(second).unwrap())
    });
    let (outputs, _) = run(&mut stage, &records);
    let opened: Vec<_> = anomalies(&outputs)
        .into_iter()
        .filter(|a| a.revision == 1)
        .collect();
    let of = |host| {
        opened
            .iter()
            .find(|a| a.series.resource.get("host") == Some(host))
            .unwrap()
    };
    let (a, b) = (of("a"), of("b"));
    assert!(a.at.secs() - BEGINS <= 20, "{}", a.at.secs() - BEGINS);
    assert_eq!((a.from, b.at.secs() - b.from.secs()), (b.from, 120));
    // All its abnormal samples are told, not only those of the last few.
    assert_eq!((b.samples, b.lineage.records()), (13, 13));
    // Half as long isn't long enough, however often.
    assert_eq!(
        super::rules::opened(rules, 600, |second| if second % 200 < 60 { 90.0 } else { 0.0 }),
        "ac"
    );
}

#[test]
fn parts_of_a_metric_are_chosen_by_the_names_they_are_told_by() {
    let rule = |metric: &str| GateRule {
        metric: Some(metric.to_owned()),
        detect: Some(false),
        ..GateRule::default()
    };
    for (metric, wanted) in [("x.rate", 0), ("x", 1), ("x*", 0), ("*.p95", 1)] {
        let mut stage = stage(with(vec![rule(metric)]));
        let key = series("x", "a");
        let mut value = 0.0;
        let records: Vec<_> = (0..500_i64)
            .map(|i| {
                value += if i < 450 {
                    100.0 + noise(i.unsigned_abs())
                } else {
                    900.0
                };
                let sum = Reading::Sum {
                    value,
                    temporality: Temporality::Cumulative,
                    monotonic: true,
                    start: None,
                };
                record(i, i * 10, &[(key.clone(), i * 10, sum)])
            })
            .collect();
        let (outputs, _) = run(&mut stage, &records);
        assert_eq!(told(&outputs).len(), wanted, "{metric}: {:?}", told(&outputs));
    }
}

#[test]
fn a_series_left_out_has_its_lines_in_a_replay_and_nothing_else() {
    let rules = vec![GateRule {
        detect: Some(false),
        ..of_host("b")
    }];
    let settings = DetectSettings {
        emit_scores: true,
        ..with(rules)
    };
    let (outputs, _) = run(
        &mut stage(settings),
        &records(&hosts(), 0..BEGINS + 300, |_| 40.0),
    );
    let mut lines = [0, 0];
    for output in &outputs {
        if let DetectOutput::Scored(scored) = output {
            let left_out = scored.series.resource.get("host") == Some("b");
            lines[usize::from(left_out)] += 1;
            assert!(
                !left_out
                    || (scored.score.get() <= 0.0 && scored.band.is_none() && scored.channels.is_empty())
            );
        }
    }
    assert_eq!(lines[0], 2 * lines[1]);
    assert!(lines[1] > 400 && told(&outputs).iter().all(|told| told.0 != "b page.weight"));
}

/// A memory of other rules: each series goes on by the rule that is its own now, of the kind it is declared to be now.
#[test]
fn rules_of_other_settings_are_not_used() {
    let rule = |host, kind| GateRule {
        kind: Some(kind),
        ..of_host(host)
    };
    let before = vec![
        rule("a", MetricKind::Traffic),
        GateRule {
            detect: Some(false),
            ..of_host("b")
        },
    ];
    let after = vec![
        GateRule {
            detect: Some(false),
            ..of_host("c")
        },
        rule("b", MetricKind::Traffic),
    ];
    let mut stage = stage(with(before));
    let quiet = records(&hosts(), 0..BEGINS, |_| 0.0);
    run(&mut stage, &quiet);
    let saved = stage.save().unwrap();
    let rise = records(&hosts(), BEGINS..BEGINS + 600, |_| 40.0);
    // As it was: a is traffic, which may rise; b is left out.
    assert_eq!(told(&run(&mut stage, &rise).0).len(), 1);
    let mut changed = DetectStage::load(Arc::new(with(after.clone())), &saved).unwrap();
    let outputs = run(&mut changed, &rise).0;
    let names: Vec<String> = told(&outputs).into_iter().map(|told| told.0).collect();
    // b was left out and has yet to learn; a is a latency again; c is left out.
    assert_eq!(names, ["a page.weight"]);
    let mut without = DetectStage::load(Arc::new(DetectSettings::default()), &saved).unwrap();
    let outputs = run(&mut without, &rise).0;
    let mut names: Vec<String> = told(&outputs).into_iter().map(|told| told.0).collect();
    names.sort();
    assert_eq!(names, ["a page.weight", "c page.weight"]);
    // And with the rules a calendar: numbers are of both lists together.
    let mut both = with(after);
    both.calendars = vec![CalendarEntry {
        r#match: [("host".to_owned(), "*".to_owned())].into(),
        time_zone: Some(Zone::new("Asia/Tehran").unwrap()),
        ..CalendarEntry::default()
    }];
    let mut both = DetectStage::load(Arc::new(both), &saved).unwrap();
    let outputs = run(&mut both, &rise).0;
    assert_eq!(told(&outputs).len(), 1);
}

#[test]
fn a_rule_that_fits_nothing_changes_nothing() {
    let records = records(&hosts(), 0..BEGINS + 900, |second| {
        if second % 300 < 100 { 50.0 } else { -10.0 }
    });
    let all = |rules| {
        let settings = DetectSettings {
            emit_scores: true,
            ..with(rules)
        };
        run(&mut stage(settings), &records).0
    };
    let rule = GateRule {
        detect: Some(false),
        ..of_host("z")
    };
    assert_eq!(all(vec![rule]), all(Vec::new()));
    // Nor does one that says what holds anyway.
    let same = GateRule {
        open_score: Some(3.8),
        ..of_host("*")
    };
    assert_eq!(all(vec![same]), all(Vec::new()));
}

#[test]
fn rules_that_say_nothing_or_contradict_are_refused() {
    let check = |rules: Vec<GateRule>, path: &str, words: &str| {
        let error = with(rules).check().unwrap_err();
        assert_eq!(error.path, path);
        assert!(error.to_string().contains(words), "{error}");
    };
    let a = of_host("a");
    let good = but(&a, |r| r.close_samples = Some(2));
    check(
        vec![GateRule {
            close_samples: Some(2),
            ..GateRule::default()
        }],
        "rules.0.metric",
        "entry 1 of `rules`: `metric` is missing",
    );
    check(
        vec![good.clone(), of_host("b")],
        "rules.1.metric",
        "nothing is said of them",
    );
    check(
        vec![good.clone(), good.clone()],
        "rules.1.metric",
        "choose what entry 1 does",
    );
    check(
        vec![but(&good, |r| r.detect = Some(false))],
        "rules.0.detect",
        "nothing else has a meaning",
    );
    check(
        vec![but(&a, |r| r.open_of_samples = Some(1))],
        "rules.0",
        "entry 1 of `rules`: with what holds for all, `open_samples` must lie between 1 and `open_of_samples`",
    );
    check(
        vec![but(&a, |r| r.open_score = Some(1.0))],
        "rules.0",
        "not above `open_score`",
    );
    check(
        vec![but(&a, |r| r.open_seconds_min = Some(28_800))],
        "rules.0.open_seconds_min",
        "what lasts that long is normal",
    );
    check(
        vec![but(&a, |r| r.deviation_min = Some(f64::NAN))],
        "rules.0.deviation_min",
        "from 0 up",
    );
    let silent = Channels::try_from(Vec::new()).unwrap();
    check(
        vec![but(&a, |r| r.channels = Some(silent))],
        "rules.0.channels",
        "names none",
    );
    check(
        vec![but(&good, |r| r.metric = Some("*".repeat(9)))],
        "rules.0.metric",
        "more than 8",
    );
}

#[test]
fn rules_and_calendars_have_bounds() {
    let good = but(&of_host("a"), |r| r.close_samples = Some(2));
    let many = |n: usize| {
        (0..n)
            .map(|i| GateRule {
                metric: Some(format!("m{i}")),
                ..good.clone()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        with(many(256)).check().unwrap_err().to_string(),
        "`rules` holds 256, at most 255"
    );
    let mut product = with(many(255));
    let place = |i| CalendarEntry {
        r#match: [("region".to_owned(), format!("R{i}"))].into(),
        rest_days: Some(vec![5]),
        ..CalendarEntry::default()
    };
    product.calendars = (0..15).map(place).collect();
    assert_eq!(product.check(), Ok(()));
    product.calendars.push(place(15));
    assert!(
        product
            .check()
            .unwrap_err()
            .to_string()
            .contains("4352 combinations, at most 4096")
    );
    assert!(Channels::try_from(vec![ChannelName::Spike; 2]).is_err());
    // The last pair of so many is found.
    product.calendars.truncate(14);
    product.calendars.push(CalendarEntry {
        r#match: [("host".to_owned(), "*".to_owned())].into(),
        ..place(15)
    });
    product.rules.truncate(254);
    product.rules.push(GateRule {
        metric: Some("page.*".to_owned()),
        detect: Some(false),
        ..GateRule::default()
    });
    let (outputs, _) = run(&mut stage(product), &records(&hosts(), 0..BEGINS + 600, |_| 40.0));
    assert!(told(&outputs).is_empty());
}
