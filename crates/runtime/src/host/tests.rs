use std::sync::Arc;
use std::time::Duration;

use forecall_log::{
    InProcess, Log, Membership, OutRecord, RecordRef, TopicPartition, TopicSpec, Transaction,
};
use forecall_observe::Metrics;
use forecall_stage::{Effects, SnapshotError, Stage, decode_state, encode_state};
use forecall_types::{EventTime, Fingerprint, Reject, RejectReason};

use crate::clock::ManualClock;
use crate::host::{Adapter, Effect, Host, HostError, HostSettings, LogSink, Place};
use crate::snapshots::SnapshotStore;

/// A running sum: every output hangs on all records before it, so a lost, doubled or reordered one shows.
struct Sum {
    sum: u64,
    /// It speaks at inputs that this divides.
    every: u64,
}

/// What a sound stage that speaks at each input puts out.
fn sums(inputs: impl IntoIterator<Item = u64>) -> Vec<u64> {
    inputs
        .into_iter()
        .scan(0_u64, |sum, input| {
            *sum = sum.wrapping_mul(31).wrapping_add(input);
            Some(*sum)
        })
        .collect()
}

/// An input on which the stage panics, where the adapter plants it.
const POISON: u64 = 13;

impl Stage for Sum {
    type Settings = ();
    type Input = u64;
    type Output = u64;
    const NAME: &'static str = "sum";
    const VERSION: u32 = 1;
    fn step(&mut self, input: &u64, effects: &mut Effects<u64>) {
        assert_ne!(*input, u64::MAX, "poison");
        self.sum = self.sum.wrapping_mul(31).wrapping_add(*input);
        if input.is_multiple_of(self.every) {
            effects.emit(self.sum);
        }
    }
    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        encode_state(&(self.sum, self.every))
    }
    fn load((): (), bytes: &[u8]) -> Result<Self, SnapshotError> {
        decode_state(bytes).map(|(sum, every)| Self { sum, every })
    }
}

struct SumAdapter {
    /// A planted fault: a stage that doesn't repeat itself.
    bias: u64,
    every: u64,
    /// A planted fault: where [`POISON`] makes it panic.
    poison: Option<Poisoned>,
}

/// What panics on [`POISON`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Poisoned {
    Decode,
    Step,
    Encode,
}

impl SumAdapter {
    /// Sound, and speaking at inputs that `every` divides.
    const fn speaking(every: u64) -> Self {
        Self {
            bias: 0,
            every,
            poison: None,
        }
    }
}

impl Adapter for SumAdapter {
    type Stage = Sum;
    type Memory = ();
    fn settings_digest(&self) -> Fingerprint {
        Fingerprint::of(&self.every.to_le_bytes())
    }
    fn create(&self, _: &TopicPartition) -> Sum {
        Sum {
            sum: self.bias,
            every: self.every,
        }
    }
    fn load(&self, _: &TopicPartition, state: &[u8]) -> Result<Sum, SnapshotError> {
        Sum::load((), state).map(|stage| Sum {
            every: self.every,
            ..stage
        })
    }
    fn decode(&self, record: &RecordRef<'_>) -> Result<Option<u64>, Reject> {
        std::str::from_utf8(record.value.unwrap_or_default())
            .ok()
            .and_then(|text| text.parse().ok())
            .map(|input| {
                let is_poison = input == POISON;
                assert!(!is_poison || self.poison != Some(Poisoned::Decode), "poison");
                Some(if is_poison && self.poison == Some(Poisoned::Step) {
                    u64::MAX
                } else {
                    input
                })
            })
            .ok_or_else(|| Reject::new(RejectReason::Malformed, "not a number"))
    }
    fn encode(&self, _: &TopicPartition, output: u64, into: &mut Vec<Effect>) -> Result<(), Reject> {
        let is_poison = output == sums(0..=POISON).last().copied().unwrap_or_default();
        assert!(!is_poison || self.poison != Some(Poisoned::Encode), "poison");
        into.push(Effect::Publish(OutRecord::new(
            "out",
            b"k".to_vec(),
            output.to_string().into_bytes(),
        )));
        Ok(())
    }
    fn dead_letter(&self, record: &RecordRef<'_>, _: &Reject) -> Option<OutRecord> {
        Some(OutRecord::new(
            "dead",
            b"k".to_vec(),
            record.value.unwrap_or_default().to_vec(),
        ))
    }
}

struct Bed {
    log: InProcess,
    snapshots: SnapshotStore,
    clock: Arc<ManualClock>,
    metrics: Metrics,
    written: u64,
}

