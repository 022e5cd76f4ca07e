//! Examples of what `journeys` reads and tells.

use std::num::NonZeroU64;
use std::sync::Arc;

use forecall_types::{
    CustomerEvent, FailedJourney, JourneyEntry, JourneyFailure, JourneyMap, JourneyMapStep, JourneyMark,
    JourneyTimes, JourneyWave, Score, SourcePartition, SourceTopic, WaveState,
};

use super::{at, named};
use crate::event::JourneyEvent;

/// An event and a mark.
pub(super) fn entries() -> (JourneyEntry, JourneyEntry) {
    let topic: Arc<str> = Arc::from("shop.events");
    let event = CustomerEvent {
        id: 0x1f0a_77c2_9d4e_4b11_a0c4_3a1d_55e8_0b62,
        domain: named("isp"),
        kind: named("payment.accepted"),
        customer: named("cus_0a1b2c3d4e5f6g7h"),
        at: at(0),
        key: NonZeroU64::new(0x8c7d_11e0_42aa_9f03),
        service: Some(named("packages")),
        region: Some(named("IR-23")),
    };
    let mark = JourneyMark {
        source: SourcePartition {
            topic: Arc::clone(&topic),
            partition: 3,
        },
        read_until: at(1),
        topics: vec![SourceTopic { topic, partitions: 6 }],
    };
    (JourneyEntry::Event(event), JourneyEntry::Mark(mark))
}

pub(super) fn failed() -> JourneyEvent {
    JourneyEvent::Failed(FailedJourney {
        id: named("jny_4q7m2k9x1c8v5b3n"),
        domain: named("isp"),
        rule: named("paid_not_active"),
        customer: named("cus_0a1b2c3d4e5f6g7h"),
        key: NonZeroU64::new(0x8c7d_11e0_42aa_9f03),
        step: 0,
        failure: JourneyFailure::Absent,
        service: named("packages"),
        region: Some(named("IR-23")),
        started_at: at(0),
        failed_at: at(10),
        simulated: false,
    })
}

pub(super) fn wave() -> JourneyEvent {
    JourneyEvent::Wave(JourneyWave {
        id: named("wav_9r7p5m3k1j8h6f4d"),
        revision: 2,
        state: WaveState::Updated,
        domain: named("isp"),
        rule: named("paid_not_active"),
        step: 0,
        service: named("packages"),
        region: Some(named("IR-23")),
        from: at(7),
        at: at(14),
        due: 61,
        failed: 44,
        usual: 0.02,
        score: Score::clamped(20.0),
        withheld: 35,
        simulated: false,
    })
}

pub(super) fn map() -> JourneyEvent {
    let times = |seconds_max, count| JourneyTimes { seconds_max, count };
    JourneyEvent::Map(JourneyMap {
        rule: named("paid_not_active"),
        from: at(-480),
        to: at(960),
        started: 20,
        refused: 0,
        steps: vec![JourneyMapStep {
            expects: vec![named("package.activated")],
            reached: 20,
            passed: 15,
            absent: 4,
            struck: 0,
            excused: 1,
            median_seconds: Some(57.2),
            p90_seconds: Some(60.4),
            allowed_seconds: 600,
            times: vec![times(54.5, 6), times(60.25, 8), times(66.5, 1)],
        }],
        simulated: false,
    })
}
