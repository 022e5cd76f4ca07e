//! On a real broker: the shipped binary's `detect` beside a bare consumer with the same settings of the client library.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::RunArgs;
use crate::measure::{Median, cpu_of};
use crate::report::{Report, child};
use crate::world::{EPOCH, OTLP_POINTS, flat_json, otlp};

const PARTITIONS: i32 = 12;
const WAIT_MAX: Duration = Duration::from_secs(120);
/// Series of the flat JSON: 2,500 a partition.
const SERIES: u32 = 30_000;
const HOSTS: u32 = 200;
/// `queued.max.messages.kbytes` and `fetch.queue.backoff.ms` as forecall sets them by default.
const QUEUED_KBYTES: &str = "65536";
const FETCH_BACKOFF_MS: &str = "10";

struct Topic {
    name: String,
    records: u64,
    samples: u64,
    bytes: u64,
    format: &'static str,
}

/// Fills a topic of 12 partitions, lz4, by entity; one that is there and full serves again.
fn fill(bootstrap: &str, name: &str, format: &'static str, records: u32) -> Result<Topic> {
    let config = {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap);
        config
    };
    let admin: AdminClient<_> = config.create().context("failed to make an admin client")?;
    let topic = NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1))
        .set("retention.ms", "-1")
        .set("message.timestamp.type", "CreateTime");
    let made = wait(admin.create_topics([&topic], &AdminOptions::new()))?;
    ensure!(made.iter().all(|made| made.is_ok()), "{name}: {made:?}");
    let producer: BaseProducer = config
        .clone()
        .set("compression.type", "lz4")
        .set("linger.ms", "50")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.kbytes", "262144")
        .create()
        .context("failed to make a producer")?;
    let (per_round, samples) = if format == "flat_json" {
        (SERIES, 1)
    } else {
        (HOSTS, OTLP_POINTS)
    };
    let mut bytes = 0;
    for number in 0..records {
        let (round, which) = (number / per_round, number % per_round);
        // The same order for the eye of the client, no order for the eye of the memory.
        let which = which.wrapping_mul(7_919) % per_round;
        let at = EPOCH * 1_000
            + i64::from(round) * 30_000
            + i64::from(number % per_round) * 30_000 / i64::from(per_round);
        let value = if format == "flat_json" {
            flat_json(which, round, at).into_bytes()
        } else {
            otlp(which, round, at / 1_000)
        };
        bytes += value.len() as u64;
        let entity = if format == "flat_json" { which / 10 } else { which };
        let mut record = BaseRecord::<(), [u8]>::to(name)
            .payload(&value)
            .timestamp(at)
            .partition(i32::try_from(entity % 12)?);
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    producer.poll(Duration::from_millis(20));
                    record = back;
                }
                Err((error, _)) => return Err(error).context("failed to fill the topic"),
            }
        }
    }
    producer.flush(WAIT_MAX).context("failed to fill the topic")?;
    Ok(Topic {
        name: name.to_owned(),
        records: u64::from(records),
        samples: u64::from(records) * u64::from(samples),
        bytes,
        format,
    })
}

/// Waits for a future of the admin client, which works in threads of its own.
fn wait<T>(future: impl Future<Output = T>) -> Result<T> {
    let mut future = std::pin::pin!(future);
    let begun = Instant::now();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    while begun.elapsed() < WAIT_MAX {
        if let std::task::Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Ok(done);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    anyhow::bail!("the broker gave no answer")
}

/// A bare consumer that only counts: all partitions from their beginning to their end.
pub(crate) fn consume(bootstrap: &str, topic: &str) -> Result<serde_json::Value> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "forecall-benches-bare")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.queue.backoff.ms", FETCH_BACKOFF_MS)
        .set("queued.max.messages.kbytes", QUEUED_KBYTES)
        .create()
        .context("failed to make a consumer")?;
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&all).context("failed to begin")?;
    let (mut records, mut bytes, mut ended) = (0_u64, 0_u64, 0);
    let mut begun = None;
    while ended < PARTITIONS {
        match consumer.poll(Duration::from_secs(10)) {
            Some(Ok(message)) => {
                if begun.is_none() {
                    begun = Some((Instant::now(), cpu_of(None)?));
                }
                records += 1;
                bytes += message.payload_len() as u64;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => return Err(error).context("failed to read"),
            None => anyhow::bail!("nothing came for ten seconds"),
        }
    }
    let (wall, cpu) = begun.context("the topic is empty")?;
    Ok(serde_json::json!({
        "records": records,
        "bytes": bytes,
        "wall": wall.elapsed().as_secs_f64(),
        "cpu": (cpu_of(None)? - cpu).as_secs_f64(),
    }))
}

/// forecall's `detect` as a process.
struct Detect {
    child: Child,
    http: String,
    folder: PathBuf,
}

