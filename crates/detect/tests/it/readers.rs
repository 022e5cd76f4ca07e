//! Readers that start one after the other, with a backlog, and stop for a while: whatever order their source partitions are
//! read in, `detect` scores the same samples, and refuses none as late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_detect::{DetectOutput, DetectSettings, DetectStage, RekeyOutput, RekeySettings, RekeyStage};
use forecall_stage::{Effects, Pulse, Stage};
use forecall_types::{EventTime, Reading, RejectReason, SamplesRecord, SourceTopic};
use proptest::prelude::*;

use super::{domain, key, record, source};

const LATENESS: i64 = 10;
const IDLE_AFTER: i64 = 30;
const SECONDS: i64 = 240;
/// Producers' delay: within the lateness, with the second that a pulse may lag behind.
const DELAY_MAX: i64 = 8;

/// What stands on a source partition: (appended, measured, entity), by offset.
type Partition = Vec<(i64, i64, usize)>;

/// What befalls one source partition and its reader.
#[derive(Debug, Clone)]
struct Fate {
    partition: Partition,
    /// When the partition comes to be: it grows the topic.
    born: i64,
    /// Seconds in which no reader has it.
    down: Vec<(i64, i64)>,
    /// Records read in one turn at most.
    pace: usize,
}

impl Fate {
    fn is_down(&self, now: i64) -> bool {
        now < self.born || self.down.iter().any(|(from, to)| (*from..*to).contains(&now))
    }
}

fn fate(number: usize, growing: bool) -> impl Strategy<Value = Fate> {
    let record = (0..SECONDS, 0..=DELAY_MAX, 0_usize..3);
    let down = (0..SECONDS, 1..SECONDS);
    let born = if growing { 1..SECONDS } else { 0..1 };
    (
        proptest::collection::vec(record, 0..60),
        proptest::collection::vec(down, 0..3),
        prop_oneof![Just(1_usize), Just(3), Just(1_000)],
        born,
        // A long silence in the middle.
        proptest::option::of((0..SECONDS, 20_i64..150)),
    )
        .prop_map(move |(records, down, pace, born, silence)| {
            let mut partition: Partition = records
                .into_iter()
                .filter(|(at, ..)| silence.is_none_or(|(from, len)| !(from..from + len).contains(at)))
                // A partition that comes to be takes what is measured from then on.
                .filter(|(at, delay, _)| at - delay > born)
                .map(|(at, delay, entity)| (at, at - delay, 10 * number + entity))
                .collect();
            partition.sort_unstable();
            let mut known = BTreeSet::new();
            partition.retain(|(_, measured, entity)| known.insert((*measured, *entity)));
            let down = down.into_iter().map(|(from, len)| (from, from + len)).collect();
            Fate {
                partition,
                born,
                down,
                pace,
            }
        })
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    (1_usize..=6).prop_flat_map(|count| {
        (0..count)
            .map(|n| fate(n, count > 2 && n + 1 == count))
            .collect::<Vec<_>>()
    })
}

/// The reader of one source partition, as the host drives it.
struct Reader {
    stage: RekeyStage,
    next: usize,
    /// When it was given the partition, read something, and pulsed last; a new owner knows of none.
    since: i64,
    looked_at: Option<i64>,
    was_down: bool,
}

impl Reader {
    fn new(number: usize) -> Self {
        let settings = Arc::new(RekeySettings {
            partitions: 1,
            ..RekeySettings::default()
        });
        let source = source(i32::try_from(number).unwrap());
        Self {
            stage: RekeyStage::new(settings, source, domain()),
            next: 0,
            since: 0,
            looked_at: None,
            was_down: true,
        }
    }

    fn say(&mut self, now: i64, is_caught_up: bool, topics: &[SourceTopic], out: &mut Vec<SamplesRecord>) {
        let mut effects = Effects::default();
        let pulse = Pulse {
            at: EventTime::from_secs(now),
            next_offset: i64::try_from(self.next).unwrap(),
            caught_up: is_caught_up,
            idle: is_caught_up && self.looked_at.is_some() && now - self.since >= IDLE_AFTER,
            looked_at: self.looked_at.map(EventTime::from_secs),
            topics,
        };
        self.stage.pulse(pulse, &mut effects);
        out.extend(
            effects
                .drain()
                .0
                .filter_map(RekeyOutput::samples)
                .map(|r| r.record),
        );
    }

