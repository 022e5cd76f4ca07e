//! What is shown of chosen series: what was judged, and nothing hangs on it.

use std::sync::Arc;

use forecall_detect::{DetectSettings, DetectStage, Shown, ShownSeries};
use forecall_stage::{Effects, Stage as _};
use forecall_types::{Reading, SamplesRecord};

use super::{key, noise, record, stage};

/// Two services, a sample of each every 30 s; one has trouble from sample 300 on.
fn records() -> Vec<SamplesRecord> {
    let (sick, well) = (key("net.loss", "%", "internet"), key("net.loss", "%", "voice"));
    (0..340)
        .map(|i| {
            let (at, n) = (i * 30, u64::try_from(i).unwrap());
            let trouble = if i >= 300 { 6.0 } else { 0.0 };
            let sick_now = 0.1 + 0.02 * noise(n) + trouble;
            let samples = [
                (sick.clone(), at, Reading::Gauge(sick_now)),
                (well.clone(), at, Reading::Gauge(0.1 + 0.02 * noise(n + 9_000))),
            ];
            record(i, at, &samples)
        })
        .collect()
}

fn chosen(text: &str) -> Arc<[ShownSeries]> {
    let (metric, service) = text.split_once(' ').unwrap();
    let shown = ShownSeries {
        metric: Some(metric.to_owned()),
        r#match: [("service.name".to_owned(), service.to_owned())].into(),
    };
    Arc::from([shown])
}

/// All outputs as text, the state, and what was shown.
fn run(mut stage: DetectStage) -> (Vec<String>, Vec<u8>, Vec<Shown>) {
    let (mut told, mut shown) = (Vec::new(), Vec::new());
    for record in records() {
        let mut effects = Effects::default();
        stage.step(&record, &mut effects);
        told.extend(effects.outputs().iter().map(|o| format!("{o:?}")));
        shown.extend(stage.take_shown());
    }
    (told, stage.save().unwrap(), shown)
}

#[test]
fn nothing_hangs_on_what_is_shown() {
    let plain = run(stage(DetectSettings::default()));
    assert!(plain.2.is_empty() && !plain.0.is_empty());
    for pattern in ["* *", "net.loss internet", "cpu *"] {
        let shown = run(stage(DetectSettings::default()).showing(&chosen(pattern)));
        assert_eq!((&shown.0, &shown.1), (&plain.0, &plain.1), "{pattern}");
    }
}

#[test]
fn chosen_series_are_shown_with_what_was_expected_and_who_says_so() {
    let (_, _, shown) = run(stage(DetectSettings::default()).showing(&chosen("net.* intern*")));
    assert!(
        shown
            .iter()
            .all(|s| s.series.resource.get("service.name") == Some("internet"))
    );
    let first = &shown[0];
    assert!(first.normal.is_none() && first.channels.is_empty() && !first.is_open);
    let well = shown.iter().rfind(|s| s.value < 1.0).unwrap();
    let (expected, band) = well.normal.unwrap();
    assert!(band.low <= expected && expected <= band.high);
    assert!(well.score < 1.0 && !well.is_open);
    let sick: Vec<&Shown> = shown.iter().filter(|s| s.value > 5.0).collect();
    let loud = sick[0];
    assert!(loud.score >= 1.0, "{}", loud.score);
    assert!(loud.value > loud.normal.unwrap().1.high);
    assert!(loud.channels.iter().any(|c| c.score.get() > 3.0));
    assert!(sick.iter().any(|s| s.is_open));
    let (_, _, none) = run(stage(DetectSettings::default()).showing(&chosen("net.loss mail")));
    assert!(none.is_empty());
}