impl Bed {
    fn new() -> Self {
        let log = InProcess::default();
        log.create_topics(&[
            TopicSpec::new("in", 2),
            TopicSpec::new("out", 1),
            TopicSpec::new("dead", 1),
        ])
        .unwrap();
        let clock = Arc::new(ManualClock::at(EventTime::from_secs(0)));
        Self {
            log,
            snapshots: SnapshotStore::in_memory("g").unwrap(),
            clock,
            metrics: Metrics::new(),
            written: 0,
        }
    }

    fn write(&mut self, count: u64) {
        let records = (self.written..self.written + count).map(|i| {
            let mut record = OutRecord::new("in", b"k".to_vec(), i.to_string().into_bytes());
            record.partition = Some(0);
            record
        });
        let transaction = Transaction {
            records: records.collect(),
            positions: vec![],
        };
        self.log.writer("producer").unwrap().commit(&transaction).unwrap();
        self.written += count;
    }

    fn host(&self, instance: &str, bias: u64) -> Result<Host<SumAdapter>, HostError> {
        let adapter = SumAdapter {
            bias,
            every: 1,
            poison: None,
        };
        self.host_of(instance, adapter, HostSettings::default())
    }

    fn host_of(
        &self,
        instance: &str,
        adapter: SumAdapter,
        settings: HostSettings,
    ) -> Result<Host<SumAdapter>, HostError> {
        let membership = Membership {
            group: "g".into(),
            instance: instance.into(),
            topics: vec!["in".into()],
            is_static: true,
        };
        let place = Place {
            sink: Arc::new(LogSink),
            snapshots: self.snapshots.clone(),
            clock: Arc::clone(&self.clock) as Arc<_>,
            metrics: self.metrics.clone(),
            settings: HostSettings {
                batch_records_max: 7,
                ..settings
            },
        };
        Host::join(&self.log, &membership, adapter, place)
    }

    fn committed(&self) -> Option<i64> {
        let place = TopicPartition::new("in", 0);
        let found = self.log.committed("g", &[place]).unwrap();
        found.into_iter().flatten().next().map(|c| c.next_offset)
    }

    fn out(&self, topic: &str) -> Vec<String> {
        let mut values = Vec::new();
        self.log
            .read(&TopicPartition::new(topic, 0), 0, &mut |r| {
                values.push(String::from_utf8(r.value.unwrap().to_vec()).unwrap());
            })
            .unwrap();
        values
    }

    /// What the outputs must be: computed anew, without any of the code under test.
    fn oracle(&self) -> Vec<String> {
        sums(0..self.written).iter().map(u64::to_string).collect()
    }
}

fn settle(host: &mut Host<SumAdapter>) {
    while host.turn(Duration::ZERO).unwrap() {}
}

#[test]
fn a_crash_between_any_two_batches_loses_and_doubles_nothing() {
    for crash_after in 0..8 {
        for snapshot_first in [false, true] {
            let mut bed = Bed::new();
            bed.write(40);
            let mut host = bed.host("m", 0).unwrap();
            for _ in 0..crash_after {
                host.turn(Duration::ZERO).unwrap();
                if snapshot_first {
                    bed.clock.advance_to(EventTime::from_secs(1_000 * crash_after));
                }
            }
            drop(host);
            bed.write(5);
            let mut again = bed.host("m", 0).unwrap();
            settle(&mut again);
            assert_eq!(
                bed.out("out"),
                bed.oracle(),
                "crash after {crash_after}, snapshot {snapshot_first}"
            );
        }
    }
}

#[test]
fn a_stop_saves_and_the_next_start_reads_only_what_is_new() {
    let mut bed = Bed::new();
    bed.write(20);
    let mut host = bed.host("m", 0).unwrap();
    settle(&mut host);
    host.stop().unwrap();
    // The input is gone: only the snapshot can know the sum.
    bed.log.forget(&TopicPartition::new("in", 0), 20);
    bed.write(3);
    let mut again = bed.host("m", 0).unwrap();
    settle(&mut again);
    assert_eq!(bed.out("out"), bed.oracle());
}

#[test]
fn a_stage_that_does_not_repeat_itself_is_stopped() {
    let mut bed = Bed::new();
    bed.write(20);
    let mut host = bed.host("m", 0).unwrap();
    settle(&mut host);
    drop(host);
    bed.write(1);
    let mut other = bed.host("m", 1).unwrap();
    let error = loop {
        match other.turn(Duration::ZERO) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, HostError::DigestMismatch { offset: 20, .. }),
        "{error}"
    );
    assert_eq!(bed.out("out").len(), 20, "nothing of it was published");
}

