//! What is told of the series beside one that opens an anomaly.

use forecall_detect::{DetectOutput, DetectSettings};
use forecall_types::{Anomaly, AnomalyState, Labels, Reading, SamplesRecord, SeriesKey, Siblings};

use super::{anomalies, noise, record, run, stage};

fn host(number: i64) -> SeriesKey {
    let version = if number % 4 == 0 { "2.1" } else { "1.9" };
    SeriesKey {
        metric: "errors".into(),
        unit: "1".into(),
        resource: Labels::from_pairs([
            ("service.name", if number < 12 { "shop" } else { "mail" }),
            ("region", "IR-10"),
            ("version", version),
            ("host", &format!("h{number}")),
        ]),
        labels: Labels::default(),
    }
}

/// Twelve hosts of the shop and four of mail, a sample a minute; from minute `from` on those of the shop with version 2.1 fail. Host 11
/// says nothing after minute `quiet`.
fn records(minutes: i64, from: i64, quiet: i64) -> Vec<SamplesRecord> {
    let of = |minute: i64| {
        let rows: Vec<_> = (0..16)
            .filter(|n| *n != 11 || minute < quiet)
            .map(|n| {
                let fails = minute >= from && n < 12 && n % 4 == 0;
                let value = noise((minute * 16 + n).unsigned_abs()) + if fails { 900.0 } else { 100.0 };
                (host(n), minute * 60, Reading::Gauge(value))
            })
            .collect();
        record(minute, minute * 60, &rows)
    };
    (0..minutes).map(of).collect()
}

fn counted(outputs: &[DetectOutput]) -> Vec<&Anomaly> {
    let all = anomalies(outputs).into_iter();
    all.filter(|a| a.siblings.is_some()).collect()
}

fn of<'a>(siblings: &'a Siblings, label: &str) -> Option<(&'a str, u32, u32)> {
    let one = siblings.shared.iter().find(|one| &*one.label == label)?;
    Some((&one.value, one.series, one.values))
}

#[test]
fn live_ones_of_the_same_service_are_counted_by_label() {
    let mut stage = stage(DetectSettings::default());
    let (outputs, _) = run(&mut stage, &records(240, 200, 60));
    let told = counted(&outputs);
    assert_eq!(told.len(), 3, "{told:?}");
    for anomaly in told {
        assert_eq!(anomaly.state, AnomalyState::Opened);
        let siblings = anomaly.siblings.as_ref().unwrap();
        // Not the four of mail, and not the one that fell silent two hours before.
        assert_eq!(siblings.series, 11, "{siblings:?}");
        assert_eq!(of(siblings, "version"), Some(("2.1", 3, 2)));
        let host = anomaly.series.resource.get("host").unwrap();
        assert_eq!(of(siblings, "host"), Some((host, 1, 11)));
        assert_eq!(of(siblings, "service.name"), None);
        assert_eq!(of(siblings, "region"), None);
    }
    let later = anomalies(&outputs).into_iter().filter(|a| a.revision > 1);
    assert!(later.into_iter().all(|a| a.siblings.is_none()));
}

/// A snapshot between the first and the last opening changes nothing: counts are part of the memory.
#[test]
fn a_restart_tells_the_same() {
    use forecall_detect::DetectStage;
    use forecall_stage::Stage;
    let all = records(240, 200, 60);
    let (whole, _) = run(&mut stage(DetectSettings::default()), &all);
    for cut in 200..206 {
        let mut first = stage(DetectSettings::default());
        let (mut told, _) = run(&mut first, &all[..cut]);
        let settings = std::sync::Arc::new(DetectSettings::default());
        let mut second = DetectStage::load(settings, &first.save().unwrap()).unwrap();
        let (rest, _) = run(&mut second, &all[cut..]);
        told.extend(rest);
        assert_eq!(told, whole, "cut at {cut}");
    }
}
