use forecall_stats::erlang::{Offered, Target, agents_needed, scheduled};
use forecall_wire::event::TopicId;

/// A figure that somebody has measured. Tests hold each against where it stands, or measure it again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) value: f64,
    pub(super) what: &'static str,
    /// Where it is from.
    pub(super) from: Whence,
}

/// Where a figure is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whence {
    /// A row of the table in benches/README.md, by how it begins; the figure as it stands there.
    Bench {
        row: &'static str,
        written: &'static str,
    },
    /// What code writes: a test writes it again.
    Code,
}

const fn bench(value: f64, what: &'static str, row: &'static str, written: &'static str) -> Point {
    Point {
        value,
        what,
        from: Whence::Bench { row, written },
    }
}

const fn code(value: f64, what: &'static str) -> Point {
    Point {
        value,
        what,
        from: Whence::Code,
    }
}

pub(super) const CPU_OTLP: Point = bench(
    0.48,
    "CPU seconds a million OTLP points, keyed, from Kafka to detected",
    "| OTLP: points/s, one slot; two slots; CPU s a million points |",
    "; 0.48 |",
);
pub(super) const CPU_JSON: Point = bench(
    1.50,
    "CPU seconds a million flat JSON records, keyed, from Kafka to detected",
    "| flat JSON: CPU s a million records, one slot; two slots |",
    "| 1.50; ",
);
pub(super) const CPU_REKEYED: Point = bench(
    1.33,
    "CPU seconds a million OTLP points that are re-keyed first",
    "| through `rekey`: CPU s a million points; bytes a point",
    "| 1.33; ",
);
pub(super) const REKEYED_BYTES: Point = bench(
    10.0,
    "bytes a point on forecall.samples.v1, packed",
    "| through `rekey`: CPU s a million points; bytes a point",
    "28 and 10 |",
);
pub(super) const SERIES_BYTES: Point = bench(
    1_034.0,
    "bytes of memory a series, with everything switched on",
    "| memory, B a series",
    "| 1,034; ",
);
pub(super) const PROCESS_MIB: Point = bench(
    363.0,
    "MiB of a process with 6,000 series: client, buffers, code",
    "| 5 M names that come once among 6,000 series",
    "; 363 |",
);
pub(super) const RESTORE_SECONDS: Point = bench(
    3.5,
    "seconds a million series take to come back from snapshots",
    "| SIGKILL to new committed output, 1 M series",
    "snapshots read 3.5 ",
);
pub(super) const TAKEOVER_SECONDS: Point = bench(
    18.0,
    "seconds until another slot has taken over a million series, at the median",
    "| another slot takes over",
    "| 18; ",
);
pub(super) const OTLP_BYTES: Point = bench(
    80.0,
    "bytes an OTLP point, as measured",
    "In process: ",
    "OTLP of 80 B a point",
);
pub(super) const JSON_BYTES: Point = bench(
    256.0,
    "bytes a flat JSON record, as measured",
    "In process: ",
    "flat JSON of 256 B a sample",
);
pub(super) const SNAPSHOT_BYTES: Point = code(917.0, "bytes of a snapshot a series with a day behind it");
pub(super) const HEARTBEAT_BYTES: Point = code(
    424.0,
    "bytes of a heartbeat on forecall.anomalies.v1, headers counted",
);
pub(super) const ANOMALY_BYTES: Point = code(2_100.0, "bytes of an anomaly event, headers counted");

/// All of them, for the page and the tests.
pub(super) const POINTS: [Point; 13] = [
    CPU_OTLP,
    CPU_JSON,
    CPU_REKEYED,
    REKEYED_BYTES,
    SERIES_BYTES,
    PROCESS_MIB,
    RESTORE_SECONDS,
    TAKEOVER_SECONDS,
    OTLP_BYTES,
    JSON_BYTES,
    SNAPSHOT_BYTES,
    HEARTBEAT_BYTES,
    ANOMALY_BYTES,
];

/// Cores are half busy: what is behind after a restart is caught up at the same speed as new comes in.
pub(super) const BUSY: f64 = 0.5;
/// Memory beyond what the series take: what changes while a snapshot is written is kept twice.
pub(super) const SPARE: f64 = 1.5;
/// Series of a partition, of `detect.series_max` (100,000): keys don't fall evenly, and telemetry grows.
pub(super) const PARTITION_FULL: f64 = 0.6;
/// Snapshots kept of a partition: three, and one until the next save.
const SNAPSHOTS_KEPT: f64 = 4.0;
/// Anomalies a series and month by chance, as `detect.alarms_a_month` allows by default; each opens, goes on and closes.
const EVENTS_A_MONTH: f64 = 5.0 * 3.0;
const MONTH_SECONDS: f64 = 30.0 * 86_400.0;
const MILLION: f64 = 1e6;
const GIB: f64 = 1_073_741_824.0;
const MIB: f64 = 1_048_576.0;
/// Partitions are a multiple of it: it divides by 2, 3, 4 and 6.
const TWELVE: f64 = 12.0;

