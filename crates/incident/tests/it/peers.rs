//! Peers that lie in several partitions.

use forecall_incident::{CorrelateInput, CorrelateStage};
use forecall_stage::{Effects, Stage};
use forecall_types::{
    Channel, CorrelateEntry, EventTime, Heartbeat, IncidentEvent, IncidentState, Labels, Lineage, Position,
    Reject, RejectReason, SourcePartition, Summary, SummaryValue, Tick, Watermark,
};
use proptest::prelude::*;

use crate::fixture::{domain, settings};

const CELLS: i64 = 20;
const PARTITIONS: i64 = 3;
/// From this minute on a cell is off, in two metrics.
const OFF: i64 = 100;
const END: i64 = 140;

fn noise(seed: i64) -> f64 {
    let mut z = u64::from_ne_bytes(seed.to_ne_bytes()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap()) / f64::from(u32::MAX) * 2.0 - 1.0
}

fn source(partition: i64) -> SourcePartition {
    SourcePartition {
        topic: "telemetry".into(),
        partition: i32::try_from(partition).unwrap(),
    }
}

fn summary(cell: i64, minute: i64, place: (&str, &str)) -> CorrelateEntry {
    let usual = 0.1 * f64::from(i32::try_from(cell % 5 + 1).unwrap());
    let factor = if cell == 7 && minute >= OFF { 6.0 } else { 1.0 };
    let value = |metric: &str, seed: i64| SummaryValue {
        metric: metric.into(),
        unit: "%".into(),
        labels: Labels::default(),
        mean: usual * factor * (1.0 + 0.05 * noise(seed * 1_000_003 + cell * 1_009 + minute)),
        count: 6,
    };
    let offset = minute * 100 + cell;
    CorrelateEntry::Summary(Box::new(Summary {
        domain: domain(),
        group: "cells".into(),
        within: Labels::from_pairs([("region", "IR-10")]),
        entity: Labels::from_pairs([
            ("service.name", place.0),
            ("region", place.1),
            ("cell.id", &format!("c{cell:02}")),
        ]),
        source: source(cell % PARTITIONS),
        from: EventTime::from_secs(minute * 60),
        at: EventTime::from_secs(minute * 60 + 60),
        score: 0.0,
        parts: Vec::new(),
        values: vec![value("jitter", 1), value("packet.loss", 2)],
        lineage: Lineage::of(&Position {
            topic: "telemetry".into(),
            partition: i32::try_from(cell % PARTITIONS).unwrap(),
            offset,
        }),
    }))
}

fn beat(partition: i64, minute: i64) -> CorrelateEntry {
    CorrelateEntry::Heartbeat(Heartbeat {
        domain: domain(),
        source: source(partition),
        next_offset: 0,
        watermark: Watermark::at(EventTime::from_secs(minute * 60 + 80)),
        idle: false,
        silent_until: None,
        caught_up: true,
    })
}

/// What each partition says of a minute, its cells in some order, and then that it has passed it.
fn said(partition: i64, minute: i64, turned: bool, place: (&str, &str)) -> Vec<CorrelateEntry> {
    let mut cells: Vec<i64> = (0..CELLS).filter(|cell| cell % PARTITIONS == partition).collect();
    if turned {
        cells.reverse();
    }
    let summaries = cells.into_iter().map(|cell| summary(cell, minute, place));
    summaries.chain([beat(partition, minute)]).collect()
}

struct Run {
    stage: CorrelateStage,
    events: Vec<IncidentEvent>,
    rejects: Vec<Reject>,
    offset: i64,
}

impl Run {
    fn new() -> Self {
        Self {
            stage: CorrelateStage::new(settings()),
            events: Vec::new(),
            rejects: Vec::new(),
            offset: 0,
        }
    }

    fn step(&mut self, entry: CorrelateEntry) {
        let position = Position {
            topic: "log".into(),
            partition: 0,
            offset: self.offset,
        };
        self.offset += 1;
        let mut effects = Effects::default();
        self.stage.step(&CorrelateInput { position, entry }, &mut effects);
        let (outputs, rejects) = effects.drain();
        self.events.extend(outputs);
        self.rejects.extend(rejects);
    }

