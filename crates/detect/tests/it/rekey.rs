use std::sync::Arc;

use forecall_detect::{DetectSettings, RekeyOutput, RekeySettings, RekeyStage, Rekeyed};
use forecall_stage::{Effects, Pulse, Stage};
use forecall_types::{EventTime, Reading, RejectReason, SamplesRecord, ServiceName, SpanLink, SpanSide};
use proptest::prelude::*;

use super::{domain, key, record, run, source, stage};

fn rekey(stage: &mut RekeyStage, records: &[SamplesRecord]) -> Vec<Rekeyed> {
    let mut effects = Effects::default();
    for record in records {
        stage.step(record, &mut effects);
    }
    effects.drain().0.filter_map(RekeyOutput::samples).collect()
}

fn settings(partitions: u32) -> Arc<RekeySettings> {
    Arc::new(RekeySettings {
        partitions,
        ..RekeySettings::default()
    })
}

proptest! {
    #[test]
    fn every_point_comes_to_its_entitys_partition_once(rows in proptest::collection::vec((0_u8..6, 0_i64..100), 0..40), partitions in 1_u32..5) {
        let rows: Vec<_> = rows.into_iter()
            .map(|(entity, at)| (key("m", "", &format!("e{entity}")), at, Reading::Gauge(1.0)))
            .collect();
        let out = rekey(&mut RekeyStage::new(settings(partitions), source(0), domain()), &[record(7, 100, &rows)]);
        let mut got = 0;
        for rekeyed in &out {
            for row in rekeyed.record.batch.rows() {
                prop_assert_eq!(u128::from(rekeyed.partition), row.entity.as_u128() % u128::from(partitions));
                got += 1;
            }
            prop_assert_eq!(rekeyed.record.origin.offset, 7);
        }
        prop_assert_eq!(got, rows.len());
        let marked = out.iter().filter(|r| !r.record.marks.is_empty()).count();
        prop_assert_eq!(marked, if rows.is_empty() { 0 } else { usize::try_from(partitions).unwrap() });
    }
}

#[test]
fn marks_go_everywhere_once_a_second_and_idleness_with_the_pulse() {
    let mut stage = RekeyStage::new(settings(3), source(1), domain());
    let point = |offset, at| record(offset, 1_000, &[(key("m", "", "a"), at, Reading::Gauge(1.0))]);
    assert_eq!(rekey(&mut stage, &[point(0, 100)]).len(), 3, "the first mark");
    assert_eq!(rekey(&mut stage, &[point(1, 100)]).len(), 1, "not a second later");
    assert_eq!(
        rekey(&mut stage, &[point(2, 5_000)]).len(),
        1,
        "a future one moves no mark"
    );
    let out = rekey(&mut stage, &[point(3, 101)]);
    assert_eq!(out.len(), 3);
    assert_eq!(out[0].record.marks[0].newest, Some(EventTime::from_secs(101)));

    let saved = stage.save().unwrap();
    let stage = RekeyStage::load(settings(3), &saved).unwrap();
    let says = |stage: &RekeyStage, idle, caught_up| {
        let mut effects = Effects::default();
        let pulse = Pulse {
            at: EventTime::from_secs(900),
            next_offset: 4,
            caught_up,
            idle,
            looked_at: Some(EventTime::from_secs(899)),
            topics: &[],
        };
        stage.pulse(pulse, &mut effects);
        let said: Vec<_> = effects.drain().0.filter_map(RekeyOutput::samples).collect();
        assert_eq!(said.len(), 3);
        let pulse = said[0].record.marks[0].pulse.clone().unwrap();
        assert_eq!(pulse.caught_up, caught_up);
        pulse.silent_until.map(|until| until.secs())
    };
    assert_eq!(says(&stage, false, true), None, "it may just be slow");
    assert_eq!(says(&stage, true, true), Some(899));
    let empty = RekeyStage::new(settings(3), source(1), domain());
    assert_eq!(says(&empty, false, true), Some(899), "nobody is to be waited for");
    assert_eq!(says(&empty, false, false), None, "not read yet");
    assert_eq!(stage.save().unwrap(), saved, "a pulse changes nothing");
}

#[test]
fn detect_waits_for_the_slowest_source() {
    let mut fast = RekeyStage::new(settings(1), source(0), domain());
    let mut slow = RekeyStage::new(settings(1), source(1), domain());
    let mut detect = stage(DetectSettings {
        emit_scores: true,
        ..DetectSettings::default()
    });
    let take = |rekey_stage: &mut RekeyStage, partition: i32, offset: i64, at: i64| -> Vec<SamplesRecord> {
        let mut record = record(
            offset,
            at,
            &[(key("m", "", &format!("e{partition}")), at, Reading::Gauge(1.0))],
        );
        record.origin.partition = partition;
        rekey(rekey_stage, &[record])
            .into_iter()
            .map(|r| r.record)
            .collect()
    };
    let scored = |detect: &mut _, records: Vec<SamplesRecord>| run(detect, &records).0.len();
    assert_eq!(scored(&mut detect, take(&mut slow, 1, 0, 100)), 0);
    assert_eq!(scored(&mut detect, take(&mut fast, 0, 0, 100)), 0);
    assert_eq!(
        scored(&mut detect, take(&mut fast, 0, 1, 500)),
        0,
        "the slow one stands at 100"
    );
    assert_eq!(scored(&mut detect, take(&mut slow, 1, 1, 200)), 2, "both of 100");
}

#[test]
fn traces_tell_who_needs_whom_and_go_to_no_partition() {
    let name = |text: &str| ServiceName::new(text).unwrap();
    let call = |at: i64, span: u64| {
        let link = |service: &str, side, span, parent| SpanLink {
            span,
            parent,
            service: name(service),
            peer: None,
            side,
            at: EventTime::from_secs(at),
        };
        vec![
            link("web", SpanSide::Calls, span, None),
            link("cart", SpanSide::IsCalled, span + 1, Some(span)),
        ]
    };
    let mut stage = RekeyStage::new(settings(3), source(0), domain()).without_points(true);
    let mut effects = Effects::default();
    for i in 0..6 {
        let mut spans = record(i, 100, &[]);
        spans.links = call(90, 10 * u64::try_from(i).unwrap());
        stage.step(&spans, &mut effects);
    }
    // A span from beyond its record's time moves nothing.
    let mut wrong = record(7, 100, &[]);
    wrong.links = call(10_000, 900);
    stage.step(&wrong, &mut effects);
    let (said, rejects) = effects.drain();
    let said: Vec<_> = said.collect();
    let [RekeyOutput::Service(said)] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert_eq!(said.service, name("web"));
    assert_eq!(said.depends_on, [name("cart")].into());
    assert_eq!(
        (said.at, said.traced_by.as_ref()),
        (EventTime::from_secs(90), Some(&source(0)))
    );
    let refused: Vec<_> = rejects.map(|r| r.reason).collect();
    assert_eq!(refused, [RejectReason::Future, RejectReason::Future]);
    // What it remembers goes through a snapshot.
    let mut again = RekeyStage::load(settings(3), &stage.save().unwrap()).unwrap();
    let mut effects = Effects::default();
    let mut later = record(8, 90 + 7 * 3_600, &[]);
    later.links = call(90 + 7 * 3_600, 1_000);
    again.step(&later, &mut effects);
    assert_eq!(effects.drain().0.count(), 1, "said again after six hours");
}