/// What is to be carried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) series: f64,
    pub(super) points_per_second: f64,
    pub(super) is_otlp: bool,
    pub(super) is_keyed: bool,
    pub(super) cores: f64,
    pub(super) memory_gib: f64,
    pub(super) domains: f64,
    pub(super) replication: f64,
    pub(super) calls_per_hour: f64,
    pub(super) aht: f64,
    pub(super) customers_hit: f64,
    pub(super) messages_per_second: f64,
}

/// What it takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) load: Load,
    /// CPU seconds a second.
    pub(super) cpu: f64,
    /// Cores, half busy.
    pub(super) cores: f64,
    pub(super) processes: f64,
    pub(super) partitions: f64,
    pub(super) memory_gib: f64,
    /// Of each process.
    pub(super) process_gib: f64,
    pub(super) snapshots_gib: f64,
    /// Seconds until a process that was killed has its memory back.
    pub(super) restart_seconds: f64,
    /// Until another has taken over what one had.
    pub(super) takeover_seconds: f64,
    /// MB a second between forecall and the brokers: read, written.
    pub(super) read_mb: f64,
    pub(super) written_mb: f64,
    /// GiB on the brokers, all copies.
    pub(super) samples_gib: f64,
    pub(super) anomalies_gib: f64,
    /// Agents on duty, and to be scheduled; where calls were named.
    pub(super) agents: Option<(u32, u32)>,
    /// Minutes until all of the largest trouble are told; where customers were named.
    pub(super) telling_minutes: Option<f64>,
}

impl Plan {
    pub(super) fn of(load: &Load) -> Self {
        let form = if load.is_otlp { CPU_OTLP } else { CPU_JSON };
        // Re-keying was measured with OTLP: what it adds there is added to any form.
        let rekeying = if load.is_keyed {
            0.0
        } else {
            CPU_REKEYED.value - CPU_OTLP.value
        };
        let cpu = load.points_per_second * (form.value + rekeying) / MILLION;
        let cores = cpu / BUSY;
        let series_gib = load.series * SERIES_BYTES.value * SPARE / GIB;
        let base_gib = PROCESS_MIB.value * MIB / GIB;
        let room_gib = (load.memory_gib - base_gib).max(0.1);
        let processes = (cores / load.cores)
            .ceil()
            .max((series_gib / room_gib).ceil())
            .max(1.0);
        let wanted = (load.series / (100_000.0 * PARTITION_FULL)).max(2.0 * processes);
        let partitions = (wanted / TWELVE).ceil() * TWELVE;
        let each = load.series / processes / MILLION;
        let bytes = if load.is_otlp { OTLP_BYTES } else { JSON_BYTES };
        let rekeyed = if load.is_keyed {
            0.0
        } else {
            load.points_per_second * REKEYED_BYTES.value
        };
        // One a second, partition and domain.
        let beats = partitions * load.domains * HEARTBEAT_BYTES.value;
        let events = load.series * EVENTS_A_MONTH / MONTH_SECONDS * ANOMALY_BYTES.value;
        let kept = |bytes: f64, topic: TopicId| {
            bytes * f64::from(topic.topic().retention_hours) * 3_600.0 * load.replication / GIB
        };
        Self {
            load: *load,
            cpu,
            cores,
            processes,
            partitions,
            memory_gib: series_gib + base_gib * processes,
            process_gib: series_gib / processes + base_gib,
            snapshots_gib: load.series * SNAPSHOT_BYTES.value * SNAPSHOTS_KEPT / GIB,
            restart_seconds: each * RESTORE_SECONDS.value,
            takeover_seconds: each * TAKEOVER_SECONDS.value,
            read_mb: (load.points_per_second * bytes.value + rekeyed + beats + events) / MILLION,
            written_mb: (rekeyed + beats + events) / MILLION,
            samples_gib: kept(rekeyed, TopicId::Samples),
            anomalies_gib: kept(beats + events, TopicId::Anomalies),
            agents: agents(load),
            telling_minutes: (load.customers_hit > 0.0)
                .then(|| load.customers_hit / load.messages_per_second / 60.0),
        }
    }
}

/// By the targets that `forecall calls staff` has by default.
fn agents(load: &Load) -> Option<(u32, u32)> {
    (load.calls_per_hour > 0.0).then(|| {
        let offered = Offered::per_interval(load.calls_per_hour, 3_600.0, load.aht);
        let target = Target {
            service_level: 0.8,
            threshold_seconds: 20.0,
            occupancy_max: 0.85,
            patience_seconds: Some(180.0),
        };
        let on_duty = agents_needed(offered, target);
        (on_duty, scheduled(on_duty, 0.3))
    })
}