    fn tick(&mut self, minute: i64) {
        for second in [65, 80, 100] {
            let at = EventTime::from_secs(minute * 60 + second);
            self.step(CorrelateEntry::Tick(Tick { at }));
        }
    }
}

/// Partition 2 is read so many minutes behind the others, in bursts; `cut` restarts the stage there.
fn run(behind: i64, turned: bool, cut: Option<i64>, place: (&str, &str)) -> Run {
    let mut run = Run::new();
    // All have told of themselves before time goes on.
    for partition in 0..PARTITIONS {
        run.step(beat(partition, -2));
    }
    run.tick(-1);
    let mut next = 0;
    for minute in 0..END {
        if cut == Some(minute) {
            let bytes = run.stage.save().unwrap();
            run.stage = CorrelateStage::load(settings(), &bytes).unwrap();
            let parts = [CorrelateStage::new(settings()), run.stage];
            let mut stages = CorrelateStage::divide(&settings(), &parts, 2, |_| 1).unwrap();
            run.stage = stages.pop().unwrap();
        }
        let order: Vec<i64> = if turned { vec![1, 0] } else { vec![0, 1] };
        for partition in order {
            said(partition, minute, turned, place)
                .into_iter()
                .for_each(|entry| run.step(entry));
        }
        if behind == 0 || (minute + 1) % behind == 0 || minute + 1 == END {
            for late in next..=minute {
                said(2, late, turned, place)
                    .into_iter()
                    .for_each(|entry| run.step(entry));
            }
            next = minute + 1;
        } else {
            run.step(beat(2, next - 1));
        }
        run.tick(minute);
    }
    run
}

const HERE: (&str, &str) = ("access", "IR-10");

#[test]
fn one_of_twenty_becomes_an_incident_that_names_it() {
    let run = run(0, false, None, HERE);
    assert_eq!(run.rejects, []);
    let first = run.events.first().unwrap();
    assert_eq!(first.incident.state, IncidentState::Predicted);
    let minute = first.incident.at.secs() / 60;
    assert!((OFF + 3..OFF + 12).contains(&minute), "{minute}");
    let evidence = &first.incident.evidence;
    let mut named: Vec<(&str, Channel)> = evidence.iter().map(|e| (&*e.series.metric, e.channel)).collect();
    named.sort_unstable();
    assert_eq!(named, [("jitter", Channel::Peer), ("packet.loss", Channel::Peer)]);
    for e in evidence {
        assert_eq!(e.series.resource.get("cell.id"), Some("c07"));
        assert!((e.observed / e.expected - 6.0).abs() < 1.0, "{e:?}");
        assert_eq!(e.from, EventTime::from_secs(OFF * 60));
    }
    assert!((evidence.iter().map(|e| e.weight).sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(
        first.incident.reason.contains(" by its peers"),
        "{}",
        first.incident.reason
    );
    assert!(
        first
            .incident
            .scope
            .elements
            .iter()
            .any(|e| e.as_str().contains("c07"))
    );
    let from: Vec<i64> = first.incident.lineage.ranges().iter().map(|r| r.from).collect();
    assert!(
        from.contains(&(OFF * 100 + 7)) && first.incident.lineage.ranges().iter().all(|r| r.partition == 1)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn how_partitions_interleave_and_restarts_change_nothing(behind in 0_i64..9, turned: bool, cut in 0_i64..END) {
        let plain = run(0, false, None, HERE);
        prop_assert!(!plain.events.is_empty());
        let other = run(behind, turned, Some(cut), HERE);
        prop_assert_eq!(other.rejects, vec![]);
        prop_assert_eq!(other.events, plain.events);
    }
}

#[test]
fn what_nobody_depends_on_and_what_comes_late_is_refused() {
    let nowhere = run(0, false, None, ("nothing", "IR-10"));
    assert_eq!(nowhere.events, []);
    let reasons: Vec<RejectReason> = nowhere.rejects.iter().map(|r| r.reason).collect();
    assert_eq!(
        reasons,
        [RejectReason::UnknownScope; 2],
        "told once for each metric"
    );
    let mut run = run(0, false, None, HERE);
    assert!(run.rejects.is_empty());
    run.step(summary(1, 3, HERE));
    let [reject] = run.rejects.as_slice() else {
        panic!("{:?}", run.rejects)
    };
    assert_eq!(reject.reason, RejectReason::Late);
}
