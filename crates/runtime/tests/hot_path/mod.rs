//! The way of a sample from a record's bytes to the verdict, and records to send along it: for what counts allocations and
//! instructions.

use std::sync::Arc;

use forecall_detect::{DetectSettings, DetectStage};
use forecall_stage::{Digest, Effects, Stage};
use forecall_types::{DomainName, EventTime, SamplesRecord, SourceName, SourcePartition};
use forecall_wire::telemetry::{Decoded, Format, RawRecord, Source, Spellings, decode_reusing};

/// The hot path as the host walks it, without the log around it.
pub(crate) struct Path {
    source: Source,
    stage: DetectStage,
    effects: Effects<forecall_detect::DetectOutput>,
    digest: Digest,
    spare: Option<SamplesRecord>,
    spellings: Spellings,
    offset: i64,
    detects: bool,
    /// Samples taken.
    pub(crate) samples: usize,
}

impl Path {
    /// `detects`: what is decoded is judged too.
    pub(crate) fn new(format: Format, detects: bool) -> Self {
        let source = SourcePartition {
            topic: Arc::from("telemetry"),
            partition: 0,
        };
        Self {
            source: Source::new(
                SourceName::new("test").unwrap(),
                "telemetry",
                DomainName::new("isp").unwrap(),
                format,
            ),
            stage: DetectStage::new(Arc::new(DetectSettings::default()), source),
            effects: Effects::default(),
            digest: Digest::default(),
            spare: None,
            spellings: Spellings::default(),
            offset: 0,
            detects,
            samples: 0,
        }
    }

    /// Takes a record of a time in seconds since 1970.
    pub(crate) fn take(&mut self, at: i64, value: &[u8]) {
        let raw = RawRecord {
            topic: "telemetry",
            partition: 0,
            offset: self.offset,
            appended_at: EventTime::from_secs(at),
            key: None,
            value: Some(value),
            headers: &[],
        };
        let payload = Digest::payload(None, Some(value));
        let Ok(Decoded::Samples(record)) =
            decode_reusing(&self.source, None, &raw, self.spare.take(), &mut self.spellings)
        else {
            panic!("not decoded");
        };
        self.samples += record.batch.rows().len();
        if self.detects {
            self.stage.step(&record, &mut self.effects);
        }
        self.digest.record(self.offset, payload);
        self.effects.clear();
        self.spare = Some(record);
        self.offset += 1;
    }
}

/// A value that wobbles as telemetry does.
fn value(series: i64, round: i64) -> i64 {
    1_000 + (series * 7_919 + round * 104_729) % 61
}

/// Records of one round of fifty series, flat JSON, one sample each.
pub(crate) fn flat(round: i64) -> Vec<(i64, Vec<u8>)> {
    (0..50)
        .map(|series| {
            let at = 1_767_225_600 + 5 * round + series / 10;
            let text = format!(
                r#"{{"ts":{at},"series":"probe.rtt","value":{}.5,"labels":{{"service.name":"internet","host.name":"n{series}","region":"IR-10","line":{series}}}}}"#,
                value(series, round)
            );
            (at, text.into_bytes())
        })
        .collect()
}

/// A length-delimited field of protobuf.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut len = bytes.len();
    while len >= 0x80 {
        out.push(u8::try_from(len & 0x7f).unwrap() | 0x80);
        len >>= 7;
    }
    out.push(u8::try_from(len).unwrap());
    out.extend_from_slice(bytes);
    out
}

fn fixed64(number: u8, value: u64) -> Vec<u8> {
    let mut out = vec![number << 3 | 1];
    out.extend_from_slice(&value.to_le_bytes());
    out
}

fn attribute(name: &str, value: &str) -> Vec<u8> {
    [field(1, name.as_bytes()), field(2, &field(1, value.as_bytes()))].concat()
}

const START_NANOS: u64 = 1_767_225_000_000_000_000;

/// A request of one round, 30 points: gauges, and sums that only rise.
pub(crate) fn otlp(round: i64) -> Vec<(i64, Vec<u8>)> {
    let at = 1_767_225_600 + 5 * round;
    let nanos = u64::try_from(at).unwrap() * 1_000_000_000;
    let metric = |name: &str, data: u8, rest: &[u8], value: &dyn Fn(i64) -> f64| {
        let points: Vec<u8> = (0..15)
            .flat_map(|point| {
                let message = [
                    fixed64(2, START_NANOS),
                    fixed64(3, nanos),
                    fixed64(4, value(point).to_bits()),
                    field(7, &attribute("device", &format!("eth{point}"))),
                ]
                .concat();
                field(1, &message)
            })
            .collect();
        let message = [field(1, name.as_bytes()), field(data, &[&points, rest].concat())].concat();
        field(2, &message)
    };
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let metrics = [
        metric("queue.length", 5, &[], &|point| value(point, round) as f64),
        // Cumulative and monotonic.
        metric("net.io", 7, &[0x10, 2, 0x18, 1], &|point| {
            (round * 5_000 + value(point, round)) as f64
        }),
    ]
    .concat();
    let resource = field(1, &field(1, &attribute("host.name", "edge-1")));
    vec![(at, field(1, &[resource, field(2, &metrics)].concat()))]
}
