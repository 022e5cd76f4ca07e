use std::sync::LazyLock;

use forecall_types::{DomainName, EventTime, SourceName};
use forecall_wire::telemetry::{
    Decoded, Format, Mapping, PseudonymKey, RawRecord, Source, decode, samples as codec,
};

/// In an order that never changes: the first byte of every seed chooses by it.
const FORMATS: [&str; 15] = [
    "auto",
    "otlp_proto",
    "otlp_json",
    "prometheus_json",
    "collectd_json",
    "telegraf_json",
    "influx_line",
    "flat_json",
    "asterisk_queue_log",
    "amazon_connect",
    "samples",
    "customer_texts",
    "context",
    "customer_events",
    "otlp_traces",
];

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    FORMATS
        .into_iter()
        .map(|name| source(Format::from_name(name).expect("a format")))
        .collect()
});

static KEY: LazyLock<PseudonymKey> =
    LazyLock::new(|| PseudonymKey::from_bytes(&[7; 32]).expect("a key of 32 bytes"));

fn source(format: Format) -> Source {
    let name = SourceName::new("fuzz").expect("a name");
    let domain = DomainName::new("fuzz").expect("a name");
    let mut source = Source::new(name, "fuzz", domain, format);
    source.templates = source.format.may_be_logs();
    source
}

/// Decodes a record; what is understood is written in forecall's own form and comes back the same.
fn check(source: &Source, value: &[u8]) {
    let raw = RawRecord {
        topic: "fuzz",
        partition: 0,
        offset: 0,
        appended_at: EventTime::from_secs(1_780_000_000),
        key: None,
        value: Some(value),
        headers: &[],
    };
    let decoded = decode(source, Some(&KEY), &raw);
    if let Ok(Decoded::Samples(record)) = decoded {
        let bytes = codec::encode(&record);
        let again = codec::decode(&bytes).expect("what was written can be read");
        assert_eq!(codec::encode(&again), bytes);
    }
}

/// Bytes of any telemetry format. The first byte chooses the format.
pub fn telemetry(data: &[u8]) {
    let Some((choice, value)) = data.split_first() else {
        return;
    };
    let count = SOURCES.len();
    if let Some(source) = SOURCES.get(usize::from(*choice).checked_rem(count).unwrap_or(0)) {
        check(source, value);
    }
}

/// A mapping in JSON on the first line, and a record to be read by it.
pub fn mapping(data: &[u8]) {
    let cut = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (declaration, record) = data.split_at(cut);
    let Ok(mapping) = serde_json::from_slice::<Mapping>(declaration) else {
        return;
    };
    if mapping.check().is_ok() {
        check(
            &source(Format::Mapping(mapping)),
            record.get(1..).unwrap_or_default(),
        );
    }
}

/// Bytes of the re-keyed form, as `detect` reads it.
pub fn samples(data: &[u8]) {
    if let Ok(record) = codec::decode(data) {
        let bytes = codec::encode(&record);
        let again = codec::decode(&bytes).expect("what was written can be read");
        assert_eq!(codec::encode(&again), bytes);
        // In the memory of another record it is the same.
        let reused = codec::decode_reusing(data, Some(again)).expect("as before");
        assert_eq!(codec::encode(&reused), bytes);
    }
}
