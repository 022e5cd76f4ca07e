//! Real OTLP export requests of the official Python SDK, with their times moved to the present.

use std::time::{SystemTime, UNIX_EPOCH};

/// When they were captured, and how far their times lie around it, in nanoseconds since 1970.
const CAPTURED_AT: u64 = 1_795_320_370_000_000_000;
const AROUND: u64 = 600_000_000_000;
/// Digits of such a time.
const DIGITS: usize = 19;

/// Metrics, protobuf.
pub(crate) const METRICS: &[u8] = include_bytes!("../../fixtures/otlp_metrics.pb");
/// Logs, protobuf; some text is Persian.
pub(crate) const LOGS: &[u8] = include_bytes!("../../fixtures/otlp_logs.pb");
/// Metrics, JSON.
pub(crate) const METRICS_JSON: &str = include_str!("../../fixtures/otlp_metrics.json");

fn is_time(nanos: u64) -> bool {
    nanos.abs_diff(CAPTURED_AT) < AROUND
}

/// The time as far before or after now as it was before or after the capture.
fn moved(nanos: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    // Around the capture: the difference may be negative.
    nanos
        .wrapping_sub(CAPTURED_AT)
        .wrapping_add(u64::try_from(now.as_nanos()).unwrap())
}

/// A request in protobuf, where times stand as eight bytes (`fixed64`), the lowest first.
pub(crate) fn proto_of_now(request: &[u8]) -> Vec<u8> {
    let mut bytes = request.to_vec();
    let mut at = 0;
    let mut times = 0;
    while let Some(window) = bytes.get(at..at + 8) {
        let nanos = u64::from_le_bytes(window.try_into().unwrap());
        if is_time(nanos) {
            bytes[at..at + 8].copy_from_slice(&moved(nanos).to_le_bytes());
            times += 1;
            at += 8;
        } else {
            at += 1;
        }
    }
    assert!(times > 0, "the request holds times");
    bytes
}

/// A request in JSON, where times stand as texts of digits.
pub(crate) fn json_of_now(request: &str) -> String {
    let parts = request.split('"').map(|part| match part.parse() {
        Ok(nanos) if part.len() == DIGITS && is_time(nanos) => moved(nanos).to_string(),
        Ok(_) | Err(_) => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("\"")
}
