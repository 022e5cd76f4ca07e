//! forecall's own host and its own Kafka client with other settings than an operator can choose, and two stages to host: the
//! real detector, and one that only copies. In a process of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forecall_detect::{DetectOutput, DetectSettings, DetectStage};
use forecall_kafka::{KafkaLog, KafkaSettings};
use forecall_log::{Log, Membership, OutRecord, RecordRef, TopicPartition};
use forecall_observe::Metrics;
use forecall_runtime::host::{Adapter, Effect, Host, HostSettings, InputOf, LogSink, Place};
use forecall_runtime::{SnapshotStore, SystemClock};
use forecall_stage::{Effects, SnapshotError, Stage};
use forecall_types::{
    CorrelateEntry, DomainName, EventTime, Fingerprint, Reject, RejectReason, SamplesRecord, SourceName,
    SourcePartition,
};
use forecall_wire::event::encode_correlate_entry;
use forecall_wire::telemetry::{Decoded, Format, RawRecord, Source, Spellings, decode_reusing};

use super::plain::Plain;
use super::topic::WAIT_MAX;
use crate::measure::cpu_of;

/// Longest wait for records in one turn, as `forecall run` has it.
const TURN: Duration = Duration::from_millis(50);
/// Bytes in a record that the copying stage forwards; it drops the others, as `detect` is silent about what is normal.
pub(crate) const PROBE: &str = "probe";

/// Decodes and publishes as `forecall detect` does; counts what it has decoded.
struct Detecting {
    source: Source,
    settings: Arc<DetectSettings>,
    out: Arc<str>,
    decoded: Arc<AtomicU64>,
}

impl Adapter for Detecting {
    type Stage = DetectStage;
    type Memory = Spellings;

    fn settings_digest(&self) -> Fingerprint {
        Fingerprint::of(b"bench")
    }

    fn create(&self, partition: &TopicPartition) -> DetectStage {
        let source = SourcePartition {
            topic: Arc::clone(&partition.topic),
            partition: partition.partition,
        };
        DetectStage::new(Arc::clone(&self.settings), source)
    }

    fn load(&self, _: &TopicPartition, state: &[u8]) -> Result<DetectStage, SnapshotError> {
        DetectStage::load(Arc::clone(&self.settings), state)
    }

    fn decode(&self, record: &RecordRef<'_>) -> Result<Option<SamplesRecord>, Reject> {
        self.decode_reusing(record, None, &mut Spellings::default())
    }

    fn decode_reusing(
        &self,
        record: &RecordRef<'_>,
        spare: Option<SamplesRecord>,
        spellings: &mut Spellings,
    ) -> Result<Option<SamplesRecord>, Reject> {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        let raw = RawRecord {
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            appended_at: record.appended_at,
            key: record.key,
            value: record.value,
            headers: &[],
        };
        Ok(
            match decode_reusing(&self.source, None, &raw, spare, spellings)? {
                Decoded::Samples(samples) => Some(samples),
                Decoded::Calls(_) | Decoded::CustomerEvents(_) | Decoded::Nothing => None,
            },
        )
    }

    fn encode(&self, _: &TopicPartition, output: DetectOutput, into: &mut Vec<Effect>) -> Result<(), Reject> {
        let entry = match output {
            DetectOutput::Anomaly(anomaly) => CorrelateEntry::Anomaly(anomaly),
            DetectOutput::Summary(summary) => CorrelateEntry::Summary(summary),
            DetectOutput::Heartbeat(heartbeat) => CorrelateEntry::Heartbeat(heartbeat),
            DetectOutput::Scored(_) => return Ok(()),
        };
        let encoded = encode_correlate_entry(&entry)
            .map_err(|error| Reject::new(RejectReason::TooLarge, error.to_string()))?;
        into.push(Effect::Publish(OutRecord::new(
            &self.out,
            encoded.key,
            encoded.value,
        )));
        Ok(())
    }

    fn dead_letter(&self, _: &RecordRef<'_>, _: &Reject) -> Option<OutRecord> {
        None
    }
}

/// Forwards what holds [`PROBE`].
#[derive(Default)]
struct Forward;

impl Stage for Forward {
    type Settings = ();
    type Input = Vec<u8>;
    type Output = Vec<u8>;

    const NAME: &'static str = "copy";
    const VERSION: u32 = 1;
    const STATELESS: bool = true;

    fn step(&mut self, input: &Vec<u8>, effects: &mut Effects<Vec<u8>>) {
        effects.emit(input.clone());
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        Ok(Vec::new())
    }

    fn load((): (), _: &[u8]) -> Result<Self, SnapshotError> {
        Ok(Self)
    }
}

struct Copying {
    out: Arc<str>,
}

impl Adapter for Copying {
    type Stage = Forward;
    type Memory = ();

    fn settings_digest(&self) -> Fingerprint {
        Fingerprint::of(b"copy")
    }

    fn create(&self, _: &TopicPartition) -> Forward {
        Forward
    }

    fn load(&self, _: &TopicPartition, state: &[u8]) -> Result<Forward, SnapshotError> {
        Forward::load((), state)
    }