impl Drop for Detect {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Detect {
    fn start(bootstrap: &str, binary: &Path, topic: &Topic, run: &str, keyed: bool) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("forecall-bench-{run}"));
        std::fs::create_dir_all(&folder)?;
        let http = format!("127.0.0.1:{}", free_port()?);
        let (at, name, format) = (folder.display(), &topic.name, topic.format);
        let text = format!(
            "domain: bench
group: {run}
kafka: {{bootstrap_servers: \"{bootstrap}\", security_protocol: plaintext}}
topics: {{prefix: \"{run}.\", partitions: {PARTITIONS}, replication: 1, dev: true}}
ledger:
  path: {at}/ledger.sqlite
  master_key: \"${{env:FORECALL_BENCH_MASTER_KEY}}\"
  pseudonym_key: \"${{env:FORECALL_BENCH_PSEUDONYM_KEY}}\"
state: {{path: {at}/state}}
http: {{listen: \"{http}\"}}
logs: {{format: json, level: warn}}
sources: [{{name: bench, topic: {name}, format: {format}, keyed: {keyed}}}]
topology: {{rules: [{{service: internet, region: IR-23}}]}}
"
        );
        let config = folder.join("forecall.yaml");
        std::fs::write(&config, text)?;
        let command = |args: &[&str]| {
            let mut command = Command::new(binary);
            command
                .args(args)
                .arg("--config")
                .arg(&config)
                // Keys for nothing: no customer is in this data.
                .env(
                    "FORECALL_BENCH_MASTER_KEY",
                    "YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmU=",
                )
                .env(
                    "FORECALL_BENCH_PSEUDONYM_KEY",
                    "YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmU=",
                )
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            command
        };
        let made = command(&["topics", "create"])
            .status()
            .context("failed to start forecall")?;
        ensure!(made.success(), "`forecall topics create` failed");
        let log = std::fs::File::create(folder.join("log"))?;
        let child = command(&["detect", "--slot", "0"])
            .stderr(log)
            .spawn()
            .context("failed to start forecall")?;
        Ok(Self { child, http, folder })
    }

    /// Records that `detect` has read.
    fn records(&self, stage: &str, topic: &str) -> Option<u64> {
        let mut stream = TcpStream::connect(&self.http).ok()?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let line = text.lines().find(|line| {
            line.starts_with("forecall_records_total{")
                && line.contains(&format!("stage=\"{stage}\""))
                && line.contains(&format!("topic=\"{topic}\""))
        })?;
        line.rsplit(' ').next()?.parse::<f64>().ok().map(|n| n as u64)
    }
}

/// Reads the whole topic by `detect`; gives records, CPU and wall time from the first record seen to the last.
fn detect(bootstrap: &str, binary: &Path, topic: &Topic, run: &str) -> Result<(f64, f64, f64)> {
    let mut detect = Detect::start(bootstrap, binary, topic, run, true)?;
    let process = detect.child.id();
    let (begun, mut first) = (Instant::now(), None);
    loop {
        ensure!(
            begun.elapsed() < WAIT_MAX,
            "detect did not read the topic in time, see {}",
            detect.folder.display()
        );
        if let Some(status) = detect.child.try_wait()? {
            let log = std::fs::read_to_string(detect.folder.join("log")).unwrap_or_default();
            anyhow::bail!(
                "forecall ended with {status}: {}",
                log.lines().rev().take(3).collect::<Vec<_>>().join("\n")
            );
        }
        let records = detect.records("detect", &topic.name).unwrap_or(0);
        let now = (Instant::now(), cpu_of(Some(process))?, records);
        if first.is_none() && records > 0 {
            first = Some(now);
        }
        if records >= topic.records {
            let (wall, cpu, before) = first.context("read in no time")?;
            return Ok((
                (records - before) as f64,
                (now.1 - cpu).as_secs_f64(),
                (now.0 - wall).as_secs_f64(),
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn side_by_side(
    report: &mut Report,
    bootstrap: &str,
    binary: &Path,
    topic: &Topic,
    pairs: u32,
) -> Result<()> {
    let names = ["bare consumer", "forecall detect"];
    let mut rates = [Vec::new(), Vec::new()];
    let mut cpus = [Vec::new(), Vec::new()];
    for pair in 0..pairs {
        let got = child(&["consume", bootstrap, &topic.name])?;
        let number = |name: &str| got[name].as_f64().unwrap_or(f64::NAN);
        ensure!(
            number("records") as u64 == topic.records,
            "the bare consumer missed records"
        );
        rates[0].push(number("records") / number("wall"));
        cpus[0].push(number("cpu") / number("records"));
        let run = format!(
            "bench-{}-{}-{pair}",
            std::process::id(),
            topic.format.replace('_', "-")
        );
        let (records, cpu, wall) = detect(bootstrap, binary, topic, &run)?;
        rates[1].push(records / wall);
        cpus[1].push(cpu / records);
    }
    let (per_record, record_bytes) = (
        topic.samples as f64 / topic.records as f64,
        topic.bytes as f64 / topic.records as f64,
    );
    for (i, name) in names.iter().enumerate() {
        let scaled = |values: &[f64], by: f64| Median::of(&values.iter().map(|v| v * by).collect::<Vec<_>>());
        let what = format!("{}, {record_bytes:.0} B a record: {name}", topic.format);
        report.add(&what, "samples/s", scaled(&rates[i], per_record));
        report.add(&what, "MB/s", scaled(&rates[i], record_bytes / 1e6));
        report.add(
            &what,
            "CPU s a million samples",
            scaled(&cpus[i], 1e6 / per_record),
        );
    }
    let ratio = |a: &[f64], b: &[f64]| Median::of(&a.iter().zip(b).map(|(a, b)| a / b).collect::<Vec<_>>());
    report.add(
        &format!("{}: forecall / bare", topic.format),
        "ratio of rates",
        ratio(&rates[1], &rates[0]),
    );
    report.add(
        &format!("{}: forecall / bare", topic.format),
        "ratio of CPU a sample",
        ratio(&cpus[1], &cpus[0]),
    );
    Ok(())
}

pub(crate) fn run(report: &mut Report, bootstrap: &str, binary: &Path, args: &RunArgs) -> Result<()> {
    let run = std::process::id();
    let pairs = args.pairs.min(5);
    let flat = fill(bootstrap, &format!("bench-flat-{run}"), "flat_json", args.records)?;
    side_by_side(report, bootstrap, binary, &flat, pairs)?;
    let records = args.records / OTLP_POINTS;
    let packed = fill(bootstrap, &format!("bench-otlp-{run}"), "otlp_proto", records)?;
    side_by_side(report, bootstrap, binary, &packed, pairs)
}
