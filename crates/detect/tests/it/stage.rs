use std::sync::Arc;

use forecall_detect::{DetectOutput, DetectSettings, DetectStage};
use forecall_stage::{Effects, Pulse, Stage};
use forecall_types::{
    EventTime, Reading, Reject, RejectReason, SamplesRecord, Score, ScoredSample, Temporality,
};
use proptest::prelude::*;

use super::{anomalies, key, noise, record, run, source, stage};

fn scoring() -> DetectSettings {
    DetectSettings {
        emit_scores: true,
        ..DetectSettings::default()
    }
}

fn scored(outputs: &[DetectOutput]) -> Vec<&ScoredSample> {
    outputs
        .iter()
        .filter_map(|o| match o {
            DetectOutput::Scored(s) => Some(s),
            DetectOutput::Anomaly(_) | DetectOutput::Summary(_) | DetectOutput::Heartbeat(_) => None,
        })
        .collect()
}

fn finish(stage: &mut DetectStage, records: &[SamplesRecord]) -> (Vec<DetectOutput>, Vec<Reject>) {
    let (mut outputs, mut rejects) = run(stage, records);
    let mut effects = Effects::default();
    stage.flush(&mut effects);
    let (more, refused) = effects.drain();
    outputs.extend(more);
    rejects.extend(refused);
    (outputs, rejects)
}

/// Records of five series of every kind, one every three seconds, with spikes where `wild` says so.
fn mixed(wild: &[bool]) -> Vec<SamplesRecord> {
    let bounds = [1.0, 2.0, 4.0];
    wild.iter()
        .enumerate()
        .map(|(i, wild)| {
            let i = i64::try_from(i).unwrap();
            let at = 1_000 + 3 * i;
            let level = if *wild { 50.0 } else { 10.0 } + noise(i.unsigned_abs());
            let count = i.unsigned_abs();
            let shifted = [count, 2 * count, if *wild { 9 * count } else { count }, 0];
            let (key, reading) = match i % 5 {
                0 => (key("a", "", "x"), Reading::Gauge(level)),
                1 => (key("b", "", "y"), Reading::Gauge(-level)),
                2 => (
                    key("c", "", "x"),
                    Reading::Sum {
                        value: f64::from(i32::try_from(i).unwrap()) * 3.0 + level,
                        temporality: Temporality::Cumulative,
                        monotonic: true,
                        start: Some(EventTime::from_secs(900)),
                    },
                ),
                3 => (
                    key("d", "s", "x"),
                    Reading::Histogram {
                        bounds: &bounds,
                        counts: &shifted,
                        sum: None,
                        temporality: Temporality::Delta,
                        start: None,
                    },
                ),
                _ => (
                    key("e", "", "y"),
                    Reading::Events {
                        count: if *wild { 40 } else { 2 },
                    },
                ),
            };
            record(i, at, &[(key, at, reading)])
        })
        .collect()
}