    /// One turn: reads at most `fate.pace` of what is there, and says how it stands.
    fn turn(&mut self, number: usize, fate: &Fate, now: i64, topics: &[SourceTopic]) -> Vec<SamplesRecord> {
        let mut out = Vec::new();
        if fate.is_down(now) {
            self.was_down = true;
            return out;
        }
        if std::mem::take(&mut self.was_down) {
            // A new owner: its memory comes from a snapshot.
            (self.since, self.looked_at) = (now, None);
            let saved = self.stage.save().unwrap();
            let settings = Arc::new(RekeySettings {
                partitions: 1,
                ..RekeySettings::default()
            });
            self.stage = RekeyStage::load(settings, &saved).unwrap();
            self.say(now, false, topics, &mut out);
        }
        let there = fate.partition.partition_point(|(appended, ..)| *appended <= now);
        let mut effects = Effects::default();
        for (appended, measured, entity) in &fate.partition[self.next..there.min(self.next + fate.pace)] {
            let key = key("m", "", &format!("e{entity}"));
            let mut one = record(
                i64::try_from(self.next).unwrap(),
                *appended,
                &[(key, *measured, Reading::Gauge(1.0))],
            );
            one.origin.partition = i32::try_from(number).unwrap();
            self.stage.step(&one, &mut effects);
            self.next += 1;
            self.since = now;
        }
        out.extend(
            effects
                .drain()
                .0
                .filter_map(RekeyOutput::samples)
                .map(|r| r.record),
        );
        self.say(now, self.next == there, topics, &mut out);
        self.looked_at = Some(now);
        out
    }
}

fn settings() -> Arc<DetectSettings> {
    Arc::new(DetectSettings {
        lateness_seconds: u32::try_from(LATENESS).unwrap(),
        emit_scores: true,
        ..DetectSettings::default()
    })
}

/// What came of it: how often each (partition, offset) was scored, and why samples were refused.
type Came = (BTreeMap<(i32, i64), u32>, Vec<RejectReason>);

fn take(came: &mut Came, effects: &mut Effects<DetectOutput>) {
    let (outputs, rejects) = effects.drain();
    for output in outputs {
        if let DetectOutput::Scored(scored) = output {
            *came
                .0
                .entry((scored.position.partition, scored.position.offset))
                .or_default() += 1;
        }
    }
    came.1.extend(rejects.map(|r| r.reason));
}

/// All of it, the readers taking turns in the order that `order` draws.
fn run(fates: &[Fate], order: &[usize], restart_every: usize) -> Came {
    let mut readers: Vec<Reader> = (0..fates.len()).map(Reader::new).collect();
    let mut detect = DetectStage::new(settings(), source(0));
    let mut came = Came::default();
    let mut effects = Effects::default();
    let mut draws = order.iter().cycle();
    let mut steps = 0;
    // In the end every reader is up, and has the time to read everything and to fall silent.
    for now in 0..SECONDS * 2 + 200 {
        let count = fates.iter().filter(|f| f.born <= now).count();
        let topics = [SourceTopic {
            topic: Arc::from("telemetry"),
            partitions: u32::try_from(count).unwrap(),
        }];
        let mut turns: Vec<usize> = (0..fates.len()).collect();
        while !turns.is_empty() {
            let number = turns.swap_remove(draws.next().unwrap() % turns.len());
            for record in readers[number].turn(number, &fates[number], now, &topics) {
                detect.step(&record, &mut effects);
                take(&mut came, &mut effects);
                steps += 1;
                if steps % restart_every == 0 {
                    detect = DetectStage::load(settings(), &detect.save().unwrap()).unwrap();
                }
            }
        }
    }
    assert_eq!(detect.released_early(), 0);
    detect.flush(&mut effects);
    take(&mut came, &mut effects);
    came
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn start_order_backlog_pauses_and_growth_make_no_sample_late(
        fates in fates(),
        order in proptest::collection::vec(any::<usize>(), 64),
        restart_every in 1_usize..400,
    ) {
        let (scored, refused) = run(&fates, &order, restart_every);
        prop_assert_eq!(refused, []);
        let all: BTreeMap<(i32, i64), u32> = (0..)
            .zip(&fates)
            .flat_map(|(partition, fate)| {
                (0..).zip(&fate.partition).map(move |(offset, _)| ((partition, offset), 1))
            })
            .collect();
        prop_assert_eq!(scored, all);
    }
}

/// The property above tries something only if the readers' word counts: without it, a backlog is late.
#[test]
fn without_the_readers_word_a_backlog_is_late() {
    let fate = |down: Vec<(i64, i64)>| Fate {
        partition: (0..SECONDS).map(|at| (at, at, 0)).collect(),
        born: 0,
        down,
        pace: 1_000,
    };
    let fates = [fate(Vec::new()), fate(vec![(0, 100)])];
    let mut readers: Vec<Reader> = (0..2).map(Reader::new).collect();
    let mut detect = DetectStage::new(settings(), source(0));
    let mut came = Came::default();
    let mut effects = Effects::default();
    for now in 0..SECONDS {
        for number in 0..2 {
            for mut record in readers[number].turn(number, &fates[number], now, &[]) {
                record.marks.iter_mut().for_each(|mark| mark.pulse = None);
                detect.step(&record, &mut effects);
                take(&mut came, &mut effects);
            }
        }
    }
    assert!(came.1.contains(&RejectReason::Late), "{:?}", came.1.len());
}