    fn decode(&self, record: &RecordRef<'_>) -> Result<Option<InputOf<Self>>, Reject> {
        let value = record.value.unwrap_or_default();
        // Whatever it forwards carries the word near its beginning.
        let is_probe = value
            .windows(PROBE.len())
            .take(64)
            .any(|window| window == PROBE.as_bytes());
        Ok(is_probe.then(|| value.to_vec()))
    }

    fn encode(&self, _: &TopicPartition, output: Vec<u8>, into: &mut Vec<Effect>) -> Result<(), Reject> {
        into.push(Effect::Publish(OutRecord::new(
            &self.out,
            b"bench".to_vec(),
            output,
        )));
        Ok(())
    }

    fn dead_letter(&self, _: &RecordRef<'_>, _: &Reject) -> Option<OutRecord> {
        None
    }
}

/// What one host is to do.
#[derive(clap::Args)]
pub(crate) struct HostArgs {
    #[arg(long)]
    bootstrap: String,
    /// Read from.
    #[arg(long)]
    from: String,
    /// Published to.
    #[arg(long)]
    to: String,
    #[arg(long)]
    group: String,
    /// Copy, instead of detecting.
    #[arg(long)]
    copy: bool,
    /// How long effects and positions may wait for their transaction; as the product has it, where not given.
    #[arg(long)]
    commit_ms: Option<u64>,
    /// Publish and flush, then commit the positions, in no transaction.
    #[arg(long)]
    plain: bool,
    /// End after so many records; else when the standard input ends.
    #[arg(long)]
    records: Option<u64>,
}

/// Hosts the stage; gives what it took from the first record to the last.
pub(crate) fn host(args: &HostArgs) -> Result<serde_json::Value> {
    let log = KafkaLog::connect(KafkaSettings::plaintext(&args.bootstrap)).context("failed to connect")?;
    let log: Box<dyn Log> = if args.plain {
        Box::new(Plain::new(log, &args.bootstrap)?)
    } else {
        Box::new(log)
    };
    if args.copy {
        let adapter = Copying {
            out: Arc::from(args.to.as_str()),
        };
        return turn(args, log.as_ref(), adapter, &AtomicU64::new(0));
    }
    let decoded = Arc::new(AtomicU64::new(0));
    let adapter = Detecting {
        source: Source::new(
            SourceName::new("bench")?,
            &args.from,
            DomainName::new("bench")?,
            Format::FlatJson,
        ),
        settings: Arc::new(DetectSettings::default()),
        out: Arc::from(args.to.as_str()),
        decoded: Arc::clone(&decoded),
    };
    turn(args, log.as_ref(), adapter, &decoded)
}

fn turn<A: Adapter>(
    args: &HostArgs,
    log: &dyn Log,
    adapter: A,
    decoded: &AtomicU64,
) -> Result<serde_json::Value> {
    let membership = Membership {
        group: args.group.clone(),
        instance: format!("{}.0.0", args.group),
        topics: vec![args.from.clone()],
        is_static: true,
    };
    let mut settings = HostSettings {
        // Snapshots are measured elsewhere.
        snapshot_every: Duration::from_secs(86_400),
        ..HostSettings::default()
    };
    if let Some(millis) = args.commit_ms {
        settings.commit_every = Duration::from_millis(millis);
        settings.commit_busy = settings.commit_every;
    }
    let metrics = Metrics::new();
    let place = Place {
        sink: Arc::new(LogSink),
        snapshots: SnapshotStore::in_memory(&args.group)?,
        clock: Arc::new(SystemClock),
        metrics: metrics.clone(),
        settings,
    };
    let mut host = Host::join(log, &membership, adapter, place)?;
    let stop = at_end_of_input();
    let (begun, mut first) = (Instant::now(), None);
    loop {
        host.turn(TURN)?;
        let count = decoded.load(Ordering::Relaxed);
        if first.is_none() && count > 0 {
            first = Some((Instant::now(), cpu_of(None)?, count));
        }
        let Some(wanted) = args.records else {
            if stop.load(Ordering::SeqCst) {
                return Ok(serde_json::Value::Null);
            }
            continue;
        };
        anyhow::ensure!(
            begun.elapsed() < WAIT_MAX * 5,
            "{count} of {wanted} records in ten minutes"
        );
        if count >= wanted
            && let Some((wall, cpu, before)) = first
        {
            return Ok(serde_json::json!({
                "records": count - before,
                "wall": wall.elapsed().as_secs_f64(),
                "cpu": cpu_of(None)?.saturating_sub(cpu).as_secs_f64(),
                "commits": commits(&metrics),
            }));
        }
    }
}

/// Commits so far: the count of the histogram of their times.
fn commits(metrics: &Metrics) -> f64 {
    let text = metrics.text();
    text.lines()
        .filter(|line| line.starts_with("forecall_commit_seconds_count"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Set when whoever started this process has gone.
pub(crate) fn at_end_of_input() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let at_end = Arc::clone(&stop);
    std::thread::spawn(move || {
        let _gone = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        at_end.store(true, Ordering::SeqCst);
    });
    stop
}

/// Kept so that a reader finds what time the hosts use: that of this machine.
pub(crate) fn now_millis() -> i64 {
    use forecall_runtime::Clock as _;
    let now: EventTime = SystemClock.now();
    now.nanos() / 1_000_000
}
