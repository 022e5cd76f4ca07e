//! Bytes of any event of forecall's own topics. The first byte chooses the decoder and its `ce_type`.
#![no_main]

use forecall_wire::event;
use libfuzzer_sys::fuzz_target;

const TYPES: [&str; 14] = [
    "forecall.anomaly.opened.v1",
    "forecall.heartbeat.v1",
    "forecall.tick.v1",
    "forecall.incident.predicted.v1",
    "forecall.incident.resolved.v1",
    "forecall.notice.sent.v1",
    "forecall.call-forecast.v1",
    "forecall.feedback.v1",
    "forecall.command.v1",
    "forecall.customer.upserted.v1",
    "forecall.customer.erased.v1",
    "forecall.receipt.v1",
    "forecall.reply.v1",
    "forecall.call.v1",
];

fuzz_target!(|data: &[u8]| {
    let Some((choice, value)) = data.split_first() else {
        return;
    };
    let kind = TYPES[usize::from(*choice) % TYPES.len()];
    let headers: Vec<(&str, &[u8])> = vec![
        ("ce_specversion", b"1.0"),
        ("ce_type", kind.as_bytes()),
        ("ce_id", b"x/1"),
        ("ce_source", b"fuzz"),
        ("content-type", b"application/json"),
    ];
    let headers = headers.as_slice();
    let _ = event::decode_anomaly(headers, value);
    let _ = event::decode_incident_event(headers, value);
    let _ = event::decode_incident_state(headers, value);
    let _ = event::decode_notice(headers, value);
    let _ = event::decode_call_forecast(headers, value);
    let _ = event::decode_feedback(headers, value);
    let _ = event::decode_command(headers, value);
    let _ = event::decode_directory_record(headers, value);
    let _ = event::decode_receipt(headers, value);
    let _ = event::decode_reply(headers, value);
    let _ = event::decode_call(headers, value);
});