fn wild() -> impl Strategy<Value = Vec<bool>> {
    // Long enough for every series to be judged, with short and long troubles.
    proptest::collection::vec((proptest::bool::weighted(0.05), 1_usize..30), 60..120)
        .prop_map(|runs| runs.into_iter().flat_map(|(w, n)| vec![w; n]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_order_within_the_lateness_gives_the_same(wild in wild(), seed in any::<u32>()) {
        let records = mixed(&wild);
        let mut shuffled: Vec<_> = records.iter().cloned().enumerate().collect();
        // Each comes up to nine seconds late.
        shuffled.sort_by_key(|(i, r)| {
            let late = (noise(u64::from(seed) + *i as u64) + 1.0) * 4.4e9;
            #[allow(clippy::cast_possible_truncation, reason = "up to 8.8e9")]
            let late = late as i64;
            r.batch.rows()[0].at.nanos() + late
        });
        let shuffled: Vec<_> = shuffled.into_iter().map(|(_, r)| r).collect();
        let (want, none) = finish(&mut stage(scoring()), &records);
        let (got, refused) = finish(&mut stage(scoring()), &shuffled);
        prop_assert!(none.is_empty() && refused.is_empty(), "{:?}", refused);
        prop_assert_eq!(got, want);
    }

    #[test]
    fn saved_and_loaded_it_goes_on_as_if_nothing_had_been(wild in wild(), cut in 0.0_f64..1.0) {
        let records = mixed(&wild);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
        let cut = (cut * records.len() as f64) as usize;
        let mut through = stage(scoring());
        let (want, _) = run(&mut through, &records);
        let mut first = stage(scoring());
        let (mut got, _) = run(&mut first, &records[..cut]);
        let saved = first.save().unwrap();
        let mut second = DetectStage::load(Arc::new(scoring()), &saved).unwrap();
        prop_assert_eq!(second.save().unwrap(), saved);
        got.extend(run(&mut second, &records[cut..]).0);
        prop_assert_eq!(got, want);
        prop_assert_eq!(second.save().unwrap(), through.save().unwrap());
    }

    #[test]
    fn an_image_is_what_was_there_whatever_comes_after(wild in wild(), every in 1_usize..40, kept in 0_usize..4) {
        let records = mixed(&wild);
        let (want, _) = run(&mut stage(scoring()), &records);
        let mut imaged = stage(scoring());
        let (mut got, mut images) = (Vec::new(), std::collections::VecDeque::new());
        for records in records.chunks(every) {
            got.extend(run(&mut imaged, records).0);
            images.push_back((imaged.save().unwrap(), imaged.image().unwrap()));
            // Written at once, or after later records have changed everything.
            if images.len() > kept && let Some((saved, image)) = images.pop_front() {
                prop_assert_eq!(image.write().unwrap(), saved);
            }
        }
        for (saved, image) in images {
            prop_assert_eq!(image.write().unwrap(), saved);
        }
        prop_assert_eq!(got, want);
    }

    #[test]
    fn what_comes_later_changes_no_past_score(wild in wild(), other in wild(), cut in 10_usize..60) {
        let (a, b) = (mixed(&wild), mixed(&other));
        let future: Vec<_> = a[..cut].iter().chain(&b[cut..]).cloned().collect();
        let before = run(&mut stage(scoring()), &a[..cut]).0;
        let all = run(&mut stage(scoring()), &future).0;
        prop_assert_eq!(&all[..before.len()], &before[..]);
    }

    #[test]
    fn every_gauge_row_has_one_line(times in proptest::collection::vec(0_i64..400, 1..200)) {
        let records: Vec<_> = (0_i64..).zip(times.chunks(3)).map(|(i, times)| {
            let rows: Vec<_> = times.iter().map(|t| (key("m", "", "x"), *t, Reading::Gauge(1.0))).collect();
            record(i, 50, &rows)
        }).collect();
        let settings = DetectSettings { future_seconds: 250, ..scoring() };
        let (outputs, rejects) = finish(&mut stage(settings), &records);
        let mut lines: Vec<_> = scored(&outputs).iter().map(|s| (s.position.offset, s.row)).collect();
        lines.sort_unstable();
        let want: Vec<_> = (0_i64..).zip(times.chunks(3))
            .flat_map(|(i, c)| (0..u32::try_from(c.len()).unwrap()).map(move |r| (i, r)))
            .collect();
        prop_assert_eq!(lines, want);
        let future = times.iter().filter(|t| **t > 300).count();
        prop_assert_eq!(rejects.iter().filter(|r| r.reason == RejectReason::Future).count(), future);
    }
}

#[test]
fn late_future_and_doubled_samples_are_refused_and_teach_nothing() {
    let m = key("m", "", "x");
    let one = |offset, at| record(offset, at, &[(m.clone(), at, Reading::Gauge(5.0))]);
    let mut stage = stage(scoring());
    let mut records: Vec<_> = (0..40).map(|i| one(i, 100 * i)).collect();
    records.push(record(40, 4_000, &[(m.clone(), 3_889, Reading::Gauge(1e9))]));
    records.push(record(41, 4_000, &[(m.clone(), 4_301, Reading::Gauge(1e9))]));
    records.push(record(42, 4_000, &[(m.clone(), 3_900, Reading::Gauge(1e9))]));
    records.push(one(43, 4_000));
    let (outputs, rejects) = finish(&mut stage, &records);
    let reasons: Vec<_> = rejects.iter().map(|r| r.reason).collect();
    assert_eq!(
        reasons,
        [RejectReason::Late, RejectReason::Future, RejectReason::Duplicate]
    );
    assert_eq!(rejects[2].detail, "point 0 (m)");
    let line = |offset| {
        *scored(&outputs)
            .iter()
            .find(|s| s.position.offset == offset)
            .unwrap()
    };
    assert_eq!(line(40).score, Score::ZERO);
    assert!(line(40).band.is_some(), "the band is known by then");
    assert_eq!(line(41).score, Score::ZERO);
    assert!(line(42).score.get() > 3.0, "judged like the first of its time");
    assert_eq!(line(43).score, Score::ZERO, "nothing was learnt from them");
    assert!(anomalies(&outputs).is_empty());
}

#[test]
fn a_further_series_is_refused() {
    let settings = DetectSettings {
        series_max: 2,
        ..scoring()
    };
    let rows: Vec<_> = ["a", "b", "c"]
        .map(|m| (key(m, "", "x"), 0, Reading::Gauge(1.0)))
        .to_vec();
    let (outputs, rejects) = finish(&mut stage(settings), &[record(0, 0, &rows)]);
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].reason, RejectReason::SeriesLimit);
    assert_eq!(
        scored(&outputs).len(),
        3,
        "a replay has a line for it all the same"
    );
}

