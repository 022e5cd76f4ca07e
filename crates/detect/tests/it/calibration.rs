//! Quiet data: what is said to be one in a thousand happens once in a thousand, and nothing much is told.

use std::sync::Arc;

use forecall_detect::policy::{Change, Origin};
use forecall_detect::rate::Part;
use forecall_detect::{DetectOutput, DetectSettings, Detector};
use forecall_types::{EventTime, Reading, SourcePartition, Temporality};

use super::{anomalies, key, record, run, stage};

const PACE: i64 = 60;
/// A fortnight.
const SAMPLES: i64 = 14 * 1_440;
/// What is learnt of before it is looked at: two days.
const LEARNT: i64 = 2 * 1_440;
const SERIES: u64 = 6;

/// Numbers that are the same each time (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").
struct Source(u64);

impl Source {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap()) / 4_294_967_296.0
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    fn count(&mut self, mean: f64) -> f64 {
        let least = libm::exp(-mean);
        let (mut count, mut product) = (0.0, self.uniform());
        while product > least {
            count += 1.0;
            product *= self.uniform();
        }
        count
    }
}

struct Nature {
    name: &'static str,
    metric: &'static str,
    value: fn(&mut Source, f64) -> f64,
}

/// What nothing happens in; the second argument is the time in days.
const NATURES: [Nature; 7] = [
    Nature {
        name: "normal",
        metric: "value",
        value: |s, _| 100.0 + 5.0 * s.normal(),
    },
    Nature {
        name: "log-normal",
        metric: "request.latency",
        value: |s, _| libm::exp(3.0 + 0.5 * s.normal()),
    },
    Nature {
        name: "daily",
        metric: "value",
        value: |s, days| 100.0 + 40.0 * libm::sin(std::f64::consts::TAU * days) + 5.0 * s.normal(),
    },
    Nature {
        name: "a count in six hours",
        metric: "errors",
        value: |s, _| s.count(0.003),
    },
    Nature {
        name: "a count in an hour",
        metric: "errors",
        value: |s, _| s.count(0.02),
    },
    Nature {
        name: "a count in five minutes",
        metric: "errors",
        value: |s, _| s.count(0.2),
    },
    Nature {
        name: "five counts a minute",
        metric: "errors",
        value: |s, _| s.count(5.0),
    },
];

fn series(nature: &Nature, number: u64) -> impl Iterator<Item = (EventTime, f64)> {
    let mut source = Source(number * 1_000 + 17);
    let value = nature.value;
    (0..SAMPLES).map(move |i| {
        let at = EventTime::from_secs(1_704_067_200 + i * PACE);
        let days = f64::from(i32::try_from(i).unwrap()) / 1_440.0;
        (at, value(&mut source, days))
    })
}

/// What is said of a nature: shares of the spike's scores of at least 2 and 3, of all scores of at least 3, and anomalies in
/// thirty days.
struct Said {
    two: f64,
    three: f64,
    any_three: f64,
    alarms: f64,
}

fn said(nature: &Nature, scale: f64) -> Said {
    let settings = DetectSettings {
        emit_scores: true,
        ..DetectSettings::default()
    };
    let source = SourcePartition {
        topic: Arc::from("t"),
        partition: 0,
    };
    let [mut two, mut three, mut any_three, mut opened, mut rows] = [0.0; 5];
    for number in 0..SERIES {
        let mut detector = Detector::new(nature.metric, "", Part::Same);
        let mut before = None;
        for (offset, (at, value)) in (0_i64..).zip(series(nature, number)) {
            let origin = Origin::Record(&source, offset);
            let (judged, change) = detector.step((at, before), value * scale, origin, &settings);
            before = Some(at);
            if offset >= LEARNT {
                let one_if = |yes: bool| f64::from(u8::from(yes));
                rows += 1.0;
                two += one_if(judged.voices.spike >= 2.0);
                three += one_if(judged.voices.spike >= 3.0);
                any_three += one_if(judged.score >= 3.0);
                opened += one_if(change == Some(Change::Opened));
            }
        }
    }
    Said {
        two: two / rows,
        three: three / rows,
        any_three: any_three / rows,
        alarms: opened / (rows * 60.0) * 30.0 * 86_400.0,
    }
}

#[test]
fn one_in_a_thousand_is_one_in_a_thousand_whatever_is_measured() {
    let mut alarms = 0.0;
    for nature in &NATURES {
        let said = said(nature, 1.0);
        let name = nature.name;
        // Of what is seldom the score can only be one of a few: at most so often holds, at least doesn't.
        assert!(
            said.two <= 0.02 && said.three <= 0.003,
            "{name}: {} {}",
            said.two,
            said.three
        );
        if nature.name.contains("normal") {
            assert!(
                said.two >= 0.005 && said.three >= 0.000_3,
                "{name}: {} {}",
                said.two,
                said.three
            );
        }
        assert!(said.any_three <= 0.002, "{name}: {}", said.any_three);
        assert!(said.alarms <= 3.0, "{name}: {} in thirty days", said.alarms);
        alarms += said.alarms;
    }
    // One a series-month is stated.
    let natures = f64::from(u32::try_from(NATURES.len()).unwrap());
    assert!(alarms / natures <= 1.0, "{alarms} of {natures}");
}

#[test]
fn a_unit_changes_no_score() {
    // Powers of two, so that the same digits are left.
    for nature in NATURES.iter().take(3) {
        let (plain, small) = (said(nature, 1.0), said(nature, 1.0 / 1_048_576.0));
        for (one, other) in [
            (plain.two, small.two),
            (plain.three, small.three),
            (plain.any_three, small.any_three),
        ] {
            assert!((one - other).abs() < 2e-4, "{}: {one} {other}", nature.name);
        }
    }
}

/// When something is opened, in seconds, of a series given as readings.
fn opened_at(readings: impl Iterator<Item = (i64, Reading<'static>)>) -> Vec<i64> {
    let key = key("errors", "{error}", "shop");
    let records: Vec<_> = (0_i64..)
        .zip(readings)
        .map(|(offset, (at, reading))| record(offset, at, &[(key.clone(), at, reading)]))
        .collect();
    let mut stage = stage(DetectSettings::default());
    let (outputs, _) = run(&mut stage, &records);
    let opened = outputs
        .iter()
        .filter(|o| matches!(o, DetectOutput::Anomaly(a) if a.revision == 1));
    let opened: Vec<DetectOutput> = opened.cloned().collect();
    anomalies(&opened).into_iter().map(|a| a.at.secs()).collect()
}

/// One error in six hours for four days; then five in as many minutes.
fn few_errors() -> impl Iterator<Item = (i64, f64)> {
    let mut source = Source(5);
    (0..4 * 1_440_i64).map(move |i| {
        let count = if (5_000..5_005).contains(&i) {
            1.0
        } else {
            source.count(0.003)
        };
        (i * PACE, count)
    })
}

#[test]
fn single_errors_are_no_news_and_several_are_as_counts_and_as_a_counter() {
    let counts = opened_at(few_errors().map(|(at, count)| (at, Reading::Gauge(count))));
    let mut value = 0.0;
    let counter = opened_at(few_errors().map(|(at, count)| {
        value += count;
        let reading = Reading::Sum {
            value,
            temporality: Temporality::Cumulative,
            monotonic: true,
            start: None,
        };
        (at, reading)
    }));
    assert_eq!(counts, counter);
    assert!(
        counts.iter().any(|at| (5_000 * PACE..5_010 * PACE).contains(at)),
        "{counts:?}"
    );
    assert!(counts.len() <= 2, "{counts:?}");
}