#[test]
fn partitions_move_with_their_memory() {
    let mut bed = Bed::new();
    bed.write(10);
    let mut first = bed.host("a", 0).unwrap();
    settle(&mut first);
    let mut second = bed.host("b", 0).unwrap();
    for _ in 0..4 {
        first.turn(Duration::ZERO).unwrap();
        second.turn(Duration::ZERO).unwrap();
    }
    assert_eq!((first.partitions().count(), second.partitions().count()), (1, 1));
    bed.write(10);
    drop(first);
    settle(&mut second);
    settle(&mut second);
    assert_eq!(bed.out("out"), bed.oracle());
}

#[test]
fn what_cannot_be_read_is_a_dead_letter_once() {
    let mut bed = Bed::new();
    bed.write(3);
    let mut bad = OutRecord::new("in", b"k".to_vec(), b"not a number".to_vec());
    bad.partition = Some(0);
    let transaction = Transaction {
        records: vec![bad],
        positions: vec![],
    };
    bed.log.writer("p").unwrap().commit(&transaction).unwrap();
    let mut host = bed.host("m", 0).unwrap();
    settle(&mut host);
    drop(host);
    settle(&mut bed.host("m", 0).unwrap());
    assert_eq!(bed.out("dead"), ["not a number"]);
    assert_eq!(bed.out("out"), bed.oracle());
}

/// Speaks at every tenth record, and is in no hurry to commit.
fn taciturn(bed: &Bed, instance: &str) -> Host<SumAdapter> {
    let adapter = SumAdapter::speaking(10);
    let settings = HostSettings {
        commit_every: Duration::from_secs(5),
        pulse_every: Duration::from_secs(3_600),
        ..HostSettings::default()
    };
    bed.host_of(instance, adapter, settings).unwrap()
}

#[test]
fn positions_wait_for_their_time_and_effects_do_not() {
    let mut bed = Bed::new();
    let mut host = taciturn(&bed, "m");
    bed.write(1);
    settle(&mut host);
    assert_eq!((bed.committed(), bed.out("out").len()), (Some(1), 1));
    bed.write(8);
    settle(&mut host);
    assert_eq!(bed.committed(), Some(1), "nothing to say: the position can wait");
    bed.clock.advance_to(EventTime::from_secs(5));
    settle(&mut host);
    assert_eq!(bed.committed(), Some(9), "but not for ever");
    bed.write(3);
    settle(&mut host);
    assert_eq!((bed.committed(), bed.out("out").len()), (Some(12), 2));
    bed.write(2);
    settle(&mut host);
    drop(host);
    bed.write(7);
    settle(&mut taciturn(&bed, "m"));
    let wanted: Vec<_> = bed.oracle().into_iter().step_by(10).collect();
    assert_eq!(bed.out("out"), wanted, "what waited at a crash is stepped again");
}

#[test]
fn a_batch_full_of_bytes_is_followed_before_its_effects_are_committed() {
    let mut bed = Bed::new();
    let adapter = SumAdapter::speaking(1);
    // Fewer records than a batch may have; each has two bytes.
    let settings = HostSettings {
        batch_bytes_max: 12,
        ..HostSettings::default()
    };
    let mut host = bed.host_of("m", adapter, settings).unwrap();
    bed.write(6);
    host.turn(Duration::ZERO).unwrap();
    assert_eq!(bed.committed(), None, "more may be there");
    host.turn(Duration::ZERO).unwrap();
    assert_eq!((bed.committed(), bed.out("out").len()), (Some(6), 6));
}

#[test]
fn a_partition_that_comes_back_unchanged_keeps_what_waits() {
    let mut bed = Bed::new();
    let mut first = taciturn(&bed, "a");
    for count in [1, 7] {
        bed.write(count);
        settle(&mut first);
    }
    assert_eq!(
        bed.committed(),
        Some(1),
        "the first record spoke, the others wait"
    );
    let mut second = taciturn(&bed, "b");
    for _ in 0..4 {
        first.turn(Duration::ZERO).unwrap();
        second.turn(Duration::ZERO).unwrap();
    }
    assert_eq!((first.partitions().count(), second.partitions().count()), (1, 1));
    // What has been stepped can't be read again: only the memory kept knows it.
    bed.log.forget(&TopicPartition::new("in", 0), 8);
    bed.write(3);
    settle(&mut first);
    let wanted: Vec<_> = bed.oracle().into_iter().step_by(10).collect();
    assert_eq!(bed.out("out"), wanted);
}