#[test]
fn a_burst_of_events_is_told_and_closed_when_all_is_silent() {
    // Two events every ten seconds, then fifty, then none; another series moves time on.
    let clock = key("clock", "", "x");
    let mut records = Vec::new();
    for i in 0..600_i64 {
        let at = 10 * i;
        let count = match i {
            0..100 => 2 + (i % 2).unsigned_abs(),
            100..110 => 50,
            _ => 0,
        };
        let mut rows = vec![(clock.clone(), at, Reading::Gauge(1.0))];
        if count > 0 {
            rows.push((key("app.events", "", "x"), at + 3, Reading::Events { count }));
        }
        records.push(record(i, at, &rows));
    }
    let (outputs, rejects) = run(&mut stage(DetectSettings::default()), &records);
    assert!(rejects.is_empty());
    let told = anomalies(&outputs);
    assert_eq!(told[0].series.metric.as_ref(), "app.events.rate");
    assert_eq!(told[0].series.unit.as_ref(), "1/s");
    assert_eq!(told[0].from, EventTime::from_secs(1_000));
    assert!((told[0].observed - 5.0).abs() < 1e-9);
    assert_eq!(told[0].lineage.ranges()[0].from, 100);
    assert!(
        told.iter()
            .any(|a| a.state == forecall_types::AnomalyState::Closed)
    );
}

#[test]
fn an_open_anomaly_whose_series_falls_silent_is_closed() {
    let (clock, m) = (key("clock", "", "x"), key("m", "", "x"));
    let records: Vec<_> = (0..400_i64)
        .map(|i| {
            let at = 30 * i;
            let mut rows = vec![(clock.clone(), at, Reading::Gauge(1.0))];
            if i < 110 {
                let value = if i < 100 {
                    10.0 + noise(i.unsigned_abs())
                } else {
                    90.0
                };
                rows.push((m.clone(), at, Reading::Gauge(value)));
            }
            record(i, at, &rows)
        })
        .collect();
    let (outputs, _) = run(&mut stage(DetectSettings::default()), &records);
    let last = *anomalies(&outputs).last().unwrap();
    assert_eq!(last.state, forecall_types::AnomalyState::Closed);
    let silent = last.at.secs() - 109 * 30;
    assert!((1_800..1_900).contains(&silent), "{silent}");
}

#[test]
fn a_pulse_tells_every_domain_how_far_it_is() {
    let mut stage = stage(DetectSettings::default());
    let point = |at| record(at, at, &[(key("m", "", "x"), at, Reading::Gauge(1.0))]);
    run(&mut stage, &[point(100), point(200)]);
    let mut effects = Effects::default();
    let pulse = Pulse {
        at: EventTime::from_secs(200),
        next_offset: 201,
        caught_up: true,
        idle: false,
        looked_at: None,
        topics: &[],
    };
    stage.pulse(pulse, &mut effects);
    let [DetectOutput::Heartbeat(beat)] = effects.outputs() else {
        panic!("{:?}", effects.outputs());
    };
    assert_eq!(beat.watermark.time(), EventTime::from_secs(190));
    assert_eq!((beat.next_offset, beat.caught_up, beat.idle), (201, true, false));
    assert_eq!(beat.source, source(0));
}
