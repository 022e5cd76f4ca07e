//! Bytes of any telemetry format: a good record, refused parts, or a refusal; never a panic, and never text of the record
//! in a refusal. The first byte chooses the format.
#![no_main]

use std::sync::LazyLock;

use forecall_types::{DomainName, EventTime, SourceName};
use forecall_wire::telemetry::{Format, PseudonymKey, RawRecord, Source, decode};
use libfuzzer_sys::fuzz_target;

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let formats = [
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
    ];
    formats
        .into_iter()
        .filter_map(Format::from_name)
        .map(|format| {
            let name = SourceName::new("fuzz").expect("a name");
            let domain = DomainName::new("fuzz").expect("a name");
            Source::new(name, "fuzz", domain, format)
        })
        .collect()
});
static KEY: LazyLock<PseudonymKey> =
    LazyLock::new(|| PseudonymKey::from_bytes(&[7; 32]).expect("a key of 32 bytes"));

fuzz_target!(|data: &[u8]| {
    let Some((choice, value)) = data.split_first() else {
        return;
    };
    let source = &SOURCES[usize::from(*choice) % SOURCES.len()];
    let raw = RawRecord {
        topic: "fuzz",
        partition: 0,
        offset: 0,
        appended_at: EventTime::from_secs(1_780_000_000),
        key: None,
        value: Some(value),
        headers: &[],
    };
    let _ = decode(source, Some(&KEY), &raw);
});