#[test]
fn a_record_on_which_the_stage_panics_twice_is_left_out() {
    for poison in [Poisoned::Decode, Poisoned::Step, Poisoned::Encode] {
        is_left_out_after_two_panics(poison);
    }
}

/// Wherever it panics, the records before it count, and the next start but one leaves it out.
fn is_left_out_after_two_panics(poison: Poisoned) {
    let mut bed = Bed::new();
    bed.write(20);
    let poisoned = || SumAdapter {
        bias: 0,
        every: 1,
        poison: Some(poison),
    };
    let run = |bed: &Bed| {
        let mut host = bed.host_of("m", poisoned(), HostSettings::default()).unwrap();
        loop {
            match host.turn(Duration::ZERO) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(error) => break Some(error),
            }
        }
    };
    for time in 1..=2 {
        let error = run(&bed).expect("it panics");
        assert!(
            matches!(&error, HostError::StagePanicked { offset: 13, times, .. } if *times == time),
            "{poison:?}: {error}"
        );
    }
    assert!(run(&bed).is_none());
    assert_eq!(bed.out("dead"), ["13"], "{poison:?}");
    let kept = sums((0..20).filter(|i| *i != POISON));
    let wanted: Vec<String> = kept.iter().map(u64::to_string).collect();
    assert_eq!(bed.out("out"), wanted, "{poison:?}");
    // Whoever reads it again leaves out the same record.
    bed.write(1);
    assert!(run(&bed).is_none());
    assert_eq!(bed.out("dead"), ["13"]);
}

#[test]
fn old_snapshots_go_only_once_a_commit_has_shown_whose_they_are() {
    let mut bed = Bed::new();
    let settings = HostSettings {
        snapshot_in_background: false,
        snapshot_every: Duration::ZERO,
        commit_every: Duration::ZERO,
        ..HostSettings::default()
    };
    let adapter = SumAdapter::speaking(1);
    let mut host = bed.host_of("m", adapter, settings).unwrap();
    let place = TopicPartition::new("in", 0);
    let offsets = |bed: &Bed| -> Vec<i64> {
        let entries = bed.snapshots.entries("sum", &place).unwrap();
        entries
            .iter()
            .map(|e| e.header.as_ref().unwrap().next_offset)
            .collect()
    };
    // Seven records a turn, each turn a commit and a save.
    bed.write(28);
    settle(&mut host);
    assert_eq!(
        offsets(&bed),
        [7, 14, 21, 28],
        "7 is superfluous; that 28 was ours isn't shown yet"
    );
    bed.write(7);
    settle(&mut host);
    assert_eq!(offsets(&bed), [14, 21, 28, 35]);
    bed.write(35);
    settle(&mut host);
    assert_eq!(offsets(&bed), [49, 56, 63, 70]);
    drop(host);
    // A new process removes nothing before its own first commit.
    bed.write(1);
    let adapter = SumAdapter::speaking(1);
    settle(&mut bed.host_of("m", adapter, settings).unwrap());
    assert_eq!(offsets(&bed), [49, 56, 63, 70, 71]);
    assert_eq!(bed.out("out"), bed.oracle());
}

#[test]
fn what_was_adopted_is_saved_under_its_own_checkpoint_alone() {
    let mut bed = Bed::new();
    bed.write(20);
    let mut host = bed.host("m", 0).unwrap();
    settle(&mut host);
    // Killed, and started again with other settings: all is read again, and another digest comes of it.
    drop(host);
    let other = || SumAdapter::speaking(2);
    let settings = || HostSettings {
        snapshot_in_background: false,
        snapshot_every: Duration::ZERO,
        ..HostSettings::default()
    };
    let mut adopting = bed.host_of("m", other(), settings()).unwrap();
    for seconds in [0, 1_000, 2_000] {
        bed.clock.advance_to(EventTime::from_secs(seconds));
        settle(&mut adopting);
    }
    bed.write(1);
    settle(&mut adopting);
    drop(adopting);
    let entries = bed
        .snapshots
        .entries("sum", &TopicPartition::new("in", 0))
        .unwrap();
    let settings_of = |e: &crate::snapshots::SnapshotEntry| e.header.as_ref().unwrap().checkpoint.settings;
    assert!(
        !entries.is_empty()
            && entries
                .iter()
                .all(|e| settings_of(e) == other().settings_digest()),
        "one that bears the old checkpoint holds the new memory"
    );
    settle(&mut bed.host_of("m", other(), settings()).unwrap());
}

