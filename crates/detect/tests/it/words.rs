//! Log lines become counts of their templates.

use forecall_detect::{DetectOutput, DetectSettings, DetectStage, LINE_LABEL, LINE_METRIC};
use forecall_stage::Stage as _;
use forecall_types::{AnomalyState, Labels, Reading, SamplesRecord, SeriesKey};

use super::{anomalies, record, run, stage};

fn line(severity: &str, line: &str) -> SeriesKey {
    SeriesKey {
        metric: LINE_METRIC.into(),
        unit: "{record}".into(),
        resource: Labels::from_pairs([("service.name", "shop"), ("region", "IR-23")]),
        labels: Labels::from_pairs([("severity", severity), (LINE_LABEL, line)]),
    }
}

/// Two hours of calm lines, a record each ten seconds; a line never seen before, and a surge of one that was.
fn records() -> Vec<SamplesRecord> {
    let one = Reading::Events { count: 1 };
    (0..720)
        .map(|bin| {
            let at = bin * 10;
            let mut rows = vec![(
                line("INFO", "served request <*> in <*> ms"),
                at,
                Reading::Events { count: 5 },
            )];
            if bin % 40 == 11 || (600..630).contains(&bin) {
                rows.push((
                    line("ERROR", "payment declined for card <*>"),
                    at,
                    Reading::Events { count: 3 },
                ));
            }
            if bin == 400 {
                rows.push((line("ERROR", "disk quota exceeded while writing ledger"), at, one));
            }
            record(bin, at, &rows)
        })
        .collect()
}

fn opened(outputs: &[DetectOutput]) -> Vec<String> {
    let opened = anomalies(outputs)
        .into_iter()
        .filter(|a| a.state == AnomalyState::Opened);
    opened
        .map(|a| {
            let labels: Vec<String> = a
                .series
                .labels
                .iter()
                .filter(|(name, _)| *name != "log.template")
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("{} {} {}", a.at.secs(), a.series.metric, labels.join(" "))
        })
        .collect()
}

#[test]
fn a_new_template_and_a_surge_of_a_known_one_are_told() {
    let (outputs, rejects) = run(&mut stage(DetectSettings::default()), &records());
    assert!(rejects.is_empty(), "{rejects:?}");
    assert_eq!(
        opened(&outputs),
        [
            "4000 log.templates.new.rate severity=error",
            "6180 log.template.records.rate log.template.text=payment declined for card <*> severity=ERROR",
        ]
    );
    for anomaly in anomalies(&outputs) {
        assert!(anomaly.series.labels.get(LINE_LABEL).is_none() && !anomaly.series.metric.contains("lines"));
    }
}

#[test]
fn a_memory_saved_in_the_middle_goes_on_the_same() {
    let records = records();
    let settings = std::sync::Arc::new(DetectSettings::default());
    let mut whole = stage(DetectSettings::default());
    let all = run(&mut whole, &records).0;
    for cut in [1, 399, 401, 615] {
        let mut first = stage(DetectSettings::default());
        let mut outputs = run(&mut first, &records[..cut]).0;
        let mut second = DetectStage::load(settings.clone(), &first.save().unwrap()).unwrap();
        outputs.extend(run(&mut second, &records[cut..]).0);
        assert_eq!(outputs, all, "cut at {cut}");
        assert_eq!(second.save().unwrap(), whole.save().unwrap());
    }
}

#[test]
fn a_flood_of_kinds_of_lines_makes_few_series() {
    let letters = |n: i64| -> String {
        n.to_string()
            .bytes()
            .map(|d| char::from(d - b'0' + b'a'))
            .collect()
    };
    let records: Vec<SamplesRecord> = (0..3_000)
        .map(|n| {
            let text = format!("{} begins", letters(n));
            record(
                n,
                n / 10,
                &[(line("INFO", &text), n / 10, Reading::Events { count: 1 })],
            )
        })
        .collect();
    let mut stage = stage(DetectSettings::default());
    run(&mut stage, &records);
    // Thirty-two templates, the others together, and three classes of new ones.
    assert_eq!(stage.series(), 36);
}
