//! Another version of a stage takes over what an earlier one has committed: it reads again with its own code, says nothing of
//! what was said before, and goes on; the earlier one can come back the same way.

use std::sync::Arc;
use std::time::Duration;

use forecall_log::{
    InProcess, Log, Membership, OutRecord, RecordRef, TopicPartition, TopicSpec, Transaction,
};
use forecall_observe::Metrics;
use forecall_runtime::host::{Adapter, Effect, Host, HostSettings, LogSink, Place};
use forecall_runtime::{ManualClock, SnapshotStore};
use forecall_stage::{Checkpoint, Effects, SnapshotError, Stage, decode_state, encode_state};
use forecall_types::{EventTime, Fingerprint, Reject};

/// Counts, and says the count times its version.
struct Count<const VERSION: u32>(u32);

impl<const VERSION: u32> Stage for Count<VERSION> {
    type Settings = ();
    type Input = ();
    type Output = u32;
    const NAME: &'static str = "count";
    const VERSION: u32 = VERSION;

    fn step(&mut self, (): &(), effects: &mut Effects<u32>) {
        self.0 += 1;
        effects.emit(self.0 * VERSION);
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        encode_state(&self.0)
    }

    fn load((): (), bytes: &[u8]) -> Result<Self, SnapshotError> {
        decode_state(bytes).map(Self)
    }
}

struct CountAdapter<const VERSION: u32>;

impl<const VERSION: u32> Adapter for CountAdapter<VERSION> {
    type Stage = Count<VERSION>;
    type Memory = ();

    fn settings_digest(&self) -> Fingerprint {
        Fingerprint::of(b"count")
    }

    fn create(&self, _: &TopicPartition) -> Count<VERSION> {
        Count(0)
    }

    fn load(&self, _: &TopicPartition, state: &[u8]) -> Result<Count<VERSION>, SnapshotError> {
        Count::load((), state)
    }

    fn decode(&self, _: &RecordRef<'_>) -> Result<Option<()>, Reject> {
        Ok(Some(()))
    }

    fn encode(&self, _: &TopicPartition, output: u32, into: &mut Vec<Effect>) -> Result<(), Reject> {
        let value = output.to_string().into_bytes();
        into.push(Effect::Publish(OutRecord::new("out", b"k".to_vec(), value)));
        Ok(())
    }

    fn dead_letter(&self, _: &RecordRef<'_>, _: &Reject) -> Option<OutRecord> {
        None
    }
}

struct Bed {
    log: InProcess,
    snapshots: SnapshotStore,
    metrics: Metrics,
}

impl Bed {
    fn new() -> Self {
        let log = InProcess::default();
        log.create_topics(&[TopicSpec::new("in", 1), TopicSpec::new("out", 1)])
            .unwrap();
        Self {
            log,
            snapshots: SnapshotStore::in_memory("g").unwrap(),
            metrics: Metrics::new(),
        }
    }

    /// So many records more, worked off by a process of this version that stops in good order.
    fn run<const VERSION: u32>(&self, records: usize) {
        let transaction = Transaction {
            records: vec![OutRecord::new("in", b"k".to_vec(), b"x".to_vec()); records],
            positions: Vec::new(),
        };
        self.log.writer("producer").unwrap().commit(&transaction).unwrap();
        let membership = Membership {
            group: "g".to_owned(),
            instance: "m".to_owned(),
            topics: vec!["in".to_owned()],
            is_static: true,
        };
        let place = Place {
            sink: Arc::new(LogSink),
            snapshots: self.snapshots.clone(),
            clock: Arc::new(ManualClock::at(EventTime::from_secs(0))),
            metrics: self.metrics.clone(),
            settings: HostSettings {
                snapshot_in_background: false,
                ..HostSettings::default()
            },
        };
        let mut host = Host::join(&self.log, &membership, CountAdapter::<VERSION>, place).unwrap();
        while host.turn(Duration::ZERO).unwrap() {}
        host.stop().unwrap();
    }

    fn out(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.log
            .read(&TopicPartition::new("out", 0), 0, &mut |r| {
                out.push(String::from_utf8_lossy(r.value.unwrap_or_default()).into_owned());
            })
            .unwrap();
        out
    }

    fn version(&self) -> u32 {
        let place = TopicPartition::new("in", 0);
        let committed = self.log.committed("g", &[place]).unwrap().remove(0).unwrap();
        committed.metadata.parse::<Checkpoint>().unwrap().version
    }

    fn adopted(&self) -> Option<String> {
        let text = self.metrics.text();
        let line = text.lines().find(|l| l.starts_with("forecall_adopted_total{"))?;
        line.rsplit(' ').next().map(str::to_owned)
    }
}

#[test]
fn another_version_reads_again_with_its_own_code_and_goes_on() {
    let bed = Bed::new();
    bed.run::<1>(3);
    assert_eq!((bed.version(), bed.adopted().as_deref()), (1, Some("0")));
    bed.run::<10>(2);
    assert_eq!(
        bed.out(),
        ["1", "2", "3", "40", "50"],
        "what was said before is not said again"
    );
    assert_eq!((bed.version(), bed.adopted().as_deref()), (10, Some("1")));
    // From its own snapshot now: there is nothing left to adopt.
    bed.run::<10>(1);
    assert_eq!(bed.adopted().as_deref(), Some("1"));
    bed.run::<1>(1);
    assert_eq!(bed.out().last().map(String::as_str), Some("7"));
    assert_eq!((bed.version(), bed.adopted().as_deref()), (1, Some("2")));
}