/// The value of a metric with one label set.
fn counted(bed: &Bed, name: &str) -> u32 {
    let text = bed.metrics.text();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or_default()
}

/// As [`HostSettings::default`], saving when it stops and only then.
fn saving_at_its_end() -> HostSettings {
    HostSettings {
        snapshot_in_background: false,
        snapshot_every: Duration::MAX,
        ..HostSettings::default()
    }
}

#[test]
fn under_other_settings_it_goes_on_from_its_own_memory_and_can_be_run_again() {
    let mut bed = Bed::new();
    bed.write(20);
    let mut before = bed
        .host_of("m", SumAdapter::speaking(1), saving_at_its_end())
        .unwrap();
    settle(&mut before);
    before.stop().unwrap();
    assert_eq!(counted(&bed, "forecall_adopted_total"), 0);
    bed.log.forget(&TopicPartition::new("in", 0), 20);
    let mut after = bed
        .host_of("m", SumAdapter::speaking(2), saving_at_its_end())
        .unwrap();
    settle(&mut after);
    assert_eq!(counted(&bed, "forecall_adopted_total"), 1);
    bed.write(6);
    settle(&mut after);
    // Killed: what came since is read again from the memory of before, under the settings of after, and comes to the same.
    drop(after);
    let mut again = bed
        .host_of("m", SumAdapter::speaking(2), saving_at_its_end())
        .unwrap();
    settle(&mut again);
    bed.write(2);
    settle(&mut again);
    let sums = sums(0..28);
    let spoken = (0..28).filter(|n| *n < 20 || n % 2 == 0);
    let wanted: Vec<String> = spoken.map(|n: usize| sums[n].to_string()).collect();
    assert_eq!(bed.out("out"), wanted);
    assert_eq!(
        counted(&bed, "forecall_adopted_total"),
        1,
        "the chain of after is whole"
    );
}

#[test]
fn what_was_decided_under_other_settings_proves_nothing_and_stops_nobody() {
    let mut bed = Bed::new();
    let run = |bed: &Bed, every| {
        let mut host = bed
            .host_of("m", SumAdapter::speaking(every), saving_at_its_end())
            .unwrap();
        settle(&mut host);
        host
    };
    bed.write(10);
    run(&bed, 1).stop().unwrap();
    let newer = SnapshotStore::in_memory("g").unwrap();
    let older = std::mem::replace(&mut bed.snapshots, newer);
    bed.write(10);
    run(&bed, 1).stop().unwrap();
    bed.write(1);
    drop(run(&bed, 2));
    assert_eq!(counted(&bed, "forecall_adopted_total"), 1);
    // The snapshot at 20, where the settings changed, is lost. From 10 to 20 others spoke: another digest, and no fault.
    bed.snapshots = older;
    bed.write(3);
    drop(run(&bed, 2));
    assert_eq!(counted(&bed, "forecall_adopted_total"), 2);
    assert_eq!(counted(&bed, "forecall_digest_mismatch_total"), 0);
    let sums = sums(0..24);
    let spoken = (0..24).filter(|n| *n < 20 || n % 2 == 0);
    let wanted: Vec<String> = spoken.map(|n: usize| sums[n].to_string()).collect();
    assert_eq!(bed.out("out"), wanted);
}

#[test]
fn a_partition_that_moves_away_leaves_no_gauge_behind() {
    let mut bed = Bed::new();
    bed.write(10);
    let mut first = bed.host("a", 0).unwrap();
    settle(&mut first);
    let lags = |bed: &Bed| {
        let text = bed.metrics.text();
        let lines = text.lines().filter(|l| l.starts_with("forecall_lag_records{"));
        lines.count()
    };
    assert_eq!(lags(&bed), 2);
    let other = Bed {
        metrics: Metrics::new(),
        log: bed.log.clone(),
        snapshots: bed.snapshots.clone(),
        clock: Arc::clone(&bed.clock),
        written: 0,
    };
    let mut second = other.host("b", 0).unwrap();
    for _ in 0..4 {
        first.turn(Duration::ZERO).unwrap();
        second.turn(Duration::ZERO).unwrap();
    }
    bed.clock.advance_to(EventTime::from_secs(2));
    settle(&mut first);
    settle(&mut second);
    assert_eq!((lags(&bed), lags(&other)), (1, 1), "each tells of its own");
    first.stop().unwrap();
    assert_eq!(lags(&bed), 0);
}
